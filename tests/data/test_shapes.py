import hashlib

import numpy as np
import pytest

from tinygan.data import shapes

PINNED = "2bbdf4433d6e2c8fc100ade863d0e7bf7c5d1e5c992522d2d59ec0e38a6978c2"


def test_an_image_depends_on_seed_and_number_only():
    numbers = np.array([5, 0, 1234, 5, 10**12, 49_999, 77])
    images, labels = shapes.draw(3, numbers)
    for k, number in enumerate(numbers):
        alone, label = shapes.draw(3, np.array([number]))
        assert np.array_equal(alone[0], images[k])
        assert label[0] == labels[k]
    many, _ = shapes.draw(3, np.arange(1500))
    assert np.array_equal(many[1234], images[2])


def test_the_same_on_every_machine():
    """Only operations that IEEE 754 fixes are used, so the bytes can be written down."""
    images, labels = shapes.draw(0, np.arange(256))
    assert hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest() == PINNED


def test_other_seed_or_number_gives_another_image():
    images = np.concatenate([shapes.draw(seed, np.arange(300))[0] for seed in (0, 1, 2**63)])
    assert len(np.unique(images.reshape(900, -1), axis=0)) == 900


def test_types_and_empty_request():
    images, labels = shapes.draw(0, np.arange(0))
    assert images.shape == (0, 32, 32, 3)
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64


@pytest.mark.parametrize(("seed", "numbers"), [(-1, [0]), (0, [-1]), (0, [[1]]), (0, [0.5])])
def test_refuses_what_names_no_image(seed, numbers):
    with pytest.raises(ValueError, match="non-negative integers"):
        shapes.draw(seed, np.array(numbers))


def test_modes_are_equally_likely():
    labels = shapes.draw(0, np.arange(20_000))[1]
    counts = np.bincount(labels, minlength=shapes.MODES)
    assert len(counts) == shapes.MODES == 1024
    # Chi-square with 1023 degrees of freedom: mean 1023, standard deviation 45.
    chi_square = (np.square(counts - 20_000 / 1024) / (20_000 / 1024)).sum()
    assert abs(chi_square - 1023) < 5 * 45


def test_chances_are_independent_and_uniform():
    uniforms = shapes._uniforms(0, np.arange(20_000), 11)
    assert uniforms.min() >= 0
    assert uniforms.max() < 1
    correlation = np.corrcoef(np.vstack([uniforms.T, [*uniforms[1:, 0], 0.5]]))  # last: the next image's mode
    assert np.abs(correlation - np.eye(12)).max() < 5 / np.sqrt(20_000)
    for column in uniforms.T:
        assert np.abs(np.sort(column) - (np.arange(20_000) + 0.5) / 20_000).max() < 2 / np.sqrt(20_000)


def test_splitmix64_is_the_published_one():
    """The first words after the states 0 and 1234567, as in its authors' reference implementation."""
    state = np.array([0, 1234567], np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    assert shapes._scramble(state).tolist() == [0xE220A8397B1DCDAF, 6457827717110365317]


def test_parts_and_label_agree():
    figure, colour, place = shapes.parts(np.arange(shapes.MODES))
    assert np.array_equal((figure * 8 + colour) * 16 + place, np.arange(1024))
    assert (figure.max(), colour.max(), place.max()) == (7, 7, 15)
    with pytest.raises(ValueError, match="out of bounds"):
        shapes.parts(np.array([1024]))


def test_templates_show_their_parts():
    labels = np.arange(shapes.MODES)
    _, colours, places = shapes.parts(labels)
    images = shapes.templates(labels).astype(float)
    paint = np.abs(images - images[:, :1, :1]).sum(3)  # the corner is background in every template
    y, x = np.mgrid[:32, :32] + 0.5
    centres = np.stack([(paint * axis).sum((1, 2)) / paint.sum((1, 2)) for axis in (y, x)], axis=1)
    expected = np.array(shapes.GRID)[np.stack([places // 4, places % 4], axis=1)]
    assert np.abs(centres - expected).max() < 3  # half the grid: the nearest place is the right one
    brightest = images.reshape(1024, -1, 3)[labels, paint.reshape(1024, -1).argmax(1)]
    assert np.abs(brightest - shapes.COLOURS[colours]).max() <= 1


def test_nearest_template_decodes_at_least_99_of_100():
    images, labels = shapes.draw(1, np.arange(5000))
    decoded, explained = shapes.decode(images)
    assert decoded.dtype == np.int64
    assert (decoded == labels).mean() >= 0.99
    for part, truth in zip(shapes.parts(decoded), shapes.parts(labels), strict=True):
        assert (part == truth).mean() >= 0.99
    assert explained.max() <= 1
    assert (explained > 0.7).mean() >= 0.985


def test_templates_decode_to_themselves_and_emptiness_to_nothing():
    labels = np.arange(shapes.MODES)
    decoded, explained = shapes.decode(shapes.templates(labels))
    assert np.array_equal(decoded, labels)
    assert explained.min() > 0.99
    empty = np.broadcast_to(shapes.BACKGROUND.astype(np.uint8), (1, 32, 32, 3))
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    assert shapes.decode(empty)[1] < 0.1
    assert shapes.decode(noise)[1].max() < 0.1
    mixed = shapes.draw(0, np.arange(200))[0].astype(int)
    assert np.median(shapes.decode(((mixed[:100] + mixed[100:]) // 2).astype(np.uint8))[1]) < 0.5


def test_load_is_the_beginning_of_seed_0(monkeypatch):
    monkeypatch.setattr(shapes, "IMAGES", 40)
    images = shapes.load()
    drawn, labels = shapes.draw(0, np.arange(40))
    assert np.array_equal(images.images, drawn)
    assert np.array_equal(images.labels, labels)
    assert images.name == "shapes"
    assert "40 drawn images" in images.source
