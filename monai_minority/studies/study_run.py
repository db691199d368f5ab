"""What studies measure with: the run's real images, its feature space and its score."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.features import describe, extract
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.groups import normal_groups
from monai_minority.files import whole_file
from monai_minority.keys import Column, Split
from monai_minority.run.stage import describe as described
from monai_minority.scoring import MinorityScore
from monai_minority.studies.own_store import ROW
from monai_minority.studies.plan import StudyPlan
from monai_minority.tables.evaluate import HELD_OUT
from monai_minority.tables.images import GeneratedImages, Pictures, RealImages, generated_table, real_table
from monai_minority.tables.summary import ALL, summary_table

DISTANCE_RESAMPLES = 100


class StudyRun:
    """A run as studies see it. Real images are measured once, and each generated image once, whatever asks for it.

    Args:
        plan: the settings.
        store: the run's real images, scored.
        extractor: feature space of densities and fidelity.
        score: the run's score, at its timestep.
        severity: measure of severity in pixels, ``None`` for none.
        normal_group: value (or values) of ``group`` that is not rare; ``None``: the commonest in training.
        spaces: feature spaces of the study of outlier measures.
        reference_size: number of most unique real images that fidelity compares with.
        neighbours: k of AvgkNN, precision and recall.
        lof_neighbours: k of LOF.
        resamples: of the bootstrap.
        batch_size: images at a time.
        seed: of the bootstrap.
        progress: whether to show bars.
    """

    def __init__(
        self,
        plan: StudyPlan,
        store: ImageStore,
        extractor: nn.Module,
        score: MinorityScore,
        *,
        severity: Any = None,
        normal_group: str | Sequence[str] | None = None,
        spaces: Sequence[nn.Module] = (),
        reference_size: int = 200,
        neighbours: int = 5,
        lof_neighbours: int = 20,
        resamples: int = 1000,
        batch_size: int = 64,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.plan, self.store, self.extractor, self.score = plan, store, extractor, score
        self.severity, self.normal_group, self.spaces = severity, normal_group, spaces
        self.reference_size, self.neighbours, self.lof_neighbours = reference_size, neighbours, lof_neighbours
        self.resamples, self.batch_size, self.seed, self.progress = resamples, batch_size, seed, progress

    @cached_property
    def real(self) -> RealImages:
        """The real images, measured."""
        return real_table(self._pictures(self.store), neighbours=self.neighbours, lof_neighbours=self.lof_neighbours)

    @property
    def context(self) -> dict[str, Any]:
        """How the real images are measured, and intervals by subject taken."""
        return {
            **describe(self.extractor),
            "neighbours": self.neighbours,
            "lof_neighbours": self.lof_neighbours,
            "intervals": f"95 %: bootstrap over subjects, {self.resamples} resamples",
            "seed": self.seed,
            "libraries": library_versions(),
        }

    @property
    def measures(self) -> list[str]:
        """The measures of rarity at hand, the score first."""
        found = [Column.SCORE.value, "average_knn", "local_outlier_factor"]
        return found if self.severity is None else [*found, "severity_measure"]

    @cached_property
    def rare(self) -> np.ndarray | None:
        """Which real images are of a group that is not normal ``[N]``, or ``None`` where there are no groups."""
        if Column.GROUP not in self.store.table or self.store.table[Column.GROUP].isna().any():
            return None
        groups = self.store.table[Column.GROUP]
        normal = normal_groups(groups, self.store.table[Column.SPLIT] == Split.TRAIN, self.normal_group)
        rare = ~groups.isin(normal).to_numpy()
        return rare if rare.any() and not rare.all() else None

    def samples(self, folder: str, name: str) -> ImageStore:
        """A sample set of a call's folder."""
        return ImageStore.open(self.plan.folder / folder / "samples" / name)

    def features(self, images: ImageStore, extractor: nn.Module | None = None) -> np.ndarray:
        """Features ``[N, D]``, from the run's cache."""
        folder = self.plan.run_dir / "features"
        return extract(images, extractor or self.extractor, folder, self.batch_size, progress=self.progress)

    def scores(self, folder: str) -> pd.DataFrame:
        """Scores of a scoring's folder: ``row`` in the run's store, ``score`` and its error."""
        table = ImageStore.open(self.plan.folder / folder / "store").table
        return pd.DataFrame({"row": table[ROW], "score": table[Column.SCORE], "score_error": table[Column.SCORE_ERROR]})

    def images(self, cells: Mapping[str, ImageStore]) -> pd.DataFrame:
        """One row a generated image, ``set`` its cell; see
        :func:`~monai_minority.tables.images.generated_table`."""
        return pd.concat([self._measured(images).assign(set=name) for name, images in cells.items()], ignore_index=True)

    def summary(self, cells: Mapping[str, ImageStore]) -> pd.DataFrame:
        """One row a cell, ``set`` its name, after those of the real images; see
        :func:`~monai_minority.tables.summary.summary_table`."""
        table = self.images(cells)
        features = np.concatenate([self.features(images) for images in cells.values()])
        summary, _ = summary_table(
            self.real,
            GeneratedImages(table, features, float("nan")),
            reference_size=self.reference_size,
            held_out=HELD_OUT,
            resamples=self.resamples,
            distance_resamples=DISTANCE_RESAMPLES,
            seed=self.seed,
        )
        return summary[summary["target_class"] == ALL].reset_index(drop=True)

    def _pictures(self, images: ImageStore) -> Pictures:
        return Pictures(images, self.features(images), self.severity, self.batch_size)

    def _measured(self, images: ImageStore) -> pd.DataFrame:
        """Measures of a sample set, from a file named by what they depend on."""
        parts = {
            "images": images.content_hash,
            "seeds": images.table[Column.SEED].to_numpy(),
            "real": self.store.content_hash,
            "split": self.store.table[Column.SPLIT].to_numpy(),
            "space": describe(self.extractor),
            "score": [self.score.network, self.score.timestep, self.score.draws, self.score.distance],
            "neighbours": [self.neighbours, self.lof_neighbours],
            "severity": self.severity,
        }
        key = hashlib.sha256(json.dumps(described(parts), sort_keys=True).encode()).hexdigest()[:24]
        path = self.plan.folder / "measured" / f"{key}.csv"
        if not path.is_file():
            table = generated_table(
                self.real, {images.path.name: self._pictures(images)}, self.score, progress=self.progress
            ).table
            with whole_file(path) as partial:
                table.to_csv(partial, index=False)
        return pd.read_csv(path)

    def pictures(self, images: ImageStore, count: int) -> torch.Tensor:
        """The first images of a set ``[B, C, H, W]``: nothing is picked."""
        return images.batch(np.arange(min(count, len(images))))
