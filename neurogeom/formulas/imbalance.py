r"""How large are two layers whose product and whose difference of squares are known?

Gradient flow conserves :math:`\delta = \eta_w a^2 - \eta_a |w|^2` of a linear or piecewise linear
unit, so that its function :math:`\beta = a w` tells the size of both layers. Source: Kunin et al.,
"Get rich quick" (NeurIPS 2024, arXiv:2406.06158), section 3 and figure 1.
"""

import numpy as np

__all__ = ["delta_of_scale", "halves", "scale_of_delta"]


def halves(delta, size):
    r"""Squared sizes of readout and weights, in units with both learning rates 1.

    .. math:: \tfrac12\Big(\sqrt{\delta^2 + 4 r^2} \pm \delta\Big)

    Parameters
    ----------
    delta : array (...)
        The first minus the second.
    size : array (...)
        Root of their product, r = \|beta\|, not negative.

    Returns
    -------
    tuple of arrays (...)
        Both to full precision, the smaller one too.

    Examples
    --------
    >>> [float(x) for x in halves(-3.0, 2.0)]
    [1.0, 4.0]
    >>> float(halves(-1e9, 1.0)[0])
    1e-09
    """
    large = np.hypot(delta, 2 * size) / 2 + np.abs(delta) / 2
    small = size * (size / np.where(large > 0, large, 1.0))
    up = np.asarray(delta) >= 0
    return np.where(up, large, small), np.where(up, small, large)


def delta_of_scale(tau, alpha):
    r"""The imbalance of weights of norm :math:`\tau / \alpha` and readouts :math:`\pm\alpha\tau`.

    :math:`\delta = \tau^2 (\alpha^2 - \alpha^{-2})` at equal rates: tau is the overall scale,
    alpha > 1 upstream. Figure 1 of the paper; its code calls the inverse alpha.

    Parameters
    ----------
    tau, alpha : array (...)
        Above 0.

    Returns
    -------
    array (...)

    Raises
    ------
    ValueError
        A scale is not above 0.

    Examples
    --------
    >>> float(delta_of_scale(2.0, 1.0)), float(delta_of_scale(2.0, np.sqrt(2.0)).round(12))
    (0.0, 6.0)
    """
    tau, alpha = np.asarray(tau, dtype=float), np.asarray(alpha, dtype=float)
    if not ((tau > 0).all() and (alpha > 0).all()):
        raise ValueError("tau or alpha is not above 0; pass scales")
    return tau**2 * (alpha - 1 / alpha) * (alpha + 1 / alpha)


def scale_of_delta(tau, delta):
    r"""The relative scale alpha that gives this imbalance at overall scale tau: the way back.

    :math:`\alpha^2 = (x + \sqrt{x^2 + 4}) / 2` with :math:`x = \delta / \tau^2`.

    Parameters
    ----------
    tau : array (...)
        Above 0.
    delta : array (...)

    Returns
    -------
    array (...)
        Above 0, 1 for delta = 0.

    Raises
    ------
    ValueError
        tau is not above 0.

    Examples
    --------
    >>> float(scale_of_delta(2.0, delta_of_scale(2.0, 0.3)).round(12))
    0.3
    """
    tau, delta = np.asarray(tau, dtype=float), np.asarray(delta, dtype=float)
    if not (tau > 0).all():
        raise ValueError("tau is not above 0; pass an overall scale")
    return np.sqrt(halves(delta / tau**2, 1.0)[0])
