"""Labels shuffled where trials come in blocks: whole blocks change levels, and drift is chance."""

import numpy as np
import pytest

import neurogeom as ng
from neurogeom.engine.block_shuffle import BlockShuffle, label_shuffle
from neurogeom.engine.nulls import LabelShuffle
from neurogeom.engine.setting import setting

SIZES = [5, 7, 6, 8, 5, 9, 6, 7, 8, 5, 7, 6]


def blocked(signal=0.0, drift=0.0, seed=0, sizes=SIZES, reward=False, n_neurons=12):
    """Blocks of one rule each, cues within: signal moves rules apart, drift moves blocks."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(len(sizes)), sizes)
    rule, cue = block % 2, np.concatenate([np.arange(n) % 2 for n in sizes])
    x = rng.standard_normal((len(block), n_neurons))
    x += signal * rule[:, None] + drift * rng.standard_normal((len(sizes), n_neurons))[block]
    trial = {"rule": rule, "cue": cue, "block": block}
    if reward:
        trial["reward"] = (block // 2) % 2
    return ng.from_arrays(x, trial=trial, session="one")


def shuffle_of(x, name, variables, **options):
    s = setting(x, variables, n_null=0, n_resamples=4, **options)
    (target,) = [t for t in s.targets() if t.name == name]
    classes, rank = np.empty((2, s.design.n_conditions), int)
    for context, row in enumerate(target.grid):
        classes[row], rank[row] = context, np.arange(len(row))
    return s, s.label_shuffle(split=True, classes=classes, rank=rank)


def column(s, name, condition):
    return s.design.table[condition, s.design.names.index(name)]


def test_a_block_of_one_level_moves_as_a_whole_and_keeps_what_the_classes_code():
    s, shuffle = shuffle_of(blocked(), "rule", ["rule", "cue"])
    p = s.population
    levels = []
    for draw in range(20):
        moved = shuffle.condition(draw)
        np.testing.assert_array_equal(column(s, "cue", moved), column(s, "cue", p.condition))
        rule = column(s, "rule", moved)
        held = [set(rule[p.block == b]) for b in range(len(SIZES))]
        assert all(len(h) == 1 for h in held)
        levels.append([h.pop() for h in held])
    levels = np.array(levels)
    assert (levels.sum(axis=1) == levels[0].sum()).all()  # as many blocks of each level
    assert len(np.unique(levels, axis=0)) > 10
    assert shuffle.arrangements == 924  # 12 choose 6


def test_each_block_gets_each_level_equally_often():
    _, shuffle = shuffle_of(blocked(), "rule", ["rule", "cue"])
    block, n = shuffle.population.block, 400
    first = [np.flatnonzero(block == b)[0] for b in range(len(SIZES))]
    of_rule = np.array([shuffle.rank[shuffle.condition(d)[first]] for d in range(n)])
    assert np.abs(of_rule.mean(axis=0) - 0.5).max() < 3.2 * 0.5 / np.sqrt(n)  # 12 shares


def test_the_other_variable_is_shuffled_within_its_blocks():
    s, shuffle = shuffle_of(blocked(), "cue", ["rule", "cue"])
    assert isinstance(shuffle, LabelShuffle)
    p, order = s.population, shuffle.order(1)
    np.testing.assert_array_equal(p.block[order], p.block)
    assert (order != p.order).any()


def test_blocks_of_different_values_of_another_variable_exchange_nothing():
    sizes = SIZES * 2
    s, shuffle = shuffle_of(blocked(sizes=sizes, reward=True), "rule", ["rule", "reward"])
    for draw in range(10):
        moved = shuffle.condition(draw)
        before = column(s, "reward", s.population.condition)
        np.testing.assert_array_equal(column(s, "reward", moved), before)
    assert len(shuffle._groups[0].strata) == 2


def test_surrogates_are_split_anew_by_whole_blocks():
    _, shuffle = shuffle_of(blocked(), "rule", ["rule", "cue"])
    for draw in range(5):
        population, resamples = shuffle.redrawn(draw)
        values = population.gather(population.order[None] * 0 + np.arange(sum(SIZES)))
        np.testing.assert_array_equal(
            np.sort(values, axis=0), np.sort(shuffle.population.values.reshape(values.shape), 0)
        )
        for r in resamples:
            sides = [set(population.block[rows[0]]) for rows in (r.train, r.test)]
            assert not sides[0] & sides[1]


def test_a_rule_that_blocks_hold_is_decoded_with_a_small_p():
    """Shuffled within blocks alone, nothing would move and p would be 1."""
    result = ng.decoding(
        blocked(signal=1.5), ["rule", "cue"], readout="nearest_mean", n_resamples=4, n_null=99
    )
    assert result.p_value.sel(variable="rule") <= 0.05
    assert result.p_value.sel(variable="cue") > 0.05
    other = ng.shattering(
        blocked(signal=1.5), ["rule", "cue"], readout="nearest_mean", n_resamples=4, n_null=99
    )
    assert other.dichotomy_p_value.min() <= 0.05


@pytest.mark.slow
def test_drift_of_blocks_is_no_rule():
    """Blocks differ, rules do not: rejected at the nominal level, not whenever blocks differ."""
    n = 120
    p = [
        float(
            ng.decoding(
                blocked(drift=1.0, seed=i),
                ["rule", "cue"],
                readout="nearest_mean",
                n_resamples=4,
                n_null=39,
                target="none",
            ).p_value.sel(variable="rule")
        )
        for i in range(n)
    ]
    share = np.mean(np.array(p) <= 0.05)
    assert share < 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / n)


def test_few_arrangements_are_said():
    x = blocked(signal=3.0, sizes=[8, 8, 8, 8])
    result = ng.decoding(x, ["rule"], readout="nearest_mean", n_resamples=4, n_null=39)
    assert any("6 arrangement(s) of the levels of rule" in n for n in result.attrs["notes"])


def test_without_blocks_trials_are_shuffled():
    s = setting(blocked().drop_vars("block"), ["rule", "cue"], n_null=0)
    n = s.design.n_conditions
    found = label_shuffle(s.population, np.zeros(n, int), np.arange(n), 0, None)
    assert isinstance(found, LabelShuffle)


def test_arrangements_that_cannot_be_split_are_refused_in_one_sentence():
    s = setting(blocked(), ["rule", "cue"], n_null=0)

    def never(population):
        raise ValueError("no folds")

    n = s.design.n_conditions
    shuffle = BlockShuffle(s.population, np.zeros(n, int), np.arange(n), 0, never)
    with pytest.raises(ValueError, match="whole blocks of trials leave a condition"):
        shuffle.redrawn(0)
