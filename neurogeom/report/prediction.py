"""A predicted geometry, beside the measured one where there is one, as a page of text."""

from neurogeom.report.comparison import block, expected, missing
from neurogeom.report.table import count
from neurogeom.report.tidy import measures_of

_SHORT = {"ccgp": "CCGP", "parallelism": "PS", "shattering": "SD"}


def prediction(tree) -> str:
    """What :func:`neurogeom.predict` found, for a reader.

    The kernel and how sure it is, then a block a measure, one line a number, one column a system:
    what was measured with its interval, what is expected of the theory, of another minimum where
    there is one, and of the inputs.

    Raises
    ------
    ValueError
        `tree` is no prediction.

    Examples
    --------
    >>> prediction(None)
    Traceback (most recent call last):
        ...
    ValueError: this is no result of predict; give the tree that it returned
    """
    if "kernel" not in getattr(tree, "children", ()):
        raise ValueError("this is no result of predict; give the tree that it returned")
    systems = list(tree.attrs["systems"])
    blocks = [
        block(_SHORT.get(name, name), _predicted(ds), systems)
        for name, ds in measures_of(tree).items()
        if name != "similarity"
    ]
    if "similarity" in tree.children:
        ds = tree["similarity"].to_dataset()
        blocks.append(block("similarity with the recording", ds, list(ds["system"].values)))
    return "\n\n".join([_head(tree), *blocks, _foot(tree)]) + "\n"


def _predicted(ds):
    """Of a measure of several quantities, those that are predicted."""
    return ds.sel(quantity=["participation_ratio"]) if "quantity" in ds.dims else ds


def _head(tree):
    kernel = tree["kernel"].to_dataset()
    about = kernel.attrs
    lines = []
    if "population" in tree.children:
        who = tree["population"].attrs
        lines.append(
            f"{count(who['n_neurons'], 'neuron')} of {count(who['n_sessions'], 'session')}"
        )
    lines.append(
        f"{count(kernel.sizes['condition'], 'condition')}; {about['activation']} units, weight "
        f"decay {about['weight_decay']:g}, readout decay {about['readout_decay']:g}, bias power "
        f"{about['bias_power']:g}"
    )
    sure = ""
    if about["gap_kind"] == "searched":
        sure = f", {about['n_agree']} of {about['n_starts']} starts agree"
    lines.append(
        f"kernel: loss {about['loss']:.6g}, gap {about['gap']:.1e} ({about['gap_kind']}{sure}), "
        + {"no": "not unique"}.get(about["unique"], "no other minimum found")
    )
    return "\n".join(lines)


def _foot(tree):
    lines = [*expected(tree["matching"].to_dataset()), *missing(tree)]
    notes = list(tree.attrs.get("notes", []))
    if "population" in tree.children:
        lines.insert(0, "in brackets: 95 % interval of the recording")
        notes += tree["population"].attrs.get("notes", [])
    return "\n".join([*lines, *(f"note: {n}" for n in notes)])
