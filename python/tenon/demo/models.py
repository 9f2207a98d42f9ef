# SPDX-License-Identifier: Apache-2.0
"""The jobs beside the sentence encoder: text in a picture, a block of a diffusion transformer, a decoder.

Each is run on every device within its share of the seconds, checked, and compared with the first device: a model
of the report is {"model", "unit", "devices": rows as the encoder's, ...}.
"""
import base64
import hashlib
import io
import time

import numpy as np
from PIL import Image
from rich.table import Table

import tenon

from . import boxes, decoder, dit, ocr

COUNT = 3
LIMIT = 1e-5  # promised for f32, of the largest absolute value of the float64 result


def on_page(picture):
    """(the picture for the page, by how much it was made smaller for that)"""
    height, width = picture.shape[:2]
    scale = min(1.0, 1200 / max(height, width))
    shown, file = Image.fromarray(np.ascontiguousarray(picture[..., ::-1])), io.BytesIO()
    if scale < 1:
        shown = shown.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    shown.save(file, "PNG")
    return {"size": shown.size, "image": "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()}, scale


class Picture:
    name, unit = ocr.MODEL, "picture"

    def __init__(self, image=None):
        self.path, self.expected = (image, None) if image else ocr.shipped()
        self.picture = ocr.load_picture(self.path)
        self.found = None

    def start(self, device):
        return ocr.Reader(device)

    def run(self, reader):
        """(items, what has to be the same in bits, what check() looks at)"""
        found = reader(self.picture)
        return 1, reader.digest.digest(), found

    def check(self, found):
        """(largest difference from the truth or None, what is wrong or None)"""
        text = [t for t, _, _ in found]
        if self.found is None:
            self.found = found
        elif text != [t for t, _, _ in self.found]:
            return None, f"read {text}, and the first device {[t for t, _, _ in self.found]}"
        if self.expected is not None and text != self.expected:
            return None, f"read {text}; the picture says {self.expected}"
        return None, None

    def more(self):
        shown, scale = on_page(self.picture)
        lines = [{"text": t, "confidence": c, "box": (b * scale).round(1).tolist()} for t, c, b in self.found or []]
        return {"picture": str(self.path), "lines": lines, "expected": self.expected}, shown


class Line:
    """The shortest line that the first device found in the picture, cropped and upright, through the recogniser alone:
    for devices that would take minutes for all of it."""
    name, unit = f"{ocr.MODEL}, one cropped line", "line"

    def __init__(self, picture):
        def length(found):
            width, height = (np.hypot(*(found[2][i] - found[2][j])) for i, j in ((1, 0), (3, 0)))
            return max(width, height) / max(1.0, min(width, height))
        self.expected, _, box = min(picture.found, key=length)
        self.line, self.straight = np.ascontiguousarray(boxes.crop(picture.picture, box)), False
        self.read = None

    def start(self, device):
        reader = ocr.Reader(device)
        if not self.straight:
            self.line, self.straight = np.ascontiguousarray(reader.upright(self.line)), True
        return reader

    def run(self, reader):
        reader.digest = hashlib.sha256()
        found = reader.recognise(self.line)
        return 1, reader.digest.digest(), found

    def check(self, found):
        if self.read is None:
            self.read = found
        return None, None if found[0] == self.expected else f"read {found[0]!r}; the first device {self.expected!r}"

    def more(self):
        lines = [{"text": self.read[0], "confidence": self.read[1]}] if self.read else []
        return {"lines": lines, "expected": [self.expected]}, on_page(self.line)[0]


class Diffusion:
    name, unit = dit.MODEL, "call"

    def __init__(self):
        self.weights, self.x, self.condition = dit.make()
        self.truth = dit.twin(self.weights, self.x, self.condition)

    def start(self, device):
        return dit.Block(device, self.weights), device.tensor(self.x), device.tensor(self.condition)

    def run(self, started):
        block, x, condition = started
        y = block(x, condition).numpy(copy=True)
        return 1, y.astype("<f4").tobytes(), y

    def check(self, y):
        worst = float(np.abs(y - self.truth).max())
        most = LIMIT * float(np.abs(self.truth).max())
        return worst, None if worst <= most else f"off by {worst:.2e}, {most:.2e} is promised"

    def more(self):
        return {}, {}


class Decoding:
    name, unit = decoder.MODEL, "token"

    def __init__(self):
        self.weights, self.prompt = decoder.make()
        self.tokens, self.truth = decoder.Twin(self.weights)(self.prompt)

    def start(self, device):
        return decoder.Decoder(device, self.weights)

    def run(self, model):
        tokens, logits = model(self.prompt)
        return len(tokens), logits.astype("<f4").tobytes(), (tokens, logits)

    def check(self, made):
        tokens, logits = made
        if tokens != self.tokens:
            return None, f"tokens {tokens}; float64 gives {self.tokens}"
        worst, most = float(np.abs(logits - self.truth).max()), LIMIT * float(np.abs(self.truth).max())
        return worst, None if worst <= most else f"off by {worst:.2e}, {most:.2e} is promised"

    def more(self):
        return {"tokens": self.tokens}, {}


def measure(job, device, seconds):
    """The row of one device: a first run for plans and packed weights, then as many as fit."""
    started = job.start(device)
    _, first, made = job.run(started)
    start, times = time.perf_counter(), []
    while not times or time.perf_counter() - start < seconds:
        t = time.perf_counter()
        items, bits, _ = job.run(started)
        times.append((time.perf_counter() - t) / items)
        if bits != first:
            raise tenon.Error("corrupt", "run.unrepeatable", None, f"{job.name} gave other bits the second time")
    worst, wrong = job.check(made)
    digest = hashlib.sha256(first).hexdigest()
    return {"uri": device.uri, "name": device.info["name"], "present": True, "class": "canonical", "dtype": "f32",
            "ms_per_item": float(np.median(times)) * 1e3, "items": len(times) * items, "max_abs_diff": worst,
            "digest": digest, "digests": {"f32": digest, "bf16": None}, "max_abs_diff_bf16": None, "ops_on_device": device.ops_on_device,
            "ops_fallen_back": device.ops_fallen_back, "refused": device.refused(), "reason": wrong}


def judge(row, first):
    """Adds to the row's reason what the comparison with the first device says."""
    wrong = [row["reason"]] if row["reason"] else []
    if row["digest"] != first:
        wrong.append("other bits than the first device")
    row["reason"] = "; ".join(wrong) or None


def run(runtime, quick, slow, seconds, absent, image=None):
    """({"model", "unit", "devices", ...} of each job, what only the page shows, whether all is right): all jobs on the
    devices `quick`, one line of the picture on the devices `slow`, too, beside the first of the others."""
    out, shown, right = [], [], True

    def do(job, uris):
        nonlocal right
        mine = []
        for uri in uris:
            try:
                row = measure(job, runtime.open(uri), seconds)
            except tenon.Error as e:
                row = {**absent(uri, e), "present": True}
            mine.append(row)
        first = next((r["digest"] for r in mine if r["digest"]), None)
        for row in mine:
            if row["digest"]:
                judge(row, first)
            right = right and row["reason"] is None
        more, page = job.more()
        out.append({"model": job.name, "unit": job.unit, "devices": mine, **more})
        shown.append(page)
    picture = Picture(image)
    do(picture, quick)
    if picture.found and slow:
        do(Line(picture), [*quick[:1], *slow])
    do(Diffusion(), quick)
    do(Decoding(), quick)
    return out, shown, right


def show(console, model):
    table = Table(title=model["model"])
    for name in ("device", f"ms/{model['unit']}", f"{model['unit']}s", "max difference", "bits of the first", "ops on it",
                 "fallen back"):
        table.add_column(name, justify="left" if name == "device" else "right")
    first = next((r["digest"] for r in model["devices"] if r["digest"]), None)
    for r in model["devices"]:
        cells = ["-"] * 6
        if r["digest"]:
            worst = f"{r['max_abs_diff']:.2e}" if r["max_abs_diff"] is not None else "-"
            cells = [f"{r['ms_per_item']:.2f}", str(r["items"]), worst,
                     "equal" if r["digest"] == first else "[red]differ[/red]", str(r["ops_on_device"]),
                     str(r["ops_fallen_back"])]
        table.add_row(r["uri"].replace("[", "\\["), *cells)
    console.print(table)
    for r in model["devices"]:
        if r["reason"]:
            console.print(f"{r['uri']}: {r['reason']}", style="red", markup=False)
    for line in model.get("lines", ()):
        console.print(f"  {line['confidence']:.3f}  {line['text']}", markup=False)
