"""Which alignment goes with which regime of learning? Two theories asked of the same networks.

Kunin et al. 2024 (arXiv:2406.06158) say when a network learns features: small first weights, more
so upstream. Ziyin et al. (arXiv:2410.03006) say that weight decay and gradient noise align
representations, gradients and weights. Neither says what one has to do with the other, so that
nothing here is a published result: the claims are ours, from a pilot with seeds 1000 and 1001.

Networks of two hidden layers of 40 relu units learn two of three bits in 20 noisy channels by plain
gradient descent (rate 0.1, 2,000 steps of 64 trials). `excess` is the mean over the six relations
of alignment above chance of the second hidden layer, on 1,000 fresh trials; p and q its exponents.
The rules were written before the first full run.
"""

import sys

import numpy as np
from verdicts import Finding, Row, Rule, main

import neurogeom as ng

KUNIN_ZIYIN = "after Kunin et al. 2024 and Ziyin et al. 2024; this package"
SCALES, RELATIVES, DECAYS = (0.5, 2.0), (0.33, 1.0, 3.0), (0.0, 5e-3)


def name(scale, relative=1.0, decay=0.0, shuffled=False):
    """Of a condition."""
    labels = "shuffled, " if shuffled else ""
    return f"{labels}scale {scale:g}, relative {relative:g}, decay {decay:g}"


SETTINGS = {name(s, r, d): (s, r, d, False) for s in SCALES for r in RELATIVES for d in DECAYS}
SETTINGS |= {name(s, 1.0, d, True): (s, 1.0, d, True) for s in SCALES for d in DECAYS}
CONDITIONS = list(SETTINGS)


def rich_less_lazy(statistic, **options):
    """What small first weights have more of than large ones."""
    return lambda t: t[name(0.5, **options), statistic] - t[name(2.0, **options), statistic]


def decay_less_none(scale, **options):
    """What weight decay adds to the excess."""
    return lambda t: t[name(scale, decay=5e-3, **options), "excess"] - t[
        name(scale, **options), "excess"]  # fmt: skip


def both_exponents(**options):
    """The smaller of the gains of p and q."""
    p, q = (rich_less_lazy(power, **options) for power in ("p", "q"))
    return lambda t: np.minimum(p(t), q(t))


def patterns_less_kernel(relative):
    """How much more of the activation patterns changed than of the kernel, large weights."""
    own = name(2.0, relative)
    return lambda t: t[own, "patterns"] - t[own, "kernel"]


FINDINGS = [
    Finding(
        "rich_is_aligned",
        "small first weights align a layer without any weight decay, large ones do not",
        KUNIN_ZIYIN,
        Rule("excess, scale 0.5 less scale 2", threshold=0.2),
        rich_less_lazy("excess"),
        {"shuffled labels": rich_less_lazy("excess", shuffled=True)},
    ),
    Finding(
        "decay_aligns_lazy",
        "weight decay aligns a layer that began with large weights",
        KUNIN_ZIYIN,
        Rule("excess, decay 0.005 less none, scale 2", threshold=0.2),
        decay_less_none(2.0),
        {"a rich layer, which is aligned without": decay_less_none(0.5)},
    ),
    Finding(
        "rich_amplifies",
        "both exponents are larger where first weights were small",
        KUNIN_ZIYIN,
        Rule("smaller gain of p and q, scale 0.5 less scale 2", threshold=0.2),
        both_exponents(),
        {"shuffled labels": both_exponents(shuffled=True)},
    ),
    Finding(
        "upstream_turns_patterns_not_kernels",
        "large weights upstream: activation patterns change, and the kernel hardly moves",
        KUNIN_ZIYIN,
        Rule("share of patterns that changed less kernel distance, scale 2", threshold=0.15),
        patterns_less_kernel(3.0),
        {"downstream": patterns_less_kernel(0.33)},
    ),
]


def measure(condition, seeds, quick):
    """One cell of the sweep."""
    scale, relative, decay, shuffled = SETTINGS[condition]
    task = ng.networks.make_task("input-target", n_bits=3, n_targets=2, dim=20)
    found = ng.regimes(
        task,
        ng.networks.MLP(hidden=(40, 40)),
        scale=[scale],
        relative=[relative],
        weight_decay=[decay],
        lr=0.1,
        steps=100 if quick else 2000,
        seeds=list(seeds),
        shuffled=shuffled,
    ).squeeze(["scale", "relative", "weight_decay"])
    layer = found.sel(layer=found.layer.values[1])
    values = {
        "excess": layer.excess.mean("relation"),
        "before": (layer.initial - layer.chance).mean("relation"),
        "p": layer.exponent.sel(power="p"),
        "q": layer.exponent.sel(power="q"),
        "kernel": found.kernel_distance,
        "patterns": found.pattern_distance,
    }
    return [
        Row(seed, statistic, float(v), float(a))
        for statistic, each in values.items()
        for seed, v, a in zip(seeds, each.values, found.accuracy.values, strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main(__file__, FINDINGS, CONDITIONS, measure))
