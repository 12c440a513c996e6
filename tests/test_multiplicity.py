"""p-values by rank: never 0, exact for known surrogates, uniform under the null, corrected."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurogeom.engine.multiplicity import max_statistic, rank_p

NINE = np.arange(1.0, 10.0)  # nine surrogates: 1 to 9


# --- rank ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observed", "greater", "less", "both"),
    [
        (9.5, 1, 10, 2),
        (9.0, 2, 10, 4),  # a tie counts
        (5.0, 6, 6, 10),
        (4.5, 6, 5, 10),
        (1.0, 10, 2, 4),
        (0.5, 10, 1, 2),
    ],
)
def test_nine_surrogates_give_tenths(observed, greater, less, both):
    tenths = {"greater": greater, "less": less, "two-sided": both}
    for alternative, expected in tenths.items():
        p = rank_p(np.array(observed), NINE, alternative=alternative)
        assert p == pytest.approx(expected / 10)


def test_ties_within_rounding_count_as_ties():
    """Equal accuracies summed in another order differ in the last bits."""
    total = 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1
    assert total[0] != total[1]
    for observed in total:
        null = np.array([total[0], total[1], 0.0, 0.1])
        assert rank_p(np.array(observed), null, alternative="greater") == pytest.approx(3 / 5)
    assert rank_p(np.array(0.6), np.array([0.6 - 1e-12])) == 1.0
    assert rank_p(np.array(0.6), np.array([0.6 - 1e-6]), alternative="greater") == 0.5


def test_the_margin_orders_surrogates_whose_accuracy_ties():
    accuracy, margin = np.full(9, 0.75), np.arange(9.0)
    options = {"null_margin": margin, "alternative": "greater"}
    for own, tenths in ((8.5, 1), (8.0, 2), (3.5, 6), (-1.0, 10)):
        p = rank_p(np.array(0.75), accuracy, margin=np.array(own), **options)
        assert p == pytest.approx(tenths / 10)
    # and only those that tie
    p = rank_p(np.array(0.8), accuracy, margin=np.array(-1.0), **options)
    assert p == pytest.approx(1 / 10)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60))
@settings(max_examples=40)
def test_p_is_never_zero_and_never_above_one(seed, n):
    rng = np.random.default_rng(seed)
    observed, null = rng.normal(0, 5, 3), rng.normal(0, 1, (n, 3)).round(1)
    for alternative in ("two-sided", "greater", "less"):
        p = rank_p(observed, null, alternative=alternative)
        assert ((p >= 1 / (1 + n)) & (p <= 1)).all()
    assert (max_statistic(observed, null) >= 1 / (1 + n)).all()


def test_p_is_uniform_under_the_null():
    """With 199 surrogates every multiple of 1/200 is attained: P(p <= a) = a."""
    rng, n = np.random.default_rng(0), 8000
    observed, null = rng.standard_normal(n), rng.standard_normal((199, n))
    for alternative in ("two-sided", "greater", "less"):
        p = rank_p(observed, null, alternative=alternative)
        for level in (0.01, 0.05, 0.2, 0.5):
            error = np.sqrt(level * (1 - level) / n)
            assert abs((p <= level + 1e-9).mean() - level) < 4.5 * error


def test_what_is_not_defined_has_no_p():
    p = rank_p(np.array([np.nan, 2.0]), np.tile(NINE[:, None], (1, 2)))
    np.testing.assert_array_equal(np.isnan(p), [True, False])
    corrected = max_statistic(np.array([np.nan, 2.0]), np.tile(NINE[:, None], (1, 2)))
    np.testing.assert_array_equal(np.isnan(corrected), [True, False])


def test_surrogates_that_are_not_defined_are_no_evidence():
    """They count as extreme: a null that is lost must not read as significance."""
    null = np.where(np.arange(9) < 4, np.nan, 0.0)
    assert rank_p(np.array(1.0), null, alternative="greater") == pytest.approx(5 / 10)
    assert rank_p(np.array(1.0), np.full(9, np.nan)) == 1.0
    assert max_statistic(np.array([1.0]), np.full((9, 1), np.nan))[0] == 1.0


def test_an_unknown_alternative_is_named():
    with pytest.raises(ValueError, match=r"alternative='both' is unknown; choose from \['greater'"):
        rank_p(np.array(1.0), NINE, alternative="both")


# --- the largest deviation ----------------------------------------------------------------------


def families(n_families, n_questions, n_null, shared):
    """Observed (family, question) and surrogates (surrogate, family, question) under the null.

    The deviations of one surrogate share a factor across questions, as those of one population do.
    """
    rng = np.random.default_rng(1)

    def drawn(*shape):
        own = rng.standard_normal((*shape, n_questions))
        return np.sqrt(shared) * rng.standard_normal((*shape, 1)) + np.sqrt(1 - shared) * own

    scale = np.linspace(0.5, 5, n_questions)  # questions in different units
    return drawn(n_families) * scale + 0.5, drawn(n_null, n_families) * scale + 0.5


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_one_of_many_questions_is_called_significant_at_the_nominal_rate(shared):
    observed, null = families(1000, 6, 199, shared)
    p = np.array([max_statistic(o, n) for o, n in zip(observed, null.swapaxes(0, 1), strict=True)])
    rate = (p <= 0.05 + 1e-9).any(axis=1).mean()
    assert abs(rate - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 1000)
    uncorrected = (rank_p(observed, null) <= 0.05).any(axis=1).mean()
    assert uncorrected > 0.09  # what the correction is for


def test_questions_in_any_units_are_compared_fairly():
    """Each question is the most extreme of its family equally often; ties are left out."""
    observed, null = families(1000, 4, 99, 0.0)
    p = np.array([max_statistic(o, n) for o, n in zip(observed, null.swapaxes(0, 1), strict=True)])
    one = p[(p == p.min(axis=1, keepdims=True)).sum(axis=1) == 1]
    assert len(one) > 500
    share = np.bincount(one.argmin(axis=1), minlength=4) / len(one)
    assert np.abs(share - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / len(one))


def test_a_correction_over_time_and_questions_is_over_both():
    rng = np.random.default_rng(0)
    observed, null = rng.standard_normal((4, 3)), rng.standard_normal((99, 4, 3))
    observed[2, 1] = 6.0
    both = max_statistic(observed, null, axis=(0, 1))
    flat = max_statistic(observed.ravel(), null.reshape(99, 12))
    np.testing.assert_array_equal(both.ravel(), flat)
    rows = max_statistic(observed, null, axis=1)
    np.testing.assert_array_equal(rows[0], max_statistic(observed[0], null[:, 0]))
    assert both[2, 1] == 1 / 100
    assert (both >= rows).all()


def test_one_question_needs_no_correction():
    rng = np.random.default_rng(0)
    null = rng.standard_normal(999)
    for observed in (0.1, 1.0, 2.5):
        corrected, plain = max_statistic(np.array(observed), null), rank_p(np.array(observed), null)
        assert corrected == pytest.approx(plain, abs=4 * np.sqrt(plain / 999) + 2 / 999)


def test_a_corrected_p_is_never_below_its_own():
    observed, null = families(50, 5, 99, 0.3)
    for o, n in zip(observed, null.swapaxes(0, 1), strict=True):
        own = rank_p(o, n)
        assert (max_statistic(o, n, at_least=own) >= own).all()


def test_surrogates_without_spread_are_no_evidence():
    """All values equal, but for rounding: nothing deviates."""
    rounding = 1e-16 * np.arange(57).reshape(19, 3)
    assert (max_statistic(np.full(3, 0.5), 0.5 + rounding) == 1.0).all()
    assert (max_statistic(np.full(3, 0.5), np.full((19, 3), 0.5)) == 1.0).all()
