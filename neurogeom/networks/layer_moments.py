"""What a tracker has seen of one layer, and what it says of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurogeom.formulas import matrix_alignment as formula
from neurogeom.formulas.polynomial_alignment import exponents, phase
from neurogeom.networks.linear_maps import LinearMap
from neurogeom.networks.moments import BLOCK, CrossMoments, Moments, projection

__all__ = ["DIMS", "LayerMoments"]

MATRICES = ("H_a", "G_a", "Z_a", "H_b", "G_b", "Z_b")
DIMS = {
    **dict.fromkeys(("alignment", "chance", "excess", "traceless"), ("relation",)),
    **dict.fromkeys(("exponent", "exponent_r2", "exponent_scatter"), ("power",)),
    **dict.fromkeys(("commutation", "n_directions"), ("power",)),
    "exponent_interval": ("power", "bound"),
    "phase": (),
    "participation_ratio": ("matrix",),
    "cross": ("side",),
    "n_rows": (),
    "n_dropped": (),
    "weights_moved": (),
    "reason": (),
    "stationarity": (),
}
COORDS = {
    "relation": list(formula.RELATIONS),
    "power": ["p", "q"],
    "bound": ["low", "high"],
    "matrix": list(MATRICES),
    "side": ["a", "b"],
}


class LayerMoments:
    """Moments of every map of a layer, in memory that passes do not add to.

    own : the layer; options : those of :func:`neurogeom.networks.track_alignment`
    """

    def __init__(self, own: LinearMap, options: dict[str, Any], number: int):
        self.own, self.options = own, options
        stream = np.random.SeedSequence(options["seed"], spawn_key=(number,))
        self.rng = np.random.default_rng(stream)  # which rows are taken
        self.n_maps, self.n_rows, self.n_dropped = 0, np.zeros(1), np.zeros(1)
        self.moments: dict[tuple[str, bool], Moments] = {}  # by matrix, and whether normalised
        self.cross: CrossMoments | None = None
        self.weight, self.moved = None, False
        self._places: dict[str, np.ndarray] = {}

    def look(self, weight: np.ndarray) -> None:
        """Take the weights as they are, (map, n_b, n_a)."""
        if self.weight is None:
            self._start(*weight.shape)
        elif not np.array_equal(weight, self.weight):
            self.moved = True
        self.weight = weight

    def _start(self, n_maps: int, n_b: int, n_a: int) -> None:
        self.n_maps = n_maps
        self.n_rows, self.n_dropped = np.zeros((2, n_maps))
        k, seed = self.options["project"], self.options["seed"]
        self.to_a, self.to_b = (
            projection(n, k, seed=seed) if k and n > k else None for n in (n_a, n_b)
        )
        normalised = self.options["mode"] == "normcov"
        for name in ("H_a", "G_a", "H_b", "G_b"):
            n, through = (n_a, self.to_a) if name[-1] == "a" else (n_b, self.to_b)
            both = {"n_maps": n_maps, "projection": through}
            if normalised:
                self.moments[name, True] = Moments(n, normalised=True, **both)
            if not normalised or name in ("H_a", "G_b"):  # exponents need one of a side
                self.moments[name, False] = Moments(n, **both)
        if self.options["cross"]:
            self.cross = CrossMoments(n_b, n_a, n_maps=n_maps)

    def some_of(self, n: int) -> Any:
        """Which of n rows are taken: all, or as many as `max_rows`."""
        most = self.options["max_rows"]
        if most is None or n <= most:
            return slice(None)
        return np.sort(self.rng.choice(n, most, replace=False))

    def factor(self, n: int) -> float:
        """What makes g of the gradients of a pass with n rows: minus the gradient of one's loss."""
        return -float(n if self.options["scale"] == "mean" else self.options["scale"])

    def add(self, h_a: np.ndarray, h_b: np.ndarray, g_b: np.ndarray, scale: float) -> None:
        """Rows of one pass, (map, row, unit), gradients yet to be scaled."""
        for first in range(0, h_a.shape[1], BLOCK):
            part = slice(first, first + BLOCK)
            self._add(h_a[:, part], h_b[:, part], g_b[:, part], scale)

    def _add(self, h_a: np.ndarray, h_b: np.ndarray, g_b: np.ndarray, scale: float) -> None:
        g_b = np.multiply(g_b, scale, out=self._place("G_b", g_b.shape[1]))
        keep, (h_a, h_b, g_b) = _finite(h_a, h_b, g_b)
        rows = {"H_a": h_a, "H_b": h_b, "G_b": g_b}
        if self.options["grad"] == "through":
            place = self._place("G_a", g_b.shape[1])
            rows["G_a"] = np.matmul(g_b, self.weight, out=place)
        self._take(rows, keep)
        if self.cross is not None:
            self.cross.add(g_b, h_a, keep=keep)
        kept = np.full(self.n_maps, g_b.shape[1]) if keep is None else keep.sum(axis=1)
        self.n_rows += kept
        self.n_dropped += g_b.shape[1] - kept

    def _place(self, name: str, n: int) -> np.ndarray:
        """Where n rows are worked out; new arrays cost more than what is done in them."""
        place = self._places.get(name)
        if place is None or place.shape[1] < n:
            width = self.weight.shape[1 if name[-1] == "b" else 2]
            place = self._places[name] = np.empty((self.n_maps, n, width))
        return place[:, :n]

    def add_total(self, g_a: np.ndarray, scale: float) -> None:
        """Rows of the gradient over all that the input feeds."""
        keep, (g_a,) = _finite(scale * g_a)
        self._take({"G_a": g_a}, keep)

    def _take(self, rows: dict[str, np.ndarray], keep: np.ndarray | None) -> None:
        for (name, _), moments in self.moments.items():
            if name in rows:
                moments.add(rows[name], keep=keep)

    def merge(self, other: LayerMoments) -> None:
        """Take in what was seen elsewhere."""
        if not other.n_maps:
            return
        self.look(other.weight)
        self.moved |= other.moved
        for key, moments in self.moments.items():
            moments.merge(other.moments[key])
        if self.cross is not None:
            self.cross.merge(other.cross)
        self.n_rows += other.n_rows
        self.n_dropped += other.n_dropped

    def matrices(self, normalised: bool, mode: str) -> dict[str, np.ndarray]:
        """H_a, G_a, H_b, G_b as far as they were followed, (map, n, n) each."""
        read = Moments.raw if mode == "raw" else Moments.covariance
        return {name: read(m) for (name, of), m in self.moments.items() if of == normalised}

    def report(self) -> dict[str, np.ndarray]:
        """Every number of DIMS but the stationarity, (map, ...) each."""
        if not self.n_maps:
            return _nothing()
        mode = self.options["mode"]
        shown = self.matrices(mode == "normcov", mode)
        plain = self.matrices(False, "cov" if mode == "cov" else "raw")
        each = [self._of_map(i, shown, plain) for i in range(self.n_maps)]
        found = {name: np.array([e[name] for e in each]) for name in each[0]}
        return found | {"n_rows": self.n_rows.copy(), "n_dropped": self.n_dropped.copy()}

    def _of_map(self, i: int, shown: dict, plain: dict) -> dict[str, Any]:
        W, known = self.weight[i], {name: m[i] for name, m in (shown | plain).items()}
        six = formula.relations(
            W,
            *(shown[name][i] for name in ("H_a", "G_a", "H_b", "G_b")),
            project_a=self.to_a,
            project_b=self.to_b,
        )
        fit = exponents(
            W,
            known["H_a"] if self.to_a is None else None,
            known["G_b"] if self.to_b is None else None,
        )
        of_a, of_b = _through(self.to_a, W.T), _through(self.to_b, W)
        known |= {"Z_a": of_a @ of_a.T, "Z_b": of_b @ of_b.T}
        return {
            **six._asdict(),
            "exponent": fit.estimate,
            "exponent_interval": fit.interval,
            "exponent_r2": fit.r2,
            "exponent_scatter": fit.scatter,
            "commutation": fit.commutation,
            "n_directions": fit.n_directions,
            "phase": phase(*fit.estimate),
            "participation_ratio": [
                formula.participation_ratio(
                    known[name], projected=(self.to_a, self.to_b)[name[-1] == "b"] is not None
                )
                for name in MATRICES
            ],
            "cross": self._cross(i),
            "weights_moved": self.moved,
            "reason": self._reason(i),
        }

    def _cross(self, i: int) -> list[float]:
        """E[g_a h_a'] against Z_a and E[g_b (W h_a)'] against Z_b."""
        if self.cross is None or not self.cross.count[i]:
            return [np.nan, np.nan]
        W, C = self.weight[i], self.cross.value()[i]
        return [formula.alignment(W.T @ C, W.T @ W), formula.alignment(C @ W.T, W @ W.T)]

    def _reason(self, i: int) -> str:
        if not self.n_rows[i]:
            return "no gradient reached it"
        if not self.moments["G_a", self.options["mode"] == "normcov"].count[i]:
            return "its input has no gradient, or none but zeros"
        projected = self.to_a is not None or self.to_b is not None
        return "projected: no exponents of that side" if projected else ""

    def stationarity(self, weight_decay: float) -> dict[str, np.ndarray]:
        """By map."""
        if not self.n_maps:
            return {"stationarity": np.full(1, np.nan)}
        pairs = zip(self.weight, self.cross.value(), strict=True)
        found = [formula.stationarity(W, C, weight_decay) for W, C in pairs]
        return {"stationarity": np.array(found)}

    def neural_collapse(self) -> formula.Collapse:
        """Of every map, (map,)."""
        if not self.n_maps or self.to_a is not None or self.to_b is not None:
            raise ValueError(
                f"layer {self.own.name!r} was projected or has seen no gradient; follow it without "
                "project"
            )
        known = self.matrices(self.options["mode"] == "normcov", "cov")
        each = [
            formula.neural_collapse(W, *(known[name][i] for name in ("H_a", "H_b", "G_b")))
            for i, W in enumerate(self.weight)
        ]
        return formula.Collapse(*map(np.array, zip(*each, strict=True)))


def _finite(*rows: np.ndarray) -> tuple[np.ndarray | None, list[np.ndarray]]:
    """Which rows are finite in all, (map, row) or None for all; the rows, zeros for the others."""
    keep = np.ones(rows[0].shape[:2], bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for values in rows:
            if not np.isfinite(values.sum()):
                keep &= np.isfinite(values).all(axis=-1)
    if keep.all():
        return None, list(rows)
    return keep, [np.where(keep[..., None], values, 0.0) for values in rows]


def _through(projected: np.ndarray | None, A: np.ndarray) -> np.ndarray:
    return A if projected is None else projected @ A


def _nothing() -> dict[str, np.ndarray]:
    """The report of a layer that no gradient has reached."""
    words = {"phase": "none", "reason": "no gradient reached it", "weights_moved": False}
    found = {
        name: np.full((1, *(len(COORDS[d]) for d in dims)), words.get(name, np.nan))
        for name, dims in DIMS.items()
        if name != "stationarity"
    }
    return found | {"n_rows": np.zeros(1), "n_dropped": np.zeros(1)}
