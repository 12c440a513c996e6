r"""Have the latents been found, up to what? Scores of a code against latents that are known.

A classifier identifies latents up to a linear map, or an orthogonal one where the code or the
weights have length 1; never up to permutation. The measure is therefore how well a linear map of
the code predicts the latents, on samples that the map has not seen (Reizinger et al.,
arXiv:2410.21869); its chance is not 0 but what the observations themselves give, which stands
beside it. `mcc` asks for single latents in single channels and is well below 1 for codes that are
right.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..columns import listed, plain_column
from ..formulas.match import mcc
from ..formulas.predictivity import held_out
from ..options import number, one_of, reals, whole

__all__ = ["class_vector_recovery", "linear_recovery", "orthogonality"]

KEY = 82  # of random streams
ROUNDING = 8 * np.finfo(float).eps  # of what is constant, as a share of its size
METHODS = ("ols", "ridge")
DIRECTION = "higher is closer to an invertible linear map of the latents"


def linear_recovery(
    code: np.ndarray,
    latents: np.ndarray,
    *,
    raw: np.ndarray | None = None,
    method: str | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """How much of the latents does a linear map of a code predict?

    The map, with an intercept, is fitted to a random half of the samples and scored on the other.

    Parameters
    ----------
    code : (sample, component)
    latents : (sample, latent)
    raw : (sample, channel), optional
        The observations: what a linear map of them predicts stands beside the estimate. Always give
        them where there are any, since nonlinear mixing of a few layers leaves much that is linear.
    method : {"ols", "ridge"}, optional
        Least squares, or ridge with the penalty whose leave-one-out errors are least among the
        samples fitted to. By default ridge where there are more components than latents.
    seed : int
        Of the division into halves.

    Returns
    -------
    Dataset
        ``estimate``: R^2, the mean over latents, 1 at best, 0 for a code that says nothing,
        unbounded below; unchanged by any invertible affine map of the code under "ols".
        ``r_squared`` (latent); ``mcc`` (:func:`neurogeom.formulas.match.mcc`, over all samples),
        which permutations, signs and scales alone leave as it is; ``raw`` and ``raw_r_squared``
        (latent), NaN without observations. ``attrs["notes"]`` warns where a code of fewer
        components than latents cannot reach 1, and where the raw observations do as well;
        ``attrs["reasons"]`` says which latent does not vary in the half that is scored, so that its
        R^2 and the mean are NaN.

    Raises
    ------
    TypeError, ValueError
        Shapes do not fit, there are fewer than four samples a component under "ols", a latent does
        not vary, values are not finite or no real numbers.

    Source: Reizinger et al., arXiv:2410.21869, section 4.

    Examples
    --------
    >>> z = np.random.default_rng(0).standard_normal((400, 2))
    >>> found = linear_recovery(z @ [[2.0, 1.0], [1.0, -1.0]] + 3, z, raw=np.sign(z))
    >>> found.estimate.round(3).item(), bool(0.5 < found.raw < 0.9), bool(found.mcc < 0.97)
    (1.0, True, True)
    """
    latents = _in_range(_matrix(latents, "latents"))
    code = _matrix(code, "the code", len(latents))
    raw = None if raw is None else _matrix(raw, "raw", len(latents))
    if method is not None:
        one_of(METHODS, method=method)
    whole(0, seed=seed)
    if (same := np.ptp(latents, axis=0) <= ROUNDING * np.abs(latents).max(axis=0)).any():
        raise ValueError(f"latent {int(np.argmax(same))} does not vary, so nothing can predict it; "
                         "leave it out")  # fmt: skip
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY,)))
    order = rng.permutation(len(latents))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    each = _half_scored(code, latents, halves, method, "the code")
    of_raw = np.full(latents.shape[1], np.nan)
    notes = []
    if raw is not None:
        of_raw = _half_scored(raw, latents, halves, method, "raw")
        if of_raw.mean() >= each.mean():
            notes.append(
                f"raw observations predict the latents as well (R^2 {of_raw.mean():.2f}) as the "
                f"code (R^2 {each.mean():.2f}): nothing was recovered"
            )
    if code.shape[1] < latents.shape[1]:
        notes.append(f"{code.shape[1]} components cannot hold {latents.shape[1]} latents")
    return xr.Dataset(
        {
            "estimate": each.mean(),
            "r_squared": ("latent", each),
            "mcc": mcc(latents, code).value,
            "raw": of_raw.mean(),
            "raw_r_squared": ("latent", of_raw),
        },
        {"latent": np.arange(latents.shape[1])},
        {
            "measure": "linear_recovery",
            "estimand": "R^2 of latents predicted from the code by a linear map, on the other half",
            "chance": "0, and with observations what these give (raw)",
            "range": "(-inf, 1]",
            "direction": DIRECTION,
            "method": method or _default(code, latents),
            "seed": seed,
            "reasons": _reasons(each, "latent", "samples"),
            "notes": notes,
        },
    )


def class_vector_recovery(
    weights: np.ndarray, vectors: np.ndarray, classes: np.ndarray | None = None, *, seed: int = 0
) -> xr.Dataset:
    """How much of the classes' vectors does a linear map of the classifier's weights predict?

    The map is fitted to the rows of a random half of the *classes* and scored on those of the
    others: rows of one class coincide, so that a division over rows would test on what was fitted.

    Parameters
    ----------
    weights : (label, component)
    vectors : (class, latent)
    classes : int (label,), optional
        The class of each label, whole numbers; by default labels are classes.
    seed : int

    Returns
    -------
    Dataset
        ``estimate``: R^2, the mean over latents, 1 at best and 0 or below for weights that say
        nothing. NaN, and a reason in ``attrs["reasons"]``, where half of the classes are fewer than
        components + 2, or a latent does not vary in the half that is scored.

    Raises
    ------
    TypeError, ValueError
        Shapes do not fit, values are not finite or no real numbers, classes are no whole numbers.

    Examples
    --------
    >>> v = np.random.default_rng(0).standard_normal((40, 3))
    >>> class_vector_recovery(2 * v[:, ::-1] + 1, v).estimate.round(6).item()
    1.0
    """
    weights, vectors = _matrix(weights, "weights"), _in_range(_matrix(vectors, "vectors"))
    whole(0, seed=seed)
    if classes is None:
        classes = np.arange(len(weights))
    classes = plain_column("classes", classes, len(weights), "row")
    if classes.dtype.kind not in "iu":
        raise TypeError(f"classes must be whole numbers, not of {classes.dtype}: the number of the "
                        "vector that belongs to each row of weights")  # fmt: skip
    if not np.isin(classes, np.arange(len(vectors))).all():
        raise ValueError(f"{len(weights)} rows of weights and {len(vectors)} vectors: give "
                         "classes, the number of the vector that belongs to each row")  # fmt: skip
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 1)))
    seen = rng.permutation(np.unique(classes))
    fitted = np.isin(classes, seen[: len(seen) // 2])
    estimate, reasons = np.nan, {}
    if len(seen) // 2 < weights.shape[1] + 2:
        reasons = {"estimate": f"{len(seen)} classes are too few: {2 * (weights.shape[1] + 2)} are "
                               f"needed for {weights.shape[1]} components"}  # fmt: skip
    else:
        halves = np.flatnonzero(fitted), np.flatnonzero(~fitted)
        each = _scored(weights, vectors[classes], halves, "ols")
        estimate, reasons = each.mean(), _reasons(each, "latent", "classes")
    return xr.Dataset(
        {"estimate": float(estimate)},
        attrs={
            "measure": "class_vector_recovery",
            "estimand": "R^2 of vectors of other classes, predicted from weights by a linear map",
            "chance": 0.0,
            "range": "(-inf, 1]",
            "direction": DIRECTION,
            "seed": seed,
            "reasons": reasons,
        },
    )  # fmt: skip


def orthogonality(code: np.ndarray, latents: np.ndarray, *, kappa: float = 1.0) -> xr.Dataset:
    r"""Is the map from code to latents orthogonal, up to the scale that theory names?

    Where the weights of the classifier have length 1 and the code is free, :math:`h = \kappa\, O`
    at the optimum (theorem 1, case C3, with twice as many classes as latents or more), so that the
    map back is :math:`O^T / \kappa` and all its singular values times kappa are 1; where the code
    has length 1 (C1, C2), :math:`h = O`: ask with ``kappa=1``. Where both are free they may be
    anything. The map is the least-squares one without intercept, of all samples.

    Parameters
    ----------
    code, latents : (sample, component) and (sample, latent)
    kappa : float
        Concentration of the classes, above 0.

    Returns
    -------
    Dataset
        ``estimate``: the mean of the absolute differences of 1 and the singular values times kappa,
        0 at best: relative to the theory, where the paper's "MAE" divides by kappa.
        ``singular_values`` (component), times kappa, from the first down.

    Raises
    ------
    TypeError, ValueError
        Shapes do not fit, or values are not finite or no real numbers.

    Examples
    --------
    >>> z = np.random.default_rng(0).standard_normal((50, 2))
    >>> turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    >>> orthogonality(10 * z @ turn, z, kappa=10).singular_values.values.round(6).tolist()
    [1.0, 1.0]
    """
    number(above=0, kappa=kappa)
    latents = _matrix(latents, "latents")
    code = _matrix(code, "the code", len(latents))
    values = kappa * np.linalg.svd(np.linalg.lstsq(code, latents)[0], compute_uv=False)
    return xr.Dataset(
        {"estimate": np.abs(values - 1).mean(), "singular_values": ("component", values)},
        {"component": np.arange(len(values))},
        {
            "measure": "orthogonality",
            "estimand": "mean |singular value x kappa - 1| of the linear map from code to latents",
            "chance": "none: it depends on the scale of the code",
            "range": "[0, inf)",
            "direction": "lower is closer to the map that theory names",
            "kappa": kappa,
        },
    )


def _half_scored(x, latents, halves, method, name):
    method = method or _default(x, latents)
    fewest = 4 * x.shape[1] if method == "ols" else 8
    if len(x) < fewest:
        raise ValueError(
            f"{len(x)} samples for the {x.shape[1]} components of {name} are too few for "
            f'method="{method}": give {fewest} or more, or fewer components'
        )
    return _scored(x, latents, halves, method)


def _default(x, latents):
    return "ridge" if x.shape[1] > latents.shape[1] else "ols"


def _scored(x, y, halves, method):
    """R^2 of each column of y on the second half, as scikit-learn's r2_score has it (column,)."""
    fit, test = halves
    if method == "ridge":
        fold = np.zeros(len(x), int)
        fold[test] = 1
        columns = np.moveaxis(y, 1, 0)[..., None]  # each with a penalty of its own
        predicted = held_out(x, columns, fold).predicted[:, test, 0].T
    else:
        same = np.ptp(x, axis=0) <= ROUNDING * np.abs(x).max(axis=0)
        # lstsq would drop a component that is small beside others, whatever its units
        x = _in_range(np.where(same, 0.0, x - x[fit].mean(axis=0)))
        mean_x, mean_y = x[fit].mean(axis=0), y[fit].mean(axis=0)
        slope = np.linalg.lstsq(x[fit] - mean_x, y[fit] - mean_y)[0]
        predicted = (x[test] - mean_x) @ slope + mean_y
    total = np.sum((y[test] - y[test].mean(axis=0)) ** 2, axis=0)
    return 1 - np.sum((y[test] - predicted) ** 2, axis=0) / np.where(total > 0, total, np.nan)


def _reasons(each, name, things):
    """Why an R^2 of each is not known."""
    lost = np.flatnonzero(np.isnan(each))
    if not lost.size:
        return {}
    return {"estimate": f"{name} {listed(lost)} does not vary among the {things} that are scored: "
                        f"leave it out, or give more {things}"}  # fmt: skip


def _in_range(x):
    """Columns times powers of 2: no bit changes, and no square is beyond double precision."""
    return np.ldexp(x, -np.frexp(np.abs(x).max(axis=0))[1])


def _matrix(x, name, n_samples=None):
    x = reals(name, x)
    if x.ndim != 2 or 0 in x.shape or n_samples not in (None, len(x)):
        wanted = "(sample, channel)" if n_samples is None else f"({n_samples}, channel)"
        raise ValueError(f"{name} of shape {x.shape} must be a filled matrix {wanted}: a row a "
                         "sample, the same samples everywhere")  # fmt: skip
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: not all values are finite; leave out samples with NaN or inf")
    return x
