"""Coding axes, subspaces and interference of known populations, for calibration_portrait.py."""

from itertools import product
from zlib import crc32

import numpy as np

from neurogeom.activity import from_arrays
from neurogeom.measures.interference import interference
from neurogeom.measures.subspaces import subspaces

N_NULL, N_NEURONS = 199, 40
OVERLAPS = ("mean squared cosine", "alignment forward", "first angle")


def _rng(name, number):
    return np.random.default_rng(np.random.SeedSequence(crc32(name.encode()), spawn_key=(number,)))


def _levels(n_variables):
    return np.array(list(product([0, 1], repeat=n_variables)))


def _recorded(means, n_trials, rng, recording, mixing=None):
    """Sessions of noise sd 1 around means (condition, neuron).

    recording : number of sessions, or "apart" for a session a neuron
    mixing : (neuron, neuron), noise is this times white noise (one session)
    """
    n_conditions, n_neurons = means.shape
    levels = _levels(int(np.log2(n_conditions)))
    n_sessions = n_neurons if recording == "apart" else recording
    found = []
    for s, neurons in enumerate(np.array_split(np.arange(n_neurons), n_sessions)):
        condition = np.repeat(np.arange(n_conditions), n_trials)
        noise = rng.standard_normal((len(condition), len(neurons)))
        values = means[condition][:, neurons] + (noise if mixing is None else noise @ mixing)
        trial = dict(zip("abc", levels[condition].T, strict=False))
        ids = {"unit_id": [f"{i:03d}" for i in neurons]}
        found.append(from_arrays(values, trial=trial, neuron=ids, session=f"s{s:03d}"))
    return found


def _axes(rng, cosine, length, strength=None):
    """Two axes of independent neurons with this expected cosine, (2, neuron)."""
    z = rng.standard_normal((2, N_NEURONS))
    z[1] = cosine * z[0] + np.sqrt(1 - cosine**2) * z[1]
    gain = np.ones(N_NEURONS) if strength is None else strength
    return z * gain * length / np.sqrt((gain**2).sum())


def _two_variables(name, number, cosine, recording, length=4.0, n_trials=20, interaction=0.0):
    rng = _rng(name, number)
    v, w = _axes(rng, cosine, length)
    sign = _levels(2) - 0.5
    cross = rng.standard_normal(N_NEURONS) * interaction / np.sqrt(N_NEURONS)
    means = sign @ np.array([v, w]) + 2 * sign.prod(axis=1, keepdims=True) * cross
    means = means + rng.standard_normal(N_NEURONS)
    return _recorded(means, n_trials, rng, recording)


def _read(result, truths):
    """The answer of the first pair, for the quantities named in truths."""
    row = result.isel(pair=0)
    return {
        q: (
            row.estimate.sel(quantity=q).item(),
            row.p_value.sel(quantity=q).item(),
            *row.interval.sel(quantity=q).values.tolist(),
            truth,
        )
        for q, truth in truths.items()
    }


def _cosine(name, cosine, recording, **drawn):
    def answer(number):
        x = _two_variables(name, number, cosine, recording, **drawn)
        return _read(subspaces(x, ["a", "b"], n_null=N_NULL, seed=number), {"cosine": cosine})

    return "effect" if cosine else "null", answer


def _context_axes(name, cosine, recording, **drawn):
    """The axis of b in two contexts a, with this cosine."""

    def answer(number):
        rng = _rng(name, number)
        axes = _axes(rng, cosine, 4.0)
        levels = _levels(2)
        means = (levels[:, 1:] - 0.5) * axes[levels[:, 0]] + levels[:, :1] * rng.standard_normal(
            N_NEURONS
        )
        x = _recorded(means, 20, rng, recording)
        found = subspaces(x, ["a", "b"], between="a", n_null=N_NULL, seed=number)
        return _read(found, {"axis of b": cosine})

    return "effect" if cosine else "null", answer


def _overlap(name, kind, length, n_trials=20, apart=False):
    """Planes of four conditions in two contexts: each drawn from the noise's covariance, or one.

    apart : each isotropic, where the noise is not
    """

    def answer(number):
        rng = _rng(name, number)
        spread = 1.0 / np.sqrt(1.0 + np.arange(N_NEURONS))
        turn = np.linalg.qr(rng.standard_normal((N_NEURONS, N_NEURONS)))[0]
        mixing = spread[:, None] * turn.T
        levels = _levels(3)
        axes = rng.standard_normal((2, 2, N_NEURONS)) @ (np.eye(N_NEURONS) if apart else mixing)
        if kind == "effect" and not apart:
            axes = np.broadcast_to(rng.standard_normal((2, N_NEURONS)), axes.shape)
        axes = axes * length / np.linalg.norm(axes, axis=-1, keepdims=True)
        means = np.einsum("cv,cvn->cn", levels[:, 1:] - 0.5, axes[levels[:, 0]])
        x = _recorded(means, n_trials, rng, 1, mixing)
        found = subspaces(
            x, list("abc"), between="a", n_null=N_NULL, seed=number, scale="none", target="none"
        )
        return _read(found, dict.fromkeys(OVERLAPS, np.nan))

    return kind, answer


def _interference(name, cosine, recording, **drawn):
    def answer(number):
        x = _two_variables(name, number, cosine, recording, **drawn)
        found = interference(
            x, ["a", "b"], readout="nearest_mean", n_resamples=2, n_null=N_NULL, seed=number
        )
        return _read(found, {"interference": np.nan, "forward": np.nan})

    return "effect" if cosine else "null", answer


def _made(builder, name, *args, **drawn):
    return name, builder(name, *args, **drawn)


CELLS = dict([
    _made(_cosine, "cosine, apart", 0.0, "apart"),
    _made(_cosine, "cosine, apart, few trials", 0.0, "apart", n_trials=6),
    _made(_cosine, "cosine, apart, unequal counts", 0.0, "apart", n_trials=[6, 20, 12, 9]),
    _made(_cosine, "cosine, eight sessions", 0.0, 8),
    _made(_cosine, "cosine, one session", 0.0, 1),
    _made(_cosine, "cosine 0.5, apart", 0.5, "apart"),
    _made(_cosine, "cosine 0.5, eight sessions", 0.5, 8),
    _made(_cosine, "cosine 0.5, one session", 0.5, 1),
    _made(_context_axes, "axis in two contexts, apart", 0.0, "apart"),
    _made(_context_axes, "axis in two contexts, cosine 0.8, apart", 0.8, "apart"),
    _made(_overlap, "planes of the noise's covariance", "null", 1.0),
    _made(_overlap, "planes of the noise's covariance, few trials", "null", 1.0, n_trials=6),
    _made(_overlap, "one plane, not of the noise", "effect", 3.0),
    _made(_overlap, "independent planes, not of the noise", "effect", 3.0, apart=True),
    _made(_interference, "interference, apart", 0.0, "apart"),
    _made(_interference, "interference, apart, interaction", 0.0, "apart", interaction=4.0),
    _made(_interference, "interference, apart, unequal", 0.0, "apart", n_trials=[6, 20, 12, 9]),
    _made(_interference, "interference, eight sessions", 0.0, 8),
    _made(_interference, "interference, cosine 0.5, apart", 0.5, "apart"),
])  # fmt: skip
