"""Turn an oblique volume so that its axes are the patient's."""

from collections.abc import Hashable, Mapping
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch.nn.functional import grid_sample

from monai_minority.transforms.memory_order import in_memory_order, memory_order


class AlignToAxesd(MapTransform):
    """Volumes in RAS orientation whose voxel axes run along the patient's, so that an axial slice is axial.

    A volume that is aligned already but for the order and direction of its axes is reordered, not resampled: as long as
    the tilt displaces no voxel by half a voxel or more. Others are resampled, trilinear, to the smallest aligned box
    that holds them; what lies outside them becomes the volume's minimum.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[C, X, Y, Z]`` with an affine to mm in RAS.
        spacing: voxel sizes in mm along left-right, back-front and bottom-top, or one for all, to which every volume is
            resampled. ``None``: each volume keeps its own.

    Raises:
        ValueError: a spacing that is not positive, or a volume that would exceed 2**30 voxels.
    """

    def __init__(self, keys: KeysCollection = "image", spacing: float | list[float] | None = None) -> None:
        super().__init__(keys)
        if spacing is not None and not (np.asarray(spacing, dtype=float) > 0).all():
            raise ValueError(f"spacing must be positive, got {spacing}")
        self.spacing = spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._aligned(result[key])
        return result

    def _aligned(self, volume: MetaTensor) -> MetaTensor:
        voxels, affine = reorient(volume.as_tensor(), volume.affine.cpu().double().numpy())
        matrix, shape = affine[:3, :3], np.array(voxels.shape[1:])
        own = np.linalg.norm(matrix, axis=0)
        wanted = own if self.spacing is None else np.broadcast_to(np.asarray(self.spacing, dtype=np.float64), 3)
        tilt = np.abs(matrix - np.diag(np.diag(matrix))) @ ((shape - 1) / 2)
        if (tilt < own / 2).all() and np.allclose(own, wanted, rtol=1e-3):
            return _as_meta(voxels, affine)
        corners = np.stack(np.meshgrid(*([0, size - 1] for size in shape), indexing="ij"), -1).reshape(-1, 3)
        world = corners @ matrix.T + affine[:3, 3]
        low, high = world.min(axis=0), world.max(axis=0)
        size = np.maximum(1, np.floor((high - low) / wanted + 1e-3).astype(int) + 1)
        if size.prod() > 1 << 30:
            raise ValueError(
                f"the aligned volume would have {' x '.join(map(str, size))} voxels; choose a larger spacing"
            )
        target = np.diag([*wanted, 1.0])
        target[:3, 3] = (low + high) / 2 - wanted * (size - 1) / 2
        return _as_meta(_resampled(voxels, affine, target, size), target)


def reorient(voxels: torch.Tensor, affine: np.ndarray) -> tuple[torch.Tensor, np.ndarray]:
    """Flip and permute the axes of ``[C, X, Y, Z]`` to the nearest RAS orientation."""
    axes, shape = nib.io_orientation(affine), voxels.shape[1:]
    flips = [1 + axis for axis, (_, direction) in enumerate(axes) if direction < 0]
    order = np.argsort(axes[:, 0])
    if flips:
        inner = memory_order(voxels)
        voxels = voxels.permute(inner).flip([inner.index(axis) for axis in flips]).permute(*np.argsort(inner).tolist())
    turned = voxels.permute(0, *(1 + int(axis) for axis in order))
    return turned, affine @ nib.orientations.inv_ornt_aff(axes, shape)


def _resampled(voxels: torch.Tensor, affine: np.ndarray, target: np.ndarray, size: np.ndarray) -> torch.Tensor:
    """Sampled plane by plane, so that the grid of the positions stays small."""
    shape = np.array(voxels.shape[1:])
    to_voxel = np.linalg.inv(affine) @ target
    # grid_sample wants the last axis first, and -1 and 1 at the centres of the outer voxels.
    scale = 2 / np.maximum(shape - 1, 1)
    matrix = torch.from_numpy((to_voxel[:3] * scale[:, None])[::-1].copy()).float()
    matrix[:, 3] -= 1
    axes = [torch.arange(int(n), dtype=torch.float32) for n in size]
    plane = axes[1][:, None, None] * matrix[:, 1] + axes[2][:, None] * matrix[:, 2] + matrix[:, 3]
    lowest = in_memory_order(voxels).min()
    source = (voxels - lowest).contiguous()[None]
    result = torch.empty((len(voxels), *map(int, size)))
    for index in range(int(size[0])):
        grid = (plane + index * matrix[:, 0])[None, None]
        result[:, index] = grid_sample(source, grid, padding_mode="zeros", align_corners=True)[0, :, 0]
    return result.add_(lowest)


def _as_meta(voxels: torch.Tensor, affine: np.ndarray) -> MetaTensor:
    return MetaTensor(voxels, affine=torch.from_numpy(affine))
