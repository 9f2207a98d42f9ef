# SPDX-License-Identifier: Apache-2.0
# JSON and digests for the command and the conformance suite.
find_path(CJSON_INCLUDE cjson/cJSON.h)
find_library(CJSON_LIBRARY cjson)
if(NOT CJSON_INCLUDE OR NOT CJSON_LIBRARY)
    message(FATAL_ERROR "cJSON is missing: apt-get install libcjson-dev")
endif()
find_path(XXHASH_INCLUDE xxhash.h)
if(NOT XXHASH_INCLUDE)
    message(FATAL_ERROR "xxHash is missing: apt-get install libxxhash-dev")
endif()
