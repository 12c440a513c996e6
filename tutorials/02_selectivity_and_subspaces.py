# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Single neurons, and the subspaces of their population
#
# *Mixed selectivity* is a word for single neurons; *orthogonal subspaces* is one for a population.
# This tutorial asks the same recording both questions, and then the third that joins them: what do
# the interactions of single neurons do for the geometry of all of them?
#
# Three recordings are simulated, so that every answer can be checked. In `cube` three variables
# have an axis each, and neurons mix them linearly. In `cube_nonlinear` every interaction has an
# axis too. In `planes` the code of the second variable turns with the first.

# %%
import matplotlib.pyplot as plt
import numpy as np

import neurogeom as ng

variables = ["rule", "cue", "reward"]
size = {"n_neurons": 80, "n_trials": 24, "n_truth": 0, "variables": variables}
worlds = {
    name: ng.simulate(name, separation=4.0, seed=4, **size)
    for name in ("cube", "cube_nonlinear", "planes")
}

# %% [markdown]
# ## Which neurons are selective, and for what?
#
# Every neuron has an analysis of variance with all interactions. Its terms are tested by permuting
# the residuals of the model without the term (Freedman and Lane), whole trials at a time, and the
# tests are corrected over neurons. A neuron is *pure* with one main effect, *linear mixed* with two
# or more, *nonlinear mixed* with interactions, *none* without any of these.
#
# The share of each class depends on how many trials there were: with more of them more effects are
# found. Two things are printed beside it. `chance` is the share that a population without any
# selectivity would show; `naive` is what testing every term at 0.05 would say, as is often done.

# %%
linear, mixed = (ng.selectivity(worlds[name], variables) for name in ("cube", "cube_nonlinear"))
classes = ["share_pure", "share_linear_mixed", "share_nonlinear_mixed"]
shown = mixed.sel(quantity=classes)[["estimate", "naive", "chance", "chance_naive"]]
print(shown.reset_coords(drop=True).to_dataframe().round(3).to_string())

# %% [markdown]
# In the linear population nothing is nonlinear, and yet the naive count finds interactions in a
# fifth of its neurons or more: with four interactions a neuron, each tested at 0.05, one neuron in
# five is expected to have one by chance.

# %%
nonlinear = {"cube": linear, "cube_nonlinear": mixed}
for name, found in nonlinear.items():
    share = found.sel(quantity="share_nonlinear_mixed")
    print(f"{name}: {float(share.estimate):.2f} nonlinear, naive {float(share.naive):.2f}")

# %% [markdown]
# The *nonlinear index* does not depend on the number of trials: it is the share of interactions in
# the variance of condition means, with trial noise taken out of both. Its interval is for the
# population of which these neurons are a sample.

# %%
for name, found in nonlinear.items():
    index = found.sel(quantity="nonlinear_index")
    low, high = index.interval.values
    print(f"{name}: nonlinear index {float(index.estimate):.2f} [{low:.2f}, {high:.2f}], "
          f"naive {float(index.naive):.2f}")  # fmt: skip

# %% [markdown]
# ## Are neurons of a few kinds?
#
# Mixed selectivity may be random (neurons fill a cloud) or categorical (they fall into groups).
# ePAIRS asks whether neighbours lie nearer to one another than in a Gaussian cloud of the same
# covariance, `clustering` whether the best number of clusters separates them better than it would
# separate such a cloud, with the search for that number repeated for every surrogate.

# %%
kinds = mixed.sel(quantity=["ePAIRS", "clustering"])
print(kinds[["estimate", "chance", "p_value"]].reset_coords(drop=True).to_dataframe().round(3))

# %% [markdown]
# ## What interactions do for the geometry
#
# Take the interactions away, put noise of the size that such means have anyway in their place, and
# measure again. Nonlinear mixed selectivity buys separability: shattering dimensionality falls
# without it. For a price: it may cost generalisation, which does not fall and can rise.

# %%
effect = ng.interaction_effect(
    worlds["cube_nonlinear"], variables, readout="nearest_mean", n_resamples=5, n_additive=39
)
print(effect[["estimate", "p_value"]].reset_coords(drop=True).to_dataframe().round(3).to_string())

# %% [markdown]
# ## Are two variables coded along orthogonal axes?
#
# The cosine of two estimated axes is too near to 0, always: noise turns each of them away. The
# corrected cosine takes the noise out. `ceiling` is what the naive cosine of two *equal* axes would
# be with these trials: how well each axis is known at all. A claim that axes *are* orthogonal is
# another one than that they are not shown to be parallel. With `delta` it is made: "equivalent" is
# 1 where the whole interval lies within plus and minus delta.

# %%
between = ng.subspaces(worlds["cube"], variables, delta=0.5, n_null=199)
cosine = between.sel(quantity="cosine")
print(cosine[["estimate", "naive", "ceiling", "equivalent"]].reset_coords(drop=True)
      .to_dataframe().round(3).to_string())  # fmt: skip

# %% [markdown]
# ## Does a subspace turn with the context?
#
# With `between="rule"` the subspace of the other variables is compared between the levels of
# `rule`. The mean squared cosine and the alignment index (the share of variance that the subspace
# of one context catches in the other) are corrected: 1 for the same plane, 0 for planes with
# nothing in common. Angles are not, and are read between two marks. Chance is that of random
# planes with the covariance of the trials, not of isotropic ones; the ceiling that of halves of the
# trials, which hold the same plane. In `cube` the plane of cue and reward stays; in `planes` it
# turns away altogether.

# %%
stays, turns = (
    ng.subspaces(worlds[name], variables, between="rule", n_null=199) for name in ("cube", "planes")
)
overlap = ["mean squared cosine", "alignment forward", "first angle"]
for name, found in {"cube": stays, "planes": turns}.items():
    print(name)
    columns = found.sel(quantity=overlap)[["estimate", "naive", "chance", "ceiling"]]
    print(columns.reset_coords(drop=True).to_dataframe().round(2).to_string())

# %% [markdown]
# One angle between "chance" and "ceiling" is worth more than any angle alone: in eighty dimensions
# random planes are near to orthogonal without having been arranged to be so.

# %%
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for place, found in enumerate((stays, turns)):
    one = found.sel(quantity="first angle").isel(pair=0)
    ax.plot(place, one.estimate, "ko")
    ax.plot([place - 0.2, place + 0.2], [one.ceiling] * 2, "k--", lw=1)
    ax.plot([place - 0.2, place + 0.2], [one.chance] * 2, "k:", lw=1)
ax.set_xticks([0, 1], ["cube", "planes"])
ax.set_xlim(-0.5, 1.5)
ax.set_ylabel("first angle between the planes of\ncue and reward at two rules (degrees)")
ax.set_title("dashed: halves of the same trials, dotted: chance", fontsize=9)
plt.close(figure)

# %%
assert float(linear.estimate.sel(quantity="share_nonlinear_mixed")) < 0.05
assert float(linear.naive.sel(quantity="share_nonlinear_mixed")) > 0.1
assert float(effect.estimate.sel(quantity="SD_change")) > 0
assert float(mixed.estimate.sel(quantity="share_nonlinear_mixed")) > 0.1
quantity = "mean squared cosine"
assert np.all(stays.estimate.sel(quantity=quantity) > turns.estimate.sel(quantity=quantity) + 0.3)

# %% [markdown]
# ## What may be concluded, and what may not
#
# - *May*: that interactions make up this share of the signal of the population, give or take the
#   interval; that shattering falls by so much when they are replaced by noise; that an axis is
#   within delta of orthogonal, where `equivalent` is 1; that a subspace turns, where the overlap is
#   both far below its ceiling and what chance gives.
# - *May not*: that a neuron without a significant interaction has none, or that one area has more
#   mixed neurons than another that was recorded for more trials (compare the index, or match the
#   trials with `ng.match_to`); that axes are orthogonal because a naive cosine is near 0; that
#   neurons come in kinds because a clustering algorithm returned some.
