r"""Which part of a neuron's activity is due to one variable, and which to their interactions?

Condition means of fully crossed variables are a sum of terms, one for every set of variables,

.. math:: \mu_c = \beta_0 + \sum_\phi (X_\phi \beta_\phi)_c,

with columns :math:`X_\phi` of a term effect-coded, so that they sum to zero over the levels of each
variable (Rigotti et al. 2013, Nature 497:585). The model with all interactions leaves to every
condition its own mean, so that means, variances and numbers of trials are all it needs: any numbers
of levels, and unequal numbers of trials. The sum of squares of a term is what the residual sum of
squares grows by where the term alone is left out (Type III). Below, conditions are in the order of
``itertools.product``, the last variable fastest; statistics are (condition, neuron).
"""

from itertools import combinations
from typing import NamedTuple

import numpy as np

__all__ = [
    "Anova",
    "Term",
    "additive_fit",
    "anova",
    "basis",
    "expected_shares",
    "false_share_of_fdr",
    "joined",
    "nonlinear_index",
    "orthonormal",
    "partition",
    "q_values",
    "terms",
    "wald",
    "without",
]

TINY = 1e-12  # of the total sum of squares: below it is rounding
SHRUNK = 0.5  # trials of the pooled variance


class Term(NamedTuple):
    """name; order : variables that interact in it; columns : float64 (condition, df)"""

    name: str
    order: int
    columns: np.ndarray


class Anova(NamedTuple):
    """F and effect sizes of one term, (neuron,), and its degrees of freedom."""

    F: np.ndarray
    eta2: np.ndarray
    omega2: np.ndarray
    partial_omega2: np.ndarray
    df: int
    df_error: int


def terms(names, n_levels):
    """Main effects, then interactions of two variables, of three, ...

    Parameters
    ----------
    names : sequence of str
    n_levels : sequence of int
        Levels of each variable.

    Returns
    -------
    list of Term

    Examples
    --------
    >>> [(t.name, t.columns.shape[1]) for t in terms(["rule", "cue"], [2, 3])]
    [('rule', 1), ('cue', 2), ('rule:cue', 2)]
    """
    sets = [s for k in range(1, len(names) + 1) for s in combinations(range(len(names)), k)]
    found = []
    for members in sets:
        columns = np.ones((1, 1))
        for i, n in enumerate(n_levels):
            effect = np.vstack([np.eye(n - 1), -np.ones(n - 1)])
            columns = np.kron(columns, effect if i in members else np.ones((n, 1)))
        found.append(Term(":".join(names[i] for i in members), len(members), columns))
    return found


def joined(name, parts) -> Term:
    """Several terms as one, such as all interactions; its order is the largest of theirs."""
    return Term(name, max(t.order for t in parts), np.hstack([t.columns for t in parts]))


def orthonormal(columns):
    """An orthonormal basis (condition, df) of the columns, all conditions weighing the same."""
    return np.linalg.qr(columns)[0]


def basis(term, every, counts):
    """What a term alone explains: q (condition, df), with q' diag(counts) q the identity.

    The sum of squares of the term is that of q' times the sums of activity over the trials of the
    conditions. ``every`` are all terms of the model, ``term`` one of them or several joined.
    """
    weight = np.sqrt(np.asarray(counts, float))[:, None]
    others = np.linalg.qr(weight * without(term, every))[0]
    own = weight * orthonormal(term.columns)
    return np.linalg.qr(own - others @ (others.T @ own))[0] / weight


def without(term, every):
    """Columns of the model without a term, or several joined: a constant and all other terms."""
    inside = orthonormal(term.columns)
    kept = [t.columns for t in every if not np.allclose(inside @ (inside.T @ t.columns), t.columns)]
    return np.hstack([np.ones((len(inside), 1)), *kept])


def anova(means, variance, counts, term, every) -> Anova:
    r"""F, :math:`\eta^2`, :math:`\omega^2` and partial :math:`\omega^2` of a term, Type III.

    .. math:: \omega^2 = \frac{SS - df\,MSE}{SS_\mathrm{total} + MSE}, \quad
        \omega^2_p = \frac{SS - df\,MSE}{SS + (n - df)\,MSE}

    are 0 on average without an effect (negative values belong to that average: keep them), where
    :math:`\eta^2 = SS / SS_\mathrm{total}` is 1 / (n - 1) for one of the degrees of freedom.

    Parameters
    ----------
    means, variance : array (condition, neuron)
        Variance over the trials of each condition, divided by their number less one.
    counts : array of int (condition,)
        Trials, the same for all of these neurons.
    term, every : Term, list of Term
        What is tested, and all terms of the model.

    Returns
    -------
    Anova
        NaN for a neuron that does not vary; F is infinite where there is an effect and no residual.

    Examples
    --------
    >>> every = terms(["rule"], [2])
    >>> found = anova([[1.0], [3.0]], [[2.0], [2.0]], [8, 8], every[0], every)
    >>> float(found.F[0]), found.df, found.df_error
    (8.0, 1, 14)
    """
    means, counts = np.asarray(means, float), np.asarray(counts)
    variance = np.asarray(variance, float)
    n, n_conditions = counts.sum(), len(counts)
    residual = ((counts - 1)[:, None] * variance).sum(axis=0)
    grand = counts @ means / n
    total = residual + counts @ (means - grand) ** 2
    df, df_error = term.columns.shape[1], int(n - n_conditions)
    own = ((basis(term, every, counts).T @ (counts[:, None] * (means - grand))) ** 2).sum(axis=0)
    own = np.where(own <= TINY * total, 0.0, own)
    residual = np.where(residual <= TINY * total, 0.0, residual)
    error = residual / df_error
    with np.errstate(divide="ignore", invalid="ignore"):
        F = np.where(own > 0, own / df / error, 0.0 * total / total)
        excess = own - df * error
        omega2, partial = excess / (total + error), excess / (own + (n - df) * error)
        return Anova(F, own / total, omega2, partial, df, df_error)


def wald(means, variance, counts, term, floor=0.0):
    r"""Size of a term's contrasts of condition means in units of their errors.

    .. math:: W = (P' \mu)' \, (P' D P)^{-1} \, P' \mu, \quad D_{cc} = s_c^2 / n_c

    with P the orthonormal contrasts of the term (condition, df) and each condition its own
    variance, so that unequal numbers of trials do no harm where variance follows the mean (Pauly,
    Brunner & Konietschke 2015, J R Stat Soc B 77:461); with one variance for all it is df times F.
    The variance of a condition counts half a trial of the pooled variance beside its own, since a
    few trials may all be alike.

    Parameters
    ----------
    means, variance : array (condition, neuron)
    counts : array of int (condition,), or (condition, neuron)
    term : Term
    floor : array (neuron,), variance below which it is rounding

    Returns
    -------
    array (neuron,)
        NaN for a neuron without any variance.

    Examples
    --------
    >>> term = terms(["rule"], [2])[0]
    >>> wald(np.array([[1.0], [3.0]]), np.array([[2.0], [2.0]]), [8, 8], term).tolist()
    [8.0]
    """
    means, variance = np.asarray(means, float), np.asarray(variance, float)
    counts = np.asarray(counts)
    counts = counts[:, None] if counts.ndim == 1 else counts
    squares = (counts - 1) * variance
    pooled = squares.sum(axis=0) / (counts - 1).sum(axis=0)
    error = np.maximum((squares + SHRUNK * pooled) / (counts - 1 + SHRUNK), floor) / counts
    p = orthonormal(term.columns)
    found = np.full(means.shape[1], np.nan)
    able = (error > 0).all(axis=0)
    contrast = p.T @ (means - means.mean(axis=0))[:, able]
    covariance = np.einsum("ci,cn,cj->nij", p, error[:, able], p)
    solved = np.linalg.solve(covariance, contrast.T[:, :, None])[:, :, 0]
    found[able] = (contrast * solved.T).sum(axis=0)
    return found


def partition(means, squared_error, every, *, corrected=True):
    r"""The variance of condition means that belongs to each term, without that of trial noise.

    .. math:: V_\phi = |P_\phi \mu|^2 - \textstyle\sum_c (P_\phi)_{cc} e_c

    with :math:`P_\phi` the projection on the term's columns, all conditions weighing the same, and
    e the squared standard errors: the marginalisation of demixed PCA (Kobak et al. 2016, eLife
    5:e10989), each part unbiased. Without ``corrected`` noise alone gives every term a share in
    proportion to its degrees of freedom: 1/7 to each of the terms of three two-level variables.

    Parameters
    ----------
    means, squared_error : array (condition, neuron)
    every : list of Term

    Returns
    -------
    array (term, neuron)

    Examples
    --------
    >>> every = terms(["rule", "cue"], [2, 2])
    >>> partition([[2.0], [2.0], [0.0], [0.0]], np.zeros((4, 1)), every).ravel().round(6).tolist()
    [4.0, 0.0, 0.0]
    """
    means, squared_error = np.asarray(means, float), np.asarray(squared_error, float)
    found = []
    for term in every:
        p = orthonormal(term.columns)
        raw = ((p.T @ (means - means.mean(axis=0))) ** 2).sum(axis=0)
        found.append(raw - (p**2).sum(axis=1) @ squared_error if corrected else raw)
    return np.array(found)


def nonlinear_index(means, squared_error, every, *, corrected=True):
    """Share of the variance of condition means that is due to interactions, all neurons together.

    0 for neurons that add up their variables, 1 for interactions alone; an estimate may leave that
    range, and is NaN where no variance is left. Arguments as in :func:`partition`.

    Examples
    --------
    >>> every = terms(["rule", "cue"], [2, 2])
    >>> float(nonlinear_index([[1.0], [0.0], [0.0], [0.0]], np.zeros((4, 1)), every).round(6))
    0.333333
    """
    variance = partition(means, squared_error, every, corrected=corrected).sum(axis=1)
    order = np.array([t.order for t in every])
    total = variance.sum()
    return variance[order > 1].sum() / total if total > 0 else np.nan


def additive_fit(means, table):
    """Condition means without interactions: least squares, all conditions weighing the same.

    means : array (condition, ...); conditions without a mean are NaN, and take no part
    table : int (condition, variable), the level of every variable
    returns : the shape of means, NaN where there was no mean
    """
    means, table = np.asarray(means, float), np.asarray(table)
    flat = means.reshape(len(means), -1)
    levels = [column[:, None] == np.unique(column) for column in table.T]
    main = np.hstack([np.ones((len(means), 1)), *levels]).astype(float)
    fitted, seen = np.full_like(flat, np.nan), np.isfinite(flat)
    patterns, which = np.unique(seen, axis=1, return_inverse=True)
    for i, rows in enumerate(patterns.T):
        if rows.any():
            own = np.ix_(rows, which.ravel() == i)
            fitted[own] = main[rows] @ np.linalg.lstsq(main[rows], flat[own], rcond=None)[0]
    return fitted.reshape(means.shape)


def false_share_of_fdr(n, alpha):
    """Share of n independent true nulls that Benjamini & Hochberg (1995) reject on average.

    The number rejected has a closed form (Finner & Roters 2001, Biometrical J 43:985); the share is
    near alpha / (1 - alpha)^2 / n, far below alpha.

    Examples
    --------
    >>> round(false_share_of_fdr(1, 0.05), 6), round(100 * false_share_of_fdr(100, 0.05), 3)
    (0.05, 0.055)
    """
    from scipy.special import gammaln

    k = np.arange(1, n + 1)
    with np.errstate(divide="ignore"):
        rest = np.where(k < n, (n - k - 1.0) * np.log1p(-k * alpha / n), -np.log1p(-alpha))
    choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    log_probability = choose + np.log1p(-alpha) + k * np.log(k * alpha / n) + rest
    return float((k * np.exp(log_probability)).sum() / n)


def q_values(p):
    """Benjamini & Hochberg's (1995) adjusted p-values over the last axis; NaN is left out.

    Examples
    --------
    >>> q_values(np.array([0.01, 0.04, 0.5, np.nan])).round(3).tolist()
    [0.03, 0.06, 0.5, nan]
    """
    p = np.asarray(p, float)
    order = np.argsort(p, axis=-1)  # NaN last
    n = np.isfinite(p).sum(axis=-1, keepdims=True)
    ranked = np.take_along_axis(p, order, axis=-1) * n / np.arange(1, p.shape[-1] + 1)
    least = np.fmin.accumulate(ranked[..., ::-1], axis=-1)[..., ::-1]
    q = np.empty_like(p)
    np.put_along_axis(q, order, np.minimum(least, 1.0), axis=-1)
    return np.where(np.isfinite(p), q, np.nan)


def expected_shares(n_main, level, interaction_level):
    """Shares of none, pure, linear mixed and nonlinear mixed neurons where nothing is selective.

    Each of the n_main main effects is found with probability ``level`` and an interaction with
    ``interaction_level``, independently (as for equal numbers of trials). At 0.05 a test for each
    of the four interactions of three two-level variables finds one in 18.5 % of neurons.

    Examples
    --------
    >>> expected_shares(3, 0.05, 1 - 0.95**4).round(3).tolist()
    [0.698, 0.11, 0.006, 0.185]
    """
    none = (1 - level) ** n_main
    one = n_main * level * (1 - level) ** (n_main - 1)
    linear = np.array([none, one, 1 - none - one])
    return np.append((1 - interaction_level) * linear, interaction_level)
