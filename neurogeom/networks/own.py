"""A user's own modules and tasks in training: what they must be, and how one is told from another.

A run goes on from a checkpoint only where both are the same, and neither can be written into a
file: a module is known by what it prints as and by its tensors, a task by its fields and trials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import blake2b

from ..learn import lazy_torch
from .architectures import Architecture
from .task import Task, Trials

_FIELDS = ("name", "periods", "inputs", "outputs", "factors", "loss", "length", "dt", "align",
           "decision", "passing")  # fmt: skip


def build(network: Callable, seeds: Sequence[int]):
    """One module of what makes a net of a seed.

    Raises
    ------
    ValueError
        It makes no torch module, or is one.
    """
    torch = lazy_torch()
    from .modules import Several

    if isinstance(network, type) and issubclass(network, Architecture):
        name = network.__name__
        raise ValueError(f"network={name} is the class of an architecture; give {name}(), with the "
                         "settings that you want")  # fmt: skip
    if isinstance(network, torch.nn.Module):
        raise ValueError(f"network is one {type(network).__name__} that is built already; give "
                         "what builds one of a seed, as lambda seed: ...")  # fmt: skip
    nets = []
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(seed))  # and no other device's
            nets.append(network(int(seed)))
        if not isinstance(nets[-1], torch.nn.Module):
            raise ValueError(f"network makes a {type(nets[-1]).__name__} of seed {seed}; let it "
                             "return a torch module")  # fmt: skip
    return Several(nets)


def check(module, task: Task, trials: Trials) -> None:
    """Let every net answer two trials, and refuse answers that are not those of the task.

    Nothing that a net holds or draws is changed by it.

    Raises
    ------
    ValueError
        A net cannot take the inputs, or gives anything but (trial, step, output).
    """
    torch = lazy_torch()
    device = next((p.device for p in module.parameters()), "cpu")
    inputs = torch.from_numpy(trials.inputs[:2]).to(device)
    wanted = trials.targets[:2].shape
    module.eval()
    for net in module.nets:
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):
                found = net(inputs)
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(
                f"your network fails on inputs of shape {tuple(inputs.shape)}, (trial, step, "
                f"channel): {' '.join(str(error).split())}"
            ) from error
        if not isinstance(found, torch.Tensor) or tuple(found.shape) != wanted:
            shape = getattr(found, "shape", None)
            what = type(found).__name__ if shape is None else f"shape {tuple(shape)}"
            raise ValueError(
                f"your network answers with {what} where task {task.name!r} asks for one tensor of "
                f"shape {wanted}, (trial, step, output); change its readout"
            )


def text(module) -> str:
    """What modules print as, and the names and sizes of their tensors."""
    shown = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(module))
    learns = {name: p.requires_grad for name, p in module.named_parameters()}
    sizes = [
        f"{name} {tuple(value.shape)}{' learns' if learns.get(name) else ''}"
        for name, value in module.state_dict().items()
    ]
    return f"{' '.join(shown.split())}: {', '.join(sizes)}"


def about_task(task: Task, trials: Trials) -> dict[str, str]:
    """A task's fields, and a hash of the same trials of it: its functions cannot be compared."""
    digest = blake2b(digest_size=8)
    for array in (trials.inputs, trials.targets, trials.mask, trials.decided):
        digest.update(array.tobytes())
    fields = {f"task {name}": repr(getattr(task, name)) for name in _FIELDS}
    return {**fields, "task trials": digest.hexdigest()}
