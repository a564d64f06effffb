"""The page of operations, and the three implementations that stand behind it."""

import inspect
import re

import numpy as np
import pytest

from tests.fakecupy import install
from tinygan import ops
from tinygan.array import array_module
from tinygan.errors import InputError
from tinygan.ops import Window, cpu, cuda, dispatch, reference

IMPLEMENTATIONS = {"reference": reference, "cpu": cpu, "cuda": cuda}
SHAPE = re.compile(r"\((?:[A-Z0-9][A-Za-z0-9']*(?:[·/][A-Za-z0-9']+)*, ?)*[A-Z0-9][A-Za-z0-9'·²]*,?\)")


@pytest.fixture
def on_the_formulas():
    ops.use("reference")
    yield
    ops.use("fast")


def types_of(function):
    """The signature by name, kind and default; the CPU's functions say np.ndarray where the page says Array."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("where", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", ops.OPERATIONS)
def test_every_implementation_has_the_signature_of_the_page(name, where):
    function = getattr(IMPLEMENTATIONS[where], name)
    assert types_of(function) == types_of(getattr(ops, name))
    own, page = (str(inspect.signature(one).return_annotation) for one in (function, getattr(ops, name)))
    assert own.replace("<class 'numpy.ndarray'>", "typing.Any").replace("numpy.ndarray", "typing.Any") == page


@pytest.mark.parametrize("where", IMPLEMENTATIONS)
@pytest.mark.parametrize("name", ops.OPERATIONS)
def test_shapes_are_those_of_the_page(name, where):
    """An implementation need not repeat what the page says; where it names a shape, the page has the same one."""
    page, own = (
        set(SHAPE.findall(one.__doc__ or "")) for one in (getattr(ops, name), getattr(IMPLEMENTATIONS[where], name))
    )
    assert own <= page, own - page


@pytest.mark.parametrize("name", ops.OPERATIONS)
def test_the_page_describes_every_operation(name):
    assert len(getattr(ops, name).__doc__) > 20
    assert name in ops.__all__


@pytest.mark.parametrize("where", ["cpu", "cuda"])
def test_every_operation_is_there(where):
    assert sorted(one for one in vars(IMPLEMENTATIONS[where]) if one in ops.OPERATIONS) == sorted(ops.OPERATIONS)


def test_the_switch(on_the_formulas):
    x = np.array([[-1.0, 2.0]])
    assert ops.implementation() == "reference"
    y = ops.rectify(x, 0.5, 0.0)
    np.testing.assert_array_equal(y, reference.rectify(x, 0.5, 0.0))
    ops.use("fast")
    assert ops.implementation() == "fast"


def test_an_unknown_implementation_is_refused():
    with pytest.raises(ValueError, match="unknown implementation 'quick': choose one of fast, reference"):
        ops.use("quick")


def test_the_first_array_decides(monkeypatch):
    """NumPy to the cores, device arrays to the kernels, both to the formulas after the switch."""
    seen = []
    tables = [type(engine)(engine.module) for engine in (*dispatch._FAST, dispatch._REFERENCE[0])]
    for table in tables:
        table["sigmoid"] = lambda x, module=table.module: seen.append(module)
    monkeypatch.setattr(dispatch, "_FAST", tuple(tables[:2]))
    monkeypatch.setattr(dispatch, "_REFERENCE", (tables[2],) * 2)
    xp = install(monkeypatch)
    for name in ("fast", "reference"):
        ops.use(name)
        ops.sigmoid(np.ones(3))
        ops.sigmoid(xp.ones(3))
    monkeypatch.undo()
    ops.use("fast")
    assert seen == ["cpu", "cuda", "reference", "reference"]


@pytest.mark.parametrize("name", ["correlate", "correlate_transpose"])
def test_a_frozen_kernel_gives_the_same(name):
    """Kept from call to call, whatever the batch; and then there is no dw."""
    window, rng = Window((4, 4), (2, 2), (1, 1)), np.random.default_rng(0)
    shape, w = (8, 8, 16), rng.standard_normal((4, 4, 16, 16))
    for one in (cpu, reference):
        frozen = {}
        for N in (1, 40, 1):
            x = rng.standard_normal((N, *shape))
            y, backward = getattr(one, name)(x, w, window, None, frozen)
            expected, its_backward = getattr(one, name)(x, w, window)
            np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
            dy = rng.standard_normal(y.shape)
            dx = backward(dy, True, False)[0]
            np.testing.assert_allclose(dx, its_backward(dy)[0], rtol=0, atol=1e-11 * np.abs(dx).max())
            if one is cpu:
                assert backward(dy, True, True)[1] is None
                assert frozen


def test_infinities_go_through_a_rectifier_as_its_formula_says():
    x = np.array([[-np.inf, np.inf, np.nan, -1.0]])
    for one in (cpu, reference):
        np.testing.assert_array_equal(one.rectify(x, 0.0, 0.0), [[0, np.inf, np.nan, 0]])
        np.testing.assert_array_equal(one.rectify(x, 0.0, np.full(4, -0.5)), [[-0.5, np.inf, np.nan, -0.5]])
        np.testing.assert_array_equal(one.rectify(x, 0.25, 0.0), [[-np.inf, np.inf, np.nan, -0.25]])
        slopes = np.array([0.5, 0.5, 0.5, 0.5])
        np.testing.assert_array_equal(one.rectify(x, slopes, np.zeros(4)), [[-np.inf, np.inf, np.nan, -0.5]])


def odd_strides(x):
    """The same values, each axis of length 1 with a stride that means nothing, as NumPy gives it to x[..., None]."""
    return np.lib.stride_tricks.as_strided(
        x, x.shape, [7 * s if n == 1 else s for n, s in zip(x.shape, x.strides, strict=True)]
    )


@pytest.mark.parametrize("pad", [0, 1])
@pytest.mark.parametrize("shape", [(2, 8, 7, 1), (1, 8, 8, 1), (1, 1, 1, 3), (3, 1, 5, 1)])
@pytest.mark.parametrize("name", ["correlate", "correlate_transpose"])
def test_the_stride_of_an_axis_of_length_1_means_nothing(name, shape, pad):
    rng = np.random.default_rng(0)
    kernel = tuple(min(3, n + 2 * pad) for n in shape[1:3])
    w = rng.standard_normal((*kernel, *((shape[3], 4) if name == "correlate" else (4, shape[3]))))
    window, x = Window(kernel, (1, 1), (pad, pad) if name == "correlate" else (0, 0)), rng.standard_normal(shape)
    found = []
    for one, given in (reference, np.copy), (cpu, odd_strides):
        y, backward = getattr(one, name)(given(x), w, window)
        found.append((y, *backward(given(np.sin(np.arange(y.size)).reshape(y.shape)))))
    for right, fast in zip(*found, strict=True):
        np.testing.assert_allclose(fast, right, rtol=0, atol=1e-12 * np.abs(right).max())


@pytest.mark.parametrize("types", [("f4", "f8"), ("f8", "f4"), (">f4", "f4"), (">f8", ">f8")], ids=str)
def test_a_rectifier_takes_gradients_of_another_float_type(types):
    x, dy = np.array([[-1, 3, -2, 5]], types[0]), np.array([[1, 2, 3, 4]], types[1])
    slope = np.full(4, 0.5, types[0])
    for one in (cpu, reference):
        totals = np.zeros(4), np.zeros(4)
        np.testing.assert_array_equal(one.rectify_backward(x, dy, slope, 0.0, True, totals), [[0.5, 2, 1.5, 4]])
        np.testing.assert_array_equal(totals, [[-1, 0, -6, 0], [0.5, 0, 1.5, 0]])


@pytest.mark.parametrize("types", [("f4", "f8"), ("f8", "f4")], ids=str)
def test_weight_norm_takes_gradients_of_another_float_type(types):
    w, dv = np.ones((3, 2), types[0]), np.arange(6, dtype=types[1]).reshape(3, 2)
    for axis in (0, 1):
        totals = [np.zeros((3, 2)) for _ in range(2)]
        for one, total in zip((cpu, reference), totals, strict=True):
            one.weight_norm(w, axis, 1.0, 0.0)[1](dv, total)
        np.testing.assert_allclose(*totals, rtol=1e-6, atol=1e-6)


def test_a_total_that_cannot_be_added_to_in_place_is_refused():
    rng, window = np.random.default_rng(0), Window((2, 2), (1, 1), (0, 0))
    x, w = rng.standard_normal((2, 5, 5, 3)), rng.standard_normal((2, 2, 3, 4))
    y, backward = cpu.correlate(x, w, window)
    with pytest.raises(ValueError, match=r"contiguous arrays: one of shape \(2, 2, 3, 4\) is not"):
        backward(y, False, True, np.zeros(w.shape, order="F"))
    with pytest.raises(ValueError, match=r"contiguous arrays: one of shape \(2, 2, 3, 4\) is not"):
        cpu.weight_norm(w, 3, 1.0, 0.0)[1](w, np.zeros(w.shape, order="F"))


def test_what_is_no_array_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"sigmoid takes arrays, found a list: give np.asarray"):
        ops.sigmoid([0.5])


def test_a_number_is_on_the_host():
    assert array_module(3.0) is array_module(2) is np
