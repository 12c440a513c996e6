"""Recurrent cores: rate RNN, GRU and LSTM with a leading ``net`` axis, and their private noise."""

import torch
from torch import nn

from ..stacked import drawn, torch_function


class Recurrent(nn.Module):
    """Inputs and state weigh in on `gates` times `units` values; `advance` makes the next state.

    The state starts at 0. Private noise (sd a step) is added to every unit where `streams` are set,
    one torch.Generator a net.
    """

    gates = 1

    def __init__(self, n_in, units, streams, noise=0.0):
        super().__init__()
        self.units, self.noise, self.streams = units, noise, None
        size = self.gates * units
        self.weight_in = nn.Parameter(drawn(streams, (n_in, size), units, "torch"))
        self.weight = nn.Parameter(drawn(streams, (units, size), units, "torch"))
        self.bias = nn.Parameter(drawn(streams, (1, size), units, "torch"))

    def forward(self, x):
        """(net, trial, step, channel) to the states (net, trial, step, unit)."""
        nets, trials, steps, _ = x.shape
        drive = torch.baddbmm(self.bias, x.transpose(1, 2).reshape(nets, steps * trials, -1),
                              self.weight_in).view(nets, steps, trials, -1)  # fmt: skip
        state = self.start(nets, trials, x)
        noise = self._noise(nets, steps, trials, x)
        states = []
        for t, now in enumerate(drive.unbind(1)):
            state = self.advance(now, state)
            if noise is not None:
                state = (state[0] + noise[:, t], *state[1:])
            states.append(state[0])
        return torch.stack(states, dim=2)

    def step(self, inputs, state):
        """One step of a single net: (state, unit), (state, channel) to (state, unit).

        For fixed points; of an LSTM the state is hidden and cell side by side.
        """
        now = torch.baddbmm(self.bias, inputs[None], self.weight_in)
        parts = [p.contiguous() for p in state[None].split(self.units, dim=-1)]
        return torch.cat(self.advance(now, tuple(parts)), dim=-1)[0]

    @property
    def noisy(self):
        """Whether private noise is added now."""
        return bool(self.noise) and self.streams is not None

    def start(self, nets, trials, like):
        """The state before the first step."""
        return (like.new_zeros(nets, trials, self.units),)

    def _noise(self, nets, steps, trials, like):
        if not self.noisy:
            return None
        drawn = [torch.randn(steps, trials, self.units, generator=g) for g in self.streams]
        return self.noise * torch.stack(drawn).to(like.device)


class RateCore(Recurrent):
    r"""r <- (1 - a) r + a f(W_in u + W r + b); or, not leaky, r <- r + a f(W_in u + W r + b)."""

    def __init__(self, n_in, units, streams, noise=0.0, *, activation="relu", alpha=1.0,
                 leaky=True):  # fmt: skip
        super().__init__(n_in, units, streams, noise)
        self.alpha, self.leaky, self.function = alpha, leaky, torch_function(activation)

    def advance(self, now, state):
        """One step."""
        (r,) = state
        new = self.function(torch.baddbmm(now, r, self.weight))
        if self.leaky and self.alpha == 1:
            return (new,)
        return ((1 - self.alpha) * r + self.alpha * new if self.leaky else r + self.alpha * new,)


class GRUCore(Recurrent):
    """Gated recurrent unit (Cho et al. 2014) as torch has it: reset, update, candidate."""

    gates = 3

    def __init__(self, n_in, units, streams, noise=0.0, memory=0.0):
        super().__init__(n_in, units, streams, noise)
        self.bias_candidate = nn.Parameter(drawn(streams, (1, units), units, "torch"))
        self.bias.data[..., units : 2 * units] += memory  # of the update gate

    def advance(self, now, state):
        """One step."""
        (h,) = state
        w_reset, w_update, w_new = torch.bmm(h, self.weight).chunk(3, dim=-1)
        d_reset, d_update, d_new = now.chunk(3, dim=-1)
        reset, update = torch.sigmoid(d_reset + w_reset), torch.sigmoid(d_update + w_update)
        new = torch.tanh(torch.addcmul(d_new, reset, w_new + self.bias_candidate))
        return (new + update * (h - new),)


class LSTMCore(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997): input, forget, cell, output."""

    gates = 4

    def __init__(self, n_in, units, streams, noise=0.0, memory=0.0):
        super().__init__(n_in, units, streams, noise)
        self.bias.data[..., units : 2 * units] += memory  # of the forget gate

    def start(self, nets, trials, like):
        """Hidden and cell state."""
        zero = like.new_zeros(nets, trials, self.units)
        return zero, zero

    def forward(self, x):
        """As of every core; torch's own loop, net by net, where nothing happens between steps."""
        if x.device.type != "cpu" or self.noisy:
            return super().forward(x)
        zero = self.start(1, x.shape[1], x)
        none = torch.zeros_like(self.bias[0, 0])  # torch has two biases, whose sum counts
        return torch.stack([
            torch.lstm(own, zero, (w_in.T, w.T, b[0], none), True, 1, 0.0, True, False, True)[0]
            for own, w_in, w, b in zip(x, self.weight_in, self.weight, self.bias, strict=True)
        ])  # fmt: skip

    def advance(self, now, state):
        """One step."""
        h, cell = state
        enter, forget, candidate, leave = torch.baddbmm(now, h, self.weight).chunk(4, dim=-1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        return torch.sigmoid(leave) * torch.tanh(cell), cell
