"""Marginalisations and demixed axes against loops, least squares on trials, and known axes."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ortho_group

from neurogeom.formulas.demixing import Demixer, contrasts, explained, marginalisation, noise

SIZES = st.lists(st.integers(2, 4), min_size=1, max_size=3)


def every(n_factors):
    """All sets of factors, the empty one first."""
    return [f for n in range(n_factors + 1) for f in combinations(range(n_factors), n)]


def world(n_neurons, levels=(2, 3, 4), seed=0):
    """Centred means (neuron, point) and the patterns of all marginalisations."""
    x = np.random.default_rng(seed).standard_normal((n_neurons, int(np.prod(levels))))
    x -= x.mean(axis=1, keepdims=True)
    return x, {f: contrasts(levels, f) for f in every(len(levels))[1:]}


# --- marginalisations ---------------------------------------------------------------------------


@given(SIZES, st.integers(0, 100))
def test_marginalisations_sum_to_the_means_and_are_orthogonal(levels, seed):
    means = np.random.default_rng(seed).standard_normal((*levels, 2))
    parts = np.array([marginalisation(means, f).ravel() for f in every(len(levels))])
    np.testing.assert_allclose(parts.sum(axis=0), means.ravel(), atol=1e-12)
    gram = parts @ parts.T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-12)
    assert np.trace(gram) == pytest.approx((means**2).sum())


def test_they_are_averages_less_all_that_fewer_factors_explain():
    """The definition of the paper, by loops over cells and over smaller sets of factors."""
    means = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    found = {}
    for factors in every(3):
        part = np.empty(means.shape)
        for cell in product(*map(range, (2, 3, 4))):
            index = tuple(c if i in factors else slice(None) for i, c in enumerate(cell))
            average = means[index].reshape(-1, 5).mean(axis=0)
            part[cell] = average - sum(found[f][cell] for f in found if set(f) < set(factors))
        found[factors] = part
        np.testing.assert_allclose(marginalisation(means, factors), part, atol=1e-12)


@given(SIZES)
def test_contrasts_are_an_orthonormal_basis_with_the_degrees_of_freedom_of_each_set(levels):
    found = {f: contrasts(levels, f) for f in every(len(levels))}
    for factors, patterns in found.items():
        assert patterns.shape[1] == np.prod([levels[i] - 1 for i in factors])
    together = np.hstack(list(found.values()))
    np.testing.assert_allclose(together.T @ together, np.eye(np.prod(levels)), atol=1e-12)


def test_a_factor_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="2 is none of the 2 factors"):
        marginalisation(np.zeros((2, 3, 4)), [0, 2])


@pytest.mark.parametrize("factors", every(3))
def test_noise_is_the_trace_of_the_projected_covariance(factors):
    """Errors are correlated over time, and differ between conditions and neurons."""
    rng = np.random.default_rng(0)
    levels, n_times, n_neurons = (2, 3), 4, 5
    roots = rng.standard_normal((6, n_neurons, n_times, n_times))
    covariance = roots @ roots.swapaxes(-1, -2)  # of the mean of one condition and neuron
    projector = contrasts((*levels, n_times), factors)
    projector = (projector @ projector.T).reshape(6, n_times, 6, n_times)
    expected = sum(
        np.trace(projector[c, :, c] @ covariance[c, i]) for c in range(6) for i in range(n_neurons)
    )
    found = noise(covariance.sum(axis=(0, 1)), levels, factors)
    assert found == pytest.approx(expected)


def test_noise_without_time_goes_by_degrees_of_freedom():
    assert noise([[8.0]], (2, 2, 2), (0,)) == noise([[8.0]], (2, 2, 2), (0, 1, 2)) == 1.0
    assert noise([[6.0]], (2, 3), (0, 1)) == pytest.approx(2.0)


# --- demixed axes -------------------------------------------------------------------------------


def pieces(levels, axes, seed=1):
    """Means in which each marginalisation follows the axes (neuron, axis) given to it."""
    rng = np.random.default_rng(seed)
    latent = {}
    for f, axis in axes.items():
        patterns = contrasts(levels, f)
        latent[f] = rng.standard_normal((axis.shape[1], patterns.shape[1])) @ patterns.T
    return sum(axis @ latent[f] for f, axis in axes.items()), latent


@pytest.mark.parametrize("orthogonal", [True, False])
def test_known_axes_are_recovered_exactly_and_principal_components_mix_those_at_an_angle(
    orthogonal,
):
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((12, 3)))[0]
    if not orthogonal:  # 30 degrees between the axes of a and b
        axes[:, 1] = np.cos(np.pi / 6) * axes[:, 0] + 0.5 * axes[:, 1]
    given_axes = {(0,): axes[:, :1], (1,): axes[:, 1:2], (0, 1): axes[:, 2:]}
    x, latent = pieces((3, 4), given_axes)
    found = Demixer(x, {f: contrasts((3, 4), f) for f in given_axes}).fit(0.0, 5)
    for f, axis in given_axes.items():
        encoder, decoder = found[f]
        assert encoder.shape[1] == 1
        assert abs(encoder[:, 0] @ axis[:, 0]) == pytest.approx(1.0)
        sign = np.sign(encoder[:, 0] @ axis[:, 0])
        np.testing.assert_allclose(sign * (decoder @ x), latent[f], atol=1e-9)
    principal = np.linalg.svd(x)[0][:, :3]
    overlap = np.abs(principal.T @ axes).max(axis=0)
    assert overlap.min() == pytest.approx(1.0) if orthogonal else overlap.min() < 0.99


def test_with_enough_neurons_they_are_principal_components_of_each_marginalisation():
    x, patterns = world(40)
    found = Demixer(x, patterns).fit(0.0, 2)
    few = Demixer(x[:8], patterns).fit(0.0, 2)  # fewer than points: all cannot be told apart
    for f, b in patterns.items():
        principal = np.linalg.svd(x @ b @ b.T)[0][:, : min(2, b.shape[1])]
        np.testing.assert_allclose(np.abs((principal * found[f].encoder).sum(axis=0)), 1.0)
        np.testing.assert_allclose(
            found[f].decoder @ x, found[f].encoder.T @ (x @ b @ b.T), atol=1e-9
        )
        assert np.abs(few[f].decoder @ x[:8] - few[f].encoder.T @ (x[:8] @ b @ b.T)).max() > 0.1


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_agrees_with_least_squares_on_the_matrix_of_all_trials(penalty):
    """The equations of the paper, on single trials and with the penalty as further points."""
    rng, levels, n_trials, n_neurons = np.random.default_rng(0), (2, 3), 7, 9
    trials = rng.standard_normal((n_neurons, 6, n_trials)) + rng.standard_normal((n_neurons, 6, 1))
    trials -= trials.mean(axis=(1, 2), keepdims=True)
    x = trials.mean(axis=2)
    residual = (trials - x[:, :, None]).reshape(n_neurons, -1)
    patterns = {f: contrasts(levels, f) for f in every(2)[1:]}
    found = Demixer(x, patterns, residual @ residual.T / n_trials).fit(penalty, 2)
    extra = np.sqrt(penalty * n_trials) * np.eye(n_neurons)
    full = np.hstack([trials.reshape(n_neurons, -1), extra])
    for f, b in patterns.items():
        part = np.repeat(x @ b @ b.T, n_trials, axis=1)
        target = np.hstack([part, np.zeros((n_neurons, n_neurons))])
        slope = np.linalg.lstsq(full.T, target.T, rcond=None)[0].T
        u = np.linalg.svd(slope @ full)[0][:, : min(2, b.shape[1])]
        encoder, decoder = found[f]
        np.testing.assert_allclose(encoder @ decoder, u @ u.T @ slope, atol=1e-9)
        loss = np.sum((target - encoder @ decoder @ full) ** 2)
        for _ in range(20):  # no low-rank map nearby is better
            e, d = (m + 0.01 * rng.standard_normal(m.shape) for m in (encoder, decoder))
            assert np.sum((target - e @ d @ full) ** 2) > loss


def test_a_penalty_is_noise_that_all_neurons_have_alike():
    x, patterns = world(10)
    penalty = Demixer(x, patterns).fit(2.0, 3)
    scatter = Demixer(x, patterns, 2.0 * np.eye(10)).fit(0.0, 3)
    without = Demixer(x, patterns).fit(0.0, 3)
    for f in patterns:
        np.testing.assert_allclose(penalty[f].decoder, scatter[f].decoder, atol=1e-10)
        assert np.linalg.norm(penalty[f].decoder) < np.linalg.norm(without[f].decoder)


def test_without_a_penalty_the_smallest_solution_is_taken():
    x, patterns = world(30)
    for f, (encoder, decoder) in Demixer(x, patterns).fit(0.0, 9).items():
        part = x @ patterns[f] @ patterns[f].T
        smallest = np.linalg.lstsq(x.T, part.T, rcond=1e-10)[0].T
        np.testing.assert_allclose(encoder @ decoder, encoder @ encoder.T @ smallest, atol=1e-9)
        np.testing.assert_allclose(encoder @ decoder @ x, part, atol=1e-9)


def test_encoders_are_orthonormal_and_sorted_and_their_largest_entry_is_positive():
    x, patterns = world(20)
    demixer = Demixer(x, patterns, np.eye(20))
    for f, (encoder, decoder) in demixer.fit(1.0, 3).items():
        np.testing.assert_allclose(encoder.T @ encoder, np.eye(encoder.shape[1]), atol=1e-12)
        assert (encoder[np.abs(encoder).argmax(axis=0), range(encoder.shape[1])] > 0).all()
        fitted = ((decoder @ x) * (encoder.T @ x @ patterns[f] @ patterns[f].T)).sum(axis=1)
        assert (np.diff(fitted) <= 1e-9).all()


def test_what_is_explained_adds_up_and_never_exceeds_the_part():
    x, patterns = world(15)
    for f, (encoder, decoder) in Demixer(x, patterns, 5 * np.eye(15)).fit(1.0, 4).items():
        part = x @ patterns[f] @ patterns[f].T
        activity = decoder @ x
        found = explained(part, encoder, activity)
        left = np.sum((part - encoder @ activity) ** 2)
        assert found.sum() == pytest.approx(np.sum(part**2) - left)
        assert 0 < found.sum() < np.sum(part**2)
        assert explained(part, encoder, -activity).sum() < 0


def test_turning_the_neurons_turns_the_axes_and_stretching_one_does_more():
    x, patterns = world(12)
    turn = ortho_group.rvs(12, random_state=0)
    before = Demixer(x, patterns, np.eye(12)).fit(1.0, 2)
    after = Demixer(turn @ x, patterns, np.eye(12)).fit(1.0, 2)
    stretched = x * np.where(np.arange(12) == 3, 3.0, 1.0)[:, None]
    other = Demixer(stretched, patterns, np.eye(12)).fit(1.0, 2)
    for f, b in patterns.items():
        own = [explained(y @ b @ b.T, a[f].encoder, a[f].decoder @ y)
               for y, a in ((x, before), (turn @ x, after), (stretched, other))]  # fmt: skip
        np.testing.assert_allclose(own[0], own[1], atol=1e-9)
        assert np.abs(own[0] - own[2]).max() > 1e-3
        np.testing.assert_allclose(
            after[f].encoder @ after[f].decoder,
            turn @ before[f].encoder @ before[f].decoder @ turn.T,
            atol=1e-9,
        )


def test_a_part_that_is_not_there_has_no_component():
    x, patterns = world(6, (2, 2))
    b = patterns[0, 1]
    found = Demixer(x - x @ b @ b.T, patterns).fit(0.0, 3)
    assert found[0,].encoder.shape == (6, 1)
    silent = Demixer(np.zeros((6, 4)), patterns).fit(0.0, 3)
    assert all(a.encoder.shape == (6, 0) and a.decoder.shape == (0, 6) for a in silent.values())
