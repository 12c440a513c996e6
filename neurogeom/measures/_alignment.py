"""When kernel alignment can be estimated, and its 95 % interval.

Conditions and neurons are left out one by one. Sampled conditions: the variance over conditions,
and over neurons of each population of which they are a sample. Fixed conditions: that over neurons
alone. A bootstrap would repeat conditions and neurons, and the corrections need distinct ones
(percentiles cover 0.57-0.93).
"""

import numpy as np

from ..engine.intervals import Interval, refused
from ..engine.jackknife import spread
from ..engine.targets import aim
from ..formulas import cka
from ..formulas.hsic import hsic

UNUSABLE, DOUBTFUL = 0.15, 0.3  # share of a geometry
LEAST_CONDITIONS = 20  # sampled: fewer were not tried


def share(own, means, neurons):
    """What is left of the squared size of a geometry, tr C^2, after correction: at most 1.

    own : Own; means : float64 (condition, neuron), over all trials
    """
    centred = means - means.mean(axis=0)
    kernel = centred @ centred.T
    size = hsic(kernel, kernel) / means.shape[1] ** 2
    return float(own.length(neurons) / size) if size > 0 else 0.0


def unusable(left):
    """Why there is no alignment where so little is left, or ""."""
    if left >= UNUSABLE:
        return ""
    return (
        "what sets conditions apart in a population is not above trial noise and chance, or they "
        f"are equally far from one another: {left:.2f} is left, less than {UNUSABLE}"
    )


def doubtful(left):
    """What to read an alignment with, or ""."""
    return "" if left >= DOUBTFUL else f"{left:.2f} is left of a geometry: alignment is uncertain"


def interval(m, between, own_a, own_b, *, stimuli, neurons, target) -> Interval:
    """The interval of an alignment, or why there is none.

    m : Matched; between, own_a, own_b : sums of :mod:`neurogeom.formulas.cka`, with deletions
    """
    from scipy.special import stdtrit

    words = cka.both(neurons)
    populations = (m.a.population, m.b.population)
    goals = [aim(p, target) for p in populations]  # refuses an unknown target
    if target not in (None, "population"):
        if target == "none":
            return refused(goals[0].reason)
        return refused(f"an alignment has no interval over {target} whose coverage is known")
    if reason := _unfit(m, stimuli, words):
        return refused(reason)
    sampled = [i for i, word in enumerate(words) if word == "sampled"]
    goals = [aim(populations[i], "population") for i in sampled]
    if reason := "; ".join(g.reason for g in goals if g.reason):
        return refused(reason)
    left = cka.without_neurons(between, own_a, own_b, neurons=neurons)
    parts, sizes = [left[i] for i in sampled], [len(left[i]) for i in sampled]
    if stimuli == "sampled":
        parts.append(cka.without_stimuli(between, own_a, own_b, neurons=neurons))
        sizes.append(m.n_conditions)
    if not all(np.isfinite(p).all() for p in parts):
        return refused("leaving out one neuron or condition leaves no signal above trial noise")
    half = stdtrit(min(sizes) - 1, 0.975) * np.sqrt(sum(spread(p) for p in parts))
    estimate = float(cka.value(between, own_a, own_b, neurons=neurons))
    note = "; ".join(dict.fromkeys(g.note for g in goals if g.note))
    return Interval(
        np.array([estimate - half]), np.array([estimate + half]), _text(m, stimuli, sampled),
        note=note,
    )  # fmt: skip


def _unfit(m, stimuli, words):
    n = m.n_conditions
    if stimuli == "sampled" and n < LEAST_CONDITIONS:
        return (
            f"{n} conditions are fewer than the {LEAST_CONDITIONS} that an interval over sampled "
            "conditions needs; stimuli='fixed' has one over neurons"
        )
    if stimuli == "fixed" and "sampled" not in words:
        return "with these conditions and these neurons alone nothing is sampled but trials"
    return ""


def _text(m, stimuli, sampled):
    sizes = [(m.a, m.b)[i].population.n_neurons for i in sampled]
    what = [f"{m.n_conditions} new conditions"] if stimuli == "sampled" else []
    if sizes:
        what.append(f"new samples of {' and '.join(map(str, sizes))} neurons")
    return f"population: {' and '.join(what)}, recorded the same way"
