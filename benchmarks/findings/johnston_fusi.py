"""Johnston & Fusi 2023: does learning many classifications make latents abstract?

    python benchmarks/findings/johnston_fusi.py            # what is missing
    python benchmarks/findings/johnston_fusi.py --quick
    python benchmarks/findings/johnston_fusi.py --summary

Networks 500-250-150-100 of ReLU, a linear representation layer of 50, P logistic readouts; 5
Gaussian latents; P random planes of offset N(0, 0.4). Scores are those of the representation layer:
a classifier learnt on one side of the latent space and tested on the other, and a linear decoder of
all latents learnt on one side and tested on the other (r2 by the variance of that side), beside the
standard ones that are tested on the side where they learnt.

What differs from the paper: the input is one of random cosine features of length LENGTH and not a
trained autoencoder; EPOCHS of training and not 200; the penalty of the decoder is chosen inside the
training side and not 1. Every seed has features, planes and weights of its own.

The length was chosen, and thresholds were set, after one network of seed 100 with 15 tasks: across
0.91 and r2 0.29, its input 0.74 and 0.20, untrained 0.60 and -0.64.
"""

import sys
from dataclasses import dataclass

import numpy as np
from verdicts import Finding, Row, Rule, main

from neurogeom import networks

SOURCE = "Johnston & Fusi 2023, Nat Commun 14:1040"
CLASSIFIER = Rule("accuracy across, P = 15 less P = 1", threshold=0.1)
REGRESSION = Rule("r2 across, P = 15 less P = 1", threshold=0.3)
CLASSIFIER_INPUT = Rule("accuracy across, P = 15 less the input", threshold=0.05)
REGRESSION_INPUT = Rule("r2 across, P = 15 less the input", threshold=0.1, seeds=20)
MORE_THAN_LATENTS = Rule("r2 across, P = 15 less P = 5", threshold=0.1)

TASKS = (1, 2, 3, 5, 10, 15)
LENGTH = 0.7  # at 1.3 the input generalises by itself (0.89)
SAMPLES, BATCH, EPOCHS, LR = 10_000, 100, 10, 1e-3
N_TEST = 2000
N_DRAWS = 5


@dataclass(frozen=True)
class Multitasker(networks.MLP):
    """The paper's: the last layer before the readouts is linear."""

    hidden: tuple[int, ...] = (250, 150, 100, 50)

    def core(self, n_in, streams):
        from torch import nn

        from neurogeom.networks.modules import Linear, Perceptron

        *widths, last = self.hidden
        bulk = Perceptron(n_in, widths, streams, self.activation, self.init)
        return nn.Sequential(bulk, Linear(widths[-1], last, streams)), last


CONDITIONS = {
    "P=15": {"n_tasks": 15},
    "P=1": {"n_tasks": 1},
    "input": None,
    "untrained": {"n_tasks": 15, "steps": 0},
    "P=15 shuffled": {"n_tasks": 15, "shuffled": True},
    "P=1 shuffled": {"n_tasks": 1, "shuffled": True},
    "P=5": {"n_tasks": 5},
    "P=3": {"n_tasks": 3},
    "P=10": {"n_tasks": 10},
    "P=2": {"n_tasks": 2},
}


def measure(condition, seeds, quick):
    """Rows of each network, which has a task of its own."""
    rows = []
    for seed in seeds:
        settings = dict(CONDITIONS[condition] or {"n_tasks": 1, "steps": 0})
        n_tasks = settings.pop("n_tasks")
        task = networks.make_task(
            "multitasking", n_tasks=n_tasks, length_scale=LENGTH, tasks_seed=seed
        )
        steps = 20 if quick else EPOCHS * SAMPLES // BATCH
        options = {"steps": steps, "every": max(1, steps)} | settings
        options |= {"batch": BATCH, "samples": SAMPLES, "lr": LR, "rate": "constant", "clip": None}
        trained = networks.train(task, Multitasker(), seeds=[seed], **options)
        found = scored(trained, task, "input" if condition == "input" else "core", seed)
        accuracy = found.pop("accuracy")
        rows += [Row(seed, name, value, accuracy) for name, value in found.items()]
    return rows


def scored(trained, task, layer, seed):
    """Standard and generalising scores of a layer on fresh trials, and the network's accuracy."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(77,)))
    trials = task.sample(N_TEST, rng)
    latents = np.stack([v for k, v in trials.conditions.items() if k.startswith("z_")], axis=1)
    z = trained.record(layer=layer, trials=trials)[0].values
    options = {"n_draws": N_DRAWS, "seed": seed}
    classes = networks.classifier_generalisation(z, latents, **options)
    values = networks.regression_generalisation(z, latents, split="half", **options)
    right = (trained.outputs(trials)[0, :, 0] > 0) == (trials.targets[:, 0] > 0.5)
    return {
        "classifier": float(classes.generalisation.mean()),
        "classifier_standard": float(classes.standard.mean()),
        "regression": float(values.ood_median.sel(convention="region")),
        "regression_standard": float(values.id),
        "accuracy": float(right.mean()),
    }


def less(first, second, statistic):
    return lambda t: t[first, statistic] - t[second, statistic]


def finding(name, claim, rule, first, second, statistic, control):
    shuffled = less(*control, statistic)
    return Finding(
        name, claim, SOURCE, rule, less(first, second, statistic), {"shuffled labels": shuffled}
    )


GROWTH = ("P=15 shuffled", "P=1 shuffled")
OVER_INPUT = ("P=15 shuffled", "input")
FINDINGS = [
    finding("classifier_grows", "classifiers generalise better with more tasks", CLASSIFIER,
            "P=15", "P=1", "classifier", GROWTH),
    finding("regression_grows", "decoders generalise better with more tasks", REGRESSION,
            "P=15", "P=1", "regression", GROWTH),
    finding("classifier_over_input", "classifiers generalise better than those of the input",
            CLASSIFIER_INPUT, "P=15", "input", "classifier", OVER_INPUT),
    finding("regression_over_input", "decoders generalise better than those of the input",
            REGRESSION_INPUT, "P=15", "input", "regression", OVER_INPUT),
    finding("more_than_latents", "abstraction needs more tasks than latents", MORE_THAN_LATENTS,
            "P=15", "P=5", "regression", GROWTH),
]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(__file__, FINDINGS, list(CONDITIONS), measure))
