"""Losses: values by their definitions, gradients by differences, and logits where naive formulas overflow."""

import numpy as np
import pytest

from tinygan.losses import ADVERSARIAL_LOSSES, binary_cross_entropy, least_squares, mean_squared_error
from tinygan.rng import rng_for

LOGITS = np.array([-4.5, -0.3, 0.0, 1.7, 5.2])
STEP = 1e-5

both_losses = pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES.values(), ids=ADVERSARIAL_LOSSES.keys())
both_targets = pytest.mark.parametrize("target", [0, 1], ids=["generated", "real"])


@both_targets
def test_values_by_definition(target):
    p = 1 / (1 + np.exp(-LOGITS))
    entropy = -np.mean(np.log(p) if target else np.log(1 - p))
    # log(1 − p) at logit 5 has lost three digits of 1e-16.
    assert binary_cross_entropy(LOGITS, target)[0] == pytest.approx(entropy, rel=1e-12)
    assert least_squares(LOGITS, target)[0] == pytest.approx(np.mean((p - target) ** 2), rel=1e-12)


@both_losses
@both_targets
def test_gradient_equals_differences(loss, target):
    gradient = loss(LOGITS, target)[1]
    assert gradient.shape == LOGITS.shape
    for i in range(len(LOGITS)):
        above, below = LOGITS.copy(), LOGITS.copy()
        above[i] += STEP
        below[i] -= STEP
        difference = (loss(above, target)[0] - loss(below, target)[0]) / (2 * STEP)
        # 1e-16/1e-5 of rounding, h² of the third derivative; the gradients are 1e-4 and more.
        assert gradient[i] == pytest.approx(difference, rel=1e-6, abs=1e-10)


@both_losses
@both_targets
def test_one_image(loss, target):
    value, gradient = loss(LOGITS[1:2], target)
    assert np.ndim(value) == 0
    assert gradient.shape == (1,)
    rest = loss(LOGITS[[0, 2, 3, 4]], target)[0]
    # The mean of five from its parts: a few roundings.
    assert (value + 4 * rest) / 5 == pytest.approx(loss(LOGITS, target)[0], rel=1e-14)


# loss, target, limits of value and gradient for one logit of −1000 and of +1000
LIMITS = {
    "bce-generated": (binary_cross_entropy, 0, (0, 0), (1000, 1)),
    "bce-real": (binary_cross_entropy, 1, (1000, -1), (0, 0)),
    "least-squares-generated": (least_squares, 0, (0, 0), (1, 0)),
    "least-squares-real": (least_squares, 1, (1, 0), (0, 0)),
}


@pytest.mark.parametrize(("loss", "target", "at_minus", "at_plus"), LIMITS.values(), ids=LIMITS.keys())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits(loss, target, at_minus, at_plus, dtype):
    for logit, (value, gradient) in ((-1000, at_minus), (1000, at_plus)):
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            actual = loss(np.full(3, logit, dtype), target)
        assert actual[0] == value
        np.testing.assert_array_equal(actual[1], np.full(3, gradient / 3, dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_small_gradients_keep_their_relative_precision(dtype):
    """Confident and right: the gradient is e⁻³⁰ and must not have been formed as 1 − (1 − e⁻³⁰)."""
    tiny = np.exp(-30) / (1 + np.exp(-30))
    rounding = float(20 * np.finfo(dtype).eps)  # the exponential of 30 and a handful of products
    plus, minus = np.full(1, 30, dtype), np.full(1, -30, dtype)

    def close(expected: float) -> float:
        return pytest.approx(expected, rel=rounding, abs=0)  # approx would let any difference of 1e-12 pass

    assert binary_cross_entropy(minus, 0)[1][0] == close(tiny)
    assert binary_cross_entropy(plus, 1)[1][0] == close(-tiny)
    assert binary_cross_entropy(minus, 0)[0] == close(np.log1p(np.exp(-30)))
    # Confident and wrong: 2·(p − t)·p·(1 − p) is e⁻³⁰ through its last factor, confident and right e⁻⁶⁰ through two.
    assert least_squares(plus, 0)[1][0] == close(2 * (1 - tiny) ** 2 * tiny)
    assert least_squares(minus, 1)[1][0] == close(-2 * (1 - tiny) ** 2 * tiny)
    assert least_squares(minus, 0)[1][0] == close(2 * tiny**2 * (1 - tiny))
    assert least_squares(plus, 1)[1][0] == close(-2 * tiny**2 * (1 - tiny))


@both_losses
@both_targets
def test_precision_is_kept_and_logits_are_left_alone(loss, target):
    logits = LOGITS.astype(np.float32)
    value, gradient = loss(logits, target)
    assert (value.dtype, gradient.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(logits, LOGITS.astype(np.float32))


def test_mean_squared_error():
    rng = rng_for(0, "mse")
    y, target = rng.standard_normal((2, 2, 3, 5, 3))
    value, gradient = mean_squared_error(y, target)
    # 90 rounded terms
    assert value == pytest.approx(sum((a - b) ** 2 for a, b in zip(y.ravel(), target.ravel(), strict=True)) / 90)
    direction = rng.standard_normal(y.shape)
    above, below = (mean_squared_error(y + sign * STEP * direction, target)[0] for sign in (1, -1))
    # A quadratic has no third derivative: what is left is rounding, 1e-16/1e-5.
    assert (gradient * direction).sum() == pytest.approx((above - below) / (2 * STEP), rel=1e-8)
    single = mean_squared_error(y.astype(np.float32), target.astype(np.float32))
    assert (single[0].dtype, single[1].dtype) == (np.float32, np.float32)
