"""Measure the intensities of a volume for an intensity scale."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_minority.data.volumes.intensity_scale import IntensityScale
from monai_minority.keys import Key


class MeasureIntensityd(MapTransform):
    """Add the measure of a volume under the key ``intensity``. The volume is unchanged.

    The slices of the volume carry the measure to :func:`~monai_minority.data.extract_images`, which fits the scale on
    the training split and applies it to all splits.

    Args:
        keys: keys of volumes ``[1, X, Y, Z]``.
        scale: the scale, which computes the measure.

    Raises:
        ValueError: ``scale`` is ``None``, or the foreground of a volume is constant.

    Example:
        >>> import torch
        >>> from monai_minority.data import IntensityScale
        >>> from monai_minority.transforms import MeasureIntensityd
        >>> volume = torch.arange(1000.0).view(1, 10, 10, 10)
        >>> data = MeasureIntensityd(scale=IntensityScale("z_score"))({"image": volume})
        >>> data["intensity"].shape, float(data["intensity"][0])  # the mean of the foreground comes first
        ((13,), 749.5)
    """

    def __init__(self, keys: KeysCollection = "image", scale: IntensityScale | None = None) -> None:
        super().__init__(keys)
        if scale is None:
            raise ValueError("scale must be an IntensityScale, got None; leave the transform out instead")
        self.scale = scale

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            volume = result[key]
            values = volume.as_tensor() if isinstance(volume, MetaTensor) else volume
            result[Key.INTENSITY] = self.scale.measure(values[0].numpy())
        return result
