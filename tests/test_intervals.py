"""Intervals: what they are for, what they refuse and in which words, what moves them.

What they stand on is in test_jackknife.py and test_ratio_intervals.py; what they cover in
test_interval_coverage.py and benchmarks/findings/calibration_intervals.csv.
"""

from dataclasses import replace

import numpy as np
import pytest
from made_intervals import SIDES, asked, bounds, session, sessions
from made_population import gathered, recording, unstructured

import neurogeom as ng
from neurogeom.engine import intervals
from neurogeom.engine.experiment import Joint
from neurogeom.engine.jackknife import Deletions, Jackknife, trials_of
from neurogeom.engine.population import population
from neurogeom.engine.targets import aim

# --- what it is for, and what is refused ----------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "kind", "text"),
    [
        (session(30), "population", "a new sample of 30 neurons, recorded the same way"),
        (session(15), "recording", "new trials of these neurons, as many as here"),
        (sessions(5), "sessions", "new sessions, 5 of them"),
        (sessions(5, animals="mmmnn"), "sessions", "new sessions of these animals, 5 of them"),
        (sessions(5, animals="mmnno"), "animals", "new animals, 3 of them"),
    ],
    ids=["one session", "few neurons", "sessions", "two animals", "three animals"],
)
def test_the_widest_target_that_the_data_can_give_is_taken_and_named(x, kind, text):
    found = aim(gathered(x, "ab")[1])
    assert (found.kind, found.text) == (kind, text)


def half_lost(n_neurons=30):
    x = session(n_neurons, 12)
    return x.where((x.unit_id >= n_neurons // 2) | (x.trial_id % 8 > 0))


@pytest.mark.parametrize(
    ("x", "target", "words"),
    [
        (
            session(12),
            "population",
            "12 neurons are fewer than the 30 that this interval over population needs",
        ),
        (
            sessions(2, n_neurons=15),
            "sessions",
            "2 sessions are fewer than the 5 that an interval over",
        ),
        (
            sessions(4, animals="mmnn"),
            "animals",
            "2 animals are named, of 3 that such an interval needs: a case series",
        ),
        (sessions(5, animals="mno--"), "animals", "3 animals are named, of 3"),
        (
            sessions(4, n_neurons=8),
            "population",
            "neurons of several sessions have no interval over neurons whose coverage is",
        ),
        (
            sessions(4, n_neurons=8),
            "recording",
            "trials of a pseudo-population have no interval whose coverage is known",
        ),
        (
            sessions(6, n_neurons=3),
            "sessions",
            "18 neurons are fewer than the 30 that this interval over sessions",
        ),
        (session(30, 3), None, "3 trials in a condition are fewer than the 4 needed"),
        (
            half_lost(),
            "population",
            "neurons that share part of their trials have no interval whose coverage",
        ),
        (
            session(30, 6, block=lambda c, t: t // 8),
            "recording",
            "spread over fewer than the 4 blocks",
        ),
        (
            session(30, 6, block=lambda c, t: t // 8),
            "population",
            "spread over fewer than the 4 blocks",
        ),
    ],
)
def test_refusals_say_why(x, target, words):
    p = gathered(x, "ab")[1]
    assert words in aim(p, target).reason
    found = intervals.accuracy(*_observed(x), target=target)
    assert np.isnan([found.low, found.high]).all()
    assert words in found.reason
    assert found.target == "none"


def _observed(x):
    experiment = asked(x)
    return experiment, experiment.observe()


def test_few_neurons_have_no_population_where_conditions_are_held_out():
    """30 suffice for decoding; for CCGP the interval falls back to the recording, and says so."""
    x, options = session(30), {"n_null": 0, "readout": "nearest_mean"}
    decoded, generalised = ng.decoding(x, ["a", "b"], **options), ng.ccgp(x, ["a", "b"], **options)
    assert all(t.startswith("population: ") for t in decoded.interval_target.values)
    assert all(t.startswith("recording: ") for t in generalised.interval_target.values)
    refused = ng.ccgp(x, ["a", "b"], target="population", **options)
    assert np.isnan(refused.interval).all()
    assert "30 neurons are fewer than the 50" in refused.attrs["interval_reasons"]["a"]


def test_when_nothing_can_be_given_every_reason_is_named():
    reason = aim(gathered(sessions(4, n_neurons=8), "ab")[1]).reason
    assert [word in reason for word in ("animals", "4 sessions", "several sessions", "pseudo")] == [
        True
    ] * 4


def test_unknown_target_is_an_error():
    with pytest.raises(ValueError, match=r"target='neurons' is unknown; choose from \['recording'"):
        aim(gathered(session(), "ab")[1], "neurons")


@pytest.mark.parametrize(
    ("x", "n_resamples", "words"),
    [
        (session(), 3, "n_resamples=3 leaves trials untested; give at least 4"),
        (sessions(5), 5, "n_resamples=5 is too few for an interval; give at least 6"),
    ],
)
def test_too_few_resamples_are_refused(x, n_resamples, words):
    experiment = asked(x, n_resamples=n_resamples)
    found = intervals.accuracy(experiment, experiment.observe())
    assert found.reason == words
    assert np.isnan(found.low).all()


def test_joint_accuracy_has_no_interval():
    experiment = asked(session())
    joint = replace(experiment, problems=Joint.of(SIDES, SIDES != 0, SIDES != 0))
    found = intervals.accuracy(joint, experiment.observe())
    assert "k-way" in found.reason


def test_one_block_that_holds_all_training_trials_is_refused():
    """Four blocks a condition, but of three of them a condition has no trial in training."""
    experiment = asked(session(30, 8, block=lambda c, t: t // 4))
    left_out = trials_of(experiment.population)
    condition = experiment.population.condition
    holding = Deletions(np.where(condition == 0, 0, 1 + left_out.unit % 3), np.zeros(4, int))
    values = Jackknife(experiment, 4).without_trials(holding)
    assert np.isnan(values[0]).all()
    assert np.isfinite(values[1:]).all()


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (session(30, 5), "with 5 trials in a condition the interval is wide"),
        (sessions(6, animals="mmnnoo"), "with 3 animals the interval is wide"),
        (
            [session(30, 9, session="big"), *sessions(5, n_trials=9)],
            "one session holds 50% of the neurons",
        ),
    ],
)
def test_notes_say_what_to_read_an_interval_with(x, words):
    assert words in aim(gathered(x, "ab")[1]).note


# --- what moves an interval, and what does not ----------------------------------------------------


def measured(x, **options):
    names = ["a", "b"]
    results = [
        ng.decoding(x, names, n_null=0, n_resamples=8, readout="nearest_mean", **options),
        ng.ccgp(x, names, n_null=0, n_resamples=8, readout="nearest_mean", **options),
        ng.shattering(x, names, n_null=0, n_resamples=8, readout="nearest_mean", **options),
        ng.parallelism(x, names, n_null=0, **options),
    ]
    return np.concatenate([np.atleast_2d(r.interval.values) for r in results])


def test_order_of_neurons_trials_and_sessions_and_the_number_of_workers_change_nothing():
    x = sessions(5)
    turned = [s.isel(trial=slice(None, None, -1), neuron=slice(None, None, -1)) for s in x[::-1]]
    expected = measured(x)
    assert np.isfinite(expected[:5]).all()
    np.testing.assert_array_equal(measured(turned, n_jobs=2), expected)
    np.testing.assert_array_equal(measured(turned[0]), measured(x[-1]))


def test_seed_moves_an_interval():
    x = session()
    assert (measured(x, seed=1)[:5] != measured(x, seed=0)[:5]).any()


@pytest.mark.parametrize("scale", ["resample", "split", "none"])
def test_every_scale_has_an_interval_around_its_estimate(scale):
    result = ng.decoding(
        session(), ["a", "b"], scale=scale, n_null=0, n_resamples=4, readout="nearest_mean"
    )
    low, high = result.interval.transpose("bound", ...).values
    assert ((low < result.estimate) & (result.estimate < high)).all()
    assert result.attrs["interval_level"] == 0.95


def test_unequal_trials_and_three_levels_have_intervals():
    x = recording(unstructured(6, 25, 0, 0.5), [5, 7, 9, 14, 6, 5], sizes=(3, 2), names="ab")
    low, high = measured(x).T
    assert np.isfinite(low[:4]).all()
    assert (high[:5] > low[:5]).all()


def test_twice_the_trials_make_a_shorter_interval_for_the_recording():
    """Four times as many: about half as long; 0.75 leaves room for the noise of 8 recordings."""
    width = {
        n: np.median(
            [np.ptp(bounds(asked(session(30, n, seed=s)), target="recording")) for s in range(8)]
        )
        for n in (6, 24)
    }
    assert width[24] < 0.75 * width[6]


def test_group_of_a_recording_lost_half_way_is_no_reason_for_sessions():
    """Neurons of five sessions, some of which lost trials: still an interval over sessions."""
    x = sessions(5)
    x[0] = x[0].where((x[0].unit_id > 2) | (x[0].trial_id % 8 > 0))
    p = population(ng.activity.sessions(x), gathered(x, "ab")[0], min_trials=4)
    assert p.n_groups == 6
    assert aim(p).kind == "sessions"
