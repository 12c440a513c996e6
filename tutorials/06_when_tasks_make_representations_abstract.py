# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # When do tasks make representations abstract?
#
# Show a network noisy evidence about two hidden numbers and ask it many yes-or-no questions about
# them. Theory says that to answer well it must represent the numbers themselves, so that a linear
# decoder that has seen three quadrants reads the fourth (Vafidis, Bhargava & Rangel, ICLR 2025).
# How many questions does it take, and does the architecture matter?
#
# The networks here are small and trained for seconds: enough to see the pieces work.
# `benchmarks/findings/ood_tasks.py` has the full runs, with a verdict fixed beforehand.

# %%
import numpy as np

from neurogeom import networks, theory

few, many = (networks.make_task("evidence", n_tasks=n) for n in (2, 12))
print(few.summary)
print([f"{p.name} {p.ms:g} ms" for p in few.periods])

# %% [markdown]
# ## What is best possible
#
# Twenty noisy samples of a latent leave an error, so no decoder reaches r2 = 1. Know the ceiling
# before you look at a network: a value above it means that something leaked from training to test.

# %%
ceiling = theory.ceilings(0.2, 20)
print({k: round(float(v), 3) for k, v in ceiling._asdict().items()})

# %% [markdown]
# `mean` is the r2 of the running mean of the samples, `shrunk` that of the best linear estimate,
# `bayes` that of the best estimate of all.
#
# ## Boundaries that span the latents
#
# Each question is a boundary in the space of the two latents. With as many boundaries as latents,
# and if they span the space, the answers pin the latents down: *trilateration*, as a phone finds
# its place from distances. From the log-odds of the ideal answers this works to the last digit.

# %%
rng = np.random.default_rng(0)
angles = (np.arange(12) + 0.5) * np.pi / 12
normals = np.stack([-np.sin(angles), np.cos(angles)], axis=1)
latents = rng.uniform(-0.5, 0.5, (1000, 2))
logits = theory.optimal_logits(latents, normals, sigma=0.2, t=20)
found = theory.trilaterate(logits, normals, sigma=0.2, t=20)
print("largest error of trilateration", f"{np.abs(found - latents).max():.1e}")

# %% [markdown]
# ## Networks
#
# A fixed random encoder scrambles the evidence first, as in the paper, so that the latents are
# mixed nonlinearly in what the network gets. Then a recurrent network answers 2 or 12 questions.
# Two seeds each; read medians over at least five in earnest.

# %%
setting = {"seeds": 2, "steps": 300, "batch": 32, "lr": 3e-3, "every": 300, "keep": [0]}
encoder = (100, 100, 40)
trained = {
    "RNN, 2 tasks": networks.train(few, networks.RNN(encoder=encoder), **setting),
    "RNN, 12 tasks": networks.train(many, networks.RNN(encoder=encoder), **setting),
}
for name, nets in trained.items():
    print(name, "accuracy", nets.accuracy.round(3))

# %% [markdown]
# ## Reading the latents where the decoder never was
#
# The decoder is trained on three quadrants of the latents and tested on the fourth. Its ridge
# penalty is chosen inside the training quadrants: with a penalty picked by the test, or none at
# all, the same network can score anything between .66 and .90.
#
# Two conventions are common. Dividing by the variance of the *whole* square flatters: it is four
# times that of a quadrant. Both stand here, and so does the untrained network, without which no
# number means much.

# %%
trials = many.enumerate(200, seed=1)
latents = np.stack([trials.conditions["x_1"], trials.conditions["x_2"]], axis=1)
print(f"{'':24s} {'same':>6s} {'new, whole':>11s} {'new, own':>9s}")
for name, nets in trained.items():
    for stage, those in (("untrained", nets.at(0)), ("trained", nets)):
        each = those.record(trials=trials, window="decision")
        scores = [networks.regression_generalisation(x.values, latents) for x in each]
        same = np.median([float(s.id) for s in scores])
        whole, own = np.median([s.ood_median.values for s in scores], axis=0)
        print(f"{name + ', ' + stage:24s} {same:6.2f} {whole:11.2f} {own:9.2f}")

# %% [markdown]
# An untrained network is a random projection of its inputs, and a linear decoder already reads most
# of the latents from it. By the flattering convention it even seems to generalise. By the variance
# of the held-out quadrant it does not. Training changes that, and with more questions the code of
# the latents extends further beyond where the decoder was trained. A transformer reaches this with
# two questions: `networks.Transformer(encoder=encoder)` in place of the RNN tries it, in minutes.
#
# ## What to report
#
# The number of tasks and of latents, the noise, both conventions of r2, the untrained network, the
# ceiling, the way the penalty was chosen, and the spread over seeds. The angle between decoder
# weights is not the angle between coding axes: `encoding_angle` is the latter.
