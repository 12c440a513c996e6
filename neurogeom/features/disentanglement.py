"""Do codes stand for factors one by one? Disentanglement scores, each beside what it cannot see."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from .. import activity as container
from .._version import __version__
from ..columns import is_missing, plain_column
from ..engine.multiplicity import rank_p
from ..formulas.match import KINDS as CORRELATIONS
from ..formulas.mutual_information import BINNING
from ..levels import trial_column
from ..options import one_of, reals, some_of, whole
from ._blind_spots import BLIND_SPOTS
from ._exchange_rows import SHUFFLES, Exchange
from ._factors import factors_of
from ._gaps import no_complete_neuron
from ._informativeness import IMPORTANCE
from ._score_table import (
    CORRELATED,
    INFORMED,
    KEY,
    LEARNED,
    Table,
    correlated,
    informed,
    learned,
    standardised,
)

SCORES = (*CORRELATED, *INFORMED, *LEARNED)
LEAST_ROWS = 20
LEAST_HALF = 5  # rows to learn from, and to test
MOST_ROWS = 5000  # that models learn from and are tested on
BINS, ROWS_A_BIN = 20, 50
LEAST_MARGIN = 0.01  # over turned codes, or their range where that is more
ONE_BIN = "a factor that varies falls into one bin: give another n_bins or binning"
REASONS = {
    "modularity": "needs two factors",
    "sap_continuous": "no factor is continuous or circular",
    "dci_disentanglement": "needs two factors",
    "dci_completeness": "needs two codes",
    "informativeness": "the rows to test hold one value of a factor",
    "sap_discrete": "no factor is discrete",
    "explicitness": "no factor is discrete, or no level is in both parts of the rows",
    "factor_vae": "needs two factors, and levels that several rows share",
    "beta_vae": "needs two factors, and levels that several rows share",
}


def disentanglement(
    codes: Any,
    factors: Mapping[str, Any] | Sequence[str],
    *,
    kinds: str | Mapping[str, str] | None = None,
    periods: Mapping[str, float] | None = None,
    scores: str | Sequence[str] = "all",
    n_bins: int | None = None,
    binning: str = "quantile",
    correlation: str = "spearman",
    importance: str = "forest",
    blocks: Any = None,
    shuffle: str = "rows",
    n_null: int = 99,
    n_null_learned: int = 19,
    n_rotations: int = 5,
    seed: int = 0,
    n_jobs: int = 1,
) -> xr.Dataset:
    """Do codes stand for factors one by one, and how much of each score is chance or blindness?

    Eleven scores, because none is enough: each is given beside its value for shuffled rows
    (``null``, ``chance``), for the same codes turned at random (``rotated``: what a score does not
    see of the axes), and its known blind spots. All are 1 at best; codes may be latents of a
    network or the neurons of a recording, factors its task variables.

    - ``mcc``: mean correlation of factors with codes, matched one to one; a factor without a code
      counts as 0. By rank (Hyvarinen & Morioka 2016).
    - ``sap_continuous``, over continuous and circular factors, ``sap_discrete``, over discrete ones
      (Kumar et al. 2018): gap of squared correlations, and of held-out accuracies of one code.
    - ``mig``: gap of mutual information (Chen et al. 2018); ``modularity`` (Ridgeway & Mozer
      2018). Both from mutual information less its mean over shuffled rows; ``naive``: without that
      (it is too high by about (bins - 1)(levels - 1) / 2 rows nats), and modularity over all codes
      instead of those whose information is above that of all shuffles.
    - ``dci_disentanglement``, ``dci_completeness``, ``informativeness`` (Eastwood & Williams 2018):
      from the importances of a model for each factor; held-out accuracy of discrete factors, and
      1 - NRMSE of others (below 0 where it predicts worse than the mean does).
    - ``explicitness`` (Ridgeway & Mozer 2018): area under the ROC curve of a linear readout of each
      level against the others, over discrete factors, held out.
    - ``factor_vae`` (Kim & Mnih 2018), ``beta_vae`` (Higgins et al. 2017): votes of batches of rows
      that share the level of one factor, learnt and counted on different rows.

    Parameters
    ----------
    codes : array (row, code), or activity (trial, neuron) of one session
        Finite. Each code is put in units of its own spread first: no score knows scale. Of an
        activity, trials without a label or any neuron are left out and counted, and so are neurons
        that miss one of the other trials.
    factors : mapping of names to arrays (row,); of an activity, names of trial columns
    kinds : {"discrete", "continuous", "circular"}, or mapping of names to them
        Inferred where not given: text, booleans and numbers of at most 20 levels (half the rows, of
        fewer than 40) are discrete, other numbers continuous. The result says which.
    periods : mapping of names to numbers
        Of circular factors: ``{"orientation": 180.0}``; a factor with a period is circular.
    scores : "all", or a tuple of names
    n_bins : int
        Bins of each code; 20 where that leaves 50 rows a bin, else fewer. Continuous factors have
        10 bins of equal rows, circular ones 10 equal arcs, fewer by the same rule.
    binning : {"quantile", "equal_width"}
        Equal widths are those of the papers; quantiles do not punish monotone distortions.
    correlation : {"spearman", "pearson"}
        For ``mcc``. Of a circular factor it is the multiple correlation with its cosine and sine,
        never by rank, and of a discrete one the correlation ratio (levels have no order).
    importance : {"forest", "boosting", "lasso"}
        Random forest of 10 trees; gradient boosting of 30 a level, some ten times slower; lasso,
        for continuous and circular factors.
    blocks : array (row,), optional
        Rows that were recorded in one stretch. Of an activity it is the coordinate ``block``. They
        stay together when rows are divided into those to learn from and those to test; rows change
        places within a block alone, and whole blocks change the values of factors that are constant
        in each.
    shuffle : {"rows", "shift"}
        Rows change places, which fits rows that are independent given their block; or all rows of a
        block are shifted in time by a random lag, 0 among them, with the ends joined, for codes and
        factors that both change slowly: rows shuffled would then reject far too often. Notes say
        where so few arrangements are possible that the p-value is coarse.
    n_null, n_null_learned : int
        Surrogates of the four scores that are counted (mcc to modularity), and of the seven
        that train models, which cost more.
    n_rotations : int
        Random rotations that ``rotated`` is the mean of; each stands in ``rotations``.
    seed, n_jobs : int
        The result depends on the seed and never on the number of workers.

    Returns
    -------
    Dataset
        By ``score``: ``estimate``, ``naive`` (the same where nothing is corrected), ``rotated``,
        ``null`` (surrogate, score), ``chance`` (mean null), ``p_value`` (estimate above null, by
        rank), ``blind_spots``, ``reading``. By ``code`` and ``factor``: ``mutual_information`` and
        ``naive_mutual_information`` (nats), ``correlation``, ``importance``; ``entropy`` (nats),
        ``kind`` and ``informativeness_of_factor`` of factors, ``informative``
        of codes. ``attrs["reasons"]`` says why a score is NaN. The p-value asks whether codes know
        the factors at all; whether they do so axis by axis stands in the distance from ``rotated``.

    Raises
    ------
    KeyError, ValueError, TypeError
        A factor has one level, misses values or does not fit its kind; codes are not finite;
        several sessions or time bins are given; rows are fewer than 20, or blocks leave fewer than
        5 to learn from or to test; an option is unknown.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 4, (400, 3))
    >>> factors = {"shape": y[:, 0], "size": y[:, 1], "hue": y[:, 2]}
    >>> some = {"scores": ("mcc", "mig", "modularity"), "seed": 1}
    >>> found = disentanglement(-2.0 * y[:, ::-1], factors, **some)
    >>> found.estimate.round(2).values.tolist(), found.rotated.round(1).values.tolist()
    ([1.0, 0.98, 1.0], [0.9, 0.4, 0.9])

    Notes
    -----
    Measured at nominal 0.05 on 120 rows of independent codes and factors: of 400 data sets mcc
    rejects 0.075 (of 1,500 others 0.057), sap_continuous 0.035, mig 0.045, modularity 0.058; of 60,
    the seven that train models 0 to 0.083. On series of time constant 20 rows (100 data sets of 400
    rows) shuffled rows reject 0.99 (mcc) and 0.91 (mig), shifts 0.05 and 0.08. There is no
    interval: none was measured.
    """
    from threadpoolctl import threadpool_limits

    one_of(BINNING, binning=binning)
    one_of(CORRELATIONS, correlation=correlation)
    one_of(IMPORTANCE, importance=importance)
    one_of(SHUFFLES, shuffle=shuffle)
    whole(0, n_null=n_null, n_null_learned=n_null_learned, n_rotations=n_rotations, seed=seed)
    if scores != "all":
        some_of(SCORES, scores=scores)
    names = SCORES if scores == "all" else tuple(s for s in SCORES if s in scores)
    x, columns, blocks, units, dropped = _rows(codes, factors, blocks)
    found = factors_of(columns, kinds, periods, len(x))
    discrete = [f.name for f in found if f.kind == "discrete"]
    if importance == "lasso" and discrete and set(names) & set(LEARNED[:3]):
        raise ValueError(f"importance='lasso' predicts numbers, and factor {discrete[0]!r} is "
                         "discrete; take 'forest', or give its kind as 'continuous'")  # fmt: skip
    bins = max(2, min(BINS, len(x) // ROWS_A_BIN)) if n_bins is None else n_bins
    whole(2, n_bins=bins)
    train, test = _split(len(x), blocks, seed)
    if set(names) & set(LEARNED) and min(len(train), len(test)) < LEAST_HALF:
        raise ValueError(f"blocks leave {len(train)} rows to learn from and {len(test)} to test; "
                         "give more blocks alike, or scores that train no model")  # fmt: skip
    table = Table(
        standardised(x), found, Exchange(found, blocks, shuffle), train, test, names, bins,
        binning, importance, correlation == "spearman", seed,
    )  # fmt: skip
    with threadpool_limits(1):
        result = _dataset(table, units, n_null, n_null_learned, n_rotations, n_jobs)
    result.attrs |= {
        "binning": binning,
        "n_bins": bins,
        "correlation": correlation,
        "importance": importance,
        "shuffle": shuffle,
        "n_blocks": 0 if blocks is None else len(np.unique(blocks)),
        "n_null": n_null,
        "n_null_learned": n_null_learned,
        "n_rotations": n_rotations,
    } | dropped
    return result


# --- what is given ------------------------------------------------------------------------------


def _rows(codes, factors, blocks):
    """Codes (row, code), factor columns by name, blocks, names of codes, counts of what went."""
    if isinstance(codes, list | tuple) and any(isinstance(c, xr.DataArray) for c in codes):
        if len(codes) > 1:
            raise ValueError(f"{len(codes)} sessions share no trials; give one, whose neurons were "
                             "recorded together")  # fmt: skip
        codes = codes[0]
    if isinstance(codes, xr.DataArray) and "neuron" in codes.dims:
        return _of_activity(codes, factors, blocks)
    if not isinstance(factors, Mapping):
        raise TypeError("factors of arrays must be a mapping of names to arrays (row,), as "
                        f"{{'rule': labels}}, not {type(factors).__name__}")  # fmt: skip
    x = reals("codes", codes)
    if x.ndim != 2 or not x.size:
        raise ValueError(f"codes of shape {x.shape} are no matrix; give (row, code)")
    if (lost := int((~np.isfinite(x)).any(axis=1).sum())) > 0:
        raise ValueError(f"codes are not finite in {lost} of {len(x)} rows; leave those rows out")
    if blocks is not None:
        blocks = _coded(plain_column("blocks", blocks, len(x), "row"))
    return _enough(x), dict(factors), blocks, np.arange(x.shape[1]), {}


def _of_activity(x, names, blocks):
    if isinstance(names, str | Mapping) or not isinstance(names, Iterable):
        raise TypeError("factors of an activity must be a list of its trial columns, as ['rule']")
    if blocks is not None:
        raise ValueError("blocks of an activity are its coordinate 'block'; give them there")
    x = container.validate(x)
    if "time" in x.dims:
        raise ValueError("activity has a time axis; choose a bin or a mean, as in x.mean('time')")
    columns = {name: trial_column(x, name) for name in names}
    seen = np.isfinite(x.values)
    labelled = ~np.any([is_missing(c) for c in columns.values()] or [False], axis=0)
    trials = labelled & seen.any(axis=1)
    neurons = seen[trials].all(axis=0) if trials.any() else np.zeros(x.sizes["neuron"], bool)
    if not neurons.any():
        unit_id = x.coords["unit_id"].values
        raise ValueError(no_complete_neuron(seen[trials], unit_id, "trials that have labels"))
    block = None
    if "block" in x.coords:
        block = _coded(x.coords["block"].values[trials])
    dropped = {
        "n_trials_dropped": int((~trials).sum()),
        "n_neurons_dropped": int((~neurons).sum()),
    }
    columns = {name: column[trials] for name, column in columns.items()}
    values = _enough(x.values[np.ix_(trials, neurons)].astype(float))
    return values, columns, block, x.coords["unit_id"].values[neurons], dropped


def _coded(block):
    if (lost := int(is_missing(block).sum())) > 0:
        raise ValueError(f"{lost} rows have no block; leave those rows out")
    found, block = np.unique(block, return_inverse=True)
    if len(found) < 2:
        raise ValueError("all rows are in one block; leave the blocks out")
    return block


def _enough(x):
    if len(x) < LEAST_ROWS:
        raise ValueError(f"{len(x)} rows are too few to score; give at least {LEAST_ROWS}")
    return x


def _split(n, blocks, seed):
    """Rows to learn from and rows to test, half each of at most MOST_ROWS; whole blocks."""
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit

    most = min(n, MOST_ROWS) // 2
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(KEY, 0)))
    state = int(rng.integers(2**31))
    if blocks is None:
        splitter = ShuffleSplit(1, train_size=most, test_size=most, random_state=state)
        return next(splitter.split(np.zeros(n)))
    splitter = GroupShuffleSplit(1, train_size=0.5, random_state=state)
    halves = next(splitter.split(np.zeros(n), groups=blocks))
    return tuple(np.sort(rng.permutation(half)[:most]) for half in halves)


# --- what is returned ---------------------------------------------------------------------------


def _dataset(table, units, n_null, n_null_learned, n_rotations, n_jobs):
    names = list(table.scores)
    values, matrices = _scored(table, n_null, n_null_learned, n_jobs)
    estimate, naive = (np.array([values[s][i] for s in names], float) for i in (0, 1))
    null = np.full((max(n_null, n_null_learned), len(names)), np.nan)
    p = np.full(len(names), np.nan)
    for i, s in enumerate(names):
        own = values[s][2]
        null[: len(own), i] = own
        if len(own):
            p[i] = rank_p(estimate[i], own, alternative="greater")
    rotations = [_scored(table.rotated(r), 0, 0, n_jobs)[0] for r in range(n_rotations)]
    turned = np.array([[r[s][0] for s in names] for r in rotations]).reshape(-1, len(names))
    drawn = np.isfinite(null).sum(axis=0)
    chance = np.where(drawn, np.nansum(null, axis=0) / np.maximum(drawn, 1), np.nan)
    dims = {"correlation": ("code", "factor"), "importance": ("code", "factor"),
            "mutual_information": ("code", "factor"), "informative": ("code",),
            "naive_mutual_information": ("code", "factor"), "entropy": ("factor",),
            "informativeness_of_factor": ("factor",)}  # fmt: skip
    readings = [_reading(*row) for row in zip(names, estimate, chance, p, turned.T, strict=True)]
    data = {
        "estimate": ("score", estimate),
        "naive": ("score", naive),
        "rotated": ("score", turned.mean(axis=0) if n_rotations else np.full(len(names), np.nan)),
        "chance": ("score", chance),
        "p_value": ("score", p),
        "null": (("surrogate", "score"), null),
        "rotations": (("rotation", "score"), turned),
        "blind_spots": ("score", [BLIND_SPOTS[s] for s in names]),
        "reading": ("score", readings),
    } | {name: (dims[name], value) for name, value in matrices.items()}
    coords = {
        "score": names,
        "factor": [str(f.name) for f in table.factors],
        "kind": ("factor", [f.kind for f in table.factors]),
        "code": units,
    }
    return xr.Dataset(data, coords, _attrs(table, estimate))


def _scored(table, n_null, n_null_learned, n_jobs):
    """{name: (estimate, naive, null)} of all scores, and all matrices by name."""
    parts = [
        correlated(table, n_null, n_jobs=n_jobs),
        informed(table, n_null, n_jobs=n_jobs),
        learned(table, n_null_learned, n_jobs=n_jobs),
    ]
    values, matrices = zip(*parts, strict=True)
    return dict(ChainMap(*values)), dict(ChainMap(*matrices))


def _reading(name, estimate, chance, p, turned):
    """One line on what a value says."""
    if not np.isfinite(estimate):
        return f"not estimable: {REASONS.get(name, ONE_BIN)}"
    said = f"{estimate:.2f}"
    if np.isfinite(p):
        said += f"; shuffled rows {chance:.2f}, p = {p:.2g}"
    if not len(turned):
        return said
    said += f"; turned codes {turned.min():.2f} to {turned.max():.2f}"
    if not p <= 0.05:
        return f"{said}: not shown to be above chance"
    if name == "explicitness":
        return f"{said}: codes know the factors; axes it does not see"
    if estimate <= turned.max() + max(np.ptp(turned), LEAST_MARGIN):
        return f"{said}: codes know the factors, and their axes no better than random ones"
    return f"{said}: above chance, and above the same codes on random axes"


def _attrs(table, estimate):
    constant = int((~table.varies).sum())
    notes = [f"{constant} codes do not vary"] if constant else []
    notes += table.exchange.notes(table.factors)
    names = [s for s, e in zip(table.scores, estimate, strict=True) if not np.isfinite(e)]
    below = "informativeness" in table.scores and any(f.kind != "discrete" for f in table.factors)
    return {
        "measure": "disentanglement",
        "estimand": f"scores of these {table.codes.shape[1]} codes over {len(table.codes)} rows; "
        f"models learn from {len(table.train)} rows and are tested on {len(table.test)}",
        "range": [-np.inf if below else 0.0, 1.0],  # 1 - NRMSE may be negative
        "direction": "higher is more disentangled, as far as a score can see; the p-value is for "
        "codes that know nothing of the factors",
        "seed": table.seed,
        "n_rows": len(table.codes),
        "n_codes_constant": constant,
        "reasons": {s: REASONS.get(s, ONE_BIN) for s in names},
        "notes": notes,
        "version": __version__,
    }
