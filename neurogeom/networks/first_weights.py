r"""Scale and imbalance of first weights, which set how a network will learn.

Two settings: their overall size :math:`\tau`, and which layer has more of it,
:math:`\delta = \tau^2 (\alpha^2 - \alpha^{-2})` a hidden unit, with what goes out of it of length
:math:`\alpha\tau` and what comes in of length :math:`\tau / \alpha`. Small and upstream
(:math:`\delta > 0`) relu networks turn their kernel soon and with little motion of parameters;
downstream ones move far and late; large ones stay lazy (Kunin et al. 2024, arXiv:2406.06158,
sections 5 and 6; what their code calls alpha is the inverse). Of the networks of this toolkit the
options `scale`, `relative` and `symmetric` draw such weights, for any activation.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

from ..formulas.imbalance import scale_of_delta
from ..learn import lazy_torch
from ..options import number
from .activations import parsed
from .architectures import generator
from .hidden import KINDS, OTHER, hidden_layers, rescaled_

__all__ = ["rescale", "two_layer"]

KEY = 5  # of random streams


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
    number(above=0, tau=tau)
    number(delta=delta)
    if parsed(activation)[0] not in KINDS:
        raise ValueError(f"units with {activation!r} have no delta; choose from {list(KINDS)}")
    if min(n_in, n_hidden, n_out) < 1 or (symmetric and n_hidden % 2):
        raise ValueError(
            f"{n_in} inputs, {n_hidden} hidden units, {n_out} outputs: give 1 or more of each, and "
            "an even number of hidden units that come in pairs"
        )
    alpha, stream = float(scale_of_delta(tau, delta)), generator(seed, KEY)
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


def _unit_vectors(torch, n, size, stream):
    drawn = torch.randn((n, size), generator=stream, dtype=torch.float64)
    return drawn / drawn.norm(dim=1, keepdim=True)
