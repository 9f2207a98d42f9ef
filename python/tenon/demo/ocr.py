# SPDX-License-Identifier: Apache-2.0
"""Text in pictures: PP-OCRv4's detector, classifier of direction and recogniser through tenon.onnx.

The three networks run on the device; what is around them (scaling, boxes, decoding) is numpy's and Pillow's.
"""
import functools
import hashlib
import importlib.util
import pathlib

import numpy as np
from PIL import Image

import tenon.onnx

from . import boxes

MODEL = "PP-OCRv4"
SHORT_SIDE = 736  # the detector looks at pictures of at least this
STEP = 32  # its sizes are multiples
HEIGHT = 48  # of a line, for the other two
TURNED = 0.9  # sure enough to turn a line round
CREDIBLE = 0.5  # below, the recogniser has guessed
WIDTH_STEP = 64  # widths are rounded up, so that lines share plans
HERE = pathlib.Path(__file__).resolve().parent


def folder():
    spec = importlib.util.find_spec("rapidocr_onnxruntime")
    if spec is None:
        raise SystemExit("the package rapidocr-onnxruntime is not installed: run ./run --setup")
    return pathlib.Path(spec.submodule_search_locations[0]) / "models"


def load_picture(path):
    """[height, width, 3] u8 in the order blue, green, red, which the networks have learnt."""
    try:
        with Image.open(path) as image:
            return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])
    except OSError as e:
        raise SystemExit(f"run: cannot read the picture {path}: {e}") from None


def shipped():
    """The picture that comes with the project, and the lines of text on it."""
    return HERE / "picture.png", (HERE / "picture.txt").read_text(encoding="utf-8").splitlines()


def _scaled(picture, width, height):
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))


def _planes(picture, width=None):
    """[1, 3, height, width] f32 in [-1, 1]; zeros on the right up to width."""
    x = (picture.astype(np.float32) / np.float32(127.5) - 1).transpose(2, 0, 1)
    out = np.zeros((1, 3, picture.shape[0], width or picture.shape[1]), np.float32)
    out[0, :, :, :x.shape[2]] = x
    return out


class Reader:
    def __init__(self, device, numerics="canonical"):
        self.device, self.numerics = device, numerics
        self.digest = hashlib.sha256()

    def _load(self, name):
        return tenon.onnx.load(folder() / name, self.device, self.numerics)

    # Each at its first use: a reader of straight lines needs the last alone.
    @functools.cached_property
    def detector(self):
        return self._load("ch_PP-OCRv4_det_infer.onnx")

    @functools.cached_property
    def classifier(self):
        return self._load("ch_ppocr_mobile_v2.0_cls_infer.onnx")

    @functools.cached_property
    def recogniser(self):
        return self._load("ch_PP-OCRv4_rec_infer.onnx")

    @functools.cached_property
    def letters(self):
        return ["", *self.recogniser.metadata["character"].split("\n"), " "]

    def _run(self, model, x):
        return model({model.inputs[0]: x})[model.outputs[0]]

    def detect(self, picture):
        height, width = picture.shape[:2]
        factor = max(1.0, SHORT_SIDE / min(height, width))
        size = [max(STEP, round(n * factor / STEP) * STEP) for n in (width, height)]
        score = self._run(self.detector, _planes(_scaled(picture, *size)))[0, 0]
        return [np.clip(b * [width / size[0], height / size[1]], 0, [width, height]) for b in boxes.find(score)]

    def upright(self, line):
        """The line, turned round where the classifier is sure that it stands on its head."""
        height, width = line.shape[:2]
        wide = min(192, max(1, -(-HEIGHT * width // height)))
        p = self._run(self.classifier, _planes(_scaled(line, wide, HEIGHT), 192))[0]
        return line[::-1, ::-1] if p[1] > TURNED else line

    def recognise(self, line):
        """(text, confidence); the probabilities go into the digest."""
        height, width = line.shape[:2]
        wide = max(1, -(-HEIGHT * width // height))
        x = _planes(_scaled(np.ascontiguousarray(line), wide, HEIGHT), max(320, -(-wide // WIDTH_STEP) * WIDTH_STEP))
        p = self._run(self.recogniser, x)[0]
        self.digest.update(np.ascontiguousarray(p, "<f4").tobytes())
        best = p.argmax(1)
        keep = (best != 0) & (best != np.concatenate([[0], best[:-1]]))  # repeats and blanks are no letters
        text = "".join(self.letters[i] for i in best[keep])
        return text, float(p.max(1)[keep].mean()) if keep.any() else 0.0

    def __call__(self, picture):
        """[(text, confidence, box [4, 2])] in the order of reading."""
        self.digest = hashlib.sha256()
        out = []
        for box in self.detect(picture):
            text, confidence = self.recognise(self.upright(np.ascontiguousarray(boxes.crop(picture, box))))
            if text and confidence >= CREDIBLE:
                out.append((text, confidence, box))
        return out
