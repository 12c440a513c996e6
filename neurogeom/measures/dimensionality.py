"""Over how many dimensions is a population's activity spread? Several definitions, side by side."""

import numpy as np
import xarray as xr

from ..engine import nulls
from ..engine.intervals import Interval, random_groups, refused
from ..engine.quantities import Quantity, missing, packed
from ..engine.resampling import fold_means, folds
from ..engine.setting import NothingToAsk, over_time, setting
from ..engine.targets import FEW_TRIALS, aim
from ..formulas import participation_ratio as formulas
from ..formulas import spectrum

MOST_FIXED = 32  # conditions that count as all there are, unless stated otherwise
LEAST_STIMULI = 8  # for an interval over them
N_GROUPS = 20  # of neurons, left out one at a time
FEW_SPLITS = 5  # where conditions are many
LEAST_RANKS = 10  # for an exponent
LEAST_POINTS = 50  # for TwoNN
SHARED = 0.95  # of the shared variance
PATIENCE = 3  # numbers of factors without progress before the search ends
LOG_FROM = 0.4  # standard error over estimate above which bounds are those of the logarithm
WIDER = "higher is spread over more dimensions"


@over_time
def dimensionality(
    x,
    variables,
    *,
    stimuli=None,
    neurons="sampled",
    points="means",
    ranks=None,
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
    r"""Over how many dimensions is a population's activity spread?

    There is no one dimensionality; five are given, each with its definition.

    - ``participation_ratio``: :math:`(\mathrm{tr}\,C)^2 / \mathrm{tr}\,C^2` of the covariance C of
      condition means, numerator and denominator each estimated without bias from products of
      disjoint sets of trials (four where conditions are fixed, two where stimuli are sampled).
      ``naive``: of the means at face value.
    - ``shared_dimensionality``: factors that hold 95 % of the variance that neurons share, signal
      and noise alike, in a factor analysis of single trials with the number of factors that
      predicts held-out trials best (Williamson et al. 2016, PLoS Comput Biol 12:e1005141).
    - ``power_law_exponent`` of the cross-validated spectrum of condition means (cvPCA: Stringer et
      al. 2019, Nature 571:361). ``naive``: of the variances of one half of the trials.
    - ``twonn``: dimension of the cloud of points, curved or flat, from nearest neighbours (Facco et
      al. 2017, Sci Rep 7:12140). It is naive: noise inflates it (23 for 2 dimensions in noise of
      0.1 sd and 50 neurons), so it is for network activations and averages of many trials.
    - ``rank``: components of the condition means that predict other neurons on other trials, those
      whose signal exceeds the noise in three quarters of the trials.

    Parameters
    ----------
    x, variables, min_trials, n_null, target, scale, empty, seed, n_jobs, progress
        As in :func:`neurogeom.decoding`. The participation ratio, the exponent and the number of
        factors depend on the units of each neuron: ``scale="none"`` leaves them as recorded.
        ``n_jobs`` and ``progress`` change nothing: there is little to share.
    stimuli : {None, "fixed", "sampled"}
        Conditions are all there are, as in a factorial design (the default up to 32), or stimuli
        drawn from many, for which the participation ratio is then estimated.
    neurons : {"sampled", "all"}
        The participation ratio of all the neurons of which these are a sample, or of these alone
        (a network).
    points : {"means", "trials"}
        Points of TwoNN: condition means, or single trials where all neurons share them.
    ranks : (int, int), optional
        First and last rank of the power law; by default 10 to a quarter of the spectrum, at most
        500.
    n_splits : int
        Divisions of the trials that are averaged (at most 5 of them for spectra of more than 32
        conditions).

    Returns
    -------
    Dataset
        As every measure with several quantities (dim ``quantity``), and ``spectrum`` and
        ``naive_spectrum`` (rank), ``reconstruction`` (n_components), ``log_likelihood``
        (n_factors), ``twonn_scale`` (n_points).

        The p-value of the participation ratio is that of the signal trace, the variance of
        condition means summed over neurons without the part of noise, against labels shuffled
        among conditions: whether any neuron's activity differs between conditions at all, so that
        there is a signal whose dimensions can be counted. It says nothing about their number.

    Raises
    ------
    ValueError
        An option is unknown, or there are fewer than three conditions; and as in
        :func:`neurogeom.decoding`.

    Examples
    --------
    >>> import neurogeom as ng
    >>> from neurogeom.measures.dimensionality import dimensionality
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=40, n_trials=20, n_truth=0, seed=0)
    >>> found = dimensionality(x, ["a", "b", "c"], n_null=19).estimate
    >>> found.sel(quantity=["participation_ratio", "shared_dimensionality", "rank"]).round(1).values
    array([3., 3., 3.])
    """
    s = setting(
        x,
        variables,
        min_trials=min_trials,
        n_resamples=1,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    n = s.design.n_conditions
    if n < 3:
        raise NothingToAsk("two conditions span one dimension; name another variable")
    stimuli = stimuli or ("fixed" if n <= MOST_FIXED else "sampled")
    _check("stimuli", stimuli, ("fixed", "sampled"))
    _check("neurons", neurons, ("sampled", "all"))
    _check("points", points, ("means", "trials"))
    if n_splits < 1:
        raise ValueError(f"n_splits={n_splits} leaves nothing to average; give at least 1")
    standard = nulls.standardised(s.population, scale)
    few = n_splits if n <= MOST_FIXED else min(n_splits, FEW_SPLITS)
    ratio = _participation_ratio(s, standard, stimuli, neurons, n_splits, target)
    shared, likelihood = _shared(s, standard)
    exponent, spectra = _exponent(s, standard, ranks, few)
    cloud, at_scale = _twonn(s, standard, points)
    rank, reconstruction = _rank(s, standard, few)
    result = packed([ratio, shared, exponent, cloud, rank], n_null=n_null)
    result = result.assign(likelihood | spectra | at_scale | reconstruction)
    result.attrs |= s.attrs(
        "dimensionality",
        estimand=_estimand(s, stimuli, neurons),
        convention=f"stimuli={stimuli}; neurons={neurons}; points={points}",
        direction=WIDER,
        readout="none",
        n_resamples=0,
        n_splits=n_splits,
        notes=result.attrs["notes"],
    )
    for key in ("chance", "range", "n_pseudo"):  # each quantity has its own, or none
        del result.attrs[key]
    return result


def _check(name, value, known):
    if value not in known:
        raise ValueError(f"{name}={value!r} is unknown; choose from {list(known)}")


def _estimand(s, stimuli, neurons):
    of = "these" if neurons == "all" else f"all neurons that {s.population.n_neurons} sample, over"
    over = "these" if stimuli == "fixed" else "all stimuli that are sampled by"
    of = f"these {s.population.n_neurons} neurons over" if neurons == "all" else of
    return f"participation ratio of {of} {over} {s.design.n_conditions} conditions, without noise"


def _repeats(s, standard, n_folds, n_splits):
    """Scaled means of disjoint sets of trials, (fold, condition, neuron), of every division."""
    for r in range(n_splits):
        yield fold_means(s.population, n_folds, r, s.seed) * standard.inverse


# --- participation ratio ------------------------------------------------------------------------


def _participation_ratio(s, standard, stimuli, neurons, n_splits, target):
    name, n, p = "participation_ratio", s.design.n_conditions, s.population
    most = min(n - 1 if stimuli == "fixed" else np.inf, p.n_neurons if neurons == "all" else np.inf)
    known = {
        "naive": float(formulas.naive(standard.means)),
        "least": 1.0,
        "most": float(most),
        "ceiling": float(min(n - 1, p.n_neurons)),
        "statistic": _trace(p, standard.inverse),
        "null": _shuffled_traces(s, standard.inverse),
        "null_method": "signal trace, labels shuffled among all conditions within group: whether "
        "any neuron tells conditions apart; keeps counts, noise correlations and blocks",
        "tail": "greater",
    }
    try:
        repeats = list(_repeats(s, standard, 4 if stimuli == "fixed" else 2, n_splits))
        terms = np.mean([_terms(r, stimuli) for r in repeats], axis=0)
    except ValueError as error:
        return missing(name, WIDER, str(error), **known)
    estimate = float(formulas.ratio(terms, neurons))
    if not np.isfinite(estimate):
        reason = "trial noise exceeds the signal, or one neuron alone varies"
        return missing(name, WIDER, reason, **known)
    interval = _interval(s, standard, repeats, estimate, stimuli, neurons, target)
    return Quantity(name, estimate, WIDER, interval=interval, **known)


def _terms(repeat, stimuli):
    return formulas.fixed(repeat) if stimuli == "fixed" else formulas.sampled(*repeat)


def _trace(population, inverse):
    """Variance of condition means, summed over neurons, without the part of trial noise."""
    mean, square = population.moments(population.everything())
    error = np.maximum(square - mean**2, 0.0) / (population.counts_by_neuron - 1)
    return float(((mean.var(axis=0, ddof=1) - error.mean(axis=0)) * inverse**2).sum())


def _shuffled_traces(s, inverse):
    shuffle = s.label_shuffle(split=False)
    if hasattr(shuffle, "redrawn"):
        moved = (shuffle.redrawn(d)[0] for d in range(s.n_null))
    else:
        moved = (s.population.with_order(shuffle.order(d)) for d in range(s.n_null))
    return np.array([_trace(p, inverse) for p in moved])


def _interval(s, standard, repeats, estimate, stimuli, neurons, target):
    """Jackknife over what is random: stimuli and neurons, their groups, or trials."""
    goal, reason = _goal(s, stimuli, neurons, target)
    if reason:
        return refused(reason)
    variance, df = 0.0, np.inf
    if stimuli == "sampled":
        left = np.mean([formulas.without_stimuli(*r) for r in repeats], axis=0)
        variance, df = _spread(formulas.ratio(left, neurons)), left.shape[1] - 1
    if neurons == "sampled":
        values = _without_units(goal.unit, repeats, stimuli, s.seed)
        variance, df = variance + _spread(values), min(df, len(values) - 1)
    elif stimuli == "fixed":
        variance, df = _over_trials(s, standard, repeats)
    if not np.isfinite(variance):
        return refused("without one of its parts the participation ratio is undefined")
    return _around(estimate, np.sqrt(variance), df, goal)


def _goal(s, stimuli, neurons, target):
    n = s.design.n_conditions
    if stimuli == "sampled" and n < LEAST_STIMULI:
        return None, f"{n} sampled stimuli are fewer than the {LEAST_STIMULI} that it needs"
    if neurons == "all" and target in (None, "recording"):
        goal = aim(s.population, "recording")
        if not goal.reason and stimuli == "fixed" and s.population.counts.min() < FEW_TRIALS:
            return None, f"a jackknife over trials needs {FEW_TRIALS} of them in each condition"
        if not goal.reason and stimuli == "fixed" and s.population.has_blocks:
            return None, "trials in blocks have no interval whose coverage is known"
        return goal, goal.reason
    goal = aim(s.population, target)
    if not goal.reason and neurons == "all":
        return None, "neurons='all' stand for themselves; give target='recording'"
    if not goal.reason and goal.kind == "recording":
        return None, "these neurons cannot stand for their population; give neurons='all'"
    return goal, goal.reason


def _without_units(unit, repeats, stimuli, seed):
    """Participation ratio without each neuron, session or group of neurons."""
    single = len(np.unique(unit)) == len(unit)
    if stimuli == "sampled" and single:
        left = np.mean([formulas.without_neurons(*r) for r in repeats], axis=0)
        return formulas.ratio(left, "sampled")
    if single:
        unit = random_groups(len(unit), N_GROUPS, seed)[unit]
    left = [
        np.mean([_terms(r[..., unit != u], stimuli) for r in repeats], axis=0)
        for u in np.unique(unit)
    ]
    return formulas.ratio(np.transpose(left), "sampled")


def _spread(values):
    """Jackknife variance."""
    return (len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()


def _over_trials(s, standard, repeats):
    """Jackknife variance over the trials of fixed conditions, and its degrees of freedom."""
    p = s.population
    rows = p.gather(np.arange(p.trial0[-1])[None]) * standard.inverse
    terms = np.zeros((len(rows), 3))
    for r, repeat in enumerate(repeats):
        fold = folds(p, r, s.seed, 4)[0]
        for t, c in enumerate(p.condition):
            fewer, size = repeat.copy(), ((fold == fold[t]) & (p.condition == c)).sum()
            fewer[fold[t], c] += (repeat[fold[t], c] - rows[t]) / (size - 1)
            terms[t] += formulas.fixed(fewer) / len(repeats)
    values = formulas.ratio(terms.T, "all")
    parts = [values[p.condition == c] for c in range(p.n_conditions)]
    return sum(_spread(v) for v in parts), len(values) - len(parts)


def _around(estimate, error, df, goal):
    from scipy.special import stdtrit

    half = stdtrit(df, 0.975) * error
    bounds = np.array([[estimate - half], [estimate + half]])
    if estimate > 0 and (bounds[0] < 1 or error > LOG_FROM * estimate):
        bounds = estimate * np.exp(np.array([[-half], [half]]) / estimate)
    return Interval(*bounds, f"{goal.kind}: {goal.text}", note=goal.note)


# --- shared dimensionality ----------------------------------------------------------------------


def _shared(s, standard):
    name, p = "shared_dimensionality", s.population
    if not p.real_trials:
        reason = "covariance needs neurons recorded together, and these share no trials"
        return missing(name, WIDER, reason, least=0.0), {}
    rows = p.gather(np.arange(p.trial0[-1])[None]) * standard.inverse
    rows = rows[:, rows.std(axis=0) > 0]
    if rows.shape[1] < 3:
        return missing(name, WIDER, "factors need three neurons that vary", least=0.0), {}
    curve = _log_likelihoods(rows, folds(p, 0, s.seed)[0])
    best = int(np.argmax(curve))
    estimate = _dimensions_of(_factors(rows, best)) if best else 0.0
    found = Quantity(name, estimate, WIDER, least=0.0, most=float(rows.shape[1]))
    return found, {"log_likelihood": ("n_factors", curve)}


def _log_likelihoods(rows, fold):
    """Mean log-likelihood of a held-out trial with 0, 1, ... factors, until it rises no more."""
    n = rows.shape[1]
    most = int(n + 0.5 - np.sqrt(2 * n + 0.25))  # Ledermann: more factors are not identified
    curve = []
    for k in range(most + 1):
        held_out = (fold == f for f in np.unique(fold))
        curve.append(
            sum(_factors(rows[~h], k).score_samples(rows[h]).sum() for h in held_out) / len(rows)
        )
        if k - np.argmax(curve) >= PATIENCE:
            break
    return np.array(curve)


def _factors(rows, k):
    import warnings

    from sklearn.decomposition import FactorAnalysis

    with warnings.catch_warnings():  # a likelihood short of its last digits will do
        warnings.simplefilter("ignore")
        return FactorAnalysis(k, svd_method="lapack").fit(rows)


def _dimensions_of(model):
    shared = np.linalg.eigvalsh(model.components_ @ model.components_.T)[::-1]
    return float(1 + np.searchsorted(np.cumsum(shared) / shared.sum(), SHARED))


# --- spectrum, cloud and rank of condition means ------------------------------------------------


def _exponent(s, standard, ranks, n_splits):
    name = "power_law_exponent"
    steeper = "higher is a steeper spectrum, of fewer dimensions"
    try:
        halves = list(_repeats(s, standard, 2, n_splits))
    except ValueError as error:
        return missing(name, steeper, str(error)), {}
    values = np.mean([spectrum.cvpca(*h) for h in halves], axis=0)
    naive = np.mean([spectrum.variances(h[0]) for h in halves], axis=0)
    found = {"spectrum": ("rank", values), "naive_spectrum": ("rank", naive)}
    found |= {"rank": np.arange(1, len(values) + 1)}
    first, last = ranks or (10, min(len(values) // 4, 500))
    if ranks is None and last - first + 1 < LEAST_RANKS:
        reason = (
            f"{len(values)} ranks are too few for a power law: {4 * (first + LEAST_RANKS - 1)} "
            "are needed, or a range of ranks"
        )
        return missing(name, steeper, reason), found
    at_face_value = float(spectrum.power_law(naive, (first, last)))
    estimate = float(spectrum.power_law(values, (first, last)))
    if not np.isfinite(estimate):
        reason = f"between ranks {first} and {last} variance is lost in noise; give fewer ranks"
        return missing(name, steeper, reason, naive=at_face_value), found
    middle = int(np.sqrt(first * last))
    parts = [(first, middle), (middle, last)] if first < middle < last else []
    note = ", ".join(f"{spectrum.power_law(values, r):.2f} over ranks {r[0]}-{r[1]}" for r in parts)
    note = f"the exponent over ranks {first}-{last} is {note}" if note else ""
    return Quantity(name, estimate, steeper, naive=at_face_value, note=note), found


def _twonn(s, standard, points):
    name, p = "twonn", s.population
    if points == "trials" and not p.real_trials:
        reason = "trials are points only where all neurons share them"
        return missing(name, WIDER, reason), {}
    cloud = standard.means
    if points == "trials":
        cloud = p.gather(np.arange(p.trial0[-1])[None]) * standard.inverse
    found = spectrum.twonn(cloud)
    if found.n_points < LEAST_POINTS:
        reason = f"{found.n_points} different points are fewer than the {LEAST_POINTS} needed"
        return missing(name, WIDER, reason), {}
    rng = np.random.default_rng(np.random.SeedSequence(s.seed, spawn_key=(23, 0)))
    n_points, dimension = spectrum.twonn_scale(cloud, rng.permutation(len(cloud)))
    note = "TwoNN is inflated by noise: see how it changes with the scale (twonn_scale)"
    if found.n_duplicates:
        note += f"; {found.n_duplicates} duplicate points were left out"
    value = Quantity(name, found.mle, WIDER, naive=found.mle, least=0.0, note=note)
    return value, {"twonn_scale": ("n_points", dimension), "n_points": n_points}


def _rank(s, standard, n_splits):
    name, p = "rank", s.population
    n_folds = int(min(4, p.counts.min()))
    if p.n_neurons < 2:
        return missing(name, WIDER, "the rank needs a second neuron to predict", least=0.0), {}
    try:
        repeats = list(_repeats(s, standard, n_folds, n_splits))
    except ValueError as error:
        return missing(name, WIDER, str(error), least=0.0), {}
    error = np.zeros(s.design.n_conditions)
    for r, repeat in enumerate(repeats):
        rng = np.random.default_rng(np.random.SeedSequence(s.seed, spawn_key=(23, 1, r)))
        half = rng.permutation(p.n_neurons) % 2 == 0
        for f in range(n_folds):
            train = np.delete(repeat, f, axis=0).mean(axis=0)
            for held_out in (half, ~half):
                error += spectrum.bi_cross_validation(train, repeat[f], held_out)
    if not error[0] > 0:
        return missing(name, WIDER, "no neuron varies between conditions", least=0.0), {}
    most = float(min(s.design.n_conditions - 1, p.n_neurons // 2))
    found = Quantity(name, float(np.argmin(error)), WIDER, least=0.0, most=most, ceiling=most)
    return found, {"reconstruction": ("n_components", 1.0 - error / error[0])}
