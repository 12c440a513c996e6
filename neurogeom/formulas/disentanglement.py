"""Disentanglement scores from matrices of codes against factors: MIG, SAP, modularity, DCI.

Each takes (code, factor), 0 or more, and knows no samples: what fills the matrix (mutual
information, accuracies, importances) is made above.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def mig(information: np.ndarray, entropy: np.ndarray) -> float:
    r"""Mutual information gap, 0 to 1: does each factor have one code that knows it best?

    .. math:: \frac1K \sum_k \frac{I_{(1)k} - I_{(2)k}}{H(Y_k)}

    of the most and the second most informative code. With one code the second counts as 0. Two
    codes that are copies have no gap: 0.

    Parameters
    ----------
    information : (code, factor) in nats; entropy : (factor,) in nats, above 0

    Source: Chen et al. 2018, NeurIPS, eq. 6.

    Examples
    --------
    >>> mig(np.array([[1.0, 0.2], [0.5, 0.4]]), np.array([1.0, 0.4]))
    0.5
    """
    gaps, entropy = _gaps(_matrix(information)), np.asarray(entropy, float)
    if gaps.shape != entropy.shape:
        raise ValueError(f"information of {len(gaps)} factors and entropy of shape "
                         f"{entropy.shape}; give the entropy of each factor")  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN of a factor without entropy
        return float(np.mean(gaps / entropy))


def sap(scores: np.ndarray) -> float:
    """Separated attribute predictability: mean gap of the two codes that predict a factor best.

    Parameters
    ----------
    scores : (code, factor), accuracies or squared correlations of one code at a time

    Source: Kumar et al. 2018, ICLR, section 3.

    Examples
    --------
    >>> sap(np.array([[0.9, 0.1], [0.4, 0.5]]))
    0.45
    """
    return float(np.mean(_gaps(_matrix(scores))))


def modularities(information: np.ndarray) -> np.ndarray:
    r"""Of each code: does it know one factor only? (code,), 0 to 1.

    .. math:: 1 - \frac{\sum_k m_k^2 - \max_k m_k^2}{(K - 1) \max_k m_k^2}

    A code that knows nothing counts as 0, so leave such codes out of a mean; NaN where there is one
    factor. A code may share its factor with all others.

    Source: Ridgeway & Mozer 2018, NeurIPS, section 2.

    Examples
    --------
    >>> modularities(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 0.0]])).tolist()
    [1.0, 0.0, 0.0]
    """
    square = _matrix(information) ** 2
    if square.shape[1] == 1:
        return np.full(len(square), np.nan)
    best = square.max(axis=1)
    others = (square.sum(axis=1) - best) / (square.shape[1] - 1)
    return np.where(best > 0, 1.0 - others / np.where(best > 0, best, 1.0), 0.0)


class DCI(NamedTuple):
    """Disentanglement and completeness, weighted by importance, and those of each.

    of_code : disentanglement (code,); of_factor : completeness (factor,), whose plain mean is the
    completeness of Eastwood & Williams
    """

    disentanglement: float
    completeness: float
    of_code: np.ndarray
    of_factor: np.ndarray


def dci(importance: np.ndarray) -> DCI:
    r"""Does a code matter for one factor only, and is a factor read from one code only? 0 to 1.

    .. math:: D_j = 1 - H_K(R_{j\cdot} / \textstyle\sum_k R_{jk}), \quad
              C_k = 1 - H_d(R_{\cdot k} / \sum_j R_{jk}),

    entropies in units of their largest value, averaged by the share of importance of each code and
    factor. What has no importance counts as 0. NaN: disentanglement of one factor, completeness of
    one code.

    Parameters
    ----------
    importance : (code, factor), of each code in predicting each factor

    Source: Eastwood & Williams 2018, ICLR, section 2; weights of factors as in Locatello et al.
    2019, ICML.

    Examples
    --------
    Five factors, each coded twice: nothing is mixed, and nothing is complete.

    >>> found = dci(np.vstack([np.eye(5), np.eye(5)]))
    >>> round(found.disentanglement, 9), round(found.completeness, 5)
    (1.0, 0.69897)
    """
    importance = _matrix(importance)
    of_code, of_factor = _concentration(importance), _concentration(importance.T)
    total = importance.sum()
    share = importance / total if total > 0 else importance
    return DCI(
        float(share.sum(axis=1) @ of_code), float(share.sum(axis=0) @ of_factor), of_code, of_factor
    )


def _concentration(rows):
    """1 less the entropy of each row, in units of the largest possible; 0 where a row is zero."""
    if rows.shape[1] == 1:
        return np.full(len(rows), np.nan)
    total = rows.sum(axis=1, keepdims=True)
    p = rows / np.where(total > 0, total, 1.0)
    entropy = -(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1) / np.log(rows.shape[1])
    return np.where(total[:, 0] > 0, 1.0 - entropy, 0.0)


def _gaps(scores):
    """Best less second best code of every factor, (factor,)."""
    ordered = np.sort(np.vstack([np.zeros(scores.shape[1]), scores]), axis=0)
    return ordered[-1] - ordered[-2]


def _matrix(values):
    values = np.asarray(values, float)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all() or values.min() < 0:
        raise ValueError(f"values of shape {values.shape} must be a filled matrix of finite "
                         "numbers of 0 or more; give (code, factor)")  # fmt: skip
    return values
