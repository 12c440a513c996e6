"""Classification recovers latents: what is trained, what is kept, where it fails and says so."""

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

torch = pytest.importorskip("torch")

import neurogeom as ng  # noqa: E402
from neurogeom.features import classify, clustered_latents, identifiability  # noqa: E402
from neurogeom.features._labelled import Trials, whitening  # noqa: E402

torch.set_num_threads(1)
SMALL = {"hidden": (32, 32), "batch": 256, "steps": 300, "n_restarts": 2}
TINY = {"hidden": (8,), "batch": 32, "steps": 3, "n_restarts": 2}


def small_world(**options):
    return clustered_latents(2, **{"n_classes": 20, "n_layers": 3, **options})


# --- theory ---------------------------------------------------------------------------------------


def slope_and_fit(n_classes, n):
    """Weights of a logistic regression of classes on x = A z, as weights on z, against kappa v."""
    world = clustered_latents(5, n_classes=n_classes, n_layers=1)
    batch = world.at(0, n)
    spread = batch.observations.std()
    model = LogisticRegression(C=np.inf, fit_intercept=False, max_iter=500)
    model.fit(batch.observations / spread, batch.classes)
    found = model.coef_ / spread @ world.maps[0].T
    found, v = found - found.mean(axis=0), world.vectors - world.vectors.mean(axis=0)
    slope = np.sum(found * v) / np.sum(v * v)
    return slope, 1 - np.sum((found - 10 * v) ** 2) / np.sum((10 * v) ** 2)


def test_ideal_weights_are_kappa_times_the_vectors():
    """B3, with 30 classes."""
    slope, fit = slope_and_fit(30, 8000)
    assert slope == pytest.approx(10, abs=0.3)
    assert fit > 0.99


@pytest.mark.slow
def test_ideal_weights_are_kappa_times_the_vectors_of_100_classes():
    """B3: 10.11 and 0.9969 in the specification."""
    slope, fit = slope_and_fit(100, 20_000)
    assert slope == pytest.approx(10, abs=0.3)
    assert fit > 0.99


# --- one training, several questions --------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    return classify(small_world(), **SMALL)


def test_classification_recovers_what_a_linear_map_of_the_observations_does_not(trained):
    found = identifiability(trained)
    assert found.estimate > 0.98
    assert found.estimate > found.raw + 0.1
    assert found.class_vectors > 0.95
    assert not found.notes
    assert found.estimate == found.r_squared[int(found.chosen)]


def test_a_start_that_ends_in_a_local_optimum_is_told_by_its_gap_and_not_kept(trained):
    found = identifiability(trained)
    stuck, kept = 0, int(found.chosen)
    assert found.r_squared[stuck] < found.raw < found.r_squared[kept]
    assert found.gap[stuck] > 0.2 > 0.02 > found.gap[kept]


def test_the_least_held_out_cross_entropy_is_kept_and_lies_above_the_bayes_risk(trained):
    found = trained.result
    assert int(found.chosen) == int(np.argmin(found.cross_entropy.values))
    assert float(found.estimate) == float(found.cross_entropy.min())
    np.testing.assert_allclose(found.cross_entropy - found.bayes_cross_entropy, found.gap)
    assert (found.gap > 0).all()
    assert found.attrs["chance"] == pytest.approx(np.log(20))
    risk = trained.data.worlds[0].bayes_cross_entropy()
    assert float(found.bayes_cross_entropy) == pytest.approx(risk, abs=0.03)


def test_the_cross_entropy_is_scikit_learns_of_code_times_weights(trained):
    batch = small_world().at(0, 500, held_out=True)
    loss, accuracy = trained.cross_entropy(batch.observations[None], batch.classes[None])
    for r in range(2):
        logits = trained.encode(batch.observations, restart=r) @ trained.weights(restart=r).T
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        assert loss[0, r] == pytest.approx(log_loss(batch.classes, p, labels=range(20)), abs=1e-4)
        assert accuracy[0, r] == pytest.approx((p.argmax(axis=1) == batch.classes).mean(), abs=3e-3)


def test_shuffled_labels_teach_nothing_and_the_gap_does_not_tell(trained):
    """B7 in small: all labels drawn anew."""
    found = identifiability(classify(small_world(label_noise=1.0), **{**SMALL, "steps": 100}))
    assert found.estimate < found.raw + 0.05
    assert found.gap[int(found.chosen)] < 0.02
    assert found.estimate < identifiability(trained).estimate - 0.1
    assert float(found.bayes_cross_entropy) == pytest.approx(np.log(20))
    assert any("nothing was recovered" in note for note in found.notes)


# --- nets and worlds ------------------------------------------------------------------------------


def test_a_world_has_the_same_nets_alone_and_beside_another():
    worlds = [small_world(seed=s) for s in (5, 6)]
    both, one = classify(worlds, **TINY), classify(worlds[1], **TINY)
    assert both.result.gap.dims == ("world", "restart")
    assert one.result.gap.dims == ("restart",)
    np.testing.assert_allclose(both.result.cross_entropy[1], one.result.cross_entropy, rtol=1e-4)
    x = worlds[1].at(0, 20).observations
    for r in range(2):
        np.testing.assert_allclose(
            both.encode(x, world=1, restart=r), one.encode(x, restart=r), rtol=1e-3, atol=1e-4
        )
    assert not np.allclose(both.encode(x, world=0, restart=0), both.encode(x, world=1, restart=0))
    for several in (both, classify(worlds[:1], **TINY)):
        found = identifiability(several, n=200)
        assert found.singular_values.dims == ("world", "component")
        assert found.gap.dims == ("world", "restart")


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    a, b = (classify(small_world(), **TINY).result for _ in range(2))
    assert a.identical(b)
    assert not a.equals(classify(small_world(), seed=1, **TINY).result)


def test_units_of_length_one_are_that():
    world = small_world(n_labels=24)
    x = world.at(0, 10).observations
    free, unit = (
        classify(world, "index", unit_code=own, unit_weights=own, **TINY) for own in (False, True)
    )
    for values, expected in (
        (unit.encode(x), True),
        (unit.weights(), True),
        (free.encode(x), False),
    ):
        assert np.allclose(np.linalg.norm(values, axis=1), 1, atol=1e-5) == expected
    assert unit.weights().shape == (24, 2)
    assert bool((unit.module.log_beta != 0).all())
    assert not bool((free.module.log_beta != 0).any())


def test_without_a_step_the_encoder_is_the_untrained_one():
    found = classify(small_world(), **{**TINY, "steps": 0})
    assert found.result.cross_entropy.shape == (2,)
    assert (found.result.gap > 0.5).all()


def test_what_stands_in_the_way_is_noted():
    made = classify(clustered_latents(5, n_classes=5), fixed=40, **TINY)
    few, reasons = made.result.notes, identifiability(made, n=100).reasons
    assert "5 classes are too few" in reasons["class_vectors"]
    assert few[0] == "5 classes cannot identify 5 latents: at least 6 are needed"
    assert few[1].startswith("the same 40 samples were used again and again")
    assert "nats above the least there can be: a local optimum, or too few steps;" in few[2]
    (other,) = classify(small_world(conditional="laplace"), **TINY).result.notes
    assert "or no linear map of the latents is ideal in this world" in other
    enough = classify(clustered_latents(5, n_classes=6), **TINY).result.notes
    assert not [note for note in enough if "cannot" in note or "again" in note]


def test_a_fixed_sample_is_always_the_same_and_fresh_ones_are_not():
    fixed, fresh = (
        np.unique(np.concatenate([made.data.at(s)[0][0] for s in range(20)]), axis=0)
        for made in (classify(small_world(), fixed=own, **TINY) for own in (50, None))
    )
    assert len(fixed) == 50
    assert len(fresh) == 20 * 32


def test_whitening_makes_white_what_varies_and_leaves_what_does_not():
    x = np.random.default_rng(0).standard_normal((500, 3)) * [1.0, 1e-2, 0.0] + 4
    mean, matrix = whitening(x, 1e-9)
    white = (x - mean) @ matrix
    values = np.linalg.eigvalsh(np.cov(white.T))
    np.testing.assert_allclose(values, [0, 1, 1], atol=3e-3)
    floored = np.linalg.eigvalsh(np.cov(((x - mean) @ whitening(x, 1.0)[1]).T))
    assert floored[1] < 1e-3 < 0.5 < floored[2]


@pytest.mark.parametrize(("size", "offset"), [(1.0, 0.0), (1e-3, 1e9), (1e200, 0.0), (0.0, 0.1)])
def test_whitening_knows_no_units_nor_offset_and_a_constant_stays_one(size, offset):
    x = np.random.default_rng(0).standard_normal((500, 3)) * size + offset
    mean, matrix = whitening(x, 1e-9)
    white = (x - mean) @ matrix
    np.testing.assert_allclose(np.cov(white.T), np.eye(3) * (size > 0), atol=3e-3)


def test_labels_are_learnt_from_what_is_small_beside_its_offset():
    y = np.arange(80) % 2
    x = np.random.default_rng(0).standard_normal((80, 2)) + 6 * y[:, None] + 1e9
    options = {**TINY, "steps": 40, "lr": 0.05, "n_restarts": 1}
    assert classify(x, y, **options).result.accuracy.item() > 0.9  # it was 0.5


# --- trials ---------------------------------------------------------------------------------------


def test_trials_are_classified_and_scored_on_those_that_were_held_out():
    x = ng.simulate("cube", separation=4.0, n_neurons=20, n_trials=20, n_truth=0, seed=0)
    found = classify(x, "a", hidden=(16,), steps=60, batch=64, lr=1e-2)
    assert found.result.accuracy[int(found.result.chosen)] > 0.9
    assert float(found.result.estimate) < 0.5 * found.result.attrs["chance"]
    assert np.isnan(found.result.gap).all()
    apart = [rows for rows, _ in (found.data.train, found.data.decide, found.data.test)]
    assert list(map(len, apart)) == [96, 24, 40]
    assert len(np.unique(np.concatenate(apart), axis=0)) == 160
    assert found.encode(x.values).shape == (160, 16)
    few = {"hidden": (16,), "steps": 5, "batch": 64}
    of_array = classify(x.values, x.a.values, **few).result
    assert of_array.attrs["chance"] == pytest.approx(np.log(2))
    assert classify(x, x.a.values, **few).result.equals(classify(x, "a", **few).result)
    with pytest.raises(ValueError, match="latents of recorded trials are not known"):
        identifiability(found)


def test_shuffled_labels_of_trials_are_classified_at_chance():
    x = ng.simulate("cube", separation=4.0, n_neurons=20, n_trials=20, n_truth=0, seed=0)
    y = np.random.default_rng(0).permutation(x.a.values)
    found = classify(x.values, y, hidden=(16,), steps=60, batch=64, lr=1e-2, n_restarts=1)
    assert 0.25 < found.result.accuracy[0] < 0.75
    assert found.result.estimate > np.log(2)


def unequal(n=60, **options):
    """Noise, of which every sixth trial has another label."""
    x, y = np.random.default_rng(0).standard_normal((n, 3)), np.arange(n) % 6 == 0
    return classify(x, y, **{**TINY, "steps": 1, **options})


def test_chance_of_unequal_labels_is_what_their_frequencies_in_training_give():
    found = unequal()
    y = found.data.test[1]
    share = np.bincount(np.concatenate([found.data.train[1], found.data.decide[1]]))
    guess = np.tile(share / share.sum(), (len(y), 1))
    assert found.result.attrs["chance"] == pytest.approx(log_loss(y, guess, labels=[0, 1]))
    assert found.result.attrs["chance"] < 0.6 < np.log(2)
    assert found.result.attrs["accuracy_chance"] == pytest.approx((y == 0).mean())
    world = classify(clustered_latents(2, n_classes=2, n_labels=3), **TINY).result.attrs
    assert world["chance"] == pytest.approx(np.log(3) - 2 / 3 * np.log(2))
    assert world["accuracy_chance"] == pytest.approx(2 / 3)


def test_a_start_is_kept_by_other_trials_than_it_is_judged_on():
    found = unequal(n_restarts=6, seed=1, steps=30)
    (x, y), result = found.data.decide, found.result
    np.testing.assert_allclose(result.deciding, found.cross_entropy(x[None], y[None])[0][0])
    best = [int(np.argmin(result[name].values)) for name in ("deciding", "cross_entropy")]
    assert int(result.chosen) == best[0] != best[1]
    assert float(result.estimate) == float(result.cross_entropy[int(result.chosen)])
    assert sorted(np.bincount(y)) == [1, 7]
    assert len(unequal(n_restarts=1).data.train[0]) == 44
    few = classify(x[:4], [0, 1, 0, 1], min_trials=2, **TINY).data
    assert few.decide is few.train  # two trials, which both have to train


# --- bad input ------------------------------------------------------------------------------------


def test_labels_that_are_not_one_a_trial_and_fixed_trials_are_refused():
    x = ng.from_arrays(np.random.default_rng(0).standard_normal((40, 3)))
    for labels, message in (
        (np.arange(9), "column 'labels' has 9 entries but there are 40 trials"),
        (np.zeros((40, 2)), r"column 'labels' has shape \(40, 2\)"),
        (["a", 1] * 20, "column 'labels' holds numbers and text"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            classify(x, labels, **TINY)
    with pytest.raises(ValueError, match="fixed=30 has no effect on trials"):
        unequal(fixed=30)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 64}, "hidden=64 is not possible; give the units of each hidden layer"),
        ({"hidden": (8, 0)}, r"hidden=\(8, 0\) is not possible"),
        ({"labels": "indices"}, "labels='indices' is unknown; did you mean 'index'"),
        ({"batch": 1}, "batch=1 is not possible"),
        ({"n_restarts": 0}, "n_restarts=0 is not possible"),
        ({"fixed": 1}, "fixed=1 is not possible"),
        ({"steps": -1}, "steps=-1 is not possible"),
        ({"lr": 0}, "lr=0 is not possible"),
        ({"unit_code": 1}, "unit_code=1 is not possible; give True or False"),
        ({"n_components": 0}, "n_components=0 is not possible"),
        ({"device": "gpu"}, "device 'gpu' is not here"),
    ],
)
def test_an_option_that_cannot_be_is_refused_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        classify(small_world(), **{**TINY, **options})


def test_worlds_of_other_sizes_and_samples_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"worlds of different \(latents, classes, labels\)"):
        classify([small_world(), small_world(n_classes=13)], **TINY)
    with pytest.raises(ValueError, match=r"give \(sample, 2\)"):
        classify(small_world(), **TINY).encode(np.zeros((4, 3)))


def test_cross_entropy_refuses_what_it_cannot_score():
    found = classify(small_world(), **TINY)
    x, y = np.zeros((1, 4, 2)), np.zeros((1, 4), int)
    assert found.cross_entropy(x.tolist(), y.tolist())[0].shape == (1, 2)
    for samples, labels, message in (
        (x[0], y, r"x of shape \(4, 2\) does not fit what was trained; give \(1, sample, 2\)"),
        (x[:, :0], y[:, :0], r"x of shape \(1, 0, 2\)"),
        (x, y[:, :3], r"labels of shape \(1, 3\) must be \(1, 4\) whole numbers from 0 to 19"),
        (x, y + 20, "whole numbers from 0 to 19"),
        (x, y + 0.5, "whole numbers from 0 to 19"),
    ):
        with pytest.raises(ValueError, match=message):
            found.cross_entropy(samples, labels)


@pytest.mark.parametrize(("n_classes", "noted"), [(3, True), (4, False)])
def test_few_classes_and_unit_weights_alone_leave_the_scale_open(n_classes, noted):
    """Case C3 of theorem 1 needs 2 d classes."""
    few = {**TINY, "n_restarts": 1, "unit_weights": True}
    found = identifiability(classify(small_world(n_classes=n_classes), **few), n=50)
    assert any("at least 4 are needed" in note for note in found.notes) == noted
    both = classify(small_world(n_classes=n_classes), unit_code=True, **few)
    assert not any("at least 4" in note for note in identifiability(both, n=50).notes)


def test_codes_of_no_such_net_and_of_samples_that_are_not_finite_are_refused():
    found, x = classify(small_world(), **TINY), np.zeros((4, 2))
    for options, message in (
        ({"world": 1}, "world=1 is none of the 1 that were trained"),
        ({"world": -1}, "world=-1 is none"),
        ({"restart": 2}, "restart=2 is none of the 2 that were trained; give .* from 0 to 1"),
        ({"restart": -1}, "restart=-1 is none"),
        ({"restart": 1.0}, "restart=1.0 is none"),
    ):
        for call in (found.weights, lambda **options: found.encode(x, **options)):
            with pytest.raises(ValueError, match=message):
                call(**options)
    for samples, message in (
        (x + np.nan, "not all finite"), (x + 1e39, "single precision"), (x[:0], r"shape \(0, 2\)")
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            found.encode(samples)
    with pytest.raises(TypeError, match="found is a Clustered; give what classify returned"):
        identifiability(small_world())


def test_codes_of_length_one_are_an_orthogonal_map_whatever_the_weights():
    """C2 of theorem 1."""
    world = clustered_latents(2, n_classes=20, n_layers=0, kappa=10.0, seed=0)
    found = classify(world, hidden=(32,), steps=300, n_restarts=1, unit_code=True)
    np.testing.assert_allclose(identifiability(found).singular_values.values, 1.0, atol=0.1)


# --- acceptance -----------------------------------------------------------------------------------


def worlds(**options):
    return [clustered_latents(5, seed=s, **options) for s in range(3)]


@pytest.mark.slow
def test_classes_of_100_identify_five_latents():
    """B4: medians over three worlds, each the best of two starts by its gap to the Bayes risk."""
    found = identifiability(classify(worlds(), steps=2500, lr=2e-2, n_restarts=2))
    print(found.estimate.values, found.raw.values, found.class_vectors.values, found.gap.values)
    gap = found.gap.values[np.arange(3), found.chosen.values]
    assert np.median(found.estimate) >= 0.96
    assert np.median(found.class_vectors) >= 0.985
    assert np.median(gap) <= 0.06
    assert np.median(found.estimate - found.raw) >= 0.2


@pytest.mark.slow
def test_indices_identify_them_too():
    """B5: 200 indices; medians over three worlds."""
    found = identifiability(classify(worlds(n_labels=200), "index", steps=1500, n_restarts=1))
    print(found.estimate.values, found.class_vectors.values, found.gap.values)
    assert np.median(found.estimate) >= 0.95
    assert np.median(found.class_vectors) >= 0.98


@pytest.mark.slow
def test_weights_of_length_one_make_the_code_orthogonal():
    """B6: singular values times kappa, of three worlds."""
    found = identifiability(
        classify(worlds(n_labels=200), "index", unit_weights=True, steps=1500, n_restarts=1)
    )
    print(found.estimate.values, found.singular_values.values)
    values = np.median(found.singular_values, axis=0)
    assert ((values >= 0.9) & (values <= 1.2)).all()
    assert np.median(found.estimate) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"n_classes": 4}, {"label_noise": 1.0}], ids=["four classes", "shuffled"]
)
def test_too_few_classes_and_shuffled_labels_recover_no_more_than_the_observations_show(options):
    """B7: medians over three worlds; four classes come close to the Bayes risk all the same."""
    found = identifiability(classify(worlds(**options), steps=1000, n_restarts=1))
    print(found.estimate.values, found.raw.values, found.gap.values)
    assert np.median(found.estimate - found.raw) <= 0.05
    if "n_classes" in options:
        assert np.median(found.gap) < 0.03


@pytest.mark.slow
def test_a_thousand_samples_used_again_and_again_recover_less_than_the_observations_show():
    found = identifiability(classify(worlds(), fixed=1000, steps=1000, n_restarts=1))
    print(found.estimate.values, found.raw.values, found.gap.values)
    assert np.median(found.estimate - found.raw) < 0
    assert np.median(found.gap) > 1


def test_labels_with_trial_ids_follow_them():
    x = ng.from_arrays(np.random.default_rng(0).standard_normal((40, 3)))
    labels = xr.DataArray(np.arange(40) % 2, {"trial_id": ("trial", np.arange(40))}, ("trial",))
    given = x.isel(trial=np.arange(40)[::-1])
    one, other = (Trials(own, labels, 8, 5, 0, 1).train for own in (x, given))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
