"""Surrogates go through the pipeline of the data: same resamples, scaling, solver and averages."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from made_population import gathered, recording, unstructured

from neurogeom.engine import by_session, nulls
from neurogeom.engine.experiment import Draws, Experiment
from neurogeom.engine.multiplicity import rank_p
from neurogeom.engine.nulls import CodingVectors, Geometric, LabelShuffle
from neurogeom.engine.problems import held_out_pairs, within
from neurogeom.engine.readouts import LDA, SVM, NearestMean, Ridge
from neurogeom.engine.resampling import resamples
from neurogeom.engine.sample import Sample, shifted

GRID = np.array([[0, 4], [1, 5], [2, 6], [3, 7]])
SIDE = np.repeat([-1, 1], 4)
READOUTS = [NearestMean(), SVM(), Ridge(), LDA(0.1)]


def population(n_sessions, counts=(5, 6, 7, 8, 5, 6, 7, 8), n_neurons=9, **options):
    x = [
        recording(unstructured(8, n_neurons, i), list(counts), seed=i, session=f"s{i}", **options)
        for i in range(n_sessions)
    ]
    return gathered(x)[1]


def experiment(p, which, *, split=False, scale="resample", n_resamples=3):
    made = resamples(p, n_resamples=n_resamples, n_pseudo=None, seed=0, split=split)
    problems = within([SIDE]) if split else held_out_pairs(SIDE, GRID)
    return Experiment(Draws(p, made, scale), problems, np.zeros(len(problems), int), which)


def surrogate(p, mode="flip", scale="resample"):
    return CodingVectors(nulls.standardised(p, scale).means, GRID, p.unit, mode, 0)


class Nothing:
    """A surrogate that changes nothing."""

    def __init__(self, p):
        self.population = p

    def shift(self, draw):
        return np.zeros((self.population.n_conditions, self.population.n_neurons))

    def order(self, draw):
        return self.population.order


# --- the same pipeline --------------------------------------------------------------------------


@pytest.mark.parametrize("which", READOUTS)
@pytest.mark.parametrize("n_sessions", [1, 2])
@pytest.mark.parametrize("scale", ["resample", "none", "split"])
def test_a_surrogate_that_changes_nothing_scores_what_the_data_score(which, n_sessions, scale):
    """Fewer resamples, another tolerance or another average in the null would show here."""
    p = population(n_sessions)
    for of, split in ((nulls.of_moves, False), (nulls.of_orders, False), (nulls.of_orders, True)):
        e = experiment(p, which, split=split, scale=scale)
        observed = e.average(e.observe())
        found = of(e, Nothing(p), 3)[:2]
        np.testing.assert_allclose(found[0], np.tile(observed[0], (3, 1)), atol=1e-12)
        np.testing.assert_allclose(found[1], np.tile(observed[1], (3, 1)), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("which", READOUTS)
@pytest.mark.parametrize("mode", ["flip", "rotate"])
@pytest.mark.parametrize("n_sessions", [1, 2])
@pytest.mark.parametrize("scale", ["resample", "none"])
def test_moved_grams_score_what_moved_populations_score(which, mode, n_sessions, scale):
    """The population is moved for real, and every step is done again."""
    p = population(n_sessions)
    e, s = experiment(p, which, scale=scale), surrogate(p, mode, scale)
    inverse = nulls.standardised(p, scale).inverse
    fast = nulls.of_moves(e, s, 4)[:2]
    for draw in range(4):
        slow = e.average(e.repeat(p.shifted(s.shift(draw) / inverse)))
        np.testing.assert_allclose(fast[0][draw], slow[0], atol=1e-10)
        np.testing.assert_allclose(fast[1][draw], slow[1], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("which", [NearestMean(), SVM()])
def test_moved_grams_agree_where_blocks_make_trials_split(which):
    """Training and test rows differ here, so that cross products move on both sides."""
    p = population(1, counts=[12] * 8, block=lambda c, t: t * 4 // len(t))
    e, s = experiment(p, which, scale="none"), surrogate(p, "rotate", "none")
    assert not e.draws.resamples[0].same
    fast = nulls.of_moves(e, s, 3)[0]
    slow = [e.average(e.repeat(p.shifted(s.shift(d))))[0] for d in range(3)]
    np.testing.assert_allclose(fast, slow, atol=1e-10)


@pytest.mark.parametrize("n_sessions", [1, 2])
def test_a_batch_of_surrogates_is_what_they_are_one_by_one(n_sessions):
    """Nearest mean goes by overlaps alone where it is recognised; here it is not."""

    p = population(n_sessions)
    s = surrogate(p)

    class Alone:
        decide = NearestMean().decide

    batch, single = (nulls.of_moves(experiment(p, r), s, 70)[:2] for r in (NearestMean(), Alone()))
    np.testing.assert_allclose(batch[0], single[0], atol=1e-12)
    np.testing.assert_allclose(batch[1], single[1], atol=1e-10)


@pytest.mark.parametrize("which", [NearestMean(), SVM()])
def test_samples_that_do_not_fit_in_memory_are_made_again_and_are_the_same(which, monkeypatch):
    from neurogeom.engine import experiment as module

    p = population(2)
    kept = nulls.of_moves(experiment(p, which), surrogate(p), 3)[:2]
    monkeypatch.setattr(module, "MOST_BYTES", 0)
    again = experiment(p, which)
    assert not isinstance(again.draws.samples, list)
    np.testing.assert_array_equal(nulls.of_moves(again, surrogate(p), 3)[:2], kept)


def test_one_draw_serves_all_resamples_and_all_splits():
    calls = []

    class Counted(Nothing):
        def shift(self, draw):
            calls.append(draw)
            return super().shift(draw)

    p = population(2)
    nulls.of_moves(experiment(p, SVM(), n_resamples=5), Counted(p), 6)
    assert calls == list(range(6))


@pytest.mark.parametrize("which", [NearestMean(), SVM()])
def test_shuffled_trials_go_through_every_step_again(which):
    """The same as a population whose trials were exchanged before it was gathered."""
    p = population(1)
    order = LabelShuffle(p, np.zeros(8, int), 0).order(0)
    values = p.values.reshape(-1, p.n_neurons)[order]
    really = replace(p, values=values.ravel())
    e = experiment(p, which, split=True)
    (found,) = nulls.of_orders(e, LabelShuffle(p, np.zeros(8, int), 0), 1)[0]
    again = experiment(really, which, split=True)
    np.testing.assert_allclose(found, again.average(again.observe())[0], atol=1e-12)


@pytest.mark.parametrize("apart", [False, True])
def test_every_array_of_a_moved_sample_is_that_of_moved_trials(apart):
    rng = np.random.default_rng(0)
    bounds = np.cumsum([0, 3, 5, 4])
    train, test, shift = (rng.standard_normal((n, 6)) for n in (12, 12, 3))
    base = Sample(train, bounds, test, bounds) if apart else Sample(train, bounds)
    c = base.condition_of
    moved = [x + shift[c] for x in (train, test)]
    real = Sample(moved[0], bounds, moved[1], bounds) if apart else Sample(moved[0], bounds)
    _, fast = shifted(base, np.array([2 * shift, shift]))
    for name in ("train", "test", "gram", "cross", "means", "overlap", "mean_gram"):
        np.testing.assert_allclose(getattr(fast, name), getattr(real, name), atol=1e-12)


# --- random geometry in the pipeline ------------------------------------------------------------


def test_random_geometry_permutes_residuals_and_keeps_their_size():
    """Read off the samples that the readout is given."""
    p = population(1)
    standard = nulls.standardised(p, "resample")
    seen = []

    class Watching:
        def decide(self, sample, sign, weight):
            seen.append(sample)
            return NearestMean().decide(sample, sign, weight)

    e = experiment(p, Watching())
    nulls.of_moves(e, Geometric(standard.means, 0), 2)
    (base,) = e.draws.samples
    for moved in seen[-2:]:
        before, after = (s.train - s.means[s.condition_of] for s in (base, moved))
        np.testing.assert_allclose(np.sort(after, axis=1), np.sort(before, axis=1), atol=1e-10)
        used = set()
        for c in range(8):
            mine = base.condition_of == c
            match = np.abs(before[mine].T[:, None] - after[mine].T[None]).max(axis=2) < 1e-9
            np.testing.assert_array_equal(match.sum(axis=0), 1)  # whole neurons, one order
            used.add(tuple(match.argmax(axis=0)))
        assert len(used) == 8  # of its own in every condition
        spread = [((s.means - s.means.mean(axis=0)) ** 2).sum() for s in (base, moved)]
        assert spread[1] == pytest.approx(spread[0])


# --- exact tests --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([1, 2, 3, 4, 5, 6], 2 / 64),
        ([-1, -2, -3, -4, -5, -6], 2 / 64),
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        ([0.5, 2, 3, 4, 5, 6, -0.25], 2 * 2 / 128),  # one pattern is more extreme than the observed
        ([1, -1, 1, -1, 1, -1], 1.0),
    ],
)
def test_sign_flips_over_sessions_are_exact(values, p):
    observed, null = by_session.test(np.array(values, float)[:, None], n_null=999, seed=0)
    assert len(null) == 2 ** len(values) - 1
    assert rank_p(observed, null)[0] == pytest.approx(p)


def test_sign_flips_of_many_sessions_are_drawn():
    values = np.random.default_rng(0).standard_normal((14, 1))
    observed, null = by_session.test(values, n_null=5000, seed=0)
    assert null.shape == (5000, 1)
    assert observed[0] == pytest.approx(values.mean())
    error = np.sqrt((values**2).sum()) / 14
    assert abs(null.mean()) < 4 * error / np.sqrt(5000)
    assert null.std() == pytest.approx(error, rel=4 / np.sqrt(2 * 5000))


# --- error rates --------------------------------------------------------------------------------


def unaligned(seed):
    """One data set without aligned coding vectors, contexts coded strongly, any pair held out."""
    rng = np.random.default_rng(seed)
    context = 1.2 * rng.standard_normal((2, 60))
    centroids = np.tile(context, (2, 1)) + 0.35 * rng.standard_normal((4, 60))
    p = gathered(recording(centroids, 12, seed=seed, sizes=(2, 2)), ["a", "b"])[1]
    made = resamples(p, n_resamples=1, n_pseudo=None, seed=0, split=False)
    any_pair = held_out_pairs(np.array([-1, -1, 1, 1]), list(product((2, 3), (0, 1))))
    e = Experiment(Draws(p, made), any_pair, np.zeros(4, int), NearestMean())
    return e, nulls.standardised(p, "resample").means


def flips(means):
    return CodingVectors(means, np.array([[0, 2], [1, 3]]), np.arange(60), "flip", 0)


def test_surrogates_of_coding_vectors_score_what_unaligned_data_score():
    """About 0.25 with strong contexts, and not 0.5, which is what random geometry would say."""
    difference, geometric = [], []
    for seed in range(25):
        e, means = unaligned(seed)
        observed = e.average(e.observe())[0][0]
        difference.append(observed - nulls.of_moves(e, flips(means), 50)[0].mean())
        if seed < 8:
            geometric.append(observed - nulls.of_moves(e, Geometric(means, 0), 25)[0].mean())
    error = np.std(difference, ddof=1) / np.sqrt(25)
    assert abs(np.mean(difference)) < 4 * error < 0.1
    assert np.mean(geometric) < -0.1


@pytest.mark.slow
def test_coding_vector_nulls_hold_their_level():
    """300 data sets: a level of 0.05 has a standard error of 0.013."""
    p_values = []
    for seed in range(300):
        e, means = unaligned(seed)
        observed, margin = e.average(e.observe())
        values, margins = nulls.of_moves(e, flips(means), 199)[:2]
        p_values.append(rank_p(observed, values, margin=margin, null_margin=margins)[0])
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.085


@pytest.mark.slow
def test_random_geometry_is_no_null_where_any_pair_is_held_out_and_contexts_are_strong():
    """Coding vectors that are unaligned: their own null holds its level, the other does not.

    Held out with any pair they read 0.26-0.30 on average, not 0.5, since what contexts code leads
    the readout astray; that is why ``null="geometric"`` is for matched pairs alone.
    """
    grid, side = np.array([[0, 2], [1, 3]]), np.array([1, 1, -1, -1], np.int8)
    every = held_out_pairs(side, [(a, b) for a in (0, 1) for b in (2, 3)])
    estimates, p = [], []
    for i in range(120):
        means = np.random.default_rng(i).standard_normal((4, 60)) * 2 / np.sqrt(120)
        middle = means[grid].mean(axis=1)
        means[grid] += 2 * (middle - middle.mean(axis=0))[:, None]  # contexts three times apart
        drawn = gathered([recording(means, 12, seed=i)], ["a", "b"])[1]
        made = resamples(drawn, n_resamples=1, n_pseudo=None, seed=0, split=False)
        e = Experiment(Draws(drawn, made, "resample"), every, np.zeros(4, int), NearestMean())
        observed, margin = e.average(e.observe())
        standard = nulls.standardised(drawn, "resample").means
        both = (CodingVectors(standard, grid, np.arange(60), "flip", i), Geometric(standard, i))
        found = [nulls.of_moves(e, each, 99) for each in both]
        estimates.append(observed[0])
        p.append([rank_p(observed, f.values, margin=margin, null_margin=f.margins) for f in found])
    flips, geometric = (np.array(p)[:, :, 0] <= 0.05).mean(axis=0)
    assert 0.22 < np.mean(estimates) < 0.34
    assert flips < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / 120)
    assert geometric > 0.3
