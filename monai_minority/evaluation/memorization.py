"""Whether generated images are copies of training images."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monai_minority.evaluation.density.neighbours import Features, NeighbourIndex, as_index
from monai_minority.evaluation.figure import Figure


class NearestReal(NamedTuple):
    """The ``k`` real images nearest to each generated one, nearest first."""

    distances: np.ndarray
    """Euclidean ``[M, k]``, float64."""
    indices: np.ndarray
    """Rows of the real images ``[M, k]``, int64."""


@dataclass(frozen=True)
class MemorizationAudit:
    """Distances of generated images to the training images, beside those between different subjects.

    Attributes:
        distances: of each generated image to its nearest training image ``[M]``.
        indices: that training image ``[M]``.
        baseline: distance of each training image to the nearest one of another subject ``[N]``.
        threshold: the quantile of ``baseline`` below which a generated image is a suspected copy.
        suspected: which generated images lie below it ``[M]``, bool.
        share: share of suspected copies, a :class:`Figure`; the quantile is what to expect of unseen people.
        ratio: distance to the nearest training image over that to the nearest one of another subject ``[M]``; near 0
            for a copy, near 1 for an image that is as much like one person as like the next. NaN where both are 0.
        authentic: which generated images are farther from their nearest training image than that image is from
            the nearest one of another subject ``[M]``, bool; the share of them is the authenticity of Alaa et al.
            ("How faithful is your synthetic data?", ICML 2022).
    """

    distances: np.ndarray
    indices: np.ndarray
    baseline: np.ndarray
    threshold: float
    suspected: np.ndarray
    share: Figure
    ratio: np.ndarray
    authentic: np.ndarray


class NearestOther(NamedTuple):
    """The nearest image of each query that is not of its own subject; see :func:`nearest_other`."""

    distances: np.ndarray
    """``[Q]``, float64; infinite where there is none among the neighbours."""
    indices: np.ndarray
    """Rows of the images ``[Q]``, int64."""
    ratio: np.ndarray
    """Distance over that of the nearest image of yet another subject ``[Q]``; NaN where there is none or both are 0."""


def nearest_other(found: NearestReal, subjects: np.ndarray, own: np.ndarray | None = None) -> NearestOther:
    """From neighbours to the nearest of another subject, and how much nearer it is than the next subject's.

    Args:
        found: neighbours ``[Q, k]``, of which ``k`` must be larger than the images of any two subjects for every query
            to have its ratio.
        subjects: of the images that were searched ``[N]``.
        own: subject of each query ``[Q]``, whose images are passed over; ``None``: generated images have none.
    """
    theirs = np.asarray(subjects)[found.indices]
    distances = found.distances if own is None else np.where(theirs == own[:, None], np.inf, found.distances)
    first = distances.argmin(axis=1)[:, None]
    nearest = np.take_along_axis(distances, first, axis=1)[:, 0]
    who = np.take_along_axis(theirs, first, axis=1)
    second = np.where(theirs == who, np.inf, distances).min(axis=1)
    known = np.isfinite(second) & (second > 0)
    ratio = np.divide(nearest, second, out=np.full(len(nearest), np.nan), where=known)
    return NearestOther(nearest, np.take_along_axis(found.indices, first, axis=1)[:, 0], ratio)


def nearest_real(real: Features | NeighbourIndex, generated: Features | NeighbourIndex, k: int = 1) -> NearestReal:
    """The ``k`` nearest real images of each generated one.

    Args:
        real: real feature vectors (or flattened pixels) ``[N, D]``, or an index of them.
        generated: generated vectors ``[M, D]``, or an index of them.
        k: how many.

    Raises:
        ValueError: the shapes do not fit, values are not finite, or ``k`` is out of range.
    """
    found = as_index(real, k=k).neighbours(generated, k)
    return NearestReal(found.distances, found.indices)


def audit(
    real: Features,
    generated: Features | NeighbourIndex,
    subjects: np.ndarray | None = None,
    quantile: float = 0.01,
) -> MemorizationAudit:
    """Compare generated-to-training distances with those between training images of different subjects.

    An image that is nearer to a training image than nearly all people are to each other is a suspected copy:
    below the ``quantile`` of the distances from each training image to the nearest one of another subject.
    Images of people never seen would fall there about as often as the quantile says, and a share far above it
    means memorization. What counts as near is up to the feature space; look at the suspected pairs.

    Args:
        real: feature vectors of the images that the model was trained on ``[N, D]``.
        generated: feature vectors of generated images ``[M, D]``, or an index of them.
        subjects: subject of each training image ``[N]``; ``None`` where each image is its own subject.
        quantile: in (0, 1).

    Raises:
        ValueError: ``quantile`` is out of range, ``subjects`` does not fit or names one subject alone, or the
            vectors are not finite or of different dimensions.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must be in (0, 1), got {quantile}")
    subjects = np.arange(len(real)) if subjects is None else np.asarray(subjects)
    if subjects.shape != (len(real),):
        raise ValueError(f"subjects must name one subject for each of {len(real)} images, got {subjects.shape}")
    names, codes, sizes = np.unique(subjects, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValueError(f"subjects must name at least two, got {names.tolist()}; there is nothing to compare with")
    # Among as many neighbours as the largest two subjects have images, one at least is of someone else.
    index = NeighbourIndex(real, k=min(2 * int(sizes.max()), len(real) - 1), ball=0)
    own = index.own
    baseline = nearest_other(NearestReal(own.distances, own.indices), codes, codes).distances
    found = nearest_other(nearest_real(index, generated, index.k), codes)
    distances, indices = found.distances, found.indices
    threshold = float(np.quantile(baseline, quantile))
    suspected = distances < threshold
    context = {
        "expected": quantile,
        "threshold": threshold,
        "N real": len(real),
        "N subjects": len(names),
        "N generated": len(distances),
    }
    share = Figure("share of suspected copies", float(suspected.mean()), context=context)
    authentic = distances > baseline[indices]
    return MemorizationAudit(distances, indices, baseline, threshold, suspected, share, found.ratio, authentic)
