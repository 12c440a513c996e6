# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Watching representations form
#
# A trained network has a geometry. When did it get it, and what else changed at that moment? Three
# literatures look at the same training run with different instruments: the *geometry* of the hidden
# layer (is a variable abstract?), the *alignment* of representations, gradients and weights within
# each layer (Ziyin et al., arXiv:2410.03006), and the distance of the *tangent kernel* from where
# it began (were features learnt, or only a readout of those that were there?). `ng.watch` takes all
# of them at the steps that a training kept, and puts them into one Dataset.
#
# ## A training that keeps its past
#
# Three bits come in 40 noisy channels; the network must say the first two. We keep three seeds at
# seven steps. Plain gradient descent with a little weight decay, because that is what theories of
# alignment are about.

# %%
import numpy as np

import neurogeom as ng

task = ng.networks.make_task("input-target", n_bits=3, n_targets=2, dim=40)
nets = ng.networks.train(
    task,
    ng.networks.MLP(hidden=(40, 40), scale=0.5),
    seeds=3,
    steps=1500,
    keep=[0, 10, 30, 100, 300],
    every=10,
    optimizer="sgd",
    lr=0.2,
    rate="constant",
    clip=None,
    weight_decay=1e-3,
)
print("accuracy", nets.accuracy.round(3))

# %% [markdown]
# ## One Dataset
#
# `watch` records the last hidden layer at each of these steps as if it were a population of
# neurons, and scores it. Then it makes one pass forth and back over a thousand fresh trials, to see
# the second moments on both sides of every layer; and it compares the tangent kernel with that of
# the first step. `ng.over_training(seen)` draws all of it. Here are the numbers, medians over the
# three networks.

# %%
seen = ng.watch(nets, measures=["ccgp", "parallelism"], readout="nearest_mean")
figure = ng.over_training(seen)  # figure.savefig("learning.png")
taught = seen.sel(variable=["bit_1", "bit_2"])
inner = seen.sel(layer="core.layers.1.linear")
columns = {
    "accuracy": seen.accuracy,
    "CCGP": taught.ccgp.mean("variable"),
    "to input": seen.cka_input,
    "to target": seen.cka_target,
    "aligned": inner.excess.mean("relation"),
    "p": inner.exponent.sel(power="p"),
    "q": inner.exponent.sel(power="q"),
    "kernel": seen.kernel_distance,
    "patterns": seen.pattern_distance,
}
print(f"{'step':>6s}" + "".join(f"{name:>10s}" for name in columns))
for step in seen.step.values:
    row = [float(values.sel(step=step).median("net")) for values in columns.values()]
    print(f"{step:6d}" + "".join(f"{value:10.2f}" for value in row))

# %% [markdown]
# Read the rows as a story. Until step 10 hardly anything happens. Between 10 and 100 everything
# does, in all instruments at once: the layer leaves the geometry of its inputs (`to input`) for
# that of what is wanted (`to target`), the two taught bits become abstract (CCGP), and the kernel
# and the activation patterns turn. The six relations of the second layer, at chance before, hold by
# then (`aligned` is their mean above chance).
#
# Accuracy is 1 by step 100. Whoever looks at accuracy alone sees a network that is finished; the
# exponents have up to a third of their way before them.
#
# ## What the exponents say
#
# With $W = U S V^\top$ and $z = s^2$, the theory has the representation that enters a layer as
# a power of its weights, $H_a \sim Z^p$, and the gradient that comes back as another, $G_b \sim
# Z^q$. Before training both are 0: inputs and gradients know nothing of the weights. A layer with
# p > 0 amplifies the directions in which its input is large. Each pair of relations that hold
# together is a *phase*, a point (p, q). Trained networks often lie between them, which `phase`
# calls "none":

# %%
end = inner.isel(step=-1)
for net in end.net.values:
    p, q = end.exponent.sel(net=net).values
    print(f"net {net}: p = {p:.2f}, q = {q:.2f}, phase {end.phase.sel(net=net).item()}")

# %% [markdown]
# ## What was taught, and what was not
#
# The third bit is in the inputs and not among the targets. Does the layer keep it?

# %%
last = seen.isel(step=-1)
for bit in last.variable.values:
    ccgp, ps = (float(last[m].sel(variable=bit).median("net")) for m in ("ccgp", "parallelism"))
    print(f"{bit}: CCGP {ccgp:.2f}, parallelism {ps:+.2f}")
first = seen.isel(step=0)
print("untrained:", first.ccgp.median("net").round(2).values)

# %% [markdown]
# The taught bits end up abstract. The third stays where it was, near chance: its decoding may
# survive while its format does not. That is a prediction about neurons: a variable that a task does
# not ask for need not vanish, but it need not generalise either.
#
# ## What to keep in mind
#
# - Alignment has a chance level that depends on the layer (`chance`), and some relations hold
#   before any training. Compare `excess`, and with the first step.
# - Moments of few rows are noisy: `n_rows` a hundred times the width of a layer is plenty.
# - The tangent kernel depends on the trials that it is taken on. Compare at the same.
# - One network is an anecdote. Every number here has a `net` dim.

# %%
assert np.isfinite(seen.kernel_distance).all()
