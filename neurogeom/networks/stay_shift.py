"""The cued stay/shift rule task of Fascianelli et al. 2024."""

from __future__ import annotations

import numpy as np

from ..options import number, one_of, whole
from .task import Drive, Period, Target, Task

RULES, RESPONSES, SHAPES = ("stay", "shift"), ("A", "B"), ("first", "second")


def stay_shift(
    *, noise: float = 0.2, previous: str = "shown", rule: str = "cued", length: int = 10
) -> Task:
    """Respond as on the previous trial or the other way, as a cue says.

    A fixation input is on until the response. One of four cues, two a rule (``cue_shape``), is
    shown 0 to 0.5 s after time 0. The answer, one logit, is asked 1.3 s after cue onset.

    Parameters
    ----------
    noise : float
        Sd a step of 100 ms on every input channel.
    previous : {"shown", "remembered"}
        The previous response is shown for 200 ms, 1 s before the cue; or trials follow one another
        without a pause, the first response is shown, and the network must remember its last.
    rule : {"cued", "stay"}
        "stay" asks for the previous response whatever the cue: the control task. Where it is
        remembered, the control's own responses all follow the first. ``response`` is what the cue
        asks for.
    length : int
        Trials a sequence, where the response is remembered.

    Source: Fascianelli et al. 2024, Nat Commun 15, doi 10.1038/s41467-024-50503-w. Columns are
    named as in the published recordings; durations are rounded.

    Examples
    --------
    >>> trials = stay_shift().enumerate(1)
    >>> [str(trials.conditions[k][2]) for k in ("rule", "previous_response", "response")]
    ['stay', 'B', 'B']
    """
    one_of(("shown", "remembered"), previous=previous)
    one_of(("cued", "stay"), rule=rule)
    number(0, noise=noise)
    whole(1, length=length)
    periods = (
        Period("feedback", 200), Period("wait", 800), Period("cue", 500), Period("delay", 800),
        Period("response", 300),
    )  # fmt: skip
    every = tuple(p.name for p in periods)
    remembered = previous == "remembered"
    return Task(
        name="stay-shift",
        summary="respond as before or the other way, as a cue says",
        periods=periods,
        inputs={"fixation": 1, "previous": 2, "cue": 4},
        outputs={"response": 1},
        factors={"rule": RULES, "previous_response": RESPONSES, "cue_shape": SHAPES},
        drives=(
            Drive("fixation", every[:-1], 1.0),
            Drive("fixation", every, 0.0, noise),
            Drive("previous", ("feedback",), _shown),
            Drive("previous", every, 0.0, noise),
            Drive("cue", ("cue",), _cue),
            Drive("cue", every, 0.0, noise),
        ),
        targets=(Target("response", ("response",), _asked if rule == "cued" else _stayed),),
        derive=_derive,
        sequence=_sequence(rule) if remembered else None,
        length=length if remembered else 1,
        align="cue",
        decision="response",
        passing=1,
        wrong={"rule": "stay"},
    )


def _derive(columns):
    other = np.where(columns["previous_response"] == "A", "B", "A")
    stay = columns["rule"] == "stay"
    return {"response": np.where(stay, columns["previous_response"], other)}


def _shown(columns):
    shown = np.stack([columns["previous_response"] == r for r in RESPONSES], axis=1)
    return shown * columns.get("first", np.ones(len(shown), bool))[:, None]


def _cue(columns):
    return np.stack(
        [(columns["rule"] == r) & (columns["cue_shape"] == s) for r in RULES for s in SHAPES],
        axis=1,
    )


def _asked(columns):
    return columns["response"] == "B"


def _stayed(columns):
    return columns["previous_response"] == "B"


def _sequence(asked):
    """Rules and shapes at random; the response asked for becomes the next trial's previous one."""

    def drawn(rng, n, length):
        rule = np.array(RULES)[rng.integers(2, size=(n, length))]
        shape = np.array(SHAPES)[rng.integers(2, size=(n, length))]
        response = rng.integers(2, size=n)
        stays = (rule == "stay") | (asked == "stay")
        previous = np.empty((n, length), int)
        for t in range(length):
            previous[:, t] = response
            response = np.where(stays[:, t], response, 1 - response)
        first = np.broadcast_to(np.arange(length) == 0, (n, length))
        return {
            "rule": rule,
            "previous_response": np.array(RESPONSES)[previous],
            "cue_shape": shape,
            "first": first,
        }

    return drawn
