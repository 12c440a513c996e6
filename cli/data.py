"""`neurogeom data`: which data sets there are, whether they are whole, and where they come from."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group()
def data() -> None:
    """List, check and download data sets.

    MANIFEST is the path of a YAML file, or a name that `neurogeom data list` shows.
    """


@data.command("list")
def list_() -> None:
    """The manifests that come with neurogeom."""
    from neurogeom.recordings.manifests import load_manifest, shipped_manifests
    from neurogeom.report.table import aligned, count

    lines = []
    for name, path in shipped_manifests().items():
        manifest = load_manifest(path)
        checked = "verified" if manifest.verified else "not verified"
        lines.append([name, count(len(manifest.assets), "file"), checked, manifest.dataset.title])
    click.echo(aligned(lines, "lrll"))


@data.command()
@click.argument("manifest")
@click.option("--root", type=click.Path(path_type=Path), help="Folder of the files, if another.")
def verify(manifest: str, root: Path | None) -> None:
    """Hold files against MANIFEST, in its own folder: size and SHA-256.

    Exits with 1 if a file is missing or wrong.
    """
    from neurogeom.recordings.manifests import find_manifest, load_manifest
    from neurogeom.recordings.manifests import verify as held_against

    read = load_manifest(manifest)
    found = list(held_against(read, root or find_manifest(manifest).parent))
    _show(found, read)
    bad = [f for f in found if f.status in ("missing", "wrong")]
    if bad:
        raise click.ClickException(f"{len(bad)} of {len(found)} files are missing or wrong")


@data.command()
@click.argument("manifest")
@click.option(
    "--root", type=click.Path(path_type=Path), required=True, help="Folder to download into."
)
@click.option("--archive", metavar="URL", help="Base URL of the archive.  [default: DANDI]")
def fetch(manifest: str, root: Path, archive: str | None) -> None:
    """Download the files of MANIFEST that are missing, and check them.

    A file is there whole and right, or not at all.
    """
    from neurogeom.recordings.fetch import ARCHIVE
    from neurogeom.recordings.fetch import fetch as downloaded
    from neurogeom.recordings.manifests import load_manifest

    read = load_manifest(manifest)
    options = {"archive": archive or ARCHIVE, "progress": sys.stderr.isatty()}
    _show(list(downloaded(read, root, **options)), read)


def _show(found: list, manifest) -> None:
    from neurogeom.report.table import aligned

    if found:
        click.echo(aligned([[f.path, f.status, f.reason] for f in found], "lll"))
    else:
        click.echo(f"The manifest of {manifest.dataset.id} names no file.")
    for note in () if manifest.verified else manifest.notes:
        click.echo(f"note: {note}")
