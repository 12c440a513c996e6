"""Activity larger than memory: a file that `load` reads, written piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr

from neurogeom.storage import appearing_whole, as_groups, write


@contextmanager
def in_parts(
    x: xr.DataArray | Sequence[xr.DataArray], path: str | os.PathLike, *, overwrite: bool = False
) -> Iterator[list[Any]]:
    """A file as `save` makes it, whose values are written within the ``with`` block.

    Parameters
    ----------
    x : DataArray or list of DataArray
        Coordinates, attributes, shape and dtype of what is to stand in the file. The values are not
        looked at: ``np.broadcast_to(np.float32(0), shape)`` takes no memory.
    path, overwrite
        As in `save`: the file appears under its name at the end of the block, and not at all if an
        error ends it.

    Yields
    ------
    list of writable variables, one an array: ``variable[first:last] = block``. They are neither
    compressed nor cut into chunks, so that writing costs no more than the disk.

    Raises
    ------
    FileExistsError, TypeError, ValueError, OSError
        As in `save`.

    Examples
    --------
    >>> import tempfile, neurogeom as ng
    >>> x = ng.from_arrays([[1.0, 2.0], [3.0, 4.0]], session="monday")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with in_parts(x, f"{folder}/x.nc") as (variable,):
    ...         variable[:1], variable[1:] = x.values[:1], x.values[1:]
    ...     ng.load(f"{folder}/x.nc").identical(x)
    True
    """
    import h5netcdf

    path = Path(os.path.realpath(path))
    groups = as_groups(x)
    large = {place: str(name) for place, ds in groups.items() for name in ds.data_vars}
    frame = {place: ds.drop_vars(large.get(place, ())) for place, ds in groups.items()}
    with appearing_whole(path, overwrite) as partial:
        write(xr.DataTree.from_dict(frame), partial, path)
        with h5netcdf.File(partial, "a") as file:
            yield [_unfilled(file, p, name, groups[p][name]) for p, name in large.items()]


def _unfilled(file: Any, place: str, name: str, x: xr.DataArray) -> Any:
    """A variable with the form and the attributes of `x`, to be written."""
    group = file if place == "/" else file[place]
    made = group.create_variable(name, x.dims, x.dtype)
    made.attrs.update(x.attrs)
    return made
