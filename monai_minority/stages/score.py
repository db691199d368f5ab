"""Minority scores of every stored image."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from monai.engines import Evaluator

from monai_minority.data import ImageStore
from monai_minority.files import write_csv
from monai_minority.keys import Column, Split
from monai_minority.run import ProgressBar, ResultParts, Stage, is_main
from monai_minority.scoring import MinorityScore
from monai_minority.stages.timestep import settle_timestep


@dataclass(kw_only=True)
class Score(Stage):
    """Score every stored image (Eq. 7, with class labels Eq. 16), at a timestep that is settled first.

    Leaves ``scores.csv``, ``timestep.json`` (with ``auto`` the curve in ``timestep.csv`` too), and the columns
    ``minority_score`` and ``minority_score_error``.
    """

    store: ImageStore
    images: ImageStore  # what the network learned from: those of the store, or their latents
    score: MinorityScore
    evaluator: Evaluator
    batch_size: int
    class_label_columns: Sequence[str] = ()
    criterion: str  # of the timestep ``auto``
    max_images: int  # that ``auto`` looks at
    seed: int

    name = "score"
    shared = True
    columns = (Column.SPLIT,)  # of which ``auto`` looks at the training images

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.scores, self.folder.timestep]

    @property
    def is_complete(self) -> bool:
        return Column.SCORE in self.store.table

    @property
    def made(self) -> str:
        return f"scores of {len(self.images):,} images at timestep {self.score.timestep}"

    def work(self) -> None:
        settle_timestep(
            self.score,
            self.images.subset(split=Split.TRAIN.value),
            self.run_dir,
            next(iter(self.class_label_columns), None),
            criterion=self.criterion,
            max_images=self.max_images,
            seed=self.seed,
            progress=is_main(),
        )
        parts = ResultParts(self.folder.path / "scores.partial", self.fingerprint, self.batch_size)
        ProgressBar(self.name, enabled=is_main()).attach(self.evaluator)
        parts.run(self.evaluator)
        if is_main():
            record_scores(np.concatenate([*parts.batches(len(self.images))]), self.store, self.folder.scores)
            parts.delete()


def record_scores(results: np.ndarray, store: ImageStore, path: Path) -> None:
    """Write scores and their standard errors ``[N, 2]`` into the store's table and a CSV file.

    Raises:
        ValueError: a score is not finite; the images are named.
    """
    broken = ~np.isfinite(results[:, 0])
    if broken.any():
        sources = store.table[Column.SOURCE][broken].tolist()
        raise ValueError(
            f"{broken.sum()} image(s) have no finite minority score, for instance {', '.join(map(str, sources[:5]))}; "
            "the network or the distance gave NaN for them: look at the images, and at the training loss"
        )
    columns = {str(Column.SCORE): results[:, 0], str(Column.SCORE_ERROR): results[:, 1]}
    store.add_columns(**columns)
    identity = store.table[[Column.SOURCE, Column.SLICE]]
    write_csv(pd.concat([identity, pd.DataFrame(columns)], axis=1), path)
