"""Dictionaries learnt from samples: codes and atoms in turn, restarts chosen by the objective."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import activity, options
from ..engine import parallel
from ..kernels import sparse
from . import _fista
from .dictionary import Dictionary, need_dictionary

KEY = 61  # of the random streams of this file
ROUGH = 20, 1e-4  # steps of the codes in a round at most, and the relative gap that ends them
SETTLED = 5000, 1e-6  # the same of the codes by which restarts are compared


class Learned(NamedTuple):
    """The dictionary of the restart with the lowest objective, and all of them.

    dictionary : Dictionary
    objective : (restart,), mean over samples, with codes that are optimal
    dictionaries : of each restart
    n_rounds : int (restart,); one that took all that were allowed may not have settled
    n_used : int (restart,), atoms that some sample uses; the others are dead and mean nothing
    used : bool (restart, atom), which these are
    """

    dictionary: Dictionary
    objective: np.ndarray
    dictionaries: tuple[Dictionary, ...]
    n_rounds: np.ndarray
    n_used: np.ndarray
    used: np.ndarray


def learn_dictionary(
    x: Any,
    n_atoms: int,
    *,
    penalty: float,
    centre: Any = None,
    nonneg: bool = True,
    start: Dictionary | None = None,
    n_restarts: int = 5,
    n_rounds: int = 1000,
    tolerance: float = 1e-5,
    seed: int = 0,
    n_jobs: int = 1,
) -> Learned:
    r"""Which atoms make samples from the fewest and smallest codes?

    .. math:: \min_{D, s}\ \frac1n \sum_i \tfrac12 |x_i - s_i D|^2 + \lambda |s_i|_1,
              \qquad |d_j| = 1

    A round takes the codes 20 accelerated steps on from those of the round before, then fits each
    atom in turn to what the others leave. Neither raises the objective. Atoms start as samples; one
    that no sample uses becomes the sample that is reconstructed worst. The problem has local
    optima: of several restarts that with the lowest objective is taken, which needs no truth.

    Parameters
    ----------
    x : (sample, neuron), or an activity of one session
    n_atoms : int
    penalty : float
        Learning wants a larger one than inference: in the noise-free world of
        :func:`superposition` 0.02 finds the sources, at 0.0025 most restarts end in worse optima.
    centre : (neuron,), optional
        Subtracted from samples, kept in the dictionary; that of the start by default, or nothing.
    nonneg : bool
        Codes are 0 or more, so that an atom differs from its opposite.
    start : Dictionary, optional
        Where to begin instead of samples, in one run. Samples in an array are of its neurons.
    n_restarts : int
    n_rounds : int, the most of a restart
    tolerance : float
        A restart ends with a round that lowers its objective by no more than this share.
    seed, n_jobs : int
        Workers share out the restarts.

    Raises
    ------
    TypeError
        Samples or the centre are no real numbers; the start is no dictionary.
    ValueError
        There are fewer samples that are not 0 than atoms; the start has another number of atoms,
        other neurons or another centre; an option is out of its range.

    Source: Mairal et al. 2010, J Mach Learn Res 11:19, algorithm 2 (atoms).

    Examples
    --------
    >>> from neurogeom.features import superposition
    >>> world = superposition(300, n_sources=6, n_neurons=6, n_active=1, seed=0)
    >>> learned = learn_dictionary(world.x, 6, penalty=0.05, n_restarts=3)
    >>> round(world.dictionary.match(learned.dictionary, signed=True).value, 2)
    1.0
    """
    options.whole(1, n_atoms=n_atoms, n_restarts=n_restarts, n_rounds=n_rounds)
    options.whole(0, seed=seed)
    options.number(0, tolerance=tolerance)
    options.number(above=0, penalty=penalty)
    options.switch(nonneg=nonneg)
    neurons = None
    if isinstance(x, xr.DataArray):
        x = activity.validate(x)
        neurons, x = x.coords["unit_id"].values, x.values
    x = options.reals("activity", x)
    shape = x.shape
    if len(shape) != 2 or not shape[1]:
        raise ValueError(f"samples of shape {shape}: give (sample, neuron)")
    if start is not None:
        start, neurons, centre = _begun(start, (n_atoms, shape[1]), neurons, centre)
    x = Dictionary(np.ones((1, shape[1])), centre=centre).centred(x)
    some = np.flatnonzero(np.linalg.norm(x, axis=1) > 0)
    if len(some) < n_atoms:
        raise ValueError(
            f"{len(some)} samples that are not 0 cannot begin {n_atoms} atoms; give fewer atoms or "
            "more samples"
        )

    def run(restart):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, restart)))
        first = x[rng.choice(some, n_atoms, replace=False)] if start is None else start.atoms
        return _run(x, Dictionary(first).atoms, float(penalty), not nonneg, n_rounds, tolerance)

    def task(restarts):
        return tuple(np.array(part) for part in zip(*map(run, restarts), strict=True))

    n_runs = n_restarts if start is None else 1
    atoms, objective, rounds, used = parallel.over(task, n_runs, n_jobs=n_jobs, chunk=1)
    found = tuple(Dictionary(a, neurons=neurons, centre=centre) for a in atoms)
    n_used = used.sum(axis=1)
    return Learned(found[int(np.argmin(objective))], objective, found, rounds, n_used, used)


def _begun(start, shape, neurons, centre):
    """The start with its neurons in order, the labels, and the centre that is subtracted."""
    need_dictionary(start=start)
    start = start.ordered_as(neurons, "the activity")
    if start.atoms.shape != shape:
        raise ValueError(f"start has atoms of shape {start.atoms.shape}, not {shape}")
    if centre is None or not start.centre.any():
        centre = start.centre if centre is None else centre
    elif not np.array_equal(start.centre, options.reals("centre", centre)):
        raise ValueError("centre= and the centre of start differ; give one of them, or the same")
    return start, start.neurons if neurons is None else neurons, centre


def _run(x, atoms, penalty, signed, n_rounds, tolerance):
    """One restart: its atoms, mean objective, rounds and which atoms are used."""
    codes, before, done = np.zeros((len(x), len(atoms))), np.inf, 0
    how = {"signed": signed, "sets": _fista.many(len(atoms))}
    while done < n_rounds:
        done += 1
        solve = _fista.solver(atoms, penalty, *ROUGH, **how)
        now = _codes(x, solve, codes)
        if before - now <= tolerance * now:
            break
        before = now
        squared = codes.T @ codes
        sparse.update_atoms(atoms, squared, codes.T @ x)
        _revive(atoms, np.flatnonzero(np.diag(squared) <= 0), x, codes)
    solve = _fista.solver(atoms, penalty, *SETTLED, **how)
    return atoms, _codes(x, solve, codes), done, codes.any(axis=0)


def _codes(x, solve, codes):
    """Codes that were begun, taken on in place batch by batch; their mean objective."""
    total = 0.0
    for i in range(0, len(x), _fista.BATCH):
        part = slice(i, i + _fista.BATCH)
        found = solve(x[part], codes[part])
        codes[part] = found.codes
        total += found.objective.sum()
    return total / len(x)


def _revive(atoms, dead, x, codes):
    """Atoms that no sample uses become the samples that are reconstructed worst, in place."""
    if not dead.size:
        return
    residual = x - codes @ atoms
    worst = np.argsort(-np.einsum("ij,ij->i", residual, residual), kind="stable")[: dead.size]
    length = np.linalg.norm(x[worst], axis=1, keepdims=True)
    atoms[dead] = np.where(length > 0, x[worst] / np.where(length > 0, length, 1.0), atoms[dead])
