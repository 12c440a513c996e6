"""Generated images: areas, places and turns that are known."""

import numpy as np
import pytest

from neurogeom.stimuli import SHAPES, images


def image(shape="disc", size=0.2, row=0.5, column=0.5, angle=0.0, side=64):
    own = (np.array([v]) for v in (shape, size, row, column))
    return images(*own, angle=angle, side=side).reshape(side, side)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [0.15, 0.25])
def test_all_shapes_have_the_area_of_the_disc(shape, size):
    found = image(shape, size).sum() / 64**2
    edge = 2 * np.pi * size * 1.5 / 64  # pixels of the edge, of whatever shape, as a share
    assert found == pytest.approx(np.pi * size**2, abs=0.25 * edge)


def test_grey_values_lie_between_ground_and_shape():
    found = image()
    assert 0 <= found.min() < 0.01
    assert 0.99 < found.max() <= 1
    assert found[32, 32] > 0.99
    assert found[0, 0] < 0.01


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_that_moves_is_the_same_elsewhere(shape):
    here = image(shape, 0.12, 0.4, 0.4, 0.3)
    there = image(shape, 0.12, 0.4 + 8 / 64, 0.4 - 4 / 64, 0.3)
    np.testing.assert_allclose(there, np.roll(here, (8, -4), axis=(0, 1)), atol=1e-9)
    assert np.abs(there - here).max() > 0.9


def test_its_centre_of_mass_is_where_it_was_put():
    found = image("square", 0.15, 0.3, 0.6, 0.2)
    centre = (np.arange(64) + 0.5) / 64
    assert found.sum(axis=1) @ centre / found.sum() == pytest.approx(0.3, abs=2e-3)
    assert found.sum(axis=0) @ centre / found.sum() == pytest.approx(0.6, abs=2e-3)


@pytest.mark.parametrize(("shape", "turn"), [("square", 90), ("cross", 90), ("triangle", 120)])
def test_shapes_have_their_symmetries_and_no_others(shape, turn):
    plain, turned = image(shape), image(shape, angle=np.deg2rad(turn))
    np.testing.assert_allclose(turned, plain, atol=0.05)
    half = image(shape, angle=np.deg2rad(turn / 2))
    assert np.abs(half - plain).max() > 0.5
    np.testing.assert_allclose(image(angle=0.7), image(), atol=1e-9)  # of a disc all


def test_images_are_made_one_by_one():
    shape = np.array(["disc", "square", "triangle"])
    size, row, column = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.6, 0.5, 0.4]])
    angle = np.array([0.1, 0.2, 0.3])
    found = images(shape, size, row, column, angle=angle, side=20)
    assert found.shape == (3, 400)
    for i in range(3):
        own = image(shape[i], size[i], row[i], column[i], angle[i], side=20)
        np.testing.assert_allclose(found[i], own.ravel(), atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": np.array(["disk"])}, "shape 'disk' is unknown; choose from"),
        ({"size": np.array([0.1, 0.2])}, "give one number an image"),
        ({"row": np.array([0.5, 0.5])}, "give one number an image"),
        ({"angle": np.zeros(2)}, "give one number an image"),
        ({"side": 0}, "a side of 1 or more"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence(options, message):
    given = {"shape": np.array(["disc"]), "size": np.array([0.1]), "row": np.array([0.5]),
             "column": np.array([0.5]), "angle": 0.0, "side": 16, **options}  # fmt: skip
    arrays = [given.pop(k) for k in ("shape", "size", "row", "column")]
    with pytest.raises(ValueError, match=message):
        images(*arrays, **given)
