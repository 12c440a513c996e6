"""Training: a task and an architecture in, as many trained networks as seeds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from .. import learn
from .._version import __version__
from ..options import is_number, is_whole
from ..tensors import plain
from . import own, work
from .architectures import Architecture, architecture, generator
from .registry import make_task
from .task import Task
from .trained import Trained

SCHEDULES = ("together", "interleaved", "blocked", "single_label")
KEY = 43  # of random streams: batches of one seed, test trials of all
N_TEST = 512


def train(
    task: Task | str,
    network: str | Architecture | Callable = "gru",
    *,
    seeds: int | Sequence[int] = 5,
    steps: int = 2000,
    batch: int = 64,
    lr: float = 3e-3,
    rate: str = "one_cycle",
    optimizer: str = "adam",
    clip: float | None = 1.0,
    weight_decay: float = 0.0,
    schedule: str = "together",
    samples: int | None = None,
    shuffled: bool = False,
    until: float | None = None,
    every: int = 100,
    keep: Sequence[int] = (),
    device: str | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable | None = None,
) -> Trained:
    r"""Train networks on a task, several seeds as one.

    Minimises, for each net by itself, the mean loss over the outputs and steps that the task asks
    for, :math:`\sum m\,\ell(y, \hat y) / \sum m` with its mask m.

    Parameters
    ----------
    task : Task or str
        :func:`neurogeom.networks.make_task`, or your own; a name is made with its usual options.
    network : str, Architecture, or callable(seed) -> torch module
        "mlp", "rnn", "gru", "lstm", "transformer", "conv"; one of these with settings
        (``RNN(hidden=128, activation="tanh")``); or what makes your own module of (trial, step,
        channel) to (trial, step, output).
    seeds : int or sequence of int
        How many nets, or their seeds, each another. A seed fixes the first weights, the trials and
        the private noise of its net, whatever nets are trained beside it (to rounding).
    steps, batch : int
        Updates, and trials (or sequences of trials) of each.
    lr, rate, optimizer, clip, weight_decay
        :func:`neurogeom.learn.fit`.
    schedule : {"together", "interleaved", "blocked", "single_label"}
        Which outputs are taught: all; one a step, at random; one after another; one a trial.
    samples : int, optional
        A fixed training set of so many trials, gone through in random order; by default every step
        has fresh trials.
    shuffled : bool
        Targets change places among the trials of a batch: a control that has nothing to learn.
    until : float, optional
        Training of a net stops at an evaluation with this accuracy on fresh trials.
    every : int
        Steps between evaluations.
    keep : sequence of int
        Steps at which the networks are kept (``trained.at(step)``); step 0 is added.
    device : str, optional
        A GPU where there is one. On the CPU one thread is used.
    checkpoint : path, optional
        Written at evaluations; a run that is called again goes on from it, and ends as if it had
        not been interrupted, bit for bit. That it is the same run is told by all options, of your
        own task by its fields and the trials that it makes, of your own module by what it prints as
        and by its parameters: what its ``forward`` does is not seen.
    progress : callable(step, {name: (net,)}), optional

    Returns
    -------
    Trained
        ``networks`` (a torch module), ``history`` (Dataset: ``loss``, ``accuracy`` (net, step),
        ``output_accuracy``), ``record``, ``at``, ``save``.

    Raises
    ------
    ValueError
        An option is not possible; the network does not fit the task, or the device is not here;
        the checkpoint is of another run.
    OSError
        The checkpoint is damaged.
    ImportError
        torch, or safetensors for a checkpoint, is not installed.

    Warns
    -----
    UserWarning
        A loss that is not finite ended the run; the last good state was kept.

    Examples
    --------
    >>> from neurogeom import networks
    >>> task = networks.make_task("stay-shift")
    >>> trained = networks.train(task, "gru", seeds=2, steps=4, batch=8, every=2)
    >>> trained.history.accuracy.dims, trained.networks.n_nets
    (('net', 'step'), 2)
    """
    learn.lazy_torch()
    task = make_task(task) if isinstance(task, str) else task
    seeds = seeds_of(seeds)
    learn.check(steps=steps, lr=lr, rate=rate, optimizer=optimizer, weight_decay=weight_decay,
                clip=clip, every=every, keep=keep)  # fmt: skip
    _check(task, batch, schedule, samples, shuffled, until)
    device = learn.device_of(device)
    module = build(task, network, seeds).to(device)
    teacher = _Teacher(task, seeds, batch, steps, schedule, samples, shuffled, device, module)
    if callable(network):
        own.check(module, task, teacher.test)
    settings = plain({
        "network": _described(network),
        "task": _task_name(task),
        "seeds": seeds,
        **{"steps": steps, "batch": batch, "lr": lr, "rate": rate, "optimizer": optimizer},
        **{"clip": clip, "weight_decay": weight_decay, "schedule": schedule, "samples": samples},
        **{"shuffled": shuffled, "until": until, "every": every, "keep": sorted(map(int, keep))},
    })  # fmt: skip
    about = {**settings, **(own.about_task(task, teacher.test) if task.made_by is None else {})}
    about |= {"module": own.text(module)} if callable(network) else {}
    with learn.one_thread():
        found = learn.fit(
            module,
            teacher.batch_at,
            work.loss_of(task.loss),
            steps=steps,
            lr=lr,
            rate=rate,
            optimizer=optimizer,
            weight_decay=weight_decay,
            clip=clip,
            evaluate=teacher.evaluate,
            every=every,
            stop=None if until is None else lambda seen: seen["accuracy"] >= until,
            keep=keep,
            checkpoint=checkpoint,
            about=about,
            progress=progress,
        )
    set_noise(module, None)
    return Trained(
        networks=module.to("cpu"),
        task=task,
        history=_history(found, task, seeds, settings),
        kept=found.kept,
        settings=settings,
    )


def seeds_of(given):
    """One seed a net: those asked for, or the first so many."""
    seeds = list(range(given)) if is_whole(given) else given
    each = list(seeds) if np.ndim(seeds) == 1 else []
    if not each or not all(map(is_whole, each)) or len(set(each)) < len(each):
        raise ValueError(
            f"seeds={given!r}: ask for so many nets, 1 or more, or name their seeds, whole numbers "
            "from 0, each another"
        )
    return [int(seed) for seed in each]


def _check(task, batch, schedule, samples, shuffled, until):
    if not isinstance(task, Task):
        raise ValueError(f"task={task!r} is no task; give what make_task makes, or its name")
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} is unknown; choose from {list(SCHEDULES)}")
    if schedule != "together" and task.loss == "ce":
        raise ValueError(f"outputs of task {task.name!r} are classes of one answer, so that they "
                         "are taught together; leave schedule out")  # fmt: skip
    if not is_whole(batch, 1):
        raise ValueError(f"batch={batch!r}: ask for 1 trial or more, a whole number")
    if samples is not None and not is_whole(samples, batch):
        raise ValueError(f"samples={samples!r} is less than a batch of {batch}, or no whole "
                         "number; ask for more")  # fmt: skip
    if not isinstance(shuffled, bool | np.bool_):
        raise ValueError(f"shuffled={shuffled!r}: give True or False")
    if until is not None and not (is_number(until) and 0 <= until <= 1):
        raise ValueError(f"until={until!r}: give an accuracy from 0 to 1, or None")


def build(task: Task, network: str | Architecture | Callable, seeds: Sequence[int]):
    """Untrained networks for a task: one torch module with a net a seed."""
    if callable(network):
        return own.build(network, seeds)
    return architecture(network).build(
        task.n_inputs, task.n_outputs, seeds=seeds, passing=task.passing
    )


def set_noise(module, seeds, step: int = 0) -> None:
    """Streams of private noise for one step, or silence."""
    if module.random:
        module.set_noise(None if seeds is None else [generator(s, 1, step) for s in seeds])


class _Teacher:
    """What each net sees at each step: a function of its seed and the step alone."""

    def __init__(self, task, seeds, batch, steps, schedule, samples, shuffled, device, module):
        self.task, self.seeds, self.batch, self.steps = task, seeds, batch, steps
        self.schedule, self.shuffled, self.device, self.module = schedule, shuffled, device, module
        self.test = task.sample(N_TEST // max(1, task.length), self._rng(0, 2))
        if schedule == "single_label" and not self.test.mask.any(axis=1).all():
            raise ValueError(
                f"task {task.name!r} leaves answers of its trials out, so that one label a trial "
                "would leave some with none; choose another schedule"
            )
        self.fixed, self.orders = None, {}  # net -> (epoch, order of its trials in it)
        if samples is not None:
            self.fixed = [task.sample(samples, self._rng(s, 1)) for s in seeds]

    def _rng(self, seed, *key):
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, *key)))

    def batch_at(self, step):
        """Inputs, targets and mask (net, trial, step, ...) as tensors."""
        torch = learn.lazy_torch()
        parts = [self._of_net(i, step) for i in range(len(self.seeds))]
        set_noise(self.module, self.seeds, step)
        self.module.train()
        stacked = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        return [torch.from_numpy(a).to(self.device) for a in stacked]

    def _of_net(self, i, step):
        rng = self._rng(self.seeds[i], 0, step)
        if self.fixed is None:
            trials = self.task.sample(self.batch, rng)
            found = trials.inputs, trials.targets, trials.mask
        else:
            whole, own = self.fixed[i], self._rows(i, step)
            found = whole.inputs[own], whole.targets[own], whole.mask[own]
        inputs, targets, mask = found
        if self.shuffled:
            order = rng.permutation(len(targets))
            targets, mask = targets[order], mask[order]
        return inputs, targets, self._taught(mask, step, rng)

    def _rows(self, i, step):
        """Trials of a fixed set: every epoch in another order, its last broken batch left out."""
        size = len(self.fixed[i].inputs)
        epoch, within = divmod(step, size // self.batch)
        if self.orders.get(i, (None,))[0] != epoch:
            self.orders[i] = epoch, self._rng(self.seeds[i], 3, epoch).permutation(size)
        return self.orders[i][1][within * self.batch : (within + 1) * self.batch]

    def _taught(self, mask, step, rng):
        if self.schedule == "together":
            return mask
        n = mask.shape[-1]
        if self.schedule == "interleaved":
            chosen = np.full(len(mask), rng.integers(n))
        elif self.schedule == "blocked":
            chosen = np.full(len(mask), min(n - 1, step * n // self.steps))
        else:
            chosen = rng.integers(n, size=len(mask))
        return mask * (np.arange(n) == chosen[:, None])[:, None, :].astype(np.float32)

    def evaluate(self, step):
        """Accuracy of every net on the same fresh trials, by output."""
        torch = learn.lazy_torch()
        set_noise(self.module, None)
        self.module.eval()
        with torch.inference_mode():
            inputs = torch.from_numpy(self.test.inputs).to(self.device)
            outputs = self.module(inputs).cpu().numpy()
        right = work.by_output(self.task, outputs, self.test)  # (net, output)
        names = [f"accuracy/{name}" for name in self.task.outputs]
        each = dict(zip(names, right.T, strict=True))
        return {"accuracy": work.mean_of_known(right, axis=1), **each}


def _history(found, task, seeds, settings):
    outputs = [k for k in found.history if k.startswith("accuracy/")]
    data = {k: (("net", "step"), v) for k, v in found.history.items() if "/" not in k}
    if outputs:
        stacked = np.stack([found.history[k] for k in outputs], axis=-1)
        data["output_accuracy"] = ("net", "step", "output"), stacked
    coords = {
        "net": list(range(len(seeds))),
        "seed": ("net", seeds),
        "step": found.at,
        "n_steps": ("net", found.steps),
        "stopped": ("net", found.stopped),
        **({"output": [k.removeprefix("accuracy/") for k in outputs]} if outputs else {}),
    }
    attrs = {**settings, "seconds": round(found.seconds, 2), "version": __version__}
    return xr.Dataset(data, coords, attrs)


def _described(network):
    if isinstance(network, str | Architecture):
        return architecture(network).to_json()
    return {"name": getattr(network, "__qualname__", type(network).__name__)}


def _task_name(task):
    return [task.made_by[0], dict(task.made_by[1])] if task.made_by else [task.name, None]
