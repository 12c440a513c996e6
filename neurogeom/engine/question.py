"""One measure put to some sessions at a time, averaged over subsamples of equal size."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, NamedTuple

import numpy as np

from ..design import conditions
from . import exchange
from .matching import Size, available, leaves_choice, subsample


class Answer(NamedTuple):
    """values : list (draw,) of arrays or None (nothing varied); result : of one draw, or None."""

    values: list
    result: Any
    reason: str = ""

    def whole(self, shape):
        """Values (draw, *shape), NaN where there is none."""
        filled = [np.full(shape, np.nan) if v is None else v for v in self.values]
        return np.array(filled).reshape(-1, *shape)

    def mean(self, shape):
        """Mean over draws, NaN where it is undefined in more than half of them."""
        values = self.whole(shape)
        enough = 2 * np.isfinite(values).sum(axis=0) >= max(1, len(values))
        return np.where(enough, exchange.mean(values), np.nan)


class Frame(NamedTuple):
    """What the values of one call of a measure are arranged by."""

    dims: tuple
    coords: dict
    shape: tuple
    attrs: dict


@dataclass(frozen=True)
class Question:
    """A measure with its options, to be put to some of the sessions at a time."""

    function: Callable
    name: str
    found: list
    design: Any
    variables: Any
    min_trials: int
    seed: int
    options: dict

    @classmethod
    def of(cls, function, found, variables, seed, options):
        """Conditions of all sessions together; no p-value and no interval is asked for."""
        times = [s.coords["time"].values if "time" in s.coords else None for s in found]
        if not all(np.array_equal(t, times[0]) for t in times):
            raise ValueError(
                "sessions have different time bins; read them all with the same window "
                "and bin_width"
            )
        known = signature(function).parameters
        ours = {"n_null": 0, "target": "none", "seed": seed}
        given = {k: v for k, v in ours.items() if k in known} | options
        name = getattr(function, "__name__", "measure")
        design = conditions(found, variables, empty=options.get("empty", "error"))
        min_trials = options.get("min_trials", 5)
        return cls(function, name, found, design, variables, min_trials, seed, given)

    def part(self, members):
        """Some sessions, and the conditions of their trials."""
        of_trial = tuple(self.design.of_trial[i] for i in members)
        return [self.found[i] for i in members], replace(self.design, of_trial=of_trial)

    def size(self, members):
        """Neurons and trials that these sessions have."""
        return available(*self.part(members), self.min_trials)

    def answer(self, members, n_draws, to) -> Answer:
        """The measure of subsamples of some sessions.

        to : {"n_neurons", "n_trials"} to subsample to, or {}
        """
        part, design = self.part(members)
        if not available(part, design, self.min_trials).n_neurons:
            return Answer([], None, f"no neuron has {self.min_trials} trials in every condition")
        to = {k: v for k, v in to.items() if k in Size._fields}
        limits = {**to, "min_trials": self.min_trials}
        n_draws = n_draws if leaves_choice(part, design, **limits) else 1
        values, result, reason = [], None, ""
        for draw in range(n_draws):
            drawn = part
            if to:
                drawn = subsample(part, design, **limits, seed=self.seed, draw=draw)
            if _silent(drawn):
                values.append(None)
                reason = reason or "no neuron varies in some of the draws"
                continue
            result = self.function(drawn, self.variables, **self.options)
            values.append(_estimate(result, self.name).values)
            if np.isnan(values[-1]).any():
                reason = "; ".join(result.attrs.get("reasons", {}).values()) or "undefined"
        return Answer(values, result, reason)


def _estimate(result, name):
    estimate = result["estimate"].reset_coords(drop=True)
    return estimate if estimate.dims else estimate.expand_dims(variable=[name])


def _silent(drawn):
    """Whether every neuron is constant, in some time bin: nothing can be measured then."""
    still = [np.fmax.reduce(s.values) <= np.fmin.reduce(s.values) for s in drawn]
    return bool(np.concatenate(still).all(axis=0).any())


def frame(answers, name) -> Frame:
    """Dims and coordinates of the estimates, the same in all of them."""
    results = [a.result for a in answers if a.result is not None]
    if not results:
        raise ValueError(f"there is nothing to measure: {answers[0].reason}")
    estimates = [_estimate(r, name) for r in results]
    first = estimates[0]
    if any((e.dims, e.shape) != (first.dims, first.shape) for e in estimates):
        raise ValueError(f"{name} does not give the same numbers for all sessions; compare others")
    coords = {k: first.coords[k] for k in first.dims if k in first.coords}
    return Frame(first.dims, coords, first.shape, results[0].attrs)
