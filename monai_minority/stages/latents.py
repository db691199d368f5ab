"""From a trained autoencoder to a store of latents."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from monai.networks.utils import eval_mode
from tqdm import tqdm

from monai_minority.data import ImageStore
from monai_minority.networks.autoencoder import LatentAutoencoder


def measure_scale(
    autoencoder: LatentAutoencoder, images: ImageStore, batch_size: int = 64, progress: bool = True
) -> float:
    """Set the autoencoder's scale to 1 / standard deviation of the latents, over all their values.

    Args:
        autoencoder: trained; its ``scale`` is set.
        images: the training images, and no others.
        batch_size: images at a time.
        progress: show a bar.

    Returns:
        The scale.

    Raises:
        ValueError: the latents are all alike or not finite.
    """
    count, total, squares = 0, 0.0, 0.0
    device = autoencoder.scale.device
    with eval_mode(autoencoder):
        for rows in tqdm(np.array_split(np.arange(len(images)), -(-len(images) // batch_size)), disable=not progress):
            latents = autoencoder.network.encode(images.batch(rows).to(device))[0].double()
            count += latents.numel()
            total += latents.sum().item()
            squares += latents.square().sum().item()
    variance = squares / count - (total / count) ** 2
    if not 0 < variance < float("inf"):
        raise ValueError(
            f"the latents of the training images must vary and be finite, their variance is {variance}; the "
            "autoencoder has collapsed or diverged: lower kl_weight or the learning rate"
        )
    autoencoder.scale.fill_(variance**-0.5)
    return autoencoder.scale.item()


def write_latents(
    latents: Iterable[np.ndarray], images: ImageStore, path: str | os.PathLike[str], dtype: str = "float16", **meta: Any
) -> ImageStore:
    """Write scaled latents as a store that shares the table of their images.

    Args:
        latents: batches ``[B, c, h, w]`` in the order of the images.
        images: the whole store that was encoded.
        path: folder of the store; one that is there is replaced.
        dtype: of the stored values, ``float16`` or ``float32``.
        meta: provenance, kept in the store.

    Returns:
        The store, whose ``batch`` gives the latents as they are.
    """
    parts = (part.astype(dtype) for part in latents)
    return ImageStore.create(Path(path), parts, images, (-1, 1), overwrite=True, bounded=False, latents=True, **meta)
