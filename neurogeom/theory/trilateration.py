r"""What must a network know that tells on which side of many planes a point lies? The point.

A latent :math:`x \in R^D` is seen through noise of sd :math:`\sigma` a step; with a flat prior the
posterior after t steps is :math:`N(\mu, \sigma^2/t\, I)` with :math:`\mu` the mean of what was
seen. The best answer to "is :math:`c_i \cdot x > b_i`?" is the probability

.. math:: Y_i = \Phi(u_i), \qquad u_i = \frac{(c_i \cdot \mu - b_i) \sqrt t}{|c_i| \sigma},

a distance from the plane; and N >= D distances from planes whose normals span the space fix the
point (trilateration),

.. math:: \mu = (C^\top C)^{-1} C^\top \Big(\frac{\sigma}{\sqrt t} u + b\Big), \qquad |c_i| = 1,

so that every network that gives the best answers holds :math:`\mu`, and where a linear readout with
the link g gives them, :math:`\Phi^{-1} g` of its outputs is affine in :math:`\mu`. Source: Vafidis,
Bhargava & Rangel (ICLR 2025, arXiv:2407.11249), theorem 3.1. Derived here: b stands outside the
scaling; the link is inverted exactly and not by a line (u grows with the square root of a large
logit, and probabilities saturate in floating point where logits do not); the three ceilings; the
frame of the planes.
"""

import warnings
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import log_expit, log_ndtr, ndtr, ndtri_exp

__all__ = [
    "Ceilings",
    "Frame",
    "ceilings",
    "frame",
    "link",
    "link_inverse",
    "optimal_logits",
    "trilaterate",
]

Link = Literal["logit", "probit", "tanh"]
SLOPE = {"logit": 1.0, "tanh": 2.0}  # (1 + tanh z) / 2 is the sigmoid of 2 z


def link_inverse(z, kind: Link = "logit"):
    r"""Which distance u has the probability that an output z stands for, :math:`\Phi(u) = g(z)`?

    Exact from logits, also where the probability is 0 or 1 in floating point. The best line through
    the origin would be u = 0.589 z (mean square of the probabilities, :math:`|z| \le 5`) and misses
    them by up to 0.01; that of matched moments, :math:`\sqrt 3 / \pi = 0.551`, by up to 0.023.

    Parameters
    ----------
    z : array (...)
        Outputs before their nonlinearity.
    kind : {"logit", "probit", "tanh"}
        g(z) is the logistic sigmoid, the normal distribution, or (1 + tanh z) / 2.

    Returns
    -------
    array (...)
        In standard deviations of the posterior, the sign that of z.

    Raises
    ------
    ValueError
        The kind is unknown.

    Examples
    --------
    >>> link_inverse([-60.0, 0.0, 1.0, 60.0]).round(3).tolist()
    [-10.65, 0.0, 0.616, 10.65]
    """
    z = np.asarray(z, dtype=float)
    if _known(kind) == "probit":
        return z.copy()
    far = -np.abs(SLOPE[kind] * z)
    return np.where(far == 0, 0.0, -np.sign(z) * ndtri_exp(log_expit(far)))


def link(u, kind: Link = "logit"):
    r"""The output z that stands for a distance u, :math:`g(z) = \Phi(u)`: the way back.

    Examples
    --------
    >>> link([-2.0, 0.0, 12.0]).round(3).tolist()
    [-3.76, 0.0, 75.411]
    """
    u = np.asarray(u, dtype=float)
    if _known(kind) == "probit":
        return u.copy()
    return (log_ndtr(u) - log_ndtr(-u)) / SLOPE[kind]


def optimal_logits(mean, normals, offsets=0.0, *, sigma, t, kind: Link = "logit"):
    """What should be said about each plane after t noisy looks at a point?

    Parameters
    ----------
    mean : array (..., latent)
        The mean of what was seen. With t of shape (step,) the last axis but one is the step.
    normals : array (boundary, latent)
        Of any length.
    offsets : float or array (boundary,)
        A point x lies beyond the plane where ``normals @ x > offsets``.
    sigma : float
        Noise sd of one step, in units of the latents.
    t : float or array (step,)
        Steps that were averaged.
    kind : {"logit", "probit", "tanh"}

    Returns
    -------
    array (..., boundary)
        Outputs before their nonlinearity; the sigmoid of the logits is the probability.

    Raises
    ------
    ValueError
        Shapes do not fit, a normal has no length, or sigma or t is not above 0.

    Examples
    --------
    >>> optimal_logits([[0.3, -0.1]], np.eye(2), sigma=0.2, t=4, kind="probit").round(9).tolist()
    [[3.0, -1.0]]
    """
    mean = np.asarray(mean, dtype=float)
    units, offsets = _planes(normals, offsets)
    if mean.shape[-1:] != units.shape[1:]:
        raise ValueError(
            f"the mean has shape {mean.shape} and the normals have {units.shape[1]} latents; pass "
            "(..., latent) with as many"
        )
    return link((mean @ units.T - offsets) / _column(_posterior_sd(sigma, t)), kind)


def trilaterate(logits, normals, offsets=0.0, *, sigma, t, kind: Link = "logit"):
    """Where is the point that these outputs speak of?

    Least squares over the planes, each distance in units of the latents; for outputs that are the
    best ones the answer is exact. Outputs of a trained network are off in their tails: report how
    far the answer correlates with the mean evidence, and its slope, rather than an r2.

    Parameters
    ----------
    logits : array (..., boundary)
        Outputs before their nonlinearity; with t of shape (step,) the last axis but one is the
        step.
    normals, offsets, sigma, t, kind
        As in :func:`optimal_logits`.

    Returns
    -------
    array (..., latent)
        Estimates of the mean of what was seen; where the planes leave directions open (a warning
        says so), the point with nothing along them.

    Raises
    ------
    ValueError
        As in :func:`optimal_logits`.

    Examples
    --------
    >>> mean, planes = np.array([[0.3, -0.1]]), np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    >>> z = optimal_logits(mean, planes, [0.1, 0.0, 0.2], sigma=0.2, t=20)
    >>> trilaterate(z, planes, [0.1, 0.0, 0.2], sigma=0.2, t=20).round(9).tolist()
    [[0.3, -0.1]]
    """
    logits = np.asarray(logits, dtype=float)
    units, offsets = _planes(normals, offsets)
    if logits.shape[-1:] != units.shape[:1]:
        raise ValueError(
            f"the logits have shape {logits.shape} and there are {len(units)} normals; pass "
            "(..., boundary) with as many"
        )
    _warn_of_open_directions(units)
    distance = _column(_posterior_sd(sigma, t)) * link_inverse(logits, kind) + offsets
    return distance @ np.linalg.pinv(units).T


class Frame(NamedTuple):
    """How evenly normals cover the space of the latents.

    gram : (latent, latent), C'C of the unit normals; a tight frame has N / D times the identity
    tightness : smallest over largest eigenvalue of it: 1 for a tight frame, 0 where a direction is
    open
    angles : (pair,), degrees between the columns of C, the directions in which a code that is
    linear in the distances has the latents; 90 for each pair of a tight frame
    """

    gram: np.ndarray
    tightness: float
    angles: np.ndarray


def frame(normals) -> Frame:
    r"""What geometry do the planes alone ask for?

    Even boundaries in two dimensions are a tight frame for every N >= 2, so that theory expects
    orthogonal latents from two tasks on; of random ones :math:`E|\cos| \approx \sqrt{2 / \pi N}`.

    Parameters
    ----------
    normals : array (boundary, latent)

    Raises
    ------
    ValueError
        No array (boundary, latent), or a normal has no length.

    Examples
    --------
    >>> found = frame([[1.0, 0.0], [0.0, 3.0]])
    >>> found.gram.tolist(), found.tightness, found.angles.tolist()
    ([[1.0, 0.0], [0.0, 1.0]], 1.0, [90.0])
    """
    units, _ = _planes(normals, 0.0)
    _warn_of_open_directions(units)
    gram = units.T @ units
    spread = np.linalg.eigvalsh(gram)
    length = np.sqrt(np.diag(gram))
    first, second = np.triu_indices(len(gram), 1)
    product = length[first] * length[second]
    cosine = gram[first, second] / np.where(product > 0, product, np.nan)
    angles = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return Frame(gram, float(max(spread[0], 0.0) / spread[-1]), angles)


class Ceilings(NamedTuple):
    """r2 that no decoder of latents uniform in a cube of side 1 surpasses, one a kind of decoder.

    mean : the mean of what was seen, unbiased
    shrunk : the best linear function of it
    bayes : the posterior mean, which knows the walls of the cube: the ceiling of all decoders
    """

    mean: np.ndarray
    shrunk: np.ndarray
    bayes: np.ndarray


def ceilings(sigma, t) -> Ceilings:
    r"""How well can a latent be known after t steps, uniform in [-1/2, 1/2] and with noise sigma?

    With :math:`s^2 = \sigma^2 / t` the mean gives :math:`1 - 12 s^2`, shrinkage of it
    :math:`1 / (1 + 12 s^2)`, and the posterior mean, that of a truncated normal distribution,

    .. math:: 1 - 12 s^2 \Big(1 - \int \frac{(\varphi(b) - \varphi(a))^2}{\Phi(b) - \Phi(a)}
        \,dm\Big), \quad a, b = \frac{\mp 1/2 - m}{s}.

    Parameters
    ----------
    sigma : float
        Noise sd of one step; the side of the cube is 1.
    t : float or array (...)

    Returns
    -------
    Ceilings
        Arrays (...); r2 is measured with the variance of the whole cube, 1/12.

    Raises
    ------
    ValueError
        sigma or t is not above 0.

    Examples
    --------
    >>> [round(float(r2), 3) for r2 in ceilings(0.2, 20)]
    [0.976, 0.977, 0.978]
    """
    s = _posterior_sd(sigma, t)
    ratio = 12.0 * s**2
    known = np.vectorize(_information_of_walls, otypes=[float])(s)
    return Ceilings(1.0 - ratio, 1.0 / (1.0 + ratio), 1.0 - ratio * (1.0 - known))


def _information_of_walls(s, n=4001):
    """The integral of the Bayesian ceiling, by the trapezoidal rule over m > 0 (it is even)."""
    m = np.linspace(0.0, 0.5 + 9.0 * s, n)
    a, b = (-0.5 - m) / s, (0.5 - m) / s
    inside = ndtr(b) - ndtr(a)
    slope = (np.exp(-(b**2) / 2) - np.exp(-(a**2) / 2)) / np.sqrt(2 * np.pi)
    return 2.0 * np.trapezoid(slope**2 / inside, m)


def _known(kind):
    if kind not in ("logit", "probit", "tanh"):
        raise ValueError(f"the link {kind!r} is unknown; choose from ['logit', 'probit', 'tanh']")
    return kind


def _posterior_sd(sigma, t):
    sigma, t = np.asarray(sigma, dtype=float), np.asarray(t, dtype=float)
    if not ((sigma > 0).all() and (t > 0).all()):
        raise ValueError(f"sigma={sigma.tolist()} and t={t.tolist()}: both must be above 0")
    return sigma / np.sqrt(t)


def _column(sd):
    """One value a step, to stand before (step, boundary)."""
    return sd[..., None] if sd.ndim else sd


def _planes(normals, offsets):
    """Normals of length 1 and their offsets, (boundary,)."""
    normals = np.asarray(normals, dtype=float)
    if normals.ndim != 2 or 0 in normals.shape:
        raise ValueError(f"normals have shape {normals.shape}; pass (boundary, latent)")
    length = np.linalg.norm(normals, axis=1)
    if not (length > 0).all():
        raise ValueError(f"normal {int(np.argmin(length))} has no length; give it a direction")
    offsets = np.asarray(offsets, dtype=float)
    if offsets.shape not in ((), length.shape):
        raise ValueError(
            f"offsets have shape {offsets.shape}; pass one for each of {len(normals)} boundaries"
        )
    return normals / length[:, None], np.broadcast_to(offsets / length, length.shape)


def _warn_of_open_directions(units):
    n, d = units.shape
    rank = int(np.linalg.matrix_rank(units))
    if rank == d:
        return
    if rank == 1 and n > 1:
        why = f"all {n} boundaries are parallel"
    elif n < d:
        why = f"{d} latents have {n} boundaries only"
    else:
        why = f"the normals of {n} boundaries span {rank} of {d} dimensions"
    warnings.warn(
        f"{why}, so that {d - rank} of {d} directions of the latents stay unknown; add boundaries "
        "with other normals",
        stacklevel=3,
    )
