r"""When can one pass of a linear map and a relu give sparse codes exactly?

Atoms d_k, more of them (N) than neurons (M); the encoder is relu(W x + c), with inner products
:math:`A_{jk} = \langle w_j, d_k\rangle`.

*Not once two atoms are active.* Let codes be exact for all x = a d_j + b d_k with (a, b) in some
open set of the positive quadrant, for each pair. Unit j gives a there, so that
:math:`a A_{jj} + b A_{jk} + c_j = a` on an open set: A_jj = 1, A_jk = 0, c_j = 0. For all pairs
A is the identity, of rank N; yet A = W D' has rank M at most. So with K >= 2 active atoms and M < N
such an encoder errs whatever its weights. Inference by iteration uses maps of rank M as well, and
escapes by iterating. (Theorem 3.1 of O'Neill, Gumran & Klindt 2024, arXiv:2411.13117, proved here
for codes by relu on open sets, where the argument is complete.)

*With one active atom, often.* Unit j must give a for a d_j and nothing for a d_k:
:math:`\langle w_j, d_j\rangle = 1`, :math:`\langle w_j, d_k\rangle \le 0`. By Farkas' lemma some
w_j does if and only if d_j is not in the cone of the other atoms; the part of d_j that the cone
does not reach, r, divided by its squared length is one.
"""

from __future__ import annotations

import numpy as np

from .dictionary import Dictionary, need_dictionary

REACHED = 1e-7  # of an atom's length: what of it is left counts as nothing


def exact_weights(dictionary: Dictionary) -> np.ndarray:
    """Weights with which relu(x W') gives every one-sparse non-negative code exactly.

    Returns
    -------
    (atom, neuron), NaN in the rows of atoms that lie in the cone of the others: for these there
    are none. Noise in x is multiplied by the length of a row.

    Raises
    ------
    TypeError
        That is no dictionary.

    Source: derived in the head of this module.

    Examples
    --------
    Atoms on a circle of a cone, each outside the cone of the rest; two at once are not encoded:

    >>> angle = 2 * np.pi * np.arange(5) / 5
    >>> d = Dictionary(np.column_stack([np.cos(angle), np.sin(angle), np.ones(5)]))
    >>> codes = np.maximum(d.atoms @ exact_weights(d).T, 0)
    >>> np.allclose(codes, np.eye(5))
    True
    >>> x = d.atoms[0] + d.atoms[2]
    >>> np.maximum(exact_weights(d) @ x, 0).round(2).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0]
    """
    from scipy.optimize import nnls

    need_dictionary(dictionary=dictionary)
    atoms = dictionary.atoms
    if len(atoms) == 1:  # of no atoms there is no cone
        return atoms.copy()
    weights = np.full_like(atoms, np.nan)
    for j, own in enumerate(atoms):
        others = np.delete(atoms, j, axis=0)
        left = own - nnls(others.T, own)[0] @ others
        if np.linalg.norm(left) > REACHED:
            weights[j] = left / (left @ left)
    return weights
