"""A population holds what was recorded: who was observed when, and who is independent of whom."""

import numpy as np
import pytest
from made_population import embedded, gathered, recording, unstructured

from neurogeom.activity import from_arrays, sessions, validate
from neurogeom.design import conditions
from neurogeom.engine.population import population

COUNTS = [5, 6, 7, 8, 5, 6, 7, 8]


def session(n_neurons=6, seed=0, **options):
    return recording(unstructured(8, n_neurons, seed), COUNTS, seed=seed, **options)


def hidden(x, neuron, trials):
    """The session with one neuron not observed on some trials."""
    values = x.values.copy()
    values[trials, neuron] = np.nan
    return x.copy(data=values)


def naive_rows(x, design, index=0):
    """Trials of every condition, by a loop over the trial table."""
    return [x.values[design.of_trial[index] == c] for c in range(design.n_conditions)]


# --- what is kept -------------------------------------------------------------------------------


def test_one_session_is_one_group_with_its_trials_sorted_by_condition():
    x = session()
    design, p = gathered(x)
    assert p.real_trials
    assert (p.n_groups, p.n_neurons, p.n_conditions) == (1, 6, 8)
    np.testing.assert_array_equal(p.counts, [COUNTS])
    rows = p.gather(np.arange(sum(COUNTS))[None])
    np.testing.assert_array_equal(rows, np.concatenate(naive_rows(x, design)))
    np.testing.assert_array_equal(p.condition, np.repeat(np.arange(8), COUNTS))
    assert p.n_observed == 6 * sum(COUNTS)


def test_moments_are_means_and_mean_squares_of_the_chosen_trials_alone():
    x = session()
    design, p = gathered(x)
    chosen = np.random.default_rng(0).random(sum(COUNTS)) < 0.6
    chosen[np.cumsum([0, *COUNTS[:-1]])] = True
    parts = np.split(chosen, np.cumsum(COUNTS)[:-1])
    rows = [r[c] for r, c in zip(naive_rows(x, design), parts, strict=True)]
    mean, square = p.moments(chosen)
    np.testing.assert_allclose(mean, [r.mean(axis=0) for r in rows], rtol=1e-12)
    np.testing.assert_allclose(square, [(r**2).mean(axis=0) for r in rows], rtol=1e-12)


def test_a_neuron_with_other_trials_is_a_group_of_its_own_with_its_own_counts():
    x = hidden(session(), 2, slice(0, 9))
    design, p = gathered(x)
    assert not p.real_trials
    assert sorted(p.width) == [1, 5]
    seen = np.isfinite(x.values)
    naive = [[(seen[:, n] & (design.of_trial[0] == c)).sum() for n in range(6)] for c in range(8)]
    by_neuron = p.counts_by_neuron[:, np.argsort(p.recorded[:, 1].astype(int))]
    np.testing.assert_array_equal(by_neuron, naive)


def test_neurons_below_the_threshold_are_dropped_and_counted():
    x = session()
    few = np.flatnonzero((x.a.values == 0) & (x.b.values == 0) & (x.c.values == 0))[1:]
    _, p = gathered(hidden(x, 3, few), min_trials=4)
    assert p.n_neurons == 5
    assert "3" not in p.recorded[:, 1]
    assert p.dropped == {"fewer than 4 trials in a condition": 1}
    assert p.kept_at == {"5": 5, "8": 0, "10": 0, "15": 0}


def test_constant_neurons_are_counted_and_have_no_say():
    x = session()
    silent = x.copy(data=np.where(np.arange(6) == 1, 0.0, x.values))
    _, p = gathered(silent)
    assert (p.n_neurons, p.n_constant) == (6, 1)
    with pytest.raises(ValueError, match="every neuron has the same activity on every trial"):
        gathered(x * 0)


def test_spread_of_trials_without_a_condition_does_not_matter():
    """Trials of no condition are no part of a neuron's group, observed or not."""
    x = session().assign_coords(a=("trial", session().a.values.astype(float)))
    x.a.values[:4] = np.nan
    _, p = gathered(hidden(x, 2, slice(0, 4)))
    assert p.n_groups == 1


# --- who is independent of whom -----------------------------------------------------------------


def test_a_neuron_lost_half_way_is_still_of_its_session():
    x = recording(unstructured(8, 6, 0), 12)
    _, p = gathered(hidden(x, 2, slice(0, 44)))
    assert (p.n_groups, p.n_units) == (2, 1)


@pytest.mark.parametrize(("shared", "n_units"), [(20, 2), (32, 2), (34, 1), (60, 1)])
def test_neurons_are_of_one_unit_if_they_share_more_than_half_of_their_trials(shared, n_units):
    """Of 128 trials each neuron is seen on 64, early and late, with some in the middle for both."""
    x = recording(unstructured(4, 2, 0), 32, sizes=(2, 2))
    start = 64 - shared
    x = hidden(x, 0, slice(64, None))
    x = hidden(hidden(x, 1, slice(0, start)), 1, slice(start + 64, None))
    _, p = gathered(x, ["a", "b"])
    assert (p.n_groups, p.n_units) == (2, n_units)


def test_neurons_recorded_apart_are_units_of_their_own():
    n = 4
    centroids = unstructured(8, n, 0)
    parts = [recording(centroids, 4, seed=i) for i in range(n)]
    values = np.full((32 * n, n), np.nan)
    for i, part in enumerate(parts):
        values[32 * i : 32 * (i + 1), i] = part.values[:, i]
    trial = {v: np.concatenate([p[v].values for p in parts]) for v in "abc"}
    _, p = gathered(from_arrays(values, trial=trial, session="s"))
    assert (p.n_groups, p.n_units) == (n, n)
    assert len(set(p.unit)) == n


def test_neurons_of_different_sessions_are_never_one_unit_though_their_trials_are_alike():
    _, p = gathered([session(session="s1"), session(session="s2", seed=1)])
    assert (p.n_groups, p.n_units) == (2, 2)
    assert len(set(p.keys)) == 2


def test_the_population_of_one_unit_is_that_of_its_session_alone():
    two = [session(session="s1"), hidden(session(session="s2", seed=1), 0, slice(0, 9))]
    _, both = gathered(two)
    for i, name in enumerate(("s1", "s2")):
        unit = int(both.unit[both.recorded[:, 0] == name][0])
        alone, part = gathered(two[i])[1], both.of_units([unit])
        for field in ("values", "width", "column", "trial0", "bounds", "keys", "order", "recorded"):
            np.testing.assert_array_equal(getattr(part, field), getattr(alone, field))


# --- surrogates of a population -----------------------------------------------------------------


def test_shifting_moves_condition_means_and_no_residual():
    _, p = gathered([hidden(session(), 1, slice(0, 9)), session(session="s2", seed=1)])
    shift = unstructured(8, 12, 5)
    before, after = p.moments(p.everything()), p.shifted(shift).moments(p.everything())
    np.testing.assert_allclose(after[0] - before[0], shift, atol=1e-12)
    np.testing.assert_allclose(after[1] - after[0] ** 2, before[1] - before[0] ** 2, atol=1e-12)


def test_shuffling_neurons_keeps_each_neuron_in_each_condition_and_breaks_correlations():
    shared = np.random.default_rng(0).standard_normal((sum(COUNTS), 1))
    x = session()
    _, p = gathered(x.copy(data=np.repeat(shared, 6, axis=1)))
    y = p.shuffled_neurons(np.random.default_rng(1)).values.reshape(-1, 6)
    for a, b in zip(p.bounds[0, :-1], p.bounds[0, 1:], strict=True):
        original = p.values.reshape(-1, 6)[a:b]
        np.testing.assert_array_equal(np.sort(y[a:b], axis=0), np.sort(original, axis=0))
    assert (np.ptp(y, axis=1) > 0).mean() > 0.9


# --- invariances --------------------------------------------------------------------------------


def test_order_of_sessions_trials_and_neurons_changes_nothing():
    two = [hidden(session(session="s1"), 1, slice(0, 9)), session(session="s2", seed=1)]
    rng = np.random.default_rng(0)
    mixed = [
        validate(x.isel(trial=rng.permutation(x.sizes["trial"]), neuron=rng.permutation(6)))
        for x in two[::-1]
    ]
    (_, p), (_, q) = gathered(two), gathered(mixed)
    for field in ("values", "bounds", "keys", "block", "unit", "recorded", "column", "width"):
        np.testing.assert_array_equal(getattr(p, field), getattr(q, field))


def test_random_streams_are_keyed_by_who_was_recorded():
    one, other = gathered(session(session="s1"))[1], gathered(session(session="s2"))[1]
    fewer = gathered(session(session="s1").isel(neuron=slice(0, 5)))[1]
    assert len({int(p.keys[0]) for p in (one, other, fewer)}) == 3


# --- errors -------------------------------------------------------------------------------------


def test_the_scarcest_condition_is_named_where_no_neuron_is_left():
    with pytest.raises(ValueError, match="no neuron has 6 trials.*the scarcest is a=0, b=0, c=0.*"
                       "at most 5 trials for a neuron; lower min_trials"):  # fmt: skip
        gathered(session(), min_trials=6)
    with pytest.raises(
        ValueError, match="min_trials=1 leaves nothing to hold out; give at least 2"
    ):
        gathered(session(), min_trials=1)


def test_axes_survive_embedding():
    """The helper of these tests: an embedded arrangement keeps all distances."""
    axes = np.array([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])
    placed = embedded(axes, 9, seed=3)
    np.testing.assert_allclose(placed @ placed.T, axes @ axes.T, atol=1e-12)


def test_sessions_without_a_condition_lend_their_neurons_to_none():
    """A session that lacks a condition has no neuron with enough trials; the others stay."""
    whole, partial = session(session="s1"), session(session="s2", seed=1)
    partial = partial.isel(trial=partial.a.values == 0)
    found = sessions([whole, partial])
    p = population(found, conditions(found, ["a", "b", "c"]), min_trials=2)
    assert set(p.recorded[:, 0]) == {"s1"}
    assert p.dropped == {"fewer than 2 trials in a condition": 6}


def test_a_trial_without_a_block_is_refused():
    x = session()
    block = np.arange(x.sizes["trial"]) // 5 + 0.0
    block[4] = np.nan
    with pytest.raises(ValueError, match="1 trials of session 's1' have no value in the block"):
        gathered(x.assign_coords(block=("trial", block)))
