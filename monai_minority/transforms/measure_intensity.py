"""What an intensity scale needs to know of a volume, taken while the volume is there."""

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_minority.data.volumes.intensity_scale import IntensityScale
from monai_minority.keys import Key


class MeasureIntensityd(MapTransform):
    """Add the scale's measure of a volume under the key ``intensity``; the volume itself passes unchanged.

    The slices cut from it carry the measure to :func:`~monai_minority.data.extract_images`, which fits the scale on the
    training split and applies it to all.

    Args:
        keys: keys of volumes ``[1, X, Y, Z]``.
        scale: what measures.

    Raises:
        ValueError: a constant volume.
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
