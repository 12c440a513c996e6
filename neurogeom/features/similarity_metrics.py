"""How alike two stimuli look: embeddings whose squared distances say it, or given similarities.

A metric is a function of images that returns an embedding (stimulus, feature); similarity is minus
the squared distance. Those here need no download. A network's embedding is used as
``lambda images: embed(images)``, a distance of pairs (LPIPS, DreamSim) as :class:`Pairwise`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import options
from ..columns import is_missing, plain_column

__all__ = ["Colour", "GaborEnergy", "Labels", "Pairwise", "Pixels", "Similarity"]

TINY = 1e-12
BLANK = 1e-6  # of the largest pixel
BATCH = 2**22  # complex numbers at a time
WIDTH = 0.4  # sd of a filter in frequencies: 1.5 octaves, 54 degrees (at half height) as in V1
ASYMMETRY = 1e-6  # of the largest similarity


@dataclass(frozen=True)
class GaborEnergy:
    r"""Where an image has which orientations and frequencies: a perceptual similarity, offline.

    Amplitudes :math:`|I * g_{f\theta}|` of Gabor filters 1.5 octaves wide, divided by their length
    over all filters at every place (contrast does not count), averaged over a grid, and of length 1
    as a whole: LPIPS (Zhang et al. 2018) with a filter bank in place of a network. Squared
    distances lie between 0 and 2. Colours are averaged; borders wrap. A blank image, whose pixels
    differ from their mean by less than 1e-6 of the largest, is of zeros: what is left is rounding.

    Parameters
    ----------
    frequencies : cycles a pixel, below 0.5; n_orientations : int
    grid : int
        Places a side.

    Examples
    --------
    A grating and the same grating moved, and turned:

    >>> x = np.arange(24)
    >>> wave = [np.cos(2 * np.pi * x / 6), np.sin(2 * np.pi * x / 6)]
    >>> images = [np.tile(wave[0], (24, 1)), np.tile(wave[1], (24, 1)), np.tile(wave[0], (24, 1)).T]
    >>> e = GaborEnergy()(np.array(images))
    >>> e.shape, ((e - e[0]) ** 2).sum(axis=1).round(2).tolist()
    ((3, 360), [0.0, 0.0, 1.72])
    """

    frequencies: tuple[float, ...] = (0.06, 0.1, 0.16, 0.25, 0.4)
    n_orientations: int = 8
    grid: int = 3

    def __post_init__(self):
        """Refuse filters that no image has."""
        for frequency in self.frequencies:
            options.number(above=0, below=0.5, frequencies=frequency)
        options.whole(1, n_orientations=self.n_orientations, grid=self.grid)

    def __call__(self, images: Any) -> np.ndarray:
        """Images (stimulus, height, width[, channel]) to (stimulus, feature)."""
        from scipy import fft

        grey = _grey(as_images(images))
        n, *shape = grey.shape
        if self.grid > min(shape):
            raise ValueError(f"images of {shape[0]} x {shape[1]} pixels have no grid of "
                             f"{self.grid}; lower grid")  # fmt: skip
        filters = self._filters(*shape)
        rows, columns = (_pooling(size, self.grid) for size in shape)
        found = np.empty((n, len(filters) * self.grid**2))
        step = max(1, BATCH // filters.size)
        for i in range(0, n, step):
            part = _of_contrast_one(grey[i : i + step])
            spectra = fft.fft2(part)
            size = np.abs(fft.ifft2(spectra[:, None] * filters))  # (image, filter, y, x)
            size /= np.sqrt((size**2).sum(axis=1, keepdims=True)) + TINY
            pooled = rows @ size @ columns.T
            found[i : i + step] = pooled.reshape(len(part), -1)
        return found / (np.linalg.norm(found, axis=1, keepdims=True) + TINY)

    def _filters(self, height, width):
        """float32 (filter, height, width): one side of the spectrum each, so that phase is lost."""
        v, u = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
        found = []
        for f in self.frequencies:
            for o in range(self.n_orientations):
                angle = o * np.pi / self.n_orientations
                away = (u - f * np.cos(angle)) ** 2 + (v - f * np.sin(angle)) ** 2
                found.append(np.exp(-away / (2 * (WIDTH * f) ** 2)))
        found = np.array(found, np.float32)
        found[:, 0, 0] = 0  # the mean is no texture
        return found


@dataclass(frozen=True)
class Pixels:
    """Mean squared difference of pixels (all channels).

    Examples
    --------
    >>> e = Pixels()(np.array([[[0.0, 1.0]], [[1.0, 1.0]]]))
    >>> round(float(((e[0] - e[1]) ** 2).sum()), 12)
    0.5
    """

    def __call__(self, images: Any) -> np.ndarray:
        """Images (stimulus, height, width[, channel]) to (stimulus, feature)."""
        flat = as_images(images).reshape(len(images), -1)
        return flat / np.sqrt(flat.shape[1])


@dataclass(frozen=True)
class Colour:
    """Squared difference of mean colours: layout and texture do not count.

    Examples
    --------
    >>> Colour()(np.array([[[[0.0, 1.0], [1.0, 1.0]]]])).tolist()
    [[0.5, 1.0]]
    """

    def __call__(self, images: Any) -> np.ndarray:
        """Images (stimulus, height, width[, channel]) to (stimulus, channel)."""
        images = as_images(images)
        return images.reshape(*images.shape[:3], -1).mean(axis=(1, 2))


@dataclass(frozen=True)
class Labels:
    """1 where classes differ and 0 where they are one, of labels in place of images.

    Examples
    --------
    >>> e = Labels()(["cat", "dog", "cat"])
    >>> [round(float(((e[0] - other) ** 2).sum()), 12) for other in e]
    [0.0, 1.0, 0.0]
    """

    def __call__(self, labels: Any) -> np.ndarray:
        """Labels (stimulus,) to (stimulus, class)."""
        found, which = np.unique(classes("labels", labels), return_inverse=True)
        return np.eye(len(found))[which] / np.sqrt(2)


class Similarity(NamedTuple):
    """Similarities that are known: symmetric (stimulus, stimulus), larger is more alike."""

    values: np.ndarray


@dataclass(frozen=True)
class Pairwise:
    """A distance of pairs of images, such as LPIPS or DreamSim, asked for every pair once.

    Parameters
    ----------
    distance : callable
        Two stacks (pair, height, width[, channel]) to distances (pair,), or as many in any shape.
        It does the scaling that its network wants. With ``net = lpips.LPIPS(net="alex")``, which
        takes tensors (pair, 3, height, width) from -1 to 1, and colours from 0 to 1::

            as_tensor = lambda a: torch.tensor(2 * a - 1).permute(0, 3, 1, 2).float()
            Pairwise(lambda a, b: net(as_tensor(a), as_tensor(b)).detach())
    batch : int
        Pairs at a time. There are n (n - 1) / 2: of 1,000 images 499,500.

    Examples
    --------
    >>> mean = Pairwise(lambda a, b: np.abs(a - b).mean(axis=(1, 2)))
    >>> (0.0 - mean(np.array([[[0.0]], [[1.0]], [[3.0]]])).values).tolist()
    [[0.0, 1.0, 3.0], [1.0, 0.0, 2.0], [3.0, 2.0, 0.0]]
    """

    distance: Callable[[np.ndarray, np.ndarray], Any]
    batch: int = 256

    def __call__(self, images: Any) -> Similarity:
        """Images (stimulus, height, width[, channel]) to Similarity."""
        images = as_images(images)
        first, second = np.triu_indices(len(images), 1)
        found = np.zeros((len(images), len(images)))
        for i in range(0, len(first), self.batch):
            a, b = first[i : i + self.batch], second[i : i + self.batch]
            own = np.asarray(self.distance(images[a], images[b]), float).reshape(-1)
            if len(own) != len(a):
                raise ValueError(f"distance gave {len(own)} numbers for {len(a)} pairs; return one "
                                 "a pair")  # fmt: skip
            found[a, b] = found[b, a] = -own
        return Similarity(found)


class Percept(NamedTuple):
    """What the kernels take: an embedding or similarities, the other one empty."""

    embedding: np.ndarray
    similarity: np.ndarray

    @property
    def n_stimuli(self) -> int:
        """Stimuli."""
        return max(len(self.embedding), len(self.similarity))

    def of(self, stimuli: np.ndarray) -> Percept:
        """The percept of some stimuli."""
        if len(self.similarity):
            return Percept(self.embedding, self.similarity[np.ix_(stimuli, stimuli)])
        return Percept(self.embedding[stimuli], self.similarity)


def percept(stimuli: Any, metric: Any, labels: np.ndarray, name: str) -> Percept:
    """Stimuli in order of their labels as the kernels take them.

    stimuli : images, embedding, Similarity, or mapping of labels to images or rows of an embedding
    metric : callable, or None: Gabor energies of images, an embedding as it is
    labels : (stimulus,), sorted; name : what stimuli are called in sentences
    """
    if not isinstance(stimuli, Similarity):
        stimuli = in_order(stimuli, labels, name)
        if metric is None:
            metric = default_metric(stimuli) or _embedding
        elif not callable(metric):
            raise TypeError(f"metric={options.shown(metric)} is no function; give one of images, "
                            "such as GaborEnergy()")  # fmt: skip
        stimuli = metric(stimuli)
    elif metric is not None:
        raise ValueError("similarities are given, and so no metric is used; leave metric out")
    if isinstance(stimuli, Similarity):
        return Percept(np.empty((0, 0)), _symmetric(stimuli.values, len(labels)))
    found = options.reals("the embedding", stimuli)
    if found.ndim != 2 or len(found) != len(labels):
        raise ValueError(f"the embedding has shape {found.shape}; give ({len(labels)}, features) "
                         f"for the {len(labels)} of {name!r}")  # fmt: skip
    if not np.isfinite(found).all():
        row = int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
        raise ValueError(f"the embedding of {name} {labels[row]} is not finite; leave it out or "
                         "mend it")  # fmt: skip
    return Percept(np.ascontiguousarray(found), np.empty((0, 0)))


def default_metric(stimuli: Any) -> Callable | None:
    """That of images in an array, list or mapping; None of an embedding or similarities."""
    if isinstance(stimuli, Similarity):
        return None
    each = stimuli.values() if isinstance(stimuli, Mapping) else stimuli
    return GaborEnergy() if np.ndim(next(iter(each), 0)) > 1 else None


def in_order(values: Any, labels: np.ndarray, name: str) -> Any:
    """Values in order of labels, from a mapping or a sequence of that order."""
    if isinstance(values, Mapping):
        known = {str(key): value for key, value in values.items()}
        missing = [label for label in labels if str(label) not in known]
        if missing:
            raise ValueError(f"{name} {missing[0]} and {len(missing) - 1} others have responses "
                             "and are not in the mapping; add them")  # fmt: skip
        return [known[str(label)] for label in labels]
    wanted = "give one each, in the order of their sorted labels, or a mapping"
    try:
        n = len(values)
    except TypeError:
        raise TypeError(f"{options.shown(values)} is given for {len(labels)} of {name!r}; "
                        f"{wanted}") from None  # fmt: skip
    if n != len(labels):
        raise ValueError(f"{n} are given for {len(labels)} of {name!r}; {wanted}")
    # a data frame is its rows, and not its columns
    framed = hasattr(values, "__array__") and not hasattr(values, "dtype")
    return np.asarray(values) if framed else values


def classes(name: str, values: Any, labels: Any = None) -> np.ndarray:
    """One class a stimulus, plain (stimulus,); labels : their names in a sentence."""
    found = plain_column(name, values, dim="stimulus")
    gone = np.flatnonzero(is_missing(found))
    if gone.size:  # or all of them would be one class
        where = gone[0] if labels is None else labels[gone[0]]
        raise ValueError(f"{name} of stimulus {where} and {gone.size - 1} others are missing; give "
                         "each one, a name of its own where it shares none")  # fmt: skip
    return found


def as_images(images: Any) -> np.ndarray:
    """Images as one float array (stimulus, height, width[, channel])."""
    if isinstance(images, Sequence):
        shapes = [np.shape(image) for image in images]
        odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
        if odd is not None:
            raise ValueError(f"image {odd} has shape {shapes[odd]} and image 0 {shapes[0]}; crop "
                             "or resize them to one shape")  # fmt: skip
    found = options.reals("images", images)
    if found.ndim not in (3, 4):
        raise ValueError(f"images have shape {found.shape}; give (stimulus, height, width) or "
                         "(stimulus, height, width, channel)")  # fmt: skip
    if not np.isfinite(found).all():
        odd = int(np.flatnonzero(~np.isfinite(found).reshape(len(found), -1).all(axis=1))[0])
        raise ValueError(f"image {odd} has pixels that are not finite; leave it out or mend it")
    return found


def _grey(images):
    return images if images.ndim == 3 else images.mean(axis=3)


def _of_contrast_one(grey):
    """Images less their means, the largest difference 1 and a blank one 0, in single precision."""
    away = grey - grey.mean(axis=(1, 2), keepdims=True)
    contrast, largest = (np.abs(a).max(axis=(1, 2), keepdims=True) for a in (away, grey))
    return (away / np.where(contrast > BLANK * largest, contrast, np.inf)).astype(np.float32)


def _pooling(size, grid):
    """(grid, size): means over parts of nearly equal size."""
    part = np.arange(size) * grid // size
    member = (part == np.arange(grid)[:, None]).astype(np.float32)
    return member / member.sum(axis=1, keepdims=True)


def _embedding(rows):
    return options.reals("the embedding", rows)


def _symmetric(values, n):
    values = options.reals("similarities", values).copy()
    if values.shape != (n, n):
        raise ValueError(f"similarities have shape {values.shape}; give ({n}, {n}) for the {n} "
                         "stimuli")  # fmt: skip
    np.fill_diagonal(values, 0.0)  # never used
    if not np.isfinite(values).all():
        raise ValueError("similarities are not all finite; leave out the stimuli with NaN")
    away = np.abs(values - values.T)
    if away.max(initial=0.0) > ASYMMETRY * np.abs(values).max(initial=0.0):
        a, b = np.unravel_index(int(away.argmax()), away.shape)
        raise ValueError(f"similarity of stimuli {a} and {b} is {values[a, b]:.6g} one way and "
                         f"{values[b, a]:.6g} the other; give a symmetric matrix")  # fmt: skip
    return values
