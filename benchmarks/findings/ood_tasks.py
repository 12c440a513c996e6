"""Vafidis et al. 2025: does generalisation out of distribution come with the number of tasks?

    python benchmarks/findings/ood_tasks.py            # what is missing; goes on where it ended
    python benchmarks/findings/ood_tasks.py --quick    # minutes, no verdict
    python benchmarks/findings/ood_tasks.py --summary

Two latents, N even boundaries, noise 0.2, 20 steps of evidence, a label at every step; behind a
fixed random encoder. Scores are those of a linear decoder of the latents from the last hidden layer
in the decision step, learnt in three quadrants and tested in the fourth, its penalty chosen within
the three.

The thresholds were set from one seed each (spec, section 4.4) and from untrained networks of seeds
100 to 105, which had r2 out of distribution 0.60 to 0.74 (RNN) and 0.94 to 0.97 (transformer).
Shorter trainings than those of the spec (3000 updates at 2e-3, transformer 10,000) were chosen by
three RNNs of seeds 200 to 202 with 24 tasks, which had 0.90 after 500 updates at 4e-3 as after
3000, and by a transformer of seed 100. 0.1 of r2 is more than twice what two ideal judgements lose
to 24 (0.04): a larger difference is one of learning. "transformer_at_minimum" asked at first for
no more than the untrained network has: training on shuffled labels changes nothing, and was above
that as often as below. It now asks for 0.02 more, as gated networks in ood_variants.py.
"""

import sys
from dataclasses import replace

import numpy as np
from evidence_nets import ENCODER, Condition, measured
from verdicts import Finding, Rule, main

from neurogeom import networks

SOURCE = "Vafidis, Bhargava & Rangel 2025, arXiv:2407.11249"
RISES = Rule("OOD r2, N = 24 less N = 2", threshold=0.1)
LEARNT = Rule("OOD r2, N = 24 less untrained", threshold=0.1)
ID_HIGH = Rule("smaller ID r2 of N = 2 and N = 24", threshold=0.9)
AT_MINIMUM = Rule("OOD r2, N = D = 2 less untrained", threshold=0.02)
ORTHOGONAL = Rule("minus degrees between encoding axes and 90", threshold=-5.0)

RNN = Condition(networks.RNN(encoder=ENCODER))
TRANSFORMER = Condition(
    networks.Transformer(encoder=ENCODER), {"n_tasks": 2}, steps=2000, batch=32, lr=2e-3
)
SHORT = {"shuffled": True, "steps": 400}  # nothing can be learnt: fewer updates
CONDITIONS = {
    "RNN untrained": RNN.untrained(),
    "RNN N=24": replace(RNN, task={"n_tasks": 24}),
    "RNN N=2": replace(RNN, task={"n_tasks": 2}),
    "RNN N=24 shuffled": replace(RNN, task={"n_tasks": 24}, **SHORT),
    "RNN N=2 shuffled": replace(RNN, task={"n_tasks": 2}, **SHORT),
    "RNN N=6": replace(RNN, task={"n_tasks": 6}),
    "RNN N=3": replace(RNN, task={"n_tasks": 3}),
    "RNN N=12": replace(RNN, task={"n_tasks": 12}),
    "transformer untrained": TRANSFORMER.untrained(),
    "transformer N=2": TRANSFORMER,
    "transformer N=2 shuffled": replace(TRANSFORMER, **SHORT),
}
N_UNTRAINED = 20


def gain(trained, untrained):
    return lambda t: t[trained, "ood"] - t[untrained, "ood"]


def off_right_angle(angle):
    return -np.abs(angle - 90)


FINDINGS = [
    Finding(
        "rises",
        "generalisation of an RNN rises with the number of tasks",
        SOURCE,
        RISES,
        gain("RNN N=24", "RNN N=2"),
        {"shuffled labels": gain("RNN N=24 shuffled", "RNN N=2 shuffled")},
    ),
    Finding(
        "learnt",
        "with many tasks an RNN learns a code that generalises",
        SOURCE,
        LEARNT,
        gain("RNN N=24", "RNN untrained"),
        {"shuffled labels": gain("RNN N=24 shuffled", "RNN untrained")},
    ),
    Finding(
        "id_high",
        "in distribution r2 is high whatever the number of tasks",
        SOURCE,
        ID_HIGH,
        lambda t: np.minimum(t["RNN N=2", "id"], t["RNN N=24", "id"]),
        {"untrained": lambda t: t.every("RNN untrained", "id")},
    ),
    Finding(
        "transformer_at_minimum",
        "a transformer learns a code that generalises from N = D tasks",
        SOURCE,
        AT_MINIMUM,
        gain("transformer N=2", "transformer untrained"),
        {"shuffled labels": gain("transformer N=2 shuffled", "transformer untrained")},
    ),
    Finding(
        "transformer_orthogonal",
        "a transformer's latents are orthogonal at N = D",
        SOURCE,
        ORTHOGONAL,
        lambda t: off_right_angle(t["transformer N=2", "encoding_angle"]),
        {
            "untrained": lambda t: off_right_angle(
                t.every("transformer untrained", "encoding_angle")
            )
        },
    ),
]


def measure(condition, seeds, quick):
    many = "untrained" in condition and not quick
    return measured(CONDITIONS[condition], range(N_UNTRAINED) if many else seeds, quick)


if __name__ == "__main__":
    sys.exit(main(__file__, FINDINGS, list(CONDITIONS), measure))
