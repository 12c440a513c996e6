"""Dimensionality of recordings: known worlds, what is refused, and itself in another order."""

import warnings

import numpy as np
import pytest
from made_population import crossed, embedded, recording, unstructured
from scipy.stats import ortho_group

import neurogeom as ng
from neurogeom.activity import from_arrays, sessions
from neurogeom.design import conditions
from neurogeom.engine.nulls import standardised
from neurogeom.engine.population import population as gather
from neurogeom.engine.resampling import fold_means
from neurogeom.formulas import participation_ratio as formulas
from neurogeom.measures.dimensionality import dimensionality

NAMES = ["a", "b", "c"]
SIGN = 2.0 * crossed(2, 2, 2) - 1
PLAIN = {"n_null": 0, "scale": "none"}


def value(found, quantity, which="estimate"):
    return float(found[which].sel(quantity=quantity))


def cube(n_neurons=40, n_trials=16, seed=0, separation=4.0):
    return recording(embedded(SIGN * separation / 2, n_neurons, seed=seed), n_trials, seed=seed)


def stimuli(n_stimuli, n_neurons, gamma, n_trials, noise, seed):
    """Stimuli and neurons drawn from a world of so many equal dimensions."""
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((n_stimuli, gamma)) @ rng.standard_normal((gamma, n_neurons))
    which = np.repeat(np.arange(n_stimuli), n_trials)
    values = means[which] + noise * rng.standard_normal((len(which), n_neurons))
    return from_arrays(values, trial={"image": which}, session="s"), {
        "image": {i: i for i in range(n_stimuli)}
    }


# --- truth --------------------------------------------------------------------------------------


def test_a_cube_has_three_dimensions_by_every_definition():
    found = dimensionality(cube(), NAMES, neurons="all", **PLAIN)
    assert value(found, "participation_ratio") == pytest.approx(3, abs=0.3)
    assert value(found, "shared_dimensionality") == 3
    assert value(found, "rank") == 3
    assert value(found, "participation_ratio", "ceiling") == 7


def test_a_simplex_has_as_many_dimensions_as_conditions_less_one():
    means = embedded(np.eye(8) * 6, 40)
    found = dimensionality(recording(means, 16), NAMES, neurons="all", **PLAIN)
    assert value(found, "participation_ratio") == pytest.approx(7, abs=0.3)
    assert value(found, "rank") == 7


def test_trial_noise_raises_the_naive_participation_ratio_alone():
    """12 cubes with as much noise in the means as there is signal."""
    found = [
        dimensionality(cube(40, 8, s, 3.2), NAMES, neurons="all", n_splits=8, **PLAIN)
        for s in range(12)
    ]
    naive = [value(f, "participation_ratio", "naive") for f in found]
    corrected = [value(f, "participation_ratio") for f in found]
    assert np.mean(naive) > 4
    error = np.std(corrected, ddof=1) / np.sqrt(12)
    assert np.median(corrected) == pytest.approx(3, abs=4 * error)


def test_sampled_stimuli_and_neurons_give_the_dimensions_of_their_world():
    """Row 28 of the table of ground truth through the measure, with fewer neurons."""
    found = []
    for seed in range(6):
        x, variables = stimuli(80, 120, 20, 2, 4.5, seed)
        found.append(dimensionality(x, variables, min_trials=2, n_splits=1, **PLAIN))
    corrected = [value(f, "participation_ratio") for f in found]
    error = np.std(corrected, ddof=1) / np.sqrt(6)
    assert np.median(corrected) == pytest.approx(20, abs=4 * error)
    assert np.mean([value(f, "participation_ratio", "naive") for f in found]) > 21


def test_the_measure_is_its_formula_on_means_of_disjoint_trials():
    x, variables = stimuli(40, 30, 5, 2, 1.0, 0)
    found = dimensionality(x, variables, min_trials=2, n_splits=1, **PLAIN)
    design = conditions(sessions(x), variables)
    population = gather(sessions(x), design, min_trials=2)
    one, other = fold_means(population, 2, 0, 0)
    assert value(found, "participation_ratio") == pytest.approx(formulas.gamma_both(one, other))
    assert value(found, "participation_ratio", "naive") == pytest.approx(
        formulas.naive(standardised(population, "none").means)
    )


def test_the_exponent_is_that_of_the_stimuli():
    """Row 35 through the measure, with fewer stimuli."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((300, 150)) * np.arange(1.0, 151) ** -0.5
    axes = np.linalg.qr(rng.standard_normal((200, 150)))[0].T
    which = np.repeat(np.arange(300), 2)
    values = (latent @ axes)[which] + 0.05 * rng.standard_normal((600, 200))
    x = from_arrays(values, trial={"image": which}, session="s")
    found = dimensionality(
        x, {"image": {i: i for i in range(300)}}, min_trials=2, n_splits=1, **PLAIN
    )
    assert value(found, "power_law_exponent") == pytest.approx(1.0, abs=0.08)
    assert value(found, "power_law_exponent", "naive") < 0.95
    assert found.spectrum.sizes["rank"] == 200


def test_twonn_of_many_noise_free_points_is_their_dimension():
    x, variables = stimuli(300, 40, 2, 2, 0.0, 1)
    found = dimensionality(x, variables, min_trials=2, n_splits=1, **PLAIN)
    assert value(found, "twonn") == pytest.approx(2, abs=0.4)
    assert found.twonn_scale.sizes["n_points"] > 2


def test_factors_are_those_that_neurons_share_on_single_trials():
    """Noise that all neurons share is a dimension of activity, and none of the condition means."""
    x = cube(30, 20)
    shared = np.random.default_rng(5).standard_normal((x.sizes["trial"], 1))
    x = x + 0.5 * shared * np.random.default_rng(6).standard_normal(30)
    found = dimensionality(x, NAMES, neurons="all", **PLAIN)
    assert value(found, "shared_dimensionality") == 4
    assert value(found, "rank") == 3


# --- the test -----------------------------------------------------------------------------------


def test_a_signal_is_told_from_none():
    strong = dimensionality(cube(20, 8), NAMES, n_null=99, n_splits=2)
    assert float(strong.p_value.sel(quantity="participation_ratio")) == pytest.approx(0.01)
    p = []
    for seed in range(40):
        x = recording(np.zeros((4, 8)), 5, seed=seed)
        found = dimensionality(x, ["a", "b"], n_null=19, n_splits=1)
        p.append(float(found.p_value.sel(quantity="participation_ratio")))
    assert np.mean(np.array(p) <= 0.2 + 1e-9) < 0.2 + 4 * np.sqrt(0.16 / 40)


# --- itself -------------------------------------------------------------------------------------


def test_turning_the_population_changes_no_ratio_without_z_scores_and_some_with_them():
    x = cube(12, 12)
    turned = x.copy(data=x.values @ ortho_group.rvs(12, random_state=0))
    one, other = (dimensionality(d, NAMES, neurons="all", **PLAIN) for d in (x, turned))
    for name in ("participation_ratio",):
        assert value(one, name) == pytest.approx(value(other, name), abs=1e-8)
    one, other = (dimensionality(d, NAMES, neurons="all", n_null=0) for d in (x, turned))
    assert abs(value(one, "participation_ratio") - value(other, "participation_ratio")) > 1e-4


def test_order_changes_no_bit_and_a_silent_neuron_no_number():
    x = cube(10, 8)
    rng = np.random.default_rng(0)
    mixed = x.isel(trial=rng.permutation(64), neuron=rng.permutation(10))
    one, other = (dimensionality(d, NAMES, n_null=9, n_splits=3) for d in (x, mixed))
    np.testing.assert_array_equal(one.estimate, other.estimate)
    values = np.column_stack([x.values, np.full(64, 2.0)])
    trial = {n: x[n].values for n in NAMES}
    silent = dimensionality(from_arrays(values, trial=trial, session="s1"), NAMES, **PLAIN)
    plain = dimensionality(x, NAMES, **PLAIN)
    assert value(silent, "participation_ratio", "naive") == pytest.approx(
        value(plain, "participation_ratio", "naive")
    )
    assert value(silent, "shared_dimensionality") == value(plain, "shared_dimensionality")


def test_over_time_it_is_that_of_each_window():
    x = cube(12, 8)
    values = np.stack([np.random.default_rng(1).standard_normal(x.shape), x.values], axis=-1)
    timed = from_arrays(
        values, trial={n: x[n].values for n in NAMES}, time=[0.0, 0.1], session="s1"
    )
    found = dimensionality(timed, NAMES, n_null=9, n_splits=2)
    alone = dimensionality(x, NAMES, n_null=9, n_splits=2)
    np.testing.assert_allclose(found.estimate.isel(time=1), alone.estimate)
    assert np.isnan(found.estimate.isel(time=0).sel(quantity="participation_ratio"))


# --- where it ends ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "quantity", "reason"),
    [
        (recording(np.zeros((8, 30)), 8), "participation_ratio", "reliability 0.01"),
        (cube(20, 2), "participation_ratio", "4 sets that share none of them are needed"),
        (cube(20, 8), "power_law_exponent", "7 ranks are too few for a power law"),
        (cube(20, 8), "twonn", "8 different points are fewer than the 50 needed"),
        (recording(SIGN[:, :1], 8), "rank", "needs a second neuron"),
        (recording(SIGN[:, :2], 8), "shared_dimensionality", "three neurons that vary"),
    ],
)
def test_what_cannot_be_estimated_is_nan_with_a_reason(x, quantity, reason):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dimensionality(x, NAMES, min_trials=2, n_null=9, n_splits=2)
    assert np.isnan(value(found, quantity))
    assert reason in found.attrs["reasons"][quantity]


def test_neurons_recorded_apart_share_no_covariance():
    x = ng.simulate("cube", 4.0, n_neurons=20, n_sessions=2, n_trials=8, n_truth=0)
    found = dimensionality(x, NAMES, **PLAIN)
    assert "recorded together" in found.attrs["reasons"]["shared_dimensionality"]
    assert value(found, "rank") == 3


def test_more_conditions_than_trials_and_a_constant_neuron_are_no_obstacle():
    x, variables = stimuli(30, 12, 4, 2, 0.5, 0)
    x[:, 3] = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = dimensionality(x, variables, min_trials=2, n_null=9, stimuli="sampled")
    assert np.isfinite(value(found, "participation_ratio"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stimuli": "all"}, "stimuli='all' is unknown"),
        ({"neurons": "fixed"}, "neurons='fixed' is unknown"),
        ({"points": "bins"}, "points='bins' is unknown"),
        ({"n_splits": 0}, "n_splits=0 leaves nothing"),
        ({"ranks": (3, 50)}, "no range of two or more ranks"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        dimensionality(cube(10, 8), NAMES, **{**PLAIN, **options})


def test_two_conditions_leave_no_question():
    with pytest.raises(ValueError, match="two conditions span one dimension"):
        dimensionality(recording(unstructured(2, 5, 0), 8), ["a"], **PLAIN)


def test_two_trials_of_sampled_stimuli_are_enough_for_an_interval_over_stimuli_and_neurons():
    x, variables = stimuli(40, 60, 8, 2, 2.0, 0)
    found = dimensionality(x, variables, min_trials=2, n_splits=1, **PLAIN)
    low, high = found.interval.sel(quantity="participation_ratio").values
    assert low < value(found, "participation_ratio") < high
    refused = dimensionality(cube(60, 2), NAMES, min_trials=2, n_splits=1, **PLAIN)
    assert np.isnan(refused.interval.sel(quantity="participation_ratio")).all()
