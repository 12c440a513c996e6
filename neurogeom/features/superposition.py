"""Sparse sources in fewer neurons than there are sources: the world that dictionaries assume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import options
from .dictionary import Dictionary, need_dictionary

KEY = 60  # of the random streams of this file


class Superposition(NamedTuple):
    """Samples and what they are made of.

    x : (sample, neuron); sources : (sample, source); dictionary : Dictionary, (source, neuron)
    """

    x: np.ndarray
    sources: np.ndarray
    dictionary: Dictionary


def superposition(
    n_samples: int,
    *,
    n_sources: int = 16,
    n_neurons: int = 8,
    n_active: int = 3,
    noise: float = 0.0,
    correlation: float = 0.0,
    nonneg: bool = True,
    dictionary: Dictionary | None = None,
    seed: int = 0,
) -> Superposition:
    r"""Samples :math:`x = s D` of sources of which few are active at a time.

    In each sample ``n_active`` sources are active with sizes :math:`|N(0, 1)|`, atoms are random
    directions. Sources that can be told apart at all: about
    :math:`K \ln(N / K) \le M` for K active ones of N in M neurons.

    Parameters
    ----------
    n_samples : int
    n_sources, n_neurons, n_active : int
    noise : float
        Standard deviation of Gaussian noise of each neuron.
    correlation : float from 0, below 1
        Of the scores whose ``n_active`` largest are the active sources, within neighbours by
        ``n_active``: these then tend to be active together. 0 is any choice alike.
    nonneg : bool
        Sizes, or numbers N(0, 1) of either sign.
    dictionary : Dictionary, optional
        Instead of random atoms; its numbers of atoms and neurons are taken.
    seed : int
        The dictionary depends on it alone, not on the number of samples.

    Raises
    ------
    TypeError
        The dictionary is none.
    ValueError
        More sources are active than there are; an option is out of its range.

    Source: O'Neill, Gumran & Klindt 2024, arXiv:2411.13117; correlated sources are ours.

    Examples
    --------
    >>> world = superposition(1000, seed=0)
    >>> world.x.shape, world.sources.shape, set((world.sources > 0).sum(axis=1).tolist())
    ((1000, 8), (1000, 16), {3})
    """
    options.whole(1, n_samples=n_samples, n_sources=n_sources, n_neurons=n_neurons)
    options.whole(1, n_active=n_active)
    options.whole(0, seed=seed)
    options.number(0, noise=noise)
    options.number(0, below=1, correlation=correlation)
    options.switch(nonneg=nonneg)
    if dictionary is not None:
        need_dictionary(dictionary=dictionary)
        n_sources, n_neurons = dictionary.atoms.shape
    if n_active > n_sources:
        raise ValueError(f"n_active={n_active} is more than the {n_sources} sources; give fewer")
    sources, atoms, noises = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, i))) for i in range(3)
    )
    if dictionary is None:
        dictionary = Dictionary(atoms.standard_normal((n_sources, n_neurons)))
    score = sources.standard_normal((n_samples, n_sources))
    group = np.arange(n_sources) // n_active
    shared = sources.standard_normal((n_samples, group[-1] + 1))[:, group]
    score = np.sqrt(1 - correlation) * score + np.sqrt(correlation) * shared
    active = np.argpartition(score, -n_active, axis=1)[:, -n_active:]
    size = sources.standard_normal((n_samples, n_active))
    s = np.zeros((n_samples, n_sources))
    np.put_along_axis(s, active, np.abs(size) if nonneg else size, axis=1)
    x = dictionary.decode(s) + noise * noises.standard_normal((n_samples, n_neurons))
    return Superposition(x, s, dictionary)
