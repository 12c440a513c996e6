"""Networks with a leading net axis, against torch's own modules, loops over nets, closed forms."""

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from scipy import special  # noqa: E402

from neurogeom.networks import activation, architectures, modules, recurrent  # noqa: E402
from neurogeom.networks.activations import NAMES, parsed  # noqa: E402
from neurogeom.networks.architectures import (  # noqa: E402
    GRU,
    LSTM,
    MLP,
    RNN,
    Convolutional,
    Transformer,
)
from neurogeom.stacked import torch_function  # noqa: E402

NAN = float("nan")
torch.set_num_threads(1)
functional = torch.nn.functional
KINDS = {
    "mlp": MLP(hidden=(7, 5)),
    "rnn": RNN(hidden=6),
    "gru": GRU(hidden=6),
    "lstm": LSTM(hidden=6),
    "transformer": Transformer(hidden=8, heads=2, layers=2),
    "conv": Convolutional(channels=(3, 4), hidden=6),
}


def n_in(kind):
    return 25 if kind == "conv" else 4


def built(kind, seeds=(0, 1, 2), **options):
    return KINDS[kind].build(n_in(kind), 2, seeds=seeds, **options)


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def close(a, b, tolerance=1e-5):
    torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


# --- against torch's own --------------------------------------------------------------------------


def from_core(core, net, peer):
    """Copy a net's weights into torch's module; its second bias is 0 but for a GRU's candidate."""
    with torch.no_grad():
        peer.weight_ih_l0.copy_(core.weight_in[net].T)
        peer.weight_hh_l0.copy_(core.weight[net].T)
        peer.bias_ih_l0.copy_(core.bias[net, 0])
        peer.bias_hh_l0.zero_()
        if hasattr(core, "bias_candidate"):
            peer.bias_hh_l0[2 * core.units :] = core.bias_candidate[net, 0]
    return peer


@pytest.mark.parametrize("kind", ["rnn", "tanh", "gru", "lstm"])
def test_recurrent_cores_are_those_of_torch_and_so_are_their_gradients(kind):
    settings = {
        "rnn": (RNN(hidden=6), torch.nn.RNN(4, 6, nonlinearity="relu", batch_first=True)),
        "tanh": (RNN(hidden=6, activation="tanh"), torch.nn.RNN(4, 6, batch_first=True)),
        "gru": (GRU(hidden=6, memory=0.0), torch.nn.GRU(4, 6, batch_first=True)),
        "lstm": (LSTM(hidden=6, memory=0.0), torch.nn.LSTM(4, 6, batch_first=True)),
    }
    ours, peer = settings[kind]
    module = ours.build(4, 2, seeds=(3, 5))
    x = drawn(2, 5, 9, 4)
    found = module.core(x)
    assert found.shape == (2, 5, 9, 6)
    found.square().sum().backward()
    for net in range(2):
        from_core(module.core, net, peer)
        peer.zero_grad()
        wanted = peer(x[net])[0]
        close(found[net], wanted)
        wanted.square().sum().backward()
        close(module.core.weight.grad[net], peer.weight_hh_l0.grad.T)
        close(module.core.weight_in.grad[net], peer.weight_ih_l0.grad.T)
        close(module.core.bias.grad[net, 0], peer.bias_ih_l0.grad)


def test_the_lstm_of_torch_and_its_steps_one_by_one_are_the_same():
    core = built("lstm").core
    x = drawn(3, 5, 9, 4)
    close(core(x), recurrent.Recurrent.forward(core, x))


def test_a_step_of_one_net_is_a_step_of_its_run():
    for kind in ("rnn", "gru", "lstm"):
        core = built(kind, seeds=(1,)).core
        x = drawn(1, 5, 4, 4)
        states = core(x)
        state = torch.zeros(5, 6 * (1 + (kind == "lstm")))
        for t in range(4):
            state = core.step(x[0, :, t], state)
            close(state[:, :6], states[0, :, t])


def test_first_biases_remember_by_as_much_as_asked_for():
    for kind in (GRU, LSTM):
        a, b = (kind(hidden=6, memory=m).build(4, 1).core.bias.detach() for m in (0.0, 3.0))
        close(b - a, torch.zeros(1, 1, a.shape[-1]).index_fill(-1, torch.arange(6, 12), 3.0))


def test_a_leaky_network_moves_a_share_of_the_way_and_one_that_does_not_leak_adds_it():
    x = drawn(1, 3, 6, 4)
    for leaky in (True, False):
        core = RNN(hidden=6, activation="tanh", alpha=0.3, leaky=leaky).build(4, 1).core
        w_in, w, b = (p[0].detach() for p in (core.weight_in, core.weight, core.bias))
        r = torch.zeros(3, 6)
        for t in range(6):
            r = (0.7 if leaky else 1.0) * r + 0.3 * torch.tanh(x[0, :, t] @ w_in + r @ w + b)
            close(core(x)[0, :, t].detach(), r)


def test_a_perceptron_is_its_layers_one_after_another():
    module = MLP(hidden=(7, 5), activation="tanh").build(4, 2, seeds=(0, 1))
    x = drawn(5, 3, 4)
    found = module(x)
    for net in range(2):
        z = x
        for layer in module.core.layers:
            z = torch.tanh(z @ layer.linear.weight[net] + layer.linear.bias[net])
        close(found[net], z @ module.readout.weight[net] + module.readout.bias[net])


def test_convolutions_are_plain_ones_net_by_net():
    module = built("conv")
    x = drawn(3, 4, 2, 25)
    found = module(x)
    for net in range(3):
        z = x[net].reshape(8, 1, 5, 5)
        for layer in module.core.maps:
            z = torch.relu(functional.conv2d(z, layer.weight[net], layer.bias[net], 2, 1))
        last = module.core.layers[0].linear
        z = torch.relu(z.reshape(4, 2, -1) @ last.weight[net] + last.bias[net])
        close(found[net], z @ module.readout.weight[net] + module.readout.bias[net])


def test_attention_is_that_of_torch():
    module = built("transformer", seeds=(4,))
    own = module.core.blocks[0].attention
    peer = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        peer.in_proj_weight.copy_(own.ask.weight[0].T)
        peer.in_proj_bias.copy_(own.ask.bias[0, 0])
        peer.out_proj.weight.copy_(own.leave.weight[0].T)
        peer.out_proj.bias.copy_(own.leave.bias[0, 0])
    x = drawn(5, 7, 8)
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    close(own(x[None])[0], peer(x, x, x, attn_mask=later)[0])


def test_a_block_is_the_pre_normalised_one_of_torch():
    module = built("transformer", seeds=(4, 5))
    block = module.core.blocks[0]
    peer = torch.nn.TransformerEncoderLayer(
        8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True
    )
    x = drawn(2, 5, 7, 8)
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    found = block(x)
    for net in range(2):
        with torch.no_grad():
            peer.self_attn.in_proj_weight.copy_(block.attention.ask.weight[net].T)
            peer.self_attn.in_proj_bias.copy_(block.attention.ask.bias[net, 0])
            peer.self_attn.out_proj.weight.copy_(block.attention.leave.weight[net].T)
            peer.self_attn.out_proj.bias.copy_(block.attention.leave.bias[net, 0])
            peer.linear1.weight.copy_(block.widen.linear.weight[net].T)
            peer.linear1.bias.copy_(block.widen.linear.bias[net, 0])
            peer.linear2.weight.copy_(block.narrow.weight[net].T)
            peer.linear2.bias.copy_(block.narrow.bias[net, 0])
        close(found[net], peer(x[net], src_mask=later))


@pytest.mark.parametrize("kind", ["transformer", "rnn", "gru", "lstm"])
def test_later_inputs_never_change_earlier_outputs_and_earlier_ones_change_later(kind):
    module = built(kind)
    x = drawn(2, 8, 4)
    other = x.clone()
    other[:, 5:] += 1
    a, b = module(x), module(other)
    assert torch.equal(a[:, :, :5], b[:, :, :5])
    assert not torch.equal(a[:, :, 5:], b[:, :, 5:])
    other = x.clone()
    other[:, :1] += 1
    assert ((module(other) - a).abs().amax(dim=(0, 1, 3)) > 0)[1:].all()


def test_a_perceptron_has_no_memory_and_a_transformer_no_positions():
    x = drawn(2, 8, 4)
    turned = x.flip(1)
    close(built("mlp")(turned), built("mlp")(x).flip(2), 1e-6)
    module = Transformer(hidden=8, heads=2).build(4, 2)  # of two layers, the first knows the order
    last = module(x)[:, :, -1]
    mixed = x[:, [3, 1, 0, 2, 6, 5, 4, 7]]
    close(module(mixed)[:, :, -1], last)


# --- several nets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_feels_no_other_and_its_member_is_the_same(kind):
    module = built(kind)
    x = drawn(3, 5, n_in(kind))
    before = module(x)
    assert before.shape == (3, 3, 5, 2)
    for i in (0, -1):
        close(module.member(i)(x)[0], before[i], 1e-6)
    assert module.member(1).n_nets == 1
    assert module.member(-1).seeds == (2,)
    with pytest.raises(IndexError):
        module.member(3)
    with torch.no_grad():
        for p in module.parameters():
            p[1] += 0.3 * torch.randn(p[1].shape, generator=torch.Generator().manual_seed(0))
    after = module(x)
    assert torch.equal(after[[0, 2]], before[[0, 2]])
    assert not torch.allclose(after[1], before[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_with_a_seed_is_the_same_alone_and_among_others(kind):
    among, alone = built(kind, seeds=(8, 3, 5)), built(kind, seeds=(5,))
    for name, value in alone.state_dict().items():
        assert torch.equal(among.state_dict()[name][2], value[0]), name
    other = built(kind, seeds=(6,)).readout.weight
    assert not torch.equal(other, alone.readout.weight)
    again = built(kind, seeds=(5,))
    assert torch.equal(again.readout.weight, alone.readout.weight)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_of_each_net_or_the_same_for_all(kind):
    module = built(kind)
    x = drawn(3, 5, n_in(kind))
    torch.testing.assert_close(module(x), module(torch.stack([x] * 3)))
    each = torch.stack([x, x + 1, x - 1])
    close(module(each)[2], module(x - 1)[2], 1e-6)


def test_drawing_weights_leaves_the_global_stream_alone():
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    built("gru")
    assert torch.equal(torch.rand(1), wanted)


def test_first_weights_have_the_spread_of_torch_or_of_a_gaussian():
    weights = MLP(hidden=(300,)).build(100, 1).core.layers[0].linear.weight.detach()
    assert weights.abs().max() <= 0.1
    assert abs(float(weights.std()) * math.sqrt(300) - 1) < 4 / math.sqrt(2 * 30_000)
    own = MLP(hidden=(300,), init="normal").build(100, 1).core.layers[0].linear.weight.detach()
    assert abs(float(own.std()) * 10 - 1) < 4 / math.sqrt(2 * 30_000)
    assert own.abs().max() > 0.3
    core = RNN(hidden=100).build(3, 1).core
    assert max(float(p.detach().abs().max()) for p in core.parameters()) <= 0.1


def test_states_of_nets_are_taken_and_put_back():
    module = built("gru")
    own = module.net_state(1)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    with torch.no_grad():
        for p in module.parameters():
            p += 1
    assert own["readout.weight"].shape == (6, 2)
    module.load_net_state(1, own)
    for name, value in module.state_dict().items():
        assert torch.equal(value[1], before[name][1])
        assert torch.equal(value[0], before[name][0] + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_clipped_net_by_net_as_by_torch(kind):
    module = built(kind)
    alone = [module.member(i) for i in range(3)]
    x = drawn(3, 5, n_in(kind))
    scale = torch.tensor([1e-3, 1.0, 30.0]).view(3, 1, 1, 1)
    (module(x) * scale).sum().backward()
    module.clip_(0.5)
    for i, own in enumerate(alone):
        (own(x) * scale[i]).sum().backward()
        torch.nn.utils.clip_grad_norm_(own.parameters(), 0.5)
        for (name, a), b in zip(module.named_parameters(), own.parameters(), strict=True):
            torch.testing.assert_close(a.grad[i], b.grad[0], msg=name)


# --- encoder, readout, noise ----------------------------------------------------------------------


def test_an_encoder_is_fixed_and_lets_channels_pass():
    module = RNN(hidden=6, encoder=(9, 5)).build(4, 2, seeds=(0, 1), passing=1)
    x = drawn(3, 7, 4)
    found = module.encoder(x.expand(2, *x.shape))
    assert found.shape == (2, 3, 7, 6)
    for net in range(2):
        first, last = module.encoder.layers
        z = torch.relu(x[..., 1:] @ first.weight[net] + first.bias[net])
        wanted = z @ last.weight[net] + last.bias[net]
        close(found[net], torch.cat([x[..., :1], wanted], dim=-1))
    assert not any(p.requires_grad for p in module.encoder.parameters())
    assert all(p.requires_grad for p in module.core.parameters())
    assert not torch.equal(first.weight[0], first.weight[1])
    close(module(x)[1], module.member(1)(x)[0], 1e-6)


def test_a_readout_can_be_kept_as_it_was_drawn():
    module = MLP(train_readout=False).build(4, 2)
    assert not any(p.requires_grad for p in module.readout.parameters())
    assert all(p.requires_grad for p in MLP().build(4, 2).readout.parameters())


@pytest.mark.parametrize("kind", [RNN, GRU, LSTM])
def test_private_noise_has_its_sd_and_stream_and_is_silent_without_one(kind):
    module = kind(hidden=40, noise=0.3).build(4, 2, seeds=(0, 1))
    plain = kind(hidden=40).build(4, 2, seeds=(0, 1))
    x = drawn(50, 1, 4)

    def run(*keys):
        module.set_noise([architectures.generator(*k) for k in keys])
        return module.core(x.expand(2, *x.shape)).detach()

    module.set_noise(None)
    quiet = module.core(x.expand(2, *x.shape)).detach()
    close(quiet, plain.core(x.expand(2, *x.shape)).detach(), 1e-6)
    first = run((0, 1, 7), (1, 1, 7))
    noise = first - quiet  # of one step: nothing has come back yet
    n = noise[0].numel()
    for own in noise:
        assert abs(float(own.std()) / 0.3 - 1) < 4 / math.sqrt(2 * n)
        assert abs(float(own.mean())) < 4 * 0.3 / math.sqrt(n)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 4 / math.sqrt(n)
    assert torch.equal(run((0, 1, 7), (1, 1, 7)), first)
    other = run((0, 1, 7), (1, 1, 8))
    assert torch.equal(other[0], first[0])
    assert not torch.equal(other[1], first[1])


def test_private_noise_comes_back_through_the_network():
    module = RNN(hidden=6, activation="tanh", noise=0.5).build(4, 1)
    x = drawn(3, 4, 4)
    module.set_noise([architectures.generator(0, 1)])
    found = module.core(x[None])[0].detach()
    noise = 0.5 * torch.randn(4, 3, 6, generator=architectures.generator(0, 1))
    w_in, w, b = (p[0].detach() for p in (module.core.weight_in, module.core.weight,
                                          module.core.bias))  # fmt: skip
    r = torch.zeros(3, 6)
    for t in range(4):
        r = torch.tanh(x[:, t] @ w_in + r @ w + b) + noise[t]
        close(found[:, t], r)


# --- activations ----------------------------------------------------------------------------------


def slow(kind, h):
    """Activations one number at a time."""
    return {
        "relu": lambda: max(h, 0.0),
        "tanh": lambda: math.tanh(h),
        "hardtanh": lambda: min(max(h, -1.0), 1.0),
        "leaky": lambda: h if h > 0 else 0.01 * h,
        "erf": lambda: math.erf(h),
        "sigmoid": lambda: 1 / (1 + math.exp(-h)),
        "softplus": lambda: math.log1p(math.exp(h)),
        "gelu": lambda: h * 0.5 * math.erfc(-h / math.sqrt(2)),
        "linear": lambda: h,
        "clipped_relu": lambda: min(max(h, 0.0), 1.0),
        "clipped_relu(0.5)": lambda: min(max(h, 0.0), 0.5),
        "shifted_relu": lambda: max(h - 0.5, 0.0),
        "shifted_relu(-1e-1)": lambda: max(h + 0.1, 0.0),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    [n for n in NAMES if "(" not in n]
    + ["clipped_relu", "clipped_relu(0.5)", "shifted_relu", "shifted_relu(-1e-1)"],
)
def test_activations_of_arrays_and_tensors_are_their_formulas(kind):
    h = np.linspace(-6, 6, 49)
    wanted = [slow(kind, float(v)) for v in h]
    np.testing.assert_allclose(activation(kind)(h), wanted, atol=1e-12)
    np.testing.assert_allclose(torch_function(kind)(torch.from_numpy(h)), wanted, atol=1e-12)


def test_large_arguments_do_not_overflow():
    h = np.array([-800.0, 800.0])
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_allclose(activation("softplus")(h), [0, 800])
        np.testing.assert_allclose(activation("sigmoid")(h), [0, 1])
        np.testing.assert_allclose(activation("gelu")(h), [0, 800])
    assert special.expit(0) == activation("sigmoid")(np.zeros(1))


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_settings_go_through_json_and_back(kind):
    import json

    for given in (KINDS[kind], type(KINDS[kind])(encoder=(9, 5), train_readout=False)):
        assert architectures.from_json(json.loads(json.dumps(given.to_json()))) == given
    assert type(architectures.architecture(kind)) is type(KINDS[kind])


def test_settings_of_a_users_own_architecture_are_checked_whatever_its_annotations_are():
    own = dataclasses.make_dataclass(
        "Own", [("hidden", int, 4), ("gain", float, 1.0), ("widths", tuple[int, ...], (3,))],
        bases=(architectures.Architecture,), frozen=True,
        namespace={"core": lambda self, n_in, streams: None},
    )  # fmt: skip
    assert own(widths=[2]).widths == (2,)
    for bad in ({"hidden": 0}, {"gain": NAN}, {"widths": (0,)}, {"encoder": ()}):
        with pytest.raises(ValueError, match=rf"Own.{next(iter(bad))}\b.* (is no|give) "):
            own(**bad)


def test_an_architecture_without_torch_says_what_is_missing():
    code = """
import sys
sys.modules["torch"] = None
from neurogeom import networks
try:
    networks.RNN().build(3, 2)
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("networks need torch, which is not installed")


def test_lists_of_widths_are_tuples():
    assert MLP(hidden=[4, 3]) == MLP(hidden=(4, 3))
    assert hash(MLP(hidden=[4, 3])) == hash(MLP(hidden=(4, 3)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: architectures.architecture("gruu"), "network 'gruu' is unknown; did .* 'gru'"),
        (lambda: architectures.architecture("GRU"), "network 'GRU' is unknown; did .* 'gru'"),
        (lambda: architectures.architecture("zz"), "network 'zz' is unknown; choose from"),
        (lambda: architectures.architecture([]), r"network \[\] is unknown; choose from"),
        (lambda: MLP(hidden=64), "MLP.hidden=64 is no tuple of widths"),
        (lambda: MLP(hidden=()), "MLP.hidden=.. is no tuple of widths"),
        (lambda: MLP(hidden=None), "MLP.hidden=None is no tuple of widths"),
        (lambda: MLP(hidden=(8, 1.7)), r"MLP.hidden\[1\]=1.7 is .* a whole number of 1 or more"),
        (lambda: MLP(hidden=(0,)), r"MLP.hidden\[0\]=0 is"),
        (lambda: MLP(encoder=("a",)), r"MLP.encoder\[0\]='a' is"),
        (lambda: RNN(hidden=(64,)), "RNN.hidden=.64,. is .* a whole number of 1 or more"),
        (lambda: GRU(hidden=0), "GRU.hidden=0 is .* a whole number of 1 or more"),
        (lambda: GRU(hidden=True), "GRU.hidden=True is"),
        (lambda: GRU(hidden=8.0), "GRU.hidden=8.0 is"),
        (lambda: GRU(memory=NAN), "GRU.memory=nan is not possible; give a finite number$"),
        (lambda: LSTM(memory="a"), "LSTM.memory='a' is"),
        (lambda: GRU(train_readout="no"), "GRU.train_readout='no' is .* give True or False"),
        (lambda: RNN(leaky="False"), "RNN.leaky='False' is .* give True or False"),
        (lambda: RNN(noise=-1.0), "RNN.noise=-1.0 is .* a finite number of 0 or more"),
        (lambda: RNN(noise=NAN), "RNN.noise=nan is"),
        (lambda: RNN(alpha=0.0), "RNN.alpha=0.0 is .* above 0$"),
        (lambda: RNN(alpha=NAN), "RNN.alpha=nan is"),
        (lambda: RNN(encoder_noise=0.5), "encoder_noise=0.5 comes after an encoder"),
        (lambda: RNN(encoder=(4,), encoder_noise=NAN), "RNN.encoder_noise=nan is"),
        (lambda: Transformer(heads=0), "Transformer.heads=0 is"),
        (lambda: MLP(init="xavier"), "MLP.init='xavier' is unknown"),
        (lambda: RNN(activation="rele"), "'rele' is unknown; did you mean 'relu'"),
        (lambda: MLP(activation="zz"), "activation 'zz' is unknown; choose from"),
        (lambda: MLP(activation=5), "activation 5 is unknown; choose from"),
        (lambda: MLP().build(0, 1), "n_in=0 is"),
        (lambda: MLP().build(3, 1, seeds=[0, 1.5]), r"seeds\[1\]=1.5 is"),
        (lambda: activation("tanh(2)"), "'tanh.2.' is unknown"),
        (lambda: activation("clipped_relu(e)"), "'clipped_relu.e.' is unknown"),
        (lambda: parsed("clipped_relu(0)"), "is 0 everywhere"),
        (lambda: Convolutional().build(24, 1), "24 inputs are no square image"),
        (lambda: Transformer(hidden=10).build(4, 1), "10 units cannot be shared by 8 heads"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_modules_of_a_user_are_nets_side_by_side():
    nets = [torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Dropout(0.5)) for _ in range(2)]
    both = modules.Several(nets)
    x = drawn(3, 5, 4)
    both.eval()
    close(both(x), torch.stack([net(x) for net in nets]))
    close(both.member(1)(x)[0], nets[1](x))
    both.train()
    both.set_noise([architectures.generator(s, 1, 0) for s in (0, 1)])
    first = both(x)
    both.set_noise([architectures.generator(s, 1, 0) for s in (0, 1)])
    assert torch.equal(both(x), first)  # what drops out follows from the streams
    both.set_noise([architectures.generator(s, 1, 1) for s in (0, 1)])
    assert not torch.equal(both(x), first)
    alone = both.member(1).train()
    alone.set_noise([architectures.generator(1, 1, 0)])
    assert torch.equal(alone(x)[0], first[1])


def test_noise_after_the_encoder_has_its_sd_and_spares_what_passes_it_by():
    quiet, noisy = (
        MLP((4,), encoder=(30,), encoder_noise=sd).build(3, 1, seeds=[0, 1], passing=1)
        for sd in (0.0, 0.5)
    )
    x = torch.randn(400, 2, 3, generator=torch.Generator().manual_seed(0))
    inside = x.expand(2, *x.shape)
    torch.testing.assert_close(noisy.encoder(inside), quiet.encoder(inside))  # no streams: silence
    noisy.set_noise([torch.Generator().manual_seed(s) for s in (1, 2)])
    added = (noisy.encoder(inside) - quiet.encoder(inside)).detach()
    assert added[..., 0].abs().max() == 0
    n = added[..., 1:].numel()
    assert abs(float(added[..., 1:].std()) - 0.5) < 4 * 0.5 / (2 * n) ** 0.5
    assert abs(float(torch.corrcoef(added[:, :, 0, 1])[0, 1])) < 4 / 400**0.5


def test_maps_of_images_are_recorded_with_their_places():
    from neurogeom import networks

    task = networks.make_task("images", side=8)
    trained = networks.train(task, networks.Convolutional((2, 3), 5), seeds=2, steps=0)
    x = trained.record("core.maps.0", n_trials=2)[1]
    assert dict(x.sizes) == {"trial": 16, "neuron": 2 * 4 * 4}
    assert sorted(set(x.row.values)) == [0, 1, 2, 3]
    assert {"shape", "size", "place"} <= set(x.coords)
