"""Reject an invalid volume with a clear reason."""

import numpy as np
import torch
from monai.data import MetaTensor

from monai_minority.transforms.each_key import EachKey
from monai_minority.transforms.memory_order import in_memory_order

_SPACINGS = (0.05, 20.0)
"""The smallest and the largest plausible voxel spacing in mm."""


class CheckVolumed(EachKey):
    """Pass a valid 3-D volume unchanged and raise for any other. Use it after
    :class:`~monai_minority.transforms.LoadVolumed`.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[C, X, Y, Z]``.

    Raises:
        ValueError: the volume has several channels or another number of dimensions; the affine is not finite, is
            singular or has an implausible spacing; voxels are NaN or infinite; or the volume is constant.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> from monai_minority.transforms import CheckVolumed
        >>> CheckVolumed()({"image": MetaTensor(torch.zeros(1, 4, 4, 4))})
        Traceback (most recent call last):
        ValueError: all voxels have the same value (0)
    """

    def changed(self, volume: MetaTensor) -> MetaTensor:
        if not isinstance(volume, MetaTensor):
            raise ValueError("a volume must have an affine; load it with LoadVolumed")
        if volume.ndim != 4:
            raise ValueError(f"a volume must have 3 dimensions, but the image has {volume.ndim - 1}")
        self._check_affine(volume.affine.cpu().double().numpy())
        if len(volume) > 1:
            raise ValueError(f"the image is 4-D, a series of {len(volume)} volumes; choose one with volume_index")
        values = volume.as_tensor()
        low, high = in_memory_order(values).aminmax()  # both propagate NaN
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
        smallest, largest = _SPACINGS
        if not ((spacing >= smallest) & (spacing <= largest)).all():
            named = " x ".join(f"{s:g}" for s in spacing)
            raise ValueError(f"the voxel spacing {named} mm is outside {smallest:g} to {largest:g} mm")
        if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
            raise ValueError("the affine is singular: its axes do not span space")
