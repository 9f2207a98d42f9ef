# SPDX-License-Identifier: Apache-2.0
"""Text of the shipped picture: right on every device, with the same bits; and the geometry around the networks."""
import importlib.util

import numpy as np
import pytest

from tenon.demo import boxes, ocr, picture

DIGESTS = {}


def test_the_shipped_picture_is_read(device):
    path, expected = ocr.shipped()
    reader = ocr.Reader(device)
    found = reader(ocr.load_picture(path))
    assert [text for text, _, _ in found] == expected
    assert min(confidence for _, confidence, _ in found) > 0.9 and device.ops_fallen_back == 0
    DIGESTS[device.uri] = reader.digest.hexdigest()
    assert len(set(DIGESTS.values())) == 1
    # Every function of the networks ran on the device; the host had shapes alone.
    for model in (reader.detector, reader.classifier, reader.recogniser):
        where, why = model.summary()
        assert set(where) <= {"device", "host", "view"} and set(why) <= {"bookkeeping"}
        functions = {r["op"] for r in model.report if r["on"] == "host"}
        assert functions <= {"Constant", "Shape", "Cast", "Slice", "Concat", "Identity"}


def test_the_shipped_picture_is_what_the_script_draws():
    path, expected = ocr.shipped()
    assert np.array_equal(np.asarray(picture.draw())[..., ::-1], ocr.load_picture(path))
    assert expected == [line[0] for line in picture.LINES]


def test_the_recogniser_agrees_with_another_runtime(runtime, say):
    if importlib.util.find_spec("onnxruntime") is None:
        say("not run: the recogniser beside onnxruntime, which is not installed (./run --peers)")
        return
    import onnxruntime

    reader = ocr.Reader(runtime.open("cpu"))
    x = np.random.default_rng(4).uniform(-1, 1, (1, 3, 48, 320)).astype(np.float32)
    model = reader.recogniser
    ours = model({model.inputs[0]: x})[model.outputs[0]]
    session = onnxruntime.InferenceSession(str(ocr.folder() / "ch_PP-OCRv4_rec_infer.onnx"))
    theirs = session.run(None, {model.inputs[0]: x})[0]
    assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-3 * np.abs(theirs).max()


def test_components_are_the_connected_regions(rng):
    mask = rng.random((40, 50)) < 0.35
    labels, count = np.zeros(mask.shape, int), 0
    for start in np.argwhere(mask):
        if labels[tuple(start)]:
            continue
        count, work = count + 1, [tuple(start)]
        while work:
            y, x = work.pop()
            if 0 <= y < 40 and 0 <= x < 50 and mask[y, x] and not labels[y, x]:
                labels[y, x] = count
                work += [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    found = boxes.components(mask)
    assert len(found) == count
    seen = [{labels[y, x] for x, y in points} for points in found]
    assert all(len(s) == 1 for s in seen) and len(set.union(*seen)) == count
    for points in found:
        ys, xs = np.nonzero(labels == labels[points[0][1], points[0][0]])
        assert (points.min(0) == [xs.min(), ys.min()]).all() and (points.max(0) == [xs.max(), ys.max()]).all()
    assert boxes.components(np.zeros((4, 4), bool)) == []


@pytest.mark.parametrize("degrees", (0, 7, 30, 45, 88))
def test_the_smallest_rectangle_is_found_again(rng, degrees):
    turn = np.deg2rad(degrees)
    u, v = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    inside = rng.uniform(-1, 1, (300, 2)) * [40, 9]
    points = np.concatenate([inside, [[40, 9], [-40, 9], [40, -9], [-40, -9]]])
    centre, size, _ = boxes.smallest_rectangle(points[:, :1] * u + points[:, 1:] * v + [100, 60])
    assert np.allclose(centre, [100, 60]) and np.allclose(sorted(size), [18, 80])


def test_a_crop_is_the_part_of_the_picture():
    page = (np.arange(30 * 40 * 3) % 251).reshape(30, 40, 3).astype(np.uint8)
    box = np.array([[5, 6], [25, 6], [25, 16], [5, 16]], float)
    assert np.array_equal(boxes.crop(page, box), page[6:16, 5:25])
    tall = np.array([[5, 2], [15, 2], [15, 28], [5, 28]], float)
    assert np.array_equal(boxes.crop(page, tall), np.rot90(page[2:28, 5:15]))


def test_boxes_are_in_the_order_of_reading():
    def at(x, y):
        return np.array([[x, y], [x + 10, y], [x + 10, y + 8], [x, y + 8]], float)
    got = boxes.in_order([at(50, 41), at(0, 2), at(30, 0), at(10, 40)])
    assert [b[0].tolist() for b in got] == [[0, 2], [30, 0], [10, 40], [50, 41]]


def test_a_picture_that_is_none_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="cannot read the picture"):
        ocr.load_picture(tmp_path / "none.png")
