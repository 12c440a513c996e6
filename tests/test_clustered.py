"""Clustered latents: their distribution, their ideal classifier, their mixing."""

import dataclasses

import numpy as np
import pytest
from scipy.special import ive
from scipy.stats import gennorm, ks_2samp, norm, vonmises_fisher

from neurogeom.features import clustered_latents
from neurogeom.features.clustered import _vmf


@pytest.mark.parametrize(("d", "kappa"), [(2, 3.0), (5, 10.0), (5, 50.0), (20, 10.0)])
def test_samples_have_the_mean_resultant_of_their_class(d, kappa):
    """B1: to 0.003."""
    world = clustered_latents(d, n_classes=20, kappa=kappa, n_layers=0)
    batch = world.at(0, 100_000)
    cosine = np.sum(batch.latents * world.vectors[batch.classes], axis=1)
    assert cosine.mean() == pytest.approx(ive(d / 2, kappa) / ive(d / 2 - 1, kappa), abs=0.003)


def test_the_sampler_is_that_of_scipy_in_distribution():
    rng = np.random.default_rng(0)
    mu = np.array([0.6, 0.8, 0.0])
    ours = _vmf(rng, np.tile(mu, (20_000, 1)), 4.0)
    theirs = vonmises_fisher(mu, 4.0).rvs(20_000, random_state=rng)
    for direction in np.vstack([np.eye(3), mu]):
        assert ks_2samp(ours @ direction, theirs @ direction).pvalue > 1e-3
    other = vonmises_fisher(mu, 5.0).rvs(20_000, random_state=rng)
    assert ks_2samp(ours @ mu, other @ mu).pvalue < 1e-3


def test_the_bayes_risk_of_the_default_world_is_that_of_the_specification():
    """B2: 2.287 was one draw of the classes' vectors; draws differ by more than its 0.01."""
    found = [clustered_latents(5, seed=s).bayes_cross_entropy() for s in range(5)]
    assert np.median(found) == pytest.approx(2.287, abs=0.01)
    assert max(np.abs(np.array(found) - 2.287)) < 0.03


@pytest.mark.slow
def test_the_bayes_risk_from_many_samples():
    """B2, 200,000 samples each."""
    found = [clustered_latents(5, seed=s).bayes_cross_entropy(n=200_000) for s in range(3)]
    assert np.median(found) == pytest.approx(2.287, abs=0.01)


@pytest.mark.parametrize("conditional", ["vmf", "normal", "laplace", 0.7])
def test_the_ideal_classifier_is_calibrated(conditional):
    """Its loss on labels that were drawn is the entropy that it states."""
    world = clustered_latents(3, n_classes=5, conditional=conditional, label_noise=0.1, n_labels=10)
    batch = world.at(0, 2000, held_out=True)
    for labels in ("class", "index"):
        loss = world.bayes_loss(batch, labels)
        errors = 4 * loss.std() / len(loss) ** 0.5
        assert world.bayes_cross_entropy(labels, n=2000) == pytest.approx(loss.mean(), abs=errors)
    wrong = clustered_latents(3, n_classes=5, kappa=3.0, conditional=conditional, n_labels=10)
    assert wrong.bayes_loss(batch).mean() > world.bayes_loss(batch).mean() + 0.03


def test_the_density_of_normal_noise_back_on_the_circle_is_the_closed_form():
    """1 + t cdf(t) / pdf(t) with t the cosine times sqrt(kappa) (Mardia & Jupp 2000, 3.5.6)."""
    world = clustered_latents(2, n_classes=6, kappa=5.0, conditional="normal")
    angle = np.linspace(0, 6, 50)
    z = np.column_stack([np.cos(angle), np.sin(angle)])
    t = np.sqrt(5.0) * z @ world.vectors.T
    expected = np.log1p(t * norm.cdf(t) / norm.pdf(t))
    found = world.log_density(z)
    np.testing.assert_allclose(found - found[:1, :1], expected - expected[:1, :1], atol=1e-6)


@pytest.mark.parametrize(("conditional", "power"), [("normal", 2.0), ("laplace", 1.0), (0.7, 0.7)])
def test_noise_of_any_shape_has_the_variance_of_its_concentration(conditional, power):
    world = clustered_latents(3, n_classes=5, kappa=8.0, conditional=conditional)
    assert gennorm(power, scale=world._scale()).var() == pytest.approx(1 / 8)


def test_an_index_of_a_class_says_nothing_more():
    world = clustered_latents(3, n_classes=10, n_labels=70)
    more = world.bayes_cross_entropy("index") - world.bayes_cross_entropy("class")
    assert more == pytest.approx(np.log(7))
    batch = world.at(3, 500)
    assert (batch.index % 10 == batch.classes).all()
    assert batch.index.max() > 50


def test_label_noise_raises_the_risk_up_to_that_of_a_guess_and_leaves_latents_alone():
    worlds = [clustered_latents(3, n_classes=16, label_noise=e) for e in (0.0, 0.5, 1.0)]
    risks = [w.bayes_cross_entropy(n=2000) for w in worlds]
    assert risks == sorted(risks)
    assert risks[-1] == pytest.approx(np.log(16))
    clean, half, _ = (w.at(0, 20_000) for w in worlds)
    np.testing.assert_array_equal(clean.latents, half.latents)
    assert (clean.classes != half.classes).mean() == pytest.approx(0.5 * 15 / 16, abs=0.015)


def test_samples_hang_on_seed_and_step_and_are_held_out_for_good():
    world = clustered_latents(3, n_classes=5, seed=1)
    again = clustered_latents(3, n_classes=5, seed=1)
    np.testing.assert_array_equal(world.at(4, 9).observations, again.at(4, 9).observations)
    others = [world.at(5, 9), world.at(4, 9, held_out=True)]
    others.append(clustered_latents(3, n_classes=5, seed=2).at(4, 9))
    for other in others:
        assert not np.isin(other.latents, world.at(4, 9).latents).any()


def test_the_mixing_can_be_undone_layer_by_layer():
    world = clustered_latents(5, n_layers=4)
    batch = world.at(0, 50)
    h = batch.observations
    for i, weights in reversed(list(enumerate(world.maps))):
        h = h @ np.linalg.inv(weights)
        if i:
            h = np.where(h > 0, h, h / 0.2)
    np.testing.assert_allclose(h, batch.latents, atol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(world.maps, axis=1), 1.0)
    assert np.linalg.cond(world.maps).max() < 2.5  # of a random one 8, the median


def test_without_layers_latents_are_seen_and_with_one_a_linear_map_of_them():
    bare, linear = (clustered_latents(3, n_classes=4, n_layers=n) for n in (0, 1))
    np.testing.assert_array_equal(bare.at(0, 5).observations, bare.at(0, 5).latents)
    z = np.eye(3)
    np.testing.assert_allclose(linear.mix(2 * z), 2 * linear.mix(z))
    assert not np.allclose(clustered_latents(3, n_classes=4).mix(-z), -linear.mix(z))


@pytest.mark.parametrize(
    "options", [{"kappa": 1e8}, {"conditional": 0.5}, {"conditional": 100.0}], ids=str
)
def test_worlds_at_the_ends_of_what_is_possible_are_right(options):
    """Latents have length 1 and the spread of a normal of d - 1 channels; losses are finite."""
    world = clustered_latents(3, n_classes=5, **{"n_layers": 0, "kappa": 1e4, **options})
    batch = world.at(0, 4000)
    off = batch.latents - world.vectors[batch.classes]
    assert world.kappa * np.mean(np.sum(off**2, axis=1)) == pytest.approx(2, rel=0.15)
    assert np.isfinite(world.bayes_loss(batch)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_latents": 1}, "n_latents=1 is not possible"),
        ({"n_classes": 1}, "n_classes=1 is not possible"),
        ({"kappa": 0}, "kappa=0 is not possible"),
        ({"kappa": float("nan")}, "kappa=nan"),
        ({"kappa": 1e12}, r"kappa=1000000000000.0 .* from 0 to 1e\+08 and above 0"),
        ({"conditional": 0.1}, "conditional=0.1 is not possible; .* from 0.5 to 100"),
        ({"conditional": 1e4}, "conditional=10000.0 is not possible"),
        ({"n_layers": 5001}, "n_layers=5001 is not possible; give a finite number from 0 to 5000"),
        ({"conditional": "gauss"}, "conditional='gauss' is unknown"),
        ({"conditional": -1.0}, "conditional=-1.0 is not possible"),
        ({"n_labels": 99}, "n_labels=99 is not possible; give a whole number of 100 or more"),
        ({"label_noise": 1.5}, "label_noise=1.5"),
        ({"n_layers": 2.0}, "n_layers=2.0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_a_world_that_cannot_be_is_refused_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        clustered_latents(**options)


def test_labels_are_classes_or_indices():
    with pytest.raises(ValueError, match="labels='indices' is unknown; did you mean 'index'"):
        clustered_latents(2, n_classes=3).bayes_cross_entropy("indices")


@pytest.mark.parametrize("kappa", [1e2, 1e6])
def test_the_density_of_noise_is_known_however_narrow_it_is(kappa):
    """Of normal noise the integral along a ray is that of a normal law, r times."""
    angle = np.array([0.3, 0.3 + kappa**-0.5])  # vectors that are one sd apart
    vectors = np.column_stack([np.cos(angle), np.sin(angle)])
    world = clustered_latents(2, n_classes=2, kappa=kappa, conditional="normal", n_layers=0)
    world = dataclasses.replace(world, vectors=vectors)
    batch = world.at(0, 100)
    found, along = world.log_density(batch.latents), batch.latents @ vectors.T
    ideal = kappa * along**2 / 2 + np.log(along)
    np.testing.assert_allclose(np.diff(found), np.diff(ideal), atol=1e-9)
    square = dataclasses.replace(world, power=100.0)  # noise of nearly a square, sharply bounded
    batch = square.at(0, 2000)
    assert 0.45 < square.bayes_loss(batch).mean() < 0.62


def test_the_loss_of_an_unlikely_label_is_large_and_finite():
    world = clustered_latents(2, n_classes=3, kappa=1e6, n_layers=0)
    batch = world.at(0, 5)
    wrong = batch._replace(classes=(batch.classes + 1) % 3)
    expected = 1e6 * np.sum(
        batch.latents * (world.vectors[batch.classes] - world.vectors[wrong.classes]), axis=1
    )
    np.testing.assert_allclose(world.bayes_loss(wrong), expected)
    noise = dataclasses.replace(world, label_noise=1.0)
    np.testing.assert_allclose(noise.bayes_loss(wrong), np.log(3))


def test_latents_and_batches_that_do_not_fit_are_refused_in_one_sentence():
    world = clustered_latents(2, n_classes=3)
    assert world.mix([[1, 0]]).shape == (1, 2)
    for call in (world.mix, world.log_density):
        with pytest.raises(ValueError, match=r"latents of shape \(3, 5\): give \(sample, 2\)"):
            call(np.ones((3, 5)))
    with pytest.raises(TypeError, match=r"batch is a ndarray; give what at\(\) returned"):
        world.bayes_loss(np.ones((3, 2)))
