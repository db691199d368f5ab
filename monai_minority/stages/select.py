"""Of many unguided samples, those that the minority classifier takes most surely for rare."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from monai.networks.utils import eval_mode
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.data.store.copy import copy_store
from monai_minority.evaluation.copies import CopyDetector
from monai_minority.keys import Column
from monai_minority.run import Stage, content
from monai_minority.samples import most_likely
from monai_minority.tables import MeasureSettings

_NOISE_SEED = 2**40
"""Added to the seeds of the images: the noise they are judged under is not the noise they were made of."""


@dataclass(kw_only=True)
class Select(Stage):
    """Keep the candidates of the highest probability of a minority class that are no suspected copies.

    The judge is the run's minority classifier, which no measure of the evaluation uses. It judges each candidate under
    a little noise, at the timesteps of the inferer, and its log probabilities are averaged.
    """

    candidates: ImageStore  # unguided, with their seeds
    store: ImageStore
    count: int
    target_class: int
    classifier: nn.Module
    inferer: Inferer  # from clean images and seeds to logits ``[B, G, L]`` at ``G`` timesteps
    autoencoder: Any = None  # encodes candidates for a classifier of latents
    extractor: nn.Module
    quantile: float
    max_shift: int
    calibration_size: int
    measures: MeasureSettings

    name = "selection/selected"
    columns = (Column.SPLIT, Column.SUBJECT)

    @property
    def leaves(self) -> Sequence[Path]:
        return [self.folder.samples("selected", "selection")]

    @property
    def made(self) -> str:
        return f"{self.count} of {len(self.candidates)} samples"

    def work(self) -> None:
        started = time.perf_counter()
        judged = self._judge()
        detector = CopyDetector(
            self.store,
            self.extractor,
            quantile=self.quantile,
            max_shift=self.max_shift,
            calibration_size=self.calibration_size,
            feature_dir=self.folder.features,
            batch_size=self.measures.batch_size,
            progress=self.measures.progress,
        )
        copies = detector.table(self.candidates)["suspected_copy"].to_numpy(bool)
        means = judged.mean(axis=1)
        rows = most_likely(means, self.count, ~copies)
        copy_store(
            self.candidates.subset(np.isin(np.arange(len(self.candidates)), rows)),
            self.leaves[0],
            columns={"log_probability": means[rows]},
            method="select after sampling",
            candidates=len(self.candidates),
            dropped_suspected_copies=int(copies.sum()),
            selected_class=self.target_class,
            judge=content.of_network(self.classifier),
            **self._cost(time.perf_counter() - started, judged.shape[1]),
        )

    @torch.no_grad()
    def _judge(self) -> np.ndarray:
        """Log probability of the class at each timestep, ``[N, G]``."""
        device, table = self.measures.device or "cpu", self.candidates.table
        seeds = torch.from_numpy(table[Column.SEED].to_numpy().astype(np.int64)) + _NOISE_SEED
        labels = table.get(Column.CLASS_LABEL)
        classifier = self.classifier.to(device)
        judged: list[torch.Tensor] = []
        with eval_mode(classifier):
            for rows in torch.arange(len(self.candidates)).split(self.measures.batch_size):
                images = self.candidates.batch(rows.numpy()).to(device)
                known = None if labels is None else torch.from_numpy(labels.to_numpy()[rows.numpy()]).to(device)
                x = images if self.autoencoder is None else self.autoencoder.encode(images)
                logits = self.inferer(x, classifier, class_labels=known, seeds=seeds[rows])
                if not 0 <= self.target_class < logits.shape[-1]:
                    raise ValueError(
                        f"target_class must be in [0, {logits.shape[-1]}), the classes of the classifier, got "
                        f"{self.target_class}; the last is the rarest"
                    )
                judged.append(logits.double().log_softmax(-1)[..., self.target_class].cpu())
        return torch.cat(judged).numpy()

    def _cost(self, seconds: float, levels: int) -> dict[str, float]:
        """What an image that was kept cost: all candidates were sampled and judged for it."""
        meta, share = self.candidates.meta, len(self.candidates) / self.count
        cost = {name: meta[name] * share for name in ("seconds_an_image", "backbone_evaluations") if name in meta}
        if "seconds_an_image" in cost:
            cost["seconds_an_image"] = round(cost["seconds_an_image"] + seconds / self.count, 4)
        return cost | {"classifier_evaluations": round(levels * share, 2)}
