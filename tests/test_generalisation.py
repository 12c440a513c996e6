"""Generalisation out of distribution: ceilings, baselines, a second opinion, and what it is not."""

import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict

import neurogeom as ng
from neurogeom.networks.generalisation import (
    PENALTIES,
    classifier_generalisation,
    regression_generalisation,
)
from neurogeom.theory.trilateration import ceilings, optimal_logits

SIGMA = 0.2


def uniform(n, d=2, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (n, d))


def linear(x, n_units=12, noise=0.02, seed=1):
    rng = np.random.default_rng(seed)
    z = x @ rng.standard_normal((x.shape[1], n_units))
    return z + noise * rng.standard_normal(z.shape)


def bumps(x, n_units=60, width=0.25, seed=1):
    """Places in the latent space, of which a held-out region has its own."""
    centre = 1.2 * x[np.random.default_rng(seed).choice(len(x), n_units, replace=False)]
    square = ((x[:, None] - centre) ** 2).sum(axis=-1)
    return np.exp(-square / (2 * width**2))


def ideal(n_tasks, n_trials=20_000, t=20):
    """The best logits of evenly spaced boundaries, and the latents."""
    phi = (np.arange(n_tasks) + 0.5) * np.pi / n_tasks
    x = uniform(n_trials)
    mean = x + SIGMA / np.sqrt(t) * np.random.default_rng(1).standard_normal(x.shape)
    normals = np.stack([-np.sin(phi), np.cos(phi)], axis=1)
    return optimal_logits(mean, normals, sigma=SIGMA, t=t), x


def of(found, convention="whole"):
    return float(found.ood_median.sel(convention=convention))


def by_hand(z, x, train, test, penalty):
    """r2 of scikit-learn's ridge by both conventions; its penalty is in absolute units."""
    alpha = penalty * train.sum() * z[train].var(axis=0).mean()
    predicted = Ridge(alpha).fit(z[train], x[train]).predict(z[test])
    error = np.mean((predicted - x[test]) ** 2, axis=0)
    return 1 - np.mean(error / x.var(axis=0)), r2_score(x[test], predicted)


# --- what an ideal code has, and what an untrained network has ------------------------------------


@pytest.mark.parametrize(
    ("n_tasks", "inside", "outside", "quadrant"),
    [(24, 0.935, 0.921, 0.684), (3, 0.928, 0.910, 0.64), (2, 0.893, 0.883, 0.53)],
)
def test_the_best_logits_are_decoded_as_well_as_the_table_says(n_tasks, inside, outside, quadrant):
    found = regression_generalisation(*ideal(n_tasks), penalties=[0.0])
    assert float(found.id) == pytest.approx(inside, abs=0.01)
    assert of(found) == pytest.approx(outside, abs=0.01)
    assert of(found, "region") == pytest.approx(quadrant, abs=0.04)
    assert float(found.id) < ceilings(SIGMA, 20).bayes
    assert found.encoding_angle.values == pytest.approx([90], abs=1)


def test_one_task_says_nothing_outside_of_its_quadrants():
    found = regression_generalisation(*ideal(1), penalties=[0.0])
    assert of(found) < 0
    assert of(found, "region") < -3


def test_a_nested_penalty_costs_the_best_logits_little():
    found = regression_generalisation(*ideal(24))
    assert of(found) == pytest.approx(0.91, abs=0.01)


def untrained(seed, n_trials):
    """The last state of a network that was never trained: 1 step of fixation, 20 of evidence, 1."""
    import torch

    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes = [(2, 100), (100, 100), (100, 40)]
        layers = [f for a, b in sizes for f in (torch.nn.Linear(a, b), torch.nn.ReLU())]
        encoder = torch.nn.Sequential(*layers[:-1])
        rnn = torch.nn.RNN(41, 64, nonlinearity="relu", batch_first=True)
        x = torch.rand(n_trials, 2) - 0.5
        seen, cue = torch.zeros(n_trials, 22, 2), torch.ones(n_trials, 22, 1)
        seen[:, 1:21] = x[:, None] + SIGMA * torch.randn(n_trials, 20, 2)
        cue[:, -1] = 0
        with torch.no_grad():
            states, _ = rnn(torch.cat([cue, encoder(seen)], dim=-1))
    return states[:, -1].numpy(), x.numpy()


def test_a_network_that_was_never_trained_has_a_high_r2_by_the_variance_of_the_cube_alone():
    pytest.importorskip("torch")
    runs = [untrained(seed, 2000) for seed in range(20)]
    found = [regression_generalisation(z, x, penalties=[1e-4]) for z, x in runs]
    values = [[float(f.id), *f.ood_median.values] for f in found]
    inside, whole, region = np.median(values, axis=0)
    assert inside == pytest.approx(0.866, abs=0.015)
    assert whole == pytest.approx(0.713, abs=0.04)
    assert -0.45 < region < 0.05


# --- a second opinion -----------------------------------------------------------------------------


def test_every_orthant_agrees_with_scikit_learn_at_every_penalty():
    x = uniform(300)
    z = bumps(x, n_units=20)
    found = regression_generalisation(z, x)
    quadrants = {"--": (0, 0), "-+": (0, 1), "+-": (1, 0), "++": (1, 1)}
    for k, penalty in enumerate(PENALTIES):
        hand = np.array(
            [
                by_hand(z, x, (out := ((x > 0) != signs).any(axis=1)), ~out, penalty)
                for signs in quadrants.values()
            ]
        )
        np.testing.assert_allclose(
            found.ood_median_at.values[:, k], np.median(hand, axis=0), atol=1e-8
        )
        fixed = regression_generalisation(z, x, penalties=[penalty])
        assert fixed.orthant.values.tolist() == list(quadrants)
        np.testing.assert_allclose(fixed.ood.values, hand.T, atol=1e-8)


def test_the_penalty_is_the_best_one_for_orthants_of_the_training_region():
    x = uniform(300)
    z = bumps(x, n_units=20) + 0.1 * np.random.default_rng(2).standard_normal((300, 20))
    found = regression_generalisation(z, x)
    quadrant = 2 * (x[:, 0] > 0) + (x[:, 1] > 0)
    for held in range(4):
        errors = np.zeros(len(PENALTIES))
        for inner in set(range(4)) - {held}:
            train, test = ~np.isin(quadrant, [held, inner]), quadrant == inner
            for k, penalty in enumerate(PENALTIES):
                alpha = penalty * train.sum() * z[train].var(axis=0).mean()
                predicted = Ridge(alpha).fit(z[train], x[train]).predict(z[test])
                square = np.sum((predicted - x[test]) ** 2, axis=0)
                errors[k] += np.sum(square / x[quadrant != held].var(axis=0))
        assert found.penalty_chosen.values[held] == pytest.approx(PENALTIES[errors.argmin()])
        hand = by_hand(z, x, quadrant != held, quadrant == held, float(found.penalty_chosen[held]))
        np.testing.assert_allclose(found.ood.values[:, held], hand, atol=1e-8)


def test_r2_in_distribution_is_that_of_cross_validation():
    x = uniform(400)
    z = bumps(x, n_units=20)
    penalty = 1e-2
    alpha = penalty * 320 * z.var(axis=0).mean()
    folds = KFold(5, shuffle=True, random_state=0)
    hand = r2_score(x, cross_val_predict(Ridge(alpha), z, x, cv=folds))
    found = regression_generalisation(z, x, penalties=[penalty])
    assert float(found.id) == pytest.approx(hand, abs=0.005)
    assert float(found.id) > of(found) + 0.1


def test_halves_agree_with_scikit_learn():
    x = np.random.default_rng(0).standard_normal((500, 3))
    z = bumps(x, n_units=20, width=1.0)
    found = regression_generalisation(z, x, split="half", penalties=[1e-2], n_draws=3)
    for draw in range(3):
        rng = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(draw,)))
        train = x @ rng.standard_normal(3) >= 0
        hand = by_hand(z, x, train, ~train, 1e-2)
        np.testing.assert_allclose(found.ood.values[:, draw], hand, atol=1e-8)
        weights = []
        for side in (train, ~train):
            alpha = 1e-2 * side.sum() * z[side].var(axis=0).mean()
            weights.append(Ridge(alpha).fit(z[side], x[side]).coef_)
        unit = [w / np.linalg.norm(w, axis=1, keepdims=True) for w in weights]
        assert found.cosine.values[draw] == pytest.approx(np.mean(np.sum(unit[0] * unit[1], 1)))


# --- what is abstract and what is not -------------------------------------------------------------


@pytest.mark.parametrize("split", ["orthants", "half"])
def test_a_linear_code_holds_out_of_distribution_and_a_code_of_places_does_not(split):
    x = uniform(1000)
    z = {"line": linear(x), "places": bumps(x, width=0.12)}
    found = regression_generalisation(z, x, split=split)
    assert found.activity.values.tolist() == ["line", "places"]
    assert (found.id > 0.9).all()
    line, places = found.ood_median.sel(convention="region").values
    assert line > 0.9
    assert places < 0
    if split == "half":
        assert found.cosine.sel(activity="line").min() > 0.95
        assert found.cosine.sel(activity="places").max() < 0.5


def test_the_variance_of_a_quadrant_is_a_quarter_of_that_of_the_square():
    x = uniform(4000)
    found = regression_generalisation(bumps(x), x)
    lost = 1 - found.ood
    ratio = lost.sel(convention="region") / lost.sel(convention="whole")
    np.testing.assert_allclose(ratio.values, 4, rtol=0.1)


def test_angles_of_a_linear_code_are_those_of_its_axes_and_of_their_inverse():
    """Axes at 60 degrees: the weights that read one without the other are at 120."""
    x = uniform(500)
    axes = np.array([[1.0, 0.0, 0.0], [0.5, np.sqrt(0.75), 0.0]])
    found = regression_generalisation(x @ axes, x, penalties=[0.0])
    assert found.encoding_angle.values == pytest.approx([60])
    assert found.decoder_angle.values == pytest.approx([120])
    assert found.pair.values.tolist() == ["x0-x1"]


def test_many_orthants_are_drawn_by_the_seed():
    x = uniform(2000, d=6)
    z = linear(x, n_units=10)
    found = [regression_generalisation(z, x, max_folds=5, seed=seed) for seed in (0, 0, 1)]
    assert found[0].sizes["orthant"] == 5
    assert found[0].identical(found[1])
    assert found[0].orthant.values.tolist() != found[2].orthant.values.tolist()
    assert found[0].attrs["orthants"] == "5 held out of the 64 with trials, of 2^6 in all"
    assert regression_generalisation(z, x, max_folds=64).sizes["orthant"] == 64


def test_coordinates_of_an_activity_are_latents():
    x = uniform(200)
    z = linear(x)
    activity = ng.from_arrays(z, trial={"left": x[:, 0], "up": x[:, 1]})
    named = regression_generalisation(activity, ["left", "up"], ceiling=0.978)
    arrays = regression_generalisation(z, x)
    np.testing.assert_allclose(named.ood.values, arrays.ood.values)
    assert named.pair.values.tolist() == ["left-up"]
    assert float(named.ceiling) == 0.978


@pytest.mark.parametrize("metric", [regression_generalisation, classifier_generalisation])
def test_named_dims_are_read_in_any_order_also_of_a_square(metric):
    x = uniform(60)
    z = ng.from_arrays(bumps(x), trial={"left": x[:, 0], "up": x[:, 1]})
    assert z.shape == (60, 60)
    first = metric(z.values, x)
    latents = xr.DataArray(x, dims=("trial", "latent"))
    for units, of in ((z, x), (z.T, x), (z.T, latents.T), (z.T, ["left", "up"])):
        found = metric(units, of)
        for name in ("ood", "generalisation"):
            if name in first:
                np.testing.assert_array_equal(found[name], first[name])


def test_a_column_of_units_is_no_latent():
    x = uniform(60)
    z = ng.from_arrays(bumps(x), neuron={"depth": x[:, 0]})
    with pytest.raises(ValueError, match=r"no coordinates \['depth'\]; of trials it has \['trial_"):
        regression_generalisation(z, ["depth"])


@pytest.mark.parametrize("values", [None, 3])
def test_the_order_of_trials_changes_nothing_that_is_drawn(values):
    x = uniform(100)
    x = x if values is None else np.round(values * x) + 0.1  # several trials of the same latents
    z, order = bumps(x + 0.2 * uniform(100, seed=3)), np.random.default_rng(0).permutation(100)
    for metric in (regression_generalisation, classifier_generalisation):
        first, again = metric(z, x), metric(z[order], x[order])
        for name in set(first.data_vars) - {"pair"}:
            np.testing.assert_allclose(again[name], first[name], atol=1e-9, err_msg=name)
    assert not classifier_generalisation(z, x, seed=1).standard.equals(first.standard)


@settings(max_examples=20)
@given(st.integers(0, 300))
def test_turning_moving_and_scaling_all_units_change_nothing_and_one_unit_does(seed):
    x = uniform(80, seed=seed)
    z = bumps(x, n_units=5)
    turn = 3 * ortho_group.rvs(5, random_state=seed)
    first, turned, stretched = (
        regression_generalisation(units, x).ood_median_at.values
        for units in (z, z @ turn + 7, z * np.r_[30.0, np.ones(4)])
    )
    np.testing.assert_allclose(turned, first, atol=1e-6)
    assert np.abs(stretched - first).max() > 1e-3


def test_the_order_of_trials_changes_no_orthant():
    x = uniform(200)
    z, order = bumps(x, n_units=8), np.random.default_rng(0).permutation(200)
    first = regression_generalisation(z, x)
    again = regression_generalisation(z[order], x[order])
    np.testing.assert_allclose(again.ood.values, first.ood.values, atol=1e-9)


def test_what_the_held_out_orthant_holds_does_not_choose_its_penalty():
    x = uniform(200)
    z = bumps(x, n_units=8)
    other = z.copy()
    here = (x > 0).all(axis=1)
    # The same mean and spread of units, as the whole is what units are standardised by.
    other[here] = z[here][::-1]
    first, second = (regression_generalisation(units, x).sel(orthant="++") for units in (z, other))
    assert float(first.penalty_chosen) == float(second.penalty_chosen)
    assert float(second.ood.sel(convention="whole")) < float(first.ood.sel(convention="whole"))


# --- classifiers ----------------------------------------------------------------------------------


def test_classifiers_hold_on_the_other_side_of_a_linear_code_and_fall_on_places():
    x = np.random.default_rng(0).standard_normal((800, 3))
    found = classifier_generalisation(
        {"line": linear(x), "places": bumps(x, width=0.5)}, x, n_draws=6
    ).mean("draw")
    assert (found.standard > 0.93).all()
    assert float(found.generalisation.sel(activity="line")) > 0.94
    assert float(found.generalisation.sel(activity="places")) < 0.75


def test_classifiers_of_noise_are_at_chance_on_both_sides():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000, 4))
    found = classifier_generalisation(rng.standard_normal((1000, 5)), x, n_draws=20)
    assert float(found.standard.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(found.generalisation.mean()) == pytest.approx(0.5, abs=0.02)


def test_the_plane_that_is_learnt_is_orthogonal_to_the_split():
    x = np.random.default_rng(0).standard_normal((100, 4))
    found = classifier_generalisation(linear(x), x, n_draws=5)
    v, w = found.split_direction, found.class_direction
    np.testing.assert_allclose((v * w).sum("latent"), 0, atol=1e-12)
    np.testing.assert_allclose((v**2).sum("latent"), 1)
    assert len({tuple(row) for row in v.values.round(6)}) == 5


def test_a_side_without_one_of_the_classes_has_no_accuracy():
    x = np.array([[1.0, 0.0], [-1.0, 0.0], [0.5, 0.1], [-0.5, -0.1]])
    found = classifier_generalisation(x, x, n_draws=3)
    assert np.isnan(found.generalisation).all()


def test_a_region_in_which_a_latent_has_one_value_has_no_r2_of_its_own_and_a_reason():
    x = np.sign(uniform(80))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = regression_generalisation(linear(x), x)
    assert np.isnan(found.ood.sel(convention="region")).all()
    assert (found.ood.sel(convention="whole") > 0.7).all()
    assert set(found.attrs["reasons"]) == {"--", "-+", "+-", "++"}
    assert "a latent has one value" in found.attrs["reasons"]["++"]
    assert regression_generalisation(linear(x), uniform(80)).attrs["reasons"] == {}


# --- degenerate input and errors ------------------------------------------------------------------


def test_units_that_say_nothing_give_the_mean_of_where_they_learnt_and_no_angle():
    """A quadrant is 1/4 from the origin, the mean of the other three 1/12 on the other side."""
    x = uniform(2000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = regression_generalisation(np.ones((2000, 3)), x)
        assert -0.05 < float(found.id) < 0.0
        error = 1 / 48 + (1 / 4 + 1 / 12) ** 2
        assert of(found) == pytest.approx(1 - 12 * error, abs=0.1)
        assert of(found, "region") == pytest.approx(1 - 48 * error, abs=0.4)
        assert np.isnan(found.encoding_angle).all()
        assert classifier_generalisation(np.ones((2000, 3)), x).generalisation.mean() < 0.6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z, x: regression_generalisation(z, x, split="thirds"), "split='thirds' is unknown"),
        (lambda z, x: regression_generalisation(z, x, penalties=[-1.0]), "pass numbers from 0 on"),
        (
            lambda z, x: regression_generalisation(z, x + 1),
            r"all latents lie in one orthant \(\+\+",
        ),
        (
            lambda z, x: regression_generalisation(z, x + np.r_[2, 0], split="half"),
            "trials on one side",
        ),
        (
            lambda z, x: regression_generalisation(z, x, max_folds=0),
            "max_folds=0 is not possible; give a whole",
        ),
        (lambda z, x: regression_generalisation(z, x, max_folds=2), "max_folds is 2, .* give 3 or"),
        (
            lambda z, x: regression_generalisation(z, x, split="half", max_folds=1),
            "max_folds is 1, .* give 2 or",
        ),
        (
            lambda z, x: regression_generalisation(z, x, split="half", n_draws=0),
            "n_draws=0 is not possible; give a whole number of 1",
        ),
        (
            lambda z, x: regression_generalisation(z, x, seed=None),
            "seed=None is not possible; give a whole",
        ),
        (lambda z, x: regression_generalisation(z[:8], x[:8]), "8 trials are too few"),
        (lambda z, x: regression_generalisation(z[:0], x[:0]), r"\(0, 12\) .* none empty"),
        (lambda z, x: regression_generalisation(z[:, :0], x), r"\(60, 0\) .* none empty"),
        (
            lambda z, x: regression_generalisation(z, np.sign(x), split="half"),
            "has one value on the training side of plane 0; take split='orthants'",
        ),
        (lambda z, x: classifier_generalisation(z, x, n_draws=0), "n_draws=0 is not possible"),
        (
            lambda z, x: classifier_generalisation(z, x, seed=None),
            "seed=None is not possible; give a whole",
        ),
        (lambda z, x: classifier_generalisation(z[:0], x[:0]), r"\(0, 12\) .* none empty"),
        (lambda z, x: regression_generalisation(z, x[:, :1]), "fewer than two orthants to choose"),
        (lambda z, x: regression_generalisation(z, x * [1, 0]), "latent 1 has one value"),
        (lambda z, x: regression_generalisation(z[:, :, None], x), "one time or one net at a time"),
        (lambda z, x: regression_generalisation(z * np.nan, x), "are not finite"),
        (lambda z, x: regression_generalisation(z, ["left"]), r"'z' has no coordinates \['left'\]"),
        (lambda z, x: regression_generalisation({}, x), "the mapping of activities is empty"),
        (
            lambda z, x: regression_generalisation(z[:9], x[:9], penalties=[1]),
            "9 trials are too few",
        ),
        (lambda z, x: classifier_generalisation(z, x[:, :1]), "one latent has no plane"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    x = uniform(60)
    with pytest.raises(ValueError, match=message):
        call(linear(x), x)
