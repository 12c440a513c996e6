"""A network brought to a recording's size: as many units and trials, and noise for its decoding."""

from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from .design import conditions, variable_names
from .engine import matching
from .measures.decoding import decoding
from .score import SETTING

TOLERANCE = 0.01  # of mean decoding, between recording and network
MOST_STEPS = 30  # of the bisection
KEY = 47  # of random streams
LEAST_ERRORS = 2  # standard errors above chance that matching of noise needs
LEAST_NULL = 99  # surrogates that tell how large they are


class Size(NamedTuple):
    """What every net is brought to, None where that is not matched.

    n_neurons : of the recording; n_trials : {cell: median over its neurons}, see :func:`cells_of`
    """

    n_neurons: int | None
    n_trials: dict | None

    def trials(self):
        """One number, or one a condition where they differ; 0 where they are not matched."""
        each = list((self.n_trials or {"": 0}).values())
        return each if len(set(each)) > 1 else each[0]


def size_of(whole, design, match):
    """The size of the recording, in what is to be matched."""
    population = whole["population"]
    n_neurons = int(population.attrs["n_neurons"]) if "neurons" in match else None
    if "trials" not in match:
        return Size(n_neurons, None)
    median = np.median(population["n_trials"].values, axis=1).astype(int)
    return Size(n_neurons, dict(zip(cells_of(design), median.tolist(), strict=True)))


def cells_of(design):
    """Of every condition the levels of the variables as text; 0, 0.0 and "0" read the same."""
    columns = [[read(level) for level in design.labels[v]] for v in design.names]
    return list(zip(*columns, strict=True))


def read(level):
    """A level as text; 0, 0.0 and "0" read the same."""
    text = str(level)
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text


def goal_of(whole, brain, variables, n_null, ask):
    """The recording's decoding {variable: accuracy}, refused where it is hardly above chance."""
    if "decoding" in whole.children and n_null >= LEAST_NULL:
        own = whole["decoding"].to_dataset()
    else:
        known = {
            k: v
            for k, v in ask.items()
            if k in (*SETTING, "readout", "seed", "n_jobs", "n_resamples", "n_pseudo", "scale")
        }
        own = decoding(brain, variables, n_null=LEAST_NULL, target="none", **known)
    value = float(own["estimate"].mean())
    error = float(own["null"].mean("variable").std("surrogate", ddof=1))
    chance = float(own["null"].mean())
    if not value > chance + LEAST_ERRORS * error:
        raise ValueError(
            f"mean decoding of the recording, {value:.3f}, is within {LEAST_ERRORS} standard "
            f"errors ({error:.3f}) of chance: no noise can be matched; choose another "
            "window, or match=('neurons', 'trials')"
        )
    each = own["estimate"]
    return dict(zip(each["variable"].values.tolist(), each.values.tolist(), strict=True))


class Net(NamedTuple):
    """One net, matched: its draws, what was done to it."""

    draws: list
    n_units: int
    noise_sd: float
    decoding: float
    notes: list

    def shuffled(self, variables, contrasts, seed):
        """The same with conditions dealt out at random."""
        names = [*variable_names(variables), *(c for c in contrasts if ":" not in c)]
        dealt = []
        for d, x in enumerate(self.draws):
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 1, d)))
            order = rng.permutation(x.sizes["trial"])
            new = {n: ("trial", x.coords[n].values[order]) for n in names}
            dealt.append(x.assign_coords(new))
        return self._replace(draws=dealt, decoding=np.nan, notes=[])


class Bench(NamedTuple):
    """Where nets are brought to the recording's size and noise.

    session : the name that all nets are measured under: that of the recording where it is one
    session, so that equal numbers draw equal trials
    """

    variables: object
    contrasts: object
    session: str
    size: Size
    goal: float | None
    quick: dict
    n_draws: int
    seed: int

    def net(self, x, name, number):
        """A net at the recording's units, trials and decoding."""
        x = x.assign_coords(session=self.session)
        draws = [self.subsample(x, name, d) for d in range(self.n_draws)]
        notes = []
        if self.size.n_neurons and x.sizes["neuron"] < self.size.n_neurons:
            notes.append(
                f"nets of {name!r} have {x.sizes['neuron']} units, fewer than the "
                f"{self.size.n_neurons} neurons of the recording: all of them are used"
            )
        if self.goal is None:
            return Net(draws, x.sizes["neuron"], 0.0, np.nan, notes)
        scale = [float(np.sqrt(d.var("trial").mean())) for d in draws]
        key = int.from_bytes(blake2b(x.values.tobytes(), digest_size=8).digest(), "little")
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(KEY, 0, key)))
        noise = [s * rng.standard_normal(d.shape) for s, d in zip(scale, draws, strict=True)]

        def noisy(sd):
            return [d.copy(data=d.values + sd * e) for d, e in zip(draws, noise, strict=True)]

        def found(sd):
            return float(np.mean([self.decoded(d) for d in noisy(sd)]))

        sd, reached = bisected(found, self.goal)
        if abs(reached - self.goal) > TOLERANCE:
            why = "without any noise" if sd == 0 else f"with noise of {sd:.3g} sd"
            notes.append(
                f"{name}, net {number}: mean decoding is {reached:.3f} {why}, the recording's "
                f"{self.goal:.3f}; it could not be matched"
            )
        return Net(noisy(sd), x.sizes["neuron"], sd, reached, notes)

    def subsample(self, x, name, draw):
        """As many units and trials a condition as the recording has, or all units."""
        if self.size == (None, None):
            return x
        n = self.size.n_neurons and min(self.size.n_neurons, x.sizes["neuron"])
        design = conditions([x], self.variables, self.contrasts, empty=self.quick["empty"])
        trials = None
        if self.size.n_trials is not None:
            wanted = [self.size.n_trials[cell] for cell in cells_of(design)]
            has = [np.median(np.isfinite(x.values[design.of_trial[0] == c]).sum(axis=0))
                   for c in range(design.n_conditions)]  # fmt: skip
            trials = None if np.array_equal(wanted, np.floor(has)) else np.array(wanted)
        try:
            kept = matching.subsample([x], design, n_neurons=n, n_trials=trials, seed=self.seed,
                                      draw=draw, min_trials=self.quick["min_trials"])  # fmt: skip
        except ValueError as error:
            raise ValueError(
                f"the {name} cannot be matched to the recording: {error.args[0]}; give a larger "
                "network or more of its trials, or leave this out of match"
            ) from error
        return kept[0]

    def decoded(self, x):
        """Mean decoding over variables."""
        known = {k: v for k, v in self.quick.items() if k not in ("held_out", "across")}
        return float(decoding(x, self.variables, **known)["estimate"].mean())


def bisected(found, goal):
    """The noise sd at which decoding meets the goal, and the decoding there."""
    sd, value = 0.0, found(0.0)
    if value <= goal + TOLERANCE:
        return sd, value
    best = (abs(value - goal), sd, value)
    low, high = -2.0, 2.5  # log10 of the sd, in units of the units' own
    for _ in range(MOST_STEPS):
        middle = (low + high) / 2
        value = found(10**middle)
        best = min(best, (abs(value - goal), 10**middle, value))
        if best[0] <= TOLERANCE / 2:
            break
        low, high = (middle, high) if value > goal else (low, middle)
    return best[1:]
