"""Interference of two variables: closed forms, its sign, its null, and what has no answer."""

import warnings

import numpy as np
import pytest
from made_population import crossed, embedded, gathered, recording, unstructured
from scipy.stats import norm

from neurogeom.engine import nulls
from neurogeom.measures.interference import _AxisFlip, interference

SIGN = 2 * crossed(2, 2) - 1.0
PLAIN = {"n_null": 0, "target": "none", "readout": "nearest_mean", "n_resamples": 4}


def _two(cosine, lengths, n_neurons, n_trials, seed, session="s1"):
    """Conditions at +-v/2 +-w/2, axes of these lengths (noise sd) and cosine."""
    root = np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]]) * np.array(lengths)[:, None]
    means = embedded(SIGN / 2 @ root, n_neurons, seed=seed)
    return recording(means, n_trials, seed=100 + seed, session=session)


def _apart(x):
    """The same trials, every neuron recorded in a session of its own."""
    return [
        x.isel(neuron=[i]).assign_coords(
            session=(("trial",), [f"t{i:02d}"] * len(x))
            if "trial" in x.session.dims
            else f"t{i:02d}"
        )
        for i in range(x.sizes["neuron"])
    ]


# --- truth --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cosine", [-0.8, 0.0, 0.6])
def test_a_readout_follows_the_other_variable_by_its_length_along_the_axis(cosine):
    """Many trials, few neurons: 1/2 sum over +-|v| of Phi((+-|v| + cos |w|) / 2)."""
    v, w = 2.0, 3.0

    def expected(own, other):
        return norm.cdf((np.array([own, -own]) + cosine * other) / 2).mean()

    found = np.array([
        interference(_two(cosine, (v, w), 4, 400, s), ["a", "b"], **PLAIN).estimate.values[0]
        for s in range(6)
    ])  # fmt: skip
    truth = np.array([(expected(v, w) + expected(w, v)) / 2, expected(v, w), expected(w, v)])
    error = found.std(axis=0, ddof=1) / np.sqrt(6)
    assert (np.abs(found.mean(axis=0) - truth) < 4 * error + 0.01).all()


@pytest.mark.parametrize("readout", ["svm", "lda"])
def test_the_sign_is_kept(readout):
    options = {**PLAIN, "readout": readout, "n_resamples": 2}
    along, against = (
        interference(_two(c, (3.0, 3.0), 10, 20, 0), ["a", "b"], **options).estimate.values[0]
        for c in (0.8, -0.8)
    )
    assert (along > 0.55).all()
    assert (against < 0.45).all()


def test_an_exclusive_or_code_interferes_with_nothing():
    means = embedded(SIGN.prod(axis=1, keepdims=True) * 3.0, 8)
    found = [
        interference(recording(means, 40, seed=s), ["a", "b"], **PLAIN).estimate.values[0]
        for s in range(8)
    ]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(8)
    assert (np.abs(np.mean(found, axis=0) - 0.5) < 4 * error + 1e-9).all()


# --- invariances --------------------------------------------------------------------------------


def test_exchanging_the_levels_of_a_variable_turns_the_answer_about_chance():
    x = _two(0.6, (2.0, 2.0), 8, [9, 7, 12, 6], 1)
    other = x.assign_coords(b=("trial", 1 - x.b.values))
    before, after = (interference(d, ["a", "b"], **PLAIN).estimate.values[0] for d in (x, other))
    # Names of levels order the conditions, and with them the draws: equal up to those.
    np.testing.assert_allclose(after + before, 1.0, atol=0.06)
    assert np.abs(before - 0.5).min() > 0.06


def test_both_ways_are_averaged_and_their_order_exchanges_them():
    x = _two(0.4, (2.0, 4.0), 8, 12, 2)
    forward = interference(x, ["a", "b"], **PLAIN).estimate.values[0]
    assert forward[0] == pytest.approx(forward[1:].mean(), rel=1e-12)
    assert forward[1] != forward[2]


def test_order_of_trials_and_neurons_changes_nothing():
    x = _two(0.4, (2.0, 3.0), 8, 12, 3)
    rng = np.random.default_rng(0)
    moved = x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(8))
    options = {**PLAIN, "n_null": 19, "null": "flip"}
    before, after = (interference(d, ["a", "b"], **options) for d in (x, moved))
    for field in ("estimate", "null", "p_value"):
        np.testing.assert_array_equal(before[field], after[field])


# --- the null -----------------------------------------------------------------------------------


def test_flips_keep_contexts_lengths_and_the_interaction_and_break_how_axes_lie():
    """Deviations within a context change sign neuron by neuron, the same in all contexts."""
    x = recording(unstructured(4, 30, 0, 2.0), 8)
    design, p = gathered(x, ["a", "b"])
    means = nulls.standardised(p, "none").means
    grid = design.targets()[1].grid  # (context, level) of b
    flip = _AxisFlip(means, grid, np.arange(30), 0)
    moved = means + flip.shift(3)
    np.testing.assert_allclose(moved[grid].mean(axis=1), means[grid].mean(axis=1), atol=1e-12)
    before, after = (m[grid[:, 1]] - m[grid[:, 0]] for m in (means, moved))
    sign = after / before
    np.testing.assert_allclose(np.abs(sign), 1.0, atol=1e-9)
    np.testing.assert_allclose(sign[0], sign[1], atol=1e-9)
    assert -0.9 < sign[0].mean() < 0.9
    np.testing.assert_allclose(after @ after.T, before @ before.T, atol=1e-9)
    assert not np.allclose(flip.shift(4), flip.shift(3))


def test_units_recorded_together_flip_together():
    means = unstructured(4, 12, 0)
    unit = np.repeat(np.arange(3), 4)
    shift = _AxisFlip(means, np.array([[0, 1], [2, 3]]), unit, 0).shift(0)
    flipped = (np.abs(shift) > 0).all(axis=0)
    assert (flipped.reshape(3, 4).all(axis=1) | ~flipped.reshape(3, 4).any(axis=1)).all()


def test_axes_alike_are_told_from_chance_and_independent_ones_are_not():
    rng = np.random.default_rng(0)
    options = {**PLAIN, "n_null": 99, "null": "flip", "n_resamples": 2}
    p = []
    for seed in range(20):
        means = SIGN @ rng.standard_normal((2, 30)) * 0.35
        x = recording(means, 8, seed=seed)
        p.append(interference(x, ["a", "b"], **options).p_value.values[0, 0])
    assert sum(q <= 0.05 for q in p) <= 5  # probability of more: 0.0003
    v, w = rng.standard_normal((2, 30)) * 0.5
    x = recording(SIGN @ np.array([v, v + 0.2 * w]), 20, seed=9)
    assert interference(x, ["a", "b"], **options).p_value.values[0, 0] == 0.02


def test_surrogates_of_flips_average_to_chance():
    x = _two(0.8, (3.0, 3.0), 30, 10, 4)
    null = interference(x, ["a", "b"], **{**PLAIN, "n_null": 200, "null": "flip"}).null.values
    observed = interference(x, ["a", "b"], **PLAIN).estimate.values
    # The noise of the trials stays where it is, and with it a small offset.
    assert (np.abs(null.mean(axis=0) - 0.5) < 0.07).all()
    assert (observed > 0.6).all()


def test_the_null_follows_how_neurons_were_recorded():
    one = _two(0.0, (3.0, 3.0), 8, 8, 5)
    options = {**PLAIN, "n_null": 9, "n_resamples": 1}
    together = interference(one, ["a", "b"], **options)
    assert np.isnan(together.p_value).all()
    assert "none: 1 unit(s) recorded together of the 6" in together.null_method.values[0, 0]
    eight = [_two(0.0, (3.0, 3.0), 3, 8, s, session=f"s{s}") for s in range(8)]
    assert (
        "flipped by session" in interference(eight, ["a", "b"], **options).null_method.values[0, 0]
    )
    apart = interference(_apart(one), ["a", "b"], **options)
    assert "flipped by neuron, alike" in apart.null_method.values[0, 0]
    labels = interference(one, ["a", "b"], **{**options, "null": "labels"})
    assert "labels of the tested variable shuffled" in labels.null_method.values[0, 0]
    assert np.isfinite(labels.p_value).all()


# --- what has no answer -------------------------------------------------------------------------


def test_three_levels_have_a_reason():
    x = recording(unstructured(6, 8, 0), 8, sizes=(3, 2), names="ab")
    found = interference(x, ["a", "b"], **PLAIN)
    assert np.isnan(found.estimate).all()
    assert set(found.attrs["reasons"].values()) == {"'a' has more than two levels"}


@pytest.mark.parametrize("n_trials", [2, 3])
def test_few_trials_and_constant_neurons_give_numbers_without_a_warning(n_trials):
    means = np.hstack([unstructured(4, 5, 0, 2.0), np.full((4, 1), 2.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = recording(means, n_trials, seed=0)
        x = x.copy(data=np.where(np.arange(6) == 5, 2.0, x.values))
        found = interference(x, ["a", "b"], min_trials=2, **PLAIN)
    assert ((found.estimate >= 0) & (found.estimate <= 1)).all()


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        (["a"], {}, "'a' alone interferes with nothing; name another"),
        (["a", "b"], {"null": "rotate"}, r"null='rotate' is unknown for interference; choose"),
        (["a", "b"], {"readout": "tree"}, "readout='tree' is unknown"),
    ],
)
def test_errors_say_what_is_wrong_and_what_to_do(variables, options, message):
    with pytest.raises(ValueError, match=message):
        interference(recording(unstructured(4, 5, 0), 6), variables, **{**PLAIN, **options})
