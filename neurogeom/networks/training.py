"""Training: a task and an architecture in, as many trained networks as seeds out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from .. import learn
from .._version import __version__
from ..tensors import plain
from . import work
from .architectures import Architecture, architecture, generator
from .task import Task
from .trained import Trained

SCHEDULES = ("together", "interleaved", "blocked", "single_label")
KEY = 43  # of random streams: batches of one seed, test trials of all
N_TEST = 512


def train(
    task: Task,
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
    task : Task
        :func:`neurogeom.networks.make_task`, or your own.
    network : str, Architecture, or callable(seed) -> torch module
        "mlp", "rnn", "gru", "lstm", "transformer", "conv"; one of these with settings
        (``RNN(hidden=128, activation="tanh")``); or what makes your own module of (trial, step,
        channel) to (trial, step, output).
    seeds : int or sequence of int
        How many nets, or their seeds. A seed fixes the first weights, the trials and the private
        noise of its net, whatever nets are trained beside it (to rounding).
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
        not been interrupted, bit for bit.
    progress : callable(step, {name: (net,)}), optional

    Returns
    -------
    Trained
        ``networks`` (a torch module), ``history`` (Dataset: ``loss``, ``accuracy`` (net, step),
        ``output_accuracy``), ``record``, ``at``, ``save``.

    Raises
    ------
    ValueError
        An option is unknown; the checkpoint is of another run.
    ImportError
        torch is not installed.

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
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule={schedule!r} is unknown; choose from {list(SCHEDULES)}")
    seeds = list(range(seeds)) if np.ndim(seeds) == 0 else [int(s) for s in seeds]
    if not seeds or min(seeds) < 0 or batch < 1:
        raise ValueError(
            f"seeds={seeds}, batch={batch}: ask for one net and one trial at least, seeds from 0"
        )
    if schedule != "together" and task.loss == "ce":
        raise ValueError(f"outputs of task {task.name!r} are classes of one answer, so that they "
                         "are taught together; leave schedule out")  # fmt: skip
    device = learn.device_of(device)
    module = build(task, network, seeds).to(device)
    teacher = _Teacher(task, seeds, batch, steps, schedule, samples, shuffled, device, module)
    settings = plain({
        "network": _described(network),
        "task": _task_name(task),
        "seeds": seeds,
        **{"steps": steps, "batch": batch, "lr": lr, "rate": rate, "optimizer": optimizer},
        **{"clip": clip, "weight_decay": weight_decay, "schedule": schedule, "samples": samples},
        **{"shuffled": shuffled, "until": until, "every": every, "keep": sorted(map(int, keep))},
    })  # fmt: skip
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
            about=settings,
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


def build(task: Task, network: str | Architecture | Callable, seeds: Sequence[int]):
    """Untrained networks for a task: one torch module with a net a seed."""
    if callable(network):
        from .modules import Several

        torch = learn.lazy_torch()
        nets = []
        for seed in seeds:
            with torch.random.fork_rng(devices=[]):
                torch.default_generator.manual_seed(int(seed))  # and no other device's
                nets.append(network(int(seed)))
        return Several(nets)
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
        self.fixed, self.orders = None, {}  # net -> (epoch, order of its trials in it)
        if samples is not None:
            if samples < batch:
                raise ValueError(f"samples={samples} is less than a batch of {batch}; ask for more")
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
