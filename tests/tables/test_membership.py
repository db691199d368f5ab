"""Who can be told to be among the training subjects: known answers for copies, for nothing learned, and by group."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.scoring import L2, CrossFittedScore
from monai_minority.tables import MeasureSettings
from monai_minority.tables.membership import (
    ALL,
    RAREST,
    WORST,
    Evidence,
    few_rare_subjects,
    fold_scores,
    membership,
    nearest_samples,
    rarest_subjects,
)

SETTINGS = MeasureSettings(resamples=300, progress=False)


def table_of(members: int, others: int, **columns: object) -> pd.DataFrame:
    split = ["train"] * members + ["test"] * others
    return pd.DataFrame({"subject": [f"s{n}" for n in range(members + others)], "split": split, **columns})


def evidence_of(table: pd.DataFrame, values: np.ndarray) -> dict[str, Evidence]:
    known = (table["split"] == "train").to_numpy()
    return {"nearest of a": Evidence(np.where(known, values, np.nan), np.where(known, np.nan, values))}


def rows_of(table: pd.DataFrame, values: np.ndarray) -> pd.DataFrame:
    return membership(table, evidence_of(table, values), SETTINGS)[1].set_index("subjects")


def test_subjects_that_were_copied_stand_out_and_the_others_do_not():
    values = np.random.default_rng(0).normal(10, 1, 400)
    values[:50] = 0
    table = table_of(200, 200)
    row = rows_of(table, values).loc[ALL]
    assert row["n"] == 200 and row["controls"] == 200
    assert row["auc"] == pytest.approx(0.25 + 0.75 * 0.5, abs=0.05)
    assert row["auc_low"] > 0.5
    assert row["beyond"] == pytest.approx(0.25 + 0.75 * 0.1, abs=0.05)
    assert rows_of(table, values).loc[WORST, "control_below"] == pytest.approx(1 / 201)
    subjects, _ = membership(table, evidence_of(table, values), SETTINGS)
    assert set(subjects.nsmallest(50, "control_below")["subject"]) == {f"s{n}" for n in range(50)}


def test_where_nothing_is_learned_a_tenth_lies_beyond_nine_tenths():
    rows = rows_of(table_of(1000, 1000), np.random.default_rng(0).normal(size=2000))
    row = rows.loc[ALL]
    assert row["auc_low"] < 0.5 < row["auc_high"]
    assert row["beyond_low"] < 0.1 < row["beyond_high"]
    assert row["control_below"] == pytest.approx(0.5, abs=0.03)
    assert rows.loc[WORST, "control_below"] == pytest.approx(0.05, abs=0.02)


def test_rare_people_are_compared_with_rare_people():
    """Guided images lie near to all rare people, known or not: that tells of nobody."""
    rng = np.random.default_rng(0)
    rare = np.arange(400) % 10 < np.where(np.arange(400) < 200, 4, 1)  # more of the members are rare
    table = table_of(200, 200, group=np.where(rare, "ill", "well"))
    values = rng.normal(size=400) - 10 * rare
    assert rows_of(table, values).loc[ALL, "auc"] == pytest.approx(0.5, abs=0.1)
    assert rows_of(table.drop(columns="group"), values).loc[ALL, "auc"] > 0.6
    values[:200][rare[:200]] -= 5
    rows = rows_of(table, values)
    assert rows.loc[RAREST, ["n", "controls"]].tolist() == rows.loc["ill", ["n", "controls"]].tolist() == [80, 20]
    assert rows.loc[RAREST, "beyond"] == rows.loc["ill", "beyond"] == 1
    assert rows.loc["well", "beyond"] == pytest.approx(0.1, abs=0.1)


def test_without_groups_the_highest_class_is_rare():
    table = table_of(60, 60, minority_class=np.arange(120) % 6 // 5 * 2)
    rows = rows_of(table, np.where(table["minority_class"] == 2, -1.0, np.arange(120) % 2))
    assert rows.loc[RAREST].drop("evidence").equals(rows.loc["class 2"].drop("evidence"))
    assert rows.loc[RAREST, ["n", "controls"]].tolist() == [10, 10]


def test_a_stratum_without_controls_is_not_judged():
    rows = rows_of(table_of(20, 8), np.arange(28.0))
    assert np.isnan(rows.loc[ALL, ["beyond", "control_below"]].astype(float)).all()


def test_a_subject_counts_by_its_most_telling_image():
    table = pd.concat([table_of(10, 10)] * 2, ignore_index=True)
    values = np.r_[np.full(20, 5.0), np.full(20, 5.0)]
    values[20] = 0
    subjects, _ = membership(table, evidence_of(table, values), SETTINGS)
    found = subjects.set_index("subject")
    assert found.loc["s0", "control_below"] == 1 / 11 and found.loc["s1", "control_below"] == 1
    assert (found["images"] == 2).all()


class Pixels(nn.Module):
    name, resizing, normalisation = "pixels", "none", "x"

    def forward(self, x):
        return x.flatten(1)


def test_generated_copies_are_found_through_the_features(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8)).astype(np.uint8)
    table = table_of(20, 20, source="x", slice=0)
    store = ImageStore.create(tmp_path / "store", pixels, table, (0, 255))
    made = ImageStore.create(tmp_path / "made", pixels[:5], {"seed": range(5)}, (0, 255), synthetic=True)
    subjects, summary = membership(table, nearest_samples(store, {"a": made}, Pixels(), settings=SETTINGS), SETTINGS)
    assert set(subjects.nsmallest(5, "control_below")["subject"]) == {f"s{n}" for n in range(5)}
    assert set(summary["evidence"]) == {"nearest of a"}


class Remembers(nn.Module):
    """Gives back the noise of an image that it learned, and nothing for any other."""

    def __init__(self, images: torch.Tensor, scheduler: RespacedDDPMScheduler) -> None:
        super().__init__()
        self.images, self.scheduler = nn.Parameter(images, requires_grad=False), scheduler

    def forward(self, x_t, timesteps, *_, **__):
        kept = self.scheduler.alphas_cumprod[timesteps.long()].view(-1, 1, 1, 1).to(x_t)
        noise = (x_t[:, None] - kept.sqrt()[:, None] * self.images[None]) / (1 - kept).sqrt()[:, None]
        size = noise.flatten(2).square().mean(-1)
        best = noise[torch.arange(len(x_t)), size.argmin(1)]
        return torch.where((size.amin(1) < 1.6).view(-1, 1, 1, 1), best, torch.zeros_like(best))


@pytest.mark.parametrize("remembers", [True, False])
def test_networks_by_fold_tell_what_they_learned_by_heart(tmp_path, remembers):
    pixels = np.random.default_rng(0).integers(0, 2, (30, 1, 8, 8)).astype(np.uint8) * 255
    folds = np.arange(30) % 3
    store = ImageStore.create(tmp_path / "store", pixels, table_of(24, 6, source="x", slice=0, fold=folds), (0, 255))
    scheduler = RespacedDDPMScheduler(num_train_timesteps=1000)
    known, train = store.batch(range(30)), np.arange(30) < 24
    parts = [train & (folds != fold) if remembers else train & (folds > 5) for fold in range(3)]
    networks = [Remembers(known[part] if part.any() else torch.zeros(1, 1, 8, 8), scheduler) for part in parts]
    whole = Remembers(known[train], scheduler)
    score = CrossFittedScore(networks, folds, network=whole, scheduler=scheduler, distance=L2(), timestep=300, draws=2)
    found = fold_scores(score, store, batch_size=7)
    assert np.isnan(found.learned[24:]).all() and np.isnan(found.control[24:]).all()
    row = membership(store.table, {"folds": found}, SETTINGS)[1].set_index("subjects").loc[ALL]
    assert row["auc"] == (1.0 if remembers else 0.5)
    assert row["n"] == row["controls"] == 24


def test_few_subjects_of_the_rarest_class_are_told():
    table = table_of(20, 20, minority_class=[0.0] * 14 + [2.0] * 6 + [2.0] * 20)
    assert rarest_subjects(table) == 6
    assert "learned from 6 training subjects, fewer than 11" in few_rare_subjects(6, 11)
    assert few_rare_subjects(11, 11) == few_rare_subjects(None, 11) == few_rare_subjects(float("nan"), 11) == ""
