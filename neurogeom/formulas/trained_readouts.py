r"""What a regularised linear readout scores when it was trained on finitely many trials.

Trials of condition :math:`c` are :math:`x \sim N(\mu_c, \Sigma)`; a readout minimises

.. math:: \tfrac\lambda2 |w|^2 + \sum_i \ell(y_i (w \cdot x_i + b)),

with the squared hinge (SVM) or the square (ridge, LDA) for :math:`\ell`. For many neurons and
trials, at any ratio of the two, its projections concentrate: a fresh trial of condition :math:`c`
projects on it as :math:`N(m_c + b, q)`, where (Loureiro et al. 2021, NeurIPS 34:10144; Mignacco et
al. 2020, ICML 119:6874)

.. math::

    m_c = \mu_c^T R \sum_{c'} \hat m_{c'} \mu_{c'}, \quad
    q = \hat m^T M R \Sigma R M^T \hat m + \hat q\, \mathrm{tr}(\Sigma R \Sigma R), \quad
    V = \mathrm{tr}(\Sigma R), \quad R = (\lambda + \hat V \Sigma)^{-1},

    \hat m_c = n y_c E f(u_c), \quad \hat q = n \sum_c E f(u_c)^2, \quad
    \hat V = -n \sum_c E f'(u_c), \quad u_c \sim N(y_c (m_c + b), q).

:math:`f(u)` is the pull of a training trial that would project to :math:`u` without its own
influence: :math:`a (1 - u)`, for the squared hinge its positive part, with :math:`a = \kappa /
(1 + \kappa V)` and :math:`\kappa` the curvature of the loss. Asymptotic, and good to 0.005 of
accuracy from ten neurons on (``tests/test_expected.py``).
"""

from typing import NamedTuple

import numpy as np

__all__ = ["Trained", "hinge", "lda_penalty", "square"]

TOLERANCE, MOST_STEPS = 1e-9, 1000


class Trained(NamedTuple):
    """Projections of fresh trials: margin (problem, condition), their mean less the threshold, and
    variance (problem,)."""

    margin: np.ndarray
    variance: np.ndarray


def square(means, eigenvalues, labels, n_trials, *, penalty, intercept="penalised"):
    """Least squares on labels of +1 and -1, with ``penalty |w|^2``.

    Parameters
    ----------
    means : array (condition, neuron)
        In the basis of the eigenvectors of the noise covariance.
    eigenvalues : array (neuron,)
        Of the noise covariance.
    labels : array (problem, condition)
        +1 and -1 for conditions that are trained, 0 for others.
    n_trials : float
        Training trials a condition.
    penalty : float or array (problem,)
    intercept : {"penalised", "midway"}
        Like a weight, or midway between the class means of the training trials, as LDA does.

    Returns
    -------
    Trained
    """
    return _Equations(means, eigenvalues, labels, n_trials, penalty, 1.0, intercept).solved(False)


def hinge(means, eigenvalues, labels, n_trials, *, C=1.0):
    """Squared hinge with ``1/2 |w|^2 + C sum max(0, 1 - y f)^2``, the intercept penalised.

    Parameters and result as in :func:`square`.

    Raises
    ------
    RuntimeError
        The equations were not solved to 1e-9.
    """
    return _Equations(means, eigenvalues, labels, n_trials, 1.0, 2.0 * C, "penalised").solved(True)


class _Equations:
    """The equations of the module, for many problems at once."""

    def __init__(self, means, eigenvalues, labels, n_trials, penalty, kappa, intercept):
        self.means, self.eigenvalues, self.n, self.kappa = means, eigenvalues, n_trials, kappa
        self.labels = np.asarray(labels, dtype=float)
        self.penalty = np.broadcast_to(np.asarray(penalty, dtype=float), len(self.labels))[:, None]
        self.on = self.labels != 0
        self.midway = intercept == "midway"
        c, n = means.shape
        self.products = (means[:, None, :] * means[None, :, :]).reshape(c * c, n).T

    def solved(self, hinge):
        """A squared hinge is a square for the share of trials that it pulls, until that settles."""
        from scipy.special import ndtr

        share, extra, before = self.on.astype(float), np.zeros(self.labels.shape), None
        for _ in range(MOST_STEPS if hinge else 1):
            margin, q = self._square(share, extra)
            if before is not None and np.allclose(margin, before, rtol=TOLERANCE, atol=TOLERANCE):
                break
            before = margin
            if hinge:
                z = (1.0 - self.labels * margin) / np.sqrt(q)[:, None]
                share = ndtr(z) * self.on
                density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi) * self.on
                extra = np.sqrt(q)[:, None] * density
        else:
            if hinge:
                raise RuntimeError(
                    f"the equations of the hinge did not settle in {MOST_STEPS} steps; "
                    "simulate instead"
                )
        return Trained(margin, q)

    def _square(self, share, extra):
        """Margins (problem, condition) and q (problem,).

        share : of the trials of a condition that are pulled; extra : E (1 - u)_+ less what a square
        would have of that share, share (1 - E u)
        """
        S, labels = self.eigenvalues, self.labels
        V = _response(self.penalty[:, 0], self.n * share.sum(axis=1), S, self.kappa)
        a = (self.kappa / (1.0 + self.kappa * V))[:, None]
        slope = self.n * a * share
        resolvent = 1.0 / (self.penalty + slope.sum(axis=1, keepdims=True) * S)
        gram = (resolvent @ self.products).reshape(len(labels), *2 * labels.shape[1:])
        aim = self.n * a * labels * (share + extra)
        of_aim, of_one = self._pulled(gram, slope, aim), self._pulled(gram, slope, slope)
        held = 0.0 if self.midway else self.penalty[:, 0]  # the intercept
        offset = (of_aim.sum(axis=1) / (held + of_one.sum(axis=1)))[:, None]
        hat = of_aim - offset * of_one
        m = np.einsum("pcd,pd->pc", gram, hat)
        missed = 1.0 - labels * (m + offset)
        along = ((hat @ self.means) ** 2 * resolvent**2 * S).sum(axis=1)
        trace = (resolvent**2 * S**2).sum(axis=1)
        own = self.n * a**2 * (share * missed**2 + extra * missed)
        total = (self.n * a**2 * share).sum(axis=1)
        q = (along + own.sum(axis=1) * trace) / (1.0 - total * trace)
        if self.midway:
            fitted = m + V[:, None] * hat / self.n  # of the training trials
            plus, minus = (
                (fitted * (labels == s)).sum(axis=1) / (labels == s).sum(axis=1) for s in (1, -1)
            )
            offset = -0.5 * (plus + minus)[:, None]
        return m + offset, q

    @staticmethod
    def _pulled(gram, slope, aim):
        """hat = aim - slope * (gram hat)"""
        system = np.eye(gram.shape[1]) + slope[:, :, None] * gram
        return np.linalg.solve(system, aim[..., None])[..., 0]


def lda_penalty(means, eigenvalues, labels, n_trials):
    r"""The penalty by which :func:`square` is LDA shrunk as Ledoit & Wolf (2004) estimate it.

    The total scatter :math:`\hat S` of :math:`n` trials becomes :math:`(1 - \rho) \hat S + \rho
    \bar s 1`, so that the penalty is :math:`\rho \bar s n / (1 - \rho)`; here with the
    expectations that :math:`\rho` is a ratio of. Parameters as in :func:`square`.

    Returns
    -------
    array (problem,)
    """
    on = (np.asarray(labels) != 0).astype(float)
    weight = on / on.sum(axis=1, keepdims=True)  # (problem, condition)
    n, dims = n_trials * on.sum(axis=1), len(eigenvalues)
    noise, noise_squared = eigenvalues.sum(), (eigenvalues**2).sum()
    gram, stretched = means @ means.T, (means * eigenvalues) @ means.T
    gram, stretched = (_centred(g, weight) for g in (gram, stretched))
    length, along = (np.diagonal(g, axis1=1, axis2=2) for g in (gram, stretched))
    trace = noise + (weight * length).sum(axis=1)
    signal = np.einsum("pc,pd,pcd->p", weight, weight, gram**2)
    square_of_mean = noise_squared + 2 * (weight * along).sum(axis=1) + signal
    fourth = (weight * ((length + noise) ** 2 + 2 * noise_squared + 4 * along)).sum(axis=1)
    mean_square = square_of_mean + (fourth - square_of_mean) / n
    share = (fourth - mean_square) / n / (mean_square - trace**2 / dims)
    share = np.clip(share, 1e-8, 1 - 1e-8)
    return share / (1 - share) * n * trace / dims


def _centred(gram, weight):
    """Products of rows less their weighted mean, (problem, condition, condition)."""
    row = weight @ gram  # (problem, condition)
    mean = (row * weight).sum(axis=1)
    return gram - row[:, :, None] - row[:, None, :] + mean[:, None, None]


def _response(penalty, count, eigenvalues, kappa):
    """The root V of V = tr S / (penalty + count kappa / (1 + kappa V) S).

    The right side is concave in V: Newton's method comes down to the root from above.
    """
    V = eigenvalues.sum() / penalty
    for _ in range(MOST_STEPS):
        shrunk = 1.0 / (1.0 + kappa * V)
        ratio = eigenvalues / (penalty[:, None] + (count * kappa * shrunk)[:, None] * eigenvalues)
        steep = count * (kappa * shrunk) ** 2 * (ratio**2).sum(axis=1)
        new = V - (V - ratio.sum(axis=1)) / (1.0 - steep)
        if np.allclose(new, V, rtol=1e-14, atol=0.0):
            break
        V = new
    return new
