# SPDX-License-Identifier: Apache-2.0
"""The example plugin through the binding: its matmul runs on it, everything else falls back."""
import pathlib
import subprocess

import pytest

import tenon

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    out = tmp_path_factory.mktemp("mm")
    for command in (["cmake", "-S", ROOT / "examples" / "plugin_matmul", "-B", out,
                     f"-DTENON_INCLUDE_DIR={ROOT / 'include'}"], ["cmake", "--build", out]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def test_counts_what_falls_back(plugins, monkeypatch, rng):
    monkeypatch.setenv("TENON_PLUGIN_PATH", str(plugins))
    runtime = tenon.Runtime()
    assert "mm" in [d["uri"] for d in runtime.devices()]
    a, b = rng.standard_normal((5, 200), "f4"), rng.standard_normal((33, 200), "f4")
    results = {}
    for uri in ("mm:", "cpu", "cpu?private=1"):
        device = runtime.open(uri)
        x = tenon.matmul(device.tensor(a), device.tensor(b), transpose_b=True, numerics="canonical")
        results[uri] = tenon.eltwise("exp", x, numerics="canonical").numpy(copy=True).tobytes()
        assert (device.ops_on_device, device.ops_fallen_back) == ((1, 1) if uri == "mm:" else (2, 0))
    assert len(set(results.values())) == 1


def test_says_why_a_plugin_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "tenon_backend_broken.so").write_bytes(b"\x7fELF")
    monkeypatch.setenv("TENON_PLUGIN_PATH", str(tmp_path))
    with pytest.raises(tenon.Error) as e:
        tenon.Runtime().open("broken")
    assert e.value.reason == "device.refused" and "plugin.truncated" in e.value.text
