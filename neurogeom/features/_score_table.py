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
CORRELATED = ("mcc", "sap_continuous")
INFORMED = ("mig", "modularity")
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
    size = np.abs(x).max(axis=0)
    x = x / np.where(size > 0, size, 1.0)  # whose squares neither overflow nor vanish
    centred = x - x.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 1e-12
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


# --- scores of correlations -----------------------------------------------------------------------


def correlated(table, n, **parallel_options):
    """Scores of the data and of n surrogates, and the matrices of the data.

    Returns {name: (estimate, naive, null (surrogate,))} and {name: array}.
    """
    names = [s for s in CORRELATED if s in table.scores]
    if not names:
        return {}, {}

    def task(draws):
        return (np.array([_of_correlations(table, names, table.moved(d))[0] for d in draws]),)

    values, correlation = _of_correlations(table, names, table.factors)
    return _beside(names, values, parallel.over(task, n, **parallel_options)), {
        "correlation": correlation
    }


def _of_correlations(table, names, factors):
    """The value of each name, and the correlations (code, factor) by rank where asked for."""
    plain = _square(table.codes, [f.basis for f in factors])
    square = plain
    if table.ranks and "mcc" in names:
        by_rank = _square(table.ranked, [f.rank_basis for f in factors])
        circular = [f.kind == "circular" for f in factors]  # ranks would bend a cosine
        square = np.where(circular, plain, by_rank)
    linear = [f.kind != "discrete" for f in factors]
    found = {
        "mcc": match(np.sqrt(square).T).value,
        "sap_continuous": sap(plain[:, linear]) if any(linear) else np.nan,
    }
    return [found[name] for name in names], np.sqrt(square)


def _square(codes, bases):
    """Squared multiple correlation of each code with each basis, (code, factor)."""
    parts = [((codes.T @ basis) ** 2).sum(axis=1) for basis in bases]
    return np.clip(np.column_stack(parts) / len(codes), 0.0, 1.0)


def _beside(names, values, null):
    """Values that nothing corrects, beside their null (surrogate, name) or None."""
    null = np.zeros((0, len(names))) if null is None else null[0]
    return {m: (v, v, null[:, i]) for i, (m, v) in enumerate(zip(names, values, strict=True))}


# --- scores of mutual information ----------------------------------------------------------------


def informed(table, n, **parallel_options):
    """As :func:`correlated`, for scores of mutual information, less its mean over shuffled rows."""
    names = [s for s in INFORMED if s in table.scores]
    if not names:
        return {}, {}

    def task(draws):
        found = [_information(table, table.moved(d)) for d in draws]
        return tuple(np.array(part) for part in zip(*found, strict=True))

    information, entropies = _information(table, table.factors)
    shuffled, null_entropies = parallel.over(task, max(n, BIAS_SHUFFLES), **parallel_options)
    corrected, of_null, bias = _corrected(information, shuffled)
    informs, null_informs = _informative(information - bias, shuffled - bias)
    rows = list(zip(of_null, null_entropies, null_informs, strict=True))[:n]
    found = {
        "mig": (
            mig(corrected, entropies),
            mig(information, entropies),
            np.array([mig(i, h) for i, h, _ in rows]),
        ),
        "modularity": (
            _modularity(corrected, informs),
            float(modularities(information).mean()),
            np.array([_modularity(i, on) for i, _, on in rows]),
        ),
    }
    matrices = {
        "mutual_information": corrected,
        "naive_mutual_information": information,
        "informative": informs,
        "entropy": entropies,
    }
    return {name: found[name] for name in names}, matrices


def _information(table, factors):
    """Plugin mutual information (code, factor), and the entropy of each factor, in nats."""
    levels = np.column_stack([f.levels for f in factors])
    entropies = np.array([entropy(f.levels) for f in factors])
    return mutual_information(table.bins, levels), entropies


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
    if information.shape[1] == 1:
        return np.nan
    return float(modularities(information)[informs].mean()) if informs.any() else 0.0


# --- scores that are learnt: models and votes on held-out rows ----------------------------------


def learned(table, n, **parallel_options):
    """As :func:`correlated`, for scores that train a model; the matrix is that of importances."""
    names = [s for s in LEARNED if s in table.scores]
    if not names:
        return {}, {}

    def task(draws):
        return (np.array([_values(table, names, table.moved(d), d)[0] for d in draws]),)

    values, matrices = _values(table, names, table.factors, -1)
    return _beside(names, values, parallel.over(task, n, chunk=1, **parallel_options)), matrices


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
