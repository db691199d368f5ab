"""A cohort keeps what is usable and says why the rest is not."""

import pandas as pd
import pytest

from monai_minority.data import Cohort, Pseudonyms, Rejection, write_private_tables


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{name}.nii" for name in "abcd"]
    for path in paths:
        path.write_bytes(b"x")
    return [str(p) for p in paths]


def test_records_get_the_standard_columns_in_order(files):
    records = [
        {"image": files[1], "subject": "p2", "age": 70},
        {"image": files[0], "subject": "p1", "age": 80, "severity": "2.5"},
    ]
    cohort = Cohort.from_records(records)
    assert list(cohort.table) == ["image", "subject", "group", "severity", "split", "age"]
    assert cohort.table["subject"].tolist() == ["p1", "p2"] and cohort.table["age"].tolist() == [80, 70]
    assert cohort.table["severity"].tolist()[0] == 2.5 and pd.isna(cohort.table["severity"][1])
    assert len(cohort) == 2 and cohort.rejected == []


def test_unfit_records_are_rejected_one_by_one(files, tmp_path):
    records = [
        {"image": files[0], "subject": "p1"},
        {"image": files[0], "subject": "p1"},
        {"image": files[0], "subject": "p2"},
        {"image": files[1], "subject": "p1"},  # a second visit is fine
        {"image": str(tmp_path / "gone.nii"), "subject": "p3"},
        {"image": files[2], "subject": ""},
        {"image": None, "subject": "p4"},
        {"image": files[3], "subject": "p5", "severity": "mild"},
    ]
    cohort = Cohort.from_records(records)
    assert cohort.table["image"].tolist() == files[:2]
    assert [(r.subject, r.reason) for r in cohort.rejected] == [
        ("p1", "the subject lists the same file twice; the first entry is kept"),
        ("p2", "the file already belongs to another subject"),
        ("p3", f"the file does not exist (tried {tmp_path / 'gone.nii'})"),
        ("", "no subject is given"),
        ("p4", "no image is given"),
        ("p5", "severity must be a number, got 'mild'; it is the label of the image"),
    ]
    run, key = tmp_path / "run", Pseudonyms(tmp_path / "run" / "cohort.key")
    unread = {1: f"OSError: {files[1]} of p1 is damaged"}
    table = cohort.pseudonymized(key)
    write_private_tables(table, unread, cohort.rejected, key, run / "cohort.csv", run / "rejected.csv")
    named = pd.read_csv(run / "cohort.csv", keep_default_na=False)
    assert named["rejected"].tolist() == ["", unread[1], *(r.reason for r in cohort.rejected)]
    assert named["image"][4] == str(tmp_path / "gone.nii") and named["subject"][4] == "p3"
    public = pd.read_csv(run / "rejected.csv", keep_default_na=False)
    assert list(public) == ["source", "subject", "reason", "by_rule"]
    assert public["source"].tolist() == named["source"].tolist()[1:] and named["source"].is_unique
    assert public["subject"].tolist() == [key(s) if s else "" for s in named["subject"][1:]]
    assert public["reason"].tolist() == [
        "damaged",
        "repeated",
        "repeated",
        *["missing", "no_subject", "missing"],
        "label_unreadable",
    ]
    assert str(tmp_path) not in (run / "rejected.csv").read_text()


def test_nothing_usable_raises_with_the_reasons(tmp_path):
    with pytest.raises(ValueError, match=r"no usable image; 2 were rejected.*the file does not exist \(2\)"):
        Cohort.from_records([{"image": str(tmp_path / n), "subject": n} for n in "ab"])
    with pytest.raises(ValueError, match="the cohort has no image"):
        Cohort.from_records([])


def test_what_a_rule_leaves_out_is_not_told_as_rejected(files):
    left_out = [Rejection("c.dcm", "p3", "the plane must be axial", by_rule=True), Rejection("d.dcm", "p4", "damaged")]
    told = Cohort.from_records([{"image": files[0], "subject": "p1"}], left_out).account()
    assert told == ["used: 1 image of 1 subject", "rejected: damaged (1)", "left out: the plane must be axial (1)"]


def test_pseudonymized_sources_are_unique_and_numbered(files, tmp_path):
    records = [{"image": f, "subject": s} for f, s in zip(files, ["p1", "p1", "p2", "p2"], strict=True)]
    pseudonyms = Pseudonyms(tmp_path / "key")
    table = Cohort.from_records(records).pseudonymized(pseudonyms)
    p1, p2 = pseudonyms("p1"), pseudonyms("p2")
    assert table["pseudonym"].tolist() == [p1, p1, p2, p2]
    assert table["source"].tolist() == [f"{p1}_01", f"{p1}_02", f"{p2}_01", f"{p2}_02"]


def test_equal_pseudonyms_raise(files):
    records = [{"image": files[0], "subject": "p1"}, {"image": files[1], "subject": "p2"}]
    with pytest.raises(ValueError, match="same pseudonym"):
        Cohort.from_records(records).pseudonymized(lambda *_: "sub-0000000000")


def test_pseudonyms_are_longer_where_short_ones_agree(files):
    records = [{"image": files[0], "subject": "p1"}, {"image": files[1], "subject": "p2"}]

    def ends_differently(subject, digits):
        return "sub-" + ("0" * 15 + subject)[:digits]

    table = Cohort.from_records(records).pseudonymized(ends_differently)
    assert table["pseudonym"].tolist() == ["sub-000000000000000p1", "sub-000000000000000p2"]


@pytest.mark.parametrize("descriptions, told", [(["T1", "t1 "], False), (["T1", "FLAIR"], True), (["T1", ""], True)])
def test_series_of_several_descriptions_are_a_choice_to_make(files, descriptions, told):
    records = [{"image": files[i], "subject": f"p{i}", "description": one} for i, one in enumerate(descriptions)]
    text = "\n".join(Cohort.from_records(records).account())
    assert ("caution: the series have 2 descriptions" in text) == told and "FLAIR" not in text
