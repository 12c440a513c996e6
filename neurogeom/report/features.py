"""What a method of `neurogeom features` found, as a page of text."""

import numpy as np

from neurogeom.report.table import aligned, foot, number, probability
from neurogeom.report.tidy import measures_of

_TOLD = {"estimate", "p_value", "p_corrected", "interval", "null"}
_MOST_CELLS, _MOST_COLUMNS = 80, 10
_LONG = {"neuron", "trial", "surrogate", "bound", "rank", "stimulus", "sample", "time"}


def features(tree) -> str:
    """Results of features, for a reader.

    A block a measure: one line an estimate, under the names of its dims, with its null and p, and
    what has the same dims beside it; then small tables of what else was found, and notes. The
    rest is in the files.

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset({"estimate": ("score", [0.5]), "chance": ("score", [0.25])})
    >>> ds = ds.assign_coords(score=["mcc"]).assign_attrs(measure="disentanglement")
    >>> print(features(xr.DataTree.from_dict({"disentanglement": ds})).splitlines()[1])
    mcc              0.500   0.250
    """
    blocks = []
    for name, ds in measures_of(tree).items():
        blocks += [_estimates(name, ds), *_tables(ds)]
    return "\n\n".join([*blocks, foot(tree)]) + "\n"


def _estimates(name, ds):
    """One line an estimate."""
    estimate = ds["estimate"]
    columns = {name: estimate.values}
    if "null" in ds:
        columns["null mean"] = ds["null"].mean("surrogate").transpose(*estimate.dims).values
    beside = [v for v in ds.data_vars if v not in _TOLD and _alike(ds[v], estimate)]
    if estimate.ndim:
        columns |= {_words(v): ds[v].transpose(*estimate.dims).values for v in beside}
    columns = dict(list(columns.items())[: 2 + _MOST_COLUMNS])
    for key, title in {"p_value": "p", "p_corrected": "p corrected"}.items():
        if key in ds:
            columns[title] = ds[key].broadcast_like(estimate).transpose(*estimate.dims).values
    lines = [[*map(_words, estimate.dims), *columns]]
    for at in np.ndindex(estimate.shape):
        place = [_at(ds, dim, i) for dim, i in zip(estimate.dims, at, strict=True)]
        shown = [_shown(title, values[at]) for title, values in columns.items()]
        lines.append([*place, *shown])
    return aligned(lines, "l" * estimate.ndim + "r" * len(columns))


def _tables(ds):
    """What else is small: single numbers together, and tables."""
    estimate, single = ds["estimate"], []
    for name, values in ds.data_vars.items():
        if name in _TOLD or values.dtype.kind not in "fiub" or set(values.dims) & _LONG:
            continue
        if not values.ndim:
            single.append([_words(name), _shown(name, values.values)])
        elif _small(ds, values) and not _alike(values, estimate):
            yield _table(ds, name, values)
    if single:
        yield aligned(single, "lr")


def _table(ds, name, values):
    if values.ndim == 1:
        values = values.expand_dims("").transpose(..., values.dims[0])
    rows, columns = values.dims
    head = [_words(name), *(_at(ds, columns, j) for j in range(values.sizes[columns]))]
    lines = [
        [_at(ds, rows, i) if rows else "", *(number(float(v)) for v in row)]
        for i, row in enumerate(values.values)
    ]
    return aligned([head, *lines], "l" + "r" * (len(head) - 1))


def _small(ds, values):
    """Whether these are a table that can be read: of numbers with named rows and columns."""
    named = all(dim in ds.coords for dim in values.dims)
    fits = values.size <= _MOST_CELLS and values.shape[-1] <= _MOST_COLUMNS
    return named and fits and values.ndim <= 2 and values.dtype.kind == "f"


def _shown(title, value):
    if value.dtype.kind == "b":
        return "yes" if value else "no"
    if value.dtype.kind in "iu":
        return str(value)
    is_p = title == "p" or title.startswith("p ")
    return (probability if is_p else number)(float(value))


def _alike(values, estimate):
    return values.dtype.kind in "fiub" and set(values.dims) == set(estimate.dims)


def _at(ds, dim, i):
    label = ds[dim].values[i] if dim in ds.coords else i
    return f"{label:.4g}" if isinstance(label, float) else str(label)


def _words(name):
    return str(name).replace("_", " ")
