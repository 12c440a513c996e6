"""A comparison of recording and networks as a page of text."""

import numpy as np

from neurogeom.report.table import aligned, count
from neurogeom.report.tidy import measures_of

_SHORT = {"decoding": "decoding", "ccgp": "CCGP", "parallelism": "PS", "shattering": "SD"}


def comparison(tree) -> str:
    """What :func:`neurogeom.compare` found, for a reader.

    One block a measure, one line a number, one column a system: the recording's estimate and
    interval, and of networks the median with the smallest and the largest net. Then what was
    matched, the noise that it took, and the notes.
    """
    systems = list(tree.attrs["systems"])
    blocks = [
        block(_SHORT.get(name, name), ds, [s for s in systems if s in ds["system"].values])
        for name, ds in measures_of(tree).items()
        if "system" in ds.dims and name != "similarity"
    ]
    if "similarity" in tree.children:
        ds = tree["similarity"].to_dataset()
        blocks.append(block("similarity with the recording", ds, list(ds["system"].values)))
    return "\n\n".join([_head(tree), *blocks, _foot(tree)]) + "\n"


def _head(tree):
    attrs, what = tree["population"].attrs, tree.attrs["match"]
    matched = ", ".join(what["what"]) or "nothing"
    text = f"{count(attrs['n_neurons'], 'neuron')} of {count(attrs['n_sessions'], 'session')}, "
    text += f"{count(attrs['n_conditions'], 'condition')}; matched: {matched}"
    if "decoding" in what:
        text += f" (mean decoding {what['decoding']:.3f})"
    return text


def block(title, ds, systems):
    """One measure as lines: a number a line, a system a column, intervals in brackets."""
    dims = [d for d in ds["estimate"].dims if d != "system"]
    lines = [[title, *systems]]
    for at in np.ndindex(*(ds.sizes[d] for d in dims)):
        row = ds.isel(dict(zip(dims, at, strict=True)))
        label = ", ".join(str(row[d].values).replace("_", " ") for d in dims)
        each = (row.sel(system=system) for system in systems)
        lines.append([label, *(_cell(float(x["estimate"]), x["interval"].values) for x in each)])
    return aligned(lines, "l" + "r" * len(systems))


def _cell(value, bounds):
    if not np.isfinite(value):
        return "-"
    text = f"{value:.3f}"
    if np.isfinite(bounds).all() and bounds[1] > bounds[0]:
        text += f" ({bounds[0]:.2f} to {bounds[1]:.2f})"
    return text


def _foot(tree):
    match = tree["matching"].to_dataset()
    lines = ["in brackets: of the recording its 95 % interval, of a system its least and most net"]
    for system in match["system"].values:
        sd = match["noise_sd"].sel(system=system).values
        sd = sd[np.isfinite(sd)]
        n = int(match["n_units"].sel(system=system).max())
        lines.append(
            f"{system}: {len(sd)} {'net' if len(sd) == 1 else 'nets'} of {n} units, private noise "
            f"of {', '.join(f'{s:.2g}' for s in sd)} sd"
        )
    if "theory" in tree.children:
        lines += expected(tree["theory"].to_dataset())
    lines += missing(tree)
    notes = [*tree["population"].attrs.get("notes", []), *tree.attrs.get("notes", [])]
    return "\n".join([*lines, *(f"note: {n}" for n in notes)])


def expected(workings):
    """How each system whose numbers are expectations was brought to the recording, a line each."""
    for name in workings["system"].values:
        own = workings.sel(system=name)
        at = ""
        if np.isfinite(own["n_neurons"]):
            at = f" at {float(own['n_neurons']):.0f} neurons"
            at += f" and {float(own['n_training']):.1f} training trials a condition"
        noise = float(own["noise_sd"])
        noise = f"private noise of {noise:.2g} sd" if np.isfinite(noise) else "no noise known"
        yield f"{name}: expected in closed form{at}, {noise}"


def missing(tree):
    """Why the recording's halves have no value of some similarity, a line each."""
    if "similarity" not in tree.children:
        return []
    reasons = dict(tree["similarity"].attrs.get("reasons") or {})
    return [f"no {name} of the recording's halves: {why}" for name, why in reasons.items()]
