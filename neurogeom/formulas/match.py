"""Which found feature is which true one: one-to-one matching of the largest total similarity."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..options import number, reals, switch

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
    x = x / np.where(size > 0, size, 1.0)  # whose squares neither overflow nor vanish
    centred = x - x.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    varies = length > 1e-12 * np.sqrt(len(x))
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


def latent_r2(
    true: np.ndarray,
    found: np.ndarray,
    *,
    pairs: Match | None = None,
    scaled: bool = False,
    over: str = "true",
) -> Match:
    r"""Share of each latent's variance that the code it is matched with explains, 1 at most.

    .. math:: R^2_j = 1 - \frac{\sum_i (s_{ij} - \hat s_{ij})^2}{\sum_i (s_{ij} - \bar s_j)^2}

    It knows scale, and is below 0 where the mean of the latent is nearer to it than the code. A
    latent that is matched with no code counts as 0, as in :func:`match`.

    Parameters
    ----------
    true, found : (sample, true) and (sample, found)
    pairs : Match, optional
        Which are which, as from :meth:`neurogeom.features.Dictionary.match`; by :func:`mcc` else.
    scaled : bool
        Codes are first multiplied by their least-squares factors: where a dictionary was learnt,
        scale and sign of its codes are a convention.
    over : as in :func:`match`

    Returns
    -------
    Match, of which ``similarity`` is the share of each pair.

    Raises
    ------
    TypeError
        They are no arrays of real numbers; pairs are no Match.
    ValueError
        As by :func:`mcc`; a true latent does not vary; pairs are of other latents.

    Examples
    --------
    >>> z = np.array([[1.0, 2.0], [-1.0, 2.0], [1.0, -2.0], [-1.0, -2.0]])
    >>> latent_r2(z, 0.5 * z).similarity.tolist(), latent_r2(z, -z, scaled=True).value
    ([0.75, 0.75], 1.0)
    """
    switch(scaled=scaled)
    if over not in OVER:
        raise ValueError(f"over={over!r} is unknown; choose from {list(OVER)}")
    true, found, pairs = _paired(true, found, pairs)
    still = np.flatnonzero(~_standard(true, "pearson").any(axis=0))
    if still.size:
        raise ValueError(f"{still.size} of {true.shape[1]} true latents do not vary, the first is "
                         f"{still[0]}; leave them out")  # fmt: skip
    own, code = true[:, pairs.true], found[:, pairs.found]
    size = np.abs(own).max(axis=0)
    own, code = own / size, code / size  # whose squares do not overflow
    if scaled:
        code = code / np.maximum(np.abs(code).max(axis=0), np.finfo(float).tiny)
        power = np.square(code).sum(axis=0)
        code = code * (own * code).sum(axis=0) / np.where(power > 0, power, 1.0)
    total = np.square(own - own.mean(axis=0)).sum(axis=0)
    share = 1 - np.square(own - code).sum(axis=0) / total
    n = true.shape[1] if over == "true" else len(share)
    return Match(float(share.sum() / n), share, pairs.true, pairs.found)


def exact_support(
    true: np.ndarray, found: np.ndarray, *, pairs: Match | None = None, tolerance: float = 0.0
) -> float:
    """Share of samples in which exactly those codes are active whose latents are, 0 to 1.

    Parameters
    ----------
    true, found : (sample, true) and (sample, found)
    pairs : as in :func:`latent_r2`; what is matched with nothing must not be active
    tolerance : float, absolute values up to it are not active

    Raises
    ------
    TypeError, ValueError
        As by :func:`latent_r2`.

    Examples
    --------
    >>> true, found = [[1, 0], [0, 1], [0, 0], [0, 2]], [[0, 0.2], [0.3, 0.1], [0, 0], [0.7, 0.1]]
    >>> exact_support(true, found), exact_support(true, found, tolerance=0.1)
    (0.5, 1.0)
    """
    number(0, tolerance=tolerance)
    true, found, pairs = _paired(true, found, pairs)
    on, active = np.abs(true) > tolerance, np.abs(found) > tolerance
    same = (on[:, pairs.true] == active[:, pairs.found]).all(axis=1)
    for all_of, matched in ((on, pairs.true), (active, pairs.found)):
        same &= ~np.delete(all_of, matched, axis=1).any(axis=1)
    return float(same.mean())


def dead_share(codes: np.ndarray, *, tolerance: float = 0.0) -> float:
    """Share of codes that no sample activates, 0 to 1.

    Parameters
    ----------
    codes : (sample, code)
    tolerance : float, absolute values up to it are not active

    Raises
    ------
    TypeError
        They are no array of real numbers.
    ValueError
        They are no filled matrix of finite numbers.

    Examples
    --------
    >>> dead_share([[1.0, 0.0], [2.0, 0.0]])
    0.5
    """
    number(0, tolerance=tolerance)
    codes = reals("codes", codes)
    if codes.ndim != 2 or not codes.size or not np.isfinite(codes).all():
        raise ValueError(f"codes of shape {codes.shape} must be a filled matrix of finite numbers; "
                         "give (sample, code)")  # fmt: skip
    return float((~(np.abs(codes) > tolerance).any(axis=0)).mean())


def _paired(true, found, pairs):
    """Latents and codes as floats, and which are which."""
    among = correlation(true, found)
    if pairs is None:
        pairs = match(np.abs(among))
    if not isinstance(pairs, Match):
        raise TypeError(f"pairs must be a Match, not {type(pairs).__name__}; give that of mcc or "
                        "of Dictionary.match")  # fmt: skip
    if any(
        not own.size or own.min() < 0 or own.max() >= n
        for own, n in zip(pairs[2:], among.shape, strict=True)
    ):
        raise ValueError(f"pairs are not of {among.shape[0]} latents and {among.shape[1]} codes; "
                         "match these")  # fmt: skip
    return reals("true", true), reals("found", found), pairs


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
