"""All disentanglement scores of one table of codes, and of its shuffled and rotated twins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..engine import parallel
from ..formulas.disentanglement import dci, mig, modularities, sap
from ..formulas.match import match
from ..formulas.mutual_information import binned, entropy, mutual_information
from ._informativeness import importances, one_against_rest, single_code_accuracy
from ._votes import beta_vae, factor_vae

KEY = 87  # of random streams
COUNTED = ("mcc", "mig", "modularity", "sap_continuous")
LEARNED = (
    "dci_disentanglement", "dci_completeness", "informativeness", "sap_discrete", "explicitness",
    "factor_vae", "beta_vae",
)  # fmt: skip
OF_IMPORTANCE = LEARNED[:3]
BIAS_SHUFFLES = 20  # for the bias of mutual information, where no more are asked for
ROUNDING = 1e-9


@dataclass(frozen=True)
class Table:
    """Codes of mean 0 and variance 1 (constant ones 0) beside factors, and how they are scored.

    codes : (row, code); factors : list of Factor; train, test : int, rows to learn from and to test
    exchange : Exchange of rows; scores : names; model : of importances; ranks : bool, for MCC
    """

    codes: np.ndarray
    factors: list
    exchange: object
    train: np.ndarray
    test: np.ndarray
    scores: tuple
    n_bins: int
    binning: str
    model: str
    ranks: bool
    seed: int

    @cached_property
    def varies(self):
        """Which codes do, bool (code,)."""
        return self.codes.any(axis=0)

    @cached_property
    def bins(self):
        """Bins of codes, int (row, code)."""
        return binned(self.codes, self.n_bins, binning=self.binning)

    @cached_property
    def ranked(self):
        """Codes by rank, of mean 0 and variance 1."""
        from scipy.stats import rankdata

        return standardised(rankdata(self.codes, axis=0))

    def rng(self, *key):
        """A random stream of its own for each use."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(KEY, *key)))

    def rotated(self, draw):
        """The codes that vary turned together at random (Haar), then of variance 1 again."""
        live = np.flatnonzero(self.varies)
        q, r = np.linalg.qr(self.rng(2, draw).standard_normal((len(live), len(live))))
        codes = self.codes.copy()
        codes[:, live] = self.codes[:, live] @ (q * np.sign(np.diag(r)))
        return replace(self, codes=standardised(codes))

    def moved(self, draw):
        """The factors of surrogate number `draw`; those of -1 are as observed."""
        return self.exchange.moved(self.factors, self.rng(1, draw)) if draw >= 0 else self.factors


def standardised(x):
    """Columns of mean 0 and variance 1, constant ones 0."""
    centred = x - x.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 1e-12 * np.abs(x).max(axis=0)
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


# --- scores that are counted: from mutual information and correlations --------------------------


def counted(table, n, **parallel_options):
    """Scores of the data and of n surrogates, and the matrices of the data.

    Returns {name: (estimate, naive, null (surrogate,))} and {name: (code, factor) or (code,)}.
    """
    n_shuffles = max(n, BIAS_SHUFFLES)

    def task(draws):
        found = [_matrices(table, table.moved(d)) for d in draws]
        return tuple(np.array(part) for part in zip(*found, strict=True))

    correlation, square, information, entropies = _matrices(table, table.factors)
    shuffled = parallel.over(task, n_shuffles, **parallel_options)
    null_correlation, null_square, null_information, null_entropy = shuffled
    corrected, of_null, bias = _corrected(information, null_information)
    informs, null_informs = _informative(information - bias, null_information - bias)
    linear = [f.kind != "discrete" for f in table.factors]
    found = {}
    if "mcc" in table.scores:
        value = match(correlation.T).value
        found["mcc"] = value, value, np.array([match(c.T).value for c in null_correlation[:n]])
    if "mig" in table.scores:
        null = [mig(i, h) for i, h in zip(of_null[:n], null_entropy, strict=False)]
        found["mig"] = mig(corrected, entropies), mig(information, entropies), np.array(null)
    if "modularity" in table.scores:
        null = [_modularity(i, on) for i, on in zip(of_null[:n], null_informs, strict=False)]
        naive = float(modularities(information).mean())
        found["modularity"] = _modularity(corrected, informs), naive, np.array(null)
    if "sap_continuous" in table.scores:
        value = sap(square[:, linear]) if any(linear) else np.nan
        null = [sap(s[:, linear]) if any(linear) else np.nan for s in null_square[:n]]
        found["sap_continuous"] = value, value, np.array(null)
    matrices = {
        "mutual_information": corrected,
        "naive_mutual_information": information,
        "correlation": correlation,
        "informative": informs,
        "entropy": entropies,
    }
    return found, matrices


def _matrices(table, factors):
    """Correlation (by rank where asked for), its plain square, information, entropies."""
    n = len(table.codes)
    square, by_rank = [], []
    for factor in factors:
        plain = ((table.codes.T @ factor.basis(False)) ** 2).sum(axis=1) / n
        square.append(plain)
        ranks = table.ranks and factor.kind != "circular"  # ranks would bend a cosine
        again = ((table.ranked.T @ factor.basis(True)) ** 2).sum(axis=1) / n if ranks else plain
        by_rank.append(again)
    correlation = np.sqrt(np.clip(np.column_stack(by_rank), 0.0, 1.0))
    levels = np.column_stack([f.levels for f in factors])
    information = mutual_information(table.bins, levels)
    entropies = np.array([entropy(f.levels) for f in factors])
    return correlation, np.clip(np.column_stack(square), 0.0, 1.0), information, entropies


def _corrected(information, null):
    """Information less its mean over surrogates, each surrogate less the mean of the others."""
    n, total = len(null), null.sum(axis=0)
    others = (total - null) / (n - 1)
    return np.maximum(information - total / n, 0.0), np.maximum(null - others, 0.0), total / n


def _informative(excess, null):
    """Codes whose best information is above that of all surrogates, each surrogate's alike."""
    best, null_best = excess.max(axis=1), np.sort(null.max(axis=2), axis=0)
    own = null.max(axis=2)
    largest_other = np.where(own >= null_best[-1], null_best[-2], null_best[-1])
    return best > null_best[-1] + ROUNDING, own > largest_other + ROUNDING


def _modularity(information, informs):
    return float(modularities(information)[informs].mean()) if informs.any() else 0.0


# --- scores that are learnt: models and votes on held-out rows ----------------------------------


def learned(table, n, **parallel_options):
    """As :func:`counted`, for scores that train a model; the matrices hold the importances."""
    if not any(s in LEARNED for s in table.scores):
        return {}, {}
    names = [s for s in LEARNED if s in table.scores]

    def task(draws):
        return (np.array([_values(table, names, table.moved(d), d)[0] for d in draws]),)

    values, matrices = _values(table, names, table.factors, -1)
    null = parallel.over(task, n, chunk=1, **parallel_options)
    null = np.zeros((0, len(names))) if null is None else null[0]
    found = {m: (v, v, null[:, i]) for i, (m, v) in enumerate(zip(names, values, strict=True))}
    return found, matrices


def _values(table, names, factors, draw):
    """The value of each name, and the matrix of importances where it was made."""
    codes, train, test = table.codes, table.train, table.test
    found, matrices = {}, {}
    if set(names) & set(OF_IMPORTANCE):
        seed = int(table.rng(4, draw + 1).integers(2**31))
        weight, quality = importances(codes, factors, train, test, table.model, seed)
        score = dci(weight)
        values = (score.disentanglement, score.completeness, float(np.mean(quality)))
        found |= dict(zip(OF_IMPORTANCE, values, strict=True))
        matrices = {"importance": weight, "informativeness_of_factor": quality}
    discrete = [f for f in factors if f.kind == "discrete"]
    if "sap_discrete" in names:
        accuracy = single_code_accuracy(codes, discrete, train, test) if discrete else None
        found["sap_discrete"] = sap(accuracy) if discrete else np.nan
    if "explicitness" in names:
        areas = one_against_rest(codes, discrete, train, test) if discrete else np.array([np.nan])
        found["explicitness"] = float(np.mean(areas))
    for number, vote in enumerate((factor_vae, beta_vae)):
        if vote.__name__ in names:
            rng = table.rng(3, number, draw + 1)
            found[vote.__name__] = vote(codes, factors, train, test, rng)
    return [found[name] for name in names], matrices
