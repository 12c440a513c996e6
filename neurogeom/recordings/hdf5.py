"""An NWB file as HDF5: opened or refused in one sentence, hashed as it is read.

NWB 2 is a fixed layout of HDF5 groups, and a population's activity needs a few small arrays of it.
Reading those directly opens files of every NWB 2 release, with or without the extension packages
that they were written with, and never touches raw traces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import h5py


class UnsupportedNWBError(ValueError):
    """The file is there and whole, but it is not an NWB file that can be read."""


@dataclass(frozen=True)
class OpenFile:
    """An open NWB file, and a running hash of every array that was read from it."""

    path: Path
    h5: h5py.File
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def read(self, dataset: h5py.Dataset, rows: Any = ()) -> np.ndarray:
        """`dataset[rows]` as numbers, booleans or text; the only place where data are read."""
        if dataset.external or dataset.is_virtual:
            raise UnsupportedNWBError(
                f"{dataset.name} of {self.path} lies in another file; copy the data into one file"
            )
        values = dataset.asstr(errors="replace")[rows] if is_text(dataset) else dataset[rows]
        values = np.asarray(values, dtype=str) if is_text(dataset) else np.asarray(values)
        self.digest.update(f"{dataset.name} {values.dtype.str} {values.shape}".encode())
        self.digest.update(np.ascontiguousarray(values).tobytes())
        return values


@contextmanager
def open_nwb(path: str | Path) -> Iterator[OpenFile]:
    """Open an NWB 2 file for reading; it is closed again however the block ends.

    Raises
    ------
    FileNotFoundError
        No such file.
    OSError
        Not HDF5, cut short, or damaged where it was read.
    UnsupportedNWBError
        HDF5, but no NWB; NWB 1; an early MatNWB file; links into other files.
    """
    path = Path(path)
    with _opened(path) as h5:
        _refuse_other_versions(path, h5)
        _refuse_external_links(path, h5)
        try:
            yield OpenFile(path, h5)
        except (OSError, RuntimeError) as error:
            raise OSError(
                f"{path} is damaged ({_first_line(error)}); copy or download it again"
            ) from error


def nwb_version(h5: h5py.File) -> str:
    """The version that the file states, in an attribute or (NWB 1) a dataset; "" if none."""
    value = h5.attrs.get("nwb_version")
    if value is None and "nwb_version" in h5:
        value = h5["nwb_version"][()]
    return text(value)


def text(value: Any) -> str:
    """An attribute or scalar dataset as text; what is missing is ""."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def entry(node: h5py.Group | h5py.Dataset | None, name: str) -> str:
    """The text `name` of a group, kept as an attribute or as a dataset; "" if there is none."""
    import h5py

    if node is None:
        return ""
    if name in node.attrs:
        return text(node.attrs[name])
    inside = node.get(name) if isinstance(node, h5py.Group) else None
    return text(inside[()]) if isinstance(inside, h5py.Dataset) and inside.ndim <= 1 else ""


def is_text(dataset: h5py.Dataset) -> bool:
    """Text of fixed or variable length?"""
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def _opened(path: Path) -> h5py.File:
    import h5py

    if path.is_dir():
        raise UnsupportedNWBError(
            f"{path} is a folder, not an NWB file; name the .nwb files in it (Zarr is not read)"
        )
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; check the path")
    try:
        return h5py.File(path, "r", locking=False)  # locks fail on read-only network disks
    except PermissionError:
        raise PermissionError(f"{path} may not be read; check its permissions") from None
    except OSError as error:
        if "truncated" in str(error):
            reason = "is cut short (truncated); copy or download it again"
        else:
            reason = "is not an HDF5 file, so it is no NWB file; check the path"
        raise OSError(f"{path} {reason}") from error


def _refuse_other_versions(path: Path, h5: h5py.File) -> None:
    version = nwb_version(h5)
    number = version.lower().removeprefix("nwb").lstrip("-_ ")
    if not version:
        raise UnsupportedNWBError(
            f"{path} is HDF5 but states no nwb_version, so it is no NWB file; check what wrote it"
        )
    if not number.startswith("2"):
        raise UnsupportedNWBError(
            f"{path} is NWB {number}, but only NWB 2 is read; convert it to NWB 2 first"
        )
    if number.startswith("2.0b") and isinstance(h5.attrs.get("nwb_version"), np.ndarray):
        raise UnsupportedNWBError(
            f"{path} was written by an early MatNWB for NWB {number}, in a layout that is not "
            "NWB 2; export it again with a current MatNWB"
        )


def _refuse_external_links(path: Path, h5: h5py.File) -> None:
    """A link may name any file of this machine: what stands there is not part of the recording."""
    import h5py as library

    external: list[str] = []

    def visit(name: str, link: Any) -> None:
        if isinstance(link, library.ExternalLink):
            external.append(f"{name} -> {link.filename}")

    h5.visititems_links(visit)
    if external:
        raise UnsupportedNWBError(
            f"{path} links to another file ({external[0]}); copy the data into one file first"
        )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
