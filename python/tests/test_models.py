# SPDX-License-Identifier: Apache-2.0
"""The DiT block and the decoder against their twins in float64, and with the same bits on every device."""
import numpy as np

from tenon.demo import decoder, dit, models

BITS = {}


def same(name, device, array):
    BITS.setdefault(name, array.tobytes())
    assert array.tobytes() == BITS[name], f"{name} has other bits on {device.uri}"


def test_dit_block(device):
    job = models.Diffusion()
    _, _, y = job.run(job.start(device))
    worst, wrong = job.check(y)
    assert wrong is None and 0 < worst and device.ops_fallen_back == 0
    same("dit", device, y)
    assert job.check(y * np.float32(1 + 1e-4))[1] is not None  # the check can fail


def test_dit_condition_matters(device):
    w, x, condition = dit.make()
    block = dit.Block(device, w)
    a, b = (block(device.tensor(x), device.tensor(c)).numpy(copy=True) for c in (condition, condition[::-1]))
    assert np.abs(a - b).max() > 0.1
    assert np.abs(b - dit.twin(w, x, condition[::-1])).max() <= models.LIMIT * np.abs(b).max()


def test_decoder_chooses_the_twins_tokens(device):
    job = models.Decoding()
    _, _, (tokens, logits) = job.run(job.start(device))
    worst, wrong = job.check((tokens, logits))
    assert wrong is None and tokens == job.tokens and device.ops_fallen_back == 0
    best = np.sort(job.truth, 1)
    assert (best[:, -1] - best[:, -2]).min() > 2 * worst  # no choice hangs on rounding
    same("decoder", device, logits)
    assert job.check((tokens[::-1], logits))[1] is not None


def test_the_cache_gives_the_bits_of_the_whole_sequence(device):
    """Prefill of everything and one token at a time: CANONICAL does not depend on how the keys arrived."""
    w, prompt = decoder.make()
    whole = decoder.Decoder(device, w).step(prompt, 0)
    model = decoder.Decoder(device, w)
    for i, token in enumerate(prompt):
        last = model.step([token], i)
    assert last.tobytes() == whole.tobytes()


def test_one_cropped_line_of_the_picture(device, runtime):
    """What ./run gives to devices that are slow: the line is one of the picture's, upright, with the same bits."""
    picture = models.Picture()
    _, _, found = picture.run(picture.start(runtime.open("cpu")))
    assert picture.check(found) == (None, None)
    line = models.Line(picture)
    _, digest, read = line.run(line.start(device))
    assert line.check(read) == (None, None) and read[0] in picture.expected and device.ops_fallen_back == 0
    height, width = line.line.shape[:2]
    assert width > 3 * height and line.more()[1]["size"] == (width, height)
    same("line", device, np.frombuffer(digest, np.uint8))
    assert line.check((read[0][::-1], 1.0))[1] is not None


def test_a_wrong_device_is_told():
    row = {"reason": None, "digest": "b"}
    models.judge(row, "a")
    assert "other bits" in row["reason"]
