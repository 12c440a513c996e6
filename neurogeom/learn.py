"""The one training loop: several small networks as one tensor, stopped, kept, restarted exactly.

A module may hold several networks, whose parameters have a leading ``net`` axis; its losses are one
number a net, their sum is descended, and no net feels another. Networks and sparse dictionaries
learn by the same loop.
"""

from __future__ import annotations

import math
import time
import warnings
from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import checkpoints
from .options import is_number, is_whole
from .tensors import lazy_safetensors, plain

RATES = ("constant", "cosine", "one_cycle")
OPTIMIZERS = ("adam", "adamw", "sgd")
WARM = 0.3  # share of the steps in which a one-cycle rate rises


def lazy_torch():
    """Torch, or one sentence where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "networks need torch, which is not installed: pip install 'neurogeom[networks]'"
        ) from error
    return torch


def device_of(name: str | None) -> str:
    """The device asked for, or the best there is.

    Raises
    ------
    ValueError
        There is no such device here.
    """
    torch = lazy_torch()
    there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    try:
        torch.empty(0, device=name or there[-1])
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ValueError(f"device {name!r} is not here; choose from {there}") from error
    return str(name or there[-1])


@contextmanager
def one_thread():
    """Small networks: threads cost more than they give, and sums keep their order."""
    torch = lazy_torch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class Fit:
    """What a run of the loop leaves behind.

    history : {name: array (net, evaluation)}, NaN after a net stopped; at : steps of these
    kept : {step: state dict}; steps : steps each net was trained for
    stopped : why, one text a net; seconds : wall time
    """

    history: dict[str, np.ndarray]
    at: np.ndarray
    kept: dict[int, dict] = field(default_factory=dict)
    steps: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    stopped: list[str] = field(default_factory=list)
    seconds: float = 0.0


def fit(
    module,
    batch_at: Callable[[int], Any],
    loss: Callable,
    *,
    steps: int,
    lr: float = 1e-3,
    rate: str = "constant",
    optimizer: str = "adam",
    weight_decay: float = 0.0,
    clip: float | None = None,
    evaluate: Callable[[int], Mapping[str, np.ndarray]] | None = None,
    every: int = 100,
    stop: Callable[[Mapping[str, np.ndarray]], np.ndarray] | None = None,
    keep: Sequence[int] = (),
    checkpoint: str | Path | None = None,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[int, Mapping], None] | None = None,
) -> Fit:
    """Descend the losses of a module, which is changed in place.

    Parameters
    ----------
    module : torch module
        Trained where its parameters require a gradient. ``n_nets``, ``net_state(i)``,
        ``load_net_state(i, state)`` and ``clip_(norm)`` where it holds several networks.
    batch_at : callable(step) -> batch
        Depends on the step alone, so that a run goes on from a checkpoint as if never interrupted.
    loss : callable(module, batch) -> tensor (net,)
    steps : int
    lr, rate : float, {"constant", "cosine", "one_cycle"}
        A cosine falls from lr to 0; a one-cycle rate rises from lr/25 over the first 30 % and falls
        to lr/1e5 by cosines.
    optimizer : {"adam", "adamw", "sgd"}
    weight_decay : float
        Coupled, the gradient of ``weight_decay / 2 * |parameters|^2``; of "adamw" decoupled, every
        step takes lr times this share off the parameters.
    clip : float, optional
        Largest norm of the gradient of each net, above 0.
    evaluate, every, stop
        ``evaluate(step)`` gives one number a net and name, every so many steps and at the end;
        ``stop`` of these says which nets are done: their state is kept as it was then.
    keep : sequence of int
        Steps at which the state is kept, before the step is made; 0 is the start.
    checkpoint : path, optional
        Written at every evaluation; a run that finds it goes on from there.
    about : mapping, optional
        What must agree between a checkpoint and the run that goes on from it.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        An option is not possible, nothing can be trained, a checkpoint is of another run.
    OSError
        A checkpoint is damaged.

    Notes
    -----
    A loss that is not finite ends the run: the parameters go back to the last that gave a finite
    loss, and a warning says at which step and in which net. A net that is done no longer learns.
    """
    torch = lazy_torch()
    check(steps=steps, lr=lr, rate=rate, optimizer=optimizer, weight_decay=weight_decay, clip=clip,
          every=every, keep=keep)  # fmt: skip
    if checkpoint:
        lazy_safetensors()
    n_nets = int(getattr(module, "n_nets", 1))
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise ValueError("no parameter of this network can be trained; unfreeze one")
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    descent = kinds[optimizer](trained, lr=lr, weight_decay=weight_decay)
    good = [p.detach().clone() for p in trained]
    run = _Run(module, descent, n_nets, {0, *map(int, keep)} if len(keep) else set(), good)
    about = plain({**(about or {}), "steps": steps})
    first = checkpoints.resume(run, checkpoint, about, steps) if checkpoint else 0
    started = time.monotonic()
    for step in range(first, steps):
        run.keep(step)
        batch = batch_at(step)
        descent.zero_grad(set_to_none=True)
        each = loss(module, batch)
        total = (each[run.learning()] if run.done else each).sum()
        if not math.isfinite(float(total.detach())):
            run.diverged(~torch.isfinite(each.detach()).cpu().numpy(), "loss", step)
            break
        total.backward()
        if clip is not None:
            _clip(module, trained, clip)
        _copy(good, trained)
        for group in descent.param_groups:
            group["lr"] = lr * factor(rate, step, steps)
        descent.step()
        done = step + 1
        if done % every == 0 or done == steps:
            if (bad := run.broken()).any():
                run.diverged(bad, "state", done)
                break
            run.note(done, each, evaluate, stop)
            if progress is not None:
                progress(done, run.last)
            if checkpoint:
                checkpoints.save(run, checkpoint, about, done)
            if run.all_done:
                break
    run.finish(steps, evaluate)
    return Fit(
        history={k: np.array(v).T for k, v in run.history.items()},
        at=np.array(run.at, int),
        kept=run.kept,
        steps=run.steps,
        stopped=run.stopped,
        seconds=time.monotonic() - started,
    )


def factor(rate: str, step: int, steps: int) -> float:
    """The learning rate of a step as a share of the largest.

    Examples
    --------
    >>> [round(factor("one_cycle", s, 100), 2) for s in (0, 15, 30, 65, 99)]
    [0.04, 0.52, 1.0, 0.5, 0.0]
    """
    if rate == "constant":
        return 1.0
    if rate == "cosine":
        return (1 + math.cos(math.pi * step / steps)) / 2
    rise = max(1.0, WARM * steps)
    if step < rise:
        low, high, share = 1 / 25, 1.0, step / rise
    else:
        low, high, share = 1.0, 1e-5, (step - rise) / max(1.0, steps - rise)
    return low + (high - low) * (1 - math.cos(math.pi * share)) / 2


def check(*, steps, lr, rate, optimizer, weight_decay, clip, every, keep) -> None:
    """Refuse, in one sentence, what `fit` cannot do with these options."""
    if not (is_whole(steps, 0) and is_whole(every, 1)):
        raise ValueError(f"steps={steps!r}, every={every!r}: ask for 0 or more steps, evaluated "
                         "every 1 or more, whole numbers both")  # fmt: skip
    kept = [] if np.ndim(keep) != 1 else list(keep)
    if np.ndim(keep) != 1 or not all(is_whole(step, 0) and step <= steps for step in kept):
        raise ValueError(f"keep={keep!r}: choose steps from 0 to {steps}, the last, as a list")
    for name, value in {"lr": lr, "weight_decay": weight_decay}.items():
        if not is_number(value) or value < 0:
            raise ValueError(f"{name}={value!r}: give a finite number, 0 or more")
    if clip is not None and not (is_number(clip) and clip > 0):
        raise ValueError(f"clip={clip!r}: give a norm above 0, or None to leave gradients alone")
    if rate not in RATES:
        raise ValueError(f"rate={rate!r} is unknown; choose from {list(RATES)}")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer={optimizer!r} is unknown; choose from {list(OPTIMIZERS)}")


def _copy(into, values):
    torch = lazy_torch()
    with torch.no_grad():
        torch._foreach_copy_(into, values)


def _clip(module, trained, norm):
    if hasattr(module, "clip_"):
        module.clip_(norm)
    else:
        lazy_torch().nn.utils.clip_grad_norm_(trained, norm)


class _Run:
    """What is remembered while the loop goes on."""

    def __init__(self, module, descent, n_nets, keep, good):
        self.module, self.descent, self.n_nets, self.keep_at = module, descent, n_nets, keep
        self.good = good  # parameters that gave the last finite loss
        self.history: dict[str, list] = {}
        self.at: list[int] = []
        self.kept: dict[int, dict] = {}
        self.done: dict[int, dict] = {}  # net -> its state when it was done
        self.steps = np.zeros(n_nets, int)
        self.stopped = [""] * n_nets
        self.last: dict[str, np.ndarray] = {}

    @property
    def all_done(self):
        return len(self.done) == self.n_nets

    def learning(self):
        """The nets that are not done."""
        return [i for i in range(self.n_nets) if i not in self.done]

    def keep(self, step):
        if step in self.keep_at:
            self.kept[step] = self.whole()

    def whole(self):
        """The state of all nets, those that are done as they were then."""
        now = {i: self.net_state(i) for i in self.done}
        self.load(self.done)
        state = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
        self.load(now)
        return state

    def note(self, step, losses, evaluate, stop):
        found = {"loss": losses.detach().cpu().numpy().astype(float)}
        if evaluate is not None:
            found |= {k: np.asarray(v, float) for k, v in evaluate(step).items()}
        self.last = found
        past = list(self.done)
        for name, values in found.items():
            values = values.copy()
            values[past] = np.nan
            self.history.setdefault(name, []).append(values)
        self.at.append(step)
        self.steps[self.learning()] = step
        for i in np.flatnonzero(stop(found)) if stop is not None else ():
            if i not in self.done:
                self.done[int(i)] = self.net_state(int(i))
                self.stopped[i] = f"reached the goal by step {step}"

    def net_state(self, i):
        own = getattr(self.module, "net_state", None)
        if own is not None:
            return own(i)
        return {k: v.detach().clone() for k, v in self.module.state_dict().items()}

    def load(self, states):
        """Put states of single nets back, {net: state}."""
        for i, own in states.items():
            if hasattr(self.module, "load_net_state"):
                self.module.load_net_state(i, own)
            else:
                self.module.load_state_dict(own)

    def broken(self):
        """Which nets that are not done have a state that is not finite, (net,) bool."""
        found = np.zeros(self.n_nets, bool)
        for i in self.learning():
            found[i] = not all(v.isfinite().all() for v in self.net_state(i).values())
        return found

    def diverged(self, bad, what, step):
        """Back to the last good parameters, which step - 1 steps made."""
        net = next(i for i in self.learning() if bad[i])
        text = (
            f"the {what} of net {net} is not finite at step {step}; training stopped there and "
            "the last good state was kept: lower lr or clip the gradient"
        )
        warnings.warn(text, stacklevel=3)
        _copy([p for p in self.module.parameters() if p.requires_grad], self.good)
        if step:
            self.kept.pop(step, None)
        self.steps[self.learning()] = max(0, step - 1)
        for i in self.learning():
            self.stopped[i] = text
            for rows in self.history.values():  # a state that was evaluated and given up
                for at, row in zip(self.at, rows, strict=True):
                    row[i] = np.nan if at >= step else row[i]

    def finish(self, steps, evaluate):
        """Nets that are done as they were then; the end evaluated; what is still to keep."""
        self.load(self.done)
        learning = self.learning()
        reached = int(self.steps[learning].max()) if learning else 0
        if learning and reached not in self.at:
            self.insert(reached, evaluate(reached) if evaluate is not None else {})
        for i in range(self.n_nets):
            self.stopped[i] = self.stopped[i] or f"trained for {self.steps[i]} steps"
        for step in self.keep_at - set(self.kept):
            if not learning or step == reached == steps:
                self.kept[step] = self.whole()

    def insert(self, step, found):
        """An evaluation of the nets that learn, of a step for which no loss is known."""
        place = bisect(self.at, step)
        self.at.insert(place, step)
        for name in self.history or {"loss": 0, **found}:
            values = np.array(found.get(name, np.full(self.n_nets, np.nan)), float)
            values[list(self.done)] = np.nan
            self.history.setdefault(name, []).insert(place, values)
