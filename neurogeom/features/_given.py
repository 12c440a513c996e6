"""Activity is put in order of its trial_id; what is given beside it stands as it was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from .. import activity

GIVEN = "_given"


def as_given(x: xr.DataArray) -> tuple[xr.DataArray, np.ndarray]:
    """The validated activity, and at which place each of its trials was given, (trial,)."""
    marked = x
    if "trial" in x.dims:
        marked = x.assign_coords({GIVEN: ("trial", np.arange(x.sizes["trial"]))})
    return activity.validate(x), activity.validate(marked)[GIVEN].values


def codes_as_given(codes: Any, x: Any) -> Any:
    """Codes in the order of the trials of x as it was given: by trial_id where both have it."""
    if not isinstance(codes, xr.DataArray) or {*codes.dims} != {"trial", "atom"}:
        return codes
    codes = codes.transpose("trial", "atom")
    if not isinstance(x, xr.DataArray) or "trial_id" not in codes.coords:
        return codes
    valid, place = as_given(x)
    own, wanted = codes.trial_id.values.tolist(), np.empty(len(place), object)
    wanted[place] = valid.trial_id.values.tolist()
    at = {trial: i for i, trial in enumerate(own)}
    if len(own) != len(wanted) or {*at} != {*wanted}:
        raise ValueError(
            f"codes of {len(own)} trials are not of the {len(wanted)} of this activity, of which "
            f"{len({*at} & {*wanted})} are shared by trial_id; give codes of the same trials"
        )
    return codes.values[[at[trial] for trial in wanted]]
