"""A network that segments slices, whose label area then measures the severity of generated ones."""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import MetricsSaver
from PIL import Image

from monai_minority.data import ImageStore
from monai_minority.files import read_csv
from monai_minority.keys import Column, Key
from monai_minority.networks import save_weights
from monai_minority.run import ProgressBar, RunFolder, Stage


@dataclass(kw_only=True)
class TrainSegmentation(Stage):
    """Train the network on the masks of the cohort, and measure its Dice on images that it does not learn from."""

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
    cohort = read_csv(folder.cohort)
    stored = cohort[Column.SOURCE].isin(ImageStore.open(folder.store).table[Column.SOURCE])
    images = map(Path, cohort.loc[stored & (cohort[Column.SPLIT] == split), Key.IMAGE.value])
    return [{"image": str(image), "label": str(image.parent.parent / label_folder / image.name)} for image in images]


def masked_pictures(
    table: str | os.PathLike[str],
    splits: Collection[str],
    *,
    image: str = "image",
    mask: str = "mask",
    split: str = "split",
) -> list[dict[str, Any]]:
    """The pictures of a table with their masks, as a MONAI data list. Without a mask there is nothing to segment.

    Args:
        table: CSV file with a row a picture. Relative paths start at its folder.
        splits: values of the column ``split`` that are wanted.
        image: column of the pictures' paths.
        mask: column of the masks' paths, of which some are empty.
        split: column of the splits.

    Returns:
        An entry a picture: ``image``, a path, and ``label``, a path or, without a mask, zeros ``[H, W]``, uint8.

    Raises:
        ValueError: the table lacks a column, no picture is of these splits, or none of them has a mask.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> from monai_minority.stages import masked_pictures
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in "ab":
        ...         Image.new("L", (3, 2)).save(f"{folder}/{name}.png")
        ...     rows = "image,mask,split\\na.png,a_mask.png,train\\nb.png,,train\\n"
        ...     size = Path(folder, "table.csv").write_text(rows)
        ...     found = masked_pictures(f"{folder}/table.csv", ["train"])
        >>> Path(found[0]["label"]).name, found[1]["label"].tolist()
        ('a_mask.png', [[0, 0, 0], [0, 0, 0]])
    """
    path = Path(table)
    rows = pd.read_csv(path, dtype=str)
    lacking = [name for name in (image, mask, split) if name not in rows]
    if lacking:
        raise ValueError(f"{path} must have the columns {image}, {mask} and {split}, it lacks {', '.join(lacking)}")
    chosen = rows[rows[split].isin(list(splits))]
    if not chosen[mask].notna().any():
        found = ", ".join(sorted(rows[split].dropna().unique()))
        raise ValueError(
            f"splits must have pictures with masks in {path}, {', '.join(splits)} have {len(chosen)} pictures and no "
            f"mask; the column {split} has {found}"
        )
    files = [path.parent / name for name in chosen[image]]
    return [
        {"image": str(file), "label": _no_label(file) if pd.isna(own) else str(path.parent / own)}
        for file, own in zip(files, chosen[mask], strict=True)
    ]


def _no_label(picture: Path) -> np.ndarray:
    with Image.open(picture) as opened:
        return np.zeros(opened.size[::-1], np.uint8)
