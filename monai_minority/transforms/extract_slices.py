"""Cut chosen slices out of a volume, upright and with square pixels."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.transforms.traits import MultiSampleTrait
from skimage.filters import threshold_otsu
from torch.nn.functional import interpolate

from monai_minority.transforms.memory_order import memory_order

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
UNITS = ("fraction", "mm", "index")
EXTENTS = ("head", "volume")
# A plane belongs to the head if its foreground is at least this share of the largest one; less is noise.
_PLANE_SHARE = 0.01
_OTSU_VOXELS = 1 << 21  # enough voxels for a stable histogram


class ExtractSlicesd(MapTransform, MultiSampleTrait):
    """Cut slices out of a volume in RAS orientation. The result is a list of dictionaries with ``image``
    ``[C, H, W]``, ``slice`` and ``position``.

    Slices have the radiological orientation. Axial slices have the nose at the top and coronal slices the vertex; both
    have the patient's right on the left. Sagittal slices have the vertex at the top and the nose on the left. If
    voxels are not square in the plane, the slice is resampled (bilinear, anti-aliased) to square pixels.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[C, X, Y, Z]`` after ``Orientationd(axcodes="RAS")``. Other entries are
            copied.
        axis: ``"axial"``, ``"coronal"`` or ``"sagittal"``.
        positions: positions of the slices in ``unit``, one slice per position.
        unit: ``"index"`` counts voxels from the left, back or bottom. ``"mm"`` is the world coordinate (x, y or z of
            the affine) at the middle of the slice; the nearest slice is used. ``"fraction"`` runs from 0 (left, back,
            bottom) to 1 over ``extent``.
        extent: range of fractions: ``"head"``, from the first to the last plane with foreground above Otsu's
            threshold, or ``"volume"``, for volumes that are already cropped to a region.
        pixel_spacing: side of the pixels in mm, the same for all volumes. ``None``: the smaller of the two voxel sizes
            in the plane.

    Raises:
        ValueError: an option is unknown, the volume is not in RAS orientation, or it is too small: a position is
            outside it, or two positions fall on one slice.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> from monai_minority.transforms import ExtractSlicesd
        >>> volume = MetaTensor(torch.arange(5.0).expand(1, 4, 6, 5), affine=torch.eye(4))
        >>> slices = ExtractSlicesd(axis="axial", positions=[1, 3], unit="index")({"image": volume})
        >>> [(item["slice"], item["image"].shape, item["image"].max().item()) for item in slices]
        [(1, torch.Size([1, 6, 4]), 1.0), (3, torch.Size([1, 6, 4]), 3.0)]
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        axis: str = "axial",
        positions: Sequence[float] = (0.5,),
        unit: str = "fraction",
        extent: str = "head",
        pixel_spacing: float | None = None,
    ) -> None:
        super().__init__(keys)
        for name, value, known in (("axis", axis, AXES), ("unit", unit, UNITS), ("extent", extent, EXTENTS)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if not len(positions):
            raise ValueError("positions must name at least one slice, got none")
        if unit == "fraction" and not all(0 <= p <= 1 for p in positions):
            raise ValueError(f"positions must be fractions from 0 to 1, got {list(positions)}; or set unit")
        if unit == "index" and not all(p >= 0 and p == int(p) for p in positions):
            raise ValueError(f"positions must be whole numbers from 0, got {list(positions)}; or set unit")
        if pixel_spacing is not None and not pixel_spacing > 0:
            raise ValueError(f"pixel_spacing must be positive, got {pixel_spacing}")
        self.axis = axis
        self.positions = list(positions)
        self.unit = unit
        self.extent = extent
        self.pixel_spacing = pixel_spacing

    def __call__(self, data: Mapping[Hashable, Any]) -> list[dict[Hashable, Any]]:
        results = [dict(data) | {"position": position} for position in self.positions]
        for key in self.key_iterator(dict(data)):
            volume = data[key]
            if not isinstance(volume, MetaTensor) or volume.ndim != 4:
                raise ValueError(f"{key} must be a volume [C, X, Y, Z] with its affine; load it with LoadVolumed")
            affine = volume.affine.cpu().double().numpy()
            codes = "".join(nib.aff2axcodes(affine))
            if codes != "RAS":
                raise ValueError(f"the volume must be in RAS orientation, got {codes}; apply Orientationd first")
            voxels = volume.as_tensor()
            indices = self._indices(voxels, affine)
            for result, index, image in zip(results, indices, self._cut(voxels, affine, indices), strict=True):
                result[key] = image
                result["slice"] = index
        return results

    def _indices(self, voxels: torch.Tensor, affine: np.ndarray) -> list[int]:
        dim = AXES[self.axis]
        count = voxels.shape[1 + dim]
        places = np.asarray(self.positions, dtype=np.float64)
        if self.unit == "mm":
            middle = (np.array(voxels.shape[1:]) - 1) / 2
            middle[dim] = 0
            start = affine[dim, :3] @ middle + affine[dim, 3]
            places = (places - start) / affine[dim, dim]
        elif self.unit == "fraction":
            first, last = _head(voxels, dim) if self.extent == "head" else (0, count - 1)
            places = first + places * (last - first)
        indices = np.floor(places + 0.5).astype(int)
        outside = [p for p, i in zip(self.positions, indices, strict=True) if not 0 <= i < count]
        if outside:
            raise ValueError(
                f"the volume is too small for the chosen slices: it has {count} {self.axis} slices, and "
                f"position(s) {', '.join(f'{p:g}' for p in outside)} ({self.unit}) lie outside"
            )
        if len(set(indices)) < len(indices):
            raise ValueError(
                f"the volume is too small for the chosen slices: {len(indices)} positions fall on "
                f"{len(set(indices))} of its {count} {self.axis} slices"
            )
        return indices.tolist()

    def _cut(self, voxels: torch.Tensor, affine: np.ndarray, indices: list[int]) -> torch.Tensor:
        """All slices at once, ``[S, C, H, W]``. Both image axes start at the right, front or top of the head."""
        dim = AXES[self.axis]
        planes = voxels.index_select(1 + dim, torch.tensor(indices)).movedim(1 + dim, 0)
        images = planes.flip(-1, -2).transpose(-1, -2).float()
        columns, rows = np.delete(np.linalg.norm(affine[:3, :3], axis=0), dim)
        target = self.pixel_spacing or min(rows, columns)
        height, width = images.shape[-2:]
        shape = (max(1, round(height * rows / target)), max(1, round(width * columns / target)))
        if shape != (height, width):
            images = interpolate(images, shape, mode="bilinear", antialias=True, align_corners=False)
        return images.contiguous()


def _head(voxels: torch.Tensor, dim: int) -> tuple[int, int]:
    """First and last plane along ``dim`` that hold foreground."""
    order = memory_order(voxels[0])
    values = voxels[0].permute(order).numpy()
    # In a large volume, every second (third, …) voxel along each axis is enough for the threshold.
    step = max(1, math.ceil((values.size / _OTSU_VOXELS) ** (1 / 3)))
    foreground = values > threshold_otsu(values[::step, ::step, ::step])
    dim = order.index(dim)
    counts = np.count_nonzero(foreground, axis=tuple(d for d in range(3) if d != dim))
    planes = np.flatnonzero(counts >= max(1.0, _PLANE_SHARE * counts.max()))
    return int(planes[0]), int(planes[-1])
