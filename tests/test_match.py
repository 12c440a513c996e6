"""Matching of found features with true ones: closed forms, all permutations, invariances."""

import warnings
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from neurogeom.features import FISTA, ExhaustiveL0, superposition
from neurogeom.formulas.match import (
    Match,
    correlation,
    cosine,
    dead_share,
    exact_support,
    latent_r2,
    match,
    mcc,
)

SIGNS = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])  # mean 0, variance 1


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_no_other_pairing_sums_to_more(seed, n_true, n_found):
    s = np.random.default_rng(seed).random((n_true, n_found))
    wide = s if n_true <= n_found else s.T
    best = max(
        wide[range(len(wide)), p].sum() for p in permutations(range(wide.shape[1]), len(wide))
    )
    assert match(s).similarity.sum() == pytest.approx(best)
    assert match(s).value == pytest.approx(best / n_true)
    assert match(s, over="fewer").value == pytest.approx(best / len(wide))


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_permutation_sign_and_scale_change_nothing_and_a_rotation_does(seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((500, 4))
    order, scale = rng.permutation(4), rng.choice([-1, 1], 4) * rng.uniform(0.1, 9, 4)
    found = mcc(z, 5 + z[:, order] * scale)
    assert found.value == pytest.approx(1.0)
    assert order[found.found].tolist() == [0, 1, 2, 3]
    turn = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    assert mcc(z, z @ turn).value < 0.999


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 4, 1.2])
def test_a_rotation_in_the_plane_costs_its_cosine(angle):
    z = np.random.default_rng(1).standard_normal((200_000, 2))
    c, s = np.cos(angle), np.sin(angle)
    expected = max(abs(c), abs(s))
    assert mcc(z, z @ [[c, s], [-s, c]]).value == pytest.approx(expected, abs=4 / np.sqrt(200_000))


def test_one_pair_of_five_turned_by_45_degrees_is_the_closed_form():
    z = np.random.default_rng(2).standard_normal((200_000, 5))
    turned = z.copy()
    turned[:, 0], turned[:, 1] = (z[:, 0] + z[:, 1]) / 2**0.5, (z[:, 0] - z[:, 1]) / 2**0.5
    assert mcc(z, turned).value == pytest.approx((3 + 2**0.5) / 5, abs=0.003)


def test_ranks_forgive_what_is_monotone_and_agree_with_scipy():
    rng = np.random.default_rng(3)
    z, noise = rng.standard_normal((300, 3)), rng.standard_normal((300, 3))
    assert mcc(z, z**3, kind="spearman").value == pytest.approx(1.0)
    assert mcc(z, z**3).value < 0.95
    both = spearmanr(z, z + noise).statistic[:3, 3:]
    np.testing.assert_allclose(correlation(z, z + noise, kind="spearman"), both, atol=1e-12)
    np.testing.assert_allclose(correlation(z, noise), np.corrcoef(z.T, noise.T)[:3, 3:], atol=1e-12)


def test_a_column_that_does_not_vary_matches_nothing_in_silence():
    z = np.random.default_rng(4).standard_normal((50, 2))
    dead = np.column_stack([z[:, 0], np.full(50, 0.1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mcc(z, dead)
    assert found.value == pytest.approx(0.5, abs=0.15)
    assert 0.0 in found.similarity


def test_missing_features_lower_the_mean_unless_only_pairs_count():
    z = np.random.default_rng(5).standard_normal((100, 4))
    assert mcc(z, z[:, :3]).value == pytest.approx(0.75)
    assert mcc(z, z[:, :3], over="fewer").value == pytest.approx(1.0)


def test_opposite_atoms_match_without_sign_and_do_not_with_it():
    a = np.random.default_rng(6).standard_normal((3, 5))
    assert match(cosine(a, -2 * a)).value == pytest.approx(1.0)
    assert np.diag(cosine(a, -2 * a, signed=True)).max() == 0.0
    assert cosine(a, np.zeros((1, 5))).max() == 0.0


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 2.0, -1.0])
def test_a_code_of_another_size_explains_what_the_square_says_and_scaled_everything(factor):
    found = latent_r2(SIGNS, factor * SIGNS[:, ::-1])
    np.testing.assert_allclose(found.similarity, 1 - (1 - factor) ** 2)
    assert found.found.tolist() == ([1, 0] if factor else [0, 1])
    again = latent_r2(SIGNS, factor * SIGNS[:, ::-1], scaled=True)
    assert again.value == pytest.approx(float(factor != 0))


def test_variance_explained_is_lost_to_a_shift_a_rotation_and_a_missing_code():
    assert latent_r2(SIGNS, SIGNS + 0.5).value == pytest.approx(0.75)
    c, s = np.cos(0.3), np.sin(0.3)
    turned = SIGNS @ [[c, s], [-s, c]]
    assert latent_r2(SIGNS, turned, scaled=True).value == pytest.approx(c**2)
    assert latent_r2(SIGNS, turned).value == pytest.approx(2 * c - 1)
    assert latent_r2(SIGNS, SIGNS[:, :1]).value == pytest.approx(0.5)
    assert latent_r2(SIGNS, SIGNS[:, :1], over="fewer").value == pytest.approx(1.0)
    crossed = Match(0.0, np.zeros(2), np.array([0, 1]), np.array([1, 0]))
    assert latent_r2(SIGNS, SIGNS, pairs=crossed).value == pytest.approx(-1.0)


def test_a_support_is_exact_with_no_active_code_too_many_or_too_few():
    true = np.array([[1.0, 0, 0], [0, 2, 0], [0, 0, 3], [1, 1, 0]])
    order = [2, 0, 1]
    assert exact_support(true, 0.1 * true[:, order]) == 1.0
    more = np.column_stack([true[:, order], [0, 0, 0.01, 0]])
    assert exact_support(true, more) == 0.75
    assert exact_support(true, more, tolerance=0.1) == 1.0
    assert exact_support(true, true[:, :2]) == 0.75  # without the third no sample of it
    assert exact_support(true, np.abs(true - 1)) == 0.0
    crossed = Match(0.0, np.zeros(3), np.arange(3), np.array([1, 0, 2]))
    assert exact_support(true, true, pairs=crossed) == 0.5


def test_dead_codes_are_those_that_no_sample_activates():
    codes = np.array([[0.0, 1e-9, -2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert dead_share(codes) == 0.5
    assert dead_share(codes, tolerance=1e-6) == 0.75


def test_inference_over_the_true_atoms_explains_985_and_exhaustive_search_finds_every_support():
    """Section 1.5: R2 .985 with the penalty of the paper, 100 % of supports."""
    x, sources, true = superposition(1024, seed=0)
    found = latent_r2(sources, FISTA(0.0025).encode(x, true), pairs=true.match(true))
    assert found.value == pytest.approx(0.985, abs=0.005)
    assert exact_support(sources[:40], ExhaustiveL0(3).encode(x[:40], true)) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: latent_r2(np.ones((3, 1)), np.eye(3)), "1 of 1 true latents do not vary"),
        (lambda: latent_r2(SIGNS, SIGNS, over="found"), "over='found' is unknown"),
        (lambda: latent_r2(SIGNS, SIGNS, pairs=mcc(np.eye(3), np.eye(3))), "not of 2 latents and"),
        (lambda: exact_support(SIGNS, SIGNS[:2]), "the same two samples"),
        (lambda: exact_support(SIGNS, SIGNS, tolerance=-1), "tolerance=-1 is not possible"),
        (lambda: dead_share([1.0]), r"give \(sample, code\)"),
        (lambda: match(np.zeros((0, 2))), "must be a filled matrix"),
        (lambda: match([[np.nan]]), "finite"),
        (lambda: match([[1.0]], over="found"), "over='found' is unknown"),
        (lambda: mcc(np.zeros((3, 1)), np.zeros((4, 1))), "the same two samples"),
        (lambda: mcc(np.zeros((3, 1)), np.full((3, 1), np.inf)), "not all finite"),
        (lambda: mcc(np.zeros((3, 1)), np.zeros((3, 1)), kind="kendall"), "is unknown"),
        (lambda: cosine(np.zeros((2, 3)), np.zeros((2, 4))), "the same neurons"),
        (lambda: cosine(np.zeros((2, 3)), np.full((2, 3), np.nan)), "not all finite"),
    ],
)
def test_what_cannot_be_matched_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_units_whose_squares_overflow_or_vanish_change_no_correlation():
    z = np.random.default_rng(0).standard_normal((50, 2))
    for unit in (1e200, 1e-200):  # correlated with nothing, or did not vary
        assert mcc(z, unit * z).value == pytest.approx(1)
        assert latent_r2(unit * z, 0.5 * unit * z).value == pytest.approx(0.75, abs=0.01)
        assert latent_r2(z, unit * z, scaled=True).value == pytest.approx(1)


def test_pairs_of_none_and_of_rows_counted_from_the_end_are_refused():
    z = np.random.default_rng(0).standard_normal((9, 2))
    for true in ([], [-1]):
        own = Match(1.0, np.ones(len(true)), np.array(true, int), np.zeros(len(true), int))
        with pytest.raises(ValueError, match="pairs are not of 2 latents and 2 codes"):
            latent_r2(z, z, pairs=own)
