"""Tasks on generated images, for convolutional networks."""

from __future__ import annotations

import numpy as np

from .. import stimuli
from ..options import number, some_of, whole
from .task import Drive, Period, Target, Task

LEVELS = {"shape": ("disc", "square"), "size": ("small", "large"), "place": ("left", "right")}


def images(
    *, targets: tuple[str, ...] = ("shape",), noise: float = 0.2, jitter: float = 0.05,
    side: int = 16,
) -> Task:  # fmt: skip
    """Shape, size and place of an image.

    One bright shape on a dark ground, ``side`` x ``side`` pixels. Conditions are shape (disc,
    square of the same area) x size x place; the centre, the size and the angle vary from trial to
    trial.

    Parameters
    ----------
    targets : subset of ("shape", "size", "place"), or "xor" of shape and size
        One logit each.
    noise : float
        Sd of the noise of each pixel; the shape is 1, the ground 0.
    jitter : float
        Sd of the centre, as a share of the side; sizes vary by a tenth.
    side : int

    Examples
    --------
    >>> images(targets=("shape", "place")).n_outputs
    2
    """
    some_of((*LEVELS, "xor"), targets=targets)
    number(0, noise=noise, jitter=jitter)
    whole(1, side=side)

    def drawn(rng, n):
        found = {k: np.array(v)[rng.integers(2, size=n)] for k, v in LEVELS.items()}
        found |= {k: jitter * rng.standard_normal(n) for k in ("down", "right", "grown")}
        return found | {"angle": rng.uniform(0, np.pi / 2, n)}

    def seen(c):
        radius = np.where(c["size"] == "small", 0.14, 0.22) * (1 + 2 * c["grown"])
        column = np.where(c["place"] == "left", 0.3, 0.7) + c["right"]
        where = {"angle": c["angle"], "side": side}
        return stimuli.images(c["shape"], radius, 0.5 + c["down"], column, **where)

    def right(name):
        if name == "xor":
            return lambda c: (c["shape"] == "square") ^ (c["size"] == "large")
        return lambda c: c[name] == LEVELS[name][1]

    return Task(
        name="images",
        summary="shape, size and place of generated images",
        periods=(Period("image", 100),),
        inputs={"pixels": side * side},
        outputs=dict.fromkeys(targets, 1),
        factors=LEVELS,
        drives=(Drive("pixels", ("image",), seen, noise),),
        targets=tuple(Target(name, ("image",), right(name)) for name in targets),
        latents=drawn,
    )
