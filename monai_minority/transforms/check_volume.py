"""Refuse a volume that cannot be what it says, with a reason its owner can act on."""

from collections.abc import Hashable, Mapping
from typing import Any, cast

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform


class CheckVolumed(MapTransform):
    """Pass a sound 3-D volume on; raise for any other. Comes right after
    ``LoadImaged(ensure_channel_first=True)``.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[C, X, Y, Z]``.
        volume_index: which volume of a 4-D series to take, from 0. ``None``: a series raises. Single volumes
            ignore it.
        spacing_range: smallest and largest credible voxel spacing in mm.

    Raises:
        ValueError: a series without ``volume_index``, another number of dimensions, an affine that is not
            finite, is singular or has an absurd spacing, NaN or infinite voxels, or a constant volume.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        volume_index: int | None = None,
        spacing_range: tuple[float, float] = (0.05, 20.0),
    ) -> None:
        super().__init__(keys)
        if volume_index is not None and volume_index < 0:
            raise ValueError(f"volume_index must not be negative, got {volume_index}")
        self.volume_index = volume_index
        self.spacing_range = spacing_range

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._checked(result[key])
        return result

    def _checked(self, volume: MetaTensor) -> MetaTensor:
        if not isinstance(volume, MetaTensor):
            raise ValueError("a volume must come with its affine; load it with LoadImaged")
        if volume.ndim != 4:
            raise ValueError(f"the image has {volume.ndim - 1} dimensions, a volume has 3")
        self._check_file(volume)
        self._check_affine(volume.affine.cpu().double().numpy())
        if len(volume) > 1:
            if self.volume_index is None:
                raise ValueError(f"the image is 4-D, a series of {len(volume)} volumes; choose one with volume_index")
            if self.volume_index >= len(volume):
                raise ValueError(f"volume_index is {self.volume_index}, the series has {len(volume)} volumes")
            volume = cast(MetaTensor, volume[self.volume_index : self.volume_index + 1])
        values = volume.as_tensor()
        broken = int((~torch.isfinite(values)).sum())
        if broken:
            raise ValueError(f"{broken} of {values.numel()} voxels are NaN or infinite")
        low, high = values.aminmax()
        if low == high:
            raise ValueError(f"all voxels have the same value ({low:g})")
        return volume

    def _check_file(self, volume: MetaTensor) -> None:
        """Check the affine that stands in a NIfTI file: MONAI replaces one that contradicts the header, silently."""
        file = str(volume.meta.get("filename_or_obj", ""))
        if not file.lower().endswith((".nii", ".nii.gz")):
            return
        affine = np.asarray(cast(Any, nib.load(file)).affine, dtype=np.float64)
        self._check_affine(affine)
        used = np.asarray(volume.meta["original_affine"], dtype=np.float64)
        if not np.allclose(affine, used, rtol=1e-3, atol=1e-2):
            raise ValueError("the affine and the voxel sizes of the header contradict each other; correct the header")

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
