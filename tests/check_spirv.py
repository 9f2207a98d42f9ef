#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No module lets a driver contract or reassociate floats: each operation on them is decorated NoContraction; and a
module has no capability beyond what its name allows (f64: Float64; texel and conv_pack: SampledBuffer; texel4: shuffles in a
subgroup): check_spirv.py SPIRV-DIS FOLDER"""
import pathlib
import re
import subprocess
import sys

OPERATION = re.compile(r"^\s*(%\w+) = Op(?:FAdd|FSub|FMul|FDiv|FNegate|FMod|FRem|VectorTimesScalar|Dot) ")
DECORATION = re.compile(r"^\s*OpDecorate (%\w+) NoContraction")
CAPABILITY = re.compile(r"^\s*OpCapability (\w+)")


def main():
    dis, folder = sys.argv[1:]
    files, operations, bad = sorted(pathlib.Path(folder).glob("*.spv")), 0, []
    for file in files:
        text = subprocess.run([dis, "--raw-id", str(file)], check=True, stdout=subprocess.PIPE, text=True).stdout
        used, exact, capabilities = [], set(), set()
        for line in text.splitlines():
            if m := OPERATION.match(line):
                used.append(m.group(1))
            elif m := DECORATION.match(line):
                exact.add(m.group(1))
            elif m := CAPABILITY.match(line):
                capabilities.add(m.group(1))
        operations += len(used)
        loose = [i for i in used if i not in exact]
        if loose:
            bad.append(f"{file.name}: {len(loose)} of {len(used)} operations may be contracted, {loose[0]} for one")
        more = capabilities - {"Shader"} - ({"Float64"} if file.stem.endswith("_f64") else set())
        more -= {"SampledBuffer"} if "_texel" in file.stem or "conv_pack" in file.stem else set()
        more -= {"GroupNonUniform", "GroupNonUniformShuffle"} if "_texel4" in file.stem else set()
        if more:
            bad.append(f"{file.name} needs {', '.join(sorted(more))}")
    if not operations:
        bad.append("no modules")
    print("\n".join(bad) or f"{len(files)} modules with {operations} operations on floats, none of which may be contracted")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
