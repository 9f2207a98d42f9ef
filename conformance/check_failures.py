#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the suite keeps of a failure: the line that runs it again, the capsule, the smallest form, the program.

usage: check_failures.py TENON CC HEADERS LIBRARY [LINK FLAG ..]
Mutants are drawn, fewer with TENON_TEST_FULL=0; the seed is printed, and CHECK_SEED repeats a draw."""
import json
import os
import random
import subprocess
import sys
import tempfile

TENON, CC, HEADERS, LIBRARY, *LINK = sys.argv[1:]
FIXED = ["M05", "M12", "M31", "C05", "A01", "N02", "O02", "Q07"]
PARTS = ["--case", "*matmul.17x33x65.*16*", "--case", "*matmul.19x21x35*f32*", "--case", "*matmul.20x20x40.f32*", "--case",
         "*conv.n1c8h8w8k8r3s3*f32*", "--case", "*conv.n1c6h9w9*f16*", "--case", "*conv.n1c16h14w16k16r4*",
         "--case", "L6.attention.b*f32*", "--case", "L?.norm*f32*", "--case", "*matmul.33x31x300.f32*", "--case", "L4.quantize.9x64*q?_0*"]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def again(out):
    return [line.split("again: ")[1] for line in out.splitlines() if "again: " in line]


def main():
    seed = int(os.environ.get("CHECK_SEED", random.randrange(1 << 30)))
    print(f"CHECK_SEED={seed}")
    chance = random.Random(seed)
    fixed = FIXED if os.environ.get("TENON_TEST_FULL", "1") == "1" else chance.sample(FIXED, 4)
    ids = fixed + chance.sample(["M01", "M02", "M06", "M07", "M08", "M09", "M18", "M20", "M25", "M33", "M39", "M40", "M44", "M51", "C01",
                                 "C02", "C04", "C10", "C12", "A03", "A19"], 2)
    capsules = programs = smaller = 0
    with tempfile.TemporaryDirectory() as top:
        for i in ids:
            device, folder = f"mutant:{i}", os.path.join(top, i)
            status, out = run(TENON, "verify", device, "-q", "--no-retry", *PARTS, "--failures", folder)
            assert status == 1, (device, out[-800:])
            line = again(out)[0]
            status, once = run("sh", "-c", line.replace("tenon", TENON, 1) + " -q --no-retry")
            assert status == 1, (line, once)
            kept = sorted(f for f in os.listdir(folder) if f.endswith(".capsule"))
            assert kept, (device, out)
            for f in kept[:2]:
                path = os.path.join(folder, f)
                capsule = json.load(open(path))
                assert {"capsule", "device", "library", "list_hash", "failure"} <= set(capsule), path
                assert {"case", "seed", "status", "digest", "operands", "expected", "looks_like"} <= set(capsule["failure"]), path
                status, out = run(TENON, "replay", path)
                assert status == 1 and "the same verdict" in out, (path, out)
                status, out = run(TENON, "replay", path, "--device", "cpu")
                assert status == 0 and "fixed" in out, (path, out)
                capsules += 1
                if "smallest" in capsule:
                    status, out = run(TENON, "replay", path, "--smallest")
                    assert status == 1 and "the same verdict" in out, (path, out)
                    count = lambda part: sum(len(o.get("bytes", "")) for o in capsule[part]["operands"])
                    assert count("smallest") <= count("failure"), path
                    smaller += count("smallest") * 4 <= count("failure")
                program = path[:-len("capsule")] + "c"
                if os.path.exists(program):
                    exe = program[:-2]
                    status, out = run(CC, "-std=c11", "-Wall", "-Werror", "-I", HEADERS, program, "-o", exe, LIBRARY, *LINK)
                    assert status == 0, (program, out)
                    status, out = run(exe)
                    assert status == 1 and "FAILS" in out, (program, out)
                    status, out = run(exe, "cpu")
                    assert status == 0 and "passes" in out, (program, out)
                    programs += 1
        # a crash and a hang: operands are kept, a smaller form ends the same way, cpu does not
        for i, case, word in (("R14", "L4.eltwise.recip.33x1.bf16*huge*", "it died"), ("R12", "L6.matmul.33x33x33.bf16.nn.zero*", "FAILS")):
            device, folder = f"mutant:{i}", os.path.join(top, i)
            status, out = run(TENON, "verify", device, "-q", "--no-retry", "--case", case, "--case-timeout", "3", "--failures", folder)
            assert status == 1 and "smallest: " in out, (device, out[-800:])
            path, = (os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".capsule"))
            capsule = json.load(open(path))
            for part in ("failure", "smallest"):
                assert any("bytes" in o for o in capsule[part]["operands"]) and capsule[part]["expected"], (path, part)
                assert capsule[part]["status"] in ("crash", "timeout") and capsule[part]["limit_s"] == 3, (path, part)
                status, out = run(TENON, "replay", path, *["--smallest"][:part == "smallest"])
                assert status == 1 and "the same end" in out, (path, part, out)
                status, out = run(TENON, "replay", path, "--device", "cpu", *["--smallest"][:part == "smallest"])
                assert status == 0 and "fixed" in out, (path, part, out)
            assert "33x1" in capsule["smallest"]["op"] and len(os.listdir(folder)) == 2, (capsule["smallest"]["op"], os.listdir(folder))
            capsule["failure"]["message"] = "the process died of signal 8"  # another end is not the same
            other = os.path.join(top, "other.capsule")
            json.dump(capsule, open(other, "w"))
            status, out = run(TENON, "replay", other)
            assert status == 1 and ("another verdict" in out) == (i == "R14"), out
            program, exe = path[:-len("capsule")] + "c", path[:-len(".capsule")]
            status, out = run(CC, "-std=c11", "-Wall", "-Werror", "-I", HEADERS, program, "-o", exe, LIBRARY, *LINK)
            assert status == 0, (program, out)
            status, out = run(exe)
            assert status == 1 and word in out, (program, out)
            status, out = run(exe, "cpu")
            assert status == 0 and "passes" in out, (program, out)
        # other data by seed: the name ends in it, and runs again by itself
        status, out = run(TENON, "verify", "mutant:M05", "-q", "--no-retry", "--case", "*matmul.17x33x65.f32*e24.s7")
        assert status == 1 and ".e24.s7'" in out, out
        status, out = run("sh", "-c", again(out)[0].replace("tenon", TENON, 1) + " -q")
        assert status == 1 and ".e24.s7" in out, out
        for text in ("", "{}", '{"capsule":1}'):
            open(os.path.join(top, "bad"), "w").write(text)
            assert run(TENON, "replay", os.path.join(top, "bad"))[0] == 2
    assert capsules >= len(ids) and programs >= len(ids) // 2 and smaller >= len(ids) // 2, (capsules, programs, smaller)
    print(f"failures: {len(ids)} mutants, {capsules} capsules replayed, {smaller} at most a quarter, {programs} programs fail on the mutant and pass on cpu")


if __name__ == "__main__":
    main()
