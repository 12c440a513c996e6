r"""Is what a network knows about its latents right where the readout never learnt? Two metrics.

*Regression*: a linear (ridge) decoder of the latents learns in all orthants of the latent space but
one, and is tested in that one (Vafidis, Bhargava & Rangel, ICLR 2025, arXiv:2407.11249); or it
learns on one side of a random plane and is tested on the other (Johnston & Fusi 2023, Nat Commun
14:1040). *Classifiers* learn a plane on one side of an orthogonal one and are tested on the other
side (Johnston & Fusi).

The r2 of a held-out region is reported with two variances, because they differ by a factor of four
in an orthant of a cube: "whole", that of all trials (Vafidis et al.; it flatters, as networks that
were never trained have 0.7 by it), and "region", that of the held-out trials themselves (Johnston
& Fusi; 0 is what the mean latent of the region would have, and those networks are at -0.1 to -0.2;
ours, the median of 20). Show an untrained network or the input beside a trained one, and the
ceiling of all decoders (`neurogeom.theory.trilateration.ceilings`).

One network's r2 out of distribution runs from 0.66 to 0.90 with the penalty of the decoder. The
penalty is therefore chosen inside the training region, by leaving out one of *its* orthants at a
time (nested; derived here). It costs where the training region says too little: for the best
possible outputs of 24 tasks in two dimensions 0.910 instead of the 0.921 without a penalty. Every
sum of squares that this needs is one of a few Gram matrices, so that 64 units and 4000 trials cost
tens of milliseconds.
"""

from typing import Any, Literal

import numpy as np
import xarray as xr

from ..formulas.gram_ridge import covariance, grams, ridge, squared_errors
from ..options import whole
from .latents import each

__all__ = ["PENALTIES", "classifier_generalisation", "regression_generalisation"]

# Times the number of training trials and the mean variance of a unit over them.
PENALTIES = tuple(10.0 ** np.arange(-5, 2))
CONVENTIONS = ("whole", "region")
N_FOLDS = 5  # of trials, in distribution


def regression_generalisation(
    z: Any,
    latents: Any,
    *,
    split: Literal["orthants", "half"] = "orthants",
    penalties: Any = PENALTIES,
    max_folds: int = 16,
    n_draws: int = 10,
    ceiling: float | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Does a linear decoder of the latents hold in a region that it was not fitted in?

    Parameters
    ----------
    z : array (trial, unit), activity with dims (trial, neuron), or a mapping of names to these
        Several in a mapping (``{"trained": z, "untrained": z0}``) share the latents, and stand side
        by side in a dim ``activity``.
    latents : array (trial, latent), or names of coordinates of the activity
        Measured from the centre of their range: an orthant is a combination of their signs.
    split : {"orthants", "half"}
        What is held out: one orthant at a time, or one side of a random plane through the origin
        (Johnston & Fusi, with a fixed penalty of 1 in place of a share of the variance).
    penalties : sequence of float
        Of the ridge, in units of trials times the mean variance of a unit; one alone is a fixed
        one, several are chosen among inside the training region.
    max_folds : int
        Orthants that are held out, drawn by the seed where there are more (2^D); so many are left
        out in turn to choose the penalty, too, which needs three (two for "half").
    n_draws : int
        Random planes, for "half".
    ceiling : float, optional
        The best r2 that there can be; it is handed on.
    seed : int

    Returns
    -------
    Dataset
        ``id``: r2 in distribution, on trials that were left out at random (for "half": of the
        training side). ``ood`` (convention, orthant | draw): r2 in the held-out region, by the
        variance of all trials ("whole") and by its own ("region"); ``ood_median`` over regions.
        r2 is the mean over latents, 1 at best and unbounded below. A decoder that knows nothing
        gives the mean of where it learnt: 0 for ``id``, and for a quadrant of a square -0.58
        (whole) and -5.33 (region). NaN by the variance of a region in which a latent has one value;
        ``attrs["reasons"]`` says so. The order of trials changes nothing.

        ``penalty_chosen`` (orthant | draw); ``id_at`` and ``ood_median_at`` (penalty) are the same
        at fixed penalties. ``decoder_angle``, ``encoding_angle`` (pair): degrees between the
        weights of two latents in the decoder of all trials, and between the axes along which they
        move the units (90 is orthogonal); decoder weights scatter with the penalty, axes do not.
        For "half" ``cosine`` (draw) between the weights of the two sides, the mean over latents.

    Raises
    ------
    ValueError
        Shapes do not fit, values are not finite, a region is empty or leaves too little to choose a
        penalty in, a latent does not vary where it is learnt, an option is unknown.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-0.5, 0.5, (400, 2))
    >>> z = x @ rng.standard_normal((2, 10)) + 0.1 * rng.standard_normal((400, 10))
    >>> found = regression_generalisation({"linear": z, "signs": z + 5 * np.sign(z)}, x)
    >>> found.id.round(1).values.tolist(), found.ood_median.sel(convention="region").values.round(1)
    ([1.0, 0.9], array([0.9, 0.4]))
    """
    if split not in ("orthants", "half"):
        raise ValueError(f"split={split!r} is unknown; choose from ['orthants', 'half']")
    penalties = np.sort(np.atleast_1d(np.asarray(penalties, dtype=float)))
    if penalties.size == 0 or not (penalties >= 0).all():
        raise ValueError(f"penalties={penalties.tolist()}: pass numbers from 0 on")
    whole(0, seed=seed)
    whole(1, n_draws=n_draws, max_folds=max_folds)
    least = 1 if len(penalties) == 1 else 3 if split == "orthants" else 2
    if max_folds < least:
        raise ValueError(
            f"max_folds is {max_folds}, which leaves too few orthants to choose a penalty in; give "
            f"{least} or more, or one penalty, as in penalties=[1e-2]"
        )

    def one(units, x, names):
        if len(x) < 2 * N_FOLDS:
            raise ValueError(f"{len(x)} trials are too few; at least {2 * N_FOLDS} are needed")
        if split == "orthants":
            found = _by_orthant(units, x, penalties, max_folds, seed)
        else:
            found = _by_half(units, x, penalties, max_folds, n_draws, seed)
        found = found.assign(_angles(units, x, names, found.penalty_chosen.values))
        return found.assign_attrs(reasons=_reasons(found.ood.sel(convention="region")))

    found = each(one, z, latents)
    if ceiling is not None:
        found["ceiling"] = float(ceiling)
    attrs = {"measure": "regression_generalisation", "split": split, "range": "(-inf, 1]"}
    return found.assign_attrs(attrs, seed=seed, direction="higher is more abstract")


def classifier_generalisation(
    z: Any, latents: Any, *, n_draws: int = 10, C: float = 1.0, seed: int = 0
) -> xr.Dataset:
    """Does a classifier that was learnt on one side of the latent space hold on the other?

    A random direction v splits the latent space; a linear SVM of standardised units learns a random
    plane orthogonal to v from half of the trials with v.x > 0. The order of trials changes nothing.

    Parameters
    ----------
    z, latents : as in :func:`regression_generalisation`
        Two latents at least.
    n_draws : int
        Pairs of random directions.
    C : float
        Of scikit-learn's LinearSVC (squared hinge).
    seed : int

    Returns
    -------
    Dataset
        ``standard`` (draw): accuracy on the other half of the trials with v.x > 0;
        ``generalisation`` (draw): on all trials with v.x < 0. Both lie in [0, 1] and chance is 0.5;
        Johnston & Fusi report means over draws. NaN where a side lacks one of the two classes.
        ``split_direction``, ``class_direction`` (draw, latent) are v and the normal of the plane.

    Raises
    ------
    ValueError
        Shapes do not fit, values are not finite, or there is one latent only.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 3))
    >>> found = classifier_generalisation(x @ rng.standard_normal((3, 20)), x, n_draws=3)
    >>> bool((found.generalisation > 0.9).all())
    True
    """
    whole(0, seed=seed)
    whole(1, n_draws=n_draws)

    def one(units, x, names):
        if x.shape[1] < 2:
            raise ValueError("one latent has no plane orthogonal to its split; pass two or more")
        drawn = [_classified(units, x, C, _stream(seed, draw)) for draw in range(n_draws)]
        standard, other, v, w = (np.array(part) for part in zip(*drawn, strict=True))
        return xr.Dataset(
            {
                "standard": ("draw", standard),
                "generalisation": ("draw", other),
                "split_direction": (("draw", "latent"), v),
                "class_direction": (("draw", "latent"), w),
            },
            {"latent": names},
        )

    attrs = {"measure": "classifier_generalisation", "chance": 0.5, "range": "[0, 1]", "C": C}
    return each(one, z, latents).assign_attrs(attrs, seed=seed)


def _classified(units, x, C, rng):
    from sklearn.svm import LinearSVC

    v, w = np.linalg.qr(rng.standard_normal((x.shape[1], 2)))[0].T
    v, w = v * rng.choice([-1, 1]), w * rng.choice([-1, 1])
    side = rng.permutation(np.flatnonzero(x @ v > 0))
    train, fresh, other = side[::2], side[1::2], np.flatnonzero(x @ v < 0)
    label = x @ w > 0
    if min(len(np.unique(label[rows])) for rows in (train, fresh, other)) < 2:
        return np.nan, np.nan, v, w
    mean, sd = units[train].mean(axis=0), units[train].std(axis=0)
    scaled = (units - mean) / np.where(sd > 0, sd, 1.0)
    svm = LinearSVC(C=C, dual=False, max_iter=10_000).fit(scaled[train], label[train])
    return *(svm.score(scaled[rows], label[rows]) for rows in (fresh, other)), v, w


# --- what is held out -----------------------------------------------------------------------------


def _by_orthant(units, x, penalties, max_folds, seed):
    """Every orthant in turn, or as many as are asked for."""
    orthant, labels = _orthants(x)
    if len(labels) < 2:
        raise ValueError(
            f"all latents lie in one orthant ({labels[0]}); subtract the centre of their range"
        )
    chosen = _some(len(labels), max_folds, seed)
    _check_vary(x, "in all trials", "drop it")
    total, parts = grams(units, x, np.where(np.isin(orthant, chosen), orthant, -1))
    whole = _latent_variance(total, units.shape[1])
    folds = [_tested(total, parts, {g}, set(chosen), penalties, units.shape[1]) for g in chosen]
    found = _summary(folds, whole, penalties, "orthant")
    found["id_at"], found["id"] = _in_distribution(units, x, penalties, whole, seed)
    found = found.assign_coords(orthant=[labels[g] for g in chosen])
    counts = f"{len(chosen)} held out of the {len(labels)} with trials, of 2^{x.shape[1]} in all"
    return found.assign_attrs(orthants=counts)


def _by_half(units, x, penalties, max_folds, n_draws, seed):
    """One side of each of some random planes."""
    orthant, labels = _orthants(x)
    _check_vary(x, "in all trials", "drop it")
    whole = _latent_variance(grams(units, x, np.zeros(len(x), int))[0], units.shape[1])
    folds, inside, cosines = [], [], []
    for draw in range(n_draws):
        v = _stream(seed, draw).standard_normal(x.shape[1])
        out = x @ v < 0
        if min(out.sum(), (~out).sum()) < 2 * N_FOLDS:
            raise ValueError(
                f"a plane through the origin leaves {min(out.sum(), (~out).sum())} trials on one "
                "side; subtract the centre of the range of the latents, or give more trials"
            )
        _check_vary(x[~out], f"on the training side of plane {draw}", "take split='orthants'")
        here = np.unique(orthant[~out])
        here = here[_some(len(here), max_folds, seed)]
        group = np.where(out, len(labels), np.where(np.isin(orthant, here), orthant, -1))
        total, parts = grams(units, x, group)
        fold = _tested(total, parts, {len(labels)}, set(here), penalties, units.shape[1])
        folds.append(fold)
        inside.append(_in_distribution(units[~out], x[~out], penalties, whole, seed, "region"))
        best = penalties[[fold[2]]]
        sides = total - parts[len(labels)], parts[len(labels)]
        weights = [ridge(m, units.shape[1], best)[0, : units.shape[1]] for m in sides]
        cosines.append(np.mean(_cosines(*weights)))
    found = _summary(folds, whole, penalties, "draw")
    found["id_at"] = ("penalty", np.mean([at.values for at, _ in inside], axis=0))
    found["id"] = float(np.mean([best for _, best in inside]))
    found["cosine"] = ("draw", np.array(cosines))
    return found


def _tested(total, parts, held, inner, penalties, n_units):
    """Errors (penalty, latent) a trial in a held-out region, its variance, the penalty's index."""
    test = sum(parts[g] for g in held)
    train = total - test
    best = 0
    if len(penalties) > 1:
        inner = [g for g in sorted(inner - held) if train[-1, -1] - parts[g][-1, -1] > 1]
        if len(inner) < 2:
            raise ValueError(
                "the training region has fewer than two orthants to choose a penalty in; pass one "
                "penalty, as in penalties=[1e-2]"
            )
        left_out = [
            squared_errors(ridge(train - parts[g], n_units, penalties), parts[g]) for g in inner
        ]
        spread = np.diag(covariance(train))[n_units:]
        known = spread > 1e-12  # of a latent with one value all penalties know all
        best = int(np.argmin((np.sum(left_out, axis=0)[:, known] / spread[known]).sum(axis=1)))
    errors = squared_errors(ridge(train, n_units, penalties), test) / test[-1, -1]
    return errors, np.diag(covariance(test))[n_units:], best


def _in_distribution(units, x, penalties, whole, seed, convention="whole"):
    """r2 at each penalty and at the nested choice, for trials that were left out at random."""
    fold = _stream(seed, 10**6).permutation(len(x)) % N_FOLDS
    total, parts = grams(units, x, fold)
    every = set(range(N_FOLDS))
    tested = [_tested(total, parts, {g}, every, penalties, units.shape[1]) for g in every]
    variance = whole if convention == "whole" else _latent_variance(total, units.shape[1])
    at = np.mean([_r2(errors, variance) for errors, _, _ in tested], axis=0)
    best = np.mean([_r2(errors, variance)[best] for errors, _, best in tested])
    return xr.DataArray(at, dims="penalty"), float(best)


def _summary(folds, whole, penalties, dim):
    """r2 of every region by both conventions, at each penalty and at that of the nested choice."""
    best = np.array([b for _, _, b in folds])
    r2 = np.array([[_r2(e, whole), _r2(e, own)] for e, own, _ in folds])  # (region, convention, .)
    chosen = np.take_along_axis(r2, best[:, None, None], axis=2)[..., 0].T
    return xr.Dataset(
        {
            "ood": (("convention", dim), chosen),
            "ood_median": ("convention", _median(chosen, axis=1)),
            "ood_median_at": (("convention", "penalty"), _median(r2, axis=0)),
            "penalty_chosen": (dim, penalties[best]),
        },
        {"convention": list(CONVENTIONS), "penalty": penalties},
    )


def _reasons(of_region):
    """Why regions have no r2, by their names."""
    (dim,) = of_region.dims
    names = of_region[dim].values[np.isnan(of_region.values)]
    return {str(name): f"a latent has one value in the region of this {dim}" for name in names}


def _angles(units, x, names, chosen):
    """Degrees between decoder weights, and between encoding axes, of every pair of latents."""
    total, _ = grams(units, x, np.zeros(len(x), int))
    n_units = units.shape[1]
    penalty = np.quantile(chosen, [0.5], method="nearest")
    decoder = ridge(total, n_units, penalty)[0, :n_units]
    joint = covariance(total)
    encoding = (np.linalg.pinv(joint[n_units:, n_units:]) @ joint[n_units:, :n_units]).T
    first, second = np.triu_indices(len(names), 1)
    angles = {
        f"{kind}_angle": ("pair", np.degrees(np.arccos(_cosines(axes[:, first], axes[:, second]))))
        for kind, axes in (("decoder", decoder), ("encoding", encoding))
    }
    pairs = [f"{names[i]}-{names[j]}" for i, j in zip(first, second, strict=True)]
    return angles | {"pair": pairs}


def _latent_variance(gram, n_units):
    return np.diag(covariance(gram))[n_units:]


def _check_vary(x, where, remedy):
    still = x.var(axis=0) <= 1e-12
    if still.any():
        raise ValueError(f"latent {int(np.argmax(still))} has one value {where}; {remedy}")


def _r2(errors, variance):
    """Mean over latents (penalty,); NaN where the region has no variance."""
    defined = variance > 1e-12
    return 1.0 - np.mean(errors / np.where(defined, variance, np.nan), axis=-1)


def _cosines(first, second):
    product = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    cosine = np.sum(first * second, axis=0) / np.where(product > 0, product, np.nan)
    return np.clip(cosine, -1.0, 1.0)


def _median(r2, axis):
    """Without regions that have no r2; NaN where none has."""
    known = np.isfinite(r2).any(axis=axis, keepdims=True)
    return np.where(known.squeeze(axis), np.nanmedian(np.where(known, r2, 0.0), axis=axis), np.nan)


def _orthants(x):
    """Number of the orthant of each trial, and the signs of those that have trials."""
    signs, orthant = np.unique(x > 0, axis=0, return_inverse=True)
    return orthant.ravel(), ["".join("+" if up else "-" for up in row) for row in signs]


def _some(n, at_most, seed):
    if n <= at_most:
        return list(range(n))
    return sorted(_stream(seed, 10**6 + 1).choice(n, at_most, replace=False).tolist())


def _stream(seed, number):
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
