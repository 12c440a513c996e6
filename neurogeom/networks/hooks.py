"""A torch module run on batches of trials: what goes in, and copies of what its layers return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import numpy as np

from neurogeom.networks.layers import Layer, time_first


class Feed:
    """Inputs by trial, in the dtype of the module.

    The networks of this toolkit may each have their own, (net, trial, step, channel).
    """

    def __init__(self, torch: Any, module: Any, inputs: Any):
        self.torch, self.module = torch, module
        given = inputs if isinstance(inputs, tuple) else (inputs,)
        self.inputs = [v if isinstance(v, torch.Tensor) else _numbers(v) for v in given]
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
        """Hex digits that say which weights and which inputs these are."""
        digest = blake2b(type(self.module).__qualname__.encode(), digest_size=16)
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


def _numbers(values: Any) -> np.ndarray:
    """An input as an array that torch can hold."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"inputs hold {array.dtype}; give numbers, trials first")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


@contextmanager
def watched(torch: Any, module: Any, layers: list[Layer]) -> Iterator[Any]:
    """A function from inputs to what each layer returned, a list of tensors (one a call) each."""
    calls: list[list] = [[] for _ in layers]
    training = [(part, part.training) for part in module.modules()]
    late = time_first(module)

    def run(tensors: list[Any]) -> list[list]:
        for own, layer in zip(calls, layers, strict=True):
            own[:] = [_kept(torch, layer, tensors[0])] if layer.module is None else []
        if any(layer.module is not None for layer in layers):
            module(*(t.transpose(0, 1) if late and t.ndim > 1 else t for t in tensors))
        return calls

    def hook(own: list, layer: Layer) -> Any:
        return lambda module, given, returned: own.append(_kept(torch, layer, returned))

    handles = []
    try:
        module.eval()
        for own, layer in zip(calls, layers, strict=True):
            if layer.module is not None:
                handles.append(layer.module.register_forward_hook(hook(own, layer)))
        with torch.no_grad():
            yield run
    finally:
        for handle in handles:
            handle.remove()
        for part, was in training:
            part.training = was


def _kept(torch: Any, layer: Layer, returned: Any) -> Any:
    """A copy of the first tensor of what a layer returned: later layers may work in place."""
    tensor = _first_tensor(torch, returned)
    if tensor is None or tensor.is_complex():
        what = type(returned).__name__ if tensor is None else tensor.dtype
        raise TypeError(f"layer {layer.name!r} gives {what}; record one that gives a real tensor")
    single = tensor.is_floating_point() and tensor.dtype != torch.float64
    return tensor.detach().to("cpu", torch.float32 if single else torch.float64, copy=True)


def _first_tensor(torch: Any, returned: Any) -> Any:
    """Depth first; None where there is none, or where trials are packed away."""
    if isinstance(returned, torch.Tensor):
        return returned
    if isinstance(returned, Mapping):
        returned = list(returned.values())
    packed = isinstance(returned, torch.nn.utils.rnn.PackedSequence)
    if packed or not isinstance(returned, list | tuple):
        return None
    return next((t for t in (_first_tensor(torch, r) for r in returned) if t is not None), None)
