"""Intervals of ratios of sums over neurons, against loops, simulation and textbooks."""

from itertools import pairwise, product

import numpy as np
import pytest
from made_intervals import EXACT
from made_population import gathered, recording, unstructured

import neurogeom as ng
from neurogeom.engine import ratio_intervals
from neurogeom.engine.nulls import standardised
from neurogeom.measures.parallelism import _forms, contributions


def scored(x, variables=("a", "b", "c")):
    """Population, contributions and forms of the first variable's parallelism, and the z-scores."""
    design, p = gathered(x, variables)
    standard, target = standardised(p, "resample"), design.targets()[0]
    groups = [target.grid[:, [1, 0]]]
    top, bottom, _ = contributions(standard.means, standard.error, groups)
    return p, top, bottom, _forms(groups, design.n_conditions), standard


def test_forms_are_the_sums_that_contributions_give():
    *_, forms, standard = scored(recording(unstructured(8, 25, 0), 6, seed=1))
    groups = [np.array([[4, 0], [5, 1], [6, 2], [7, 3]])]
    top, bottom, _ = contributions(standard.means, 0 * standard.error, groups)
    for form, expected in zip(forms, (top, bottom), strict=True):
        found = np.einsum("an,ab,bn->n", standard.means, form, standard.means)
        np.testing.assert_allclose(found, expected, atol=EXACT)
        np.testing.assert_allclose(form.sum(axis=0), 0, atol=EXACT)  # a common centre has no say


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_variance_of_a_quadratic_form_is_that_over_recordings(shared):
    """Unequal trials and noise: estimates average to the variance over 1500 recordings."""
    rng = np.random.default_rng(0)
    n, counts = 1500, np.array([5, 7, 5, 9])
    edges, means = np.concatenate([[0], np.cumsum(counts)]), 0.5 * rng.standard_normal((4, 20))
    form = rng.standard_normal((4, 4))
    form = form + form.T
    sd = rng.uniform(0.5, 1.5, 20)
    values, together, apart = [], [], []
    for _ in range(n):
        noise = rng.standard_normal((26, 20)) + shared * rng.standard_normal((26, 1))
        x = means.repeat(counts, axis=0) + sd * noise
        m = np.add.reduceat(x, edges[:-1], axis=0) / counts[:, None]
        error = np.array([x[a:b].var(axis=0, ddof=1) / (b - a) for a, b in pairwise(edges)])
        values.append((form * (m @ m.T)).sum() - (np.diag(form)[:, None] * error).sum())
        pair = ratio_intervals.quadratic_variance(x, edges, form)
        together.append(pair[0])
        apart.append(pair[1])
    truth = np.var(values)
    standard_error = truth * np.sqrt(2 / n) + np.std(together) / np.sqrt(n)
    # Heavy tails of a quadratic form double the error of its variance.
    assert abs(np.mean(together) - truth) < 6 * standard_error
    if shared:
        assert np.mean(apart) < 0.7 * np.mean(together)
    else:
        assert abs(np.mean(apart) - np.mean(together)) < 6 * np.std(
            np.subtract(apart, together)
        ) / np.sqrt(n)


def test_linear_standard_error_over_neurons_is_near_the_exact_jackknife():
    """C = 8, n = 12, N = 100, d' = 2. The ratio was 0.92 in simulations of the design."""

    rng = np.random.default_rng(0)
    levels = np.array(list(product([-1, 1], repeat=3)), float)
    columns = np.stack(
        [levels[:, 0], levels[:, 1], levels[:, 2], levels[:, 0] * levels[:, 1]], axis=1
    )
    ratio = []
    for seed in range(8):
        centroids = 0.1 * columns @ rng.standard_normal((4, 100))
        _, top, bottom, *_ = scored(recording(centroids, 12, seed=seed))
        without = (top.sum() - top) / (bottom.sum() - bottom)
        exact = 99 / 100 * ((without - without.mean()) ** 2).sum()
        ratio.append(np.sqrt(ratio_intervals.closed_form(top, bottom) / exact))
    assert 0.8 < np.median(ratio) < 1.1


def test_bootstrap_bounds_of_a_mean_agree_with_students_t():
    """Denominators of 1: the ratio is a mean of 400 Gaussian neurons."""
    top = np.random.default_rng(0).standard_normal(400) + 1.0
    low, high = ratio_intervals.bca(top, np.ones(400), seed=0)
    half = 1.966 * top.std(ddof=1) / 20
    np.testing.assert_allclose(
        [low, high], [top.mean() - half, top.mean() + half], atol=0.15 * half
    )


def test_sessions_of_a_ratio_are_added_up_first():
    x = [recording(unstructured(8, 6, i), 8, seed=i, session=f"s{i}", noise=0.3) for i in range(5)]
    p, top, bottom, forms, standard = scored(x)
    found = ratio_intervals.ratio(top, bottom, p, forms=forms, inverse=standard.inverse)
    sums = np.array([[v[6 * s : 6 * s + 6].sum() for s in range(5)] for v in (top, bottom)])
    estimate, share = top.sum() / bottom.sum(), sums[1] / bottom.sum()
    squares = (sums[0] - estimate * sums[1]) ** 2 / bottom.sum() ** 2
    half = 2.7764451051977987 * np.sqrt((squares / (1 - share)).sum())  # t(4)
    np.testing.assert_allclose([found.low[0], found.high[0]], [estimate - half, estimate + half])
    assert found.target == "sessions: new sessions, 5 of them"


def test_parallelism_is_the_same_for_every_seed_so_its_spread_over_draws_is_no_interval():
    x = [recording(unstructured(8, 6, i), 8, seed=i, session=f"s{i}", noise=0.3) for i in range(5)]
    one, other = (ng.parallelism(x, ["a", "b", "c"], n_null=0, seed=s) for s in (0, 1))
    np.testing.assert_array_equal(one.estimate, other.estimate)
    np.testing.assert_array_equal(one.interval, other.interval)
    assert (one.interval.sel(bound="high") - one.interval.sel(bound="low") > 0.02).all()


def test_a_ratio_without_signal_has_no_interval():
    p, top, bottom, forms, standard = scored(recording(np.zeros((8, 30)), 6))
    found = ratio_intervals.ratio(
        top, bottom - bottom.mean(), p, forms=forms, inverse=standard.inverse
    )
    assert np.isnan(found.low).all()
    assert "trial noise exceeds the signal" in found.reason
    result = ng.parallelism(recording(np.zeros((8, 30)), 6, seed=2), ["a", "b", "c"], n_null=0)
    unusable = np.isnan(result.estimate)
    assert unusable.any()
    assert np.isnan(result.interval.where(unusable, drop=True)).all()
    assert "trial noise exceeds the signal" in " ".join(result.attrs["reasons"].values())


def test_blocks_leave_the_noise_of_a_ratio_unknown():
    x = recording(unstructured(8, 30, 0), 8, block=lambda c, t: t // 8)
    result = ng.parallelism(x, ["a", "b", "c"], n_null=0)
    assert (
        result.attrs["interval_reasons"]["a"]
        == "trials in blocks leave the noise of this score unknown"
    )


@pytest.mark.parametrize("shared", [0.0, 1.0])
def test_shared_noise_makes_the_bootstrap_over_neurons_longer(shared):
    rng = np.random.default_rng(1)
    x = recording(unstructured(8, 40, 0, 0.5), 20, seed=3)
    x = x + shared * rng.standard_normal((160, 1)) * rng.uniform(0.5, 1.5, 40)
    p, top, bottom, forms, standard = scored(x)
    found = ratio_intervals.ratio(top, bottom, p, forms=forms, inverse=standard.inverse)
    low, high = ratio_intervals.bca(top, bottom, seed=0)
    estimate = top.sum() / bottom.sum()
    longer = (found.high[0] - estimate) / (high - estimate)
    assert (estimate - found.low[0]) / (estimate - low) == pytest.approx(longer)
    assert longer > 1.2 if shared else 1 <= longer < 1.1


def test_few_trials_leave_the_noise_of_a_recording_unknown():
    """Those few scores that are defined at 5 trials have lucky denominators: 0.87 of them cover."""
    x = recording(unstructured(8, 30, 0), 6)
    result = ng.parallelism(x, ["a", "b", "c"], n_null=0, target="recording")
    words = "6 trials in a condition are fewer than the 8 that it needs"
    assert result.attrs["interval_reasons"]["a"] == words
    assert np.isfinite(
        ng.parallelism(x, ["a", "b", "c"], n_null=0).interval.sel(variable="a")
    ).all()
