"""How values are written on the command line: windows, lists of names, bins."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import click


class Window(click.ParamType):
    """T0:T1 in seconds, as (float, float)."""

    name = "T0:T1"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """Two numbers with a colon between, the first the smaller."""
        if isinstance(value, tuple):
            return value
        try:
            start, stop = map(float, value.split(":"))
        except ValueError:
            self.fail(f"{value!r} is not two numbers with a colon between, such as 0.2:0.4")
        if not start < stop:
            self.fail(f"{value!r} ends before it starts; write the earlier time first")
        return start, stop


class Jobs(click.ParamType):
    """A number of workers, -1 for all cores."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """A whole number that is not 0."""
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not number:
            self.fail(f"{value!r} is no number of workers; give 1 or more, or -1 for all cores")
        return number


class Names(click.ParamType):
    """a,b,c as a list of names, each once."""

    name = "a,b,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """Names between commas."""
        if isinstance(value, list):
            return value
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(f"{value!r} has an empty name; separate names by single commas")
        if len(set(names)) < len(names):
            self.fail(f"{value!r} names one of them twice")
        return names


class Numbers(click.ParamType):
    """A number, or several between commas as a list."""

    name = "NUMBER,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """One number stays a number."""
        if isinstance(value, float | list):
            return value
        try:
            numbers = [float(number) for number in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a number, or numbers between commas")
        return numbers if len(numbers) > 1 else numbers[0]


class Bins(click.ParamType):
    """COL=edge,edge,... as (column, {label: (low, high)}), half-open intervals."""

    name = "COL=edge,edge,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """At least two intervals; inf and -inf leave an end open."""
        if isinstance(value, tuple):
            return value
        column, equals, written = value.partition("=")
        try:
            edges = [float(edge) for edge in written.split(",")]
        except ValueError:
            equals = ""
        if not (column and equals):
            self.fail(f"{value!r} is not a column and its edges, such as coherence=0,10,30,inf")
        if len(edges) < 3:
            self.fail(f"{value!r} makes fewer than two bins; give at least three edges")
        if not all(a < b for a, b in pairwise(edges)):
            self.fail(f"{value!r} has edges that do not increase; sort them")
        return column.strip(), dict(_interval(low, high) for low, high in pairwise(edges))


class Settings(click.ParamType):
    """NAME=VALUE as (name, value): numbers, true and false, text; several values between commas."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """A name, and the simplest that its value can be."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not (name.strip() and equals and text):
            self.fail(f"{value!r} is not a name and its value, such as noise=0.1")
        parts = [part.strip() for part in text.removesuffix(",").split(",")]
        if not all(parts):
            self.fail(f"{value!r} has an empty value; separate values by single commas")
        values = tuple(map(_plain, parts))
        return name.strip().replace("-", "_"), values if "," in text else values[0]


class NetCDF(click.ParamType):
    """A file name that ends in .nc, as a path: others are made from it."""

    name = "FILE.nc"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None):
        """The path."""
        path = Path(value)
        if path.suffix != ".nc":
            self.fail(f"{str(value)!r} does not end in .nc; name a NetCDF file, such as net.nc")
        return path


def _plain(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _interval(low: float, high: float) -> tuple:
    """The label of [low, high) and its bounds, None for no bound."""
    bounds = tuple(None if abs(edge) == float("inf") else edge for edge in (low, high))
    return f"[{low:g}, {high:g})", bounds


def each_once(pairs: tuple) -> dict[str, Any]:
    """Settings by name; one that is given twice is refused, as it is not clear which one holds."""
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise click.UsageError(f"--set names {twice[0]!r} twice; give it one value")
    return dict(pairs)


def variables_of(names: list[str], bins: tuple) -> list | dict:
    """The variables as the measures take them: names, or a mapping where some are binned."""
    binned = dict(bins)
    unknown = sorted(set(binned) - set(names))
    if unknown:
        raise click.UsageError(f"--bins names {unknown[0]!r}, which --variables does not")
    return {name: binned.get(name) for name in names} if binned else names


def columns_of(names: list[str], contrasts: list[str]) -> list[str]:
    """The columns of the trial table that variables and contrasts such as a:b need."""
    parts = [part.strip() for contrast in contrasts for part in contrast.split(":")]
    return list(dict.fromkeys([*names, *parts]))
