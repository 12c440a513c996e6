"""Checkpoints of the training loop: what a run needs to go on as if it had never stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .tensors import by_number, damaged, load_tensors, part, save_tensors, tensor_files

_SHOWN = 60  # characters of a long difference
FINISHED = 10**12  # steps, more than there are: nothing is left to do


def save(run, path: str | Path, about: Mapping[str, Any], step: int) -> None:
    """Write all of a run after so many steps.

    run : of :func:`neurogeom.learn.fit`; about : what must agree when a run goes on from it
    """
    tensors = {f"module/{k}": v for k, v in run.module.state_dict().items()}
    slots = run.descent.state_dict()["state"]
    for index, slot in slots.items():
        tensors |= {f"optimizer/{index}/{k}": v for k, v in slot.items()}
    for at, state in run.kept.items():
        tensors |= {f"kept/{at}/{k}": v for k, v in state.items()}
    for i, own in run.done.items():
        tensors |= {f"done/{i}/{k}": v for k, v in own.items()}
    tensors |= {f"good/{i}": v for i, v in enumerate(run.good)}
    notes = {
        "about": about,
        "step": step,
        "at": run.at,
        "history": {k: np.array(v).tolist() for k, v in run.history.items()},
        "steps": run.steps.tolist(),
        "stopped": run.stopped,
    }
    save_tensors(path, tensors, notes, overwrite=True)


def resume(run, path: str | Path, about: Mapping[str, Any], steps: int) -> int:
    """Bring a run to where a checkpoint is; the step to go on with, 0 where there is none.

    Raises
    ------
    ValueError
        It is of another run.
    OSError
        It is damaged.
    """
    file, text = tensor_files(path)
    if not file.exists():
        return 0
    tensors, notes = load_tensors(path)
    with damaged(text):
        found = dict(notes["about"])
    if found != about:
        raise ValueError(
            f"checkpoint {file} is of another run ({_difference(found, about)}); "
            "repeat that run, name another file, or delete it"
        )
    try:
        run.module.load_state_dict(part(tensors, "module"))
    except RuntimeError as error:
        raise ValueError(
            f"checkpoint {file} holds other networks; repeat that run, name another file, or "
            "delete it"
        ) from error
    with damaged(text):
        _check(notes, run.n_nets, steps)
        good = part(tensors, "good")
        for own, value in zip(run.good, (good[str(i)] for i in range(len(good))), strict=True):
            own.copy_(value)
        slots = by_number(part(tensors, "optimizer"))
        run.descent.load_state_dict({**run.descent.state_dict(), "state": slots})
        run.kept = by_number(part(tensors, "kept"))
        run.done = by_number(part(tensors, "done"))
        run.at = list(notes["at"])
        run.history = {
            k: [np.array(v, float) for v in rows] for k, rows in notes["history"].items()
        }
        run.steps, run.stopped = np.array(notes["steps"], int), list(notes["stopped"])
    return FINISHED if run.all_done else notes["step"]


def _check(notes, n_nets, steps):
    """Refuse notes that no run can have written: resumed, they would end or go wrong silently."""
    at, step = notes["at"], notes["step"]
    counts = [step, *at, *notes["steps"]]
    if not all(type(n) is int and 0 <= n <= steps for n in counts):
        raise ValueError(f"its steps are no whole numbers from 0 to {steps}")
    if at != sorted(set(at)) or at[-1:] != [step]:
        raise ValueError(f"step {step} is not the last of its evaluations")
    if len(notes["steps"]) != n_nets or [type(text) for text in notes["stopped"]] != [str] * n_nets:
        raise ValueError(f"it does not say of {n_nets} nets where they stopped")
    for name, rows in {"loss": (), **notes["history"]}.items():
        if np.shape(np.array(rows, float)) != (len(at), n_nets):
            raise ValueError(f"its history of {name!r} is not one number an evaluation and net")


def _difference(found, wanted):
    key = next(k for k in sorted(set(found) | set(wanted)) if found.get(k) != wanted.get(k))
    pair = [v if isinstance(v, str) else repr(v) for v in (found.get(key), wanted.get(key))]
    there, here = _apart(*pair)
    return f"{key}: {there} there, {here} here"


def _apart(a, b):
    """Two texts from shortly before they differ, where they are long."""
    if max(len(a), len(b)) <= _SHOWN:
        return a, b
    same = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    start = max(0, same - _SHOWN // 3)
    cut = [("..." if start else "") + text[start : start + _SHOWN] for text in (a, b)]
    return tuple(c + ("..." if len(t) > start + _SHOWN else "") for c, t in zip(cut, (a, b),
                 strict=True))  # fmt: skip
