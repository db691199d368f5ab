"""A hospital's folder of DICOM becomes a cohort; what cannot be used is named, in bounded time and memory."""

import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from monai.transforms import Compose
from pydicom.data import get_testdata_file
from typer.testing import CliRunner

from monai_minority.cli import app
from monai_minority.data import SeriesRules, cohort_from_dicom, extract_images, find_cohort, inspect_dicom
from monai_minority.data.volumes.dicom.header import DicomHeader
from monai_minority.transforms import AlignToAxesd, CheckVolumed, ExtractSlicesd, LoadVolumed, SliceIntensityd
from tests.dicom_files import (
    AXIAL,
    OBLIQUE,
    SAGITTAL,
    new_series,
    planes,
    value_at,
    write,
    write_enhanced,
    write_series,
)
from tests.peak_memory import peak_below


def _reasons(cohort) -> dict[str, str]:
    return {Path(entry.file).name: entry.reason for entry in cohort.rejected}


def test_series_are_found_whatever_the_files_are_called(tmp_path):
    first, second = new_series(), new_series(PatientID="P2", SeriesDescription="T1 repeat")
    write_series(tmp_path / "a/b/c", first, name="{:03d}")
    write_series(tmp_path / "a/b/c", second, name="x{:03d}.ima")  # two series and patients in one folder
    write_enhanced(tmp_path / "e", new_series(PatientID="P1"))
    shutil.copy(get_testdata_file("dicomdirtests/DICOMDIR", download=False), tmp_path / "DICOMDIR")
    cohort = find_cohort(tmp_path)
    assert cohort.rejected == []
    assert cohort.table["subject"].tolist() == ["P1", "P1", "P2"]
    assert cohort.table["files"].map(len).tolist() == [12, 1, 12] and cohort.table["slices"].tolist() == [12] * 3
    by_path = find_cohort(tmp_path, subject_pattern=r"^(\w)/?").table
    assert by_path["subject"].tolist() == ["a", "a", "e"]


def test_rules_choose_series_and_say_why_not(tmp_path):
    write_series(tmp_path / "t1", new_series())
    write_series(tmp_path / "flair", new_series(SeriesDescription="FLAIR"))
    write_series(tmp_path / "sag", new_series(), SAGITTAL)
    write_series(tmp_path / "ct", new_series(Modality="CT"))
    write_series(tmp_path / "flat", new_series(MRAcquisitionType="2D"))
    write_series(tmp_path / "few", new_series(), offsets=(0, 2, 4))
    cohort = cohort_from_dicom(tmp_path, description="^t1", plane="axial", three_d_only=True)
    assert [Path(file).parent.name for file in cohort.table["image"]] == ["t1"]
    assert {Path(entry.file).parent.name: entry.reason.partition(": ")[2] for entry in cohort.rejected} == {
        "flair": "the description does not match '^t1'",
        "sag": "the plane must be axial, got sagittal",
        "ct": "the modality must be MR, got CT",
        "flat": "the acquisition must be 3D, got 2D",
        "few": "it must have at least 10 slices, got 3",
    }
    assert all(entry.by_rule for entry in cohort.rejected), "each is sound, and left out by a rule of the user"
    assert len(cohort_from_dicom(tmp_path, minimum_slices=3, modality=None)) == 6


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"plane": "oblique"}, "plane must be one of sagittal, coronal, axial, got 'oblique'"),
        ({"minimum_slices": 0}, "minimum_slices must be at least 1, got 0"),
        ({"description": "("}, "description must be a regular expression"),
        ({"sequence": "t1"}, "rules of DICOM series must be among modality, .* got sequence"),
    ],
)
def test_rules_that_cannot_be_meant_raise(rules, message):
    with pytest.raises(ValueError, match=message):
        SeriesRules.of(**rules)


def test_labels_are_joined_by_the_patient_id(tmp_path):
    write_series(tmp_path / "in/1", new_series(PatientID="007"))
    write_series(tmp_path / "in/2", new_series(PatientID="8"))
    (tmp_path / "labels.csv").write_text("subject,diagnosis,mm3\n007,AD,2500\n9,CN,3000\n")
    cohort = cohort_from_dicom(
        tmp_path / "in", labels=tmp_path / "labels.csv", label_columns={"group": "diagnosis", "severity": "-mm3"}
    )
    assert cohort.table[["subject", "group"]].to_numpy().tolist() == [["007", "AD"], ["8", None]]
    assert cohort.table["severity"][0] == -2500
    assert [(entry.subject, entry.reason) for entry in cohort.rejected] == [
        ("9", "labels.csv, row 3: the subject has no image")
    ]


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def _liar(path: Path, claimed: int = 0xFFFFFFF0) -> None:
    """A file of 1 KB whose private element claims 4 GB."""
    write(_with_pixels(new_series()), path)
    head = path.read_bytes()[:400]
    path.write_bytes(head + struct.pack("<HH2sHL", 0x0029, 0x1010, b"OB", 0, claimed) + bytes(1024 - len(head) - 12))


def _with_pixels(base: pydicom.Dataset) -> pydicom.Dataset:
    position, values = planes()[0]
    base.ImagePositionPatient, base.ImageOrientationPatient = position.tolist(), [x for axis in AXIAL for x in axis]
    base.PixelData = values.astype("<u2").tobytes()
    base["PixelData"].VR = "OW"
    return base


def _mixed(folder: Path) -> None:
    base = new_series()
    for number, directions in enumerate((AXIAL, SAGITTAL, OBLIQUE)):
        write_series(folder / str(number), base, directions, first_number=1 + 12 * number)


BAD = {
    "zero.dcm": (lambda p: p.write_bytes(b""), r"the file is empty \(0 bytes\)"),
    "notes.txt": (lambda p: p.write_text("hello"), "not a DICOM file"),
    "header.dcm": (
        lambda p: (write(_with_pixels(new_series()), p), _cut(p, 300)),
        "holds no image|which series|damaged",
    ),
    "liar.dcm": (_liar, "holds no image|which series|damaged"),
    "report.dcm": (lambda p: shutil.copy(get_testdata_file("reportsi.dcm", download=False), p), "a Basic Text SR"),
    "truncated": (lambda p: _cut(write_series(p)[5], 3000), "1 of its 12 files cannot be used: the file is truncated"),
    "missing": (lambda p: write_series(p)[5].unlink(), r"about 1 slice\(s\) are missing: 1 gap\(s\) of up to 4 mm"),
    "half": (
        lambda p: write_series(p, new_series(ImagesInAcquisition=24)),
        "incomplete: 12 of .* 24 images are present",
    ),
    "localiser": (lambda p: write_series(p, new_series(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])), "a localiser"),
    "scout": (lambda p: write_series(p, new_series(SeriesDescription="3-plane Scout")), "a localiser"),
    "mosaic": (lambda p: write_series(p, new_series(ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"])), "a mosaic"),
    "mixed": (_mixed, "mixed orientations: its slices lie in 3 directions"),
    "ct": (lambda p: write_series(p, new_series(Modality="CT")), "the modality must be MR, got CT"),
    "bare": (lambda p: write_series(p, new_series(PixelSpacing=None)), "12 of 12 slices lack position, orientation"),
    "bomb": (
        lambda p: write(_with_pixels(new_series(Rows=65535, Columns=65535)), p / "b"),
        "the file is truncated: it has 25.. of the 8.59e.09 bytes of its pixels",
    ),
    "half_twice": (
        lambda p: (
            base := new_series(),
            write_series(p / "1", base),
            write_series(p / "2", base, first_number=13)[3].unlink(),
        ),
        "its 12 slice positions hold 1 to 2 images each",
    ),
}


def test_bad_files_and_series_are_named_and_the_rest_goes_on(tmp_path):
    write_series(tmp_path / "good")
    for name, (make, _) in BAD.items():
        make(tmp_path / name)
    started = time.process_time()
    with peak_below(200):
        cohort = find_cohort(tmp_path)
    assert len(cohort) == 1 and Path(cohort.table["image"][0]).parent.name == "good"
    assert time.process_time() - started < 20
    reasons = {Path(entry.file).relative_to(tmp_path).parts[0]: entry.reason for entry in cohort.rejected}
    assert reasons.keys() == BAD.keys()
    for name, (_, reason) in BAD.items():
        assert pd.Series([reasons[name]]).str.contains(reason).all(), f"{name}: {reasons[name]}"


def test_a_compressed_frame_that_claims_too_much_is_not_decoded(tmp_path):
    dataset = pydicom.dcmread(get_testdata_file("MR_small_RLE.dcm", download=False))
    dataset.Rows = dataset.Columns = 65535
    dataset.save_as(tmp_path / "bomb")
    assert "claims 8.59e+09 bytes of pixels" in DicomHeader.read(tmp_path / "bomb").problem


def test_copies_of_slices_are_left_out_and_named(tmp_path):
    files = write_series(tmp_path / "in")
    shutil.copy(files[3], tmp_path / "in/zcopy")
    cohort = cohort_from_dicom(tmp_path)
    assert len(cohort) == 1 and _reasons(cohort) == {"zcopy": "the file repeats a slice of its series and is left out"}
    assert str(tmp_path / "in/zcopy") not in cohort.table["files"][0]


def test_headers_read_in_processes_are_the_same(tmp_path):
    for number in range(6):
        write_series(tmp_path / str(number), new_series(PatientID=f"P{number}"))
    one, two = (cohort_from_dicom(tmp_path, num_workers=workers).table for workers in (0, 2))
    assert one.equals(two)


def test_slices_of_an_oblique_series_are_axial(tmp_path):
    write_series(tmp_path / "in", directions=OBLIQUE)
    load = Compose([LoadVolumed(), CheckVolumed(), AlignToAxesd()])
    cut = Compose([load, ExtractSlicesd(positions=[0.5], extent="volume"), SliceIntensityd()])
    cohort = cohort_from_dicom(tmp_path / "in")
    volume = load(cohort.table.iloc[0].to_dict())["image"]
    affine = volume.affine.numpy()
    assert np.array_equal(affine[:3, :3], np.diag(np.diag(affine)[:3])) and (np.diag(affine) > 0).all()
    grid = np.stack(np.meshgrid(*map(np.arange, volume.shape[1:]), indexing="ij"), -1)
    error = np.abs(volume[0].numpy() - value_at(grid @ affine[:3, :3].T + affine[:3, 3]))
    inside = error < 1
    assert 0.4 < inside.mean() < 1 and inside[tuple(size // 2 for size in inside.shape)]
    store = extract_images(cohort, cut, tmp_path / "run/store", progress=False)
    assert len(store) == 1
    assert "files" not in pd.read_csv(tmp_path / "run/cohort.csv")


def test_inspection_shows_series_and_no_patient(tmp_path):
    write_series(tmp_path / "doe_jane/1", new_series(SeriesDescription="T1 for Jane DOE P1"), OBLIQUE)
    write_series(tmp_path / "doe_jane/2", new_series(Modality="CT", PatientID="P2"))
    (tmp_path / "doe_jane/notes.txt").write_text("x")
    table, others = inspect_dicom(tmp_path, minimum_slices=5)
    first = table.iloc[0]
    assert first[["subject", "modality", "matrix", "spacing", "slices", "gaps"]].tolist() == [
        1,
        "MR",
        "40 x 32",
        "1.25 x 1.5 x 2",
        "12",
        "2",
    ]
    assert first["description"].startswith("T1 for *** ***") and first["orientation"].startswith("sagittal 1")
    assert table["verdict"].tolist() == ["used", "the modality must be MR, got CT"]
    assert others.to_dict() == {"not a DICOM file": 1}
    result = CliRunner().invoke(app, ["inspect", str(tmp_path), "minimum_slices=20"])
    assert result.exit_code == 0 and "must have at least 20" in result.output and "0 of 2 series" in result.output
    assert "jane" not in result.output.lower() and str(tmp_path) not in result.output
    named = CliRunner().invoke(app, ["inspect", str(tmp_path), "--names"])
    assert "P2" in named.output and "doe_jane" in named.output


@pytest.mark.parametrize(
    ("description", "shown"),
    [
        ("t1_mprage_sag_p2_iso_0.9", "t1_mprage_sag_p2_iso_0.9"),
        ("AX T2 FLAIR 256x256 TR8000", "AX T2 FLAIR 256x256 TR8000"),
        ("t1 Acc A1234567", "t1 Acc ***"),
        ("t1 born 23.08.1947", "t1 born ***"),
        ("t1 1947-08-23 again", "t1 *** again"),
        ("t1 of Li, Jo", "t1 of ***, ***"),
        ("lipid t1 JO", "lipid t1 ***"),
    ],
)
def test_inspection_masks_what_looks_like_an_identifier(tmp_path, description, shown):
    write_series(tmp_path, new_series(SeriesDescription=description, PatientName="Li^Jo", PatientID="77"))
    table, _ = inspect_dicom(tmp_path)
    assert table["description"].tolist() == [shown]


@pytest.mark.data
def test_the_real_study_is_grouped_and_described(data_dir):
    table, _ = inspect_dicom(data_dir / "dicom_study", description="t1")
    used = table[table["verdict"] == "used"]
    assert sorted(used["description"]) == ["T1post", "T1pre_reg"] and len(table) == 5
    assert set(used["orientation"]) == {"axial 11"} and set(used["spacing"]) == {"0.688 x 0.688 x 6.5"}
    head, _ = inspect_dicom(data_dir / "dicom_t1_sagittal")
    assert head["orientation"].tolist() == ["sagittal 3"] and head["verdict"].tolist() == ["used"]
    assert head["slices"].tolist() == ["192"] and head["gaps"].tolist() == ["0.9"]
