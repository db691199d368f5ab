"""Features of all images of a store, computed once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from monai_minority.evaluation.features.extractor import describe_extractor, fingerprint
from monai_minority.files import DamagedFile, reading, whole_file
from monai_minority.progress import progress_bar


class Images(Protocol):
    """The interface that :func:`extract` reads images through. :class:`~monai_minority.data.ImageStore` implements it.

    Attributes:
        content_hash: hexadecimal hash of the images, the first part of a cache's file name.
        image_shape: shape ``(C, H, W)`` of an image.

    Example:
        >>> import torch
        >>> from monai_minority.evaluation.features import Images, Thumbnail, extract
        >>> class Grey:
        ...     content_hash, image_shape = "0" * 64, (1, 8, 8)
        ...
        ...     def __len__(self):
        ...         return 3
        ...
        ...     def batch(self, indices):  # float32 [B, C, H, W] in [-1, 1]
        ...         return torch.zeros(len(indices), *self.image_shape)
        >>> images: Images = Grey()
        >>> extract(images, Thumbnail(2), progress=False).shape
        (3, 4)
    """

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
    parts: Sequence[Images] = (),
) -> np.ndarray:
    """Features of the images of a store, in its order.

    With a cache the features are written to ``<cache_dir>/<hash>.npy``, with a description in a ``.json`` file of the
    same name. The hash covers the content of the store and the name, resizing, normalisation and weights of the
    extractor. A later call with the same images and extractor reads the file. The file is complete or absent.

    Args:
        store: the images, such as :class:`~monai_minority.data.ImageStore`.
        extractor: module from images ``[B, C, H, W]`` in [-1, 1] to features ``[B, D]`` or maps ``[B, C, h, w]``.
        cache_dir: folder of the cache. It is created if needed. ``None`` uses no cache.
        batch_size: number of images per batch.
        device: device to compute on. ``None`` uses the device of the extractor.
        progress: show a progress bar.
        parts: subsets that make up the store in its order, whose features are in the folder ``parts`` of the cache, by
            several processes for instance; they are joined.

    Returns:
        float32 ``[N, D]`` or ``[N, C, h, w]``. From a cache it is a memory map whose changes do not reach the file.

    Raises:
        ValueError: if the store is empty, or features are not finite. The message names the rows.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.evaluation.features import Thumbnail, extract
        >>> images = np.zeros((3, 1, 8, 8), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = {"source": ["a", "b", "c"], "subject": ["a", "b", "c"], "slice": [0, 0, 0]}
        ...     store = ImageStore.create(f"{folder}/store", images, table, (0, 255))
        ...     features = extract(store, Thumbnail(2), progress=False)
        >>> features.tolist()
        [[-1.0, -1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, -1.0], [-1.0, -1.0, -1.0, -1.0]]
    """
    if not len(store):
        raise ValueError("store must hold at least one image, got an empty one")
    if cache_dir is None:
        return _compute(store, extractor, batch_size, device, progress, None)
    path, description = feature_path(store, extractor, cache_dir), describe_extractor(extractor)
    if path.is_file():
        try:
            with reading(path):
                return np.load(path, mmap_mode="c")
        except DamagedFile as error:
            print(f"features of {path.stem} are computed again, since {error}")
    with whole_file(path) as partial:
        if parts:
            kept = [extract(part, extractor, Path(cache_dir) / "parts", batch_size, device, False) for part in parts]
            with partial.open("wb") as opened:
                np.save(opened, np.concatenate(kept))
        else:
            _compute(store, extractor, batch_size, device, progress, partial)
        record = {"store": store.content_hash, "images": len(store), **description}
        with whole_file(path.with_suffix(".json")) as described:
            described.write_text(json.dumps(record, indent=2) + "\n")
    return np.load(path, mmap_mode="c")


def feature_path(store: Images, extractor: nn.Module, cache_dir: str | Path) -> Path:
    """The file of a cache that has the features of a store, whether it is there or not."""
    key = f"{store.content_hash[:16]}-{fingerprint(describe_extractor(extractor))[:16]}"
    return Path(cache_dir) / f"{key}.npy"


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
    with progress_bar(None, f"features: {name}", len(store), unit="image", enabled=progress) as bar:
        for start in range(0, len(store), batch_size):  # two threads share its large layers as well as two batches
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
