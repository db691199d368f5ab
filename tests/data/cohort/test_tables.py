"""One reader for tables as people and their programs write them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from monai_minority.data import UnusableDataError, cohort_from_bids, find_cohort
from monai_minority.data.cohort.tables import as_numbers, file_named, read_table

PLAIN = "image,subject,group\ngood0.nii,P0,x\ngood1.nii,P1,y\n"


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        (tmp_path / f"good{number}.nii").write_bytes(b"x")
    return tmp_path


WAYS = {
    "plain": PLAIN,
    "semicolons": PLAIN.replace(",", ";"),
    "tabs in a csv": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", "|"),
    "commas at the end of rows": PLAIN.replace("x\n", "x,\n").replace("y\n", "y,\n"),
    "commas at all ends": PLAIN.replace("\n", ",,\n"),
    "blanks": PLAIN.replace(",", " , ").replace("\n", "  \n"),
    "quotes": 'image,"subject","group"\n"good0.nii","P0","x"\n"good1.nii","P1","y"\n',
    "headings in capitals": PLAIN.replace("image,subject,group", "Image,SUBJECT,Group"),
    "empty lines": PLAIN.replace("\n", "\n\n") + ",,\n  \n",
    "line ends of a Macintosh": PLAIN.replace("\n", "\r"),
    "line ends of Windows": PLAIN.replace("\n", "\r\n"),
    "Excel's separator line": "sep=;\n" + PLAIN.replace(",", ";"),
    "Windows paths": PLAIN.replace("good", ".\\good"),
    "file names in capitals": PLAIN.replace("good0.nii", "GOOD0.NII"),
    "a mark": "\ufeff" + PLAIN,
    "an index column": ",image,subject,group\n0,good0.nii,P0,x\n1,good1.nii,P1,y\n",
    "a comma in a value": PLAIN.replace(",group", ",site,group")
    .replace(",x", ',"Bonn, Ulm",x')
    .replace(",y", ",Ulm,y"),
    "a quotation mark in a value": PLAIN.replace(",group", ",note,group")
    .replace(",x", ',5" lesion,x')
    .replace(",y", ",,y"),
    "an umlaut": PLAIN.replace(",group", ",site,group").replace(",x", ",München,x").replace(",y", ",Ulm,y"),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-16-le"])
@pytest.mark.parametrize("way", WAYS)
def test_a_list_of_images_in_every_way(folder, way, encoding):
    if encoding == "latin-1" and way == "a mark":
        pytest.skip("the mark is one of Unicode")
    (folder / "list.csv").write_bytes(WAYS[way].encode(encoding))
    cohort = find_cohort(folder / "list.csv")
    assert cohort.table[["subject", "group"]].to_numpy().tolist() == [["P0", "x"], ["P1", "y"]]
    assert [Path(file).name for file in cohort.table["image"]] == ["good0.nii", "good1.nii"]
    assert cohort.rejected == []
    if "site" in cohort.table:
        assert cohort.table["site"][0] in ("München", "Bonn, Ulm")


def test_paths_as_people_write_them(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    (folder / "Scans").mkdir()
    (folder / "Scans/A b.nii").write_bytes(b"x")
    for text in (
        "~/Scans/A b.nii",
        ' "Scans/A b.nii" ',
        "Scans\\A b.nii",
        "scans/a B.NII",
        f"file://{folder}/Scans/A b.nii",
    ):
        assert file_named(text, folder) == str(folder / "Scans/A b.nii"), text
    (folder / "Scans/a B.nii").write_bytes(b"x")
    assert file_named("scans/A B.nii", folder) == str(folder / "scans/A B.nii"), "two could be meant"


def test_a_failure_names_the_file_the_row_and_the_path_that_was_tried(folder):
    (folder / "list.csv").write_text(
        "image,subject,severity\n\ngood0.nii,P0,mild\nC:\\data\\lost.nii,P1,1\ngood1.nii,P2,1,9,9\n"
    )
    with pytest.raises(UnusableDataError, match="no usable image; 3 were rejected") as caught:
        find_cohort(folder / "list.csv")
    assert sorted(entry.reason for entry in caught.value.entries) == [
        "list.csv, row 3: severity must be a number, got 'mild'; it is the label of the image",
        f"list.csv, row 4: the file does not exist (tried {folder}/C:/data/lost.nii)",
        "list.csv, row 5: it has 5 values, but the heading names 3 columns",
    ]


def test_missing_values(folder):
    rows = ["n/a", "-", "#N/A", "unknown", "NA", "\u2013"]
    text = "image,subject,severity,group\n" + "".join(f"good0.nii,P{n},{one},{one}\n" for n, one in enumerate(rows))
    (folder / "list.csv").write_text(text, encoding="utf-8")
    table = read_table(folder / "list.csv")
    assert table["group"].isna().tolist() == [True, True, True, False, False, True]
    assert as_numbers(table["severity"]).isna().all()


def test_numbers_as_people_write_them():
    assert as_numbers(pd.Series(["1,5", "2", None])).tolist()[:2] == [1.5, 2.0]
    assert as_numbers(pd.Series(["1.234,5", "2"])).tolist() == ["1.234,5", 2.0], "it could be either; it is named"
    assert as_numbers(pd.Series(["1e-3", " 2 "])).tolist() == [0.001, 2.0]


def test_files_that_are_no_text(folder):
    (folder / "list.csv").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(ValueError, match=r"it is an Excel workbook; save it as CSV \(UTF-8\)"):
        find_cohort(folder / "list.csv")
    (folder / "list.csv").write_bytes(b"image,subject" + bytes(range(8)) * 9 + b"a" * 90)
    with pytest.raises(ValueError, match="it is a binary one"):
        find_cohort(folder / "list.csv")
    (folder / "list.csv").write_text("\n")
    with pytest.raises(ValueError, match="must have a row with the names of its columns, but it is empty"):
        find_cohort(folder / "list.csv")
    (folder / "list.csv").write_text("image,subject,image\na,b,c\n")
    with pytest.raises(ValueError, match="its heading has image several times"):
        find_cohort(folder / "list.csv")
    (folder / "list.csv").write_text("scan,patient\ngood0.nii,P0\n")
    with pytest.raises(ValueError, match=r"no column 'image' for image; it has scan, patient"):
        find_cohort(folder / "list.csv")


IDS = {
    "zeros": (["sub-01", "sub-02", "sub-010"], ["1", "2", "10"]),
    "zeros within": (["sub-CON001", "sub-CON010", "sub-CON2"], ["con1", "CON10", "con02"]),
    "numbers of a spreadsheet": (["sub-01", "sub-02", "sub-03"], ["1.0", "2.0", "3.0"]),
    "case": (["sub-anna", "sub-Bo", "sub-C"], ["ANNA", "sub-bo", "Sub-c"]),
}


@pytest.mark.parametrize("name", IDS)
def test_ids_are_joined_where_that_is_unique(tmp_path, name, caplog):
    folders, ids = IDS[name]
    _bids(tmp_path, folders, "".join(f"{one}\tg{n}\n" for n, one in enumerate(ids)))
    table = cohort_from_bids(tmp_path, group="group").table
    assert dict(zip(table["subject"], table["group"], strict=True)) == {f: f"g{n}" for n, f in enumerate(folders)}
    assert "3 ids of the table of subjects were joined without regard to case and leading zeros" in caplog.text


def test_ids_that_could_be_two_are_not_joined(tmp_path):
    _bids(tmp_path, ["sub-1", "sub-01", "sub-2"], "001\tx\nsub-2\ty\n")
    cohort = cohort_from_bids(tmp_path, group="group")
    assert cohort.table["group"].tolist() == [None, None, "y"]
    assert [entry.subject for entry in cohort.rejected] == ["001"]


def test_ids_that_fit_nothing_stop_with_one_of_each_side(tmp_path):
    _bids(tmp_path, ["sub-01", "sub-02"], "A7\tx\nB8\ty\n")
    with pytest.raises(
        UnusableDataError, match="its column participant_id has 'A7', the images' subjects are like 'sub-01'"
    ):
        cohort_from_bids(tmp_path, group="group")


def _bids(root, folders, rows):
    for name in folders:
        (root / name / "anat").mkdir(parents=True)
        (root / name / "anat" / f"{name}_T1w.nii").write_bytes(b"x")
    (root / "participants.tsv").write_text("participant_id\tgroup\n" + rows)


@pytest.mark.parametrize(
    "text",
    ["participant_id  group\nsub-01  x\n", "participant_id,group\nsub-01,x\n", "Participant_ID\tGROUP\t\nsub-01\tx\n"],
)
def test_participants_without_tabs(tmp_path, text):
    _bids(tmp_path, ["sub-01"], "")
    (tmp_path / "participants.tsv").write_text(text)
    assert cohort_from_bids(tmp_path, group="group").table["group"].tolist() == ["x"]


KINDS = ("flair", "t1ce", "t1", "t2")


@pytest.fixture
def folds(tmp_path):
    """MONAI's list of BraTS, whose images are lists of four files."""
    entries = []
    for case in ("c0", "c1"):
        (tmp_path / case).mkdir()
        names = [f"{case}/{case}_{kind}.nii.gz" for kind in KINDS]
        for name in names:
            (tmp_path / name).write_bytes(b"x")
        entries.append({"fold": 0, "image": names, "label": f"{case}/{case}_seg.nii.gz"})
    (tmp_path / "folds.json").write_text(json.dumps({"training": entries}), encoding="utf-8-sig")
    return tmp_path / "folds.json"


def test_a_list_of_files_is_a_choice(folds):
    message = (
        r"image is a list of 4 files \(flair, t1ce, t1, t2\); choose one with dataset_options=\{modality: flair\} \(2\)"
    )
    with pytest.raises(UnusableDataError, match=message):
        find_cohort(folds)
    for modality in ("t1", "T1w", 2):
        table = find_cohort(folds, modality=modality).table
        assert [Path(file).name for file in table["image"]] == ["c0_t1.nii.gz", "c1_t1.nii.gz"]
        assert table["subject"].tolist() == ["c0", "c1"]


def test_json_that_is_no_data_list(tmp_path):
    (tmp_path / "list.json").write_text('{"training": [')
    with pytest.raises(ValueError, match=r"list.json must be JSON, but line 1, column 15: Expecting value"):
        find_cohort(tmp_path / "list.json")
    (tmp_path / "list.json").write_text('{"labels": [1]}')
    with pytest.raises(ValueError, match="must be a list of entries or have sections .training, train, validation"):
        find_cohort(tmp_path / "list.json")
