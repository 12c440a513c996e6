"""One data set put to the default nulls: the engine's own choice of null, surrogates and ranks.

What several rules share (resamples, surrogates) is made once, so that a nearest-mean data set with
199 surrogates takes some ten milliseconds.
"""

from contextlib import nullcontext
from functools import lru_cache
from unittest.mock import patch

import calibration_data as data
import numpy as np

from neurogeom.engine import by_session, nulls
from neurogeom.engine.choice import choose
from neurogeom.engine.experiment import Experiment
from neurogeom.engine.multiplicity import max_statistic, rank_p
from neurogeom.engine.problems import Problems, held_out_pairs, within
from neurogeom.engine.readouts import readout as named_readout
from neurogeom.engine.setting import Setting
from neurogeom.measures import decoding, parallelism

SURROGATES = 199
SEEDS = 50  # seeds of surrogates go round, so that their random signs and matrices are drawn once


@lru_cache(maxsize=2 * SEEDS)
def drawn(kind, n_contexts, n_units, seed):
    """Signs (surrogate, context, unit), or matrices (surrogate, unit, context, context)."""
    streams = (nulls.generator(seed, d) for d in range(SURROGATES))
    if kind == "rotate":
        return np.stack([nulls.haar(n_contexts, n_units, rng) for rng in streams])
    return np.stack([rng.integers(0, 2, (n_contexts, n_units)) * 2.0 - 1.0 for rng in streams])


class Kept:
    """All shifts of nulls.CodingVectors at once, used for every rule."""

    def __init__(self, kind, unit, means, grid, seed):
        levels = means[grid]
        d = levels - levels.mean(axis=1, keepdims=True)  # (context, level, neuron)
        random = drawn(kind, len(grid), int(unit.max()) + 1, seed)
        self.all = np.zeros((SURROGATES, *means.shape))
        if kind == "flip":
            self.all[:, grid] = d * (random[:, :, unit] - 1.0)[:, :, None]
            return
        moved = np.empty((SURROGATES, *d.shape))
        for u in range(random.shape[1]):
            moved[..., unit == u] = np.tensordot(random[:, u], d[..., unit == u], axes=1)
        self.all[:, grid] = moved - d

    def shift(self, draw):
        """Moved means less means, (condition, neuron)."""
        return self.all[draw]


class DataSet:
    """One data set: population, setting and what the rules share."""

    def __init__(self, cell, values, seed, readout, resamples):
        design, population = data.population(cell, values)
        self.setting = Setting(
            design,
            population,
            named_readout(readout),
            "resample",
            resamples,
            None,
            SURROGATES,
            seed,
        )
        self.standard = nulls.standardised(population, "resample")
        self._draws, self._kept = None, {}

    @property
    def draws(self):
        """Resamples with conditions held out."""
        if self._draws is None:
            self._draws = self.setting.draws(split=False)
        return self._draws

    def kept(self, choice, target):
        """Shifts of the surrogate that a choice names."""
        key = choice.kind, target.name
        if key not in self._kept:
            self._kept[key] = Kept(
                choice.kind, choice.unit, self.standard.means, target.grid, self.setting.seed
            )
        return self._kept[key]

    def choices(self, target):
        """The default null of either rule."""
        ratio = nulls.length_ratio(self.standard, target.grid)
        return {
            h: choose(self.setting.population, target.grid, ratio, held_out=h)
            for h in ("matched", "any")
        }

    def ccgp(self, target, choices):
        """{rule: (estimate, null, p, method)}, rules with the same surrogates solved together."""
        joint = [h for h, c in choices.items() if c.kind != "sessions"]
        found = {}
        if len({choices[h].kind for h in joint}) == 1:
            found |= self._moved(target, joint, choices[joint[0]])
        else:
            for h in joint:
                found |= self._moved(target, [h], choices[h])
        if "matched" not in joint:
            found["matched"] = self._by_session(target, choices["matched"])
        return found

    def _experiment(self, target, rules, draws):
        parts = [held_out_pairs(target.sides[0].side, pairs(target, h)) for h in rules]
        group = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
        return Experiment(draws, Problems.joined(parts), group, self.setting.readout)

    def estimate(self, target):
        """CCGP (matched) of the pooled population, without a null."""
        experiment = self._experiment(target, ["matched"], self.draws)
        return experiment.average(experiment.observe())[0][0]

    def _moved(self, target, rules, choice):
        experiment = self._experiment(target, rules, self.draws)
        observed, margin = experiment.average(experiment.observe())
        values, margins = nulls.of_moves(experiment, self.kept(choice, target), SURROGATES)[:2]
        p = rank_p(observed, values, margin=margin, null_margin=margins)
        return {h: (observed[i], values[:, i], p[i], choice.text) for i, h in enumerate(rules)}

    def _by_session(self, target, choice):
        problems = held_out_pairs(target.sides[0].side, pairs(target, "matched"))
        values, margins = by_session.values(self.setting, problems, np.zeros(len(problems), int))
        options = {"n_null": SURROGATES, "seed": self.setting.seed}
        observed, flipped = by_session.test(values - 0.5, **options)
        margin, null_margin = by_session.test(margins, **options)
        p = rank_p(observed, flipped, margin=margin, null_margin=null_margin)[0]
        return 0.5 + observed[0], 0.5 + flipped[:, 0], p, choice.text

    def parallelism(self, target, choice):
        """(statistic, null, p, method) of the parallelism score."""
        groups = [target.grid[:, [0, 1]]]
        if choice.kind == "sessions":
            out = parallelism._over_sessions(
                self.setting, self.standard, groups, choice, "two-sided"
            )
            return out["statistic"], out["null"], out["p"], out["method"]
        means = self.standard.means
        moved = means[:, None] + self.kept(choice, target).all.transpose(1, 0, 2)
        observed, values = scores(means[:, None], groups)[0], scores(moved, groups)
        return observed, values, float(rank_p(observed, values)), choice.text

    def all_rules(self, target):
        """CCGP by both rules and parallelism."""
        choices = self.choices(target)
        return {
            **self.ccgp(target, choices),
            "parallelism": self.parallelism(target, choices["matched"]),
        }

    def decoding(self, target):
        """(estimate, null, p, method) of decoding."""
        s, side = self.setting, target.sides[0].side
        experiment = Experiment(self.draws_split, within(side[None]), np.zeros(1, int), s.readout)
        observed, margin = experiment.average(experiment.observe())
        surrogate = s.label_shuffle(split=True, **decoding._classes(s.design, target, None))
        values, margins = nulls.of_orders(experiment, surrogate, SURROGATES)[:2]
        p = rank_p(observed, values, margin=margin, null_margin=margins)[0]
        return (
            observed[0],
            values[:, 0],
            p,
            "labels shuffled within group and within the levels of the other variables",
        )

    @property
    def draws_split(self):
        """Resamples with trials split into training and test."""
        return self.setting.draws(split=True)


def pairs(target, rule):
    """Held-out pairs (high, low) of a two-level variable."""
    if rule == "matched":
        return [(row[1], row[0]) for row in target.grid]
    return [(a, b) for a in target.grid[:, 1] for b in target.grid[:, 0]]


def scores(means, groups):
    """Numerator over raw denominator for means (condition, surrogate, neuron), (surrogate,)."""
    n_conditions, n_null, n_neurons = means.shape
    flat = means.reshape(n_conditions, -1)
    top, _, raw = parallelism.contributions(flat, np.zeros_like(flat), groups)
    return top.reshape(n_null, n_neurons).sum(axis=1) / raw.reshape(n_null, n_neurons).sum(axis=1)


def nulls_of(cell, number, readout, resamples, **code):
    """{rule: (estimate, p, method, above)} of one data set."""
    one = DataSet(cell, data.draw(cell, number, **code), number % SEEDS, readout, resamples)
    target = one.setting.targets()[0]
    return {rule: summary(*found) for rule, found in one.all_rules(target).items()}


def decoding_of(cell, number, readout, resamples, **code):
    """{rule: ...} of decoding."""
    one = DataSet(cell, data.draw(cell, number, **code), number, readout, resamples)
    return {"decoding": summary(*one.decoding(one.setting.targets()[0]))}


def familywise_of(cell, number, readout, resamples, **code):
    """{rule: ...} where p is the smallest corrected p over all variables."""
    seed = number if cell.codes == "nothing" else number % SEEDS
    one = DataSet(cell, data.draw(cell, number, **code), seed, readout, resamples)
    if cell.codes == "nothing":
        found = [{"decoding": one.decoding(t)} for t in one.setting.targets()]
    else:
        found = [one.all_rules(t) for t in one.setting.targets()]
    out = {}
    for rule in found[0]:
        rows = [f[rule] for f in found]
        observed = np.array([r[0] for r in rows])
        if len({len(r[1]) for r in rows}) > 1:
            continue
        p = max_statistic(observed, np.stack([r[1] for r in rows], axis=1))
        out[f"familywise {rule}"] = (
            observed.mean(),
            p.min(),
            " and ".join(sorted({r[3] for r in rows})),
            False,
        )
    return out


def summary(observed, null, p, method):
    """What is kept of a test."""
    return observed, p, method, bool(observed > np.mean(null))


MEASURES = {"nulls": nulls_of, "decoding": decoding_of, "familywise": familywise_of}


def chunk(measure, cell, numbers, readout, resamples, code):
    """Several data sets, as a list of dictionaries.

    BLAS is pinned to one thread once around them all: finding the libraries takes longer than a
    data set, so the engine's own pinning around every null is left out.
    """
    import threadpoolctl

    with (
        threadpoolctl.threadpool_limits(1),
        patch.object(threadpoolctl, "threadpool_limits", nullcontext),
    ):
        return [MEASURES[measure](cell, k, readout, resamples, **code) for k in numbers]
