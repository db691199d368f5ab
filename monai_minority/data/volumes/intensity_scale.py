"""One intensity scale for all volumes of a cohort, fitted on the training split."""

import json
import os
from typing import Any, Self

import numpy as np

from monai_minority.files import reading, whole_file

KINDS = ("percentile", "z_score", "histogram")
_DECILES = range(10, 100, 10)


class IntensityScale:
    """Map measured intensities to [-1, 1] by statistics of the training volumes. Values beyond the scale are clamped.

    A volume is described by its foreground: the voxels above the mean of the volume (Nyúl and Udupa, 1999).

    Args:
        kind: ``"percentile"``: the lower and upper percentiles, averaged over the training volumes, become -1 and 1.
            ``"z_score"``: the average mean becomes 0, and ``z_range`` average standard deviations become -1 and 1.
            ``"histogram"``: a piecewise linear map moves the percentiles and deciles of each volume to the average
            ones; its ends become -1 and 1 (Nyúl and Udupa, Magn. Reson. Med. 42, 1999; landmarks of Nyúl, Udupa and
            Zhang, IEEE Trans. Med. Imaging 19, 2000).
        lower: lower percentile of the foreground. The background lies below it and is clamped to -1.
        upper: upper percentile of the foreground.
        z_range: number of standard deviations, for ``"z_score"``.

    Raises:
        ValueError: the kind is unknown, the percentiles violate ``0 <= lower < 10`` and ``90 < upper <= 100``, or
            ``z_range`` is not positive.

    Example:
        >>> import numpy as np
        >>> from monai_minority.data import IntensityScale
        >>> volume = np.arange(1000.0).reshape(10, 10, 10)  # the foreground is 500 to 999
        >>> scale = IntensityScale("percentile", lower=0, upper=100)
        >>> measure = scale.measure(volume)
        >>> scale.fit(measure[None]).transform(np.array([0.0, 500.0, 749.5, 999.0]), measure).tolist()
        [-1.0, -1.0, 0.0, 1.0]
    """

    def __init__(self, kind: str, lower: float = 1.0, upper: float = 99.0, z_range: float = 3.0) -> None:
        if kind not in KINDS:
            raise ValueError(f"the kind of an intensity scale must be one of {', '.join(KINDS)}, got {kind!r}")
        if not (0 <= lower < 10 and 90 < upper <= 100):
            raise ValueError(f"percentiles must satisfy 0 <= lower < 10 and 90 < upper <= 100, got {lower} and {upper}")
        if not z_range > 0:
            raise ValueError(f"z_range must be positive, got {z_range}")
        self.kind, self.lower, self.upper, self.z_range = kind, lower, upper, z_range
        self._state: np.ndarray | None = None

    def measure(self, volume: np.ndarray) -> np.ndarray:
        """Mean, standard deviation and 11 percentiles of the foreground of a volume of any shape, float64 ``[13]``.

        Raises:
            ValueError: the foreground is constant.
        """
        values = volume.ravel(order="K")
        values = values[values > values.mean(dtype=np.float64)]
        if not len(values) or values.min() == values.max():
            raise ValueError("the volume's foreground is constant and cannot be normalised")
        landmarks = np.percentile(values, [self.lower, *_DECILES, self.upper])
        return np.array([values.mean(dtype=np.float64), values.std(dtype=np.float64), *landmarks])

    def fit(self, measures: np.ndarray) -> Self:
        """Fit the scale to the measures ``[N, 13]`` of the training volumes. Give no other volumes.

        Raises:
            ValueError: there are no measures.
        """
        measures = np.asarray(measures, dtype=np.float64).reshape(-1, 13)
        if not len(measures):
            raise ValueError("an intensity scale is fitted on the training split, which has no usable volume")
        if self.kind == "histogram":
            # Each volume has its ends at -1 and 1 and its deciles between them; the average is the standard scale.
            ends = measures[:, 2:3], measures[:, -1:]
            self._state = ((measures[:, 2:] - ends[0]) / (ends[1] - ends[0]) * 2 - 1).mean(axis=0)
        else:
            self._state = measures.mean(axis=0)
        return self

    def transform(self, images: np.ndarray, measure: np.ndarray) -> np.ndarray:
        """Scale images of any shape, all from one volume with the given measure, to float32 in [-1, 1].

        Raises:
            RuntimeError: the scale was not fitted.
        """
        if self._state is None:
            raise RuntimeError("the intensity scale was not fitted; call fit or load")
        if self.kind == "histogram":
            # Deciles can be equal in images with few grey levels, but interpolation needs ascending values.
            landmarks = np.maximum.accumulate(measure[2:] + np.arange(11) * 1e-9 * np.ptp(measure[2:]))
            scaled = np.interp(images, landmarks, self._state)  # clamps at the ends
        elif self.kind == "z_score":
            scaled = (images - self._state[0]) / (self.z_range * self._state[1])
        else:
            low, high = self._state[2], self._state[-1]
            scaled = (images - low) / (high - low) * 2 - 1
        return np.clip(scaled, -1, 1).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Settings and fitted state as plain values."""
        settings = {"kind": self.kind, "lower": self.lower, "upper": self.upper, "z_range": self.z_range}
        return settings | {"state": None if self._state is None else self._state.tolist()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`describe` as JSON."""
        with whole_file(path) as partial:
            partial.write_text(json.dumps(self.describe(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a scale that :meth:`save` wrote, for example in another run.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the file holds no fitted scale.
        """
        with reading(path) as file:
            content = json.loads(file.read_text(encoding="utf-8"))
        state = content.pop("state", None) if isinstance(content, dict) else None
        if state is None:
            raise ValueError(f"{path} holds no fitted intensity scale")
        scale = cls(**content)
        scale._state = np.array(state, dtype=np.float64)
        return scale

    @property
    def is_fitted(self) -> bool:
        """Whether the scale was fitted and can transform images."""
        return self._state is not None
