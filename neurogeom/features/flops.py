r"""How much work is an encoder, and how much its training? Operations, a product and a sum being 2.

N atoms, M neurons, an encoder of maps with P products-and-sums a sample (P = 2 M N of one map).

- Encoding a sample: P, a bias and a relu a unit (:meth:`flops` of an encoder). Decoding it: 2 M N.
- Training, a sample and step: forward P + 2 M N; backward the gradients of all weights and of what
  is not the input: P + (P - that of the first map) + 2 M N for the codes, 2 M N more for the atoms
  unless they are frozen. Beside products: what the units cost forward twice over, 6 M + 2 N of the
  loss.
- Training, a step: 12 a trained parameter (Adam), 9 M N for the lengths of atoms.

All but the products are small and a matter of convention; the products equal what
``torch.utils.flop_counter`` counts. Nothing that a step does once is charged once a sample, and
nothing that holds a batch is multiplied by the batch again: in the public code of O'Neill, Gumran &
Klindt 2024 it was, which overstates sparse coding by a factor of about 59.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from .. import options

ADAM = 12  # operations a parameter
LOSS = 6, 2  # a neuron, an atom: residual, square, sum and their gradients; the penalty's


def products(sizes: Sequence[int]) -> int:
    """Operations of the products of maps from units to units, of one sample.

    Examples
    --------
    >>> products([8, 16]), products([8, 32, 16])
    (256, 1536)
    """
    return sum(2 * a * b for a, b in pairwise(sizes))


def elementwise(encoder: Any, sizes: Sequence[int]) -> int:
    """Operations of biases, relu and the selection of codes, of one sample."""
    return sum(sizes[1:]) * (1 + encoder.biased) + (encoder.n_nonzero is not None) * sizes[-1]


def decoding_flops(n_samples: int, n_neurons: int, n_atoms: int) -> float:
    """Operations that decode codes, the same for all encoders.

    Raises
    ------
    ValueError
        A number is no whole one of 1 or more.
    """
    options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
    return float(n_samples * products([n_atoms, n_neurons]))


def training_flops(
    encoder: Any,
    n_samples: int,
    n_neurons: int,
    n_atoms: int,
    *,
    steps: int,
    frozen: bool = False,
) -> float:
    """Operations of training an autoencoder by Adam, one restart of it.

    Parameters
    ----------
    encoder : LinearReLU, TopK or MLPEncoder
    n_samples : int, samples of a step
    n_neurons, n_atoms : int
    steps : int
    frozen : bool, the dictionary is known

    Raises
    ------
    ValueError
        The encoder is none that is trained; an option is out of its range.

    Source: counted here, see the module's head; Adam by its update rule.

    Examples
    --------
    >>> from neurogeom.features import LinearReLU
    >>> training_flops(LinearReLU(), 1024, 8, 16, steps=5000)
    7312960000.0
    """
    from .autoencoders import need_trainable

    options.whole(1, n_samples=n_samples, n_neurons=n_neurons, n_atoms=n_atoms)
    options.whole(0, steps=steps)
    options.switch(frozen=frozen)
    need_trainable(encoder)
    sizes = encoder.sizes(n_neurons, n_atoms)
    sample = training_products(encoder, n_neurons, n_atoms, frozen=frozen)
    sample += 2 * elementwise(encoder, sizes) + LOSS[0] * n_neurons + LOSS[1] * n_atoms
    trained = 0 if encoder.tied else products(sizes) // 2
    trained += sum(sizes[1:]) * encoder.biased + (not frozen) * n_neurons * n_atoms
    step = ADAM * trained + 9 * n_neurons * n_atoms * (not frozen)
    return float(steps * (n_samples * sample + step))


def training_products(encoder: Any, n_neurons: int, n_atoms: int, *, frozen: bool) -> int:
    """Operations of the products of a training step, forward and backward, of one sample."""
    sizes = encoder.sizes(n_neurons, n_atoms)
    own, decoder = products(sizes), products([n_atoms, n_neurons])
    weights = 0 if encoder.tied and frozen else own
    hidden = own - products(sizes[:2])
    return own + decoder + weights + hidden + decoder + (not frozen) * decoder
