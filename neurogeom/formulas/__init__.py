"""Arrays in, numbers out: no sampling, no nulls, no labels. One file a quantity."""

from . import expected, parallelism, participation_ratio

__all__ = ["expected", "parallelism", "participation_ratio"]
