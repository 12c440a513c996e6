"""Geometry, alignment and richness at chosen steps of one training: one picture of learning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from . import activity as container
from ._version import __version__
from .comparable import subset
from .design import variable_names
from .measures.similarity import similarity
from .options import whole
from .score import MEASURES, score

__all__ = ["watch"]

GEOMETRY = ("decoding", "ccgp", "parallelism", "shattering")
PARTS = ("geometry", "alignment", "richness")
RELATIONS = ("alignment", "chance", "excess", "cross", "exponent", "exponent_r2", "phase", "reason")
MOST_LEVELS = 8  # of a factor that is scored without being named
KEY = 61  # of random streams


def watch(
    trained: Any,
    variables: Sequence[str] | Mapping[str, Any] | None = None,
    *,
    parts: Sequence[str] = PARTS,
    layer: str = "core",
    window: tuple[float, float] | str | None = None,
    measures: Sequence[str] = GEOMETRY,
    layers: str | Sequence[str] | None = None,
    mode: str = "normcov",
    n_trials: int = 20,
    n_rows: int = 1000,
    n_kernel: int = 2,
    seed: int = 0,
    n_jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    **options: Any,
) -> xr.Dataset:
    r"""How do geometry, alignment and kernel change together while networks learn?

    At every step that was kept (``networks.train(..., keep=[...])``) and at the end, networks are
    recorded as a brain would be, followed through one pass forth and back, and held against the
    first of these steps.

    Parameters
    ----------
    trained : Trained
        Networks of one or several seeds, with kept steps.
    variables : list of str, or mapping name -> levels; optional
        Columns of the task's trials whose conditions are scored; by default all its factors, if
        these have at most 8 levels.
    parts : subset of ("geometry", "alignment", "richness")
        What is watched: the measures and CKA; the six relations and exponents; the distances.
    layer : str
        Whose activity is scored; see ``Trained.record``.
    window : (start, stop) in seconds, or a period's name; optional
        What activity is averaged over; by default the period in which the task is decided.
    measures : sequence of str
        Of :func:`neurogeom.score`; () for none.
    layers, mode
        Of :func:`neurogeom.networks.track_alignment`.
    n_trials, n_rows, n_kernel : int
        Trials a condition that are scored; fresh trials of the task that alignment is measured on;
        trials a condition of the tangent kernel, whose cost grows with their square.
    seed, n_jobs, **options
        Of :func:`neurogeom.score`. Nothing has surrogates or intervals here: networks of several
        seeds show the spread.
    progress : callable(step), optional

    Returns
    -------
    Dataset
        Over ``step`` and ``net``.

        - ``loss``, ``accuracy``: the last evaluation up to that step.
        - the measures by their names, with dims of their own; ranges and chance levels as there.
        - ``cka_input``, ``cka_target``: centred kernel alignment, corrected for trials, of the
          layer with the inputs (all channels and steps up to the end of the window) and with the
          answers that the task wants, condition by condition; 1 is the same geometry. Conditions
          are all that there are, so that chance is not 0.
        - ``alignment``, ``chance``, ``excess``, ``cross``, ``exponent``, ``phase`` and more, by
          layer: see ``Tracker.report``.
        - ``kernel_distance``, ``pattern_distance``, ``parameter_distance``, ``conservation_drift``
          (hidden): see :func:`neurogeom.networks.richness`, whose layers are ``hidden`` here.

        The geometry of a layer that answers all trials alike is NaN.

    Raises
    ------
    KeyError, TypeError, ValueError
        This is no training, or one without kept steps; variables are not named and the task's
        factors have many levels; a name is unknown, an option without effect; as in the functions
        named.

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
    whole(1, n_trials=n_trials, n_rows=n_rows, n_kernel=n_kernel)
    parts = subset("parts", parts, PARTS)
    measures = subset("measures", measures, tuple(MEASURES))
    _refuse(options, scored="geometry" in parts and measures)
    steps = _steps(trained)
    task = trained.task
    asked = _variables(task, variables) if "geometry" in parts else []
    window = (task.decision or None) if window is None else window
    each = {step: trained if step == steps[-1] else trained.at(step) for step in steps}
    found = [_history(trained, steps)]
    if "geometry" in parts:
        recording = {"n_trials": n_trials, "window": window, "seed": seed}
        ends = _ends(trained, window, n_trials, seed)
        options |= {"n_null": 0, "target": "none", "seed": seed, "n_jobs": n_jobs}
        rows = []
        for step, nets in each.items():
            xs = nets.record(layer, **recording)
            rows.append(_beside([_geometry(x, asked, measures, ends, options) for x in xs], "net"))
            if progress is not None:
                progress(step)
        found.append(_beside(rows, "step", steps))
    if "alignment" in parts:
        found.append(_alignment(each, layers, mode, n_rows, seed))
    if "richness" in parts:
        from .networks.richness import richness

        rich = richness(trained, n_trials=n_kernel, seed=seed)
        found.append(rich.rename(layer="hidden") if "layer" in rich.dims else rich)
    result = xr.merge(found, combine_attrs="drop").assign_coords(net=range(len(found[0].net)))
    return result.assign_attrs(
        measure="watch",
        version=__version__,
        task=task.name,
        variables=variable_names(asked) if "geometry" in parts else [],
        layer=layer,
        parts=list(parts),
        measures=list(measures),
        mode=mode,
        n_trials=n_trials,
        n_rows=n_rows,
        n_kernel=n_kernel,
        seed=seed,
        **({"window": window} if window else {}),
    )


# --- what is asked --------------------------------------------------------------------------------


def _steps(trained):
    if not hasattr(trained, "kept") or not hasattr(trained, "history"):
        raise TypeError(
            f"trained is {type(trained).__name__}; pass what neurogeom.networks.train gives"
        )
    last = int(trained.history.n_steps.max())
    steps = sorted({*(s for s in trained.kept if s < last), last})
    if len(steps) < 2:
        raise ValueError(f"of this training only step {last} was kept; train with keep=[...]")
    return steps


def _refuse(options, scored):
    """Options that would be without effect."""
    for name in ("n_null", "target"):
        if name in options:
            raise TypeError(f"{name} is not an option: what is watched has no surrogates, and no "
                            "intervals; leave it out")  # fmt: skip
    if options and not scored:
        raise TypeError(
            f"{next(iter(options))!r} is for measures, and none is watched; leave it out"
        )


def _variables(task, variables):
    if variables is not None:
        return variables
    many = [f"{name!r} has {len(levels)}" for name, levels in task.factors.items()
            if len(levels) > MOST_LEVELS]  # fmt: skip
    if many or not task.factors:
        raise ValueError(
            f"variables are not named, and of task {task.name!r} {many[0] if many else 'no'} "
            "levels; name variables, or watch parts=('alignment', 'richness')"
        )
    return list(task.factors)


# --- what is seen ---------------------------------------------------------------------------------


def _history(trained, steps):
    """Loss and accuracy at the last evaluation up to each step."""
    history = trained.history[["loss", "accuracy"]].drop_vars(["n_steps", "stopped"])
    return history.reindex(step=steps, method="ffill").transpose("step", "net")


def _beside(rows, dim, values=None):
    values = range(len(rows)) if values is None else values
    together = {"coords": "minimal", "compat": "override", "join": "outer"}
    return xr.concat(rows, dim, **together).assign_coords({dim: list(values)})


def _geometry(x, variables, measures, ends, options):
    """Of one net at one step."""
    if _silent(x):
        return xr.Dataset()
    found = {}
    if measures:
        tree = score(x, variables, measures=list(measures), **options)
        found = {m: tree[m]["estimate"].reset_coords(drop=True) for m in measures}
    for name, end in ends.items():
        end = end.assign_coords(session=x.session)  # the same trials: what they share is divided
        alike = similarity(x, end, variables, scores=["cka"], stimuli="fixed", neurons="all",
                           scale="none", n_null=0, seed=options["seed"])  # fmt: skip
        found[name] = alike.estimate.sel(quantity="cka", drop=True)
    return xr.Dataset(found)


def _silent(x):
    return bool((np.ptp(x.values, axis=x.get_axis_num("trial")) == 0).all())


def _ends(trained, window, n_trials, seed):
    """What came in and the answers that are wanted, on the trials that are recorded; none of what
    is the same on all."""
    from .networks.work import answers

    task = trained.task
    trials = task.enumerate(n_trials, seed=seed)
    window = task.window(window) if isinstance(window, str) else window
    inputs = trained.record("input", trials=trials)[0]
    if "time" in inputs.dims:
        inputs = inputs.isel(time=inputs.time.values < (np.inf if window is None else window[1]))
    _, wanted, asked = answers(np.zeros((1, *trials.targets.shape)), trials)
    both = {"cka_input": inputs.values, "cka_target": np.where(asked, wanted, 0.0)}
    columns = {k: v.values for k, v in inputs.coords.items()
               if v.dims == ("trial",) and k not in ("session", "trial_id")}  # fmt: skip
    ends = {k: container.from_arrays(v.reshape(len(v), -1), columns) for k, v in both.items()}
    return {k: x for k, x in ends.items() if not _silent(x)}


def _alignment(each, layers, mode, n_rows, seed):
    """Reports of one pass at every step over fresh trials, the same at all."""
    from .learn import lazy_torch, one_thread
    from .networks import work
    from .networks.alignment import track_alignment

    torch = lazy_torch()
    task = next(iter(each.values())).task
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    trials = task.sample(-(-n_rows // task.length) if task.sequence else n_rows, rng)
    inputs, targets, mask = (
        torch.from_numpy(np.ascontiguousarray(a, dtype=np.float32))
        for a in (trials.inputs, trials.targets, trials.mask)
    )
    loss, rows = work.loss_of(task.loss), []
    for trained in each.values():
        nets = trained.networks
        nets.eval()
        batch = inputs, *(a.expand(nets.n_nets, *a.shape) for a in (targets, mask))
        with one_thread(), track_alignment(nets, layers, mode=mode, seed=seed) as tracker:
            loss(nets, batch).sum().backward()
        nets.zero_grad(set_to_none=True)
        report = tracker.report()
        rows.append(report[[name for name in RELATIONS if name in report]])
    return _beside(rows, "step", each)
