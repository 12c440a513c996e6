"""Perceptual similarity: what the metrics see and do not see, peers, bad input."""

import numpy as np
import pytest
from scipy.ndimage import shift
from scipy.spatial.distance import cdist

import neurogeom as ng
from neurogeom.features import Colour, GaborEnergy, Labels, Pairwise, Pixels, Similarity, textures
from neurogeom.features import similarity_metrics as metrics


def distances(e):
    return cdist(e, e, "sqeuclidean")


def gratings(angle=0.0, cycles=0.16, phase=0.0, contrast=1.0, side=24):
    y, x = np.mgrid[:side, :side]
    angle, phase = np.deg2rad(angle), np.deg2rad(phase)
    along = x * np.cos(angle) + y * np.sin(angle)
    return contrast * np.cos(2 * np.pi * cycles * along + phase)


def test_gabor_energy_sees_orientation_and_frequency_and_neither_phase_nor_contrast():
    images = [
        gratings(30),
        gratings(30, phase=120),
        gratings(30, contrast=0.2) + 7,
        gratings(75),
        gratings(30, cycles=0.3),
    ]
    away = distances(GaborEnergy()(images))[0]
    assert away[1] < 0.02
    assert away[2] < 1e-8
    assert away[3:].min() > 0.5


def test_distances_grow_with_the_angle_up_to_a_right_one():
    angles = np.arange(0, 181, 15)
    away = distances(GaborEnergy()([gratings(a, cycles=0.25) for a in angles]))[0]
    assert (np.diff(away[:5]) > 0).all()
    assert away.argmax() in (5, 6, 7)
    assert away[-1] < 0.02


def test_energies_are_those_of_a_convolution_with_the_filters():
    """At one frequency and orientation, by the sum over pixels."""
    image = np.random.default_rng(0).standard_normal((12, 10))
    metric = GaborEnergy(frequencies=(0.2, 0.3), n_orientations=2, grid=1)
    kernels = np.fft.ifft2(metric._filters(12, 10).astype(float))
    centred = image - image.mean()
    size = np.empty((4, 12, 10))
    for k, kernel in enumerate(kernels):
        for i in range(12):
            for j in range(10):
                moved = np.roll(kernel[::-1, ::-1], (i + 1, j + 1), (0, 1))
                size[k, i, j] = abs((centred * moved).sum())
    expected = (size / np.sqrt((size**2).sum(axis=0))).mean(axis=(1, 2))
    np.testing.assert_allclose(
        metric([image])[0], expected / np.linalg.norm(expected), rtol=1e-4
    )  # fmt: skip


def test_where_a_texture_is_counts_as_far_as_the_grid_tells():
    half = np.zeros((24, 24))
    half[:, :12] = gratings(0)[:, :12]
    moved = shift(half, (0, 12), order=0)
    images = [half, moved]
    apart, together = (distances(GaborEnergy(grid=g)(images))[0, 1] for g in (2, 1))
    assert apart > 0.5
    assert together < 0.05


def test_images_without_contrast_have_no_texture():
    e = GaborEnergy()(np.stack([np.full((24, 24), 3.0), gratings(0)]))
    assert (e[0] == 0).all()
    assert np.linalg.norm(e[1]) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 123.456, 1e6 + 0.1, 1e-15])
def test_a_blank_image_of_any_grey_is_zeros(value):
    images = np.full((3, 25, 31), value)
    images[1] *= 1 + 1e-9 * np.random.default_rng(0).standard_normal((25, 31))
    assert (GaborEnergy()(images) == 0).all()
    assert (GaborEnergy()(np.repeat(images[..., None], 3, axis=3)) == 0).all()


def test_units_of_pixels_do_not_count():
    image = gratings(40)
    e = GaborEnergy()([image, 1e-13 * image, 1e6 * image + 3])
    np.testing.assert_allclose(e[1:], e[[0, 0]], atol=1e-5)


def test_filters_do_not_see_the_mean():
    assert (GaborEnergy()._filters(24, 30)[:, 0, 0] == 0).all()


def test_colours_are_averaged_and_any_shape_will_do():
    grey = np.random.default_rng(1).random((3, 20, 31))
    colour = np.repeat(grey[..., None], 3, axis=3)
    np.testing.assert_allclose(GaborEnergy()(grey), GaborEnergy()(colour), atol=1e-5)
    assert GaborEnergy(frequencies=(0.1, 0.2), n_orientations=4, grid=2)(grey).shape == (3, 32)


def test_pixels_colours_and_labels_are_the_distances_that_they_say():
    images = np.random.default_rng(2).random((4, 5, 6, 3))
    flat = images.reshape(4, -1)
    np.testing.assert_allclose(
        distances(Pixels()(images)), ((flat[:, None] - flat[None]) ** 2).mean(axis=-1)
    )
    mean = images.mean(axis=(1, 2))
    np.testing.assert_allclose(distances(Colour()(images)), cdist(mean, mean, "sqeuclidean"))
    classes = np.array(["b", "a", "b", "c"])
    np.testing.assert_allclose(distances(Labels()(classes)), classes[:, None] != classes)


@pytest.mark.parametrize("kind", ["mei", "2afc", "ooo"])
def test_a_distance_of_pairs_is_the_same_as_its_embedding(kind):
    images = textures(80).images[:, :6, :6]
    x = ng.from_arrays(np.random.default_rng(3).random((80, 4)))
    options = {"kind": kind, "n_null": 0, "n_trials": 4, "n_references": 3}
    by_pairs = Pairwise(lambda a, b: ((a - b) ** 2).mean(axis=(1, 2)), batch=100)
    one, two = (
        ng.features.interpretability(x, images, metric=m, **options) for m in (by_pairs, Pixels())
    )
    np.testing.assert_allclose(one.estimate, two.estimate, atol=1e-10)


def test_any_function_of_images_is_a_metric_and_labels_may_stand_for_images():
    world = textures(300)
    x = ng.from_arrays(world.features[:, :3] + 1e-6)
    own = ng.features.interpretability(
        x, world.images, metric=lambda images: images.mean(axis=(1, 2))[:, None], n_null=0
    )
    assert np.isfinite(own.estimate.values).all()
    classes = world.features.argmax(axis=1)
    found = ng.features.interpretability(
        x, classes, metric=Labels(), n_exciting=4, labels=classes, n_null=0
    )
    top = np.argsort(-world.features[:, :3], axis=0)[:4]
    for unit in range(3):
        pairs = [classes[a] != classes[b] for a in top[:, unit] for b in top[:, unit] if a < b]
        assert found.estimate.values[unit] == pytest.approx(-np.mean(pairs))


def test_a_module_with_the_face_of_lpips_is_plugged_in_as_the_docstring_says():
    torch = pytest.importorskip("torch")

    class FaceOfLPIPS(torch.nn.Module):
        """Weighted squared differences of channels: (n, 3, h, w) twice to (n, 1, 1, 1)."""

        def __init__(self):
            super().__init__()
            self.weights = torch.nn.Parameter(torch.tensor([1.0, 2.0, 4.0]))

        def forward(self, first, second):
            for images in (first, second):
                assert images.dtype == torch.float32
                assert images.shape[1:] == (3, 5, 6)
                assert -1 <= images.min() < -0.9 < 0.9 < images.max() <= 1
            away = ((first - second) ** 2).mean(dim=(2, 3), keepdim=True)
            return (away * self.weights[:, None, None]).sum(dim=1, keepdim=True)

    text = Pairwise.__doc__
    lines = [own.strip() for own in text[text.index("as_tensor =") :].splitlines()[:2]]
    scope = {"net": FaceOfLPIPS(), "torch": torch, "Pairwise": Pairwise}
    exec(lines[0], scope)
    metric = eval(lines[1], scope)
    rng = np.random.default_rng(4)
    images, responses = rng.random((30, 5, 6, 3)), rng.random((30, 2))
    x = ng.from_arrays(responses)
    found = ng.features.interpretability(x, images, metric=metric, n_exciting=4, n_null=3)
    scaled = 2 * images - 1
    away = ((scaled[:, None] - scaled[None]) ** 2).mean(axis=(2, 3)) @ [1.0, 2.0, 4.0]
    given = ng.features.interpretability(x, Similarity(-away), n_exciting=4, n_null=3)
    np.testing.assert_allclose(found.estimate, given.estimate, rtol=1e-5)
    np.testing.assert_allclose(found.null, given.null, rtol=1e-5)


def test_a_result_names_the_metric_however_images_are_given():
    images = np.random.default_rng(5).random((20, 6, 6))
    x = ng.from_arrays(images[:, :2, 0])

    def name(stimuli, metric=None):
        found = ng.features.interpretability(x, stimuli, metric=metric, n_exciting=3, n_null=0)
        return found.attrs["metric"]

    for stimuli in (images, list(images), dict(enumerate(images))):
        assert name(stimuli) == "GaborEnergy()"
        assert name(stimuli, Pixels()) == "Pixels()"
    for given in (images[:, 0], dict(enumerate(images[:, 0])), Similarity(np.eye(20))):
        assert name(given) == "given"


def test_similarities_lose_their_diagonal_and_keep_the_rest():
    s = np.random.default_rng(4).random((5, 5))
    s = s + s.T
    found = metrics.percept(Similarity(s), None, np.arange(5), "trial")
    assert (np.diag(found.similarity) == 0).all()
    off = ~np.eye(5, dtype=bool)
    assert (found.similarity[off] == s[off]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GaborEnergy(frequencies=(0.6,)), "below 0.5"),
        (lambda: GaborEnergy(grid=0), "1 or more"),
        (lambda: GaborEnergy(grid=5)(np.zeros((2, 4, 9))), "have no grid of 5"),
        (lambda: GaborEnergy()(np.zeros((2, 4))), "images have shape"),
        (lambda: Pixels()([np.zeros((2, 2)), np.zeros((2, 3))]), "image 1 has shape"),
        (lambda: Labels()([["a"], ["b"]]), "give one value a stimulus"),
        (lambda: Labels()(["a", None, "b"]), "labels of stimulus 1 and 0 others are missing"),
        (lambda: Pairwise(lambda a, b: [1.0])(np.zeros((4, 2, 2))), "gave 1 numbers for 6 pairs"),
    ],
)
def test_what_no_metric_can_see_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
