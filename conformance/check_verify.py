#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The runner from outside: lists, shards, shuffle, resuming after a kill, crashes, hangs, waivers, exit statuses. TENON_TEST_FULL=0: on
fewer cases."""
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom

TENON = sys.argv[1]
FULL = os.environ.get("TENON_TEST_FULL", "1") == "1"
LIST = "quick" if FULL else "mandatory"
FIELDS = ["device", "list", "passed", "failed", "not_supported", "waived", "crashed", "timeout", "flake", "unexpected_pass",
          "quality_warning", "internal_error", "seconds", "canonical_version", "fingerprint"]


def tenon(*args, status=0, **more):
    done = subprocess.run([TENON, "verify", *args], capture_output=True, text=True, **more)
    assert done.returncode == status, (args, done.returncode, done.stdout[-600:], done.stderr[-600:])
    return done.stdout


def records(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def bare(r):
    """What two runs must agree in."""
    return {k: v for k, v in r.items() if k != "seconds"}


def main():
    with tempfile.TemporaryDirectory() as d:
        p = lambda name: os.path.join(d, name)
        part = ["--case", "L?.matmul.1*" if FULL else "L?.matmul.17*", "--case", "L4.copy.16*"]

        # the summary and its fields
        tenon("cpu", "-q", *part, "--json", p("a.json"), "--jsonl", p("a"), "--junit", p("a.xml"), "--csv", p("a.csv"))
        summary, whole = json.load(open(p("a.json"))), records(p("a"))
        assert all(f in summary for f in FIELDS), summary
        assert summary["passed"] > 100 and summary["failed"] == 0 and summary["device"] == "cpu" and summary["list"] == "quick"
        counts = [r["status"] for r in whole]
        assert counts.count("pass") == summary["passed"] and counts.count("not_supported") == summary["not_supported"]
        suite = xml.dom.minidom.parse(p("a.xml")).getElementsByTagName("testcase")
        assert len(suite) == len(whole) == len(open(p("a.csv")).readlines()) - 1

        # two runs, in other orders and by several processes, give the same records
        out = tenon("cpu", "-q", *part, "--jsonl", p("b"), "--shuffle=7", "--jobs", "2")
        assert "--shuffle=7" in out
        key = lambda r: r["case"]
        assert sorted(map(bare, records(p("b"))), key=key) == sorted(map(bare, whole), key=key)

        # the parts together are the whole
        together = []
        for i in range(1, 4):
            tenon("cpu", "-q", *part, "--shard", f"{i}/3", "--jsonl", p(f"s{i}"))
            together += records(p(f"s{i}"))
        assert sorted(map(bare, together), key=key) == sorted(map(bare, whole), key=key)

        # killed in the middle: at most one case is lost, and the rest is done later
        run = subprocess.Popen([TENON, "verify", "cpu", "-q", "--list", LIST, "--jsonl", p("k")], stdout=subprocess.DEVNULL)
        while not os.path.exists(p("k")) or os.path.getsize(p("k")) < 20000:
            time.sleep(0.005)
        run.send_signal(signal.SIGKILL)
        run.wait()
        lines = open(p("k")).read().split("\n")
        before = [json.loads(line)["case"] for line in lines[:-1]]
        assert lines[-1] == "" and len(before) > 20
        tenon("cpu", "-q", "--list", LIST, "--resume", p("k"))
        after = [r["case"] for r in records(p("k"))]
        names = tenon("--names", "--list", LIST).split()
        assert after[:len(before)] == before and sorted(after) == sorted(names) and len(names) >= 1000

        # a crash and a hang cost one case each, and the run goes on
        tenon("mutant:R14", "-q", "--case", "L4.eltwise.add.*", "--jsonl", p("crash"), status=1)
        crash = records(p("crash"))
        assert {r["status"] for r in crash if "33x65" in r["case"]} == {"crash"}, crash
        assert {r["status"] for r in crash if "33x65" not in r["case"]} == {"pass"}
        tenon("mutant:R12", "-q", "--case", "*matmul.33x31x129.f32.n?.e24*", "--case", "*matmul.3x5x7*e24*", "--jsonl", p("hang"),
              "--case-timeout", "2", status=1)
        hang = records(p("hang"))
        assert {r["status"] for r in hang if ".33x31" in r["case"]} == {"timeout"}, hang
        assert "pass" in {r["status"] for r in hang}

        # a failure names what it looks like, and comes back from its line in a fresh process
        out = tenon("mutant:M05", "-q", "--case", "*matmul.17x33x65.f32*e24*", status=1)
        assert "looks like: bit-identical to: last k dropped" in out, out
        line = [x for x in out.splitlines() if "again:" in x][0].split("again: ")[1]
        again = subprocess.run(line.replace("tenon", TENON, 1) + " -q", shell=True, capture_output=True, text=True)
        assert again.returncode == 1 and "last k dropped" in again.stdout

        # a submission: whole, unchanged, every case once
        os.mkdir(p("sub"))
        for i in (1, 2):
            tenon("cpu", "-q", "--list", "mandatory", "--shard", f"{i}/2", "--jsonl", p(f"sub/{i}.jsonl"))
        def submit(status, *more):
            done = subprocess.run([TENON, "verify-submission", p("sub"), *more], capture_output=True, text=True)
            assert done.returncode == status, done.stdout
            return done.stdout
        submit(0, "--recheck", "cpu")
        lines = open(p("sub/1.jsonl")).readlines()

        def forged(change, word):
            open(p("sub/1.jsonl"), "w").writelines(change(list(lines)))
            assert word in submit(1), word
        forged(lambda x: x[:-1], "missing")
        forged(lambda x: x + [x[3]], "twice")
        forged(lambda x: [x[0].replace('"digest":"', '"digest":"0')] + x[1:], "changed")
        forged(lambda x: [x[0].replace("L", "L9", 1)] + x[1:], "not in the list")
        forged(lambda x: [line.replace('"pass"', '"fail"') for line in x], "changed")
        open(p("sub/1.jsonl"), "w").writelines(lines)
        submit(0)
        assert "again" in submit(1, "--recheck", "mutant:M05")

        # the page: its data are the records
        tenon("mutant:M05", "-q", *part, "--html", p("r.html"), "--baseline", p("a"), status=1)
        page = open(p("r.html")).read()
        data = json.loads(page.split('type="application/json">')[1].split("</script>")[0])
        assert len(data["records"]) == len(whole) and len(data["baseline"]) == len(whole) and "http" not in page

        # waivers: a reason and an end, and no more than that
        later = (datetime.date.today() + datetime.timedelta(days=9)).isoformat()
        waiver = {"id": "w1", "device": "mutant:M05", "cases": ["*e24*", "*zero*"], "reason": "known", "url": "", "expires": later}
        json.dump([waiver], open(p("w"), "w"))
        tenon("mutant:M05", "-q", "--case", "*matmul.17x33x65.f32*e24*", "--waivers", p("w"), "--json", p("w.json"),
              "--jsonl", p("w.jsonl"), "--html", p("w.html"))
        assert json.load(open(p("w.json")))["waived"] > 0
        told = [r for r in records(p("w.jsonl")) if r["status"] == "waived"]
        assert told and all(r["waiver_reason"] == "known" and r["waiver_expires"] == later for r in told)
        page = json.loads(open(p("w.html")).read().split('type="application/json">')[1].split("</script>")[0])
        assert any(g["waived"] > 0 and "waived" in g["reason"] for g in page["about"]["grades"])
        json.dump([dict(waiver, expires="2020-01-01")], open(p("w"), "w"))
        tenon("mutant:M05", "-q", "--case", "*matmul.17x33x65.f32*e24*", "--waivers", p("w"), status=1)
        json.dump([dict(waiver, device="cpu", must_fail=True)], open(p("w"), "w"))
        tenon("cpu", "-q", "--case", "*matmul.17x33x65.f32*e24*", "--waivers", p("w"), "--json", p("w.json"), status=1)
        assert json.load(open(p("w.json")))["unexpected_pass"] > 0
        json.dump([{"id": "w"}], open(p("w"), "w"))
        tenon("cpu", "-q", "--waivers", p("w"), status=2)

        # statuses
        tenon("nosuch", "-q", status=3)
        tenon("null", "-q", "--case", "L6.matmul.*", status=4)
        tenon("cpu", "-q", "--case", "nothing.*", status=4)
        tenon("cpu", "--list", "other", status=2)
        tenon("cpu", "--shard", "4/3", status=2)
        tenon("cpu", "-q", "--op", "matmul 3x4x5:f32", "--data", "e24")
        tenon("cpu", "-q", "--list", "standard", "--budget", "1e5", "--jsonl", p("budget"))
        few = records(p("budget"))
        assert 0 < len(few) < 2000
        # what a budget buys is chosen by value: every op with exact data, and a defect of sums is found
        assert {"matmul", "conv", "attention", "softmax", "copy"} <= {r["op"].split()[0] for r in few}
        tenon("mutant:M05", "-q", "--no-retry", "--list", "standard", "--budget", "1e5", status=1)
    print(f"verify: {len(names)} cases in {LIST}; records, shards, kills, crashes, hangs and waivers behave")


if __name__ == "__main__":
    main()
