"""Geometry, alignment and richness at chosen steps of one training: one picture of learning."""


import numpy as np
import xarray as xr

from . import activity as container
from ._version import __version__
from .design import conditions, variable_names
from .formulas import cka
from .score import MEASURES, score

GEOMETRY = ("decoding", "ccgp", "parallelism", "shattering")
PARTS = ("geometry", "alignment", "richness")


def watch(
    trained,
    variables=None,
    *,
    layer="core",
    window=None,
    measures=GEOMETRY,
    parts=PARTS,
    layers=None,
    mode="normcov",
    n_trials=20,
    n_kernel=2,
    seed=0,
    n_jobs=1,
    progress=None,
    **options,
) -> xr.Dataset:
    r"""How do geometry, alignment and kernel change while networks learn?

    At every step that was kept (``networks.train(..., keep=[...])``) the networks are recorded,
    passed forth and back, and held against the first step.

    Parameters
    ----------
    trained : Trained
        Networks of one or several seeds with kept steps.
    variables : list of str, optional
        Columns of the task's trials whose conditions are scored; the task's factors without.
    layer : str
        Whose activity is the geometry of; see ``Trained.record``.
    window : (start, stop) or str, optional
        Seconds from the task's event, or a period's name, that activity is averaged over; the
        period in which the task is decided without.
    measures : sequence of str
        Of :func:`neurogeom.score`.
    parts : subset of ("geometry", "alignment", "richness")
    layers, mode
        Of :func:`neurogeom.networks.track_alignment`.
    n_trials, n_kernel : int
        Trials a condition for geometry and alignment, and for the tangent kernel, which is dear.
    seed, n_jobs, **options
        Of :func:`neurogeom.score`; nothing has surrogates or intervals here.

    Returns
    -------
    Dataset
        Over ``step`` and ``net``: ``loss``, ``accuracy`` (the last evaluation before the step);
        the measures by their names (with variable, dichotomy, ...); ``cka_input`` and
        ``cka_target``, the centred kernel alignment, at face value, of condition means with those
        of the inputs and of the answers that the task wants, in [0, 1]; ``alignment``, ``excess``, ``cross`` and
        ``exponent`` with ``chance`` by layer (:meth:`neurogeom.networks.alignment.Tracker.report`);
        ``kernel_distance``, ``pattern_distance``, ``parameter_distance`` and
        ``conservation_drift`` (:func:`neurogeom.networks.richness`).

    Raises
    ------
    TypeError, ValueError
        This is no training, or fewer than two steps were kept; as in the functions named.

    Examples
    --------
    >>> import neurogeom as ng
    >>> task = ng.networks.make_task("input-target", n_bits=2, dim=20)
    >>> nets = ng.networks.train(task, "mlp", seeds=2, steps=60, keep=[20], every=20)
    >>> seen = ng.watch(nets, ["bit_1", "bit_2"], measures=["ccgp"], readout="nearest_mean")
    >>> seen.ccgp.dims, seen.step.values.tolist()
    (('step', 'net', 'variable'), [0, 20, 60])
    >>> bool((seen.cka_target.sel(step=60) > seen.cka_target.sel(step=0)).all())
    True
    """
    steps = _steps(trained)
    asked = [part for part in PARTS if part in _known(parts)]
    task = trained.task
    names = list(task.factors) if variables is None else variables
    window = (task.decision or None) if window is None else window
    found = [_history(trained, steps)]
    last = steps[-1]
    if "geometry" in asked:
        means = _Means(trained, names, window, n_trials, seed)
        rows = []
        for step in steps:
            nets = trained if step == last else trained.at(step)
            rows.append(
                _geometry(nets, names, layer, window, measures, n_trials, seed, means,
                          {**options, "n_jobs": n_jobs})
            )  # fmt: skip
            if progress is not None:
                progress(step)
        found.append(xr.concat(rows, "step", join="outer").assign_coords(step=steps))
    if "alignment" in asked:
        found.append(_alignment(trained, steps, layers, mode, n_trials, seed))
    if "richness" in asked:
        from .networks.richness import richness

        rich = richness(trained, n_trials=n_kernel, seed=seed)
        found.append(rich.rename({"layer": "hidden"}) if "layer" in rich.dims else rich)
    result = xr.merge(found, compat="override", join="outer", combine_attrs="drop")
    result.attrs = {
        "measure": "watch",
        "version": __version__,
        "task": task.name,
        "variables": variable_names(names),
        "layer": layer,
        "parts": asked,
        "seed": seed,
    }
    return result


# --- what is watched ------------------------------------------------------------------------------


def _steps(trained):
    if not hasattr(trained, "kept") or not hasattr(trained, "history"):
        raise TypeError(
            f"trained is {type(trained).__name__}; pass what neurogeom.networks.train gives"
        )
    last = int(trained.history.n_steps.max())
    steps = sorted({*(s for s in trained.kept if s < last), last})
    if len(steps) < 2:
        raise ValueError(f"only step {steps} is there to watch; train with keep=[0, ...]")
    return steps


def _known(parts):
    given = (parts,) if isinstance(parts, str) else tuple(parts)
    for part in given:
        if part not in PARTS:
            raise ValueError(f"parts={part!r} is unknown; choose from {list(PARTS)}")
    return given


def _history(trained, steps):
    """Loss and accuracy at the last evaluation up to a step, NaN before the first."""
    history = trained.history[["loss", "accuracy"]]
    return history.reindex(step=steps, method="ffill")[["loss", "accuracy"]].transpose("step", "net")


def _geometry(nets, variables, layer, window, measures, n_trials, seed, means, options):
    """One step: (net, ...)."""
    unknown = [m for m in measures if m not in MEASURES]
    if unknown:
        raise ValueError(f"measure {unknown[0]!r} is unknown; choose from {sorted(MEASURES)}")
    rows = []
    for x in nets.record(layer, n_trials=n_trials, window=window, seed=seed):
        own = {}
        if len(measures):
            tree = score(x, variables, measures=list(measures), n_null=0, target="none", seed=seed,
                         **options)  # fmt: skip
            own = {m: tree[m]["estimate"].reset_coords(drop=True) for m in measures}
        own |= means.alignments(x)
        rows.append(xr.Dataset(own))
    return xr.concat(rows, "net", join="outer").assign_coords(net=range(len(rows)))


class _Means:
    """Condition means of inputs and of wanted answers, to hold a layer against."""

    def __init__(self, trained, variables, window, n_trials, seed):
        from .networks.work import answers

        self.variables = variables
        trials = trained.task.enumerate(n_trials, seed=seed)
        x = trained.record("input", n_trials=n_trials, window=window, seed=seed)[0]
        self.inputs = container.condition_means(x, variables).values
        _, wanted, asked = answers(np.zeros((1, *trials.targets.shape), np.float32), trials)
        columns = {name: x[name].values for name in conditions([x], variables).names}
        wanted = container.from_arrays(np.where(asked, wanted, 0.0), columns, session="wanted")
        self.wanted = container.condition_means(wanted, variables).values

    def alignments(self, x):
        own = container.condition_means(x, self.variables).values
        found = {"cka_input": self.inputs, "cka_target": self.wanted}
        return {name: ((), float(cka.naive(own, other))) for name, other in found.items()}


def _alignment(trained, steps, layers, mode, n_trials, seed):
    """Reports of one pass over balanced trials at every step, (step, layer, [net,] ...)."""
    from .learn import lazy_torch, one_thread
    from .networks import work
    from .networks.alignment import track_alignment

    torch = lazy_torch()
    trials = trained.task.enumerate(n_trials, seed=seed)
    inputs, *asked = (
        torch.from_numpy(np.ascontiguousarray(a))
        for a in (trials.inputs, trials.targets, trials.mask)
    )
    batch = inputs, *(a.expand(trained.networks.n_nets, *a.shape) for a in asked)
    loss, rows = work.loss_of(trained.task.loss), []
    for step in steps:
        nets = (trained if step == steps[-1] else trained.at(step)).networks
        with one_thread(), track_alignment(nets, layers, mode=mode, seed=seed) as tracker:
            loss(nets, batch).sum().backward()
        nets.zero_grad(set_to_none=True)
        rows.append(tracker.report().drop_vars(["initial"]))
    kept = ["alignment", "chance", "excess", "cross", "exponent", "exponent_r2", "phase", "reason"]
    rows = [row[[k for k in kept if k in row]] for row in rows]
    return xr.concat(rows, "step", join="outer").assign_coords(step=steps)
