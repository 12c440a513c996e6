r"""What does a Gaussian posterior cost under a transition that is mostly small and rarely large?

.. math:: p(z_t \mid z_{t-1}) = \tfrac{\lambda}{2} e^{-\lambda |z_t - z_{t-1}|}, \qquad
          q(z_t) = \mathcal N(\mu_t, s_t^2), \qquad d = \mu_t - \mu_{t-1}

for each latent by itself (Klindt et al. 2021, ICLR, arXiv:2007.10930: SlowVAE). For :math:`|d| \ll
s` the cost is quadratic in d, so that no rotation of the latents costs more than another: axes are
told only by jumps beyond the posterior sd, which :func:`beyond` counts. Arrays broadcast; float32
stays float32.
"""

from __future__ import annotations

import math

import numpy as np

from ..options import number, reals

__all__ = ["LEAST_KL", "best_sd", "beyond", "cross_entropy", "entropy", "expected_abs",
           "increment_shape", "kl"]  # fmt: skip

LEAST_KL = 0.5 - math.log(math.pi / 2)  # nat, of d = 0: a Gaussian is no Laplace law
FAR = 13.0  # standard deviations, from where on a Gaussian has one sign to the last bit of float64
SHAPES = (0.05, 20.0)  # between which an exponent is looked for


def expected_abs(d: np.ndarray, s: np.ndarray) -> np.ndarray:
    r"""E|z| of z from N(d, s^2): s sqrt(2/pi) exp(-d^2/2s^2) + d erf(d / s sqrt 2); |d| for s = 0.

    Examples
    --------
    >>> expected_abs(np.array([0.0, 3.0, -3.0]), np.array([1.0, 0.0, 0.1])).round(4).tolist()
    [0.7979, 3.0, 3.0]
    """
    from scipy.special import erf

    d, s = _floats(d, s)
    far = np.copysign(d.dtype.type(FAR), d)
    close = np.abs(d) < FAR * s
    u = np.where(close, d / np.where(close, s, 1), far)
    return s * math.sqrt(2 / math.pi) * np.exp(-u * u / 2) + d * erf(u / math.sqrt(2))


def entropy(s: np.ndarray) -> np.ndarray:
    """Nats of N(., s^2): ln(2 pi e s^2) / 2, minus infinity for s = 0."""
    (s,) = _floats(s)
    with np.errstate(divide="ignore"):
        return np.log(s) + 0.5 * math.log(2 * math.pi * math.e)


def cross_entropy(
    d: np.ndarray, s: np.ndarray, rate: float, *, s_before: np.ndarray | float = 0.0
) -> np.ndarray:
    r"""Expected -ln p(z_t | z_t-1) in nats, one a latent: -ln(rate / 2) + rate E|z_t - z_t-1|.

    Parameters
    ----------
    d, s : arrays
        Difference of posterior means, posterior sd of the later latent.
    rate : float above 0
        lambda, in 1 / units of d.
    s_before : array
        Posterior sd of the earlier latent: :math:`z_t - z_{t-1} \sim \mathcal N(d, s^2 +
        s_{before}^2)`, so that the expectation over both is closed too. With 0, as in the authors'
        code, the earlier latent enters by its mean, and the value is too low.

    Raises
    ------
    ValueError
        The rate is no finite number above 0.

    Examples
    --------
    >>> float(cross_entropy(0.5, 0.0, 2.0))
    1.0
    >>> float(cross_entropy(0.0, 0.3, 2.0, s_before=0.4).round(4))
    0.7979
    """
    number(above=0, rate=rate)
    d, s, s_before = _floats(d, s, s_before)
    return -math.log(rate / 2) + float(rate) * expected_abs(d, np.hypot(s, s_before))


def kl(d: np.ndarray, s: np.ndarray, rate: float) -> np.ndarray:
    """KL divergence of N(d, s^2) from the Laplace law around 0, nats, LEAST_KL = 0.0484 or more.

    Arguments, and what is refused, as in :func:`cross_entropy`.

    ``cross_entropy(d, s, rate) - entropy(s)``; least at d = 0, s = ``best_sd(rate)``.

    Examples
    --------
    >>> float(kl(0.0, best_sd(6.0), 6.0).round(6)), round(LEAST_KL, 6)
    (0.048417, 0.048417)
    """
    return cross_entropy(d, s, rate) - entropy(s)


def best_sd(rate: float) -> float:
    """The posterior sd that costs least where nothing moves: sqrt(pi / 2) / rate, above 0."""
    number(above=0, rate=rate)
    return math.sqrt(math.pi / 2) / rate


def beyond(d: np.ndarray, s: np.ndarray) -> np.ndarray:
    """Share of pairs in which a latent moves by more than its posterior sd, 0 to 1.

    d, s : (..., pair, latent); returns (..., latent). Of a standard Gaussian d / s it is 0.317.
    ValueError where they have one dimension, or none.
    """
    d, s = _floats(d, s)
    if d.ndim < 2:
        raise ValueError(f"d of shape {d.shape} must be (..., pair, latent); give one latent as "
                         "d[:, None]")  # fmt: skip
    return (np.abs(d) > s).mean(axis=-2)


def increment_shape(d: np.ndarray) -> float:
    r"""Exponent of increments: that of the density proportional to :math:`e^{-|d/a|^\beta}`.

    2 is Gaussian, 1 is Laplace, below 1 sparser still; with 2 the axes cannot be told. Maximum
    likelihood with the centre at 0, as ``scipy.stats.gennorm.fit(d, floc=0)``, between 0.05 and 20:
    increments of which many are exactly 0 have no maximum, and get 0.05.

    Parameters
    ----------
    d : (pair,), finite

    Returns
    -------
    float; NaN where fewer than ten increments are other than 0.

    Raises
    ------
    TypeError, ValueError
        They are no finite real numbers in one dimension.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> [round(increment_shape(own), 1) for own in (rng.laplace(size=9999), rng.normal(size=9999))]
    [1.0, 2.0]
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    size = np.abs(reals("d", d))
    if size.ndim != 1 or not np.isfinite(size).all():
        raise ValueError(f"d of shape {size.shape} must be (pair,), all finite; leave out the "
                         "rest, and give one latent at a time")  # fmt: skip
    if np.count_nonzero(size) < 10:
        return float("nan")
    size = size / size.max()

    def surprise(log_beta):
        """Mean negative log likelihood at the best scale of this exponent."""
        beta = np.exp(log_beta)
        log_scale = np.log(beta * np.mean(size**beta)) / beta
        return np.log(2) + log_scale + gammaln(1 / beta) - np.log(beta) + 1 / beta

    found = minimize_scalar(surprise, bounds=np.log(SHAPES), method="bounded")
    return float(np.exp(found.x))


def _floats(*arrays):
    arrays = [a if isinstance(a, float | int) else np.asarray(a) for a in arrays]
    kind = np.result_type(*arrays, 0.0)  # in which bare numbers weigh nothing
    return np.broadcast_arrays(*(np.asarray(a, kind) for a in arrays))
