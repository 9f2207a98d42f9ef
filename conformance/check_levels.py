#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Levels 7 to 9: wrong calls, stress, networks. They pass on cpu, each kind fails on a defect that it alone is for, a failure
comes back from its line, soaking draws others, and the ladder climbs to the top. TENON_TEST_FULL=1: every defect, and the ladder through
all of level 6; otherwise some, others by another TENON_TEST_SEED."""
import json
import os
import random
import subprocess
import sys
import tempfile

TENON = sys.argv[1]
FULL = os.environ.get("TENON_TEST_FULL", "1") == "1"
SEED = int(os.environ.get("TENON_TEST_SEED", "1"))
HIGH = ["--case", "L7.*", "--case", "L8.*", "--case", "L?.negative.*"]
# The defect, and a case that has to meet it.
MET = {"J01": "L7.stress.again.1000", "J02": "L7.stress.plans", "J03": "L7.stress.threads", "J04": "L7.graph.q4", "J05": "L7.stress.buffers",
       "J06": "L7.stress.memory.96m", "J07": "L7.stress.recorded", "J08": "L7.packed.matmul.64x64x64.f32", "J09": "L7.stress.imported",
       "J10": "L3.negative.call.plan_kernel_of_no_name", "J11": "L3.negative.call.plan_kernel_of_no_name", "J12": "L8.network.decoder.f32"}


def tenon(*args, status=0):
    done = subprocess.run([TENON, *args], capture_output=True, text=True)
    assert done.returncode == status, (args, done.returncode, done.stdout[-800:], done.stderr[-600:])
    return done.stdout


def records(path):
    return [json.loads(line) for line in open(path)]


def main():
    with tempfile.TemporaryDirectory() as d:
        p = lambda name: os.path.join(d, name)
        negatives = [n for n in tenon("verify", "--names", "--list", "standard").split() if ".negative." in n]
        quick = [n for n in tenon("verify", "--names", "--list", "quick").split() if ".negative." in n]
        assert len(negatives) >= 300 and len(quick) >= 300 and set(quick) < set(negatives)

        # all of quick and every wrong call, twice: the same records, in other processes and another order
        bare = lambda path: sorted((r["case"], r["status"], r["metrics"]["digest"]) for r in records(path))
        tenon("verify", "cpu", "-q", *HIGH, "--jsonl", p("a"))
        tenon("verify", "cpu", "-q", *HIGH, "--jsonl", p("b"), "--jobs", "2", "--shuffle=5")
        assert bare(p("a")) == bare(p("b")) and {s for _, s, _ in bare(p("a"))} == {"pass"}
        tenon("verify", "cpu", "-q", "--list", "standard", "--case", "*.negative.*", "--jsonl", p("n"))
        assert len(records(p("n"))) == len(negatives) and all(r["status"] == "pass" for r in records(p("n")))
        shards = []
        for i in (1, 2):
            tenon("verify", "cpu", "-q", *HIGH, "--shard", f"{i}/2", "--jsonl", p(f"s{i}"))
            shards += bare(p(f"s{i}"))
        assert sorted(shards) == bare(p("a"))

        # a device that lacks them fails nothing
        tenon("verify", "null", "-q", *HIGH, "--jsonl", p("null"), status=0)
        assert {r["status"] for r in records(p("null"))} <= {"pass", "not_supported"}

        # every kind can fail; what fails comes back from its line
        met = sorted(MET) if FULL else random.Random(SEED).sample(sorted(MET), 4)
        for defect in met:
            case = MET[defect]
            out = tenon("verify", f"mutant:{defect}", "-q", "--no-retry", "--case", case + "*", status=1)
            line = [x for x in out.splitlines() if "again: " in x][0].split("again: ")[1]
            again = subprocess.run(line.replace("tenon", TENON, 1) + " -q --no-retry", shell=True, capture_output=True, text=True)
            assert again.returncode == 1, (defect, line, again.stdout)

        # other seeds are other graphs, and the name says which
        tenon("verify", "cpu", "-q", "--soak", "1e-9", "--seed", "3", "--case", "L7.graph.q?.n60.f32*", "--jsonl", p("soak"))
        drawn = records(p("soak"))
        assert drawn and all(r["case"].endswith(".s3") and r["status"] == "pass" for r in drawn)
        first = {r["case"]: r["metrics"]["digest"] for r in records(p("a"))}
        assert all(first[r["case"][:-1] + "0"] != r["metrics"]["digest"] for r in drawn)
        out = tenon("verify", "mutant:J04", "-q", "--no-retry", "--soak", "60", "--seed", "4", "--case", "L7.graph.q4*", status=1)
        assert ".s4'" in out and "round 2" not in out
        tenon("verify", "cpu", "-q", "--soak", "never", status=2)

        # the ladder stops at the rung that breaks
        if FULL:
            out = tenon("bringup", "mutant:J05", status=1)
            assert "L6  library ops              holds" in out and "L7  stress                   BROKEN" in out and "L8" not in out
    print(f"levels: {len(negatives)} wrong calls in standard, {len(quick)} in quick; met by their kind (seed {SEED}): {' '.join(met)}; soaking"
          f"{' and ladder' if FULL else ''} behaves")


if __name__ == "__main__":
    main()
