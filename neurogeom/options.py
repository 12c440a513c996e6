"""What options may be: each check passes, or says in one sentence which option to give how.

Options are passed by their names: ``whole(1, n_tasks=n_tasks, steps=steps)``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from math import inf
from numbers import Integral, Real
from typing import Any

import numpy as np

_LONGEST = 60  # characters of a value in a sentence


def is_number(value: Any) -> bool:
    """Whether this is a finite number; True and False are none."""
    known = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    return bool(known and -inf < value < inf)


def is_whole(value: Any, least: float = 0) -> bool:
    """Whether this is a whole number, `least` or more; 2.0, True and False are none."""
    return isinstance(value, Integral) and is_number(value) and value >= least


def number(
    least: float = -inf, most: float = inf, *, above: float = -inf, below: float = inf,
    **options: Any,
) -> None:  # fmt: skip
    """Refuse what is no finite number in this range.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> number(0, noise=0.2, offset_sd=float("nan"))
    Traceback (most recent call last):
        ...
    ValueError: offset_sd=nan is not possible; give a finite number of 0 or more
    """
    for name, value in options.items():
        if not (is_number(value) and least <= value <= most and above < value < below):
            closed = f"from {least:g} to {most:g}" if most < inf else f"of {least:g} or more"
            limits = [(closed, least), (f"above {above:g}", above), (f"below {below:g}", below)]
            wanted = " and ".join(words for words, limit in limits if abs(limit) < inf)
            raise ValueError(
                f"{name}={shown(value)} is not possible; give a finite number {wanted}".rstrip()
            )


def reals(name: str, values: Any) -> np.ndarray:
    """An array of any shape as floats; no imaginary part is lost, no text read as a number.

    A torch tensor may be of any precision and device, and may track gradients, as a weight does.

    Raises
    ------
    TypeError
        It holds something else, or rows of different lengths.

    Examples
    --------
    >>> reals("x", [1, True])
    array([1., 1.])
    >>> reals("x", [1j])
    Traceback (most recent call last):
        ...
    TypeError: x must be an array of real numbers, not of complex128
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    try:
        array = np.asarray(values)
    except ValueError:
        raise TypeError(
            f"{name} must be an array of real numbers, not rows of different lengths"
        ) from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, not of {array.dtype}")
    return array.astype(float, copy=False)


def whole(least: int, **options: Any) -> None:
    """Refuse what is no whole number of `least` or more; 2.0, True and False are none.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> whole(1, n_tasks=4, steps=2.5)
    Traceback (most recent call last):
        ...
    ValueError: steps=2.5 is not possible; give a whole number of 1 or more
    """
    for name, value in options.items():
        if not is_whole(value, least):
            raise ValueError(
                f"{name}={shown(value)} is not possible; give a whole number of {least} or more"
            )


def workers(**options: Any) -> None:
    """Refuse what is no number of workers: a whole one of 1 or more, or, as in joblib, below 0.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> workers(n_jobs="all")
    Traceback (most recent call last):
        ...
    ValueError: n_jobs='all' is not possible; give a number of workers, or -1 for one a core
    """
    for name, value in options.items():
        if not is_whole(value, least=-inf) or value == 0:
            raise ValueError(
                f"{name}={shown(value)} is not possible; give a number of workers, or -1 for one "
                "a core"
            )


def switch(**options: Any) -> None:
    """Refuse what is neither True nor False.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> switch(leaky="no")
    Traceback (most recent call last):
        ...
    ValueError: leaky='no' is not possible; give True or False
    """
    for name, value in options.items():
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name}={shown(value)} is not possible; give True or False")


def one_of(known: Iterable[str], **options: Any) -> None:
    """Refuse what is none of these words.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> one_of(("gaussian", "gumbel"), noise_law="gausian")
    Traceback (most recent call last):
        ...
    ValueError: noise_law='gausian' is unknown; did you mean 'gaussian'?
    """
    for name, value in options.items():
        if not isinstance(value, str) or value not in known:
            raise ValueError(f"{name}={shown(value)} is unknown; {hint(value, known)}")


def some_of(known: Iterable[str], **options: Any) -> None:
    """Refuse what is no tuple of some of these words, each once.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> some_of(("shape", "size"), targets="shape")
    Traceback (most recent call last):
        ...
    ValueError: targets='shape' is no tuple of words; give some of ['shape', 'size'], as ('shape',)
    """
    known = list(known)
    wanted = f"give some of {known}, as ({known[0]!r},)"
    for name, value in options.items():
        if not isinstance(value, tuple | list) or not value:
            raise ValueError(f"{name}={shown(value)} is no tuple of words; {wanted}")
        for word in value:
            if word not in known:
                raise ValueError(f"{shown(word)} of {name} is unknown; {hint(word, known)}")
        if len(set(value)) < len(value):
            raise ValueError(f"{name}={shown(value)} names one twice; {wanted}")


def hint(name: Any, known: Iterable[str]) -> str:
    """The name that was perhaps meant, or all that there are."""
    known = list(known)
    near = get_close_matches(str(name).lower(), known, 1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {known}"


def shown(value: Any) -> str:
    """A value on one line of a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
