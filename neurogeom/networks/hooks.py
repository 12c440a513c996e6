"""A torch module run on batches of trials: what goes in, and copies of what its layers return."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any

import numpy as np

from neurogeom.networks.layers import Layer, time_first
from neurogeom.networks.sequences import Order


class Feed:
    """Inputs by trial, in the dtype of the module.

    The networks of this toolkit may each have their own, (net, trial, step, channel).
    """

    def __init__(self, torch: Any, module: Any, inputs: Any):
        self.torch, self.module = torch, module
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        self.inputs = [_array(torch, v) for v in given]
        self.axes = [int(hasattr(module, "n_nets") and v.ndim == 4) for v in self.inputs]
        lengths = {
            v.shape[at] if v.ndim else 0 for v, at in zip(self.inputs, self.axes, strict=True)
        }
        if len(lengths) != 1 or lengths == {0}:
            shapes = ", ".join(str(tuple(v.shape)) for v in self.inputs)
            raise ValueError(f"inputs have shapes {shapes}; give at least one trial, trials first")
        self.n_trials = lengths.pop()
        weights = [*module.parameters(), *module.buffers()]
        if any(torch.nn.parameter.is_lazy(w) for w in weights):
            raise ValueError("the module has weights without values; run it once before recording")
        if any(v.is_meta for v in (*weights, *self.inputs) if isinstance(v, torch.Tensor)):
            raise ValueError(
                "the module or its inputs lie on the device 'meta', without values; load values "
                "before recording"
            )
        self.dtype = next((w.dtype for w in weights if w.is_floating_point()), None)
        self.device = weights[0].device if weights else None

    def __call__(self, rows: np.ndarray) -> list[Any]:
        """Trials of every input, where the module is."""
        return [self._trials(i, rows).to(self.device) for i in range(len(self.inputs))]

    def _trials(self, i: int, rows: np.ndarray) -> Any:
        values, own = self.inputs[i], (slice(None),) * self.axes[i]
        if isinstance(values, self.torch.Tensor):
            part = values[(*own, self.torch.as_tensor(rows, device=values.device))]
        else:
            part = self.torch.from_numpy(values[(*own, rows)])
        return part.to(self.dtype) if part.is_floating_point() else part

    def stamp(self, batches: list[np.ndarray]) -> str:
        """Hex digits that say which module, which weights and which inputs these are."""
        digest = blake2b(digest_size=16)
        for name, own in self.module.named_modules(remove_duplicate=False):
            kind = type(own).__qualname__
            digest.update(f"{name} {kind} {own.extra_repr()} {_settings(own)}".encode())
        for name, own in [*self.module.named_parameters(), *self.module.named_buffers()]:
            digest.update(f"{name} {own.dtype} {tuple(own.shape)}".encode())
            digest.update(self._bytes(own))
        for i, values in enumerate(self.inputs):
            dtype = self._trials(i, batches[0]).dtype
            digest.update(f"{dtype} {tuple(values.shape)}".encode())
            for rows in batches:
                digest.update(self._bytes(self._trials(i, rows).movedim(self.axes[i], 0)))
        return digest.hexdigest()

    def _bytes(self, tensor: Any) -> np.ndarray:
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        return flat.view(self.torch.uint8).numpy()


def _settings(module: Any) -> list[tuple[str, Any]]:
    """What a module keeps in plain attributes, such as a gain or an activation function."""
    plain = {}
    for name, value in vars(module).items():
        if name[0] != "_" and name != "training":
            if value is None or isinstance(value, bool | int | float | str):
                plain[name] = value
            elif callable(value):
                plain[name] = getattr(value, "__qualname__", None)
    return sorted(plain.items())


def _array(torch: Any, values: Any) -> Any:
    """An input as a tensor, or as an array that torch can hold."""
    if isinstance(values, torch.Tensor):
        return values
    if isinstance(values, Mapping | torch.utils.data.Dataset | torch.utils.data.DataLoader):
        raise TypeError(
            f"inputs are a {type(values).__name__}; give the array or the tensor in it, trials "
            "first, or a tuple of several"
        )
    try:
        if isinstance(values, list) and all(isinstance(v, torch.Tensor) for v in values):
            return torch.stack(values)
        array = np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ValueError(
            f"inputs are no array ({_first_line(error)}); give trials of one shape, as numbers"
        ) from error
    if array.dtype.kind not in "biuf":
        raise TypeError(f"inputs hold {array.dtype}; give numbers, trials first")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")


@contextmanager
def watched(torch: Any, module: Any, layers: list[Layer]) -> Iterator[Any]:
    """A function from inputs to what each layer returned, a list of tensors (one a call) each."""
    calls: list[list] = [[] for _ in layers]
    training = [(part, part.training) for part in module.modules() if hasattr(part, "training")]
    order = Order(torch, module)
    handles = []

    def run(tensors: list[Any], n_trials: int) -> list[list]:
        for own in calls:
            own.clear()
        if any(layer.module is not None for layer in layers):
            returned = _passed(module, tensors)
            order.check(n_trials)
        for own, layer in zip(calls, layers, strict=True):
            if layer.module is None:
                own.append(_kept(torch, tensors[0]))
            elif layer.module is module:
                own.append(_kept(torch, returned))
            for found in own:
                if isinstance(found, str):
                    raise TypeError(
                        f"layer {layer.name!r} gives {found}; record one that gives a real tensor, "
                        "or a list, a mapping or a dataclass with one"
                    )
        return calls

    def watch(part: Any, hook: Any) -> None:
        try:
            handles.append(part.register_forward_hook(hook))
        except RuntimeError:  # within what torch.jit compiled; it counts as never called
            if not isinstance(part, torch.jit.ScriptModule):
                raise

    def keep(own: list) -> Any:
        return lambda module, given, returned: own.append(_kept(torch, returned))

    try:
        if hasattr(module, "training"):  # torch.jit.freeze takes it away
            module.eval()
        for own, layer in zip(calls, layers, strict=True):
            if layer.module is not None and layer.module is not module:
                watch(layer.module, keep(own))
        for name, (part, _) in order.layers.items():
            watch(part, order.hook(name))
        with torch.no_grad(), _as_written(torch):
            yield run
    finally:
        for handle in handles:
            handle.remove()
        for part, was in training:
            part.training = was


def _passed(module: Any, tensors: list[Any]) -> Any:
    """One pass, or one sentence where the module does not take these inputs."""
    late = time_first(module)
    given = [t.transpose(0, 1) if late and t.ndim > 1 else t for t in tensors]
    try:
        return module(*given)
    except Exception as error:
        shapes = ", ".join(f"{tuple(t.shape)} {str(t.dtype).removeprefix('torch.')}" for t in given)
        whole = not all(t.is_floating_point() for t in given)
        raise RuntimeError(
            f"{type(module).__name__} fails on a batch of inputs {shapes} ({_first_line(error)}); "
            "give inputs as its forward takes them, trials first"
            + (", and floats where they are no tokens" if whole else "")
        ) from error


def _as_written(torch: Any) -> Any:
    """Without what torch.compile made of the module, which would call old hooks or none."""
    compiles = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    return torch.compiler.set_stance("force_eager") if compiles else nullcontext()


def _kept(torch: Any, returned: Any) -> Any:
    """A copy of the first tensor of what a layer returned, as later layers may work in place.

    What it is instead, in words, where there is no real one.
    """
    tensor = first_tensor(torch, returned)
    if tensor is None or tensor.is_complex():
        return type(returned).__name__ if tensor is None else str(tensor.dtype)
    single = tensor.is_floating_point() and tensor.dtype != torch.float64
    return tensor.detach().to("cpu", torch.float32 if single else torch.float64, copy=True)


def first_tensor(torch: Any, returned: Any) -> Any:
    """Depth first; None where there is none, or where trials are packed away."""
    if isinstance(returned, torch.Tensor):
        return returned
    if isinstance(returned, Mapping):
        returned = list(returned.values())
    elif is_dataclass(returned):
        returned = [getattr(returned, field.name) for field in fields(returned)]
    packed = isinstance(returned, torch.nn.utils.rnn.PackedSequence)
    if packed or not isinstance(returned, list | tuple):
        return None
    return next((t for t in (first_tensor(torch, r) for r in returned) if t is not None), None)
