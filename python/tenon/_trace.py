# SPDX-License-Identifier: Apache-2.0
"""The trace of a runtime as a list of dicts, and as JSON for ui.perfetto.dev."""
import contextlib
import json

from ._library import check, ffi, lib, text

_KINDS = {}


def _kinds():
    if not _KINDS:
        for name in ("SLICE", "SIGNAL", "WAIT", "COUNTER", "MARK"):
            _KINDS[getattr(lib, "TN_EVENT_" + name)] = name.lower()
    return _KINDS


def _copy(e):
    out = {key: text(getattr(e, key)) for key in ("crossing", "track", "name", "device", "op", "kernel", "reason")}
    out |= {key: getattr(e, key) for key in ("track_id", "item", "flow", "value", "submitted_ns", "start_ns", "end_ns",
                                             "bytes", "flops")}
    return out | {"kind": _kinds().get(e.kind, ""), "status": text(lib.tn_status_name(e.status))}


def _write(events, path):
    tracks, rows = {}, []
    base = min((e["start_ns"] for e in events), default=0)
    for e in sorted(events, key=lambda e: (e["start_ns"], -e["end_ns"])):
        if e["kind"] not in ("slice", "mark"):
            continue
        pid = tracks.setdefault((e["track"], None), len(tracks) + 1)
        tid = tracks.setdefault((e["track"], e["track_id"]), len(tracks) + 1)
        row = {"ph": "X" if e["kind"] == "slice" else "i", "name": e["name"], "cat": e["crossing"], "pid": pid, "tid": tid,
               "ts": (e["start_ns"] - base) / 1000, "args": {k: v for k, v in e.items() if v != ""}}
        row |= {"dur": (e["end_ns"] - e["start_ns"]) / 1000} if e["kind"] == "slice" else {"s": "t"}
        rows.append(row)
    rows += [{"ph": "M", "name": "process_name", "pid": n, "tid": 0, "args": {"name": track}}
             for (track, thread), n in tracks.items() if thread is None]
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"displayTimeUnit": "ns", "traceEvents": rows}, f)


@contextlib.contextmanager
def trace(runtime, path=None):
    """The events of a runtime while the block runs: a list of dicts with the fields of tn_event, and with a path
    their timeline, written at the end as JSON for ui.perfetto.dev. One at a time for a runtime."""
    events = []

    @ffi.callback("void(void *, const tn_event *)")
    def take(_, event):
        events.append(_copy(event))

    check(lib.tn_runtime_trace(runtime.handle, take, ffi.NULL))
    try:
        yield events
    finally:
        check(lib.tn_runtime_trace(runtime.handle, ffi.NULL, ffi.NULL))
        if path is not None:
            _write(events, path)
