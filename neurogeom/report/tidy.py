"""Results as tidy rows: a number, what it is of, and how sure it is."""

from collections.abc import Iterator

import numpy as np

COLUMNS = (
    "measure",
    "system",
    "quantity",
    "variable",
    "label",
    "time",
    "value",
    "naive",
    "ceiling",
    "chance",
    "null_mean",
    "null_sd",
    "p_value",
    "p_corrected",
    "interval_low",
    "interval_high",
    "interval_target",
    "null_method",
    "reason",
)
_BESIDE_ESTIMATE = {"chance", "null", "p_value", "p_corrected", "interval", "interval_target"}
_BESIDE_ESTIMATE |= {"null_method", "naive", "ceiling", "least", "most", "statistic"}
_NUMBERS = ("naive", "ceiling", "chance", "p_value", "p_corrected")
_WORDS = ("interval_target", "null_method", "reason")
_BESIDE_ACCURACY = {"p_value": "dichotomy_p_value", "p_corrected": "dichotomy_p_corrected"}


def to_dataframe(tree):
    """Every number of a result as one row of a data frame.

    Parameters
    ----------
    tree : DataTree of `score`, or the Dataset of one measure

    Returns
    -------
    pandas.DataFrame
        Columns `measure`; `system` (of a comparison only); `quantity` ("estimate", or the name of
        the number where a measure has several; "accuracy", "pair_estimate", ...); `variable`;
        `label` (of a dichotomy, pair or split); `time` (s); `value`; and beside an estimate its
        `naive` value, `ceiling`, `chance`, `null_mean`, `null_sd`, `p_value`, `p_corrected`,
        `interval_low`, `interval_high`, `interval_target`, `null_method`, and the `reason` where
        the value is NaN. The draws of the null stay in the tree.

    Examples
    --------
    >>> import xarray as xr
    >>> ds = xr.Dataset({"estimate": ("variable", [0.7])}, {"variable": ["rule"]})
    >>> to_dataframe(ds.assign_attrs(measure="decoding"))[["measure", "variable", "value"]]
        measure variable  value
    0  decoding     rule    0.7
    """
    import pandas as pd

    found = pd.DataFrame(list(rows(tree)), columns=list(COLUMNS))
    return found if (found["system"] != "").any() else found.drop(columns="system")


def estimates(tree) -> Iterator[dict]:
    """The rows of estimates alone, without what else belongs to a measure."""
    for name, dataset in measures_of(tree).items():
        yield from (_EMPTY | {"measure": name} | row for row in _estimates(dataset))


def rows(tree) -> Iterator[dict]:
    """The rows of `to_dataframe`, as dictionaries with the keys `COLUMNS`."""
    for name, dataset in measures_of(tree).items():
        yield from (_EMPTY | {"measure": name} | row for row in _rows_of(dataset))


def measures_of(tree) -> dict:
    """The measures of a result: {name: Dataset}, in the order of the tree."""
    import xarray as xr

    if isinstance(tree, xr.Dataset):
        return {str(tree.attrs.get("measure", "measure")): tree}
    if not isinstance(tree, xr.DataTree):
        raise TypeError(
            f"a result is a DataTree or a Dataset, not {type(tree).__name__}; "
            "pass what score or a measure returned"
        )
    return {n: node.to_dataset() for n, node in tree.children.items() if "estimate" in node}


def to_json(tree) -> dict:
    """A result as plain dictionaries, lists, numbers and text; NaN becomes None.

    Keys: `version`, `command`, `population` (attrs and conditions), `measures` (name -> attrs and
    rows).
    """
    population = tree["population"].to_dataset() if "population" in tree.children else None
    return plain(
        {
            "version": tree.attrs.get("version"),
            "command": tree.attrs.get("command"),
            "population": {
                "attrs": population.attrs if population is not None else {},
                "conditions": _conditions(population),
            },
            "measures": {
                name: {"attrs": ds.attrs, "rows": list(rows(ds.assign_attrs(measure=name)))}
                for name, ds in measures_of(tree).items()
            },
        }
    )


def plain(value):
    """A value in the types that JSON has."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


_EMPTY = dict.fromkeys(COLUMNS, np.nan) | dict.fromkeys(
    ("system", "variable", "label", "interval_target", "null_method", "reason"), ""
)


def _rows_of(dataset):
    yield from _estimates(dataset)
    for name, values in dataset.data_vars.items():
        beside = name in _BESIDE_ESTIMATE or name in _BESIDE_ACCURACY.values()
        if name == "estimate" or beside or values.dtype.kind not in "fiub":
            continue
        if "condition" in values.dims or "surrogate" in values.dims or "bound" in values.dims:
            continue
        for at, place in _cells(values):
            row = {"quantity": str(name), **_place(dataset, place), "value": float(values[at])}
            if name == "accuracy":
                found = {k: dataset[v] for k, v in _BESIDE_ACCURACY.items() if v in dataset}
                row |= {k: float(_like(v, values)[at]) for k, v in found.items()}
            yield row


def _estimates(dataset):
    estimate = dataset["estimate"]
    beside = _beside_estimate(dataset)
    reasons = dataset.attrs.get("reasons", {})
    for at, place in _cells(estimate):
        name = str(place.pop("quantity", "estimate"))
        row = {"quantity": name, **_place(dataset, place), "value": float(estimate[at])}
        chance = dataset.attrs.get("chance")
        row["chance"] = np.nan if chance is None else float(chance)
        row["null_method"] = str(dataset.attrs.get("null_method", ""))
        for name, values in beside.items():
            cell = values[at].item()
            row[name] = str(cell) if isinstance(cell, str) else float(cell)
        if np.isnan(row["value"]) and "reason" not in beside:
            row["reason"] = str(reasons.get(row.get("variable", ""), ""))
        yield row


def _beside_estimate(dataset):
    """What stands beside the estimate, each with the dims of the estimate."""
    found = {k: dataset[k] for k in (*_NUMBERS, *_WORDS) if k in dataset}
    if "null" in dataset:
        found["null_mean"] = dataset["null"].mean("surrogate")
        found["null_sd"] = dataset["null"].std("surrogate", ddof=1)
    if "interval" in dataset:
        for bound in ("low", "high"):
            found[f"interval_{bound}"] = dataset["interval"].sel(bound=bound, drop=True)
    return {k: _like(v, dataset["estimate"]) for k, v in found.items()}


def _like(values, template):
    return values.broadcast_like(template).transpose(*template.dims)


def _cells(values):
    """Each cell of an array: its index, and {dim: coordinate}."""
    for at in np.ndindex(values.shape):
        place = zip(values.dims, at, strict=True)
        yield at, {d: values[d].values[i] if d in values.coords else i for d, i in place}


def _place(dataset, place):
    """The columns `system`, `variable`, `label` and `time` of a cell."""
    row = {k: str(v) for k, v in place.items() if k in ("system", "variable")}
    row |= {k: float(v) for k, v in place.items() if k == "time"}
    others = {k: v for k, v in place.items() if k not in ("system", "variable", "time")}
    if others:
        row["label"] = ", ".join(str(v) for v in others.values())
    for dim, value in others.items():
        of = f"{dim}_variable"  # the variable that a pair or a split belongs to
        if of in dataset.coords and dataset[of].dims == (dim,):
            at = list(dataset[dim].values).index(value) if dim in dataset.coords else value
            row["variable"] = str(dataset[of].values[at])
    return row


def _conditions(population):
    if population is None or "n_trials" not in population:
        return []
    counts = population["n_trials"].transpose("condition", "neuron").values
    names = [n for n, c in population.coords.items() if c.dims == ("condition",)]
    return [
        {n: population[n].values[i] for n in names}
        | {
            "n_trials_min": counts[i].min(),
            "n_trials_median": float(np.median(counts[i])),
            "n_trials_max": counts[i].max(),
        }
        for i in range(len(counts))
    ]
