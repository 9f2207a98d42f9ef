# SPDX-License-Identifier: Apache-2.0
"""DLPack with numpy (and torch where it is there), and traces."""
import gc
import importlib.util
import json

import numpy as np
import pytest

import tenon

DTYPES = ("float64", "float32", "float16", "int64", "int32", "int8", "uint8", "bool")


def sample(dtype):
    return (np.arange(24).reshape(4, 6) % 2).astype(dtype) if dtype == "bool" else np.arange(24).reshape(4, 6).astype(dtype)


class Old:
    """A producer from before DLPack 1.0."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


class Asks:
    """A consumer's view of a tensor: asks for one version only, and counts."""

    def __init__(self, tensor, version):
        self.tensor, self.version, self.asked = tensor, version, 0

    def __dlpack__(self, **kwargs):
        self.asked += 1
        return self.tensor.__dlpack__(max_version=self.version)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wrap", (lambda a: a, Old), ids=("versioned", "legacy"))
def test_in_and_out_again(device, dtype, wrap):
    array = sample(dtype)
    for view in (array, array[1:3, ::2], array.T, array[:0], array[2, 3]):
        t = tenon.from_dlpack(wrap(np.asarray(view)), device)
        assert np.array_equal(t.numpy(copy=True), view), (dtype, view.shape)


@pytest.mark.parametrize("version", (None, (0, 8), (1, 0)), ids=("none", "legacy", "versioned"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_takes_what_we_lend(runtime, dtype, version):
    device = runtime.open("cpu")
    array = sample(dtype)
    asks = Asks(device.tensor(array, copy=True), version)
    lent = np.from_dlpack(asks)
    assert asks.asked == 1 and lent.dtype == array.dtype and np.array_equal(lent, array)
    back = tenon.from_dlpack(lent, device)
    assert np.array_equal(back.numpy(copy=True), array)


@pytest.mark.skipif(importlib.util.find_spec("ml_dtypes") is None, reason="ml_dtypes is not installed")
@pytest.mark.parametrize("name, dtype", (("bfloat16", "bf16"), ("float8_e4m3fn", "f8e4m3"), ("float8_e5m2", "f8e5m2")))
def test_arrays_of_ml_dtypes(device, name, dtype):
    import ml_dtypes

    array = sample("float32").astype(getattr(ml_dtypes, name))
    for view in (array, array[1:3, ::2], array[:0]):
        t = device.tensor(view)
        assert t.dtype == dtype and t.shape == view.shape
        for copy in (None, True):
            back = t.numpy(copy=copy)
            assert back.dtype == array.dtype and back.tobytes() == view.tobytes()
        wide = tenon.cast(t, "f32").numpy(copy=True)
        assert np.array_equal(wide, view.astype(np.float32))


def test_shares_memory_both_ways(runtime):
    device = runtime.open("cpu")
    array = np.zeros(1024, np.float32)
    for obj in (array, Old(array)):
        t = tenon.from_dlpack(obj, device)
        array[5] += 1
        assert t.numpy(copy=True)[5] == array[5]
        assert np.shares_memory(np.from_dlpack(t), array)


def test_read_only_arrays_are_copied(device):
    array = np.arange(64, dtype=np.float32)
    array.flags.writeable = False
    t = tenon.from_dlpack(array, device)
    assert np.array_equal(t.numpy(copy=True), array)


def test_refused_dtypes(device):
    for bad in (np.zeros(4, np.complex64), np.zeros(4, np.uint16)):
        with pytest.raises((tenon.Error, BufferError, KeyError, TypeError)):
            tenon.from_dlpack(bad, device)


@pytest.mark.parametrize("uri", ("cpu", "cpu?private=1"))
@pytest.mark.parametrize("wrap", (lambda a: a, Old), ids=("versioned", "legacy"))
def test_a_producer_gets_its_memory_back(runtime, uri, wrap):
    """Also where the device does not take it, which then copies."""
    import weakref

    class Array(np.ndarray):
        pass

    device = runtime.open(uri)
    array = np.ones(4096, np.float32).view(Array)
    gone = weakref.ref(array)
    t = tenon.from_dlpack(wrap(array), device)
    device.wait()
    assert np.all(t.numpy(copy=True) == 1)
    del array, t
    device.wait()
    gc.collect()
    assert gone() is None


def test_capsules_that_nobody_takes(runtime):
    device = runtime.open("cpu")
    for version in (None, (1, 0)):
        for _ in range(100):
            device.tensor(np.ones(1000, np.float32), copy=True).__dlpack__(max_version=version)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_torch(runtime):
    import torch

    device = runtime.open("cpu")
    x = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    t = tenon.from_dlpack(x, device)
    assert np.array_equal(t.numpy(copy=True), x.numpy())
    assert torch.equal(torch.from_dlpack(t), x)


def test_trace(device, runtime, tmp_path):
    path = tmp_path / "t.json"
    a = device.tensor(np.ones((8, 8), np.float32), copy=True)
    device.wait()
    with tenon.trace(runtime, path) as events:
        tenon.matmul(a, a).numpy(copy=True)
    ran = [e for e in events if e["kind"] == "slice" and e["name"] == "matmul"]
    assert len(ran) == 1 and ran[0]["track"] == device.uri and ran[0]["kernel"] and ran[0]["flops"] == 1024
    submits = [(e["flow"], e["value"]) for e in events if e["name"] == "submit"]
    done = [(e["track_id"], e["item"]) for e in events if e["kind"] == "slice" and e["track"] != "host"]
    assert sorted(submits) == sorted(done) and len(set(done)) == len(done)
    rows = json.loads(path.read_text())["traceEvents"]
    assert sum(r["ph"] == "X" and r["name"] == "matmul" for r in rows) == 1
    count = len(events)
    tenon.matmul(a, a).numpy(copy=True)
    assert len(events) == count
    with pytest.raises(OSError):
        with tenon.trace(runtime, tmp_path / "no" / "t.json"):
            pass
