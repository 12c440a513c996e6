"""Terms of single neurons and populations, and kinds of neurons: where there are none, and some."""

from functools import partial
from itertools import product

import numpy as np

import neurogeom as ng
from neurogeom.linked import interaction_effect
from neurogeom.measures.selectivity import selectivity

NAN = float("nan")
LEVELS = np.array(list(product(*[range(2)] * 3)))  # three variables of two levels


def recorded(means, counts, rng, *, draw="gaussian", names="abc", session="s1"):
    """Trials around (condition, neuron) means, with counts (condition,)."""
    condition = np.repeat(np.arange(len(means)), counts)
    centre = means[condition]
    values = rng.poisson(centre) if draw == "poisson" else rng.normal(centre)
    levels = np.array(list(product(*[range(2)] * len(names))))
    trial = dict(zip(names, levels[condition].T, strict=True))
    return ng.from_arrays(values.astype(float), trial=trial, session=session)


def terms_of_a_neuron(number, *, counts, tests, main=(0.0, 0.0), draw="gaussian", base=0.0,
                      interaction=0.0, model="gaussian"):  # fmt: skip
    """p of terms of the first neuron; two variables, main effects in noise sd (or log rate)."""
    rng = np.random.default_rng([21, number])
    side = 2.0 * LEVELS[:4, 1:] - 1.0
    change = side @ np.asarray(main) / 2.0 + interaction * side.prod(axis=1) / 2.0
    mean = base * np.exp(change) if draw == "poisson" and model == "poisson" else base + change
    x = recorded(np.repeat(mean[:, None], 3, axis=1), counts, rng, draw=draw, names="ab")
    found = selectivity(x, ["a", "b"], n_null=199, seed=number, min_trials=2, model=model)
    one = found.isel(neuron=0)
    return {t: (one.omega2.sel(term=t), one.p_neuron.sel(term=t), NAN, NAN, NAN) for t in tests}


def index(number, *, geometry, quantities, **world):
    """Nonlinear index and shares of terms; a cube_nonlinear has a quarter in its interactions."""
    x = ng.simulate(geometry, 2.0, n_neurons=60, n_truth=0, seed=number, **world)
    found = selectivity(x, ["a", "b", "c"], n_null=199, seed=number)
    answer = {}
    for quantity, truth in quantities.items():
        at = found.sel(quantity=quantity)
        answer[quantity] = (at.estimate, at.p_value, *at.interval.values, truth)
    return answer


def kinds(number, *, axes, n_neurons=80, kind=False, null=None, n_trials=8, quantities):
    """Selectivity vectors from a cloud with these sd, or along the axes alone (kinds)."""
    rng = np.random.default_rng([22, number])
    axes = np.asarray(axes, float)
    vectors = rng.standard_normal((n_neurons, len(axes))) * axes
    if kind:
        vectors = 0.3 * vectors + 4.0 * np.eye(len(axes))[rng.integers(len(axes), size=n_neurons)]
    basis = np.linalg.qr(np.column_stack([np.ones(8), rng.standard_normal((8, 7))]))[0][:, 1:]
    x = recorded(basis[:, : len(axes)] @ vectors.T, np.full(8, n_trials), rng)
    found = selectivity(x, ["a", "b", "c"], n_null=199, seed=number, null=null, scale="none")
    at = {q: found.sel(quantity=q) for q in quantities}
    return {q: (a.estimate, a.p_value, NAN, NAN, NAN) for q, a in at.items()}


def change(number, *, geometry, **world):
    """What interactions do for SD and CCGP."""
    x = ng.simulate(geometry, 1.5, n_neurons=16, n_truth=0, seed=number, n_variables=2, **world)
    found = interaction_effect(x, ["a", "b"], n_additive=39, n_resamples=2,
                               readout="nearest_mean", seed=number)  # fmt: skip
    at = {q: found.sel(quantity=q) for q in ("SD_change", "CCGP_change")}
    return {q: (a.estimate, a.p_value, NAN, NAN, NAN) for q, a in at.items()}


ALL = ("any selectivity", "a", "b", "a:b")
ADDITIVE = {"nonlinear_index": 0.0, "variance_a:b": 0.0}
CURVED = {"nonlinear_index": 0.25, "variance_a:b": 0.0625}
EVEN, UNEVEN = (10,) * 4, (5, 20, 10, 8)
POISSON = {"draw": "poisson", "base": 2.0}
CELLS = {
    "a neuron of noise, 10 trials": (
        "null", partial(terms_of_a_neuron, counts=EVEN, tests=ALL)),
    "a neuron of noise, 5 trials": (
        "null", partial(terms_of_a_neuron, counts=(5,) * 4, tests=ALL)),
    "a neuron of noise, unequal counts": (
        "null", partial(terms_of_a_neuron, counts=UNEVEN, tests=ALL)),
    "a neuron of a alone, unequal counts": (
        "null", partial(terms_of_a_neuron, counts=UNEVEN, main=(2.0, 0.0), tests=("b", "a:b"))),
    "spikes that add, variance as the mean, unequal counts": (
        "null", partial(terms_of_a_neuron, counts=UNEVEN, main=(3.0, 0.0), tests=("b", "a:b"),
                        **POISSON)),
    "spikes that multiply, Poisson model, unequal counts": (
        "null", partial(terms_of_a_neuron, counts=UNEVEN, main=(1.0, 0.0), tests=("b", "a:b"),
                        model="poisson", **POISSON)),
    "a neuron with main effects and an interaction": (
        "effect", partial(terms_of_a_neuron, counts=EVEN, main=(1.0, 1.0), interaction=1.0,
                          tests=ALL)),
    "additive, one session": ("null", partial(
        index, geometry="cube", n_trials=10, quantities=ADDITIVE)),
    "additive, 5 trials": ("null", partial(
        index, geometry="cube", n_trials=5, quantities=ADDITIVE)),
    "additive, 4 sessions": ("null", partial(
        index, geometry="cube", n_trials=10, n_sessions=4, quantities=ADDITIVE)),
    "additive, apart": ("null", partial(
        index, geometry="cube", n_trials=10, apart=True, quantities=ADDITIVE)),
    "additive, correlated noise": ("null", partial(
        index, geometry="cube", n_trials=10, noise_correlation=0.2, quantities=ADDITIVE)),
    "a quarter of interactions, one session": ("effect", partial(
        index, geometry="cube_nonlinear", n_trials=20, quantities=CURVED)),
    "a round cloud of neurons": ("null", partial(
        kinds, axes=(2.0,) * 4, quantities=("PAIRS", "ePAIRS", "clustering"))),
    "a long cloud of neurons": ("null", partial(
        kinds, axes=(5.0, 2.0, 1.0), quantities=("ePAIRS", "clustering"))),
    "a long cloud of neurons, components permuted": ("null", partial(
        kinds, axes=(5.0, 2.0, 1.0), null="permutation", quantities=("ePAIRS", "clustering"))),
    "a long cloud of 12 neurons": ("null", partial(
        kinds, axes=(5.0, 2.0, 1.0), n_neurons=12, quantities=("ePAIRS", "clustering"))),
    "neurons of four kinds": ("effect", partial(
        kinds, axes=(2.0,) * 4, kind=True, quantities=("PAIRS", "ePAIRS", "clustering"))),
    "no interactions, change of geometry": ("null", partial(
        change, geometry="cube", n_trials=8)),
    "unstructured, change of geometry": ("effect", partial(
        change, geometry="simplex", n_trials=8)),
}  # fmt: skip
