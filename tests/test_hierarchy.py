"""Strings of a random hierarchy and tables modulo a number, against rules written once more."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurogeom.networks import make_task
from neurogeom.networks.hierarchy import grammar

PAPER = {"n_classes": 8, "n_symbols": 8, "n_rules": 4, "n_levels": 3, "branching": 2}
SMALL = {"n_classes": 3, "n_symbols": 4, "n_rules": 2, "n_levels": 2, "branching": 2}


def rules_of(**options):
    return grammar(**{**SMALL, "seed": 0, **options})


def expanded(rules, symbol, level=0):
    """All strings of a symbol, by the definition."""
    if level == len(rules.rules):
        return [(symbol,)]
    found = []
    for parts in rules.rules[level][symbol]:
        below = [expanded(rules, int(part), level + 1) for part in parts]
        found += [sum(own, ()) for own in product(*below)]
    return found


@pytest.mark.parametrize("options", [{}, {"n_levels": 1}, {"branching": 3, "n_rules": 3},
                                     {"n_levels": 3, "n_classes": 2}])  # fmt: skip
def test_the_strings_are_all_that_the_rules_make_each_once(options):
    rules = rules_of(**options)
    label, strings = rules.string(np.arange(rules.n_strings))
    by_definition = {
        string: symbol for symbol in range(rules.n_classes) for string in expanded(rules, symbol)
    }
    assert len(by_definition) == rules.n_strings  # no two classes share one
    assert {
        tuple(s): y for s, y in zip(strings.tolist(), label.tolist(), strict=True)
    } == by_definition


def test_there_are_as_many_strings_as_the_formula_says():
    rules = grammar(**PAPER, seed=0)
    assert (rules.length, rules.n_choices, rules.n_strings) == (8, 7, 131072)


@given(
    seed=st.integers(0, 2**32), n_levels=st.integers(1, 4), branching=st.integers(2, 3),
    n_rules=st.integers(1, 4), n_symbols=st.integers(4, 9), n_classes=st.integers(2, 4),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_every_string_is_read_back_to_its_class(seed, **sizes):
    assume(sizes["branching"] ** sizes["n_levels"] < 30)  # strings that can be counted
    rules = grammar(**sizes, seed=seed)
    index = np.random.default_rng(seed).integers(rules.n_strings, size=50)
    label, strings = rules.string(index)
    np.testing.assert_array_equal(rules.parse(strings), label)


def test_what_no_rule_makes_has_no_class():
    rules = rules_of()
    every = np.array(list(product(range(4), repeat=4)))
    _, strings = rules.string(np.arange(rules.n_strings))
    known = {tuple(s) for s in strings.tolist()}
    found = rules.parse(every) >= 0
    np.testing.assert_array_equal(found, [tuple(s) in known for s in every.tolist()])
    assert 0 < found.sum() == rules.n_strings < len(every)


def test_synonyms_can_be_exchanged_and_single_symbols_cannot():
    """What the model is for: the class hangs on pairs, and not on any one symbol."""
    rules = grammar(**PAPER, seed=1)
    label, strings = rules.string(np.arange(0, rules.n_strings, 7))
    of_pair = {tuple(pair): s for s, own in enumerate(rules.rules[-1].tolist()) for pair in own}
    other = strings.copy()
    for row, own in zip(other, strings, strict=True):
        row[:2] = rules.rules[-1][of_pair[tuple(own[:2])], 0]
    np.testing.assert_array_equal(rules.parse(other), label)
    assert (other != strings).any()
    changed = strings.copy()
    changed[:, 0] = (changed[:, 0] + 1) % 8
    assert (rules.parse(changed) != label).mean() > 0.5


def test_the_task_shows_strings_and_asks_for_their_class():
    task = make_task("random-hierarchy", **SMALL)
    rules = rules_of()
    trials = task.enumerate(5, seed=1)
    label, strings = rules.string(trials.conditions["index"])
    shown = trials.inputs[:, 0].reshape(len(label), rules.length, 4)
    np.testing.assert_array_equal(shown.argmax(-1), strings)
    assert (shown.sum(-1) == 1).all()
    np.testing.assert_array_equal(trials.targets[:, 0].argmax(-1), label)
    np.testing.assert_array_equal(trials.conditions["label"], label)
    assert np.bincount(label).tolist() == [5, 5, 5]


def test_strings_are_drawn_evenly_and_other_rules_make_others():
    task = make_task("random-hierarchy", **SMALL)
    index = task.sample(9600, np.random.default_rng(0)).conditions["index"]
    count = np.bincount(index, minlength=rules_of().n_strings)
    expected = 9600 / len(count)
    assert ((count - expected) ** 2 / expected).sum() < len(count) + 5 * np.sqrt(2 * len(count))
    other = make_task("random-hierarchy", **SMALL, rules_seed=1)
    a, b = (t.enumerate(3, seed=0).inputs for t in (task, other))
    assert (a != b).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_rules": 9}, "4 symbols with 9 rules each need 36 of the 16 tuples"),
        ({"branching": 1}, "branching=1 is not possible; give a whole number of 2"),
        ({"n_classes": 1}, "n_classes=1 is not possible; give a whole number of 2"),
        ({"n_levels": 8}, "too many to count; make it smaller"),
    ],
)
def test_rules_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        make_task("random-hierarchy", **{**SMALL, **options})


# --- modular arithmetic ---------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["add", "subtract", "multiply"])
def test_results_are_those_of_the_operation(operation):
    task = make_task("modular", modulus=7, operation=operation)
    trials = task.enumerate(1)
    a, b = (trials.inputs[:, 0, s].argmax(-1) for s in (slice(0, 7), slice(7, 14)))
    by_hand = {"add": a + b, "subtract": a + 7 - b, "multiply": a * b}[operation] % 7
    np.testing.assert_array_equal(trials.targets[:, 0].argmax(-1), by_hand)
    np.testing.assert_array_equal(trials.conditions["result"], by_hand)
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == trials.n_trials == 49
    assert (trials.inputs.sum(-1) == 2).all()


@given(share=st.floats(0.1, 0.9), seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_what_is_shown_and_what_is_held_out_make_the_whole(share, seed):
    shown, rest = (
        set(make_task("modular", modulus=6, part=p, share=share, split_seed=seed).factors["pair"])
        for p in ("shown", "held_out")
    )
    assert len(shown) == round(share * 36)
    assert shown | rest == set(range(36))
    assert not shown & rest


def test_trials_come_from_their_part_alone():
    task = make_task("modular", modulus=6, part="held_out", share=0.8)
    drawn = task.sample(500, np.random.default_rng(0)).conditions["pair"]
    assert set(drawn.tolist()) == set(task.factors["pair"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operation": "divide"}, "choose from .'add', 'subtract', 'multiply'."),
        ({"part": "test"}, "'all', 'shown', 'held_out'"),
        ({"share": 1.0}, "share=1.0 is not possible; give a finite number"),
        ({"modulus": 1}, "modulus=1 is not possible; give a whole number of 2"),
    ],
)
def test_tables_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        make_task("modular", **options)
