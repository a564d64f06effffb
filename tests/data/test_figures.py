import numpy as np
import pytest

from tinygan.data.figures import FIGURES, disc, moon, plus, ring, square, star, triangle

AXIS = np.linspace(-2, 2, 401)
X, Y = np.meshgrid(AXIS, AXIS)


@pytest.mark.parametrize("figure", FIGURES)
def test_is_a_distance_near_the_edge_and_never_overstates_it(figure):
    distance = figure(X, Y)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, 2), (3, 1)):  # never farther than it says
        step = np.hypot(down, right) * (AXIS[1] - AXIS[0])
        change = distance[down:, right:] - distance[: 401 - down, : 401 - right]
        assert np.abs(change).max() <= step * (1 + 1e-6)
    dy, dx = np.gradient(distance, AXIS, AXIS)
    slope = np.sqrt(dx**2 + dy**2)
    edge = np.abs(distance) < 0.02
    assert np.median(slope[edge]) == pytest.approx(1, abs=0.01)
    inside = distance < 0
    assert 0.8 < inside.mean() * 16 < np.pi + 0.3  # a fair share of the 4 x 4 square, none outgrows the disc by much
    assert not inside[0].any()
    assert not inside[:, 0].any()


def at(figure, x, y):
    return float(figure(np.array([x]), np.array([y]))[0])


def test_points_inside_and_outside():
    assert at(disc, 0.7, 0.7) < 0 < at(disc, 0.72, 0.72)
    assert at(ring, 0, 0) > 0 > at(ring, 0.78, 0)
    assert at(square, 0.89, 0.89) < 0 < at(square, 0.91, 0)
    assert at(plus, 0.9, 0) < 0 < at(plus, 0.5, 0.5)
    assert at(triangle, 0, -0.9) < 0 < at(triangle, 0.5, -0.5)  # y points down: the tip is above
    assert at(moon, -0.9, 0) < 0 < at(moon, 0.3, 0)


def test_star_has_five_tips_the_first_upwards():
    angle = np.linspace(0, 2 * np.pi, 3600, endpoint=False)
    inside = star(0.9 * np.sin(angle), -0.9 * np.cos(angle)) < 0
    assert inside[0]
    assert np.count_nonzero(inside & ~np.roll(inside, 1)) == 5
    assert np.array_equal(inside, np.roll(inside, 720))


def test_figures_differ():
    masks = np.array([figure(X, Y) < 0 for figure in FIGURES]).reshape(len(FIGURES), -1)
    both = (masks[:, None] & masks).sum(2)
    either = (masks[:, None] | masks).sum(2)
    overlap = both / either - np.eye(len(FIGURES))
    assert overlap.max() < 0.85
