"""Tensors and what they mean, in two files: NAME.safetensors and NAME.json. Nothing is pickled."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

FORMAT = 1
_REPAIR = "restore it, or train the networks again"
_PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}


def lazy_safetensors():
    """safetensors of torch tensors, or one sentence where it is not installed."""
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError("networks in files need safetensors, which is not installed: "
                          "pip install 'neurogeom[networks]'") from error  # fmt: skip
    return safetensors.torch


@contextmanager
def damaged(text: Path) -> Iterator[None]:
    """While notes are made use of: what cannot be is damage of their file, in one sentence."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError,
            MemoryError) as error:  # fmt: skip
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise OSError(f"{text} is damaged ({what}); {_REPAIR}") from error


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, Any],
    notes: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> Path:
    """Write torch tensors by name, and notes as JSON beside them.

    Both files appear complete or not at all; the JSON, which has a hash of the other's bytes, comes
    last.

    Returns
    -------
    Path of the .safetensors file.

    Raises
    ------
    FileExistsError
        One of the files exists and `overwrite` is False.
    ImportError
        safetensors is not installed.
    """
    save = lazy_safetensors().save
    weights, text = tensor_files(path)
    for place in (weights, text):
        if place.exists() and not overwrite:
            raise FileExistsError(f"{place} exists; pass overwrite=True or give another name")
    weights.parent.mkdir(parents=True, exist_ok=True)
    held = {k: v.detach().to("cpu").contiguous().clone() for k, v in tensors.items()}
    data = save(held)
    whole = plain({"format": FORMAT, "hash": _hash(data), **notes})
    _replace({weights: data, text: (json.dumps(whole, indent=1) + "\n").encode()})
    return weights


def load_tensors(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what `save_tensors` wrote: tensors by name, and the notes.

    Raises
    ------
    FileNotFoundError
        One of the two files is missing.
    ValueError
        The file is a pickle (which could run anything, so that it is never opened), or a later
        neurogeom wrote it.
    OSError
        A file is damaged, or the two are not of one writing.
    ImportError
        safetensors is not installed.
    """
    load = lazy_safetensors().load
    weights, text = tensor_files(path)
    for place in (weights, text):
        if not place.exists():
            raise FileNotFoundError(f"there is no file {place}; a network is two files, "
                                    f"{weights.name} and {text.name}")  # fmt: skip
    try:
        notes = json.loads(text.read_text(encoding="utf-8"))
        version, wanted = int(notes["format"]), str(notes["hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{text} is damaged or not of neurogeom; {_REPAIR}") from error
    if version > FORMAT:
        raise ValueError(f"{text} was written by a later neurogeom; update to read it")
    data = weights.read_bytes()
    if _hash(data) != wanted:
        raise OSError(f"{weights} is damaged, or of another writing than {text.name}; {_REPAIR}")
    from safetensors import SafetensorError

    try:
        # copied: the bits of a sum may depend on where in memory its numbers lie
        tensors = {k: v.clone() for k, v in load(data).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise OSError(f"{weights} is no safetensors file; {_REPAIR}") from error
    return tensors, {k: v for k, v in notes.items() if k not in ("format", "hash")}


def _hash(data):
    return blake2b(data, digest_size=16).hexdigest()


def plain(notes: Any) -> Any:
    """Notes as JSON gives them back: lists for tuples, Python's numbers for those of numpy.

    Examples
    --------
    >>> plain({"widths": (3, 2)})
    {'widths': [3, 2]}
    """
    return json.loads(json.dumps(notes, default=lambda value: value.tolist()))


def part(tensors: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Those whose names begin with a part's, without it: {"kept/0/bias": x} as {"0/bias": x}."""
    start = f"{name}/"
    return {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}


def by_number(tensors: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    """Those whose names begin with numbers: {"3/bias": x} as {3: {"bias": x}}."""
    found: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        number, key = name.split("/", 1)
        found.setdefault(int(number), {})[key] = value
    return found


def tensor_files(path: str | os.PathLike) -> tuple[Path, Path]:
    """The two files of a name; a name of pickles is refused."""
    path = Path(path)
    if path.suffix.lower() in _PICKLES:
        raise ValueError(
            f"{path} bears the name of a pickle, which can run any code when it is opened; use "
            "safetensors and another name"
        )
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json", ".nc") else path
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")


def _replace(contents: Mapping[Path, bytes]) -> None:
    """All files in the places of the old ones, in order, once all are written."""
    partial = {place: place.with_name(f".{uuid.uuid4().hex}.part") for place in contents}
    try:
        for place, data in contents.items():
            partial[place].write_bytes(data)
        for place, written in partial.items():
            os.replace(written, place)
    finally:
        for written in partial.values():
            written.unlink(missing_ok=True)
