"""Manifests: which files a data set has, what their bytes must be, and how they are read.

A manifest is a YAML file with a strict schema: an unknown key is an error that names it, so that a
misspelt ``sha265`` never means "not checked". The dataclasses below are the schema.
"""

import hashlib
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path, PurePosixPath

MANIFEST_VERSION = 1


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: `dandiset` and `version` pin one on the DANDI archive."""

    id: str
    title: str = ""
    dandiset: str | None = None
    version: str | None = None
    license: str | None = None
    citation: str | None = None
    doi: str | None = None


@dataclass(frozen=True)
class Asset:
    """One file: `path` below the root, `size` in bytes, `sha256` as 64 hex digits.

    Downloaded from `url`, or from the archive by `asset_id`. What is not known is None.
    """

    path: str
    asset_id: str | None = None
    url: str | None = None
    size: int | None = None
    sha256: str | None = None
    dandi_etag: str | None = None
    session: str | None = None


@dataclass(frozen=True)
class Trials:
    """The table of trials, and which of its rows are used."""

    table: str = "trials"
    where: str | None = None
    min_per_condition: int | None = None


@dataclass(frozen=True)
class Variable:
    """A task variable: its column, and level -> value where the values have names."""

    column: str
    levels: dict | None = None


@dataclass(frozen=True)
class Align:
    """The event column that is time zero, the window and the bin in seconds."""

    event: str
    window_s: tuple[float, float] | None = None
    bin_s: float | None = None


@dataclass(frozen=True)
class Area:
    """Columns that may hold the brain area, best first, and the areas kept (None: all)."""

    sources: list | None = None
    keep: list | None = None


@dataclass(frozen=True)
class Signal:
    """What was recorded: `kind` is "units" or "roi"; `select` filters units."""

    kind: str = "units"
    table: str | None = None
    select: str | None = None
    area: Area | None = None
    module: str | None = None
    series: str | None = None


@dataclass(frozen=True)
class Manifest:
    """A data set, read by `load_manifest`.

    `verified` says whether somebody held licence, paths and hashes against the archive; `notes`
    says what was not.
    """

    manifest_version: int
    dataset: Source
    assets: list[Asset]
    verified: bool
    notes: list[str] = field(default_factory=list)
    trials: Trials | None = None
    variables: dict[str, Variable] = field(default_factory=dict)
    align: Align | None = None
    signal: Signal | None = None


@dataclass(frozen=True)
class Checked:
    """One asset held against the disk; status "ok", "missing", "wrong" or "not checked"."""

    path: str
    status: str
    reason: str


def load_manifest(path) -> Manifest:
    """Read a manifest and check every key, type, hash and path in it.

    Parameters
    ----------
    path : path of a YAML file, or the name of a manifest that is shipped (`shipped_manifests`)

    Raises
    ------
    ValueError
        Unknown, missing or repeated key, a value of the wrong type, a path that leaves its folder;
        the sentence names the file, the place and the key.
    OSError
        No such file.

    Examples
    --------
    >>> load_manifest("simulated_cube").dataset.id
    'simulated_cube'
    """
    path = find_manifest(path)
    manifest = _build(Manifest, _parsed(path), path.name)
    if manifest.manifest_version != MANIFEST_VERSION:
        raise ValueError(
            f"{path.name}: manifest_version {manifest.manifest_version} is not known; "
            f"this release reads version {MANIFEST_VERSION}"
        )
    seen = set()
    for i, asset in enumerate(manifest.assets):
        _check_asset(asset, f"{path.name}: assets[{i}]")
        if asset.path.lower() in seen:
            raise ValueError(f"{path.name}: assets[{i}]: {asset.path!r} is listed twice")
        seen.add(asset.path.lower())
    return manifest


def shipped_manifests() -> dict:
    """The manifests that come with the package: {name: path}."""
    from importlib.resources import files

    folder = Path(str(files("neurogeom.data_manifests")))
    return {p.stem: p for p in sorted(folder.glob("*.yaml"))}


def find_manifest(name) -> Path:
    """The path of a manifest given by path or by the name of a shipped one."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = shipped_manifests()
    if str(name) in shipped:
        return shipped[str(name)]
    raise FileNotFoundError(
        f"no manifest {str(name)!r}; give the path of a YAML file or one of {sorted(shipped)}"
    )


def safe_path(root, path: str) -> Path:
    """`path` below `root`, refused where it could lead out of it.

    Refused are absolute paths, "..", backslashes, drive letters and symbolic links that leave
    the root.
    """
    parts = PurePosixPath(path).parts
    unsafe = (
        not parts
        or path.startswith("/")
        or ".." in parts
        or any(c in path for c in "\\:\0")
        or path != str(PurePosixPath(path))
    )
    if unsafe:
        raise ValueError(
            f"path {path!r} is not a plain path below the data folder; "
            "use names joined by '/', without '..'"
        )
    root = Path(root).resolve()
    target = (root / path).resolve()
    if not target.is_relative_to(root):
        raise ValueError(f"path {path!r} leaves the data folder by a symbolic link; remove it")
    return root / path


def verify(manifest: Manifest, root) -> Iterator[Checked]:
    """Hold the files below `root` against the manifest: size first, then SHA-256.

    Yields
    ------
    Checked
        One an asset, in the order of the manifest. "not checked" means that the file is there and
        the manifest has neither hash nor size to hold it against.
    """
    for asset in manifest.assets:
        yield Checked(asset.path, *_status(asset, safe_path(root, asset.path)))


def sha256_of(path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _status(asset, file):
    if not file.is_file():
        return "missing", "no such file"
    size = file.stat().st_size
    if asset.size is not None and size != asset.size:
        return "wrong", f"{size} bytes, {asset.size} expected"
    if asset.sha256 is None:
        if asset.size is None:
            return "not checked", "the manifest has no size and no sha256"
        return "not checked", "the size agrees; the manifest has no sha256"
    if sha256_of(file) != asset.sha256:
        return "wrong", "its sha256 is not that of the manifest"
    return "ok", "sha256 agrees"


def _check_asset(asset, where):
    try:
        safe_path(".", asset.path)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if asset.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", asset.sha256):
        raise ValueError(f"{where}: sha256 must be 64 lower-case hex digits or null")
    if asset.size is not None and asset.size < 0:
        raise ValueError(f"{where}: size {asset.size} is negative; give bytes or null")
    if asset.url is not None and not re.match("https?://", asset.url):
        raise ValueError(f"{where}: url {asset.url!r} must begin with https:// or http://")


def _parsed(path):
    import yaml

    class Loader(yaml.SafeLoader):  # a key given twice would silently keep the last value
        def construct_mapping(self, node, deep=False):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            twice = [k for i, k in enumerate(keys) if k in keys[:i]]
            if twice:
                line = node.start_mark.line + 1
                raise ValueError(
                    f"{path.name}: key {twice[0]!r} stands twice in the block at line {line}; "
                    "keep one"
                )
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # a SafeLoader
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path.name} is not valid YAML: {reason}") from error


def _build(kind, value, where):
    """A value as the dataclass, container or plain type that the schema says."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _build(args[0], value, where)
    if is_dataclass(kind):
        return _record(kind, value, where)
    if origin is list:
        items = enumerate(_of(list, value, where))
        return [_build(args[0], v, f"{where}: [{i}]") for i, v in items]
    if origin is dict:
        return {k: _build(args[1], v, f"{where}: {k}") for k, v in _of(dict, value, where).items()}
    if origin is tuple:
        if len(_of(list, value, where)) != len(args):
            raise ValueError(f"{where} has {len(value)} entries; {len(args)} are needed")
        return tuple(_build(a, v, where) for a, v in zip(args, value, strict=True))
    if kind is float and type(value) is int:
        return float(value)
    return _of(kind, value, where)


_WORDS = {str: "text (in quotes)", int: "a whole number", float: "a number", bool: "true or false"}
_WORDS |= {list: "a list", dict: "a mapping"}


def _of(kind, value, where):
    if type(value) is not kind:  # a bool is no int here
        raise ValueError(f"{where} is {value!r}; it must be {_WORDS[kind]}")
    return value


def _record(kind, value, where):
    known = {f.name: f for f in fields(kind)}
    given = _of(dict, value, where)
    for key in given:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; the keys are {sorted(known)}")
    for name, f in known.items():
        if name not in given and f.default is MISSING and f.default_factory is MISSING:
            raise ValueError(f"{where}: the key {name!r} is missing")
    hints = typing.get_type_hints(kind)
    return kind(**{k: _build(hints[k], v, f"{where}: {k}") for k, v in given.items()})
