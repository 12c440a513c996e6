"""What each surrogate keeps, and what it breaks: faults that error rates do not see."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_population import gathered, recording, unstructured

from neurogeom.engine import nulls
from neurogeom.engine.nulls import CodingVectors, Geometric, LabelShuffle, SwapTrials, haar

GRID = np.array([[0, 4], [1, 5], [2, 6], [3, 7]])  # contexts of a, (context, level)
UNIT = np.repeat([0, 1, 2], [4, 5, 3])
MODES = ["flip", "rotate"]


def means(seed=0, n_neurons=12):
    return 3 + unstructured(8, n_neurons, seed, scale=2.0)


def coding(x):
    """Midpoints and coding vectors of every context, both (context, neuron)."""
    return (x[GRID[:, 0]] + x[GRID[:, 1]]) / 2, x[GRID[:, 1]] - x[GRID[:, 0]]


def moved(mode, draw=0, *, unit=UNIT, seed=0, of=None):
    of = means() if of is None else of
    return of + CodingVectors(of, GRID, unit, mode, seed).shift(draw)


# --- coding vectors, kept -----------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@given(draw=st.integers(0, 500), seed=st.integers(0, 50))
@settings(max_examples=20)
def test_midpoints_and_the_mean_and_spread_of_every_neuron_are_kept(mode, draw, seed):
    before, after = means(seed), moved(mode, draw, seed=seed, of=means(seed))
    np.testing.assert_allclose(coding(after)[0], coding(before)[0], atol=1e-10)
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose((after**2).mean(axis=0), (before**2).mean(axis=0), atol=1e-9)


@given(draw=st.integers(0, 500))
@settings(max_examples=20)
def test_a_flip_keeps_every_length_and_covariance_within_a_unit(draw):
    v, w = coding(means())[1], coding(moved("flip", draw))[1]
    for u in range(3):
        for k in range(4):
            a, b = v[k, u == UNIT], w[k, u == UNIT]
            np.testing.assert_allclose(np.outer(b, b), np.outer(a, a), atol=1e-10)


@given(draw=st.integers(0, 500))
@settings(max_examples=20)
def test_a_rotation_keeps_the_covariance_of_coding_vectors_within_a_unit(draw):
    v, w = coding(means())[1], coding(moved("rotate", draw))[1]
    for u in range(3):
        a, b = v[:, u == UNIT], w[:, u == UNIT]
        np.testing.assert_allclose(b.T @ b, a.T @ a, atol=1e-10)


def test_a_condition_that_is_not_matched_stays():
    of = unstructured(9, 12, 0)
    shift = CodingVectors(of, GRID, UNIT, "flip", 0).shift(3)
    np.testing.assert_array_equal(shift[8], 0)


def test_three_levels_turn_about_the_midpoint_of_their_context():
    of, grid = unstructured(6, 12, 0), np.array([[0, 2, 4], [1, 3, 5]])
    for draw in range(6):
        y = of + CodingVectors(of, grid, UNIT, "flip", 0).shift(draw)
        for row in grid:
            before, after = (a[row] - a[row].mean(axis=0) for a in (of, y))
            for u in range(3):
                one, other = before[:, u == UNIT], after[:, u == UNIT]
                assert min(np.abs(other - one).max(), np.abs(other + one).max()) < 1e-12


# --- coding vectors, broken ---------------------------------------------------------------------


def drawn_signs(n_draws, unit=UNIT):
    """Signs of flips (draw, context, unit), read off the moved coding vectors."""
    v = coding(means())[1]
    first = [np.flatnonzero(unit == u)[0] for u in range(unit.max() + 1)]
    w = np.array([coding(moved("flip", d, unit=unit))[1] for d in range(n_draws)])
    return np.sign(w / v)[:, :, first]


def test_every_context_and_every_unit_has_a_sign_of_its_own():
    """All 12 signs are balanced and uncorrelated over draws; 66 + 12 numbers within 4.5 sd."""
    signs = drawn_signs(2000).reshape(2000, -1)
    assert np.abs(signs.mean(axis=0)).max() < 4.5 / np.sqrt(2000)
    together = signs.T @ signs / 2000 - np.eye(12)
    assert np.abs(together).max() < 4.5 / np.sqrt(2000)


def test_neurons_of_a_unit_flip_together():
    v, w = coding(means())[1], coding(moved("flip", 5))[1]
    for u in range(3):
        assert (np.ptp(np.sign(w / v)[:, u == UNIT], axis=1) == 0).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("unit", [UNIT, np.arange(12)], ids=["unit", "neuron"])
def test_parallel_codes_lose_their_direction(mode, unit):
    """The cosine of two contexts is 1 in the data, and 0 on average over draws."""
    of = means()
    of[4:] = of[:4] + np.random.default_rng(1).standard_normal(12)
    vectors = np.array([coding(moved(mode, d, unit=unit, of=of))[1] for d in range(1500)])
    products = np.einsum("dkn,dln->dkl", vectors, vectors)
    for one, other in zip(*np.triu_indices(4, 1), strict=True):
        values = products[:, one, other]
        assert abs(values.mean()) < 4.5 * values.std() / np.sqrt(1500)
        assert values.std() > 0.1 * np.mean(products[:, one, one])


@pytest.mark.parametrize("mode", MODES)
def test_moved_vectors_point_anywhere_on_average_nowhere(mode):
    """A QR whose signs are not fixed would leave a mean direction."""
    vectors = np.array([coding(moved(mode, d))[1] for d in range(2000)])
    mean, sd = vectors.mean(axis=0), vectors.std(axis=0)
    assert np.abs(mean / sd).max() < 4.8 / np.sqrt(2000)  # 48 numbers


def test_a_rotation_changes_angles_and_single_lengths_and_differs_between_units():
    v, w = coding(means())[1], coding(moved("rotate", 1))[1]
    grams = []
    for u in range(3):
        a, b = v[:, u == UNIT], w[:, u == UNIT]
        assert np.abs(np.diag(a @ a.T) - np.diag(b @ b.T)).max() > 0.1
        grams.append(b @ np.linalg.pinv(a))
    assert np.abs(grams[0] - grams[1]).max() > 0.1


@pytest.mark.parametrize("n", [2, 4])
def test_haar_matrices_are_orthogonal_and_uniform(n):
    q = haar(n, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(
        q @ q.transpose(0, 2, 1), np.broadcast_to(np.eye(n), q.shape), atol=1e-12
    )
    assert np.abs(q.mean(axis=0)).max() < 4.5 / np.sqrt(n * 4000)  # each entry has variance 1 / n
    second = (q**2).mean(axis=0) - 1 / n
    assert np.abs(second).max() < 4.5 * (q**2).std(axis=0).max() / np.sqrt(4000)
    assert abs(np.linalg.det(q).mean()) < 4.5 / np.sqrt(4000)  # reflections as often as rotations


# --- random geometry ----------------------------------------------------------------------------


@given(draw=st.integers(0, 500))
@settings(max_examples=20)
def test_random_geometry_keeps_the_grand_mean_and_the_variance_between_conditions(draw):
    before = means()
    after = before + Geometric(before, 0).shift(draw)
    np.testing.assert_allclose(after.mean(axis=0), before.mean(axis=0), atol=1e-10)
    total = [((m - m.mean(axis=0)) ** 2).sum() for m in (before, after)]
    assert total[1] == pytest.approx(total[0])


def test_random_geometry_spreads_variance_evenly_over_neurons_and_conditions():
    before = means() * np.linspace(0.5, 2, 12)
    drawn = np.array([before + Geometric(before, 0).shift(d) for d in range(1000)])
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    by_neuron, by_condition = (centred**2).sum(axis=1), (centred**2).sum(axis=2)
    for share in (by_neuron, by_condition):
        error = share.std(axis=0) / np.sqrt(1000)
        assert (np.abs(share.mean(axis=0) - share.mean()) < 4.5 * error).all()


def test_residual_axes_are_permuted_in_each_condition_on_its_own():
    axes = Geometric(means(), 0).axes(7)
    np.testing.assert_array_equal(np.sort(axes, axis=1), np.tile(np.arange(12), (8, 1)))
    assert len(np.unique(axes, axis=0)) == 8
    assert (axes != Geometric(means(), 0).axes(8)).any()


# --- trials that change places ------------------------------------------------------------------

COUNTS = [5, 6, 7, 8, 5, 6, 7, 8]


def sessions(n=2, **options):
    """A population of n sessions with Poisson counts."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        x = recording(np.zeros((8, 4)), COUNTS, seed=i, session=f"s{i}", **options)
        found.append(x.copy(data=rng.poisson(3.0, x.shape).astype(float)))
    return gathered(found)[1]


def rows_of(p, order):
    """Trials of every group in their order, list of (trial, neuron)."""
    spans = zip(p.trial0[:-1], p.trial0[1:], p.start, p.width, strict=True)
    return [p.values[s : s + (b - a) * w].reshape(b - a, w)[order[a:b]] for a, b, s, w in spans]


def sorted_trials(x):
    return x[np.lexsort(x.T)]


ALL, CONTEXTS = np.zeros(8, int), np.array([0, 1, 2, 3, 0, 1, 2, 3])


@pytest.mark.parametrize("classes", [ALL, CONTEXTS])
def test_shuffled_labels_keep_whole_trials_in_their_group_and_class(classes):
    p = sessions()
    shuffle = LabelShuffle(p, classes, 0)
    for draw in range(5):
        order = shuffle.order(draw)
        for g, (before, after) in enumerate(
            zip(rows_of(p, p.order), rows_of(p, order), strict=True)
        ):
            cls = classes[np.repeat(np.arange(8), p.counts[g])]
            for c in np.unique(classes):
                same = sorted_trials(before[cls == c]), sorted_trials(after[cls == c])
                np.testing.assert_array_equal(*same)
            assert (before != after).any()


def test_each_position_gets_each_trial_of_its_class_equally_often():
    p = sessions(1)
    shuffle, n = LabelShuffle(p, CONTEXTS, 0), 2000
    orders = np.array([shuffle.order(d) for d in range(n)])
    mine = np.flatnonzero(np.isin(p.condition, [0, 4]))  # 10 trials of one context
    share = (orders[:, mine, None] == mine).mean(axis=0)
    assert share.sum(axis=1) == pytest.approx(1)
    assert np.abs(share - 0.1).max() < 4.8 * np.sqrt(0.1 * 0.9 / n)  # 100 numbers


def test_groups_and_classes_are_shuffled_independently():
    p = gathered([recording(np.zeros((8, 4)), 6, seed=i, session=f"s{i}") for i in range(2)])[1]
    shuffle, n = LabelShuffle(p, CONTEXTS, 0), 400
    orders = np.array([shuffle.order(d) for d in range(n)])
    parts = [orders[:, :48], orders[:, 48:]]
    ranks = [
        [np.argsort(o[:, np.isin(p.condition[:48], [c, c + 4])], axis=1) for c in range(4)]
        for o in parts
    ]
    for one, other in ((ranks[0][0], ranks[1][0]), (ranks[0][0], ranks[0][1])):
        agree = (one == other).mean()
        assert abs(agree - 1 / 12) < 4.5 * np.sqrt(1 / 12 * 11 / 12 / n)  # 12 dependent shares


def test_shuffles_stay_within_a_block_that_spans_conditions():
    p = sessions(block=lambda condition, trial: trial * 4 // len(trial))
    order = LabelShuffle(p, ALL, 0).order(3)
    for a, b in zip(p.trial0[:-1], p.trial0[1:], strict=True):
        block = p.block[a:b]
        np.testing.assert_array_equal(block[order[a:b]], block)
    assert (order != p.order).any()


def equal_sessions(n=3):
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        x = recording(np.zeros((8, 4)), 6, seed=i, session=f"s{i}")
        found.append(x.copy(data=rng.poisson(3.0, x.shape).astype(float)))
    return gathered(found)[1]


def test_swapped_trials_keep_the_counts_of_every_neuron_in_every_pair():
    p = equal_sessions()
    swap = SwapTrials(p, GRID, 0)
    for draw in range(5):
        order = swap.order(draw)
        for g, (before, after) in enumerate(
            zip(rows_of(p, p.order), rows_of(p, order), strict=True)
        ):
            for pair in GRID:
                a, b = (slice(*p.bounds[g, c : c + 2]) for c in pair)
                kept = np.array_equal(before[a], after[a]) and np.array_equal(before[b], after[b])
                changed = np.array_equal(before[a], after[b]) and np.array_equal(
                    before[b], after[a]
                )
                assert kept != changed  # whole trials, all of a session, or none


def test_pairs_and_sessions_are_swapped_half_of_the_time_and_independently():
    p = equal_sessions()
    swap, n = SwapTrials(p, GRID, 0), 1500
    first = p.trial0[:-1, None] + p.bounds[:, GRID[:, 0]]
    swapped = np.array([swap.order(d)[first] != p.order[first] for d in range(n)]).reshape(n, -1)
    signs = 2.0 * swapped - 1
    assert np.abs(signs.mean(axis=0)).max() < 4.5 / np.sqrt(n)
    assert np.abs(signs.T @ signs / n - np.eye(12)).max() < 4.5 / np.sqrt(n)


def test_swaps_need_equal_trials_in_a_pair():
    p = sessions(1)
    assert SwapTrials(p, GRID, 0).order(0).size == sum(COUNTS)  # counts of c and c + 4 are equal
    with pytest.raises(
        ValueError, match="null='swap' needs two levels with equal numbers of tri.*use"
    ):
        SwapTrials(p, np.array([[0, 1], [2, 3]]), 0)


# --- streams ------------------------------------------------------------------------------------


def test_a_draw_is_the_same_whatever_was_drawn_before_it_and_another_for_another_seed():
    p = sessions()
    for make in (
        lambda s: CodingVectors(means(), GRID, UNIT, "flip", s).shift,
        lambda s: CodingVectors(means(), GRID, UNIT, "rotate", s).shift,
        lambda s: Geometric(means(), s).shift,
        lambda s: LabelShuffle(p, ALL, s).order,
    ):
        fresh, used = make(0), make(0)
        used(1)
        np.testing.assert_array_equal(fresh(4), used(4))
        assert (fresh(4) != fresh(5)).any()
        assert (make(1)(4) != fresh(4)).any()


def test_lengths_are_compared_without_their_noise():
    """Equal lengths, more noise in one context: 1000 has an error of 117 there."""
    centroids = np.zeros((4, 1000))
    centroids[2:] = 1.0
    x = recording(centroids, 10, seed=0, sizes=(2, 2), noise=0.0)
    noise = (
        np.random.default_rng(0).standard_normal(x.shape)
        * np.where(x.b.values == 1, 3.0, 0.3)[:, None]
    )
    _, p = gathered(x.copy(data=x.values + noise), ["a", "b"])
    standard = nulls.standardised(p, "none")
    grid = np.array([[0, 2], [1, 3]])
    naive = ((standard.means[grid[:, 1]] - standard.means[grid[:, 0]]) ** 2).sum(axis=1)
    assert naive.max() / naive.min() > 2.5
    assert nulls.length_ratio(standard, grid) < 1 + 4 * 0.12


def test_silent_neurons_are_no_dimension_of_random_geometry():
    """They get no variance, no residual, and change nothing for the others."""
    before = means().copy()
    before[:, [2, 5]] = 0.0
    with_silent, without = Geometric(before, 0), Geometric(np.delete(before, [2, 5], 1), 0)
    for draw in range(3):
        shift, axes = with_silent.shift(draw), with_silent.axes(draw)
        assert not shift[:, [2, 5]].any()
        np.testing.assert_allclose(np.delete(shift, [2, 5], 1), without.shift(draw))
        np.testing.assert_array_equal(axes[:, [2, 5]], np.tile([2, 5], (len(before), 1)))
        np.testing.assert_array_equal(np.sort(axes, axis=1), np.tile(np.arange(12), (8, 1)))


def test_trials_are_swapped_by_unit_whatever_neurons_of_it_missed():
    """Two neurons lost a trial each of both conditions: another group, the same recording."""
    x = recording(np.zeros((8, 6)), 12, seed=0)
    values = x.values.copy()
    condition = 4 * x.a.values + 2 * x.b.values + x.c.values
    for c in range(8):
        values[np.flatnonzero(condition == c)[0], :2] = np.nan
    p = gathered([x.copy(data=values)])[1]
    assert (p.n_groups, p.n_units) == (2, 1)
    grid = np.array([[0, 4], [1, 5], [2, 6], [3, 7]])
    swap = SwapTrials(p, grid, 0)
    for draw in range(8):
        moved = swap.order(draw) != p.order
        condition = p.condition
        parts = [
            [moved[a:b][condition[a:b] == row[0]].any() for row in grid]
            for a, b in zip(p.trial0[:-1], p.trial0[1:], strict=True)
        ]
        assert parts[0] == parts[1]
