"""A network that segments slices, whose label area then measures the severity of generated ones."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import MetricsSaver

from monai_minority.data import ImageStore
from monai_minority.files import reading
from monai_minority.keys import Column, Key
from monai_minority.networks import save_weights
from monai_minority.run import ProgressBar, RunFolder, Stage


@dataclass(kw_only=True)
class TrainSegmentation(Stage):
    """Train the network on the masks of the cohort's volumes, and measure its Dice on the validation split.

    Attributes:
        trainer: MONAI's trainer of the network.
        validator: MONAI's evaluator of the validation volumes.
        network: the network.
    """

    trainer: SupervisedTrainer
    validator: SupervisedEvaluator
    network: torch.nn.Module

    name = "segmentation"
    config = "train_segmentation"

    @property
    def reads(self) -> Sequence[Path]:
        return [self.folder.cohort]

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.network(self.name) / name for name in ("model.pt", "metrics.csv")]

    def work(self) -> None:
        batches: Any = self.trainer.data_loader
        steps = self.trainer.state.max_epochs * len(batches)
        ProgressBar(self.name, steps).attach(self.trainer)
        MetricsSaver(str(self.folder.network(self.name))).attach(self.validator)
        self.trainer.run()
        self.validator.run()
        save_weights(self.network, self.leaves[0])


def masked_volumes(run_dir: str | os.PathLike[str], label_folder: str, split: str) -> list[dict[str, str]]:
    """The stored volumes of a split with their masks, as a MONAI data list.

    Args:
        run_dir: the run folder, after the stage prepare.
        label_folder: beside the folder of the images, with a mask of the same file name.
        split: of the subjects.

    Returns:
        An entry a volume: ``image`` and ``label``, both paths.
    """
    folder = RunFolder(run_dir)
    with reading(folder.cohort) as path:
        cohort = pd.read_csv(path)
    stored = cohort[Column.SOURCE].isin(ImageStore.open(folder.store).table[Column.SOURCE])
    images = map(Path, cohort.loc[stored & (cohort[Column.SPLIT] == split), Key.IMAGE.value])
    return [{"image": str(image), "label": str(image.parent.parent / label_folder / image.name)} for image in images]
