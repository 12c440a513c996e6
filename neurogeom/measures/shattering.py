"""Shattering dimensionality (Rigotti et al. 2013, Nature 497:585; Bernardi et al. 2020)."""

from dataclasses import replace

import numpy as np
import xarray as xr

from ..design import balanced_dichotomies
from ..engine import intervals, nulls
from ..engine.block_shuffle import few
from ..engine.experiment import Experiment
from ..engine.multiplicity import max_statistic, rank_p
from ..engine.problems import within
from ..engine.rearranged import unstructured, without_interactions
from ..engine.setting import NothingToAsk, over_time, setting

ALPHA = 0.05


@over_time
def shattering(
    x,
    variables,
    *,
    max_dichotomies=1000,
    readout="svm",
    contrasts=(),
    min_trials=5,
    n_resamples=20,
    n_pseudo=None,
    n_null=999,
    n_references=10,
    null=None,
    target=None,
    scale="resample",
    empty="error",
    seed=0,
    n_jobs=1,
    progress=None,
) -> xr.Dataset:
    r"""In how many ways can a linear readout divide the conditions?

    Mean cross-validated accuracy over all balanced dichotomies of the conditions (Bernardi et al.:
    35 for eight conditions), all decoded from the same resamples:

    .. math:: \mathrm{SD} = \frac{1}{|D|} \sum_{(A|B) \in D} \mathrm{accuracy}(A|B).

    Chance is 0.5, the range [0, 1]. It is high for conditions at random places and lower for a
    cube; it grows with neurons and with trials, so equalise both before comparing populations.
    ``fraction`` is another measure that goes by the same name: the share of dichotomies above the
    null (upper tail, 0.05). They are not interchangeable: a noise-free cube has a fraction of 0.2.

    Parameters
    ----------
    x, variables, readout, contrasts, min_trials, n_resamples, n_pseudo, n_null, target, scale,
    empty, seed, n_jobs
        As in :func:`neurogeom.decoding`.
    max_dichotomies : int
        Where there are more, the named ones and a random sample of the others. An odd number of
        conditions is divided into halves that differ by one, which weigh the same.
    n_references : int
        Recordings made for each reference; 0 for none.
    null : {None, "labels"}
        Trials change places among all conditions, within groups: chance, the same surrogates for
        all dichotomies. Blocks of trials are kept as in :func:`neurogeom.decoding`.

    Returns
    -------
    Dataset
        ``estimate``, ``p_value``, ``interval`` and ``null`` of the mean; ``fraction``;
        ``accuracy``, ``dichotomy_p_value`` and ``dichotomy_p_corrected`` (dichotomy); ``side``
        (dichotomy, condition). ``reference`` (geometry) and its sd over ``n_references`` made
        recordings, ``reference_sd``: what the mean would be if the code were a "cuboid", that is
        with the interactions of the variables replaced by noise (a factorised code: the lower
        reference), or "random", with the condition means of every neuron in an order of its own
        (the same variance without structure: the upper one).

    Raises
    ------
    KeyError, ValueError
        As in :func:`neurogeom.decoding`; fewer than two conditions on a side.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("simplex", separation=6.0, n_neurons=40, n_trials=12, n_truth=0, seed=0)
    >>> result = ng.shattering(x, ["a", "b", "c"], n_resamples=4, n_null=19)
    >>> result.sizes["dichotomy"], bool(result.estimate > 0.75)
    (35, True)
    """
    s = setting(
        x,
        variables,
        readout=readout,
        contrasts=contrasts,
        min_trials=min_trials,
        n_resamples=n_resamples,
        n_pseudo=n_pseudo,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    if null not in (None, "labels"):
        raise ValueError(f"null={null!r} is unknown for shattering; choose from ['labels']")
    if s.design.n_conditions < 3:
        raise NothingToAsk(
            "two conditions have one dichotomy alone; name another variable, or use decoding"
        )
    names, sides, total = balanced_dichotomies(s.design, max_dichotomies=max_dichotomies, seed=seed)
    draws = s.draws(split=True)
    problems = within(sides)
    experiment = Experiment(draws, problems, np.arange(len(sides)), s.readout)
    outcome = experiment.observe()
    accuracy, margin = experiment.average(outcome)
    mean = Experiment(draws, problems, np.zeros(len(sides), int), s.readout)
    bounds = intervals.accuracy(mean, outcome, target=target, seed=seed)
    result = xr.Dataset(
        {
            "estimate": accuracy.mean(),
            "accuracy": ("dichotomy", accuracy),
            "side": (("dichotomy", "condition"), sides),
        },
        {
            "dichotomy": names,
            "condition": [s.design.name_of(c) for c in range(s.design.n_conditions)],
        },
    )
    failed, notes = outcome.failed, []
    if n_references:
        references = _references(s, experiment, n_references)
        result["reference"] = "geometry", references.mean(axis=1)
        result["reference_sd"] = "geometry", references.std(axis=1)
        result.coords["geometry"] = ["cuboid", "random"]
    if n_null:
        shuffle = s.label_shuffle(split=True)
        notes = few(shuffle, "the conditions")
        values, margins, lost = nulls.of_orders(
            experiment, shuffle, n_null, n_jobs=n_jobs, progress=progress
        )
        failed += int(lost.sum())
        upper = rank_p(accuracy, values, margin=margin, null_margin=margins, alternative="greater")
        result["null"] = "surrogate", values.mean(axis=1)
        result["p_value"] = rank_p(accuracy.mean(), values.mean(axis=1))
        result["dichotomy_p_value"] = (
            "dichotomy",
            rank_p(accuracy, values, margin=margin, null_margin=margins),
        )
        result["dichotomy_p_corrected"] = (
            "dichotomy",
            max_statistic(accuracy, values, at_least=result["dichotomy_p_value"].values),
        )
        result["fraction"] = (upper <= ALPHA).mean()
    intervals.add(result, [bounds], None)
    result.attrs = s.attrs(
        "shattering",
        estimand=(
            f"mean accuracy over dichotomies of {s.readout} learnt from "
            f"{draws.n_training} trials a condition and "
            f"{s.population.n_neurons} neurons"
        ),
        convention=f"mean accuracy (Bernardi et al. 2020); fraction: upper-tailed p <= {ALPHA}",
        direction="higher is higher-dimensional",
        n_dichotomies=len(sides),
        n_dichotomies_total=total,
        null_method="labels shuffled among all conditions, within group",
        failed=failed,
        notes=notes,
        largest_gap=outcome.gap,
        **intervals.attrs([bounds], ["shattering"]),
    )
    return result


def _references(s, experiment, n):
    """SD of n made recordings of either geometry, float (geometry, recording)."""
    found = np.empty((2, n))
    for i in range(n):
        rng = np.random.default_rng(np.random.SeedSequence(s.seed, spawn_key=(27, i)))
        made = (
            without_interactions(s.population, s.design.table, rng),
            unstructured(s.population, rng),
        )
        for j, population in enumerate(made):
            draws = replace(experiment.draws, population=population)
            again = replace(experiment, draws=draws)
            found[j, i] = again.average(again.observe())[0].mean()
    return found
