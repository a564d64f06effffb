"""Places in the arena: free when nobody holds the array, at a cache line, the first that is large enough."""

import numpy as np
import pytest

from tinygan.runtime.arena import Arena


class Kind(np.ndarray):
    """Any class of arrays."""


@pytest.fixture
def arena():
    return Arena()


def taken(arena, count):
    return arena.array((count,), np.float32, Kind)


def place(arena, array):
    return array.ctypes.data - arena.start


def test_a_place_is_taken_while_a_view_lives(arena):
    first, second = taken(arena, 100), taken(arena, 3)
    assert (place(arena, first), place(arena, second)) == (0, 448)
    view = first.reshape(4, 25)[1:].view(np.ndarray)
    del first
    assert place(arena, taken(arena, 1)) == 512
    del view
    assert place(arena, taken(arena, 100)) == 0


def test_a_system_without_such_blocks_is_told_by_an_error_of_it(monkeypatch):
    """On Windows the step then runs as it stands."""
    monkeypatch.delattr("os.sysconf")
    with pytest.raises(OSError, match="sysconf"):
        Arena()


def test_a_gap_that_is_too_small_is_left(arena):
    arrays = [taken(arena, 16) for _ in range(3)]
    del arrays[1]
    large, small = taken(arena, 17), taken(arena, 16)
    assert (place(arena, large), place(arena, small)) == (192, 64)


def test_an_array_without_values_has_a_place(arena):
    empty, number = arena.array((0, 3), np.float32, Kind), arena.array((), np.float64, Kind)
    assert place(arena, empty) != place(arena, number)


def test_unheld_arrays_are_the_same_memory_and_keep_no_place(arena):
    array = taken(arena, 6)
    array[:] = range(6)
    unheld = arena.unheld(array.reshape(2, 3).T[1:])
    assert type(unheld) is np.ndarray
    np.testing.assert_array_equal(unheld, [[1, 4], [2, 5]])
    del array
    taken(arena, 6)[:] = 7
    np.testing.assert_array_equal(unheld, [[7, 7], [7, 7]])


def test_arrays_from_elsewhere_keep_their_memory(arena):
    elsewhere = np.arange(3.0).view(Kind)
    unheld = arena.unheld(elsewhere)
    assert type(unheld) is np.ndarray
    assert np.shares_memory(unheld, elsewhere)
