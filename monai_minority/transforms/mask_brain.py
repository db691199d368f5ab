"""Keep the brain and set what is around it to 0."""

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

    Masks of a subject's own anatomy come from whatever tool the cohort was stripped with (HD-BET, SynthStrip, …),
    whose networks are published files; their results are read here. The template's mask needs none.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[1, X, Y, Z]``, as loaded.
        mask: ``"template"``: the MNI152 brain, for volumes that are registered to that space (nilearn). Or the mask's
            file, relative to the image's folder, with ``{name}`` for the image's name without its ending:
            ``"{name}_mask.nii.gz"`` or ``"../masks/{name}.nii.gz"``. It has the image's own grid; above 0 is brain.
        source: key that holds the path of the image.

    Raises:
        ValueError: a pattern without ``{name}``, a mask of another grid, or one without a voxel in the image.
        FileNotFoundError: the image has no mask.
    """

    def __init__(self, keys: KeysCollection = "image", mask: str = TEMPLATE, source: str = Key.PATH) -> None:
        super().__init__(keys)
        if mask != TEMPLATE and "{name}" not in mask:
            raise ValueError(f"mask must be {TEMPLATE!r} or a file with {{name}} in its name, got {mask!r}")
        self.mask = mask
        self.source = source

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
                inside = self._own(Path(str(result[self.source])), volume.shape[1:], affine)
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
            raise FileNotFoundError("the image has no brain mask under the name that brain_mask gives")
        voxels, own = read_nifti_volume(path)
        if voxels.shape != tuple(shape) or not np.allclose(own, affine, atol=1e-2):
            raise ValueError("the brain mask lies on another grid than its image")
        return voxels > 0
