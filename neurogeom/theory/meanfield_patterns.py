r"""The best unit to add, exactly: every pattern of active stimuli is looked at.

For homogeneous units the energy ratio is :math:`\rho(a) = |Z^\top D B a|^2 / |a|^2` with D the
slopes of the pattern that :math:`h = B a` has. In the closed cone of a pattern, :math:`s_\mu h_\mu
\ge 0`, its maximum lies inside a face, where it is a local maximum of a quadratic form on a sphere,
and so a top eigenvector of the form on the face's span. Hence branch and bound: a cone whose top
eigenvalue is no better than what is known is left; one that holds its top eigenvector is done; of
others all facets are looked at, :math:`h_\mu = 0`. Where the top eigenvalue is degenerate the
facets hold the maximum too, as the cones are pointed. Derived here.

With G the augmented input kernel less what the stimuli with h = 0 explain of it, the form on the
face is :math:`Z^\top D G D Z` in the space of the targets.
"""

from __future__ import annotations

from math import comb

import numpy as np

__all__ = ["enumerable", "largest_ratio", "patterns"]

TOLERANCE = 1e-9
FEW_STIMULI, LOW_RANK, MOST_RAYS = 12, 4, 20_000
CHUNK = 4096


def enumerable(basis) -> bool:
    """Whether all patterns can be looked at in half a minute or so.

    Up to 12 stimuli, or rank 4 with up to 50 stimuli, rank 3 with up to 200.

    Examples
    --------
    >>> enumerable(np.eye(12)), enumerable(np.eye(13)), enumerable(np.ones((50, 4)))
    (True, False, True)
    """
    n, rank = basis.shape
    return n <= FEW_STIMULI or (rank <= LOW_RANK and comb(n, rank - 1) <= MOST_RAYS)


def largest_ratio(basis, residual, slopes, *, above=0.0):
    """The largest |residual' phi(h)|^2 / |a|^2 over all h = basis @ a.

    Parameters
    ----------
    basis : array (stimulus, rank), of full column rank
    residual : array (stimulus, target)
    slopes : (float, float), of the unit above and below 0
    above : float
        A value that some unit is known to have.

    Returns
    -------
    value : float
        No unit surpasses it by more than 1e-9 of it.
    h : array (stimulus,), or None where none is better than ``above``
    """
    few = len(basis) <= FEW_STIMULI
    nodes = _all_signs(len(basis)) if few else patterns(basis)
    best, found = above, None
    while len(nodes):
        open_nodes = []
        for zero, group in _by_zeros(nodes):
            left = without(basis, zero)
            for part in np.array_split(group, -(-len(group) // CHUNK)):
                value, h, simple = tops(left, residual, part, slopes)
                hopeful = value > best * (1 + TOLERANCE)
                inside = hopeful & holds(part, h)
                if inside.any():
                    i = np.flatnonzero(inside)[np.argmax(value[inside])]
                    best, found = float(value[i]), h[i]
                open_nodes.append(part[hopeful & ~(inside & simple)])
        nodes = _facets(np.concatenate(open_nodes))
        if len(nodes) and not few:  # most facets are empty, and there would be no end of them
            nodes = _there(basis, nodes)
    return best, found


def patterns(basis):
    """Signs of h in every cell of the arrangement of planes h = 0, int8 (pattern, stimulus).

    Each cell has a facet, which is a cell of the arrangement within one of the planes: so they are
    found by going down in dimension.

    Examples
    --------
    >>> len(patterns(np.eye(3))), len(patterns(np.random.default_rng(0).normal(size=(6, 3))))
    (8, 32)
    """
    n, rank = basis.shape
    size = np.linalg.norm(basis, axis=1)
    scale = max(size.max(), 1e-300)
    rows = np.where(size[:, None] > 1e-9 * scale, basis / np.where(size > 0, size, 1)[:, None], 0)
    if rank == 1:
        return np.sign(np.stack([rows[:, 0], -rows[:, 0]])).astype(np.int8)
    if rank == 2:
        return _in_the_plane(rows)
    found, done = [], np.abs(rows).max(axis=1) == 0
    for i in range(n):
        if done[i]:
            continue
        cosine = rows @ rows[i]
        parallel = np.abs(cosine) > 1 - 1e-12
        done |= parallel
        within = rows @ _complement(rows[i])
        within[parallel] = 0.0
        facet = patterns(within)
        for side in (1, -1):
            cell = facet.copy()
            cell[:, parallel] = side * np.sign(cosine[parallel])
            found.append(cell)
    return _each_once(np.concatenate(found))


def _in_the_plane(rows):
    angle = np.arctan2(rows[:, 1], rows[:, 0])[np.abs(rows).max(axis=1) > 0] + np.pi / 2
    edge = np.unique((angle % np.pi).round(10))
    middle = (edge + np.append(edge[1:], edge[0] + np.pi)) / 2
    h = rows @ np.stack([np.cos(middle), np.sin(middle)])
    return np.sign(np.concatenate([h.T, -h.T])).astype(np.int8)


def _complement(direction):
    """Orthonormal columns orthogonal to a unit vector."""
    return np.linalg.svd(direction[None])[2][1:].T


def _all_signs(n):
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return (2 * bits - 1).astype(np.int8)


def _by_zeros(nodes):
    """Groups of sign vectors that vanish on the same stimuli."""
    packed = np.packbits(nodes == 0, axis=1)
    _, where = np.unique(_bytes(packed), return_inverse=True)
    order = np.argsort(where, kind="stable")
    for group in np.split(nodes[order], np.flatnonzero(np.diff(where[order])) + 1):
        yield group[0] == 0, group


def without(basis, zero):
    """Gram of the stimuli on the flat where the unit is silent on some of them."""
    if not zero.any():
        return basis @ basis.T
    _, size, v = np.linalg.svd(basis[zero], full_matrices=False)
    v = v[size > 1e-9 * np.abs(basis).max()]
    flat = basis - (basis @ v.T) @ v
    flat[zero] = 0.0
    flat[np.abs(flat).max(axis=1) <= 1e-9 * np.abs(basis).max()] = 0.0
    return flat @ flat.T


def tops(gram, residual, signs, slopes):
    """Top eigenvalue on each face, the unit that has it, and whether it is the only one."""
    slope = np.select([signs > 0, signs < 0], slopes, 0.0)
    seen = slope[:, :, None] * residual
    size, c = np.linalg.eigh(np.swapaxes(seen, 1, 2) @ (gram @ seen))
    h = (gram @ (seen @ c[:, :, -1:]))[:, :, 0]
    simple = np.ones(len(size), dtype=bool)
    if size.shape[1] > 1:
        simple = size[:, -1] - size[:, -2] > TOLERANCE * size[:, -1]
    return size[:, -1], h, simple


def holds(signs, h):
    """Whether h or -h lies in the closed cone; where it is -h, h is turned in place."""
    margin = 1e-9 * np.abs(h).max(axis=1, keepdims=True)
    turned = np.all(-signs * h >= -margin, axis=1)
    h[turned] *= -1
    return np.all(signs * h >= -margin, axis=1)


def _facets(nodes):
    """Each sign vector with one more stimulus set to 0, each once."""
    rows, columns = np.nonzero(nodes)
    smaller = nodes[rows]
    smaller[np.arange(len(rows)), columns] = 0
    return _each_once(smaller)


def _there(basis, nodes):
    """Of sign vectors those that some unit has, with all the stimuli at 0 that it then has."""
    kept = [nodes[:0]]
    for zero, group in _by_zeros(nodes):
        _, size, v = np.linalg.svd(basis[zero])
        within = basis @ v[np.count_nonzero(size > 1e-9 * np.abs(basis).max()) :].T
        if within.shape[1]:
            group[:, np.abs(within).max(axis=1) <= 1e-9 * np.abs(basis).max()] = 0
            kept.append(group[np.isin(_bytes(group), _bytes(patterns(within)))])
    return _each_once(np.concatenate(kept))


def _each_once(rows):
    """Unique rows of int8, compared as bytes: a hundred times faster than by columns."""
    _, first = np.unique(_bytes(rows), return_index=True)
    return rows[first]


def _bytes(rows):
    rows = np.ascontiguousarray(rows)
    return rows.view(f"V{rows.shape[1]}")[:, 0]
