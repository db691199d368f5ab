"""Detection of suspected copies of training images, in feature space and in pixels."""

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
    """Finds images that are nearer to a training image than images of different subjects nearly always are.

    There are two spaces: features and aligned pixels. In each, the threshold is the ``quantile / 2`` of the distances
    from real images to the nearest training image of *another* subject. An image below either threshold is a suspected
    copy. Of held-out real images, at most about the ``quantile`` fall below a threshold. All training subjects and half
    of the held-out subjects calibrate the thresholds; the other half is the control.

    Pixels find copies that were mirrored, moved or changed by noise; features find copies with other changes. Smooth
    images are nearer to all images than noisy real ones are, so smoothness alone may give a share slightly above the
    quantile. Look at the pairs, and at ``nearer_than_any``.

    Args:
        store: real images with the columns ``split`` and ``subject``.
        extractor: feature space.
        quantile: accepted share of suspected copies among held-out real images, in (0, 1).
        max_shift: largest move of a copy, in pixels.
        calibration_size: largest number of real images for calibration, evenly over the store; the control has at most
            as many.
        feature_dir: cache of features.
        batch_size: images in a batch.
        progress: whether to show progress bars.

    Attributes:
        control: rows of the real images in the control, which were used neither for training nor for calibration.
        thresholds: threshold of each of :data:`SPACES`, in its unit (pixels: root mean square difference in [-1, 1]).
        context: settings, numbers of images, and thresholds.

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
        self.subjects = pd.factorize(store.table[Column.SUBJECT])[0]  # by row: pseudonyms differ from run to run
        trained = (store.table[Column.SPLIT] == Split.TRAIN).to_numpy()
        self.training, unseen = np.flatnonzero(trained), np.flatnonzero(~trained)
        sizes = np.unique(self.subjects[self.training], return_counts=True)[1]
        if len(sizes) < 3:
            raise ValueError(f"store must have at least three training subjects to detect copies, got {len(sizes)}")
        kept = np.isin(self.subjects[unseen], np.unique(self.subjects[unseen])[1::2])
        self.control = unseen[kept][evenly(int(kept.sum()), calibration_size)] if kept.any() else unseen[kept]
        pool = np.sort(np.r_[self.training, unseen[~kept]])
        calibration = pool[evenly(len(pool), calibration_size)]

        neighbours = min(2 * int(sizes.max()) + 1, len(self.training) - 1)
        features = self._features(store)[self.training]
        self._index = NeighbourIndex(features, k=neighbours, ball=0)
        self._pixels = AlignedPixels(store.subset(trained), max_shift, neighbours + 15, batch_size)
        # Of the real images, which are asked for again and again; -1: not known yet.
        self._known = {
            space: NearestOther(np.empty(len(store)), np.full(len(store), -1), np.empty(len(store))) for space in SPACES
        }
        found = self._nearest(store, calibration)
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
        """Measure generated images, or real images of the detector's own store, each without its own subject.

        Args:
            images: store of generated images, or the store of the detector.
            rows: rows to measure; ``None`` takes all.

        Returns:
            One row for each image: ``row``; in each of :data:`SPACES` ``<space>_distance`` to the nearest training
            image (Euclidean; root mean square of pixels in [-1, 1]), ``<space>_real`` (its row in the real store),
            ``<space>_ratio`` (distance divided by the distance to the next subject) and ``<space>_authentic`` (whether
            it is farther from that image than the nearest other subject is; Alaa et al., ICML 2022);
            ``suspected_copy``; ``nearer_than_any`` (nearer than any two subjects of the calibration).

        Raises:
            ValueError: the images have another shape than the real ones.
        """
        if images.image_shape != self.store.image_shape:
            raise ValueError(
                f"images must have the real store's shape {self.store.image_shape}, got {images.image_shape}; sample "
                "at the size of the backbone's training images"
            )
        rows = np.arange(len(images)) if rows is None else rows
        found = self._nearest(images, rows)
        # Authenticity needs the distance to other subjects only for the training images that were found.
        reals = {space: np.unique(found[space].indices, return_inverse=True) for space in SPACES}
        asked = self.training[np.unique(np.concatenate([indices for indices, _ in reals.values()]))]
        own = self._nearest(self.store, asked)
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

    def _nearest(self, images: Images, rows: np.ndarray) -> dict[str, NearestOther]:
        """Position, among the training images, of the nearest one that is not of the image's own subject."""
        if images is not self.store:
            return self._search(images, rows, None)
        new = rows[self._known[SPACES[0]].indices[rows] < 0]
        if len(new):
            for space, found in self._search(images, new, self.subjects[new]).items():
                for whole, part in zip(self._known[space], found, strict=True):
                    whole[new] = part
        return {space: NearestOther(*(whole[rows] for whole in known)) for space, known in self._known.items()}

    def _search(self, images: Images, rows: np.ndarray, own: np.ndarray | None) -> dict[str, NearestOther]:
        theirs = self.subjects[self.training]
        features = nearest_real(self._index, self._features(images)[rows], self._index.k)
        return {
            "feature": nearest_other(features, theirs, own),
            "pixel": nearest_other(self._pixels.nearest(images, rows, self.progress), theirs, own),
        }

    def _features(self, images: Images) -> np.ndarray:
        return extract(images, self.extractor, self.feature_dir, self.batch_size, progress=self.progress)
