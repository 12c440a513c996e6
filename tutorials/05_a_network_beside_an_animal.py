# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A network beside an animal
#
# A monkey does a task: a cue says whether to respond as on the previous trial (`stay`) or the other
# way (`shift`). You have recorded its prefrontal cortex and measured the geometry: which variables
# are decoded, which generalise. Now the question that a reader asks first: *why this geometry?* A
# network that was trained on the same task, scored by the same measures on the same conditions, is
# one answer. If it has the animal's geometry, the task may be reason enough. If not, something else
# is needed: other inputs, another way to learn, a longer history.
#
# The comparison is only as good as what was made equal. This tutorial trains networks, records them
# as if they were animals, and compares them at equal numbers of units and trials, and at equal
# decoding.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import neurogeom as ng
from neurogeom import networks

task = networks.make_task("stay-shift")
print(task.summary)
print([f"{p.name} {p.ms:g} ms" for p in task.periods], "time 0:", task.align)
print(task.variables)

# %% [markdown]
# ## The task, and networks that learn it
#
# A task is data: periods, channels of input and output, factors, and the rule that says what is
# right. `neurogeom tasks` lists those that come with the package. Every trial carries its condition
# under the names that a recording of this task would use: `rule`, `previous_response`, `cue_shape`.
#
# Two seeds are two networks (take five in earnest). They are trained as one tensor, and each stops
# when it answers 95 % of fresh trials. `keep=[0]` keeps them as they were before training: the
# first control.

# %%
small = {"seeds": 2, "batch": 32, "lr": 5e-3, "steps": 1500, "until": 0.95, "every": 50}
trained = networks.train(task, networks.GRU(hidden=32), keep=[0], **small)
print("accuracy", trained.accuracy.round(3), "after", trained.history.n_steps.values, "steps")

# %% [markdown]
# The second control is a network that learnt the wrong task: the same inputs, but the cue is to be
# ignored (`stay` always). What it shares with the animal does not come from the rule.

# %%
wrong = networks.train(networks.wrong_task(task), networks.GRU(hidden=32), **small)
print("wrong task: accuracy", wrong.accuracy.round(3))

# %% [markdown]
# ## Recorded like a brain
#
# `record` gives the container of a recording: trials, units, time in seconds from the same event
# (cue onset). Nothing downstream knows whether it came from a brain. `systems` collects the
# networks and their controls; the inputs themselves are the last control, since what is abstract in
# the input needs no learning.

# %%
systems = trained.systems(wrong=wrong, n_trials=20)
for name, each in systems.items():
    print(f"{name}: {len(each)} of {dict(each[0].sizes)}")

# %% [markdown]
# ## The animal
#
# With the published recordings of Fascianelli et al. 2024 in a folder, call this script with the
# folder's name. Without, an animal is simulated here: 40 neurons in which the cue's shape is coded
# most strongly and every variable has an axis of its own.

# %%
variables = ["rule", "previous_response", "cue_shape"]
window = (0.2, 0.4)
if len(sys.argv) > 1:
    options = {"align": "cue_time", "window": window, "variables": [*variables, "response"]}
    animal = ng.read_nwb(sys.argv[1], **options)
else:
    sizes = {"n_neurons": 40, "n_trials": 12, "n_truth": 0, "window": window, "seed": 4}
    animal = ng.simulate("cuboid", [0.9, 1.4, 2.2], variables=variables, **sizes)
    levels = {"rule": "shift stay", "previous_response": "B A", "cue_shape": "second first"}
    for name, words in levels.items():
        animal[name] = "trial", np.array(words.split())[animal[name].values]
    animal = animal.assign_coords(session="animal")

# %% [markdown]
# ## Made equal, then compared
#
# A noiseless network decodes everything perfectly, and its CCGP and shattering dimensionality are
# 1: such a comparison says nothing. So `compare` gives every network as many units and trials as
# the animal has, and private noise on every unit, as much as brings its mean decoding to that of
# the animal. What differs after that is geometry. It refuses where the animal's decoding is hardly
# above chance, since any network could be matched to that.

# %%
tree = ng.compare(
    animal, systems, variables, measures=["decoding", "ccgp"],
    readout="nearest_mean", n_null=99, n_resamples=10, n_draws=1, scores=("rsa",),
)  # fmt: skip
print("matched to a mean decoding of", round(tree.attrs["match"]["decoding"], 3))
print(tree["matching"].decoding.to_pandas().round(3))
print(tree["ccgp"].estimate.to_pandas().round(2))

# %% [markdown]
# Read the table from the bottom. *Shuffled labels* must be at chance: that row checks the pipeline.
# *Input* and *untrained* show what the design of the inputs gives for free: the two cues of a rule
# are separate channels, so rule and shape are there from the start. *Wrong task* shows what
# learning some task on these inputs does. Only what the trained networks have and these controls
# have not comes from the task.
#
# The networks need the previous response and the rule and throw the cue's shape away: it has no
# part in the answer. The simulated animal was made to keep it. A difference like this one is what
# the comparison is for, and in the recordings of that task it is there as well: see
# `docs/claims.md`.
#
# ## One figure

# %%
figure = ng.side_by_side(tree)
plt.close("all")
print([axis.get_title() for axis in figure.axes])

# %% [markdown]
# Black is the animal with its 95 % interval; of a system the point is the median over its seeds and
# the bar goes from the smallest to the largest. Intervals and bars are different things: the first
# says how well the animal's value is known, the second how much networks differ that learnt the
# same task. In the panel of similarity the grey bar is what one half of the animal's neurons gives
# with the other half. No network can be expected to do better.
#
# What to write in a paper: what was matched (`tree.attrs["match"]`), how much noise it took
# (`tree["matching"]`), every control, and the number of seeds. What not to conclude: that the brain
# computes as the network does. One measure that agrees is weak evidence; the same pattern over
# variables and measures, which the controls lack, is stronger.
