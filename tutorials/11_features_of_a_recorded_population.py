# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Features of a recorded population
#
# Forty neurons, all of them mixed: each answers to the rule a little, to the cue a little, and to
# much that nobody wrote down. Perhaps that is how a brain packs many features, few of which are
# present at a time, into fewer neurons (superposition); then there are directions that each stand
# for one of them, and a sparse dictionary finds them (O'Neill, Gumran & Klindt 2024,
# arXiv:2411.13117, for networks). Or perhaps few things are coded, all of them all the time, and a
# dictionary returns atoms none the less: it always returns atoms. A recording has no truth to hold
# them against. What may be asked of it we first ask where the truth is known.
#
# ## A recording that is sparse in truth
#
# Sixteen features in twelve neurons, three present on each trial, and noise. Feature 0 is an odour
# that the experimenter knows of; a light that nothing in the population responds to is the control.

# %%
import numpy as np

import neurogeom as ng
from neurogeom import features

world = features.superposition(800, n_sources=16, n_neurons=12, n_active=3, noise=0.2)
odour = np.where(world.sources[:, 0] > 0, "present", "absent")
light = np.random.default_rng(1).choice(["on", "off"], 800)
x = ng.from_arrays(world.x, trial={"odour": odour, "light": light})
options = {"n_restarts": 2, "n_shuffles": 5, "n_null": 99}
found = features.sparse(x, ["odour", "light"], **options)
print(found[["estimate", "chance", "p_value", "pca"]].to_dataframe().round(2))

# %% [markdown]
# Each row is judged on trials that the dictionary was not learnt from. `objective` (lower is
# better) and `explained_variance` stand beside principal axes, as many and through the same encoder
# (`pca`), and beside the same recording with each neuron's trials shuffled on their own (`chance`).
# Mark how little `explained_variance` says: .91, and .87 for neurons that have nothing to do with
# each other. Sixteen atoms describe anything in twelve dimensions.
#
# `predicted_variance` cannot be had that way. Codes are inferred from half of the neurons and must
# predict the other half: .43 of its variance here, less than nothing for shuffled neurons and for
# principal axes. Five shuffles, taken to be quick, let no p-value go below 1/6 = .17; the default
# of twenty lets it reach .05.
#
# `stability_halves` asks for replication: dictionaries of two disjoint halves of the trials, atom
# matched to atom by cosine, .97. Restarts on the *same* trials agree at .72 even in shuffled data;
# that two runs of an algorithm agree is no evidence of features.
#
# ## How many atoms?
#
# The number and the penalty were not given. They are chosen by predicted variance on a split that
# is then put aside, and the table of all that were tried is part of the result.

# %%
print(found.choice.to_pandas().round(2))
print(f"{found.n_atoms} atoms, {found.n_active:.1f} of them active on a trial")
atoms = features.Dictionary(found.atoms.values)
match = atoms.match(world.dictionary, signed=True).value
by_chance = features.chance_match(world.dictionary, atoms, signed=True, n_draws=50).mean()
print(f"matched cosine with the true features {match:.2f}, by chance {by_chance:.2f}")

# %% [markdown]
# Sixteen atoms, as many as there are features, and they are the true ones. More of them are active
# than the three that are present: the penalty chosen, the smallest tried, lets small codes live.
# How many are active depends on the penalty; it is no estimate of how many features are present,
# and should not be printed as one.
#
# ## What chance is for matched atoms
#
# The best partner among sixteen is a maximum, and a maximum of noise is not 0. It depends on the
# number of neurons above all, so no cosine can be read without its chance level:

# %%
rng = np.random.default_rng(0)
for n in (4, 12, 40, 200):
    one, other = (features.Dictionary(rng.standard_normal((16, n))) for _ in range(2))
    level = features.chance_match(one, other, signed=True, n_draws=50).mean()
    print(f"{n:3d} neurons: random dictionaries match at {level:.2f}")

# %% [markdown]
# Even this is too easy a null for two halves of one recording, which both follow whatever is large
# in the data, sparse or not. So `sparse` turns the trials among one another at random, which keeps
# their covariance and makes them Gaussian, and learns two halves of those as well: as stable as
# that is whatever has this covariance. In the first table above the level is .58, not the .42 of
# random directions.
#
# ## What do the atoms mean?
#
# For each atom and variable: the area under the curve by which its code tells the two sides apart
# in held-out trials, compared between conditions alike in all else; .5 is chance. With sixteen
# atoms and two variables one looks at 32 areas, so p-values are corrected for all of them by the
# largest deviation that shuffled labels give.

# %%
table = found[["alignment", "alignment_p_corrected"]].to_dataframe().reset_index()
table = table[["atom", "side", "alignment", "alignment_p_corrected"]].round(2)
table = table.sort_values("alignment_p_corrected")
print(table.head(4).to_string(index=False))
cosine = atoms.atoms[table.atom.iloc[0]] @ world.dictionary.atoms[0]
print(f"cosine of the first with the feature that is the odour: {cosine:.2f}")

# %% [markdown]
# One atom tells the odour, and it is the right one. None tells the light, and fifteen tell nothing
# that we have a name for. They are no worse for it: in this world they stand for features that the
# experimenter did not write down. An atom without a variable is a question, not an artefact, as
# long as it is stable.
#
# ## A recording that is dense in truth
#
# In `ng.simulate("cube")` three variables are present on every trial, each along an axis of its own
# that a random rotation spreads over forty neurons. Nothing is sparse here. Two such animals:

# %%
for seed in (0, 2):
    cube = ng.simulate("cube", 3.0, n_neurons=40, n_trials=40, n_truth=0, seed=seed)
    dense = features.sparse(cube, ["a", "b", "c"], **options)
    print(dense[["estimate", "chance", "p_value", "pca"]].to_dataframe().round(2).iloc[2:4])
    told = (dense.alignment_p_corrected <= 0.05).sum("side").values
    print(f"{dense.n_active:.1f} of {dense.n_atoms} atoms active; variables an atom tells: {told}")

# %% [markdown]
# There is structure that neurons share, so `predicted_variance` is above that of shuffled neurons.
# Halves of the trials agree at .46 and .51, and two halves of turned trials, Gaussian ones of this
# covariance, at .61 and .67: a dense code is no more stable than that. (With five draws p cannot be
# below .17; ask for more where it matters.) Principal axes predict nearly as much, where in the
# sparse world they predicted nothing; half of the atoms are active at any time; and half of them
# tell two or three variables: they point at corners and edges of the cube, not along its axes.
# Stable does not mean sparse, and an atom that tells the rule may tell the cue as well; look at its
# whole row before you name it.
#
# ## When nothing is found
#
# Now a weaker recording, of the kind that one has: sixty neurons, each recorded on trials of its
# own, twelve a condition. The same cube is in it, since we put it there.

# %%
weak = ng.simulate("cube", 1.0, n_neurons=60, n_trials=12, apart=True, n_truth=0)
none = features.sparse(weak, ["a", "b", "c"], **options | {"n_shuffles": 19})
print(none[["estimate", "chance", "p_value"]].to_dataframe().round(3).iloc[2:4])
print(f"smallest corrected p of an atom {float(none.alignment_p_corrected.min()):.2f}")
print(none.notes[0])
truth = weak.attrs["truth_population"]["decoding"]
print(f"decoding in truth: {np.round(list(truth.values()), 2)}")

# %% [markdown]
# No variance predicted, halves that match no better than turned ones, no atom that tells a
# variable: the dictionary has atoms still, and a gallery of the best of them would look well in a
# figure. The result says that they are not shown to be anything. It does not say that nothing is
# coded: all three variables are, and a decoder of many trials would read them at .69.
#
# This is what a real one looks like. In dorsolateral prefrontal cortex (M1, 200 to 400 ms after the
# cue; Fascianelli et al. 2024, Nat Commun 15, doi 10.1038/s41467-024-50503-w), 205 neurons of 52
# sessions with 12 pseudo-trials a condition, the predicted variance is -.029 against -.031 where
# neurons are shuffled. Halves match at .114 where chance is .152 (p .95), and no atom tells rule,
# response or shape: the smallest corrected p is .18. `docs/claims.md` has the row, with the verdict
# "not found".
#
# It is reported since the alternative is a search. Other penalties, other windows, atoms named
# before they are tested, restarts taken for replication: each turns such a recording into a
# finding. Note the reason as well. Sessions recorded apart share no trials, so that what neurons
# have in common from trial to trial of a condition is lost, and with it most of what a dictionary
# could learn: the eight condition means of the simulation span seven dimensions, says its note. It
# is no evidence against superposition in cortex: to look for that takes many neurons recorded
# together.
#
# ## Which directions carry signal at all?
#
# A humbler question comes before: along which directions do repeats of the same datum (stimulus,
# condition) look alike and different data apart? Learning to tell every datum by its index alone
# (DIET; Ibrahim, Klindt & Balestriero 2024, arXiv:2406.10743) has, for linear features, a closed
# form, and takes no label but the index. Here neurons share half of their noise.

# %%
shared = ng.simulate("cube", 3.0, n_neurons=40, n_trials=40, noise_correlation=0.5, n_truth=0)
diet = features.linear_diet(shared, ["a", "b", "c"], n_components=4, probes=["a"], n_null=49)
print(diet[["estimate", "naive", "naive_chance", "p_corrected"]].to_dataframe().round(2))
few = features.linear_diet(shared, ["a", "b", "c"], n_components=3, probes=["a", "b"], n_null=0)
print(few.accuracy.to_pandas().round(2))

# %% [markdown]
# `estimate` is the share of a single trial's variance that is signal, in repeats held out. Three
# directions have it and the fourth has none, as it should be in a cube. Believe `naive` and there
# would be a fourth feature; `naive_chance` is what data that are all the same would give it.
#
# The largest direction of this population is its shared noise, and principal components spend one
# of three on it: `b` is read from them at .71, from as many directions of DIET at .98. Variance is
# not signal. What DIET does not promise is axes: three directions with equal shares may be turned
# among themselves at will.
#
# ## Do single neurons stand for single variables?
#
# That question has scores of its own, made for the latents of networks, and they take neurons and
# task variables as well: `disentanglement`. To see what they see, the cube of above beside one in
# which it was not turned: neurons 0, 1 and 2 have one variable each, the others none.

# %%
names = ["a", "b", "c"]
labels = np.stack([cube[name].values for name in names], axis=1)
values = np.random.default_rng(0).standard_normal(cube.shape)
values[:, :3] += 3.0 * (labels - 0.5)
pure = ng.from_arrays(values, trial={name: cube[name].values for name in names})
shown = ("mig", "modularity", "explicitness", "dci_disentanglement")
for title, recording in (("one variable a neuron", pure), ("turned", cube)):
    scored = features.disentanglement(recording, names, scores=shown, n_null=19)
    scored["rotated_most"] = scored.rotations.max("rotation")
    columns = ["estimate", "rotated", "rotated_most", "chance", "p_value"]
    print(title, scored[columns].to_dataframe().round(2), sep="\n")

# %% [markdown]
# `chance` is what shuffled trials give, `rotated` the same population on random axes. The p-value
# is for the first: does this population know of the variables at all? Whether it does so neuron by
# neuron stands in the distance from `rotated`, and there the two recordings part. MIG (Chen et al.
# 2018) is .73 where each variable has a neuron and .05 for the same cube turned, as for any other
# turn. Explicitness (Ridgeway & Mozer 2018) is .97 and .96: it asks how well a variable can be read
# from all neurons, and no rotation changes that. Modularity (of the same paper) is 1.00 and .92;
# random axes have .9 as well, so that what sounds like nearly modular neurons is what anything
# gives, and perfect neurons do not reach a p-value of .05. DCI (Eastwood & Williams 2018) is .95
# and .69. The last lies above the largest of five random turns, .68, by a hair; there is no p-value
# for this distance, and a hair is not a finding.
#
# Every score comes with the blind spots that it is known for, measured on codes whose truth is
# known, so that they can stand in the legend of a figure:

# %%
for score in shown:
    print(f"{score}: {scored.blind_spots.sel(score=score).item()}")

# %% [markdown]
# ## The same on the command line
#
#     neurogeom features session*.nwb --method sparse --align cue_time --window 0.2:0.4 \
#         --variables rule,previous_response,cue_shape --contrasts response --out features.nc
#     neurogeom features session.nwb --method index --align cue_time --window 0.2:0.4 \
#         --datum image --probes category
#     neurogeom features session.nwb --method disentanglement --align cue_time --window 0.2:0.4 \
#         --variables rule,cue_shape
#
# The first prints the five quantities with their chance levels, the table of what was tried and
# what each atom tells of each variable. The dictionary is in the file of `--out`, with the seed and
# the command, or in that of `--csv`, a row a number.
#
# ## What may be concluded
#
# That a population has sparse features asks for four things together: half of its neurons predict
# the other half on trials held out, beyond shuffled neurons *and* beyond principal axes; two halves
# of the trials find the same atoms, beyond turned ones; few atoms are active at a time; and, where
# they are to have names, one variable tells an atom and no other does, corrected for all that were
# looked at. A dense code passes some of these, and in the first table shuffled neurons come within
# .04 of passing the number that is easiest to print, explained variance. Where they fail, the
# sentence to write is that sparse features were not found with these neurons and trials, and how
# many there were.
