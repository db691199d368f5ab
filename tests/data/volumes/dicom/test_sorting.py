"""One foreign or damaged file costs itself and not its series; volumes that share UIDs are told apart."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid

from monai_minority.data import cohort_from_dicom, read_dicom_volume
from monai_minority.data.volumes.dicom.series import group_series
from tests.dicom_files import AXIAL, SAGITTAL, SLICES, new_series, planes, write, write_series


def _group(folder: Path):
    return group_series(sorted(path for path in folder.rglob("*") if path.is_file()))[0]


def _another(folder: Path, base: pydicom.Dataset, name: str = "stray", offset: float = 4.0, **attributes) -> Path:
    """One more object of the series, at the place of its third slice."""
    one = pydicom.Dataset(base)
    position, values = planes(offsets=[offset])[0]
    one.ImagePositionPatient, one.ImageOrientationPatient = position.tolist(), [x for axis in AXIAL for x in axis]
    one.InstanceNumber = 99
    one.PixelData = values.astype("<u2").tobytes()
    for key, value in attributes.items():
        if value is None:
            del one[key]
        else:
            setattr(one, key, value)
    one["PixelData"].VR = "OW"
    return write(one, folder / name)


_COLOUR = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
STRAYS = {
    "colour": (
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": bytes(3 * 32 * 40), **_COLOUR},
        "it is a colour picture",
    ),
    "capture": ({"SOPClassUID": SecondaryCaptureImageStorage}, "differs .* in its kind of object"),
    "matrix": ({"Rows": 20, "PixelData": bytes(2 * 20 * 40)}, "differs .* in its matrix"),
    "placeless": ({"ImagePositionPatient": None}, "it lacks position, orientation or pixel spacing"),
    "turned": ({"ImageOrientationPatient": [x for axis in SAGITTAL for x in axis]}, "in its orientation"),
    "scaled": ({"PixelSpacing": [3, 3]}, "in its pixel spacing"),
    "scout": ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "a localiser"),
    "derived": ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "in the type of image"),
    "derived with the number of a slice": (
        {"ImageType": ["DERIVED", "SECONDARY"], "InstanceNumber": 3},
        "in the type of image",
    ),
    "far": ({"ImagePositionPatient": [-11, -9, 400]}, "does not fit into the stack"),
    "aside": ({"ImagePositionPatient": [60, -9, 17.0]}, "does not fit into the stack|lies"),
    "pixels": ({"PixelData": bytes(100)}, "the file is truncated"),
    "spacing": ({"PixelSpacing": None}, "it lacks position, orientation or pixel spacing"),
}


@pytest.mark.parametrize("name", STRAYS)
def test_a_stray_costs_itself(tmp_path, name):
    """Also where its name sorts first, so that nothing depends on the order."""
    attributes, reason = STRAYS[name]
    base = new_series()
    files = write_series(tmp_path / "in", base)
    good = read_dicom_volume(files)
    stray = _another(tmp_path / "in", base, "A-stray", **attributes)
    (series,) = _group(tmp_path)
    assert series.problem == "" and sorted(series.files) == sorted(map(str, files))
    assert [file for file, _ in series.left_out] == [str(stray)]
    with pytest.raises(ValueError, match=reason):
        raise ValueError(series.left_out[0][1])
    voxels, affine = read_dicom_volume(series.files)
    assert np.array_equal(voxels, good[0]) and np.array_equal(affine, good[1])
    cohort = cohort_from_dicom(tmp_path)
    assert len(cohort) == 1 and [entry.file for entry in cohort.rejected] == [str(stray)]


def test_a_damaged_slice_is_the_file_that_is_named(tmp_path):
    """Within the volume its place stays empty, so there is no volume; at the end the others are one."""
    for place, left in ((5, 0), (SLICES - 1, 1)):
        files = write_series(tmp_path / str(place))
        files[place].write_bytes(files[place].read_bytes()[:-900])
        write_series(tmp_path / "good", new_series(PatientID="P2"))
        cohort = cohort_from_dicom(tmp_path)
        named = {entry.file: entry.reason for entry in cohort.rejected if str(place) in Path(entry.file).parent.name}
        assert "the file is truncated" in named[str(files[place])]
        assert (cohort.table["subject"] == "P1").sum() == left
        if not left:
            assert any(
                "1 of its 12 files cannot be used" in reason and "missing" in reason for reason in named.values()
            )


def test_lost_slices_are_no_strays(tmp_path):
    """The first slice lies apart because the next two are missing, not because it is foreign."""
    for lost in ((1, 2), (SLICES - 2,), (4, 5, 6)):
        folder = tmp_path / str(lost)
        files = write_series(folder)
        for number in lost:
            files[number].unlink()
        assert f"about {len(lost)} slice(s) are missing" in _group(folder)[0].problem


def test_one_series_uid_for_several_patients_and_studies(tmp_path):
    """An anonymiser gave all the same UIDs: six patients, one of them in two studies."""
    shared = {"SeriesInstanceUID": "1.2.3.4"}
    for number in range(5):
        write_series(tmp_path / f"a{number}", new_series(PatientID=f"P{number}", StudyInstanceUID="1.2.3", **shared))
    write_series(tmp_path / "b", new_series(PatientID="P0", StudyInstanceUID="1.2.9", **shared))
    found = _group(tmp_path)
    assert [one.subject for one in found] == ["P0", "P0", "P1", "P2", "P3", "P4"]
    assert all(one.problem == "" and len(one.files) == SLICES and one.volumes == 1 for one in found)


def test_nothing_but_the_folder_tells_patients_apart(tmp_path):
    for number in range(4):
        base = new_series(PatientID="", PatientName="", StudyInstanceUID="1.2", SeriesInstanceUID="1.3")
        write_series(tmp_path / f"p{number}", base)
    found = _group(tmp_path)
    assert [one.slices for one in found] == [SLICES] * 4 and len({one.subject for one in found}) == 4
    assert all(one.left_out == () for one in found)


def test_a_study_for_each_file_is_no_reason_to_split(tmp_path):
    base = new_series()
    for path in write_series(tmp_path, base):
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = generate_uid()
        dataset.save_as(path)
    (series,) = _group(tmp_path)
    assert series.slices == SLICES and series.problem == ""


def test_two_matrices_in_one_series_are_two_volumes(tmp_path):
    base = new_series()
    write_series(tmp_path / "a", base)
    for number, path in enumerate(write_series(tmp_path / "b", base)):
        dataset = pydicom.dcmread(path)
        dataset.Rows, dataset.InstanceNumber = 20, 50 + number
        dataset.PixelData = dataset.PixelData[: 2 * 20 * 40]
        dataset.save_as(path)
    assert [(one.matrix, one.slices, one.problem) for one in _group(tmp_path)] == [
        ((32, 40), 12, ""),
        ((20, 40), 12, ""),
    ]


@pytest.mark.parametrize("parts", [2, 3])
def test_reconstructions_of_one_acquisition_are_whole(tmp_path, parts):
    study = generate_uid()
    for name in ("water", "fat", "in phase")[:parts]:
        base = new_series(ImagesInAcquisition=SLICES * parts, AcquisitionNumber=1, StudyInstanceUID=study)
        base.SeriesDescription = name
        write_series(tmp_path / name, base)
    assert [one.problem for one in _group(tmp_path)] == [""] * parts
    alone = new_series(ImagesInAcquisition=SLICES * 2, AcquisitionNumber=1)
    write_series(tmp_path / "half", alone)
    assert [one.problem for one in _group(tmp_path / "half")] == [
        "the transfer is incomplete: 12 of the acquisition's 24 images are present"
    ]


@pytest.mark.parametrize(
    ("description", "slices", "used"),
    [
        ("T1w MPRAGE PILOT study", 32, True),
        ("Survey of ageing: T1", 24, True),
        ("scout trial", 32, True),
        ("3-plane Scout", 12, False),
        ("Localizer", 3, False),
        ("AAHead_Scout", 128, False),
    ],
)
def test_a_word_in_the_description_makes_no_localiser_of_many_slices(tmp_path, description, slices, used):
    write_series(tmp_path, new_series(SeriesDescription=description), offsets=2.0 * np.arange(slices))
    (series,) = _group(tmp_path)
    assert series.problem == ("" if used else "a localiser")
