"""Scale each slice by its own range, as in the MRI data of the paper."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform


class SliceIntensityd(MapTransform):
    """Map the range of each image linearly to [-1, 1] (Um et al. 2024, Appendix C: slices are normalised one by one).

    Channels share one range. Values outside the percentiles are clamped.

    Args:
        keys: keys of images ``[C, H, W]`` with any real values.
        lower: percentile that becomes -1; 0 is the minimum.
        upper: percentile that becomes 1; 100 is the maximum.

    Raises:
        ValueError: the percentiles do not ascend within [0, 100], values are not finite, or the image is constant.

    Example:
        >>> import torch
        >>> from monai_minority.transforms import SliceIntensityd
        >>> SliceIntensityd()({"image": torch.tensor([[[100.0, 200.0, 300.0]]])})["image"].tolist()
        [[[-1.0, 0.0, 1.0]]]
    """

    def __init__(self, keys: KeysCollection = "image", lower: float = 0.0, upper: float = 100.0) -> None:
        super().__init__(keys)
        if not 0 <= lower < upper <= 100:
            raise ValueError(f"percentiles must satisfy 0 <= lower < upper <= 100, got {lower} and {upper}")
        self.lower = lower
        self.upper = upper

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        result = dict(data)
        for key in self.key_iterator(result):
            result[key] = self._normalize(torch.as_tensor(result[key]).float(), result)
        return result

    def _normalize(self, image: torch.Tensor, data: Mapping[Hashable, Any]) -> torch.Tensor:
        if not torch.isfinite(image).all():
            raise ValueError(f"{_named(data)} has NaN or infinite values")
        # Double precision, so that the ends become exactly -1 and 1 for values of any scale.
        values = image.flatten().double()
        ends = torch.quantile(values, torch.tensor([self.lower, self.upper], dtype=torch.float64) / 100)
        low, high = ends.tolist()
        if not low < high:
            raise ValueError(f"{_named(data)} is constant ({low:g}) and cannot be normalised")
        return image.double().sub(low).mul(2).div(high - low).sub(1).clamp(-1, 1).float()


def _named(data: Mapping[Hashable, Any]) -> str:
    return f"slice {data['slice']}" if "slice" in data else "the image"
