"""How alike are two populations? CKA, Procrustes, RSA, CCA and linear predictivity, corrected."""

import math

import numpy as np
import xarray as xr

from ..engine import matched
from ..engine.quantities import packed
from ..formulas import cka as alignment
from ._similarity_scores import SCORES

FEW_ORDERS = 1000  # orders of conditions, below which p-values are coarse


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
          whitened cosine (chance above 0) and Kendall's tau-a (chance 0; below 1 for a population
          with itself where distances are equal, as in a factorial design).
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
