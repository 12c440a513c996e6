"""Simulated recordings keep what they promise: sizes, geometry, noise, the truth beside them."""

from importlib import import_module

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr

import neurogeom as ng
from neurogeom.formulas import geometries

GEOMETRIES = ["cube", "simplex", "random", "xor", "cube_nonlinear", "planes"]


def simulate(geometry="cube", separation=2.0, **options):
    """A recording without truth_at_n, which would run the measures."""
    return ng.simulate(geometry, separation, **{"n_truth": 0, **options})


def condition_of(x, names=("a", "b", "c")):
    """Number of the condition of each trial, the last variable changing fastest."""
    return np.ravel_multi_index([x[name].values for name in names], [2] * len(names))


def condition_means(x, names=("a", "b", "c")):
    condition = condition_of(x, names)
    return np.stack([np.nanmean(x.values[condition == c], axis=0) for c in range(2 ** len(names))])


def residuals(x):
    return x.values - condition_means(x)[condition_of(x)]


# --- truth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_centroids_are_arranged_as_promised(geometry):
    """Inner products of the means, within their standard error, at 2000 trials a condition."""
    n_trials, n_neurons = 2000, 12
    x = simulate(geometry, n_trials=n_trials, n_neurons=n_neurons, n_variables=3)
    means = condition_means(x)
    if geometry == "random":
        squared = np.sum((means[:, None] - means[None]) ** 2, axis=-1)[np.triu_indices(8, 1)]
        # 28 distances of mean square 16, 12 neurons: chi-squared, dependent through 8 conditions.
        assert abs(squared.mean() / 16 - 1) < 4 * np.sqrt(2 / (7 * n_neurons))
        return
    name = {"xor": "exclusive_or"}.get(geometry, geometry)
    axes = getattr(geometries, name)(geometries.crossed_levels(3), 2.0)
    longest = np.linalg.norm(axes, axis=1).max()
    noise = 2 * longest / n_trials**0.5 + (2 * n_neurons) ** 0.5 / n_trials
    gram = means @ means.T - np.eye(8) * n_neurons / n_trials
    np.testing.assert_allclose(gram, axes @ axes.T, atol=5 * noise)


def test_truth_of_a_cube_and_of_a_cuboid_is_known():
    truth = simulate("cube", 2.0).attrs["truth_population"]
    for name in "abc":
        assert truth["decoding"][name] == pytest.approx(ndtr(1))
        assert truth["ccgp_matched"][name] == pytest.approx(ndtr(1))
        assert truth["ccgp_any"][name] == pytest.approx(0.7799, abs=1e-4)
        assert truth["parallelism"][name] == pytest.approx(1)
    assert truth["shattering"] == pytest.approx(0.6918, abs=1e-4)
    assert truth["participation_ratio"] == pytest.approx(3)
    cuboid = simulate("cuboid", (3, 2, 1)).attrs["truth_population"]
    np.testing.assert_allclose(
        list(cuboid["ccgp_any"].values()), [0.9191, 0.7902, 0.5083], atol=1e-4
    )
    np.testing.assert_allclose(list(cuboid["decoding"].values()), ndtr([1.5, 1, 0.5]), atol=1e-9)


def test_truth_of_exclusive_or_is_below_chance():
    truth = simulate("xor").attrs["truth_population"]
    assert list(truth["decoding"]) == ["a", "b"]
    np.testing.assert_allclose(list(truth["decoding"].values()), 0.5)
    np.testing.assert_allclose(list(truth["ccgp_matched"].values()), 1 - ndtr(1))
    np.testing.assert_allclose(list(truth["parallelism"].values()), -1)


def discriminant_on_held_out_trials(x):
    """Decoding of "a" with a discriminant from half of many trials, on the other half."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    half = x.sizes["trial"] // 2
    model = LinearDiscriminantAnalysis(solver="lsqr")
    model.fit(x.values[:half], x.a.values[:half])
    return np.mean(model.predict(x.values[half:]) == x.a.values[half:]), half


@pytest.mark.parametrize("noise", ["gaussian", "poisson"])
@pytest.mark.parametrize("noise_correlation", [0.0, 0.3])
def test_truth_is_what_a_discriminant_reaches_with_many_trials(noise, noise_correlation):
    x = simulate(
        noise=noise, noise_correlation=noise_correlation, n_neurons=15, n_trials=5000, seed=3
    )
    reached, n_tested = discriminant_on_held_out_trials(x)
    truth = x.attrs["truth_population"]["decoding"]["a"]
    # Counts correlate less than their Gaussian ranks, and their variance differs by condition.
    approximate = 0.0 if noise == "gaussian" else 0.015
    assert abs(reached - truth) < 4 * np.sqrt(truth * (1 - truth) / n_tested) + approximate
    if noise_correlation:
        assert truth > ndtr(1) + 0.02  # the discriminant takes out what neurons share


# --- the same pipeline on fresh recordings ------------------------------------------------------

SMALL = {"separation": 3.0, "n_neurons": 25, "n_trials": 12, "n_variables": 2}
MEASURES = ["decoding", "ccgp_matched", "ccgp_any", "parallelism"]


@pytest.fixture(scope="module")
def with_truth():
    return simulate(**SMALL, n_truth=12)


def test_truth_at_n_has_the_keys_of_the_population_truth(with_truth):
    population, at_n = (with_truth.attrs[k] for k in ("truth_population", "truth_at_n"))
    assert set(population) - {"participation_ratio"} <= set(at_n)
    for measure in MEASURES:
        assert list(at_n[measure]) == list(at_n["standard_error"][measure]) == ["a", "b"]
    assert (at_n["n_trials"], at_n["n_neurons"], at_n["n_recordings"]) == (12, 25, 12)
    assert at_n["n_defined"]["decoding"] == {"a": 12, "b": 12}


def test_another_recording_scores_as_truth_at_n_says(with_truth):
    """A recording of another seed: the same cube, turned; as far off as fresh recordings are."""
    truth = with_truth.attrs["truth_at_n"]
    x, options = simulate(**SMALL, seed=1), {"n_null": 0, "target": "animals"}
    results = {
        "decoding": ng.decoding(x, ["a", "b"], **options),
        "ccgp_matched": ng.ccgp(x, ["a", "b"], held_out="matched", **options),
        "ccgp_any": ng.ccgp(x, ["a", "b"], held_out="any", **options),
        "parallelism": ng.parallelism(x, ["a", "b"], **options),
    }
    for measure in MEASURES:
        for name, value in zip("ab", results[measure].estimate.values, strict=True):
            spread = truth["standard_error"][measure][name] * np.sqrt(12 + 1)
            # 12 recordings know their own spread to 21 %.
            assert abs(value - truth[measure][name]) < 4 * 1.4 * spread
            assert 0.002 < spread < 0.5


def test_truth_at_n_is_the_mean_of_defined_estimates_with_its_standard_error(monkeypatch):
    module = import_module("neurogeom.simulate")  # the face shows the function of that name
    values = np.array([[0.5, np.nan], [0.7, np.nan], [0.9, 0.3], [np.nan, 0.4]])
    monkeypatch.setattr(module, "_measured", lambda world, seed, i: {"decoding": values[i]})
    truth = simulate(**SMALL, n_truth=4).attrs["truth_at_n"]
    assert truth["decoding"] == pytest.approx({"a": 0.7, "b": 0.35})
    assert truth["standard_error"]["decoding"] == pytest.approx(
        {"a": 0.2 / 3**0.5, "b": 0.1 / 2**0.5 / 2**0.5}
    )
    assert truth["n_defined"]["decoding"] == {"a": 3, "b": 2}


ASYMPTOTIC = 0.01  # of accuracy, at 25 neurons


@pytest.mark.parametrize(
    ("geometry", "options"),
    [
        ("cube", {"noise_correlation": 0.3}),
        ("planes", {}),
        ("cube_nonlinear", {"noise": "poisson"}),
    ],
)
def test_what_is_expected_of_few_trials_is_what_fresh_recordings_score(geometry, options):
    sizes = {"separation": 2.5, "n_neurons": 25, "n_trials": 8, "n_truth": 12}
    x = simulate(geometry, **sizes, **options)
    expected, at_n = x.attrs["truth_expected"], x.attrs["truth_at_n"]
    for measure in MEASURES[:3]:
        for name in "abc":
            error = at_n["standard_error"][measure][name]
            found = at_n[measure][name] - expected[measure][name]
            assert abs(found) < 4 * error + ASYMPTOTIC  # nine numbers, 12 recordings
    error = at_n["standard_error"]["shattering"]
    assert abs(at_n["shattering"] - expected["shattering"]) < 4 * error + ASYMPTOTIC
    population = x.attrs["truth_population"]["shattering"]
    assert population - expected["shattering"] > 4 * error + ASYMPTOTIC


@pytest.fixture(scope="module")
def large():
    return ng.simulate("cube", n_trials=60)


def test_what_is_expected_is_not_said_of_trials_that_are_drawn_with_replacement(large):
    assert large.attrs["truth_expected"] is not None
    for options in ({"n_truth": 0}, {"apart": True, "n_truth": 2}, {"n_sessions": 2}):
        found = ng.simulate("cube", n_neurons=6, n_trials=6, **options)
        first = found[0] if isinstance(found, list) else found
        assert first.attrs["truth_expected"] is None


def test_few_trials_score_below_the_population(with_truth):
    population, at_n = (with_truth.attrs[k] for k in ("truth_population", "truth_at_n"))
    for measure in ("decoding", "ccgp_matched"):
        for name in "ab":
            error = at_n["standard_error"][measure][name]
            assert at_n[measure][name] < population[measure][name] + 4 * error
    assert at_n["shattering"] < population["shattering"]


def test_truth_at_n_leaves_the_recording_as_it_is(with_truth):
    xr.testing.assert_equal(with_truth, simulate(**SMALL))


def test_large_recordings_come_without_truth_at_n(large):
    assert large.attrs["truth_at_n"] is None
    assert ng.simulate("cube", n_trials=4).attrs["truth_at_n"] is None


# --- noise --------------------------------------------------------------------------------------


def test_gaussian_noise_has_unit_variance_and_the_correlation_asked_for():
    x = simulate(n_neurons=30, n_trials=1000, noise_correlation=0.2)
    covariance = np.cov(residuals(x).T)
    off = covariance[~np.eye(30, dtype=bool)]
    # Variances of 8000 draws, 8 means taken out; the shared factor moves all of them together.
    np.testing.assert_allclose(np.diag(covariance), 1, atol=6 * np.sqrt(2 / 8000))
    assert abs(off.mean() - 0.2) < 4 * 0.2 * np.sqrt(2 / 8000) + 0.002
    silent = np.cov(residuals(simulate(n_neurons=30, n_trials=1000)).T)
    assert abs(silent[~np.eye(30, dtype=bool)].mean()) < 4 / np.sqrt(8000 * 30 * 29 / 2)


@pytest.mark.parametrize("noise_correlation", [0.0, 0.3])
def test_counts_are_poisson(noise_correlation):
    """Whole, not negative, variance equal to the mean within each condition."""
    x = simulate(
        noise="poisson", n_neurons=40, n_trials=500, noise_correlation=noise_correlation, seed=1
    )
    assert x.attrs["units"] == "spikes"
    assert (x.values == np.round(x.values)).all()
    assert x.values.min() >= 0
    means = condition_means(x)
    variance = np.stack([x.values[condition_of(x) == c].var(axis=0, ddof=1) for c in range(8)])
    fano = variance.sum() / means.sum()
    # Error of one variance is near mean * sqrt(2/n); neurons of one condition share at most all.
    shared = 1.0 if noise_correlation else 1 / np.sqrt(40)
    assert abs(fano - 1) < 4 * np.sqrt(2 / (500 * 8)) * shared + 0.01
    correlation = np.corrcoef((residuals(x) / np.sqrt(means.mean(axis=0))).T)
    average = correlation[~np.eye(40, dtype=bool)].mean()
    assert noise_correlation - 0.06 < average <= noise_correlation + 0.02


def test_rates_are_spikes_a_second():
    options = {"noise": "poisson", "separation": 0.0, "n_neurons": 400, "n_trials": 50}
    x = simulate(**options, rates=(8.0, 0.5), window=(0.2, 0.7))
    assert x.attrs["window"] == [0.2, 0.7]
    logs = np.log(x.values.mean(axis=0) / 0.5)
    assert abs(np.mean(logs) - np.log(8)) < 4 * 0.5 / np.sqrt(400) + 0.01
    assert abs(np.std(logs) - 0.5) < 4 * 0.5 / np.sqrt(800) + 0.01


# --- shape --------------------------------------------------------------------------------------


def test_one_session_is_one_array_with_the_trials_asked_for():
    x = simulate(n_neurons=7, n_trials=6, variables=["rule", "cue"])
    assert isinstance(x, xr.DataArray)
    assert x.dims == ("trial", "neuron")
    assert dict(x.sizes) == {"trial": 24, "neuron": 7}
    assert np.bincount(condition_of(x, ("rule", "cue"))).tolist() == [6] * 4
    assert x.attrs["simulation"]["variables"] == ["rule", "cue"]
    assert x.attrs["truth_at_n"] is None
    order = condition_of(x, ("rule", "cue"))
    assert (np.diff(order) < 0).any()  # conditions are interleaved, not in blocks


def test_sessions_share_out_the_neurons_and_one_geometry():
    sessions = simulate(n_neurons=50, n_sessions=4, n_trials=1500)
    assert [s.sizes["neuron"] for s in sessions] == [13, 13, 12, 12]
    assert len({s.session.item() for s in sessions}) == 4
    together = np.hstack([condition_means(s) for s in sessions])
    axes = geometries.cube(geometries.crossed_levels(3), 2.0)
    gram = together @ together.T - np.eye(8) * 50 / 1500
    np.testing.assert_allclose(gram, axes @ axes.T, atol=5 * (2 * 3**0.5 / 1500**0.5 + 10 / 1500))
    assert not np.array_equal(sessions[0].a.values, sessions[1].a.values)


def test_neurons_recorded_apart_have_trials_of_their_own():
    x = simulate(n_neurons=5, n_trials=4, apart=True)
    observed = np.isfinite(x.values)
    assert (observed.sum(axis=1) == 1).all()
    for neuron in range(5):
        counts = np.bincount(condition_of(x)[observed[:, neuron]], minlength=8)
        assert counts.tolist() == [4] * 8


def test_same_seed_same_recording_and_another_seed_another():
    xr.testing.assert_identical(simulate(seed=4), simulate(seed=4))
    assert not np.allclose(simulate(seed=4).values, simulate(seed=5).values)


@pytest.mark.parametrize("n_variables", [2, 4, 6])
def test_any_number_of_variables_has_a_truth(n_variables):
    x = simulate(n_variables=n_variables, n_trials=2)
    truth = x.attrs["truth_population"]
    assert list(truth["decoding"]) == list("abcdef")[:n_variables]
    np.testing.assert_allclose(list(truth["ccgp_matched"].values()), ndtr(1))


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"geometry": "sphere"}, "geometry 'sphere' is unknown; choose from"),
        ({"geometry": "cuboid"}, "a cuboid takes one separation a variable; pass 3 numbers"),
        ({"separation": (3, 2, 1)}, "'cube' takes one separation, .*; choose 'cuboid'"),
        ({"separation": -1.0}, "separation=-1.0 is not a distance; pass 0 or more noise sd"),
        ({"variables": "rule"}, "variables='rule' is one string; pass a list of names"),
        ({"variables": ["a", "a"]}, r"variables \['a', 'a'\] repeat a name; name each once"),
        ({"variables": ["a", "b"], "n_variables": 3}, "2 variables are named and n_variables=3"),
        ({"n_variables": 1}, "1 variables are not possible; ask for 2 to 6"),
        ({"n_neurons": 2}, "'cube' spans 3 dimensions and there are 2 neurons; ask for"),
        ({"n_neurons": 5, "n_sessions": 6}, "5 neurons in 6 sessions of 20 trials a condition is"),
        ({"noise": "pink"}, r"noise='pink' is unknown; choose from \['gaussian', 'poisson'\]"),
        ({"noise_correlation": 1.0}, r"noise_correlation=1.0 is outside \[0, 1\); lower it"),
        ({"noise_correlation": 0.1, "apart": True}, "neurons recorded apart share no noise; pass"),
        ({"window": (1.0, 0.0)}, r"window=\(1.0, 0.0\) is no interval; pass \(start, stop\)"),
        ({"rates": (0.0, 1.0)}, r"rates=\(0.0, 1.0\) are no log-normal; pass \(median"),
        ({"n_truth": 1}, "n_truth=1 has no standard error; pass 0 or at least 2"),
    ],
)
def test_simulate_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        simulate(**options)
