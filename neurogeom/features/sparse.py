"""Sparse features of a recorded population: are they there, are they stable, what do they mean?"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .. import options
from ..engine import parallel
from ..engine.quantities import Quantity, missing, packed
from ..engine.resampling import folds
from ..engine.sample import scaling
from ..engine.setting import setting
from ..kernels import resampling as kernels
from ._alignment import aligned
from ._judged import SCORES, Fit, axes_of, n_used

KEY = 63  # of the random streams of this file
ATOMS = (4, 8, 16, 32)  # tried where none are asked for
PENALTIES = (0.25, 0.5, 1.0, 2.0)  # tried, in units of a neuron's sd
TO_CHOOSE = 2  # restarts of each that is tried
AGAIN = "mean matched cosine, 1 where all atoms are found again"
READ = {  # direction, and the range of the truth
    "objective": ("lower is a better code", 0.0, np.inf),
    "explained_variance": ("higher is a better code", -np.inf, 1.0),
    "predicted_variance": ("higher is more structure that neurons share", -np.inf, 1.0),
    "stability_halves": (AGAIN, 0.0, 1.0),
    "stability_restarts": (AGAIN, 0.0, 1.0),
}


def sparse(
    x: Any,
    variables: Any,
    *,
    n_atoms: int | None = None,
    penalty: float | None = None,
    nonneg: bool = True,
    contrasts: Any = (),
    n_components: int | None = None,
    n_restarts: int = 5,
    n_splits: int = 3,
    min_trials: int = 5,
    n_pseudo: int | None = None,
    n_shuffles: int = 20,
    n_null: int = 199,
    scale: str = "resample",
    empty: str = "error",
    seed: int = 0,
    n_jobs: int = 1,
    progress: Any = None,
) -> xr.Dataset:
    r"""Is a population's activity made of few directions at a time, and what are they?

    A dictionary is learnt from training trials (:func:`learn_dictionary`) and judged on trials that
    were held out, whole blocks together. There is no truth to compare with; what can be asked is
    (dim ``quantity``)

    - ``objective``: half the squared residual plus the penalty on the codes of held-out trials;
    - ``explained_variance`` of held-out trials by their own codes;
    - ``predicted_variance`` of half the neurons by codes that the other half gives, on held-out
      trials: noise that neurons do not share does not help here. It alone compares penalties and
      numbers of atoms, so it chooses them, on the first split, which is then left out;
    - ``stability_halves``: matched cosines of the dictionaries of two disjoint halves of trials;
    - ``stability_restarts``: the same of restarts on the same trials, with the best one.

    Atoms that no training trial uses are dead, and no part of the stabilities, where one in use
    without another counts as 0. Where all are dead, because the penalty is too large, there is no
    stability; the attribute ``n_atoms_used`` counts the others.

    Beside the first three stand ``pca``, the same for principal axes and their opposites, as many,
    through the same encoder. ``shuffled`` are all five where each neuron's trials are shuffled on
    their own and everything is learnt again: the null of all but ``stability_halves``, for restarts
    agree on noise too. Two dictionaries of anything large in the data match, sparse or not: the
    null of ``stability_halves`` are those of two halves of trials that are turned among one another
    at random, which keeps their covariance and leaves them Gaussian, and ``chance`` is how well
    they match.

    Activity is centred, so with non-negative codes a neuron's rise and its fall are two features.
    Sessions recorded apart share no trials: features are then those of condition means.

    Parameters
    ----------
    x, variables, contrasts, min_trials, n_pseudo, scale, empty, seed, n_jobs, progress
        As in :func:`neurogeom.decoding`; ``scale`` is "resample" or "none".
    n_atoms, penalty : optional
        By default 4, 8, 16 or 32 and 0.25, 0.5, 1 or 2 times a neuron's standard deviation.
    nonneg : bool
        Codes are 0 or more, and a feature differs from its opposite.
    n_components : int, optional
        Learn in so many principal components and lift the atoms back; all that there are by default
        (which changes nothing where neurons outnumber trials, but takes less time).
    n_restarts, n_splits : int
        Restarts of every dictionary; splits of the trials that the estimates are averaged over.
    n_shuffles, n_null : int
        Surrogates that are learnt anew; shuffled labels, which are not.

    Returns
    -------
    Dataset
        As every measure with several quantities, and of the dictionary of one split: ``atoms``
        (atom, neuron), those of the strongest codes first; ``codes`` (atom, condition), means over
        held-out trials; ``active`` (atom), share of them; ``alignment`` (atom, side): area under
        the curve by which a code tells the two sides of a variable or contrast apart in held-out
        trials, averaged over conditions alike in all else, chance 0.5, with ``alignment_p`` against
        labels shuffled within these and ``alignment_p_corrected`` for all atoms and sides by the
        largest deviation; ``choice`` (atoms_tried, penalty_tried), predicted variances, unless both
        were given.

    Notes
    -----
    Measured at nominal 0.05 on data sets of 80 trials, 20 neurons and 4 atoms: of labels without
    meaning the smallest corrected p of any atom and side rejects 0.05 of 520 with independent
    neurons, 0.07 of 300 with three dense signals that neurons share, 0.07 and 0.05 of 150 with
    unequal conditions and with drift. ``stability_halves`` rejects 0.03 of 80 (independent),
    0.06 of 460 (dense signals) and none of 60 where neurons are recorded apart: trials that are
    drawn one with another make it conservative. ``predicted_variance`` rejects 0.03 of 120.

    Raises
    ------
    TypeError, ValueError
        An option is out of its range; and as in :func:`neurogeom.decoding`.

    Warns
    -----
    UserWarning
        More atoms than can be identified: K active ones of N need K log(N / K) neurons or
        dimensions at least, and each atom K + 1 samples in which it is active.

    Examples
    --------
    >>> import neurogeom as ng
    >>> x = ng.simulate("cube", separation=6.0, n_neurons=30, n_trials=20, n_truth=0, seed=0)
    >>> found = ng.features.sparse(x, ["a", "b", "c"], n_atoms=6, penalty=2.0, n_restarts=2,
    ...                            n_shuffles=2, n_null=19)
    >>> found.sizes["atom"], bool((found.estimate > found.chance).sel(quantity="stability_halves"))
    (6, True)
    """
    for session in x if isinstance(x, list | tuple) else [x]:
        if getattr(session, "ndim", 2) > 2:
            raise ValueError("activity has a time axis; choose one window, as in x.isel(time=0)")
    _check(n_atoms, penalty, n_components, n_restarts, n_splits, n_shuffles, scale)
    options.workers(n_jobs=n_jobs)
    options.switch(nonneg=nonneg)
    s = setting(
        x, variables, contrasts=contrasts, min_trials=min_trials, n_resamples=1 + n_splits,
        n_pseudo=n_pseudo, n_null=n_null, scale=scale, empty=empty, seed=seed,
    )  # fmt: skip
    first, *splits = ((r.train, r.test) for r in map(_centred, s.draws(split=True).samples))
    n_atoms, penalty, choice = _chosen(first, n_atoms, penalty, nonneg, n_components, s.seed)
    fit = Fit(n_atoms, float(penalty), nonneg, n_components, n_restarts, s.seed)
    raw, gains = zip(*_halves(s), strict=True)
    halves = [x * gain for x, gain in zip(raw, gains, strict=True)]
    data = fit.everything(splits, halves, n_jobs)
    shuffled = _shuffled(fit, splits, halves, n_shuffles, n_jobs, progress)
    turned = _turned(fit, raw, None if s.scale == "none" else gains, n_shuffles, n_jobs)
    note = [*_in_use(fit, data), *_identified(fit, data.codes, splits[0][0])]
    quantities = _quantities(data, shuffled, turned, fit)
    result = packed(quantities, n_null=n_shuffles).assign(choice)
    result["pca"] = "quantity", [*data.pca, np.nan, np.nan]
    result["shuffled"] = ("shuffle", "quantity"), shuffled
    result = result.assign(aligned(s, data.dictionary, fit.encoder, n_jobs, progress))
    result = result.set_coords([*s.design.labels, "session", "unit_id", "side_variable"])
    p = s.population
    result.attrs |= s.attrs(
        "sparse",
        estimand=f"features of these {p.n_neurons} neurons over these {s.design.n_conditions} "
        "conditions",
        convention=f"penalty={penalty:g}; nonneg={nonneg}; n_components={n_components}",
        direction="each quantity has its own",
        readout="none",
        n_resamples=n_splits,
        n_atoms=n_atoms,
        penalty=float(penalty),
        n_atoms_used=n_used(data.learned),
        n_active=float(data.codes.astype(bool).sum(axis=1).mean()),
        n_restarts=n_restarts,
        n_shuffles=n_shuffles,
        n_neurons_constant=p.n_constant,
        notes=[*result.attrs["notes"], *note, *_apart(s)],
    )
    for key in ("chance", "range"):  # each quantity has its own
        del result.attrs[key]
    return result


def _check(n_atoms, penalty, n_components, n_restarts, n_splits, n_shuffles, scale):
    options.whole(1, n_restarts=n_restarts, n_splits=n_splits, n_shuffles=n_shuffles)
    for name, value in {"n_atoms": n_atoms, "n_components": n_components}.items():
        if value is not None:
            options.whole(1, **{name: value})
    if penalty is not None:
        options.number(above=0, penalty=penalty)
    options.one_of(("resample", "none"), scale=scale)


def _apart(s):
    if s.population.real_trials:
        return []
    n = s.design.n_conditions
    return [f"neurons that were recorded apart share no trials: features are those of the means of "
            f"{n} conditions, at most {n - 1} dimensions"]  # fmt: skip


# --- trials -------------------------------------------------------------------------------------


class _Rows(NamedTuple):
    train: np.ndarray
    test: np.ndarray


def _centred(sample):
    centre = sample.train.mean(axis=0)
    return _Rows(sample.train - centre, sample.test - centre)


def _halves(s):
    """Trials of two disjoint halves, each (row, neuron), drawn like training trials and centred,
    with the gains (neuron,) that scale them."""
    p = s.population
    half = folds(p, 0, s.seed, n_folds=2)[0]
    found = []
    for i in range(2):
        chosen = half == i
        if p.real_trials:
            rows = np.flatnonzero(chosen)[None].astype(np.int64)
        else:
            n = s.attrs("sparse")["n_pseudo"]
            rows = kernels.draws(
                p.bounds, p.trial0, p.keys, chosen, np.uint64(s.seed), np.uint64(0),
                np.uint64(3 + i), n,
            )  # fmt: skip
        centre, gain = scaling(p, chosen, s.scale)
        x = p.gather(rows, centre, np.ones_like(gain))
        found.append((x - x.mean(axis=0), gain))
    return found


def _chosen(split, n_atoms, penalty, nonneg, n_components, seed):
    """Number of atoms and penalty, and the predicted variance of all that were tried."""
    train, test = split
    sd = np.sqrt((train**2).mean(axis=0)[train.any(axis=0)].mean())
    atoms = [n for n in ATOMS if n <= len(train) // 2] or [1] if n_atoms is None else [n_atoms]
    penalties = [p * sd for p in PENALTIES] if penalty is None else [penalty]
    predicted = np.full((len(atoms), len(penalties)), np.nan)
    if predicted.size > 1:
        for i, n in enumerate(atoms):
            for j, p in enumerate(penalties):
                fit = Fit(n, p, nonneg, n_components, TO_CHOOSE, seed)
                dictionary = fit.learn(train).dictionary
                predicted[i, j] = fit.judge(dictionary, test)[SCORES.index("predicted_variance")]
    i, j = np.unravel_index(np.argmax(np.nan_to_num(predicted, nan=-np.inf)), predicted.shape)
    tried = {"atoms_tried": atoms, "penalty_tried": penalties}
    choice = {"choice": (tuple(tried), predicted), **tried} if predicted.size > 1 else {}
    return atoms[i], penalties[j], choice


def _shuffled(fit, splits, halves, n_shuffles, n_jobs, progress):
    """All five quantities where each neuron's trials change places on their own, (shuffle, 5).

    One split each, the splits in turn: so a surrogate varies at least as much as the data's mean.
    """

    def one(draw):
        rng = np.random.default_rng(np.random.SeedSequence(fit.seed, spawn_key=(KEY, draw)))
        split = tuple(rng.permuted(part, axis=0) for part in splits[draw % len(splits)])
        judged = fit.everything([split], [rng.permuted(half, axis=0) for half in halves])
        return (*judged.scores, *fit.stability(judged))

    def task(draws):
        return (np.array([one(int(d)) for d in draws]),)

    told = None if progress is None else lambda n: progress("sparse", n)
    return parallel.over(task, n_shuffles, n_jobs=n_jobs, chunk=1, progress=told)[0]


def _turned(fit, halves, gains, n_draws, n_jobs):
    """Matched cosines of halves of trials that are turned among one another at random, (draw,).

    Gaussian trials are as likely as any turn of them, which keeps their mean and covariance, so
    that of these the null is exact, whatever their covariance (Langsrud 2005, rotation tests).
    Neurons of a turned half are scaled as those of the half were, unless gains is None.
    """
    _, size, axes = np.linalg.svd(np.concatenate(halves), full_matrices=False)
    kept = size > size[0] * 1e-9
    own = size[kept, None] * axes[kept]

    def one(draw):
        rng = np.random.default_rng(np.random.SeedSequence(fit.seed, spawn_key=(KEY, draw, 1)))
        drawn = [rng.standard_normal((len(half), len(own))) for half in halves]
        frame, upper = np.linalg.qr(np.concatenate([x - x.mean(axis=0) for x in drawn]))
        turned = np.split((frame * np.sign(np.diag(upper))) @ own, [len(halves[0])])
        if gains is not None:
            turned = [x * gain * _spread(half) / np.maximum(_spread(x), np.finfo(float).tiny)
                      for x, half, gain in zip(turned, halves, gains, strict=True)]  # fmt: skip
        return fit.between(turned)

    def task(draws):
        return (np.array([one(int(d)) for d in draws]),)

    return parallel.over(task, n_draws, n_jobs=n_jobs, chunk=1)[0]


def _spread(x):
    return np.sqrt(np.square(x).sum(axis=0))


def _in_use(fit, data):
    """A sentence where some atoms of the dictionary are dead."""
    used = n_used(data.learned)
    if used == fit.n_atoms:
        return []
    if used:
        return [f"{fit.n_atoms - used} of {fit.n_atoms} atoms are dead: no training trial uses "
                "them"]  # fmt: skip
    return [f"no atom is in use: no training trial drives one above penalty={fit.penalty:g}; "
            "ask for a smaller penalty"]  # fmt: skip


def _identified(fit, codes, train):
    """A sentence where more atoms are asked for than samples of so many neurons can tell apart."""
    if not codes.any():
        return []
    active = max(float(codes.astype(bool).sum(axis=1).mean()), 1.0)
    dimensions = len(axes_of(train)[: fit.n_components])
    needed = active * np.log(max(fit.n_atoms / active, 1.0))
    most = int(len(train) * active / (active + 1))
    if needed <= dimensions and fit.n_atoms <= most:
        return []
    sentence = (
        f"n_atoms={fit.n_atoms} with {active:.1f} active are more than can be identified: they "
        f"need K log(N/K) = {needed:.1f} of {dimensions} dimensions, and at most {most} atoms can "
        f"be told from {len(train)} training trials; ask for fewer atoms or a larger penalty"
    )
    warnings.warn(sentence, stacklevel=3)
    return [sentence]


def _quantities(data, shuffled, turned, fit):
    """The five numbers with their nulls."""
    halves, restarts = fit.stability(data)
    values = dict(zip(SCORES, data.scores, strict=True))
    values |= {"stability_halves": halves, "stability_restarts": restarts}
    of = {"stability_halves": data.halves, "stability_restarts": [data.learned]}
    found = []
    for i, (name, value) in enumerate(values.items()):
        direction, least, most = READ[name]
        why = ""
        if not np.isfinite(value):
            why = f"it needs {'a second neuron' if name in SCORES else 'n_restarts of 2 or more'}"
        elif not all(map(n_used, of.get(name, ()))):
            why = "no atom is in use: the penalty is above what drives them"
        if why:
            found.append(missing(name, direction, why, least=least, most=most))
            continue
        of_halves = name == "stability_halves"
        null = turned if of_halves else shuffled[:, i]
        found.append(
            Quantity(
                name, float(value), direction, chance=float(null.mean()), least=least, most=most,
                null=null,
                null_method="turned trials" if of_halves else "shuffled neurons",
                tail="less" if name == "objective" else "greater",
            )
        )  # fmt: skip
    return found
