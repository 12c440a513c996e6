"""Do the sequence layers of torch within a module get trials where they take them?

torch computes on without a word where trials stand in the place of steps, and all that follows is
then a mixture of trials. An axis of trials grows with the batch, and one of steps does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from neurogeom.networks.layers import OUTPUT, as_torch_wrote_it, declared_order, misfed


class Given(NamedTuple):
    """What a layer gave in one call, for a batch of so many trials."""

    shape: tuple[int, ...]
    n_trials: int


class Order:
    """The sequence layers and cells of a module, and what they gave in the first batch.

    layers : by name, each with its axis of trials among three axes, or "cell"
    """

    def __init__(self, torch: Any, module: Any):
        self.layers = _sequence_layers(torch, module)
        self.shapes: dict[str, list[tuple[int, ...]]] = {name: [] for name in self.layers}
        self.first: dict[tuple[str, int], Given] = {}

    def hook(self, name: str) -> Callable:
        """A forward hook that notes the shape of the (first) tensor."""

        def note(module: Any, given: Any, returned: Any) -> None:
            tensor = returned[0] if isinstance(returned, tuple) and returned else returned
            self.shapes[name].append(tuple(getattr(tensor, "shape", ())))  # () where it is packed

        return note

    def check(self, n_trials: int) -> None:
        """Refuse a pass of n_trials in which a layer took trials for steps."""
        for name, (_, at) in self.layers.items():
            for call, shape in enumerate(self.shapes[name]):
                given = Given(shape, n_trials)
                if not _fits(at, given, self.first.setdefault((name, call), given)):
                    raise ValueError(misfed(name or OUTPUT, at, *given))
            self.shapes[name].clear()


def _fits(at: int | str, given: Given, first: Given) -> bool:
    """Whether trials are where the layer takes them, by this batch and the first one.

    As many sequences as there are trials, or a multiple that is the same in both, are trials; one
    sequence that is longer where there are more trials is none.
    """

    def grows(axis: int) -> bool:
        size, before = given.shape[axis], first.shape[axis]
        return size % given.n_trials == 0 and size * first.n_trials == before * given.n_trials

    if len(given.shape) != len(first.shape):
        return True
    if len(given.shape) == 3 and at != "cell":
        if first.n_trials == 1:  # and so in every batch: what is 1 long is that trial
            return given.shape[1 - at] != 1 or given.shape[at] == 1
        return grows(at)
    if len(given.shape) == 2:
        return grows(0) if at == "cell" else given.n_trials == first.n_trials or not grows(0)
    return True


def _sequence_layers(torch: Any, module: Any) -> dict[str, tuple[Any, int | str]]:
    """Those that are within no other one, and cells."""
    nn = torch.nn
    kinds = (nn.RNNBase, nn.MultiheadAttention, nn.Transformer, nn.TransformerEncoder)
    kinds += (nn.TransformerDecoder, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    found: dict[str, tuple[Any, int | str]] = {}
    for name, own in module.named_modules():
        within = any(not outer or name.startswith(f"{outer}.") for outer in found)
        if within or not as_torch_wrote_it(own):
            continue
        order = declared_order(own) if isinstance(own, kinds) else set()
        if isinstance(own, nn.RNNCellBase):
            found[name] = own, "cell"
        elif len(order) == 1:
            found[name] = own, 0 if True in order else 1
    return found
