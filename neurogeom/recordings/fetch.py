"""Download what a manifest names; a file is there whole and right, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from neurogeom.recordings.manifests import Checked, Manifest, safe_path, verify

ARCHIVE = "https://api.dandiarchive.org/api"


def fetch(
    manifest: Manifest, root, *, archive: str = ARCHIVE, progress: bool = False
) -> Iterator[Checked]:
    """Download the missing files of a manifest into `root`.

    Each file is downloaded into a temporary folder beside its place, held against size and SHA-256,
    and only then moved there. Files that are right already are left alone; a file that is wrong is
    never overwritten.

    Parameters
    ----------
    manifest : Manifest
    root : folder, made if it does not exist
    archive : base URL of an archive with the interface of DANDI; used for assets without `url`
    progress : show a progress bar on stderr

    Yields
    ------
    Checked
        One an asset, after it arrived; its status is "ok", or "not checked" where the manifest
        has no hash to hold it against.

    Raises
    ------
    ValueError
        The manifest names no file, a file cannot be located, what came is not what the manifest
        says, or a wrong file is in the way.
    OSError
        The server does not answer, or does not have the file, or the disk cannot hold it.
    """
    if not manifest.assets:
        raise ValueError(
            f"the manifest of {manifest.dataset.id} names no file yet; "
            "list its assets (path, asset_id or url, sha256) first"
        )
    before = list(verify(manifest, root))
    urls = [_url(a, archive) for a in manifest.assets]
    for found in before:
        if found.status == "wrong":
            raise ValueError(f"{found.path} is there and {found.reason}; move it away first")
    for asset, url, found in zip(manifest.assets, urls, before, strict=True):
        if found.status == "missing":
            target = safe_path(root, asset.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(asset, url, target, progress)
            (found,) = verify(replace(manifest, assets=[asset]), root)
        yield found


def _url(asset, archive):
    if asset.url:
        return asset.url
    if asset.asset_id:
        return f"{archive.rstrip('/')}/assets/{asset.asset_id}/download/"
    raise ValueError(f"{asset.path} has neither url nor asset_id in the manifest; add one of them")


def _download(asset, url, target, progress):
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")  # it reports every download on stderr
    fetcher = pooch.HTTPDownloader(progressbar=progress, timeout=30)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        part = Path(folder) / "part"
        try:
            pooch.retrieve(
                url,
                known_hash=f"sha256:{asset.sha256}" if asset.sha256 else None,
                fname=part.name,
                path=folder,
                downloader=fetcher,
            )
        except ValueError as error:  # pooch: the hash differs
            raise ValueError(
                f"what the server sent for {asset.path} has another sha256 than the manifest; "
                "nothing was kept"
            ) from error
        except requests.RequestException as error:
            raise OSError(
                f"{asset.path} could not be downloaded from {url}: {_reason(error)}; "
                "try again later"
            ) from error
        size = part.stat().st_size
        if asset.size is not None and size != asset.size:
            raise ValueError(
                f"the server sent {size} bytes for {asset.path}, {asset.size} expected; "
                "nothing was kept"
            )
        os.replace(part, target)


def _reason(error):
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    return {"ConnectionError": "no connection", "ChunkedEncodingError": "it was cut short"}.get(
        type(error).__name__, type(error).__name__
    )
