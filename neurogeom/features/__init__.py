"""What the axes of a population mean: sparse features, recoverable latents, slow factors."""

from __future__ import annotations

import sys

from neurogeom._face import Face

_HOME = {
    "Autoencoder": "autoencoders",
    "Colour": "similarity_metrics",
    "Dictionary": "dictionary",
    "ExhaustiveL0": "encoders",
    "FISTA": "encoders",
    "GaborEnergy": "similarity_metrics",
    "Labels": "similarity_metrics",
    "LinearReLU": "autoencoders",
    "MLPEncoder": "autoencoders",
    "NNLS": "encoders",
    "OMP": "encoders",
    "Pairwise": "similarity_metrics",
    "Pixels": "similarity_metrics",
    "Similarity": "similarity_metrics",
    "TopK": "autoencoders",
    "TrainedEncoder": "autoencoders",
    "amortisation_gap": "gap",
    "chance_match": "chance",
    "chance_mcc": "chance",
    "class_vector_recovery": "recovery",
    "classify": "identify",
    "clustered_latents": "clustered",
    "compare_bases": "bases",
    "cross_odd_one_out": "curation",
    "curate": "curation",
    "decoding_flops": "flops",
    "diet": "diet",
    "disentanglement": "disentanglement",
    "exact_weights": "exact",
    "factor_readout": "factor_readout",
    "find_directions": "directions",
    "identifiability": "identify",
    "interpretability": "interpretability",
    "learn_dictionary": "learn_dictionary",
    "linear_diet": "linear_diet",
    "linear_recovery": "recovery",
    "orthogonality": "recovery",
    "probe": "probe",
    "refine": "gap",
    "slow_ica": "slow_ica",
    "slow_vae": "slow_vae",
    "sparse": "sparse",
    "superposition": "superposition",
    "textures": "textures",
    "train_autoencoder": "autoencoders",
    "training_flops": "flops",
}

__all__ = [
    "FISTA",
    "NNLS",
    "OMP",
    "Autoencoder",
    "Colour",
    "Dictionary",
    "ExhaustiveL0",
    "GaborEnergy",
    "Labels",
    "LinearReLU",
    "MLPEncoder",
    "Pairwise",
    "Pixels",
    "Similarity",
    "TopK",
    "TrainedEncoder",
    "amortisation_gap",
    "chance_match",
    "chance_mcc",
    "class_vector_recovery",
    "classify",
    "clustered_latents",
    "compare_bases",
    "cross_odd_one_out",
    "curate",
    "decoding_flops",
    "diet",
    "disentanglement",
    "exact_weights",
    "factor_readout",
    "find_directions",
    "identifiability",
    "interpretability",
    "learn_dictionary",
    "linear_diet",
    "linear_recovery",
    "orthogonality",
    "probe",
    "refine",
    "slow_ica",
    "slow_vae",
    "sparse",
    "superposition",
    "textures",
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
