r"""A world whose latents a classifier can recover: clusters on a sphere, seen through a network.

Classes have unit vectors :math:`v_c`, drawn uniformly on the sphere of R^d. A sample has an index i
(uniform), its class is i modulo the number of classes, its latents z scatter around the vector of
the class, and what is observed is x = g(z), g an invertible network. With von Mises-Fisher
scatter, :math:`p(z | c) \propto e^{\kappa\, v_c \cdot z}`, the logits of the ideal classifier are
linear in z: an encoder that reaches the least cross-entropy has found the latents up to a linear
map, if the differences of the class vectors span R^d, for which d + 1 classes are needed (Reizinger
et al., arXiv:2410.21869, theorems 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..options import number, one_of, reals, whole

__all__ = ["Batch", "Clustered", "clustered_latents"]

KEY = 81  # of random streams
POOL = 5000  # random matrices, of which the best conditioned are the layers of the mixing
SLOPE = 0.2  # of the leaky relu between layers, below 0
POWERS = {"laplace": 1.0, "normal": 2.0}
POWER_RANGE = 0.5, 100.0  # beyond, the radial integral misses peaks
NEAR = 2.0  # sd of the noise: half of the nodes are about so near to where a ray passes its vector
LEAST = -1e300  # exponent: of all nodes lost in overflow no difference is known
MOST_KAPPA = 1e8  # far beyond, 1 - cosine is lost in rounding and rejection never ends
LABELS = ("class", "index")
N_NODES, MOST = 64, 4_000_000  # of the radial integral; numbers in memory at once


class Batch(NamedTuple):
    """latents (sample, latent), observations (sample, channel), classes, index int (sample,)."""

    latents: np.ndarray
    observations: np.ndarray
    classes: np.ndarray
    index: np.ndarray


def clustered_latents(
    n_latents: int = 5,
    *,
    n_classes: int = 100,
    kappa: float = 10.0,
    conditional: str | float = "vmf",
    n_layers: int = 4,
    n_labels: int | None = None,
    label_noise: float = 0.0,
    seed: int = 0,
) -> Clustered:
    r"""A generator of latents in classes and of what is observed of them.

    Parameters
    ----------
    n_latents : int
        d, 2 or more. As many channels are observed.
    n_classes : int
        2 or more. Fewer than d + 1 cannot identify the latents.
    kappa : float
        Concentration, above 0, at most 1e8. Beside "vmf": the variance of each channel of the noise
        is 1 / kappa (the paper's scale is another: 1 at its default).
    conditional : {"vmf", "normal", "laplace"} or float
        What latents have around their class: von Mises-Fisher, or noise of independent channels
        with density :math:`e^{-|e/a|^p}`, p = 2, 1 or the number given, from 0.5 to 100, added to
        the vector and projected back on the sphere. "vmf" alone has logits that are exactly linear.
    n_layers : int
        Of the mixing g: square matrices with entries of U(-1, 1) and columns of length 1, the best
        conditioned of 5000 (so many at most), with leaky relus of slope 0.2 between them. 0: x is
        z; 1: x is linear.
    n_labels : int, optional
        How many indices there are, at least as many as classes (the default). Latents are fresh
        for every sample all the same: 1000 indices are no data set of 1000 samples.
    label_noise : float
        Share of samples whose index, and so class, is drawn anew from all; 1: labels say nothing.
        With noise the ideal logits are not linear in z.
    seed : int

    Returns
    -------
    Clustered

    Raises
    ------
    ValueError
        An option is not possible.

    Source: Reizinger et al., arXiv:2410.21869, section 4 and appendix; the mixing is that of
    Hyvarinen & Morioka 2016.

    Examples
    --------
    >>> world = clustered_latents(5, seed=0)
    >>> batch = world.at(0, 4)
    >>> batch.observations.shape, np.linalg.norm(batch.latents, axis=1).round(6).tolist()
    ((4, 5), [1.0, 1.0, 1.0, 1.0])
    >>> bool(2.2 < world.bayes_cross_entropy() < 2.4 < np.log(100))  # of log(100) for a guess
    True
    """
    whole(2, n_latents=n_latents, n_classes=n_classes)
    whole(0, n_layers=n_layers, seed=seed)
    number(0, POOL, n_layers=n_layers)
    number(0, MOST_KAPPA, above=0, kappa=kappa)
    number(0, 1, label_noise=label_noise)
    if isinstance(conditional, str):
        one_of(("vmf", *POWERS), conditional=conditional)
        power = POWERS.get(conditional)
    else:
        number(*POWER_RANGE, conditional=conditional)
        power = float(conditional)
    n_labels = n_classes if n_labels is None else n_labels
    whole(n_classes, n_labels=n_labels)
    rng = _stream(seed, 0)
    vectors = _unit(rng.standard_normal((n_classes, n_latents)))
    maps = _well_conditioned(rng, n_latents, n_layers)
    return Clustered(vectors, maps, float(kappa), power, int(n_labels), float(label_noise), seed)


@dataclass(frozen=True, eq=False)
class Clustered:
    """What :func:`clustered_latents` returns.

    vectors : (class, latent), of length 1; maps : (layer, latent, latent) of the mixing
    kappa : concentration; power : of the exponent of the noise, None for von Mises-Fisher
    n_labels : indices; label_noise : share of labels drawn anew; seed
    """

    vectors: np.ndarray
    maps: np.ndarray
    kappa: float
    power: float | None
    n_labels: int
    label_noise: float
    seed: int

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.vectors)

    @property
    def n_latents(self) -> int:
        """Number of latents, and of channels observed."""
        return self.vectors.shape[1]

    def at(self, step: int, n: int = 1024, *, held_out: bool = False) -> Batch:
        """Fresh samples of a step of training, or of those held out from all of training.

        Parameters
        ----------
        step : int
            The same seed, step and n give the same samples.
        n : int
            Samples.

        Examples
        --------
        >>> world = clustered_latents(3, n_classes=10, n_layers=2)
        >>> a, b, other = world.at(7, 5), world.at(7, 5), world.at(7, 5, held_out=True)
        >>> bool((a.latents == b.latents).all()), bool((a.latents == other.latents).any())
        (True, False)
        """
        whole(0, step=step)
        whole(1, n=n)
        rng = _stream(self.seed, 2 if held_out else 1, step)
        true = rng.integers(self.n_labels, size=n)
        around = self.vectors[true % self.n_classes]
        z = _vmf(rng, around, self.kappa) if self.power is None else self._projected(rng, around)
        anew = rng.random(n) < self.label_noise
        index = np.where(anew, rng.integers(self.n_labels, size=n), true)
        return Batch(z, self.mix(z), index % self.n_classes, index)

    def mix(self, latents: np.ndarray) -> np.ndarray:
        """What is observed of latents, (sample, latent) to (sample, channel).

        Raises
        ------
        TypeError, ValueError
            Latents are no real numbers, or of another shape.
        """
        h = self._checked(latents)
        for i, weights in enumerate(self.maps):
            h = (h if i == 0 else np.where(h > 0, h, SLOPE * h)) @ weights
        return h

    def bayes_loss(self, batch: Batch, labels: str = "class") -> np.ndarray:
        """Minus the log-probability that the ideal classifier gives the label, in nats (sample,).

        labels : {"class", "index"}, which label of a sample is predicted

        Raises
        ------
        TypeError, ValueError
            That is no batch, or one of other latents.
        """
        one_of(LABELS, labels=labels)
        if not isinstance(batch, Batch):
            raise TypeError(f"batch is a {type(batch).__name__}; give what at() returned")
        own = np.arange(len(batch.classes))
        return -self._log_probability(batch.latents, labels)[own, batch.classes]

    def bayes_cross_entropy(self, labels: str = "class", *, n: int = 20_000) -> float:
        """The least cross-entropy that any classifier of x can have, in nats.

        The mean entropy of the labels given z over `n` held-out samples: its standard error is
        0.004 at the defaults. Between 0 and log of the number of labels, which is chance.

        Parameters
        ----------
        labels : {"class", "index"}
            Which label of a sample is predicted.

        Examples
        --------
        >>> world = clustered_latents(2, n_classes=3, n_layers=1, n_labels=12)
        >>> more = world.bayes_cross_entropy("index") - world.bayes_cross_entropy()
        >>> round(float(np.exp(more)), 6)  # 12 / 3: of one class no index is likelier than another
        4.0
        """
        one_of(LABELS, labels=labels)
        z = self.at(0, n, held_out=True).latents
        p = self._log_probability(z, labels)
        members = self._members if labels == "index" else 1
        return float(-np.sum(members * np.exp(p) * p, axis=1).mean())

    @property
    def _members(self):
        """Indices of each class, (class,)."""
        return np.bincount(np.arange(self.n_labels) % self.n_classes, minlength=self.n_classes)

    def _log_probability(self, z, labels):
        """Of each class, or of each single index of a class, given the latents (sample, class)."""
        members = self._members
        logits = self.log_density(z) + np.log(members)
        logits -= logits.max(axis=1, keepdims=True)
        p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        if self.label_noise:
            with np.errstate(divide="ignore"):
                right = np.log1p(-self.label_noise) + p
            p = np.logaddexp(right, np.log(self.label_noise * members / self.n_labels))
        return p - np.log(members) if labels == "index" else p

    def log_density(self, latents: np.ndarray) -> np.ndarray:
        """Log-density of latents on the sphere in each class, up to a constant (sample, class).

        Raises
        ------
        TypeError, ValueError
            As by :meth:`mix`.
        """
        latents = self._checked(latents)
        if self.power is None:
            return self.kappa * latents @ self.vectors.T
        size = max(1, MOST // (N_NODES * self.n_classes))
        parts = [latents[i : i + size] for i in range(0, len(latents), size)]
        return np.concatenate([self._along_rays(part) for part in parts])

    def _checked(self, latents):
        z = reals("latents", latents)
        if z.ndim != 2 or not len(z) or z.shape[1] != self.n_latents:
            raise ValueError(f"latents of shape {z.shape}: give (sample, {self.n_latents})")
        return z

    def _along_rays(self, z):
        """The density of v + noise, integrated along the ray through each z: Gauss-Legendre.

        In the inverse hyperbolic sine of the distance from where the ray is nearest to v, so that
        no noise is too narrow for the nodes.
        """
        d, scale = self.n_latents, self._scale()
        nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
        near, wide = np.maximum(z @ self.vectors.T, 0)[..., None], NEAR / np.sqrt(self.kappa)
        first = np.arcsinh(-near / wide)
        half = (np.arcsinh((1 + 8 * np.sqrt(d / self.kappa) - near) / wide) - first) / 2
        t = first + half * (nodes + 1)
        r = near + wide * np.sinh(t)
        exponent = np.log(weights * half * np.cosh(t)) + (d - 1) * np.log(r)
        with np.errstate(over="ignore"):
            for j in range(d):
                noise = r * z[:, None, j, None] - self.vectors[:, j, None]
                exponent -= _powered(np.abs(noise) / scale, self.power)
        exponent = np.maximum(exponent, LEAST)
        top = exponent.max(axis=2)
        return top + np.log(np.exp(exponent - top[..., None]).sum(axis=2))

    def _projected(self, rng, around):
        """Vectors with noise of variance 1 / kappa a channel, back on the sphere."""
        size = rng.gamma(1 / self.power, size=around.shape) ** (1 / self.power)
        return _unit(around + self._scale() * rng.choice([-1.0, 1.0], around.shape) * size)

    def _scale(self):
        """The a of exp(-|e / a|^p) that makes the variance 1 / kappa."""
        from scipy.special import gammaln

        p = self.power
        return np.exp((gammaln(1 / p) - gammaln(3 / p)) / 2) / np.sqrt(self.kappa)


def _powered(x, power):
    return x if power == 1 else x * x if power == 2 else x**power


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _stream(seed, *key):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, *map(int, key))))


def _vmf(rng, around, kappa):
    """One von Mises-Fisher sample a direction (sample, latent): Wood 1994, exact by rejection."""
    n, d = around.shape
    b = (d - 1) / (2 * kappa + np.sqrt(4 * kappa**2 + (d - 1) ** 2))
    x = (1 - b) / (1 + b)
    most = kappa * x + (d - 1) * np.log(1 - x**2)
    cosine, waiting = np.empty(n), np.arange(n)
    while len(waiting):
        beta = rng.beta((d - 1) / 2, (d - 1) / 2, size=len(waiting))
        w = (1 - (1 + b) * beta) / (1 - (1 - b) * beta)
        density = kappa * w + (d - 1) * np.log(1 - x * w)
        passed = density - most >= np.log1p(-rng.random(len(waiting)))
        cosine[waiting[passed]] = w[passed]
        waiting = waiting[~passed]
    across = rng.standard_normal((n, d))
    across = _unit(across - np.sum(across * around, axis=1, keepdims=True) * around)
    return cosine[:, None] * around + np.sqrt(1 - cosine**2)[:, None] * across


def _well_conditioned(rng, n, n_layers):
    """The best conditioned of a pool of random matrices, (layer, n, n)."""
    if not n_layers:
        return np.zeros((0, n, n))
    pool = rng.uniform(-1, 1, (POOL, n, n))
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    values = np.linalg.svd(pool, compute_uv=False)
    best = np.argsort(values[:, 0] / values[:, -1])[:n_layers]
    return pool[rng.permutation(best)]
