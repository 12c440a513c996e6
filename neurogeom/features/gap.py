r"""How much is lost by codes of one pass, and how much by the dictionary they are codes of?

For an encoder f, its dictionary D, samples x and the objective
:math:`L(x, s, D) = \tfrac12 |x - sD|^2 + \lambda |s|_1`,

.. math:: \underbrace{L(f(x), D) - L(s^*(x; R), R)}_{\text{total}}
          = \underbrace{L(f(x), D) - L(s^*(x; D), D)}_{\text{amortisation}}
          + \underbrace{L(s^*(x; D), D) - L(s^*(x; R), R)}_{\text{dictionary}}

with the best codes s* of each dictionary, at one and the same penalty throughout, and a reference
dictionary R: the true one of a simulation, or the best that a learner found. The amortisation gap
is 0 or more by construction; the dictionary part is not, if R is not the best there is.

Source: after O'Neill, Gumran & Klindt 2024, arXiv:2411.13117, who argue by the recovery of latents;
the split is defined here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .. import activity, options
from .._version import __version__
from .dictionary import Dictionary, need_dictionary, need_encoder
from .encoders import FISTA

STARTS = ("cold", "warm", "better")
PARTS = ("total", "amortisation", "dictionary")
MOST = 20_000  # steps of the best codes
TOLERANCE = 1e-7  # of the objective
CLEAR = 2.0  # standard errors of a total that has shares


def refine(model: Any, x: Any, encoder: Any, *, start: str = "cold") -> Any:
    """Codes inferred anew over a model's frozen dictionary (inference-time optimisation).

    Parameters
    ----------
    model : anything with a ``dictionary`` and an ``encoder``, as an Autoencoder
        From nothing, a Dictionary or anything with one, as what was learnt, is enough.
    x : (sample, neuron), or an activity without time
    encoder : FISTA, or any other encoder where the start is cold
    start : {"cold", "warm", "better"}
        From nothing, from the model's own codes, or from both, each sample keeping the codes of
        the lower objective. Few steps from the codes of a poor model are worse than as many from
        nothing; converged, all agree.

    Returns
    -------
    (sample, atom), or a DataArray (trial, atom) for an activity.

    Raises
    ------
    TypeError
        The model has no dictionary, or no encoder to start from; samples are no real numbers.
    ValueError
        The start has no effect on such an encoder; samples do not fit.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> d = Dictionary([[1.0, 0.0], [0.6, 0.8]])
    >>> model = SimpleNamespace(dictionary=d, encoder=FISTA(0.1, n_iterations=1))
    >>> refine(model, [[1.2, 1.6]], FISTA(0.1)).round(3).tolist()
    [[0.0, 1.9]]
    """
    options.one_of(STARTS, start=start)
    if start != "cold":
        _whole(model)
    dictionary = getattr(model, "dictionary", model)
    need_dictionary(model=dictionary)
    if isinstance(x, xr.DataArray):  # in order of trial_id, as the codes that are returned
        x = activity.validate(x)
    if start == "cold":
        return dictionary.encode(x, encoder)
    if not isinstance(encoder, FISTA):
        raise ValueError(f"start={start!r} has no effect on {encoder!r}; pass FISTA(penalty)")
    first = model.encoder.encode(x, dictionary)
    warm = dictionary.encode(x, encoder, start=first)
    if start == "warm":
        return warm
    codes = dictionary.encode(x, encoder)
    of_cold, of_warm = (dictionary.objective(x, np.asarray(s), encoder.penalty)
                        for s in (codes, warm))  # fmt: skip
    nearer = of_warm < of_cold
    codes[nearer] = np.asarray(warm)[nearer]
    return codes


def amortisation_gap(
    model: Any, x: Any, *, penalty: float, reference: Any = None, nonneg: bool = True
) -> xr.Dataset:
    """Excess of a model's objective over a reference, split into its encoder's and dictionary's.

    Parameters
    ----------
    model : anything with a ``dictionary`` and an ``encoder``, as an Autoencoder
    x : (sample, neuron), or an activity without time
        Samples that were not trained on tell of the encoder's generalisation too.
    penalty : float above 0, the same for all three
    reference : Dictionary, or a model with one, optional
        A bare Dictionary is taken as the true one; that of a model was learnt, and the dictionary
        part may then be slightly negative. Without it the amortisation gap alone is estimated.
    nonneg : bool, codes are 0 or more

    Returns
    -------
    Dataset of ``estimate`` and ``standard_error`` (part,), means over samples, in squared units of
    activity, 0 where nothing is lost; ``excess`` (part, sample); ``share``, amortisation over
    total, NaN where the total is not above 2 standard errors; ``objective`` (codes,), means of the
    encoder's codes, the best of its dictionary, the best of the reference; ``solver_gap``, by which
    the amortisation gap is too small at most.

    Raises
    ------
    TypeError
        The model has no dictionary or no encoder, the reference none; samples are no real numbers.
    ValueError
        Codes are negative and `nonneg`; samples do not fit; the reference has other neurons.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> d = Dictionary([[1.0, 0.0], [0.6, 0.8]])
    >>> model = SimpleNamespace(dictionary=d, encoder=FISTA(0.1, n_iterations=1))
    >>> x = [[1.2, 1.6], [1.0, 0.0]]
    >>> amortisation_gap(model, x, penalty=0.1, reference=d).estimate.round(3).values.tolist()
    [0.139, 0.139, 0.0]
    """
    options.number(above=0, penalty=penalty)
    options.switch(nonneg=nonneg)
    own, known = _whole(model).dictionary, isinstance(reference, Dictionary)
    other = getattr(reference, "dictionary", reference)
    if reference is not None:
        need_dictionary(reference=other)
    other = None if other is None else other.ordered_as(own.neurons, "that of the model")
    codes = np.asarray(model.encoder.encode(x, own))
    if nonneg and (codes < 0).any():
        raise ValueError(f"codes of {model.encoder!r} are negative in places; pass nonneg=False")
    solver = FISTA(penalty, MOST, TOLERANCE, nonneg=nonneg)
    of_encoder = own.objective(x, codes, penalty)
    best = solver.solve(x, own)
    nothing = np.full_like(of_encoder, np.nan)
    of_other = nothing if other is None else solver.solve(x, other).objective
    excess = np.stack(
        [of_encoder - of_other, of_encoder - best.objective, best.objective - of_other]
    )
    n = len(of_encoder)
    estimate = excess.mean(axis=1)
    error = excess.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(3, np.nan)
    clear = estimate[0] > CLEAR * error[0] and estimate[0] > 0
    means = [a.mean() for a in (of_encoder, best.objective, of_other)]
    return xr.Dataset(
        {
            "estimate": ("part", estimate),
            "standard_error": ("part", error),
            "excess": (("part", "sample"), excess),
            "share": estimate[1] / estimate[0] if clear else np.nan,
            "objective": ("codes", means),
            "solver_gap": best.gap.mean(),
        },
        {"part": list(PARTS), "codes": ["encoder", "own", "reference"]},
        {
            "measure": "amortisation_gap",
            "estimand": f"mean excess objective of codes of {n} samples, {own.n_neurons} neurons",
            "convention": "half the squared residual + penalty * sum of codes, a sample",
            "penalty": float(penalty),
            "reference": "none" if other is None else "true" if known else "learnt",
            "chance": 0.0,
            "range": "0 or more for the amortisation gap, up to the solver's; any for the others",
            "direction": "higher is worse",
            "n_atoms": own.n_atoms,
            "notes": _notes(other, known, clear),
            "version": __version__,
        },
    )


def _whole(model):
    """The model, if it has a dictionary and an encoder."""
    for part, need in {"dictionary": need_dictionary, "encoder": need_encoder}.items():
        if not hasattr(model, part):
            raise TypeError(
                f"model must have a dictionary and an encoder, as an Autoencoder; "
                f"{type(model).__name__} has no {part}"
            )
        need(**{f"model.{part}": getattr(model, part)})
    return model


def _notes(other, known, clear):
    if other is None:
        return "no reference: total and dictionary part are not estimable"
    notes = [] if known else ["the reference was learnt: the dictionary part may be below 0"]
    if not clear:
        notes.append("the total is not clearly above 0: it has no shares")
    return "; ".join(notes)
