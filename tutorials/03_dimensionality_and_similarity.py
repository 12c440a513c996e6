# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # How many dimensions, and whose geometry is like whose?
#
# Two numbers that are often reported at face value, and that trial noise and small samples bend in
# opposite ways: the dimensionality of a population, and the similarity of two. We simulate what is
# true, look at the naive value, and then at what can be said.

# %%
import matplotlib.pyplot as plt
import numpy as np

import neurogeom as ng

variables = ["rule", "cue", "reward"]
size = {"n_neurons": 60, "n_truth": 0, "variables": variables}

# %% [markdown]
# ## A cube has three dimensions
#
# Eight conditions on the corners of a cube span three dimensions. The *participation ratio* of the
# condition means counts them, a dimension with little variance counting little. Noise in the means
# has variance in all directions, so with few trials the naive value is too high. The corrected one
# multiplies means of disjoint sets of trials, whose noise is independent.

# %%
found = {}
for n_trials in (8, 16, 32, 64):
    x = ng.simulate("cube", separation=3.0, n_trials=n_trials, seed=7, **size)
    ratio = ng.dimensionality(x, variables, neurons="all", n_null=0, n_splits=10)
    found[n_trials] = ratio.sel(quantity="participation_ratio")
    print(f"{n_trials:2d} trials: naive {float(found[n_trials].naive):.2f}, "
          f"corrected {float(found[n_trials].estimate):.2f}")  # fmt: skip

# %% [markdown]
# `ceiling` is the largest value that could come out: conditions minus one, here 7. A participation
# ratio of 5 in a task with six conditions is no small number, whatever the number of neurons.

# %%
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
trials = list(found)
ax.plot(trials, [float(f.naive) for f in found.values()], "o--", mfc="w", label="naive")
ax.plot(trials, [float(f.estimate) for f in found.values()], "o-", label="corrected")
ax.axhline(3, color="k", lw=0.8)
ax.axhline(7, color="k", lw=0.8, ls=":")
ax.set_xscale("log", base=2)
ax.set_xticks(trials, trials)
ax.set_xlabel("trials a condition")
ax.set_ylabel("participation ratio")
ax.legend()
plt.close(figure)

# %% [markdown]
# ## There is no one dimensionality
#
# Other definitions answer other questions, and none is *the* dimensionality. The *rank* counts the
# components of condition means that predict other neurons on other trials. *Shared dimensionality*
# counts the factors of single trials, noise that neurons share among them. The power-law exponent
# (cvPCA) and nearest neighbours (TwoNN) need many stimuli, and say so here.

# %%
cube = ng.simulate("cube", separation=5.0, n_trials=30, seed=7, **size)
several = ng.dimensionality(cube, variables, n_null=199)
print(several[["estimate", "naive", "ceiling"]].reset_coords(drop=True).to_dataframe().round(2))
for quantity, reason in several.attrs["reasons"].items():
    print(f"no {quantity}: {reason}")

# %% [markdown]
# ## Two areas that have nothing in common
#
# Now two populations, each with a random code of its own for sixteen conditions, of eight latent
# variables that its neurons mix. Nothing makes them alike. At face value they are: kernel alignment
# (CKA) and the Procrustes similarity of two random geometries with few conditions and many neurons
# are far above 0, because any few points in a space of many dimensions are about equally far apart.

# %%
rng = np.random.default_rng(3)
which = np.repeat(np.arange(16), 10)
trial = {"shape": which // 4, "colour": which % 4}
codes = {
    name: rng.standard_normal((16, 8)) @ rng.standard_normal((8, 100)) / 8**0.5
    for name in ("one", "other")
}
areas = {
    name: ng.from_arrays(code[which] + rng.standard_normal((160, 100)), trial=trial, session=name)
    for name, code in codes.items()
}
unrelated = ng.similarity(areas["one"], areas["other"], ["shape", "colour"], n_null=199, n_splits=5)
columns = ["estimate", "naive", "chance", "ceiling", "p_value"]
print(unrelated[columns].reset_coords(drop=True).to_dataframe().round(2).to_string())

# %% [markdown]
# Conditions were matched by their labels, whatever the order of trials in either recording, and the
# null permutes them: which condition of one area is which of the other. Every score has its own
# range and chance. `procrustes` and `shape_distance` stand there at face value, with their chance
# beside them; the others are corrected, so that unrelated geometries score 0 on average.
#
# ## Half of a code in common
#
# In the next pair four of eight latent variables are the same. The truth of CKA is one half.

# %%
latent = [rng.standard_normal((16, 4)) for _ in range(3)]
halves = []
for name, own in zip(("one", "other"), latent[1:], strict=True):
    code = np.hstack([latent[0], own]) @ rng.standard_normal((8, 100)) / 8**0.5
    values = code[which] + rng.standard_normal((160, 100))
    halves.append(ng.from_arrays(values, trial=trial, session=name))
related = ng.similarity(*halves, ["shape", "colour"], n_null=199, n_splits=5)
print(related[columns].reset_coords(drop=True).to_dataframe().round(2).to_string())

# %% [markdown]
# ## A network and its target
#
# `target_alignment` holds the geometry of one population against that of the task itself: how much
# of the similarity of conditions is that of the labels of a variable? In a cube each of the three
# variables has the same share.

# %%
target = ng.target_alignment(cube, variables, stimuli="fixed", neurons="all", n_null=199)
print(target.estimate.isel(quantity=0).to_series().round(2))

# %%
assert abs(float(found[8].estimate) - 3) < abs(float(found[8].naive) - 3)
assert float(unrelated.naive.sel(quantity="cka")) > 0.3
assert abs(float(unrelated.estimate.sel(quantity="cka"))) < 0.3
assert float(related.p_value.sel(quantity="cka")) <= 0.05

# %% [markdown]
# ## What may be concluded, and what may not
#
# - *May*: that the condition means of this population spread over so many dimensions, of so many
#   that the task allows; that two populations share more of their geometry than a permutation of
#   conditions gives, and how much when trial noise is taken out.
# - *May not*: that one area is "higher-dimensional" than another by its naive ratio, if it was
#   noisier; that a CKA of 0.8 is large, without its chance at this number of conditions and
#   neurons; that populations are alike because they answer to the same stimuli in the same order,
#   which shared noise of simultaneous trials does as well (`similarity` divides such trials so that
#   noise cannot count, and says that it did).
# - A score of 1 between two populations says that conditions are arranged alike, not that the
#   neurons do the same: rotations, and for some scores any mixture of neurons, are forgiven.
