"""Rotate an oblique volume to the axes of the patient."""

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from torch.nn.functional import grid_sample

from monai_minority.transforms.each_key import EachKey
from monai_minority.transforms.memory_order import in_memory_order, memory_order


class AlignToAxesd(EachKey):
    """Align volumes with the patient's axes, in RAS orientation, so that an axial slice is axial.

    If the tilt displaces every voxel by less than half a voxel, the axes are only flipped and permuted. Other volumes
    are resampled (trilinear) to the smallest aligned box that contains them. Voxels outside the original volume get
    its minimum.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[C, X, Y, Z]`` with an affine to mm in RAS.
        spacing: voxel sizes in mm along left-right, back-front and bottom-top, or one value for all. Every volume is
            resampled to them. ``None``: each volume keeps its voxel sizes.

    Raises:
        ValueError: ``spacing`` is not positive, or the result would exceed 2**30 voxels.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> from monai_minority.transforms import AlignToAxesd
        >>> affine = torch.tensor([[0.0, 0, 2, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
        >>> volume = MetaTensor(torch.zeros(1, 4, 5, 6), affine=affine)  # sagittal: the last axis is left-right
        >>> aligned = AlignToAxesd()({"image": volume})["image"]
        >>> aligned.shape, aligned.affine.diagonal().tolist()
        (torch.Size([1, 6, 4, 5]), [2.0, 1.0, 1.0, 1.0])
    """

    def __init__(self, keys: KeysCollection = "image", spacing: float | list[float] | None = None) -> None:
        super().__init__(keys)
        if spacing is not None and not (np.asarray(spacing, dtype=float) > 0).all():
            raise ValueError(f"spacing must be positive, got {spacing}")
        self.spacing = spacing

    def changed(self, volume: MetaTensor) -> MetaTensor:
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
    """Resample plane by plane, so that the grid of positions stays small."""
    shape = np.array(voxels.shape[1:])
    to_voxel = np.linalg.inv(affine) @ target
    # grid_sample takes the last axis first, with -1 and 1 at the centres of the outer voxels.
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
