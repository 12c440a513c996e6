"""What a network's outputs are worth: losses in training, accuracy after it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .task import Task, Trials


def loss_of(kind: str):
    """callable(module, (inputs, targets, mask)) -> losses (net,), means weighted by the mask."""
    from ..learn import lazy_torch

    functional = lazy_torch().nn.functional

    def bce(outputs, targets):
        return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")

    def ce(outputs, targets):
        return -targets * functional.log_softmax(outputs, dim=-1) * targets.shape[-1]

    def mse(outputs, targets):
        return (outputs - targets) ** 2

    each = {"bce": bce, "ce": ce, "mse": mse}[kind]

    def loss(module, batch):
        inputs, targets, mask = batch
        wrong = each(module(inputs), targets) * mask
        return wrong.flatten(1).sum(1) / mask.flatten(1).sum(1).clamp(min=1e-12)

    return loss


def answers(outputs: np.ndarray, trials: Trials) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was answered, what was wanted, and which answers were asked for.

    outputs : (net, trial, step, output), or (net, sequence, steps, output) of a sequence
    returns : answer (net, trial, output), the mean output over the steps at which it is judged;
    target (trial, output) likewise; asked (trial, output) bool
    """
    shape = (trials.n_trials, -1)
    decided = trials.decided.reshape(shape)
    asked = (trials.mask.reshape(*shape, trials.mask.shape[-1]) > 0) & decided[..., None]
    found = outputs.reshape(len(outputs), *shape, outputs.shape[-1])
    wanted = trials.targets.reshape(*shape, trials.targets.shape[-1])
    steps = asked.sum(axis=1)
    weight = asked / np.maximum(steps, 1)[:, None]
    answer = np.einsum("ntko,tko->nto", found, weight)
    return answer, np.einsum("tko,tko->to", wanted, weight), steps > 0


def correct(task: Task, outputs: np.ndarray, trials: Trials) -> np.ndarray:
    """Which answers were right: (net, trial, output) of {0, 1}, NaN where none was asked.

    Right is on the target's side (bce), the likeliest class (ce; the same for all outputs), within
    a tenth of the targets' range (mse).
    """
    answer, target, asked = answers(outputs, trials)
    if task.loss == "bce":
        right = (answer > 0) == (target > 0.5)
    elif task.loss == "ce":
        same = answer.argmax(axis=-1) == target.argmax(axis=-1)
        right = np.broadcast_to(same[..., None], answer.shape)
    else:
        known = target[asked]
        right = np.abs(answer - target) <= 0.1 * (np.ptp(known) if known.size else 0.0)
    return np.where(asked, right, np.nan)


def by_output(task: Task, outputs: np.ndarray, trials: Trials) -> np.ndarray:
    """Share of right answers: (net, named output), NaN where none was asked."""
    right = correct(task, outputs, trials)
    edges = np.cumsum([0, *task.outputs.values()])
    shares = [mean_of_known(right[..., a:b], axis=(1, 2)) for a, b in pairwise(edges)]
    return np.stack(shares, axis=1)


def mean_of_known(values: np.ndarray, axis) -> np.ndarray:
    """Mean over what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
