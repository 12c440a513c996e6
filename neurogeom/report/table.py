"""A result as a page of text: numbers first, then what they stand on, in plain sentences."""

import numpy as np

from neurogeom.report.tidy import estimates, measures_of

_NONE = "none: "  # how a null_method begins where none could be drawn
_SHORT = {"decoding": "decoding", "ccgp": "CCGP", "parallelism": "PS", "shattering": "SD"}


def table(tree, *, truth: dict | None = None) -> str:
    """A result of `score` as text for a reader.

    Parameters
    ----------
    tree : DataTree of `score`
    truth : {measure: {variable: value}}, optional
        Known values of a simulated recording, printed beside the estimates; the variable of a
        measure without variables (shattering) is "".

    Returns
    -------
    str
        A header (what was recorded), one line an estimate, a block for each measure that gives
        several numbers, then nulls, what was dropped, what could not be estimated, and the notes.
    """
    several = {name for name, ds in measures_of(tree).items() if "quantity" in ds["estimate"].dims}
    found = list(estimates(tree))
    parts = [
        _header(tree),
        _numbers([r for r in found if r["measure"] not in several], truth),
        _shattered(tree),
        *(_quantities([r for r in found if r["measure"] == name]) for name in sorted(several)),
        foot(tree),
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def aligned(lines: list, sides: str) -> str:
    """Rows of cells as columns of text; `sides` has "l" or "r" for each column."""
    lines = [[str(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    pad = [str.ljust if side == "l" else str.rjust for side in sides]
    rows_ = (zip(pad, line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(p(c, w) for p, c, w in row).rstrip() for row in rows_)


def count(n, thing: str, things: str | None = None) -> str:
    """A number and its noun: 1 trial, 2 trials."""
    return f"{n} {thing if n == 1 else things or thing + 's'}"


# --- header ---------------------------------------------------------------------------------------


def _header(tree):
    if "population" not in tree.children:
        return ""
    ds = tree["population"].to_dataset()
    attrs = ds.attrs
    n_neurons = ds.sizes.get("neuron", attrs.get("n_neurons", 0))
    first = f"{count(n_neurons, 'neuron')} of {count(attrs.get('n_sessions', 1), 'session')}"
    if "n_trials" in ds:
        first += f", {count(ds.sizes['condition'], 'condition')}, {_span(ds['n_trials'].values)}"
    if "n_observed" in attrs:
        first += f", {attrs['n_observed']:,} neuron-trials observed"
    return "\n".join([first, _drawn(attrs), *_where(attrs)])


def _span(counts):
    low, high = int(counts.min()), int(counts.max())
    if low == high:
        return f"{count(low, 'trial')} a condition"
    return f"{low} to {high} trials a condition (median {np.median(counts):g})"


def _drawn(attrs):
    if attrs.get("real_trials", False):
        return "recorded together: real trials, noise correlations kept"
    groups = count(attrs.get("n_groups", 0), "group")
    return f"pseudo-population of {groups} of neurons, each recorded on trials of its own"


def _where(attrs):
    window, align = attrs.get("window"), attrs.get("align")
    place = []
    if window is not None and len(np.atleast_1d(window)) == 2:
        low, high = np.atleast_1d(window)
        place.append(f"{low:g} to {high:g} s" + (f" from {align}" if align else ""))
    if attrs.get("source"):
        source = attrs["source"]
        place.append(source if isinstance(source, str) else count(len(source), "file"))
    return [", ".join(place)] if place else []


# --- numbers --------------------------------------------------------------------------------------


def _numbers(found, truth):
    if not found:
        return ""
    order = list(dict.fromkeys(r["variable"] for r in found))
    found.sort(key=lambda r: (r["variable"] == "", order.index(r["variable"])))  # stable
    with_time = any(np.isfinite(r["time"]) for r in found)
    drop = {"time (s)": not with_time, "truth at n": truth is None}
    head = [
        ("variable", "l"),
        ("time (s)", "r"),
        ("measure", "l"),
        ("estimate", "r"),
        ("truth at n", "r"),
        ("null mean", "r"),
        ("p", "r"),
        ("p corrected", "r"),
        ("95 % interval", "r"),
        ("interval for", "l"),
    ]
    kept = [i for i, (name, _) in enumerate(head) if not drop.get(name, False)]
    lines = [[n for n, _ in head], *_lines(found, truth)]
    lines = [[line[i] for i in kept] for line in lines]
    return aligned(lines, "".join(head[i][1] for i in kept))


def _lines(found, truth):
    before = None
    for r in found:
        name = r["variable"] or "all dichotomies"
        known = (truth or {}).get(r["measure"], {}).get(r["variable"], np.nan)
        known = known if np.isfinite(r["value"]) else np.nan  # nothing to hold it against
        yield [
            "" if name == before else name,
            number(r["time"]),
            _SHORT.get(r["measure"], r["measure"]),
            number(r["value"]),
            number(known),
            number(r["null_mean"]),
            probability(r["p_value"]),
            probability(r["p_corrected"]),
            _interval(r),
            _target(r).partition(":")[0],
        ]
        before = name


def _quantities(found):
    """A block of one measure: a line for each of its numbers, of each pair or level."""
    columns = {
        "": ("l", lambda r: r["label"] or r["variable"]),
        "time (s)": ("r", lambda r: number(r["time"])),
        found[0]["measure"]: ("l", lambda r: r["quantity"].replace("_", " ")),
        "estimate": ("r", lambda r: number(r["value"])),
        "naive": ("r", lambda r: number(r["naive"])),
        "chance": ("r", lambda r: number(r["chance"])),
        "ceiling": ("r", lambda r: number(r["ceiling"])),
        "p": ("r", lambda r: probability(r["p_value"])),
        "p corrected": ("r", lambda r: probability(r["p_corrected"])),
        "95 % interval": ("r", _interval),
        "interval for": ("l", lambda r: _target(r).partition(":")[0]),
    }
    cells = {name: [get(r) for r in found] for name, (_, get) in columns.items()}
    kept = [name for name, column in cells.items() if any(c not in ("", "-") for c in column)]
    if "" in kept:
        label = cells[""]
        cells[""] = [c if i == 0 or c != label[i - 1] else "" for i, c in enumerate(label)]
    lines = [kept, *zip(*(cells[name] for name in kept), strict=True)]
    return aligned(lines, "".join(columns[name][0] for name in kept))


def number(value) -> str:
    """Three digits, - for none."""
    return f"{value:.3f}".replace("-0.000", "0.000") if np.isfinite(value) else "-"


def probability(value) -> str:
    """Three digits, one where it is below 0.001, - for none."""
    if not np.isfinite(value):
        return "-"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1g}"


def _target(row):
    """What the interval of a row is for, if there is one."""
    return row["interval_target"] if np.isfinite(row["interval_low"]) else ""


def _interval(row):
    low, high = row["interval_low"], row["interval_high"]
    return f"{number(low)} to {number(high)}" if np.isfinite([low, high]).all() else "-"


def _shattered(tree):
    """How many dichotomies are told apart; the list itself is in the files."""
    if "shattering" not in tree.children or "accuracy" not in tree["shattering"]:
        return ""
    ds = tree["shattering"].to_dataset()
    if "dichotomy_p_corrected" not in ds or "time" in ds["accuracy"].dims:
        return ""
    above = int((ds["dichotomy_p_corrected"] <= 0.05).sum())
    n = ds.sizes["dichotomy"]
    text = f"{above} of {count(n, 'dichotomy', 'dichotomies')} decoded (p corrected at most 0.05)"
    if "reference" in ds:
        cuboid, random = ds["reference"].values
        text += f"\nSD {float(ds['estimate']):.3f} stands beside {cuboid:.3f} without interactions "
        text += f"of the variables and {random:.3f} with neurons tuned at random"
    return text


# --- foot -----------------------------------------------------------------------------------------


def foot(tree) -> str:
    """Nulls, settings, what was dropped or not estimated, notes: a line each."""
    lines = [*_nulls(tree), *_targets(tree), *_settings(tree), *_dropped(tree), *_cost(tree)]
    lines += [*_not_estimated(tree), *_notes(tree)]
    return "\n".join(lines)


def _nulls(tree):
    """One line a measure: which null it was held against, and how many draws."""
    for name, ds in measures_of(tree).items():
        draws = ds.sizes.get("surrogate", 0)
        chance = ds.attrs.get("chance")
        without = ds.attrs.get("controls", "no null was drawn")
        words = [_null_method(ds), count(draws, "surrogate")] if draws else [without]
        words += [] if chance is None or not np.isfinite(chance) else [f"chance {chance:g}"]
        yield f"{_SHORT.get(name, name)}: {', '.join(w for w in words if w)}"
        if "p_if_independent" in ds and "time" not in ds["p_if_independent"].dims:
            beside = (
                f"{variable} {p:.3f}"
                for variable, p in zip(
                    ds["variable"].values, ds["p_if_independent"].values, strict=True
                )
                if np.isfinite(p)
            )
            yield f"{_SHORT.get(name, name)}: p if neurons were independent: {', '.join(beside)}"


def _null_method(ds):
    if "null_method" not in ds:
        return f"null: {ds.attrs['null_method']}" if ds.attrs.get("null_method") else ""
    methods = list(dict.fromkeys(str(m) for m in ds["null_method"].values.ravel() if str(m)))
    drawn = [m for m in methods if not m.startswith(_NONE)]
    missing = [f"no null for some: {m.removeprefix(_NONE)}" for m in methods if m not in drawn]
    return "; ".join([f"null: {', '.join(drawn)}"] * bool(drawn) + missing)


def _targets(tree):
    """What an interval is for, in full."""
    found = dict.fromkeys(_target(r) for r in estimates(tree))
    return [f"interval for {target}" for target in found if ":" in target]


def _settings(tree):
    for ds in measures_of(tree).values():
        attrs = ds.attrs
        words = [f"readout {attrs['readout']}"] if attrs.get("readout") else []
        drawn = attrs.get("n_pseudo") and not attrs.get("real_trials")
        words += [f"{attrs['n_pseudo']} trials drawn a condition"] if drawn else []
        words += [count(attrs["n_resamples"], "resample")] if attrs.get("n_resamples") else []
        words += [f"seed {attrs['seed']}"] if "seed" in attrs else []
        if words:
            yield ", ".join(words)
            return  # the measures of one score share their settings


def _dropped(tree):
    dropped = _population(tree).get("dropped")
    for things in ("neurons", "trials") if dropped is not None else ():
        reasons = {k: n for k, n in dropped.get(things, {}).items() if n}
        if reasons:
            listed = ", ".join(f"{n} ({reason})" for reason, n in reasons.items())
            yield f"{things} dropped: {listed}"
        else:
            yield f"{things} dropped: none"


def _cost(tree):
    cost = _population(tree).get("min_trials_cost")
    if cost:
        kept = ", ".join(f"{n} at {minimum}" for minimum, n in cost.items())
        yield f"neurons kept, by trials demanded a condition: {kept}"


def _not_estimated(tree):
    for name, ds in measures_of(tree).items():
        short = _SHORT.get(name, name)
        for of, reason in _by_reason(ds.attrs.get("reasons")):
            yield f"no {short}{of}: {reason}"
        estimated = _estimated(ds)
        refused = dict(ds.attrs.get("interval_reasons") or {})
        refused = {k: v for k, v in refused.items() if estimated.get(k, True)}
        for of, reason in _by_reason(refused):
            yield f"no interval for the {short}{of}: {reason}"


def _by_reason(reasons, most=3):
    """What has the same reason, in words, and the reason."""
    names: dict = {}
    for name, reason in dict(reasons or {}).items():
        names.setdefault(reason, []).append(name)
    for reason, found in names.items():
        more = f" and {len(found) - most} more" if len(found) > most else ""
        listed = ", ".join(found[:most])
        yield (f" of {listed}{more}" if listed else ""), reason


def _estimated(ds):
    """Which estimates are numbers, under the names that reasons bear: {name: bool}."""
    found: dict = {}
    for r in estimates(ds):
        of = f"{r['quantity']} of {r['label']}" if r["label"] else r["quantity"]
        name = r["variable"] or of
        found[name] = found.get(name, False) or bool(np.isfinite(r["value"]))
    return found


def _notes(tree):
    found = list(_population(tree).get("notes", []))
    for ds in measures_of(tree).values():
        found += [*ds.attrs.get("notes", []), *ds.attrs.get("interval_notes", [])]
    return [f"note: {n}" for n in dict.fromkeys(map(str, found))]


def _population(tree):
    return tree["population"].attrs if "population" in tree.children else {}
