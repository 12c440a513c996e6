"""Perceptual decisions and delayed matches, as in the laboratory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..options import number, one_of, shown, whole
from .task import Drive, Period, Target, Task

COHERENCES = (0.0, 3.2, 6.4, 12.8, 25.6, 51.2)


def perceptual(
    *, coherences: Sequence[float] = COHERENCES, noise: float = 0.3, stimulus: float = 1000.0
) -> Task:
    """Left or right, from noisy motion.

    One channel shows direction (-1, 1) times coherence / 100 for `stimulus` ms, with noise of this
    sd a step of 100 ms; the answer, one logit for "right", is asked after a delay of 300 to 600 ms.
    Conditions are direction x coherence (in %); ``signed_coherence`` follows from them. At
    coherence 0 the right answer is that of the direction all the same: nobody can know it.
    Coherences are different and from 0 to 100: the direction is a variable of its own.

    Source: Britten et al. 1992, J Neurosci 12:4745.
    """
    levels = list(coherences) if isinstance(coherences, tuple | list | np.ndarray) else []
    number(0, 100, **{f"coherences[{i}]": level for i, level in enumerate(levels)})
    if not levels or len(set(levels)) < len(levels):
        raise ValueError(f"coherences={shown(coherences)} are not possible; give one or more "
                         "different numbers from 0 to 100, as (3.2, 6.4)")  # fmt: skip
    number(0, noise=noise)
    number(above=0, stimulus=stimulus)
    return Task(
        name="perceptual",
        summary="left or right, from noisy motion",
        periods=(
            Period("fixation", 300),
            Period("stimulus", stimulus),
            Period("delay", (300, 600)),
            Period("decision", 200),
        ),
        inputs={"fixation": 1, "motion": 1},
        outputs={"choice": 1},
        factors={"direction": ("left", "right"), "coherence": tuple(map(float, levels))},
        drives=(
            Drive("fixation", ("fixation", "stimulus", "delay"), 1.0),
            Drive("motion", ("stimulus",), lambda c: c["signed_coherence"] / 100, noise),
        ),
        targets=(Target("choice", ("decision",), lambda c: c["direction"] == "right"),),
        derive=lambda c: {
            "signed_coherence": np.where(c["direction"] == "right", 1, -1) * c["coherence"]
        },
        align="stimulus",
        decision="decision",
        passing=1,
    )


def contextual(
    *, strength: float = 0.3, noise: float = 0.3, stimulus: float = 800.0, rule: str = "cued"
) -> Task:
    """Motion or colour, as a context cue says.

    Two channels show motion and colour at once for `stimulus` ms (750 in the experiment, 800 here:
    a whole number of steps of 100 ms), each -1 or 1 times a strength drawn for every trial
    and channel from 1/4, 1/2 or all of `strength`; a cue says which counts. Conditions are context
    x motion x colour. ``rule="motion"`` asks for the motion in either context: the control task.

    Source: Mante, Sussillo, Shenoy & Newsome 2013, Nature 503:78.
    """
    number(0, noise=noise)
    number(above=0, stimulus=stimulus, strength=strength)
    one_of(("cued", "motion"), rule=rule)
    levels = {"motion": ("left", "right"), "colour": ("red", "green")}

    def drawn(rng, n):
        found = {"context": np.array(["motion", "colour"])[rng.integers(2, size=n)]}
        for name in levels:
            size = strength * 2.0 ** -rng.integers(3, size=n)
            found[f"signed_{name}"] = np.where(rng.random(n) < 0.5, -size, size)
        return found

    def derived(c):
        sides = {k: np.array(v)[(c[f"signed_{k}"] > 0).astype(int)] for k, v in levels.items()}
        second = {k: sides[k] == v[1] for k, v in levels.items()}
        asked = np.where(c["context"] == "motion", second["motion"], second["colour"])
        return {**sides, "response": np.where(asked, "second", "first")}

    def right(c):
        return c["motion"] == "right" if rule == "motion" else c["response"] == "second"

    return Task(
        name="contextual",
        summary="motion or colour, as a context cue says",
        periods=(Period("fixation", 300), Period("stimulus", stimulus), Period("decision", 200)),
        inputs={"fixation": 1, "context": 2, "motion": 1, "colour": 1},
        outputs={"choice": 1},
        factors={"context": ("motion", "colour"), **levels},
        drives=(
            Drive("fixation", ("fixation", "stimulus"), 1.0),
            Drive("context", ("fixation", "stimulus"), _one_hot("context", ("motion", "colour"))),
            Drive("motion", ("stimulus",), lambda c: c["signed_motion"], noise),
            Drive("colour", ("stimulus",), lambda c: c["signed_colour"], noise),
        ),
        targets=(Target("choice", ("decision",), right),),
        derive=derived,
        latents=drawn,
        align="stimulus",
        decision="decision",
        passing=1,
        wrong={"rule": "motion"},
    )


def match_to_sample(*, n_stimuli: int = 4, noise: float = 0.1, units: int = 16) -> Task:
    """Is the test the sample that was shown before the delay?

    Stimuli are `n_stimuli` directions, seen by `units` channels with cosine tuning; half of the
    tests match, the others are any other direction alike. Conditions are sample x match.

    Source: durations as in NeuroGym's DelayMatchSample (fixation 300 ms, sample 500, delay 1000
    (800 to 1200 here), test 500, decision 900 (300 here)).
    """
    whole(2, n_stimuli=n_stimuli)
    angles = _angles(n_stimuli)

    def drawn(rng, n):
        return {
            "sample": angles[rng.integers(n_stimuli, size=n)],
            "match": np.array(["yes", "no"])[rng.integers(2, size=n)],
            "turn": rng.integers(1, n_stimuli, size=n) * 360.0 / n_stimuli,
        }

    def derived(c):
        degrees = c["sample"] + np.where(c["match"] == "yes", 0, c["turn"])
        which = np.rint(degrees * n_stimuli / 360 - 0.5).astype(int)
        return {"test": angles[which % n_stimuli]}  # a level to the last bit, as samples are

    factors = {"sample": tuple(angles.tolist()), "match": ("yes", "no")}
    return _delayed("match-to-sample", factors, drawn, derived, noise, units)


def match_to_category(
    *, n_stimuli: int = 8, boundary: float = 0.0, noise: float = 0.1, units: int = 16
) -> Task:
    """Is the test of the sample's category?

    Directions on either side of a boundary (degrees) are two categories. Conditions are the
    categories of sample and test; ``match`` follows from them, the directions are ``sample`` and
    ``test``.

    Source: Freedman & Assad 2006, Nature 443:85.
    """
    whole(2, n_stimuli=n_stimuli)
    number(boundary=boundary)
    angles = _angles(n_stimuli)

    def category(angle):
        return np.where((angle - boundary) % 360 < 180, "one", "two")

    def drawn(rng, n):
        return {k: angles[rng.integers(n_stimuli, size=n)] for k in ("sample", "test")}

    def derived(c):
        found = {f"{k}_category": category(c[k]) for k in ("sample", "test")}
        same = found["sample_category"] == found["test_category"]
        return {**found, "match": np.where(same, "yes", "no")}

    factors = {f"{k}_category": ("one", "two") for k in ("sample", "test")}
    return _delayed("match-to-category", factors, drawn, derived, noise, units)


def _delayed(name, factors, drawn, derived, noise, units):
    number(0, noise=noise)
    whole(1, units=units)
    preferred = np.arange(units) * 2 * np.pi / units
    periods = (
        Period("fixation", 300), Period("sample", 500), Period("delay", (800, 1200)),
        Period("test", 500), Period("decision", 300),
    )  # fmt: skip
    every = tuple(p.name for p in periods)

    def shown(which):
        return lambda c: (1 + np.cos(np.deg2rad(c[which])[:, None] - preferred)) / 2

    return Task(
        name=name,
        summary="does the test match the sample?",
        periods=periods,
        inputs={"fixation": 1, "ring": units},
        outputs={"match": 1},
        factors=factors,
        drives=(
            Drive("fixation", every[:-1], 1.0),
            Drive("ring", ("sample",), shown("sample")),
            Drive("ring", ("test",), shown("test")),
            Drive("ring", every, 0.0, noise),
        ),
        targets=(Target("match", ("decision",), lambda c: c["match"] == "yes"),),
        derive=derived,
        latents=drawn,
        align="sample",
        decision="decision",
        passing=1,
    )


def _angles(n):
    """Directions in degrees, none of them on a boundary at a multiple of 90."""
    return (np.arange(n) + 0.5) * 360.0 / n


def _one_hot(name, levels):
    return lambda c: np.stack([c[name] == level for level in levels], axis=1)
