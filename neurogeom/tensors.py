"""Tensors and what they mean, in two files: NAME.safetensors and NAME.json. Nothing is pickled."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 1
_PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}


def save_tensors(
    path: str | os.PathLike,
    tensors: Mapping[str, Any],
    notes: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> Path:
    """Write torch tensors by name, and notes as JSON beside them.

    Both files appear complete or not at all; the JSON, which names the other, comes last.

    Returns
    -------
    Path of the .safetensors file.

    Raises
    ------
    FileExistsError
        One of the files exists and `overwrite` is False.
    """
    from safetensors.torch import save

    weights, text = tensor_files(path)
    for place in (weights, text):
        if place.exists() and not overwrite:
            raise FileExistsError(f"{place} exists; pass overwrite=True or give another name")
    weights.parent.mkdir(parents=True, exist_ok=True)
    held = {k: v.detach().to("cpu").contiguous().clone() for k, v in tensors.items()}
    mark = uuid.uuid4().hex
    data = save(held, metadata={"neurogeom": mark})
    whole = plain({"format": FORMAT, "mark": mark, **notes})
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
    """
    weights, text = tensor_files(path)
    for place in (weights, text):
        if not place.exists():
            raise FileNotFoundError(f"there is no file {place}; a network is two files, "
                                    f"{weights.name} and {text.name}")  # fmt: skip
    try:
        notes = json.loads(text.read_text(encoding="utf-8"))
        version, wanted = int(notes["format"]), str(notes["mark"])
    except (ValueError, KeyError, TypeError) as error:
        raise OSError(f"{text} is damaged or not of neurogeom; train the network again") from error
    if version > FORMAT:
        raise ValueError(f"{text} was written by a later neurogeom; update to read it")
    tensors, mark = _read(weights)
    if mark != wanted:
        raise OSError(f"{weights} and {text.name} are not of one writing; restore the pair")
    return tensors, {k: v for k, v in notes.items() if k not in ("format", "mark")}


def _read(weights):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as opened:
            mark = (opened.metadata() or {}).get("neurogeom")
            return {name: opened.get_tensor(name) for name in opened.keys()}, mark  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise OSError(f"{weights} is damaged or no safetensors file; restore it or train "
                      "the network again") from error  # fmt: skip


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
