# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Lazy, rich and in between
#
# Two networks of one architecture learn one task to the same accuracy. One has turned its hidden
# layer to the task; the other has left it as it was drawn and learnt a readout. Which of the two
# you get is set before the first step, by the size of the first weights and by how it is divided
# between layers. Whoever compares a network with a brain chooses between them, knowingly or not.
#
# ## One neuron that can be solved
#
# A linear neuron $f(x) = a\, w^\top x$ is the smallest network with two layers. Gradient flow
# conserves $\delta = a^2 - |w|^2$, and with it everything is known in closed form, for every
# $\delta$ (Kunin et al. 2024, arXiv:2406.06158). Here it begins at $\beta = a w = (-1, 0)$ and has
# to get to $(0, 1)$: the direction must turn by a right angle.

# %%
import numpy as np

import neurogeom as ng

times = np.array([0.5, 1.0, 5.0, 20.0])
print(f"{'delta':>6s}" + "".join(f"{f'angle({t:g})':>12s}" for t in times) + f"{'kernel':>9s}")
for delta in (-4.0, -1.0, 0.0, 1.0, 4.0):
    neuron = ng.theory.SingleNeuron.from_delta(delta, [-1.0, 0.0], [0.0, 1.0])
    beta = neuron.beta(times)
    angles = np.degrees(np.arctan2(-beta[:, 0], beta[:, 1]))
    moved = float(neuron.kernel_distance(0.0, 20.0))
    print(f"{delta:6g}" + "".join(f"{a:12.0f}" for a in angles) + f"{moved:9.2f}")

# %% [markdown]
# Angles are degrees from the target: 90 at the start, 0 when the direction is found. Upstream
# ($\delta > 0$, the readout is large) the direction is found at once and the tangent kernel hardly
# moves: lazy. Balanced: the kernel moves, rich. Downstream ($\delta < 0$) the neuron first fits
# what it can in the direction that it has, and turns late: a long lazy phase, and then the largest
# kernel change of all.
#
# ## Relu networks: upstream becomes rich
#
# In a nonlinear network the direction of a unit's weights decides on which inputs it is active.
# Upstream these directions turn fast, so that what was lazy in the linear neuron changes the
# features. `teacher_student` runs such networks from the same start at several $\delta$: two
# layers, small weights ($\tau = 0.1$), a teacher of three units.

# %%
runs = ng.networks.teacher_student(
    [0.1, 2.0], [-1.0, 0.0, 1.0], seeds=10, steps=[100], n_test=2000
).sel(step=100)
print(f"{'scale':>6s}{'delta':>7s}{'kernel':>9s}{'patterns':>10s}{'weights':>9s}{'test loss':>11s}")
for tau in runs.tau.values:
    for delta in runs.delta.values:
        one = runs.sel(tau=tau, delta=delta).median("seed")
        kernel, patterns, weights, loss = (
            float(one[name])
            for name in ("kernel_distance", "pattern_distance", "parameter_distance", "test_loss")
        )
        print(f"{tau:6g}{delta:7g}{kernel:9.2f}{patterns:10.2f}{weights:9.2f}{loss:11.4f}")

# %% [markdown]
# After a hundred steps the small upstream students have the smallest test loss by far. Kernel and
# activation patterns have turned, and yet their weights moved *least* in length: whoever judges by
# how far parameters went calls the richest networks lazy. Large students are all alike and lazy:
# with weights of that size the imbalance does not matter.
#
# `benchmarks/findings/lazy_rich.py` asks this of 60 seeds, with shuffled answers as the control,
# and finds where it does not hold: where all three units of the teacher have one sign, the balanced
# student overtakes.
#
# ## Your own networks
#
# The networks of this toolkit have both settings. `scale` multiplies all first weights, `relative`
# divides the first layer and multiplies the readout (above 1: upstream). `ng.regimes` trains a grid
# and watches where each network ends: here with no weight decay and with some.

# %%
task = ng.networks.make_task("input-target", n_bits=3, n_targets=2, dim=20)
found = ng.regimes(
    task,
    ng.networks.MLP(hidden=(40, 40)),
    scale=[0.5, 2.0],
    relative=[1.0],
    weight_decay=[0.0, 5e-3],
    lr=0.1,
    steps=1000,
    seeds=2,
)
inner = found.sel(layer="core.layers.1.linear").squeeze("relative")
columns = {
    "accuracy": found.accuracy.squeeze("relative"),
    "kernel": found.kernel_distance.squeeze("relative"),
    "aligned": inner.excess.mean("relation"),
    "p": inner.exponent.sel(power="p"),
    "q": inner.exponent.sel(power="q"),
}
print(f"{'scale':>6s}{'decay':>8s}" + "".join(f"{name:>10s}" for name in columns))
for scale in found.scale.values:
    for decay in found.weight_decay.values:
        row = [float(v.sel(scale=scale, weight_decay=decay).mean("net")) for v in columns.values()]
        print(f"{scale:6g}{decay:8g}" + "".join(f"{v:10.2f}" for v in row))

# %% [markdown]
# All of them solve the task. Networks of small first weights have turned their kernel, and the
# relations between representation, gradient and weights of their second layer hold (`aligned`,
# above chance) with weight decay or without. Those of large first weights are lazy and aligned by
# half, and weight decay adds to it. So alignment has two causes, and seeing it does not tell which
# was at work (`benchmarks/findings/regimes_and_phases.py`).
#
# ## What follows for a comparison with the brain
#
# - Report the scale of the first weights, and try another. "The network has the geometry of its
#   inputs" may say that it was lazy.
# - Measure more than one distance: kernel, activation patterns, parameters. They disagree, and how
#   they do is the regime.
# - A rich network keeps what the task asks for. A lazy one keeps everything. What an animal keeps
#   beyond its task (tutorial 5) can come from either: look at variables that no task needs.

# %%
assert np.isfinite(found.kernel_distance).all()
