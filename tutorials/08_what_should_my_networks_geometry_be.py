# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # What should my network's geometry be?
#
# You have a task: stimuli, and answers that are wanted. Before you train anything, and before you
# look at neurons, you can ask which geometry the task should produce. The mean-field theory of
# abstraction (Wang, Johnston & Fusi, arXiv:2510.09816; we could read the abstract only, and derived
# what is computed here) turns this into a convex problem: a network of one hidden layer, with
# weight decay, at the minimum of its loss. `ng.predict` solves it, and says what a readout would
# make of the solution.
#
# ## Two answers, no structure in the inputs
#
# Four stimuli, each with an input channel of its own. Two answers are wanted, one for each of two
# binary features. We ask for the geometry at a mean decoding of 0.9, so that readouts have room to
# fail.

# %%
import numpy as np

import neurogeom as ng

y = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]])
options = {"decoding": 0.9, "readout": "nearest_mean"}
tree = ng.predict((np.eye(4), y), **options)
print(tree["kernel"].kernel.values.round(2))
print({name: tree["kernel"].attrs[name] for name in ("gap_kind", "unique")})
for measure in ("decoding", "ccgp", "parallelism", "shattering"):
    found = tree[measure].estimate
    means = found.mean([d for d in found.dims if d != "system"])
    print(
        f"{measure:12s}"
        + "".join(f"  {s} {float(means.sel(system=s)):.2f}" for s in means.system.values)
    )

# %% [markdown]
# The kernel is the inner product of the hidden layer between stimuli. Stimuli that differ in one
# feature share half of their activity, those that differ in both share none: the sum of two
# modules, one a feature. Both features are abstract, CCGP is as good as decoding, and the price is
# paid in shattering: the third dichotomy, the exclusive or, is at chance. The `inputs` have the
# same decoding with CCGP at chance, so that all of the abstraction is the work of learning.
#
# `certified` says that no unit could lower the loss: all activation patterns were looked at. In
# larger problems the gap is only `searched`.
#
# ## When inputs resist
#
# Now the inputs carry the exclusive or too, in a channel of their own. Does that spoil abstraction
# a little, in proportion? The theory says: not at all up to a threshold, the power of the bias (1
# here), and then at once.

# %%
exclusive_or = np.prod(y, axis=1)
for power in (0.5, 0.95, 1.05, 1.5):
    x = np.column_stack([np.eye(4), np.sqrt(power) * exclusive_or])
    found = ng.predict((x, y), measures=["ccgp", "parallelism"], **options)
    ps, ccgp = (
        found[m].estimate.sel(system="theory").mean().item() for m in ("parallelism", "ccgp")
    )
    print(f"power of the exclusive or {power:4.2f}: parallelism {ps:.2f}, CCGP {ccgp:.2f}")

# %% [markdown]
# Trained networks do this (`benchmarks/findings/trained_kernels.py`: 8 to 512 units, five seeds;
# near the threshold training takes long, so that a curve of networks that were stopped early looks
# smooth).
#
# ## When theory cannot say
#
# Without a bias in the hidden layer the minimum is not unique. Then a prediction is a statement
# about one of several networks, and `predict` shows another:

# %%
free = ng.predict((np.eye(4), y), bias_power=0, measures=["parallelism"], **options)
print(free["parallelism"].estimate.mean("variable").round(2).to_series().to_dict())
print(*free.attrs["notes"], sep="\n")

# %% [markdown]
# ## A task of this toolkit
#
# In the stay-shift task the animal sees a cue and remembers its last response; it stays with it or
# shifts, as the cue's rule says. Two shapes stand for each rule. Which of these variables should be
# abstract?

# %%
task = ng.networks.make_task("stay-shift")
tree = ng.predict(task, contrasts=["response"], readout="nearest_mean", decoding=0.75)
both = tree["ccgp"].estimate.to_pandas().round(2)
print(both.to_string())

# %% [markdown]
# The rule, the previous response and the response get one format, as good for one as for the other,
# and none of them as abstract as two independent answers would be: the response is their exclusive
# or. The cue's shape, which only tells the rule, vanishes. It is in the inputs, at high CCGP. So if
# a recording has it (tutorial 5 finds that in prefrontal cortex), the minimum of this loss is not
# the explanation.
#
# ## Beside a recording
#
# Two recordings of three variables: of one the variables are coded along separate axes, in the
# other all conditions are equally far apart. The prediction, of a network that is to tell all three
# variables, is put at each recording's own neurons, trials and decoding.

# %%
for geometry in ("cube", "simplex"):
    x = ng.simulate(geometry, separation=1.5, n_neurons=60, n_trials=20, n_truth=0, seed=1)
    tree = ng.predict(
        x, ["a", "b", "c"], targets=["a", "b", "c"], measures=["decoding", "ccgp"],
        readout="nearest_mean", n_null=0, scores=(),
    )  # fmt: skip
    own = tree["ccgp"].estimate.mean("variable").round(2).to_series().to_dict()
    print(geometry, own)

# %% [markdown]
# The cube is where the theory puts it; the simplex generalises as little as its inputs. Decoding is
# the same for all three lines of a recording, by construction.
#
# ## What to keep in mind
#
# - The theory knows one hidden layer, squared error and weight decay; no noise, time, memory or
#   recurrence. An agreement says that these suffice, not that they are at work.
# - Look at `inputs` first. Where the inputs agree with the recording too, nothing was explained.
# - Whether a network *reaches* the minimum is another question: tutorials 9 and 10.
# - The command line has all of it: `neurogeom predict stay-shift --contrasts response`.
