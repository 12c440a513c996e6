r"""Did a network learn in the lazy or in the rich regime, and what sets which?

Two settings of the first weights: their overall size :math:`\tau`, and which layer has more of it,
:math:`\delta = \tau^2 (\alpha^2 - \alpha^{-2})` a hidden unit, with what goes out of it of length
:math:`\alpha\tau` and what comes in of length :math:`\tau / \alpha`. Small and upstream
(:math:`\delta > 0`) relu networks turn their kernel soon and with little motion of parameters;
downstream ones move far and late; large ones stay lazy (Kunin et al. 2024, arXiv:2406.06158,
sections 5 and 6; the papers' code calls the inverse of this alpha alpha).

Four instruments between two checkpoints: kernel distance, activation-pattern distance, parameter
distance, and what gradient flow should have conserved. One alone misleads: an upstream network is
rich at a small parameter distance, and a kernel that only grows counts as lazy.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from ..learn import factor, lazy_torch, one_thread
from .activations import parsed
from .architectures import generator
from .conserved import conservation_drift
from .hidden import KINDS, OTHER, hidden_layers, rescaled_
from .hooks import Feed, watched
from .layers import find_layers
from .tangent import empirical_ntk, kernel_distance

__all__ = [
    "alpha_from_delta",
    "delta_from_alpha",
    "filter_roughness",
    "parameter_distance",
    "pattern_distance",
    "rescale",
    "richness",
    "two_layer",
]

KEY = 5  # of random streams
NO_SIGN = ("sigmoid", "softplus")


def rescale(module: Any, alpha: float, *, layers: Sequence[str] | None = None) -> Any:
    """A copy whose first layer is divided by alpha and whose last is multiplied by it.

    It computes the same and learns otherwise: above 1 upstream, below 1 downstream. Biases of
    hidden units are divided by alpha too, that of the last layer is not.

    Parameters
    ----------
    module : torch module
        An MLP, rate RNN or convolutional network of this toolkit, or an ``nn.Sequential``.
    alpha : float
        Above 0.
    layers : sequence of str
        For other modules, as of :func:`neurogeom.networks.conserved_quantities`.

    Raises
    ------
    ValueError
        A layer between is not homogeneous (tanh, normalisation, ...), so that the function would
        change, or does not learn. ``MLP(relative=alpha)`` draws first weights of any activation
        so; behind a normalisation the scale of a first layer changes its rate alone.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    >>> x = torch.ones(2, 3)
    >>> torch.allclose(rescale(net, 10.0)(x), net(x), atol=1e-6)
    True
    """
    if not 0 < alpha < math.inf:
        raise ValueError(f"alpha={alpha} is no scale; give a number above 0")
    if hasattr(module, "nets"):
        found = copy.deepcopy(module)
        for i, net in enumerate(module.nets):
            found.nets[i] = rescale(net, alpha, layers=layers)
        return found
    hidden = hidden_layers(module, layers)
    for h in hidden:
        if h.kind == OTHER:
            raise ValueError(
                f"layer {h.name!r} cannot be rescaled: {h.reason}; the network would compute "
                "something else"
            )
    if not hidden:
        raise ValueError("this module has no hidden layer; give one with two layers or more")
    found = copy.deepcopy(module)
    rescaled_(found, hidden, alpha)
    return found


def delta_from_alpha(tau: float, alpha: float) -> float:
    r""":math:`\delta = \tau^2 (\alpha^2 - \alpha^{-2})` of a unit.

    Examples
    --------
    >>> delta_from_alpha(0.1, 1.0), round(delta_from_alpha(1.0, 2.0), 2)
    (0.0, 3.75)
    """
    return float(tau**2 * (alpha**2 - alpha**-2.0))


def alpha_from_delta(tau: float, delta: float) -> float:
    r""":math:`\alpha` of a unit with scale tau > 0 and this delta, the inverse of the above.

    :math:`\alpha^2 = x + \sqrt{1 + x^2}`, :math:`x = \delta / 2 \tau^2`; no unit has a = 0.

    Examples
    --------
    >>> alpha_from_delta(0.1, 0.0), round(delta_from_alpha(0.1, alpha_from_delta(0.1, -1e4)))
    (1.0, -10000)
    """
    if not 0 < tau < math.inf or not math.isfinite(delta):
        raise ValueError(f"tau={tau}, delta={delta}: give a scale above 0 and a finite delta")
    return math.exp(math.asinh(delta / tau**2 / 2) / 2)  # no difference of large numbers


def two_layer(
    n_in: int,
    n_hidden: int,
    n_out: int = 1,
    *,
    tau: float,
    delta: float,
    activation: str = "relu",
    symmetric: bool = True,
    seed: int = 0,
) -> Any:
    r"""A network without biases whose every hidden unit has the same scale and the same delta.

    What comes into a unit is :math:`\tau / \alpha` times a random unit vector, what goes out
    :math:`\alpha \tau` times one (of one output: +-1).

    Parameters
    ----------
    n_in, n_hidden, n_out : int
    tau, delta : float
        Overall scale, above 0, and :math:`|a|^2 - |w|^2` of each unit, any number.
    activation : {"relu", "leaky", "linear"}
        Others conserve no delta.
    symmetric : bool
        Units come in pairs with the same input and opposite output, so that the first function
        is 0; n_hidden, which counts both, must be even.
    seed : int

    Returns
    -------
    torch.nn.Sequential, (trial, ..., n_in) to (trial, ..., n_out), for
    ``train(task, lambda seed: two_layer(..., seed=seed))`` too.

    Source: Kunin et al. 2024, section 5 and caption of figure 1 (relu, one output).

    Examples
    --------
    >>> import torch
    >>> net = two_layer(5, 8, tau=0.1, delta=1.0)
    >>> bool(net(torch.ones(1, 5)).abs() < 1e-7)
    True
    >>> from neurogeom.networks import conserved_quantities
    >>> conserved_quantities(net)["0"].conserved.values.round(5).tolist() == 8 * [1.0]
    True
    """
    torch = lazy_torch()
    if parsed(activation)[0] not in KINDS:
        raise ValueError(f"units with {activation!r} have no delta; choose from {list(KINDS)}")
    if min(n_in, n_hidden, n_out) < 1 or (symmetric and n_hidden % 2):
        raise ValueError(
            f"{n_in} inputs, {n_hidden} hidden units, {n_out} outputs: give 1 or more of each, and "
            "an even number of hidden units that come in pairs"
        )
    alpha, stream = alpha_from_delta(tau, delta), generator(seed, KEY)
    n = n_hidden // 2 if symmetric else n_hidden
    into, out = (_unit_vectors(torch, n, size, stream) for size in (n_in, n_out))
    if symmetric:
        into, out = torch.cat([into, into]), torch.cat([out, -out])
    bend = {"relu": torch.nn.ReLU, "leaky": torch.nn.LeakyReLU, "linear": torch.nn.Identity}
    with torch.random.fork_rng(devices=[]):  # torch draws weights that are replaced at once
        first, last = (torch.nn.Linear(*size, bias=False)
                       for size in ((n_in, n_hidden), (n_hidden, n_out)))  # fmt: skip
    with torch.no_grad():
        first.weight.copy_(into * (tau / alpha))
        last.weight.copy_(out.T * (alpha * tau))
    return torch.nn.Sequential(first, bend[parsed(activation)[0]](), last)


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
    >>> import torch
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
    n_trials: int = 4,
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
        All are 0 at the first step. Kernel distances depend on the trials: compare at the same.
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
    >>> bool((found.conservation_drift < 1e-3).all()), bool((found.parameter_distance[-1] > 0).all())
    (True, True)
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
    places where it fits: 0 for a constant or linear filter. The one printed in the paper
    (-1 -2 -1; -2 8 -2; -1 -2 -1) / 4 does not sum to 0, so that by it a constant filter is not
    smooth; values are not comparable with theirs.

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


def _unit_vectors(torch, n, size, stream):
    drawn = torch.randn((n, size), generator=stream, dtype=torch.float64)
    return drawn / drawn.norm(dim=1, keepdim=True)


def _active(module, inputs, layers):
    """Where the units of these layers are above 0, one array a layer."""
    torch = lazy_torch()
    feed = Feed(torch, module, inputs)
    with watched(torch, module, find_layers(torch, module, layers)) as run:
        calls = run(feed(np.arange(feed.n_trials)))
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
