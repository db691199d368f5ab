"""The measures of an image: what each is called, how it is computed and what it needs. A measure is one entry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from monai_minority.evaluation.density import NeighbourIndex, PyODDetector, average_knn, local_outlier_factor, rarity
from monai_minority.evaluation.nearest import nearest_real
from monai_minority.evaluation.other_subjects import average_knn_of_others
from monai_minority.keys import Column

SEVERITY_MEASURE = "severity_measure"
"""Column of a severity measured in the pixels, as against the one that came with the data."""

BRIGHTNESS = "brightness"
"""Column of the mean of an image's values, which are in [-1, 1]."""


@dataclass(frozen=True)
class Bank:
    """The training images, which all images are measured among.

    Attributes:
        index: their features ``[N, D]``.
        subjects: the subject of each ``[N]``.
        neighbours: k of AvgkNN and Rarity.
        lof_neighbours: k of LOF.
        detectors: of PyOD, fitted to them.
    """

    index: NeighbourIndex
    subjects: np.ndarray
    neighbours: int = 5
    lof_neighbours: int = 20
    detectors: Mapping[str, PyODDetector] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """A measure of an image, and a column of the tables.

    Attributes:
        name: of the column.
        label: what reports call it.
        needs: ``features``, ``pixels`` or ``score`` (the minority score and what is cut from it).
        training: its values of the training images themselves ``[N]``, float64; of what needs features.
        others: its values of other images ``[Q]``, float64, from their features ``[Q, D]``; of what needs features.
        higher_is_rarer: whether a higher value is rarer; otherwise it says nothing of rarity.
        reference: whether the most unique real images can be chosen by it.
        ranks: whether it is asked to rank the rare group and severity.
        compared: whether samplers are compared by it.

    Example:
        The distance to the mean of the training images:

        >>> import numpy as np
        >>> from monai_minority.evaluation.density import NeighbourIndex
        >>> from monai_minority.tables import Measure
        >>> from monai_minority.tables.measures import Bank
        >>> def from_mean(bank, query):
        ...     return np.linalg.norm(query - bank.index.vectors.mean(0), axis=1)
        >>> def of_training(bank):
        ...     return from_mean(bank, bank.index.vectors)
        >>> measure = Measure("from_mean", "distance to the mean", "features", of_training, from_mean)
        >>> bank = Bank(NeighbourIndex(np.array([[0.0, 0.0], [2.0, 0.0]]), k=1, ball=1), subjects=np.array(["a", "b"]))
        >>> measure.training(bank).tolist(), measure.others(bank, np.array([[1.0, 5.0]])).tolist()
        ([1.0, 1.0], [5.0])
    """

    name: str
    label: str
    needs: str
    training: Callable[[Bank], np.ndarray] | None = None
    others: Callable[[Bank, np.ndarray], np.ndarray] | None = None
    higher_is_rarer: bool = True
    reference: bool = False
    ranks: bool = False
    compared: bool = False


MEASURES = (
    Measure(Column.SCORE.value, "minority score", "score", reference=True, ranks=True, compared=True),
    Measure(Column.MINORITY_CLASS.value, "minority class", "score"),
    Measure(
        "average_knn",
        "AvgkNN",
        "features",
        lambda bank: average_knn_of_others(bank.index, bank.subjects, bank.neighbours),
        lambda bank, query: average_knn(bank.index, query, bank.neighbours),
        reference=True,
        ranks=True,
        compared=True,
    ),
    Measure(
        "local_outlier_factor",
        "LOF",
        "features",
        lambda bank: local_outlier_factor(bank.index, None, bank.lof_neighbours),
        lambda bank, query: local_outlier_factor(bank.index, query, bank.lof_neighbours),
        reference=True,
        ranks=True,
        compared=True,
    ),
    Measure(
        "rarity",
        "Rarity",
        "features",
        lambda bank: np.asarray(rarity(bank.index, None, bank.neighbours)),
        lambda bank, query: np.asarray(rarity(bank.index, query, bank.neighbours)),
        reference=True,
        compared=True,
    ),
    Measure(
        "nearest_distance",
        "distance to the nearest training image",
        "features",
        others=lambda bank, query: nearest_real(bank.index, query).distances[:, 0],
        higher_is_rarer=False,
    ),
    Measure(SEVERITY_MEASURE, "measured severity", "pixels", compared=True),
    Measure(BRIGHTNESS, "mean brightness", "pixels", higher_is_rarer=False),
)
"""The registry. Its order is that of the columns."""

LABELS = {measure.name: measure.label for measure in MEASURES}
"""What reports call each measure."""

REFERENCES = {measure.name: measure.label for measure in MEASURES if measure.reference} | {"group": "rare group"}
"""What a reference can be chosen by, and how it is called: a measure, or the known rare group."""

RANKERS = tuple(measure.name for measure in MEASURES if measure.ranks)
"""What is asked to rank the images: the score, and beside it the two densities, which need no model."""

DENSITIES = tuple(measure.name for measure in MEASURES if measure.ranks and measure.needs == "features")
"""The two densities among them, AvgkNN and LOF."""


def in_features(detectors: Mapping[str, PyODDetector]) -> list[Measure]:
    """The measures that need features alone: those of the registry and an entry for each detector of PyOD."""
    found = [measure for measure in MEASURES if measure.needs == "features"]
    return found + [
        Measure(
            name,
            name,
            "features",
            lambda bank, name=name: bank.detectors[name].scores(None),  # type: ignore[misc]
            lambda bank, query, name=name: bank.detectors[name].scores(query),  # type: ignore[misc]
        )
        for name in detectors
    ]


def summarised(detectors: Mapping[str, PyODDetector]) -> list[str]:
    """Columns of which summaries give mean and quantiles."""
    return [*(measure.name for measure in MEASURES), *detectors]
