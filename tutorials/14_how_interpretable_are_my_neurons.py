# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # How interpretable are my neurons?
#
# You look at the nine images that excite a neuron most, and they are all vertical gratings: a
# neuron for gratings. The next one likes gratings, faces and shoes. Klindt, Sanborn et al. (2023,
# arXiv:2310.11431) made a number of this look, the interpretability index, and asked whether
# *directions* of a population are more interpretable than its neurons. Both can go wrong in ways
# that a gallery of nine images does not show.
#
# ## A population in superposition
#
# Images hold two of 24 textures each. Twelve neurons respond to random mixtures of all 24, so that
# none stands for one; six presentations of each image, with noise.

# %%
import numpy as np

import neurogeom as ng
from neurogeom import features

seen = features.textures(600)
rng = np.random.default_rng(0)
mixture = rng.standard_normal((24, 12))
rates = seen.features @ (mixture / np.linalg.norm(mixture, axis=1, keepdims=True))
shown = np.repeat(np.arange(600), 6)
image = {"image": shown}
x = ng.from_arrays(rates[shown] + 0.3 * rng.standard_normal((3600, 12)), trial=image)

# %% [markdown]
# ## The index of each neuron
#
# The index is minus the mean distance between the nine most exciting images; 0 is the best. The
# distance is that of Gabor energies, since no network has to be downloaded for it; any embedding or
# similarity of your own takes its place (`metric=`).

# %%
index = features.interpretability(x, seen.images, stimulus="image", n_null=99)
print(index[["estimate", "p_value", "p_corrected", "reliability"]].to_dataframe().round(2))
print(f"mean of the null {float(index.null.mean()):.2f}")

# %% [markdown]
# The null deals the responses of the whole population to other images. Some neurons are above it:
# nine images that share a texture by chance of the mixture. Others are not, and of those nothing
# may be said but that: their images look like any nine.
#
# ## Noise looks like mixed meaning
#
# The same neurons with ten times the noise. Their most exciting images are now those with the
# luckiest noise, and any index would call them uninterpretable. That would be a statement about the
# number of repeats, not about neurons.

# %%
noisy = ng.from_arrays(rates[shown] + 3.0 * rng.standard_normal((3600, 12)), trial=image)
poor = features.interpretability(noisy, seen.images, stimulus="image", n_null=19)
print(f"{int(poor.valid.sum())} of 12 neurons estimated;", next(iter(poor.reasons.values())))
forced = features.interpretability(
    noisy, seen.images, stimulus="image", n_null=19, least_reliability=None
)
print(f"mean index without asking for reliability {float(forced.estimate.mean()):.2f}")

# %% [markdown]
# Neurons whose two halves of trials do not agree (correlation below 0.3) are not estimated. The
# rule is part of the result: who drops it has the second line.
#
# ## Directions
#
# Are there directions that stand for one texture? They are looked for on half of the images and
# judged on the other half: a method that fits chance gains nothing by it.

# %%
methods = ["kmeans", "pca", "ica", "random"]
bases = features.compare_bases(x, seen.images, stimulus="image", methods=methods, n=24, n_null=99)
print(bases[["n_directions", "estimate", "p_value", "gain"]].to_dataframe().round(2))

# %% [markdown]
# Clusters of responses find the textures again, all 24 of them in twelve neurons; principal
# components and random directions do not. K-means takes the population to respond to one feature at
# a time, which is nearly so here. Twelve noisy copies of one neuron have a single direction, and
# what K-means makes of them is little better than the neuron:

# %%
copies = rates[shown][:, :1] + 0.5 * rng.standard_normal((3600, 12))
alike = features.compare_bases(
    ng.from_arrays(copies, trial=image), seen.images, stimulus="image", methods=methods[:1],
    n_null=99,
)  # fmt: skip
print(alike[["estimate", "p_value", "gain"]].to_dataframe().round(2))

# %% [markdown]
# ## The gallery
#
# A figure for the reader who wants to see: each neuron, its most exciting images, its index and
# where the null lies.

# %%
from neurogeom.report.gallery import gallery

figure = gallery(index, seen.images, n=6)
print(figure.get_size_inches().round(1))

# %% [markdown]
# ## What may be concluded
#
# An index above its null says that the most exciting stimuli *of those shown* look alike under this
# similarity. It does not compare between data sets of different numbers of stimuli (subsample with
# `n_stimuli=`), it does not see what a neuron does to stimuli that excite it less, and a direction
# chosen among thousands has to be held against the best of as many (`p_best`). Frames of a movie
# that follow one another look alike for a reason of their own: name the clips (`groups=`) or keep
# them apart (`min_gap=`).
