"""`neurogeom features`: what the axes of a recording mean, by one of five methods."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click

from neurogeom.cli.compare import check_figure, recording_of
from neurogeom.cli.options import Jobs, Names, Window
from neurogeom.cli.output import claim, write_text
from neurogeom.cli.score import Remembering, json_path

OPTIONS = {  # what each method takes of the options below, besides those that all take
    "sparse": ("contrasts", "n_atoms", "penalty", "min_trials", "n_null", "n_jobs"),
    "index": ("datum", "probes", "n_components", "min_trials", "n_null", "n_jobs"),
    "slow": ("bin_width", "n_latents", "lag", "likelihood", "steps", "n_null"),
    "disentanglement": ("n_null", "n_jobs"),
    "interpretability": ("stimulus", "stimuli", "kind", "directions", "n_null", "figure"),
}
NEEDED = {
    "sparse": ("variables",),
    "index": (),  # one of two, see below
    "slow": (),
    "disentanglement": ("variables",),
    "interpretability": ("stimulus", "stimuli"),
}
WORDS = {"n_atoms": "atoms", "n_components": "components", "n_null": "nulls", "n_jobs": "jobs"}
WORDS |= {"bin_width": "bin", "n_latents": "latents"}
DIRECTIONS = ("neurons", "kmeans", "pca", "ica", "sparse", "random")


@click.command(cls=Remembering)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path),
                metavar="RECORDING...")  # fmt: skip
@click.option("--method", type=click.Choice(list(OPTIONS)), required=True)
@click.option("--align", metavar="COL", help="Trial column with the event that is time 0 (NWB).")
@click.option("--window", type=Window(), help="Seconds from the event, such as 0.2:0.4.")
@click.option("--table", metavar="NAME", help="Interval table with the trials.  [default: trials]")
@click.option("--signal", type=click.Choice(["units", "roi"]), help="Spikes or imaging.")
@click.option("--units", metavar="EXPR", help="Which units (NWB), such as \"quality == 'good'\".")
@click.option("--where", metavar="EXPR", help="Which trials (NWB), such as 'correct and not opto'.")
@click.option("--bin", "bin_width", type=click.FloatRange(0, min_open=True), metavar="S",
              help="slow: bins of S seconds (NWB).")  # fmt: skip
@click.option("--variables", type=Names(), help="Crossed to conditions; factors of "
              "disentanglement and slow.")  # fmt: skip
@click.option("--contrasts", type=Names(), help="sparse: columns that follow from them.")
@click.option("--atoms", "n_atoms", type=click.IntRange(1), help="sparse: of the dictionary.")
@click.option("--penalty", type=click.FloatRange(0, min_open=True), help="sparse: on the codes.")
@click.option("--datum", metavar="COL", help="index: what a trial repeats; or --variables.")
@click.option("--probes", type=Names(), help="index: columns that are read from the features.")
@click.option("--components", "n_components", type=click.IntRange(1), help="index: at most.")
@click.option("--latents", "n_latents", type=click.IntRange(1), help="slow: at most.")
@click.option("--lag", type=click.IntRange(1), help="slow: bins between the two of a pair.")
@click.option("--likelihood", type=click.Choice(["gaussian", "poisson"]), help="slow: of a bin.")
@click.option("--steps", type=click.IntRange(1), help="slow: of training.  [default: 2000]")
@click.option("--stimulus", metavar="COL", help="interpretability: column with the stimulus.")
@click.option("--stimuli", metavar="FILE", type=click.Path(path_type=Path),
              help="interpretability: .npy of images (stimulus, row, column[, channel]) or "
              "embedding (stimulus, feature), in the order of the sorted stimuli.")  # fmt: skip
@click.option("--kind", type=click.Choice(["mei", "2afc", "ooo"]), help="interpretability: index.")
@click.option("--directions", type=click.Choice(DIRECTIONS),
              help="interpretability: of what.  [default: neurons]")  # fmt: skip
@click.option("--min-trials", type=click.IntRange(2), help="Trials a neuron needs a condition.")
@click.option("--nulls", "n_null", type=click.IntRange(0), help="Surrogates; sparse and "
              "disentanglement learn no more than usual anew.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--jobs", "n_jobs", type=Jobs(), help="Workers, or -1.  [default: 1]")
@click.option("--out", type=click.Path(path_type=Path), help="Everything, as NetCDF.")
@click.option("--json", "json_file", metavar="FILE|-", help="Numbers as JSON; - prints only that.")
@click.option("--csv", type=click.Path(path_type=Path), help="Tidy rows, one a number.")
@click.option("--figure", type=click.Path(path_type=Path),
              help="interpretability: gallery, as PNG, PDF or SVG.")  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace output files that exist.")
@click.pass_context
def features(ctx: click.Context, files: tuple[Path, ...], **given: Any) -> None:
    """Find the features of a RECORDING (NWB files, or activity saved as .nc), and what they mean.

    \b
    sparse             a sparse dictionary: held-out fit, stability, what its atoms respond to
    index              directions that tell the data (stimuli, conditions) apart
    slow               latents that change sparsely in time, of one session (needs torch)
    disentanglement    whether single neurons stand for single variables
    interpretability   how alike the stimuli are that excite a neuron or direction most
    """
    _check_usage(given, files)
    inputs = [*files, *([given["stimuli"]] if given["stimuli"] else [])]
    outputs = [given[k] for k in ("out", "csv", "figure")] + [json_path(given["json_file"])]
    claim([p for p in outputs if p is not None], inputs, overwrite=given["overwrite"])
    recording = recording_of(list(files), given)
    tree = _tree(_METHODS[given["method"]](recording, given), recording)
    tree.attrs["command"] = shlex.join(ctx.meta["neurogeom.words"])
    _write(tree, given)
    if given["json_file"] != "-":
        from neurogeom.report.features import features as page

        click.echo(page(tree), nl=False)
    _draw(tree, given)


def _check_usage(given: dict, files: tuple[Path, ...]) -> None:
    """Refuse options that do not go together, before anything is read."""
    method = given["method"]
    own = {name for names in OPTIONS.values() for name in names}
    for name in sorted(own - set(OPTIONS[method])):
        if given[name] not in (None, ()):
            whose = ", ".join(m for m, names in OPTIONS.items() if name in names)
            raise click.UsageError(f"--{_word(name)} is for --method {whose}; leave it out")
    for name in NEEDED[method]:
        if not given[name]:
            raise click.UsageError(f"--method {method} needs --{_word(name)}")
    if method == "index" and bool(given["variables"]) == bool(given["datum"]):
        raise click.UsageError("--method index needs --datum COL or --variables, one of them")
    if method == "interpretability" and given["variables"]:
        raise click.UsageError("--variables has no effect on --method interpretability; leave it "
                               "out")  # fmt: skip
    if method == "slow" and any(f.suffix != ".nc" for f in files) and not given["bin_width"]:
        raise click.UsageError("--method slow needs --bin S, the width of a time bin")
    if given["figure"] and (given["directions"] or "neurons") != "neurons":
        raise click.UsageError("--figure draws neurons; leave out --directions, or the figure")
    check_figure(given["figure"])


def _word(name: str) -> str:
    return WORDS.get(name, name).replace("_", "-")


def _asked(given: dict, *names: str) -> dict:
    return {name: given[name] for name in names if given[name] not in (None, ())}


def _sparse(recording, given: dict):
    import neurogeom as ng
    from neurogeom.cli.progress import progress_bar

    asked = _asked(given, *OPTIONS["sparse"])
    if given["n_null"] is not None:  # each learns dictionaries: never more than usual
        asked["n_shuffles"] = min(max(given["n_null"], 1), 20)
    with progress_bar() as progress:
        return ng.features.sparse(
            recording, given["variables"], seed=given["seed"], progress=progress, **asked
        )


def _index(recording, given: dict):
    import neurogeom as ng
    from neurogeom.cli.progress import progress_bar

    asked = _asked(given, "probes", "n_components", "min_trials", "n_null", "n_jobs")
    datum = given["datum"] or given["variables"]
    with progress_bar() as progress:
        return ng.features.linear_diet(
            recording, datum, seed=given["seed"], progress=progress, **asked
        )


def _slow(recording, given: dict):
    import neurogeom as ng

    asked = _asked(given, "n_latents", "lag", "likelihood", "steps", "n_null")
    factors = given["variables"] or ()
    return ng.features.slow_factors(recording, factors, seed=given["seed"], **asked)


def _disentanglement(recording, given: dict):
    import neurogeom as ng

    asked = _asked(given, "n_null", "n_jobs")
    if given["n_null"] is not None:  # each learns models: never more than usual
        asked["n_null_learned"] = min(given["n_null"], 19)
    return ng.features.disentanglement(recording, given["variables"], seed=given["seed"], **asked)


def _interpretability(recording, given: dict):
    import neurogeom as ng

    asked = _asked(given, "stimulus", "kind", "n_null")
    stimuli = _array(given["stimuli"])
    if given["figure"] is not None and stimuli.ndim < 3:
        raise click.UsageError(f"--figure draws images, and {given['stimuli']} holds an array of "
                               f"shape {stimuli.shape}; leave out the figure")  # fmt: skip
    if given["directions"] in (None, "neurons"):
        return ng.features.interpretability(recording, stimuli, seed=given["seed"], **asked)
    methods = [given["directions"]]
    return ng.features.compare_bases(
        recording, stimuli, methods=methods, seed=given["seed"], **asked
    )


_METHODS = {
    "sparse": _sparse,
    "index": _index,
    "slow": _slow,
    "disentanglement": _disentanglement,
    "interpretability": _interpretability,
}


def _array(path: Path):
    """The array in a .npy file, which holds no pickle."""
    import numpy as np

    if path.suffix != ".npy":
        raise click.UsageError(f"--stimuli {path} is no .npy file; write it by numpy.save")
    try:
        return np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path} holds no array of numbers; write it by numpy.save") from error


def _tree(found, recording):
    """The result as a tree of one measure, and what was dropped when it was read and since."""
    import xarray as xr

    from neurogeom._version import __version__
    from neurogeom.score import summed

    measure = str(found.attrs["measure"])
    sessions = recording if isinstance(recording, list) else [recording]
    dropped = {}
    for things in ("trials", "neurons"):
        since = {f"left out by {measure}": n for n in [found.attrs.get(f"n_{things}_dropped")] if n}
        read = [session.attrs.get("dropped", {}).get(things, {}) for session in sessions]
        dropped[things] = summed([since, *read])
    population = xr.Dataset(attrs={"n_sessions": len(sessions), "dropped": dropped})
    tree = xr.DataTree.from_dict({"population": population, measure: found})
    tree.attrs["version"] = __version__
    return tree


def _write(tree, given: dict) -> None:
    import neurogeom as ng
    from neurogeom.report.tidy import to_json

    if given["out"] is not None:
        ng.save(tree, given["out"], overwrite=given["overwrite"])
    if given["csv"] is not None:
        write_text(ng.to_dataframe(tree).to_csv(index=False), given["csv"])
    if given["json_file"] is not None:
        text = json.dumps(to_json(tree), allow_nan=False, indent=1) + "\n"
        path = json_path(given["json_file"])
        click.echo(text, nl=False) if path is None else write_text(text, path)


def _draw(tree, given: dict) -> None:
    """The gallery, last: where there is nothing to draw, what was found is written already."""
    if given["figure"] is not None:
        from neurogeom.report.gallery import gallery

        found = tree["interpretability"].to_dataset()
        gallery(found, _array(given["stimuli"])).savefig(given["figure"], dpi=150)
