"""Recording a torch module: what hooks catch is what the layers compute, trial by trial."""

import builtins
import dataclasses
import os
import tracemalloc
from contextlib import nullcontext

import numpy as np
import pytest
import xarray as xr

import neurogeom as ng
from neurogeom.networks.record import _batches, record
from neurogeom.parts import in_parts

torch = pytest.importorskip("torch")
nn = torch.nn
F = torch.nn.functional
MEASURES = ("decoding", "ccgp", "shattering", "parallelism", "dimensionality")
CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # float32: other batch sizes sum in another order


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def array(parameter):
    return parameter.detach().numpy()


class Perceptron(nn.Module):
    """Two layers and a readout, with dropout and an activation in place."""

    def __init__(self, n_inputs=4, n_units=6):
        super().__init__()
        self.first = nn.Linear(n_inputs, n_units)
        self.act = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.second = nn.Linear(n_units, n_units)
        self.readout = nn.Linear(n_units, 2)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = self.dropout(self.act(self.first(x)))
        return self.readout(torch.tanh(self.second(x)))

    def by_hand(self, x):
        first = x @ array(self.first.weight).T + array(self.first.bias)
        second = np.maximum(first, 0) @ array(self.second.weight).T + array(self.second.bias)
        out = np.tanh(second) @ array(self.readout.weight).T + array(self.readout.bias)
        return {"first": first, "second": second, "output": out}


class Around(nn.Module):
    """A layer within a module that takes trials first and moves what the layer wants first."""

    def __init__(self, layer, swap=True):
        super().__init__()
        self.layer, self.swap = layer, swap

    def forward(self, x):
        out = self.layer(x.transpose(0, 1) if self.swap else x)
        out = out[0] if isinstance(out, tuple) else out
        return out.transpose(0, 1) if self.swap else out


class Loop(nn.Module):
    """A cell called once a step."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x):
        state = None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        return state


class Nets(nn.Module):
    """Several networks at once, (net, trial, step, unit), with an encoder that they share."""

    def __init__(self, n_nets=3):
        super().__init__()
        self.n_nets = n_nets
        self.encoder = nn.Linear(2, 4)
        self.hidden = Batched(n_nets, 4, 5)

    def forward(self, x):
        return torch.relu(self.hidden(self.encoder(x)))


class Batched(nn.Module):
    def __init__(self, n_nets, n_in, n_out):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_nets, n_in, n_out))

    def forward(self, x):
        return torch.einsum("ltc,ncu->nltu" if x.ndim == 3 else "nltc,ncu->nltu", x, self.weight)


# --- what is recorded is what the layer computes --------------------------------------------------


@pytest.mark.parametrize("name", ["first", "second", "output"])
def test_layers_of_a_perceptron_are_those_by_hand(name):
    module, inputs = Perceptron(), numbers(20, 4)
    x = record(module, inputs, layer=name, session="net")
    assert (x.name, x.dims, x.dtype) == ("activity", ("trial", "neuron"), np.float32)
    np.testing.assert_allclose(x, module.by_hand(inputs)[name], **CLOSE)
    assert set(x.layer.values) == {name}
    np.testing.assert_array_equal(x.unit, np.arange(x.sizes["neuron"]))


def test_an_empty_name_is_the_modules_own_output():
    module, inputs = Perceptron(), numbers(5, 4)
    x = record(module, inputs, layer="")
    assert set(x.layer.values) == {"output"}
    np.testing.assert_allclose(x, module.by_hand(inputs)["output"], **CLOSE)


def test_a_layer_named_output_is_that_layer_and_not_the_modules_output():
    module = nn.Sequential()
    module.add_module("output", nn.Linear(3, 3))
    module.add_module("sigmoid", nn.Sigmoid())
    inputs = numbers(5, 3)
    logits, probability = (record(module, inputs, layer=name) for name in ("output", ""))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.values)), probability, **CLOSE)


def test_the_inputs_are_a_layer_and_the_module_need_not_run():
    class Broken(nn.Module):
        def forward(self, x):
            raise RuntimeError

    inputs = numbers(6, 3, 2)
    x = record(Broken(), inputs, layer="input")
    np.testing.assert_array_equal(x, inputs.transpose(0, 2, 1))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("inside", [True, False])
def test_recurrent_steps_are_time_whatever_comes_first(kind, batch_first, inside):
    rnn = getattr(nn, kind)(3, 5, batch_first=batch_first)
    inputs = numbers(7, 11, 3)
    with torch.no_grad():
        given = torch.from_numpy(inputs)
        out = rnn(given)[0] if batch_first else rnn(given.transpose(0, 1))[0].transpose(0, 1)
    module = Around(rnn, swap=not batch_first) if inside else rnn
    x = record(module, inputs, layer="layer" if inside else "")
    assert x.dims == ("trial", "neuron", "time")
    np.testing.assert_allclose(x, out.numpy().transpose(0, 2, 1), **CLOSE)


class Own(nn.RNN):
    """A class of the user that runs as torch wrote it."""


def test_what_is_derived_from_a_recurrent_layer_declares_the_same():
    rnn, inputs = Own(3, 5), numbers(7, 7, 3)
    with torch.no_grad():
        out = rnn(torch.from_numpy(inputs).transpose(0, 1))[0].numpy()
    for module in (rnn, nn.Sequential(rnn)):
        np.testing.assert_allclose(
            record(module, inputs, layer=""), out.transpose(1, 2, 0), **CLOSE
        )
    module = nn.Sequential(nn.Linear(3, 3), rnn)  # all that runs within sees steps first
    x, before = record(module, inputs, layer="0"), inputs @ array(module[0].weight).T
    np.testing.assert_allclose(x, (before + array(module[0].bias)).transpose(0, 2, 1), **CLOSE)


def test_a_module_around_a_recurrent_layer_gets_trials_first_also_within_a_sequence():
    module, inputs = nn.Sequential(Around(nn.RNN(3, 5)), nn.Linear(5, 2)), numbers(7, 7, 3)
    with torch.no_grad():
        out = module(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(record(module, inputs, layer=""), out.transpose(0, 2, 1), **CLOSE)


def test_a_simple_recurrent_network_is_that_by_hand_also_with_as_many_trials_as_steps():
    rnn, inputs = nn.RNN(2, 4, nonlinearity="relu"), numbers(6, 6, 2)
    x = record(rnn, inputs, layer="")
    weights = {name: array(p) for name, p in rnn.named_parameters()}
    state = np.zeros((6, 4))
    for step in range(6):
        state = (
            inputs[:, step] @ weights["weight_ih_l0"].T
            + weights["bias_ih_l0"]
            + (state @ weights["weight_hh_l0"].T + weights["bias_hh_l0"])
        )
        state = np.maximum(state, 0)
        np.testing.assert_allclose(x[:, :, step], state, **CLOSE)


@pytest.mark.parametrize("kind", ["RNNCell", "GRUCell", "LSTMCell"])
def test_the_calls_of_a_cell_are_time(kind):
    module, inputs = Loop(getattr(nn, kind)(3, 5)), numbers(9, 4, 3)
    x = record(module, inputs, layer="cell")
    whole = getattr(nn, kind.removesuffix("Cell"))(3, 5, batch_first=True)
    whole.load_state_dict({f"{k}_l0": v for k, v in module.cell.state_dict().items()})
    with torch.no_grad():
        expected = whole(torch.from_numpy(inputs))[0].numpy()
    np.testing.assert_allclose(x, expected.transpose(0, 2, 1), **CLOSE)
    assert (x.attrs["time_unit"], x.attrs["axes"]) == ("call", {"cell": "call trial unit"})


def maps(module, inputs):
    with torch.no_grad():
        return module(torch.from_numpy(inputs)).numpy()


def test_every_position_of_a_map_is_a_unit_with_its_channel_row_and_column():
    module, inputs = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True)), numbers(5, 2, 6, 5)
    x = record(module, inputs, layer="0")
    expected = maps(module[0], inputs)
    assert x.shape == (5, 3 * 4 * 3)
    for i, place in enumerate(
        zip(*(x[k].values for k in ("channel", "row", "column")), strict=True)
    ):
        np.testing.assert_allclose(x[:, i], expected[(slice(None), *place)], **CLOSE)
    assert (expected < 0).any()  # so that the activation in place would be seen


@pytest.mark.parametrize(("pool", "pooled"), [("mean", np.mean), ("max", np.max)])
def test_a_pooled_map_is_one_unit_a_channel(pool, pooled):
    module, inputs = nn.Conv2d(2, 3, 3), numbers(5, 2, 6, 5)
    x = record(module, inputs, layer="", pool=pool)
    np.testing.assert_allclose(x, pooled(maps(module, inputs), axis=(2, 3)), **CLOSE)
    assert x.channel.values.tolist() == [0, 1, 2]
    assert "row" not in x.coords


def test_one_dimensional_maps_are_no_time_series():
    module, inputs = nn.Conv1d(2, 3, 3), numbers(5, 2, 9)
    x, pooled = record(module, inputs, layer=""), record(module, inputs, layer="", pool="max")
    np.testing.assert_allclose(x, maps(module, inputs).reshape(5, 21), **CLOSE)
    assert x.position.values.tolist() == [*range(7)] * 3
    np.testing.assert_allclose(pooled, maps(module, inputs).max(axis=2), **CLOSE)


def test_after_one_dimensional_convolutions_the_axes_are_asked_for():
    module, inputs = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU()), numbers(5, 2, 9)
    with pytest.raises(ValueError, match="'1' gave shape .* cannot be known; name them"):
        record(module, inputs, layer="1")
    x = record(module, inputs, layer="1", axes="trial channel position")
    np.testing.assert_allclose(x, maps(module, inputs).reshape(5, 21), **CLOSE)
    x = record(module, inputs, layer="1", axes="trial unit step")
    np.testing.assert_allclose(x, maps(module, inputs), **CLOSE)


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_and_all_within_an_encoder_layer_are_those_by_hand(batch_first):
    layer = nn.TransformerEncoderLayer(8, 2, 12, batch_first=batch_first).eval()
    inputs = numbers(6, 5, 8)
    module = Around(layer, swap=not batch_first)
    names = ["layer.self_attn", "layer.norm1", "layer.linear1", "layer"]
    found = {name: record(module, inputs, layer=name) for name in names}
    given = torch.from_numpy(inputs)
    with torch.no_grad():
        n = 4  # each of the two heads
        weights, bias = layer.self_attn.in_proj_weight, layer.self_attn.in_proj_bias
        q, k, v = (given @ weights.T + bias).chunk(3, dim=-1)
        heads = [
            F.softmax(q[..., h] @ k[..., h].mT / np.sqrt(n), dim=-1) @ v[..., h]
            for h in (slice(0, n), slice(n, 2 * n))
        ]
        attention = layer.self_attn.out_proj(torch.cat(heads, dim=-1))
        normed = layer.norm1(given + attention)
        linear = layer.linear1(normed)
        out = layer.norm2(normed + layer.linear2(torch.relu(linear)))
    for name, expected in zip(names, (attention, normed, linear, out), strict=True):
        np.testing.assert_allclose(found[name], expected.mT, rtol=1e-4, atol=1e-5)
        assert found[name].dims == ("trial", "neuron", "time")


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_takes_a_tuple_of_inputs(batch_first):
    module = nn.MultiheadAttention(8, 2, batch_first=batch_first)
    q, kv = numbers(6, 5, 8), numbers(6, 4, 8) * 2
    x = record(module, (q, kv, kv), layer="output")
    given = [torch.from_numpy(v if batch_first else v.transpose(1, 0, 2)) for v in (q, kv, kv)]
    with torch.no_grad():
        out = module(*given)[0].numpy()
    np.testing.assert_allclose(x, out.transpose((0, 2, 1) if batch_first else (1, 2, 0)), **CLOSE)


def test_tokens_stay_integers():
    module = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2))
    tokens = np.random.default_rng(0).integers(0, 5, (6, 4))
    x = record(module, tokens, layer="0")
    np.testing.assert_array_equal(x, array(module[0].weight)[tokens].transpose(0, 2, 1))


def test_one_number_a_trial_is_one_unit_and_an_empty_module_its_inputs():
    scalar = nn.Sequential(nn.Linear(3, 1), nn.Flatten(0))
    x = record(scalar, numbers(4, 3), layer="")
    assert x.shape == (4, 1)
    np.testing.assert_array_equal(record(nn.Sequential(), numbers(4, 3), layer=""), numbers(4, 3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("made", ["fx", "jit", "parallel"])
def test_modules_that_torch_rewrote_are_recorded_the_same(made):
    module, inputs = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), numbers(5, 3)
    rewrite = {
        "fx": torch.fx.symbolic_trace,
        "jit": lambda own: torch.jit.trace(own, torch.zeros(2, 3)),
        "parallel": nn.DataParallel,
    }
    other = record(rewrite[made](module), inputs, layer="", session="s")
    np.testing.assert_allclose(other, record(module, inputs, layer=""), **CLOSE)


def compiled(module, inputs):
    module = torch.compile(module, backend="eager")
    module(torch.from_numpy(inputs))
    return module


def test_a_module_that_torch_compiled_and_ran_is_recorded_as_it_was_written():
    module, inputs = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), numbers(5, 3)
    whole = compiled(module, inputs)
    x = record(whole, inputs, layer="")  # runs it in the very batches of below
    np.testing.assert_array_equal(x, record(module, inputs, layer=""))
    for name in ("0", "1"):
        x = record(whole, inputs, layer=f"_orig_mod.{name}")
        np.testing.assert_array_equal(x, record(module, inputs, layer=name))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("frozen", [False, True])
def test_what_torch_scripted_is_recorded_as_a_whole(frozen):
    module, inputs = nn.Sequential(nn.Linear(3, 4), nn.ReLU()).eval(), numbers(5, 3)
    script = torch.jit.script(module)
    script = torch.jit.freeze(script) if frozen else script
    np.testing.assert_allclose(
        record(script, inputs, layer=""), record(module, inputs, layer=""), **CLOSE
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_what_runs_within_torch_jit_cannot_be_watched(how):
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
    given = (torch.ones(2, 3),) if how == "trace" else ()
    made = getattr(torch.jit, how)(module, *given)
    with pytest.raises(ValueError, match="layer '0' runs within what torch.jit compiled"):
        record(made, numbers(5, 3), layer="0")


@dataclasses.dataclass
class Out:
    loss: None
    hidden: object


def test_the_first_tensor_of_a_dataclass_is_taken():
    class Named(nn.Module):
        def forward(self, x):
            return Out(None, x + 1)

    np.testing.assert_array_equal(record(Named(), numbers(4, 3), layer=""), numbers(4, 3) + 1)


def test_a_list_of_tensors_and_a_frame_of_columns_are_taken():
    pd = pytest.importorskip("pandas")
    module, inputs = nn.Linear(3, 2), numbers(4, 3)
    rows = [torch.from_numpy(row).requires_grad_() for row in inputs]
    x = record(module, rows, layer="", trial=pd.DataFrame({"cue": [1, 2, 3, 4]}))
    np.testing.assert_allclose(x, record(module, inputs, layer=""), **CLOSE)
    assert x.cue.values.tolist() == [1, 2, 3, 4]


def test_the_first_tensor_of_a_dictionary_is_taken():
    class Named(nn.Module):
        def forward(self, x):
            return {"none": None, "hidden": [x + 1, x + 2]}

    np.testing.assert_array_equal(record(Named(), numbers(4, 3), layer=""), numbers(4, 3) + 1)


@pytest.mark.parametrize(
    ("dtype", "kept"), [("float64", "float64"), ("float32", "float32"), ("bfloat16", "float32")]
)
def test_inputs_take_the_dtype_of_the_weights_and_activity_keeps_it(dtype, kept):
    module = nn.Linear(3, 2).to(getattr(torch, dtype))
    x = record(module, numbers(4, 3).astype(float), layer="")
    assert x.dtype == kept
    given = torch.from_numpy(numbers(4, 3)).to(module.weight.dtype)
    np.testing.assert_allclose(x, array(module(given).to(getattr(torch, kept))), rtol=1e-2)


# --- several layers, several networks -------------------------------------------------------------


def test_layers_side_by_side_are_those_recorded_apart_in_the_order_asked_for():
    module, inputs = Perceptron(), numbers(9, 4)
    x = record(module, inputs, layer=["second", "first", "input"])
    assert list(dict.fromkeys(x.layer.values)) == ["second", "first", "input"]
    np.testing.assert_array_equal(x.unit_id, np.arange(6 + 6 + 4))
    for name in ("second", "first", "input"):
        alone = record(module, inputs, layer=name)
        np.testing.assert_array_equal(x[:, x.layer == name], alone)
        np.testing.assert_array_equal(x.unit[x.layer == name], alone.unit)
        assert alone.session != x.session
        assert alone.attrs["content_hash"] != x.attrs["content_hash"]


def test_a_pattern_takes_layers_in_the_order_of_the_module():
    module = nn.Sequential(*(nn.Linear(2, 2) for _ in range(12)))
    x = record(module, numbers(3, 2), layer="1*")
    assert x.layer.values.tolist() == ["1", "1", "10", "10", "11", "11"]
    x = record(module, numbers(3, 2), layer=["[23]", "2"])
    assert x.layer.values.tolist() == ["2", "2", "3", "3"]


def test_a_pattern_leaves_out_lists_of_layers_which_never_run():
    class Stack(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
            self.tied = self.layers[0]

        def forward(self, x):
            return self.layers[1](self.tied(x))

    x = record(Stack(), numbers(3, 2), layer=["layers.*", "*"])
    assert list(dict.fromkeys(x.layer.values)) == ["layers.0", "layers.1"]
    x = record(Stack(), numbers(3, 2), layer="*")
    assert set(x.layer.values) == {"tied"}


def test_a_star_stays_between_two_dots():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2)
    x = record(encoder, numbers(5, 3, 8), layer="layers.*")
    assert list(dict.fromkeys(x.layer.values)) == ["layers.0", "layers.1"]
    module = nn.Sequential()
    module.add_module("head", nn.Sequential(nn.Linear(3, 2)))
    for pattern, found in {"head*": "head", "h*.*": "head.0"}.items():
        assert set(record(module, numbers(4, 3), layer=pattern).layer.values) == {found}
    with pytest.raises(KeyError, match="no layer 'h[*]0'"):
        record(module, numbers(4, 3), layer="h*0")


def test_maps_and_vectors_stand_side_by_side():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    x = record(module, numbers(5, 1, 4, 4), layer=["0", "2"])
    np.testing.assert_array_equal(x.channel, [0] * 4 + [1] * 4 + [np.nan] * 3)
    np.testing.assert_array_equal(x.unit, [np.nan] * 8 + [0, 1, 2])
    assert ng.select(x, neurons="layer == '2'").sizes["neuron"] == 3


def test_networks_that_run_as_one_are_one_session_each():
    module, inputs = Nets(), numbers(7, 4, 2)
    found = record(module, inputs, layer="", session="net")
    with torch.no_grad():
        expected = module(torch.from_numpy(inputs)).numpy()
    assert [x.session.item() for x in found] == ["net-0", "net-1", "net-2"]
    for x, own in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, own.transpose(0, 2, 1), **CLOSE)


def test_names_of_many_networks_sort_as_their_numbers():
    names = [x.session.item() for x in record(Nets(11), numbers(3, 4, 2), layer="hidden")]
    assert names == sorted(names)
    assert names[2].endswith("-02")


def test_what_networks_share_is_recorded_for_each():
    module, inputs = Nets(), numbers(7, 4, 2)
    for x in record(module, inputs, layer=["input", "encoder", "hidden"]):
        np.testing.assert_array_equal(x[:, x.layer == "input"], inputs.transpose(0, 2, 1))
        encoded = inputs @ array(module.encoder.weight).T + array(module.encoder.bias)
        np.testing.assert_allclose(x[:, x.layer == "encoder"], encoded.mT, **CLOSE)


@pytest.mark.parametrize("n_nets", [1, 3])
def test_networks_may_have_inputs_of_their_own(n_nets):
    module, inputs = Nets(n_nets), numbers(n_nets, 7, 4, 2)
    trial = {"trial_id": np.arange(7)[::-1]}
    found = record(module, inputs, layer=["input", ""], trial=trial, batch=3)
    with torch.no_grad():
        hidden = torch.einsum(
            "nltc,ncu->nltu", module.encoder(torch.from_numpy(inputs)), module.hidden.weight
        )
    for i, x in enumerate(found if n_nets > 1 else [found]):
        given, out = inputs[i, ::-1], torch.relu(hidden)[i].numpy()[::-1]
        np.testing.assert_array_equal(x[:, x.layer == "input"], given.transpose(0, 2, 1))
        np.testing.assert_allclose(x[:, x.layer == "output"], out.transpose(0, 2, 1), **CLOSE)


def test_one_network_with_an_axis_of_networks_is_one_activity():
    x = record(Nets(1), numbers(7, 4, 2), layer="")
    assert (x.dims, x.shape) == (("trial", "neuron", "time"), (7, 5, 4))


# --- trials, time, names --------------------------------------------------------------------------


def test_trials_stand_in_order_of_their_ids_with_their_own_activity():
    module, inputs = Perceptron(), numbers(6, 4)
    ids = np.array([30, 10, 20, 60, 50, 40])
    x = record(module, inputs, layer="first", trial={"trial_id": ids, "cue": ids / 10})
    np.testing.assert_array_equal(x.trial_id, [10, 20, 30, 40, 50, 60])
    np.testing.assert_array_equal(x.cue, [1, 2, 3, 4, 5, 6])
    expected = module.by_hand(inputs)["first"][np.argsort(ids)]
    np.testing.assert_allclose(x, expected, **CLOSE)
    other = record(
        module,
        inputs[::-1].copy(),
        layer="first",
        trial={"trial_id": ids[::-1], "cue": ids[::-1] / 10},
    )
    xr.testing.assert_identical(x, other)  # session and hash too


def test_time_is_seconds_where_they_are_given_and_steps_where_not():
    rnn, inputs = nn.RNN(2, 3, batch_first=True), numbers(4, 3, 2)
    steps = record(rnn, inputs, layer="")
    seconds = record(rnn, inputs, layer="", time=[0.1, 0.2, 0.3])
    assert (steps.time.values.tolist(), steps.attrs["time_unit"]) == ([0.0, 1.0, 2.0], "step")
    assert steps.attrs["content_hash"] != seconds.attrs["content_hash"]
    assert (seconds.time.values.tolist(), seconds.attrs["time_unit"]) == ([0.1, 0.2, 0.3], "s")
    with pytest.raises(ValueError, match="'time' has 2 entries but there are 3 time bins"):
        record(rnn, inputs, layer="", time=[0.1, 0.2])


def test_what_is_recorded_is_an_activity_with_its_origin():
    module = Perceptron()
    x = record(module, numbers(5, 4), layer="first", units="Hz", attrs={"epoch": 3})
    told = {k: x.attrs[k] for k in ("source", "module", "layer", "pool", "units", "epoch")}
    assert told == {
        "source": "network",
        "module": "Perceptron",
        "layer": "first",
        "pool": None,
        "units": "Hz",
        "epoch": 3,
    }
    xr.testing.assert_identical(ng.activity.validate(x), x)


def test_a_session_is_named_by_weights_inputs_and_layers():
    module, inputs = Perceptron(), numbers(5, 4)
    name = record(module, inputs, layer="first").session.item()
    assert name.startswith("Perceptron-")
    again = torch.from_numpy(inputs).double()
    assert record(module, again, layer=["first"], batch=2).session == name
    assert record(module.train(), inputs, layer="fir*").session == name
    assert record(module, inputs, layer="second").session != name
    assert record(module, inputs + 1, layer="first").session != name
    with torch.no_grad():
        module.unused.bias += 1
    assert record(module, inputs, layer="first").session != name
    assert record(module, inputs, layer="first", trial={"session": ["a"] * 5}).session == "a"


class Powers(nn.Module):
    """A setting and a function beside the weights, and one that no name can tell."""

    def __init__(self, gain=1.0, act=torch.tanh, hidden=0.0):
        super().__init__()
        self.gain, self.act, self._hidden = gain, act, hidden

    def forward(self, x):
        return self.gain * self.act(x) + self._hidden


def test_networks_of_equal_weights_that_compute_another_thing_have_other_names_and_hashes():
    inputs, first = numbers(5, 3), nn.Linear(3, 4)
    pairs = [
        [nn.Sequential(first, act) for act in (nn.ReLU(), nn.Tanh(), nn.LeakyReLU(0.3))],
        [Powers(), Powers(gain=2.0), Powers(act=torch.sigmoid)],
    ]
    for modules in pairs:
        found = [record(module, inputs, layer="") for module in modules]
        assert len(ng.activity.sessions(found)) == 3
        assert len({x.attrs["content_hash"] for x in found}) == 3
        xr.testing.assert_identical(record(modules[1], inputs, layer=""), found[1])
    layers = [record(pairs[0][0], inputs, layer=name) for name in ("0", "1")]
    assert len(ng.activity.sessions(layers)) == 2


def test_a_content_hash_knows_the_activity_itself(tmp_path):
    inputs = numbers(5, 3)
    a, b = (record(Powers(hidden=h), inputs, layer="") for h in (0.0, 1.0))
    assert a.session == b.session  # nothing says what differs
    assert a.attrs["content_hash"] != b.attrs["content_hash"]
    file = record(Powers(hidden=1.0), inputs, layer="", out=tmp_path / "x.nc")
    assert file.attrs["content_hash"] == b.attrs["content_hash"]
    nets = record(Nets(), numbers(7, 4, 2), layer="", out=tmp_path / "nets.nc")
    assert len({x.attrs["content_hash"] for x in nets}) == 3
    own = record(Powers(), inputs, layer="", attrs={"content_hash": "mine"})
    assert own.attrs["content_hash"] == "mine"


@pytest.mark.parametrize("n_trials", [1, 2, 3, 4, 20, 60, 512])
@pytest.mark.parametrize("batch", [1, 7, 256])
def test_batches_hold_every_trial_once_and_differ_in_size_where_they_can(n_trials, batch):
    found = _batches(np.arange(n_trials), batch)
    np.testing.assert_array_equal(np.concatenate(found), np.arange(n_trials))
    sizes = {len(rows) for rows in found}
    assert max(sizes) <= batch
    assert len(sizes) == 2 or sizes == {1}


@pytest.mark.parametrize("batch", [1, 2, 5, 17, 100])
def test_the_size_of_batches_changes_nothing_but_rounding(batch):
    module, inputs = Perceptron(), numbers(17, 4)
    whole, parts = (record(module, inputs, layer="second", batch=b) for b in (256, batch))
    np.testing.assert_allclose(parts, whole, **CLOSE)
    whole.attrs["content_hash"] = parts.attrs["content_hash"]  # this one knows the last digits
    xr.testing.assert_identical(parts.copy(data=whole.values), whole)


# --- the module is left as it was -----------------------------------------------------------------


class Failing(Perceptron):
    def forward(self, x):
        super().forward(x)
        raise RuntimeError("half way")


@pytest.mark.parametrize("fails", [False, True])
def test_hooks_go_and_training_flags_return_also_after_an_error(fails):
    module = (Failing if fails else Perceptron)()
    module.train()
    module.second.eval()
    before = [(part, part.training) for part in module.modules()]
    with pytest.raises(RuntimeError, match="half way") if fails else nullcontext():
        record(module, numbers(5, 4), layer=["first", "second", ""])
    assert [(part, part.training) for part in module.modules()] == before
    assert not any(part._forward_hooks for part in module.modules())


def test_dropout_is_off_and_no_graph_is_kept():
    seen = []

    class Spy(Perceptron):
        def forward(self, x):
            out = super().forward(x)
            seen.append((self.training, out.requires_grad, torch.is_grad_enabled()))
            return out

    module = Spy().train()
    x, again = (record(module, numbers(50, 4), layer="dropout") for _ in range(2))
    assert set(seen) == {(False, False, False)}
    np.testing.assert_array_equal(x, again)
    assert all(p.grad is None for p in module.parameters())
    assert torch.is_grad_enabled()
    module(torch.from_numpy(numbers(5, 4))).sum().backward()  # the module can still learn


def test_inputs_are_not_changed():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.mul_(2)

    for inputs in (numbers(5, 3), torch.from_numpy(numbers(5, 3))):
        record(InPlace(), inputs, layer="")
        np.testing.assert_array_equal(inputs, numbers(5, 3))


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "layer", "shape"),
    [
        (Perceptron, ["first", "second"], (11, 4)),
        (lambda: nn.LSTM(2, 3, batch_first=True), "", (11, 5, 2)),
        (Nets, "hidden", (11, 5, 2)),
    ],
)
def test_what_is_streamed_to_a_file_is_what_is_recorded_in_memory(module, layer, shape, tmp_path):
    module, inputs = module(), numbers(*shape)
    trial = {"rule": ["A", "B"] * 5 + ["A"], "trial_id": np.arange(11)[::-1]}
    options = {"layer": layer, "trial": trial, "batch": 4}
    memory = record(module, inputs, **options)
    lazy = record(module, inputs, out=tmp_path / "x.nc", **options)
    loaded = ng.load(tmp_path / "x.nc")
    if not isinstance(memory, list):
        memory, lazy, loaded = [memory], [lazy], [loaded]
    for a, b, c in zip(memory, lazy, loaded, strict=True):
        assert not b.variable._in_memory
        np.testing.assert_array_equal(b[3:5].values, a[3:5])
        assert not b.variable._in_memory
        xr.testing.assert_identical(c, a)
        xr.testing.assert_identical(b, a)
    assert os.listdir(tmp_path) == ["x.nc"]


def test_a_streamed_file_opens_without_neurogeom(tmp_path):
    x = record(Perceptron(), numbers(5, 4), layer="first", session="s", out=tmp_path / "x.nc")
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as opened:
        np.testing.assert_array_equal(opened["activity"], x)
        assert {"trial_id", "unit_id", "layer", "session"} <= set(opened.coords)
        assert opened["activity"].attrs["source"] == "network"


def test_a_file_appears_only_whole_and_replaces_another_only_on_request(tmp_path):
    module, inputs, path = Perceptron(), numbers(9, 4), tmp_path / "x.nc"
    bad = inputs.copy()
    bad[8] = np.nan
    with pytest.raises(ValueError, match="on trial 8"):
        record(module, bad, layer="first", batch=2, out=path)
    assert os.listdir(tmp_path) == []
    record(module, inputs, layer="first", out=path)
    with pytest.raises(FileExistsError, match=r"x\.nc exists"):
        record(module, inputs + 1, layer="first", out=path)
    with pytest.raises(ValueError, match="on trial 8"):
        record(module, bad, layer="first", batch=2, out=path, overwrite=True)
    np.testing.assert_allclose(ng.load(path), module.by_hand(inputs)["first"], **CLOSE)
    record(module, inputs + 1, layer="first", out=path, overwrite=True)
    np.testing.assert_allclose(ng.load(path), module.by_hand(inputs + 1)["first"], **CLOSE)


def test_a_file_is_written_without_the_activity_in_memory(tmp_path):
    inputs, size = numbers(1000, 5), 1000 * 5000 * 4
    peaks = {}
    for out in (None, tmp_path / "x.nc"):
        tracemalloc.start()  # arrays of numpy; a batch of torch is a fiftieth of the whole
        x = record(nn.Linear(5, 5000), inputs, layer="", out=out, batch=20)
        peaks[out is None] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert size < peaks[True] < 1.2 * size
    assert peaks[False] < 0.2 * size
    assert x.nbytes == size


def test_a_list_written_in_parts_is_the_list_saved_whole(tmp_path):
    rng = np.random.default_rng(0)
    given = [
        ng.from_arrays(rng.normal(size=(4, 3)), {"a b": [1, 2, 3, 4]}, session=s, attrs={"k": None})
        for s in ("b", "a/c")
    ]
    with in_parts(given, tmp_path / "x.nc") as variables:
        for variable, x in zip(variables, given, strict=True):
            variable[2:], variable[:2] = x.values[2:], x.values[:2]
    for found in (ng.load(tmp_path / "x.nc"), ng.load(tmp_path / "x.nc", lazy=True)):
        for x, y in zip(found, given, strict=True):
            xr.testing.assert_identical(x, y)


# --- the same numbers, the same geometry ----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_same_numbers_score_the_same_as_recording_and_as_network(dtype):
    made = ng.simulate("cube", separation=1.5, n_neurons=12, n_trials=8, n_truth=0, seed=3)
    values = made.values.astype(dtype)
    trial = {name: made[name].values for name in ("a", "b", "c")}
    recording = ng.from_arrays(values, trial=trial, session="one")
    network = record(nn.Identity(), values, layer="", trial=trial, session="one", batch=19)
    np.testing.assert_array_equal(network, recording)
    options = {"measures": MEASURES, "n_resamples": 4, "n_null": 19, "seed": 1}
    trees = [ng.score(x, ["a", "b", "c"], **options) for x in (recording, network)]
    assert list(trees[0].children) == list(trees[1].children)
    for name in trees[0].children:
        one, other = (tree[name].to_dataset() for tree in trees)
        assert one.equals(other), name  # bit for bit
    assert {"estimate", "null", "p_value", "interval"} <= set(trees[0]["ccgp"].data_vars)
    other = record(nn.Tanh(), values, layer="", trial=trial, session="one")
    other = ng.score(other, ["a", "b", "c"], **{**options, "measures": "parallelism"})
    assert not other["parallelism"].to_dataset().equals(trees[0]["parallelism"].to_dataset())


# --- refusals: one sentence each ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"layer": "frist"}, KeyError, "no layer 'frist'; the nearest names are first"),
        ({"layer": "x.*"}, KeyError, "Perceptron has no layer 'x[.][*]'; the nearest names are"),
        ({"layer": "unused"}, ValueError, "'unused' never fires.*record 'output', which holds"),
        ({"layer": 3}, TypeError, "layer is 3; give the name"),
        ({"layer": []}, ValueError, "layer is empty"),
        ({"pool": "sum"}, ValueError, "pool 'sum' is unknown"),
        ({"pool": "max"}, ValueError, "no maps to pool in 'first'"),
        ({"axes": "step unit"}, ValueError, "must name 'trial'"),
        ({"axes": "trial step unit"}, ValueError, r"which is not \(trial, step, unit\)"),
        ({"batch": 0}, ValueError, "batch is 0"),
        ({"time": [1.0]}, ValueError, "'first' has no steps"),
        ({"trial": {"cue": [1, 2]}}, ValueError, "'cue' has 2 entries but there are 5 trials"),
        ({"trial": {"layer": [1] * 5}}, ValueError, "'layer' of trial is also one of the units"),
        ({"inputs": ["a"] * 5}, TypeError, "inputs hold <U1"),
        ({"inputs": np.zeros((0, 4))}, ValueError, r"shapes \(0, 4\); give at least one trial"),
        ({"inputs": (numbers(5, 4), numbers(4, 4))}, ValueError, r"shapes \(5, 4\), \(4, 4\)"),
        ({"axes": "trial layer"}, ValueError, "axes 'trial layer' has 'layer', a name that is"),
        ({"axes": "trial time unit"}, ValueError, "has 'time', .* call time 'step'"),
        ({"axes": ["trial", "unit"]}, TypeError, "axes is .*; give their names in one text"),
        ({"attrs": [1]}, TypeError, "attrs is a list; give a mapping"),
        ({"inputs": [[1.0, 2.0], [1.0]]}, ValueError, "inputs are no array .*trials of one shape"),
        (
            {"inputs": torch.utils.data.TensorDataset(torch.ones(5, 4))},
            TypeError,
            "inputs are a TensorDataset; give the array or the tensor in it",
        ),
        ({"inputs": np.ones((5, 4), int)}, RuntimeError, "Perceptron fails .* int64 .*and floats"),
        ({"inputs": np.ones((5, 4), bool)}, RuntimeError, "fails on .* bool .*and floats where"),
        ({"inputs": numbers(5, 3)}, RuntimeError, r"on a batch of inputs \(3, 3\) float32 \(mat1"),
        ({"inputs": torch.ones(5, 4, device="meta")}, ValueError, "on the device 'meta'"),
        ({"module": nn.Linear(4, 2, device="meta"), "layer": ""}, ValueError, "device 'meta'"),
        ({"module": nn.LazyLinear(3), "layer": ""}, ValueError, "weights without values"),
        ({"module": "net"}, TypeError, "module is a str; give a torch.nn.Module"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_in_one_sentence(options, error, said):
    options = {"module": Perceptron(), "inputs": numbers(5, 4), "layer": "first"} | options
    with pytest.raises(error, match=said):
        record(options.pop("module"), options.pop("inputs"), **options)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_activity_that_is_not_finite_names_layer_and_trial(value):
    inputs = numbers(9, 4)
    inputs[6, 2] = value
    ids = [f"t{i}" for i in range(9)]
    with pytest.raises(ValueError, match=r"layer 'first' gives -?(nan|inf) on trial t6"):
        record(Perceptron(), inputs, layer="first", trial={"trial_id": ids}, batch=4)


def test_large_finite_activity_is_kept():
    huge = np.full((4, 3), 3e38, np.float32)  # the sum overflows, the values do not
    np.testing.assert_array_equal(record(nn.Identity(), huge, layer=""), huge)


def test_the_projection_inside_attention_never_fires_and_says_what_to_record():
    module = Around(nn.MultiheadAttention(8, 2, batch_first=True), swap=False)
    module.forward = lambda x: module.layer(x, x, x)[0]
    with pytest.raises(ValueError, match=r"'layer\.out_proj' never fires.*record 'layer', which"):
        record(module, numbers(3, 4, 8), layer="layer.out_proj")


def test_trials_taken_for_steps_are_refused():
    wrong = Around(nn.RNN(3, 5), swap=False)  # gives trials first to what wants steps first
    for n_trials in (4, 6):  # six steps
        with pytest.raises(ValueError, match="'layer' gave shape .* batch_first=False"):
            record(wrong, numbers(n_trials, 6, 3), layer="layer")
    with pytest.raises(ValueError, match="'output' took 2 trials for the steps of one sequence"):
        record(nn.RNN(3, 5, batch_first=True), numbers(4, 3), layer="")


class Read(nn.Module):
    """A readout of a layer that takes what it gets, in the order of axes in which it gets it."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.readout = layer, nn.Linear(8, 2)

    def forward(self, x):
        found = self.layer(x)
        return self.readout(found[0] if isinstance(found, tuple) else found)


def encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 12)
    return nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)


@pytest.mark.parametrize("batch", [1, 2, 256])
@pytest.mark.parametrize("n_trials", [2, 4, 7])  # four steps
@pytest.mark.parametrize("made", [lambda: nn.GRU(8, 8), encoder])
@pytest.mark.parametrize("name", ["readout", ""])
def test_what_follows_on_trials_taken_for_steps_is_refused_until_the_order_is_declared(
    name, made, n_trials, batch
):
    module, inputs = Read(made()), numbers(n_trials, 4, 8)
    with pytest.raises(ValueError, match="'layer' gave .*=False.*set module.batch_first"):
        record(module, inputs, layer=name, batch=batch)
    module.batch_first = False
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(inputs).transpose(0, 1)).numpy()
    x = record(module, inputs, layer=name, batch=batch)
    np.testing.assert_allclose(x, expected.transpose(1, 2, 0), **CLOSE)


def test_trials_without_steps_are_no_sequence_also_for_what_follows():
    module = Read(nn.GRU(8, 8, batch_first=True))
    with pytest.raises(ValueError, match=r"'layer' took \d trials for the steps of one"):
        record(module, numbers(7, 8), layer="readout")


def test_steps_given_to_a_cell_as_trials_are_refused_for_what_follows():
    class Steps(Loop):
        def forward(self, x):
            return torch.stack([self.cell(step) for step in x]).relu()

    with pytest.raises(ValueError, match="'cell' gave .* it takes steps for trials; swap"):
        record(Steps(nn.GRUCell(3, 5)), numbers(7, 4, 3), layer="")
    module = Steps(nn.GRUCell(3, 5))
    module.batch_first = False
    assert record(module, numbers(7, 4, 3), layer="").shape == (7, 5, 4)


def test_sequences_folded_into_trials_or_run_one_by_one_are_no_mixture():
    class Folded(Read):  # an axis of places beside that of trials
        def forward(self, x):
            trials, places, steps, units = x.shape
            found = super().forward(x.reshape(trials * places, steps, units).transpose(0, 1))
            return found[-1].reshape(trials, places, 2).mean(dim=1)

    class Alone(Read):
        def forward(self, x):
            return torch.stack([super(Alone, self).forward(trial)[-1] for trial in x])

    for module, inputs in ((Folded, numbers(5, 3, 4, 8)), (Alone, numbers(5, 4, 8))):
        module = module(nn.GRU(8, 8))
        with torch.no_grad():
            expected = module(torch.from_numpy(inputs)).numpy()
        for batch in (1, 2, 256):
            np.testing.assert_allclose(
                record(module, inputs, layer="", batch=batch), expected, **CLOSE
            )


def test_an_output_with_steps_first_is_refused_until_its_axes_are_named():
    class Steps(nn.Module):
        def forward(self, x):
            return x.transpose(0, 1)

    inputs = numbers(4, 4, 3)  # as many trials as steps
    with pytest.raises(ValueError, match=r"not \(trial, step, unit\); name its axes"):
        record(Steps(), inputs, layer="")
    x = record(Steps(), inputs, layer="", axes="step trial unit")
    np.testing.assert_array_equal(x, inputs.transpose(0, 2, 1))


def test_a_layer_used_at_two_places_has_no_steps():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.act, self.wide = nn.ReLU(), nn.Linear(3, 5)

        def forward(self, x):
            return self.act(self.wide(self.act(x)))

    with pytest.raises(ValueError, match="'act' is called 2 times in one pass"):
        record(Twice(), numbers(4, 3), layer="act")
    with pytest.raises(ValueError, match="'act' is called 2 times in one pass"):
        record(Twice(), numbers(4, 6, 3), layer="act")


def test_layers_with_other_steps_are_recorded_apart():
    module = nn.Sequential(nn.Linear(3, 2), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(ValueError, match=r"layers differ in their steps \(\(4,\), none\)"):
        record(module, numbers(5, 4, 3), layer=["0", "2"])


def test_units_that_depend_on_the_trials_are_refused():
    class Ragged(nn.Module):
        def forward(self, x):
            return x[:, : len(x)]

    with pytest.raises(ValueError, match="must not depend on the trials"):
        record(Ragged(), numbers(5, 6), layer="")


def test_a_layer_that_gives_no_tensor_is_refused():
    class Packs(nn.Module):
        def forward(self, x):
            return nn.utils.rnn.pack_padded_sequence(x, [x.shape[1]] * len(x), batch_first=True)

    with pytest.raises(TypeError, match="'output' gives PackedSequence"):
        record(Packs(), numbers(3, 4, 2), layer="")


def test_without_torch_one_sentence_says_how_to_get_it(monkeypatch):
    found = builtins.__import__

    def missing(name, *rest):
        if name == "torch":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match="networks need torch, .*: pip install"):
        record(None, numbers(3, 2), layer="")
