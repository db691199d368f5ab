"""Which images are suspected copies of training images, in feature space and in pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from monai_minority.data.store.image_store import ImageStore, evenly
from monai_minority.evaluation.aligned_pixels import AlignedPixels
from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.features import Images, extract
from monai_minority.evaluation.nearest import NearestOther, nearest_other, nearest_real
from monai_minority.keys import Column, Split

SPACES = ("feature", "pixel")


class CopyDetector:
    """Finds images that lie nearer to a training image than nearly all people lie to each other.

    In each of two spaces, features and aligned pixels, the distances of real images to the nearest training image of
    *another* subject give a threshold at half the ``quantile``; an image below either threshold is a suspected copy. Of
    real images of people never seen, about the ``quantile`` are at most. Half of the subjects that were never trained
    on and all of those trained on calibrate; the other half is kept for control.

    Pixels find a copy that was mirrored, moved or noised, features one that was changed in other ways. Smooth images
    lie nearer to all others than real ones with their noise do, so a share somewhat above the quantile may come from
    smoothness: look at the pairs, and at what is nearer than any two people.

    Args:
        store: real images with ``split`` and ``subject``.
        extractor: feature space.
        quantile: share of unseen people that may be suspected, in (0, 1).
        max_shift: moves in pixels that a copy may have undergone.
        calibration_size: at most so many real images, evenly over the store, calibrate; as many are kept for control.
        feature_dir: cache of features.
        batch_size: images at a time.
        progress: whether to show bars.

    Attributes:
        control: rows of the real images kept for control, none of which was trained on or calibrated with.
        thresholds: of each of :data:`SPACES`, in its unit (pixels: root mean square difference in [-1, 1]).
        context: the settings, numbers of images and thresholds.

    Raises:
        ValueError: the quantile is out of range, columns are missing, or there are too few subjects.
    """

    def __init__(
        self,
        store: ImageStore,
        extractor: nn.Module,
        *,
        quantile: float = 0.01,
        max_shift: int = 3,
        calibration_size: int = 2000,
        feature_dir: str | Path | None = None,
        batch_size: int = 64,
        progress: bool = True,
    ) -> None:
        if not 0 < quantile < 1:
            raise ValueError(f"quantile must be in (0, 1), got {quantile}")
        missing = [c.value for c in (Column.SPLIT, Column.SUBJECT) if c not in store.table]
        if missing:
            raise ValueError(f"store must have the columns {missing}, got {list(store.table)}; run the prepare stage")
        self.store, self.extractor = store, extractor
        self.feature_dir, self.batch_size, self.progress = feature_dir, batch_size, progress
        self.subjects = np.unique(store.table[Column.SUBJECT].to_numpy(), return_inverse=True)[1]
        trained = (store.table[Column.SPLIT] == Split.TRAIN).to_numpy()
        self.training, unseen = np.flatnonzero(trained), np.flatnonzero(~trained)
        sizes = np.unique(self.subjects[self.training], return_counts=True)[1]
        if len(sizes) < 3:
            raise ValueError(f"store must have three training subjects or more to tell copies by, got {len(sizes)}")
        kept = np.isin(self.subjects[unseen], np.unique(self.subjects[unseen])[1::2])
        self.control = unseen[kept][evenly(int(kept.sum()), calibration_size)] if kept.any() else unseen[kept]
        pool = np.sort(np.r_[self.training, unseen[~kept]])
        calibration = pool[evenly(len(pool), calibration_size)]

        neighbours = min(2 * int(sizes.max()) + 1, len(self.training) - 1)
        features = self._features(store)[self.training]
        self._index = NeighbourIndex(features, k=neighbours, ball=0)
        self._pixels = AlignedPixels(store.subset(trained), max_shift, neighbours + 15, batch_size)
        found = self._nearest(store, calibration, self.subjects[calibration])
        self.thresholds = {space: float(np.quantile(found[space].distances, quantile / 2)) for space in SPACES}
        self._least = {space: float(found[space].distances.min()) for space in SPACES}
        self.context: dict[str, Any] = {
            "quantile": quantile,
            "training_images": len(self.training),
            "training_subjects": len(sizes),
            "calibration_images": len(calibration),
            "calibration_subjects": len(np.unique(self.subjects[calibration])),
            **{f"{space}_threshold": value for space, value in self.thresholds.items()},
        }

    def table(self, images: Images, rows: np.ndarray | None = None) -> pd.DataFrame:
        """Measure generated images, or real ones of the detector's own store, each without its own subject.

        Args:
            images: a store of generated images, or the one the detector was made with.
            rows: which of them; ``None``: all.

        Returns:
            One row an image: ``row``; in each of :data:`SPACES` ``<space>_distance`` to the nearest training image
            (Euclidean; root mean square of pixels in [-1, 1]), ``<space>_real`` (that image's row in the real store),
            ``<space>_ratio`` (distance over that to the next subject's) and ``<space>_authentic`` (farther from it than
            it is from the nearest other subject; Alaa et al., ICML 2022); ``suspected_copy``; ``nearer_than_any``
            (nearer than any two subjects of the calibration).

        Raises:
            ValueError: the images are not of the real ones' shape.
        """
        if images.image_shape != self.store.image_shape:
            raise ValueError(
                f"images must have the real store's shape {self.store.image_shape}, got {images.image_shape}; sample "
                "at the size that the backbone was trained at"
            )
        rows = np.arange(len(images)) if rows is None else rows
        found = self._nearest(images, rows, self.subjects[rows] if images is self.store else None)
        # Authenticity asks how far the training images that were found are from other people's, and of no others.
        reals = {space: np.unique(found[space].indices, return_inverse=True) for space in SPACES}
        asked = self.training[np.unique(np.concatenate([indices for indices, _ in reals.values()]))]
        own = self._nearest(self.store, asked, self.subjects[asked])
        columns: dict[str, Any] = {"row": rows}
        suspected, nearer = np.zeros((2, len(rows)), bool)
        for space, near in found.items():
            real = self.training[near.indices]
            columns[f"{space}_distance"] = near.distances
            columns[f"{space}_real"] = real
            columns[f"{space}_ratio"] = near.ratio
            columns[f"{space}_authentic"] = near.distances > own[space].distances[np.searchsorted(asked, real)]
            suspected |= near.distances < self.thresholds[space]
            nearer |= near.distances < self._least[space]
        return pd.DataFrame(columns | {"suspected_copy": suspected, "nearer_than_any": nearer})

    def _nearest(self, images: Images, rows: np.ndarray, own: np.ndarray | None) -> dict[str, NearestOther]:
        """The nearest training image of another subject than ``own``, as a position among the training images."""
        theirs = self.subjects[self.training]
        features = nearest_real(self._index, self._features(images)[rows], self._index.k)
        return {
            "feature": nearest_other(features, theirs, own),
            "pixel": nearest_other(self._pixels.nearest(images, rows, self.progress), theirs, own),
        }

    def _features(self, images: Images) -> np.ndarray:
        return extract(images, self.extractor, self.feature_dir, self.batch_size, progress=self.progress)
