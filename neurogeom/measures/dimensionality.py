"""Over how many dimensions is a population's activity spread? Several definitions, side by side."""

import numpy as np
import xarray as xr

from ..engine import nulls
from ..engine.quantities import Quantity, missing, packed
from ..engine.resampling import folds
from ..engine.setting import NothingToAsk, over_time, setting
from ..formulas import spectrum
from ._participation_ratio import WIDER, participation_ratio, repeats

MOST_FIXED = 32  # conditions that count as all there are, unless stated otherwise
FEW_SPLITS = 5  # where conditions are many
LEAST_RANKS = 10  # for an exponent
LEAST_POINTS = 50  # for TwoNN
SHARED = 0.95  # of the shared variance
EXACT_UP_TO = 100  # neurons, above which factors are found by randomised SVD
PATIENCE = 3  # numbers of factors without progress before the search ends


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
      ``naive``: of the means at face value; ``ceiling``: conditions - 1, or the number of neurons.
      NaN where less than 0.15 of the variance of the means is signal. Its interval covers 0.98 to
      0.99 for fixed conditions; over sampled stimuli and neurons it is too wide (1.00 of 100 data
      sets), since noise has a part in the jackknife of either.
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
        drawn from many, for which the participation ratio is then estimated. A column of many
        stimuli is named with its levels: ``variables={"image": {i: i for i in images}}``.
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
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=40, n_trials=20, n_truth=0, seed=0)
    >>> found = ng.dimensionality(x, ["a", "b", "c"], neurons="all", n_null=19).estimate
    >>> found.sel(quantity=["participation_ratio", "shared_dimensionality", "rank"]).round().values
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
    fewer = n_splits if n <= MOST_FIXED else min(n_splits, FEW_SPLITS)
    ratio = participation_ratio(s, standard, stimuli, neurons, n_splits, target)
    shared, likelihood = _shared(s, standard)
    exponent, spectra = _exponent(s, standard, ranks, fewer)
    cloud, at_scale = _twonn(s, standard, points)
    rank, reconstruction = _rank(s, standard, fewer)
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
    n = s.population.n_neurons
    of = f"these {n} neurons" if neurons == "all" else f"all neurons that {n} sample"
    over = "these" if stimuli == "fixed" else "all stimuli that are sampled by"
    where = f"over {over} {s.design.n_conditions} conditions"
    return f"participation ratio of {of}, {where}, without noise"


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
    tried, likelihood = _log_likelihoods(rows, folds(p, 0, s.seed)[0])
    best = tried[int(np.argmax(likelihood))]
    estimate = _dimensions_of(_factors(rows, best)) if best else 0.0
    found = Quantity(name, estimate, WIDER, least=0.0, most=float(rows.shape[1]))
    return found, {"log_likelihood": ("n_factors", likelihood), "n_factors": tried}


def _log_likelihoods(rows, fold):
    """Numbers of factors, and the mean log-likelihood of a held-out trial with each.

    Every number up to 10, then steps of a fifth, until the likelihood rises no more.
    """
    n = rows.shape[1]
    most = int(n + 0.5 - np.sqrt(2 * n + 0.25))  # Ledermann: more factors are not identified
    tried, curve = [0], []
    while tried[-1] <= most:
        k = tried[-1]
        held_out = (fold == f for f in np.unique(fold))
        curve.append(
            sum(_factors(rows[~h], k).score_samples(rows[h]).sum() for h in held_out) / len(rows)
        )
        if len(curve) - 1 - np.argmax(curve) >= PATIENCE:
            break
        tried.append(k + max(1, k // 5 - 1))
    return tried[: len(curve)], np.array(curve)


def _factors(rows, k):
    import warnings

    from sklearn.decomposition import FactorAnalysis
    from sklearn.exceptions import ConvergenceWarning

    method = "lapack" if rows.shape[1] <= EXACT_UP_TO else "randomized"
    with warnings.catch_warnings():  # a likelihood short of its last digits will do
        warnings.simplefilter("ignore", ConvergenceWarning)
        return FactorAnalysis(k, svd_method=method, random_state=0).fit(rows)


def _dimensions_of(model):
    shared = np.linalg.eigvalsh(model.components_ @ model.components_.T)[::-1]
    return float(1 + np.searchsorted(np.cumsum(shared) / shared.sum(), SHARED))


# --- spectrum, cloud and rank of condition means ------------------------------------------------


def _exponent(s, standard, ranks, n_splits):
    name = "power_law_exponent"
    steeper = "higher is a steeper spectrum, of fewer dimensions"
    try:
        halves = list(repeats(s, standard, 2, n_splits))
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
        parts = list(repeats(s, standard, n_folds, n_splits))
    except ValueError as error:
        return missing(name, WIDER, str(error), least=0.0), {}
    error = np.zeros(s.design.n_conditions)
    for r, repeat in enumerate(parts):
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
