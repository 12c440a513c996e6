"""A dictionary: directions of a population that sparse codes combine, apart from any encoder."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from .. import columns, options
from ..formulas import match as matching
from ._given import as_given, beside


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Unit atoms in the space of neurons; a code s stands for the activity centre + s atoms.

    An encoder is any object with ``encode(x, dictionary)`` that returns codes (sample, atom); it
    takes x through :meth:`centred`, which checks it.

    Parameters
    ----------
    atoms : (atom, neuron)
        Scaled to length 1; ``length`` (atom,) keeps the lengths given, by which codes of the atoms
        as they were are multiplied to become codes of unit atoms.
    neurons : sequence of str, optional
        Labels, by which the neurons of an activity (its ``unit_id``) and of other dictionaries and
        encoders find their place. What has no labels is taken in this order.
    centre : (neuron,), optional
        Subtracted before encoding and added by :meth:`decode`; nothing by default.

    Raises
    ------
    TypeError
        Atoms or centre are no real numbers; labels are of several kinds.
    ValueError
        An atom is zero or not finite; labels or centre are not one a neuron.

    Examples
    --------
    >>> d = Dictionary([[3.0, 4.0], [0.0, 2.0]], centre=[1.0, 1.0])
    >>> d.atoms.tolist(), d.length.tolist(), d.decode([[5.0, 0.0]]).tolist()
    ([[0.6, 0.8], [0.0, 1.0]], [5.0, 2.0], [[4.0, 5.0]])
    """

    atoms: np.ndarray
    neurons: Any = None
    centre: Any = None
    length: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        atoms = options.reals("atoms", self.atoms)
        if atoms.ndim != 2 or not atoms.size:
            raise ValueError(f"atoms of shape {atoms.shape} are no dictionary; give (atom, neuron)")
        length = np.linalg.norm(atoms, axis=1)
        bad = np.flatnonzero(~(np.isfinite(length) & (length > 0)))
        if bad.size:
            raise ValueError(
                f"{bad.size} of {len(atoms)} atoms are zero or not finite, the first is atom "
                f"{bad[0]}; leave them out"
            )
        n = atoms.shape[1]
        neurons = None if self.neurons is None else columns.plain_values("neurons", self.neurons)
        centre = np.zeros(n) if self.centre is None else options.reals("centre", self.centre).copy()
        if neurons is not None and (
            neurons.shape != (n,)
            or len(np.unique(neurons)) < n
            or columns.is_missing(neurons).any()
        ):
            raise ValueError(
                f"neurons of shape {neurons.shape} do not label {n} neurons; give one label, each "
                "its own, a neuron"
            )
        if centre.shape != (n,) or not np.isfinite(centre).all():
            raise ValueError(
                f"centre of shape {centre.shape} must be {n} finite numbers, one a neuron"
            )
        atoms = atoms / length[:, None]
        for name, value in {"atoms": atoms, "neurons": neurons, "centre": centre}.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "length", length)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.atoms)

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.atoms.shape[1]

    def centred(self, x: Any) -> np.ndarray:
        """Activity less the centre, float (sample, neuron), ready to be encoded, as it is ordered.

        Raises
        ------
        TypeError
            x is no array of real numbers.
        ValueError
            x has other neurons or another shape, or is not finite.
        """
        if isinstance(x, xr.DataArray):
            valid, place = as_given(x)
            x = self._values(valid)[np.argsort(place)]
        x = options.reals("activity", x)
        if x.ndim != 2 or x.shape[1] != self.n_neurons or not len(x):
            raise ValueError(
                f"activity of shape {x.shape} does not fit a dictionary of {self.n_neurons} "
                "neurons; give (sample, neuron)"
            )
        bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
        if bad.size:
            raise ValueError(
                f"{bad.size} of {len(x)} samples hold NaN or infinity, the first is sample "
                f"{bad[0]}; leave those samples or their neurons out"
            )
        return x - self.centre

    def _values(self, x):
        if x.ndim != 2:
            raise ValueError("activity has a time axis; choose one window, as in x.isel(time=0)")
        return x.values[
            :, places(x.coords["unit_id"].values, self.neurons, "activity", "dictionary")
        ]

    def ordered_as(self, neurons: Any, whose: str = "the other one") -> Dictionary:
        """The same with its neurons in the order of other labels; itself where either has none.

        ``whose`` labels they are is said where they are of other neurons.

        Raises
        ------
        ValueError
            Labels are of other neurons.

        Examples
        --------
        >>> Dictionary([[0.6, 0.8]], neurons=["a", "b"]).ordered_as(["b", "a"]).atoms.tolist()
        [[0.8, 0.6]]
        """
        order = places(self.neurons, neurons, "dictionary", whose)
        if isinstance(order, slice):
            return self
        found = copy(self)
        for name in ("atoms", "neurons", "centre"):
            object.__setattr__(found, name, np.take(getattr(self, name), order, axis=-1))
        return found

    def encode(self, x: Any, encoder: Any, **options_: Any) -> Any:
        """Codes by any encoder: an array (sample, atom), or a DataArray (trial, atom) for activity.

        ``options_`` are those of the encoder's own ``encode``. Trials of activity come out in order
        of their ``trial_id``.

        Raises
        ------
        TypeError
            That is no encoder; x is no array of real numbers.
        ValueError
            x does not fit, or as the encoder says.
        """
        need_encoder(encoder=encoder)
        codes = encoder.encode(x, self, **options_)
        if not isinstance(x, xr.DataArray):
            return codes
        x, place = as_given(x)
        codes = codes[place]
        kept = {k: v for k, v in x.coords.items() if "neuron" not in v.dims}
        return xr.DataArray(codes, kept, ("trial", "atom"), "codes", {"encoder": repr(encoder)})

    def decode(self, codes: Any) -> np.ndarray:
        """Activity that codes (sample, atom) stand for, (sample, neuron).

        Raises
        ------
        TypeError, ValueError
            As by :meth:`checked`.
        """
        return self.checked(codes) @ self.atoms + self.centre

    def checked(self, codes: Any) -> np.ndarray:
        """Codes as float (sample, atom), or a sentence that says why they are none.

        Raises
        ------
        TypeError
            They are no real numbers.
        ValueError
            They are of another number of atoms.
        """
        codes = options.reals("codes", codes)
        if codes.ndim != 2 or codes.shape[1] != self.n_atoms:
            raise ValueError(
                f"codes of shape {codes.shape} do not fit {self.n_atoms} atoms; give (sample, atom)"
            )
        return codes

    def _paired(self, x, codes):
        """Activity and codes of the same samples, all finite."""
        x, codes = self.centred(x), self.checked(beside(codes, x))
        if len(x) != len(codes) or not np.isfinite(codes).all():
            raise ValueError(
                f"codes of shape {codes.shape} must be finite, one row for each of {len(x)} samples"
            )
        return x, codes

    def objective(self, x: Any, codes: Any, penalty: float) -> np.ndarray:
        """Half the squared residual and penalty times the absolute sum of the codes, (sample,).

        Codes and what is returned are in the order of x as it is given; codes with ``trial_id``
        are matched to activity by it.

        Raises
        ------
        TypeError
            Activity or codes are no real numbers.
        ValueError
            They do not fit one another or the dictionary, or are not finite.
        """
        options.number(0, penalty=penalty)
        x, codes = self._paired(x, codes)
        residual = x - codes @ self.atoms
        return 0.5 * np.einsum("ij,ij->i", residual, residual) + penalty * np.abs(codes).sum(axis=1)

    def duality_gap(self, x: Any, codes: Any, penalty: float, *, nonneg: bool = True) -> np.ndarray:
        """How far above the least objective that of these codes is at most, (sample,).

        0 is the proof that they are the best ones, whatever encoder they are from. Samples are
        paired as by :meth:`objective`.

        Raises
        ------
        TypeError, ValueError
            As by :meth:`objective`; codes are negative and `nonneg`.

        Source: Kim et al. 2007, IEEE J Sel Top Signal Process 1:606, equation 8 (signed codes).
        """
        from ..kernels import sparse

        options.number(above=0, penalty=penalty)
        options.switch(nonneg=nonneg)
        x, codes = self._paired(x, codes)
        if nonneg and (codes < 0).any():
            raise ValueError("codes are negative in places; pass nonneg=False")
        product, drive = (codes @ self.atoms) @ self.atoms.T, x @ self.atoms.T
        power = 0.5 * np.einsum("ij,ij->i", x, x)
        return sparse.duality_gap(codes, product, drive, power, float(penalty), not nonneg)[0]

    def match(self, other: Dictionary, *, signed: bool = False) -> matching.Match:
        """Pair these atoms, taken as the true ones, with another dictionary's by their cosines.

        Absolute cosines unless signed; chance is far above 0, see :func:`chance_match`.

        Raises
        ------
        TypeError
            The other one is no dictionary.
        ValueError
            They differ in neurons.
        """
        need_dictionary(other=other)
        other = other.ordered_as(self.neurons)
        return matching.match(matching.cosine(self.atoms, other.atoms, signed=signed))

    def coherence(self) -> float:
        """Largest absolute cosine of two atoms, 0 to 1; 0 where there is one atom."""
        gram = np.abs(self.atoms @ self.atoms.T)
        np.fill_diagonal(gram, 0.0)
        return float(min(gram.max(), 1.0))

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **given: Any) -> Dictionary:
        """The decoder of a trained autoencoder as a dictionary, from its state dict.

        Known layouts: SAELens (``W_dec`` (atom, neuron)), dictionary_learning (``decoder.weight``
        (neuron, atom)) and overcomplete (``dictionary._weights`` (atom, neuron)). The decoder's
        bias (``b_dec``, ``bias``, ``decoder.bias`` or ``decoder_bias``) becomes the centre.

        Parameters
        ----------
        state : mapping of str to array or tensor
        **given : ``neurons`` and ``centre`` of :class:`Dictionary`

        Raises
        ------
        TypeError
            That is no mapping, or what it holds no real numbers.
        ValueError
            No decoder of a known layout is there.
        """
        if not isinstance(state, Mapping):
            raise TypeError(
                f"state must be a mapping of arrays, not {type(state).__name__}; give a state dict"
            )
        known = {"W_dec": False, "decoder.weight": True, "dictionary._weights": False}
        name = next((k for k in known if k in state), None)
        if name is None:
            raise ValueError(
                f"state holds {sorted(map(str, state))}, no decoder of a known layout; choose from "
                f"{sorted(known)}"
            )
        atoms = options.reals(name, state[name])
        bias = next(
            (
                options.reals(k, state[k])
                for k in ("b_dec", "bias", "decoder.bias", "decoder_bias")
                if k in state
            ),
            None,
        )
        return cls(atoms.T if known[name] else atoms, **({"centre": bias} | given))


def places(found: Any, wanted: Any, name: str, whose: str) -> Any:
    """Where each wanted label stands among those found; a slice of all where none has to move.

    Raises
    ------
    ValueError
        Labels are of other neurons.
    """
    if found is None or wanted is None:
        return slice(None)
    found, wanted = np.asarray(found).tolist(), np.asarray(wanted).tolist()
    if found == wanted:
        return slice(None)
    place = {label: i for i, label in enumerate(found)}
    if len(found) != len(wanted) or set(place) != set(wanted):
        raise ValueError(
            f"{name} and {whose} differ in their neurons: {len(found)} and {len(wanted)}, of which "
            f"{len(set(place) & set(wanted))} are shared; give both the same ones"
        )
    return np.array([place[label] for label in wanted])


def need_dictionary(**given: Any) -> None:
    """Refuse what is no Dictionary.

    Raises
    ------
    TypeError

    Examples
    --------
    >>> need_dictionary(start=[[1.0, 0.0]])
    Traceback (most recent call last):
        ...
    TypeError: start must be a Dictionary, not list; give Dictionary(atoms)
    """
    for name, value in given.items():
        if not isinstance(value, Dictionary):
            raise TypeError(
                f"{name} must be a Dictionary, not {type(value).__name__}; give Dictionary(atoms)"
            )


def need_encoder(**given: Any) -> None:
    """Refuse what cannot encode: a class, a word, or anything without ``encode(x, dictionary)``.

    Raises
    ------
    TypeError
    """
    for name, value in given.items():
        if isinstance(value, str | type) or not callable(getattr(value, "encode", None)):
            raise TypeError(
                f"{name}={options.shown(value)} has no encode(x, dictionary); give an encoder, as "
                "FISTA(0.1)"
            )
