"""What slow latents are learnt from: pairs of moments, their scale, and what options fit them."""

from __future__ import annotations

import math

import numpy as np

from ..options import number, one_of, reals, shown, whole

ROUNDING = 1e-13  # sd of a constant, as a share of its size
LIKELIHOODS = ("gaussian", "bernoulli", "poisson")
LOSSES = ("two_way", "authors", "elbo")
MLP_LAYERS = (64, 64)
CHANNELS = (32, 32, 64, 64)  # of convolutions, each of which halves the side
DENSE = 256  # units after them


def scales(x):
    """Mean and sd (..., 1, feature) of x (..., row, feature); sd 0 of what is constant but for
    rounding, in any units."""
    size = np.abs(x).max(axis=-2, keepdims=True)
    shrunk = x / np.where(size > 0, size, 1)  # whose squares do not overflow
    sd = shrunk.std(axis=-2, keepdims=True)
    return shrunk.mean(axis=-2, keepdims=True) * size, np.where(sd > ROUNDING, sd * size, 0)


def per(spread):
    """1 / spread, and 0 of what is constant."""
    return np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)


def moments(x0, x1, lag):
    """Two moments (..., pair, feature) of what was given: two arrays, or a series and a lag."""
    first = reals("x0", x0)
    if x1 is None:
        lag = 1 if lag is None else lag
        whole(1, lag=lag)
        if first.ndim not in (2, 3) or first.shape[-2] <= lag:
            raise ValueError(f"a series of shape {first.shape} has no moments {lag} apart; give "
                             "(time, feature), or x1 as well")  # fmt: skip
        first, second = first[..., :-lag, :], first[..., lag:, :]
    else:
        if lag is not None:
            raise ValueError(f"lag={lag!r} has no effect on pairs x0 and x1; leave one out")
        second = reals("x1", x1)
    if first.ndim not in (2, 3) or first.shape != second.shape or not first.size:
        raise ValueError(f"x0 and x1 have shapes {first.shape} and {second.shape}; give (pair, "
                         "feature) of the same pairs twice")  # fmt: skip
    for name, own in {"x0": first, "x1": second}.items():
        if not np.isfinite(own).all():
            raise ValueError(f"{name} is not all finite numbers; leave out pairs with NaN or "
                             "infinity")  # fmt: skip
    return first, second


def checked(first, second, likelihood, obs_sd, loss, gamma):
    """Refuse options that do not fit these moments (set, pair, feature) or one another."""
    one_of(LIKELIHOODS, likelihood=likelihood)
    one_of(LOSSES, loss=loss)
    if obs_sd is not None:
        number(above=0, obs_sd=obs_sd)
        if likelihood != "gaussian":
            raise ValueError(f"obs_sd={obs_sd!r} has no effect on likelihood={likelihood!r}; leave "
                             "it out")  # fmt: skip
    if loss == "elbo" and gamma == 0:
        raise ValueError("loss='elbo' with gamma=0 leaves the second moment without a prior; a "
                         "beta-VAE is loss='two_way' with gamma=0")  # fmt: skip
    if all((own == first[..., :1, :]).all() for own in (first, second)):
        raise ValueError("no feature varies over the pairs; give some that do")
    fits(likelihood, first, second)


def fits(likelihood, *arrays):
    """Refuse values that this likelihood cannot take."""
    low = min(own.min() for own in arrays)
    if likelihood == "bernoulli" and (low < 0 or max(own.max() for own in arrays) > 1):
        raise ValueError("likelihood='bernoulli' takes values from 0 to 1; scale them, or give "
                         "likelihood='gaussian'")  # fmt: skip
    if likelihood == "poisson" and (low < 0 or any((own != np.round(own)).any() for own in arrays)):
        raise ValueError("likelihood='poisson' takes counts, whole numbers of 0 or more; give "
                         "likelihood='gaussian' for other values")  # fmt: skip


def layers_of(network, layers, n_features):
    """Units of the encoder's layers, or channels and units."""
    if layers is not None:
        if not isinstance(layers, tuple | list):
            raise ValueError(f"layers={shown(layers)} is no tuple of units; give some as (64, 64)")
        for units in layers:
            whole(1, layers=units)
    if network == "mlp":
        return MLP_LAYERS if layers is None else tuple(layers)
    side = math.isqrt(n_features)
    if side * side != n_features:
        raise ValueError(f"network='conv' takes square images, and {n_features} features are no "
                         "side * side; crop or pad them, or give network='mlp'")  # fmt: skip
    if layers is None:
        layers = (*CHANNELS[: max(1, int(math.log2(max(side, 2))) - 1)], DENSE)
    halvings = len(layers) - 1
    if halvings < 1 or side % 2**halvings:
        raise ValueError(f"layers={tuple(layers)} halve the side {halvings} times, and {side} is "
                         "not a multiple of that power of 2; give one or more convolutions and the "
                         "units of the dense layer")  # fmt: skip
    return tuple(layers)
