"""One figure of an evaluation, with its interval and how it was measured."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "pyod", "clean-fid", "timm")


@dataclass(frozen=True)
class Figure:
    """A measured number.

    Attributes:
        name: what was measured, with its direction where it has one.
        value: the number.
        low: lower end of its interval; NaN where there is none.
        high: upper end of its interval; NaN where there is none.
        context: how it was measured: extractor, resizing, N, k, seed, level and method of the interval, …

    Example:
        >>> from monai_minority.evaluation import Figure
        >>> print(Figure("precision", 0.8, 0.7, 0.9, {"k": 5}))
        precision: 0.8 [0.7, 0.9]
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    context: Mapping[str, Any] = field(default_factory=dict)

    def __float__(self) -> float:
        return self.value

    def __str__(self) -> str:
        interval = "" if math.isnan(self.low) else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.name}: {self.value:.4g}{interval}"

    def row(self) -> dict[str, Any]:
        """The figure as a flat row of a table."""
        return {"name": self.name, "value": self.value, "low": self.low, "high": self.high, **self.context}


def library_versions() -> dict[str, str]:
    """Versions of the libraries that figures depend on, for the record of a run.

    Example:
        >>> from monai_minority.evaluation import library_versions
        >>> "torch" in library_versions()
        True
    """
    found = {}
    for library in LIBRARIES:
        with suppress(PackageNotFoundError):  # of an extra that is not installed
            found[library] = version(library)
    return found
