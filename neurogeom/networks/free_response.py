"""Evidence accumulated to a bound, answered when the bound is reached (Vafidis et al. 2025)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..options import number, whole
from .evidence import normals
from .task import Drive, Period, Target, Task, Trials, place


@dataclass(frozen=True)
class FreeResponse(Task):
    """Targets are the running sums of what each trial really showed, absorbed at the bound."""

    normals: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    bound: float = 5.0

    def trials(self, columns, rng, *, longest=False) -> Trials:
        """Trials whose targets follow from their own noisy evidence."""
        found = super().trials(columns, rng, longest=longest)
        evidence = found.inputs[..., place(self.inputs, "evidence")]
        targets = absorbed(np.cumsum(evidence @ self.normals.T, axis=1), self.bound)
        return Trials(
            found.inputs, targets.astype(np.float32), found.mask, found.conditions, found.decided
        )


def free_response(
    *, n_latents: int = 2, n_tasks: int = 12, noise: float = 0.2, bound: float = 5.0,
    steps: int = 40, boundaries_seed: int = 0,
) -> Task:  # fmt: skip
    r"""How much evidence is there so far for each of N judgements, up to a bound?

    As :func:`neurogeom.networks.evidence.evidence`, without a fixation cue: output i follows
    :math:`\sum_{s \le t} c_i \cdot X(s)` and stays where it first reaches plus or minus the bound,
    which is the answer (:func:`reaction_times`).

    Source: Vafidis, Bhargava & Rangel, ICLR 2025, arXiv:2407.11249 (free reaction times).

    Examples
    --------
    >>> trials = free_response(n_tasks=3, bound=1.0).enumerate(2)
    >>> trials.targets.shape, float(abs(trials.targets).max())
    ((8, 40, 3), 1.0)
    """
    whole(1, n_latents=n_latents, n_tasks=n_tasks, steps=steps)
    whole(0, boundaries_seed=boundaries_seed)
    number(0, noise=noise)
    number(above=0, bound=bound)
    names = [f"x_{i + 1}" for i in range(n_latents)]
    kind = "even" if n_latents == 2 else "random"
    return FreeResponse(
        name="free-response",
        summary="evidence accumulated to a bound",
        periods=(Period("evidence", 100 * steps),),
        inputs={"evidence": n_latents},
        outputs={"accumulated": n_tasks},
        factors={f"sign_{i + 1}": (-1, 1) for i in range(n_latents)},
        drives=(
            Drive(
                "evidence", ("evidence",), lambda c: np.stack([c[n] for n in names], axis=1), noise
            ),
        ),
        targets=(Target("accumulated", ("evidence",), 0.0),),
        loss="mse",
        derive=lambda c: {f"sign_{i + 1}": np.where(c[n] > 0, 1, -1) for i, n in enumerate(names)},
        latents=lambda rng, n: dict(zip(names, rng.random((n_latents, n)) - 0.5, strict=True)),
        align="evidence",
        normals=normals(kind, n_latents, n_tasks, boundaries_seed),
        bound=float(bound),
    )


def absorbed(sums: np.ndarray, bound: float) -> np.ndarray:
    """Running sums (trial, step, task), each held at the bound from when it first reaches it.

    Examples
    --------
    >>> absorbed(np.array([[[0.5], [1.2], [0.1]]]), 1.0)[0, :, 0].tolist()
    [0.5, 1.0, 1.0]
    """
    reached = np.abs(sums) >= bound
    first = np.where(reached.any(axis=1), reached.argmax(axis=1), sums.shape[1])
    held = np.arange(sums.shape[1])[:, None] >= first[:, None, :]
    at = np.take_along_axis(sums, np.minimum(first, sums.shape[1] - 1)[:, None, :], axis=1)
    return np.where(held, np.sign(at) * bound, sums)


def reaction_times(outputs: np.ndarray, bound: float, *, dt: float = 0.1, share: float = 0.9):
    """When does each output first come within a share of its bound?

    Parameters
    ----------
    outputs : array (..., step, task)
    bound : float
    dt : float
        Seconds a step.
    share : float
        Of the bound, that counts as reached.

    Returns
    -------
    array (..., task) of seconds; NaN where the bound is not reached.

    Examples
    --------
    >>> reaction_times(np.array([[0.1], [0.95], [1.0]]), 1.0).round(2).tolist()
    [0.2]
    """
    reached = np.abs(outputs) >= share * bound
    return np.where(reached.any(axis=-2), (reached.argmax(axis=-2) + 1) * dt, np.nan)
