"""The serial reversal task of Bernardi et al. 2020: context x action x outcome."""

from __future__ import annotations

import numpy as np

from ..options import number, one_of, some_of, whole
from .task import Drive, Period, Target, Task

CONTEXTS, ACTIONS, OUTCOMES = ("one", "two"), ("hold", "release"), ("reward", "none")
STIMULI = ("A", "B", "C", "D")


def reversal(
    *,
    context: str = "explicit",
    noise: float | None = None,
    targets: tuple[str, ...] = ("action", "outcome"),
    hazard: float = 0.1,
    length: int = 8,
    rule: str = "contextual",
) -> Task:
    """Four stimuli, each with an action and an outcome; a change of context reverses both.

    In context "one" A asks to hold and is rewarded, B release and rewarded, C hold and none, D
    release and none; context "two" reverses action and outcome of every stimulus. So the three
    balanced variables context, action and outcome make the eight conditions, and each stimulus is
    a third-order parity of them.

    Parameters
    ----------
    context : {"explicit", "inferred"}
        A cue tells the context for 500 ms before the stimulus. Or nothing does: trials follow one
        another, the right action and outcome of the trial before are inputs, and the context
        changes on every trial with probability `hazard`; trials that cannot be known (the first,
        and the first after a change) are not judged.
    noise : float
        Sd a step of 100 ms on every input channel; 0.2, or 0.1 where the context is inferred.
    targets : subset of ("action", "outcome", "context", "stimulus_pair")
        What the network must report. The context as a target is for asking what makes it abstract.
    hazard, length : float, int
        Of the inferred context; `length` trials make a sequence.
    rule : {"contextual", "fixed"}
        "fixed" asks for what holds in context one whatever the context: the control task.

    Source: Bernardi et al. 2020, Cell 183:954. Durations follow it roughly where the context is
    told (stimulus 500 ms, delay 900 ms); where it is inferred they are shorter, 800 ms a trial, so
    that a network can learn across trials.

    Examples
    --------
    >>> trials = reversal().enumerate(1)
    >>> [str(v) for v in trials.conditions["stimulus"][:4]]
    ['A', 'C', 'B', 'D']
    """
    one_of(("explicit", "inferred"), context=context)
    one_of(("contextual", "fixed"), rule=rule)
    some_of(("action", "outcome", "context", "stimulus_pair"), targets=targets)
    number(above=0, below=1, hazard=hazard)
    whole(2, length=length)
    told = context == "explicit"
    lengths = (
        {"cue": 500, "wait": 300, "stimulus": 500, "delay": 900, "response": 200}
        if told
        else {"feedback": 200, "stimulus": 300, "delay": 200, "response": 100}
    )
    periods = tuple(Period(name, ms) for name, ms in lengths.items())
    noise = (0.2 if told else 0.1) if noise is None else noise
    number(0, noise=noise)
    every = tuple(p.name for p in periods)
    inputs = {"fixation": 1, "stimulus": 4}
    drives = [Drive("fixation", every[:-1], 1.0), Drive("stimulus", ("stimulus",), _stimulus)]
    if told:
        inputs["context"] = 2
        drives.append(Drive("context", ("cue",), _one_hot("context", CONTEXTS)))
    else:
        inputs |= {"last_action": 2, "last_outcome": 2}
        drives.append(Drive("last_action", ("feedback",), _one_hot("last_action", ACTIONS)))
        drives.append(Drive("last_outcome", ("feedback",), _one_hot("last_outcome", OUTCOMES)))
    drives += [Drive(channel, every, 0.0, noise) for channel in inputs]
    return Task(
        name="reversal",
        summary="a change of context reverses action and outcome of four stimuli",
        periods=periods,
        inputs=inputs,
        outputs=dict.fromkeys(targets, 1),
        factors={"context": CONTEXTS, "action": ACTIONS, "outcome": OUTCOMES},
        drives=tuple(drives),
        targets=tuple(Target(name, ("response",), _right(name, rule)) for name in targets),
        derive=_derive,
        sequence=None if told else _sequence(hazard),
        length=1 if told else length,
        align="stimulus",
        decision="response",
        passing=1,
        wrong={"rule": "fixed"} if {"action", "outcome"} & set(targets) else None,
    )


def _derive(columns):
    second = columns["context"] == CONTEXTS[1]
    release = (columns["action"] == ACTIONS[1]) ^ second
    unrewarded = (columns["outcome"] == OUTCOMES[1]) ^ second
    which = 2 * unrewarded + release
    pair = np.where(release ^ unrewarded, "BC", "AD")
    return {"stimulus": np.array(STIMULI)[which], "stimulus_pair": pair}


def _stimulus(columns):
    return np.stack([columns["stimulus"] == s for s in STIMULI], axis=1)


def _one_hot(name, levels):
    return lambda columns: np.stack([columns[name] == level for level in levels], axis=1)


def _right(name, rule):
    """1 or 0 a trial; NaN where nobody could know it."""

    def value(columns):
        which = np.array([STIMULI.index(s) for s in columns["stimulus"]])
        found = {
            "action": columns["action"] == ACTIONS[1],
            "outcome": columns["outcome"] == OUTCOMES[1],
            "context": columns["context"] == CONTEXTS[1],
            "stimulus_pair": columns["stimulus_pair"] == "BC",
        }
        if rule == "fixed":
            found |= {"action": which % 2 == 1, "outcome": which >= 2}
        judged = columns.get("known", np.ones(len(which), bool))
        return np.where(judged, found[name], np.nan)

    return value


def _sequence(hazard):
    def drawn(rng, n, length):
        changes = rng.random((n, length)) < hazard
        second = (np.cumsum(changes, axis=1) + rng.integers(2, size=(n, 1))) % 2 == 1
        release, unrewarded = rng.integers(2, size=(2, n, length)).astype(bool)
        action, outcome = (
            np.array(ACTIONS)[release.astype(int)],
            np.array(OUTCOMES)[unrewarded.astype(int)],
        )
        before = {
            f"last_{name}": np.hstack([np.full((n, 1), ""), values[:, :-1]])
            for name, values in (("action", action), ("outcome", outcome))
        }
        first = np.arange(length) == 0
        return {
            "context": np.array(CONTEXTS)[second.astype(int)],
            "action": action,
            "outcome": outcome,
            "known": ~(changes | first),
            **before,
        }

    return drawn
