"""Images of 24 textures seen by 12 neurons: the benchmark of interpretability, made once."""

from functools import cache
from typing import NamedTuple

import numpy as np

import neurogeom as ng


class Seen(NamedTuple):
    """features : (image, 24); embedding : (image, 360); mixing : (neuron, texture), unit columns
    responses : (image, neuron)"""

    images: np.ndarray
    features: np.ndarray
    embedding: np.ndarray
    mixing: np.ndarray
    responses: np.ndarray


@cache
def seen(n=1200, seed=0, n_neurons=12, noise=0.05):
    images, features = ng.features.textures(n, seed=seed)
    rng = np.random.default_rng(100 + seed)
    mixing = rng.standard_normal((n_neurons, 24))
    mixing /= np.linalg.norm(mixing, axis=0)
    responses = features @ mixing.T + noise * rng.standard_normal((n, n_neurons))
    return Seen(images, features, ng.features.GaborEnergy()(images), mixing, responses)
