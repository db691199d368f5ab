"""Suspected copies of training images among the samples."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from monai_minority.data import ImageStore
from monai_minority.files import write_csv
from monai_minority.keys import Column
from monai_minority.run import Stage
from monai_minority.scoring import CrossFittedScore
from monai_minority.stages.shared_features import share_features
from monai_minority.stages.timestep import read_timestep
from monai_minority.tables import MeasureSettings
from monai_minority.tables.copies import drop_copies, measure_copies
from monai_minority.tables.membership import (
    FOLDS,
    few_rare_subjects,
    fold_scores,
    membership,
    nearest_samples,
    rarest_subjects,
)

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Memorization(Stage):
    """Look for copies in every sample set, in features and in pixels, with real images as a control; and for what is
    given away of single training subjects, in ``membership.csv`` and ``membership_subjects.csv``.
    """

    store: ImageStore
    samples: Mapping[str, ImageStore]
    extractor: nn.Module
    planted: int
    quantile: float
    max_shift: int
    calibration_size: int
    measures: MeasureSettings
    least_rare_subjects: int
    fold_score: CrossFittedScore | None = None  # of networks trained without a fold each
    images: ImageStore  # what the networks learned from: those of the store, or their latents
    class_label_columns: Sequence[str] = ()

    name = "memorization"
    columns = (Column.SPLIT, Column.SUBJECT, Column.GROUP, Column.MINORITY_CLASS)

    @property
    def reads(self) -> Sequence[Path]:
        return [] if self.fold_score is None else [self.folder.timestep]

    @property
    def leaves(self) -> Sequence[Path]:
        names = ("membership_subjects", "membership", "copies", "copies_planted", "copies_summary")
        return [self.folder.evaluation / f"{name}.csv" for name in names]

    def together(self) -> None:
        share_features([self.store, *self.samples.values()], [self.extractor], self.folder.features, self.measures)

    def work(self) -> None:
        evidence = nearest_samples(self.store, self.samples, self.extractor, self.folder.features, self.measures)
        if self.fold_score is not None:
            self.fold_score.timestep = read_timestep(self.run_dir)
            evidence[FOLDS] = fold_scores(self.fold_score, self.images, self.class_label_columns)
        count = rarest_subjects(self.store.table)
        subjects, summary = membership(self.store.table, evidence, self.measures)
        summary = summary.assign(rare_subjects=count, least_rare_subjects=self.least_rare_subjects)
        for table, path in zip((subjects, summary), self.leaves, strict=False):
            write_csv(table, path)
        if warning := few_rare_subjects(count, self.least_rare_subjects):
            logger.warning(warning)
        measure_copies(
            self.store,
            self.samples,
            self.extractor,
            self.folder.evaluation,
            planted=self.planted,
            quantile=self.quantile,
            max_shift=self.max_shift,
            calibration_size=self.calibration_size,
            feature_dir=self.folder.features,
            measures=self.measures,
        )


@dataclass(kw_only=True)
class DropCopies(Stage):
    """A sample set without its suspected copies, after :class:`Memorization`."""

    samples: ImageStore
    sample_set: str

    config = "drop_copies"

    @property
    def name(self) -> str:  # type: ignore[override]
        return f"filtered/{self.sample_set}"

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.evaluation / "copies.csv"]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.filtered(self.sample_set)]

    def work(self) -> None:
        copies = self.folder.evaluation / "copies.csv"
        drop_copies(self.samples, copies, self.sample_set, self.folder.filtered(self.sample_set))
