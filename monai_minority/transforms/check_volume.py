"""Refuse a volume that cannot be what it says, with a reason its owner can act on."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_minority.transforms.memory_order import in_memory_order


class CheckVolumed(MapTransform):
    """Pass a sound 3-D volume on; raise for any other. Comes right after
    :class:`~monai_minority.transforms.LoadVolumed`.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[C, X, Y, Z]``.
        spacing_range: smallest and largest credible voxel spacing in mm.

    Raises:
        ValueError: several channels, another number of dimensions, an affine that is not finite, is singular or has
            an absurd spacing, NaN or infinite voxels, or a constant volume.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        spacing_range: tuple[float, float] = (0.05, 20.0),
    ) -> None:
        super().__init__(keys)
        self.spacing_range = spacing_range

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._checked(result[key])
        return result

    def _checked(self, volume: MetaTensor) -> MetaTensor:
        if not isinstance(volume, MetaTensor):
            raise ValueError("a volume must come with its affine; load it with LoadVolumed")
        if volume.ndim != 4:
            raise ValueError(f"the image has {volume.ndim - 1} dimensions, a volume has 3")
        self._check_affine(volume.affine.cpu().double().numpy())
        if len(volume) > 1:
            raise ValueError(f"the image is 4-D, a series of {len(volume)} volumes; choose one with volume_index")
        values = volume.as_tensor()
        low, high = in_memory_order(values).aminmax()  # they carry NaN along
        if not torch.isfinite(low) or not torch.isfinite(high):
            broken = int((~torch.isfinite(values)).sum())
            raise ValueError(f"{broken} of {values.numel()} voxels are NaN or infinite")
        if low == high:
            raise ValueError(f"all voxels have the same value ({low:g})")
        return volume

    def _check_affine(self, affine: np.ndarray) -> None:
        if not np.isfinite(affine).all():
            raise ValueError("the affine has NaN or infinite entries")
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        smallest, largest = self.spacing_range
        if not ((spacing >= smallest) & (spacing <= largest)).all():
            named = " x ".join(f"{s:g}" for s in spacing)
            raise ValueError(f"the voxel spacing {named} mm is outside {smallest:g} to {largest:g} mm")
        if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
            raise ValueError("the affine is singular: its axes do not span space")
