"""Any detector of PyOD, by name."""

from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features


class PyODDetector:
    """A detector of PyOD that can be fitted once and asked often; higher is rarer.

    Some detectors (ECOD, COPOD) judge queries beside each other: their scores are of a query among these others.
    For AvgkNN and LOF, :func:`average_knn` and :func:`local_outlier_factor` give the same numbers sooner.

    Args:
        name: class name of the detector as PyOD spells it (``"IForest"``, ``"ECOD"``, ``"COPOD"``, …), found
            in the module of the same name in small letters, or a dotted path under ``pyod.models``
            (``"knn.KNN"``).
        seed: given to detectors that take a ``random_state`` and whose settings have none.
        settings: arguments of the detector's constructor.

    Attributes:
        settings: what the detector was made with, the seed included.

    Raises:
        ValueError: PyOD has no such detector, or it does not take these settings.
    """

    def __init__(self, name: str, seed: int = 0, **settings: Any) -> None:
        module, _, cls = name.rpartition(".")
        try:
            detector_class = getattr(import_module(f"pyod.models.{module or cls.lower()}"), cls)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                "name must be a detector of PyOD, such as 'IForest' or 'auto_encoder.AutoEncoder', got "
                f"{name!r} ({error})"
            ) from error
        if "random_state" in signature(detector_class).parameters:
            settings = {"random_state": seed} | settings
        try:
            self._detector = detector_class(**settings)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"settings of {name} must be arguments of PyOD's class, got {settings} ({error})"
            ) from error
        self.name, self.settings = name, settings

    def fit(self, real: Features) -> "PyODDetector":
        """Learn the real vectors ``[N, D]``."""
        self._detector.fit(_array(real))
        return self

    def scores(self, query: Features | None = None) -> np.ndarray:
        """Outlier scores, float64 ``[Q]``, of vectors ``[Q, D]``; ``None``: of the real ones (``decision_scores_``)."""
        detector = self._detector
        found = detector.decision_scores_ if query is None else detector.decision_function(_array(query))
        return np.asarray(found, dtype=np.float64)


def pyod_detector(
    name: str, real: Features, query: Features | None = None, seed: int = 0, **settings: Any
) -> np.ndarray:
    """Outlier score of a PyOD detector fitted to the real vectors; higher is rarer.

    Args:
        name: see :class:`PyODDetector`, and also for
        seed: and
        settings: of the detector.
        real: vectors to fit ``[N, D]``.
        query: vectors to judge ``[Q, D]``; ``None`` for the real ones (PyOD's ``decision_scores_``).

    Returns:
        float64 ``[Q]``.

    Raises:
        ValueError: PyOD has no such detector, or it does not take these settings.
    """
    return PyODDetector(name, seed, **settings).fit(real).scores(query)


def _array(features: Features) -> np.ndarray:
    return features.detach().cpu().numpy() if isinstance(features, torch.Tensor) else np.asarray(features)
