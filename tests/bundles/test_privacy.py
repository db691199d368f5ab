"""No planted name, number, date or UID is in any file that a run writes, but for ``cohort.csv``."""

import base64
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from monai.transforms import Compose
from nibabel.nifti1 import Nifti1Extension
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.config import disable_value_validation
from pydicom.datadict import DicomDictionary, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, MRImageStorage

from monai_minority.data import extract_images, find_cohort
from monai_minority.transforms import LoadPictured, SliceIntensityd
from tests.dicom_files import new_series, write
from tests.small_cohort import run_pipeline, volume

WORD, DATE, TIME, ROOT, NUMBER = "qzplant", "19470823", "134759.271828", "1.2.826.0.1.73519028", "7351902846"
SHORT = ["Ŵŷ", "Ŷẃ"]  # names of two letters, of letters that stand in no other text
FORMATTED = ["1947-08-23", "23.08.1947", "08/23/1947", "13:47:59"]
PLANTED = [WORD, DATE, TIME, ROOT, NUMBER, *FORMATTED]
TEXTS = {
    "AE": "QZPLANTAE{}",
    "AS": "QZPLANT{}",
    "CS": "QZPLANT{}",
    "DA": DATE,
    "DT": f"{DATE}134759.271828",
    "TM": TIME,
    "UI": ROOT + ".{}",
    "DS": NUMBER,
    "IS": "1947082300",
    "PN": "Qzplant^Jane{}",
    "UR": "http://qzplant.example/{}",
} | dict.fromkeys(("LO", "LT", "SH", "ST", "UC", "UT"), "Qzplant{}")
BYTES = b"Qzplant of bytes"  # for attributes of binary values, whatever their size
# What makes it a volume that is read at all; the planted subject has its identity in everything else.
KEPT = {
    "BitsAllocated", "BitsStored", "Columns", "HighBit", "ImageOrientationPatient", "ImagePositionPatient",
    "ImagesInAcquisition", "InstanceNumber", "Modality", "NumberOfFrames", "PhotometricInterpretation", "PixelData",
    "PixelRepresentation", "PixelSpacing", "RescaleIntercept", "RescaleSlope", "Rows", "SOPClassUID",
    "SamplesPerPixel", "SliceThickness", "SpacingBetweenSlices", "SpecificCharacterSet", "MRAcquisitionType",
    "EchoTime", "TemporalPositionIdentifier", "AcquisitionNumber", "SOPInstanceUID", "LossyImageCompression",
    "FloatPixelData", "DoubleFloatPixelData",
}  # fmt: skip


def _identity(sequences: bool) -> Dataset:
    """A value in every attribute of DICOM's dictionary that can hold text or bytes, the retired ones and those of
    overlays and curves too, and in private ones.

    That is more than the table of the confidentiality profiles has (PS3.15, E.1-1), which lists attributes of the
    dictionary, overlays, curves and private attributes.
    """
    found = Dataset()
    for count, (number, (vr, _, _, _, keyword)) in enumerate(sorted(DicomDictionary.items())):
        tag, vr = Tag(number), vr.split(" or ")[0]
        if keyword in KEPT or not keyword or tag.group in (0x0000, 0x0002, 0x0004) or tag in found:
            continue
        if vr in TEXTS:
            found.add_new(tag, vr, TEXTS[vr].format(count % 10000))
        elif vr in ("OB", "OD", "OF", "OL", "OV", "OW", "UN"):
            found.add_new(tag, vr, BYTES)
        elif vr == "SQ" and sequences:
            found.add_new(tag, vr, [_short_identity()])
    for group in (0x5000, 0x5002, 0x6000, 0x6002):
        for element, vr in ((0x0022, "LO"), (0x1500, "LO"), (0x2500, "LO"), (0x4000, "LT"), (0x3000, "OW")):
            found.add_new((group, element), vr, BYTES if vr == "OW" else TEXTS[vr].format(element))
    for group in (0x0009, 0x0019, 0x0099, 0x7FE1):
        block = found.private_block(group, "Qzplant block", create=True)
        for element, vr in enumerate(("LO", "PN", "UI", "DA", "UT"), start=1):
            block.add_new(element, vr, TEXTS[vr].format(element))
        block.add_new(0x20, "OB", BYTES)
        if sequences:
            block.add_new(0x21, "SQ", [_short_identity()])
    return found


def _short_identity() -> Dataset:
    inner = Dataset()
    inner.PatientName, inner.PatientBirthDate, inner.PatientID = "Qzplant^Inner", DATE, "qzplant-inner"
    inner.SeriesInstanceUID, inner.TextComments, inner.AccessionNumber = f"{ROOT}.9", "Qzplant Jane", NUMBER
    inner.private_block(0x0011, "Qzplant block", create=True).add_new(1, "LO", "Qzplant")
    return inner


def _plant(dataset: Dataset) -> None:
    """An identity in every attribute that has none yet, and all of it again within sequences, four deep."""
    whole = _identity(sequences=True)
    assert len(whole) > 3500 and sum(element.VR == "SQ" for element in whole) > 700
    for keyword in ("ReferencedStudySequence", "RequestAttributesSequence", "OriginalAttributesSequence"):
        outer = _identity(sequences=False)
        outer.add_new(Tag(tag_for_keyword(keyword)), "SQ", [whole])
        whole = outer
    dataset.ReferencedPatientSequence = [whole]
    for element in _identity(sequences=True):
        if element.tag not in dataset:
            dataset.add(element)


def _write_subject(folder: Path, number: int, voxels: np.ndarray, base: Dataset) -> list[Path]:
    base.SpecificCharacterSet = "ISO_IR 192"
    base.PatientName, base.PatientID = f"Qzplant^Jane{number}", f"QZPLANT-{number}"
    if number == 1:
        base.PatientName, base.PatientID = "^".join(SHORT), SHORT[0]
    base.PatientBirthDate = base.StudyDate = base.SeriesDate = DATE
    base.StudyInstanceUID, base.SeriesInstanceUID = f"{ROOT}.{number}.1", f"{ROOT}.{number}.2"
    base.SeriesDescription = f"t1 of Qzplant Jane{number}"
    base.SOPClassUID, base.PixelSpacing, base.SliceThickness = MRImageStorage, [2, 2], 2
    base.Rows, base.Columns = voxels.shape[1], voxels.shape[0]
    files = []
    for index in range(voxels.shape[2]):
        one = pydicom.Dataset(base)
        one.SOPInstanceUID = f"{ROOT}.{number}.3.{index}"
        one.ImagePositionPatient, one.ImageOrientationPatient = [0, 0, 2 * index], [1, 0, 0, 0, 1, 0]
        one.InstanceNumber = index + 1
        one.PixelData = np.ascontiguousarray(voxels[..., index].T.clip(0)).astype("<u2").tobytes()
        one["PixelData"].VR = "OW"
        path = folder / f"Qzplant_Jane{number}_{DATE}" / f"{ROOT}.{number}" / f"qzplant{index:03d}"
        with disable_value_validation():
            files.append(write(one, path, ExplicitVRLittleEndian))
        content = bytearray(path.read_bytes())
        content[:128] = b"Qzplant preamble".ljust(128)
        path.write_bytes(content)
    return files


def _dicom(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(10):
        base = new_series()
        if number == 0:
            with disable_value_validation():
                _plant(base)
        _write_subject(folder, number, volume(rng), base)
    few = np.full((28, 32, 3), 5.0) + np.arange(3)
    odd = new_series(Modality="QZPLANT")  # a name where a modality should be
    _write_subject(folder, 20, few, odd)
    _write_subject(folder, 21, few, new_series(PhotometricInterpretation="QZPLANT"))
    _write_subject(folder, 22, few, new_series(MRAcquisitionType="QZPLANT"))
    cut = _write_subject(folder, 23, volume(rng), new_series())[4]
    cut.write_bytes(cut.read_bytes()[:-900])
    with disable_value_validation():
        _directory(folder)
        first = pydicom.dcmread(next((folder / f"Qzplant_Jane0_{DATE}").rglob("qzplant000")))
        first.file_meta.update(_of_group(0x0002, first.file_meta))
        first.save_as(first.filename)
    (folder / "Qzplant_notes.txt").write_text("Qzplant Jane, born 1947-08-23")
    (folder / "Qzplant_empty.dcm").write_bytes(b"")


def _of_group(group: int, known: Dataset) -> Dataset:
    """An identity in each attribute of a group of files' heads or directories."""
    found = Dataset()
    for number, (vr, _, _, _, keyword) in DicomDictionary.items():
        if number >> 16 == group and keyword and Tag(number) not in known and (vr in TEXTS or vr == "OB"):
            found.add_new(Tag(number), vr, BYTES if vr == "OB" else TEXTS[vr].format(number % 10000))
    return found


def _directory(folder: Path) -> None:
    """A DICOMDIR, which names patients and their files."""
    record = _of_group(0x0004, Dataset())
    assert len(record) > 8
    record.update(_short_identity())
    record.DirectoryRecordType, record.ReferencedFileID = "PATIENT", ["QZPLANT", "JANE"]
    whole = _of_group(0x0004, Dataset())
    whole.DirectoryRecordSequence, whole.FileSetID = [record], "QZPLANT"
    whole.SOPClassUID = MediaStorageDirectoryStorage
    write(whole, folder / "DICOMDIR", ExplicitVRLittleEndian)


def _nifti(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(12):
        name = SHORT[0] if number == 1 else f"Qzplant{number}"
        path = folder / f"sub-{name}" / "ses-19470823" / "anat" / f"sub-{name}_ses-19470823_T1w.nii.gz"
        path.parent.mkdir(parents=True)
        image = nib.Nifti1Image(volume(rng), np.diag([2, 2, 2, 1.0]))
        for field in ("descrip", "aux_file", "intent_name", "db_name"):
            image.header[field] = b"Qzplant Jane"
        image.header.extensions.append(Nifti1Extension("comment", b"Qzplant Jane, 19470823"))
        buffer = io.BytesIO()
        with gzip.GzipFile(f"Qzplant_Jane_{DATE}.nii", "wb", fileobj=buffer) as file:  # gzip keeps the name
            file.write(image.to_bytes())
        path.write_bytes(buffer.getvalue() if number < 10 else buffer.getvalue()[: 400 * (number - 10)])
        said = {"PatientName": "Qzplant^Jane", "AcquisitionTime": FORMATTED[3], "InstitutionName": "Qzplant hospital"}
        path.with_name(path.name.replace("nii.gz", "json")).write_text(json.dumps(said | {"PatientID": SHORT[0]}))
        scans = path.parents[1] / f"sub-{name}_ses-19470823_scans.tsv"
        scans.write_text(f"filename\tacq_time\toperator\nanat/{path.name}\t{FORMATTED[0]}\tQzplant\n")
    (folder / "dataset_description.json").write_text(
        '{"Name": "Qzplant", "BIDSVersion": "1.8", "Authors": ["Qzplant"]}'
    )
    (folder / "participants.json").write_text('{"note": {"Description": "seen by Qzplant"}}')
    names = ["Qzplant0", SHORT[0], *(f"Qzplant{n}" for n in range(2, 14))]
    rows = "".join(
        f"sub-{n}\t{'AD' if i % 3 else 'CN'}\t{DATE}\tQzplant {n}\tis {n}'s sister\n" for i, n in enumerate(names)
    )
    (folder / "participants.tsv").write_text("participant_id\tgroup\tbirth\tname\tnote\n" + rows)


MAKERS = {"dicom": (_dicom, "{}"), "nifti": (_nifti, "{}")}


@pytest.fixture(scope="module", params=MAKERS)
def run(request, tmp_path_factory):
    """Run folder, what was printed, and the folder of the cohort, after all stages and exports."""
    folder = tmp_path_factory.mktemp("in") / f"Qzplant_hospital_{DATE}"
    folder.mkdir()
    MAKERS[request.param][0](folder)
    run_dir = tmp_path_factory.mktemp("out") / "run"
    outputs = []
    for arguments in (("severity=$ventricle_to_brain_ratio",), ("pipeline=[export]",)):
        result = run_pipeline(run_dir, "--dataset-dir", folder, *arguments)
        assert result.exit_code == 3, result.output
        outputs.append(result.output)
    return run_dir, "".join(outputs), folder


def _patterns() -> list[bytes]:
    """What is planted as it may be written: in 8 bits, 16 of both orders, 32 as NumPy does, in base64."""
    found = []
    for text in PLANTED:
        plain = text.encode()
        found += [plain, *(text.encode(code) for code in ("utf-16-le", "utf-16-be", "utf-32-le"))]
        for variant in {text, text.capitalize(), text.upper()}:
            for offset in range(3):
                coded = base64.b64encode(bytes(offset) + variant.encode())
                first, last = -(-8 * offset // 6), 8 * (offset + len(text)) // 6  # characters that no neighbour touches
                found.append(coded[first:last].lower())
    return [pattern for pattern in found if len(pattern) > 6]


def _contents(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file's bytes and whatever it holds in compressed form."""
    yield name, content
    if content[:2] == b"\x1f\x8b":
        yield from _contents(f"{name} (inflated)", gzip.decompress(content))
    elif content[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _contents(f"{name}/{member}", archive.read(member))
    elif content[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            yield f"{name} (texts)", repr(image.info).encode()
    elif content[128:132] == b"DICM":
        yield f"{name} (data set)", str(pydicom.dcmread(io.BytesIO(content))).encode()
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive.getmembers():
                yield f"{name}/{member.name}", archive.extractfile(member).read() if member.isfile() else b""


def _leaks(name: str, content: bytes) -> list[str]:
    found = []
    for inner, one in _contents(name, content):
        found += [f"{inner}: {pattern!r}" for pattern in _patterns() if pattern in one.lower()]
        if b"\0" not in one:  # four bytes stand in files of numbers by chance
            text = one.decode(errors="replace").casefold()
            forms = {form for short in SHORT for form in (short, short.casefold(), short.upper())}
            forms |= {json.dumps(form).strip('"') for form in forms}
            found += [f"{inner}: {form!r}" for form in forms if form.casefold() in text]
    return found


def test_the_search_finds_what_is_planted(run, tmp_path):
    """A search that finds nothing proves something only if it could."""
    _, _, folder = run
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size > 1000)[:3]:
        assert _leaks("source", path.read_bytes())
    np.savez_compressed(tmp_path / "a.npz", name=np.array(["Qzplant"]))
    for content in (gzip.compress(b"see QZPLANT"), "née Qzplant".encode("utf-16"), base64.b64encode(b"a Qzplant, too")):
        assert _leaks("x", content)
    assert _leaks("x", (tmp_path / "a.npz").read_bytes())
    assert _leaks("x", f"of {SHORT[0].upper()}".encode()) and _leaks("x", json.dumps(SHORT[1]).encode())
    assert not _leaks("x", b"nothing of the kind")


def test_only_the_cohort_table_names_anybody(run):
    run_dir, _, _ = run
    files = [path for path in run_dir.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files}
    assert {".png", ".gz", ".dcm", ".npy", ".pt", ".csv", ".json", ".html"} <= kinds
    assert any(path.name.startswith("events.out.tfevents") for path in files)
    assert not [path for path in files if any(text in str(path.relative_to(run_dir)).lower() for text in PLANTED)]
    leaks = {path.relative_to(run_dir).as_posix(): _leaks(path.name, path.read_bytes()) for path in files}
    assert leaks.pop("cohort.csv")
    assert {name: found for name, found in leaks.items() if found} == {}


def test_nor_does_what_the_command_prints(run):
    _, output, folder = run
    # The command repeats the folder that its user typed.
    assert _leaks("output", output.replace(str(folder), "").encode()) == []


def test_rejected_files_are_known_by_the_names_that_the_cohort_table_resolves(run):
    run_dir, _, _ = run
    named = pd.read_csv(run_dir / "cohort.csv", keep_default_na=False)
    rejected = pd.read_csv(run_dir / "rejected.csv", keep_default_na=False)
    left_out = named[(named["rejected"] != "") & ~named["rejected"].str.startswith("passed over: ")]
    assert rejected["source"].tolist() == left_out["source"].tolist()
    assert len(rejected) >= 4 and (named["image"].str.contains("(?i)qzplant")).all()


def _pictures(folder: Path, *names: str) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / name / f"{number}_{DATE}.png" for name in names for number in range(2)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        info = PngInfo()
        info.add_text("Author", "Qzplant Jane")
        pixels.save(path, pnginfo=info)
    return paths


def _listed(folder: Path) -> pd.DataFrame:
    """Pictures of four subjects whose groups are texts that people wrote."""
    paths = _pictures(folder, "qzplant")
    notes = ["fell in winter, seen by Dr Qzplant", "control", "Qzplant's brother", "control"]
    return pd.DataFrame({"image": [paths[n % 2] for n in range(2)] + paths, "subject": SHORT * 2, "group": notes})


def _table(folder: Path) -> Path:
    _listed(folder).drop_duplicates("image").to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


def _datalist(folder: Path) -> Path:
    rows = _listed(folder).drop_duplicates("image").astype(str).to_dict("records")
    (folder / "list.json").write_text(json.dumps({"training": rows, "description": "Qzplant"}))
    return folder / "list.json"


OTHERS = {
    "a folder for each patient": lambda folder: (_pictures(folder, "Qzplant_Jane", "Doe_Jo", "Roe_Ann"), folder)[1],
    "the folder of one patient": lambda folder: (_pictures(folder, "Qzplant Jane"), folder)[1],
    "names of two letters": lambda folder: (_pictures(folder, " ".join(SHORT), "Jo Li"), folder)[1],
    "a table of images": _table,
    "a data list": _datalist,
}


@pytest.mark.parametrize("layout", OTHERS)
def test_nor_is_a_group_the_name_of_anybody(tmp_path, layout, caplog):
    source = OTHERS[layout](tmp_path / "in")
    prepare = Compose([LoadPictured(), SliceIntensityd("image")])
    extract_images(find_cohort(source), prepare, tmp_path / "run/store", progress=False)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != "cohort.csv"]
    assert {path.name: _leaks(path.name, path.read_bytes()) for path in files} == {path.name: [] for path in files}
    assert _leaks("log", caplog.text.encode()) == []
    assert _leaks("cohort.csv", (tmp_path / "run/cohort.csv").read_bytes())
