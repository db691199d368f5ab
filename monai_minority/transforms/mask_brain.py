"""Set all voxels outside the brain to 0."""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from nilearn.datasets import load_mni152_brain_mask
from nilearn.image import resample_to_img

from monai_minority.data.paths import stem
from monai_minority.data.volumes.nifti import read_nifti_volume
from monai_minority.keys import Key

TEMPLATE = "template"


class MaskBraind(MapTransform):
    """Set all voxels outside a brain mask to 0.

    Masks of individual subjects are files of a tool such as HD-BET or SynthStrip. The mask of the template needs no
    tool.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[1, X, Y, Z]``, as loaded, with the path of the image under ``path``.
        mask: ``"template"``: the MNI152 brain mask of nilearn, for volumes registered to that space. Otherwise the
            mask file, relative to the folder of the image, with ``{name}`` for the image name without its ending:
            ``"{name}_mask.nii.gz"`` or ``"../masks/{name}.nii.gz"``. The mask has the grid of the image; values above
            0 are brain.

    Raises:
        ValueError: the pattern has no ``{name}``, the mask has another grid, or it has no voxel in the image.
        FileNotFoundError: the image has no mask.

    Example:
        >>> import tempfile
        >>> import nibabel, numpy as np
        >>> from monai_minority.transforms import LoadVolumed, MaskBraind
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     head, brain = np.full((4, 4, 4), 9, np.int16), np.zeros((4, 4, 4), np.int16)
        ...     brain[1:3, 1:3, 1:3] = 1
        ...     nibabel.save(nibabel.Nifti1Image(head, np.eye(4)), f"{folder}/scan.nii")
        ...     nibabel.save(nibabel.Nifti1Image(brain, np.eye(4)), f"{folder}/scan_mask.nii")
        ...     loaded = LoadVolumed()({"image": f"{folder}/scan.nii"})
        ...     masked = MaskBraind(mask="{name}_mask.nii")(loaded)["image"]
        >>> masked.sum().item() == 8 * 9
        True
    """

    def __init__(self, keys: KeysCollection = "image", mask: str = TEMPLATE) -> None:
        super().__init__(keys)
        if mask != TEMPLATE and "{name}" not in mask:
            raise ValueError(f"mask must be {TEMPLATE!r} or a file with {{name}} in its name, got {mask!r}")
        self.mask = mask

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            volume = result[key]
            affine = volume.affine.cpu().double().numpy()
            if self.mask == TEMPLATE:
                grid = nib.Nifti1Image(np.zeros(volume.shape[1:], np.uint8), affine)
                mask = load_mni152_brain_mask(resolution=1)
                resampled = resample_to_img(mask, grid, interpolation="nearest", force_resample=True, copy_header=True)
                inside = np.asarray(resampled.dataobj) > 0
            else:
                inside = self._own(Path(str(result[Key.PATH])), volume.shape[1:], affine)
            if not inside.any():
                raise ValueError("the brain mask has no voxel in the volume")
            values = volume.as_tensor()
            kept = torch.where(
                torch.from_numpy(np.ascontiguousarray(inside)), values, torch.zeros((), dtype=values.dtype)
            )
            result[key] = MetaTensor(kept, affine=volume.affine)
        return result

    def _own(self, image: Path, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
        path = image.parent / self.mask.format(name=stem(image.name))
        if not path.is_file():
            raise FileNotFoundError("the image has no brain mask under the name set by brain_mask")
        voxels, own = read_nifti_volume(path)
        if voxels.shape != tuple(shape) or not np.allclose(own, affine, atol=1e-2):
            raise ValueError("the brain mask must have the grid of its image, but it has another grid")
        return voxels > 0
