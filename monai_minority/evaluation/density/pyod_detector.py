"""Any detector of PyOD, by name."""

from importlib import import_module

import numpy as np
import torch

from monai_minority.evaluation.density.neighbours import Features


def pyod_detector(name: str, real: Features, query: Features | None = None, **settings) -> np.ndarray:
    """Outlier score of a PyOD detector fitted to the real vectors; higher is rarer.

    For AvgkNN and LOF, :func:`average_knn` and :func:`local_outlier_factor` give the same numbers sooner.

    Args:
        name: class name of the detector as PyOD spells it (``"IForest"``, ``"ECOD"``, ``"COPOD"``, …), found
            in the module of the same name in small letters, or a dotted path under ``pyod.models``
            (``"knn.KNN"``).
        real: vectors to fit ``[N, D]``.
        query: vectors to judge ``[Q, D]``; ``None`` for the real ones (PyOD's ``decision_scores_``).
        settings: arguments of the detector's constructor.

    Returns:
        float64 ``[Q]``.

    Raises:
        ValueError: PyOD has no such detector.
    """
    module, _, cls = name.rpartition(".")
    try:
        detector_class = getattr(import_module(f"pyod.models.{module or cls.lower()}"), cls)
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(
            f"name must be a detector of PyOD, such as 'IForest' or 'auto_encoder.AutoEncoder', got {name!r} ({error})"
        ) from error
    detector = detector_class(**settings).fit(_array(real))
    scores = detector.decision_scores_ if query is None else detector.decision_function(_array(query))
    return np.asarray(scores, dtype=np.float64)


def _array(features: Features) -> np.ndarray:
    return features.detach().cpu().numpy() if isinstance(features, torch.Tensor) else np.asarray(features)
