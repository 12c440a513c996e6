"""Which slow factors does a recorded population follow? SlowVAE on held-out moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import learn
from .._version import __version__
from ..columns import is_missing
from ..formulas.laplace_transition import increment_shape
from ..options import one_of, whole
from ._slow_inputs import per, scales
from ._slow_series import factor_arrays, increments, series
from .slow_ica import SPARSE
from .slow_vae import ACTIVE, slow_vae

__all__ = ["slow_factors"]

KEY = 76  # of random streams
MODELS = ("slow", "strangers", "beta_vae")
LIKELIHOODS = ("gaussian", "poisson")
FORMS = ("raw", "aligned")
NOISY = 0.5  # share of the variance of increments from which on noise hides the transitions
LEAST_PAIRS = 200
LEAST_ROWS = 20


def slow_factors(
    x: Any,
    factors: Sequence[str] | Mapping[str, Any] = (),
    *,
    n_latents: int = 5,
    lag: int = 1,
    likelihood: str | None = None,
    kinds: str | Mapping[str, str] | None = None,
    periods: Mapping[str, float] | None = None,
    n_null: int = 99,
    seed: int = 0,
    device: str = "cpu",
    progress: Any = None,
    **training: Any,
) -> xr.Dataset:
    r"""Find latents of a population that change sparsely in time, and ask whether they are there.

    :func:`slow_vae` of pairs of moments, `lag` bins apart and never of two trials, learnt from four
    of five trials and judged on the others, beside two controls by the same networks:

    - ``strangers``: the second moment is that of another pair, so that nothing is slow;
    - ``beta_vae``: without the transition.

    Parameters
    ----------
    x : activity (trial, neuron, time) of one session
        Counts, rates of whole counts, or anything else. Trials without any neuron, neurons that
        miss bins of the others, and neurons that never vary are left out and counted, and so are
        pairs between which the time axis has a gap.
    factors : names of trial columns, or "time"; or mapping of names to arrays (trial,), (time,) or
        (trial, time), such as a position in every bin, in the order in which `x` has its trials
        What latents are compared with, on held-out moments; those that miss a factor are left out
        and counted. Of a DataArray the dims say what is what.
    n_latents : int
        At most; latents that carry nothing stay unused.
    lag : int
        Bins. Long enough for latents to move farther than noise does: see ``noise_share``.
    likelihood : {"poisson", "gaussian"}, optional
        Poisson of counts, Gaussian else. Counts under a Gaussian enter as their square roots.
    kinds, periods
        Of factors, as in :func:`disentanglement`; circular ones have a period.
    n_null : int
        Surrogates of each matched correlation: series shifted in time within what is held out
        whole, trials, blocks or stretches of time; and these exchanged where a factor is constant
        in each.
    seed, device, progress
    training
        Passed to :func:`slow_vae`: rate, beta, gamma, layers, steps, batch, lr, n_restarts, obs_sd.
        By default the exact bound is descended, ``loss="elbo"`` and ``gamma=1``.

    Returns
    -------
    Dataset
        ``estimate`` (model): bound on the log likelihood of held-out pairs less that of neurons at
        their mean (and spread), nats a pair, above 0 where latents predict; each model's own, so
        that "slow" is ahead of "beta_vae" only where the transition of this rate fits. ``latents``
        (latent, trial, time) posterior means of the net of least loss, ``aligned`` (component,
        trial, time) the independent components of their increments, ``held_out`` (trial, time). Of
        latents: ``active``, ``posterior_sd``, ``beyond``, ``increment_shape``.
        ``input_increment_shape`` (component): exponents of the increments of principal components,
        before any model. ``noise_share``: how much of the variance of these is noise of single
        bins, 0 to 1. With factors: ``mcc`` (model, form) matched correlations, raw and aligned,
        ``mcc_chance``, ``mcc_p_value``, and ``correlation`` (form, latent, factor) of "slow".
        ``notes`` say where axes cannot be told, or noise hides the transitions.

    Raises
    ------
    ImportError
        Torch is not installed.
    KeyError, TypeError, ValueError
        Several sessions, too few bins or pairs; a factor is missing or of another shape; an option
        is not possible.

    Source: Klindt et al. 2021, ICLR, arXiv:2007.10930; the observation models, the held-out moments
    and the controls are ours.

    Examples
    --------
    >>> from neurogeom.features import slow_population
    >>> own = slow_population(2, 20, n_trials=30, n_bins=20, gain=1.0)
    >>> truth = {"first": own.latents[..., 0], "second": own.latents[..., 1]}
    >>> some = {"n_latents": 3, "steps": 200, "n_restarts": 1, "layers": (16,), "n_null": 0}
    >>> found = slow_factors(own.activity, truth, **some)
    >>> found.latents.sizes, found.attrs["held_out"]
    (Frozen({'latent': 3, 'trial': 30, 'time': 20}), '6 of 30 trials')
    >>> bool(found.estimate.sel(model="slow") > 0)
    True
    """
    learn.lazy_torch()
    whole(1, n_latents=n_latents, lag=lag)
    whole(0, n_null=n_null, seed=seed)
    own = series(x, lag, seed)
    if likelihood is None:
        likelihood = "poisson" if own.counts else "gaussian"
    one_of(LIKELIHOODS, likelihood=likelihood)
    if likelihood == "poisson" and not own.counts:
        raise ValueError("likelihood='poisson' takes counts, and this activity (in "
                         f"{own.activity.attrs['units']!r}) is none; give 'gaussian'")  # fmt: skip
    columns = factor_arrays(factors, own)
    if not columns and (kinds or periods):
        raise ValueError("kinds and periods have no effect without factors; leave them out")
    roots = own.counts and likelihood == "gaussian"
    values = np.sqrt(own.values) if roots else own.values
    x0, x1 = own.pairs(values, lag, held_out=False)
    test = own.pairs(values, lag, held_out=True)
    if min(len(x0), len(test[0])) < LEAST_PAIRS // 4 or len(x0) < LEAST_PAIRS:
        raise ValueError(f"{len(x0)} pairs to learn from and {len(test[0])} held out are too few; "
                         f"give {LEAST_PAIRS} and {LEAST_PAIRS // 4}: more trials or bins, or a "
                         "smaller lag")  # fmt: skip
    options = {"n_latents": n_latents, "likelihood": likelihood, "seed": seed, "device": device,
               "loss": "elbo", "gamma": 1.0, **training}  # fmt: skip
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 0)))
    other = x1[rng.permutation(len(x1))]
    pair = slow_vae(np.stack([x0, x0]), np.stack([x1, other]), progress=progress, **options)
    beta = slow_vae(x0, x1, progress=progress, **options | {"loss": "two_way", "gamma": 0.0})
    nets = {"slow": (pair, int(pair.results.best[0])),
            "strangers": (pair, int(pair.results.best[1])),
            "beta_vae": (beta, int(beta.results.best[0]))}  # fmt: skip
    mean = _mean_bound(np.concatenate([x0, x1]), test, likelihood)
    bounds = [model.elbo(*test, net=net, seed=seed) - mean for model, net in nets.values()]
    slow = pair.results.isel(net=nets["slow"][1])
    moves, noise_share = increments(own, n_latents, lag)
    data = {
        "estimate": ("model", bounds),
        **_latents(own, values, nets["slow"]),
        "held_out": (("trial", "time"), own.held_out),
        **{name: ("latent", slow[name].values)
           for name in ("active", "posterior_sd", "beyond", "increment_shape")},
        "input_increment_shape": ("component", _padded(moves, n_latents)),
        "noise_share": noise_share,
    }  # fmt: skip
    counts = {}
    if columns:
        scores, counts = _compared(own, values, nets, columns, kinds, periods, n_null, seed)
        data |= scores
    found = xr.Dataset(data, _coordinates(own, n_latents, columns))
    found.attrs = _attrs(own, found, pair, lag, len(x0), len(test[0]), n_null, roots) | counts
    return found


def _padded(moves, n):
    """Exponents of increments (pair, component), NaN where neurons span fewer than n."""
    found = [increment_shape(d) for d in moves.T]
    return found + [np.nan] * (n - len(found))


def _mean_bound(train, test, likelihood):
    """Log likelihood of pairs of moments (moment, pair, feature), neurons at their mean, nats.

    As the model has it: features of a Gaussian in units of their sd, and nothing of those that
    never vary.
    """
    both = np.concatenate(test)
    mean = train.mean(axis=0)
    if likelihood == "poisson":
        from scipy.special import gammaln

        each = both * np.log(np.maximum(mean, 1e-3)) - mean - gammaln(both + 1)
    else:
        centre, spread = scales(train)
        z = (both - centre) * per(spread)
        each = (-0.5 * z * z - 0.5 * np.log(2 * np.pi)) * (spread > 0)
    return 2 * float(each.sum(axis=1).mean())


def _latents(own, values, net):
    """Latents of all moments, and their independent components, NaN where there are fewer."""
    model, number = net
    shape = own.group.shape
    rows = values.reshape(-1, values.shape[-1])
    raw = model.transform(rows, net=number)
    turned = _turned(model, number, rows, raw)
    return {
        "latents": (("latent", "trial", "time"), raw.T.reshape(-1, *shape)),
        "aligned": (("component", "trial", "time"), turned.T.reshape(-1, *shape)),
    }


def _turned(model, net, rows, raw):
    found = np.full(raw.shape, np.nan)
    if len(model.unmixing[net]):
        turned = model.transform(rows, net=net, aligned=True)
        found[:, : turned.shape[1]] = turned
    return found


def _compared(own, values, nets, columns, kinds, periods, n_null, seed):
    """Matched correlations of held-out latents with factors, of all models and forms; and counts
    of the moments."""
    rows = own.held_out.copy()
    for name, column in columns.items():
        rows &= ~is_missing(column.ravel()).reshape(column.shape)
        if rows.sum() < LEAST_ROWS:
            raise ValueError(f"factor {name!r} leaves {int(rows.sum())} held-out moments with a "
                             f"value; give it for {LEAST_ROWS} at least")  # fmt: skip
    held = {name: column[rows] for name, column in columns.items()}
    missing = int(own.held_out.sum() - rows.sum())
    blocks = own.group[rows]
    blocks = blocks if len(np.unique(blocks)) > 1 else None
    found = {name: np.full((len(MODELS), len(FORMS)), np.nan)
             for name in ("mcc", "mcc_chance", "mcc_p_value")}  # fmt: skip
    n_latents = nets["slow"][0].results.sizes["latent"]
    correlation = np.full((len(FORMS), n_latents, len(columns)), np.nan)
    for i, (kind, (model, net)) in enumerate(nets.items()):
        raw = model.transform(values[rows], net=net)
        for j, codes in enumerate((raw, _turned(model, net, values[rows], raw))):
            use = np.flatnonzero(np.isfinite(codes).all(axis=0))
            if not len(use):
                continue
            scored = _scored(codes[:, use], held, kinds, periods, blocks, n_null, seed)
            found["mcc"][i, j] = scored.estimate[0]
            found["mcc_chance"][i, j] = scored.chance[0]
            found["mcc_p_value"][i, j] = scored.p_value[0]
            if kind == "slow":
                correlation[j][use] = scored.correlation.values
    return {
        **{name: (("model", "form"), values) for name, values in found.items()},
        "correlation": (("form", "latent", "factor"), correlation),
    }, {"n_moments_compared": int(rows.sum()), "n_moments_without_factor": missing}


def _scored(codes, factors, kinds, periods, blocks, n_null, seed):
    from .disentanglement import disentanglement

    return disentanglement(codes, factors, kinds=kinds, periods=periods, scores=("mcc",),
                           blocks=blocks, shuffle="shift", n_null=n_null, n_rotations=0,
                           seed=seed)  # fmt: skip


def _coordinates(own, n_latents, columns):
    found = {
        "model": list(MODELS),
        "latent": np.arange(n_latents),
        "component": np.arange(n_latents),
        "trial_id": ("trial", own.activity["trial_id"].values),
        "time": own.activity["time"].values,
    }
    return found | ({"form": list(FORMS), "factor": [str(c) for c in columns]} if columns else {})


def _attrs(own, found, pair, lag, n_train, n_test, n_null, roots):
    """Settings, counts and notes."""
    trained = pair.results.attrs
    groups, held = len(np.unique(own.group)), len(np.unique(own.group[own.held_out]))
    return {
        "measure": "slow_factors",
        "estimand": f"bound on the log likelihood of two moments, {lag} bins apart, of these "
        f"{own.values.shape[-1]} neurons in other {own.kept_apart}, above that of their means",
        "direction": "higher predicts better; above 0 where latents predict",
        "range": [-np.inf, np.inf],
        "units": "nats a pair",
        "lag": lag,
        "held_out": f"{held} of {groups} {own.kept_apart}",
        "controls": f"held out {held} of {groups} {own.kept_apart}; controls: strangers, beta_vae",
        "n_pairs": n_train,
        "n_pairs_held_out": n_test,
        "n_neurons": own.values.shape[-1],
        "n_null": n_null,
        "input": "square roots of counts" if roots else own.activity.attrs["units"],
        **own.dropped,
        **{k: trained[k] for k in ("likelihood", "obs_sd", "loss", "rate", "beta", "gamma", "steps",
                                   "batch", "lr", "layers", "seed", "device")},
        "n_restarts": pair.results.sizes["net"] // 2,
        "notes": [text for text in trained["notes"] if "not finite" in text] + _notes(found),
        "version": __version__,
    }  # fmt: skip


def _notes(found):
    notes = []
    if not found.estimate.sel(model="slow") > 0:
        notes.append("latents predict held-out moments no better than the means of neurons do")
    share = float(found.noise_share)
    if share > NOISY:
        notes.append(f"{share:.0%} of how the population moves in a lag is noise "
                     "of single bins: try a longer lag or wider bins")  # fmt: skip
    gaussian = int((found.input_increment_shape >= SPARSE).sum())
    if gaussian > len(found.component) / 2:
        notes.append(
            f"increments of {gaussian} of {len(found.component)} principal components are nearly "
            f"Gaussian (exponent {SPARSE} or more): do not expect axes"
        )
    shape = found.increment_shape.values[found.active.values]
    if (shape >= SPARSE).any():
        notes.append(f"{int((shape >= SPARSE).sum())} of {shape.size} latents in use move by "
                     "nearly Gaussian steps: their axes cannot be told")  # fmt: skip
    if not found.active.any():
        notes.append(f"no latent is used (variance of its mean above {ACTIVE})")
    return notes
