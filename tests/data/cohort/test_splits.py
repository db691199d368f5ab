"""Nobody is on two sides, and the same seed gives the same sides."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import (
    Cohort,
    check_no_leak,
    find_cohort,
    folds_by_subject,
    long_tail,
    split_by_subject,
    split_cohort,
)

THIRDS = {"train": 0.6, "validation": 0.1, "test": 0.3}


def _table(subjects: int = 50, images: int = 3) -> pd.DataFrame:
    number = np.repeat(np.arange(subjects), images)
    return pd.DataFrame(
        {
            "image": [f"{i}.nii" for i in range(len(number))],
            "subject": [f"s{n}" for n in number],
            "group": np.where(number < 10, "AD", "control"),
            "severity": np.where(number < 10, 1.0, 0.0),
        }
    )


def test_shares_are_of_subjects_and_nobody_leaks():
    split = split_by_subject(_table(), THIRDS)
    check_no_leak(split)
    counts = split.drop_duplicates("subject")["split"].value_counts().to_dict()
    assert counts == {"train": 30, "test": 15, "validation": 5}


def test_order_and_kind_of_list_do_not_matter():
    table = _table()
    split = split_by_subject(table, THIRDS, seed=3)
    shuffled = split_by_subject(table.sample(frac=1, random_state=0), THIRDS, seed=3)
    assert shuffled.sort_index().equals(split) and "split" not in table
    records = split_by_subject(table.to_dict("records"), THIRDS, seed=3)
    assert [r["split"] for r in records] == split["split"].tolist()
    assert not split_by_subject(table, THIRDS, seed=4)["split"].equals(split["split"])


def test_the_split_of_a_seed_never_changes():
    # Recorded: a change here silently moves subjects between training and test of every user.
    table = pd.DataFrame({"subject": list("abcdefghij")})
    split = split_by_subject(table, {"train": 0.5, "test": 0.5}, seed=0)
    assert "".join(split.loc[split["split"] == "train", "subject"]) == "dfghj"


def test_given_splits_stay():
    table = _table(10).assign(split=None)
    table.loc[0, "split"] = "reference"  # one row of s0; its other rows follow
    split = split_by_subject(table, {"train": 1.0})
    assert split["split"].tolist() == ["reference"] * 3 + ["train"] * 27


def test_strata_keep_their_shares():
    split = split_by_subject(_table(), {"train": 0.5, "test": 0.5}, stratify="group")
    counts = split.drop_duplicates("subject").groupby(["group", "split"]).size().to_dict()
    assert counts == {("AD", "test"): 5, ("AD", "train"): 5, ("control", "test"): 20, ("control", "train"): 20}


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"train": 0.5, "test": 0.6}, "sum to 1"),
        ({"train": 1.5, "test": -0.5}, "non-negative"),
        ({"training": 1.0}, "keyed by"),
    ],
)
def test_wrong_fractions_raise(fractions, message):
    with pytest.raises(ValueError, match=message):
        split_by_subject(_table(), fractions)


def test_wrong_tables_raise():
    with pytest.raises(ValueError, match="needs the column 'subject'"):
        split_by_subject(pd.DataFrame({"image": ["a"]}), {"train": 1.0})
    with pytest.raises(ValueError, match="a split must be one of .*, got holdout"):
        split_by_subject(pd.DataFrame({"subject": ["a"], "split": ["holdout"]}), {"train": 1.0})


def test_a_leak_names_the_subjects():
    pairs = [("a", "train"), ("a", "test"), ("b", "test")]
    leaking = [{"subject": subject, "split": split} for subject, split in pairs]
    with pytest.raises(ValueError, match=r"1 subject\(s\) .*: a in test and train$"):
        check_no_leak(leaking)
    check_no_leak(leaking[1:])


@pytest.mark.parametrize("normal_groups", [None, ["control"]])
def test_long_tail_keeps_all_normals_and_k_abnormals(normal_groups):
    split = split_by_subject(_table(), {"train": 0.8, "test": 0.2}, stratify="group")
    tail = long_tail(split, 2, normal_groups, seed=5)
    check_no_leak(tail)
    counts = tail.drop_duplicates("subject").groupby(["group", "split"]).size().to_dict()
    assert counts == {
        ("AD", "reference"): 6,
        ("AD", "test"): 2,
        ("AD", "train"): 2,
        ("control", "test"): 8,
        ("control", "train"): 32,
    }
    assert tail.equals(long_tail(split, 2, normal_groups, seed=5))
    more = long_tail(split, 3, normal_groups, seed=5)
    assert set(tail.loc[tail["split"] == "train", "subject"]) < set(more.loc[more["split"] == "train", "subject"])


def test_long_tail_refuses_what_it_cannot_do():
    split = split_by_subject(_table(), {"train": 1.0})
    with pytest.raises(ValueError, match="0 to 10, the abnormal subjects in train, got 11"):
        long_tail(split, 11)
    with pytest.raises(ValueError, match="but it has no healthy; it has AD, control"):
        long_tail(split, 1, ["healthy"])


def test_cohorts_split_alike():
    cohort = split_cohort(Cohort(_table()), {"train": 0.8, "test": 0.2}, seed=1, keep_abnormal=1)
    expected = long_tail(split_by_subject(_table(), {"train": 0.8, "test": 0.2}, seed=1), 1, seed=1)
    assert cohort.table.equals(expected)


def test_all_scans_of_a_subject_stay_together(tmp_path):
    """Sessions and repeated runs of BIDS, as found in a folder."""
    names = [f"sub-{s:02d}" for s in range(12)]
    scans = [f"{n}/ses-{v}/anat/{n}_ses-{v}_run-{r}_T1w.nii" for n in names for v in "ab" for r in (1, 2)]
    for name in scans:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "participants.tsv").write_text("participant_id\n" + "\n".join(names) + "\n")
    table = split_cohort(find_cohort(tmp_path), THIRDS).table
    assert len(table) == 48
    per_subject = table.groupby("subject")["split"].agg(["size", "nunique"])
    assert (per_subject["size"] == 4).all() and (per_subject["nunique"] == 1).all()
    assert set(table["split"]) == {"train", "validation", "test"}


def test_a_cohort_in_one_split_is_said(caplog):
    fractions = {"train": 0.8, "test": 0.2}
    one = Cohort(pd.DataFrame({"subject": ["Anonymous"] * 6}))
    split_cohort(one, fractions)
    assert (
        "all 6 images, of 1 subject(s), are in the split train, so nothing is held out; if they are of" in caplog.text
    )
    caplog.clear()
    split_cohort(Cohort(pd.DataFrame({"subject": list("abcdefghij")})), fractions)
    split_cohort(one, {"train": 1.0})
    assert caplog.text == ""


def test_folds_are_even_and_of_whole_subjects():
    rng = np.random.default_rng(0)
    subject = rng.permutation(np.repeat(np.arange(23), 4))
    table = pd.DataFrame({"subject": [f"s{s}" for s in subject], "split": np.where(subject < 17, "train", "test")})
    folds = folds_by_subject(table, 5)
    assert pd.Series(folds).groupby(table["subject"]).nunique().eq(1).all()
    people = table.assign(fold=folds).groupby(["split", "fold"])["subject"].nunique()
    assert people["train"].tolist() == [4, 4, 3, 3, 3] and people["test"].tolist() == [2, 1, 1, 1, 1]
    assert (folds_by_subject(table, 5) == folds).all() and (folds_by_subject(table, 5, seed=1) != folds).any()
    renamed = table.assign(subject=table["subject"].map(lambda name: hash(name)))
    assert (folds_by_subject(renamed, 5) == folds).all(), "pseudonyms differ between run folders"
    trained = table["split"] == "train"
    assert (folds_by_subject(table[trained], 5) == folds[trained]).all(), "whoever else is there changes nothing"
    alone = folds_by_subject(table[["split"]], 5)
    assert np.bincount(alone[trained]).tolist() == [14, 14, 14, 13, 13]
    for count in (1, 18, 2.5):
        with pytest.raises(ValueError, match=rf"must be 2 to 17, the number of training subjects, got {count}"):
            folds_by_subject(table, count)
