"""Patches against index-by-index loops, and fold as the adjoint of unfold."""

import numpy as np
import pytest

from tinygan.ops import Window
from tinygan.ops.reference import fold, unfold
from tinygan.rng import rng_for

# window, image (N, H, W, C), positions (H', W') counted by hand
WINDOWS = {
    "4x4-stride2-pad1": (Window((4, 4), (2, 2), (1, 1)), (2, 8, 6, 3), (4, 3)),
    "4x4-stride2-pad1-odd": (Window((4, 4), (2, 2), (1, 1)), (2, 7, 5, 3), (3, 2)),
    "4x4-stride2-pad1x2": (Window((4, 4), (2, 2), (1, 2)), (1, 12, 18, 2), (6, 10)),
    "3x3-pad1": (Window((3, 3), (1, 1), (1, 1)), (2, 3, 5, 2), (3, 5)),
    "1x1": (Window((1, 1), (1, 1), (0, 0)), (2, 3, 5, 2), (3, 5)),
    "full-map": (Window((3, 5), (1, 1), (0, 0)), (2, 3, 5, 2), (1, 1)),
    "2x3-stride3x2-pad0x1": (Window((2, 3), (3, 2), (0, 1)), (1, 9, 6, 1), (3, 3)),
    "2x2-stride3-with-gaps": (Window((2, 2), (3, 3), (0, 0)), (2, 8, 9, 3), (3, 3)),
    "3x3-stride2-with-a-rest": (Window((3, 3), (2, 2), (0, 0)), (1, 8, 6, 2), (3, 2)),
}
every_window = pytest.mark.parametrize(("window", "shape", "positions"), WINDOWS.values(), ids=WINDOWS.keys())


def random(shape: tuple[int, ...], purpose: str) -> np.ndarray:
    return rng_for(0, purpose).standard_normal(shape)


def unfold_by_loops(image: np.ndarray, window: Window, positions: tuple[int, int]) -> np.ndarray:
    (kh, kw), (sh, sw), (ph, pw) = window
    N, H, W, C = image.shape
    rows = []
    for n in range(N):
        for i in range(positions[0]):
            for j in range(positions[1]):
                row = []
                for u in range(kh):
                    for v in range(kw):
                        y, x = i * sh + u - ph, j * sw + v - pw
                        inside = 0 <= y < H and 0 <= x < W
                        row.extend(image[n, y, x, c] if inside else 0.0 for c in range(C))
                rows.append(row)
    return np.array(rows)


@every_window
def test_positions(window, shape, positions):
    assert window.positions(shape[1:3]) == positions


@every_window
def test_image_size_is_the_smallest_with_as_many_positions(window, shape, positions):
    size = window.image_size(positions)
    assert window.positions(size) == positions
    assert window.positions((size[0] - 1, size[1])) == (positions[0] - 1, positions[1])
    assert window.positions((size[0], size[1] - 1)) == (positions[0], positions[1] - 1)
    assert all(small <= side for small, side in zip(size, shape[1:3], strict=True))


@every_window
def test_unfold_equals_loops(window, shape, positions):
    image = random(shape, "image")
    np.testing.assert_array_equal(unfold(image, window), unfold_by_loops(image, window, positions))


@every_window
def test_fold_is_the_adjoint(window, shape, positions):
    image = random(shape, "image")
    rows = unfold(image, window)
    patches = random(rows.shape, "patches")
    left, right = float((rows * patches).sum()), float((image * fold(patches, window, shape)).sum())
    # Relative to the sizes of the factors: sums of at most 6000 products, each rounded at 1e-16.
    assert abs(left - right) <= 1e-12 * np.linalg.norm(rows) * np.linalg.norm(patches)


@every_window
def test_fold_of_unfold_counts_the_patches_of_each_pixel(window, shape, positions):
    """Pixels in several patches receive the sum, pixels in none receive 0."""
    numbers = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    rows = unfold_by_loops(numbers, window, positions)
    counts = np.array([(rows == number).sum() for number in numbers.ravel()]).reshape(shape)
    np.testing.assert_array_equal(fold(unfold(numbers, window), window, shape), counts * numbers)


def test_gaps_between_patches_receive_zero():
    window, shape, _ = WINDOWS["2x2-stride3-with-gaps"]
    folded = fold(random((18, 12), "patches"), window, shape)
    np.testing.assert_array_equal(folded[:, 2::3], 0)
    np.testing.assert_array_equal(folded[:, :, 2::3], 0)
    assert (np.delete(np.delete(folded, [2, 5], axis=1), [2, 5, 8], axis=2) != 0).all()


@every_window
def test_arguments_stay_as_they_are_whatever_their_memory_order(window, shape, positions):
    image = np.asfortranarray(random(shape, "image"))
    before = image.copy()
    rows = unfold(image, window)
    patches = np.asfortranarray(random(rows.shape, "patches"))
    kept = patches.copy()
    folded = fold(patches, window, shape)
    np.testing.assert_array_equal(rows, unfold(np.ascontiguousarray(image), window))
    np.testing.assert_array_equal(folded, fold(np.ascontiguousarray(patches), window, shape))
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(patches, kept)


@every_window
def test_precision_is_kept(window, shape, positions):
    rows = unfold(random(shape, "image").astype(np.float32), window)
    assert rows.dtype == np.float32
    assert fold(rows, window, shape).dtype == np.float32
