"""Features learnt from the datum's index alone (DIET), by a network."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from .. import learn, options
from .._version import __version__
from ._diet_inputs import (
    KEY,
    Batches,
    augmentation,
    images_or_rows,
    indexed_rows,
    of_activity,
    stream,
)

__all__ = ["Diet", "diet"]

HEADS = ("full", "restricted")
N_NEGATIVES = 1024
NETWORKS = {"mlp": (256, 128), "conv": (32, 64, 128)}
ROUNDING = 1e-13  # spread of a constant, as a share of its size
CHUNK = 1000  # rows at once outside of training


def diet(
    inputs,
    *,
    datum=None,
    network="mlp",
    layers=None,
    augment="default",
    label_smoothing: float = 0.8,
    epochs: int = 200,
    batch: int = 250,
    lr: float = 1e-3,
    weight_decay: float = 0.05,
    head: str = "full",
    n_negatives: int | None = None,
    n_nets: int = 1,
    seed: int = 0,
    device: str | None = None,
    progress=None,
) -> Diet:
    r"""Learn features by giving every datum its own class, its index, and nothing else.

    One branch, no pairs, no teacher: a backbone f and a head W without bias, of one row a datum,

    .. math:: \min \; \mathrm{CE}\big(W f(\mathrm{aug}(x_i)),\; i\big)

    with label smoothing, by AdamW and a cosine rate. The head is thrown away. **Augmentations are
    the whole signal**: without them, and without repeats, an arbitrary code of the data is learnt.

    Parameters
    ----------
    inputs : array (row, feature), (row, side, side), (row, channel, row, column), or DataArray
        A DataArray has dims (trial, neuron), and its neurons are taken in the order of their ids.
    datum : array (row,) or str, optional
        Which datum a row repeats (a column of the trials of a DataArray); every row is one unless
        given. Neighbouring bins of a trial are all but repeats: give the trial or the stimulus.
        Rows without one are refused. (With class labels in its place it is plain supervised
        learning by the same network.)
    network : {"mlp", "conv"} or torch module
        Linear maps with batch norm and relu, of rows; 3 x 3 convolutions with batch norm, relu and
        maxima of 2 x 2 between them, averaged over space, of images; or a module from (row, ...) to
        (row, feature), of which a copy is trained.
    layers : tuple of int, optional
        Units or channels of the layers, the last the number of features: (256, 128), (32, 64, 128).
    augment : "default", mapping, callable or None
        Strengths. Of rows: ``thin`` (counts: spikes are kept with a probability from 1 - thin to
        1), ``gain`` (sd of the log of a trial's gain), ``dropout`` (share of neurons at their
        mean), ``noise`` (sd, in units of each neuron's). Of images: ``rotate`` (degrees), ``shift``
        (of half a side), ``scale`` (share), all uniform to either side, ``noise`` (sd, of the
        range). A callable takes rows scaled as for the network (torch) and a torch.Generator.
    label_smoothing : float
        Share of the target spread over all indices, the right one too.
    epochs, batch : int
        Passes over the rows, in order of a shuffle of each epoch; a last incomplete batch is left
        out. 0 epochs leave the network as it was drawn.
    lr, weight_decay : float
    head : {"full", "restricted"}
        All logits, or those of the batch's indices and of `n_negatives` others sampled anew at
        every step (1024 unless given): batch x (batch + negatives) numbers in place of batch x
        data. Its estimate of the loss is biased down, less with more negatives.
    n_nets : int
        Networks of different first weights, "mlp" alone; batches and augmentations are the same.
    seed, device, progress
        The best device there is unless one is named; ``progress(step, last)`` as in training.

    Returns
    -------
    Diet
        ``transform(x)`` gives features; ``results`` a Dataset.

    Raises
    ------
    ImportError
        Torch is not installed.
    KeyError, TypeError, ValueError
        Shapes do not fit the network, inputs are no real numbers, not finite or out of the range of
        single precision, a datum is missing or there are fewer than two, an augmentation is unknown
        or needs counts, an option is not possible or has no effect.

    Source: Ibrahim, Klindt & Balestriero 2024, arXiv:2406.10743; Balestriero 2023,
    arXiv:2302.10260. There: ResNets, 10 epochs of warm-up, 1000 epochs and more.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((40, 6))
    >>> found = diet(rows, layers=(16, 8), epochs=100, batch=20, lr=0.01)
    >>> found.transform(rows).shape, found.results.attrs["n_data"]
    ((40, 8), 40)
    >>> bool(found.results.loss < found.results.loss_chance)
    True
    """
    torch = learn.lazy_torch()
    from . import _diet_modules as parts

    options.number(0, below=1, label_smoothing=label_smoothing)
    options.whole(0, epochs=epochs, seed=seed)
    options.whole(2, batch=batch)
    options.whole(1, n_nets=n_nets)
    options.one_of(HEADS, head=head)
    if n_negatives is not None:
        options.whole(1, n_negatives=n_negatives)
        if head == "full":
            raise ValueError(f"n_negatives={n_negatives!r} has no effect on a full head; give "
                             "head='restricted'")  # fmt: skip
    rows, index, n_data = indexed_rows(inputs, datum)
    device = learn.device_of(device)
    vary = augmentation(torch, parts, rows, augment, device)
    values = torch.from_numpy(rows).to(device)
    module = _module(torch, parts, vary.scaled(values[:2]), network, layers, n_data, n_nets, seed)
    module = module.to(device)
    if callable(augment):
        _try(torch, module, vary, values[: min(batch, len(rows))], seed)
    batch = min(batch, len(rows))
    batches = Batches(torch, values, index, n_data, batch, vary, seed,
                       (n_negatives or N_NEGATIVES) if head == "restricted" else None)  # fmt: skip
    each = {"full": parts.full_loss, "restricted": parts.restricted_loss}[head]
    seen = []

    def loss(module, drawn):
        found = each(module, drawn, label_smoothing)
        seen.append(found.detach())
        return found

    def evaluate(step):
        mean = torch.stack(seen).mean(0).cpu().numpy() if seen else np.full(n_nets, np.nan)
        seen.clear()
        return {"mean loss": mean}

    per_epoch = len(rows) // batch
    with learn.one_thread():
        module.train()
        fit = learn.fit(
            module, batches, loss, steps=epochs * per_epoch, lr=lr, rate="cosine",
            optimizer="adamw", weight_decay=weight_decay, evaluate=evaluate,
            every=per_epoch * max(1, epochs // 20), progress=progress,
        )  # fmt: skip
        module.eval()
    found = Diet(module, vary, rows.shape[1:], xr.Dataset())
    about = {
        "network": network if isinstance(network, str) else type(network).__name__,
        "augment": repr(vary.strengths),
        "head": head if head == "full" else f"restricted, {batches.n_negatives} negatives",
        "label_smoothing": label_smoothing,
        "epochs": epochs,
        "batch": batch,
        "lr": lr,
        "weight_decay": weight_decay,
        "seed": seed,
        "device": device,
        "seconds": fit.seconds,
    }
    results = _results(found, fit, rows, n_data, label_smoothing, about)
    return Diet(module, vary, rows.shape[1:], results)


@dataclass(frozen=True)
class Diet:
    """A trained network.

    module : with ``backbone`` and ``head`` (net, datum, feature); results : Dataset with ``loss``
    (net), augmented, mean since the evaluation before the last, ``loss_floor`` (the entropy of the
    smoothed target), ``loss_chance`` (log of the number of data), ``effective_rank`` (net) of the
    features of the rows, 1 to their number, and ``history`` (net, step) of the loss
    """

    module: Any
    vary: Any
    shape: tuple
    results: xr.Dataset

    def transform(self, x, *, net: int = 0) -> np.ndarray:
        """Features (row, feature) of one net, of rows as they are, in their order.

        Raises
        ------
        TypeError, ValueError
            Rows of another shape, no real numbers or not finite; no such net.
        """
        torch = learn.lazy_torch()
        if not (options.is_whole(net) and net < self.module.n_nets):
            raise ValueError(f"net={net!r} is none of the {self.module.n_nets} that were trained")
        rows = torch.from_numpy(self._fitting(x))
        with learn.one_thread(), torch.inference_mode():
            parts = [self.module.features(self.vary.scaled(part))[net].cpu()
                     for part in rows.split(CHUNK)]  # fmt: skip
        return torch.cat(parts).numpy().astype(float)

    def augmented(self, x, *, seed: int = 0) -> np.ndarray:
        """Rows as the network saw such rows in training, in the units of the inputs.

        Raises
        ------
        TypeError, ValueError
            As of `transform`.
        """
        torch = learn.lazy_torch()
        options.whole(0, seed=seed)
        rows = torch.from_numpy(self._fitting(x))
        with learn.one_thread(), torch.inference_mode():
            found = self.vary.unscaled(self.vary(rows, stream(torch, seed, 4)))
        found = found.cpu().numpy().astype(float)
        return found[:, 0] if np.ndim(x) == 3 else found

    def _fitting(self, x):
        order = slice(None)
        if isinstance(x, xr.DataArray):
            x, order = of_activity(x)
            x, order = x.values, np.argsort(order)
        rows = images_or_rows(x)
        if rows.shape[1:] != self.shape:
            raise ValueError(f"rows have shape {rows.shape[1:]} and the network was trained on "
                             f"{self.shape}; give the same features")  # fmt: skip
        return rows[order]


def _module(torch, parts, rows, network, layers, n_data, n_nets, seed):
    """Backbone and head, as drawn; rows : two, scaled, to try a module of one's own on."""
    from ..stacked import MLP, streams

    if not isinstance(network, torch.nn.Module):
        options.one_of(NETWORKS, network=network)
    if network != "mlp" and n_nets > 1:
        raise ValueError(f"n_nets={n_nets} networks are trained at once of 'mlp' alone; give 1")
    if (network == "mlp" and rows.ndim != 2) or (network == "conv" and rows.ndim != 4):
        wanted = {"mlp": "(row, feature)", "conv": "images, (row, side, side)"}[network]
        raise ValueError(f"network={network!r} takes {wanted}, and inputs have shape {rows.shape}")
    own = streams(seed, n_nets, KEY)
    if isinstance(network, torch.nn.Module):
        if layers is not None:
            raise ValueError("layers has no effect on a module of your own; leave it out")
        network = copy.deepcopy(network).to(rows.device)
        return parts.Indexed(network, n_data, _n_features(torch, network, rows), own)
    layers = NETWORKS[network] if layers is None else layers
    if not isinstance(layers, tuple | list | np.ndarray) or np.size(layers) < 1:
        raise ValueError(f"layers={options.shown(layers)} is not possible; give the units or "
                         "channels of each layer, as (256, 128)")  # fmt: skip
    for units in layers:
        options.whole(1, layers=units)
    sizes = (rows.shape[1], *layers)
    backbone = MLP(sizes, own, batch_norm=True) if network == "mlp" else parts.Convolutions(
        sizes, own[0])  # fmt: skip
    return parts.Indexed(backbone, n_data, layers[-1], own)


def _n_features(torch, network, rows):
    name = type(network).__name__
    try:
        with torch.no_grad():
            found = network.eval()(rows)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"{name} fails on rows of shape {tuple(rows.shape[1:])} in single "
                         f"precision: {_line(error)}; give one that maps them to features"
                         ) from error  # fmt: skip
    shape = tuple(getattr(found, "shape", ()))
    if len(shape) != 2 or shape[0] != len(rows) or not shape[1] or not found.is_floating_point():
        raise ValueError(f"{name} must map (row, ...) to (row, feature) and gave {shape}")
    return shape[1]


def _try(torch, module, vary, rows, seed):
    """Refuse an augmentation of one's own that the network cannot learn from."""
    wanted = "give a callable of rows (torch) and a torch.Generator that returns such rows"
    with learn.one_thread(), torch.no_grad():
        try:
            found = vary(rows, stream(torch, seed, 2, 0))
            n_found = module.eval().features(found).shape[1]
        except Exception as error:  # whatever a callable raises is why
            raise ValueError(f"augment fails on rows of shape {tuple(rows.shape)}: {_line(error)}; "
                             f"{wanted}") from error  # fmt: skip
    if n_found != len(rows) or not found.isfinite().all():
        raise ValueError(f"augment gave {n_found} rows of {len(rows)}, or some that are not "
                         f"finite; {wanted}")  # fmt: skip


def _line(error):
    return " ".join(str(error).split())[:100]


def _results(found, fit, rows, n_data, smoothing, about):
    history = fit.history.get("mean loss", np.full((found.module.n_nets, 0), np.nan))
    features = [found.transform(rows, net=i) for i in range(found.module.n_nets)]
    rank = [effective_rank(own) if np.isfinite(own).all() else np.nan for own in features]
    notes = [f"features of net {i} are not finite, so that they have no effective rank"
             for i in np.flatnonzero(np.isnan(rank))]  # fmt: skip
    last = history[:, -1] if history.size else np.full(len(rank), np.nan)
    return xr.Dataset(
        {
            "loss": ("net", last),
            "loss_floor": smoothed_entropy(n_data, smoothing),
            "loss_chance": math.log(n_data),
            "effective_rank": ("net", rank),
            "history": (("net", "step"), history),
        },
        {"step": fit.at, "net": np.arange(len(rank))},
        {
            "measure": "diet",
            "estimand": "cross-entropy of the index of augmented training rows",
            "range": [float(smoothed_entropy(n_data, smoothing)), math.inf],
            "direction": "lower tells data apart better; loss_floor: perfectly",
            "n_data": n_data,
            "n_rows": len(rows),
            **about,
            "notes": list(dict.fromkeys([*fit.stopped, *notes])),
            "version": __version__,
        },
    )


def smoothed_entropy(n_data: int, smoothing: float) -> float:
    """Entropy of a target that is smoothed over all data: no loss is lower.

    Examples
    --------
    >>> round(smoothed_entropy(1000, 0.8), 3), smoothed_entropy(1000, 0.0)
    (6.021, 0.0)
    """
    other = smoothing / n_data
    right = 1 - smoothing + other
    rest = -(n_data - 1) * other * math.log(other) if other else 0.0
    return rest - right * math.log(right)


def effective_rank(features: np.ndarray) -> float:
    """Exponential of the entropy of the singular values' shares, of centred (row, feature).

    1 to the number of features; 0 where nothing varies. Source: Roy & Vetterli 2007, EUSIPCO.

    Examples
    --------
    >>> round(effective_rank(np.random.default_rng(0).standard_normal((10_000, 5))), 2)
    5.0
    """
    apart = features - features.mean(axis=0)
    if np.abs(apart).max() <= ROUNDING * np.abs(features).max():
        return 0.0
    size = np.linalg.svd(apart, compute_uv=False)
    share = size[size > 0] / size.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
