"""Generated images and sequences whose factors are known."""

from __future__ import annotations

import numpy as np

SHAPES = ("disc", "square", "cross", "triangle")


def images(
    shape: np.ndarray,
    size: np.ndarray,
    row: np.ndarray,
    column: np.ndarray,
    *,
    angle: np.ndarray | float = 0.0,
    side: int = 16,
) -> np.ndarray:
    """Grey images of one bright shape on a dark ground, smooth at its edge.

    Parameters
    ----------
    shape : (image,) of "disc", "square", "cross", "triangle"
    size : (image,) radius of the disc as a share of the side, such as 0.2; the others have its area
    row, column : (image,) of the centre, as a share of the side, 0 to 1
    angle : (image,) in radians
    side : int
        Pixels.

    Returns
    -------
    array (image, side * side), 0 to 1, row by row.

    Raises
    ------
    ValueError
        A shape is unknown; arrays differ in length; there is no pixel.

    Examples
    --------
    >>> found = images(np.array(["disc"]), np.array([0.25]), np.array([0.5]), np.array([0.5]))
    >>> found.shape, float(found.max()) > 0.9
    ((1, 256), True)
    """
    unknown = sorted(set(map(str, np.unique(shape))) - set(SHAPES))
    if unknown:
        raise ValueError(f"shape {unknown[0]!r} is unknown; choose from {list(SHAPES)}")
    lengths = {np.shape(a) for a in (shape, size, row, column)} | {np.shape(angle) or np.shape(row)}
    if len(lengths) > 1 or np.ndim(row) != 1 or side < 1:
        raise ValueError(f"shapes {sorted(lengths)} and side={side}: give one number an image, and "
                         "a side of 1 or more")  # fmt: skip
    centre = (np.arange(side) + 0.5) / side
    y = centre[None, :, None] - np.asarray(row, float)[:, None, None]
    x = centre[None, None, :] - np.asarray(column, float)[:, None, None]
    turn = np.broadcast_to(np.asarray(angle, float), np.shape(row))[:, None, None]
    u, v = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    r = np.asarray(size, float)[:, None, None]
    across = {  # how far outside of the edge each pixel is
        "disc": np.hypot(u, v) - r,
        "square": np.maximum(np.abs(u), np.abs(v)) - 0.886 * r,  # of the disc's area
        "cross": np.minimum(
            np.maximum(np.abs(u) - 0.35 * r, np.abs(v) - 1.3 * r),
            np.maximum(np.abs(v) - 0.35 * r, np.abs(u) - 1.3 * r),
        ),
        "triangle": np.maximum(0.866 * np.abs(u) + 0.5 * v, -v) - 0.78 * r,
    }
    kind = np.asarray(shape)[:, None, None]
    outside = sum(np.where(kind == name, across[name], 0.0) for name in SHAPES)
    return (1 / (1 + np.exp(np.clip(outside * side * 3, -50, 50)))).reshape(len(r), -1)
