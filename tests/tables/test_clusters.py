"""Tables know which images belong together: slices of a subject, images of a seed in several classes."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.evaluation.density import NeighbourIndex, average_knn
from monai_minority.evaluation.intervals import bootstrap, wilson
from monai_minority.evaluation.weighted_statistics import weighted_mean, weighted_rank_correlation
from monai_minority.tables.agreement import agreement_table
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.measures import Bank
from monai_minority.tables.rows import UNSEEN
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.summary import summary_table

SETTINGS = MeasureSettings(reference_size=20, resamples=200, distance_resamples=20)
SEEDS = np.tile(np.arange(12), 3)


@pytest.fixture(scope="module")
def real():
    """Forty people of four alike slices, half of them in training."""
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(40), 4)
    features = (rng.standard_normal((40, 3))[subjects] + 0.02 * rng.standard_normal((160, 3))).astype(np.float32)
    training = np.arange(80)
    index = NeighbourIndex(features[training], k=20, ball=5)
    knn = np.r_[average_knn(index, None, 5), average_knn(index, features[80:], 5)]
    columns = {"minority_score": knn, "average_knn": knn, "local_outlier_factor": knn, "rarity": knn}
    table = pd.DataFrame({"row": range(160), "split": ["train"] * 80 + ["test"] * 80, **columns})
    return RealImages(table, features, subjects, training, Bank(index, subjects[training]))


@pytest.fixture(scope="module")
def generated():
    """Three classes of the same twelve seeds; the seed says nearly all of an image."""
    rng = np.random.default_rng(1)
    values = rng.standard_normal(12)[SEEDS] + 0.1 * rng.standard_normal(36)
    features = (values[:, None] * np.ones(3) + 0.1 * rng.standard_normal((36, 3))).astype(np.float32)
    columns = {"minority_score": values, "average_knn": values, "local_outlier_factor": values, "rarity": values}
    guided = {"set": "guided", "row": range(36), "seed": SEEDS, "target_class": np.repeat(np.arange(3), 12)}
    table = pd.DataFrame({**guided, "guidance_scale": 2.0, "duplicate": False, **columns})
    return GeneratedImages(table, features, 0.0)


@pytest.fixture(scope="module")
def summary(real, generated):
    return summary_table(real, generated, SETTINGS)


def test_real_rows_draw_subjects(real, summary):
    table, context = summary
    row = table[table["set"] == UNSEEN].iloc[0]
    above = real.table["average_knn"].to_numpy()[80:] > context["p90_average_knn"]
    interval = wilson(above, real.subjects[80:])
    assert (row["above_p90_low"], row["above_p90_high"]) == interval
    assert np.ptp(interval) > 1.5 * np.ptp(wilson(above)), "than of slices taken singly"
    mean = bootstrap(weighted_mean(real.table["average_knn"].to_numpy()[80:]), real.subjects[80:], 200)
    assert (row["average_knn_low"], row["average_knn_high"]) == pytest.approx(mean)


def test_the_row_of_all_classes_draws_seeds(generated, summary):
    table, _ = summary
    row = table[(table["set"] == "guided") & (table["target_class"] == "all")].iloc[0]
    values = generated.table["average_knn"].to_numpy()
    mean = bootstrap(weighted_mean(values), SEEDS, 200)
    assert (row["average_knn_low"], row["average_knn_high"]) == pytest.approx(mean)
    assert np.ptp(mean) > 1.4 * np.ptp(bootstrap(weighted_mean(values), np.arange(36), 200))
    single = table[(table["set"] == "guided") & (table["target_class"] == "1")].iloc[0]
    alone = bootstrap(weighted_mean(values[12:24]), np.arange(12), 200)
    assert (single["average_knn_low"], single["average_knn_high"]) == pytest.approx(alone)


def test_classes_of_the_same_seeds_are_compared_in_pairs(real, generated):
    """What the seeds differ by is the same in every class, so a small step from class to class is seen."""
    table = generated.table.assign(average_knn=generated.table["average_knn"] + 0.3 * generated.table["target_class"])
    found = agreement_table(real, GeneratedImages(table, generated.features, 0.0), SETTINGS)
    row = found[(found["images"] == "guided") & (found["measure"] == "average_knn")].iloc[0]
    statistic = weighted_rank_correlation(table["average_knn"].to_numpy(), table["target_class"].to_numpy(float))
    paired, singly = (bootstrap(statistic, clusters, 200) for clusters in (SEEDS, np.arange(36)))
    assert (row["low"], row["high"]) == pytest.approx(paired)
    assert np.ptp(paired) < np.ptp(singly) and paired.low > 1.3 * singly.low
