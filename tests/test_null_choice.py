"""Which null is used follows from how neurons were recorded: the table of situations by rows."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from made_population import recording, unstructured

import neurogeom as ng
from neurogeom.engine import by_session
from neurogeom.engine.choice import able, choose

PAIRS2, PAIRS4 = np.array([[0, 2], [1, 3]]), np.arange(8).reshape(2, 4).T


def population(*sizes):
    """Who is independent of whom, which is all that the choice may look at."""
    unit = np.repeat(np.arange(len(sizes)), sizes)
    return SimpleNamespace(unit=unit, n_units=len(sizes), n_neurons=len(unit))


TOGETHER, APART = population(40), population(*[1] * 40)


# --- by situation -------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [PAIRS2, PAIRS4])
@pytest.mark.parametrize("null", [None, "coding_vectors"])
def test_six_sessions_flip_the_sign_of_each_session(grid, null):
    found = choose(population(*[8] * 6), grid, 1.0, null=null)
    assert (found.kind, found.also) == ("sessions", None)


@pytest.mark.parametrize("sizes", [[8] * 5, [8] * 5 + [4], [8] * 6 + [1] * 20])
def test_fewer_sessions_or_sessions_of_few_neurons_do_not(sizes):
    assert choose(population(*sizes), PAIRS4, 1.0).kind == "rotate"


def test_sessions_are_not_flipped_where_chance_is_not_one_half():
    found = choose(population(*[8] * 6), PAIRS4, 1.0, held_out="any")
    assert found.kind == "rotate"


@pytest.mark.parametrize(("ratio", "kind"), [(1.2, "rotate"), (9.0, "flip"), (np.inf, "flip")])
def test_simultaneous_sessions_are_rotated_if_contexts_are_coded_alike_else_flipped(ratio, kind):
    found = choose(population(12, 9, 11), PAIRS4, ratio)
    assert found.kind == kind
    np.testing.assert_array_equal(found.unit, np.repeat([0, 1, 2], [12, 9, 11]))
    assert "by session" in found.text


def test_too_few_flips_for_five_percent_are_rotated_instead():
    """Two contexts in B sessions have 2^B distinct flips: five cannot reach 0.05, six can."""
    assert choose(population(*[8] * 5), PAIRS2, 9.0, held_out="any").kind == "rotate"
    assert choose(population(*[8] * 6), PAIRS2, 9.0, held_out="any").kind == "flip"
    with pytest.raises(
        ValueError, match="flips of 2 contexts in 5 sessions have too few.*'rotate'"
    ):
        choose(population(*[8] * 5), PAIRS2, 1.0, null="flip")
    assert choose(population(*[8] * 6), PAIRS2, 1.0, null="flip").kind == "flip"


@pytest.mark.parametrize("ratio", [1.0, 9.0])
@pytest.mark.parametrize("grid", [PAIRS2, PAIRS4])
def test_neurons_recorded_apart_are_flipped_one_by_one(grid, ratio):
    found = choose(APART, grid, ratio)
    assert (found.kind, found.also) == ("flip", None)
    np.testing.assert_array_equal(found.unit, np.arange(40))
    assert "recorded apart" in found.text


@pytest.mark.parametrize("ratio", [1.0, 9.0])
def test_one_population_in_four_contexts_is_rotated_as_one(ratio):
    found = choose(TOGETHER, PAIRS4, ratio)
    assert (found.kind, found.also, found.notes) == ("rotate", None, ())
    assert set(found.unit) == {0}


def test_one_population_in_two_contexts_says_what_it_cannot_tell():
    found = choose(TOGETHER, PAIRS2, 1.0)
    assert (found.kind, found.also) == ("rotate", "flip")
    assert "cannot tell an abstract code from a low-dimensional one" in found.notes[0]
    beside = choose(TOGETHER, PAIRS2, 1.0, null="flip")
    np.testing.assert_array_equal(beside.unit, np.arange(40))  # by neuron, as if recorded apart
    assert "assume neurons that are independent" in beside.notes[0]


def test_networks_are_sessions():
    """One network is a population recorded together; six are six sessions."""
    assert choose(TOGETHER, PAIRS4, 1.0).kind == "rotate"
    assert choose(population(*[128] * 6), PAIRS4, 1.0).kind == "sessions"


def test_a_session_is_able_with_five_neurons():
    np.testing.assert_array_equal(able(population(4, 5, 1, 9)), [1, 3])


# --- on request ---------------------------------------------------------------------------------


@pytest.mark.parametrize("null", ["rotate", "swap", "sessions", "geometric"])
def test_a_null_that_is_named_is_used(null):
    assert choose(population(*[8] * 6), PAIRS4, 9.0, null=null).kind == null


def test_errors_say_what_to_use():
    with pytest.raises(ValueError, match="null='magic' is unknown; choose from .*'coding_vectors'"):
        choose(TOGETHER, PAIRS4, 1.0, null="magic")
    with pytest.raises(ValueError, match="null='geometric' is for held_out='matched' alone"):
        choose(TOGETHER, PAIRS4, 1.0, null="geometric", held_out="any")
    for one, held_out in ((population(*[8] * 5), "matched"), (population(*[8] * 6), "any")):
        with pytest.raises(
            ValueError, match="null='sessions' needs held_out='matched' and at leas"
        ):
            choose(one, PAIRS4, 1.0, null="sessions", held_out=held_out)


# --- and in the results -------------------------------------------------------------------------

MEASURES = [ng.ccgp, ng.parallelism]


def several(n_sessions, n_conditions=8, n_neurons=6, **options):
    return [
        recording(unstructured(n_conditions, n_neurons, i), 5, seed=i, session=f"s{i}", **options)
        for i in range(n_sessions)
    ]


def answer(measure, x, variables, **options):
    if measure is ng.ccgp:
        options |= {"readout": "nearest_mean", "n_resamples": 2}
    return measure(x, list(variables), n_null=19, target="animals", **options)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("n_sessions", "n_conditions", "text"),
    [
        (1, 8, "coding vectors rotated over contexts, by the one population"),
        (1, 4, "coding vectors rotated over contexts, by the one population"),
        (3, 8, "coding vectors .* by session"),
        (6, 8, "exact sign flip over sessions"),
    ],
)
def test_results_say_which_null_it_was(measure, n_sessions, n_conditions, text):
    found = answer(measure, several(n_sessions, n_conditions), "abc"[: 2 + (n_conditions == 8)])
    assert all(re.fullmatch(text, m) for m in found.null_method.values)
    assert ("p_if_independent" in found) == (n_conditions == 4)
    assert any("cannot tell" in n for n in found.attrs["notes"]) == (n_conditions == 4)


@pytest.mark.parametrize("measure", MEASURES)
def test_six_sessions_have_63_sign_flips_and_a_statistic_of_their_own(measure):
    found = answer(measure, several(6), "abc")
    assert found.sizes["surrogate"] == 63
    chance = 0.5 if measure is ng.ccgp else 0.0
    flips = np.concatenate([found.statistic.values[None], found.null.values]) - chance
    # A sign pattern and its opposite: the 64 values are symmetric about chance.
    np.testing.assert_allclose(np.sort(flips, axis=0), np.sort(-flips, axis=0), atol=1e-12)


def test_ties_of_session_accuracies_are_broken_by_the_margin(monkeypatch):
    """Coarse accuracies tie with many of their sign flips, margins on one side with none."""
    accuracy, margin = np.array([0.75] * 2 + [0.5] * 4)[:, None], np.arange(1.0, 7.0)[:, None]
    monkeypatch.setattr(by_session, "values", lambda *_: (accuracy, margin))
    found = answer(ng.ccgp, several(6), "abc").p_value
    # of 64 patterns 16 tie in accuracy, of which one reaches the margin: the observed one
    np.testing.assert_allclose(found, 2 / 64)
