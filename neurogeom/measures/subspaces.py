"""Subspaces and coding axes of variables, or of one variable's contexts: do they coincide?"""

from functools import wraps
from inspect import signature
from itertools import combinations
from typing import NamedTuple

import numpy as np
import xarray as xr

from ..engine.intervals import refused
from ..engine.quantities import Quantity, missing, packed
from ..engine.setting import NothingToAsk, over_time, setting
from ..formulas import axes as formulas
from . import _overlap as overlap
from ._coding_axes import WINDOW, axis_quantity, windows_as_contexts


class Axis(NamedTuple):
    """A cosine that is asked for: its name, and two contrasts of conditions, or why there are none.

    first, second : float64 (condition,)
    """

    name: str
    first: np.ndarray | None = None
    second: np.ndarray | None = None
    reason: str = ""


class Pair(NamedTuple):
    """Two sets of points and the axes in them.

    first, second : float64 (point, condition), each point as weights of condition means
    dims : (int, int), dimensions of the two subspaces; matched : the points correspond
    """

    first: np.ndarray
    second: np.ndarray
    dims: tuple
    axes: tuple
    matched: bool


def _or_between_windows(measure):
    """With ``between="time"`` windows are compared, and not answered one by one."""

    @wraps(measure)
    def wrapped(x, variables, **options):
        if options.get("between") == "time":
            x, variables = windows_as_contexts(x, variables)
            options["between"] = WINDOW
        return measure(x, variables, **options)

    wrapped.__signature__ = signature(measure)
    return wrapped


@_or_between_windows
@over_time
def subspaces(
    x,
    variables,
    *,
    between=None,
    n_dims=None,
    delta=None,
    contrasts=(),
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
    r"""Are variables coded in the same directions, and one variable's contexts in one subspace?

    Without ``between``, pairs of variables: a variable's points are the mean conditions of its
    levels (the other variables averaged out), which span an axis for two levels. With ``between``,
    pairs of levels of that variable: the points are the condition means of the remaining variables
    within the level. Points are centred on their own mean. For each ``pair``, "a | b":

    - ``cosine`` (two variables of two levels), or ``axis of v`` (with ``between``, for each
      remaining variable v of two levels: the cosine of its axes in the two contexts),

      .. math:: \cos = \frac{v \cdot w - \sum_c x_c y_c e_c}
          {\sqrt{(|v|^2 - \sum_c x_c^2 e_c)(|w|^2 - \sum_c y_c^2 e_c)}},

      for axes :math:`v = \sum_c x_c \mu_c` and squared standard errors e. Positive where the later
      levels lie on the same side. Its ceiling is what the naive cosine of parallel axes would be.
    - ``mean squared cosine`` of the principal angles,

      .. math:: c + (m_{12} - c) \Big/ \sqrt{\frac{m_{11} - c_1}{1 - c_1}\,
          \frac{m_{22} - c_2}{1 - c_2}},

      every m between halves of the trials, :math:`c_i = d_i / N` chance for N neurons and c the
      larger: 1 if one subspace lies in the other, 0 if orthogonal. Noise that all neurons have
      alike is removed. The ceiling is what the naive one of equal subspaces would be at half of
      the trials.
    - ``alignment forward`` (Elsayed et al. 2016), cross-validated: the second points' variance in
      the first's subspace, of what as many dimensions can hold; ``backward`` the reverse.
    - ``variance ratio forward`` (after Xie et al. 2022): the second points' variance in the first's
      subspace over that in their own, both found on other trials; ``backward`` the reverse. The
      noise of the points stays in both: orthogonal codes have more than 0. Without it this is the
      alignment.
    - ``first angle``, ``chordal distance`` and ``geodesic distance`` (degrees but for the chordal,
      distances divided by the root of the dimensions): between subspaces of different halves of
      the trials. Nothing removes their noise, so read them between the ceiling (halves of one
      subspace) and chance.
    - ``rotation`` (with ``between``): see :func:`neurogeom.formulas.axes.plane_geometry`, degrees.

    Where trials have blocks, and between windows, cosines are made of halves that split neither.

    **A naive cosine or overlap near 0 is no evidence of orthogonality: noise shrinks it.** With
    ``delta`` the result says where the interval of a corrected cosine lies within
    :math:`\pm\delta`: ``equivalent`` is 1 there, 0 where it does not, NaN without an interval.

    Parameters
    ----------
    x, variables, contrasts, min_trials, n_null, target, scale, empty, seed, n_jobs
        As in :func:`neurogeom.parallelism`.
    between : str, optional
        A variable (or contrast) whose levels are the contexts; or ``"time"``: then every two
        windows are compared (16 at most), and ``axis of v`` is 1 where the code of v is stable, and
        falls where it turns.
    n_dims : int, optional
        At most so many dimensions a subspace. By default all that levels span without ``between``,
        and with it 2 (1 for two conditions a context).
    delta : float, optional
        In (0, 1): the largest cosine that still counts as orthogonal.
    null : {None, "flip"}
        Of cosines. None flips one axis by the unit that was recorded independently: neurons
        recorded apart, or sessions if there are at least 6; there is none for fewer sessions.
        "flip" flips neurons as if they were independent. All else is compared with random
        subspaces drawn from the covariance of single trials, codes included (Elsayed et al. 2016):
        a small p says that two subspaces lie nearer, or farther, than directions of what the
        population does. Planes of strong codes that are independent lie farther.

    Returns
    -------
    Dataset
        As :func:`neurogeom.engine.quantities.packed` makes it, over (pair, quantity). ``angles``,
        ``angles_naive``, ``angles_ceiling`` and ``angles_chance`` (pair, angle) in degrees; with
        ``between`` also ``reflected`` (pair): the share of halves of the trials in which a
        reflection fits better than a rotation; with ``delta`` ``equivalent`` (pair, quantity).

    Raises
    ------
    KeyError, ValueError
        ``between`` is not among the variables, or its levels have no common conditions; ``n_dims``
        or ``delta`` is out of range; else as in :func:`neurogeom.parallelism`.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=40, n_trials=20, n_truth=0, seed=0)
    >>> apart = ng.subspaces(x, ["a", "b", "c"], n_null=19)
    >>> bool((abs(apart.estimate.sel(quantity="cosine")) < 0.2).all())
    True
    >>> within = ng.subspaces(x, ["a", "b", "c"], between="a", n_null=19)
    >>> bool((within.estimate.sel(quantity="mean squared cosine") > 0.9).all())
    True

    Notes
    -----
    Measured with 40 neurons, 20 trials and axes of 4 noise sd
    (``benchmarks/portrait_cells/subspaces.py``, 100 data sets, 400 of axes in two contexts): for
    independent axes at nominal 0.05 cosines reject 0.03-0.06 (apart, few trials, unequal trials,
    eight sessions) and 0.052 in two contexts; power 0.75 (apart) and 0.60 (eight sessions) for a
    cosine of 0.5. 95 % intervals of cosines cover 0.92-0.97. Planes drawn from the covariance of
    the noise reject 0.05-0.06; independent isotropic planes of axes of 1, 2 and 4 noise sd
    0.04-0.06, 0.09-0.11 and 0.10-0.23, the largest for the alignment.
    """
    s = setting(
        x,
        variables,
        contrasts=contrasts,
        min_trials=min_trials,
        n_null=n_null,
        scale=scale,
        empty=empty,
        seed=seed,
    )
    if null not in (None, "flip"):
        raise ValueError(f"null={null!r} is unknown for subspaces; choose from ['flip']")
    if delta is not None and not 0.0 < delta < 1.0:
        raise ValueError(f"delta={delta!r} is no cosine between 0 and 1")
    if n_dims is not None and n_dims < 1:
        raise ValueError(f"n_dims={n_dims} leaves no subspace; give at least 1")
    pairs = _of_variables(s, n_dims) if between is None else _of_contexts(s, between, n_dims)
    data = overlap.measured(s)
    surrogates = overlap.random_subspaces(s, data, pairs)
    found, shown = {}, {}
    for label, pair in pairs.items():
        cosines = [axis_quantity(s, data, a, label, null, target) for a in pair.axes]
        overlaps, angles = overlap.quantities(data, pair, label, surrogates[label])
        found[label] = [*cosines, *overlaps]
        shown[label] = angles
        if between is not None:
            rotation, shown[label]["reflected"] = _rotation(data, pair, label)
            found[label].append(rotation)
    result = packed(found, n_null=n_null)
    packed_attrs = result.attrs
    _add_angles(result, shown)
    if delta is not None:
        result["equivalent"] = ("pair", "quantity"), _equivalent(result, pairs, delta)
    result.attrs = packed_attrs | s.attrs(
        "subspaces",
        estimand=(
            f"overlap of subspaces of {s.population.n_neurons} neurons; trial noise removed from "
            "cosines, mean squared cosine and alignment"
        ),
        convention=_convention(between, next(iter(pairs.values())), delta),
        chance=float(np.nan),
        range=[-1.0, 1.0],
        direction="see each quantity",
        readout="none",
        n_resamples=0,
        n_pseudo=0,
        notes=packed_attrs["notes"] + data.notes,
    )
    return result


def _of_variables(s, n_dims):
    targets = s.targets()
    if len(targets) < 2:
        raise NothingToAsk(
            f"{targets[0].name!r} alone has no other subspace; name a second variable or contrast"
        )
    points = {t.name: _level_means(t) for t in targets}
    pairs = {}
    for a, b in combinations(targets, 2):
        dims = tuple(min(n_dims or len(t.labels), len(t.labels) - 1) for t in (a, b))
        many = [t.name for t in (a, b) if len(t.labels) > 2]
        axis = Axis("cosine", reason=f"{many[0]!r} has more than two levels") if many else None
        axis = axis or Axis("cosine", *(points[t.name][1] - points[t.name][0] for t in (a, b)))
        first, second = points[a.name], points[b.name]
        pairs[f"{a.name} | {b.name}"] = Pair(first, second, dims, (axis,), False)
    return pairs


def _level_means(target):
    """Each level's mean over its conditions, over matched ones where there are any."""
    n = len(target.sides[0].side)
    weights = np.zeros((len(target.labels), n))
    if target.grid is not None:
        for level, members in enumerate(target.grid.T):
            weights[level, members] = 1.0 / len(members)
        return weights
    for (low, high), side in zip(combinations(range(len(weights)), 2), target.sides, strict=True):
        for level, sign in ((low, -1), (high, 1)):
            members = side.side == sign
            weights[level] = members / members.sum()
    return weights


def _of_contexts(s, between, n_dims):
    targets = {t.name: t for t in s.targets()}
    if between not in targets:
        raise KeyError(f"between={between!r} is not one of the variables {list(targets)}")
    grid = targets[between].grid
    if grid is None or len(grid) < 2:
        raise NothingToAsk(
            f"the levels of {between!r} share fewer than two conditions of other variables; "
            "name another variable"
        )
    most = len(grid) - 1
    if n_dims is not None and n_dims > most:
        raise ValueError(
            f"{len(grid)} conditions in each level of {between!r} span {most} dimensions; "
            f"n_dims={n_dims} is too many"
        )
    n_dims = n_dims or min(2, most)
    others = [t for t in targets.values() if t.name != between and len(t.sides) == 1]
    unit = np.eye(s.design.n_conditions)
    pairs = {}
    for i, j in combinations(range(grid.shape[1]), 2):
        label = " | ".join(f"{between}={targets[between].labels[k]}" for k in (i, j))
        axes = tuple(_axis_within(t, grid[:, i], grid[:, j]) for t in others)
        pairs[label] = Pair(unit[grid[:, i]], unit[grid[:, j]], (n_dims, n_dims), axes, True)
    return pairs


def _axis_within(target, first, second):
    """A variable's axis in each of two contexts, given their conditions."""
    name, contrasts = f"axis of {target.name}", []
    for members in (first, second):
        side = np.zeros(len(target.sides[0].side))
        side[members] = target.sides[0].side[members]
        if not (side > 0).any() or not (side < 0).any():
            return Axis(name, reason=f"{target.name!r} does not vary within both contexts")
        contrasts.append((side > 0) / (side > 0).sum() - (side < 0) / (side < 0).sum())
    return Axis(name, *contrasts)


def _rotation(data, pair, label):
    """The turn within the plane, and the share of halves in which it is a reflection."""
    direction = "degrees, positive in the direction of the first three conditions"
    if min(len(pair.first), len(pair.second)) < 3 or pair.dims != (2, 2) or data.n_neurons < 2:
        reason = "a rotation needs planes (n_dims=2) of at least three conditions and two neurons"
        return missing("rotation", direction, reason), np.nan
    whole = formulas.plane_geometry(pair.first @ data.means, pair.second @ data.means)
    if data.halves is None:
        return missing("rotation", direction, data.no_halves), np.nan
    halves = formulas.plane_geometry(pair.first @ data.halves, pair.second @ data.halves[:, ::-1])
    reflected = float(halves.reflected.mean())
    together = np.abs(np.exp(1j * halves.rotation).mean())
    known = {"naive": float(np.degrees(whole.rotation)), "least": -180.0, "most": 180.0}
    if not np.isfinite(reflected) or 0.25 < reflected < 0.75 or together < 0.7:
        reason = f"halves of the trials disagree on the rotation between {label}"
        return missing("rotation", direction, reason, **known), reflected
    note = (
        f"a reflection brings {label} closer than any rotation, so the rotation says little"
        if reflected >= 0.75
        else ""
    )
    quantity = Quantity(
        "rotation",
        known["naive"],
        direction,
        interval=refused("no interval of a rotation has a known coverage"),
        note=note,
        **known,
    )
    return quantity, reflected


def _add_angles(result, shown):
    longest = max(len(a["angles"]) for a in shown.values())
    for name in next(iter(shown.values())):
        values = [np.atleast_1d(a[name]) for a in shown.values()]
        if name == "reflected":
            result[name] = "pair", np.concatenate(values)
            continue
        filled = [np.concatenate([v, np.full(longest - len(v), np.nan)]) for v in values]
        result[name] = ("pair", "angle"), np.array(filled)
    result.coords["angle"] = np.arange(1, longest + 1)


def _equivalent(result, pairs, delta):
    names = {a.name for pair in pairs.values() for a in pair.axes}
    is_cosine = np.isin(result["quantity"].values, list(names))
    bounds = result["interval"].values
    inside = (bounds[..., 0] > -delta) & (bounds[..., 1] < delta)
    known = np.isfinite(bounds).all(axis=-1) & is_cosine
    return np.where(known, inside.astype(float), np.nan)


def _convention(between, pair, delta):
    what = (
        "points: mean conditions of the levels of a variable"
        if between is None
        else f"points: condition means within the levels of {between}"
    )
    dims = "as many dimensions as levels less one" if between is None else f"{pair.dims[0]} dims"
    margin = "" if delta is None else f"; orthogonal within {delta}"
    return f"{what}; {dims}; halves and parts averaged before they are divided{margin}"
