# SPDX-License-Identifier: Apache-2.0
"""Every node case that the package `onnx` generates: passed, skipped by operator, failed; and what load says.

A case is compared as its own runner does, with the tolerance that comes with it. Where that is too little a case of 16 bits
is computed once more by the package's evaluator in float64. Its result may be one rounding from that, and as far as the steps
before it lead when each of them is moved at random by what it may be off by: the sum of so many values in f32, and a
rounding to 16 bits where it is an operator of its own. Sums of a DFT may be off by what their lengths in f32 allow.
"""
import collections
import subprocess
import sys
import time
import warnings

import ml_dtypes
import numpy as np
import onnx
import onnx.helper as oh
import pytest
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

import tenon
import tenon.onnx

CASES = 1884  # of the pinned version
ROUNDING = {np.dtype(np.float16): 2.0**-11, np.dtype(ml_dtypes.bfloat16): 2.0**-8, np.dtype(np.float32): 2.0**-24}
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
WANDERERS = 16


@pytest.fixture(scope="session")
def cases():
    from onnx.backend.test.case.node import collect_testcases

    np.random.seed(0)  # the generators draw from numpy's global state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return collect_testcases()


def plain(value):
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def compare(got, want, rtol, atol):
    if isinstance(want, list):
        assert isinstance(got, list) and len(got) == len(want)
        for g, w in zip(got, want):
            compare(g, w, rtol, atol)
        return
    want = np.asarray(want)
    assert got.shape == want.shape, f"shape {got.shape}, not {want.shape}"
    if want.dtype.kind in "OUS":
        assert np.array_equal(got, want)
        return
    assert got.dtype == want.dtype, f"dtype {got.dtype}, not {want.dtype}"
    if want.dtype.kind not in "fiub":
        got, want = got.astype(np.float32), want.astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=atol)


def wide(value):
    return value.astype(np.float64) if value.dtype in ROUNDING else value


def widened(model):
    """The model with f64 in the place of its floats."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    del model.graph.value_info[:]
    for v in (*model.graph.input, *model.graph.output):
        if v.type.tensor_type.elem_type in FLOATS:
            v.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in FLOATS:
                attribute.i = onnx.TensorProto.DOUBLE
            if attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type in FLOATS:
                attribute.t.CopyFrom(onnx.numpy_helper.from_array(wide(plain(attribute.t))))
    return model


class Moved(OpRun):
    op_domain = "moved"

    def _run(self, x, step=None, seed=None):
        x = np.asarray(x)
        return (np.asarray(x * (1 + np.random.default_rng(seed).uniform(-step, step, x.shape)), x.dtype),)


def moved(model, step, seed):
    """The model with the floats that its nodes give to one another moved at random, by up to `step` of themselves."""
    types = {v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(model).graph.value_info}
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for i, node in enumerate(nodes):
        model.graph.node.append(node)
        out = node.output[0]
        if types.get(out) == onnx.TensorProto.DOUBLE:
            model.graph.node[-1].output[0] = f"still{i}"
            model.graph.node.append(oh.make_node("Moved", [f"still{i}"], [out], domain="moved", step=step,
                                                 seed=seed * len(nodes) + i))
    model.opset_import.append(oh.make_opsetid("moved", 1))
    return model


def truth(model, inputs, step=0.0, seed=0):
    model = widened(model)
    if step:
        model = moved(model, step, seed)
    names = [i.name for i in model.graph.input]
    return ReferenceEvaluator(model, new_ops=[Moved]).run(None, {n: wide(plain(x)) for n, x in zip(names, inputs)})


def compare_rounded(got, case, inputs, body):
    """Results of 16 bits; body: the case's operators in the steps that they stand for, or the case itself."""
    narrow = max(ROUNDING[g.dtype] for g in got if g.dtype in ROUNDING)
    step = max(max(plain(x).shape, default=1) for x in inputs) * ROUNDING[np.dtype(np.float32)]
    if body is case:  # each step is an operator of ours
        step += narrow
    with np.errstate(invalid="ignore"):  # rows without a key
        want = truth(case.model, inputs)
        ways = [truth(body.model, inputs, step, seed) for seed in range(WANDERERS)]
    for i, (g, w) in enumerate(zip(got, want)):
        away = max(np.abs(way[i] - w).max(initial=0) for way in ways)
        assert away > 0, f"{case.name} has no steps"
        np.testing.assert_allclose(g.astype(np.float64), w, rtol=ROUNDING[g.dtype], atol=away)


def dft_error(case, inputs):
    """Of sums of that many products in f32, each by a rounded cosine or sine, on either side."""
    model, x = case.model, plain(inputs[0])
    node, = model.graph.node
    given = {a.name: a.i for a in node.attribute}
    names = {n.name: plain(v) for n, v in zip(model.graph.input, inputs)}
    axis = int(names[node.input[2]]) if len(node.input) > 2 else given.get("axis", 1)
    n, terms = x.shape[axis], x.shape[axis] * x.shape[-1]
    most = np.abs(x).sum((axis, x.ndim - 1)).max()
    return 2 * (terms + 2) * ROUNDING[np.dtype(np.float32)] * most / (n if given.get("inverse") else 1)


def run(case, device, bodies):
    """Raises AssertionError, or Unsupported; returns the report. bodies: cases of the same operators in steps, by name."""
    model = tenon.onnx.load(case.model, device, "canonical")
    for inputs, outputs in case.data_sets:
        got = model(dict(zip([i.name for i in case.model.graph.input], map(plain, inputs))))
        atol = dft_error(case, inputs) if case.model.graph.node[0].op_type == "DFT" else case.atol
        try:
            for name, want in zip(model.outputs, outputs):
                compare(got[name], plain(want), case.rtol, max(atol, case.atol))
        except AssertionError:
            if not any(getattr(g, "dtype", None) in list(ROUNDING)[:2] for g in got.values()):
                raise
            compare_rounded([got[n] for n in model.outputs], case, inputs, bodies.get(case.name, case))
    return model.report


def test_all_node_cases(device, cases, say):
    passed = 0
    end = "_expanded"
    bodies = {c.name.removesuffix(end): c for c in cases if c.name.endswith(end)}
    hosts, skipped, failed = collections.Counter(), collections.defaultdict(list), []
    start = time.perf_counter()
    for case in cases:
        try:
            report = run(case, device, bodies)
            passed += 1
            for why in {r["why"] for r in report if r["why"] not in ("", "bookkeeping")}:
                hosts[why] += 1
        except tenon.onnx.Unsupported as e:
            for name in e.operators:
                skipped[name, "operator" if e.reason == "onnx.operator" else e.text].append(case.name)
        except Exception as e:  # whatever went wrong is the case's failure
            failed.append(f"{case.name}: {type(e).__name__}: {' '.join(str(e).split())[:300]}")
    names = {n for cases_of in skipped.values() for n in cases_of}
    say(f"onnx node cases on {device.uri}: {len(cases)} cases, {passed} passed, {len(names)} skipped, {len(failed)} failed, "
        f"{time.perf_counter() - start:.0f} s")
    for why, n in hosts.most_common():
        say(f"  of those passed, with a part on the host: {n:4d}  {why}")
    by_operator = collections.defaultdict(dict)
    for (name, why), found in sorted(skipped.items()):
        by_operator[name][why] = len(found)
    for name, reasons in sorted(by_operator.items()):
        say(f"  skipped {sum(reasons.values()):4d}  {name}: " + ", ".join(
            "no such operator" if why == "operator" else f"{why} ({n})" for why, n in reasons.items()))
    assert not failed, "\n".join(failed)
    assert passed + len(names) == len(cases) == CASES
    assert device.ops_fallen_back == 0


def test_the_runner_finds_wrong_results(runtime, cases):
    case = next(c for c in cases if c.name == "test_add")
    (inputs, outputs), = case.data_sets
    for wrong in (outputs[0] * np.float32(1.002), outputs[0][:2], outputs[0].astype(np.float64)):
        with pytest.raises(AssertionError):
            compare(outputs[0], wrong, case.rtol, case.atol)
    fused, steps = (next(c for c in cases if c.name == "test_attention_4d_causal_bf16" + end) for end in ("", "_expanded"))
    inputs = fused.data_sets[0][0]
    right = [w.astype(ml_dtypes.bfloat16) for w in truth(fused.model, inputs)]
    compare_rounded(right, fused, inputs, steps)
    with pytest.raises(AssertionError):  # a second rounding
        compare_rounded([(w.astype(np.float32) * np.float32(1 + 2.0**-7)).astype(w.dtype) for w in right], fused, inputs, steps)


def small(nodes, inputs, outputs, opset=21):
    graph = oh.make_graph(nodes, "g", [oh.make_tensor_value_info(n, t, s) for n, t, s in inputs],
                          [oh.make_tensor_value_info(n, t, None) for n, t in outputs])
    return oh.make_model(graph, opset_imports=[oh.make_opsetid("", opset), oh.make_opsetid("my.domain", 1)])


def test_all_missing_operators_are_listed_at_load(runtime):
    f = onnx.TensorProto.FLOAT
    nodes = [oh.make_node("Relu", ["x"], ["a"]), oh.make_node("Det", ["a"], ["b"]),
             oh.make_node("Wave", ["b"], ["c"], domain="my.domain"),
             oh.make_node("ImageDecoder", ["c"], ["y"])]
    with pytest.raises(tenon.onnx.Unsupported) as e:
        tenon.onnx.load(small(nodes, [("x", f, [2, 2])], [("y", f)]), runtime.open("cpu"))
    assert e.value.operators == ["Det", "ImageDecoder", "my.domain::Wave"]
    assert "my.domain::Wave-1" in e.value.text and e.value.reason == "onnx.operator"


def test_shapes_stay_on_the_host_and_functions_on_the_device(device):
    f = onnx.TensorProto.FLOAT
    nodes = [oh.make_node("Neg", ["in"], ["x"]), oh.make_node("Shape", ["x"], ["s"]),
             oh.make_node("Constant", [], ["zero"], value=onnx.numpy_helper.from_array(np.array([0], np.int64))),
             oh.make_node("Gather", ["s", "zero"], ["n"]),
             oh.make_node("Constant", [], ["rest"], value=onnx.numpy_helper.from_array(np.array([-1], np.int64))),
             oh.make_node("Concat", ["n", "rest"], ["to"], axis=0), oh.make_node("Reshape", ["x", "to"], ["r"]),
             oh.make_node("Softmax", ["r"], ["y"])]
    model = tenon.onnx.load(small(nodes, [("in", f, None)], [("y", f)]).SerializeToString(), device, "canonical")
    rng = np.random.default_rng(1)
    for shape in ((2, 3, 5), (4, 2), (2, 3, 5)):  # shapes are those of the call
        x = rng.standard_normal(shape, np.float32)
        e = np.exp(x.reshape(shape[0], -1).astype(float))
        y = model({"in": -x})["y"]
        assert y.shape == e.shape and np.abs(y - e / e.sum(1, keepdims=True)).max() < 2.0**-20
    where = {r["op"]: r["on"] for r in model.report}
    assert where["Softmax"] == "device" and where["Reshape"] == "view"
    assert {where[op] for op in ("Shape", "Gather", "Concat", "Constant")} == {"host"}
    assert model.summary()[0] == {"host": 5, "view": 1, "device": 2}
    assert "Softmax" in model.explain() and len(model.explain().splitlines()) == 8
    plans = len(device.plans)
    model({"in": x})
    assert len(device.plans) == plans  # a plan is made once a shape


def test_integers_without_a_kernel_are_told(device):
    i = onnx.TensorProto.INT64
    model = tenon.onnx.load(small([oh.make_node("Add", ["a", "b"], ["y"])], [("a", i, [2]), ("b", i, [2])],
                                  [("y", i)]), device)
    assert model({"a": np.array([1, 2**40]), "b": np.array([5, 5])})["y"].tolist() == [6, 2**40 + 5]
    assert model.summary() == ({"host": 1}, {"integers without a kernel": {"Add": 1}})


def test_inputs_are_checked(runtime):
    f = onnx.TensorProto.FLOAT
    model = tenon.onnx.load(small([oh.make_node("Relu", ["x"], ["y"])], [("x", f, [2])], [("y", f)]), runtime.open("cpu"))
    for feeds, reason in (({}, "onnx.feeds"), ({"x": np.float32([1, 2]), "z": 1}, "onnx.feeds"),
                          ({"x": np.float64([1, 2])}, "onnx.dtype")):
        with pytest.raises(tenon.Error) as e:
            model(feeds)
        assert e.value.reason == reason


def test_a_device_without_kernels_falls_back_and_says_so(runtime):
    f = onnx.TensorProto.FLOAT
    model = tenon.onnx.load(small([oh.make_node("Tanh", ["x"], ["y"])], [("x", f, [3])], [("y", f)]), runtime.open("null"))
    x = np.float32([-1, 0, 2])
    assert np.allclose(model({"x": x})["y"], np.tanh(x)) and model.report[0]["on"] == "fallback"


def test_constants_are_packed_once(device):
    f = onnx.TensorProto.FLOAT
    w = np.random.default_rng(2).standard_normal((64, 48), np.float32)
    model = small([oh.make_node("MatMul", ["x", "w"], ["y"])], [("x", f, None)], [("y", f)])
    model.graph.initializer.append(onnx.numpy_helper.from_array(w, "w"))
    model = tenon.onnx.load(model, device, "canonical")
    x = np.random.default_rng(3).standard_normal((5, 64), np.float32)
    first = model({"x": x})["y"]
    held = model._graph.held["w"].tensor
    assert model({"x": x})["y"].tobytes() == first.tobytes() and model._graph.held["w"].tensor is held
    bound = 66 * 2.0**-24 * (np.abs(x).astype(float) @ np.abs(w))
    assert (np.abs(first - x.astype(float) @ w) <= bound).all()


def test_importing_tenon_does_not_import_onnx():
    code = "import sys, tenon; sys.exit(any(m in sys.modules for m in ('onnx', 'numpy', 'tenon.onnx')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
