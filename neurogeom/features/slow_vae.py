"""Latents that change sparsely in time, learnt by a variational autoencoder (SlowVAE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from .. import learn
from .._version import __version__
from ..formulas.laplace_transition import beyond, increment_shape
from ..options import is_whole, number, one_of, reals, whole
from ._slow_inputs import checked, fits, layers_of, moments
from .slow_ica import SPARSE, unmixed

__all__ = ["SlowVAE", "slow_vae"]

KEY = 73  # of random streams
NETWORKS = ("mlp", "conv")
ACTIVE = 0.01  # variance of the posterior mean from which on a latent is used
SEEN = 0.5  # share of moves beyond the posterior sd below which the prior is nearly quadratic
PAIRS = 5000  # of which the diagnostics are computed, at most


def slow_vae(
    x0: np.ndarray,
    x1: np.ndarray | None = None,
    *,
    n_latents: int,
    lag: int | None = None,
    likelihood: str = "gaussian",
    obs_sd: float | None = None,
    loss: str = "two_way",
    rate: float = 6.0,
    beta: float = 1.0,
    gamma: float = 10.0,
    network: str = "mlp",
    layers: Sequence[int] | None = None,
    steps: int = 2000,
    batch: int = 128,
    lr: float = 2e-3,
    n_restarts: int = 3,
    seed: int = 0,
    device: str = "cpu",
    progress: Any = None,
) -> SlowVAE:
    r"""Train SlowVAE: a variational autoencoder whose prior expects latents to move sparsely.

    .. math:: z_0 \sim \mathcal N(0, 1), \qquad
              p(z_1 \mid z_0) = \prod_i \tfrac{\lambda}{2} e^{-\lambda |z_{1i} - z_{0i}|}, \qquad
              x_t \sim p(x \mid g(z_t))

    A transition that is sparser than Gaussian tells the axes of z from their rotations, so that the
    latents of noise-free data are found up to order and sign. **In practice training ends in
    rotated optima from about four latents on**; independent components of the increments of what
    was learnt turn most of these right (:meth:`SlowVAE.transform` with ``aligned=True``, our
    addition to the paper). Where jumps are not longer than the posterior sd the prior is quadratic
    and tells nothing: ``notes`` say so.

    Parameters
    ----------
    x0, x1 : array (pair, feature), or (set, pair, feature) of several data sets at once
        Two moments. With `x0` alone, (time, feature), the pairs are moments `lag` apart, 1 unless
        given.
    n_latents : int
    likelihood : {"gaussian", "bernoulli", "poisson"}
        Of a feature given the latents: Gaussian, of features scaled to sd 1, where those that never
        vary add nothing; Bernoulli, of values
        from 0 to 1 such as pixels; Poisson, of counts.
    obs_sd : float, optional
        Of the Gaussian likelihood, in units of a feature's sd; learnt, one a feature, unless given.
    loss : {"two_way", "authors", "elbo"}
        How the transition enters. "elbo" is the bound itself, :math:`E[-\ln p(z_1 \mid z_0)] -
        H(z_1)`, in closed form. "two_way" takes the transition forward and backward in time, each
        from the mean of the other moment; "authors" likewise, and takes off one entropy for the two
        (the published code), which makes posteriors narrower. Neither is a bound.
    rate : float above 0
        lambda of the transition, in 1 / units of the latents.
    beta, gamma : float, 0 or more
        Weights of the divergence from N(0, 1) and of the transition. ``gamma=0`` is a beta-VAE.
    network : {"mlp", "conv"}
        Linear maps and leaky relu of slope 0.2; or 4 x 4 convolutions of stride 2 and a dense layer
        with relu, of square images given as rows of side * side pixels.
    layers : tuple of int, optional
        Units of the encoder's layers, (64, 64); or channels of the convolutions and units of the
        dense layer, by default the first of (32, 32, 64, 64) that leave 2 x 2 pixels, and 256. The
        decoder has them in reverse.
    steps, batch, lr
        Batches of so many pairs, drawn with replacement; Adam, its rate falling to 0 by a cosine.
    n_restarts : int
        Networks a data set, from other first weights. They are compared by their loss, which is of
        use within one data set alone.
    seed, device, progress
        ``progress(step, last)`` as in training.

    Returns
    -------
    SlowVAE
        ``transform(x)`` gives latents; ``results`` a Dataset, see there.

    Raises
    ------
    ImportError
        Torch is not installed.
    TypeError, ValueError
        Arrays are not real, not finite or not alike; values do not fit the likelihood; images are
        not square; an option is not possible or has no effect.

    Source: Klindt, Schott, Sharma, Ustyuzhaninov, Brendel, Bethge & Paiton 2021, ICLR,
    arXiv:2007.10930; there 10 latents, batches of 32 pairs, a rate of 1e-4, 300,000 steps, images
    of 64 x 64.

    Examples
    --------
    >>> from neurogeom.sequences import mixed_pairs
    >>> own = mixed_pairs(2, 2000, n_layers=1)
    >>> found = slow_vae(own.x0, own.x1, n_latents=2, layers=(16,), steps=60, n_restarts=2)
    >>> found.transform(own.x0).shape, found.results.sizes["net"]
    ((2000, 2), 2)
    """
    torch = learn.lazy_torch()
    from . import _slow_modules as parts

    first, second = moments(x0, x1, lag)
    if first.ndim == 2:
        first, second = first[None], second[None]
    checked(first, second, likelihood, obs_sd, loss, gamma)
    one_of(NETWORKS, network=network)
    whole(1, n_latents=n_latents, steps=steps, batch=batch, n_restarts=n_restarts)
    whole(0, seed=seed)
    number(above=0, rate=rate, lr=lr)
    number(0, beta=beta, gamma=gamma)
    layers = layers_of(network, layers, first.shape[-1])
    device = learn.device_of(device)
    values = torch.from_numpy(np.stack([first, second], 1)).to(device)
    module = parts.built(values, n_latents, network, layers, n_restarts, (seed, KEY),
                         likelihood=likelihood, obs_sd=obs_sd)  # fmt: skip
    weights = {"beta": float(beta), "gamma": float(gamma), "rate": float(rate), "kind": loss}
    batches = parts.Batches(module, values, batch, n_latents, n_restarts, (seed, KEY))
    recent = []

    def descended(module, drawn):
        found = module.loss(drawn, **weights)
        recent.append(found.detach())
        return found

    def evaluate(step):
        mean = torch.stack(recent).mean(0).cpu().numpy() if recent else np.full(n_nets, np.nan)
        recent.clear()
        return {"mean loss": mean}

    n_nets = module.n_nets
    with learn.one_thread():
        fit = learn.fit(
            module, batches, descended, steps=steps, lr=lr, rate="cosine",
            evaluate=evaluate, every=max(1, steps // 20), progress=progress,
        )  # fmt: skip
    about = {"likelihood": likelihood, "obs_sd": "learnt" if obs_sd is None else obs_sd,
             "loss": loss, "rate": rate, "beta": beta, "gamma": gamma, "network": network,
             "layers": list(layers), "steps": steps, "batch": batch, "lr": lr, "seed": seed,
             "device": device, "seconds": fit.seconds}  # fmt: skip
    return _judged(torch, module, values, weights, fit, n_restarts, about)


@dataclass(frozen=True)
class SlowVAE:
    """Trained networks.

    module : torch module of all nets. unmixing : of each net, (component, latent) of its active
    latents, others 0. results : Dataset with

    - ``loss``, ``elbo`` (net), nats a pair: what was descended, and the exact bound on the log
      likelihood, both of up to 5,000 training pairs; ``best`` (set), the net of least loss;
    - ``active`` (net, latent): whether the variance of its mean is above 0.01;
    - ``posterior_sd``, ``beyond``, ``increment_shape`` (net, latent): root mean square sd, share of
      pairs in which the mean moves farther than the sd (0 to 1), exponent of the moves (1 Laplace,
      2 Gaussian);
    - ``history`` (net, step) of the loss, mean since the evaluation before. Coordinates ``of_set``
      and ``restart`` (net).
    """

    module: Any
    unmixing: tuple
    results: xr.Dataset

    def transform(self, x, *, net: int | None = None, aligned: bool = False) -> np.ndarray:
        """Posterior means (sample, latent), or the independent components of their increments.

        Parameters
        ----------
        x : array (sample, feature)
        net : int, optional
            By default the one of least loss; to be named where there were several data sets.
        aligned : bool
            (sample, component): active latents turned by FastICA of their increments in the
            training pairs, scaled to increments of variance 1. With one data set or many, it knows
            of no truth. Report it beside the raw value.

        Raises
        ------
        ValueError
            Rows of another shape, not finite, or none; values do not fit the likelihood; no such
            net; no latent is active.
        """
        mean, _ = self.encode(x, net=net)
        if not aligned:
            return mean
        turn = self.unmixing[self._net(net)]
        if not len(turn):
            raise ValueError("no latent of this net is active, so there is nothing to align; lower "
                             "beta or train for longer")  # fmt: skip
        return mean @ turn.T

    def encode(self, x, *, net: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sd of the posterior, (sample, latent) both; arguments as of `transform`."""
        torch = learn.lazy_torch()
        from . import _slow_modules as parts

        own, rows = self._net(net), self._rows(x)
        with learn.one_thread(), torch.inference_mode():
            mean, log_variance = parts.encoded(self.module.alone(own), rows[None])
        return mean[0], np.exp(log_variance[0] / 2)

    def decode(self, z, *, net: int | None = None) -> np.ndarray:
        """Mean of the likelihood at latents z (sample, latent), in the units of the data."""
        torch = learn.lazy_torch()
        z = reals("z", z)
        n_latents = self.results.sizes["latent"]
        if z.ndim != 2 or z.shape[1] != n_latents or not np.isfinite(z).all():
            raise ValueError(f"z of shape {z.shape} must be (sample, {n_latents}), all finite")
        own = self._net(net)
        with learn.one_thread(), torch.inference_mode():
            z = torch.from_numpy(z.astype(np.float32)).to(self.module.centre.device)
            return self.module.alone(own).decode(z[None])[0].cpu().numpy().astype(float)

    def elbo(self, x0, x1, *, net: int | None = None, seed: int = 0) -> float:
        """Bound on ln p(x0, x1), mean over pairs, nats; one draw of the latents a moment.

        Exact, of the model that was trained: with ``gamma=0`` its two moments are independent.
        """
        torch = learn.lazy_torch()
        from . import _slow_modules as parts

        own, first, second = self._net(net), self._rows(x0), self._rows(x1)
        whole(0, seed=seed)
        if len(first) != len(second):
            raise ValueError(f"x0 and x1 have {len(first)} and {len(second)} rows; give the same "
                             "pairs twice")  # fmt: skip
        with learn.one_thread(), torch.inference_mode():
            both = torch.stack([first, second])[None]
            bound = _bound(self.results.attrs)
            found = parts.losses(self.module.alone(own), both, seed, **bound)
        return -float(found[0])

    def _net(self, net):
        if net is None:
            best = self.results.best.values
            if len(best) > 1:
                raise ValueError(f"networks of {len(best)} data sets were trained; name one by net")
            return int(best[0])
        if not (is_whole(net) and net < self.module.n_nets):
            raise ValueError(f"net={net!r} is none of the {self.module.n_nets} that were trained")
        return int(net)

    def _rows(self, x):
        torch = learn.lazy_torch()
        rows, n = reals("x", x), self.module.centre.shape[-1]
        if rows.ndim != 2 or rows.shape[1] != n or not len(rows) or not np.isfinite(rows).all():
            raise ValueError(f"x of shape {rows.shape} must be (sample, {n}), all finite")
        fits(self.module.likelihood, rows)
        return torch.from_numpy(rows).to(self.module.centre.device)


def _judged(torch, module, values, weights, fit, n_restarts, about):
    """Diagnostics of all nets, of up to PAIRS pairs."""
    from . import _slow_modules as parts

    n_pairs = values.shape[2]
    rows = np.linspace(0, n_pairs - 1, min(n_pairs, PAIRS)).round().astype(int)
    pairs = values[:, :, torch.from_numpy(rows).to(values.device)]
    pairs = pairs.repeat_interleave(n_restarts, 0)
    with learn.one_thread(), torch.inference_mode():
        loss = parts.losses(module, pairs, about["seed"], **weights)
        elbo = -parts.losses(module, pairs, about["seed"], **_bound(weights))
        mean, log_variance = parts.encoded(module, pairs.flatten(1, 2))
    first, second = np.split(mean, 2, axis=1)
    moves, sd = second - first, np.exp(log_variance / 2)
    active = mean.var(axis=1) > ACTIVE
    shape = np.array([[increment_shape(d) for d in own.T] for own in moves])
    passed = beyond(moves, sd[:, len(rows) :])
    turns = tuple(_turn(d, used, about["seed"]) for d, used in zip(moves, active, strict=True))
    best = loss.reshape(-1, n_restarts).argmin(axis=1) + n_restarts * np.arange(len(values))
    found = xr.Dataset(
        {
            "loss": ("net", loss),
            "elbo": ("net", elbo),
            "best": ("set", best),
            "active": (("net", "latent"), active),
            "posterior_sd": (("net", "latent"), np.sqrt((sd**2).mean(axis=1))),
            "beyond": (("net", "latent"), passed),
            "increment_shape": (("net", "latent"), shape),
            "history": (("net", "step"), fit.history.get("mean loss")),
        },
        {
            "net": np.arange(len(loss)),
            "of_set": ("net", np.arange(len(loss)) // n_restarts),
            "restart": ("net", np.arange(len(loss)) % n_restarts),
            "latent": np.arange(mean.shape[-1]),
            "step": fit.at,
        },
        {
            "measure": "slow_vae",
            "estimand": "latents up to order and sign, of noise-free data of such a transition",
            "direction": "loss: lower is better, of one data set; elbo: higher",
            "n_pairs": n_pairs,
            **about,
            "notes": _notes(active[best], passed[best], shape[best], weights["gamma"], fit.stopped),
            "version": __version__,
        },
    )
    return SlowVAE(module, turns, found)


def _bound(weights):
    """Weights of the loss that is the bound: both moments have the prior, where gamma is 0."""
    if weights["gamma"] == 0:
        return {"beta": 2.0, "gamma": 0.0, "rate": weights["rate"], "kind": "two_way"}
    return {"beta": 1.0, "gamma": 1.0, "rate": weights["rate"], "kind": "elbo"}


def _turn(moves, active, seed):
    """Unmixing (component, latent) of the moves of active latents; none where none moves."""
    found = np.zeros((0, len(active)))
    if active.any() and np.ptp(moves[:, active], axis=0).any():
        own, _ = unmixed(moves[:, active], seed)
        found = np.zeros((len(own), len(active)))
        found[:, active] = own
    return found


def _notes(active, passed, shape, gamma, stopped):
    """Of the best nets, (set, latent) each."""
    notes = [text for text in dict.fromkeys(stopped) if "not finite" in text]
    if not active.all():
        notes.append(f"{int((~active).sum())} of {active.size} latents of the best nets are not "
                     "used (their mean hardly varies)")  # fmt: skip
    quiet = int((active & (passed < SEEN) & ~(shape < 1)).sum())
    if gamma and quiet:
        notes.append(f"{quiet} of {active.size} latents seldom move beyond their posterior sd: "
                     "there a nearly quadratic prior tells no axes; try a longer lag")  # fmt: skip
    gaussian = int((active & (shape >= SPARSE)).sum())
    if gaussian:
        notes.append(f"{gaussian} of {active.size} latents move by nearly Gaussian steps (exponent "
                     f"{SPARSE} or more): their axes cannot be told")  # fmt: skip
    return notes
