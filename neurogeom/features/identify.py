r"""Latents found by classification: an encoder and a linear classifier, trained, chosen, scored.

The classifier names the class of a sample, or its index (parametric instance discrimination: a
weight vector a datum). At the least cross-entropy there can be, the encoder has inverted what mixed
the latents, up to a linear map (Reizinger et al., arXiv:2410.21869). Some trainings end in local
optima in which a latent is all but lost (ours: of two latents one start in six, at smaller rates
than the default of five latents too), so that several are started, side by side in one module, and
that of the least cross-entropy of samples it was not trained on is kept: which needs no latents. In
a world that was generated the least there can be is known, and the gap to it says whether the one
that was kept has arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from ..learn import device_of, fit, lazy_torch, one_thread
from ..options import is_whole, reals, shown, switch, whole
from ._labelled import N_HELD_OUT, Trials, Worlds, check, checked, whitening
from .clustered import Clustered
from .recovery import class_vector_recovery, linear_recovery, orthogonality

__all__ = ["Classified", "classify", "identifiability"]

KEY = 83  # of random streams


def classify(
    source: Any,
    labels: Any = "class",
    *,
    hidden: Sequence[int] = (64, 64, 64),
    n_components: int | None = None,
    batch_norm: bool = True,
    unit_code: bool = False,
    unit_weights: bool = False,
    steps: int = 2000,
    batch: int = 512,
    lr: float = 1e-2,
    n_restarts: int = 3,
    fixed: int | None = None,
    min_trials: int = 5,
    seed: int = 0,
    device: str = "cpu",
) -> Classified:
    """Train encoders to classify, several starts at once, and keep the one that does it best.

    Adam with a cosine rate descends the cross-entropy of logits <w_label, f(x)>, without bias, of a
    leaky perceptron f of whitened x. In a world the latents are drawn afresh at every step.

    Parameters
    ----------
    source : Clustered, or a list of them of the same sizes; activity or array (trial, neuron)
        Worlds of :func:`neurogeom.features.clustered_latents`, each with its own nets in the same
        module; or trials, of which a quarter is held out. Of the others one in five of each label
        decides which start is kept, and the rest train (all of them where `n_restarts` is 1).
    labels : {"class", "index"}, name of a coordinate of the trials, or array (trial,)
        What is classified.
    hidden : sequence of int
        Units of the hidden layers.
    n_components : int, optional
        Of the code f(x): by default as many as the world has latents; of trials as many as the last
        hidden layer has units.
    batch_norm : bool
        Without it, and without the whitening, training stalls where a linear map already was.
    unit_code, unit_weights : bool
        f(x), and the w, have length 1: the code is then an orthogonal map of the latents (by the w
        alone with twice as many classes as latents or more), see
        :func:`neurogeom.features.orthogonality`. Where both have, their logits are scaled by a
        number that is learnt too.
    steps, batch, lr : int, int, float
        Steps, samples of each, largest rate.
    n_restarts : int
        First weights, of each world.
    fixed : int, optional
        So many samples of a world are drawn once and trained on again and again, as a recording's
        trials always are (of which it is refused). This is a failure mode: of 1000 samples no more
        is recovered than the raw observations give, and less the longer they are trained on.
    min_trials : int
        As in :func:`neurogeom.decoding`.
    seed : int
    device : str
        Where torch trains: "cpu", "cuda".

    Returns
    -------
    Classified
        ``result`` is a Dataset; ``encode(x)`` gives the code of the start that was kept.

    Raises
    ------
    TypeError, ValueError
        An option is not possible, worlds differ in size, labels are not one a trial or of several
        kinds; of trials as in :func:`neurogeom.decoding`.

    Source: Reizinger et al., arXiv:2410.21869, section 4 (with whitening and a cosine rate, and far
    fewer steps: theirs are 50,000 or more).

    Examples
    --------
    >>> from neurogeom import features
    >>> world = features.clustered_latents(2, n_classes=10, n_layers=2)
    >>> found = classify(world, hidden=(32,), steps=60, batch=256, n_restarts=2)
    >>> found.result.gap.dims, found.encode(world.at(0, 5).observations).shape
    (('restart',), (5, 2))
    """
    lazy_torch()
    check(hidden, n_components, steps, batch, lr, n_restarts, fixed, seed)
    switch(batch_norm=batch_norm, unit_code=unit_code, unit_weights=unit_weights)
    device = device_of(device)
    several = isinstance(source, list | tuple)
    worlds = list(source) if several else [source]
    if worlds and all(isinstance(w, Clustered) for w in worlds):
        data = Worlds(worlds, labels, batch, fixed, several)
        n_components = n_components or worlds[0].n_latents
    else:
        if fixed is not None:
            raise ValueError(f"fixed={fixed!r} has no effect on trials, which are always the same; "
                             "leave it out")  # fmt: skip
        data = Trials(source, labels, batch, min_trials, seed, n_restarts)
        n_components = n_components or (hidden[-1] if len(hidden) else data.n_labels)
    with one_thread():
        from ..stacked import streams
        from ._identify_modules import Classifier, cross_entropy, tensors

        nets = [g for key in data.keys for g in streams([seed, key], n_restarts, KEY)]
        whitened = [whitening(x, data.floor) for x in data.to_whiten()]
        white = tuple(map(np.stack, zip(*whitened, strict=True)))
        module = Classifier(
            (white[1].shape[2], *hidden, n_components), data.n_labels, nets,
            batch_norm=batch_norm, unit_code=unit_code, unit_weights=unit_weights,
        ).to(device)  # fmt: skip
        module.train()

        def batch_at(step):
            return tensors(*data.at(step), white, n_restarts, device)

        trained = fit(
            module, batch_at, lambda net, b: cross_entropy(net(b[0]), b[1]), steps=steps, lr=lr,
            rate="cosine", every=max(1, steps // 20),
        )  # fmt: skip
        module.eval()
        found = Classified(module, data, n_restarts, device, xr.Dataset(), white)
    return _with_result(found, trained, {
        "labels": labels if isinstance(labels, str) else "given", "steps": steps, "batch": batch,
        "lr": lr, "hidden": list(map(int, hidden)), "unit_code": int(unit_code),
        "unit_weights": int(unit_weights), "seed": seed,
    })  # fmt: skip


@dataclass(eq=False)
class Classified:
    """What :func:`classify` returns.

    result : Dataset, over (restart) or, of a list of worlds, (world, restart)
        ``cross_entropy`` and ``accuracy`` on held-out samples, in evaluation mode (by running
        moments); of worlds ``bayes_cross_entropy``, the mean loss of the ideal classifier on the
        same samples, and ``gap``, the difference, 0 at best. ``deciding``: cross-entropy of the
        samples that decide which start is kept, of trials others than the held-out ones;
        ``chosen``: the restart where it is least; ``estimate``: its ``cross_entropy``. ``loss``
        (..., step) in training. ``attrs["chance"]`` is the cross-entropy, on the held-out trials,
        of the training trials' label frequencies, and ``attrs["accuracy_chance"]`` the share of
        them that the most frequent training label gets right (of equals the mean); of worlds what
        their labels' frequencies give.
    """

    module: Any
    data: Any
    n_restarts: int
    device: str
    result: xr.Dataset
    white: Any

    @property
    def chosen(self) -> np.ndarray:
        """The restart that was kept, int (world,)."""
        return np.atleast_1d(self.result.chosen.values)

    def encode(self, x: Any, *, world: int = 0, restart: int | None = None) -> np.ndarray:
        """The code of samples (sample, channel), as (sample, component).

        By the start that was kept, or another.

        Raises
        ------
        TypeError, ValueError
            Samples are of other channels, no real numbers or not finite; no such world or restart.
        """
        net, x = self._net(world, restart), reals("samples", x)
        n_channels = self.white[0].shape[2]
        if x.ndim != 2 or not len(x) or x.shape[1] != n_channels:
            raise ValueError(f"samples of shape {x.shape}: give (sample, {n_channels}), the "
                             "channels that were trained on")  # fmt: skip
        return self._codes(np.broadcast_to(x, (len(self.data.keys), *x.shape)))[net]

    def weights(self, *, world: int = 0, restart: int | None = None) -> np.ndarray:
        """The classifier's weights, (label, component).

        Raises
        ------
        ValueError
            No such world or restart.
        """
        return self.module.rows[self._net(world, restart)].detach().cpu().double().numpy()

    def cross_entropy(self, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean loss in nats and accuracy in evaluation mode, both (world, restart).

        x, labels : (world, sample, channel) and int (world, sample), 0 to less than their number

        Raises
        ------
        TypeError, ValueError
            Samples or labels have other shapes, are no real numbers, or no labels' numbers.
        """
        torch = lazy_torch()
        from ._identify_modules import cross_entropy, tensors

        sizes = len(self.data.keys), self.white[0].shape[2], self.data.n_labels
        x, labels = checked(x, labels, *sizes)
        loss, right = 0.0, 0.0
        size = max(1, 2**23 // self.data.n_labels)  # logits of a net in memory at once
        with one_thread(), torch.no_grad():
            for i in range(0, x.shape[1], size):
                part = slice(i, i + size)
                own = x[:, part], labels[:, part]
                a, y = tensors(*own, self.white, self.n_restarts, self.device)
                logits = self.module(a)
                share = y.shape[1] / x.shape[1]
                loss = loss + share * cross_entropy(logits, y).double()
                right = right + share * (logits.argmax(-1) == y).double().mean(1)
        shape = len(x), self.n_restarts
        return loss.cpu().numpy().reshape(shape), right.cpu().numpy().reshape(shape)

    def _codes(self, x):
        """All nets' codes of each world's samples, (world, sample, channel) to (net, ...)."""
        torch = lazy_torch()
        from ._identify_modules import tensors

        y = np.zeros(x.shape[:2], int)
        with one_thread(), torch.no_grad():
            codes = self.module.encode(tensors(x, y, self.white, self.n_restarts, self.device)[0])
        return codes.cpu().double().numpy()

    def _net(self, world, restart):
        for name, value, n in (
            ("world", world, len(self.data.keys)),
            ("restart", 0 if restart is None else restart, self.n_restarts),
        ):
            if not (is_whole(value) and value < n):
                raise ValueError(f"{name}={shown(value)} is none of the {n} that were trained; "
                                 f"give a whole number from 0 to {n - 1}")  # fmt: skip
        restart = int(self.chosen[world]) if restart is None else restart
        return world * self.n_restarts + restart


def identifiability(found: Classified, *, n: int = N_HELD_OUT) -> xr.Dataset:
    """Did classification recover the latents of the world, and was it the world that allowed it?

    Parameters
    ----------
    found : Classified
        Of one world or several.
    n : int
        Fresh samples, half of them for the linear map.

    Returns
    -------
    Dataset
        ``estimate``: R^2 of the latents predicted from the code of the start that was kept
        (:func:`neurogeom.features.linear_recovery`); ``raw``: from the observations, which is its
        chance level; ``r_squared`` (restart) of every start; ``class_vectors``: R^2 of the classes'
        vectors from the weights, over classes (:func:`neurogeom.features.class_vector_recovery`),
        NaN where these are few (``attrs["reasons"]``); ``singular_values`` (component) of the
        linear map times kappa (times 1 where the code has length 1), all 1 where ``unit_code``, or
        ``unit_weights`` with twice as many classes as latents or more; ``mcc``; and what
        ``found.result`` has: ``gap``, ``cross_entropy``, ``bayes_cross_entropy``, ``chosen``. All
        with a leading dim ``world`` where a list of worlds was given.

        ``attrs["notes"]`` warns of a gap above 0.1 nats (a local optimum, too few steps, or, with
        other noise than von Mises-Fisher or with wrong labels, a world whose ideal logits are not
        linear in the latents), of classes that cannot identify the latents or, by weights of length
        1 alone, make the map orthogonal, of samples that were used again and again, and where raw
        observations say as much.

    Raises
    ------
    TypeError, ValueError
        This is no classifier, or it was trained on trials, whose latents nobody knows.

    Examples
    --------
    >>> from neurogeom import features
    >>> world = features.clustered_latents(5, n_classes=4)
    >>> few = identifiability(features.classify(world, hidden=(16,), steps=1, n_restarts=1), n=500)
    >>> [note for note in few.notes if "classes" in note]
    ['4 classes cannot identify 5 latents: at least 6 are needed']
    """
    if not isinstance(found, Classified):
        raise TypeError(f"found is a {type(found).__name__}; give what classify returned")
    if not isinstance(found.data, Worlds):
        raise ValueError("the latents of recorded trials are not known; give what classify made "
                         "of clustered_latents")  # fmt: skip
    whole(8, n=n)
    worlds = found.data.worlds
    batches = [w.at(1, n, held_out=True) for w in worlds]
    codes = found._codes(np.stack([b.observations for b in batches]))
    unit = found.module.unit_code  # the map is orthogonal then, else kappa is its inverse length
    rows = []
    for w, (world, own) in enumerate(zip(worlds, batches, strict=True)):
        scores = [
            linear_recovery(codes[found._net(w, r)], own.latents, raw=own.observations)
            for r in range(found.n_restarts)
        ]
        chosen = int(found.chosen[w])
        labels = np.arange(found.data.n_labels) % world.n_classes
        vectors = class_vector_recovery(found.weights(world=w), world.vectors, labels)
        turned = orthogonality(
            codes[found._net(w, chosen)], own.latents, kappa=1.0 if unit else world.kappa
        )
        best = scores[chosen]
        rows.append(xr.Dataset(
            {
                "estimate": best.estimate, "raw": best.raw, "mcc": best.mcc,
                "r_squared": ("restart", [float(s.estimate) for s in scores]),
                "class_vectors": vectors.estimate, "singular_values": turned.singular_values,
            },
            attrs={"notes": best.attrs["notes"],
                   "reasons": [("class_vectors", why) for why in vectors.reasons.values()]},
        ))  # fmt: skip
    several = found.data.several
    joined = xr.concat(rows, "world", combine_attrs="drop") if several else rows[0].drop_attrs()
    notes = [note for row in rows for note in row.attrs["notes"]]
    least, n_classes = 2 * worlds[0].n_latents, worlds[0].n_classes
    if found.module.unit_weights and not unit and n_classes < least:
        notes.append(f"{n_classes} classes do not make the map orthogonal by weights of length 1 "
                     f"alone: at least {least} are needed")  # fmt: skip
    copied = ["gap", "cross_entropy", "bayes_cross_entropy", "chosen"]
    return joined.assign({k: found.result[k] for k in copied}).assign_attrs(
        found.result.attrs,
        measure="identifiability",
        estimand="R^2 of fresh latents predicted from the code by a linear map",
        chance="raw: what the observations give",
        range="(-inf, 1]",
        direction="higher is closer to an invertible linear map of the latents",
        reasons=dict(reason for row in rows for reason in row.attrs["reasons"]),
        notes=list(dict.fromkeys([*found.result.attrs["notes"], *notes])),
    )


def _with_result(found, trained, settings):
    """`found` with its Dataset: samples that nothing was trained on decide which start is kept."""
    data = found.data
    x, y, bayes = data.held_out()
    loss, accuracy = found.cross_entropy(x, y)
    other = data.deciding()
    decided = loss if other is None else found.cross_entropy(*other)[0]
    chance, accuracy_chance = data.chance()
    dims = ("world", "restart")
    chosen = np.argmin(decided, axis=1)
    history = trained.history.get("loss", np.zeros((loss.size, 0))).reshape(*loss.shape, -1)
    gap = loss - bayes[:, None]
    own = np.arange(len(loss)), chosen
    result = xr.Dataset(
        {
            "estimate": ("world", loss[own]),
            "cross_entropy": (dims, loss),
            "accuracy": (dims, accuracy),
            "bayes_cross_entropy": ("world", bayes),
            "gap": (dims, gap),
            "deciding": (dims, decided),
            "chosen": ("world", chosen),
            "loss": ((*dims, "step"), history),
        },
        {"step": trained.at},
    )
    if not data.several:
        result = result.isel(world=0)
    notes = data.notes(gap[own])
    result.attrs = {
        **getattr(data, "attrs", {}),
        "measure": "classify",
        "estimand": "cross-entropy of held-out samples, of the start that was kept, in nats",
        "chance": float(chance),
        "accuracy_chance": float(accuracy_chance),
        "range": "[0, inf)",
        "direction": "lower is closer to the ideal classifier",
        **settings,
        "n_restarts": found.n_restarts,
        "notes": notes,
    }
    found.result = result
    return found
