"""Which found feature is which true one: one-to-one matching of the largest total similarity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..options import reals

KINDS = ("pearson", "spearman")
OVER = ("true", "fewer")


class Match(NamedTuple):
    """Pairs of the assignment with the largest total similarity.

    value : mean similarity of the pairs, unmatched ones counted as 0 or left out
    similarity : (pair,) of each; true, found : int (pair,), which rows are paired, true ascending
    """

    value: float
    similarity: np.ndarray
    true: np.ndarray
    found: np.ndarray


def match(similarity: np.ndarray, *, over: str = "true") -> Match:
    """Pair rows with columns one to one, so that their similarities sum to the most.

    Parameters
    ----------
    similarity : (true, found), 0 or more where unmatched ones are to count as 0
    over : {"true", "fewer"}
        Mean over all true ones, which a code that lacks some cannot pass, or over the pairs.

    Raises
    ------
    TypeError
        It is no array of real numbers.
    ValueError
        The matrix is empty or not finite.

    Source: Hungarian algorithm (Kuhn 1955), scipy.optimize.linear_sum_assignment.

    Examples
    --------
    >>> found = match(np.array([[0.9, 0.8], [0.7, 0.1], [0.0, 0.2]]))
    >>> found.true.tolist(), found.found.tolist(), found.similarity.tolist(), round(found.value, 3)
    ([0, 1], [1, 0], [0.8, 0.7], 0.5)
    """
    from scipy.optimize import linear_sum_assignment

    similarity = reals("similarity", similarity)
    if over not in OVER:
        raise ValueError(f"over={over!r} is unknown; choose from {list(OVER)}")
    if similarity.ndim != 2 or not similarity.size or not np.isfinite(similarity).all():
        raise ValueError(f"similarity of shape {similarity.shape} must be a filled matrix of "
                         "finite numbers; give (true, found)")  # fmt: skip
    true, found = linear_sum_assignment(-similarity)
    pairs = similarity[true, found]
    n = len(similarity) if over == "true" else len(pairs)
    return Match(float(pairs.sum() / n), pairs, true, found)


def correlation(true: np.ndarray, found: np.ndarray, *, kind: str = "pearson") -> np.ndarray:
    """Correlation of every true with every found column over samples, (true, found), -1 to 1.

    A column that does not vary correlates with nothing: 0.

    Parameters
    ----------
    true, found : (sample, true) and (sample, found)
    kind : {"pearson", "spearman"}

    Raises
    ------
    TypeError
        They are no arrays of real numbers.
    ValueError
        Samples differ in number, are fewer than two or not finite.
    """
    if kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown; choose from {list(KINDS)}")
    true, found = reals("true", true), reals("found", found)
    if true.ndim != 2 or found.ndim != 2 or len(true) != len(found) or len(true) < 2:
        raise ValueError(f"shapes {true.shape} and {found.shape}: give (sample, true) and (sample, "
                         "found) of the same two samples or more")  # fmt: skip
    if not (np.isfinite(true).all() and np.isfinite(found).all()):
        raise ValueError("samples are not all finite; leave out those with NaN or infinity")
    a, b = _standard(true, kind), _standard(found, kind)
    return np.clip(a.T @ b, -1.0, 1.0)


def _standard(x, kind):
    """Columns with mean 0 and length 1, those that do not vary all 0."""
    if kind == "spearman":
        from scipy.stats import rankdata

        x = rankdata(x, axis=0)
    size = np.abs(x).max(axis=0)
    centred = x - x.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    varies = length > 1e-12 * size * np.sqrt(len(x))
    return np.where(varies, centred / np.where(varies, length, 1.0), 0.0)


def mcc(true: np.ndarray, found: np.ndarray, *, kind: str = "pearson", over: str = "true") -> Match:
    """Mean matched correlation of latents with codes, 0 to 1, chance above 0 (it is a maximum).

    Absolute correlations, matched one to one (mean correlation coefficient, MCC). It knows only
    permutation, sign and scale: a rotation lowers it, a found code of too few columns too.

    Parameters
    ----------
    true, found : (sample, true) and (sample, found)
    kind : {"pearson", "spearman"}
        By ranks, a monotone distortion costs nothing.
    over : as in :func:`match`

    Raises
    ------
    TypeError, ValueError
        As by :func:`match` and :func:`correlation`.

    Source: Hyvarinen & Morioka 2016 (time-contrastive learning); Klindt et al. 2021, ICLR.

    Examples
    --------
    >>> z = np.random.default_rng(0).standard_normal((1000, 2))
    >>> turn = np.array([[1.0, -1.0], [1.0, 1.0]]) / np.sqrt(2)
    >>> round(mcc(z, -3 * z[:, ::-1]).value, 2), round(mcc(z, z @ turn).value, 1)
    (1.0, 0.7)
    """
    return match(np.abs(correlation(true, found, kind=kind)), over=over)


def cosine(atoms: np.ndarray, others: np.ndarray, *, signed: bool = False) -> np.ndarray:
    """Cosine of every atom with every other, (atom, other): absolute unless signed, 0 to 1.

    Signed ones below 0 count as 0: an atom and its opposite are no match where codes are
    non-negative. An atom of zeros has cosine 0.

    Parameters
    ----------
    atoms, others : (atom, neuron) and (other, neuron)

    Raises
    ------
    TypeError
        They are no arrays of real numbers.
    ValueError
        They differ in neurons or are not finite.
    """
    a, b = reals("atoms", atoms), reals("others", others)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"atoms of shapes {a.shape} and {b.shape}: give (atom, neuron) of the "
                         "same neurons")  # fmt: skip
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("atoms are not all finite; leave out those with NaN or infinity")
    found = _unit(a) @ _unit(b).T
    return np.clip(found if signed else np.abs(found), 0.0, 1.0)


def _unit(rows):
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(length > 0, length, 1.0)
