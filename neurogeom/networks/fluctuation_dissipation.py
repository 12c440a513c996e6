r"""Does gradient noise expand a layer as fast as weight decay contracts it?

One step of SGD, :math:`W \leftarrow W + \eta (G - \gamma W)` with G minus the gradient of the loss,
changes :math:`W W^T` and :math:`W^T W` by terms whose averages over time must cancel once they are
stationary (the balance behind the canonical representation, Ziyin et al., arXiv:2410.03006, in the
form derived here):

.. math:: \langle C_b \rangle + \eta \langle G G^T \rangle = 2 \gamma \langle Z_b \rangle
          + O(\eta\gamma), \qquad C_b = G W^T + W G^T,

and on side a with :math:`G^T G`, :math:`C_a = W^T G + G^T W`. For batches of one the second term is
:math:`\eta \langle |h_a|^2 g_b g_b^T \rangle`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from neurogeom.formulas.matrix_alignment import alignment
from neurogeom.learn import lazy_torch
from neurogeom.networks.linear_maps import find_maps

__all__ = ["FluctuationDissipation", "fluctuation_dissipation"]

SIDES = ("a", "b")
TERMS = ("drift", "noise", "decay", "second_order", "weights")


def fluctuation_dissipation(
    module: Any, optimizer: Any, layers: Any = None
) -> FluctuationDissipation:
    """Average, over the steps of an optimizer, what expands and what contracts each layer.

    Parameters
    ----------
    module : torch.nn.Module
    optimizer : torch.optim.SGD
        Learning rate and weight decay are read from it, at every step. The balance is that of SGD
        with coupled decay. With momentum, and for Adam and AdamW, it is not of this form: the
        terms are averaged all the same, and ``attrs["holds_for"]`` of the report says that nothing
        follows from the residual.
    layers : as in :func:`neurogeom.networks.track_alignment`

    Returns
    -------
    FluctuationDissipation
        To be entered by ``with`` around the steps, once training is stationary.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Linear(3, 2, bias=False)
    >>> sgd = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    >>> with fluctuation_dissipation(net, sgd) as balance:
    ...     for _ in range(20):
    ...         x = torch.randn(1, 3)
    ...         sgd.zero_grad()
    ...         (net(x) - x[:, :2]).square().sum().backward()
    ...         sgd.step()
    >>> bool(balance.report().unexplained.max() < 1e-5)  # exact at any time, if not stationary
    True
    """
    return FluctuationDissipation(module, optimizer, find_maps(module, layers))


class FluctuationDissipation:
    """A context whose steps are averaged, from :func:`fluctuation_dissipation`."""

    def __init__(self, module: Any, optimizer: Any, maps: list):
        self.maps, self.optimizer = maps, optimizer
        self.n_steps, self._handle = 0, None
        self.of_parameter = {id(p): g for g in optimizer.param_groups for p in g["params"]}
        missing = [m.name for m in maps if id(m.module.weight) not in self.of_parameter]
        if missing:
            raise ValueError(
                f"the optimizer does not train the weights of layer {missing[0]!r}; name the "
                "layers that it trains"
            )

    def __enter__(self) -> FluctuationDissipation:
        if self._handle is not None:
            raise RuntimeError("this monitor is at work; leave it before it is entered again")
        self.n_steps = 0
        self.start = [self._weight(own) for own in self.maps]
        self.sums = []
        for n_maps, n_b, n_a in (w.shape for w in self.start):
            sizes = {"a": n_a, "b": n_b}
            self.sums.append({s: np.zeros((len(TERMS), n_maps, n, n)) for s, n in sizes.items()})
        self._handle = self.optimizer.register_step_pre_hook(self._before)
        return self

    def __exit__(self, *_: Any) -> None:
        self.end = [self._weight(own) for own in self.maps]
        self._handle.remove()
        self._handle = None

    def _numbers(self, own: Any, values: Any) -> np.ndarray:
        """A weight or its gradient, copied, (map, n_b, n_a)."""
        values = own.kind.matrices(own.module, values.detach())
        return values.to("cpu", lazy_torch().float64, copy=True).numpy()

    def _weight(self, own: Any) -> np.ndarray:
        return self._numbers(own, own.module.weight)

    def _before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Before a step: the weights that it starts from, and the gradient that it is given."""
        self.n_steps += 1
        for i, own in enumerate(self.maps):
            weight = own.module.weight
            if weight.grad is None:
                continue
            group = self.of_parameter[id(weight)]
            rate, decay = float(group["lr"]), float(group.get("weight_decay", 0.0))
            W = self._weight(own)
            G = self._numbers(own, weight.grad)
            G = G if group.get("maximize") else -G
            for side, w, g in (("b", W, G), ("a", W.swapaxes(1, 2), G.swapaxes(1, 2))):
                across = w.swapaxes(1, 2)
                drift, square = g @ across, w @ across
                drift = drift + drift.swapaxes(1, 2)
                total = self.sums[i][side]
                total[0] += rate * drift
                total[1] += rate**2 * (g @ g.swapaxes(1, 2))
                total[2] += 2 * rate * decay * square
                # of the whole step, G - decay W, what is not of G alone
                total[3] += rate**2 * decay * (decay * square - drift)
                total[4] += square

    def report(self) -> xr.Dataset:
        r"""How well noise and drift balance decay, by layer and side.

        Returns
        -------
        Dataset
            ``residual``: :math:`|\langle C \rangle + \eta \langle GG^T \rangle - 2\gamma\langle Z
            \rangle|` over :math:`|2\gamma\langle Z\rangle|`, 0 where training is stationary;
            ``unexplained``: what is left of it once the change of Z over these steps and the terms
            of order :math:`\eta\gamma` are taken off, rounding for SGD at any time; ``noise`` and
            ``drift``: the size of either term as a share of :math:`|2\gamma\langle Z\rangle|`;
            ``cross``: alignment of the averages of C and Z; all (layer, side), or
            (layer, side, net). NaN without weight decay.

        Raises
        ------
        ValueError
            No step was made.
        """
        if not self.n_steps or self._handle is not None:
            raise ValueError(
                "the monitor is at work or has seen no step; leave it after some, then report"
            )
        names, rows = [], []
        nets = {own.kind.axis == "net" for own in self.maps}
        if len(nets) > 1:
            raise ValueError("some layers hold several nets and others one; name them apart")
        for i, own in enumerate(self.maps):
            each = [self._of_side(i, side) for side in SIDES]
            values = np.array(each)  # (side, quantity, map)
            if own.kind.axis == "net":
                names.append(own.name)
                rows.append(values)
            else:
                n = values.shape[2]
                names += [own.name] if n == 1 else [f"{own.name}[{k}]" for k in range(n)]
                rows += [values[..., k] for k in range(n)]
        table = np.stack(rows)
        dims = ("layer", "side", "net")[: table.ndim - 1]
        quantities = ("residual", "unexplained", "noise", "drift", "cross")
        return xr.Dataset(
            {q: (dims, table[:, :, k]) for k, q in enumerate(quantities)},
            {"layer": names, "side": list(SIDES)},
            {
                "measure": "fluctuation_dissipation",
                "n_steps": self.n_steps,
                "holds_for": _form(self.optimizer),
                "range": "residual: [0, inf), 0 at balance",
            },
        )

    def _of_side(self, i: int, side: str) -> list[np.ndarray]:
        drift, noise, decay, second, weights = self.sums[i][side]
        change = np.zeros_like(drift)
        for sign, W in ((1, self.end[i]), (-1, self.start[i])):
            w = W if side == "b" else W.swapaxes(1, 2)
            change += sign * w @ w.swapaxes(1, 2)
        scale = _norms(decay)
        over = np.where(scale > 0, scale, np.nan)
        found = [
            _norms(drift + noise - decay) / over,
            _norms(drift + noise - decay + second - change) / over,
            _norms(noise) / over,
            _norms(drift) / over,
        ]
        return [*found, np.array([alignment(c, z) for c, z in zip(drift, weights, strict=True)])]


def _norms(matrices: np.ndarray) -> np.ndarray:
    return np.sqrt((matrices**2).sum(axis=(1, 2)))


def _form(optimizer: Any) -> str:
    """For which steps the balance holds, or why it does not."""
    torch = lazy_torch()
    name = type(optimizer).__name__
    if not isinstance(optimizer, torch.optim.SGD):
        return f"nothing: {name} has no balance of this form; residual is no evidence"
    if any(group["momentum"] for group in optimizer.param_groups):
        return "nothing: momentum changes the balance; residual is no evidence"
    return "SGD with coupled weight decay"
