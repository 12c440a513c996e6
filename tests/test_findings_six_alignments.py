"""The script of the six alignments: what it trains, what it judges, and what its README says.

That decay brings the six in small networks is in test_alignment.py; verdicts network by network are
in benchmarks/findings.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
FOLDER = Path(__file__).resolve().parent.parent / "benchmarks" / "findings"
sys.path.insert(0, str(FOLDER))

import six_alignments as six  # noqa: E402
import verdicts  # noqa: E402

MEASURED = FOLDER / "six_alignments.csv"
TINY = replace(six.WORLDS["connected"], steps=7, batch=6)
KINDS = [*six.WORLDS]


def nothing(module, x, y):
    """A loss from which nothing can be learnt."""
    return 0 * module(x).sum(dim=(1, 2, 3))


def table(of):
    """Of {(condition, statistic): two values}."""
    rows = [
        {"condition": c, "statistic": s, "seed": i, "value": v}
        for (c, s), found in of.items()
        for i, v in enumerate(found)
    ]
    return verdicts.Table(rows, 2)


# --- what is trained ------------------------------------------------------------------------------


def test_shrunk_weights_are_those_that_decay_makes_of_a_network_that_learns_nothing():
    _, stages = six.trained(replace(TINY, loss=nothing), [0, 1], 0.5, "")
    assert set(stages) == {"", "shrunk "}
    for name, value in stages[""].items():
        torch.testing.assert_close(stages["shrunk "][name], value)
        if name.endswith("weight"):
            assert value.abs().max() > 0


def test_decay_elsewhere_leaves_interior_layers_alone_and_shrinks_the_others_as_decay_does():
    world = replace(TINY, loss=nothing)
    everywhere = six.trained(world, [0], 0.5, "")[1][""]
    elsewhere = six.trained(world, [0], 0.5, "elsewhere")[1][""]
    first = six.trained(world, [0], 0, "")[1]["untrained "]
    for name in first:
        inside = any(name.startswith(layer) for layer in world.interior)
        torch.testing.assert_close(elsewhere[name], (first if inside else everywhere)[name])
    moved = [n for n in first if not torch.equal(first[n], elsewhere[n])]
    assert moved == ["core.layers.0.linear.weight", "readout.weight"]


@pytest.mark.parametrize("how", ["", "unpaired"])
def test_targets_of_other_trials_are_all_there_and_none_is_with_its_own(how):
    seen = []

    def draw(n, rng):
        own = np.arange(n).reshape(n, 1, 1) + rng.integers(1000)
        return np.repeat(own, 20, axis=2), np.repeat(own, 5, axis=2)

    def loss(module, x, y):
        seen.append((x[0, :, 0, 0], y[0, :, 0, 0]))
        return nothing(module, x, y)

    six.trained(replace(TINY, draw=lambda seed: draw, loss=loss), [0], 0.1, how)
    assert len(seen) == TINY.steps
    for x, y in seen:
        assert set(x.tolist()) == set(y.tolist())
        assert (x == y).all() if not how else (x != y).all()


def test_decay_and_no_decay_begin_alike_and_see_the_same_batches():
    batches = {}

    def loss(module, x, y):
        batches.setdefault(decay, []).append((x.clone(), y.clone()))
        return nothing(module, x, y)

    first = {}
    for decay in (0, 0.5):
        world = replace(TINY, loss=loss, steps=3)
        first[decay] = six.trained(world, [4], decay, "")[1]
    for one, other in zip(batches[0], batches[0.5], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    name = "core.layers.1.linear.weight"
    torch.testing.assert_close(first[0]["untrained "][name] * (1 - 0.025) ** 3,
                               first[0.5][""][name])  # fmt: skip


def test_a_string_is_predicted_from_the_symbols_before_and_their_places():
    x, y = six.strings(3)(50, np.random.default_rng(0))
    assert x.shape == (50, 7, 15)
    assert y.shape == (50, 7, 8)
    np.testing.assert_array_equal(x[:, 1:, :8], y[:, :-1])
    np.testing.assert_array_equal(x[..., 8:], np.broadcast_to(np.eye(7), (50, 7, 7)))
    np.testing.assert_array_equal(y.sum(axis=-1), 1)


def test_two_views_share_their_latents_and_nothing_else():
    a, b = six.views(0)(4000, np.random.default_rng(0))
    together = np.arctanh(a[:, 0]).T @ np.arctanh(b[:, 0]) / 4000
    s = np.linalg.svd(together, compute_uv=False)
    assert s[4] > 5 * s[5]  # five shared latents
    assert np.abs(np.corrcoef(a[:, 0].ravel(), np.roll(b, 1, axis=0)[:, 0].ravel())[0, 1]) < 0.03


def test_the_loss_of_views_is_the_cross_entropy_of_the_partner_both_ways():
    x, y = torch.randn(2, 6, 1, 4), torch.randn(2, 6, 1, 4)
    found = six.contrast(lambda both: both, x, y)
    for net in range(2):
        a, b = (v[net, :, 0] / v[net, :, 0].norm(dim=1, keepdim=True) for v in (x, y))
        each = [
            -(2 * q[i] @ k[i] - torch.logsumexp(2 * k @ q[i], dim=0))
            for q, k in ((a, b), (b, a))
            for i in range(6)
        ]
        assert found[net].item() == pytest.approx(torch.stack(each).mean().item(), abs=1e-6)


def test_losses_of_networks_that_say_nothing_are_those_of_chance():
    y = torch.eye(8)[torch.arange(24) % 8].view(1, 8, 3, 8)
    silent = torch.zeros_like
    assert six.next_symbol(silent, y, y).item() == pytest.approx(np.log(8))
    assert six.bits(silent, y[..., :3], y[..., :3]).item() == pytest.approx(3 * np.log(2))
    assert six.half_square(silent, y, y).item() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_judged_layers_are_neither_the_first_nor_the_last(kind):
    world = six.WORLDS[kind]
    nets = world.network.build(*world.sizes, seeds=[0])
    names = [m.name for m in six.networks.track_alignment(nets).maps]
    chosen = [m.name for m in six.networks.track_alignment(nets, list(world.interior)).maps]
    assert set(chosen) == set(names[1:-1])


def test_a_condition_has_the_six_their_mean_and_the_loss_of_every_net_and_stage():
    rows = six.measure("connected 0.005", [0, 5], quick=True)
    values = {(r.seed, r.statistic): r.value for r in rows}
    relations = ("a-RGA", "a-RWA", "a-GWA", "b-RGA", "b-RWA", "b-GWA")
    names = {f"{s}{n}" for s in ("", "shrunk ") for n in (*relations, "six", "excess", "loss")}
    assert set(values) == {(s, n) for s in (0, 5) for n in names}
    assert np.isfinite([*values.values()]).all()
    for seed in (0, 5):
        each = [values[seed, r] for r in relations]
        assert values[seed, "six"] == pytest.approx(np.mean(each))
    alone = {r.statistic: r.value for r in six.measure("connected 0.005", [5], quick=True)}
    assert alone["six"] == pytest.approx(values[5, "six"], abs=1e-4)


# --- what is judged -------------------------------------------------------------------------------


def test_a_gain_counts_above_the_untrained_and_the_undecayed_network_and_above_chance_too():
    of = {("k 0", "untrained six"): [0.3, 0.5], ("k 0", "six"): [0.4, 0.4],
          ("k 0", "untrained excess"): [0.1, 0.1], ("k 0", "excess"): [0.2, 0.2],
          ("k 0.005", "six"): [0.7, 0.7], ("k 0.005", "excess"): [0.6, 0.25],
          ("k elsewhere", "six"): [0.65, 0.1], ("k elsewhere", "excess"): [0.1, 0.1]}  # fmt: skip
    t = table(of)
    np.testing.assert_allclose(six.gain(t, "k"), [0.3, 0.05])
    np.testing.assert_allclose(six.gain(t, "k", of="0", another=1), [0.0, -0.1])
    np.testing.assert_allclose(six.own(t, "k"), [0.05, 0.15])


def test_a_rise_is_the_smallest_step_so_that_one_fall_is_enough_against_it():
    found = ([0.3, 0.3], [0.35, 0.5], [0.5, 0.4], [0.8, 0.9])
    of = {(f"connected {d:g}", "six"): v for d, v in zip(six.DECAYS, found, strict=True)}
    np.testing.assert_allclose(six.rise(table(of)), [0.05, -0.1])


def test_every_finding_looks_up_what_is_measured_and_none_passes_with_its_control():
    rows = verdicts.read(MEASURED)
    assert {r["condition"] for r in rows} == set(six.CONDITIONS)
    assert {int(r["seed"]) for r in rows} == set(range(six.MORE))
    assert np.isfinite([float(r["value"]) for r in rows]).all()
    for finding in six.FINDINGS:
        assert set(finding.needs) <= set(six.CONDITIONS)
        assert not verdicts.failed_controls(finding, rows)


def test_the_readme_has_the_verdicts_of_the_rows(capsys):
    verdicts.print_verdicts(six.FINDINGS, verdicts.read(MEASURED))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][1:]
    said = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert len(lines) == sum(1 + len(f.controls) for f in six.FINDINGS)
    assert "\n".join(lines) in said
