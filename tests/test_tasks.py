"""Tasks: conditions, inputs and targets against rules that are written here once more."""

import warnings
from itertools import combinations, product

import numpy as np
import pytest

from neurogeom import networks
from neurogeom.formulas import cka
from neurogeom.networks.evidence import normals
from neurogeom.networks.input_target import parity_weights

NAN = float("nan")
SMALL = {
    "multitasking": {"n_latents": 2, "n_inputs": 30},
    "images": {"side": 12},
    "modular": {"modulus": 5, "noise": 0.1},
}
REVERSAL = {  # (context, stimulus): (outcome, action)
    ("one", "A"): ("reward", "hold"), ("two", "A"): ("none", "release"),
    ("one", "B"): ("reward", "release"), ("two", "B"): ("none", "hold"),
    ("one", "C"): ("none", "hold"), ("two", "C"): ("reward", "release"),
    ("one", "D"): ("none", "release"), ("two", "D"): ("reward", "hold"),
}  # fmt: skip


def made(name, **options):
    return networks.make_task(name, **{**SMALL.get(name, {}), **options})


def rng(seed=0):
    return np.random.default_rng(seed)


def steps_of(task, period):
    start, stop = task.window(period)
    return (task.time() > start) & (task.time() < stop)


def at_decision(task, trials):
    """Targets where an answer is judged, (trial, output); they must not change within it."""
    targets = trials.targets.reshape(trials.n_trials, -1, trials.targets.shape[-1])
    decided = trials.decided.reshape(trials.n_trials, -1)
    first = targets[np.arange(len(targets)), decided.argmax(axis=1)]
    assert (np.where(decided[..., None], targets, first[:, None]) == first[:, None]).all()
    return first


# --- every task -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.tasks())
def test_every_task_enumerates_all_of_its_conditions_as_often(name):
    task = made(name)
    trials = task.enumerate(3, seed=1)
    rows = list(zip(*[trials.conditions[k].tolist() for k in task.variables], strict=True))
    assert {rows.count(cell) for cell in product(*task.factors.values())} == {3}
    assert len(rows) == trials.n_trials == 3 * np.prod([len(v) for v in task.factors.values()])
    assert trials.inputs.shape == (len(rows), len(task.time()), task.n_inputs)
    assert trials.targets.shape == trials.mask.shape == (*trials.inputs.shape[:2], task.n_outputs)
    assert {a.dtype for a in (trials.inputs, trials.targets, trials.mask)} == {np.dtype("float32")}
    assert set(np.unique(trials.mask)) <= {0, 1}
    if task.loss == "bce":
        assert set(np.unique(at_decision(task, trials))) == {0, 1}
    decision = steps_of(task, task.decision or task.periods[-1].name)
    np.testing.assert_array_equal(trials.decided, np.tile(decision, (len(rows), 1)))
    assert trials.mask[trials.decided].all()
    assert all(len(v) == len(rows) for v in trials.conditions.values())


@pytest.mark.parametrize("name", networks.tasks())
def test_trials_follow_from_the_seed_and_other_seeds_give_others(name):
    task = made(name)
    same, again, other = (task.enumerate(2, seed=s).inputs for s in (3, 3, 4))
    assert (same == again).all()
    assert not (same == other).all()


def judgements(c):
    """Which of 24 evenly turned half-planes hold a point, by its angle."""
    angle = np.arctan2(c["x_2"], c["x_1"])[:, None]
    return (angle - (np.arange(24) + 0.5) * np.pi / 24) % (2 * np.pi) < np.pi


def category(angle):
    return np.sin(np.deg2rad(angle)) > 0


WANTED = {
    "stay-shift": lambda c: (c["previous_response"] == "B") ^ (c["rule"] == "shift"),
    "reversal": lambda c: np.array([
        [REVERSAL[k][1] == "release", REVERSAL[k][0] == "none"]
        for k in zip(c["context"].tolist(), c["stimulus"].tolist(), strict=True)
    ]),
    "evidence": judgements,
    "input-target": lambda c: c["bit_1"] > 0,
    "random-kernel": lambda c: c["bit_1"] > 0,
    "separable-xor": lambda c: c["bit_1"] == c["bit_2"],
    "perceptual": lambda c: c["direction"] == "right",
    "contextual": lambda c: np.where(
        c["context"] == "motion", c["motion"] == "right", c["colour"] == "green"
    ),
    "match-to-sample": lambda c: np.isclose(c["sample"], c["test"]),
    "match-to-category": lambda c: category(c["sample"]) == category(c["test"]),
    "images": lambda c: c["shape"] == "square",
}  # fmt: skip


@pytest.mark.parametrize("name", WANTED)
def test_targets_follow_from_the_conditions(name):
    task = made(name)
    trials = task.sample(200, rng())
    wanted = WANTED[name](trials.conditions).reshape(200, -1)
    np.testing.assert_array_equal(at_decision(task, trials), wanted)


@pytest.mark.parametrize("name", networks.tasks())
def test_sampled_conditions_are_as_frequent_as_they_should_be(name):
    task = made(name)
    n = 1500
    trials = task.sample(n, rng(1))
    for variable, levels in task.factors.items():
        for level in levels:
            share = (trials.conditions[variable] == level).mean()
            p = 1 / len(levels)
            assert abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / n), (variable, level)


def test_many_parities_are_products_of_bits_the_smallest_sets_first():
    task = made("input-target", n_bits=3, n_targets=7, alignment=1.0)
    trials = task.enumerate(1)
    bits = np.stack([trials.conditions[f"bit_{i}"] for i in (1, 2, 3)], axis=1)
    sets = [s for k in (1, 2, 3) for s in combinations(range(3), k)]
    wanted = np.stack([np.prod(bits[:, list(s)], axis=1) for s in sets], axis=1)
    np.testing.assert_array_equal(2 * trials.targets[:, 0] - 1, wanted)
    np.testing.assert_array_equal(trials.conditions["target_7"], wanted[:, 6])


# --- inputs ---------------------------------------------------------------------------------------

NOISY = {  # channels, and the periods in which they are noisy (None: the whole trial)
    "stay-shift": (("fixation", "previous", "cue"), None),
    "reversal": (("fixation", "stimulus", "context"), None),
    "evidence": (("evidence",), "evidence"),
    "free-response": (("evidence",), None),
    "input-target": (("input",), None),
    "random-kernel": (("input",), None),
    "separable-xor": (("input",), None),
    "perceptual": (("motion",), "stimulus"),
    "contextual": (("motion", "colour"), "stimulus"),
    "match-to-sample": (("ring",), None),
    "match-to-category": (("ring",), None),
    "images": (("pixels",), None),
}


def channels(task, names):
    return np.concatenate([np.full(size, name in names) for name, size in task.inputs.items()])


@pytest.mark.parametrize("name", NOISY)
def test_noise_is_where_it_should_be_and_of_its_size_and_nowhere_else(name):
    names, period = NOISY[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # evidence warns of no noise
        noisy, quiet = made(name, noise=0.3), made(name, noise=0.0)
    columns = quiet.sample(60, rng()).conditions
    own = [t.trials(columns, rng(s), longest=True).inputs for t, s in
           ((noisy, 1), (quiet, 2), (quiet, 3))]  # fmt: skip
    np.testing.assert_array_equal(own[1], own[2])  # nothing is random without noise
    noise = own[0] - own[1]
    when = np.ones(len(noisy.time()), bool) if period is None else steps_of(noisy, period)
    where = when[:, None] & channels(noisy, names)
    assert not noise[:, ~where].any()
    found = noise[:, where]
    n = found.size
    assert abs(found.std() / 0.3 - 1) < 4 / np.sqrt(2 * n)
    assert abs(found.mean()) < 4 * 0.3 / np.sqrt(n)
    if where.sum() > 1:  # one channel and step does not tell another's
        a, b = found[:, 0], found[:, 1]
        assert abs(np.corrcoef(a, b)[0, 1]) < 4.5 / np.sqrt(60)


def quiet(name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return made(name, **options)


def shown(task, trials, channel, period):
    """What a channel shows in a period, (trial, step, size)."""
    where = channels(task, (channel,))
    return trials.inputs[:, steps_of(task, period)][..., where]


def test_what_is_shown_when_in_stay_shift():
    task = quiet("stay-shift", noise=0.0)
    trials = task.enumerate(1)
    c = trials.conditions
    for t, (rule, shape) in enumerate(zip(c["rule"], c["cue_shape"], strict=True)):
        which = 2 * (rule == "shift") + (shape == "second")
        assert (shown(task, trials, "cue", "cue")[t] == np.eye(4)[which]).all()
        assert (shown(task, trials, "previous", "feedback")[t]
                == np.eye(2)[int(c["previous_response"][t] == "B")]).all()  # fmt: skip
    for period in ("feedback", "wait", "delay", "response"):
        assert not shown(task, trials, "cue", period).any()
        assert (shown(task, trials, "fixation", period) == (period != "response")).all()
        if period != "feedback":
            assert not shown(task, trials, "previous", period).any()


def test_what_is_shown_when_in_reversal():
    task = quiet("reversal", noise=0.0)
    trials = task.enumerate(1)
    stimulus = [list("ABCD").index(s) for s in trials.conditions["stimulus"]]
    assert (shown(task, trials, "stimulus", "stimulus") == np.eye(4)[stimulus][:, None]).all()
    second = (trials.conditions["context"] == "two").astype(int)
    assert (shown(task, trials, "context", "cue") == np.eye(2)[second][:, None]).all()
    for period in ("cue", "wait", "delay", "response"):
        assert not shown(task, trials, "stimulus", period).any()
        if period != "cue":
            assert not shown(task, trials, "context", period).any()
    assert sorted(stimulus) == [0, 0, 1, 1, 2, 2, 3, 3]
    pair = np.isin(stimulus, [1, 2])
    np.testing.assert_array_equal(trials.conditions["stimulus_pair"] == "BC", pair)


def test_what_is_shown_when_in_decisions():
    task = quiet("perceptual", noise=0.0)
    trials = task.enumerate(1)
    c = trials.conditions
    signed = np.where(c["direction"] == "right", 1, -1) * c["coherence"]
    np.testing.assert_allclose(
        shown(task, trials, "motion", "stimulus"),
        np.broadcast_to(signed[:, None, None] / 100, (12, 10, 1)),
        rtol=1e-6,
    )
    assert not shown(task, trials, "motion", "delay").any()
    task = quiet("contextual", noise=0.0, strength=0.8)
    trials = task.sample(400, rng())
    for channel, positive in (("motion", "right"), ("colour", "green")):
        found = shown(task, trials, channel, "stimulus")[:, 0, 0]
        assert set(np.unique(np.abs(found).round(3))) == {
            np.float32(0.2), np.float32(0.4), np.float32(0.8)
        }  # fmt: skip
        np.testing.assert_array_equal(trials.conditions[channel] == positive, found > 0)


def test_rings_peak_at_the_direction_that_is_shown():
    task = quiet("match-to-category", noise=0.0)
    trials = task.enumerate(4)
    for period in ("sample", "test"):
        ring = shown(task, trials, "ring", period)[:, 0]
        vector = ring @ np.exp(2j * np.pi * np.arange(16) / 16)
        found = np.rad2deg(np.angle(vector)) % 360
        np.testing.assert_allclose(found, trials.conditions[period], atol=1e-3)
    assert not shown(task, trials, "ring", "delay").any()


def test_a_sample_that_does_not_match_is_any_other_direction():
    trials = made("match-to-sample", n_stimuli=3).sample(3000, rng())
    c = trials.conditions
    turn = ((c["test"] - c["sample"])[c["match"] == "no"] % 360).round().astype(int)
    share = (turn == 120).mean()
    assert set(turn) == {120, 240}
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / len(turn))


@pytest.mark.parametrize("n", [2, 3, 6, 7, 11, 13, 49])
def test_tests_are_of_the_levels_of_the_samples_to_the_last_bit(n):
    task = made("match-to-sample", n_stimuli=n)
    c = task.sample(4000, rng()).conditions
    assert set(c["test"]) == set(task.factors["sample"])
    np.testing.assert_array_equal(c["test"] == c["sample"], c["match"] == "yes")
    turned = (c["test"] - c["sample"] - np.where(c["match"] == "yes", 0, c["turn"])) % 360
    assert np.minimum(turned, 360 - turned).max() < 1e-9


# --- evidence -------------------------------------------------------------------------------------


def noise_of(n=3000, **options):
    """Noise of the evidence, (trial, step, latent)."""
    task = made("evidence", n_tasks=4, **options)
    trials = task.sample(n, rng())
    x = np.stack([trials.conditions[f"x_{i + 1}"] for i in range(task.inputs["evidence"])], axis=1)
    return trials.inputs[:, steps_of(task, "evidence"), 1:] - x[:, None], x


def test_remembered_noise_correlates_from_step_to_step_with_the_same_sd_at_all():
    found, _ = noise_of(memory=0.6)
    assert (np.abs(found.std(axis=0) / 0.2 - 1) < 4.5 / np.sqrt(2 * len(found))).all()
    for lag in (1, 2, 3):
        a, b = found[:, 5, 0], found[:, 5 + lag, 0]
        r = np.corrcoef(a, b)[0, 1]
        assert abs(r - 0.6**lag) < 4 * (1 - 0.6 ** (2 * lag)) / np.sqrt(len(a))
    fresh, _ = noise_of()
    assert abs(np.corrcoef(fresh[:, 5, 0], fresh[:, 6, 0])[0, 1]) < 4 / np.sqrt(len(fresh))


def test_gumbel_noise_is_centred_of_the_same_sd_and_skewed():
    found, _ = noise_of(noise_law="gumbel", steps=10)
    parts = found.reshape(50, -1) / 0.2
    for power, truth in ((1, 0.0), (2, 1.0), (3, 1.1395470994)):  # of the standard law
        moments = (parts**power).mean(axis=1)
        assert abs(moments.mean() - truth) < 4 * moments.std() / np.sqrt(50)


def test_anisotropic_noise_is_larger_in_later_latents():
    found, _ = noise_of(anisotropy=2.0)
    ratio = found[..., 1].std() / found[..., 0].std()
    assert ratio == pytest.approx(2.0, abs=4 * 2 / np.sqrt(found[..., 0].size))


def test_correlated_latents_are_uniform_and_correlate_as_a_gaussian_copula():
    n = 6000
    _, x = noise_of(n, correlation=0.7)
    truth = 6 / np.pi * np.arcsin(0.35)  # of the uniform marginals
    assert abs(np.corrcoef(x.T)[0, 1] - truth) < 4 * (1 - truth**2) / np.sqrt(n)
    for own in x.T:
        counts = np.histogram(own, 10, (-0.5, 0.5))[0] / n
        assert (np.abs(counts - 0.1) < 4.5 * np.sqrt(0.09 / n)).all()
    _, x = noise_of(n)
    assert abs(np.corrcoef(x.T)[0, 1]) < 4 / np.sqrt(n)


def test_even_boundaries_are_a_tight_frame_and_random_ones_are_not():
    for n in (2, 3, 6, 24):
        c = normals("even", 2, n)
        np.testing.assert_allclose(c.T @ c, n / 2 * np.eye(2), atol=1e-12)
    c = normals("random", 2, 24)
    assert np.abs(c.T @ c - 12 * np.eye(2)).max() > 0.1
    np.testing.assert_allclose(np.linalg.norm(c, axis=1), 1)
    c = normals("orthogonal", 5, 3)
    np.testing.assert_allclose(c @ c.T, np.eye(3), atol=1e-12)


@pytest.mark.parametrize("target", ["running", "fixation_half", "end"])
def test_what_is_asked_before_the_decision(target):
    task = made("evidence", n_tasks=3, target=target, delay=2)
    trials = task.sample(5, rng())
    label = at_decision(task, trials)[:, None]
    asked = trials.mask.any(axis=(0, 2))
    evidence, delay = steps_of(task, "evidence"), steps_of(task, "delay")
    decision, fixation = steps_of(task, "decision"), steps_of(task, "fixation")
    when = {"running": ~fixation, "fixation_half": np.ones(24, bool), "end": decision}[target]
    np.testing.assert_array_equal(asked, when)
    assert (trials.mask == when[None, :, None]).all()
    if target == "running":
        assert (trials.targets[:, evidence | delay] == label).all()
    if target == "fixation_half":
        assert (trials.targets[:, ~decision] == 0.5).all()
    assert (trials.inputs[..., 0] == ~decision).all()


def test_products_of_latents_are_as_often_above_a_threshold_as_it_says():
    task = made("evidence", n_tasks=12, boundaries="multiply")
    n = 8000
    trials = task.sample(n, rng())
    labels = at_decision(task, trials)
    x, y = trials.conditions["x_1"], trials.conditions["x_2"]
    quadrant = 2 * (x > 0) + (y > 0)
    for q in range(4):
        inside = quadrant == q
        assert not labels[~inside, 3 * q : 3 * q + 3].any()
        for j, p in enumerate((0.75, 0.5, 0.25)):
            share = labels[inside, 3 * q + j].mean()
            assert abs(share - p) < 4.5 * np.sqrt(p * (1 - p) / inside.sum())
            cut = np.abs(x * y)[inside]
            above = labels[inside, 3 * q + j] == 1
            assert cut[above].min() > cut[~above].max()


def test_offsets_move_the_boundaries_by_their_sd():
    plain, moved = (made("evidence", n_tasks=200, offset_sd=s) for s in (0.0, 0.5))
    columns = {"x_1": np.zeros(1), "x_2": np.zeros(1)}  # the origin is on the side that b says
    share = at_decision(moved, moved.trials(columns, rng())).mean()
    assert not at_decision(plain, plain.trials(columns, rng())).any()
    assert abs(share - 0.5) < 4 * np.sqrt(0.25 / 200)


def test_free_responses_follow_the_sum_of_what_was_shown_until_it_first_reaches_the_bound():
    task = made("free-response", n_tasks=3, bound=1.5, noise=0.3)
    trials = task.sample(30, rng())
    angle = (np.arange(3) + 0.5) * np.pi / 3
    for shown_now, wanted in zip(trials.inputs, trials.targets, strict=True):
        for k in range(3):
            total, held = 0.0, None
            for t, x in enumerate(shown_now):
                total += -np.sin(angle[k]) * x[0] + np.cos(angle[k]) * x[1]
                if held is None and abs(total) >= 1.5:
                    held = np.sign(total) * 1.5
                assert wanted[t, k] == pytest.approx(total if held is None else held, abs=1e-5)
    assert (np.abs(trials.targets) == 1.5).any()
    assert (np.abs(trials.targets[:, -1]) < 1.5).any()


def test_evidence_warns_where_a_code_of_the_latents_need_not_form():
    with pytest.warns(UserWarning, match="1 boundaries span 1 of 2 latents"):
        made("evidence", n_tasks=1)
    for boundaries in (None, "multiply"):
        with pytest.warns(UserWarning, match="without noise") as caught:
            made("evidence", noise=0.0, boundaries=boundaries)
        assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made("evidence", n_tasks=2).enumerate(2)


# --- multitasking ---------------------------------------------------------------------------------


def separable(z, label):
    """Whether a plane has all of a class on one side: a linear programme."""
    from scipy.optimize import linprog

    sign = np.where(label > 0, 1.0, -1.0)
    rows = -sign[:, None] * np.c_[z, np.ones(len(z))]
    return linprog(np.zeros(z.shape[1] + 1), rows, -np.ones(len(z)), bounds=(None, None)).success


def test_planes_are_linear_and_chambers_and_contexts_are_not():
    task = networks.make_task("multitasking", n_latents=2, n_tasks=3, n_inputs=20, grid_tasks=4,
                              n_chambers=3)  # fmt: skip
    trials = task.sample(300, rng())
    z = np.stack([trials.conditions[f"z_{i}"] for i in (1, 2)], axis=1)
    labels = trials.targets[:, 0]
    assert all(separable(z, y) for y in labels[:, :3].T)
    assert not all(separable(z, y) for y in labels[:, 3:].T)
    third = np.searchsorted([-0.4307273, 0.4307273], z)  # thirds of a Gaussian
    for y in labels[:, 3:].T:
        of_cell = [set(y[(third == c).all(axis=1)]) for c in product(range(3), repeat=2)]
        assert all(len(colours) == 1 for colours in of_cell)
    task = networks.make_task("multitasking", n_latents=2, n_tasks=6, n_inputs=20, contextual=True)
    trials = task.sample(300, rng())
    z = np.stack([trials.conditions[f"z_{i}"] for i in (1, 2)], axis=1)
    assert not all(separable(z, y) for y in trials.targets[:, 0].T)


def test_an_eighth_of_four_chambers_is_constant_and_an_eighth_has_no_plane():
    n = 800
    task = made("multitasking", n_tasks=0, grid_tasks=n)
    z = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    trials = task.trials({"z_1": z[:, 0], "z_2": z[:, 1]}, rng())
    colours = trials.targets[:, 0].T
    plane = {tuple(y): separable(z, np.array(y)) for y in product((0, 1), repeat=4)}
    assert sum(plane.values()) == 14
    constant = np.mean([len(set(y)) == 1 for y in colours])
    for share in (constant, np.mean([not plane[tuple(y)] for y in colours])):
        assert abs(share - 1 / 8) < 4 * np.sqrt(7 / 64 / n)


def test_features_have_a_gaussian_kernel_of_the_length_asked_for():
    task = networks.make_task("multitasking", n_latents=3, n_inputs=4000, length_scale=1.5)
    trials = task.sample(12, rng())
    z = np.stack([trials.conditions[f"z_{i}"] for i in (1, 2, 3)], axis=1)
    kernel = trials.inputs[:, 0] @ trials.inputs[:, 0].T / 4000
    distance = ((z[:, None] - z) ** 2).sum(axis=-1)
    np.testing.assert_allclose(kernel, np.exp(-distance / (2 * 1.5**2)), atol=5 / np.sqrt(4000))


def test_orthogonal_planes_are_so_in_groups_and_one_label_hides_the_others():
    from neurogeom.networks.multitasking import _planes

    v = _planes("orthogonal", 3, 5, rng())
    np.testing.assert_allclose(v[:3] @ v[:3].T, np.eye(3), atol=1e-12)
    assert abs(v[3] @ v[4]) < 1e-12
    all_, one = (made("multitasking", n_tasks=4, labelled=k) for k in ("all", "one"))
    trials = one.sample(400, rng())
    assert (trials.mask.sum(axis=(1, 2)) == 1).all()
    np.testing.assert_array_equal(trials.mask[:, 0].argmax(axis=1), trials.conditions["labelled"])
    share = trials.mask.mean(axis=(0, 1))
    assert (np.abs(share - 0.25) < 4.5 * np.sqrt(0.25 * 0.75 / 400)).all()
    wanted = all_.trials(trials.conditions, rng()).targets
    asked = trials.mask > 0
    np.testing.assert_array_equal(trials.targets[asked], wanted[asked])
    assert np.isfinite(trials.targets).all()


# --- alignment of inputs with targets (theory.md 3.2) ---------------------------------------------


def geometry(task):
    """Condition means and targets of -1 and 1, in float64."""
    bits = np.array(list(product((-1, 1), repeat=len(task.variables))))
    columns = task.complete(dict(zip(task.variables, bits.T, strict=True)))
    return task.drives[0].value(columns), 2.0 * task.targets[0].value(columns) - 1


@pytest.mark.parametrize("scale", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("c", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_input_and_targets_have_the_alignment_asked_for(scale, c):
    for seed in range(4):
        task = made("input-target", n_bits=3, n_targets=3, alignment=c, scale=scale, dim=40,
                    means_seed=seed)  # fmt: skip
        x, y = geometry(task)
        assert cka.naive(x, y) == pytest.approx(c, abs=1e-10)
        assert (x**2).sum(axis=1) == pytest.approx(40)
        weights = parity_weights(7, 3, c, scale=scale, rng=rng(seed))
        assert weights.sum() == pytest.approx(1)
        assert weights.min() > -1e-12


@pytest.mark.parametrize("c", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_random_kernels_have_the_alignment_asked_for(c):
    for seed in range(6):
        for rank in (None, 2):
            task = made("random-kernel", n_bits=3, n_targets=2, alignment=c, max_rank=rank,
                        means_seed=seed)  # fmt: skip
            x, y = geometry(task)
            assert cka.naive(x, y) == pytest.approx(c, abs=1e-10)
            assert (x**2).sum() / 100 == pytest.approx(8)  # trace of the kernel
            assert np.abs(x.mean(axis=0)).max() < 1e-6  # roots of rounding


def test_signal_and_alignment_say_the_same():
    for signal, k in ((0.0, 1), (0.5, 1), (1.0, 2), (1.5, 2)):
        x, y = geometry(made("input-target", n_bits=2, n_targets=k, signal=signal))
        assert cka.naive(x, y) == pytest.approx(np.sqrt(signal * k / 3), abs=1e-10)


def test_xor_is_separable_by_as_much_as_asked_for():
    for separability in (0.0, 0.7):
        x, y = geometry(made("separable-xor", separability=separability))
        assert separable(x, y[:, 0]) is bool(separability)
        axis = y[:, 0] @ x / 4
        assert np.linalg.norm(axis) == pytest.approx(separability * np.sqrt(33))
        bit = np.array([-1, -1, 1, 1]) @ x / 4
        assert np.linalg.norm(bit) == pytest.approx(np.sqrt(33))


def test_three_kernels_cannot_have_any_three_alignments():
    """Their Gram determinant is not negative; three numbers at will can make it so."""

    def determinant(c, i, o):
        return 1 + 2 * c * i * o - c**2 - i**2 - o**2

    draws = rng()
    for _ in range(300):
        sizes = draws.integers(1, 6, size=3)
        x, y, z = (draws.standard_normal((6, n)) for n in sizes)
        if draws.random() < 0.5:
            z = np.c_[x * draws.random(), y * draws.random()]  # on the rim
        found = cka.naive(x, y), cka.naive(z, x), cka.naive(z, y)
        assert determinant(*found) >= -1e-9
    assert determinant(0.9, 0.9, 0.0) < 0


# --- the wrong rule -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("stay-shift", {}),
        ("stay-shift", {"previous": "remembered"}),
        ("reversal", {}),
        ("reversal", {"context": "inferred"}),
        ("contextual", {}),
    ],
)
def test_a_wrong_task_shows_the_same_bit_for_bit_and_asks_something_else(name, options):
    task = made(name, **options)
    wrong = networks.wrong_task(task)
    own, other = (t.sample(40, rng(5)) for t in (task, wrong))
    np.testing.assert_array_equal(own.inputs, other.inputs)
    np.testing.assert_array_equal(own.mask, other.mask)
    history = {"previous_response", "response"} if "previous" in options else set()
    for column in set(own.conditions) - history:  # that of responses is of those asked for
        np.testing.assert_array_equal(own.conditions[column], other.conditions[column])
    asked = own.mask > 0
    assert (own.targets[asked] != other.targets[asked]).mean() > 0.2


def test_the_wrong_rules_leave_out_what_makes_the_task():
    trials = networks.wrong_task(made("stay-shift")).enumerate(1)
    c = trials.conditions
    np.testing.assert_array_equal(at_decision(None, trials)[:, 0], c["previous_response"] == "B")
    trials = networks.wrong_task(made("reversal")).enumerate(1)
    wanted = [REVERSAL["one", s] for s in trials.conditions["stimulus"].tolist()]
    np.testing.assert_array_equal(
        at_decision(None, trials), [[a == "release", o == "none"] for o, a in wanted]
    )
    trials = networks.wrong_task(made("contextual")).enumerate(2)
    np.testing.assert_array_equal(
        at_decision(None, trials)[:, 0], trials.conditions["motion"] == "right"
    )


def test_who_always_stays_is_always_right_where_the_cue_is_to_be_ignored():
    task = made("stay-shift", previous="remembered", length=6)
    wrong = networks.wrong_task(task)
    own, other = (t.sample(300, rng()) for t in (task, wrong))
    stays = [by_sequence(t, "previous_response")[:, :1] == "B" for t in (own, other)]
    answers = [at_decision(t, s).reshape(300, 6) for t, s in ((task, own), (wrong, other))]
    assert (answers[1] == stays[1]).all()
    assert abs((answers[0] == stays[0])[:, 1:].mean() - 0.5) < 0.1
    np.testing.assert_array_equal(stays[0], stays[1])
    cells = {tuple(row) for row in zip(*[other.conditions[k] for k in task.variables], strict=True)}
    assert cells == set(product(*task.factors.values()))


@pytest.mark.parametrize("task", ["perceptual", "images"])
def test_a_task_without_a_wrong_rule_says_so(task):
    with pytest.raises(ValueError, match="names no wrong rule"):
        networks.wrong_task(made(task))


def test_a_rule_that_the_targets_do_not_feel_is_no_wrong_rule():
    with pytest.raises(ValueError, match="names no wrong rule"):
        networks.wrong_task(made("reversal", targets=("context",)))


# --- trials that follow one another ---------------------------------------------------------------


def by_sequence(trials, name):
    return trials.conditions[name].reshape(len(trials.inputs), -1)


def test_the_previous_response_is_the_last_and_shown_once():
    task = made("stay-shift", previous="remembered", noise=0.0, length=6)
    trials = task.sample(50, rng())
    assert trials.inputs.shape == (50, 6 * 26, 7)
    assert trials.per_sequence == 6
    previous, response = by_sequence(trials, "previous_response"), by_sequence(trials, "response")
    np.testing.assert_array_equal(previous[:, 1:], response[:, :-1])
    seen = trials.inputs[..., channels(task, ("previous",))].reshape(50, 6, 26, 2)
    assert not seen[:, 1:].any()
    assert (seen[:, 0, :2, 1] == (previous[:, 0] == "B")[:, None]).all()
    wanted = WANTED["stay-shift"](trials.conditions)
    np.testing.assert_array_equal(at_decision(task, trials)[:, 0], wanted)


def test_sequences_enumerate_every_condition_often_enough():
    task = made("stay-shift", previous="remembered")
    trials = task.enumerate(5)
    rows = list(zip(*[trials.conditions[k].tolist() for k in task.variables], strict=True))
    assert min(rows.count(cell) for cell in product(*task.factors.values())) >= 5
    assert len(rows) < 20 * 8


def test_a_condition_that_never_comes_in_a_sequence_is_named_at_once():
    drawn = []

    def sequence(rng, n, length):
        drawn.append(n)
        return {"side": rng.integers(2, size=(n, length))}

    task = own_task(sequence=sequence, length=4, factors={"side": (0, 1, 2)})
    with pytest.raises(ValueError, match="hardly ever makes a trial with side 2; drop a factor"):
        task.enumerate(20)
    assert sum(drawn) < 300 * drawn[0]
    rare = own_task(
        sequence=lambda rng, n, length: {"side": (rng.random((n, length)) < 0.05).astype(int)},
        length=4,
    )
    assert (rare.enumerate(20).conditions["side"] == 1).sum() >= 20


def test_a_reversal_turns_every_stimulus_and_is_not_judged_before_it_shows():
    task = made("reversal", context="inferred", hazard=0.2, length=12, noise=0.0)
    n = 300
    trials = task.sample(n, rng())
    c = trials.conditions
    for i in range(len(c["stimulus"])):
        outcome, action = REVERSAL[c["context"][i], c["stimulus"][i]]
        assert (outcome, action) == (c["outcome"][i], c["action"][i])
    context = by_sequence(trials, "context")
    changed = context[:, 1:] != context[:, :-1]
    assert abs(changed.mean() - 0.2) < 4 * np.sqrt(0.16 / changed.size)
    judged = trials.mask.reshape(n, 12, 8, 2).any(axis=(2, 3))
    assert not judged[:, 0].any()
    np.testing.assert_array_equal(judged[:, 1:], ~changed)
    for name, levels in (("action", ("hold", "release")), ("outcome", ("reward", "none"))):
        seen = trials.inputs[..., channels(task, (f"last_{name}",))].reshape(n, 12, 8, 2)
        before = by_sequence(trials, name)[:, :-1]
        assert not seen[:, 0].any()
        assert (seen[:, 1:, :2, 1] == (before == levels[1])[..., None]).all()
        assert (seen[:, 1:, :2].sum(axis=-1) == 1).all()
        assert not seen[:, :, 2:].any()


# --- durations ------------------------------------------------------------------------------------


def test_random_periods_are_uniform_in_ms_and_nothing_comes_after_the_trial():
    task = made("match-to-sample", noise=0.0)
    n = 4000
    trials = task.sample(n, rng())
    start = trials.decided.argmax(axis=1)
    assert (trials.decided.sum(axis=1) == 3).all()
    np.testing.assert_array_equal(trials.mask[..., 0] > 0, trials.decided)
    delay = start - 13  # after 300 ms, 500 ms, before 500 ms
    for steps, p in ((8, 1 / 8), (9, 1 / 4), (10, 1 / 4), (11, 1 / 4), (12, 1 / 8)):
        assert abs((delay == steps).mean() - p) < 4.5 * np.sqrt(p * (1 - p) / n)
    after = np.arange(trials.inputs.shape[1]) >= (start + 3)[:, None]
    assert not trials.inputs[after].any()
    test = np.arange(trials.inputs.shape[1]) == (start - 1)[:, None]
    assert (trials.inputs[test][:, 1:].max(axis=1) > 0.9).all()


def test_enumerated_trials_have_the_longest_periods_so_that_windows_hold():
    task = made("match-to-sample")
    trials = task.enumerate(2)
    assert (trials.decided == steps_of(task, "decision")).all()
    assert task.window("test") == (1.7, 2.2)


def test_times_are_centres_of_steps_from_the_event():
    task = made("reversal")
    assert task.time()[0] == pytest.approx(-0.75)
    assert np.diff(task.time()) == pytest.approx(0.1)
    assert len(task.time()) == 24
    assert task.window("stimulus") == (0.0, 0.5)
    assert task.window("delay") == (0.5, 1.4)
    assert task.window("cue") == (-0.8, -0.3)
    assert made("images").window("image") == (0.0, 0.1)
    with pytest.raises(ValueError, match="no period 'cure'; choose from"):
        task.window("cure")


def test_a_period_lasts_as_long_as_it_says():
    for name in networks.tasks():
        task = made(name)
        for period in task.periods:
            assert np.diff(task.window(period.name)) == pytest.approx(np.max(period.ms) / 1000)
    third = own_task(dt=100 / 3)  # rounding is no fraction of a step
    assert len(third.time()) == 9


# --- one network for several tasks ----------------------------------------------------------------


def shared():
    return networks.share([made("perceptual"), made("match-to-sample"), made("stay-shift")])


def test_shared_tasks_stand_in_the_same_channels_with_a_cue_of_their_own():
    both = shared()
    own = {"fixation": 1, "motion": 1, "ring": 16, "previous": 2, "cue": 4}
    assert both.inputs == own | {"rule": 3}
    assert both.outputs == {"choice": 1, "match": 1, "response": 1}
    trials = both.sample(600, rng())
    assert trials.inputs.shape[1] == len(made("match-to-sample").time())
    rule = trials.inputs[..., -3:]
    for k, name in enumerate(("perceptual", "match-to-sample", "stay-shift")):
        own = trials.conditions["task"] == name
        assert abs(own.mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / 600)
        steps = len(made(name).time())
        assert (rule[own, :steps] == np.eye(3)[k]).all()
        assert not rule[own, steps:].any()
        other = np.delete(trials.mask[own], k, axis=-1)
        assert not other.any()
        assert trials.mask[own].any(axis=(1, 2)).all()
        assert trials.decided[own].any(axis=1).all()
    assert not trials.inputs[trials.conditions["task"] == "perceptual"][..., 2:18].any()


def test_a_member_alone_is_its_task_in_the_shared_channels():
    both = shared()
    only, own = both.only("stay-shift"), made("stay-shift")
    a, b = only.enumerate(2, seed=3), own.enumerate(2, seed=3)
    where = channels(both, own.inputs)
    np.testing.assert_array_equal(a.inputs[:, :26, where], b.inputs)
    np.testing.assert_array_equal(a.targets[:, :26, 2:], b.targets)
    np.testing.assert_array_equal(a.mask[:, :26, 2:], b.mask)
    assert not a.mask[:, 26:].any()
    assert only.variables == own.variables
    assert len(only.time()) == a.inputs.shape[1]
    np.testing.assert_allclose(only.time()[:26], own.time())
    assert only.window("response") == own.window("response")
    np.testing.assert_array_equal(a.conditions["response"], b.conditions["response"])
    assert set(a.conditions["task"]) == {"stay-shift"}


def test_columns_that_a_task_has_not_are_empty_there():
    trials = shared().enumerate(2)
    of = trials.conditions["task"]
    assert np.isnan(trials.conditions["coherence"][of != "perceptual"]).all()
    assert np.isfinite(trials.conditions["coherence"][of == "perceptual"]).all()
    assert set(trials.conditions["rule"][of != "stay-shift"]) == {""}
    assert set(trials.conditions["rule"][of == "stay-shift"]) == {"stay", "shift"}
    assert (of == "perceptual").sum() == 24


# --- errors ---------------------------------------------------------------------------------------


def own_task(**options):
    given = {
        "name": "own",
        "summary": "",
        "periods": (networks.Period("a", 100), networks.Period("b", 200)),
        "inputs": {"x": 1},
        "outputs": {"y": 1},
        "factors": {"side": (0, 1)},
        "drives": (networks.Drive("x", ("a",)),),
        "targets": (networks.Target("y", ("b",)),),
    }
    return networks.Task(**{**given, **options})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: made("revers"), "no task 'revers'; did you mean 'reversal'"),
        (lambda: made("zzz"), "no task 'zzz'; choose from"),
        (lambda: made(5), "no task 5; choose from"),
        (lambda: made("perceptual", coherence=3), "no option 'coherence'; did .* 'coherences'"),
        (lambda: made("evidence", nois=0.1), "'evidence' has no option 'nois'; did .* 'noise'"),
        (lambda: made("evidence", zzz=1), "'evidence' has no option 'zzz'; choose from"),
        (lambda: made("stay-shift", previous="no"), "previous='no'"),
        (lambda: made("reversal", context="no"), "context='no'"),
        (lambda: made("reversal", targets=("action", "action")), "names one twice"),
        (lambda: made("evidence", target="late"), "target='late' is unknown"),
        (lambda: made("evidence", boundaries="odd"), "boundaries='odd' is unknown"),
        (lambda: made("evidence", boundaries=""), "boundaries='' is unknown"),
        (lambda: made("evidence", boundaries="multiply", offset_sd=0.3), "offset_sd=0.3 moves"),
        (lambda: made("evidence", n_latents=3, boundaries="even"), "are of 2 latents, not 3"),
        (lambda: made("evidence", boundaries="orthogonal"), "no 24 orthogonal boundaries"),
        (lambda: made("evidence", n_tasks=6, boundaries="multiply"), "a multiple of 4 tasks"),
        (lambda: made("evidence", noise_law="cauchy"), "noise_law='cauchy' is unknown"),
        (lambda: made("evidence", n_latents=3, correlation=-0.6), "cannot all correlate by -0.6"),
        (lambda: made("evidence", correlation=1.0), "cannot all correlate by 1.0"),
        (lambda: made("multitasking", normals="odd"), "normals='odd'"),
        (lambda: made("multitasking", n_tasks=0), "leave nothing to learn"),
        (lambda: made("input-target", signal=1.0, alignment=0.5), "not both"),
        (lambda: made("input-target", signal=5), "signal=5 is not .* number from 0 to 3$"),
        (lambda: made("input-target", n_targets=4), "n_targets=4 is not possible with 3"),
        (lambda: made("input-target", alignment=1.2), "alignment=1.2 is not .* from 0 to 1$"),
        (lambda: made("input-target", n_targets=3, alignment=0.5), "not possible with all 3"),
        (lambda: made("input-target", dim=2), "dim=2 is below the 3 directions"),
        (lambda: made("random-kernel", n_targets=7), "n_targets=7 leave no room among 7 parities"),
        (lambda: made("separable-xor", dim=10), "a multiple of 3"),
        (lambda: made("contextual", rule="colour"), "rule='colour' is unknown"),
        (lambda: made("images", targets=("colour",)), "'colour' of targets is unknown; choose"),
        (lambda: made("images", targets=([],)), r"\[\] of targets is unknown; choose from"),
        (lambda: made("stay-shift").enumerate(0), "n_trials=0 is not possible; give a whole"),
        (lambda: own_task(loss="l1"), "loss='l1' is unknown"),
        (lambda: own_task(dt=0), "dt=0 is not possible"),
        (lambda: own_task(length=0), "length=0 is not possible"),
        (lambda: own_task(drives=(networks.Drive("x", ("a",), noise=NAN),)), "noise=nan"),
        (lambda: own_task(drives=(networks.Drive("x", ("a",), noise=(0.1, -1)),)), "noise=-1"),
        (lambda: own_task(drives=(networks.Drive("x", ("a",), memory=NAN),)), "memory=nan"),
        (lambda: own_task(drives=(networks.Drive("x", ("a",), law="odd"),)), "law='odd'"),
        (lambda: own_task(targets=(networks.Target("y", ("b",), weight=-1),)), "weight=-1"),
        (lambda: own_task(align="c"), "no period 'c'"),
        (lambda: own_task(drives=(networks.Drive("x", ("c",)),)), "no period 'c'"),
        (lambda: own_task(drives=(networks.Drive("z", ("a",)),)), "no input 'z'"),
        (lambda: own_task(targets=(networks.Target("z", ("a",)),)), "no output 'z'"),
        (lambda: own_task(periods=(networks.Period("a", 20), networks.Period("b", 200))),
         "period 'a' of 20 ms is no whole .* steps of dt=100 ms; give 100 ms, or another dt"),
        (lambda: own_task(periods=(networks.Period("a", (300, 650)), networks.Period("b", 200))),
         "period 'a' of 650 ms is no whole .* steps of dt=100 ms; give 600 or 700 ms"),
        (lambda: own_task(periods=(networks.Period("a", (300,)), networks.Period("b", 200))),
         r"period 'a' of \(300,\) ms is not possible"),
        (lambda: own_task(periods=(networks.Period("a", NAN), networks.Period("b", 200))),
         "period 'a' of nan ms is not possible"),
        (lambda: own_task(dt=30.0), "period 'a' of 100 ms is no .* of dt=30 ms; give 90 or 120 ms"),
        (lambda: made("perceptual", stimulus=250), "'stimulus' of 250 ms is .* give 200 or 300 ms"),
        (lambda: made("contextual", stimulus=850.0), "'stimulus' of 850 ms is .* 800 or 900 ms"),
        (lambda: own_task(periods=(networks.Period("a", (300, 200)), networks.Period("b", 200))),
         r"period 'a' of \(300, 200\) ms is not possible"),
        (lambda: own_task(factors={"side": (0, 1)}, latents=lambda g, n: {"side": np.zeros(n)})
         .enumerate(2), "hardly ever makes a trial with side 1"),
        (lambda: networks.share([made("perceptual")]), "cannot share a network"),
        (lambda: networks.share(made("perceptual")), "cannot share a network"),
        (lambda: networks.share(["perceptual", "contextual"]), "'perceptual' is no task to share"),
        (lambda: networks.share("perceptual"), "'perceptual' is no task to share; pass what make_"),
        (lambda: networks.share({"a": made("perceptual"), "b": 5}), "5 is no task to share"),
        (lambda: networks.share([made("perceptual")] * 2), "two or more different names"),
        (lambda: networks.share([made("perceptual"), made("stay-shift", previous="remembered")]),
         "differ in length"),
        (lambda: networks.share([made("match-to-sample"), made("match-to-category", units=8)]),
         "input 'ring' has 16 channels in one task and 8"),
        (lambda: networks.share([made("perceptual"), own_task(inputs={"x": 1, "rule": 1})]),
         "an input named 'rule'"),
        (lambda: shared().only("reversal"), "no task 'reversal' is shared"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_in_one_sentence(call, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message) as caught:
            call()
    assert "\n" not in str(caught.value)


NO_NUMBER = ("abc", (0.5, 0.9), None, True, [])
BAD = {  # what an option of this kind is not, beside what is said of some alone
    "size": (-0.1, NAN, np.inf, *NO_NUMBER),
    "number": (NAN, -np.inf, *NO_NUMBER),
    "positive": (0, 0.0, -1, NAN, np.inf, *NO_NUMBER),
    "count": (0, -1, 1.5, 4.0, NAN, *NO_NUMBER),
    "from 0": (-1, 1.5, 2.0, NAN, *NO_NUMBER),
    "word": ("no", 3, None, True, ["even"]),
    "words": ("action", "shape", (), 3, None, ("zzz",)),
    "switch": ("no", "False", 1, 0, None),
}
OPTIONS = {  # {task: {option: kind}}; None where it is an option not to give it
    "stay-shift": {"noise": "size", "previous": "word", "rule": "word", "length": "count"},
    "reversal": {"context": "word", "targets": "words", "length": "count", "rule": "word",
                 "hazard": "positive", "noise": "size or none"},
    "evidence": {"n_latents": "count", "n_tasks": "count", "boundaries": "word or none",
                 "offset_sd": "size", "noise": "size", "noise_law": "word", "memory": "size",
                 "anisotropy": "size", "correlation": "number", "steps": "count",
                 "delay": "from 0", "target": "word", "boundaries_seed": "from 0"},
    "free-response": {"n_latents": "count", "n_tasks": "count", "noise": "size",
                      "bound": "positive", "steps": "count", "boundaries_seed": "from 0"},
    "multitasking": {"n_latents": "count", "n_tasks": "from 0", "n_inputs": "count",
                     "length_scale": "positive", "offset_sd": "size", "normals": "word",
                     "grid_tasks": "from 0", "n_chambers": "count", "contextual": "switch",
                     "labelled": "word", "tasks_seed": "from 0"},
    "input-target": {"n_bits": "count", "n_targets": "count", "signal": "size or none",
                     "alignment": "size or none", "scale": "size", "dim": "count",
                     "noise": "size", "means_seed": "from 0"},
    "random-kernel": {"n_bits": "count", "n_targets": "count", "alignment": "size",
                      "max_rank": "count or none", "scale": "positive", "dim": "count",
                      "noise": "size", "means_seed": "from 0"},
    "separable-xor": {"separability": "size", "dim": "count", "noise": "size",
                      "means_seed": "from 0"},
    "perceptual": {"noise": "size", "stimulus": "positive"},
    "contextual": {"strength": "positive", "noise": "size", "stimulus": "positive",
                   "rule": "word"},
    "match-to-sample": {"n_stimuli": "count", "noise": "size", "units": "count"},
    "match-to-category": {"n_stimuli": "count", "boundary": "number", "noise": "size",
                          "units": "count"},
    "images": {"targets": "words", "noise": "size", "jitter": "size", "side": "count"},
    "random-hierarchy": {"n_classes": "count", "n_symbols": "count", "n_rules": "count",
                         "n_levels": "count", "branching": "count", "noise": "size",
                         "rules_seed": "from 0"},
    "modular": {"modulus": "count", "operation": "word", "part": "word", "share": "positive",
                "noise": "size", "split_seed": "from 0"},
}  # fmt: skip
ALONE = [  # (task, option, value)
    ("evidence", "memory", 1.0), ("reversal", "hazard", 1), ("random-kernel", "alignment", 1.0),
    ("random-kernel", "n_bits", 1), ("reversal", "length", 1), ("separable-xor", "dim", 2),
    ("match-to-sample", "n_stimuli", 1),
    *(("perceptual", "coherences", v) for v in (5, (), "abc", (-20,), (3, 3), (101,), (NAN,),
                                                ("a",), (True,), {3.2: 1}, None)),
]  # fmt: skip


def refused():
    """{(task, option): values}."""
    found = {}
    for task, kinds in OPTIONS.items():
        for option, kind in kinds.items():
            kind, _, none = kind.partition(" or ")
            found[task, option] = [v for v in BAD[kind] if v is not None or not none]
    for task, option, value in ALONE:
        found.setdefault((task, option), []).append(value)
    return found


REFUSED = refused()


def test_every_option_of_every_task_is_checked():
    every = {(task, option) for task in networks.tasks() for option in networks.options_of(task)}
    assert set(REFUSED) == every


@pytest.mark.parametrize(("task", "option"), REFUSED)
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_option(task, option):
    for value in REFUSED[task, option]:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(ValueError, match=rf"^{option}\b|of {option} is unknown") as caught:
                networks.make_task(task, **{option: value})
        assert "\n" not in str(caught.value)


def test_numbers_of_other_kinds_are_numbers():
    task = made("evidence", n_tasks=np.int64(3), steps=np.int32(4), noise=np.float32(0.25), delay=0)
    assert task.n_outputs == 3
    assert len(task.time()) == 6
    assert task.enumerate(1).inputs.shape == (4, 6, 3)
    assert made("multitasking", contextual=np.bool_(True)).n_outputs == 10
    assert made("input-target", signal=3).enumerate(1).n_trials == 4
    assert made("perceptual", coherences=np.array([5, 50])).factors["coherence"] == (5.0, 50.0)
