"""The candidate convolution on the CPU: fragments, every index and border, orders of threads, late and early copies."""

import doctest
import itertools
import sys

import numpy as np
import pytest

from benchmarks import gpu_bill
from benchmarks.candidates import bill, compiled, convolution, implicit, products, timing
from benchmarks.candidates.implicit import Layer
from benchmarks.candidates.products import Shape
from benchmarks.candidates.tiling import TILES, Product, Tiling, best, seconds, tiling
from benchmarks.gpu_model import Assumptions
from tests.gpu import emulator, nvrtc
from tests.ops.test_patches import WINDOWS
from tinygan import ops
from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.ops import Window, dispatch, reference
from tinygan.ops import cuda as packaged

SQUARE, THREE = Window((4, 4), (2, 2), (1, 1)), Window((3, 3), (1, 1), (1, 1))
PRODUCTS = ("correlate", "to_image", "to_kernel")
whole = timing.whole  # of whole numbers every sum is exact, whatever its order


@pytest.fixture
def xp(fake_cupy):
    """The stand-in for CuPy, which compiles the kernels as C++."""
    reason = emulator.why_no_compiler()
    if reason:
        pytest.skip(reason)
    return fake_cupy


def results(xp, window, image, features, tile, left, accumulate=False):
    """(product, what the tiles give, what the formula gives), with a bias where there may be one.

    ``left``: the last tiles, from the second on or all of them, are shared out among several blocks.
    """
    shape = Shape(image[1:], window, features)
    x, w = whole("x", image), whole("w", shape.kernel)
    dy, b, c = (
        whole(name, s) for name, s in (("dy", (image[0], *shape.places, features)), ("b", features), ("c", image[3]))
    )
    before = whole("total", shape.kernel) if accumulate else 0
    y, backward = reference.correlate(x, w, window)
    dx, dw = backward(dy)
    for name, factors, bias, right in (
        ("correlate", (x, w), b, y + b),
        ("to_image", (dy, w), c, dx + c),
        ("to_kernel", (x, dy), None, dw + before),
    ):
        product = shape.product(name, image[0])
        chosen = tiling(product, tile, {"none": None, "all": 0, "but-one": 1}[left], 3)
        # Where nothing is to be added to, what nobody writes stays NaN.
        adds = accumulate and name == "to_kernel"
        out = xp.asarray(before if adds else np.full(right.shape, np.nan, np.float32))
        given = [xp.asarray(factor) for factor in factors]
        bias = None if bias is None else xp.asarray(bias)
        products.launch_tiles(name, shape, chosen, *given, out, bias, adds)
        yield name, out.get(), right


# Channels that no tile divides, copied one by one; windows with gaps, rests and pads.
@pytest.mark.parametrize("features", [5, 6])
@pytest.mark.parametrize(("window", "image", "places"), WINDOWS.values(), ids=WINDOWS.keys())
def test_every_window(xp, window, image, places, features):
    left = "all" if features == 6 else "none"
    for name, own, right in results(xp, window, image, features, (64, 64), left):
        np.testing.assert_array_equal(own, right, err_msg=name)


CASES = {
    "batch-1": (SQUARE, (1, 12, 10, 16), 36),
    "odd-sides": (SQUARE, (3, 11, 13, 20), 68),
    "3x3": (THREE, (2, 7, 9, 36), 16),
    "no-pad": (Window((4, 4), (2, 2), (0, 0)), (2, 9, 11, 8), 12),
    "pad-1x2": (Window((4, 4), (2, 2), (1, 2)), (1, 12, 18, 4), 132),
}


@pytest.mark.parametrize("left", ["none", "all", "but-one"])
@pytest.mark.parametrize(("window", "image", "features"), CASES.values(), ids=CASES.keys())
def test_channels_that_are_copied_four_at_once(xp, window, image, features, left):
    for name, own, right in results(xp, window, image, features, (64, 64), left, accumulate=left != "none"):
        np.testing.assert_array_equal(own, right, err_msg=name)


slow = pytest.mark.slow
LARGE = [tile for tile in TILES if tile != (64, 64)]


@pytest.mark.parametrize("tile", [LARGE[0], *(pytest.param(tile, marks=slow) for tile in LARGE[1:])], ids=str)
@pytest.mark.parametrize("left", ["but-one", pytest.param("none", marks=slow)])
def test_large_tiles(xp, tile, left):
    """More lines and more columns than one has."""
    for name, own, right in results(xp, Window((2, 2), (1, 1), (0, 0)), (1, 18, 17, 12), 132, tile, left):
        np.testing.assert_array_equal(own, right, err_msg=name)


def test_threads_in_the_other_order_and_copies_that_arrive_at_once(xp, monkeypatch):
    """A barrier that is missing, or a slice that is overwritten while others read it, shows in one of the two."""
    window, image, features = CASES["odd-sides"]
    late = list(results(xp, window, image, features, (64, 64), "but-one"))
    monkeypatch.setattr(emulator, "backwards", True)
    backwards = list(results(xp, window, image, features, (64, 64), "but-one"))
    source = products.source
    monkeypatch.setattr(products, "source", lambda *of: "#define COPIES_ARRIVE_EARLY\n" + source(*of))
    products._module.cache_clear(), products._function.cache_clear()
    early = list(results(xp, window, image, features, (64, 64), "but-one"))
    products._module.cache_clear(), products._function.cache_clear()
    for one in (backwards, early):
        for (name, own, _), (_, same, _) in zip(late, one, strict=True):
            np.testing.assert_array_equal(own, same, err_msg=name)


@slow
def test_a_missing_barrier_is_found(xp, monkeypatch):
    source = products.source
    without = "wait_for_copies();\n        __syncthreads();"
    assert without in source((64, 64), 4, 4, True)
    monkeypatch.setattr(products, "source", lambda *of: source(*of).replace(without, "wait_for_copies();"))
    products._module.cache_clear(), products._function.cache_clear()
    window, image, features = CASES["odd-sides"]
    found = [(own == right).all() for _, own, right in results(xp, window, image, features, (64, 64), "none")]
    products._module.cache_clear(), products._function.cache_clear()
    assert not any(found)


ALONE = """
extern "C" __global__ void round_all(const REAL *x, REAL *y) { y[THREAD] = float_of(rounded(x[THREAD])); }
extern "C" __global__ void banks(index_t along_k, index_t line, index_t k, REAL *bank)
{
    const index_t i = line + GROUP_OF(threadIdx.x), place = k + MEMBER_OF(threadIdx.x);
    bank[threadIdx.x] = (along_k ? in_slice<Patches>(i, place) : in_slice<Kernel>(i, place)) % 32;
}
extern "C" __global__ void fragments(const REAL *a, const REAL *b, REAL *c)
{
    REAL sums[4] = {0, 0, 0, 0};
    unsigned int of_a[4], of_b[2];
    for (index_t r = 0; r < 4; ++r) of_a[r] = rounded(a[threadIdx.x * 4 + r]);
    for (index_t r = 0; r < 2; ++r) of_b[r] = rounded(b[threadIdx.x * 2 + r]);
    multiply_add(sums, of_a, of_b);
    for (index_t r = 0; r < 4; ++r) c[threadIdx.x * 4 + r] = sums[r];
}
"""


def alone(xp, kernel):
    """A kernel of the instructions alone, behind the whole source."""
    text, options = compiled.text_and_options((64, 64), Shape((8, 8, 16), SQUARE, 16))
    return xp.RawModule(code=text + ALONE, options=options).get_function(kernel)


def test_the_fragments_are_those_of_the_manual(xp):
    """Two warps; rows and columns typed from the PTX manual's tables for m16n8k8, register by register."""
    lane = np.arange(32)
    group, member = lane >> 2, lane % 4
    of_a = [(group, member), (group + 8, member), (group, member + 4), (group + 8, member + 4)]
    of_b = [(member, group), (member + 4, group)]
    of_c = [(group, 2 * member), (group, 2 * member + 1), (group + 8, 2 * member), (group + 8, 2 * member + 1)]
    A, B = whole("A", (2, 16, 8)), whole("B", (2, 8, 8))
    registers = [
        np.stack([matrix[:, row, column] for row, column in places], axis=-1)
        for matrix, places in ((A, of_a), (B, of_b))
    ]
    c = xp.asarray(np.zeros((2, 32, 4), np.float32))
    alone(xp, "fragments")((1,), (64,), (*map(xp.asarray, registers), c))
    for register, (row, column) in enumerate(of_c):
        np.testing.assert_array_equal(c.get()[..., register], (A @ B)[:, row, column])


@pytest.mark.parametrize("along_k", [0, 1])
def test_a_warp_reads_from_every_bank_at_once(xp, along_k):
    """Eight lines at four places: 32 words in 32 banks, wherever they begin."""
    kernel = alone(xp, "banks")
    for line, k in itertools.product((0, 8, 40), (0, 4, 8, 12)):
        bank = xp.asarray(np.zeros(32, np.float32))
        kernel((1,), (32,), (np.uint32(along_k), np.uint32(line), np.uint32(k), bank))
        assert sorted(bank.get()) == list(range(32))


def test_rounding_is_that_of_tf32(xp):
    """To nearest, ties away from zero; what is not finite stays so, above all the device's own NaN, all ones."""
    values = np.array([1 + 2**-11, 1 + 2**-11 - 2**-23, -1 - 2**-11, np.inf, -np.inf, 0], np.float32)
    values = np.append(values, np.array([0x7FFFFFFF], np.uint32).view(np.float32))
    out = xp.asarray(np.zeros(7, np.float32))
    alone(xp, "round_all")((1,), (7,), (xp.asarray(values), out))
    expected = np.array([1 + 2**-10, 1, -1 - 2**-10, np.inf, -np.inf, 0, np.nan], np.float32)
    np.testing.assert_array_equal(out.get(), expected)


def test_the_formulas(xp):
    """One element at a time, as the page reads."""
    window, image, features = CASES["odd-sides"]
    shape = Shape(image[1:], window, features)
    x, w, dy = whole("x", image), whole("w", shape.kernel), whole("dy", (image[0], *shape.places, features))
    y, backward = reference.correlate(x, w, window)
    of = (64, 64), 4, 4, True, tuple(shape.constants().items())
    for name, factors, right in zip(PRODUCTS, ((x, w), (dy, w), (x, dy)), (y, *backward(dy)), strict=True):
        out = xp.asarray(np.zeros(right.shape, np.float32))
        places = (dy.size // features,) if name == "to_kernel" else ()
        arguments = (*map(xp.asarray, factors), *places, right.size, out)
        products._start(xp, f"plain_{name}", of, -(-right.size // 256), 256, arguments)
        np.testing.assert_array_equal(out.get(), right, err_msg=name)


@pytest.fixture
def backend(xp, monkeypatch):
    """The stand-in opened as a device that multiplies in TF32."""
    monkeypatch.setattr("tinygan.device.why_no_gpu", lambda: None)
    monkeypatch.setattr("tinygan.ops.cuda.cublas.tf32", False)
    return open_backend("gpu", "tf32")


LAYERS = {
    "D down1": Layer("D down1", Shape((10, 6, 16), SQUARE, 20), 3),
    "G up1": Layer("G up1", Shape((10, 6, 16), SQUARE, 20), 3),
    "D down0": Layer("D down0", Shape((8, 8, 3), SQUARE, 16), 2),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_the_judge_passes_what_is_right(backend, layer):
    timing.check(layer, backend)


@pytest.mark.parametrize("name", ["y", "dx", "dw"])
def test_the_judge_finds_one_wrong_value(backend, monkeypatch, name):
    layer, product = LAYERS["D down1"], {"y": "correlate", "dx": "to_image", "dw": "to_kernel"}[name]
    right = getattr(products, product)

    def wrong(*arguments):
        out = right(*arguments)
        out[0, 1, 2, 3] = out[0, 1, 2, 3] + np.float32(0.25)
        return out

    monkeypatch.setattr(products, product, wrong)
    with pytest.raises(TinyganError, match=f"D down1: {name} of whole numbers is wrong by up to 0.25"):
        timing.check(layer, backend)


def test_where_the_package_is_taken(backend, monkeypatch):
    x, shape = backend.zeros(1), Shape((32, 32, 64), SQUARE, 128)
    assert convolution.why_not(x, shape) is None
    assert "exact" in convolution.why_not(x.astype(np.float64), shape)
    assert "covers" in convolution.why_not(x, Shape((4, 4, 64), Window((4, 4), (1, 1), (0, 0)), 64))
    assert "5 channels" in convolution.why_not(x, Shape((32, 32, 64), SQUARE, 5))
    assert "512 channels" in convolution.why_not(x, Shape((32, 32, 64), SQUARE, 512))
    assert "3 channels" in convolution.why_not_to_image(Shape((32, 32, 3), SQUARE, 64))
    older = type("Device", (), {"compute_capability": "75"})
    monkeypatch.setattr(backend.xp.cuda, "Device", older)
    assert "7.5" in convolution.why_not(x, shape)
    monkeypatch.setattr("tinygan.ops.cuda.cublas.tf32", False)
    assert "exact" in convolution.why_not(x, shape)


@pytest.mark.parametrize("name", ["correlate", "correlate_transpose"])
def test_what_the_package_computes_is_its_own(backend, name):
    """A map of 5 channels, there and back, by both."""
    shape = Shape((8, 6, 16), SQUARE, 5)
    assert convolution.why_not(backend.zeros(1), shape)
    layer = Layer("D down" if name == "correlate" else "G up", shape, 2)
    arrays = layer.arrays(backend, timing.uniform)
    both = [timing._passes(layer, module, *arrays) for module in (convolution, packaged)]
    for own, right in zip(*(one.values() for one in both), strict=True):
        np.testing.assert_array_equal(own.get(), right.get())


def test_it_is_in_the_packages_place_only_meanwhile(backend):
    x, w = backend.to_device(whole("x", (2, 8, 8, 16))), backend.to_device(whole("w", (4, 4, 16, 16)))
    with convolution.in_place():
        y, backward = ops.correlate(x, w, SQUARE)
        assert backward.__module__ == convolution.__name__
    assert dispatch._FAST[1]["correlate"] is packaged.correlate
    np.testing.assert_array_equal(y.get(), ops.correlate(x, w, SQUARE)[0].get())


@pytest.mark.parametrize("module", [products, implicit, sys.modules[Tiling.__module__]])
def test_examples_run(module):
    failed, run = doctest.testmod(module)
    assert (failed, run > 0) == (0, True)


def test_the_best_tiling_is_whole():
    for product in (
        Product(102400, 128, 1024, 1, 0, False),
        Product(48, 64, 409600, 1, 0, True),
        Product(1, 1, 1, 4, 0, False),
    ):
        chosen = best(product)
        assert chosen.share * chosen.parts >= product.inner
        assert chosen.share % 16 == 0
        assert 0 <= chosen.whole <= chosen.tiles
        plain = tiling(product, chosen.tile)
        assert seconds(product, chosen, Assumptions()) <= seconds(product, plain, Assumptions())


NOW = [(0, architecture) for architecture in ("sm_80", "sm_90")]
LATER = [one for one in itertools.product(range(len(compiled.CASES)), compiled.ARCHITECTURES) if one not in NOW]


@pytest.mark.parametrize(("case", "architecture"), [*NOW, *(pytest.param(*one, marks=slow) for one in LATER)])
def test_it_compiles_without_spills(case, architecture):
    reason = nvrtc.why_no_compiler()
    if reason:
        pytest.skip(reason)
    kernels = compiled.used(*compiled.CASES[case], architecture)
    assert set(kernels) == {f"{name}_tiles" for name in PRODUCTS}
    for one in kernels.values():
        assert one.spilled == 0
        assert one.registers * 32 * TILES[compiled.CASES[case][0]].warps(compiled.CASES[case][0]) <= 65536
        assert one.shared <= 49152


def test_the_bill_with_it(tiny):
    usual = {"device": "gpu", "precision": "tf32", "batch": 32, "features": 64, "size": 160, "code_size": 256}
    with convolution.in_place():
        nodes = gpu_bill.operations(tiny(**usual))
    rows = {row.name: row for row in gpu_bill.bill(nodes, Assumptions(), bill.cost)}
    whole = gpu_bill.total(list(rows.values()))
    assert 1e6 * whole.seconds <= 4_215
    assert whole.bytes < 7e9  # with patches 11.4
    assert 490e9 < whole.operations < 500e9  # no product is missing
    assert rows["correlate_tiles"].nodes == 6
    for name, value in itertools.product(("l2_bandwidth", "memory_bandwidth", "instructions"), (1e11,)):
        assert gpu_bill.total(gpu_bill.bill(nodes, Assumptions(**{name: value}), bill.cost)).seconds > whole.seconds


def test_the_command_without_a_device(capsys):
    implicit.main(["--size", "16", "--batch", "2", "--features", "16"])
    lines = capsys.readouterr().out.splitlines()
    assert "nothing is measured" in lines[0]
    assert [line.split()[:2] for line in lines[2:-1]] == [["D", "down0"], ["D", "down1"], ["G", "up1"], ["G", "up0"]]


def test_the_command_on_a_device(backend, monkeypatch, capsys):
    monkeypatch.setattr(implicit, "why_no_gpu", lambda: None)
    monkeypatch.setattr(timing, "REPEATS", 1)
    monkeypatch.setattr(timing, "WARM", 0.0)
    implicit.main(["--size", "8", "--batch", "1", "--features", "16"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("measured on")
    assert lines[1].startswith("values right")
    assert "all of a step" in lines[-1]
