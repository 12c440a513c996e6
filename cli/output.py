"""Results into files: refused before the long work, whole or not at all after it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def claim(paths: list[Path], inputs: list[Path], *, overwrite: bool) -> None:
    """Refuse, in one sentence, outputs that could not be written at the end.

    Raises
    ------
    ValueError
        A file exists and `overwrite` is not asked for, two outputs are one file, an output is an
        input or no file at all.
    OSError
        The folder does not exist or cannot be written to.
    """
    read = {path.resolve() for path in inputs}
    written: set[Path] = set()
    for path in paths:
        place = path.resolve()
        if place in read:
            raise ValueError(f"{path} is an input too; write to another file")
        if place in written:
            raise ValueError(f"{path} is named for two outputs; give each its own file")
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is a device or a pipe, not a file; name a file")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists already; name another file or add --overwrite")
        _writable(place.parent, path)
        written.add(place)


def write_text(text: str, path: Path) -> None:
    """Write a file so that it is there whole or as it was before."""
    place = path.resolve()
    handle, part = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)  # a temporary file is its owner's alone
        os.replace(part, place)
    except BaseException:
        os.unlink(part)
        raise


def _writable(folder: Path, path: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} for {path.name}; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"folder {folder} cannot be written to; choose another for {path}")
