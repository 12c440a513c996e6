"""Images of a few known textures each: what features of a population may stand for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import options

__all__ = ["Textures", "textures"]

FREQUENCIES = (0.1, 0.17, 0.28)
LEAST_AMPLITUDE = 0.3
KEY = 71  # of random streams


class Textures(NamedTuple):
    """Grey images (image, side, side), and how strong each texture is in them (image, texture)."""

    images: np.ndarray
    features: np.ndarray


def textures(
    n_images: int,
    *,
    side: int = 24,
    n_orientations: int = 8,
    frequencies: tuple[float, ...] = FREQUENCIES,
    n_active: int = 2,
    noise: float = 0.3,
    seed: int = 0,
) -> Textures:
    """Sums of gratings of random phase: every image has a few of all textures, in pixel noise.

    Parameters
    ----------
    n_images : int
    side : int
        Pixels.
    n_orientations, frequencies : int, and cycles a pixel below 0.5
        A texture is an orientation at a frequency: texture ``f * n_orientations + o``.
    n_active : int
        Textures in every image, each of amplitude 0.3 plus an exponential of mean 1.
    noise : float
        Standard deviation of the pixels.
    seed : int

    Returns
    -------
    Textures
        ``features`` are the amplitudes, 0 for a texture that is not in the image.

    Raises
    ------
    ValueError
        More are active than there are; an option is out of range.

    Examples
    --------
    >>> found = textures(100)
    >>> found.images.shape, found.features.shape, set((found.features > 0).sum(axis=1).tolist())
    ((100, 24, 24), (100, 24), {2})
    """
    options.whole(1, n_images=n_images, side=side, n_orientations=n_orientations, n_active=n_active)
    options.whole(0, seed=seed)
    options.number(0, noise=noise)
    for frequency in frequencies:
        options.number(above=0, below=0.5, frequencies=frequency)
    n = n_orientations * len(frequencies)
    if n_active > n:
        raise ValueError(f"n_active={n_active} textures of {n}; give at most {n}")
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    active = rng.random((n_images, n)).argsort(axis=1)[:, :n_active]
    amplitude = LEAST_AMPLITUDE + rng.exponential(size=active.shape)
    phase = rng.uniform(0, 2 * np.pi, active.shape)
    angle = np.tile(np.arange(n_orientations) * np.pi / n_orientations, len(frequencies))
    cycles = np.repeat(frequencies, n_orientations)
    row, column = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    wave = np.cos(angle)[:, None, None] * column + np.sin(angle)[:, None, None] * row
    wave = 2 * np.pi * cycles[:, None, None] * wave  # (texture, side, side)
    images = noise * rng.standard_normal((n_images, side, side))
    for own, a, p in zip(active.T, amplitude.T, phase.T, strict=True):
        images += a[:, None, None] * np.cos(wave[own] + p[:, None, None])
    features = np.zeros((n_images, n))
    np.put_along_axis(features, active, amplitude, axis=1)
    return Textures(images, features)
