r"""Are the same conditions alike in two populations? Centred kernel alignment (CKA).

.. math:: \mathrm{CKA} = \frac{\mathrm{HSIC}(K, L)}
                              {\sqrt{\mathrm{HSIC}(K, K)\,\mathrm{HSIC}(L, L)}},
          \quad K = X X^T, \; L = Y Y^T

with condition means :math:`X` (condition, neuron) of one population and :math:`Y` of the other
(Kornblith et al. 2019, ICML). It lies between 0 and 1: 0 where no direction of one varies with one
of the other over conditions, 1 for the same geometry up to rotation and scale. At face value it is
far too large: independent Gaussians give :math:`p / (n + p)` for n conditions and p neurons. Three
corrections:

- *conditions* (``stimuli="sampled"``): the unbiased HSIC of Song et al. 2012 (J Mach Learn Res
  13:1393); chance is 0 then, and an estimate may be negative. ``stimuli="fixed"`` asks about these
  conditions alone, as in a factorial design: chance is not 0;
- *trials*: each kernel in a product from other trials, so that noise is in none of their means;
- *neurons* (``neurons="sampled"``): a neuron's product with itself is left out of the denominators
  (after Chun et al. 2025, arXiv:2502.15104), which gives the value for endless populations and
  removes noise that is private to a neuron. ``"all"`` asks about these neurons.

A sum over pairs of neurons is :class:`Own` or :class:`Cross`; both are linear in what is averaged
over divisions of the trials, so that they are averaged before :func:`value` divides them.
"""

from typing import NamedTuple

import numpy as np

from .hsic import hsic, hsic_unbiased, u_centred

__all__ = ["Cross", "Own", "corrected", "cross", "debiased", "naive", "own", "value"]

STIMULI, NEURONS = ("sampled", "fixed"), ("sampled", "all")
REPEATS = {"sampled": 2, "fixed": 4}  # sets of trials that a product of two kernels needs
DEGENERATE = 1e-20  # a product of kernels below this share of its scale is rounding


class Own(NamedTuple):
    """A population against itself, over pairs of its neurons.

    total : float, all pairs; through : (neuron,), the pairs that leaving a neuron out takes away,
    the one with itself twice; alone : (neuron,), each neuron with itself
    without_stimulus : (condition, 2), total and sum of alone without each condition, or None
    """

    total: float
    through: np.ndarray
    alone: np.ndarray
    without_stimulus: np.ndarray | None = None

    def length(self, neurons="sampled"):
        """Mean over pairs of neurons, of different ones where they are a sample."""
        return _length(self.total, self.alone.sum(), len(self.alone), neurons)

    def sums(self):
        """Total and sum of alone without each neuron, (neuron, 2)."""
        return np.stack(
            [self.total - self.through + self.alone, self.alone.sum() - self.alone], axis=1
        )


class Cross(NamedTuple):
    """One population against another: total, what each neuron of x and of y adds to it.

    without_stimulus : (condition,), the total without each condition, or None
    """

    total: float
    of_x: np.ndarray
    of_y: np.ndarray
    without_stimulus: np.ndarray | None = None


def naive(x, y):
    """CKA at face value; too large with few conditions, many neurons or noisy means.

    Parameters
    ----------
    x, y : array (condition, neuron)
        As many conditions in the same order; numbers of neurons may differ.

    Returns
    -------
    float
        Between 0 and 1; NaN where all conditions of a population are alike.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [2.0, 2.0]])
    >>> float(naive(x, 3.0 * x).round(12))
    1.0
    """
    return _of_kernels(hsic, x, y)


def debiased(x, y):
    """CKA by the unbiased HSIC: 0 for independent populations, whatever their size.

    Parameters and return as in :func:`naive`; four conditions at least. It may be negative.

    Examples
    --------
    >>> x, y = np.random.default_rng(0).standard_normal((2, 30, 100))
    >>> bool(naive(x, y) > 0.7 and abs(debiased(x, y)) < 0.15)
    True
    """
    return _of_kernels(hsic_unbiased, x, y)


def corrected(x, y, *, stimuli="sampled", neurons="sampled"):
    """CKA without the bias of conditions, trials and neurons, from repeats.

    Parameters
    ----------
    x, y : array (repeat, condition, neuron)
        Means over disjoint sets of trials: two, or four with ``stimuli="fixed"``. Noise must be
        independent between repeats, and between x and y.
    stimuli : {"sampled", "fixed"}
    neurons : {"sampled", "all"} or a pair of them, for x and y

    Returns
    -------
    float
        NaN where a corrected denominator is not positive. Not clipped: it may leave [0, 1].

    Raises
    ------
    ValueError
        An option is unknown, x and y differ in conditions, or repeats or conditions are too few.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.standard_normal((40, 60))
    >>> x, y = signal + 2.0 * rng.standard_normal((2, 2, 40, 60))  # two recordings of the same
    >>> found = corrected(x, y, neurons="all")
    >>> bool(debiased(x[0], y[0]) < 0.3 and 0.8 < found < 1.2)
    True
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    _check(x, y, stimuli)
    if stimuli == "sampled":
        pairs = [np.stack([r.mean(axis=0)] * 2)[None] for r in (x, y)]
    else:
        pairs = [np.stack([r[:2].mean(axis=0), r[2:].mean(axis=0)])[None] for r in (x, y)]
    return value(
        cross(*pairs, stimuli=stimuli),
        own(x[None], stimuli=stimuli),
        own(y[None], stimuli=stimuli),
        neurons=neurons,
    )


def own(x, *, stimuli="sampled", deletions=False) -> Own:
    """Products of a population's kernels from different trials, averaged over divisions of them.

    x : float64 (split, repeat, condition, neuron), two repeats or, for fixed conditions, four
    deletions : whether to give the sums without each condition too (sampled conditions)
    """
    u1, u2, v1, v2 = _quadruple(_centre(x), stimuli)
    found = [_own_of(*q, stimuli, deletions) for q in zip(u1, u2, v1, v2, strict=True)]
    return Own(*(_mean(f) for f in zip(*found, strict=True)))


def cross(x, y, *, stimuli="sampled", deletions=False) -> Cross:
    """Products of the kernels of two populations, averaged over divisions of trials.

    x, y : float64 (split, 2, condition, neuron). K is the product of the two estimates of x, L of
    those of y. With sampled conditions their diagonals have no say, so that both estimates may
    rest on the same trials. Noise must be independent between x and y.
    """
    found = [
        _cross_of(*p, *q, stimuli, deletions) for p, q in zip(_centre(x), _centre(y), strict=True)
    ]
    return Cross(*(_mean(f) for f in zip(*found, strict=True)))


def permuted(x, y, orders, *, stimuli="sampled"):
    """:func:`cross`'s total with the conditions of y in other orders, (order,).

    x, y : as in :func:`cross`; orders : int (order, condition)
    """
    found = np.zeros(len(orders))
    for p, q in zip(_centre(x), _centre(y), strict=True):
        k, m = _kernel(*p), _centred(_kernel(*q), stimuli)
        found += [(k * m[np.ix_(o, o)]).sum() for o in orders]
    return found / len(x)


def value(between, x, y, *, neurons="sampled"):
    """The alignment that sums over pairs of neurons give; NaN where a denominator is not positive.

    between : Cross; x, y : Own; neurons as in :func:`corrected`
    """
    of_x, of_y = both(neurons)
    p, q = len(x.alone), len(y.alone)
    length_x, length_y = x.length(of_x), y.length(of_y)
    return _over(between.total / (p * q), length_x, length_y)


def without_neurons(between, x, y, *, neurons="sampled"):
    """:func:`value` without each neuron of x, (neuron of x,), and of y, (neuron of y,)."""
    of_x, of_y = both(neurons)
    p, q = len(x.alone), len(y.alone)
    length_x, length_y = x.length(of_x), y.length(of_y)
    fewer_x = _length(*x.sums().T, p - 1, of_x)
    fewer_y = _length(*y.sums().T, q - 1, of_y)
    return (
        _over((between.total - between.of_x) / ((p - 1) * q), fewer_x, length_y),
        _over((between.total - between.of_y) / (p * (q - 1)), length_x, fewer_y),
    )


def without_stimuli(between, x, y, *, neurons="sampled"):
    """:func:`value` without each condition, (condition,); needs sums with ``deletions=True``."""
    of_x, of_y = both(neurons)
    p, q = len(x.alone), len(y.alone)
    return _over(
        between.without_stimulus / (p * q),
        _length(*x.without_stimulus.T, p, of_x),
        _length(*y.without_stimulus.T, q, of_y),
    )


def both(neurons):
    """The option of each population: one word for both, or a pair."""
    pair = (neurons, neurons) if isinstance(neurons, str) else tuple(neurons)
    if len(pair) != 2 or not set(pair) <= set(NEURONS):
        raise ValueError(
            f"neurons={neurons!r} is unknown; choose from {list(NEURONS)}, or give a pair of them"
        )
    return pair


def _check(x, y, stimuli):
    if stimuli not in STIMULI:
        raise ValueError(f"stimuli={stimuli!r} is unknown; choose from {list(STIMULI)}")
    repeats = REPEATS[stimuli]
    if x.ndim != 3 or y.ndim != 3 or len(x) != repeats or len(y) != repeats:
        raise ValueError(
            f"x and y have shapes {x.shape} and {y.shape}; stimuli={stimuli!r} needs "
            f"({repeats}, condition, neuron)"
        )
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"x has {x.shape[1]} conditions and y has {y.shape[1]}; match them first")
    if stimuli == "sampled" and x.shape[1] < 4:
        raise ValueError(f"{x.shape[1]} conditions are fewer than the 4 that unbiased CKA needs")


def _of_kernels(product, x, y):
    x, y = (np.asarray(z, float) for z in (x, y))
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(
            f"x and y have shapes {x.shape} and {y.shape}; pass (condition, neuron) with as many "
            "conditions"
        )
    x, y = _centre(x), _centre(y)
    k, m = x @ x.T, y @ y.T
    return _over(product(k, m), _above(product(k, k), k), _above(product(m, m), m))


def _above(length, k):
    return length if length > DEGENERATE * np.trace(k) ** 2 else 0.0


def _centre(x):
    """Without the mean over conditions, which no kernel sees; large baselines cost digits."""
    scale = np.abs(x).max(axis=-2, keepdims=True)
    x = x - x.mean(axis=-2, keepdims=True)
    return np.where(np.abs(x) > 1e-14 * scale, x, 0.0)


def _quadruple(x, stimuli):
    order = (0, 0, 1, 1) if stimuli == "sampled" else (0, 1, 2, 3)
    return [x[:, i] for i in order]


def _kernel(u, v):
    k = u @ v.T
    return 0.5 * (k + k.T)


def _centred(k, stimuli):
    """A matrix whose sum of products with another kernel is their HSIC."""
    n = len(k)
    if stimuli == "sampled":
        return u_centred(k) / (n * (n - 3))
    mean = k.mean(axis=0)
    return (k - mean - mean[:, None] + k.mean()) / (n - 1) ** 2


def _through(u, v, centred):
    """x' C x of every neuron, (neuron,)."""
    return np.einsum("pa,pa->a", u, centred @ v)


def _own_of(u1, u2, v1, v2, stimuli, deletions):
    k, m = _kernel(u1, u2), _kernel(v1, v2)
    first = _through(u1, u2, _centred(m, stimuli))
    alone = _alone(u1, v1) if stimuli == "sampled" else _alone_fixed(u1, u2, v1, v2)
    gone = None
    if deletions:
        gone = np.stack([_hsic_without_stimulus(k, m), _alone_without_stimulus(u1, v1)], axis=1)
    return first.sum(), first + _through(v1, v2, _centred(k, stimuli)), alone, gone


def _cross_of(u1, u2, v1, v2, stimuli, deletions):
    k, m = _kernel(u1, u2), _kernel(v1, v2)
    of_x, of_y = (
        _through(u1, u2, _centred(m, stimuli)),
        _through(v1, v2, _centred(k, stimuli)),
    )
    return of_x.sum(), of_x, of_y, _hsic_without_stimulus(k, m) if deletions else None


def _unbiased(n, products, sum_k, sum_m, rows):
    """Song's estimator from sum_ij K M, sum K, sum M and sum_i (row sums of K)(of M)."""
    mixed = sum_k * sum_m / ((n - 1) * (n - 2)) - 2.0 * rows / (n - 2)
    return (products + mixed) / (n * (n - 3))


def _alone(u, v):
    """Unbiased HSIC of u u' and v v' of every neuron, (neuron,)."""
    n, su, sv = len(u), u.sum(axis=0), v.sum(axis=0)
    squares = (u**2 * v**2).sum(axis=0)
    return _unbiased(
        n,
        (u * v).sum(axis=0) ** 2 - squares,
        su**2 - (u**2).sum(axis=0),
        sv**2 - (v**2).sum(axis=0),
        (u * v * (su - u) * (sv - v)).sum(axis=0),
    )


def _alone_fixed(u1, u2, v1, v2):
    """HSIC of the kernels of single neurons, (neuron,); all are centred."""
    straight = (u1 * v1).sum(axis=0) * (u2 * v2).sum(axis=0)
    crossed = (u1 * v2).sum(axis=0) * (u2 * v1).sum(axis=0)
    return 0.5 * (straight + crossed) / (len(u1) - 1) ** 2


def _hsic_without_stimulus(k, m):
    """Unbiased HSIC without each condition, (condition,): what row i holds is taken from sums."""
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    row_k, row_m, shared = k.sum(axis=0), m.sum(axis=0), (k * m).sum(axis=0)
    rows = row_k @ row_m - row_k * row_m - k @ row_m - m @ row_k + shared
    return _unbiased(
        len(k) - 1,
        shared.sum() - 2 * shared,
        row_k.sum() - 2 * row_k,
        row_m.sum() - 2 * row_m,
        rows,
    )


def _alone_without_stimulus(u, v):
    """Sum over neurons of :func:`_alone` without each condition, (condition,)."""
    su, sv = u.sum(axis=0) - u, v.sum(axis=0) - v
    left = {
        (a, b): (u**a * v**b).sum(axis=0) - u**a * v**b
        for a, b in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 0), (0, 2))
    }
    rows = su * sv * left[1, 1] - su * left[1, 2] - sv * left[2, 1] + left[2, 2]
    found = _unbiased(
        len(u) - 1,
        left[1, 1] ** 2 - left[2, 2],
        su**2 - left[2, 0],
        sv**2 - left[0, 2],
        rows,
    )
    return found.sum(axis=1)


def _length(total, alone, n, neurons):
    """Mean over pairs of neurons, of different ones where they are a sample."""
    if neurons == "all":
        return total / n**2
    return (total - alone) / (n * (n - 1)) if n > 1 else np.full_like(total, np.nan)


def _over(top, length_x, length_y):
    positive = (length_x > 0) & (length_y > 0)
    product = np.where(positive, length_x * np.where(positive, length_y, 1.0), np.nan)
    return top / np.sqrt(product)


def _mean(found):
    return None if found[0] is None else np.mean(found, axis=0)
