"""The run that studies measure: its real images, feature space and score."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from monai_minority.data.store.image_store import ImageStore
from monai_minority.evaluation.features import describe_extractor, extract
from monai_minority.evaluation.figure import library_versions
from monai_minority.evaluation.groups import normal_groups
from monai_minority.files import read_csv, write_csv
from monai_minority.keys import Column, Split
from monai_minority.run import content
from monai_minority.scoring import MinorityScore
from monai_minority.studies.own_store import ROW
from monai_minority.studies.plan import StudyPlan
from monai_minority.tables.images import GeneratedImages, Pictures, RealImages, generated_table, real_table
from monai_minority.tables.measures import RANKERS, SEVERITY_MEASURE
from monai_minority.tables.rows import ALL
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.summary import summary_table


class StudyRun:
    """A run for studies. Each real and each generated image is measured once for all studies.

    Args:
        plan: settings of the studies.
        store: the run's real images, with scores.
        extractor: feature space of densities and fidelity.
        score: the run's score, at its timestep.
        severity: measure of severity in pixels; ``None`` if there is none.
        spaces: feature spaces of the study of outlier measures.
        measures: settings of the measures; ``None`` takes the defaults.
    """

    def __init__(
        self,
        plan: StudyPlan,
        store: ImageStore,
        extractor: nn.Module,
        score: MinorityScore,
        *,
        severity: Any = None,
        spaces: Sequence[nn.Module] = (),
        measures: MeasureSettings | None = None,
    ) -> None:
        self.plan, self.store, self.extractor, self.score = plan, store, extractor, score
        self.severity, self.spaces, self.settings = severity, spaces, measures or MeasureSettings()

    @cached_property
    def real(self) -> RealImages:
        """Measures of the real images."""
        return real_table(self._pictures(self.store), self.settings)

    @property
    def context(self) -> dict[str, Any]:
        """Record of how real images and their intervals are measured."""
        return {
            **describe_extractor(self.extractor),
            "neighbours": self.settings.neighbours,
            "lof_neighbours": self.settings.lof_neighbours,
            "intervals": f"95 %: bootstrap over subjects, {self.settings.resamples} resamples",
            "seed": self.settings.seed,
            "libraries": library_versions(),
        }

    @property
    def measures(self) -> list[str]:
        """The available measures of rarity, with the score first."""
        return [*RANKERS] if self.severity is None else [*RANKERS, SEVERITY_MEASURE]

    @cached_property
    def rare(self) -> np.ndarray | None:
        """Whether each real image belongs to a group that is not normal ``[N]``; ``None`` without groups."""
        if Column.GROUP not in self.store.table or self.store.table[Column.GROUP].isna().any():
            return None
        groups = self.store.table[Column.GROUP]
        normal = normal_groups(groups, self.store.table[Column.SPLIT] == Split.TRAIN, self.settings.normal_group)
        rare = ~groups.isin(normal).to_numpy()
        return rare if rare.any() and not rare.all() else None

    def samples(self, folder: str, name: str) -> ImageStore:
        """A sample set in a job's folder."""
        return ImageStore.open(self.plan.folder / folder / "samples" / name)

    def features(self, images: ImageStore, extractor: nn.Module | None = None) -> np.ndarray:
        """Features ``[N, D]``, from the run's cache."""
        folder = self.plan.run_dir / "features"
        return extract(
            images, extractor or self.extractor, folder, self.settings.batch_size, progress=self.settings.progress
        )

    def scores(self, folder: str) -> pd.DataFrame:
        """Scores in a job's folder: ``row`` in the run's store, ``score``, and ``score_error``."""
        table = ImageStore.open(self.plan.folder / folder / "store").table
        return pd.DataFrame({"row": table[ROW], "score": table[Column.SCORE], "score_error": table[Column.SCORE_ERROR]})

    def images(self, cells: Mapping[str, ImageStore]) -> pd.DataFrame:
        """One row for each generated image, with its cell as ``set``; see
        :func:`~monai_minority.tables.images.generated_table`."""
        return pd.concat([self._measured(images).assign(set=name) for name, images in cells.items()], ignore_index=True)

    def summary(self, cells: Mapping[str, ImageStore]) -> pd.DataFrame:
        """Rows of the real images, then one row for each cell with its name as ``set``; see
        :func:`~monai_minority.tables.summary.summary_table`."""
        table = self.images(cells)
        features = np.concatenate([self.features(images) for images in cells.values()])
        summary, _ = summary_table(self.real, GeneratedImages(table, features, float("nan")), self.settings)
        return summary[summary["target_class"] == ALL].reset_index(drop=True)

    def _pictures(self, images: ImageStore) -> Pictures:
        return Pictures(images, self.features(images), self.severity, self.settings.batch_size)

    def _measured(self, images: ImageStore) -> pd.DataFrame:
        """Measures of a sample set, cached in a file whose name depends on all inputs."""
        parts = {
            "images": images.content_hash,
            "seeds": images.table[Column.SEED].tolist(),
            "real": self.store.content_hash,
            "split": self.store.table[Column.SPLIT].tolist(),
            "space": describe_extractor(self.extractor),
            "score": [
                content.of_callable(self.score.network),
                self.score.timestep,
                self.score.draws,
                str(self.score.autocast),
                *(["common noise"] if self.score.common_noise else []),
            ],
            "distance": content.of_callable(self.score.distance),
            "neighbours": [self.settings.neighbours, self.settings.lof_neighbours],
            "severity": content.of_callable(self.severity),
        }
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]
        path = self.plan.folder / "measured" / f"{key}.csv"
        if not path.is_file():
            pictures = {images.path.name: self._pictures(images)}
            table = generated_table(self.real, pictures, self.score, self.settings).table
            write_csv(table, path)
        return read_csv(path)
