"""The scores of :func:`neurogeom.similarity`: each takes matched populations, gives quantities."""

import math
from functools import partial

import numpy as np

from ..engine.intervals import refused
from ..engine.nulls import standardised
from ..engine.quantities import Quantity, missing
from ..formulas import cca, participation_ratio, predictivity
from ..formulas import cka as alignment
from ..formulas import procrustes as shapes
from ..formulas import rsa as distances
from ..formulas.hsic import hsic
from . import _alignment

LEAST = 4  # conditions in common
MOST_FOLDS = 10  # sets of conditions that are held out in turn
MOST_COMPONENTS = 10  # of canonical correlation, and half of the conditions
N_CEILING = 4  # divisions of trials that a ceiling is averaged over
KEY = 24  # of random streams
_NULL = (
    "conditions of b permuted, all trials of a condition together: keeps both geometries and all "
    "noise, breaks which condition is which"
)
_FLAT = "all conditions of a population are alike"
CKA = "1 is the same geometry up to rotation and scale, 0 unrelated"


# --- CKA ----------------------------------------------------------------------------------------


def _cka(m, *, stimuli, neurons, target, **_):
    if too_few := _too_few(m, alignment.REPEATS[stimuli]):
        return [missing("cka", CKA, too_few, least=0.0, most=1.0)]
    naive = float(alignment.naive(*m.means))
    if math.isnan(naive):
        return [missing("cka", CKA, _FLAT, least=0.0, most=1.0)]
    notes = []
    if m.same_neurons and "sampled" in alignment.both(neurons):
        neurons = "all"
        notes.append("a and b share neurons, so that CKA is of these neurons alone")
    x, y = kernels(m, stimuli)
    more = {"stimuli": stimuli, "deletions": stimuli == "sampled" and m.n_conditions > LEAST}
    own = [alignment.own(s, **more) for s in (m.quarters if stimuli == "fixed" else m.halves)]
    between = alignment.cross(x, y, **more)
    left = min(
        _alignment.share(*z) for z in zip(own, m.means, alignment.both(neurons), strict=True)
    )
    if reason := _alignment.unusable(left):
        unit, interval = _naive_unit(m), refused("there is no estimate")
    else:
        unit = float(alignment.value(between._replace(total=1.0), *own, neurons=neurons))
        interval = _alignment.interval(
            m, between, *own, stimuli=stimuli, neurons=neurons, target=target
        )
        notes.append(_alignment.doubtful(left))
    null = unit * alignment.permuted(x, y, m.orders(KEY), stimuli=stimuli)
    return [
        Quantity(
            "cka", np.nan if reason else unit * between.total, CKA, naive=naive,
            chance=0.0 if stimuli == "sampled" else _mean(null), least=0.0, most=1.0, ceiling=1.0,
            null=null, null_method=_NULL, tail="greater", statistic=unit * between.total,
            interval=interval, reason=reason, note="; ".join(filter(None, notes)),
        )
    ]  # fmt: skip


def _centred(m):
    return [x - x.mean(axis=0) for x in m.means]


def kernels(m, stimuli):
    """The two estimates of a and of b whose products make their kernels, noise apart."""
    if stimuli == "fixed":
        if m.together:
            return m.quarters[0][:, [0, 1]], m.quarters[1][:, [2, 3]]
        return m.halves
    if m.together:
        return m.halves[0][:, [0, 0]], m.halves[1][:, [1, 1]]
    return tuple(np.stack([x, x])[None] for x in m.means)


def _naive_unit(m):
    """What puts products of kernels in units of CKA at face value: the same for all surrogates."""
    return 1.0 / math.sqrt(math.prod(float(hsic(x @ x.T, x @ x.T)) for x in _centred(m)))


# --- shapes -------------------------------------------------------------------------------------


def _procrustes(m, **_):
    a, b = m.means
    direction = "1 is the same shape; chance is far above 0"
    whole = _over_conditions(
        m, "procrustes", direction, lambda x, y: shapes.similarity(x, y), [(a, b)], corrected=False
    )
    return [whole, _held_out(m)]


def _shape_distance(m, *, alpha, **_):
    direction = "0 is the same shape, pi/2 unrelated"
    return [
        _over_conditions(
            m, "shape_distance", direction, lambda x, y: shapes.angle(x, y, alpha=alpha),
            [m.means], corrected=False, tail="less", most=math.pi / 2,
        )
    ]  # fmt: skip


def _held_out(m):
    name, direction = "procrustes_held_out", "1 is the same shape on new conditions, 0 unrelated"
    if too_few := _too_few(m, 2):
        return missing(name, direction, too_few, most=1.0)
    fold = folds_of_conditions(m)
    length = [np.mean([shapes.spread(s[0], s[1], fold) for s in halves]) for halves in m.halves]
    naive_length = [shapes.spread(x, x, fold) for x in m.means]
    if min(naive_length) <= 0:
        return missing(name, direction, _FLAT, most=1.0)

    def score(x, y):
        return shapes.aligned(x, y, fold)

    found = _over_conditions(m, name, direction, score, m.independent, least=-1.0, chance=0.0)
    positive = min(length) > 0
    unit = 1.0 / math.sqrt(math.prod(length if positive else naive_length))
    ceiling = np.mean(
        [_half_against_half(m, score, which) / length[which] for which in (0, 1)]
    ) if positive else np.nan  # fmt: skip
    naive = float(shapes.held_out(*m.means, fold))
    return found._replace(
        estimate=found.estimate * unit if positive else np.nan,
        naive=naive,
        statistic=found.estimate * unit,
        null=None if found.null is None else found.null * unit,
        ceiling=ceiling,
        reason="" if positive else "trial noise exceeds the signal of a population",
    )


def folds_of_conditions(m):
    """Which conditions are held out together, int (condition,): one at a time where few."""
    rng = np.random.default_rng(np.random.SeedSequence(m.a.seed, spawn_key=(KEY, 1)))
    n = m.n_conditions
    return rng.permutation(np.arange(n) % min(n, MOST_FOLDS))


# --- distances between conditions ---------------------------------------------------------------


def _rsa(m, **_):
    names = ("rsa_whitened", "rsa_tau")
    directions = (
        "1 is the same distances; chance is above 0",
        "1 is the same order of distances, 0 unrelated",
    )
    if too_few := _too_few(m, 4 if m.together else 2):
        return [missing(n, d, too_few, most=1.0) for n, d in zip(names, directions, strict=True)]
    pairs = _distance_pairs(m)
    compared = (distances.whitened_cosine, distances.tau_a)
    naive = [distances.naive_distances(x) for x in m.means]
    found = []
    for name, direction, compare in zip(names, directions, compared, strict=True):
        estimate = float(np.mean([compare(p, q) for p, q in pairs]))
        null = np.mean(
            [compare(p, distances.relabelled(q, m.orders(KEY))) for p, q in pairs], axis=0
        )
        found.append(
            Quantity(
                name, estimate, direction, naive=float(compare(*naive)),
                chance=0.0 if name == "rsa_tau" else _mean(null), least=-1.0, most=1.0,
                ceiling=_distance_ceiling(m, compare), null=null, null_method=_NULL,
                tail="greater", reason=_FLAT if math.isnan(estimate) else "",
            )
        )  # fmt: skip
    return found


def _distance_pairs(m):
    """Distances of a and of b whose noise is independent, a list of pairs (pair,)."""
    if m.together:
        a, b = m.quarters
        return [
            (distances.crossnobis(p[:2]), distances.crossnobis(q[2:]))
            for p, q in zip(a[:N_CEILING], b[:N_CEILING], strict=True)
        ]
    sets = m.quarters if m.fewest >= 4 else m.halves
    return [tuple(distances.crossnobis(s).mean(axis=0) for s in sets)]


def _distance_ceiling(m, compare):
    if m.fewest < 4:
        return np.nan
    values = [
        compare(distances.crossnobis(q[:2]), distances.crossnobis(q[2:]))
        for sets in m.quarters
        for q in sets[:N_CEILING]
    ]
    return float(np.mean(values))


# --- other mixtures of neurons ------------------------------------------------------------------


def _cca(m, **_):
    name, direction = "cca", "1 is the same variables in any mixture, 0 unrelated"
    fold = folds_of_conditions(m)
    d = _n_components(m, fold)

    def score(x, y):
        return cca.cross_validated(x, y, fold, n_components=d).mean

    try:
        found = _over_conditions(
            m, name, direction, score, m.independent, least=-1.0, chance=0.0,
            note=f"cca: mean of {d} components",
        )  # fmt: skip
    except ValueError:
        reason = f"some conditions hold all that varies in one of {d} dimensions"
        return [missing(name, direction, reason, least=-1.0, most=1.0)]
    if found.reason:
        return [found]
    u = [np.linalg.svd(x, full_matrices=False)[0][:, :d] for x in _centred(m)]
    return [found._replace(naive=float(np.nanmean(cca.canonical_correlations(*u))))]


def _n_components(m, fold):
    """As many as the smaller geometry has dimensions: of equal axes any choice of some is noise."""
    sizes = [participation_ratio.naive(x) for x in m.means]
    train = [x[fold != f] for x in m.means for f in np.unique(fold)]
    rank = min(int(np.linalg.matrix_rank(x - x.mean(axis=0))) for x in train)
    most = max(1, min(m.n_conditions // 2, MOST_COMPONENTS, rank))
    return int(np.clip(np.round(np.nan_to_num(min(sizes))), 1, most))


def _predictivity(m, **_):
    return [_predicted(m, "predictivity_a_to_b", 0), _predicted(m, "predictivity_b_to_a", 1)]


def _predicted(m, name, source):
    direction = "share of the other's variance that a linear map predicts on new conditions"
    if too_few := _too_few(m, 2):
        return missing(name, direction, too_few, most=1.0)
    goal = 1 - source
    if not all(np.abs(x).max() > 0 for x in _centred(m)):
        return missing(name, direction, _FLAT, most=1.0)
    fold = folds_of_conditions(m)
    s = (m.a, m.b)[goal]
    whole = standardised(s.population, s.scale).error
    half = whole * _half_error(s.population.counts_by_neuron)
    corrected = partial(_explained, fold=fold, squared_error=half if m.together else whole)
    pairs = [(p[source], p[goal]) for p in m.independent]
    estimate = float(np.mean([corrected(x, y) for x, y in pairs]))
    naive = float(np.mean([_explained(x, y, fold) for x, y in pairs]))
    null = np.zeros(m.a.n_null)
    for x, y in pairs:
        score = partial(_permuted_explained, x, y, fold)
        null += _in_parts(score, m.orders(KEY)) / len(pairs)
    ceiling = [_explained(x, y, fold, squared_error=half) for x, y in m.halves[goal][:N_CEILING]]
    reason = "" if np.isfinite(estimate) else "trial noise exceeds the signal of what is predicted"
    return Quantity(
        name, estimate, direction, naive=naive, chance=_mean(null), most=1.0,
        ceiling=float(np.mean(ceiling)), null=null, null_method=_NULL, tail="greater",
        statistic=naive, reason=reason,
    )  # fmt: skip


def _explained(x, y, fold, squared_error=None):
    found = predictivity.held_out(x, y, fold)
    return predictivity.r_squared(found, y, squared_error, pooled=True)


def _permuted_explained(x, y, fold, orders):
    return _explained(x, y[orders], fold)


def _half_error(n):
    """How much larger the squared error of half of n trials is."""
    return 0.5 * n * (1.0 / (n // 2) + 1.0 / (n - n // 2))


# --- what scores have in common -----------------------------------------------------------------


def _over_conditions(
    m, name, direction, score, estimates, *, corrected=True, tail="greater", least=0.0, most=1.0,
    chance=None, note=""
):  # fmt: skip
    """A score of (condition, neuron) means, its null and its ceiling.

    score : (..., condition, axis) twice -> (...); estimates : pairs of means to average over
    """
    if too_few := _too_few(m, 2):
        return missing(name, direction, too_few, least=least, most=most)
    estimate, null = 0.0, np.zeros(m.a.n_null)
    for a, b in estimates:
        x, y = (shapes.coordinates(z)[0] for z in (a, b))
        estimate = estimate + float(score(x, y)) / len(estimates)
        if m.a.n_null:
            null += _in_parts(lambda o, x=x, y=y: score(x, y[o]), m.orders(KEY)) / len(estimates)
    ceiling = float(np.mean([_half_against_half(m, score, which) for which in (0, 1)]))
    return Quantity(
        name, estimate, direction, naive=np.nan if corrected else estimate,
        chance=_mean(null) if chance is None else chance, least=least, most=most, ceiling=ceiling,
        null=null, null_method=_NULL, tail=tail, reason=_FLAT if math.isnan(estimate) else "",
        note=note,
    )  # fmt: skip


def _half_against_half(m, score, which):
    """The score of one population with itself, half of the trials each."""
    pairs = [shapes.coordinates(*s) for s in m.halves[which][:N_CEILING]]
    return float(np.mean([score(x, y) for x, y in pairs]))


def _in_parts(score, orders, most=200):
    """Scores of all orders, some at a time."""
    if not len(orders):
        return np.zeros(0)
    return np.concatenate([score(orders[i : i + most]) for i in range(0, len(orders), most)])


def _too_few(m, sets):
    """Why there is no score, or ""."""
    if m.n_conditions < LEAST:
        return f"{m.n_conditions} conditions in common are fewer than the {LEAST} needed"
    if m.fewest < sets:
        return f"{m.fewest} trials in a condition are fewer than the {sets} needed"
    return ""


def _mean(null):
    return float(np.mean(null)) if len(null) else np.nan


SCORES = {
    "cka": _cka,
    "procrustes": _procrustes,
    "shape_distance": _shape_distance,
    "rsa": _rsa,
    "cca": _cca,
    "predictivity": _predictivity,
}
