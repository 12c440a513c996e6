"""How well features match that have nothing to do with each other: far above 0, as maxima are."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import options
from ..formulas import match as matching
from .dictionary import Dictionary, need_dictionary

KEY = 62  # of the random streams of this file
ROUNDING = 1e-9  # of the largest entry of a covariance


def chance_match(
    true: Dictionary,
    found: Dictionary,
    *,
    covariance: Any = None,
    signed: bool = False,
    n_draws: int = 200,
    seed: int = 0,
) -> np.ndarray:
    """Mean matched cosines of one dictionary with random rotations of another, (draw,).

    What :meth:`Dictionary.match` gives where atoms keep their angles to each other but point
    anywhere. Random directions are too easy a null for dictionaries of one recording, which both
    follow its largest components: given its covariance, atoms are rotated where the data are
    round, whitened, and coloured again.

    Parameters
    ----------
    true, found : Dictionary
    covariance : (neuron, neuron), optional
        Of the samples about the centre of the dictionaries, neurons in the order of the true one;
        directions without variance are left out.
    signed : as in :meth:`Dictionary.match`
    n_draws, seed : int

    Raises
    ------
    TypeError
        One is no dictionary; the covariance is no array of real numbers.
    ValueError
        Neurons differ; the covariance is none of them, or no covariance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one, other = (Dictionary(rng.standard_normal((16, 8))) for _ in range(2))
    >>> print(chance_match(one, other).mean().round(2))
    0.63
    """
    options.whole(1, n_draws=n_draws)
    options.whole(0, seed=seed)
    options.switch(signed=signed)
    need_dictionary(true=true, found=found)
    found = found.ordered_as(true.neurons, "the true one")
    m = true.n_neurons
    white, colour = np.eye(m), np.eye(m)
    if covariance is not None:
        covariance = options.reals("covariance", covariance)
        if covariance.shape != (m, m) or not np.isfinite(covariance).all():
            raise ValueError(
                f"covariance of shape {covariance.shape} is not that of {m} neurons; give finite "
                "(neuron, neuron)"
            )
        variance, axes = np.linalg.eigh((covariance + covariance.T) / 2)
        rounding = ROUNDING * np.abs(covariance).max()
        if np.abs(covariance - covariance.T).max() > rounding or variance[0] < -rounding * m:
            raise ValueError(
                "covariance is not symmetric or has variances below 0; give that of the samples, "
                "as np.cov(x.T)"
            )
        kept = variance > max(variance[-1], 0.0) * m * np.finfo(float).eps
        if not kept.any():
            raise ValueError("covariance has no variance; leave it out")
        scale = np.sqrt(variance[kept])
        white, colour = axes[:, kept] / scale, scale[:, None] * axes[:, kept].T
    matching.cosine(true.atoms, found.atoms)  # the same neurons
    around = found.atoms @ white
    draws = []
    for i in range(n_draws):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 0, i)))
        turned = around @ _rotation(rng, around.shape[1]) @ colour
        draws.append(matching.match(matching.cosine(true.atoms, turned, signed=signed)).value)
    return np.array(draws)


def _rotation(rng, n):
    """A rotation or reflection drawn evenly from all."""
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.where(np.diag(r) < 0, -1.0, 1.0)


def chance_mcc(
    true: Any, found: Any, *, kind: str = "pearson", n_draws: int = 200, seed: int = 0
) -> np.ndarray:
    """Mean matched correlations of latents with codes of other samples, (draw,).

    What :func:`neurogeom.formulas.match.mcc` gives where codes keep their own correlations but
    tell nothing of the latents: the samples of the codes are shuffled. Codes by a random dictionary
    do better than that, since they do tell something: encode by one for the level to beat.

    Parameters
    ----------
    true, found : (sample, latent) and (sample, code)
    kind, n_draws, seed : as in :func:`neurogeom.formulas.match.mcc` and :func:`chance_match`

    Raises
    ------
    TypeError, ValueError
        As by :func:`neurogeom.formulas.match.mcc`; an option is out of its range.

    Examples
    --------
    >>> z = np.random.default_rng(0).standard_normal((1000, 4))
    >>> print(chance_mcc(z, z).mean().round(2))
    0.04
    """
    options.whole(1, n_draws=n_draws)
    options.whole(0, seed=seed)
    matching.correlation(true, found, kind=kind)  # columns of the same samples
    found = options.reals("found", found)
    draws = []
    for i in range(n_draws):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 1, i)))
        draws.append(matching.mcc(true, rng.permutation(found), kind=kind).value)
    return np.array(draws)
