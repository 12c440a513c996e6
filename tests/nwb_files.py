"""Small NWB recordings for the tests, written with pynwb as a laboratory would."""

from datetime import UTC, datetime

import numpy as np


def empty_file():
    import pynwb

    return pynwb.NWBFile("a test", "identifier", datetime(2024, 5, 1, tzinfo=UTC))


def save(nwb, path, cache_spec=False):
    import pynwb

    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb, cache_spec=cache_spec)
    return path


def add_trials(nwb, columns=None, n_trials=4, length=1.0, period=2.0, name="trials"):
    """Trials at 10, 12, 14, ... s, each a second long, with `cue_time` 0.2 s after the start."""
    from pynwb.epoch import TimeIntervals

    start = 10 + period * np.arange(n_trials)
    columns = {"cue_time": start + 0.2} | (columns or {})
    table = TimeIntervals(name=name, description="trials of the test")
    for column in columns:
        table.add_column(column, f"{column} of the trial")
    for k in range(n_trials):
        values = {column: columns[column][k] for column in columns}
        table.add_row(start_time=start[k], stop_time=start[k] + length, **values)
    if name == "trials":
        nwb.trials = table
    elif name == "invalid_times":
        nwb.invalid_times = table
    else:
        nwb.add_time_intervals(table)
    return start


def add_units(nwb, spikes, obs_intervals=None, ids=None, columns=None):
    """One unit for each array of spike times."""
    for column in columns or {}:
        nwb.add_unit_column(column, f"{column} of the unit")
    for k, times in enumerate(spikes):
        more = {name: values[k] for name, values in (columns or {}).items()}
        if obs_intervals is not None:
            more["obs_intervals"] = np.asarray(obs_intervals[k], float).reshape(-1, 2)
        number = None if ids is None else ids[k]
        nwb.add_unit(spike_times=np.asarray(times, float), id=number, **more)


def recording(path, spikes=None, columns=None, **units):
    """Four trials and two units, or what is given."""
    nwb = empty_file()
    add_trials(nwb, columns)
    add_units(nwb, [[10.3, 10.4, 12.5], [14.3]] if spikes is None else spikes, **units)
    return save(nwb, path)


def add_electrodes(nwb, locations):
    """A probe with an electrode at each location."""
    device = nwb.create_device(name="probe")
    groups = {
        place: nwb.create_electrode_group(
            f"shank {place}", description="-", location=place, device=device
        )
        for place in dict.fromkeys(locations)
    }
    for place in locations:
        nwb.add_electrode(location=place, group=groups[place])
    return groups


def add_plane(nwb, name="plane", n_rois=3, columns=None, ids=None, location="V1"):
    """An imaging plane with regions, in the module "ophys"."""
    from pynwb.ophys import ImageSegmentation, OpticalChannel

    device = nwb.devices.get("scope") or nwb.create_device(name="scope")
    plane = nwb.create_imaging_plane(
        name=f"{name} imaged",
        optical_channel=OpticalChannel(name="green", description="-", emission_lambda=510.0),
        description="-",
        device=device,
        excitation_lambda=920.0,
        indicator="GCaMP",
        location=location,
    )
    module = nwb.processing.get("ophys") or nwb.create_processing_module("ophys", "-")
    holder = module.data_interfaces.get("ImageSegmentation")
    if holder is None:
        holder = ImageSegmentation()
        module.add(holder)
    table = holder.create_plane_segmentation("-", plane, name=name)
    for column in columns or {}:
        table.add_column(column, "-")
    for k in range(n_rois):
        more = {c: v[k] for c, v in (columns or {}).items()}
        table.add_roi(pixel_mask=[(k, 0, 1.0)], id=None if ids is None else ids[k], **more)
    return table


def add_series(nwb, table, data, name="activity", container="Fluorescence", region=None, **times):
    """Fluorescence of the regions of a plane; `data` and times go to the series as they are."""
    from pynwb.ophys import DfOverF, Fluorescence, RoiResponseSeries

    region = list(range(len(table.id))) if region is None else region
    rois = table.create_roi_table_region("-", region=region)
    series = RoiResponseSeries(name=name, data=data, rois=rois, unit="dF/F", **times)
    module = nwb.processing["ophys"]
    holder = module.data_interfaces.get(container)
    if holder is None:
        kind = {"Fluorescence": Fluorescence, "DfOverF": DfOverF}[container]
        holder = kind(name=container)
        module.add(holder)
    holder.add_roi_response_series(series)
    return series
