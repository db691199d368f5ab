"""Features of every image of a store, computed once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from monai_minority.evaluation.features.extractor import describe_extractor, fingerprint
from monai_minority.files import whole_file


class Images(Protocol):
    """The reading side of an :class:`~monai_minority.data.ImageStore`, which evaluation needs of images."""

    @property
    def content_hash(self) -> str: ...

    @property
    def image_shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int] | np.ndarray) -> Tensor: ...


def extract(
    store: Images,
    extractor: nn.Module,
    cache_dir: str | Path | None = None,
    batch_size: int = 64,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Features of a store's images, in its order.

    With a cache they are written batch by batch to ``<cache_dir>/<hash>.npy``, beside a ``.json`` that says
    what they are, and renamed when whole; the name is a hash of the store's content and of the extractor's
    name, resizing, normalisation and weights, so a later call with the same images and extractor reads the
    file.

    Args:
        store: the images, :class:`~monai_minority.data.ImageStore` or the like.
        extractor: module from images ``[B, C, H, W]`` in [-1, 1] to features ``[B, D]`` (or maps ``[B, C, h,
            w]``).
        cache_dir: folder of the cache; made where needed.
        batch_size: images at a time.
        device: where to compute; by default where the extractor is.
        progress: whether to show a bar.

    Returns:
        float32 ``[N, D]`` (or ``[N, C, h, w]``); from a cache a memory map whose changes never reach the
        file.

    Raises:
        ValueError: the store is empty, or features are not finite (named by row).
    """
    if not len(store):
        raise ValueError("store must hold at least one image, got an empty one")
    if cache_dir is None:
        return _compute(store, extractor, batch_size, device, progress, None)
    description = describe_extractor(extractor)
    key = f"{store.content_hash[:16]}-{fingerprint(description)[:16]}"
    path = Path(cache_dir) / f"{key}.npy"
    if not path.is_file():
        with whole_file(path) as partial:
            _compute(store, extractor, batch_size, device, progress, partial)
            record = {"store": store.content_hash, "images": len(store), **description}
            path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
    return np.load(path, mmap_mode="c")


@torch.inference_mode()
def _compute(
    store: Images,
    extractor: nn.Module,
    batch_size: int,
    device: torch.device | str | None,
    progress: bool,
    path: Path | None,
) -> np.ndarray:
    if device is None:
        device = next((p.device for p in extractor.parameters()), torch.device("cpu"))
    extractor = extractor.to(device).eval()
    features: np.ndarray | None = None
    name = getattr(extractor, "name", type(extractor).__name__)
    with tqdm(total=len(store), desc=f"features: {name}", unit="image", disable=not progress) as bar:
        for start in range(0, len(store), batch_size):
            rows = np.arange(start, min(start + batch_size, len(store)))
            images = store.batch(rows).to(device).contiguous(memory_format=torch.channels_last)
            batch = extractor(images).float().cpu().numpy()
            finite = np.isfinite(batch).reshape(len(batch), -1).all(axis=1)
            if not finite.all():
                raise ValueError(
                    f"features of {name} must be finite, got NaN or infinity for rows "
                    f"{rows[~finite][:5].tolist()}; look at these images"
                )
            if features is None:
                shape = (len(store), *batch.shape[1:])
                features = (
                    np.empty(shape, np.float32)
                    if path is None
                    else np.lib.format.open_memmap(path, "w+", np.float32, shape)
                )
            features[rows] = batch
            bar.update(len(rows))
    assert features is not None
    if isinstance(features, np.memmap):
        features.flush()
    return features
