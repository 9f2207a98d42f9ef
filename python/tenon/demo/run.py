# SPDX-License-Identifier: Apache-2.0
"""The main job: the sentence encoder on every default device, checked and compared; then the jobs of models.py.

Exit status 0 only if every device present was right: within 1e-5 of the float64 reference and with
the CANONICAL bits of cpu, in f32 and, where its products are its own in bf16, there too; the text of
the shipped picture as it is written there.
"""
import argparse
import functools
import hashlib
import os
import pathlib
import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import numpy as np

import tenon

from . import models, report, weights
from .encoder import Encoder
from .reference import Reference

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 1e-5  # promised for f32 in the normalised embeddings
CANONICAL_VERSION = 1
QUERY = "Where can I go skiing?"
BATCH = 32
NARROW = 4  # sentences that are also computed in bf16
SLOW = "vulkan:"  # drivers that compute on the cpu take minutes for the other models: one line alone, unless they are named
SIMULATED = ("tpu-sim:canonical-128", "tpu-sim:tpu-v4", "tpu-sim:test-24x40")  # beside the default devices
PICTURE = 64  # sentences in the similarity matrix at most
SHARE = 0.4  # of a device's seconds; the other jobs divide the rest


def arguments(argv):
    p = argparse.ArgumentParser(prog="run", description="sentence encoder on every device")
    p.add_argument("--device", nargs="+", action="extend", metavar="URI", help="instead of the default devices")
    p.add_argument("--seconds", type=float, default=20.0, help="for each device (20)")
    p.add_argument("--sentences", metavar="FILE", help="one sentence a line, instead of the shipped ones")
    p.add_argument("--query", default=QUERY, help="whose nearest neighbours are shown")
    p.add_argument("--image", metavar="FILE", help="picture to read the text of, instead of the shipped one")
    p.add_argument("--out", default="build/run", help="folder of report.json and report.html")
    return p.parse_args(argv)


def read_sentences(path):
    file = pathlib.Path(path) if path else HERE / "sentences.txt"
    try:
        lines = [s.strip() for s in file.read_text(encoding="utf-8").splitlines()]
    except OSError as e:
        raise SystemExit(f"run: cannot read {file}: {e.strerror}") from None
    lines = [s for s in lines if s]
    if not lines:
        raise SystemExit(f"run: {file} has no sentence")
    return lines


class Job:
    """What all devices share: the sentences as tokens and the truth about each."""

    def __init__(self, sentences):
        config, self.weights = weights.load()
        self.config, self.sentences = config, sentences
        tokenizer = weights.Tokenizer()
        self.tokens = [tokenizer([s]) for s in sentences]
        self.tokenizer, self.reference = tokenizer, Reference(config, self.weights)
        self.truth = [None] * len(sentences)

    def expected(self, i):
        if self.truth[i] is None:
            self.truth[i] = self.reference(self.tokens[i][0][0])
        return self.truth[i]


def absent(uri, error):
    return {"uri": uri, "name": None, "present": False, "class": None, "dtype": "f32", "ms_per_item": None,
            "items": 0, "max_abs_diff": None, "digest": None, "digests": {"f32": None, "bf16": None},
            "max_abs_diff_bf16": None, "ops_on_device": 0, "ops_fallen_back": 0, "refused": None, "reason": str(error)}


def measure(job, device, seconds, tick):
    """One device: the first sentence, then as many as fit. Returns (row, embeddings by sentence, encoder)."""
    encoder = Encoder(device, job.config, job.weights)
    encoder(*job.tokens[0])  # plans, packed weights
    times, found, worst = [], {}, 0.0
    start = time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        i = len(times) % len(job.sentences)
        t = time.perf_counter()
        y = encoder(*job.tokens[i])[0]
        times.append(time.perf_counter() - t)
        if i not in found:
            found[i] = y
        elif found[i].tobytes() != y.tobytes():
            raise tenon.Error("corrupt", "run.unrepeatable", None, f"sentence {i} gave other bits the second time")
        tick(completed=min(seconds, time.perf_counter() - start), done=len(times))
    tick(description=f"{device.uri}: checking".replace("[", "\\["))
    for i, y in found.items():
        difference = np.abs(y.astype(np.float64) - job.expected(i))
        worst = max(worst, float(difference.max()) if np.isfinite(y).all() else float("inf"))
    ops = device.ops_on_device
    if device.meter:
        device.meter.reset()
    narrow, narrow_worst = measure_narrow(job, device)
    device.ops_on_device = ops
    digest = hashlib.sha256(found[0].astype("<f4").tobytes()).hexdigest()
    row = {"uri": device.uri, "name": device.info["name"], "present": True, "class": "canonical", "dtype": "f32",
           "ms_per_item": float(np.median(times)) * 1e3, "items": len(times),
           "max_abs_diff": worst if np.isfinite(worst) else None,
           "digest": digest, "digests": {"f32": digest, "bf16": narrow}, "max_abs_diff_bf16": narrow_worst,
           "ops_on_device": device.ops_on_device,
           "ops_fallen_back": device.ops_fallen_back, "refused": device.refused(), "reason": None}
    if device.meter:
        m = device.meter
        row["simulated"] = {"sentences": NARROW, "dtype": "bf16", "ops": m.ops, "cycles": m.cycles, "ns": m.ns,
                            "macs": m.macs, "utilisation": m.share}
    return row, found, encoder


def measure_narrow(job, device):
    """The first sentences in bf16: (digest of the first, largest difference), or Nones where the device
    leaves some of it to cpu or refuses it."""
    before = device.ops_fallen_back
    try:
        encoder = Encoder(device, job.config, job.weights, dtype="bf16")
        found = [encoder(*tokens)[0] for tokens in job.tokens[:NARROW]]
    except tenon.Error as e:
        if e.status.lower() != "unsupported":
            raise
        return None, None
    if device.ops_fallen_back != before:
        device.ops_fallen_back = before
        return None, None
    worst = max(float(np.abs(y.astype(np.float64) - job.expected(i)).max()) for i, y in enumerate(found))
    return hashlib.sha256(found[0].astype("<f4").tobytes()).hexdigest(), worst


def judge(row, cpu_digest, narrow_cpu):
    """Fills row's reason with what is wrong; True if nothing is. narrow_cpu: cpu's digest in bf16 and
    its largest difference there."""
    wrong = []
    if not row["max_abs_diff"] or not row["max_abs_diff"] <= LIMIT:
        wrong.append(f"differs from the float64 reference by {row['max_abs_diff']}, more than {LIMIT:g}")
    if cpu_digest and row["digest"] != cpu_digest:
        wrong.append("its CANONICAL bits are not those of cpu")
    digest, worst = row["digests"]["bf16"], row["max_abs_diff_bf16"]
    if digest and narrow_cpu[0] and digest != narrow_cpu[0]:
        wrong.append("its CANONICAL bits in bf16 are not those of cpu")
    if digest and not worst <= 2 * (narrow_cpu[1] if narrow_cpu[0] else worst):
        wrong.append(f"differs in bf16 by {worst}, cpu by {narrow_cpu[1]}")
    row["reason"] = "; ".join(wrong) or None
    return not wrong


def show(console, rows, first):
    table = Table(title=f"{weights.MODEL}, one sentence at a time")
    for name in ("device", "ms/sentence", "sentences", "max difference", "bits of the first", "ops on it",
                 "fallen back"):
        table.add_column(name, justify="left" if name == "device" else "right")
    for r in rows:
        if r["present"] and r["digest"]:
            equal = "equal" if r["digest"] == first else "[red]differ[/red]"
            table.add_row(r["uri"].replace("[", "\\["), f"{r['ms_per_item']:.2f}", str(r["items"]),
                          f"{r['max_abs_diff'] if r['max_abs_diff'] is not None else float('inf'):.2e}",
                          equal, str(r["ops_on_device"]), str(r["ops_fallen_back"]))
        else:
            table.add_row(r["uri"].replace("[", "\\["), "-", "-", "-", "-", "-", "-")
    console.print(table)
    for r in rows:
        if r["refused"]:
            console.print(f"{r['uri']} refuses: {r['refused']}; such ops fall back to cpu", markup=False)
        if r.get("simulated") and r["simulated"]["cycles"]:
            m = r["simulated"]
            console.print(f"{r['uri']}: {m['sentences']} sentences in {m['dtype']}, {m['ops']} ops on it: {m['cycles']} cycles, "
                          f"{m['ns'] / 1e3:.1f} us simulated, its arrays used to {100 * (m['utilisation'] or 0):.1f} %",
                          markup=False)
        if r["reason"]:
            console.print(f"{r['uri']}: {r['reason']}", style="red", markup=False)


def neighbours(console, job, encoder, query, count=3):
    """The sentences nearest to the query; embedded in batches, unlike the timed ones."""
    texts = [query] + job.sentences
    y = np.concatenate([encoder(*job.tokenizer(texts[i:i + BATCH])) for i in range(0, len(texts), BATCH)])
    similarity = (y[1:] @ y[0]).tolist()
    best = sorted(range(len(similarity)), key=lambda i: -similarity[i])[:count]
    console.print(f"nearest to “{query}”:", markup=False)
    for i in best:
        console.print(f"  {similarity[i]:.3f}  {job.sentences[i]}", markup=False)
    nearest = [{"sentence": job.sentences[i], "similarity": similarity[i]} for i in best]
    return {"text": query, "nearest": nearest}, y[1:]


def check_pairs(console, y):
    """The shipped sentences come in pairs that mean the same: each one's nearest is its other half."""
    similarity = y @ y.T
    np.fill_diagonal(similarity, -1)
    strange = [i for i in range(len(y)) if int(similarity[i].argmax()) != i ^ 1]
    console.print(f"{len(y) - len(strange)} of {len(y)} sentences have the other half of their pair as the nearest")
    return not strange


def default_devices(runtime):
    devices = runtime.devices()
    return ([d["uri"] for d in devices if d["default"]] + [d["uri"] for d in devices if d["uri"].startswith(SLOW)] +
            list(SIMULATED))


def main(argv=None):
    a = arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    job = Job(read_sentences(a.sentences))
    runtime = tenon.Runtime()
    uris = a.device or default_devices(runtime)
    if not uris:
        raise SystemExit("run: no default device found; name one with --device")
    rows, right, last, first_found = [], True, None, None
    with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[done]} sentences"),
                  TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        for uri in uris:
            task = progress.add_task(uri.replace("[", "\\["), total=a.seconds * SHARE, done=0)
            try:
                device = runtime.open(uri)
            except tenon.Error as e:
                rows.append(absent(uri, e))
                # A device that was asked for by name has to be there.
                right = right and a.device is None
                continue
            try:
                row, found, encoder = measure(job, device, a.seconds * SHARE, functools.partial(progress.update, task))
                first_found = first_found or found
                different = [i for i in found if i in first_found and found[i].tobytes() != first_found[i].tobytes()]
                last = last or encoder
            except tenon.Error as e:
                row, different = absent(uri, e), []
                row.update(present=True, name=device.info["name"], ops_on_device=device.ops_on_device,
                           ops_fallen_back=device.ops_fallen_back)
                right = False
            rows.append(row)
            if row["digest"]:
                cpu = next((r["digest"] for r in rows if r["uri"] == "cpu" and r["digest"]), None)
                narrow = next(((r["digests"]["bf16"], r["max_abs_diff_bf16"]) for r in rows if r["uri"] == "cpu"),
                              (None, None))
                right = judge(row, cpu or rows[0]["digest"], narrow) and right
                if different:
                    text = f"other bits than the first device in {len(different)} of its sentences"
                    row["reason"], right = f"{row['reason']}; {text}" if row["reason"] else text, False
    show(console, rows, next((r["digest"] for r in rows if r["digest"]), None))
    query, similarity = None, []
    if last is not None:
        query, y = neighbours(console, job, last, a.query)
        similarity = (y[:PICTURE] @ y[:PICTURE].T).tolist()
        if a.sentences is None:
            right = check_pairs(console, y) and right
    share = a.seconds * (1 - SHARE) / models.COUNT
    present = [row["uri"] for row in rows if row["present"]]
    slow = [uri for uri in present if not a.device and uri.startswith(SLOW)]
    others, pages, fine = models.run(runtime, [u for u in present if u not in slow], slow, share, absent, a.image)
    right = right and fine
    for model in others:
        models.show(console, model)
    out = {"schema": 1, "version": tenon.version(), "canonical_version": CANONICAL_VERSION, "cpu": report.cpu(),
           "model": weights.MODEL, "devices": rows, "models": [{"model": weights.MODEL, "devices": rows}, *others]}
    os.makedirs(a.out, exist_ok=True)
    report.write(a.out, out, {"limit": LIMIT, "sentences": job.sentences, "similarity": similarity, "query": query,
                              "pages": pages})
    console.print(f"{'right' if right else 'NOT RIGHT'}: {a.out}/report.html", style="green" if right else "red")
    return 0 if right and last is not None else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except tenon.Error as error:
        sys.exit(f"run: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
