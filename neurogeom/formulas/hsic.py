r"""How much do two similarity matrices of the same stimuli have in common? HSIC.

For :math:`K = XX^\top` and :math:`L = YY^\top` the Hilbert-Schmidt independence criterion is the
squared norm of the covariance of X and Y, 0 where they are unrelated; with K = L it is
:math:`\mathrm{tr}\,C^2`. Of a matrix that is not symmetric, such as the Gram matrix of two repeats
:math:`X_1 X_2^\top`, the symmetric part is taken.
"""

import numpy as np

__all__ = ["hsic", "hsic_unbiased", "u_centred"]


def hsic(K, L):
    r"""Biased HSIC, :math:`\mathrm{tr}(KHLH) / (n-1)^2`.

    Above 0 for unrelated X and Y, the more so the more neurons there are. Source: Gretton et al.
    2005, ALT.

    Parameters
    ----------
    K, L : array (..., stimulus, stimulus)

    Returns
    -------
    float or array (...)
        From 0 for positive semidefinite K and L.

    Raises
    ------
    ValueError
        K or L is not square, they differ in size, or there are fewer than two stimuli.

    Examples
    --------
    >>> x = np.array([[0.0], [0.0], [2.0]])
    >>> round(float(hsic(x @ x.T, x @ x.T)), 4)  # the squared variance of x
    1.7778
    """
    K, L = _pair(K, L, 2)
    return (_centred(K) * L).sum(axis=(-2, -1)) / (K.shape[-1] - 1) ** 2


def hsic_unbiased(K, L):
    r"""Unbiased HSIC, with the diagonals left out.

    .. math:: \mathrm{HSIC}_1 = \frac{1}{n(n-3)} \Big[\mathrm{tr}\,\tilde K\tilde L
        + \frac{1^\top\tilde K 1\; 1^\top\tilde L 1}{(n-1)(n-2)}
        - \frac{2}{n-2} 1^\top\tilde K\tilde L 1\Big]

    with zero diagonals in :math:`\tilde K` and :math:`\tilde L`. Over stimuli drawn from a larger
    set its mean is :math:`\|\mathrm{Cov}(X, Y)\|_F^2` for linear kernels: 0 where X and Y are
    unrelated, and then negative as often as positive. With a Gram matrix of one repeat in K and of
    another in L independent trial noise leaves the mean unchanged. Source: Song et al. 2012, JMLR
    13:1393, equation 5.

    Parameters
    ----------
    K, L : array (..., stimulus, stimulus)

    Returns
    -------
    float or array (...)
        Any sign.

    Raises
    ------
    ValueError
        As in :func:`hsic`; fewer than four stimuli.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> y = np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> round(float(hsic_unbiased(x @ x.T, y @ y.T)), 4)
    -0.0833
    """
    K, L = _pair(K, L, 4)
    n = K.shape[-1]
    return (u_centred(K) * L).sum(axis=(-2, -1)) / (n * (n - 3))


def u_centred(K):
    r"""U-centred K: :math:`\mathrm{HSIC}_1(K, L) = \sum_{ij} \bar K_{ij} L_{ij} / (n(n-3))`.

    Zero diagonal, rows and columns that sum to zero: :math:`\bar K_{ij} = \tilde K_{ij} -
    (r_i + r_j)/(n-2) + s/((n-1)(n-2))` with r the row sums of :math:`\tilde K` and s their sum.
    Source: Székely & Rizzo 2014, Ann Stat 42:2382.

    Parameters
    ----------
    K : array (..., stimulus, stimulus)

    Returns
    -------
    array (..., stimulus, stimulus)

    Raises
    ------
    ValueError
        K is not square or there are fewer than three stimuli.

    Examples
    --------
    >>> u_centred(np.arange(16.0).reshape(4, 4)).sum(axis=0).round(12).tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    K = _symmetric(K, 3)
    n, diagonal = K.shape[-1], np.arange(K.shape[-1])
    K[..., diagonal, diagonal] = 0.0
    rows = K.sum(axis=-1)
    total = rows.sum(axis=-1)[..., None, None] / ((n - 1) * (n - 2))
    K += total - (rows[..., :, None] + rows[..., None, :]) / (n - 2)
    K[..., diagonal, diagonal] = 0.0
    return K


def _centred(K):
    rows = K.mean(axis=-1)
    total = rows.mean(axis=-1)[..., None, None]
    return K - rows[..., :, None] - rows[..., None, :] + total


def _pair(K, L, least):
    K, L = _symmetric(K, least), _symmetric(L, least)
    if K.shape[-1] != L.shape[-1]:
        raise ValueError(
            f"K is of {K.shape[-1]} stimuli and L of {L.shape[-1]}; pass the same stimuli"
        )
    return K, L


def _symmetric(K, least):
    K = np.asarray(K, dtype=float)
    if K.ndim < 2 or K.shape[-1] != K.shape[-2]:
        raise ValueError(f"a Gram matrix has shape {K.shape}; pass (..., stimulus, stimulus)")
    if K.shape[-1] < least:
        raise ValueError(f"{K.shape[-1]} stimuli are too few; at least {least} are needed")
    return 0.5 * (K + np.swapaxes(K, -1, -2))
