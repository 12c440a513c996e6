"""How alike are two populations? CKA, Procrustes, RSA, CCA and linear predictivity, corrected."""

import math

import numpy as np
import xarray as xr

from ..engine import matched
from ..engine.intervals import refused
from ..engine.quantities import Quantity, missing, packed
from ..formulas import cka as alignment
from ..formulas import procrustes as shapes
from ..formulas import rsa as distances
from ..formulas.hsic import hsic
from . import _alignment_interval

LEAST = 4  # conditions in common
FEW_ORDERS = 1000  # orders of conditions, below which p-values are coarse
MOST_FOLDS = 10  # sets of conditions that are held out in turn
N_CEILING = 4  # divisions of trials that a ceiling is averaged over
KEY = 24  # of random streams
_NULL = (
    "conditions of b permuted, all trials of a condition together: keeps both geometries and all "
    "noise, breaks which condition is which"
)


def similarity(
    a,
    b,
    variables,
    *,
    scores=None,
    stimuli="sampled",
    neurons="sampled",
    alpha=0.5,
    n_splits=20,
    min_trials=5,
    n_null=999,
    target=None,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Are the conditions that are alike in one population alike in the other?

    Two brain areas, two animals, brain and network. Conditions are matched by the labels of the
    variables, whatever the order of rows; those that only one population has are left out.

    Parameters
    ----------
    a, b : DataArray (trial, neuron), or list of them
    variables : list of str, or mapping name -> levels
        As in :func:`neurogeom.decoding`, in both populations.
    scores : list of str, optional
        Of "cka", "procrustes", "shape_distance", "rsa", "cca" and "predictivity"; None for all.
    stimuli : {"sampled", "fixed"}
        For CKA: conditions are a sample of those that matter (chance is 0, whatever the number of
        neurons), or are all that there are (then chance is not 0, and the null shows it).
    neurons : {"sampled", "all"} or a pair of them, for a and b
        For CKA: the value of endless populations of which these neurons are a sample, or of these
        neurons, as in a network. ``("sampled", "all")`` for a recording and a network.
    alpha : float
        Of the shape distance, from 1 (Procrustes) to 0 (canonical correlation).
    n_splits : int
        Divisions of the trials in halves (or quarters) that corrected scores are averaged over.
    target : {None, "population", "none"}
        What the interval of CKA is for.
    min_trials, n_null, scale, empty, seed
        As in :func:`neurogeom.decoding`; nothing is shared among workers.

    Returns
    -------
    Dataset
        ``estimate``, ``naive``, ``chance``, ``ceiling``, ``p_value``, ``interval``, ``null`` and
        more, all (quantity), and ``z``, the distance of the statistic from its null in sd.

        - ``cka``: centred kernel alignment without the bias of conditions, trials and neurons
          (:mod:`neurogeom.formulas.cka`). From 0 to 1, the ceiling is 1.
        - ``procrustes``: cosine of the Procrustes angle, at face value: chance is far above 0 and
          is the mean of the null. From 0 to 1.
        - ``procrustes_held_out``: a is turned towards b as some conditions say, and compared on the
          others; trial noise removed from its denominator. Chance 0, at most 1.
        - ``shape_distance``: angle in radians at ``alpha``; 0 is the same shape, at most
          :math:`\pi/2`, at face value.
        - ``rsa_whitened``, ``rsa_tau``: cross-validated distances between conditions, compared by
          whitened cosine (chance above 0) and Kendall's tau-a (chance 0).
        - ``cca``: canonical correlation, cross-validated over conditions. Chance 0.
        - ``predictivity_a_to_b``, ``predictivity_b_to_a``: ridge regression over conditions.

        ``ceiling`` is what a population scores with itself: one half of its trials against the
        other, the mean of a and b over divisions. Half of the trials, so that it is a lower bound;
        1 where the estimate is corrected for noise in full (CKA).

    Raises
    ------
    KeyError, ValueError, TypeError
        As in :func:`neurogeom.decoding` for either population; an option is unknown; fewer than
        two conditions in common; activity with a time dim.

    Examples
    --------
    >>> import neurogeom as ng
    >>> from neurogeom.measures.similarity import similarity
    >>> options = {"separation": 4.0, "n_neurons": 40, "n_truth": 0}
    >>> a, b = (ng.simulate("cube", seed=s, **options) for s in (0, 1))
    >>> found = similarity(a, b, ["a", "b", "c"], scores=["cka"], n_null=99, neurons="all")
    >>> bool(found.estimate.sel(quantity="cka") > 0.7)
    True

    Notes
    -----
    Where a and b were recorded together they share noise. Their trials are then divided alike, and
    halves of a are compared with the other halves of b; naive values compare all trials.
    """
    from threadpoolctl import threadpool_limits

    scores = _known(scores)
    alignment.both(neurons)
    if stimuli not in alignment.STIMULI:
        raise ValueError(f"stimuli={stimuli!r} is unknown; choose from {list(alignment.STIMULI)}")
    options = {"stimuli": stimuli, "neurons": neurons, "alpha": alpha, "target": target}
    with threadpool_limits(1, user_api="blas"):
        m = matched.matched(
            a,
            b,
            variables,
            min_trials=min_trials,
            n_null=n_null,
            n_splits=n_splits,
            scale=scale,
            empty=empty,
            seed=seed,
        )
        found = [q for score in scores for q in SCORES[score](m, **options)]
    return _result(m, found, neurons, stimuli, alpha)


def _known(scores):
    chosen = list(SCORES) if scores is None else scores
    unknown = [s for s in chosen if s not in SCORES]
    if isinstance(chosen, str) or unknown or not len(chosen):
        raise ValueError(f"scores={scores!r} is unknown; choose a list from {list(SCORES)}")
    return list(dict.fromkeys(chosen))


def _result(m, found, neurons, stimuli, alpha):
    n_null = m.a.n_null
    result = packed(found, n_null=n_null)
    if n_null:
        spread = result["null"].std("surrogate", ddof=1) if n_null > 1 else np.nan
        centre = result["null"].mean("surrogate")
        result["z"] = (result["statistic"] - centre) / spread.where(spread > 0)
    notes = [*m.notes, *result.attrs["notes"]]
    if n_null and math.factorial(min(m.n_conditions, 20)) < FEW_ORDERS:
        notes.append(f"{m.n_conditions} conditions have few orders: p-values are coarse")
    two = {
        "n_neurons": [s.population.n_neurons for s in (m.a, m.b)],
        "n_neurons_dropped": [sum(s.population.dropped.values()) for s in (m.a, m.b)],
        "n_neuron_trials": [s.population.n_observed for s in (m.a, m.b)],
        "n_trials_dropped": [
            sum(int((c < 0).sum()) for c in s.design.of_trial) for s in (m.a, m.b)
        ],
        "real_trials": [s.population.real_trials for s in (m.a, m.b)],
    }
    result.attrs |= m.a.attrs(
        "similarity",
        estimand="similarity of the condition means of two populations",
        convention=f"cka: stimuli={stimuli}, neurons={neurons}; shape_distance: alpha={alpha}",
        chance=None,
        range=None,
        direction="see each quantity",
        readout="none",
        n_resamples=0,
        n_pseudo=None,
        n_splits=m.n_splits,
        n_conditions=m.n_conditions,
        conditions=[m.a.design.name_of(c) for c in range(m.n_conditions)],
        ceiling="one half of a population's trials against the other, mean of a and b",
        notes=notes,
        **two,
    )
    return result


# --- CKA ----------------------------------------------------------------------------------------


def _cka(m, *, stimuli, neurons, target, **_):
    if too_few := _too_few(m, 4 if stimuli == "fixed" else 2):
        return [missing("cka", CKA, too_few, least=0.0, most=1.0)]
    note = ""
    if m.same_neurons and "sampled" in alignment.both(neurons):
        neurons, note = "all", "a and b share neurons, so that CKA is of these neurons alone"
    x, y = kernels(m, stimuli)
    sets = m.quarters if stimuli == "fixed" else m.halves
    more = {"stimuli": stimuli, "deletions": stimuli == "sampled" and m.n_conditions > 4}
    own_a, own_b = (alignment.own(s, **more) for s in sets)
    between = alignment.cross(x, y, **more)
    estimate = float(alignment.value(between, own_a, own_b, neurons=neurons))
    naive = float(alignment.naive(*m.means))
    if math.isnan(naive):
        return [missing("cka", CKA, _FLAT, least=0.0, most=1.0)]
    unit = float(alignment.value(between._replace(total=1.0), own_a, own_b, neurons=neurons))
    unit = unit if np.isfinite(unit) else _naive_unit(m)
    null = unit * alignment.permuted(x, y, m.orders(KEY), stimuli=stimuli)
    reason, interval = "", refused("there is no estimate")
    if math.isnan(estimate):
        reason = "trial noise exceeds the signal of a population, and CKA is undefined"
    else:
        interval = _alignment_interval.interval(
            m, between, own_a, own_b, stimuli=stimuli, neurons=neurons, target=target
        )
    chance = 0.0 if stimuli == "sampled" else _mean(null)
    return [
        Quantity(
            "cka", estimate, CKA, naive=naive, chance=chance, least=0.0, most=1.0, ceiling=1.0,
            null=null, null_method=_NULL, tail="greater", statistic=unit * between.total,
            interval=interval, reason=reason, note=note,
        )
    ]  # fmt: skip


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
    centred = [x - x.mean(axis=0) for x in m.means]
    return 1.0 / math.sqrt(math.prod(float(hsic(x @ x.T, x @ x.T)) for x in centred))


CKA = "1 is the same geometry up to rotation and scale, 0 unrelated"
_FLAT = "all conditions of a population are alike"


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


# --- what scores have in common -----------------------------------------------------------------


def _over_conditions(
    m,
    name,
    direction,
    score,
    estimates,
    *,
    corrected=True,
    tail="greater",
    least=0.0,
    most=1.0,
    chance=None,
):
    """A score of (condition, neuron) means, its null and its ceiling.

    score : (..., condition, axis) twice -> (...); estimates : pairs of means to average over
    """  # fmt: skip
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
    )  # fmt: skip


def _half_against_half(m, score, which):
    """The score of one population with itself, half of the trials each."""
    pairs = [shapes.coordinates(*s) for s in m.halves[which][:N_CEILING]]
    return float(np.mean([score(x, y) for x, y in pairs]))


def _in_parts(score, orders, most=200):
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
}
