r"""What would the measures make of a population whose condition means have a given kernel?

A kernel says where stimuli lie up to a rotation. Spread evenly over N neurons, with private
Gaussian noise of one sd on each, every neuron z-scored as the engine does, the readouts have an
expectation in closed form at any number of trials (:mod:`neurogeom.formulas.expected`). The one
number that a kernel does not say, the noise, is chosen such that mean decoding is what was
measured, over the variables that the kernel codes at all.

Trials of a pseudo-population are drawn with replacement: m drawn of n leave a mean the noise of
:math:`1 / (1/n + (1 - 1/n)/m)` trials, which stand in the formulas; for readouts other than the
nearest mean that is an approximation.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .activity import from_arrays
from .design import Design, balanced_dichotomies
from .engine import readouts
from .engine.held_out import ask
from .engine.problems import Problems, within
from .engine.resampling import MOST_PSEUDO_TRIALS, N_FOLDS
from .formulas import expected, parallelism, participation_ratio

MEASURES = ("decoding", "ccgp", "shattering", "parallelism", "dimensionality")
FAINT, LOUD = -2.0, 3.0  # log10 of the noise sd, in units of the neurons' sd over conditions
CODED = 1e-4  # share of variance between two levels, below which a variable is not coded
NEGLIGIBLE = 1e-6  # of the largest eigenvalue of a kernel: what solvers are off by
N_SHOWN = 512  # neurons of the population that is made, few enough to be quick
KEY = 49  # of random streams


class Size(NamedTuple):
    """At what size a population is measured; no trials stands for endless ones.

    n_neurons : int or None; split, whole : trials a condition that train decoding, and CCGP
    """

    n_neurons: int | None = None
    split: float | None = None
    whole: float | None = None


def size_of_recording(population, n_pseudo=None) -> Size:
    """The size of a recording, of the group ``population`` of its score."""
    counts = population["n_trials"].values.astype(float)
    train = counts * (1 - 1 / np.minimum(counts, N_FOLDS))
    m = np.inf
    if not population.attrs["real_trials"]:
        m = n_pseudo or int(min(np.median(counts), MOST_PSEUDO_TRIALS))
    split, whole = (1 / np.mean(1 / n + (1 - 1 / n) / m) for n in (train, counts))
    return Size(int(population.attrs["n_neurons"]), float(split), float(whole))


@dataclass(frozen=True)
class Ideal:
    """Means of a kernel, what their conditions are, and how they are measured.

    means : float (stimulus, axis), centred; of : int (stimulus,), condition of each; options : of
    the measures; noise_sd : of every neuron in units of the means, None where it is not known
    """

    name: str
    means: np.ndarray
    of: np.ndarray
    design: Design
    size: Size
    options: dict
    noise_sd: float | None = None
    notes: tuple = ()

    @classmethod
    def of_kernel(cls, name, kernel, of, design, size, options):
        """A population with this kernel (stimulus, stimulus)."""
        kernel = np.asarray(kernel, dtype=float)
        kernel = kernel - kernel.mean(axis=0) - kernel.mean(axis=1)[:, None] + kernel.mean()
        value, axis = np.linalg.eigh(kernel)
        kept = value > NEGLIGIBLE * max(value[-1], 1e-300)
        means = axis[:, kept] * np.sqrt(value[kept])
        if size.n_neurons is not None and means.shape[1] > size.n_neurons:
            raise ValueError(
                f"the kernel of {name!r} has {means.shape[1]} dimensions and the recording "
                f"{size.n_neurons} neurons; record more, or name fewer variables"
            )
        return cls(name, means, np.asarray(of), design, size, options)

    @property
    def silent(self):
        """Whether all stimuli look the same."""
        return self.means.shape[1] == 0

    @property
    def spread(self):
        """Sd of a neuron over stimuli, the root mean square over neurons."""
        n = self.size.n_neurons or max(self.means.shape[1], 1)
        return float(np.sqrt((self.means**2).sum() / (len(self.means) * n)))

    def matched(self, goal):
        """The same with the noise at which decoding is the goal.

        goal : {variable: accuracy}, None for no noise to speak of
        """
        if self.silent:
            return self._noted("silent, all stimuli look the same")
        if goal is None:
            return self._at(FAINT)
        coded = [t.name for t in self.design.targets() if self._codes(t)]
        if not coded:
            return self._noted("none of the variables is coded, so that no noise can be matched")
        wanted = float(np.mean([goal[name] for name in coded]))

        def missing(log_sd):
            found = self._at(log_sd).decoding()
            return np.mean([found[name] for name in coded]) - wanted

        matched = self
        if len(coded) < len(goal):
            matched = self._noted(
                f"only {', '.join(coded)} coded; the noise is put at that decoding"
            )
        if missing(FAINT) <= 0:
            reached = wanted + missing(FAINT)
            return matched._at(FAINT)._noted(
                f"mean decoding is {reached:.3f} without noise, the recording's {wanted:.3f}; "
                "it could not be matched"
            )
        if missing(LOUD) >= 0:
            return matched._noted(
                f"a decoding of {wanted:.3f} is hardly above chance: no noise can be matched"
            )
        from scipy.optimize import brentq

        return matched._at(brentq(missing, FAINT, LOUD, xtol=1e-6))

    def unmatched(self):
        """The same where no noise is to be matched: readouts are not known."""
        return self._noted("no noise is matched, so that readouts are not known")

    def endless(self):
        """The same with endless trials."""
        return replace(self, size=Size(self.size.n_neurons))

    # --- the measures ---------------------------------------------------------------------------

    def decoding(self):
        """{variable: accuracy}, the mean over pairs of levels."""
        return {
            t.name: self._accuracy(within(np.array([s.side for s in t.sides])), self.size.split)
            for t in self.design.targets()
        }

    def ccgp(self):
        """{variable: accuracy on conditions left out}, NaN where there are none to leave out."""
        rule = self.options.get("held_out", "matched"), self.options.get("across")
        asked = {t.name: ask(self.design, t, *rule).problems for t in self.design.targets()}
        return {
            name: np.nan if problems is None else self._accuracy(problems, self.size.whole)
            for name, problems in asked.items()
        }

    def shattering(self):
        """Mean accuracy over balanced dichotomies."""
        most = self.options.get("max_dichotomies", 1000)
        seed = self.options.get("seed", 0)
        sides = balanced_dichotomies(self.design, max_dichotomies=most, seed=seed)[1]
        return self._accuracy(within(sides), self.size.split)

    def parallelism(self, naive=False):
        """{variable: mean cosine of coding vectors}; at face value, or without the noise."""
        means = self._condition_means()
        n = self.size.whole if naive else None
        unknown = self.silent or (naive and self.noise_sd is None)
        found = {}
        for t in self.design.targets():
            if t.grid is None or len(t.grid) < 2 or unknown:
                found[t.name] = np.nan
                continue
            level = {label: i for i, label in enumerate(t.labels)}
            groups = [t.grid[:, [level[s.high], level[s.low]]] for s in t.sides]
            if not all(self._differ(means, g) for g in groups):
                found[t.name] = np.nan  # coding vectors without length have no direction
                continue
            if n is not None:
                means, sd = self._activity()
                each = [expected.parallelism(means, g, noise_sd=sd, n_trials=n) for g in groups]
            else:
                each = [parallelism.naive(means, g) for g in groups]
            found[t.name] = float(np.mean(each))
        return found

    def participation_ratio(self, naive=False):
        """Of condition means; at face value, or without the noise."""
        if self.silent or (naive and self.noise_sd is None):
            return np.nan
        n = self.size.whole if naive else None
        if n is None:
            return float(participation_ratio.naive(self._condition_means()))
        means, sd = self._activity()
        return float(expected.participation_ratio(means, noise_sd=sd, n_trials=n))

    # --- what they are made of ------------------------------------------------------------------

    def activity(self, columns=None, *, n_trials=None, seed=0):
        """Trials of a population with this kernel, without noise or with that which was matched.

        columns : {variable: (condition,)}, their values; by default the labels of the levels

        A random rotation spreads the means over the neurons of the recording, or over 512 without
        noise. Without noise every condition has 8 trials.
        """
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
        n = N_SHOWN if n_trials is None else self.size.n_neurons
        turn = np.linalg.qr(rng.standard_normal((n, max(self.means.shape[1], 1))))[0]
        rows = np.repeat(np.arange(len(self.means)), n_trials or 8)
        values = self.means[rows] @ turn.T[: self.means.shape[1]]
        if n_trials is not None:
            values = values + self.noise_sd * rng.standard_normal(values.shape)
        columns = self.design.labels if columns is None else columns
        trial = {k: np.asarray(v)[self.of[rows]] for k, v in columns.items()}
        return from_arrays(values, trial=trial, session=self.name)

    def _at(self, log_sd):
        return replace(self, noise_sd=10**log_sd * self.spread)

    def _noted(self, text):
        return replace(self, notes=(*self.notes, f"{self.name}: {text}"))

    def _codes(self, target):
        """Whether the centroids of two levels differ, so that a linear readout tells them apart."""
        means = self._condition_means()
        pairs = [[means[s.side == v].mean(axis=0) for v in (1, -1)] for s in target.sides]
        return any(self._differ(np.array(pair), np.array([[0, 1]])) for pair in pairs)

    def _differ(self, means, pairs):
        """Whether the members of pairs are further apart than what a solver is off by."""
        apart = ((means[pairs[:, 0]] - means[pairs[:, 1]]) ** 2).sum(axis=1).mean() / 4
        return apart > CODED * (self.means**2).sum() / len(self.means)

    def _condition_means(self):
        members = np.equal.outer(np.arange(self.design.n_conditions), self.of) * 1.0
        return (members / members.sum(axis=1, keepdims=True)) @ self.means

    def _activity(self):
        """Z-scored means (stimulus, neuron) and the sd of the noise beside them."""
        n = self.size.n_neurons or self.means.shape[1]
        total = np.hypot(self.spread, self.noise_sd)
        padded = np.zeros((len(self.means), n))
        padded[:, : self.means.shape[1]] = self.means / total
        return padded, self.noise_sd / total

    def _accuracy(self, problems: Problems, n_trials):
        readout = _closed(self.options.get("readout", "svm"))
        if self.silent or self.noise_sd is None or readout is None:
            return np.nan
        if n_trials is None and readout["readout"] != "nearest_mean":
            readout = {"readout": "lda"}  # which regularised readouts come to
        per = len(self.means) / self.design.n_conditions
        means, sd = self._activity()
        side, trained, tested = (
            a[:, self.of] for a in (problems.side, problems.trained, problems.tested)
        )
        correct = expected.by_condition(
            means,
            side,
            trained,
            noise_sd=sd,
            n_trials=None if n_trials is None else max(n_trials / per, 1.0),
            **readout,
        )
        sides = [np.where(tested & (side == s), correct, np.nan) for s in (1, -1)]
        return float(np.mean([np.nanmean(a, axis=1) for a in sides]))


def expected_of(ideal: Ideal, name, like=None) -> xr.Dataset:
    """A measure: ``estimate``, ``population`` with endless trials, ``naive`` where it has one.

    like : Dataset of the same measure of a recording, whose dims a measure without a closed form
    takes over, NaN throughout
    """
    endless = ideal.endless()
    if name not in MEASURES or (name != "dimensionality" and _unknown(ideal.options, name)):
        return like[["estimate"]] * np.nan
    if name == "shattering":
        return xr.Dataset({"estimate": ideal.shattering(), "population": endless.shattering()})
    if name == "dimensionality":
        value, naive = ideal.participation_ratio(), ideal.participation_ratio(naive=True)
        found = {"estimate": value, "population": value, "naive": naive}
        return xr.Dataset(
            {k: ("quantity", [v]) for k, v in found.items()}, {"quantity": ["participation_ratio"]}
        )
    found = {"estimate": getattr(ideal, name)(), "population": getattr(endless, name)()}
    if name == "parallelism":
        found["naive"] = ideal.parallelism(naive=True)
    return xr.Dataset(
        {k: ("variable", list(v.values())) for k, v in found.items()},
        {"variable": [t.name for t in ideal.design.targets()]},
    )


def why_not(name, options) -> str:
    """Why a measure has no closed form here, or ""."""
    if name not in MEASURES:
        return f"{name} has no closed form"
    return "" if name == "dimensionality" else _unknown(options, name)


def _unknown(options, name):
    if name == "parallelism":
        paired = options.get("pairing", "factor") == "factor"
        return "" if paired else "parallelism of the best pairing has no closed form"
    if name == "decoding" and options.get("classes", "pairwise") != "pairwise":
        return "decoding of all classes at once has no closed form"
    if _closed(options.get("readout", "svm")) is None:
        return f"{name} of this readout has no closed form"
    return ""


def _closed(readout) -> dict[str, Any] | None:
    """An engine's readout as the options of the closed forms, None where they do not know it."""
    match readouts.readout(readout):
        case readouts.SVM(C=cost):
            return {"readout": "svm", "C": cost}
        case readouts.Ridge(penalty=penalty):
            return {"readout": "ridge", "penalty": penalty}
        case readouts.LDA(shrinkage="ledoit-wolf"):
            return {"readout": "lda"}
        case readouts.NearestMean():
            return {"readout": "nearest_mean"}
    return None


def workings(ideals) -> xr.Dataset:
    """What was done to each: noise and the decoding that it gave, neurons and trials (system)."""

    def decoding(i):
        return float(np.mean(list(i.decoding().values())))

    def number(value):
        return np.nan if value is None else float(value)

    found = xr.Dataset(
        {
            "noise_sd": ("system", [number(i.noise_sd) / max(i.spread, 1e-300) for i in ideals]),
            "decoding": ("system", [decoding(i) for i in ideals]),
            "n_neurons": ("system", [number(i.size.n_neurons) for i in ideals]),
            "n_training": ("system", [number(i.size.split) for i in ideals]),
        },
        {"system": [i.name for i in ideals]},
    )
    found["noise_sd"].attrs["units"] = "root mean square of the neurons' sd over conditions"
    return found
