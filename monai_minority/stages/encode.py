"""Stored images to the latents that the diffusion networks learn from."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.engines import SupervisedEvaluator

from monai_minority.data import ImageStore
from monai_minority.run import ProgressBar, ResultParts, Stage, content, is_main


@dataclass(kw_only=True)
class Encode(Stage):
    """Encode every stored image once, into a store that shares the images' table."""

    store: ImageStore
    evaluator: SupervisedEvaluator  # its ``network`` is the autoencoder
    batch_size: int
    dtype: str
    path: str  # one that is there is replaced

    name = "encode"
    shared = True
    columns = ()

    @property
    def leaves(self) -> Sequence[Path]:
        return [Path(self.path)]

    def work(self) -> None:
        parts = ResultParts(self.folder.path / "latents.partial", self.fingerprint, self.batch_size)
        ProgressBar(self.name, enabled=is_main()).attach(self.evaluator)
        parts.run(self.evaluator)
        if is_main():
            made_by = content.of_network(self.evaluator.network)
            write_latents(parts.batches(len(self.store)), self.store, self.path, self.dtype, autoencoder=made_by)
            parts.delete()


def write_latents(
    latents: Iterable[np.ndarray], images: ImageStore, path: str | os.PathLike[str], dtype: str = "float16", **meta: Any
) -> ImageStore:
    """Write scaled latents, in batches ``[B, c, h, w]`` in the order of the images, as a store that shares their table.

    Returns:
        The store, whose ``batch`` gives the latents as they are.
    """
    parts = (part.astype(dtype) for part in latents)
    return ImageStore.create(Path(path), parts, images, (-1, 1), overwrite=True, bounded=False, latents=True, **meta)
