"""Task or recording in, predicted geometry out, beside the measured."""

import time

import numpy as np
import xarray as xr

from . import activity as container
from ._version import __version__
from .asked import is_recording, of_arrays, of_recording, of_task
from .comparable import ANOTHER, RECORDING, THEORY, interval, values_of, windowed
from .compare import SCORES, beside, similar
from .engine.nulls import standardised
from .engine.resampling import fold_means
from .engine.setting import setting
from .ideal import MEASURES, Ideal, Size, expected_of, size_of_recording, why_not, workings
from .networks.task import Task
from .noise_match import goal_of
from .score import SETTING, score
from .theory.meanfield import AbstractionProblem
from .theory.meanfield_solvers import column_generation

INPUTS = "inputs"
ROUNDS = 30  # of the solver, after which the gap is what it is
LARGE = 1e-4  # gap, over the loss of a silent network, that is worth a note
N_SPLITS = 20  # divisions of the trials for the measured kernel
THEORY_IN_SHORT = "one hidden layer at the minimum of its loss (neurogeom.theory.meanfield)"


def predict(
    source,
    variables=None,
    *,
    inputs=None,
    targets=None,
    contrasts=(),
    activation="relu",
    weight_decay=0.1,
    readout_decay=0.1,
    bias_power=1.0,
    measures=MEASURES,
    decoding=None,
    window=None,
    min_trials=5,
    empty="error",
    n_null=199,
    scores=SCORES,
    n_starts=200,
    seed=0,
    n_jobs=1,
    progress=None,
    **options,
) -> xr.DataTree:
    r"""Which geometry does a task ask for, and is it the one that was measured?

    Inputs and targets of every condition make a problem of the mean-field theory of abstraction
    (:class:`neurogeom.theory.AbstractionProblem`): a network of one hidden layer, at the minimum of
    squared error and weight decay. Its kernel K is what the network represents. A population that
    has K, with private noise of one sd on every neuron, has an expectation of every measure in
    closed form; the noise, which no kernel says, is put where mean decoding is that of the
    recording, over the variables that K codes. What is then predicted is how CCGP, parallelism and
    dimensionality go with that decoding. The same is done with the kernel of the inputs: what would
    be there without learning.

    Parameters
    ----------
    source : Task, DataArray or list of them, or (inputs, targets)
        A task (:func:`neurogeom.networks.make_task`): its conditions, what is shown in each period
        up to the decision (period by period, noise left out) and the answer that is wanted. A
        recording. Or arrays: inputs (stimulus, channel), or None for a channel each; targets
        (stimulus, target), or mapping name -> (stimulus,) of two levels.
    variables : list of str, or mapping name -> {level: values}
        Crossed to the conditions that are measured; of a recording to be named, of a task by
        default its factors, of arrays their targets.
    inputs, targets : list of str
        Of a recording: which columns reach the network, and which it is to tell. Each is one of
        ``variables`` or ``contrasts`` or a product "a:b" of them. An input is a channel for each
        level; by default every condition has a channel of its own, which says nothing of the
        inputs, so that all that is abstract is the targets' doing. A target of two levels is -1 and
        1. Targets that are no variable are measured as contrasts.
    activation, weight_decay, readout_decay, bias_power
        Of the network, see :class:`neurogeom.theory.AbstractionProblem`; ``bias_power=0`` is no
        bias, with which the minimum is often not unique.
    measures : subset of ("decoding", "ccgp", "shattering", "parallelism", "dimensionality")
    decoding : float, optional
        Without a recording: mean decoding, with endless trials, that the noise is put at; by
        default there is hardly any noise, and readouts say what is possible at all.
    window : (start, stop), optional
        Seconds from the event, of a recording with time.
    n_null : int
        Surrogates of the recording's measures.
    scores : sequence of str
        Of :func:`neurogeom.similarity` of the recording with each kernel; () for none.
    n_starts : int
        Of the search for a unit that would lower the loss, on which a gap that is not certified
        rests.
    contrasts, min_trials, empty, seed, n_jobs, progress, **options
        As in :func:`neurogeom.score`.

    Returns
    -------
    DataTree
        ``kernel``: ``kernel``, ``input_kernel``, ``target_kernel`` (condition, other), of a
        recording ``measured`` (z-scored, without the noise of trials), and ``alternative`` where
        another minimum was found; in ``attrs`` ``loss``, ``gap`` and ``gap_kind``, ``n_agree`` of
        ``n_starts``, ``unique`` ("no", or "none other found") and ``spread``. A group a measure
        with a ``system`` dim: "recording", "theory", "theory, another minimum", "inputs";
        ``estimate``, expected at the recording's neurons and trials, and ``population``, with the
        same noise and endless trials; ``interval`` and ``p_value`` are the recording's; ``naive``
        where there is one. ``similarity``, ``population`` as in :func:`neurogeom.compare`;
        ``matching`` (system): noise and what it gave. ``attrs["notes"]`` say what is amiss.

    Raises
    ------
    KeyError, TypeError, ValueError
        A column is unknown, targets of a recording are not named; conditions share their input and
        not their targets; more than 64 stimuli; the recording's decoding is at chance; as in
        :func:`neurogeom.score` and :class:`neurogeom.theory.AbstractionProblem`.

    Examples
    --------
    >>> import neurogeom as ng
    >>> y = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
    >>> tree = ng.predict((np.eye(4), y), decoding=0.9, measures=["ccgp", "parallelism"])
    >>> tree["ccgp"].estimate.sel(variable="target_1").round(3).to_series().to_dict()
    {'theory': 0.9, 'inputs': 0.5}
    >>> tree["kernel"].attrs["gap_kind"], tree["kernel"].kernel.values[0].round(2).tolist()
    ('certified', [1.73, 0.86, 0.86, 0.0])

    Notes
    -----
    Source of the theory: Wang, Johnston & Fusi, arXiv:2510.09816, of which we read the abstract
    only; what is computed here is our derivation. It knows of no noise, time, memory or recurrence,
    and squared error stands for every loss. An agreement is weak evidence where the inputs agree
    too.
    """
    started = time.monotonic()
    measures = _measures(measures)
    measured = is_recording(source)
    brain = _recorded(source, window) if measured else None
    if measured:
        asked = of_recording(brain, variables, contrasts, inputs, targets, empty)
        if decoding is not None:
            raise ValueError("decoding is that of the recording; leave decoding= out")
        variables = list(asked.design.names) if variables is None else variables
        contrasts = tuple(asked.design.contrasts)
    else:
        asked = _of_own(source, variables, contrasts, inputs, targets, empty, seed)
    problem = AbstractionProblem(
        asked.inputs @ asked.inputs.T,
        asked.targets @ asked.targets.T,
        activation=activation,
        weight_decay=weight_decay,
        readout_decay=readout_decay,
        bias_power=bias_power,
    )
    solution = column_generation(problem, max_rounds=ROUNDS, n_starts=n_starts, seed=seed)
    kernels = {THEORY: solution.kernel, ANOTHER: solution.alternative, INPUTS: problem.input_kernel}
    kernels = {name: k for name, k in kernels.items() if k is not None}
    groups, own = {}, {}
    size, goal = Size(), _goal(decoding, asked.design)
    ask = {"seed": seed, **options}
    if measured:
        ask |= {"contrasts": contrasts, "min_trials": min_trials, "empty": empty, "n_jobs": n_jobs}
        told_of = {} if progress is None else {"progress": progress}
        whole = score(brain, variables, measures=measures, n_null=n_null, **ask, **told_of)
        own = {m: whole[m].to_dataset() for m in measures}
        groups["population"] = whole["population"].to_dataset()
        size = size_of_recording(whole["population"], options.get("n_pseudo"))
        goal = goal_of(whole, brain, variables, n_null, ask)
    ideals = [
        Ideal.of_kernel(name, kernel, asked.of, asked.design, size, ask).matched(goal)
        for name, kernel in kernels.items()
    ]
    groups["kernel"] = _kernels(asked, problem, solution)
    for measure in measures:
        groups[measure] = _beside(own.get(measure), ideals, measure)
    if measured:
        parts = {k: v for k, v in ask.items() if k in SETTING}
        groups["kernel"]["measured"] = _measured(brain, variables, parts, seed)
        if len(scores):
            columns = values_of(brain, asked.design)
            shown = {i.name: [i.activity(columns, seed=seed)] for i in ideals if not i.silent}
            groups["similarity"] = similar(
                brain, shown, variables, asked.design, scores, n_null, ask
            )
    groups["matching"] = workings(ideals)
    tree = xr.DataTree.from_dict(groups)
    notes = [*_unsure(problem, solution), *(n for i in ideals for n in i.notes)]
    notes += [f"theory: {why}" for m in measures if (why := why_not(m, options))]
    tree.attrs = {
        "version": __version__,
        "variables": list(asked.design.names),
        "systems": [*([RECORDING] if measured else []), *kernels],
        "notes": list(dict.fromkeys(notes)),
        "seconds": round(time.monotonic() - started, 1),
    }
    return tree


def _measures(given):
    given = MEASURES if given in (None, "all") else given
    given = [given] if isinstance(given, str) else list(given)
    for name in given:
        if name not in MEASURES:
            raise ValueError(f"measure {name!r} is not predicted; choose from {list(MEASURES)}")
    if not given:
        raise ValueError("measures=() is empty; name one, or leave it out")
    return given


def _recorded(source, window):
    sessions = container.sessions(source)
    return windowed(sessions, RECORDING, interval(window, sessions[0].attrs.get("window")))


def _of_own(source, variables, contrasts, inputs, targets, empty, seed):
    if inputs is not None or targets is not None:
        raise ValueError(
            "inputs= and targets= name columns of a recording; a task and arrays say themselves "
            "what is shown and wanted"
        )
    if isinstance(source, Task):
        return of_task(source, variables, contrasts, empty, seed)
    if isinstance(source, tuple) and len(source) == 2:
        return of_arrays(*source, variables, contrasts, empty)
    raise TypeError(
        f"source is {type(source).__name__}; pass a task of neurogeom.networks.make_task, a "
        "recording, or the pair (inputs, targets) of arrays"
    )


def _goal(decoding, design):
    """{variable: accuracy} that is asked for, or None."""
    if decoding is None:
        return None
    if not 0.5 < decoding < 1:
        raise ValueError(
            f"decoding={decoding} is not between chance, 0.5, and 1; choose such a one"
        )
    return {t.name: float(decoding) for t in design.targets()}


def _unsure(problem, solution):
    """What is to be said of a minimum that was not quite reached, or is one of several."""
    off = solution.gap / (np.trace(problem.target_kernel) / 2)
    if off > LARGE:
        yield (
            f"the loss could be lower by {off:.1e} of that of a silent network at most: the kernel "
            "is near a minimum, not at it"
        )
    if solution.alternative is not None:
        yield (
            f"the minimum is not unique: another kernel, {solution.spread:.2f} of the norm away, "
            "has the same loss; a bias makes it unique in many cases"
        )


def _beside(own, ideals, measure):
    """One measure of the recording, where there is one, and of what is expected: (system, ...)."""
    expected = {i.name: expected_of(i, measure, own) for i in ideals}
    if own is not None:
        return beside(own, {}, expected).drop_vars(("each", "n_nets"))
    found = xr.concat(list(expected.values()), "system").assign_coords(system=list(expected))
    found["interval"] = xr.full_like(found["estimate"], np.nan).expand_dims(
        bound=["low", "high"], axis=-1
    )
    chance = {"parallelism": 0.0, "dimensionality": np.nan}.get(measure, 0.5)
    return found.assign_attrs(measure=measure, chance=chance)


def _kernels(asked, problem, solution):
    """The kernels, and how sure the predicted one is."""
    own = {"condition", "other", "kernel", "measured", "alternative"}
    columns = {k: np.asarray(v)[asked.of] for k, v in asked.design.labels.items() if k not in own}
    dims = ("condition", "other")
    found = xr.Dataset(
        {
            "kernel": (dims, solution.kernel),
            "input_kernel": (dims, problem.input_kernel),
            "target_kernel": (dims, problem.target_kernel),
        },
        {
            "condition": asked.names,
            "other": asked.names,
            **{k: ("condition", v) for k, v in columns.items()},
        },
    )
    if solution.alternative is not None:
        found["alternative"] = dims, solution.alternative
    found.attrs = {
        "theory": THEORY_IN_SHORT,
        "activation": problem.phi.name,
        "weight_decay": float(problem.weight_decay),
        "readout_decay": float(problem.readout_decay),
        "bias_power": float(problem.bias_power),
        "loss": float(solution.loss),
        "gap": float(solution.gap),
        "gap_kind": solution.gap_kind,
        "n_starts": int(solution.n_starts),
        "n_agree": int(solution.n_agree),
        "unique": "none other found" if solution.unique is None else "no",
        "spread": float(solution.spread),
    }
    return found


def _measured(brain, variables, parts, seed):
    """Inner products of the recording's z-scored condition means, without the noise of trials."""
    s = setting(brain, variables, n_resamples=1, n_null=0, seed=seed, **parts)
    inverse = standardised(s.population, "resample").inverse
    total = 0.0
    for repeat in range(N_SPLITS):
        one, two = fold_means(s.population, 2, repeat, seed) * inverse
        product = (one - one.mean(axis=0)) @ (two - two.mean(axis=0)).T
        total = total + (product + product.T) / (2 * N_SPLITS)
    return ("condition", "other"), total
