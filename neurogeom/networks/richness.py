"""Did a network learn in the lazy or in the rich regime?

Four instruments between two checkpoints: kernel distance, activation-pattern distance, parameter
distance, and what gradient flow should have conserved. One alone misleads: an upstream network is
rich at a small parameter distance, and a kernel that only grows counts as lazy (Kunin et al. 2024,
arXiv:2406.06158; :mod:`neurogeom.networks.first_weights` sets which regime it will be).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..learn import factor, lazy_torch, one_thread
from .conserved import conservation_drift
from .hidden import hidden_layers
from .hooks import Feed, watched
from .layers import find_layers
from .tangent import empirical_ntk, kernel_distance

__all__ = ["filter_roughness", "parameter_distance", "pattern_distance", "richness"]

NO_SIGN = ("sigmoid", "softplus")


def pattern_distance(
    before: Any, after: Any, inputs: Any, *, layers: Sequence[str] | None = None
) -> np.ndarray:
    """Which share of hidden units and trials (and steps) is active in one and silent in the other?

    Parameters
    ----------
    before, after : torch modules of one kind
    inputs : array or tensor (trial, ...)
    layers : sequence of str, optional
        Names of modules whose outputs are above 0 where a unit is active, before the activation or
        behind it; all hidden layers of an MLP, convolutional network or rate RNN of this toolkit
        (the state, of a leaky one) and of an ``nn.Sequential`` by default.

    Returns
    -------
    ([net]), from 0 to 1; unrelated relu networks are near 0.5.

    Raises
    ------
    KeyError, ValueError
        No such layer, or one that is named nowhere; an activation that is always above 0.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(1, 2, bias=False), torch.nn.ReLU(),
    ...                           torch.nn.Linear(2, 1))
    >>> from neurogeom.networks import rescale
    >>> turned = rescale(net, 2.0)
    >>> x = np.array([[1.0], [2.0]])
    >>> float(pattern_distance(net, turned, x))
    0.0
    >>> _ = turned[0].weight.data[0].neg_()
    >>> float(pattern_distance(net, turned, x))
    0.5
    """
    if hasattr(before, "nets"):
        each = inputs if np.ndim(inputs) == 4 else [inputs] * before.n_nets
        pairs = zip(before.nets, after.nets, each, strict=True)
        return np.array([pattern_distance(*own, layers=layers) for own in pairs])
    if layers is None:
        activation = getattr(getattr(before, "architecture", None), "activation", "")
        if activation in NO_SIGN:
            raise ValueError(f"units with {activation} are always active; name layers before it")
        layers = [h.name for h in hidden_layers(before)]
    if not layers:
        raise ValueError("this module has no hidden layer; name layers")
    first, last = (_active(module, inputs, list(layers)) for module in (before, after))
    n_nets = getattr(before, "n_nets", None)
    differ = [(a != b).reshape(n_nets or 1, -1) for a, b in zip(first, last, strict=True)]
    share = np.concatenate(differ, axis=1).mean(axis=1)
    return share[0] if n_nets is None else share


def parameter_distance(before: Any, after: Any) -> np.ndarray:
    r"""How far did what learns move? :math:`|\theta - \theta_0|`, ([net]).

    Examples
    --------
    >>> import copy, torch
    >>> net = torch.nn.Linear(2, 2)
    >>> moved = copy.deepcopy(net)
    >>> _ = moved.bias.data.add_(torch.tensor([3.0, 4.0]))
    >>> round(float(parameter_distance(net, moved)), 4)
    5.0
    """
    if hasattr(before, "nets"):
        pairs = zip(before.nets, after.nets, strict=True)
        return np.array([parameter_distance(*own) for own in pairs])
    ends, n_nets = dict(after.named_parameters()), getattr(before, "n_nets", None)
    changes = [
        (ends[name].detach().double() - start.detach().double()).cpu().reshape(n_nets or 1, -1)
        for name, start in before.named_parameters()
        if start.requires_grad
    ]
    lengths = np.linalg.norm(np.concatenate(changes, axis=1), axis=1)
    return lengths[0] if n_nets is None else lengths


def richness(
    checkpoints: Any,
    inputs: Any = None,
    *,
    layers: Sequence[str] | None = None,
    rates: Mapping[str, float] | None = None,
    n_trials: int = 2,
    seed: int = 0,
    chunk: int = 64,
) -> xr.Dataset:
    r"""How rich has learning been, by every step that was kept?

    Parameters
    ----------
    checkpoints : Trained, or {step: torch module}
        Kept steps and the end; all are held against the first.
    inputs : array or tensor (trial, ...), optional
        For the kernel and the patterns; by default `n_trials` of each condition of the task.
    layers, rates
        As of :func:`neurogeom.networks.conserved_quantities`.
    n_trials, seed : int
        Of the trials, where they are the task's.
    chunk : int
        Of :func:`neurogeom.networks.empirical_ntk`.

    Returns
    -------
    Dataset
        ``kernel_distance``, ``parameter_distance`` (step[, net]); ``pattern_distance``
        (step[, net]) and ``conservation_drift`` (step, layer[, net]), relative, where the hidden
        layers are known, beyond the decay that the weight decay of plain gradient descent brings.
        All are 0 at the first step. A kernel takes about ten steps of training an output, steps
        of a trial counted. Kernel distances depend on the trials: compare at the same.
        ``attrs["conservation"]`` says whether anything should be conserved.

    Raises
    ------
    ValueError
        Fewer than two checkpoints, modules without inputs, rates beside a weight decay.

    Source: Kunin et al. 2024, figures 1 and 10 (three distances of a two-layer relu network).

    Examples
    --------
    >>> from neurogeom import networks
    >>> task = networks.make_task("input-target", dim=10)
    >>> trained = networks.train(task, "mlp", seeds=2, steps=4, keep=[2], optimizer="sgd", lr=0.1)
    >>> found = richness(trained)
    >>> found.kernel_distance.dims, found.step.values.tolist()
    (('step', 'net'), [0, 2, 4])
    >>> bool((found.conservation_drift < 1e-3).all())
    True
    """
    modules, decay, inputs, note = _checkpoints(checkpoints, inputs, n_trials, seed)
    steps = sorted(modules)
    if len(steps) < 2:
        raise ValueError(f"steps {steps} were kept; give two checkpoints or more (train: keep=)")
    if inputs is None:
        raise ValueError("modules come without a task; give inputs")
    first, rows = modules[steps[0]], []
    with one_thread():
        start = empirical_ntk(first, inputs, rates=rates, chunk=chunk)
        known = _hidden_known(first, layers)
        for step in steps:
            now = modules[step]
            kernel = start if step == steps[0] else empirical_ntk(
                now, inputs, rates=rates, chunk=chunk
            )  # fmt: skip
            found = {
                "kernel_distance": kernel_distance(start, kernel),
                "parameter_distance": parameter_distance(first, now),
            }
            if known:
                found["pattern_distance"] = pattern_distance(
                    first, now, inputs, layers=None if layers is None else known
                )
            lead = ("net",) if start.ndim == 3 else ()
            own = xr.Dataset({k: (lead, v) for k, v in found.items()})
            if known:
                own["conservation_drift"] = conservation_drift(
                    first, now, layers=layers, rates=rates, **decay(step)
                ).relative
            rows.append(own)
    dataset = xr.concat(rows, "step").assign_coords(step=steps)
    return dataset.assign_attrs({"measure": "richness", "conservation": note})


def filter_roughness(weight: Any) -> np.ndarray:
    r"""How rough are convolutional filters? :math:`|\nabla^2 w / |w||^2`, (filter, channel).

    Low is smooth. The Laplacian is (1 2 1; 2 -12 2; 1 2 1) / 4, whose entries sum to 0, over
    places where it fits: 0 for a constant or linear filter. The one printed in the paper,
    (-1 -2 -1; -2 8 -2; -1 -2 -1) / 4, sums to -1, so that by it a constant filter is not smooth;
    values are not comparable with theirs.

    Parameters
    ----------
    weight : array or tensor (filter, channel, row, column), 3 x 3 at least

    Source: after Kunin et al. 2024, section 6.

    Examples
    --------
    >>> board = np.indices((5, 5)).sum(0) % 2 * 2.0 - 1
    >>> filter_roughness(np.stack([np.ones((5, 5)), board])[:, None]).round(2).tolist()
    [[0.0], [5.76]]
    """
    w = np.asarray(weight.detach().cpu() if hasattr(weight, "detach") else weight, float)
    if w.ndim != 4 or min(w.shape[-2:]) < 3:
        raise ValueError(f"weights {w.shape} are no filters; give (filter, channel, 3+, 3+)")
    laplacian = np.array([[1, 2, 1], [2, -12, 2], [1, 2, 1]]) / 4
    rows, columns = (size - 2 for size in w.shape[-2:])
    turned = sum(
        laplacian[i, j] * w[..., i : i + rows, j : j + columns] for i in range(3) for j in range(3)
    )
    length = (w**2).sum(axis=(-2, -1))
    return np.where(
        length > 0, (turned**2).sum(axis=(-2, -1)) / np.where(length > 0, length, 1), np.nan
    )


def _active(module, inputs, layers):
    """Where the units of these layers are above 0, one array a layer."""
    torch = lazy_torch()
    feed = Feed(torch, module, inputs)
    with watched(torch, module, find_layers(torch, module, layers)) as run:
        calls = run(feed(np.arange(feed.n_trials)), feed.n_trials)
        return [torch.stack(own).numpy() > 0 if len(own) > 1 else own[0].numpy() > 0
                for own in calls]  # fmt: skip


def _hidden_known(module, layers):
    """The names of hidden layers, none where they are not known."""
    try:
        return [h.name for h in hidden_layers(getattr(module, "nets", [module])[0], layers)]
    except ValueError:
        return []


def _checkpoints(given, inputs, n_trials, seed):
    """{step: module}, step -> weight decay and time, inputs, what is conserved."""
    if isinstance(given, Mapping):
        return dict(given), lambda step: {}, inputs, "not known of modules without their training"
    settings = given.settings
    modules = {step: given.at(step).networks for step in given.kept}
    modules.setdefault(int(given.history.n_steps.max()), given.networks)
    if inputs is None:
        inputs = given.task.enumerate(n_trials, seed=seed).inputs
    if settings["optimizer"] != "sgd":
        return modules, lambda step: {}, inputs, f"{settings['optimizer']} conserves nothing"
    n_steps = settings["steps"]
    shares = [factor(settings["rate"], s, n_steps) for s in range(n_steps)]
    clock = settings["lr"] * np.cumsum([0.0, *shares])

    def decay(step):
        """A net that was done before this step is as it was then."""
        if not settings["weight_decay"]:
            return {}
        reached = np.minimum(step, given.history.n_steps.values)
        return {"weight_decay": settings["weight_decay"], "time": clock[reached]}

    return modules, decay, inputs, "gradient descent conserves up to the learning rate"
