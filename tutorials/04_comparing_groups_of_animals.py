# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Comparing groups of animals
#
# Ten mice did a task with two variables, `rule` and `cue`. Five of them are knock-outs. Is the code
# of their neurons another one than that of the wild types?
#
# A reviewer will ask three questions: what was the unit of your test, did the groups have equally
# many neurons and trials, and what could so few animals have shown at all? This tutorial answers
# them in turn. The mice are simulated, so that the answers can be checked.

# %%
import matplotlib.pyplot as plt
import numpy as np

import neurogeom as ng

rng = np.random.default_rng(1)
variables = ["rule", "cue"]
sessions = []
for number in range(10):
    knock_out = number < 5
    for day in range(2):
        n_neurons = int(rng.integers(15, 25)) if knock_out else int(rng.integers(30, 45))
        of_20_neurons = 1.3 + 1.0 * (not knock_out) + 0.2 * rng.standard_normal()
        separation = of_20_neurons * (n_neurons / 20) ** 0.5
        size = {"n_neurons": n_neurons, "n_trials": int(rng.integers(10, 16)), "n_truth": 0}
        x = ng.simulate("cube", separation, variables=variables, seed=10 * number + day, **size)
        group = "knock-out" if knock_out else "wild type"
        x = x.assign_coords(session=f"m{number}-day{day}", animal=f"m{number}", genotype=group)
        sessions.append(x)
print(len(sessions), "sessions;", [x.sizes["neuron"] for x in sessions], "neurons")

# %% [markdown]
# Every session says in two scalar coordinates whose it is: `animal`, and the group, here
# `genotype`. The wild types code both variables more strongly. They also have twice as many neurons
# a session, as happens when a line has better expression. Each mouse has two sessions and a
# strength of its own, and the numbers of trials differ: nothing is balanced, as in a laboratory.
#
# ## The unit is the animal
#
# Neurons, trials and sessions of one mouse share what is peculiar to that mouse: its training, its
# implant, where the electrode went. A test over pooled neurons takes each of these accidents for
# dozens of independent observations. With half of the variance between animals it finds a
# difference between two groups of five mice *that do not differ* in three of four experiments
# (`help(ng.compare_groups)` has the numbers). So every animal gives one value, and animals change
# places between the groups.
#
# ## Equal neurons, equal trials
#
# Accuracy grows with neurons and with trials. Before anything is compared, all sessions are cut
# down, without replacement, to the size of the smallest. What that costs can be seen in a curve.

# %%
fast = {"readout": "nearest_mean", "n_resamples": 5}
curve = ng.curve(sessions[-1], variables, measure="decoding", n_draws=10, **fast)
print(curve.estimate.mean("variable").round(2).to_series())

# %% [markdown]
# The same mouse would score higher or lower, depending on how many of its neurons were found. The
# spread over subsamples is no standard error (they share neurons): the curve says whether a number
# has levelled off, and nothing about other mice.
#
# ## The comparison

# %%
compared = ng.compare_groups(
    sessions, variables, by="genotype", measure="decoding", n_draws=5, **fast
)
print(compared.attrs["matched"])
rows = compared[["estimate", "p_value", "p_corrected"]].to_dataframe()
print(rows.join(compared.interval.to_series().unstack()).round(3).to_string())

# %% [markdown]
# Groups are in order of their names, and the difference is the second minus the first: wild types
# above knock-outs. Ten mice can be dealt to two groups of five in 252 ways; all of them were tried,
# so the p-value is exact and no smaller one than 2/252 = 0.008 could have come out. The interval is
# Welch's, over mice. A bootstrap interval is not given below ten animals a group, where it covers
# too little.
#
# ## Show every animal
#
# With five mice a group the figure is half of the finding. It shows whether one mouse makes the
# difference, whether the groups overlap, and whether the values are so skewed that a mean says
# little; no test says that.

# %%
figure, axes = plt.subplots(1, 2, figsize=(6, 3), sharey=True, layout="constrained")
for name, ax in zip(variables, axes, strict=True):
    for place, group in enumerate(compared.attrs["groups"]):
        mice = compared.unit_group == group
        values = compared.unit_estimate.sel(variable=name)[mice]
        ax.plot(place + np.linspace(-0.1, 0.1, len(values)), values, "o", mfc="none")
        ax.hlines(values.mean(), place - 0.2, place + 0.2, color="k")
    ax.set_xticks([0, 1], compared.attrs["groups"])
    ax.set_xlim(-0.5, 1.5)
    ax.axhline(0.5, color="0.7", lw=0.8)
    ax.set_title(name)
axes[0].set_ylabel("decoding accuracy of a mouse")
plt.close(figure)

# %% [markdown]
# ## What unmatched numbers would have said
#
# Now take mice of *one* kind, and give half of them fewer neurons. There is no difference in the
# code; there is one in how much of it was recorded. Without matching the rig on which the mice were
# recorded passes for an effect on their code; with it nothing is left.

# %%
alike = []
for number in range(10):
    few = number < 5
    size = {"n_neurons": 60, "n_trials": 12, "n_truth": 0}
    x = ng.simulate("cube", 4.0, variables=variables, seed=100 + number, **size)
    x = x.isel(neuron=slice(0, 12 if few else 60))
    rig = "old" if few else "new"
    alike.append(x.assign_coords(session=f"s{number}", animal=f"m{number}", rig=rig))
question = {"by": "rig", "measure": "decoding", **fast}
unmatched = ng.compare_groups(alike, variables, match=False, **question)
matched = ng.compare_groups(alike, variables, n_draws=10, **question)
print("unmatched", unmatched.estimate.values.round(2), "p", unmatched.p_value.values.round(3))
print("matched  ", matched.estimate.values.round(2), "p", matched.p_value.values.round(3))

# %%
assert (unmatched.p_value <= 0.05).all()
assert (matched.p_value > 0.05).all()
assert (compared.interval.sel(bound="high") > 0).all()
assert compared.attrs["smallest_p"] < 0.01

# %% [markdown]
# ## What may be concluded, and what may not
#
# - *May*: at equal numbers of neurons and trials, the mice of the two groups differ in how well
#   `rule` and `cue` are decoded, by this much give or take the interval, if the p-value is small.
# - *May not*: that the genotype is the cause, if anything else (cohort, rig, surgeon) went along
#   with it; that the geometry differs because an accuracy does; that groups are equal because the
#   p-value is large. Three mice against three cannot give a p below 0.1, whatever the truth; below
#   five a group the result says "case series", and the figure above is the finding.
# - Matched numbers are not matched populations: firing rates, areas and noise may differ still, and
#   a subsample of the better group is what is compared, not all that it has.
