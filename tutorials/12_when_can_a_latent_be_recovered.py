# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # When can a latent be recovered?
#
# A network was taught to name objects, and a line through its last layer reads their size. Was size
# learnt, or was it in the pixels? And would another network have found it too? Reizinger et al.
# (arXiv:2410.21869) give conditions under which a classifier *must* find the latents behind its
# input, up to a linear map. Here we make worlds that keep and break them, and look at what is
# recovered. Nothing of this says that your recording keeps them; it says what would follow.
#
# ## A world whose latents are known
#
# Latents z lie on a sphere; each of 50 classes has a vector there, around which its samples scatter
# (von Mises-Fisher, concentration kappa). What is observed is a random invertible network of z. The
# classifier sees the observations and the class, fresh samples at every step, and never z.

# %%
from neurogeom import features

options = {"hidden": (64, 64), "steps": 400, "batch": 256, "lr": 2e-2, "n_restarts": 2}
world = features.clustered_latents(3, n_classes=50)
found = features.identifiability(features.classify(world, **options))
print(f"R2 {float(found.estimate):.2f}, of raw observations {float(found.raw):.2f}")
print(f"cross-entropy above the least there can be: {found.gap.values.round(2)} nats")
print(f"R2 of each start: {found.r_squared.values.round(2)}; MCC {float(found.mcc):.2f}")

# %% [markdown]
# Three numbers to take home. The **raw** observations predict the latents to a good part already: a
# mixing that can be inverted leaves much of them in plain sight. Only what the code has beyond that
# was learnt, and a paper that prints the first number without the second has shown little.
#
# The starts differ. Which of them is right can be told without knowing z: the ideal classifier of
# this world has a cross-entropy that we can compute, and the start that is far above it is stuck.
# In a recording, where nobody knows the ideal, the held-out cross-entropy of several starts takes
# its place.
#
# And **MCC**, which matches single axes of the code with single latents, stays low. It should: what
# is promised is a linear map, not the axes. A low MCC beside a high R2 is a rotation.
#
# ## Where it fails
#
# Fewer classes than latents + 1 leave directions in which nothing has to be told apart. Classes
# that hardly overlap leave none of the graded confusions that tell where z is within a class.
# Labels that are wrong teach nothing; and a small sample, used again and again, is learnt by heart.

# %%
for name, changes, how in (
    ("3 classes", {"n_classes": 3}, {}),
    ("kappa 100", {"kappa": 100.0}, {}),
    ("wrong labels", {"label_noise": 1.0}, {}),
    ("200 samples", {}, {"fixed": 200}),
):
    world = features.clustered_latents(3, **{"n_classes": 50, **changes})
    found = features.identifiability(features.classify(world, **options, **how))
    print(f"{name:13s} R2 {float(found.estimate):.2f}, raw {float(found.raw):.2f}")
    for note in found.notes:
        print(f"{'':13s} {note}")

# %% [markdown]
# The notes are part of the result: each failure announces itself in something that can be seen.
# Cross-entropy alone does not: the classifier of three classes is as good as can be, and has not
# recovered z, since it did not have to.
#
# The paper's "1000 samples" are 1000 *indices* whose latents are drawn afresh at every step. A
# thousand trials of a recording are the last row of this table, not the first.
#
# ## Reading factors from a representation of your own
#
# For trials with known factors `features.factor_readout` gives the table of that paper: each factor
# read out by ridge regression on trials held out, beside the raw input and beside chance.

# %%
import numpy as np

from neurogeom.stimuli import SHAPES, images

rng = np.random.default_rng(0)
factors = {name: rng.uniform(0.3, 0.7, 300) for name in ("row", "column")}
factors["size"] = rng.uniform(0.1, 0.25, 300)
factors["shape"] = rng.choice(SHAPES, 300)
pixels = images(**factors, side=8)
code = np.tanh(pixels @ rng.standard_normal((64, 40)) / 4)
table = features.factor_readout(code, factors, raw=pixels, n_null=19)
print(table[["statistic", "estimate", "raw", "chance"]].to_dataframe().round(2))

# %% [markdown]
# A random network reads place and size as well as the pixels do. Had we trained it and printed the
# first column alone, it would have looked like an achievement.
#
# ## What may be concluded
#
# That a linear readout of a trained network recovers a latent shows identification only where raw
# input and an untrained network do worse, on stimuli held out; that a readout fails shows nothing
# about networks trained longer. The eight worlds of `benchmarks/findings/identifiability.py` say
# how recovery depends on dimension, classes, concentration and label noise.
