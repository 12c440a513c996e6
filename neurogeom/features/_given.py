"""Activity is put in order of its trial_id; what is given beside it stands as it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .. import activity

GIVEN = "_given"


def as_given(x: xr.DataArray) -> tuple[xr.DataArray, np.ndarray]:
    """The validated activity, and at which place each of its trials was given, (trial,)."""
    valid = activity.validate(x)
    marked = x.assign_coords({GIVEN: ("trial", np.arange(x.sizes["trial"]))})
    return valid, activity.validate(marked)[GIVEN].values


def beside(values: Any, x: Any) -> Any:
    """What is given beside an activity in the order of its trials as given, which come first.

    Where both have ``trial_id`` the trials are matched by it; else values stay as they are.
    """
    if not isinstance(values, xr.DataArray) or "trial" not in values.dims:
        return values
    values = values.transpose("trial", ...)
    if not isinstance(x, xr.DataArray) or "trial_id" not in values.coords:
        return values
    valid, place = as_given(x)
    own, wanted = values.trial_id.values.tolist(), np.empty(len(place), object)
    wanted[place] = valid.trial_id.values.tolist()
    at = {trial: i for i, trial in enumerate(own)}
    if len(own) != len(wanted) or {*at} != {*wanted}:
        raise ValueError(
            f"{values.name or 'values'} of {len(own)} trials are not of the {len(wanted)} of this "
            f"activity, of which {len({*at} & {*wanted})} are shared by trial_id; give those of "
            "the same trials"
        )
    return values.values[[at[trial] for trial in wanted]]
