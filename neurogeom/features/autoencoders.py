r"""Autoencoders with sparse codes: one network of one pass stands in for the inference of codes.

.. math:: L = \tfrac12 |x - sD|^2 + \lambda |s|_1, \qquad s = f(x) \ge 0

mean over samples, is descended in the encoder f and the unit atoms D at once; with D given (*known
D*) in f alone; with codes given too (*known Z*) f learns those. What is trained is an encoder like
any other, and the dictionary is separate: ``dictionary.encode(x, FISTA(penalty))`` and
:func:`neurogeom.features.refine` infer better codes over the same atoms.

Source: O'Neill, Gumran & Klindt 2024, arXiv:2411.13117. Their loss, the squared error averaged over
samples and the M neurons plus l1 times the codes' mean over samples and the N atoms, is 2 / M times
this one at ``penalty = l1 * M / (2 * N)``: for l1 = 0.01, N = 16, M = 8 it is 0.0025.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xarray as xr

from .. import activity, learn, options
from ._given import as_given, beside
from .dictionary import Dictionary, need_dictionary, places

KEY = 71  # of random streams
LOSSES = ("squared", "cosine")
WEIGHTS = ("atoms", "random")
NEAR = 0.1  # of their usual size: random weights that are added to the atoms


class _Trainable:
    """What the three encoders share: maps with relu after each.

    ``sizes`` are numbers of units from neurons to atoms, ``biased`` whether maps have a bias.
    """

    biased, tied, n_nonzero = True, False, None

    def sizes(self, n_neurons: int, n_atoms: int) -> list[int]:
        """Numbers of units, from neurons to atoms."""
        return [n_neurons, n_atoms]

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """Operations of encoding (a product and a sum are 2): products, biases, relu, selection."""
        from .flops import elementwise, products

        options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
        sizes = self.sizes(n_neurons, n_atoms)
        return float(n_samples * (products(sizes) + elementwise(self, sizes)))


@dataclass(frozen=True)
class LinearReLU(_Trainable):
    """Codes relu(x W + b), the encoder of a plain sparse autoencoder.

    Parameters
    ----------
    bias : bool
    tied : bool
        W is the dictionary itself, transposed.
    """

    bias: bool = True
    tied: bool = False

    def __post_init__(self):
        options.switch(bias=self.bias, tied=self.tied)
        object.__setattr__(self, "biased", self.bias)


@dataclass(frozen=True)
class TopK(_Trainable):
    """Codes relu(x W + b) of which only the largest of a sample are kept.

    Parameters
    ----------
    n_nonzero : int, codes kept a sample

    Source: Gao et al. 2024, arXiv:2406.04093; after Makhzani & Frey 2013, arXiv:1312.5663.
    """

    n_nonzero: int

    def __post_init__(self):
        options.whole(1, n_nonzero=self.n_nonzero)


@dataclass(frozen=True)
class MLPEncoder(_Trainable):
    """Codes by a perceptron with biases, relu after every layer, the last included.

    Parameters
    ----------
    hidden : tuple of int, units of the hidden layers
    """

    hidden: tuple[int, ...] = (256,)

    def __post_init__(self):
        if not isinstance(self.hidden, tuple) or not self.hidden:
            raise ValueError(f"hidden={self.hidden!r} is no tuple of numbers; give some, as (256,)")
        for n in self.hidden:
            options.whole(1, hidden=n)

    def sizes(self, n_neurons: int, n_atoms: int) -> list[int]:
        """Numbers of units, from neurons to atoms."""
        return [n_neurons, *self.hidden, n_atoms]


@dataclass(frozen=True, eq=False)
class TrainedEncoder:
    """An encoder as training left it, for any samples of the neurons it was trained on.

    kind : LinearReLU, TopK or MLPEncoder
    module : torch module of one net, float64
    scale : size of the samples, by which they are divided and the codes multiplied
    neurons : their labels, in the order of the module's inputs, if they have some
    """

    kind: Any
    module: Any = field(repr=False)
    scale: float = field(repr=False)
    neurons: Any = field(default=None, repr=False)

    def encode(self, x: Any, dictionary: Dictionary) -> np.ndarray:
        """Codes (sample, atom), 0 or more; a tied encoder takes its weights from the dictionary.

        Raises
        ------
        TypeError
            Samples are no real numbers; the dictionary is none.
        ValueError
            It was trained for a dictionary of other neurons or another number of atoms.
        """
        torch = learn.lazy_torch()
        need_dictionary(dictionary=dictionary)
        x = dictionary.centred(x)
        sizes = self.module.sizes
        if (dictionary.n_neurons, dictionary.n_atoms) != (sizes[0], sizes[-1]):
            raise ValueError(
                f"a dictionary of {dictionary.n_atoms} atoms over {dictionary.n_neurons} neurons "
                f"does not fit an encoder trained for {sizes[-1]} over {sizes[0]}; give its own"
            )
        own = places(dictionary.neurons, self.neurons, "dictionary", "the encoder")
        x = x[:, own]
        with torch.inference_mode(), learn.one_thread():
            atoms = torch.from_numpy(dictionary.atoms[:, own])[None]
            return (
                self.module(torch.from_numpy(x / self.scale)[None], atoms)[0].numpy() * self.scale
            )

    def flops(self, n_samples: int, n_neurons: int, n_atoms: int) -> float:
        """Operations of encoding, those of training not among them."""
        return self.kind.flops(n_samples, n_neurons, n_atoms)


@dataclass(frozen=True, eq=False)
class Autoencoder:
    """A dictionary and an encoder that were trained together, or the encoder for a dictionary.

    objective : mean over the training samples of what was descended
    penalty : with which it was trained
    history : DataArray (restart, step), the loss of the batch as training went on
    restarts : every restart as an Autoencoder of its own, in order
    """

    dictionary: Dictionary
    encoder: TrainedEncoder
    objective: float
    penalty: float
    history: xr.DataArray | None = field(default=None, repr=False)
    restarts: tuple[Autoencoder, ...] = field(default=(), repr=False)

    def encode(self, x: Any) -> Any:
        """Codes as by :meth:`Dictionary.encode`."""
        return self.dictionary.encode(x, self.encoder)


def train_autoencoder(
    x: Any,
    n_atoms: int,
    encoder: Any,
    *,
    penalty: float,
    steps: int = 5000,
    lr: float = 1e-2,
    rate: str = "cosine",
    batch: int = 1024,
    n_restarts: int = 3,
    weights: str = "atoms",
    dictionary: Dictionary | None = None,
    codes: Any = None,
    loss: str | None = None,
    centre: bool = False,
    seed: int = 0,
) -> Autoencoder:
    """Train an encoder, and the dictionary unless it is given; the restart of least loss is kept.

    Adam; restarts differ in their first weights alone and are trained side by side as one tensor.
    Atoms start in random directions, biases at 0, but those of a perceptron's outputs at 0.1: one
    that no sample activates is never trained.
    Samples are scaled to a mean square of 1 for training and codes scaled back, so that a rate
    means the same in all units.

    Parameters
    ----------
    x : (sample, neuron), or an activity without time
    n_atoms : int
    encoder : LinearReLU, TopK or MLPEncoder
    penalty : float, 0 or more, in units of activity
    steps, lr, rate : as in :func:`neurogeom.learn.fit`
    batch : int
        Samples drawn at each step; all of them at every step where there are no more.
    n_restarts : int
    weights : {"atoms", "random"}
        First weights of an encoder of one map: near the atoms, which leaves fewer units unused, or
        random as in the paper and as those of a perceptron always are.
    dictionary : Dictionary, optional
        Known D: it is not trained.
    codes : (sample, atom), 0 or more, optional
        Known Z: codes over `dictionary` that the encoder is to give, in the order of x as it is
        given; those with ``trial_id`` are matched to an activity by it.
    loss : {"squared", "cosine"}, optional
        With known Z: half the squared distance of a sample's codes, or less the cosine of each
        latent with the true one over the samples of a batch (the paper's), which knows no scale:
        compare by correlation. "squared" by default.
    centre : bool
        The mean of the samples is taken off and becomes the dictionary's centre.

    Raises
    ------
    TypeError
        Samples or codes are no real numbers; the dictionary is none.
    ValueError
        An option is not possible, samples are not finite or all zero, a dictionary or codes do
        not fit.
    ImportError
        Torch is not installed.

    Notes
    -----
    Codes of such an encoder are not the best ones, nor is its dictionary:
    :func:`neurogeom.features.amortisation_gap` says by how much and which of the two is at fault.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.exponential(size=(200, 1)) * np.eye(3)[rng.integers(3, size=200)]
    >>> model = train_autoencoder(x, 3, LinearReLU(), penalty=0.01, steps=500)
    >>> model.dictionary.match(Dictionary(np.eye(3)), signed=True).value > 0.95
    True
    """
    torch = learn.lazy_torch()
    options.one_of(WEIGHTS, weights=weights)
    _check(encoder, n_atoms, penalty, batch, n_restarts, codes, dictionary, loss, centre, seed)
    frame = _frame(x, centre) if dictionary is None else dictionary
    values = frame.centred(x)
    true = None if codes is None else _true(beside(codes, x), len(values), n_atoms)
    place = as_given(x)[1] if isinstance(x, xr.DataArray) else slice(None)  # what is trained does
    values, true = values[place], None if true is None else true[place]  # not hang on their order
    scale = float(np.sqrt((values**2).sum(axis=1).mean()))
    if scale == 0:
        raise ValueError("every sample is zero; there is nothing to encode")
    module = _module(encoder, frame, n_atoms, dictionary, n_restarts, weights, seed)
    given = [
        torch.from_numpy((a / scale).astype(np.float32)) for a in (values, true) if a is not None
    ]
    descended = _descended(penalty / scale, true, loss)
    with learn.one_thread():
        run = learn.fit(
            module, _batches(given, batch, seed), descended, steps=steps, lr=lr, rate=rate,
            every=max(1, steps // 50),
        )  # fmt: skip
    fitted = [_net(module, i, encoder, frame, dictionary, scale) for i in range(n_restarts)]
    each = [
        Autoencoder(d, e, _objective(d, e, values + frame.centre, penalty, true, loss), penalty)
        for d, e in fitted
    ]
    best = min(each, key=lambda own: own.objective)
    history = xr.DataArray(
        run.history.get("loss", np.empty((n_restarts, 0))) * (1 if loss == "cosine" else scale**2),
        {"step": run.at}, ("restart", "step"), "loss",
    )  # fmt: skip
    return replace(best, history=history, restarts=tuple(each))


def need_trainable(encoder: Any) -> None:
    """Refuse what is none of the encoders that are trained, by a ValueError."""
    if not isinstance(encoder, _Trainable):
        raise ValueError(
            f"encoder={options.shown(encoder)} cannot be trained; give LinearReLU(), TopK(n) or "
            "MLPEncoder()"
        )


def _check(encoder, n_atoms, penalty, batch, n_restarts, codes, dictionary, loss, centre, seed):
    need_trainable(encoder)
    if dictionary is not None:
        need_dictionary(dictionary=dictionary)
    options.whole(1, n_atoms=n_atoms, batch=batch, n_restarts=n_restarts)
    options.whole(0, seed=seed)
    options.number(0, penalty=penalty)
    options.switch(centre=centre)
    if encoder.n_nonzero is not None and encoder.n_nonzero > n_atoms:
        raise ValueError(f"n_nonzero={encoder.n_nonzero} codes of {n_atoms} atoms; keep fewer")
    if dictionary is not None and dictionary.n_atoms != n_atoms:
        raise ValueError(f"n_atoms={n_atoms}, and the dictionary has {dictionary.n_atoms}; agree")
    if dictionary is not None and centre:
        raise ValueError("centre=True has no effect on a known dictionary; give it its own centre")
    if codes is not None and dictionary is None:
        raise ValueError("known codes are of a dictionary; give it too, as dictionary=")
    if loss is not None and codes is None:
        raise ValueError(f"loss={loss!r} has no effect without known codes; give codes=")
    if loss is not None:
        options.one_of(LOSSES, loss=loss)


def _frame(x, centre):
    """The neurons as a dictionary of themselves: it checks samples and orders their neurons."""
    x = activity.validate(x) if isinstance(x, xr.DataArray) else options.reals("activity", x)
    labels = x.coords["unit_id"].values if isinstance(x, xr.DataArray) else None
    frame = Dictionary(np.eye(x.shape[1] if x.ndim > 1 else 1), neurons=labels)
    return replace(frame, centre=frame.centred(x).mean(axis=0)) if centre else frame


def _true(codes, n_samples, n_atoms):
    codes = options.reals("codes", codes)
    if codes.shape != (n_samples, n_atoms) or not (np.isfinite(codes) & (codes >= 0)).all():
        raise ValueError(
            f"codes of shape {codes.shape} must be ({n_samples}, {n_atoms}) finite numbers of 0 or "
            "more"
        )
    return codes


def _module(encoder, frame, n_atoms, dictionary, n_restarts, weights, seed):
    from .. import stacked
    from . import _sparse_modules as modules

    torch = learn.lazy_torch()
    streams = stacked.streams(seed, n_restarts, KEY)
    own = modules.Encoder(
        encoder.sizes(frame.n_neurons, n_atoms), streams,
        bias=encoder.biased, tied=encoder.tied, n_nonzero=encoder.n_nonzero,
    )  # fmt: skip
    if dictionary is None:
        shape = n_atoms, frame.n_neurons
        atoms = torch.stack([torch.randn(shape, generator=g) for g in streams])
    else:
        atoms = torch.from_numpy(dictionary.atoms).float().repeat(n_restarts, 1, 1)
    module = modules.Autoencoder(own, atoms, frozen=dictionary is not None)
    if weights == "atoms" and len(own.maps) == 1:
        with torch.no_grad():
            own.maps[0].weight.mul_(NEAR).add_(module.atoms.mT)
    return module


def _descended(penalty, true, loss):
    from . import _sparse_modules as modules

    if true is None:
        return modules.objective(penalty)
    return modules.negative_cosine if loss == "cosine" else modules.squared_error


def _batches(given, batch, seed):
    """What each step sees, by the step alone."""
    n = len(given[0])

    def batch_at(step):
        if n <= batch:
            return given if len(given) > 1 else given[0]
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 0, step)))
        rows = rng.choice(n, batch, replace=False)
        return [a[rows] for a in given] if len(given) > 1 else given[0][rows]

    return batch_at


def _net(module, i, encoder, frame, dictionary, scale):
    """Dictionary and encoder of one restart, the latter in double precision."""
    from . import _sparse_modules as modules

    own = modules.alone(module.encoder, i)
    if dictionary is None:
        dictionary = replace(frame, atoms=module.decoder[i].detach().double().numpy())
    return dictionary, TrainedEncoder(encoder, own, scale, frame.neurons)


def _objective(dictionary, encoder, x, penalty, true, loss):
    codes = encoder.encode(x, dictionary)
    if true is None:
        return float(dictionary.objective(x, codes, penalty).mean())
    if loss == "cosine":
        length = np.linalg.norm(codes, axis=0) * np.linalg.norm(true, axis=0)
        inner = (codes * true).sum(axis=0)
        return float(-np.divide(inner, length, np.zeros_like(length), where=length > 0).mean())
    return float(0.5 * ((codes - true) ** 2).sum(axis=1).mean())
