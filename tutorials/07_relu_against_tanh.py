# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # ReLU against tanh
#
# Two networks learn the same labels from the same inputs. They differ in one function, and end up
# with different geometries: with tanh the hidden layer takes the geometry of the *targets*, with
# ReLU it keeps that of the *inputs* (Alleman, Lindsey & Fusi, ICLR 2024). A modeller who compares a
# network with a brain should know which of the two they built.
#
# ## A task whose input geometry is known
#
# Two bits make four conditions. The target is the first bit. The inputs are the four condition
# means in 100 dimensions, with noise; how much of their geometry is that of the target is a number
# that we choose, the `signal`. At 1 all parities of the bits (first, second, exclusive or) are
# equally strong: the inputs have no structure beyond four points equally far apart.

# %%
import numpy as np

from neurogeom import networks
from neurogeom.formulas import alignment_region, cka

task = networks.make_task("input-target", n_bits=2, n_targets=1, signal=1.0)
quiet = networks.make_task("input-target", n_bits=2, n_targets=1, signal=1.0, noise=0.0)
means = quiet.enumerate(1)
inputs, targets = means.inputs[:, 0], means.targets[:, 0]
print("alignment of inputs and targets:", round(float(cka.naive(inputs, targets)), 4))
print("sqrt(k / (P - 1)) =", round(np.sqrt(1 / 3), 4))

# %% [markdown]
# The *alignment* of two geometries is the centred kernel alignment (CKA) of their condition means:
# 1 for the same geometry, 0 for unrelated ones. Here all four conditions are known and the means
# have no noise, so the plain formula is right. For recorded neurons use `ng.similarity`, which
# corrects for trials and neurons.
#
# ## Two networks
#
# One hidden layer of 128 units, the readout fixed as it was drawn: only the input weights learn, as
# in the paper. Five seeds are trained as one tensor by plain gradient descent on 2,000 noisy
# samples.

# %%
setting = {
    "seeds": 5,
    "samples": 2000,
    "batch": 64,
    "lr": 0.1,
    "rate": "constant",
    "optimizer": "sgd",
    "clip": None,
    "steps": 800,
    "every": 400,
    "keep": [0, 30, 150],
}
kinds = ["relu", "tanh", "clipped_relu(1)"]
trained = {}
for kind in kinds:
    network = networks.MLP((128,), kind, init="normal", train_readout=False)
    trained[kind] = networks.train(task, network, **setting)
    print(kind, "accuracy", trained[kind].accuracy.round(2))

# %% [markdown]
# All of them solve the task. Accuracy cannot tell them apart; their geometry can. We record the
# hidden layer on the four noise-free conditions, at the start, twice on the way, and at the end.

# %%
print(f"{'':18s}{'step':>6s}{'to input':>10s}{'to target':>11s}")
last = {}
for kind, nets in trained.items():
    for step in [*sorted(nets.kept), None]:
        those = nets if step is None else nets.at(step)
        hidden = [x.values for x in those.record(trials=means)]
        pair = np.median([[cka.naive(z, inputs), cka.naive(z, targets)] for z in hidden], axis=0)
        last[kind] = pair
        label = "end" if step is None else str(step)
        print(f"{kind:18s}{label:>6s}{pair[0]:10.2f}{pair[1]:11.2f}")

# %% [markdown]
# Before training every hidden layer has the geometry of its inputs: random weights keep angles. The
# tanh network leaves it within a few dozen steps and takes that of the target. The ReLU network
# hardly moves.
#
# Which half of ReLU does it? Clip it above at 1, so that it saturates on both sides, and it does as
# tanh: what counts is saturation where the input is large. A unit that saturates still passes
# gradient from the points near its boundary alone, so that its weights turn to the axis between the
# classes. A ReLU unit listens to the half of the inputs where it is on, and specialises.
#
# ## What is possible at all
#
# A hidden geometry cannot be aligned with inputs and targets as it likes: their own alignment
# limits it. For a given alignment with the inputs, the one with the targets lies in an interval.

# %%
c = float(cka.naive(inputs, targets))
for kind, (to_input, to_target) in last.items():
    low, high = alignment_region.interval(c, to_input)
    print(f"{kind:18s}{to_target:.2f} of at most {float(high):.2f}, at least {float(low):.2f}")

# %% [markdown]
# All three networks lie near the upper edge: as aligned with the target as their alignment with the
# input allows. They differ in where along the edge they stop.
#
# ## What follows for a comparison with the brain
#
# Abstraction in a network may be the choice of its nonlinearity. Report it, and try another before
# you say that a *task* explains a geometry. The picture also depends on the task: with exclusive or
# as the target (`signal=0`) the difference is gone. `benchmarks/findings/nonlinearity.py` has that,
# deeper and convolutional networks, and the verdicts.
