"""Participation ratio: closed forms, the biases of sampling and of noise, and slow twins."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas import participation_ratio as pr


def world(rng, n_stimuli, n_neurons, gamma=20):
    """Stimuli and neurons drawn from a world with so many equal dimensions."""
    latent, weights = (
        rng.standard_normal((n_stimuli, gamma)),
        rng.standard_normal((gamma, n_neurons)),
    )
    return latent @ weights


def medians(n_stimuli, n_neurons, repeats, noise=0.0):
    naive, row, both = [], [], []
    for seed in range(repeats):
        rng = np.random.default_rng(seed)
        signal = world(rng, n_stimuli, n_neurons)
        sd = noise * signal.std()
        x, y = signal + sd * rng.standard_normal((2, *signal.shape))
        naive.append(pr.naive((x + y) / 2))
        row.append(pr.gamma_row(x, y))
        both.append(pr.gamma_both(x, y))
    return np.mean(naive), np.median(row), np.median(both)


# --- rows 27 and 28 of the table of ground truth --------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "naive", "tolerance"), [((50, 50), 10.8, 0.4), ((200, 1000), 17.8, 0.3)]
)
def test_few_stimuli_and_neurons_lower_the_naive_value_alone(sizes, naive, tolerance):
    found = medians(*sizes, repeats=40 if sizes[1] < 100 else 8)
    assert found[0] == pytest.approx(naive, abs=0.4)
    assert 1 / found[0] == pytest.approx(sum(1 / n for n in (*sizes, 20)), rel=0.06)
    assert found[2] == pytest.approx(20, abs=1.0 if sizes[1] < 100 else tolerance)


def test_trial_noise_raises_the_naive_value_alone():
    naive, _, both = medians(100, 200, repeats=12, noise=1.0)
    assert naive == pytest.approx(26.6, abs=0.8)
    assert both == pytest.approx(20, abs=0.7)


# --- closed forms and slow twins ------------------------------------------------------------------


def test_fixed_conditions_without_noise_are_the_naive_value():
    means = np.random.default_rng(0).standard_normal((6, 9))
    assert pr.ratio(pr.fixed([means] * 4), "all") == pytest.approx(pr.naive(means))


def test_products_of_four_repeats_are_unbiased_for_both_terms():
    rng = np.random.default_rng(0)
    means = rng.standard_normal((5, 6))
    c = np.cov(means.T, bias=True)
    truth = [np.trace(c) ** 2, np.trace(c @ c), np.sum(np.diag(c) ** 2)]
    found = np.array([pr.fixed(means + rng.standard_normal((4, 5, 6))) for _ in range(4000)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - truth) < 4 * error).all()


def test_terms_of_sampled_stimuli_agree_with_sums_over_distinct_stimuli():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 5, 3))
    half = 0.5 * np.einsum("ijn,ijn->ij", x[:, None] - x, y[:, None] - y)
    quadruples = list(permutations(range(5), 4))
    top = np.mean([half[i, j] * half[k, m] for i, j, k, m in quadruples])
    bottom = np.mean(
        [
            0.25 * ((x[i] - x[j]) @ (x[k] - x[m])) * ((y[i] - y[j]) @ (y[k] - y[m]))
            for i, j, k, m in quadruples
        ]
    )
    found = pr.sampled(x, y)
    assert found[0] == pytest.approx(top)
    assert found[1] == pytest.approx(bottom)


@given(st.integers(0, 500))
def test_leaving_one_out_agrees_with_leaving_one_out(seed):
    x, y = np.random.default_rng(seed).standard_normal((2, 6, 4))
    neurons = np.transpose([pr.sampled(np.delete(x, i, 1), np.delete(y, i, 1)) for i in range(4)])
    stimuli = np.transpose([pr.sampled(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(6)])
    np.testing.assert_allclose(pr.without_neurons(x, y), neurons, atol=1e-9)
    np.testing.assert_allclose(pr.without_stimuli(x, y), stimuli, atol=1e-9)


@given(st.integers(0, 500))
def test_turning_and_scaling_all_neurons_change_nothing_and_one_neuron_does(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((12, 8)) + 0.03 * rng.standard_normal((2, 12, 8))
    turn = 3.0 * ortho_group.rvs(8, random_state=seed)
    assert pr.gamma_row(x @ turn, y @ turn) == pytest.approx(pr.gamma_row(x, y))
    order = rng.permutation(12)
    np.testing.assert_allclose(pr.gamma_both(x[order], y[order]), pr.gamma_both(x, y), rtol=1e-6)
    stretched = x * np.r_[9.0, np.ones(7)]
    assert pr.naive(stretched) != pytest.approx(pr.naive(x))


def test_noise_alone_and_one_neuron_have_no_ratio():
    x = np.random.default_rng(0).standard_normal((8, 1))
    assert np.isnan(pr.gamma_both(x))
    assert np.isnan(pr.naive(np.ones((4, 3))))
    assert np.isnan(pr.ratio(pr.fixed(np.zeros((4, 5, 3))), "all"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pr.gamma_row(np.ones((3, 2))), "3 stimuli are too few; at least 4"),
        (lambda: pr.gamma_row(np.ones((5, 2)), np.ones((5, 3))), r"\(5, 2\) and \(5, 3\)"),
        (lambda: pr.fixed(np.ones((3, 5, 2))), r"pass \(4, condition, neuron\)"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()
