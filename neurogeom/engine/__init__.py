"""Resamples, readouts, nulls, intervals, multiplicity and parallel runs, for any measure."""
