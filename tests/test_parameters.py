"""The flat vector and its views."""

import copy

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.parameters import Parameters

SHAPES = {"b.w": (2, 3), "a": (4,), "logit": (), "none": (0, 3)}


@pytest.fixture
def parameters() -> Parameters:
    made = Parameters(SHAPES, open_backend("cpu", "float64"))
    made.flat[:] = np.arange(11.0)
    return made


def test_views_share_memory_with_the_flat_vector(parameters):
    assert parameters.flat.shape == (11,)
    assert {name: view.shape for name, view in parameters.items()} == SHAPES
    np.testing.assert_array_equal(parameters["b.w"], [[0, 1, 2], [3, 4, 5]])  # in the given order, not sorted
    np.testing.assert_array_equal(parameters["a"], [6, 7, 8, 9])
    assert parameters["logit"] == 10
    parameters["b.w"][1, 2] = -1
    parameters["a"][:] = 7
    np.testing.assert_array_equal(parameters.flat, [0, 1, 2, 3, 4, -1, 7, 7, 7, 7, 10])
    parameters.flat *= 2
    assert parameters["b.w"][1, 2] == -2


def test_bounded_arrays_come_first_in_the_flat_vector():
    made = Parameters(SHAPES, open_backend("cpu", "float64"), ["a", "logit"])
    assert list(made) == list(SHAPES)
    assert (made.bounded_size, made.zeros_like().bounded_size) == (5, 5)
    made.flat[:] = np.arange(11.0)
    np.testing.assert_array_equal(made["a"], [0, 1, 2, 3])
    assert made["logit"] == 4
    np.testing.assert_array_equal(made["b.w"], [[5, 6, 7], [8, 9, 10]])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_precision_is_the_backends(precision):
    made = Parameters(SHAPES, open_backend("cpu", precision))
    assert made.flat.dtype == made["a"].dtype == precision
    np.testing.assert_array_equal(made.flat, 0)


def test_in_place_addition_accumulates(parameters):
    parameters["a"] += np.array([1.0, 2.0, 3.0, 4.0])
    parameters["a"] += 10
    np.testing.assert_array_equal(parameters.flat[6:10], [17, 19, 21, 23])
    assert np.shares_memory(parameters["a"], parameters.flat)


@pytest.mark.parametrize("value", [np.zeros(4), 0.0], ids=["array", "number"])
def test_assignment_is_refused(parameters, value):
    with pytest.raises(TypeError, match="'a' is a view"):
        parameters["a"] = value
    np.testing.assert_array_equal(parameters["a"], [6, 7, 8, 9])
    with pytest.raises(KeyError):
        parameters["new"] = value


def test_zeros_like_has_its_own_memory(parameters):
    other = parameters.zeros_like()
    assert list(other) == list(parameters)
    np.testing.assert_array_equal(other.flat, 0)
    other.flat[:] = 5
    np.testing.assert_array_equal(parameters.flat, np.arange(11.0))
    assert other.flat.dtype == parameters.flat.dtype


def test_load_and_to_host_are_inverse_and_copy(parameters):
    host = parameters.to_host()
    values = {name: array + 0.5 for name, array in host.items()}
    parameters.load(values)
    np.testing.assert_array_equal(parameters.flat, np.arange(11.0) + 0.5)
    values["a"][:] = -1
    host["b.w"][:] = -1
    parameters.to_host()["a"][:] = -1
    np.testing.assert_array_equal(parameters.flat, np.arange(11.0) + 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("a"), r"missing \['a'\]"),
        (lambda values: values.update(extra=np.zeros(2)), r"unexpected \['extra'\]"),
        (lambda values: values.update(a=np.zeros((4, 1))), r"a has shape \(4, 1\), expected \(4,\)"),
        (lambda values: values.update(a=np.zeros(1)), r"a has shape \(1,\)"),  # would broadcast
        (lambda values: values.update({"b.w": np.zeros((3, 2))}), r"b.w has shape \(3, 2\), expected \(2, 3\)"),
    ],
    ids=["missing", "unexpected", "extra-axis", "broadcastable", "transposed"],
)
def test_load_checks_names_and_shapes(parameters, change, message):
    values = parameters.to_host()
    change(values)
    with pytest.raises(ValueError, match=message):
        parameters.load(values)


def test_a_copy_whose_views_no_network_holds_is_refused():
    store = Parameters({"w": (2,)}, open_backend("cpu", "float64"))
    with pytest.raises(TypeError, match=r"make another network, and load\(store.to_host\(\)\)"):
        copy.deepcopy(store)
