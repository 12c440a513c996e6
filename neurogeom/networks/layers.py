"""Layers of a torch module by name, and what the axes of their outputs are.

torch does not say which axis of an output holds trials. Here it is read from the number of axes
and from what layers declare (``batch_first``, one-dimensional convolutions), and it
must fit the number of trials in every batch; where it cannot be known, the user is asked.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from neurogeom.columns import listed

INPUT, OUTPUT = "input", "output"
TAKEN = {"activity", "animal", "call", "layer", "neuron", "session", "time", "trial_id", "unit_id"}
BY_NUMBER = {
    1: ("trial",),
    2: ("trial", "unit"),
    3: ("trial", "step", "unit"),
    4: ("trial", "channel", "row", "column"),
    5: ("trial", "channel", "depth", "row", "column"),
}
POSITIONS = ("trial", "channel", "position")
TIME_FIRST = ("step", "trial", "unit")
SWAP = (
    "swap the axes of what it gets, or set module.batch_first = False where the whole module takes "
    "(step, trial, channel)"
)


class Layer(NamedTuple):
    """A layer to record.

    name : as it stands in the activity; module : None for the inputs; holder : the name of the
    module that holds it; alone : a sequence layer of torch, which takes inputs without an axis of
    trials for one trial; three : its axes where it has three, None if that cannot be known.
    """

    name: str
    module: Any
    holder: str
    alone: bool
    three: tuple[str, ...] | None


def find_layers(torch: Any, module: Any, asked: str | Sequence[str]) -> list[Layer]:
    """The layers that names and patterns ask for, each once, in the order asked for.

    Raises
    ------
    KeyError
        Nothing is named so.
    TypeError, ValueError
        `asked` is no text and no list of text, or empty.
    """
    asked = [asked] if isinstance(asked, str) else asked
    if not isinstance(asked, list | tuple) or not all(isinstance(name, str) for name in asked):
        raise TypeError(f"layer is {asked!r}; give the name of a layer, a pattern, or several")
    if not asked:
        raise ValueError("layer is empty; give the name of at least one")
    names = dict(module.named_modules(remove_duplicate=False))
    found: dict[str, Any] = {}
    for name in asked:
        if name in names:
            found[name or OUTPUT] = names[name]
        elif name in (INPUT, OUTPUT):
            found[name] = module if name == OUTPUT else None
        else:
            found |= _matching(torch, name, names, found)
    late = [name for name, own in names.items() if time_first(own)]
    return [_layer(torch, module, name, own, late) for name, own in found.items()]


def _matching(
    torch: Any, pattern: str, names: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, Any]:
    """Layers whose name fits; lists of layers have no output, and what is shared is taken once."""
    fits = {
        name: own
        for name, own in names.items()
        if name and _fits(name, pattern) and _writer(own) is not torch.nn.Module
    }
    if not fits and not any(_fits(name, pattern) for name in found):
        near = difflib.get_close_matches(pattern, [name for name in names if name], 6, cutoff=0.0)
        raise KeyError(
            f"{type(names['']).__name__} has no layer {pattern!r}; the nearest names are "
            f"{listed(near or [OUTPUT, INPUT])}"
        )
    taken = {id(own) for own in found.values()}
    for name, own in list(fits.items()):
        if id(own) in taken:
            del fits[name]
        taken.add(id(own))
    return fits


def _fits(name: str, pattern: str) -> bool:
    """Part by part, so that no layer comes together with those that it is made of."""
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def time_first(module: Any) -> bool:
    """Whether a layer takes sequences as (step, trial, unit)."""
    return False in declared_order(module)


def declared_order(module: Any) -> set[bool]:
    """What a layer declares of the order of axes, itself or by what it runs as torch wrote it."""
    own = getattr(module, "batch_first", None)
    found = {own} if isinstance(own, bool) else set()
    if not as_torch_wrote_it(module):  # the user may swap axes on the way
        return found
    return found.union(*(declared_order(child) for child in module.children()))


def as_torch_wrote_it(module: Any) -> bool:
    """Whether torch itself wrote the forward pass of a module."""
    return _writer(module).__module__.startswith("torch.nn.")


def _writer(module: Any) -> type:
    """The class whose forward a module runs."""
    return next(kind for kind in type(module).__mro__ if "forward" in vars(kind))


def _layer(torch: Any, module: Any, name: str, own: Any, late: Sequence[str]) -> Layer:
    """What is known of the axes of a layer; within one that is time first, all are."""
    one = (torch.nn.Conv1d, torch.nn.ConvTranspose1d)
    known = not any(isinstance(part, one) for part in module.modules())
    holder = name.rpartition(".")[0] or OUTPUT
    if own is None:
        return Layer(name, own, holder, False, BY_NUMBER[3] if known else None)
    kinds = {kind.__name__ for kind in type(own).__mro__ if kind.__module__.startswith("torch.nn.")}
    flags = declared_order(own)
    path = "" if own is module else name
    if any(not other or path == other or path.startswith(f"{other}.") for other in late):
        three = TIME_FIRST
    elif any(kind.endswith("1d") for kind in kinds):
        three = POSITIONS
    elif known or flags or kinds & {"Linear", "Embedding", "LayerNorm"}:
        three = BY_NUMBER[3]
    else:
        three = None
    alone = bool(flags) and as_torch_wrote_it(own) and "Sequential" not in kinds
    return Layer(name, own, holder, alone, three)


def axes_of(
    layer: Layer, shape: tuple[int, ...], n_trials: int, n_nets: int | None, given: str | None
) -> tuple[str, ...]:
    """The names of the axes of what a layer returned for a batch.

    Parameters
    ----------
    layer, shape : the layer and the shape of its output in one call
    n_trials : trials of the batch; n_nets : networks on a leading axis, None where there is none
    given : names that the user gave, "step trial unit"

    Raises
    ------
    ValueError
        They cannot be known, or do not fit.
    """
    names = tuple(given.split()) if given else _usual(layer, shape, n_trials, n_nets)
    sizes = dict(zip(names, shape, strict=False))
    told = f"layer {layer.name!r} gave shape {shape} for {n_trials} trials"
    fits = len(names) == len(shape) and sizes["trial"] == n_trials
    if fits and sizes.get("net", n_nets) == n_nets:
        return names
    if names == TIME_FIRST and not given:
        raise ValueError(misfed(layer.name, 1, shape, n_trials))
    raise ValueError(
        f"{told}, which is not ({', '.join(names)}); name its axes, as in axes='step trial unit'"
    )


def misfed(name: str, at: int | str, shape: tuple[int, ...], n_trials: int) -> str:
    """What to say of a sequence layer that took trials for steps; `at` is its axis of trials."""
    told = f"layer {name!r} gave shape {shape} for {n_trials} trials"
    if at == "cell":
        return f"{told} but takes (trial, unit): it takes steps for trials; {SWAP}"
    if len(shape) == 2:
        return (
            f"layer {name!r} took {n_trials} trials for the steps of one sequence; give inputs "
            "(trial, step, channel)"
        )
    if at == 0:
        return f"{told} but has batch_first=True: it takes trials for steps; {SWAP}"
    return (
        f"{told} but has batch_first=False, (step, trial, unit): it takes trials for steps; set "
        f"batch_first=True, {SWAP}"
    )


def _usual(
    layer: Layer, shape: tuple[int, ...], n_trials: int, n_nets: int | None
) -> tuple[str, ...]:
    """The names by the number of axes, after that of networks."""
    net = ("net",) * (shape[:2] == (n_nets, n_trials))
    n_axes = len(shape) - len(net)
    if n_axes == 2 and layer.alone:
        raise ValueError(misfed(layer.name, 0, shape, n_trials))
    if n_axes not in BY_NUMBER or (n_axes == 3 and layer.three is None):
        raise ValueError(
            f"layer {layer.name!r} gave shape {shape} for {n_trials} trials, and what its axes are "
            "cannot be known; name them, as in axes='trial step unit' or 'trial channel position'"
        )
    return net + (layer.three if n_axes == 3 and layer.three else BY_NUMBER[n_axes])
