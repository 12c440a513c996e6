"""Conditions, contrasts and dichotomies are those that the trial table implies."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
from made_population import crossed, recording, unstructured

from neurogeom.activity import from_arrays, sessions
from neurogeom.design import balanced_dichotomies, conditions, pairwise, variable_names


def table(**columns):
    """One session of one neuron with these trial columns."""
    n = len(next(iter(columns.values())))
    return [from_arrays(np.arange(n)[:, None] * 1.0, trial=columns, session="s1")]


def design_of(*sizes, contrasts=(), drop=()):
    """A design whose variables have these numbers of levels, without the conditions in ``drop``."""
    levels = np.repeat(crossed(*sizes), 2, axis=0)
    keep = ~np.isin(np.repeat(np.arange(np.prod(sizes)), 2), drop)
    columns = dict(zip("abcdef", levels[keep].T, strict=False))
    options = {"empty": "drop"} if drop else {}
    return conditions(table(**columns), list(columns), contrasts, **options)


# --- conditions ---------------------------------------------------------------------------------


def test_conditions_are_all_combinations_and_every_trial_knows_its_own():
    rule, cue = ["stay", "go", "go", "stay", "go"], [1.5, 0.5, 1.5, 0.5, 0.5]
    design = conditions(table(rule=rule, cue=cue), ["rule", "cue"])
    assert design.levels == {"rule": ("go", "stay"), "cue": (0.5, 1.5)}
    assert [design.name_of(c) for c in range(4)] == [
        "rule=go, cue=0.5", "rule=go, cue=1.5", "rule=stay, cue=0.5", "rule=stay, cue=1.5",
    ]  # fmt: skip
    np.testing.assert_array_equal(design.of_trial[0], [3, 0, 1, 2, 0])
    np.testing.assert_array_equal(design.labels["rule"], ["go", "go", "stay", "stay"])
    assert design.dropped == {}


def test_levels_are_shared_by_sessions_whatever_a_session_lacks():
    one, two = (recording(unstructured(4, 3, 0), 3, session=s) for s in ("s1", "s2"))
    one = one.isel(trial=one.a.values == 0)
    design = conditions([one, two], ["a", "b"])
    assert set(design.of_trial[0]) == {0, 1}
    assert set(design.of_trial[1]) == {0, 1, 2, 3}


def test_a_mapping_merges_levels_bins_numbers_and_counts_what_is_left_out():
    speed = [1, 2, 3, 4, 5, 6, 7, 1]
    kind = ["x", "y", "z", "x", "y", "z", "x", "w"]
    variables = {"speed": {"slow": (None, 3), "fast": (3, 7)}, "kind": {"xy": ["x", "y"], "z": "z"}}
    design = conditions(table(speed=speed, kind=kind), variables, empty="drop")
    names = [design.name_of(c) for c in design.of_trial[0] if c >= 0]
    assert names == [
        "speed=slow, kind=xy", "speed=slow, kind=xy", "speed=fast, kind=z",
        "speed=fast, kind=xy", "speed=fast, kind=xy", "speed=fast, kind=z",
    ]  # fmt: skip
    assert (design.of_trial[0] < 0).sum() == 2
    assert design.dropped["speed is in none of its levels"] == 1  # 7 is outside [3, 7)
    assert design.dropped["kind is in none of its levels"] == 1
    assert variable_names(variables) == ["speed", "kind"]


def test_trials_without_a_label_are_left_out_and_counted():
    design = conditions(
        table(a=["l", "r", "", "r", "l"], b=[0.0, 1.0, 0.0, np.nan, 1.0]), ["a", "b"], empty="drop"
    )
    np.testing.assert_array_equal(design.of_trial[0] < 0, [False, False, True, True, False])
    assert design.dropped["a is missing"] == 1
    assert design.dropped["b is missing"] == 1


def test_empty_conditions_are_dropped_on_request_and_the_others_renumbered():
    design = design_of(2, 3, drop=[1, 3])
    assert design.n_conditions == 4
    np.testing.assert_array_equal(design.table, crossed(2, 3)[[0, 2, 4, 5]])
    np.testing.assert_array_equal(np.unique(design.of_trial[0]), np.arange(4))
    assert design.dropped["empty conditions"] == 2


# --- targets ------------------------------------------------------------------------------------


def test_a_variable_of_k_levels_is_all_its_pairs_with_the_later_level_on_the_plus_side():
    sides = pairwise("v", np.array([0, 1, 2, 1]), ("p", "q", "r"))
    assert [(s.low, s.high) for s in sides] == [("p", "q"), ("p", "r"), ("q", "r")]
    np.testing.assert_array_equal([s.side for s in sides],
                                  [[-1, 1, 0, 1], [-1, 0, 1, 0], [0, -1, 1, -1]])  # fmt: skip


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 2), (2, 3, 2), (3, 3)])
def test_matched_conditions_agree_in_everything_but_the_variable(sizes):
    design = design_of(*sizes)
    for column, target in enumerate(design.targets()):
        assert target.grid.shape == (design.n_conditions // sizes[column], sizes[column])
        assert sorted(target.grid.ravel()) == list(range(design.n_conditions))
        assert target.name not in target.contexts
        for row in target.grid:
            np.testing.assert_array_equal(design.table[row, column], np.arange(sizes[column]))
            assert len(np.unique(np.delete(design.table[row], column, axis=1), axis=0)) == 1


def test_a_context_that_lacks_a_level_is_not_matched():
    target = design_of(2, 3, drop=[1]).targets()[0]  # a=0, b=1 is empty: two contexts are left
    assert target.grid.shape == (2, 2)


def test_a_product_is_on_the_plus_side_where_its_variables_agree():
    design = design_of(2, 2, 2, contrasts=["a:b", "a:b:c"])
    two, three = design.targets()[3:]
    np.testing.assert_array_equal(two.sides[0].side, [1, 1, -1, -1, -1, -1, 1, 1])
    np.testing.assert_array_equal(three.sides[0].side, [-1, 1, 1, -1, 1, -1, -1, 1])
    assert two.contexts == ("a", "c")  # it takes the place of b, the last that it can replace
    assert three.contexts == ("a", "b")
    for target in (two, three):
        np.testing.assert_array_equal(target.sides[0].side[target.grid], [[-1, 1]] * 4)


def test_a_column_that_follows_from_the_variables_names_a_contrast():
    levels = np.repeat(crossed(2, 2), 3, axis=0)
    response = np.where(levels[:, 0] == levels[:, 1], "left", "right")
    design = conditions(
        table(a=levels[:, 0], b=levels[:, 1], response=response), ["a", "b"], ["response"]
    )
    target = design.targets()[-1]
    np.testing.assert_array_equal(target.sides[0].side, [-1, 1, 1, -1])
    assert target.labels == ("left", "right")
    assert target.contexts == ("a",)
    np.testing.assert_array_equal(design.labels["response"], ["left", "right", "right", "left"])


def test_a_contrast_that_replaces_no_variable_has_no_matched_conditions():
    levels = np.repeat(crossed(2, 2, 2), 2, axis=0)
    columns = dict(zip("abc", levels.T, strict=True)) | {"most": levels.sum(axis=1) >= 2}
    target = conditions(table(**columns), ["a", "b", "c"], ["most"]).targets()[-1]
    assert target.grid is None
    assert target.sides[0].side.sum() == 0


# --- dichotomies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "count"),
    [((2, 2), 3), ((3, 2), 10), ((2, 2, 2), 35), ((5, 2), 126), ((3, 2, 2), 462)],
)
def test_all_balanced_dichotomies_are_there_once(sizes, count):
    names, sides, total = balanced_dichotomies(design_of(*sizes), max_dichotomies=1000, seed=0)
    assert len(sides) == total == count
    assert (sides.sum(axis=1) == 0).all()
    assert len(np.unique(sides * sides[:, :1], axis=0)) == count
    assert len(set(names)) == count


def test_an_odd_number_of_conditions_is_divided_into_halves_that_differ_by_one():
    _, sides, total = balanced_dichotomies(design_of(3, 3), max_dichotomies=1000, seed=0)
    assert len(sides) == total == comb(9, 4)
    assert (np.abs(sides.sum(axis=1)) == 1).all()
    assert len(np.unique(sides * sides[:, :1], axis=0)) == len(sides)


def test_named_dichotomies_come_first_and_are_what_they_are_called():
    names, sides, _ = balanced_dichotomies(design_of(2, 2, 2), max_dichotomies=1000, seed=0)
    assert names[:8] == ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c", "dichotomy 1"]
    sign = 2 * crossed(2, 2, 2) - 1
    products = [sign[:, list(g)].prod(axis=1) for k in (1, 2, 3) for g in combinations(range(3), k)]
    np.testing.assert_array_equal(sides[:7], products)


def test_too_many_dichotomies_are_sampled_without_repeats_and_with_the_named_ones():
    design = design_of(2, 2, 2, 2)
    drawn = [balanced_dichotomies(design, max_dichotomies=60, seed=s) for s in (0, 0, 1)]
    names, sides, total = drawn[0]
    assert total == 6435
    assert len(sides) == 60
    assert names[:4] == ["a", "b", "c", "d"]
    assert len(np.unique(sides * sides[:, :1], axis=0)) == 60
    np.testing.assert_array_equal(sides, drawn[1][1])
    assert (sides[15:] != drawn[2][1][15:]).any()


# --- errors -------------------------------------------------------------------------------------

A, B = [0, 0, 1, 1, 0], [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("variables", "options", "error", "message"),
    [
        ("a", {}, TypeError, "is one string; give a list of names such as"),
        ([], {}, ValueError, "no variable is named; name at least one column"),
        ({}, {}, ValueError, "no variable is named; name at least one column"),
        (["a", "a"], {}, ValueError, "'a' is named twice; name each variable once"),
        (["a", "z"], {}, KeyError, r"'z' is not a column of the trials of .*; choose from \['a'"),
        (["same"], {}, ValueError, "'same' has the one level 3; name a variable with at least two"),
        (["many"], {}, ValueError, r"has 20 levels, more than 16; .* bin it.*--bins many=9.5"),
        (["words"], {}, ValueError, "'words' has 20 levels, more than 16; merge levels"),
        ({"a": {"all": [0, 1]}}, {}, ValueError, "must map at least two labels"),
        ({"a": {"x": [0], "y": [0, 1]}}, {}, ValueError, "level 'y' of 'a' overlaps another"),
        ({"a": {"x": [0], "y": [7]}}, {}, ValueError, "no trial has a in its level 'y'; look"),
        (["a", "b"], {"contrasts": ["a"]}, ValueError, "'a' is named twice, as variable and"),
        (["a", "b"], {"contrasts": ["noise"]}, ValueError, "takes several values in condition"),
        (["a", "b"], {"contrasts": ["same"]}, ValueError, "'same' has the one level 3"),
        (["a", "b"], {"contrasts": ["a:q"]}, KeyError, "'q' in contrast 'a:q' is not one"),
    ],
)  # fmt: skip
def test_errors_say_what_is_wrong_and_what_to_do(variables, options, error, message):
    levels = np.repeat([A, B], 4, axis=1)
    n = levels.shape[1]
    x = table(a=levels[0], b=levels[1], same=np.full(n, 3), many=np.arange(n),
              words=[f"w{i}" for i in range(n)], noise=np.arange(n) % 2)  # fmt: skip
    with pytest.raises(error, match=message):
        conditions(x, variables, **options)


def test_a_product_of_more_than_two_levels_is_refused():
    with pytest.raises(ValueError, match="'a:b' needs two-level variables; 'b' has 3"):
        design_of(2, 3, contrasts=["a:b"])


def test_an_empty_condition_is_named_and_contrasts_proposed_where_they_are_the_cure():
    a, b = np.repeat(crossed(2, 2), 2, axis=0).T
    with pytest.raises(
        ValueError, match=r"a=0, b=0, c=1; 'c' follows from the other var.*--contrasts"
    ):
        conditions(table(a=a, b=b, c=a ^ b), ["a", "b", "c"])
    c = np.array([0, 1] * 4)
    keep = ~((a == 0) & (b == 0) & (c == 1))
    with pytest.raises(ValueError, match="no trial has a=0, b=0, c=1; merge levels, name fewer"):
        conditions(table(a=a[keep], b=b[keep], c=c[keep]), ["a", "b", "c"])


def test_a_contrast_that_is_missing_in_a_condition_is_refused():
    a = np.repeat([0, 1], 3)
    x = table(a=a, r=["x", "y", "x", "", "", ""], b=[0, 1, 0, 1, 0, 1])
    with pytest.raises(ValueError, match="contrast 'r' is missing on every trial of a=1"):
        conditions(x, ["a", "b"], ["r"])


def test_order_of_sessions_does_not_matter():
    two = [recording(unstructured(4, 3, i), 3, session=f"s{i}", seed=i) for i in range(2)]
    forward, backward = (conditions(sessions(x), ["a", "b"]) for x in (two, two[::-1]))
    for one, other in zip(forward.of_trial, backward.of_trial, strict=True):
        np.testing.assert_array_equal(one, other)
