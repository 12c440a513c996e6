"""Trained networks: what they learnt, how they got there, their activity, their files."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from .. import learn
from .._version import __version__
from ..activity import from_arrays
from ..options import is_whole
from ..tensors import by_number, damaged, load_tensors, part, save_tensors, tensor_files
from . import architectures, registry, work
from .architectures import generator
from .task import Task, Trials

_NOTES = {"architecture", "shape", "seeds", "task", "settings", "history"}  # what a file must say


@dataclass(frozen=True)
class Trained:
    """Networks of several seeds after (or at a step of) training.

    networks : torch module, (trial, step, channel) to (net, trial, step, output)
    task : Task; history : Dataset; kept : {step: state}; settings : of the training
    """

    networks: Any
    task: Task
    history: xr.Dataset
    kept: dict[int, dict]
    settings: dict

    @property
    def accuracy(self) -> np.ndarray:
        """The last accuracy of every net, (net,)."""
        seen = [row[np.isfinite(row)] for row in self.history["accuracy"].values]
        return np.array([row[-1] if len(row) else np.nan for row in seen])

    def at(self, step: int) -> Trained:
        """The networks as they were before this step of training; 0 is untrained.

        Raises
        ------
        KeyError
            That step was not kept.
        """
        if step not in self.kept:
            raise KeyError(
                f"step {step} was not kept, only {sorted(self.kept)}; train with keep=[{step}]"
            )
        import copy

        networks = copy.deepcopy(self.networks)
        networks.load_state_dict(self.kept[step])
        return replace(self, networks=networks, history=self.history.sel(step=slice(None, step)))

    def record(
        self,
        layer: str = "core",
        *,
        n_trials: int = 20,
        window: tuple[float, float] | str | None = None,
        correct_only: bool = False,
        trials: Trials | None = None,
        seed: int = 0,
        name: str | None = None,
    ) -> list[xr.DataArray]:
        """The activity of every net in all conditions of its task, as of a recording.

        Parameters
        ----------
        layer : str
            "core" (the last hidden layer), "encoder", "input", or any module of the network.
        n_trials : int
            A condition.
        window : (start, stop) in seconds from the task's event, a period's name, or None
            The mean over the steps within; None keeps the time dim.
        correct_only : bool
            Leave out (and count) trials that the net answered wrongly. Without it, columns say
            what each net answered: ``correct``, and ``answer`` (0 or 1, or the class) of a task
            that asks one thing.
        trials : Trials, optional
            These instead of fresh ones of the task.
        seed : int
            Of the trials; all nets see the same.
        name : str, optional
            Of the sessions, "NAME-0", ...; the task's name where none is given.

        Returns
        -------
        list of DataArray (trial, neuron[, time]), one a net, with the task's variables on trial.
        Networks with private noise have it here as in training.

        Raises
        ------
        ValueError
            No layer or period of that name; a window without a step.
        """
        from .record import record

        trials = self.task.enumerate(n_trials, seed=seed) if trials is None else trials
        parts = []  # what was answered in the very same pass
        hook = self.networks.register_forward_hook(lambda m, i, o: parts.append(o.cpu().numpy()))
        try:
            with self._noisy(seed), learn.one_thread():
                found = record(self.networks, trials.inputs, layer=layer)
        finally:
            hook.remove()
        found = found if isinstance(found, list) else [found]
        # of the inputs alone nothing is run
        outputs = np.concatenate(parts, axis=1) if parts else self.outputs(trials, seed=seed)
        said = self._said(trials, outputs)
        window = self.task.window(window) if isinstance(window, str) else window
        return [
            self._session(x, trials, i, layer, window, said[i], correct_only, name)
            for i, x in enumerate(found)
        ]

    def systems(self, *, wrong: Trained | None = None, **options) -> dict[str, list[xr.DataArray]]:
        """The trained networks and their controls, as :func:`neurogeom.compare` takes them.

        Parameters
        ----------
        wrong : Trained, optional
            Networks trained on the wrong task (:func:`neurogeom.networks.wrong_task`): recorded on
            the trials of this one.
        **options
            Of `record`: n_trials, window, layer, seed.

        Returns
        -------
        {"network", "wrong task", "untrained", "input": list of DataArray}; "untrained" where step 0
        was kept; the inputs, which are the same for all nets, once.
        """
        found = {"network": self.record(**options)}
        if wrong is not None:
            found["wrong task"] = replace(wrong, task=self.task).record(**options)
        plain = {k: v for k, v in options.items() if k != "correct_only"}
        if 0 in self.kept:
            found["untrained"] = self.at(0).record(**plain)
        found["input"] = self.record(**{**plain, "layer": "input"})[:1]
        return {
            name: [
                x.assign_coords(system=name, session=f"{x.session.item()}, {name}") for x in each
            ]
            for name, each in found.items()
        }

    def outputs(self, trials: Trials, *, seed: int = 0) -> np.ndarray:
        """What the networks answer: (net, trial, step, output); `seed` is of private noise."""
        torch = learn.lazy_torch()
        self.networks.eval()
        with torch.inference_mode(), learn.one_thread(), self._noisy(seed):
            return self.networks(torch.from_numpy(trials.inputs)).numpy()

    @contextmanager
    def _noisy(self, seed):
        """Private noise from streams of this seed."""
        noisy = hasattr(self.networks, "architecture") and self.networks.random
        if noisy:
            streams = [generator(s, 2, seed) for s in self.networks.seeds]
            self.networks.set_noise(streams)
        try:
            yield
        finally:
            if noisy:
                self.networks.set_noise(None)

    def _said(self, trials, outputs):
        """Columns of each net: whether all that was asked was right, and the one answer.

        None of trials that ask for other outputs than these networks have.
        """
        if outputs.shape[-1] != trials.targets.shape[-1]:
            return [{}] * len(outputs)
        right = work.correct(self.task, outputs, trials)
        asked = np.isfinite(right).any(axis=2)
        all_right = np.nan_to_num(right, nan=1.0).min(axis=2) > 0
        found = [
            {"correct": r if a.all() else np.where(a, r, np.nan)}
            for r, a in zip(all_right, asked, strict=True)
        ]
        answer, _, _ = work.answers(outputs, trials)
        if self.task.loss == "ce":
            answer = answer.argmax(axis=2)
        elif self.task.loss == "bce" and self.task.n_outputs == 1:
            answer = (answer[..., 0] > 0).astype(int)
        else:
            return found
        return [f | {"answer": a} for f, a in zip(found, answer, strict=True)]

    def _session(self, x, trials, i, layer, window, said, correct_only, name):
        values = x.values if "time" in x.dims else x.values[..., None]
        n, per = trials.n_trials, trials.per_sequence
        if per > 1:  # trials of a sequence follow one another in time
            sequences, units, steps = values.shape
            values = values.reshape(sequences, units, per, steps // per).transpose(0, 2, 1, 3)
            values = values.reshape(n, units, steps // per)
        time = self.task.time()
        columns = said | trials.conditions  # a task's own column of that name stands
        if per > 1:
            columns["block"] = np.repeat(np.arange(n // per), per)
        attrs = {"source": f"network trained on {self.task.name}", "align": self.task.align,
                 "layer": layer, "seed": int(self.settings["seeds"][i]),
                 "network": self.settings["network"]["name"]}  # fmt: skip
        if window is not None:
            inside = (time >= window[0]) & (time < window[1])
            if not inside.any():
                raise ValueError(
                    f"window {window} holds no step of task {self.task.name!r}, which goes from "
                    f"{time[0]:.2f} to {time[-1]:.2f} s; widen it"
                )
            values, time = values[..., inside].mean(axis=-1), None
            attrs["window"] = [float(t) for t in window]
        elif values.shape[-1] == 1:
            values, time = values[..., 0], None
        if correct_only and "correct" not in said:
            raise ValueError("these trials are of a task with other outputs; drop correct_only")
        if correct_only:
            right = np.nan_to_num(said["correct"], nan=1.0) > 0
            values, columns = values[right], {k: v[right] for k, v in columns.items()}
            wrong = int((~right).sum())
            attrs["dropped"] = {"trials": {"wrong answer": wrong}} if wrong else {}
        neuron = {k: v.values for k, v in x.coords.items() if v.dims == ("neuron",)}
        session = f"{name or self.task.name}-{i}"
        return from_arrays(values, columns, neuron, time, session=session, attrs=attrs)

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write NAME.safetensors and NAME.json, with the history and the steps that were kept.

        Raises
        ------
        FileExistsError
            A file is there and `overwrite` is False.
        ValueError
            The network is your own module: save its state_dict by safetensors.
        """
        if not hasattr(self.networks, "architecture"):
            raise ValueError("these networks are your own modules; save their state_dict yourself")
        tensors = {f"final/{k}": v for k, v in self.networks.state_dict().items()}
        for step, state in self.kept.items():
            tensors |= {f"kept/{step}/{k}": v for k, v in state.items()}
        notes = {
            "version": __version__,
            "architecture": self.networks.architecture.to_json(),
            "shape": list(self.networks.shape),
            "seeds": list(self.networks.seeds),
            "task": self.settings["task"],
            "settings": self.settings,
            "history": self.history.to_dict(encoding=False),
        }
        return save_tensors(path, tensors, notes, overwrite=overwrite)


def load_trained(path: str | os.PathLike, *, task: Task | None = None) -> Trained:
    """Networks that `Trained.save` wrote; nothing in the files is run.

    Parameters
    ----------
    path : NAME, NAME.safetensors or NAME.json
    task : Task, optional
        Needed where the task was your own.

    Raises
    ------
    FileNotFoundError, OSError, ValueError
        A file is missing or damaged, is a pickle, or was written by a later neurogeom; the task
        was your own, or is another.
    ImportError
        torch or safetensors is not installed.
    """
    learn.lazy_torch()
    tensors, notes = load_tensors(path)
    text = tensor_files(path)[1]
    if not _NOTES.issubset(notes):
        raise OSError(f"{path} does not hold trained networks; give what train saved")
    with damaged(text):
        name, options = notes["task"]
        architecture = architectures.from_json(notes["architecture"])
        n_in, n_out, passing = notes["shape"]
        seeds, settings = notes["seeds"], dict(notes["settings"])
        history = xr.Dataset.from_dict(notes["history"])
        _check(notes, history)
        if task is None and options is not None:
            options = {k: _tuples(v) for k, v in options.items()}
            task = registry.make_task(name, **options)
    if task is None:
        raise ValueError(f"{path} was trained on a task of your own, {name!r}; pass it as task=")
    if (task.n_inputs, task.n_outputs) != (n_in, n_out):
        raise ValueError(
            f"{path} was trained on {n_in} inputs and {n_out} outputs, and task {task.name!r} has "
            f"{task.n_inputs} and {task.n_outputs}; pass the task that it was trained on"
        )
    with damaged(text):
        networks = architecture.build(n_in, n_out, seeds=seeds, passing=passing)
    try:
        kept = by_number(part(tensors, "kept"))
        for state in (*kept.values(), part(tensors, "final")):
            networks.load_state_dict(state)
    except (RuntimeError, ValueError) as error:
        raise OSError(f"{path} holds other tensors than its JSON says; restore it") from error
    return Trained(networks, task, history, kept, settings)


def _check(notes, history):
    """Refuse notes that would only fail, or mislead, when the networks are used."""
    seeds, settings, (n_in, _, passing) = notes["seeds"], notes["settings"], notes["shape"]
    if not isinstance(seeds, list) or not seeds or not all(map(is_whole, seeds)):
        raise ValueError(f"seeds {seeds!r} are no whole numbers")
    if settings["seeds"] != seeds or settings["task"] != notes["task"]:
        raise ValueError("its settings are of other networks")
    if not isinstance(settings["network"]["name"], str):
        raise ValueError("its settings do not name the network")
    if not all(map(is_whole, notes["shape"])) or passing > n_in:
        raise ValueError(f"shape {notes['shape']} is not inputs, outputs and those passing")
    if history["accuracy"].dims != ("net", "step") or history.sizes["net"] != len(seeds):
        raise ValueError(f"its history is not one of {len(seeds)} nets")
    for name in ("loss", "n_steps", "stopped"):
        history[name]  # or a KeyError that names it


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
