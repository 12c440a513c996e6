"""Networks of the evidence task: trained as a condition says; what their last step is scored by.

Shared by ood_tasks.py and ood_variants.py.
"""

import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from verdicts import Row

from neurogeom import networks

ENCODER = (100, 100, 40)  # fixed, random, another one a network (Vafidis et al. 2025)
N_TEST = 4000  # or 32 an orthant
TEST_SEED = 77  # of the trials by which all networks are scored
QUICK_STEPS = 40


@dataclass(frozen=True)
class Condition:
    """One training.

    task, test : options of the evidence task, and what differs in the trials that score it
    network : an architecture; steps, batch, lr : of the one-cycle training, 0 steps for none
    shuffled : labels change places among trials
    """

    network: Any
    task: dict = field(default_factory=dict)
    test: dict = field(default_factory=dict)
    steps: int = 1000
    batch: int = 64
    lr: float = 4e-3
    shuffled: bool = False

    def untrained(self):
        """The same networks as they were drawn."""
        return replace(self, steps=0)


def measured(condition: Condition, seeds, quick: bool) -> list[Row]:
    """Rows of all networks: r2 in and out of distribution, angles, and their task accuracy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "without noise the labels")
        task = networks.make_task("evidence", **condition.task)
        test = networks.make_task("evidence", **{**condition.task, **condition.test})
    steps = min(condition.steps, QUICK_STEPS) if quick else condition.steps
    trained = networks.train(
        task,
        condition.network,
        seeds=list(seeds),
        steps=steps,
        batch=condition.batch,
        lr=condition.lr,
        shuffled=condition.shuffled,
        every=max(1, steps),
    )
    rows = []
    for seed, values in zip(seeds, scored(trained, test), strict=True):
        accuracy = values.pop("accuracy")
        rows += [Row(seed, name, value, accuracy) for name, value in values.items()]
    return rows


def scored(trained, test, n_trials=N_TEST) -> list[dict[str, float]]:
    """Of every network: what its last hidden layer says in the decision step of fresh trials.

    id, ood : r2 by the variance of the whole cube, ood_region : by that of the held-out orthant;
    angles in degrees (median over pairs of latents); accuracy by the sign of its outputs
    """
    rng = np.random.default_rng(np.random.SeedSequence(TEST_SEED))
    trials = test.sample(max(n_trials, 32 * 2 ** test.inputs["evidence"]), rng)
    latents = np.stack([v for k, v in trials.conditions.items() if k.startswith("x_")], axis=1)
    said, label = trained.outputs(trials)[:, :, -1] > 0, trials.targets[:, -1] > 0.5
    found = []
    for i, z in enumerate(trained.record(trials=trials, window="decision")):
        of = networks.regression_generalisation(z.values, latents)
        ood = of.ood_median.sel(convention=["whole", "region"]).values
        found.append(
            {
                "id": float(of.id),
                "ood": float(ood[0]),
                "ood_region": float(ood[1]),
                "encoding_angle": float(np.median(of.encoding_angle)),
                "decoder_angle": float(np.median(of.decoder_angle)),
                "accuracy": float(np.mean(said[i] == label)),
            }
        )
    return found
