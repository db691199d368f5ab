"""Severity of generated images by class, compared with real images, in TensorBoard."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.utils import CommonKeys
from torch import Tensor, nn
from torchvision.utils import make_grid

from monai_minority.data import ImageStore
from monai_minority.data.store.image_store import evenly
from monai_minority.evaluation.features import extract
from monai_minority.evaluation.nearest import look_alikes
from monai_minority.keys import Column, Key, Split

BLUE = (0.0, 0.447, 0.698)
"""Colour of the frame of real images in the grids; generated images have a white frame."""

_FRAME = 2


class SeverityReview:
    """Writes grids of generated images with similar real images, and distributions of a measured severity.

    Attach it to an evaluator that predicts images: one that samples, or one that passes on stored samples
    (``configs/review.yaml``). It writes these tags, where NAME and SCALE are those of the samples and the step is the
    target class:

    - ``synthetic/NAME_scale_SCALE/above_real_look_alikes``: a grid with two rows for each class, from common to rare.
      The upper row shows the first images, and the lower row the nearest real training images in blue frames;
    - ``severity/NAME_scale_SCALE`` and ``severity/real``: histograms; real training images are grouped by minority
      class if they have one;
    - ``severity_mean/…`` and ``severity_measured/…``: the mean, and the share of images with a measured value.

    Args:
        store: real images; only the split ``train`` is used if there are splits.
        summary_writer: TensorBoard's ``SummaryWriter``.
        measure: severity, from images ``[B, C, H, W]`` in [-1, 1] to ``[B]``, NaN where it is unknown:
            :func:`~monai_minority.evaluation.severity.ventricle_to_brain_ratio`,
            :class:`~monai_minority.evaluation.severity.LabelArea`, or your own function. ``None`` writes grids only.
        extractor: feature space of the similar images, from images to ``[B, D]``; ``None`` uses pixels.
        feature_dir: cache of the real images' features; see :func:`~monai_minority.evaluation.features.extract`.
        name: name of the samples.
        scale: guidance scale, or the batch key with the scale of each image.
        class_key: batch key with the target class of each image ``[B]``, -1 for none.
        columns: images in a row.
        max_real: largest number of real images to measure, evenly over the store.
        batch_size: real images in a batch.
        enabled: whether to write; set it in one process only.
    """

    def __init__(
        self,
        store: ImageStore,
        summary_writer: Any,
        measure: Callable[[Tensor], Any] | None = None,
        extractor: nn.Module | None = None,
        feature_dir: str | Path | None = None,
        name: str = "samples",
        scale: float | str = 0.0,
        class_key: str = Key.TARGET_CLASS.value,
        columns: int = 8,
        max_real: int = 1000,
        batch_size: int = 64,
        enabled: bool = True,
    ) -> None:
        self.store = store
        self.writer = summary_writer
        self.measure = measure
        self.extractor = extractor
        self.feature_dir = feature_dir
        self.name = name
        self.scale = scale
        self.class_key = class_key
        self.columns = columns
        self.max_real = max_real
        self.batch_size = batch_size
        self.enabled = enabled
        self._shown: dict[tuple[float, int], Tensor] = {}
        self._severity: dict[tuple[float, int], list[np.ndarray]] = {}

    def attach(self, engine: Engine) -> None:
        """Collect each batch and write at the end."""
        if self.enabled:
            engine.add_event_handler(Events.STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
            engine.add_event_handler(Events.COMPLETED, self._report)

    def _start(self, engine: Engine) -> None:
        self._shown, self._severity = {}, {}

    def _collect(self, engine: Engine) -> None:
        output: Any = engine.state.output
        batch: Any = engine.state.batch
        images = output[CommonKeys.PRED].detach().float().cpu().clamp(-1, 1)
        classes = torch.as_tensor(batch[self.class_key]).cpu().numpy()
        scales = batch[self.scale] if isinstance(self.scale, str) else np.full(len(images), self.scale)
        values = self._measured(images)
        keys = list(zip(np.asarray(scales).tolist(), classes.tolist(), strict=True))
        for key in sorted(set(keys)):
            rows = np.array([other == key for other in keys])
            known = self._shown.get(key, images[:0])
            self._shown[key] = torch.cat([known, images[rows][: self.columns - len(known)]])
            self._severity.setdefault(key, []).append(values[rows])

    def _report(self, engine: Engine) -> None:
        if not self._shown:
            return
        groups = sorted(self._shown)
        images = torch.cat([self._shown[key] for key in groups])
        similar = self._look_alikes(images)
        pairs = dict(zip(groups, similar.split([len(self._shown[key]) for key in groups]), strict=True))
        for scale in sorted({scale for scale, _ in groups}):
            rows = []
            for key in (key for key in groups if key[0] == scale):
                rows += [self._row(self._shown[key], (1.0, 1.0, 1.0)), self._row(pairs[key], BLUE)]
            grid = make_grid(torch.cat(rows), nrow=self.columns, padding=1, pad_value=1.0)
            self.writer.add_image(f"synthetic/{self._group(scale)}/above_real_look_alikes", grid, 0)
        if self.measure is not None:
            for (scale, target), parts in sorted(self._severity.items()):
                self._write(self._group(scale), np.concatenate(parts), max(target, 0))
            self._write_real()

    def _measured(self, images: Tensor) -> np.ndarray:
        if self.measure is None:
            return np.full(len(images), np.nan)
        values = np.asarray(self.measure(images), dtype=np.float64)
        if values.shape != (len(images),):
            raise ValueError(
                f"measure must give one value an image, [{len(images)}], got shape {values.shape}; "
                "reduce over pixels and channels"
            )
        return values

    def _write(self, group: str, values: np.ndarray, step: int) -> None:
        known = values[np.isfinite(values)]
        self.writer.add_scalar(f"severity_measured/{group}", len(known) / len(values), step)
        if len(known):
            self.writer.add_histogram(f"severity/{group}", known, step)
            self.writer.add_scalar(f"severity_mean/{group}", known.mean(), step)

    def _write_real(self) -> None:
        training = self._training()
        rows = training[evenly(len(training), self.max_real)]
        parts = np.split(rows, range(self.batch_size, len(rows), self.batch_size))
        values = np.concatenate([self._measured(self.store.batch(part)) for part in parts])
        table = self.store.table
        classes = (
            table[Column.MINORITY_CLASS].to_numpy()[rows] if Column.MINORITY_CLASS in table else np.zeros(len(rows))
        )
        for target in np.unique(classes):
            self._write("real", values[classes == target], int(target))

    def _training(self) -> np.ndarray:
        table = self.store.table
        return np.flatnonzero(table[Column.SPLIT] == Split.TRAIN) if Column.SPLIT in table else np.arange(len(table))

    def _look_alikes(self, images: Tensor) -> Tensor:
        """The nearest real training image of each image."""
        training = self._training()
        blocks = np.split(training, range(self.batch_size, len(training), self.batch_size))
        if self.extractor is None:
            query, vectors = images.flatten(1), (self.store.batch(rows).flatten(1) for rows in blocks)
        else:
            device = next((p.device for p in self.extractor.parameters()), torch.device("cpu"))
            features = extract(self.store, self.extractor, self.feature_dir, self.batch_size, progress=False)
            with torch.inference_mode():
                parts = [self.extractor(part.to(device)).float().cpu() for part in images.split(self.batch_size)]
            query, vectors = torch.cat(parts), (torch.from_numpy(features[rows]) for rows in blocks)
        return self.store.batch(training[look_alikes(query, vectors).indices[:, 0]])

    def _row(self, images: Tensor, colour: tuple[float, float, float]) -> Tensor:
        """A row of framed colour tiles in [0, 1]; white tiles fill the row."""
        unit = images.clamp(-1, 1).add(1).div(2)
        height, width = unit.shape[-2:]
        tiles = torch.ones(self.columns, 3, height + 2 * _FRAME, width + 2 * _FRAME)
        tiles[: len(unit)] = torch.tensor(colour).view(1, 3, 1, 1)
        tiles[: len(unit), :, _FRAME:-_FRAME, _FRAME:-_FRAME] = unit.expand(-1, 3, -1, -1)
        return tiles

    def _group(self, scale: float) -> str:
        return f"{self.name}_scale_{scale:g}"
