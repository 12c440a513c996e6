"""Centred kernel alignment: ground truth, loops over its definition, and what leaves it alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas import cka


def latents(rng, n, p, *, noise=0.0, repeats=2, size=(8, 8), shared=4):
    """Two populations that read two sets of latent variables, some of which they share."""
    z = rng.standard_normal((n, sum(size) - shared))
    x = z[:, : size[0]] @ rng.standard_normal((size[0], p)) / np.sqrt(size[0])
    y = z[:, -size[1] :] @ rng.standard_normal((size[1], p)) / np.sqrt(size[1])
    return [m + noise * rng.standard_normal((repeats, n, p)) for m in (x, y)]


def parts(x, y, stimuli, **more):
    """The sums of one division of trials."""
    if stimuli == "sampled":
        pairs = [np.stack([r.mean(axis=0)] * 2)[None] for r in (x, y)]
    else:
        pairs = [np.stack([r[:2].mean(axis=0), r[2:].mean(axis=0)])[None] for r in (x, y)]
    own = (cka.own(r[None], stimuli=stimuli, **more) for r in (x, y))
    return cka.cross(*pairs, stimuli=stimuli, **more), *own


# --- ground truth -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "p"),
    [(20, 100), (50, 200), (200, 200), pytest.param(1000, 100, marks=pytest.mark.slow)],
)
def test_independent_gaussians_are_unrelated_only_after_correction(n, p):
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, n, p)) for _ in range(12)]
    naive, debiased = (np.array([f(x, y) for x, y in pairs]) for f in (cka.naive, cka.debiased))
    assert naive.mean() == pytest.approx(p / (n + p), abs=0.01)
    assert abs(debiased.mean()) < 4 * debiased.std(ddof=1) / np.sqrt(12)
    assert debiased.std() < 0.12


@pytest.mark.parametrize(("p", "debiased"), [(20, 0.353), (60, 0.450)])
def test_half_of_the_latent_variables_shared_is_one_half_for_endless_neurons(p, debiased):
    rng = np.random.default_rng(1)
    found = np.array(
        [
            (cka.debiased(x[0], y[0]), cka.corrected(x, y))
            for x, y in (latents(rng, 200, p) for _ in range(60))
        ]
    )
    assert found[:, 0].mean() == pytest.approx(debiased, abs=0.03)
    assert abs(found[:, 1].mean() - 0.5) < 0.05


def test_private_noise_that_repeats_is_removed_with_the_neurons():
    """A neuron's own noise, the same in both repeats, is no trial noise and still goes."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(40):
        x, y = (np.stack([m[0] + 1.5 * rng.standard_normal((200, 60))] * 2)
                for m in latents(rng, 200, 60))  # fmt: skip
        found.append(
            [cka.debiased(x[0], y[0]), cka.corrected(x, y), cka.corrected(x, y, neurons="all")]
        )
    means = np.mean(found, axis=0)
    assert abs(means[1] - 0.5) < 4 * np.std(found, axis=0)[1] / np.sqrt(40)
    assert means[0] == pytest.approx(means[2], abs=1e-9)
    assert means[0] < 0.3


def test_trial_noise_lowers_the_alignment_of_means_and_not_the_corrected_one():
    rng = np.random.default_rng(3)
    found = []
    for _ in range(10):
        z, first, second = (rng.standard_normal(s) for s in ((200, 12), (12, 100), (12, 100)))
        x, y = (z @ w + 4 * rng.standard_normal((2, 200, 100)) for w in (first, second))
        truth = cka.debiased(z @ first, z @ second)
        means = cka.debiased(x.mean(axis=0), y.mean(axis=0))
        found.append((means - truth, cka.corrected(x, y, neurons="all") - truth))
    means, corrected = np.mean(found, axis=0)
    assert means == pytest.approx(0.85 - 0.97, abs=0.04)
    assert abs(corrected) < 0.02


def test_fixed_conditions_give_the_naive_value_of_noise_free_means():
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((8, 10)), rng.standard_normal((8, 15))
    truth = cka.naive(x, y)
    found = []
    for _ in range(150):
        noisy = [m + rng.standard_normal((4, *m.shape)) for m in (x, y)]
        found.append(cka.corrected(*noisy, stimuli="fixed", neurons="all"))
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / np.sqrt(150) + 0.02)
    repeated = [np.stack([m] * 4) for m in (x, y)]
    exact = cka.corrected(*repeated, stimuli="fixed", neurons="all")
    assert exact == pytest.approx(truth, rel=1e-12)


def test_two_variables_of_a_design_are_unrelated_there_and_opposed_over_conditions_at_random():
    a, b = (np.repeat([1.0, -1.0], 4)[:, None], np.tile([1.0, -1.0], 4)[:, None])
    assert cka.naive(a, b) == pytest.approx(0, abs=1e-12)
    assert cka.debiased(a, b) == pytest.approx(-1 / 6, rel=1e-9)


# --- a second opinion ---------------------------------------------------------------------------


def test_agrees_with_loops_over_distinct_conditions_and_neurons():
    """The mean over four conditions, all different, and two neurons, also different."""
    from itertools import permutations

    rng = np.random.default_rng(5)
    x, y = latents(rng, 6, 4, noise=0.3)

    def h(u, v):  # of four conditions i, j, q, r: (u_i - u_j)(u_q - u_r) on either side, in pairs
        return np.mean(
            [
                u[0][i] * u[1][j] * (v[0][i] * v[1][j] + v[0][q] * v[1][r] - 2 * v[0][i] * v[1][q])
                for i, j, q, r in permutations(range(6), 4)
            ]
        )

    def own(z):
        return np.mean(
            [
                h((z[0][:, a], z[0][:, a]), (z[1][:, b], z[1][:, b]))
                for a in range(4)
                for b in range(4)
                if a != b
            ]
        )

    mx, my = x.mean(axis=0), y.mean(axis=0)
    top = np.mean([h((mx[:, a],) * 2, (my[:, b],) * 2) for a in range(4) for b in range(4)])
    found = parts(x, y, "sampled")
    assert found[0].total / 16 == pytest.approx(top, rel=1e-9)
    assert (found[1].total - found[1].alone.sum()) / 12 == pytest.approx(own(x), rel=1e-9)
    truth = top / np.sqrt(own(x) * own(y)) if own(x) > 0 < own(y) else np.nan
    assert cka.corrected(x, y) == pytest.approx(truth, rel=1e-9, nan_ok=True)


def test_single_neurons_of_fixed_conditions_agree_with_their_own_kernels():
    rng = np.random.default_rng(6)
    x = rng.standard_normal((4, 7, 3))
    found = cka.own(x[None], stimuli="fixed")
    for a in range(3):
        alone = cka.own(x[None, :, :, [a]], stimuli="fixed")
        assert found.alone[a] == pytest.approx(alone.total, rel=1e-9)


@pytest.mark.parametrize("neurons", ["sampled", "all", ("sampled", "all")])
@pytest.mark.parametrize("stimuli", ["sampled", "fixed"])
def test_leaving_out_a_neuron_or_a_condition_agrees_with_starting_anew(stimuli, neurons):
    rng = np.random.default_rng(7)
    x, y = latents(rng, 12, 9, noise=0.3, repeats=cka.REPEATS[stimuli], shared=7)
    y = y[:, :, :7]

    def anew(x, y):
        return cka.value(*parts(x, y, stimuli), neurons=neurons)

    sums = parts(x, y, stimuli, deletions=stimuli == "sampled")
    of_x, of_y = cka.without_neurons(*sums, neurons=neurons)
    assert np.isfinite(of_x).all()
    np.testing.assert_allclose(of_x, [anew(np.delete(x, i, 2), y) for i in range(9)], rtol=1e-8)
    np.testing.assert_allclose(of_y, [anew(x, np.delete(y, i, 2)) for i in range(7)], rtol=1e-8)
    if stimuli == "sampled":
        left = cka.without_stimuli(*sums, neurons=neurons)
        refits = [anew(np.delete(x, i, 1), np.delete(y, i, 1)) for i in range(12)]
        np.testing.assert_allclose(left, refits, rtol=1e-8)


@pytest.mark.parametrize("stimuli", ["sampled", "fixed"])
def test_permuting_kernels_agrees_with_permuting_conditions(stimuli):
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((2, 3, 2, 9, 5))
    orders = rng.permuted(np.tile(np.arange(9), (6, 1)), axis=1)
    found = cka.permuted(x, y, orders, stimuli=stimuli)
    anew = [cka.cross(x, y[:, :, o], stimuli=stimuli).total for o in orders]
    np.testing.assert_allclose(found, anew, rtol=1e-9)
    assert np.ptp(found) > 1e-3


def test_divisions_of_trials_are_averaged_before_they_are_divided():
    rng = np.random.default_rng(9)
    x = rng.standard_normal((3, 2, 8, 5))
    each = [cka.own(x[[i]]) for i in range(3)]
    whole = cka.own(x)
    assert whole.total == pytest.approx(np.mean([e.total for e in each]), rel=1e-12)
    np.testing.assert_allclose(whole.alone, np.mean([e.alone for e in each], axis=0))


# --- invariances --------------------------------------------------------------------------------


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_turning_shifting_and_scaling_change_nothing_and_stretching_does(seed):
    rng = np.random.default_rng(seed)
    x, y = latents(rng, 14, 6, noise=0.2)
    turn = ortho_group.rvs(6, random_state=rng)
    before = cka.corrected(x, y, neurons="all")
    moved = 3.0 * x @ turn + rng.standard_normal(6) * 100
    after = cka.corrected(moved, y, neurons="all")
    assert after == pytest.approx(before, rel=1e-7, abs=1e-9)
    assert cka.naive(moved[0], y[0]) == pytest.approx(cka.naive(x[0], y[0]), rel=1e-8)
    stretched = cka.naive(x[0] * [9, 1, 1, 1, 1, 1], y[0])
    assert abs(stretched - cka.naive(x[0], y[0])) > 1e-6


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_order_changes_nothing_and_mismatched_conditions_do(seed):
    rng = np.random.default_rng(seed)
    x, y = latents(rng, 12, 8, noise=0.2)
    neurons, conditions = rng.permutation(8), rng.permutation(12)
    before = cka.corrected(x, y)
    after = cka.corrected(x[:, conditions][:, :, neurons], y[:, conditions])
    assert after == pytest.approx(before, rel=1e-8, nan_ok=True)
    assert cka.corrected(y, x) == pytest.approx(before, rel=1e-8, nan_ok=True)
    turned = cka.naive(x[0], np.roll(y[0], 1, axis=0))
    assert abs(turned - cka.naive(x[0], y[0])) > 1e-6


def test_a_large_baseline_costs_no_digits():
    x, y = latents(np.random.default_rng(10), 12, 8)
    assert cka.corrected(x + 1e6, y) == pytest.approx(cka.corrected(x, y), rel=1e-6)


# --- what has no answer -------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_a_population_without_signal_has_no_alignment():
    x, y = np.random.default_rng(11).standard_normal((2, 2, 10, 4))
    flat = np.full((2, 10, 4), 0.1)
    for found in (
        cka.naive(flat[0], y[0]),
        cka.debiased(flat[0], y[0]),
        cka.corrected(flat, y),
        cka.corrected(np.stack([x[0], -x[0]])[:, :, :1], y),  # one neuron has no pair of neurons
    ):
        assert np.isnan(found)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: cka.naive(x[0], x[0, 1:]), "pass .condition, neuron. with as many conditions"),
        (lambda x: cka.corrected(x, x[:, 1:]), "x has 5 conditions and y has 4; match them first"),
        (lambda x: cka.corrected(x[:, :3], x[:, :3]), "3 conditions are fewer than the 4"),
        (lambda x: cka.corrected(x, x, stimuli="fixed"), r"needs \(4, condition, neuron\)"),
        (lambda x: cka.corrected(x, x, stimuli="some"), "stimuli='some' is unknown; choose from"),
        (lambda x: cka.corrected(x, x, neurons="few"), "neurons='few' is unknown; choose from"),
        (lambda x: cka.corrected(x, x, neurons=("all",) * 3), "or give a pair of them"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).standard_normal((2, 5, 3)))
