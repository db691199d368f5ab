"""Agreement of a score with densities, severity and the rare group among real images, with intervals by subject."""

from typing import Any

import numpy as np

from monai_minority.evaluation.intervals import Statistic, bootstrap
from monai_minority.evaluation.weighted_statistics import weighted_auc, weighted_rank_correlation
from monai_minority.keys import Column
from monai_minority.studies.study_run import StudyRun

AGAINST = ("average_knn", "local_outlier_factor", Column.SEVERITY.value, "severity_measure")


def interval_row(
    run: StudyRun, statistic: Statistic, subjects: np.ndarray, /, groups: np.ndarray | None = None, **labels: Any
) -> dict[str, Any]:
    """A row of a table: the statistic and its bootstrap interval over subjects.

    See :func:`~monai_minority.evaluation.intervals.bootstrap` for ``groups``.
    """
    middle = float(statistic(np.ones((1, len(subjects))))[0])
    low, high = bootstrap(statistic, subjects, run.settings.resamples, seed=run.settings.seed, groups=groups)
    count = len(np.unique(subjects))
    return {**labels, "value": middle, "low": low, "high": high, "n": len(subjects), "subjects": count}


def agreements(run: StudyRun, rows: np.ndarray, scores: np.ndarray) -> list[dict[str, Any]]:
    """Rank correlations with each column of :data:`AGAINST` that exists, and the AUC for the rare group."""
    table = run.real.table.iloc[rows]
    subjects = run.real.subjects[rows]
    found = []
    for against in AGAINST:
        if against not in table:
            continue
        values = table[against].to_numpy(dtype=float)
        known = ~np.isnan(values)
        if known.sum() >= 3:
            statistic = weighted_rank_correlation(scores[known], values[known])
            found.append(interval_row(run, statistic, subjects[known], figure="rank correlation", against=against))
    rare = None if run.rare is None else run.rare[rows]
    if rare is not None and rare.any() and not rare.all():
        area = weighted_auc(scores, rare)
        found.append(interval_row(run, area, subjects, groups=rare, figure="AUC", against="rare group"))
    return found
