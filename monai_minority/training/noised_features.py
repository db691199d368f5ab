"""Features of noised images, computed once, from which the head of a classifier learns where its encoder does not."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from monai.networks.utils import eval_mode
from torch import Tensor
from torch.nn import functional as F

from monai_minority.data import ImageStore
from monai_minority.data.store.real_or_generated import RealOrGenerated
from monai_minority.keys import Column
from monai_minority.networks import BackboneClassifier
from monai_minority.progress import progress_bar
from monai_minority.side_by_side import side_by_side
from monai_minority.training.batches import step_seed

_CHUNK = 64
"""Images at a time; part of the order in which noise is drawn."""


class NoisedFeatures:
    """Normalised features of ``draws`` noised versions of each image, to be read as an image store is.

    They are computed at the first read and kept in memory, ``2 * draws * N * F`` bytes. The timesteps of an image are
    stratified: one is drawn from each of ``draws`` equal parts of ``0 … T-1``.

    Args:
        store: the images.
        network: classifier whose encoder gives the features. Its head is not used.
        scheduler: noise schedule.
        draws: noised versions of each image.
        seed: seed of timesteps, noise and flips.
        flip: whether to mirror each version left to right with probability 1/2.
        autocast: dtype, such as ``torch.bfloat16``, that the encoder computes in.

    Attributes:
        table: the store's table, once for each draw.

    Raises:
        ValueError: ``draws`` is below 1, or the network is no :class:`BackboneClassifier`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from monai.networks.nets import DiffusionModelUNet
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.diffusion import RespacedDDPMScheduler
        >>> from monai_minority.networks import BackboneClassifier
        >>> from monai_minority.training import NoisedFeatures
        >>> backbone = DiffusionModelUNet(2, 1, 1, 1, (8, 16), (False, False), norm_num_groups=4)
        >>> network = BackboneClassifier(backbone, out_channels=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels, table = np.zeros((3, 1, 8, 8), np.uint8), {"rare": [0, 1, 0]}
        ...     store = ImageStore.create(f"{folder}/store", pixels, table, (0, 255))
        ...     noised = NoisedFeatures(store, network, RespacedDDPMScheduler(1000), draws=4, progress=False)
        ...     len(noised), noised.table["rare"].tolist()[:6], len(noised.batch([0, 11]))
        (12, [0, 1, 0, 0, 1, 0], 2)
    """

    def __init__(
        self,
        store: ImageStore | RealOrGenerated,
        network: BackboneClassifier,
        scheduler: Any,
        draws: int = 32,
        seed: int = 0,
        flip: bool = False,
        autocast: torch.dtype | None = None,
        progress: bool = True,
    ) -> None:
        if draws < 1:
            raise ValueError(f"draws must be at least 1, got {draws}")
        if not isinstance(network, BackboneClassifier):
            raise ValueError(
                f"network must be a BackboneClassifier, got {type(network).__name__}; train other classifiers whole, "
                "without the overlay frozen_classifier"
            )
        self.store, self.network, self.scheduler = store, network, scheduler
        self.draws, self.seed, self.flip, self.autocast, self.progress = draws, seed, flip, autocast, progress
        self.table = pd.concat([store.table] * draws, ignore_index=True)

    @property
    def path(self) -> Path:
        """Folder of the store, for error messages."""
        return self.store.path

    @property
    def content_hash(self) -> str:
        """Of the store; the settings say the rest."""
        return self.store.content_hash

    def __len__(self) -> int:
        return len(self.table)

    def batch(self, indices: Sequence[int] | np.ndarray) -> Tensor:
        """Features float32 ``[B, F]``; row ``draw * N + i`` is image ``i`` of the store."""
        return self._features[torch.as_tensor(np.asarray(indices))].float()

    @cached_property
    def _features(self) -> Tensor:
        device = next(self.network.parameters()).device
        size, span = len(self.store), self.scheduler.num_train_timesteps / self.draws
        labels = None
        if self.network.num_classes is not None:
            labels = torch.tensor(self.store.table[Column.CLASS_LABEL].tolist())

        def features(draw: int) -> list[Tensor]:
            generator, parts = torch.Generator().manual_seed(step_seed(self.seed, draw)), []
            for rows in torch.arange(size).split(_CHUNK):
                images = self.store.batch(rows.numpy())
                timesteps = ((draw + torch.rand(len(rows), generator=generator)) * span).long()
                timesteps = timesteps.clamp_max(self.scheduler.num_train_timesteps - 1).to(device)
                noise = torch.randn(images.shape, generator=generator)
                flipped = torch.rand(len(rows), generator=generator) < (0.5 if self.flip else 0.0)
                images = torch.where(flipped[:, None, None, None], images.flip(-1), images)
                x_t = self.scheduler.add_noise(images.to(device), noise.to(device), timesteps)
                told = None if labels is None else labels[rows].to(device)
                pooled = self.network.pooled(x_t, self.scheduler.network_timesteps(timesteps), told).float()
                # As the head does, whose own scales may have been learned already; so it fits float16 too.
                parts.append(F.layer_norm(pooled, pooled.shape[1:]).half().cpu())
            return parts

        found = []
        with (
            progress_bar(None, "features of noised images", len(self), unit="image", enabled=self.progress) as bar,
            torch.no_grad(),
            eval_mode(self.network),
            torch.autocast(device.type, dtype=self.autocast, enabled=self.autocast is not None),
        ):
            for parts in side_by_side(features, range(self.draws), device):
                found.extend(parts)
                bar.update(size)
        return torch.cat(found)
