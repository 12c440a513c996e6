"""What codes of held-out trials say about the variables of a task."""

from __future__ import annotations

import numpy as np

from ..engine import parallel
from ..engine.multiplicity import max_statistic, rank_p
from ..engine.sample import scaling
from ..engine.setting import exchangeable

WHICH = 1  # the resample whose test trials are asked: the first after that which chose


def aligned(s, dictionary, encoder, n_jobs, progress):
    """Atoms, their mean codes and areas under the curve with p-values, as variables by name.

    A surrogate shuffles labels of trials, not of the pseudo-trials that are drawn from them; the
    dictionary has seen no label and stays.
    """
    resample = s.draws(split=True).resamples[WHICH]
    centre, inverse = scaling(s.population, resample.chosen, s.scale)
    mean = s.population.gather(resample.train, centre, inverse).mean(axis=0)

    def rows_of(population, own):
        test = population.gather(own.test, centre, inverse) - mean
        codes = encoder.encode(test, dictionary)
        return [codes[a:b] for a, b in zip(own.test_bounds, own.test_bounds[1:], strict=False)]

    def task_of(target):
        shuffle = s.label_shuffle(split=True, **exchangeable(s.design, target))

        def one(draw):
            if hasattr(shuffle, "redrawn"):
                population, again = shuffle.redrawn(draw)
                return areas(rows_of(population, again[WHICH]), target)
            return areas(rows_of(s.population.with_order(shuffle.order(draw)), resample), target)

        return lambda draws: (np.array([one(d) for d in draws]),)

    rows, targets = rows_of(s.population, resample), s.targets()
    observed = np.concatenate([areas(rows, t) for t in targets], axis=1)
    told = None if progress is None else lambda done: progress("alignment", done)
    found = _variables(s, dictionary, rows, targets, observed)
    if s.n_null:
        nulls = [
            parallel.over(task_of(t), s.n_null, n_jobs=n_jobs, progress=told)[0] for t in targets
        ]
        null = np.concatenate(nulls, axis=2)
        p = rank_p(observed, null)
        corrected = max_statistic(observed, null, (0, 1), at_least=p)
        found |= {"alignment_p": (("atom", "side"), p)}
        found |= {"alignment_p_corrected": (("atom", "side"), corrected)}
    return found


def areas(rows, target):
    """Mean area under the curve over contexts, (atom, side), 0.5 by chance.

    rows : list of (row, atom), codes of each condition
    """
    level = {label: i for i, label in enumerate(target.labels)}
    found = []
    for side in target.sides:
        if target.grid is None:
            pairs = [[np.concatenate([rows[c] for c in np.flatnonzero(side.side == sign)])
                      for sign in (1, -1)]]  # fmt: skip
        else:
            pairs = [[rows[c[level[name]]] for name in (side.high, side.low)] for c in target.grid]
        found.append(np.mean([_area(*pair) for pair in pairs], axis=0))
    return np.stack(found, axis=1)


def _area(high, low):
    """Share of pairs of rows in which the high one is higher, half of ties, (atom,)."""
    above = (high[:, None] > low[None]).mean(axis=(0, 1))
    return above + 0.5 * (high[:, None] == low[None]).mean(axis=(0, 1))


def _variables(s, dictionary, rows, targets, observed):
    sides = [side for target in targets for side in target.sides]
    neuron = s.population.recorded
    coords = {name: ("condition", np.asarray(v).astype(str)) for name, v in s.design.labels.items()}
    coords |= {"session": ("neuron", neuron[:, 0]), "unit_id": ("neuron", neuron[:, 1])}
    coords |= {
        "atom": np.arange(len(dictionary.atoms)),
        "side": [f"{side.name}: {side.high} / {side.low}" for side in sides],
        "side_variable": ("side", [side.name for side in sides]),
    }
    return coords | {
        "atoms": (("atom", "neuron"), dictionary.atoms),
        "codes": (("atom", "condition"), np.stack([r.mean(axis=0) for r in rows], axis=1)),
        "active": ("atom", np.concatenate(rows).astype(bool).mean(axis=0)),
        "alignment": (("atom", "side"), observed),
    }
