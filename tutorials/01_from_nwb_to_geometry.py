# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # From an NWB file to a geometry
#
# A population of neurons was recorded while an animal did a task with three variables. Which of
# them does the population code, and is the code *abstract*: does a readout that was learnt in one
# situation still work in another, in which it was never trained?
#
# The recording of this tutorial comes with neurogeom. It is simulated, so at the end the answer
# can be held against what is true.

# %%
from importlib.resources import files

import neurogeom as ng

path = files("neurogeom.data_manifests") / "simulated_cube.nwb"
print(ng.inspect_nwb(path))

# %% [markdown]
# Sixty units, 120 trials. Three columns of the trial table, `context`, `stimulus` and `reward`,
# have two levels each, and every combination of levels occurs: eight *conditions*. The last line
# is a command that would score this file from the shell; here we go step by step.
#
# `read_nwb` counts spikes in a window around an event of each trial. What comes back is an
# `xarray.DataArray` of trials x neurons, with the task variables as coordinates of the trials. A
# unit that was not observed on a trial would be NaN there, and not zero.

# %%
activity = ng.read_nwb(path, align="event", window=(0.0, 0.5))
variables = ["context", "stimulus", "reward"]
print(activity.sizes, activity.attrs["units"])

# %% [markdown]
# ## One call
#
# `score` runs four measures with the same trials, the same readout and the same correction. We ask
# for fewer surrogates than the default 999, to keep the tutorial short; with 99 of them no p-value
# can be below 0.01.

# %%
tree = ng.score(activity, variables, n_null=99, n_resamples=10, seed=0)
rows = ng.to_dataframe(tree).query("quantity == 'estimate'")
shown = ["measure", "variable", "value", "null_mean", "p_corrected"]
print(rows[shown].round(3).to_string(index=False))

# %% [markdown]
# ## Decoding: is the variable there?
#
# A linear readout learns the two levels of a variable from some trials and is tested on others.
# Chance is 0.5. The number belongs to this many neurons and this many trials: with more of either
# it would be higher, so populations are compared at equal numbers.
#
# Significance does not come from the spread over splits of one recording, which says nothing about
# another recording. It comes from a null: trials change their labels, and the whole analysis is
# done again.

# %%
decoding = tree["decoding"]
for name in variables:
    one = decoding.sel(variable=name)
    print(f"{name}: {float(one.estimate):.2f}, p corrected {float(one.p_corrected):.2f}")

# %% [markdown]
# `context` and `stimulus` are there. `reward` is not: its accuracy is one that shuffled labels
# reach as well.
#
# ## CCGP: is the variable abstract?
#
# A variable can be decoded although its two levels are told apart in a different way in each
# context. *Cross-condition generalisation performance* asks for more: the readout of `context`
# learns from some combinations of stimulus and reward and is tested on combinations that it has
# never seen. Near the decoding accuracy, the variable has a format of its own; at 0.5, it has none,
# and below 0.5 the code of one situation is reversed in the other.
#
# ## PS: are the coding directions parallel?
#
# The *parallelism score* is the cosine between the coding directions of a variable in different
# contexts: 1 where they are the same, 0 where they have nothing in common. It is corrected for the
# noise of the condition means, which pulls the naive cosine towards 0.

# %%
for name in variables:
    ccgp = float(tree["ccgp"].estimate.sel(variable=name))
    parallelism = float(tree["parallelism"].estimate.sel(variable=name))
    print(f"{name}: CCGP {ccgp:.2f}, PS {parallelism:.2f}")

# %% [markdown]
# ## SD: how much else can be read out?
#
# Eight conditions can be split into two halves in 35 ways. Three of these dichotomies are the
# variables, the others are mixtures of them. The *shattering dimensionality* is the mean accuracy
# over all 35. A population that holds its variables on few common axes tells few of the mixtures
# apart; one with a direction for every condition tells them all.

# %%
shattering = tree["shattering"]
best = shattering.accuracy.to_series().sort_values(ascending=False)
print(f"SD {float(shattering.estimate):.2f} over {best.size} dichotomies; the best:")
print(best.head(4).round(2).to_string())

# %% [markdown]
# ## What is true
#
# The simulation placed `context` and `stimulus` on axes of their own and gave `reward` none. The
# file also holds what the same pipeline makes of fresh recordings of the same size, `truth_at_n`:
# what the estimates should be on average.

# %%
truth = activity.attrs["truth_at_n"]
for name in variables:
    estimate = float(decoding.estimate.sel(variable=name))
    print(f"{name}: estimated {estimate:.2f}, true at this size {truth['decoding'][name]:.2f}")

# %% [markdown]
# ## The opposite
#
# In the geometry called `simplex` all conditions are equally far from one another. Every variable
# can be decoded, every other dichotomy as well, and nothing generalises: decoding is high, CCGP is
# at chance, PS is near 0. Two populations with the same decoding can differ in all the rest.

# %%
simplex = ng.simulate("simplex", separation=2.0, n_neurons=60, n_trials=15, n_truth=0, seed=1)
other = ng.score(simplex, ["a", "b", "c"], n_null=0, n_resamples=10, seed=0)
for measure in ("decoding", "ccgp", "parallelism"):
    print(measure, other[measure].estimate.values.round(2))
print("shattering", float(other["shattering"].estimate.round(2)))

# %%
assert float(other["decoding"].estimate.min()) > 0.7
assert float(other["ccgp"].estimate.max()) < 0.7
assert float(decoding.p_corrected.sel(variable="context")) <= 0.05

# %% [markdown]
# `ng.save(tree, "score.nc")` keeps all of it, the draws of every null included, in one NetCDF file
# that plain xarray opens.
