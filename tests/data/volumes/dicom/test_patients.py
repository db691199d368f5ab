"""Who is one person, by what headers say."""

import logging

import pytest

from monai_minority.data import cohort_from_dicom, split_cohort
from monai_minority.data.persons import names_nobody, spelling
from monai_minority.data.volumes.dicom.header import Person
from monai_minority.data.volumes.dicom.patients import name_subjects
from tests.dicom_files import new_series, write_series


def _subjects(*rows: str) -> list[str]:
    """Subjects of series that are given as "ID/name/birth date/sex/study"; what is left out is empty."""
    people, studies = [], []
    for number, row in enumerate(rows):
        patient_id, name, birth, sex, study = (row.split("/") + [""] * 4)[:5]
        people.append(Person(patient_id, "", name, birth, sex))
        studies.append(study or f"S{number}")
    return name_subjects(people, studies)


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        (("P1", "P1 ", "p1", "P2"), "aaab"),
        (("/Odd^Case", "/Odd^Case^", "/ODD^case^^", "/Odd ^ Case", "/Odd^Cases"), "aaaab"),
        (("/Müller^Eva", "/MÜLLER^EVA", "/Mu\u0308ller^Eva", "/MÃ¼ller^Eva"), "aaaa"),
        (("/Yamada^Tarou=山田^太郎", "/Yamada^Tarou", "/=山田^太郎"), "aab"),
        (("Anonymous/Anonymous", "Anonymous/Anonymous"), "ab"),
        (("0", "0", "000"), "abc"),
        (("", "", "n/a", "UNKNOWN"), "abcd"),
        (("Anonymous", "Anonymous////S0"), "aa"),  # two series of one study are of one person
        (("Anonymous/Doe^Jane", "ANON/Doe^Jane^", "Anonymous/Roe^Ann"), "aab"),
        (("P1/Doe^Jane", "/Doe^Jane", "/Roe^Ann"), "aab"),  # no ID, but the name has one elsewhere
        (("P1/Doe^Jane", "P2/Doe^Jane", "/Doe^Jane"), "abc"),  # two persons have that name
        (("007/Doe^Jane", "7/Doe^Jane", "8"), "aab"),
        (("007", "7", "8"), "aab"),
        (("007/Doe^Jane", "7/Roe^Ann"), "ab"),  # their names do not allow it
        (("007", "07", "7"), "abc"),  # not unique
        (("STUDY1/A^A", "STUDY1/B^B", "STUDY1/C^C"), "abc"),  # the number of the study in place of an ID
        (("1/A^A/19500101", "1/B^B/19600101"), "ab"),
        (("1/A^A//F", "1/B^B//M"), "ab"),
        (("1/Maiden^A/19500101/F", "1/Married^A/19500101/F"), "aa"),
        (("P1/A^A", "P1/A^A", "P1/A^A^"), "aaa"),
    ],
)
def test_who_is_one_person(rows, groups):
    found = _subjects(*rows)
    first = {letter: found[groups.index(letter)] for letter in groups}
    assert [first[letter] for letter in groups] == found and len(set(found)) == len(set(groups))


def test_the_issuer_belongs_to_the_id():
    people = [Person("1", issuer, "", "", "") for issuer in ("A", "B", "")] + [Person("2", "A", "", "", "")]
    assert len(set(name_subjects(people, ["s"] * 4))) == 4
    joined = name_subjects([Person("1", "A", "", "", ""), Person("1", "", "", "", "")], ["s", "t"])
    assert joined[0] == joined[1]


def test_what_is_joined_or_told_apart_is_said_without_names(caplog):
    with caplog.at_level(logging.WARNING):
        _subjects("Anonymous", "Anonymous", "/Odd^Case", "/Odd^Case^", "007", "7", "1/A^A//F", "1/B^B//M")
    assert "2 studies have no patient ID or name that names somebody" in caplog.text
    assert "2 subjects are written in several ways" in caplog.text
    assert "1 pairs of patient IDs differ only in leading zeros" in caplog.text
    assert "1 patient ID(s) are shared by patients with different names" in caplog.text
    assert not any(name in caplog.text for name in ("Odd", "007", "A^A"))


@pytest.mark.parametrize(
    "text", ["", " ", "0", "0000", "Anonymous", "ANON^ANON", "no name", "N/A", "-", "?", "unknown^"]
)
def test_placeholders(text):
    assert names_nobody(text)


@pytest.mark.parametrize("text", ["1", "P0", "Anonymous12", "Doe^Jane", "Noname7", "Nanou", "X1"])
def test_ids_and_names_are_no_placeholders(text):
    assert not names_nobody(text)


def test_spellings_keep_what_differs():
    assert spelling("A=B") != spelling("A=C") and spelling("A^B", is_name=True) != spelling("B^A", is_name=True)


def test_spellings_within_and_between_series(tmp_path):
    """The files of a series name the patient in two ways, and another series in a third: one subject, one split."""
    import pydicom

    for number, path in enumerate(write_series(tmp_path / "1", new_series(PatientID=None))):
        dataset = pydicom.dcmread(path)
        dataset.PatientName = "Odd^Case" + "^" * (number % 2)
        dataset.save_as(path)
    write_series(tmp_path / "2", new_series(PatientID=None, PatientName="ODD^CASE^^"))
    write_series(tmp_path / "3", new_series(PatientID="", PatientName="Other^Case"))
    cohort = split_cohort(cohort_from_dicom(tmp_path), {"train": 0.5, "test": 0.5})
    assert cohort.rejected == [] and cohort.table["slices"].tolist() == [12, 12, 12]
    assert cohort.table["subject"].nunique() == 2
    assert cohort.table.groupby("subject")["split"].nunique().tolist() == [1, 1]
