"""DIET: its loss, its head, its batches, and what it learns of digits."""

import math
import warnings

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import neurogeom as ng
from neurogeom.features import diet, probe
from neurogeom.features._diet_inputs import Batches, augmentation, indexed_rows
from neurogeom.features._diet_modules import (
    Convolutions,
    Indexed,
    full_loss,
    restricted_loss,
    varied_images,
    varied_rows,
)
from neurogeom.features.diet import effective_rank, smoothed_entropy
from neurogeom.stacked import MLP, streams

SMALL = {"layers": (16, 8), "batch": 20, "lr": 0.01, "device": "cpu"}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def rows_of(n=40, n_features=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, n_features)).astype(np.float32)


def stacked(n_data=50, n_nets=2, seed=0):
    own = streams(seed, n_nets, 1)
    return Indexed(MLP((6, 16, 8), own, batch_norm=True), n_data, 8, own)


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


# --- loss and head --------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_the_loss_is_that_of_torch_for_each_net(smoothing):
    module, x = stacked(), torch.from_numpy(rows_of(20))
    target = torch.from_numpy(np.random.default_rng(1).permutation(50)[:20])
    found = full_loss(module, (x, target, None), smoothing)
    own = nn.CrossEntropyLoss(label_smoothing=smoothing)
    for net in range(2):
        logits = module.features(x)[net] @ module.head[net].T
        assert float(found[net].detach()) == pytest.approx(
            float(own(logits, target).detach()), rel=1e-6
        )


def test_the_loss_of_an_untrained_head_is_the_logarithm_of_the_data_and_it_has_no_bias():
    """C4."""
    for module, x in (
        (stacked(500, 1), torch.from_numpy(rows_of(250))),
        (Indexed(Convolutions((1, 32, 64, 128), stream()), 500, 128, [stream(1)]),
         torch.rand((100, 1, 8, 8), generator=stream())),
    ):  # fmt: skip
        target = torch.arange(len(x))
        loss = float(full_loss(module, (x, target, None), 0.8).detach()[0])
        assert loss == pytest.approx(math.log(500), abs=0.1)
        assert [n for n, _ in module.named_parameters() if n.startswith("head")] == ["head"]
        assert module.head.shape[1:] == (500, module.features(x).shape[2])
        zero = module.features(x).detach() * 0
        assert (zero @ module.head.transpose(1, 2) == 0).all()


def test_no_loss_is_below_the_entropy_of_the_smoothed_target():
    n, smoothing = 7, 0.8
    target = torch.tensor([3])
    p = torch.full((1, n), smoothing / n)
    p[0, 3] += 1 - smoothing
    own = nn.CrossEntropyLoss(label_smoothing=smoothing)
    floor = smoothed_entropy(n, smoothing)
    assert floor == pytest.approx(float(own(p.log(), target)), rel=1e-5)
    assert floor < float(own(p.log() + 0.1 * torch.randn((1, n), generator=stream()), target))
    assert smoothed_entropy(1000, 0.8) == pytest.approx(6.021, abs=5e-4)
    assert smoothed_entropy(10, 1.0 - 1e-12) == pytest.approx(math.log(10))


def restricted(module, x, target, n_negatives, seed, smoothing=0.8):
    own = torch.unique(target)
    left = np.setdiff1d(np.arange(module.head.shape[1]), own)
    others = np.random.default_rng(seed).choice(left, n_negatives, replace=False)
    return restricted_loss(module, (x, target, (own, torch.from_numpy(others))), smoothing)


def test_with_all_negatives_the_restricted_head_is_the_full_one():
    module, x = stacked(60), torch.from_numpy(rows_of(20))
    target = torch.from_numpy(np.random.default_rng(2).integers(60, size=20))
    n_left = 60 - len(torch.unique(target))
    found, full = (
        restricted(module, x, target, n_left, 0),
        full_loss(module, (x, target, None), 0.8),
    )
    torch.testing.assert_close(found, full)
    found.sum().backward()
    gradient = module.head.grad.clone()
    module.head.grad = None
    full.sum().backward()
    torch.testing.assert_close(gradient, module.head.grad, atol=1e-6, rtol=1e-4)


def test_the_restricted_loss_comes_near_the_full_one_from_below_as_negatives_grow():
    module, x = stacked(400, 1), torch.from_numpy(rows_of(20))
    with torch.no_grad():
        module.head *= 6.0  # logits of some size, or nothing is biased
    target = torch.arange(20)
    full = float(full_loss(module, (x, target, None), 0.8).detach()[0])
    off, spread = [], []
    for n in (4, 32, 256):
        found = [float(restricted(module, x, target, n, s).detach()[0]) for s in range(200)]
        off.append(np.mean(found) - full)
        spread.append(np.std(found) / np.sqrt(200))
    assert off[0] < -3 * spread[0]
    assert abs(off[1]) < abs(off[0]) / 3
    assert abs(off[2]) < abs(off[0]) / 20 + 3 * spread[2]


# --- batches and augmentations --------------------------------------------------------------------


def batches(rows, datum=None, augment=None, n_negatives=None, batch=8, seed=3):
    from neurogeom.features import _diet_modules as parts

    rows, index, n = indexed_rows(rows, datum)
    vary = augmentation(torch, parts, rows, augment, "cpu")
    made = Batches(torch, torch.from_numpy(rows), index, n, batch, vary, seed, n_negatives)
    return made, vary, rows, index


def test_an_index_stays_with_its_row_whatever_the_shuffle():
    """C4."""
    datum = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 4)) * 3
    made, vary, rows, index = batches(rows_of(40), datum)
    assert np.array_equal(np.unique(datum)[index], datum)
    seen = []
    for step in range(10):  # two epochs
        x, target, _ = made(step)
        at = torch.cdist(x, vary.scaled(torch.from_numpy(rows))).argmin(1).numpy()
        assert (target.numpy() == index[at]).all()
        seen.append(at)
    assert sorted(np.concatenate(seen[:5])) == list(range(40))
    assert not np.array_equal(seen[:5], seen[5:])


def test_a_batch_depends_on_its_step_alone():
    made, other = (batches(rows_of(), augment="default", n_negatives=5)[0] for _ in range(2))
    later = made(7)
    for step in (3, 7):
        again = other(step)
    assert torch.equal(later[0], again[0])
    assert not torch.equal(made(3)[0], later[0])
    own, others = later[2]
    assert torch.equal(own, torch.unique(later[1]))
    assert len(others) == 5
    assert not set(own.tolist()) & set(others.tolist())


def test_thinned_counts_keep_their_mean_and_have_the_noise_of_losing_spikes():
    counts = torch.full((20_000, 2), 20.0)
    found = varied_rows(counts, {"thin": 0.5}, 0.0, 1.0, stream())
    # lost at p: variance 20 (1 - p) / p after division by p, and p is uniform from 0.5 to 1
    expected = 20 * (2 * math.log(2) - 1)
    assert float(found.mean()) == pytest.approx(20, abs=0.1)
    assert float(found.var()) == pytest.approx(expected, rel=0.05)


def test_dropout_gain_and_noise_are_of_the_strength_asked_for():
    centre, spread = torch.tensor([5.0, 1.0]), torch.tensor([2.0, 0.5])
    x = torch.tensor([[9.0, 2.0]]).expand(20_000, 2)
    lost = varied_rows(x, {"dropout": 0.3}, centre, spread, stream())
    assert float((lost == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert (lost[lost != 0] == 2).all()
    gain = varied_rows(x, {"gain": 0.1}, centre, spread, stream()) * spread + centre
    assert float((gain / x).log().std()) == pytest.approx(0.1, abs=0.003)
    torch.testing.assert_close(gain[:, 0] / 9, gain[:, 1] / 2)  # of the trial, not of the neuron
    noise = varied_rows(x, {"noise": 0.2}, centre, spread, stream())
    assert float(noise.std(0)[1]) == pytest.approx(0.2, abs=0.005)


def test_images_are_turned_moved_and_scaled_by_no_more_than_asked_for():
    image = torch.zeros((1, 1, 33, 33))
    image[..., 15:18, 24:27] = 1.0  # 9 pixels right of the middle
    y, x = np.mgrid[-16:17, -16:17]

    def centres(strengths, n=400):
        found = varied_images(image.expand(n, 1, 33, 33), strengths, 0.0, 1.0, stream()).numpy()
        mass = found[:, 0] / found[:, 0].sum(axis=(1, 2), keepdims=True)
        return (mass * x).sum(axis=(1, 2)), (mass * y).sum(axis=(1, 2))

    right, down = centres({"rotate": 30.0})
    np.testing.assert_allclose(np.hypot(right, down), 9, atol=0.15)
    turned = np.degrees(np.arctan2(down, right))
    assert 28 < np.abs(turned).max() < 31
    assert abs(turned.mean()) < 3
    right, down = centres({"shift": 0.2})
    assert 3.1 < np.abs(right - 9).max() < 3.4  # of half a side, 16.5
    assert 3.1 < np.abs(down).max() < 3.4
    right, down = centres({"scale": 0.2})
    assert np.abs(down).max() < 0.01
    assert 7.1 < right.min() < 7.4
    assert 10.6 < right.max() < 10.9
    plain = varied_images(image, {}, 0.0, 2.0, stream())
    torch.testing.assert_close(plain, image / 2)


# --- what is learnt -------------------------------------------------------------------------------


def test_a_net_is_the_same_alone_and_among_others_and_goes_the_same_way_again():
    x = rows_of()
    three, one = (diet(x, n_nets=n, epochs=3, seed=5, **SMALL) for n in (3, 1))
    assert three.results.sizes["net"] == 3
    np.testing.assert_allclose(three.transform(x, net=0), one.transform(x), atol=1e-5)
    assert not np.allclose(three.transform(x, net=1), one.transform(x), atol=1e-2)
    again = diet(x, n_nets=3, epochs=3, seed=5, **SMALL)
    assert again.results.drop_attrs().identical(three.results.drop_attrs())


def test_the_rows_of_the_head_of_two_copies_of_a_datum_converge():
    """C5: not so those of any two data."""
    x = rows_of(30)
    x[1] = x[0]
    found = diet(x, epochs=150, augment={"noise": 0.1}, seed=1, **{**SMALL, "batch": 30})
    head = found.module.head[0].detach()
    distance = torch.cdist(head, head)
    others = distance[~torch.eye(30, dtype=bool)]
    untrained = diet(x, epochs=0, seed=1, **SMALL).module.head[0].detach()
    assert float(distance[0, 1]) < 0.15 * float(others.median())
    assert float(torch.dist(*untrained[:2])) > 0.5 * float(torch.cdist(untrained, untrained).mean())


def test_repeats_as_augmentation_find_what_they_share():
    """Noise along two axes is loud, data differ along two others: their ratio decides."""
    rng = np.random.default_rng(3)
    z, turn = rng.standard_normal((60, 2)), np.linalg.qr(rng.standard_normal((8, 8)))[0]
    datum = np.repeat(np.arange(60), 4)
    noise = rng.standard_normal((240, 8)) * [0.3, 0.3, 3, 3, 0.3, 0.3, 0.3, 0.3]
    x = (np.pad(z[datum], ((0, 0), (0, 6))) + noise) @ turn
    new = rng.standard_normal((200, 2))
    x_new = (np.pad(new, ((0, 0), (0, 6))) + noise[:200]) @ turn
    learnt, drawn = (
        diet(x, datum=datum, augment=None, epochs=n, seed=0, layers=(64, 3), batch=60, lr=0.01,
             device="cpu")
        for n in (40, 0)
    )  # fmt: skip
    assert learnt.results.attrs["n_data"] == 60

    def r2(found):
        return float(probe(found.transform(x), z[datum, 0], found.transform(x_new), new[:, 0])
                     .estimate)  # fmt: skip

    assert r2(learnt) > r2(drawn) + 0.25


def test_activity_is_taken_as_it_is_and_results_say_how_they_came_about():
    counts = np.random.default_rng(0).poisson(5, (30, 7))
    x = ng.from_arrays(counts, trial={"image": np.repeat(np.arange(10), 3)}, session="one")
    found = diet(x, datum="image", epochs=2, **{**SMALL, "batch": 15})
    assert found.results.attrs["n_data"] == 10
    assert "thin" in found.results.attrs["augment"]
    assert found.transform(x).shape == (30, 8)
    assert found.augmented(counts, seed=1).shape == (30, 7)
    assert found.results.history.sizes == {"net": 1, "step": 2}
    assert 1 <= float(found.results.effective_rank[0]) <= 8


def test_augmented_rows_come_back_in_the_units_of_the_inputs():
    x = rows_of() * 10 + 50
    found = diet(x, epochs=0, augment={"noise": 1e-4}, **SMALL)
    np.testing.assert_allclose(found.augmented(x), x, atol=0.01)
    assert not np.array_equal(found.augmented(x, seed=1), found.augmented(x, seed=2))


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_the_effective_rank_of_white_features_is_their_number(rank):
    q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((50, rank)) - 0.0)
    q = np.linalg.qr(q - q.mean(axis=0))[0]
    assert effective_rank(q @ np.linalg.qr(rows_of(6, 6).astype(float))[0][:rank]) == pytest.approx(
        rank)  # fmt: skip
    for constant in (0.0, 1.0, 0.1):  # the mean of 0.1 is off by rounding
        assert effective_rank(np.full((10, 3), constant)) == 0.0


def test_a_module_of_ones_own_is_a_backbone():
    own = nn.Sequential(nn.Linear(6, 5), nn.Tanh())
    found = diet(rows_of(), network=own, epochs=1, batch=20, device="cpu")
    assert found.transform(rows_of()).shape == (40, 5)
    assert found.results.attrs["network"] == "Sequential"


def test_a_module_of_ones_own_is_left_as_it_was():
    """Weights, running moments and the mode of each of its parts."""
    own = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5))
    own[1].eval()
    before = {name: value.clone() for name, value in own.state_dict().items()}
    found = diet(rows_of(), network=own, epochs=1, batch=20, device="cpu")
    assert all(torch.equal(before[name], value) for name, value in own.state_dict().items())
    assert not torch.equal(found.module.backbone[0].weight, own[0].weight)
    assert [part.training for part in own.modules()] == [True, True, False, True]
    assert all(p.grad is None for p in own.parameters())


def test_labels_and_features_are_those_of_the_trials_in_the_order_they_were_given():
    x, datum = rows_of(), np.repeat(np.arange(10), 4)
    order, turned = (np.random.default_rng(0).permutation(n) for n in (40, 6))
    sorted_ = ng.from_arrays(x, trial={"image": datum}, session="one")
    mixed = sorted_[order, turned]
    a, b, c = (
        diet(given, datum=own, epochs=2, **SMALL)
        for given, own in ((sorted_, "image"), (mixed, "image"), (mixed, datum[order]))
    )
    assert a.results.drop_attrs().identical(b.results.drop_attrs())
    assert a.results.drop_attrs().identical(c.results.drop_attrs())
    np.testing.assert_array_equal(a.transform(x)[order], a.transform(mixed))
    np.testing.assert_array_equal(a.transform(mixed), a.transform(mixed.T))
    assert a.augmented(mixed.T).shape == (40, 6)


@pytest.mark.parametrize("unit", [1e-30, 1e-20, 1e20, 1e37])
def test_units_change_nothing(unit):
    x = rows_of().astype(float)
    options = {"augment": {"noise": 0.1}, "epochs": 1, **SMALL}
    expected, found = diet(x, **options), diet(x * unit, **options)
    np.testing.assert_allclose(found.transform(x * unit), expected.transform(x), atol=0.01)


def test_silent_neurons_and_augmentations_of_ones_own_do_no_harm():
    x = rows_of()
    x[:, 0] = 4.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = diet(x, augment=lambda z, stream: z.flip(1), epochs=2, **SMALL)
    np.testing.assert_allclose(found.transform(x), found.transform(x + 0.0))
    assert np.isfinite(found.results.loss).all()


# --- bad input ------------------------------------------------------------------------------------


def test_what_is_not_possible_is_said_in_one_sentence():
    x, image = rows_of(), np.zeros((20, 8, 8))
    lost = x.copy()
    lost[3, 2] = np.nan
    holes = [1.0, np.nan] * 20
    timed = ng.from_arrays(np.ones((4, 2, 3)), time=[0.0, 0.1, 0.2])
    for given, options, words in (
        (lost, {}, "not all finite"),
        (x[0], {}, "shape"),
        (x, {"datum": np.zeros(40)}, "no other to be told from"),
        (x, {"datum": np.zeros(3)}, "3 entries but there are 40 rows; give one value a row"),
        (x, {"datum": holes}, "datum is missing in 20 rows; leave those rows out"),
        (x, {"datum": ["a", None] * 20}, "datum is missing in 20 rows"),
        (ng.from_arrays(x, trial={"a": holes}), {"datum": "a"}, "datum is missing in 20 rows"),
        (x, {"datum": "image"}, "names a column of the trials, and inputs are no DataArray"),
        (x, {"datum": ["a", 1] * 20}, "holds numbers and text"),
        (x + 1j, {}, "inputs must be an array of real numbers, not of complex64"),
        (x.astype(str), {}, "not of <U"),
        ([[1, 2], [3]], {}, "not rows of different lengths"),
        (x.astype(float) * 1e39, {}, "inputs reach .* give them in larger units"),
        (x.astype(float) + 1e8, {}, "vary by too little for single precision beside their size"),
        (timed, {}, "time bins"),
        (image, {}, "'mlp' takes"),
        (x, {"network": "conv"}, "'conv' takes images"),
        (x, {"network": "resnet"}, "network='resnet'"),
        (image, {"network": "conv", "n_nets": 2}, "'mlp' alone"),
        (x, {"network": nn.Linear(6, 4), "layers": (4,)}, "layers has no effect"),
        (x, {"network": nn.Flatten(0)}, "must map"),
        (x, {"network": nn.Linear(5, 4)}, r"Linear fails on rows of shape \(6,\) .* shapes cannot"),
        (x, {"augment": {"rotate": 3.0}}, "'rotate' of augment is unknown"),
        (x, {"augment": {"thin": 0.5}}, "no counts"),
        (x, {"augment": {"dropout": 1.0}}, "dropout=1.0"),
        (x, {"augment": "strong"}, "augment='strong'"),
        (x, {"augment": 3}, "augment=3 is not possible; give 'default', None, a callable"),
        (x, {"augment": lambda z, stream: z[:, :3]}, r"augment fails on rows of shape \(20, 6\)"),
        (x, {"augment": lambda z, stream: z[:5]}, "augment gave 5 rows of 20"),
        (x, {"augment": lambda z, stream: z / 0}, "or some that are not finite"),
        (x, {"label_smoothing": 1.0}, "label_smoothing=1.0"),
        (x, {"head": "sparse"}, "head='sparse'"),
        (x, {"n_negatives": 5}, "no effect on a full head"),
        (x, {"batch": 1}, "batch=1"),
        (x, {"epochs": 1.5}, "epochs=1.5"),
        (x, {"layers": (8, 0)}, "layers=0"),
        (x, {"layers": 8}, "layers=8 is not possible; give the units"),
        (x, {"layers": ()}, "layers=\\(\\) is not possible"),
        (x, {"device": "gpu"}, "device 'gpu'"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            diet(given, **{"device": "cpu", "epochs": 1, "batch": 20, **options})
    found = diet(x, epochs=0, **SMALL)
    with pytest.raises(ValueError, match="same features"):
        found.transform(x[:, :3])
    with pytest.raises(ValueError, match="name them \\('trial', 'neuron'\\)"):
        found.transform(xr.DataArray(x, dims=("row", "feature")))
    with pytest.raises(ValueError, match="time bins"):
        found.transform(timed)
    with pytest.raises(ValueError, match="seed=-1"):
        found.augmented(x, seed=-1)
    with pytest.raises(ValueError, match="net=1"):
        found.transform(x, net=1)


# --- digits ---------------------------------------------------------------------------------------

N_TRAIN, EPOCHS = 1000, 100


def digits(seed):
    """Images to learn from and others, with their classes."""
    from sklearn.datasets import load_digits

    found, order = load_digits(), np.random.default_rng(seed).permutation(1797)
    x, y = found.images[order], found.target[order]
    return x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:]


def read(train, y, test, y_test):
    """Accuracy of all labels, and of five a class."""
    return [float(probe(train, y, test, y_test, per_class=n).estimate) for n in (None, 5)]


@pytest.mark.slow
def test_features_of_digits_survive_augmentations_and_without_these_they_do_not():
    """C2, C3: medians of three data seeds, 100 epochs; augmented test, all labels and five."""
    gains, without, plain = [], [], []
    for seed in (0, 1, 2):
        x, y, x_test, y_test = digits(seed)
        nets = {
            name: diet(x, network="conv", seed=seed, device="cpu", **{"epochs": EPOCHS, **own})
            for name, own in (
                ("diet", {}), ("random", {"epochs": 0}), ("unaugmented", {"augment": None})
            )
        }  # fmt: skip
        moved = nets["diet"].augmented(x_test, seed=seed)
        found = {name: np.array(read(net.transform(x), y, net.transform(moved), y_test))
                 for name, net in nets.items()}  # fmt: skip
        flat = [a.reshape(len(a), -1) for a in (x, moved)]
        found["raw"] = np.array(read(flat[0], y, flat[1], y_test))
        gains.append(found["diet"] - np.maximum(found["raw"], found["random"]))
        without.append(found["diet"] - found["unaugmented"])
        net = nets["diet"]
        plain.append(read(net.transform(x), y, net.transform(x_test), y_test)[0])
        assert net.results.loss_floor < net.results.loss[0] < net.results.loss_chance
    print(gains, without, plain)  # shown where a threshold is missed
    assert (np.median(gains, axis=0) >= [0.3, 0.35]).all()
    assert (np.median(without, axis=0) >= 0.2).all()
    assert np.median(plain) >= 0.96


@pytest.mark.slow
def test_a_restricted_head_learns_what_the_full_one_does():
    """Tenth of the negatives: two probes of digits within 0.05, as seeds differ."""
    x, y, x_test, y_test = digits(0)
    accuracy = []
    for own in ({}, {"head": "restricted", "n_negatives": 100}):
        net = diet(x, network="conv", seed=0, epochs=40, device="cpu", **own)
        moved = net.augmented(x_test, seed=0)
        accuracy.append(read(net.transform(x), y, net.transform(moved), y_test)[0])
    assert abs(accuracy[0] - accuracy[1]) < 0.05
