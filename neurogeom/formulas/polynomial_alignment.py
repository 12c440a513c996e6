r"""Which powers of its weights are the representations and gradients of a layer?

Where representations, gradients and weights of a linear layer :math:`h_b = W h_a` are not
proportional they may still be powers of one another (polynomial alignment, Ziyin et al.,
arXiv:2410.03006): with the moments of :mod:`.matrix_alignment`, :math:`H_a \propto Z_a^p` and
:math:`G_b \propto Z_b^q`, whence :math:`H_b \propto Z_b^{p+1}` and :math:`G_a \propto Z_a^{q+1}`.
Each relation of the canonical representation is a line in the plane of (p, q):
a-RWA p = 1, a-GWA q = 0, a-RGA p = q + 1, b-RWA p = 0, b-GWA q = 1, b-RGA q = p + 1. One of side a
and one of side b meet in a point, a phase; RWA, GWA and RGA of both sides are parallel, and hold
together only where all non-zero singular values of W are alike.
"""

from typing import NamedTuple

import numpy as np

__all__ = ["PHASES", "exponents", "phase"]

# The first six have one relation a side (the paper's). In the last two all three of one side meet:
# the two layers of a linear network with weight decay (derived here).
PHASES = {
    "b-RWA + a-GWA": (0, 0),
    "b-RWA + a-RGA": (0, -1),
    "b-GWA + a-RWA": (1, 1),
    "b-GWA + a-RGA": (2, 1),
    "b-RGA + a-RWA": (1, 2),
    "b-RGA + a-GWA": (-1, 0),
    "b-RGA + b-RWA + b-GWA": (0, 1),
    "a-RGA + a-RWA + a-GWA": (1, 0),
}
FLOOR = 1e-10  # moments below this share of the largest are no signal


class Exponents(NamedTuple):
    """Of p and q, in this order.

    estimate (2,); interval (2, 2), low and high; r2 (2,); scatter (2,), root mean squared residual
    of the logarithm; commutation (2,), :math:`|[M, Z]| / (|M| |Z|)`; n_directions (2,)
    """

    estimate: np.ndarray
    interval: np.ndarray
    r2: np.ndarray
    scatter: np.ndarray
    commutation: np.ndarray
    n_directions: np.ndarray


def exponents(W, H_a, G_b, *, tolerance=1e-2):
    r"""The two exponents of a layer: :math:`H_a \propto Z_a^p` and :math:`G_b \propto Z_b^q`.

    With :math:`W = \sum_i s_i u_i v_i^T` and :math:`z_i = s_i^2`, p is the slope of
    :math:`\log v_i^T H_a v_i` on :math:`\log z_i`, q that of :math:`\log u_i^T G_b u_i`. The
    exponents of :math:`H_b` and :math:`G_a` are p + 1 and q + 1 whatever the matrices, because
    :math:`u_i^T H_b u_i = z_i v_i^T H_a v_i`: they are no evidence (derived here), and a good fit
    of :math:`H_b` on :math:`Z_b` is none either. A high ``commutation`` says that the matrices do
    not share axes, so that a slope of diagonals is not an exponent.

    Parameters
    ----------
    W : array (n_b, n_a)
    H_a : array (n_a, n_a), or None; G_b : array (n_b, n_b), or None
        None where it is not known: NaN.
    tolerance : float
        Directions are used whose :math:`z_i` exceeds this share of the largest.

    Returns
    -------
    Exponents
        The interval is a jackknife over directions (95 %, t with two fewer degrees of freedom than
        directions; with normal scatter it covers 94 to 97 % at 6 to 30 directions). NaN with fewer
        than three directions, or where all :math:`z_i` are alike: a partial isometry fulfils all
        six relations and has no exponents. A trained layer need not have whole numbers.

    Examples
    --------
    >>> W = np.diag([1.0, 2.0, 3.0, 4.0])
    >>> Z = W @ W.T
    >>> exponents(W, Z @ Z, Z).estimate.round(9).tolist()
    [2.0, 1.0]
    """
    W = np.asarray(W, dtype=float)
    found = [np.full(2, np.nan) for _ in range(4)]
    estimate, r2, scatter, commutation = found
    interval, n_directions = np.full((2, 2), np.nan), np.zeros(2, int)
    if np.isfinite(W).all() and np.abs(W).max(initial=0) > 0:
        W = W / np.abs(W).max()
        U, s, Vt = np.linalg.svd(W, full_matrices=False)
        sides = ((H_a, Vt.T, W.T @ W), (G_b, U, W @ W.T))
        for i, (M, axes, Z) in enumerate(sides):
            if M is None or not np.isfinite(M).all() or not np.abs(M).max() > 0:
                continue
            M = np.asarray(M, dtype=float) / np.abs(M).max()
            along = np.einsum("ki,kl,li->i", axes, M, axes, optimize=True)
            used = (s**2 > tolerance * s[0] ** 2) & (along > FLOOR * along.max())
            n_directions[i] = used.sum()
            commutation[i] = _norm(M @ Z - Z @ M) / (_norm(M) * _norm(Z))
            line = _line(2 * np.log(s[used]), np.log(along[used]))
            estimate[i], interval[i], r2[i], scatter[i] = line
    return Exponents(estimate, interval, r2, scatter, commutation, n_directions)


def phase(p, q, *, tolerance=0.25):
    """The relations that meet at these exponents, or "none" where neither is within the tolerance.

    Examples
    --------
    >>> phase(0.1, -0.1), phase(0.5, 0.5)
    ('b-RWA + a-GWA', 'none')
    """
    for name, (at_p, at_q) in PHASES.items():
        if max(abs(p - at_p), abs(q - at_q)) <= tolerance:
            return name
    return "none"


def _norm(A):
    return np.sqrt(np.sum(A * A))


def _line(x, y):
    """Slope of y on x, its jackknife interval, r2, and the scatter about the line."""
    from scipy.special import stdtrit

    k = len(x)
    if k < 3 or np.ptp(x) < 1e-9:
        return np.nan, np.full(2, np.nan), np.nan, np.nan
    x, y = x - x.mean(), y - y.mean()
    xx, xy = x @ x, x @ y
    slope = xy / xx
    residual = y - slope * x
    total = y @ y
    r2 = 1 - residual @ residual / total if total > 1e-18 * k else np.nan
    share = k / (k - 1)
    left = xx - share * x**2  # sums of squares without each direction
    interval = np.full(2, np.nan)
    if left.min() > 1e-9 * xx:
        without = (xy - share * x * y) / left
        error = np.sqrt((k - 1) / k * np.sum((without - without.mean()) ** 2))
        interval = slope + stdtrit(k - 2, 0.975) * error * np.array([-1.0, 1.0])
    return slope, interval, r2, np.sqrt(residual @ residual / k)
