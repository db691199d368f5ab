"""Density, fidelity and agreement of real and generated images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from monai_minority.data import ImageStore
from monai_minority.run import Stage
from monai_minority.scoring import MinorityScore, QuantileClasses
from monai_minority.stages.shared_features import share_features
from monai_minority.tables import MeasureSettings, evaluate_run


@dataclass(kw_only=True)
class Evaluate(Stage):
    """Measure the real images and every sample set, into the tables of ``evaluation/``."""

    store: ImageStore
    samples: Mapping[str, ImageStore]
    extractor: nn.Module
    score: MinorityScore
    group_column: str | None = None
    severity: Callable[..., Any] | None = None
    further_spaces: Sequence[nn.Module] = ()
    measures: MeasureSettings

    name = "evaluate"
    columns = None

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.classes]

    @property
    def leaves(self) -> Sequence[Path]:
        tables = ("summary", "unusual_images", "spaces", "fidelity", "groups", "severity", "dispersion")
        return [self.folder.evaluation / f"{name}.csv" for name in tables]

    def together(self) -> None:
        share_features(
            [self.store, *self.samples.values()],
            [self.extractor, *self.further_spaces],
            self.folder.features,
            self.measures,
        )

    def work(self) -> None:
        evaluate_run(
            self.store,
            self.samples,
            self.extractor,
            self.score,
            output_dir=self.folder.evaluation,
            feature_dir=self.folder.features,
            classes=QuantileClasses.load(self.folder.classes),
            group_column=self.group_column,
            severity=self.severity,
            further_spaces=self.further_spaces,
            measures=self.measures,
        )
