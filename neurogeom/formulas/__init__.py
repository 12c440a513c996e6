"""Arrays in, numbers out: no sampling, no nulls, no labels. One file a quantity."""

from . import expected, geometries, parallelism, participation_ratio

__all__ = ["expected", "geometries", "parallelism", "participation_ratio"]
