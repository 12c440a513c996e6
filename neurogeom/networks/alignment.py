r"""Watch representations, gradients and weights of the layers of any torch module align.

A tracker streams the second moments of what enters and leaves each linear map,
:math:`h_b = W h_a`, and of the gradients on both sides, and reports the six relations of the
canonical representation hypothesis, each beside its chance and its initial value
(:mod:`neurogeom.formulas.matrix_alignment`), and the exponents of polynomial alignment
(:mod:`neurogeom.formulas.polynomial_alignment`), both of Ziyin et al., arXiv:2410.03006.

Moments are averages over rows, weights are those of the last pass: measure at fixed weights, on
test data, with the module in evaluation mode (dropout and batch normalisation in training mode make
gradients that belong to no sample; ``attrs["training_mode"]`` names such layers). Where weights
move, over the last part of a noisy training, :mod:`.fluctuation_dissipation` averages what must be
averaged with them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from neurogeom.formulas.matrix_alignment import Collapse
from neurogeom.learn import lazy_torch
from neurogeom.networks.layer_moments import COORDS, DIMS, LayerMoments
from neurogeom.networks.linear_maps import LinearMap, find_maps
from neurogeom.options import number, one_of, whole

__all__ = ["Tracker", "neural_feature_ansatz", "track_alignment"]

MODES, GRADIENTS = ("normcov", "cov", "raw"), ("through", "total")
CHANGING = ("Dropout", "BatchNorm", "InstanceNorm")  # other in training than in evaluation


def track_alignment(
    module: Any,
    layers: Any = None,
    *,
    mode: str = "normcov",
    grad: str = "through",
    cross: bool = True,
    every: int = 1,
    scale: float | str = "mean",
    max_rows: int | None = None,
    project: int | None = None,
    seed: int = 0,
) -> Tracker:
    """Follow the second moments of the layers of a module through passes forth and back.

    Parameters
    ----------
    module : torch.nn.Module
        Any. Followed are ``nn.Linear``, ``nn.Conv2d`` (each group of a grouped one by itself, as
        ``name[group]``) and the layers of this toolkit, each of their nets by itself.
    layers : str or list of str, optional
        Names or patterns such as ``"blocks.*.narrow"``; all, where not given.
    mode : {"normcov", "cov", "raw"}
        Of the six relations: covariances of rows over their length (the form of the paper's
        figures; a row of zeros is left out, and where the loss is all but 0 the direction of a
        gradient is noise), covariances, or second moments. Exponents and participation ratios are
        those of second moments, or of covariances where mode is "cov".
    grad : {"through", "total"}
        The gradient on side a: through this layer alone, :math:`W^T g_b`, as the theory has it, or
        over all that its input feeds (residual streams; query, key and value), which exists where
        the input requires a gradient.
    cross : bool
        Whether to follow :math:`E[g_b h_a^T]` too.
    every : int
        Of the passes of the module with gradients, one in so many is followed, the first included.
    scale : float or "mean"
        What a gradient is multiplied by to be that of one row's loss: the number of its rows where
        the loss is a mean over trials, 1 where it is a sum. It matters where batches differ in
        size, and to what is compared with weight decay; loss scaling in half precision is yours.
    max_rows : int, optional
        At most so many rows of a pass, drawn at random (positions of a convolution, tokens).
    project : int, optional
        Sides wider than this are seen through one random projection to so many numbers. Relations
        and participation ratios are then estimates of those of the whole, noisy (by about 0.1 at
        200) and not clipped; there are no exponents of such a side.
    seed : int

    Returns
    -------
    Tracker
        To be entered by ``with``; see there.

    Raises
    ------
    KeyError, ValueError
        A layer is not there, is no linear map, or runs its weights outside any module
        (``nn.MultiheadAttention``); an option is unknown.

    Notes
    -----
    Nothing is corrected for few rows (samples, positions, tokens): noise of the moments lowers
    alignment and participation ratio. Of 40 units with white inputs b-RWA is 1 with endless rows
    and 0.71, 0.81, 0.98, 1.00 (medians of 20) with 20, 40, 400, 4,000; a participation ratio of n
    becomes n / (1 + n / rows). Take rows a hundred times the width, and as many where you compare.

    A layer that is called several times in a pass (tied weights) pools its calls; two layers with
    one tensor of weights stay two. Biases are kept apart by the covariances ("cov", "normcov").

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> x = torch.randn(500, 4)
    >>> with track_alignment(net, mode="raw") as tracker:
    ...     net(x).square().sum(dim=1).mean().backward()
    >>> report = tracker.report()
    >>> report.layer.values.tolist(), bool(report.alignment.sel(layer="0", relation="b-RWA") > 0.8)
    (['0', '2'], True)
    """
    _check(mode, grad, every, scale, max_rows, project)
    options = {
        "mode": mode,
        "grad": grad,
        "cross": cross,
        "scale": scale,
        "max_rows": max_rows,
        "project": project,
        "seed": seed,
    }
    return Tracker(module, find_maps(module, layers), every, options)


class Tracker:
    """A context in which passes of a module are followed, from :func:`track_alignment`.

    Entering starts anew; leaving removes all hooks, after an error too. It may be entered again:
    before training, after it, at steps between. ``initial`` of every report is the alignment of
    the tracker's first one. A pass counts when its gradient arrives: passes without gradients, or
    without a backward pass, are no data.
    """

    def __init__(self, module: Any, maps: list[LinearMap], every: int, options: dict[str, Any]):
        self.module, self.maps, self.every, self.options = module, maps, every, options
        self._handles: list = []
        self._first: xr.DataArray | None = None
        self.clear()

    def clear(self) -> None:
        """Forget what was followed, but not the first report."""
        self.seen = [LayerMoments(own, self.options, i) for i, own in enumerate(self.maps)]
        self._passes, self._now, self._training = 0, True, set()

    def __enter__(self) -> Tracker:
        if self._handles:
            raise RuntimeError("this tracker is at work; leave it before it is entered again")
        self.clear()
        self._handles = [self.module.register_forward_pre_hook(self._begin)]
        for i, own in enumerate(self.maps):
            hook = _follow(self, i)
            self._handles.append(own.module.register_forward_hook(hook, with_kwargs=True))
        return self

    def __exit__(self, *_: Any) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def follows(self, number: int, seen: LayerMoments) -> bool:
        """Whether a gradient that arrives belongs to what is followed now."""
        return bool(self._handles) and self.seen[number] is seen

    @property
    def now(self) -> bool:
        """Whether this pass is one of those that are followed."""
        return bool(self._handles) and self._now and lazy_torch().is_grad_enabled()

    def _begin(self, module: Any, args: Any) -> None:
        if not lazy_torch().is_grad_enabled():
            return
        self._now = self._passes % self.every == 0
        self._passes += 1
        if self._now:
            self._training |= {
                name
                for name, own in module.named_modules()
                if own.training and any(kind in type(own).__name__ for kind in CHANGING)
            }

    def merge(self, other: Tracker) -> None:
        """Take in what a tracker of the same layers has seen elsewhere, at the same weights."""
        if [m.name for m in self.maps] != [m.name for m in other.maps]:
            raise ValueError("the trackers follow different layers; give both the same")
        for own, theirs in zip(self.seen, other.seen, strict=True):
            own.merge(theirs)

    def report(self) -> xr.Dataset:
        r"""The alignment of every layer, at the weights of the last pass that was followed.

        Returns
        -------
        Dataset
            ``alignment``, ``chance``, ``excess``, ``traceless``, ``initial`` (layer, relation), as
            in :mod:`neurogeom.formulas.matrix_alignment`; ``exponent`` (layer, power) of p and q,
            ``exponent_interval``, ``exponent_r2``, ``exponent_scatter``, ``commutation`` and
            ``n_directions`` beside it; ``phase`` (layer); ``participation_ratio`` (layer, matrix);
            ``cross`` (layer, side), the alignment of :math:`E[g_a h_a^T]` with :math:`Z_a` and of
            :math:`E[g_b (W h_a)^T]` with :math:`Z_b`, both through the layer; ``n_rows``,
            ``n_dropped`` (not finite), ``weights_moved`` and ``reason`` (layer), why numbers are
            missing. A dimension ``net`` after that of layers where weights have one.

        Raises
        ------
        ValueError
            No gradient has reached any layer.
        """
        if not any(seen.n_rows.any() for seen in self.seen):
            raise ValueError(
                "no gradient has reached any of these layers; call the module and backward() "
                "within the tracker, with gradients enabled"
            )
        found = self._assembled([seen.report() for seen in self.seen])
        if self._first is None:
            self._first = found.alignment.copy()
        found["initial"] = self._first
        found.attrs = {
            "measure": "alignment",
            **{k: v for k, v in self.options.items() if v is not None},
            "cross": int(self.options["cross"]),
            "every": self.every,
            "n_passes": self._passes,
            "training_mode": sorted(self._training),
            "range": "alignment, cross, traceless: [-1, 1]",
            "chance": "alignment: see chance; traceless, excess: 0",
            "exponent_interval": "jackknife over directions, 95 %",
        }
        return found

    def stationarity(self, weight_decay: float) -> xr.DataArray:
        r"""How far each layer is from :math:`E[g_b h_a^T] = \gamma W`, 0 at a minimum, by layer.

        Of the loss, a mean over trials, with coupled weight decay :math:`\gamma`, that of SGD
        (the decay of AdamW is none of a loss), over the training data at fixed weights; see
        :func:`neurogeom.formulas.matrix_alignment.stationarity`.
        """
        if not self.options["cross"]:
            raise ValueError("cross moments were not followed; track with cross=True")
        each = [seen.stationarity(weight_decay) for seen in self.seen]
        return self._assembled(each).stationarity

    def neural_collapse(self, layer: str) -> Collapse:
        """How far the last layer of a classifier has collapsed onto a simplex, (net,) each.

        See :func:`neurogeom.formulas.matrix_alignment.neural_collapse`; covariances are of rows
        over their length in mode "normcov".
        """
        names = [own.name for own in self.maps]
        if layer not in names:
            raise KeyError(f"layer {layer!r} is not followed; choose from {names}")
        return self.seen[names.index(layer)].neural_collapse()

    def _assembled(self, each: list[dict[str, np.ndarray]]) -> xr.Dataset:
        """Of arrays (map, ...) of every layer, one Dataset; groups are layers of their own."""
        axes = {
            seen.n_maps if seen.own.kind.axis == "net" else None
            for seen in self.seen
            if seen.n_maps
        }
        if len(axes) > 1:
            raise ValueError(
                "some of these layers hold several nets and others one; track them apart"
            )
        n_nets = axes.pop()
        names, rows = [], []
        for own, found in zip(self.maps, each, strict=True):
            if n_nets is not None:
                names.append(own.name)
                rows.append(
                    {k: np.broadcast_to(v, (n_nets, *v.shape[1:])) for k, v in found.items()}
                )
                continue
            n = len(next(iter(found.values())))
            names += [own.name] if n == 1 else [f"{own.name}[{i}]" for i in range(n)]
            rows += [{k: v[i] for k, v in found.items()} for i in range(n)]
        lead = ("layer",) if n_nets is None else ("layer", "net")
        variables = {k: ((*lead, *DIMS[k]), np.stack([row[k] for row in rows])) for k in rows[0]}
        used = {d for dims, _ in variables.values() for d in dims}
        coords = {"layer": names} | {d: v for d, v in COORDS.items() if d in used}
        return xr.Dataset(variables, coords)


def neural_feature_ansatz(
    module: Any, inputs: Any, layers: Any = None, *, batch: int = 256
) -> xr.Dataset:
    r"""Are the weights of a layer those of the average gradient outer product?

    The ansatz (Radhakrishnan et al. 2022) is :math:`W^T W \propto E[J^T J]` with
    :math:`J = \partial f / \partial h_a` of the outputs f. It is a-GWA for a loss whose gradient by
    the outputs is isotropic, and unlike a-GWA it changes where outputs are redefined, f to Zf
    (Ziyin et al., Section 6.4).

    Parameters
    ----------
    module : torch.nn.Module
        Of outputs (trial, ...); one backward pass is made for every number of a trial's outputs.
    inputs : tensor (trial, ...)
    layers : as in :func:`track_alignment`
    batch : int

    Returns
    -------
    Dataset
        ``alignment``, ``chance``, ``excess``, ``traceless`` (layer), and net where there are nets.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Linear(4, 3, bias=False)  # J = W for every input
    >>> neural_feature_ansatz(net, torch.randn(10, 4)).alignment.round(6).values.tolist()
    [1.0]
    """
    torch = lazy_torch()
    nets = getattr(module, "n_nets", None) is not None
    training = [(part, part.training) for part in module.modules()]
    trained = [p for p in module.parameters() if p.requires_grad]
    tracker = track_alignment(module, layers, mode="raw", cross=False, scale=1.0)
    try:
        module.eval()
        with torch.enable_grad(), tracker:
            for part in inputs.split(batch, dim=int(nets and inputs.dim() == 4)):
                outputs = module(part)
                each = outputs.reshape(*outputs.shape[: 1 + nets], -1)
                for one in each.unbind(-1):
                    torch.autograd.grad(one.sum(), trained, retain_graph=True, allow_unused=True)
    finally:
        for part, was in training:
            part.training = was
    found = tracker.report().sel(relation="a-GWA", drop=True)
    found = found[["alignment", "chance", "excess", "traceless"]]
    found.attrs = {"measure": "neural_feature_ansatz", "range": "[-1, 1]", "chance": "see chance"}
    return found


def _follow(tracker: Tracker, number: int) -> Any:
    """The hook of one layer: rows are copied on the way forth, and taken when gradients arrive."""
    torch = lazy_torch()
    kind = tracker.maps[number].kind

    def numbers(values, copy=False):
        return values.detach().to("cpu", torch.float64, copy=copy)

    def hook(layer, args, kwargs, returned):
        if not (tracker.now and returned.requires_grad):
            return
        seen = tracker.seen[number]
        x = args[0] if args else next(iter(kwargs.values()))
        with torch.no_grad():
            seen.look(numbers(kind.matrices(layer, layer.weight), copy=True).numpy())
            z = kind.output(layer, x, returned)
            # A copy: what follows may work in place, as nn.ReLU(inplace=True) does.
            h_b = kind.leave(layer, numbers(z, copy=True)).numpy()
            some, scale = seen.some_of(h_b.shape[1]), seen.factor(h_b.shape[1])
            h_b = h_b[:, some]
        # Of the input autograd has seen to that, where it needs it for the gradient of the weights.
        kept = layer.weight.requires_grad and layer.weight.dtype == x.dtype
        h_a = x.detach() if kept else x.detach().clone()
        inner = None if z is returned else z  # its own hook must not hold a tensor alive

        def arrived(gradient):
            if tracker.follows(number, seen):
                g = kind.gradient(layer, inner, gradient)
                g = kind.leave(layer, numbers(g)).numpy()[:, some]
                seen.add(kind.enter(layer, numbers(h_a), some).numpy(), h_b, g, scale)

        def arrived_total(gradient):
            if tracker.follows(number, seen):
                g = kind.enter(layer, numbers(gradient), some).numpy()
                seen.add_total(g, scale)

        returned.register_hook(arrived)
        if tracker.options["grad"] == "total" and x.requires_grad:
            x.register_hook(arrived_total)

    return hook


def _check(mode, grad, every, scale, max_rows, project):
    one_of(MODES, mode=mode)
    one_of(GRADIENTS, grad=grad)
    whole(1, every=every)
    if max_rows is not None:
        whole(1, max_rows=max_rows)
    if project is not None:
        whole(2, project=project)
    if scale != "mean":
        number(above=0, scale=scale)
