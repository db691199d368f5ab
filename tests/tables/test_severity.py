"""Severity, dispersion and the judges of them, where every share is known by construction."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from monai_minority.evaluation.density import NeighbourIndex
from monai_minority.evaluation.intervals import bootstrap, wilson
from monai_minority.evaluation.mover import estimated_share, ratio_of
from monai_minority.evaluation.weighted_statistics import weighted_rank_correlation
from monai_minority.tables.dispersion import dispersion_table
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.judges import LABEL_JUDGE, Space, judges_of
from monai_minority.tables.measures import Bank
from monai_minority.tables.rows import REAL, UNSEEN
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.severity import COLUMNS, EVERY_REAL_IMAGE, NORMAL_IMAGES, severity_table

SETTINGS = MeasureSettings(resamples=100)
NORMALS, RARES, SEEDS = 200, 40, 50


def real_images(groups: bool = True) -> RealImages:
    """200 normal images of severity 0 … 199, two a subject, and 40 rare ones of 300 …

    Of the normal subjects every fifth is held out, of the rare ones every fourth: five.
    """
    severity = np.r_[np.arange(NORMALS), 300 + np.arange(RARES)].astype(float)
    subjects = np.arange(NORMALS + RARES) // 2
    held = np.where(np.arange(NORMALS + RARES) < NORMALS, subjects % 5 == 4, subjects % 4 == 3)
    table = pd.DataFrame(
        {
            "split": np.where(held, "test", "train"),
            "group": ["normal"] * NORMALS + ["ill"] * RARES,
            "severity_measure": severity,
            "minority_score": severity,
            "brightness": severity,
        }
    )
    training = np.flatnonzero(table["split"] == "train")
    features = np.random.default_rng(0).normal(size=(len(table), 4)).astype(np.float32)
    bank = Bank(NeighbourIndex(features[training]), subjects[training])
    return RealImages(table if groups else table.drop(columns="group"), features, subjects, training, bank)


def generated_images(unguided_above: int = 1) -> GeneratedImages:
    """Fifty seeds unguided, ``unguided_above`` of them severe, and guided to three classes: 0, 10 and 40 severe."""
    parts = []
    for name, target, above in (
        ("plain", -1, unguided_above),
        *(("guided", target, above) for target, above in enumerate((0, 10, 40))),
    ):
        part = {"set": name, "seed": np.arange(SEEDS), "target_class": target}
        severity = np.where(np.arange(SEEDS) < above, 500.0, 100.0)
        parts.append(pd.DataFrame(part | {"guidance_scale": 2.0 * (target >= 0), "severity_measure": severity}))
    table = pd.concat(parts, ignore_index=True)
    columns = {"minority_score": table["severity_measure"], "brightness": table["severity_measure"]}
    features = np.random.default_rng(1).normal(size=(len(table), 4)).astype(np.float32)
    return GeneratedImages(table.assign(**columns), features, 0.0)


def severity_of(real: RealImages, generated: GeneratedImages) -> pd.DataFrame:
    judges, _ = judges_of(real, generated, [], SETTINGS, "size")
    return severity_table(real, generated, judges[:1], SETTINGS)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    real, generated = real_images(), generated_images()
    judges, _ = judges_of(real, generated, [space(real, generated, 0.0)], SETTINGS, "size")
    return severity_table(real, generated, judges, SETTINGS)


def space(real: RealImages, generated: GeneratedImages, shift: float) -> Space:
    """Features that tell the rare images by ``shift`` standard deviations in each direction."""
    ill = np.arange(len(real.table)) >= NORMALS
    severe = generated.table["severity_measure"].to_numpy() > 200
    names = dict.fromkeys(("extractor", "resizing", "normalisation", "weights_sha256"), "drawn")
    return Space(
        names,
        real.features + np.float32(shift) * ill[:, None],
        generated.features + np.float32(shift) * severe[:, None],
    )


def row(table: pd.DataFrame, name: str, target: str = "all", known: str = "") -> pd.Series:
    found = table[(table["set"] == name) & (table["target_class"] == target) & (table["known"] == known)]
    assert len(found) == 1
    return found.iloc[0]


def test_thresholds_are_percentiles_of_the_normal_images(table):
    assert table["threshold_99"].unique() == pytest.approx(np.percentile(np.arange(NORMALS), 99))
    assert table["threshold_95"].unique() == pytest.approx(np.percentile(np.arange(NORMALS), 95))
    assert set(table["threshold_of"]) == {NORMAL_IMAGES} and set(table["judge"]) == {"size"}
    without = severity_of(real_images(groups=False), generated_images())
    everyone = real_images().table["severity_measure"]
    assert without["threshold_99"].unique() == pytest.approx(np.percentile(everyone, 99))
    assert set(without["threshold_of"]) == {EVERY_REAL_IMAGE} and set(without["known"]) == {""}


def test_shares_are_the_known_ones_with_wilson_intervals(table):
    assert [row(table, "guided", str(target))["share_above_99"] for target in range(3)] == [0, 0.2, 0.8]
    assert row(table, "plain")["share_above_99"] == 1 / SEEDS
    assert row(table, REAL, known="rare")["share_above_99"] == 1
    held = row(table, UNSEEN, known="normal")
    severity, subjects = np.arange(NORMALS), np.arange(NORMALS) // 2
    kept = subjects % 5 == 4
    interval = wilson(severity[kept] > held["threshold_95"], subjects[kept])
    assert (held["share_above_95_low"], held["share_above_95_high"]) == interval
    assert (held["n"], held["n_measured"], held["clusters"]) == (40, 40, 20)
    whole = row(table, "guided")
    assert whole["clusters"] == SEEDS and whole["n"] == 3 * SEEDS


def test_ratios_pair_the_seeds(table):
    guided = row(table, "guided", "2")
    assert guided["ratio_to_unguided"] == pytest.approx(40)
    apart = ratio_of(estimated_share(np.arange(SEEDS) < 40), estimated_share(np.arange(SEEDS) < 1))
    assert apart.low < guided["ratio_to_unguided_low"] < 40 < guided["ratio_to_unguided_high"] < apart.high
    severity = real_images().table["severity_measure"]
    assert guided["ratio_to_cohort"] == pytest.approx(0.8 / (severity > guided["threshold_99"]).mean())
    assert np.isnan(row(table, "plain")["ratio_to_unguided"]), "not with itself"


def test_no_severe_unguided_image_gives_a_lower_end_alone():
    found = row(severity_of(real_images(), generated_images(unguided_above=0)), "guided", "2")
    assert np.isnan(found["ratio_to_unguided"]) and np.isnan(found["ratio_to_unguided_high"])
    assert 1 < found["ratio_to_unguided_low"] < 0.8 * SEEDS


def test_severity_rises_with_the_class_and_its_interval_draws_seeds(table):
    guided = generated_images().table.iloc[SEEDS:]
    severity, classes = guided["severity_measure"].to_numpy(), guided["target_class"].to_numpy(float)
    statistic = weighted_rank_correlation(classes, severity)
    found = row(table, "guided")
    assert found["rank_correlation_with_class"] == pytest.approx(
        float(pd.Series(classes).corr(pd.Series(severity), "spearman"))
    )
    interval = bootstrap(statistic, guided["seed"].to_numpy(), 100)
    assert found[["rank_correlation_with_class_low", "rank_correlation_with_class_high"]].tolist() == list(interval)
    assert table.loc[table["target_class"] != "all", "rank_correlation_with_class"].isna().all()


def test_real_images_have_a_row_a_class_and_classes_of_any_size_count_alike():
    """Of three classes two are aimed at, with 80 training images and 30 more severe ones."""
    real, generated = real_images(), generated_images()
    own = np.where(np.arange(NORMALS + RARES) < 100, 0, np.where(np.arange(NORMALS + RARES) < NORMALS, 1, 2))
    real.table["minority_class"] = own
    generated.table["target_class"] = generated.table["target_class"].replace(1, -1)
    table = severity_of(real, generated)
    shares = [row(table, REAL, str(target))["share_above_99"] for target in range(3)]
    assert shares == [0, 0, 1]
    whole = row(table, REAL)
    alike = np.arange(60.0)  # as many of both
    expected = pd.Series(np.repeat([0.0, 1.0], 30)).corr(pd.Series(alike), "spearman")
    assert whole["rank_correlation_with_class"] == pytest.approx(expected, abs=0.001)
    assert whole["rank_correlation_with_class_low"] <= whole["rank_correlation_with_class"]
    assert np.isnan(row(table, UNSEEN)["rank_correlation_with_class"])


def test_images_that_cannot_be_measured_are_counted_out():
    generated = generated_images()
    generated.table.loc[SEEDS * 3 + 40 :, "severity_measure"] = np.nan
    found = row(severity_of(real_images(), generated), "guided", "2")
    assert (found["n"], found["n_measured"], found["share_above_99"]) == (SEEDS, 40, 1.0)


def test_nothing_to_judge_by_gives_the_columns_alone():
    real, generated = real_images(groups=False), generated_images()
    judges, said = judges_of(real, generated, [], SETTINGS)
    table = severity_table(real, generated, judges, SETTINGS)
    assert table.columns.tolist() == COLUMNS and not len(table)
    assert said == {"refused": "no groups of the real images are known"}


def test_a_label_judge_that_separates_says_what_the_truth_does():
    real, generated = real_images(), generated_images()
    judges, said = judges_of(real, generated, [space(real, generated, 4.0)], SETTINGS, "size")
    assert [judge.name for judge in judges] == ["size", LABEL_JUDGE]
    assert said["space"] == "drawn" and said["auc"][0] == 1
    table = severity_table(real, generated, judges, SETTINGS)
    judged = table[table["judge"] == LABEL_JUDGE]
    severe = generated.table["severity_measure"].to_numpy() > 200
    threshold = judged["threshold_99"].iloc[0]
    assert (judges[1].generated[severe] > threshold).all(), "not one is missed"
    for target, truth in enumerate((0.01, 0.2, 0.8)):  # 1 % of normal images lie above
        found = row(judged, "guided", str(target))
        assert found["share_above_99_low"] <= truth <= found["share_above_99_high"]
        assert found["share_above_99"] - truth < 0.1
    assert judged["judge_auc"].eq(1).all() and judged["extractor"].eq("drawn").all()
    assert table.loc[table["judge"] == "size", "extractor"].eq("none").all()
    again, _ = judges_of(real, generated, [space(real, generated, 4.0)], SETTINGS, "size")
    np.testing.assert_array_equal(again[1].generated, judges[1].generated)


def test_a_label_judge_that_sees_nothing_is_refused():
    real, generated = real_images(), generated_images()
    judges, said = judges_of(real, generated, [space(real, generated, 0.0)], SETTINGS, "size")
    assert [judge.name for judge in judges] == ["size"]
    assert said["refused"].startswith("its AUC is 0.") and "at least 0.7" in said["refused"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"people": 4}, "4 subjects of the rare group and 80 others are in training"),
        ({"held": "validation"}, "no images of both the rare and a normal group were never trained on"),
    ],
)
def test_too_few_people_or_none_to_judge_on_refuse_the_label_judge(changes, reason):
    real, generated = real_images(), generated_images()
    ill = np.arange(len(real.table)) >= NORMALS
    if "people" in changes:
        few = np.where(ill, 1000 + np.arange(len(ill)) % changes["people"], real.subjects)
        real = replace(real, subjects=few)
    else:
        real.table.loc[ill & (real.table["split"] == "test"), "group"] = None
    judges, said = judges_of(real, generated, [space(real, generated, 4.0)], SETTINGS, None)
    assert judges == [] and reason in said["refused"]


def test_dispersion_tells_a_backbone_that_keeps_to_the_middle():
    real, generated = real_images(), generated_images(unguided_above=0)
    judges, _ = judges_of(real, generated, [], SETTINGS, "size")
    table = dispersion_table(real, generated, judges, SETTINGS).set_index(["set", "measure"])
    assert {measure for _, measure in table.index} == {"size", "minority_score", "brightness"}
    for measure in ("size", "minority_score", "brightness"):
        plain, training = table.loc[("plain", measure)], table.loc[(REAL, measure)]
        assert (plain["share_below_5"], plain["share_above_95"]) == (0, 0)
        assert (plain["share_below_5_low"], plain["share_below_5_high"]) == wilson(
            np.zeros(SEEDS, bool), np.arange(SEEDS)
        )
        assert training["share_below_5"] == pytest.approx(0.05, abs=0.005)
        assert training["share_above_95"] == pytest.approx(0.05, abs=0.005)
    guided = generated.table["set"] == "guided"
    without = GeneratedImages(generated.table[guided].reset_index(drop=True), generated.features[guided], 0.0)
    assert not len(dispersion_table(real, without, judges, SETTINGS))


def test_too_few_held_out_subjects_refuse_the_label_judge():
    """Three rare subjects say nothing of an AUC, however well they are told."""
    real, generated = real_images(), generated_images()
    ill = np.arange(len(real.table)) >= NORMALS
    held = ill & (real.table["split"] == "test").to_numpy()
    real = replace(real, subjects=np.where(held, 1000 + np.arange(len(ill)) % 3, real.subjects))
    judges, said = judges_of(real, generated, [space(real, generated, 4.0)], SETTINGS, None)
    assert judges == []
    assert said["refused"].startswith(
        "3 subjects of the rare group and 20 others were never trained on, and at least 5"
    )
