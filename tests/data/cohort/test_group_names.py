"""What looks like the name of a patient is no name of a group outside the cohort table."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from monai_minority.data import cohort_from_pictures, extract_images
from monai_minority.data.cohort.group_names import public_groups
from monai_minority.files import read_csv
from monai_minority.transforms import LoadPictured, SliceIntensityd


def _table(*rows: tuple[str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["subject", "group"])


@pytest.mark.parametrize(
    "groups",
    [
        ("AD", "CN", "AD"),
        ("Mild Demented", "Very Mild Demented", "Moderate Demented", "Non Demented"),
        ("control", "lesion 1-2 cm", "lesion > 2 cm"),
        ("n01440764", "n01443537"),
        ("cat", "dog", "cat"),
        ("60-69", "70-79"),
        ("stage 1", "stage 2"),
    ],
)
def test_classes_keep_their_names(groups):
    table = _table(*((f"P{number}", group) for number, group in enumerate([*groups, *groups])))
    assert public_groups(table).equals(table["group"])


@pytest.mark.parametrize(
    "groups",
    [
        ("Jane Doe", "Jo Li"),
        ("Doe_Jane", "Li_Jo", "Roe_Ann"),
        ("Doe, Jane", "Roe, Ann"),
        ("P1234567", "control"),
        ("born 23.08.1947", "control"),
        ("Doe^Jane", "Roe^Ann"),
        ("seen by his doctor because of headache since the winter", "control"),
        ("control", "jane@hospital.example"),
    ],
)
def test_what_looks_like_a_patient_gets_a_label(groups, caplog):
    table = _table(*((f"P{number}", group) for number, group in enumerate([*groups, *groups])))
    labels = public_groups(table)
    assert sorted(set(labels)) == [f"group-{number}" for number in range(1, len(groups) + 1)]
    assert labels.groupby(table["group"]).nunique().eq(1).all()
    assert "may identify patients" in caplog.text and not any(group in caplog.text for group in groups)


@pytest.mark.parametrize(
    "note, is_kept",
    [
        ("lesion", True),
        ("MCI", True),
        ("mild cognitive impairment", True),
        ("Doe's brother", False),
        ("seen by Dr Doe", False),
        ("fell in winter from the roof", False),
        ("Alzheimer's disease", False),  # as of the brother: it is told, and keep_groups keeps it
    ],
)
def test_what_is_noted_of_one_subject_alone_may_be_a_name(note, is_kept):
    table = _table(("P1", "control"), ("P2", "control"), ("P3", note))
    assert public_groups(table).equals(table["group"]) == is_kept


def test_the_one_group_of_a_cohort_may_be_its_one_patient():
    assert set(public_groups(_table(("a/1", "Jane Doe"), ("a/2", "Jane Doe")))) == {"group-1"}


def test_a_group_for_each_subject_is_a_name():
    one_each = _table(*((f"x{number}", f"w{chr(97 + number)}") for number in range(8) for _ in range(3)))
    assert set(public_groups(one_each)) == {f"group-{number}" for number in range(1, 9)}
    assert public_groups(_table(("jane", "jane"), ("jo li", "jo li"))).tolist() == ["group-1", "group-2"]
    assert public_groups(_table(("control-1", "control"), ("control-2", "control"))).tolist() == ["control"] * 2
    missing = _table(("a", "Jane Doe"), ("b", None), ("c", "Ann Roe"))
    assert public_groups(missing).fillna("").tolist() == ["group-2", "", "group-1"]


@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_for_each_patient_is_named_in_the_cohort_table_alone(tmp_path, keep):
    for name in ("Jane Doe", "Jo Li"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 256, (4, 4), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "in" / name / f"{number}.png")

    def transform(record):
        return SliceIntensityd("image")(LoadPictured()(record))

    cohort = cohort_from_pictures(tmp_path / "in")
    store = extract_images(cohort, transform, tmp_path / "run/store", progress=False, keep_groups=keep)
    found = store.table["group"].tolist()
    assert found == (["Jane Doe"] * 2 + ["Jo Li"] * 2 if keep else ["group-1"] * 2 + ["group-2"] * 2)
    named = pd.read_csv(tmp_path / "run/cohort.csv")
    assert named["group"].tolist() == ["Jane Doe"] * 2 + ["Jo Li"] * 2
    if not keep:
        assert named["group_label"].tolist() == found
        assert "Jane" not in (tmp_path / "run/store/table.csv").read_text()


def test_folders_and_files_named_as_formulas_are_text_in_every_table_and_found_again(tmp_path):
    groups = ["=HYPERLINK(1)", "+cmd|x", "@sum", "-2+3", "red\x1b[31m", "x;=1", "a\rb"]
    for group in groups:
        (tmp_path / "in" / group).mkdir(parents=True)
        for name in ("=1.png", "\r\n;@x.png"):
            Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(tmp_path / "in" / group / name)

    def transform(record):
        return SliceIntensityd("image")(LoadPictured()(record))

    store = extract_images(
        cohort_from_pictures(tmp_path / "in"), transform, tmp_path / "run/store", progress=False, keep_groups=True
    )
    assert set(store.table["group"]) == {group.translate({0x1B: 0xFFFD, 0x0D: 0xFFFD}) for group in groups}
    for table in (tmp_path / "run/store/table.csv", tmp_path / "run/cohort.csv"):
        cells = pd.read_csv(table, dtype=str).fillna("").to_numpy().ravel()
        assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))] == []
    images = read_csv(tmp_path / "run/cohort.csv")["image"]
    assert {str(path) for path in (tmp_path / "in").rglob("*.png")} == set(images)
