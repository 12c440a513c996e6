"""Single neurons: pure, linear and nonlinear mixed selectivity (Rigotti et al. 2013)."""

from dataclasses import replace

import numpy as np
import xarray as xr

from .. import activity as container
from ..columns import is_missing
from ..engine import neuron_kinds as kinds
from ..engine.freedman_lane import condition_moments, freedman_lane
from ..engine.intervals import refused
from ..engine.nulls import standardised
from ..engine.population import population
from ..engine.quantities import Quantity, missing, packed
from ..engine.ratio_intervals import ratio
from ..engine.setting import over_time, setting
from ..formulas import anova as formulas
from ..formulas import clustering, poisson

CLASSES = ("none", "pure", "linear mixed", "nonlinear mixed")
ANY, INTERACTIONS = "any selectivity", "all interactions"
UNUSABLE, DOUBTFUL = 0.15, 0.3  # reliability, as for the parallelism score
OVERDISPERSED = 1.2
RULE = (
    "nonlinear mixed: the test of all interactions together is significant; else linear mixed: two "
    "main effects or more; pure: one; none: no main effect; significant: q at most alpha, by "
    "Benjamini and Hochberg over neurons, each test on its own"
)
FREEDMAN_LANE = (
    "Freedman-Lane: residuals of the model without the term permuted within groups of neurons (and "
    "blocks); keeps other terms, noise correlations and counts; breaks the term"
)
ISOTROPIC = "isotropic Gaussian vectors, whitened like the data; breaks kinds and their elongation"
GAUSSIAN = "Gaussian vectors with the mean and covariance of the data; breaks kinds of neurons"
PERMUTED = "principal components permuted among neurons; keeps their distributions, breaks kinds"
NEAR = "0: neighbours as near as by chance; above: nearer (kinds); below: spread evenly"
CLUSTERED = "near 1: clusters far apart; see chance for that of a cloud without clusters"


@over_time
def selectivity(
    x,
    variables,
    *,
    model="gaussian",
    alpha=0.05,
    split_by=None,
    min_trials=5,
    n_null=999,
    null=None,
    target=None,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""Which neurons are selective for one variable, for several, for their combinations?

    Every neuron has an analysis of variance of fully crossed variables, with all interactions
    (:mod:`neurogeom.formulas.anova`), and a class: *nonlinear mixed* where the test of all
    interactions together is significant; else *linear mixed* with two or more main effects, *pure*
    with one, *none*. Significant means q <= ``alpha``, by Benjamini and Hochberg over all neurons,
    each test on its own: with N neurons of which k are at the least p-value no q is below
    N / (k (n_null + 1)), so few surrogates find nothing. Shares of classes depend on the number of
    trials: report them with the effect sizes. The nonlinear index does not,

    .. math:: \mathrm{NLI} = \frac{\sum_i \sum_{\phi\ \mathrm{interaction}} V_{\phi i}}
        {\sum_i \sum_\phi V_{\phi i}}

    with V the variance of condition means that belongs to a term, trial noise removed (unbiased).

    Parameters
    ----------
    x, variables, min_trials, n_null, target, scale, empty, seed, n_jobs, progress
        As in :func:`neurogeom.decoding`; every combination of levels must occur. ``scale`` is how
        much neurons weigh in what is said of a population; tests of neurons do not depend on it.
    model : {"gaussian", "poisson"}
        Additive in the rate (least squares), tested by permutation; or in its logarithm, for
        counts, by likelihood ratios. A neuron may have interactions under one and none under the
        other. What is said of variance is of rates in both.
    alpha : float
    split_by : str, optional
        A coordinate of neurons, such as "area": the quantities of each of its levels. Neurons of
        all levels are corrected together.
    null : {None, "gaussian", "permutation"}
        What ePAIRS and clustering are held against: a Gaussian cloud of the same covariance, or
        principal components permuted among neurons, which keeps heavy tails.

    Returns
    -------
    Dataset
        ``estimate``, ``naive``, ``chance``, ``p_value``, ``interval``, ``null`` (quantity), one row
        a level of ``split_by``:

        - ``share_none``, ``share_pure``, ``share_linear_mixed``, ``share_nonlinear_mixed``: naive
          is the share when each term is tested alone at alpha, as often published; ``chance`` and
          ``chance_naive`` are the shares expected where no neuron is selective at all;
        - ``nonlinear_index``, ``variance_<term>``: shares of the variance of condition means;
          ``reliability`` is the part of it that is not noise: NaN below 0.15, a note below 0.3;
        - ``PAIRS`` (at most 199 surrogates), ``ePAIRS``: 1 - median angle to the 3 nearest
          neighbours / mean of the null's, angles signed, among z-scored condition means;
          ``clustering``: the silhouette of the best of 2 to 20 clusters, at most 99 surrogates,
          the search repeated in each.

        Of every neuron: ``F`` (``likelihood_ratio`` for "poisson"), ``p_neuron``, ``q_neuron``,
        ``eta2``, ``omega2``, ``partial_omega2``, ``variance`` (term, neuron), where "any
        selectivity" and "all interactions" stand among the terms, and ``neuron_class`` (neuron).

    Raises
    ------
    KeyError, ValueError
        As in :func:`neurogeom.decoding`; a combination of levels does not occur; the model is
        "poisson" and activity is no counts; no neuron has the coordinate.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=40, n_trials=10, n_truth=0, seed=0)
    >>> found = ng.selectivity(x, ["a", "b", "c"], n_null=99)
    >>> bool(abs(found.estimate.sel(quantity="nonlinear_index")) < 0.1)
    True
    """
    s = setting(
        x, variables, min_trials=min_trials, n_null=n_null, scale=scale, empty=empty, seed=seed
    )
    _check(s, model, alpha, null)
    every = formulas.terms(s.design.names, [len(s.design.levels[n]) for n in s.design.names])
    tests = _tests(every)
    names, level, parts = _levels(s, x, split_by, min_trials)
    weight = standardised(s.population, scale).inverse ** 2
    tested = freedman_lane(
        s.population, tests, every, weight=weight, level=level, n_null=n_null, seed=seed,
        n_jobs=n_jobs, progress=progress,
    )  # fmt: skip
    neurons, notes = _neurons(s, model, tests, every, tested, weight)
    p = neurons["p_neuron"].values
    neurons["q_neuron"] = neurons["p_neuron"].dims, formulas.q_values(p)
    options = {"target": target, "permute": null == "permutation", "n_jobs": n_jobs}
    shares, expected = _shares(p, neurons["q_neuron"].values, tests, alpha)
    neurons["neuron_class"] = "neuron", np.array(CLASSES)[shares[0]]
    rows = {
        name: [
            *_share_quantities(shares[:, level == i], expected, p),
            *_variances(s, parts[i], every, tests, tested, i, options),
            *_kinds(s, parts[i], options),
        ]
        for i, name in enumerate(names)
    }
    found = rows if split_by else rows[names[0]]
    result = packed(found, n_null=n_null, dim=split_by or "level").merge(neurons)
    result["chance_naive"] = _chance_naive(result, expected)
    if split_by:
        result[f"neuron_{split_by}"] = "neuron", np.array([*names, ""])[level]
    own = result.attrs
    result.attrs = s.attrs(
        "selectivity",
        estimand=f"selectivity of {s.population.n_neurons} neurons",
        convention=RULE,
        chance=0.0,
        range=[-1.0, 1.0],
        direction="see direction of each quantity",
        readout="none",
        n_resamples=0,
        n_pseudo=0,
        model=model,
        alpha=alpha,
        test=_test_in_words(model),
        **own | {"notes": [*own["notes"], *notes]},
    )
    return result


def _check(s, model, alpha, null):
    if model not in ("gaussian", "poisson"):
        raise ValueError(f"model={model!r} is unknown; choose from ['gaussian', 'poisson']")
    if null not in (None, "gaussian", "permutation"):
        choices = ["gaussian", "permutation"]
        raise ValueError(f"null={null!r} is unknown for selectivity; choose from {choices}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha!r} is no level of a test; give a number between 0 and 1")
    if len(s.design.table) < np.prod([len(s.design.levels[n]) for n in s.design.names]):
        raise ValueError(
            "selectivity needs every combination of the levels, and some have no trial; "
            "merge levels or name fewer variables"
        )
    values = s.population.values
    if model == "poisson" and ((values < 0) | (values != np.round(values))).any():
        raise ValueError(
            "model='poisson' is for spike counts, whole numbers of 0 or more, and this activity is "
            "not; read counts, or use model='gaussian'"
        )


def _tests(every):
    """All terms, all of them together, and all interactions together where there are any."""
    interactions = [t for t in every if t.order > 1]
    together = [formulas.joined(INTERACTIONS, interactions)] if interactions else []
    return [*every, formulas.joined(ANY, every), *together]


def _levels(s, x, split_by, min_trials):
    """Names of the levels, the level of each neuron (-1 for none), and a population for each."""
    p = s.population
    if split_by is None:
        return [""], np.zeros(p.n_neurons, np.int64), [p]
    found = container.sessions(x)
    columns = [container.coordinates(session, "neuron") for session in found]
    lack = [str(f.session.values) for f, c in zip(found, columns, strict=True) if split_by not in c]
    if lack:
        raise KeyError(f"neurons of session {lack[0]!r} have no coordinate {split_by!r}")
    place = {tuple(r): i for i, r in enumerate(p.recorded.tolist())}
    values, kept = np.array([""] * p.n_neurons, object), []
    for session, table in zip(found, columns, strict=True):
        known = ~is_missing(table[split_by])
        kept.append(np.where(known, table[split_by].astype(str), ""))
        for unit, value in zip(table["unit_id"].astype(str), kept[-1], strict=True):
            values[place.get((str(session.session.values), unit), slice(0))] = value
    names = sorted(set(values.tolist()) - {""})
    if not names:
        raise ValueError(f"no neuron has a value in {split_by!r}; name another coordinate")
    level = np.array([names.index(v) if v else -1 for v in values], np.int64)
    parts = [_part(s.design, found, [k == n for k in kept], min_trials) for n in names]
    return names, level, parts


def _part(design, sessions, chosen, min_trials):
    """The population of some neurons alone."""
    used = [i for i, c in enumerate(chosen) if c.any()]
    design = replace(design, of_trial=tuple(design.of_trial[i] for i in used))
    alone = [sessions[i].isel(neuron=chosen[i]) for i in used]
    return population(alone, design, min_trials=min_trials)


def _neurons(s, model, tests, every, tested, weight):
    """What is known of every neuron, as a Dataset, and notes."""
    p, dims = s.population, ("term", "neuron")
    mean, variance = condition_moments(p)
    counts, notes = p.counts_by_neuron, []
    columns = {f: np.array([getattr(a, f) for a in tested.anova])
               for f in ("eta2", "omega2", "partial_omega2")}  # fmt: skip
    columns["variance"] = formulas.partition(mean, variance / counts, tests) * weight
    if model == "gaussian":
        columns |= {"F": np.array([a.F for a in tested.anova]), "p_neuron": tested.p}
        lost = [t.name for t, able in zip(tests, tested.testable, strict=True) if not able.all()]
        if lost and s.n_null:
            notes.append(f"constant within every block of trials, so not tested: {', '.join(lost)}")
    else:
        found = [poisson.tested(mean, counts, t, every) for t in tests]
        columns |= dict(zip(("likelihood_ratio", "p_neuron"), np.array(found).swapaxes(0, 1),
                            strict=True))  # fmt: skip
        typical = float(np.nanmedian(poisson.dispersion(mean, variance, counts)))
        notes.append("additive in the logarithm of the rate: interactions depend on the link")
        if typical > OVERDISPERSED:
            notes.append(
                f"the variance of counts is {typical:.1f} times their mean (median neuron), so "
                "Poisson tests reject too often; use model='gaussian'"
            )
    if p.n_constant:
        notes.append(f"{p.n_constant} neurons do not vary and count as not selective")
    session, unit = p.recorded.T
    coords = {
        "term": [t.name for t in tests],
        "neuron": [f"{a}/{b}" for a, b in p.recorded.tolist()],
        "unit_id": ("neuron", unit),
        "neuron_session": ("neuron", session),
    }
    return xr.Dataset({f: (dims, v) for f, v in columns.items()}, coords), notes


def _shares(p, q, tests, alpha):
    """Class of every neuron, corrected and naive (2, neuron), and what is expected (2, class)."""
    n, order = p.shape[1], np.array([t.order for t in tests])
    name = np.array([t.name for t in tests])
    main = (order == 1) & (name != ANY)
    alone = (order > 1) & ~np.isin(name, [ANY, INTERACTIONS])
    together = name == INTERACTIONS
    false = formulas.false_share_of_fdr(n, alpha)
    nonlinear = (q[together] <= alpha).any(axis=0), (p[alone] <= alpha).any(axis=0)
    found = [
        np.where(i, 3, np.minimum((m[main] <= alpha).sum(axis=0), 2))
        for i, m in zip(nonlinear, (q, p), strict=True)
    ]
    expected = [
        formulas.expected_shares(main.sum(), level, 1 - (1 - level) ** k)
        for level, k in ((false, together.sum()), (alpha, alone.sum()))
    ]
    return np.array(found), np.array(expected)


def _share_quantities(of_neuron, expected, p):
    """The share of each class among some neurons."""
    found = []
    for c, name in enumerate(CLASSES):
        known = {"chance": expected[0, c], "least": 0.0, "most": 1.0}
        known["interval"] = refused("the share of a class depends on the power of the tests")
        name, direction = f"share_{name.replace(' ', '_')}", f"share of neurons that are {name}"
        if not np.isfinite(p).any():
            reason = "no neuron was tested; ask for surrogates (n_null)"
            found.append(missing(name, direction, reason, **known))
            continue
        shares = (of_neuron == c).mean(axis=1)
        found.append(Quantity(name, shares[0], direction, naive=shares[1], **known))
    return found


def _variances(s, part, every, tests, tested, level, options):
    """The nonlinear index and the share of variance of every term."""
    standard = standardised(part, s.scale)
    corrected = formulas.partition(standard.means, standard.error, every)
    raw = formulas.partition(standard.means, standard.error, every, corrected=False)
    total, order = raw.sum(), np.array([t.order for t in every])
    reliability = corrected.sum() / total if total > 0 else 0.0
    asked = [("nonlinear_index", INTERACTIONS, order > 1)]
    asked += [(f"variance_{t.name}", t.name, np.arange(len(every)) == i)
              for i, t in enumerate(every)]  # fmt: skip
    names, found = [t.name for t in tests], []
    for name, test, chosen in asked:
        direction = f"share of the variance of condition means that is due to {test}"
        if not chosen.any():
            found.append(missing(name, direction, "one variable alone has no interactions"))
            continue
        at = names.index(test)
        known = {"least": 0.0, "most": 1.0, "tail": "greater", "null_method": FREEDMAN_LANE,
                 "naive": raw[chosen].sum() / total if total > 0 else np.nan}  # fmt: skip
        if s.n_null:
            known |= {"null": tested.null[:, at, level], "statistic": tested.statistic[at, level]}
        if reliability < UNUSABLE:
            reason = (
                "trial noise exceeds the variance of condition means: reliability "
                f"{reliability:.2f} is below {UNUSABLE}"
            )
            found.append(missing(name, direction, reason, **known))
            continue
        forms = [_projection(every, chosen), _projection(every, order > 0)]
        bounds = refused("the only term has all of the variance")
        if not chosen.all():
            bounds = ratio(
                corrected[chosen].sum(axis=0), corrected.sum(axis=0), part, forms=forms,
                inverse=standard.inverse, target=options["target"], seed=s.seed,
            )  # fmt: skip
        few = f"too few trials for shares of variance: reliability {reliability:.2f}"
        found.append(
            Quantity(name, corrected[chosen].sum() / corrected.sum(), direction, interval=bounds,
                     note=few if reliability < DOUBTFUL else "", **known)
        )  # fmt: skip
    return found


def _projection(every, chosen):
    columns = [formulas.orthonormal(t.columns) for t, c in zip(every, chosen, strict=True) if c]
    return sum(p @ p.T for p in columns)


def _kinds(s, part, options):
    """PAIRS, ePAIRS and clustering of the z-scored condition means of the neurons that vary."""
    standard = standardised(part, s.scale)
    profiles = standard.means[:, np.ptp(standard.means, axis=0) > 0].T
    run = {"n_jobs": options["n_jobs"]}
    matched = PERMUTED if options["permute"] else GAUSSIAN
    asked = {
        "PAIRS": (kinds.pairs, run, ISOTROPIC, NEAR),
        "ePAIRS": (kinds.epairs, run | {"permute": options["permute"]}, matched, NEAR),
        "clustering": (kinds.clusters, run | {"permute": options["permute"]}, matched, CLUSTERED),
    }
    reason, found = kinds.unfit(profiles), []
    for name, (kind, own, method, direction) in asked.items():
        angles = name != "clustering"
        known = {"least": -np.inf if angles else -1.0, "most": 1.0, "null_method": method}
        known["interval"] = refused("neurons drawn twice are neighbours of no distance")
        lack = reason or ("" if s.n_null or not angles else "its scale is that of surrogates")
        if lack:
            found.append(missing(name, direction, lack, **known))
            continue
        answer = kind(profiles, s.n_null, s.seed, **own)
        if angles:
            known |= {"chance": 0.0, "null": clustering.index(answer.null, answer.null)}
            found.append(
                Quantity(name, clustering.index(answer.value, answer.null), direction, **known)
            )
        else:
            known |= {"null": answer.null, "chance": float(answer.null.mean())} if s.n_null else {}
            found.append(Quantity(name, answer.value, direction, **known))
    return found


def _chance_naive(result, expected):
    """The expected share of each class when each term is tested alone, NaN for all else."""
    found = xr.full_like(result["chance"], np.nan)
    for c, name in enumerate(CLASSES):
        found.loc[{"quantity": f"share_{name.replace(' ', '_')}"}] = expected[1, c]
    return found


def _test_in_words(model):
    if model == "poisson":
        return "likelihood ratios of Poisson regressions against chi-squared"
    return f"Wald statistic of condition means, each with its own variance; {FREEDMAN_LANE}"
