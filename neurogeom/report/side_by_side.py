"""Brain, network and controls in one figure."""

import numpy as np

from neurogeom.report.tidy import measures_of

_WORDS = {"decoding": "decoding", "ccgp": "CCGP", "parallelism": "parallelism", "shattering": "SD"}
COLOURS = ("#222222", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#999999")
_MOST = 6  # panels


def side_by_side(tree, *, axes=None):
    """Draw what :func:`neurogeom.compare` found: a panel a measure, a colour a system.

    Measures of one number a variable, and of one in all; those of several are in the table. A
    point is an estimate (of networks the median), a bar its interval: of the recording as the
    measure says, of networks from the smallest to the largest net. Dashed lines are chance; in the
    panel of similarity the grey bars are the upper line, what the recording's halves give with each
    other.

    Parameters
    ----------
    tree : DataTree of `compare`
    axes : sequence of matplotlib axes, optional
        One a panel; else a figure is made.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        `tree` is no comparison.

    Examples
    --------
    >>> side_by_side(None)
    Traceback (most recent call last):
        ...
    ValueError: this is no result of compare; give the tree that it returned
    """
    if "matching" not in getattr(tree, "children", ()):
        raise ValueError("this is no result of compare; give the tree that it returned")
    names = [n for n, ds in measures_of(tree).items()
             if set(ds["estimate"].dims) <= {"system", "variable"}]  # fmt: skip
    panels = [*names[:_MOST], *(["similarity"] if "similarity" in tree.children else [])]
    figure, axes = _axes(axes, [_labels(tree[n].to_dataset()) for n in panels])
    systems = list(tree.attrs["systems"])
    colours = dict(zip(systems, COLOURS * (len(systems) // len(COLOURS) + 1), strict=False))
    for panel, axis in zip(panels, axes, strict=True):
        _panel(axis, tree[panel].to_dataset(), _WORDS.get(panel, panel), systems, colours)
    handles, words = axes[0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside lower center", ncols=min(len(systems), 4),
                  frameon=False, fontsize=9)  # fmt: skip
    return figure


def _axes(axes, labels):
    from matplotlib.figure import Figure

    if axes is not None:
        axes = list(axes)
        return axes[0].figure, axes
    rows = -(-len(labels) // 3) if len(labels) > 4 else 1
    columns = -(-len(labels) // rows)
    figure = Figure(figsize=(3.3 * columns + 0.6, 3.1 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in grid[len(labels) :]:
        axis.set_axis_off()
    return figure, list(grid[: len(labels)])


def _labels(ds):
    dim = next((d for d in ds["estimate"].dims if d != "system"), None)
    return [""] if dim is None else [str(v) for v in ds[dim].values]


def _panel(axis, ds, title, systems, colours):
    labels = _labels(ds)
    x = np.arange(len(labels))
    present = [s for s in systems if s in ds["system"].values]
    width = 0.7 / max(len(present), 1)
    for i, system in enumerate(present):
        own = ds.sel(system=system)
        place = x + (i - (len(present) - 1) / 2) * width
        value = np.atleast_1d(own["estimate"].values)
        bounds = own["interval"].values.reshape(len(labels), 2)
        axis.vlines(place, bounds[:, 0], bounds[:, 1], color=colours[system], lw=1.6)
        axis.plot(place, value, "o", color=colours[system], ms=5, label=system)
    missing = ~np.isfinite(ds["estimate"].values.reshape(ds.sizes["system"], -1)).any(axis=0)
    for place in x[missing]:
        axis.annotate("no estimate", (place, 0.5), xycoords=("data", "axes fraction"), rotation=90,
                      ha="center", va="center", fontsize=7, color="#777777")  # fmt: skip
    _lines(axis, ds, x, len(labels))
    axis.set_title(title, fontsize=10)
    axis.set_xticks(x, labels, rotation=25 if max(map(len, labels)) > 8 else 0, fontsize=8,
                    ha="right" if max(map(len, labels)) > 8 else "center")  # fmt: skip
    axis.set_xlim(-0.5, len(labels) - 0.5)
    axis.tick_params(axis="y", labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _lines(axis, ds, x, n):
    """Chance, and in similarity the upper line."""
    upper = "recording, halves"
    if upper in ds["system"].values:
        value = np.atleast_1d(ds["estimate"].sel(system=upper).values)
        axis.hlines(value, x - 0.42, x + 0.42, color="#bbbbbb", lw=5, zorder=0)
    chance = ds["chance"] if "chance" in ds else ds.attrs.get("chance")
    if chance is None:
        return
    if "system" in getattr(chance, "dims", ()):
        chance = chance.isel(system=slice(1, None)).median("system")
    level = np.broadcast_to(np.asarray(chance, float), n)
    axis.hlines(level, x - 0.45, x + 0.45, color="#555555", ls="--", lw=0.9, zorder=0)
