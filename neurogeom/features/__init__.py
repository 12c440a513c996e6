"""What the axes of a population mean: sparse features, recoverable latents, slow factors."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME: dict[str, str] = {
    "Autoencoder": "autoencoders",
    "Dictionary": "dictionary",
    "FISTA": "encoders",
    "LinearReLU": "autoencoders",
    "MLPEncoder": "autoencoders",
    "TopK": "autoencoders",
    "TrainedEncoder": "autoencoders",
    "amortisation_gap": "gap",
    "decoding_flops": "flops",
    "exact_weights": "exact",
    "refine": "gap",
    "train_autoencoder": "autoencoders",
    "training_flops": "flops",
}

__all__ = [
    "FISTA",
    "Autoencoder",
    "Dictionary",
    "LinearReLU",
    "MLPEncoder",
    "TopK",
    "TrainedEncoder",
    "amortisation_gap",
    "decoding_flops",
    "exact_weights",
    "refine",
    "train_autoencoder",
    "training_flops",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOME))


sys.modules[__name__].__class__ = Face
