"""Correct the bias field of a volume by N4."""

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from skimage.filters import threshold_otsu

from monai_minority.extras import from_extra
from monai_minority.transforms.each_key import EachKey


class CorrectBiasd(EachKey):
    """N4 bias field correction (Tustison et al., IEEE Trans. Med. Imaging 29, 2010) by SimpleITK.

    The smooth field is estimated on a coarser grid, from the voxels above Otsu's threshold. The volume is divided by
    the field at full resolution. The mean logarithm of the field is 0 in these voxels, so values keep their scale.

    Args:
        keys: keys of volumes, ``MetaTensor`` ``[1, X, Y, Z]`` with an affine to mm.
        shrink: factor by which the grid is coarser along each axis. Short axes are shrunk less.
        iterations: largest number of iterations at each resolution level of the field.

    Raises:
        ModuleNotFoundError: SimpleITK is not installed.
        ValueError: ``shrink`` or ``iterations`` is below 1, or the foreground of a volume is not positive.

    Example:
        >>> import torch
        >>> from monai.data import MetaTensor
        >>> from monai_minority.transforms import CorrectBiasd
        >>> head = torch.zeros(1, 14, 14, 14)
        >>> head[:, 2:12, 2:12, 2:12] = torch.linspace(70, 130, 10)  # uniform tissue, brighter along the last axis
        >>> corrected = CorrectBiasd(shrink=1, iterations=(20, 20, 20, 20))({"image": MetaTensor(head)})["image"]
        >>> [round(volume[0, 2:12, 2:12, 2:12].std().item()) for volume in (head, corrected)]
        [19, 0]
    """

    def __init__(
        self, keys: KeysCollection = "image", shrink: int = 4, iterations: tuple[int, ...] = (50, 50, 50, 50)
    ) -> None:
        super().__init__(keys)
        if shrink < 1 or not len(iterations) or min(iterations) < 1:
            raise ValueError(f"shrink and iterations must be at least 1, got {shrink} and {list(iterations)}")
        from_extra("SimpleITK", "n4", "N4 bias correction")
        self.shrink = shrink
        self.iterations = list(iterations)

    def changed(self, volume: MetaTensor) -> MetaTensor:
        values = volume.as_tensor()[0].numpy()
        spacing = np.linalg.norm(volume.affine.cpu().double().numpy()[:3, :3], axis=0)
        field = torch.from_numpy(self._log_field(values, spacing)).exp_()
        return MetaTensor((volume.as_tensor() / field).contiguous(), affine=volume.affine)

    def _log_field(self, values: np.ndarray, spacing: np.ndarray) -> np.ndarray:
        """Logarithm of the bias field, float32 ``[X, Y, Z]``."""
        sitk = from_extra("SimpleITK", "n4", "N4 bias correction")
        image = sitk.GetImageFromArray(np.ascontiguousarray(values.transpose(2, 1, 0)))
        image.SetSpacing(spacing.tolist())
        step = [
            max(1, -(-size // max(1, size // self.shrink))) if size >= 4 * self.shrink else 1 for size in values.shape
        ]
        coarse = sitk.Shrink(image, step)
        found = sitk.GetArrayViewFromImage(coarse)
        mask = found > threshold_otsu(found)
        if found[mask].min() <= 0:
            raise ValueError("N4 takes logarithms, but the volume's foreground has values of 0 or less")
        corrector = sitk.N4BiasFieldCorrectionImageFilter()
        corrector.SetMaximumNumberOfIterations(self.iterations)
        foreground = sitk.GetImageFromArray(mask.astype(np.uint8))
        foreground.CopyInformation(coarse)
        corrector.Execute(coarse, foreground)
        log_field = sitk.GetArrayFromImage(corrector.GetLogBiasFieldAsImage(image)).transpose(2, 1, 0)
        # N4 does not fix the mean of the field; without this step the whole image would become darker or brighter.
        inside = log_field[values > threshold_otsu(found)]
        return np.ascontiguousarray(log_field - inside.mean(), dtype=np.float32)
