#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proves that a sanitizer preset fails on a planted defect of each kind: sanitizer_selftest.sh PRESET
set -u
cd "$(dirname "$0")/.."
preset=$1 rc=0
case "$preset" in
asan-ubsan) kinds="leak overflow shift" ;;
tsan) kinds="race" ;;
*) echo "unknown preset $preset" >&2; exit 2 ;;
esac
planted=build/$preset/tests/planted
for k in none $kinds; do
    "$planted" "$k" >/dev/null 2>&1
    got=$?
    if [ "$k" = none ]; then want=0; else want=1; fi
    if { [ $want = 0 ] && [ $got != 0 ]; } || { [ $want = 1 ] && [ $got = 0 ]; }; then
        echo "  planted $k: exit status $got" >&2
        rc=1
    fi
done
[ $rc = 0 ] && echo "  $preset fails on each planted defect: $kinds"
exit $rc
