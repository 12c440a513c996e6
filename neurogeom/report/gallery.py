"""Each neuron or direction with the stimuli that excite it most, its index and chance."""

import numpy as np

__all__ = ["gallery"]

_ALPHA = 0.05
_WORDS = {"mei": "self-similarity", "2afc": "two-alternative choice", "ooo": "odd one out"}
_ORDERS = ("estimate", "neuron")


def gallery(index, images, *, n=12, order="estimate", n_columns=9):
    """Draw what :func:`neurogeom.features.interpretability` found, a row a neuron or direction.

    Left its name, with a star where ``p_corrected`` is 0.05 or less, the stimuli that excite it
    most, the most exciting first, and right its index (a point) on the null (grey: 5 to 95 %, a
    line at the median).

    Parameters
    ----------
    index : Dataset of `interpretability`, of kind "mei" or "ooo"; of "2afc" the top queries
    images : array (stimulus, height, width[, channel]) or mapping of labels to images
        Those that were scored, in the same order; of one channel they are drawn in grey.
    n : int
        At most so many rows.
    order : {"estimate", "neuron"}
        From the most interpretable down, or as they stand. Those without an estimate are left out
        and counted below.
    n_columns : int
        At most so many stimuli.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        `index` is no result of interpretability; images are missing; an option is unknown.

    Examples
    --------
    >>> gallery(None, None)
    Traceback (most recent call last):
        ...
    ValueError: this is no result of interpretability; give the Dataset that it returned
    """
    from matplotlib.figure import Figure

    from ..features.similarity_metrics import as_images, in_order

    if getattr(index, "attrs", {}).get("measure") != "interpretability":
        raise ValueError("this is no result of interpretability; give the Dataset that it returned")
    if order not in _ORDERS or n < 1 or n_columns < 1:
        raise ValueError(f"n={n}, order={order!r}, n_columns={n_columns}: give 1 or more, and one "
                         f"of {list(_ORDERS)}")  # fmt: skip
    images = as_images(in_order(images, index.label.values, "images"))
    rows = _rows(index, n, order)
    if not len(rows):
        raise ValueError("no neuron has an estimate; see attrs['reasons']")
    n_columns = min(n_columns, index.sizes["rank"])
    figure = Figure(figsize=(1.6 + 0.75 * n_columns + 2.2, 0.75 * len(rows) + 1.0),
                    layout="constrained")  # fmt: skip
    grid = figure.add_gridspec(len(rows), n_columns + 1, width_ratios=[1] * n_columns + [2.6])
    shared = None
    for i, row in enumerate(rows):
        own = index.isel(neuron=row)
        for j in range(n_columns):
            axis = figure.add_subplot(grid[i, j])
            _image(axis, images[int(own.exciting[j])])
            if j == 0:
                axis.set_ylabel(_name(own), rotation=0, ha="right", va="center", fontsize=8)
        shared = _strip(figure.add_subplot(grid[i, n_columns], sharex=shared), own)
        shared.tick_params(labelbottom=i + 1 == len(rows), bottom=i + 1 == len(rows))
        shared.spines["bottom"].set_visible(i + 1 == len(rows))
    shared.set_xlabel(_WORDS[index.attrs["kind"]], fontsize=8)
    figure.supxlabel(_foot(index, len(rows)), fontsize=7, color="#555555")
    return figure


def _rows(index, n, order):
    known = np.flatnonzero(np.isfinite(index.estimate.values))
    if order == "estimate":
        known = known[np.argsort(-index.estimate.values[known], kind="stable")]
    return known[:n]


def _name(own):
    p = float(own.p_corrected)
    return f"{own.unit_id.item()}{' *' if p <= _ALPHA else ''}"


def _image(axis, image):
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        image = image.mean(axis=2)
    low, high = image.min(), image.max()
    shown = (image - low) / (high - low) if high > low and (low < 0 or high > 1) else image
    axis.imshow(shown, cmap="gray" if image.ndim == 2 else None)
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_visible(False)


def _strip(axis, own):
    null = own.null.values[np.isfinite(own.null.values)]
    if len(null):
        low, middle, high = np.quantile(null, [0.05, 0.5, 0.95])
        axis.barh(0, high - low, left=low, height=0.5, color="#cccccc")
        axis.vlines(middle, -0.25, 0.25, color="#777777", lw=1)
    axis.plot(float(own.estimate), 0, "o", color="#0072b2", ms=5)
    axis.annotate(f"{float(own.estimate):.2f}", (1.02, 0.5), xycoords="axes fraction", va="center",
                  fontsize=8)  # fmt: skip
    axis.set_ylim(-0.6, 0.6)
    axis.set_yticks([])
    axis.tick_params(axis="x", labelsize=7)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    return axis


def _foot(index, n):
    estimate, about = index.estimate.values, index.attrs
    known = int(np.isfinite(estimate).sum())
    words = [f"{n} of {known}"]
    if known < len(estimate):
        words.append(f"{len(estimate) - known} without an estimate")
    if np.isfinite(about["chance"]):
        words.append(f"chance {about['chance']:.2f} at {about['n_stimuli']} stimuli")
    corrected = index.p_corrected.values
    if np.isfinite(corrected).any():
        words.append("* p corrected <= 0.05")
    return "; ".join(words)
