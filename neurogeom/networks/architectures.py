"""Architectures as small frozen settings: each builds one network a seed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from ..learn import lazy_torch
from ..options import hint, number, one_of, shown, switch, whole
from . import activations

KEY = 41  # of random streams
INITS = ("torch", "normal")
_RANGES = {
    "noise": {"least": 0},
    "encoder_noise": {"least": 0},
    "alpha": {"above": 0},
    "scale": {"above": 0},
    "relative": {"above": 0},
}


@dataclass(frozen=True)
class Architecture(ABC):
    """What all have: a fixed random encoder before (widths, or None), and a linear readout.

    encoder : widths of a fixed random ReLU network on the inputs; the channels that the task calls
    passing (a fixation cue) go by it.
    encoder_noise : sd a step of noise after the encoder (noise before it is the task's).
    train_readout : False keeps the readout as it was drawn.
    """

    encoder: tuple[int, ...] | None = field(default=None, kw_only=True)
    encoder_noise: float = field(default=0.0, kw_only=True)
    train_readout: bool = field(default=True, kw_only=True)

    def __post_init__(self):
        """Widths and settings that cannot be, in one sentence."""
        for f in fields(self):
            value = getattr(self, f.name)
            kind = f.type.__name__ if isinstance(f.type, type) else str(f.type)
            name = f"{type(self).__name__}.{f.name}"
            own = {name: value}
            if kind.startswith("tuple") and not (value is None and kind.endswith("None")):
                object.__setattr__(self, f.name, _widths(name, value))
            elif kind == "int":
                whole(1, **own)
            elif kind == "bool":
                switch(**own)
            elif kind == "float":
                number(**_RANGES.get(f.name, {}), **own)
            elif f.name == "init":
                one_of(INITS, **own)
            elif f.name == "activation":
                activations.parsed(value)
        if self.encoder_noise and self.encoder is None:
            raise ValueError(
                f"encoder_noise={self.encoder_noise} comes after an encoder, and there is none; "
                "give its widths, as encoder=(100,)"
            )
        if getattr(self, "symmetric", False) and self.hidden[-1] % 2:
            raise ValueError(f"{self.hidden[-1]} units cannot come in pairs; make them even")

    def build(self, n_in: int, n_out: int, *, seeds: Sequence[int] = (0,), passing: int = 0):
        """A torch module of one net a seed.

        Parameters
        ----------
        n_in, n_out : int
            Channels of the task's inputs and outputs.
        seeds : sequence of int
            A net with one seed is the same whatever others are built beside it.
        passing : int
            First channels that go by the encoder.

        Returns
        -------
        torch.nn.Module (``n_nets``, ``member``): (trial, step, channel) or (net, trial, step,
        channel) to (net, trial, step, output).

        Raises
        ------
        ImportError
            torch is not installed.
        """
        lazy_torch()
        from .modules import Encoder, Network

        whole(1, n_in=n_in, n_out=n_out)
        whole(0, passing=passing, **{f"seeds[{i}]": seed for i, seed in enumerate(seeds)})
        streams = [generator(seed, 0) for seed in seeds]
        encoder, shape = None, (n_in, n_out, passing)
        if self.encoder:
            encoder = Encoder(n_in, self.encoder, passing, streams, noise=self.encoder_noise)
            n_in = passing + self.encoder[-1]
        core, width = self.core(n_in, streams)
        module = Network(
            core,
            width,
            n_out,
            streams,
            encoder=encoder,
            train_readout=self.train_readout,
            init=getattr(self, "init", "torch"),
        )
        module.architecture, module.seeds, module.shape = self, tuple(map(int, seeds)), shape
        self.scaled(module)
        return module

    @abstractmethod
    def core(self, n_in, streams):
        """The trained part, and how many units the readout sees."""

    def scaled(self, module):
        """First weights paired, rescaled between first and last layer, and all scaled, in place."""
        from .hidden import hidden_layers, rescaled_

        if getattr(self, "symmetric", False):
            module.pair_()
        if getattr(self, "relative", 1.0) != 1:
            rescaled_(module, hidden_layers(module), self.relative)
        if getattr(self, "scale", 1.0) != 1:
            for part in (*module.core.parameters(), *module.readout.parameters()):
                part.data.mul_(self.scale)

    def to_json(self) -> dict[str, Any]:
        """Name and settings."""
        return {"name": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class MLP(Architecture):
    """Layers of `hidden` units, each step by itself. init "normal": all of N(0, 1 / inputs).

    scale : of all first weights and biases; small ones learn richly, large ones lazily.
    relative : alpha of :func:`neurogeom.networks.rescale`: divides the first layer and all hidden
    biases, multiplies the readout (above 1: upstream). With relu, leaky and linear units the first
    function is that of 1, with others it is not.
    symmetric : units of the last hidden layer come in pairs of opposite readout, so that the first
    function is 0; their number must be even.
    """

    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    init: str = "torch"
    scale: float = 1.0
    relative: float = 1.0
    symmetric: bool = False

    def core(self, n_in, streams):
        """Layers."""
        from .modules import Perceptron

        return Perceptron(n_in, self.hidden, streams, self.activation, self.init), self.hidden[-1]


@dataclass(frozen=True)
class RNN(Architecture):
    """Rate RNN; alpha = dt / tau, 1 for a plain one; noise: sd a step and unit while it learns.

    scale, relative : of an :class:`MLP`; relative leaves recurrent weights as they are.
    """

    hidden: int = 64
    activation: str = "relu"
    alpha: float = 1.0
    leaky: bool = True
    noise: float = 0.0
    scale: float = 1.0
    relative: float = 1.0

    def core(self, n_in, streams):
        """One recurrent layer."""
        from .recurrent import RateCore

        options = {"activation": self.activation, "alpha": self.alpha, "leaky": self.leaky}
        return RateCore(n_in, self.hidden, streams, self.noise, **options), self.hidden


@dataclass(frozen=True)
class GRU(Architecture):
    """Gated recurrent units (Cho et al. 2014).

    memory is added to the first biases of the update gates: a unit then keeps its state for about
    1 + exp(memory) steps. With 0, as in torch, signals fade within a few steps and tasks with a
    delay are hardly learnt (Tallec & Ollivier 2018, arXiv:1804.11188).
    """

    hidden: int = 64
    noise: float = 0.0
    memory: float = 2.0

    def core(self, n_in, streams):
        """One recurrent layer."""
        from .recurrent import GRUCore

        return GRUCore(n_in, self.hidden, streams, self.noise, self.memory), self.hidden


@dataclass(frozen=True)
class LSTM(Architecture):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); memory as of a GRU, forget gates."""

    hidden: int = 64
    noise: float = 0.0
    memory: float = 2.0

    def core(self, n_in, streams):
        """One recurrent layer."""
        from .recurrent import LSTMCore

        return LSTMCore(n_in, self.hidden, streams, self.noise, self.memory), self.hidden


@dataclass(frozen=True)
class Transformer(Architecture):
    """Causal transformer without a positional code."""

    hidden: int = 64
    heads: int = 8
    layers: int = 1

    def core(self, n_in, streams):
        """Blocks of attention and perceptron."""
        from .modules import Transformer as Blocks

        return Blocks(n_in, self.hidden, self.heads, self.layers, streams), self.hidden


@dataclass(frozen=True)
class Convolutional(Architecture):
    """Convolutions over square images, then one layer of `hidden` units."""

    channels: tuple[int, ...] = (8, 16)
    hidden: int = 64
    activation: str = "relu"

    def core(self, n_in, streams):
        """Maps and a layer."""
        from .modules import Convolutions

        return Convolutions(n_in, self.channels, self.hidden, streams, self.activation), self.hidden


ARCHITECTURES = {
    "mlp": MLP,
    "rnn": RNN,
    "gru": GRU,
    "lstm": LSTM,
    "transformer": Transformer,
    "conv": Convolutional,
}


def architecture(network: str | Architecture) -> Architecture:
    """An architecture, or the one that goes by this name with its usual settings.

    Examples
    --------
    >>> architecture("gru")
    GRU(encoder=None, encoder_noise=0.0, train_readout=True, hidden=64, noise=0.0, memory=2.0)
    """
    if isinstance(network, Architecture):
        return network
    if not isinstance(network, str) or network not in ARCHITECTURES:
        raise ValueError(f"network {shown(network)} is unknown; {hint(network, ARCHITECTURES)}")
    return ARCHITECTURES[network]()


def from_json(found: dict[str, Any]) -> Architecture:
    """What `to_json` wrote."""
    classes = {c.__name__: c for c in ARCHITECTURES.values()}
    kind = classes[found["name"]]
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items() if k != "name"}
    known = {f.name for f in fields(kind)}
    return kind(**{k: v for k, v in lists.items() if k in known})


def generator(*key: int):
    """A torch generator that belongs to these numbers alone."""
    drawn = np.random.SeedSequence(key[0], spawn_key=(KEY, *key[1:])).generate_state(1, np.uint64)
    return lazy_torch().Generator().manual_seed(int(drawn[0] >> 1))


def _widths(name, value):
    if not isinstance(value, tuple | list) or not value:
        raise ValueError(f"{name}={shown(value)} is no tuple of widths; give one or more, as (64,)")
    whole(1, **{f"{name}[{i}]": width for i, width in enumerate(value)})
    return tuple(map(int, value))
