"""Pairs of moments whose factors change sparsely, and what is seen of them: vectors and sprites.

Transitions of grids (:func:`laplace_pairs`, :func:`uniform_pairs`), of positions and areas
(:func:`natural_pairs`), and of latents that are mixed (:func:`mixed_pairs`). Klindt et al. 2021,
ICLR, arXiv:2007.10930, and its code; Locatello et al. 2020 for the uniform ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .options import is_whole, number, one_of, whole
from .stimuli import SHAPES, images

__all__ = [
    "Mixed",
    "Sprites",
    "drawn",
    "laplace_pairs",
    "mixed_pairs",
    "natural_pairs",
    "uniform_pairs",
]

KEY = 71  # of random streams
TRANSITIONS = ("laplace", "uniform", "gaussian")
RATES = (1.0, 10.0)  # between which the rate of each pair is drawn where none is given
MATRICES = 200  # of which the best conditioned mixes
ROUNDS = 100  # in which jumps are drawn until they stay in the range
SLOPE = 0.2  # of the mixing nonlinearity below 0


def laplace_pairs(
    sizes: Sequence[int],
    n_pairs: int,
    *,
    categorical: Sequence[int] = (),
    rate: float | None = 1.0,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Pairs of points of a factor grid, whose levels move by a discrete Laplace law (LAP).

    The first is uniform. Factor i of the second is k with a probability proportional to
    :math:`e^{-|k - start| \, rate / \ln size_i}`, given that at least one factor moves.

    Parameters
    ----------
    sizes : levels of each factor
    n_pairs : int
    categorical : factors without an order, by position: they never change within a pair
    rate : float above 0, at most 100, or None
        None draws one for every pair from 1 to 10.

    Returns
    -------
    int arrays (pair, factor), first and second, from 0.

    Raises
    ------
    ValueError
        Sizes are no whole numbers, or no factor can move.

    Examples
    --------
    >>> first, second = laplace_pairs([3, 8, 8], 500, categorical=[0])
    >>> moved = first != second
    >>> moved[:, 0].any(), moved.any(axis=1).all()
    (np.False_, np.True_)
    """
    sizes = _sizes(sizes, n_pairs)
    if rate is not None:
        number(most=100, above=0, rate=rate)
    moves = [i for i in range(len(sizes)) if i not in _positions(categorical, sizes)]
    moves = [i for i in moves if sizes[i] > 1]
    if not moves:
        raise ValueError(f"no factor of sizes {sizes.tolist()} can move; give one that is not "
                         "categorical two levels or more")  # fmt: skip
    rng = _rng(seed, 0)
    first = rng.integers(sizes, size=(n_pairs, len(sizes)))
    second = first.copy()
    rates = np.full(n_pairs, rate) if rate is not None else rng.uniform(*RATES, n_pairs)
    law = {i: _reached(sizes[i], first[:, i], rates) for i in moves}
    stays = np.array([own[0] for own in law.values()])  # (factor that can move, pair)
    leaves = np.array([own[1] for own in law.values()])
    before = np.cumprod(np.vstack([np.ones(n_pairs), stays[:-1]]), axis=0)
    mover = _drawn(rng, (before * leaves).T)  # the first that moves, given that one does
    for place, i in enumerate(moves):
        goes = np.where(mover == place, 1.0, np.where(mover < place, leaves[place], 0.0))
        goes = rng.random(n_pairs) < goes
        second[:, i] = np.where(goes, _drawn(rng, law[i][2]), first[:, i])
    return first, second


def uniform_pairs(
    sizes: Sequence[int], n_pairs: int, *, n_changed: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of points of a factor grid, of which some factors are drawn anew, each another (UNI).

    Parameters
    ----------
    sizes : levels of each factor, 2 or more
    n_pairs : int
    n_changed : int, optional
        How many factors change; by default 1 to one less than there are, each as often.

    Returns
    -------
    int arrays (pair, factor), first and second, from 0.

    Raises
    ------
    ValueError
        A factor has one level, or more should change than there are.

    Examples
    --------
    >>> first, second = uniform_pairs([3, 8, 8], 100, n_changed=2)
    >>> set((first != second).sum(axis=1).tolist())
    {2}
    """
    sizes = _sizes(sizes, n_pairs)
    if sizes.min() < 2:
        raise ValueError(f"sizes={sizes.tolist()}: a factor of one level cannot change; leave it "
                         "out")  # fmt: skip
    rng, n = _rng(seed, 1), len(sizes)
    chosen = _changing(rng, n_pairs, n, n_changed)
    first = rng.integers(sizes, size=(n_pairs, n))
    other = rng.integers(sizes - 1, size=(n_pairs, n))
    other += other >= first  # any level but the first
    return first, np.where(chosen, other, first)


def natural_pairs(
    n_pairs: int, *, exponent: float = 0.5, scale: float = 0.01, seed: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    r"""Pairs of sprites that jump as things in videos do: mostly little, rarely far.

    Row, column and area jump by :math:`p(d) \propto e^{-|d / scale|^{exponent}}`, area in units of
    the largest; where a jump leaves the range it is drawn again. Shape and angle stay. The exponent
    and scale are ours: published statistics of videos are not part of this package.

    Returns
    -------
    two dicts for :func:`neurogeom.stimuli.images`: shape, size, row, column, angle, each (pair,);
    and area (pair,), as a share of the image.

    Raises
    ------
    ValueError
        The exponent is not from 0.01 to 20, or the scale not above 0 and at most 100.

    Examples
    --------
    >>> from neurogeom.formulas.laplace_transition import increment_shape
    >>> first, second = natural_pairs(4000, scale=0.001)
    >>> round(increment_shape(second["row"] - first["row"]), 1)
    0.5
    """
    whole(1, n_pairs=n_pairs)
    number(0.01, 20, exponent=exponent)
    number(most=100, above=0, scale=scale)
    rng = _rng(seed, 2)
    ranges = {"row": (0.2, 0.8), "column": (0.2, 0.8), "area": (0.02, 0.12)}
    first = {name: rng.uniform(*ends, n_pairs) for name, ends in ranges.items()}
    stays = {
        "shape": rng.choice(SHAPES, n_pairs),
        "angle": rng.uniform(0, np.pi / 2, n_pairs),
    }
    second = {}
    for name, (low, high) in ranges.items():
        own, rest = first[name].copy(), np.arange(n_pairs)
        unit = scale * (high if name == "area" else 1)
        for _ in range(ROUNDS):
            size = rng.gamma(1 / exponent, size=len(rest)) ** (1 / exponent)
            own[rest] = first[name][rest] + unit * size * rng.choice([-1, 1], len(rest))
            rest = rest[(own[rest] < low) | (own[rest] > high)]
            if not len(rest):
                break
        room = np.array([first[name] - low, high - first[name]])[:, rest] / unit  # down and up
        own[rest] = first[name][rest] + unit * _jumps(rng, room, exponent)
        second[name] = np.clip(own, low, high)  # of the last bits
    return tuple({**stays, **own, "size": np.sqrt(own["area"] / np.pi)} for own in (first, second))


class Mixed(NamedTuple):
    """Latents of two moments and what is seen of them: z0, z1 (pair, latent), x0, x1 (pair, x)."""

    z0: np.ndarray
    z1: np.ndarray
    x0: np.ndarray
    x1: np.ndarray


def mixed_pairs(
    n_latents: int,
    n_pairs: int,
    *,
    transition: str = "laplace",
    rate: float = 2.0,
    n_layers: int = 2,
    seed: int = 0,
) -> Mixed:
    r"""Pairs of latents, N(0, 1) at first, seen through an invertible mixing of as many dimensions.

    Parameters
    ----------
    transition : {"laplace", "uniform", "gaussian"}
        Every latent moves by a Laplace law of scale 1 / rate; or 1 to n_latents - 1 of them are
        drawn anew, each number as often; or every latent moves by N(0, 2 / rate^2), with the
        variance of the Laplace law and no axes.
    n_layers : int
        Matrices of the mixing, each the best conditioned of 200, leaky relu of slope 0.2 between
        them; 1 is linear, 0 leaves the latents as they are.

    Raises
    ------
    ValueError
        An option is not possible; one latent has no other that rests.

    Examples
    --------
    >>> found = mixed_pairs(3, 1000, transition="uniform")
    >>> bool((found.z0 == found.z1).any(axis=1).all()), found.x0.shape
    (True, (1000, 3))
    """
    whole(1, n_latents=n_latents, n_pairs=n_pairs)
    whole(0, n_layers=n_layers)
    number(above=0, rate=rate)
    one_of(TRANSITIONS, transition=transition)
    rng = _rng(seed, 3)
    z0 = rng.standard_normal((n_pairs, n_latents))
    if transition == "uniform":
        chosen = _changing(rng, n_pairs, n_latents, None)
        z1 = np.where(chosen, rng.standard_normal(z0.shape), z0)
    elif transition == "laplace":
        z1 = z0 + rng.laplace(scale=1 / rate, size=z0.shape)
    else:
        z1 = z0 + rng.normal(scale=np.sqrt(2) / rate, size=z0.shape)
    mixing = _mixing(n_latents, n_layers, _rng(seed, 4))
    x0, x1 = (_mix(z, mixing) for z in (z0, z1))
    return Mixed(z0, z1, x0, x1)


@dataclass(frozen=True)
class Sprites:
    """Grey sprites on a factor grid: shape (categorical), size, angle, row, column.

    Parameters
    ----------
    shapes : names of :data:`neurogeom.stimuli.SHAPES`
    n_sizes, n_angles, n_rows, n_columns : int
        Levels: radii 0.1 to 0.22 of the side, quarter turns, centres from 0.25 to 0.75 of it; a
        factor of one level stands in the middle (angle: at 0).
    side : int
        Pixels.

    Examples
    --------
    >>> grid = Sprites(n_sizes=4, side=16)
    >>> grid.sizes, grid.categorical, grid.images(np.array([[0, 3, 0, 0, 7]])).shape
    ((3, 4, 1, 8, 8), (0,), (1, 256))
    """

    shapes: Sequence[str] = ("disc", "square", "triangle")
    n_sizes: int = 6
    n_angles: int = 1
    n_rows: int = 8
    n_columns: int = 8
    side: int = 16

    names = ("shape", "size", "angle", "row", "column")
    categorical = (0,)

    def __post_init__(self):
        whole(1, n_sizes=self.n_sizes, n_angles=self.n_angles, n_rows=self.n_rows,
              n_columns=self.n_columns, side=self.side)  # fmt: skip
        if isinstance(self.shapes, str) or not np.size(self.shapes):
            raise ValueError(f"shapes={self.shapes!r} is no list of names; give some as ('disc',)")
        for name in self.shapes:
            one_of(SHAPES, shapes=name)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of each factor."""
        return (len(self.shapes), self.n_sizes, self.n_angles, self.n_rows, self.n_columns)

    def factors(self, index: np.ndarray) -> dict[str, np.ndarray]:
        """Values of grid points (image, factor), as :func:`neurogeom.stimuli.images` takes them."""
        index = np.asarray(index)
        if (
            index.dtype.kind not in "iu"
            or index.ndim != 2
            or index.shape[1] != 5
            or (index < 0).any()
            or (index >= self.sizes).any()
        ):
            raise ValueError(f"index of shape {index.shape} must be (image, 5), whole numbers "
                             f"from 0, each below {self.sizes}")  # fmt: skip
        ends = {"size": (0.1, 0.22), "row": (0.25, 0.75), "column": (0.25, 0.75)}
        found = {"shape": np.asarray(self.shapes)[index[:, 0]]}
        for i, name in enumerate(self.names[1:], 1):
            n = self.sizes[i]
            if name == "angle":  # a quarter turn brings a square back
                levels = np.arange(n) / n * np.pi / 2
            else:
                levels = np.linspace(*ends[name], n) if n > 1 else np.array([np.mean(ends[name])])
            found[name] = levels[index[:, i]]
        return found

    def images(self, index: np.ndarray) -> np.ndarray:
        """Images of grid points (image, factor): (image, side * side), 0 to 1."""
        return drawn(self.factors(index), self.side)


def drawn(factors: Mapping[str, np.ndarray], side: int = 16) -> np.ndarray:
    """Images of the sprites with these factors, such as :func:`natural_pairs` gives."""
    own = (factors[name] for name in ("shape", "size", "row", "column"))
    return images(*own, angle=factors["angle"], side=side)


def _jumps(rng, room, exponent):
    """Draws of the law e^(-|d|^exponent) between -room[0] and room[1], room (2, pair): quantiles of
    the gamma law of |d|^exponent, for where draws hardly ever fit.
    """
    from scipy.special import gammainc, gammaincinv

    share = gammainc(1 / exponent, room**exponent)  # of each side within its room
    up = rng.random(room.shape[1]) * share.sum(axis=0) >= share[0]
    rank = rng.random(room.shape[1]) * np.where(up, *share[::-1])
    size = gammaincinv(1 / exponent, rank) ** (1 / exponent)
    return np.where(up, size, -size)


def _reached(size, start, rates):
    """Chance to stay and to leave, each (pair,), and weights of the other levels (pair, level)."""
    far = np.abs(np.arange(size) - start[:, None])
    weight = np.where(far > 0, np.exp(-far * rates[:, None] / np.log(size)), 0.0)
    leaves = weight.sum(axis=1)
    return 1 / (1 + leaves), leaves / (1 + leaves), weight


def _drawn(rng, weight):
    """A column of each row, by its weights."""
    reached = weight.cumsum(axis=1)
    return (reached <= rng.random((len(weight), 1)) * reached[:, -1:]).sum(axis=1)


def _changing(rng, n_pairs, n, n_changed):
    """Which factors change, bool (pair, factor): so many, or 1 to n - 1, without replacement."""
    if n_changed is None:
        if n < 2:
            raise ValueError("of one factor none can rest while another changes; give two or more")
        n_changed = rng.integers(1, n, size=(n_pairs, 1))
    elif not is_whole(n_changed, 1) or n_changed > n:
        raise ValueError(f"n_changed={n_changed!r}: give a whole number from 1 to {n}")
    return rng.random((n_pairs, n)).argsort(axis=1).argsort(axis=1) < n_changed


def _mixing(n, n_layers, rng):
    """Matrices (layer, n, n)."""
    tried = rng.standard_normal((n_layers, MATRICES, n, n))
    tried /= np.linalg.norm(tried, axis=-2, keepdims=True)
    best = np.linalg.cond(tried).argmin(axis=1) if n_layers else np.zeros(0, int)
    return tried[np.arange(n_layers), best]


def _mix(z, mixing):
    for i, matrix in enumerate(mixing):
        z = (np.where(z > 0, z, SLOPE * z) if i else z) @ matrix
    return z


def _sizes(sizes, n_pairs):
    whole(1, n_pairs=n_pairs)
    if np.ndim(sizes) != 1 or not len(sizes) or not all(is_whole(s, 1) for s in sizes):
        raise ValueError(f"sizes={sizes!r}: give the number of levels of each factor, a list of "
                         "whole numbers")  # fmt: skip
    return np.asarray(sizes, int)


def _positions(categorical, sizes):
    if not isinstance(categorical, Iterable):
        raise ValueError(f"categorical={categorical!r} is no list of positions; give some as [0]")
    for i in categorical:
        if not is_whole(i) or i >= len(sizes):
            raise ValueError(f"categorical={categorical!r}: give positions from 0 to "
                             f"{len(sizes) - 1}")  # fmt: skip
    return set(categorical)


def _rng(seed, use):
    whole(0, seed=seed)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, use)))
