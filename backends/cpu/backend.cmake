# SPDX-License-Identifier: Apache-2.0
if(TENON_HWLOC)
    target_compile_definitions(tn_backend_cpu PRIVATE TN_HWLOC)
endif()
