"""One training in one figure: what was learnt, geometry, alignment, exponents, distances."""

import numpy as np

from .side_by_side import COLOURS

__all__ = ["over_training"]

_STYLES = ("-", "--", ":", "-.")
_WORDS = {
    "ccgp": "CCGP",
    "shattering": "SD",
    "cka_input": "CKA, input",
    "cka_target": "CKA, target",
}


def over_training(seen, *, axes=None):
    """Draw what :func:`neurogeom.watch` saw: lines are medians over nets, bands reach over all.

    Panels, of what was watched: loss and accuracy; the measures, each the mean over its variables
    or dichotomies, and CKA with input and target; the mean excess of the six relations by layer;
    the exponents p (solid) and q (dashed) by layer; kernel, pattern and parameter distance, the
    last in units of its largest value. Steps are on an axis that is linear below the first kept
    one and logarithmic above.

    Parameters
    ----------
    seen : Dataset of `watch`
    axes : sequence of matplotlib axes, optional
        One a panel; else a figure is made.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        `seen` is no result of watch; too few axes.

    Examples
    --------
    >>> over_training(None)
    Traceback (most recent call last):
        ...
    ValueError: this is no result of watch; give the Dataset that it returned
    """
    if getattr(seen, "attrs", {}).get("measure") != "watch":
        raise ValueError("this is no result of watch; give the Dataset that it returned")
    panels = _panels(seen)
    figure, axes = _axes(axes, len(panels))
    for (title, lines), axis in zip(panels.items(), axes, strict=False):
        for i, (label, (values, style)) in enumerate(lines.items()):
            _line(axis, seen.step.values, values, label, COLOURS[i % len(COLOURS)], style)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step")
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xscale("symlog", linthresh=max(1, seen.step.values[1]))
        axis.set_xlim(0, seen.step.values[-1])
        axis.legend(frameon=False, fontsize=7)
    return figure


def _panels(seen):
    """{title: {label: ((step, net), style)}}"""
    panels = {"learning": {"loss": (seen.loss, "-"), "accuracy": (seen.accuracy, "--")}}
    names = [*seen.attrs["measures"], "cka_input", "cka_target"]
    geometry = {_WORDS.get(n, n): (_mean(seen[n]), "-") for n in names if n in seen}
    if geometry:
        panels[f"geometry of {seen.attrs['layer']}"] = geometry
    if "alignment" in seen:
        panels["alignment above chance"] = {
            str(layer.item()): (_mean(seen.excess.sel(layer=layer)), "-") for layer in seen.layer
        }
        own = {}
        for layer in seen.layer.values:
            for power, style in zip(("p", "q"), _STYLES, strict=False):
                values = seen.exponent.sel(layer=layer, power=power)
                if values.notnull().any():
                    own[f"{power}, {layer}"] = values, style
        if own:
            panels["exponents"] = own
    if "kernel_distance" in seen:
        far = seen.parameter_distance / seen.parameter_distance.max()
        own = {"kernel": (seen.kernel_distance, "-"), "parameters (relative)": (far, ":")}
        if "pattern_distance" in seen:
            own["activation patterns"] = seen.pattern_distance, "--"
        panels["distance from the first step"] = own
    return panels


def _mean(values):
    """(step, net)"""
    return values.mean([d for d in values.dims if d not in ("step", "net")])


def _line(axis, steps, values, label, colour, style):
    values = values.transpose("step", "net").values
    known = np.isfinite(values).any(axis=1)
    if not known.any():
        return
    steps, values = steps[known], values[known]
    axis.plot(steps, np.nanmedian(values, axis=1), style, color=colour, lw=1.4, label=label)
    low, high = np.nanmin(values, axis=1), np.nanmax(values, axis=1)
    axis.fill_between(steps, low, high, color=colour, alpha=0.15, lw=0)


def _axes(axes, n):
    from matplotlib.figure import Figure

    if axes is not None:
        axes = list(np.ravel(axes))
        if len(axes) < n:
            raise ValueError(f"{len(axes)} axes for {n} panels; give {n}")
        return axes[0].figure, axes
    rows = -(-n // 3)
    columns = -(-n // rows)
    figure = Figure(figsize=(3.6 * columns, 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in grid[n:]:
        axis.set_axis_off()
    return figure, list(grid[:n])
