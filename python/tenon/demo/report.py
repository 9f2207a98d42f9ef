# SPDX-License-Identifier: Apache-2.0
"""report.json and report.html: one fixed page with the same JSON inlined, drawn by its own script."""
import json
import os
import pathlib
import platform


def cpu():
    """What the machine says about its processor."""
    name, flags = platform.processor() or platform.machine(), []
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            for line in f:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    name = value.strip()
                elif key.strip() == "flags" and not flags:
                    flags = value.split()
    except OSError:
        pass  # not Linux: the name alone
    known = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:
        usable = os.cpu_count()
    return {"name": name, "arch": platform.machine(), "cpus": usable, "isa": [f for f in known if f in flags]}


def write(folder, report, more):
    folder = pathlib.Path(folder)
    (folder / "report.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    page = (pathlib.Path(__file__).resolve().parent / "report.html").read_text(encoding="utf-8")
    data = json.dumps({"report": report, **more}, allow_nan=False)
    # "<" is escaped so that no sentence can end the script element.
    (folder / "report.html").write_text(page.replace("@DATA@", data.replace("<", "\\u003c"), 1), encoding="utf-8")
