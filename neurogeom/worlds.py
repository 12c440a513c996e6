"""Simulated populations before anyone records them: centroids, noise, who is in which session."""

from dataclasses import dataclass

import numpy as np

from .formulas import geometries

__all__ = ["GEOMETRIES", "World", "baseline_counts", "place"]

_AXES = {
    "cube": geometries.cube,
    "cuboid": geometries.cube,
    "simplex": geometries.simplex,
    "xor": geometries.exclusive_or,
    "cube_nonlinear": geometries.cube_nonlinear,
    "planes": geometries.planes,
}
GEOMETRIES = (*sorted(_AXES), "random")


@dataclass(frozen=True)
class World:
    """What stays the same when the recording is repeated.

    centroids : (condition, neuron), in noise sd; baseline : mean counts (neuron,) or None for
    Gaussian noise; own : neurons of each session; correlation : of the noise within a session;
    variables : names; n_trials : a condition; apart : each neuron on trials of its own; window : s
    """

    centroids: np.ndarray
    baseline: np.ndarray | None
    own: tuple
    correlation: float
    variables: tuple
    n_trials: int
    apart: bool
    window: tuple

    @property
    def counts(self):
        """Mean spike counts (condition, neuron); a mean below 0 is 0."""
        return np.maximum(self.baseline + np.sqrt(self.baseline) * self.centroids, 0)

    @property
    def standardised(self):
        """Condition means (condition, neuron) in units of the noise sd of each neuron."""
        if self.baseline is None:
            return self.centroids
        # The variance of a count is its mean: the average condition stands for all.
        return self.counts / np.sqrt(np.maximum(self.counts.mean(axis=0), 1e-12))

    def activity(self, own, condition, rng):
        """Values (trial, neuron) of the neurons of one session."""
        noise = rng.standard_normal((condition.size, own.size))
        if self.correlation:
            shared = rng.standard_normal((condition.size, 1))
            noise = (1 - self.correlation) ** 0.5 * noise + self.correlation**0.5 * shared
        if self.baseline is None:
            return self.centroids[np.ix_(condition, own)] + noise
        mean = self.counts[np.ix_(condition, own)]
        if not self.correlation:
            return rng.poisson(mean).astype(float)
        from scipy.special import ndtr
        from scipy.stats import poisson

        return poisson.ppf(ndtr(noise), mean).astype(float)

    def decorrelated(self):
        """Means turned, session by session, to axes on which the noise is independent, and its sd.

        Reflecting the direction in which all neurons of a session move together onto its first
        neuron diagonalises the covariance (1 - r) I + r 11'.
        """
        means, variance = self.standardised.copy(), np.ones(self.centroids.shape[1])
        if not self.correlation:
            return means, variance
        for own in self.own:
            mirror = np.full(own.size, own.size**-0.5)
            mirror[0] -= 1
            if own.size > 1:
                part = means[:, own]
                means[:, own] = part - 2 * np.outer(part @ mirror, mirror) / (mirror @ mirror)
            variance[own] = 1 - self.correlation
            variance[own[0]] += own.size * self.correlation
        return means, np.sqrt(variance)


    def covariance(self):
        """Of the noise of all neurons, (neuron, neuron); sessions have noise of their own."""
        found = np.eye(self.centroids.shape[1])
        for own in self.own:
            found[np.ix_(own, own)] += self.correlation * (1 - np.eye(own.size))
        return found


def place(geometry, separation, n_variables, n_neurons, rng):
    """Condition means (condition, neuron) in noise sd."""
    levels = geometries.crossed_levels(n_variables)
    if geometry == "random":
        distance = geometries.simplex_distance(len(levels), separation)
        return rng.standard_normal((len(levels), n_neurons)) * distance / (2 * n_neurons) ** 0.5
    axes = _AXES[geometry](levels, separation)
    if n_neurons < axes.shape[1]:
        raise ValueError(
            f"{geometry!r} spans {axes.shape[1]} dimensions and there are {n_neurons} neurons; "
            f"ask for n_neurons={axes.shape[1]} or more"
        )
    basis, _ = np.linalg.qr(rng.standard_normal((n_neurons, axes.shape[1])))
    return axes @ basis.T


def baseline_counts(noise, rates, window, n_neurons, rng):
    """Mean counts (neuron,) in the window, or None for Gaussian noise."""
    if noise == "gaussian":
        return None
    median, spread = rates
    return median * (window[1] - window[0]) * np.exp(spread * rng.standard_normal(n_neurons))
