"""Columns of trials and neurons as plain arrays: text, booleans, integers or floats.

Files, data frames and lists hand over bytes, ``None``, categories and boxed numbers. Here they
become one of four kinds, so that nothing above has to ask again. Missing text is ``""``, a missing
number is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

MISSING_TEXT = ""
_PLAIN_KINDS = "biufU"
_KIND_NAMES = {"b": "booleans", "i": "numbers", "u": "numbers", "f": "numbers", "U": "text"}


def plain_values(name: str, values: Any) -> np.ndarray:
    """Values of any shape as booleans, numbers or text, or a refusal that names the column.

    Bytes are decoded; a missing entry (``None``, NaN, ``pandas.NA``, masked) among text becomes
    ``""``, among numbers or booleans it makes the column float with NaN.

    Parameters
    ----------
    name : str
        The column, for the message.
    values : array-like
        Array, list, pandas or xarray object.

    Returns
    -------
    numpy.ndarray of kind ``b``, ``i``, ``u``, ``f`` or ``U``, in native byte order.

    Raises
    ------
    TypeError
        Kinds are mixed, or are none of the above.
    ValueError
        Text holds both ``""`` and missing entries, or bytes that are not UTF-8.

    Examples
    --------
    >>> plain_values("choice", ["left", None, b"right"])
    array(['left', '', 'right'], dtype='<U5')
    >>> plain_values("reward", [1, 0, None])
    array([ 1.,  0., nan])
    """
    array = _as_array(values)
    if array.dtype.kind in _PLAIN_KINDS:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind not in "OST":
        raise TypeError(
            f"column {name!r} holds values of type {array.dtype}; give numbers, booleans or text"
        )
    return _from_objects(name, array.astype(object))


def plain_column(
    name: str, values: Any, n_entries: int | None = None, dim: str = "entry"
) -> np.ndarray:
    """`plain_values` of one dimension and of the length asked for; a refusal names both lengths."""
    array = plain_values(name, values)
    if array.ndim != 1:
        raise ValueError(
            f"column {name!r} has shape {array.shape}; give one value a {dim}, "
            "one column for each quantity"
        )
    if n_entries is not None and array.size != n_entries:
        raise ValueError(
            f"column {name!r} has {array.size} entries but there are {n_entries} {dim}s; "
            f"give one value a {dim}"
        )
    return array


def is_missing(array: np.ndarray) -> np.ndarray:
    """Where a plain array has no label (``""`` in text, NaN in floats): bool of the same shape."""
    if array.dtype.kind == "U":
        return array == MISSING_TEXT
    if array.dtype.kind == "f":
        return np.isnan(array)
    return np.zeros(array.shape, bool)


def kind_name(array: np.ndarray) -> str:
    """What a plain array holds, in words: booleans, numbers or text."""
    return _KIND_NAMES[array.dtype.kind]


def listed(names: Iterable[Any], limit: int = 12) -> str:
    """Names joined for a message, cut after `limit`."""
    names = [str(name) for name in names]
    rest = f", ... ({len(names) - limit} more)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _as_array(values: Any) -> np.ndarray:
    """Any array-like as an array with its kinds unmixed: lists stay objects until looked at."""
    if np.ma.isMaskedArray(values):
        return np.where(np.ma.getmaskarray(values), None, values.data.astype(object))
    if hasattr(values, "dtype"):
        numpy_dtype = isinstance(values.dtype, np.dtype)
        return np.asarray(values) if numpy_dtype else np.asarray(values, dtype=object)
    # np.asarray(["a", 1]) would turn the number into text without a word
    return np.asarray(values if np.isscalar(values) else list(values), dtype=object)


def _from_objects(name: str, array: np.ndarray) -> np.ndarray:
    """Object array -> plain array, by the one kind of what is not missing."""
    missing = np.array([_entry_missing(entry) for entry in array.ravel()], bool).reshape(
        array.shape
    )
    kinds = {_entry_kind(entry) for entry in array[~missing]}
    if len(kinds) > 1 or not kinds <= {"text", "booleans", "numbers"}:
        raise TypeError(
            f"column {name!r} holds {' and '.join(sorted(kinds))}; "
            "give numbers, booleans or text, one kind a column"
        )
    kind = kinds.pop() if kinds else "numbers"
    if kind == "text":
        return _text(name, array, missing)
    if missing.any():
        return np.where(missing, np.nan, array).astype(float)
    numbers = np.array(array.tolist()) if array.size else np.zeros(array.shape)
    if numbers.dtype.kind not in "biuf":
        raise TypeError(f"column {name!r} holds integers beyond 64 bits; give them as text")
    return numbers


def _text(name: str, array: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Object array of str and bytes -> str, the missing ones "" (never both in one column)."""
    text = np.full(array.shape, MISSING_TEXT, dtype=object)
    try:
        text[~missing] = [e.decode() if isinstance(e, bytes) else str(e) for e in array[~missing]]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"column {name!r} holds bytes that are not UTF-8; decode them first"
        ) from error
    if missing.any() and (text[~missing] == MISSING_TEXT).any():
        raise ValueError(
            f"column {name!r} holds both empty text and missing entries, which are stored alike; "
            "give one of them a name"
        )
    return text.astype(str)


def _entry_missing(entry: Any) -> bool:
    """None, NaN, NaT and pandas.NA; pandas itself need not be loaded."""
    if entry is None or type(entry).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(entry, np.datetime64 | np.timedelta64):
        return bool(np.isnat(entry))
    return isinstance(entry, float | np.floating) and bool(np.isnan(entry))


def _entry_kind(entry: Any) -> str:
    """Text, booleans, numbers, or the name of the type that is none of them."""
    if isinstance(entry, str | bytes):
        return "text"
    if isinstance(entry, bool | np.bool_):
        return "booleans"
    if isinstance(entry, int | float | np.integer | np.floating):
        return "numbers"
    return type(entry).__name__
