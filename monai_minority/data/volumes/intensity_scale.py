"""One intensity scale for all volumes of a cohort, fitted on those of the training split."""

import json
import os
from pathlib import Path
from typing import Any, Self

import numpy as np

from monai_minority.files import whole_file

KINDS = ("percentile", "z_score", "histogram")
_DECILES = range(10, 100, 10)


class IntensityScale:
    """Maps measured intensities to [-1, 1] by what :meth:`fit` saw; values beyond the scale are clamped.

    Volumes are described by their foreground: the voxels above their mean, as Nyúl and Udupa (1999) take it.

    Args:
        kind: ``"percentile"``: the lower and upper percentiles, averaged over the training volumes, become -1 and 1.
            ``"z_score"``: the averaged mean becomes 0, ``z_range`` averaged standard deviations -1 and 1.
            ``"histogram"``: each volume's own percentiles and deciles are moved to the average ones by a piecewise
            linear map, whose ends become -1 and 1 (Nyúl and Udupa, Magn. Reson. Med. 42, 1999; landmarks of Nyúl,
            Udupa and Zhang, IEEE Trans. Med. Imaging 19, 2000).
        lower: lower percentile of the foreground. Background lies below it and is clamped to -1.
        upper: upper percentile.
        z_range: standard deviations, for ``"z_score"``.

    Raises:
        ValueError: an unknown kind, percentiles outside ``0 <= lower < 10`` and ``90 < upper <= 100``, or a range that
            is not positive.
    """

    def __init__(self, kind: str, lower: float = 1.0, upper: float = 99.0, z_range: float = 3.0) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind of an intensity scale must be one of {', '.join(KINDS)}, got {kind!r}")
        if not (0 <= lower < 10 and 90 < upper <= 100):
            raise ValueError(f"percentiles must satisfy 0 <= lower < 10 and 90 < upper <= 100, got {lower} and {upper}")
        if not z_range > 0:
            raise ValueError(f"z_range must be positive, got {z_range}")
        self.kind, self.lower, self.upper, self.z_range = kind, lower, upper, z_range
        self._state: np.ndarray | None = None

    def measure(self, volume: np.ndarray) -> np.ndarray:
        """What describes a volume of any shape: float64 ``[13]``, mean, standard deviation and 11 percentiles of its
        foreground.

        Raises:
            ValueError: a constant volume.
        """
        values = volume.ravel(order="K")
        values = values[values > values.mean(dtype=np.float64)]
        if not len(values) or values.min() == values.max():
            raise ValueError("the volume's foreground is constant, there is nothing to normalise")
        landmarks = np.percentile(values, [self.lower, *_DECILES, self.upper])
        return np.array([values.mean(dtype=np.float64), values.std(dtype=np.float64), *landmarks])

    def fit(self, measures: np.ndarray) -> Self:
        """Learn from the measures ``[N, 13]`` of the training volumes, and of no others.

        Raises:
            ValueError: there is none.
        """
        measures = np.asarray(measures, dtype=np.float64).reshape(-1, 13)
        if not len(measures):
            raise ValueError("an intensity scale is fitted on the training split, which has no usable volume")
        if self.kind == "histogram":
            # Each volume's ends at -1 and 1, its deciles in between; the average is the standard scale.
            ends = measures[:, 2:3], measures[:, -1:]
            self._state = ((measures[:, 2:] - ends[0]) / (ends[1] - ends[0]) * 2 - 1).mean(axis=0)
        else:
            self._state = measures.mean(axis=0)
        return self

    def transform(self, images: np.ndarray, measure: np.ndarray) -> np.ndarray:
        """Images of any shape from one volume, whose measure is given, as float32 in [-1, 1].

        Raises:
            RuntimeError: the scale was not fitted.
        """
        if self._state is None:
            raise RuntimeError("the intensity scale was not fitted; call fit or load")
        if self.kind == "histogram":
            # Deciles may coincide in images of few levels; interpolation wants them to ascend.
            landmarks = np.maximum.accumulate(measure[2:] + np.arange(11) * 1e-9 * np.ptp(measure[2:]))
            scaled = np.interp(images, landmarks, self._state)  # clamps at the ends
        elif self.kind == "z_score":
            scaled = (images - self._state[0]) / (self.z_range * self._state[1])
        else:
            low, high = self._state[2], self._state[-1]
            scaled = (images - low) / (high - low) * 2 - 1
        return np.clip(scaled, -1, 1).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Settings and what was fitted, as plain values."""
        settings = {"kind": self.kind, "lower": self.lower, "upper": self.upper, "z_range": self.z_range}
        return settings | {"state": None if self._state is None else self._state.tolist()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`describe` as JSON."""
        with whole_file(path) as partial:
            partial.write_text(json.dumps(self.describe(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote, such as the scale of another run.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it holds no fitted scale.
        """
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        state = content.pop("state", None) if isinstance(content, dict) else None
        if state is None:
            raise ValueError(f"{path} holds no fitted intensity scale")
        scale = cls(**content)
        scale._state = np.array(state, dtype=np.float64)
        return scale

    @property
    def is_fitted(self) -> bool:
        """Whether it can transform."""
        return self._state is not None
