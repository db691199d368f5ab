"""Any outlier detector of PyOD, by name."""

from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np

from monai_minority.evaluation.density.vectors import Features, as_array
from monai_minority.extras import from_extra


class PyODDetector:
    """An outlier detector of PyOD, fitted once and used many times; higher is rarer.

    Some detectors (ECOD, COPOD) compare the queries with each other, so a score depends on the other queries.
    :func:`average_knn` and :func:`local_outlier_factor` give the numbers of KNN and LOF faster.

    Args:
        name: class name of the detector in PyOD (``"IForest"``, ``"ECOD"``, ``"COPOD"``, …), whose module has the same
            name in lower case, or a dotted path under ``pyod.models`` (``"knn.KNN"``).
        seed: ``random_state`` of detectors that take one, unless the settings have it.
        settings: arguments of the detector's constructor.

    Attributes:
        settings: arguments that the detector was constructed with, including the seed.

    Raises:
        ModuleNotFoundError: PyOD is not installed.
        ValueError: PyOD has no such detector, or it does not accept these settings.

    Example:
        >>> import numpy as np
        >>> from monai_minority.evaluation.density import PyODDetector
        >>> real = np.random.default_rng(0).standard_normal((50, 2))
        >>> detector = PyODDetector("ECOD").fit(real)
        >>> common, rare = detector.scores(np.array([[0.0, 0.0], [4.0, 4.0]]))
        >>> bool(rare > common)
        True
    """

    def __init__(self, name: str, seed: int = 0, **settings: Any) -> None:
        module, _, cls = name.rpartition(".")
        from_extra("pyod", "detectors", "a detector of PyOD")
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
        """Fit the detector to real vectors ``[N, D]``."""
        self._detector.fit(as_array(real))
        return self

    def scores(self, query: Features | None = None) -> np.ndarray:
        """Outlier scores, float64 ``[Q]``, of vectors ``[Q, D]``; ``None`` gives the real vectors' own scores.

        The own scores are PyOD's ``decision_scores_``.
        """
        detector = self._detector
        found = detector.decision_scores_ if query is None else detector.decision_function(as_array(query))
        return np.asarray(found, dtype=np.float64)
