# SPDX-License-Identifier: Apache-2.0
# Drivers of other makers for `./run --setup`, into .drivers/; each part writes a .drivers/*.sh that says where they
# are, which ./run and ./test read. Sourced after setup.sh. Without any of them everything else works.

# Oclgrind interprets kernels and complains of what they do wrong: for a test, it is no device of .drivers/opencl.sh.
TN_OPENCL_PACKAGES="ocl-icd-libopencl1 pocl-opencl-icd clinfo oclgrind"
# Intel's CPU runtime; the second wheel has libraries that the first needs and does not name. Under Intel's own
# licence: it is fetched, never shipped.
TN_OPENCL_WHEELS="intel-opencl-rt intel-cmplr-lib-rt"

# PoCL from the distribution and Intel's runtime from its wheels; each may fail alone.
tn_setup_drivers_opencl() {
    local missing icd d=$PWD/.drivers
    mkdir -p .drivers/vendors .drivers/pocl-cache
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2086
        missing=$(tn_setup_missing $TN_OPENCL_PACKAGES)
        # shellcheck disable=SC2086
        [ -z "$missing" ] || tn_setup_apt $missing || tn_setup_note "going on without PoCL and Oclgrind"
    fi
    if [ ! -e .drivers/venv/lib/libintelocl.so ]; then
        # shellcheck disable=SC2086
        tn_setup_quiet "make .drivers/venv" python3 -m venv .drivers/venv &&
            tn_setup_quiet "fetch Intel's OpenCL runtime (270 MB)" .drivers/venv/bin/python -m pip install -q \
                --disable-pip-version-check $TN_OPENCL_WHEELS || tn_setup_note "going on without Intel's runtime"
    fi
    rm -f .drivers/vendors/*.icd
    for icd in /etc/OpenCL/vendors/*.icd; do [ ! -e "$icd" ] || cp "$icd" .drivers/vendors/; done
    # The wheel's own .icd names a folder of its maker's. Its folder does not go into the library path: it has a
    # libOpenCL.so of its own.
    [ ! -e .drivers/venv/lib/libintelocl.so ] || echo "$d/venv/lib/libintelocl.so" >.drivers/vendors/intel-cpu.icd
    printf '%s\n' "export OCL_ICD_VENDORS=\${OCL_ICD_VENDORS:-$d/vendors}" \
        "export POCL_CACHE_DIR=\${POCL_CACHE_DIR:-$d/pocl-cache}" >.drivers/opencl.sh
}

# Every part that there is; a part is a function tn_setup_drivers_<what>.
tn_setup_drivers() {
    local part
    for part in $(declare -F | sed -n 's/^declare -f \(tn_setup_drivers_[a-z]*\)$/\1/p'); do
        [ "$part" = tn_setup_drivers_env ] || "$part"
    done
}

# What the parts wrote, for the programs that this shell starts.
tn_setup_drivers_env() {
    local file
    for file in .drivers/*.sh; do
        # shellcheck disable=SC1090
        [ ! -e "$file" ] || . "$file"
    done
}
