"""An exported sample set: every image in every format, told apart by class, whole or absent."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pydicom
import pytest
from monai.data import CacheDataset, load_decathlon_datalist
from monai.transforms import LoadImaged
from PIL import Image
from torchvision.datasets import ImageFolder

from monai_minority.data import ImageStore
from monai_minority.samples import export_samples
from tests.sample_sets import make_samples


def test_formats_agree(tmp_path):
    store = make_samples(tmp_path / "guided", shape=(1, 6, 8))
    folder = export_samples(store, tmp_path / "exports" / "guided")
    images = np.load(store.path / "images.npy")
    table = pd.read_csv(folder / "images.csv")
    assert table["file"].tolist() == [f"png/class_{c}/{i:06d}.png" for c in (0, 4) for i in (1, 2, 3)]
    assert table["seed"].tolist() == [10, 11, 12] * 2 and (table["synthetic"] == 1).all()
    for row in table.itertuples():
        expected = images[int(row.source[-6:]), 0]
        picture = Image.open(folder / row.file)
        assert np.array_equal(picture, expected) and "SYNTHETIC" in picture.text["Description"]
        name = row.file.removeprefix("png/").removesuffix(".png")
        assert np.array_equal(pydicom.dcmread(folder / "dicom" / f"{name}.dcm").pixel_array, expected)
        slice_ = nib.load(folder / "nifti" / f"{name}.nii.gz")
        assert np.array_equal(np.asanyarray(slice_.dataobj)[:, :, 0].T, expected)
        assert slice_.header["descrip"].item().startswith(b"SYNTHETIC")
    assert sorted(path.name for path in folder.iterdir()) == ["datalist.json", "dicom", "images.csv", "nifti", "png"]
    assert sum(path.is_file() for path in folder.rglob("*")) == 6 + 6 + 6 + 2


def test_a_later_export_replaces_an_earlier_one_as_a_whole(tmp_path):
    store = make_samples(tmp_path / "guided")
    export_samples(store, tmp_path / "out", ["png"])
    export_samples(store.subset(target_class=4), tmp_path / "out", ["nifti"])
    names = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert names == [f"00000{i}.nii.gz" for i in (1, 2, 3)] + ["class_4", "datalist.json", "images.csv", "nifti"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guided", "out"], "no half-written folder is left"


@pytest.mark.parametrize(
    "options, formats, match",
    [
        ({}, [], r"formats must be some of png, nifti, dicom, got \[\]"),
        ({}, ["jpeg"], "got \\['jpeg'\\]"),
        ({"shape": (3, 4, 4)}, ["png", "nifti"], "must have 1 channel for a NIfTI file, got 3"),
    ],
)
def test_refuses(tmp_path, options, formats, match):
    store = make_samples(tmp_path / "s", **options)
    with pytest.raises(ValueError, match=match):
        export_samples(store, tmp_path / "out", formats)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_refuses_real_images_in_every_format(tmp_path):
    images = np.zeros((2, 1, 4, 4), np.uint8)
    real = ImageStore.create(tmp_path / "real", images, {"source": ["a", "b"], "slice": [0, 0]}, (0, 255))
    with pytest.raises(ValueError, match="must hold synthetic images"):
        export_samples(real, tmp_path / "out", ["png"])


def test_does_not_replace_what_is_no_export(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(FileExistsError, match="is not an export"):
        export_samples(make_samples(tmp_path / "s"), tmp_path / "mine")
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


@pytest.mark.parametrize("formats", [["png", "nifti"], ["nifti"], ["dicom"]])
def test_the_data_list_leads_to_the_files(tmp_path, formats):
    pixels, table = np.zeros((3, 1, 8, 8), np.uint8), {"target_class": [3, -1, 3], "seed": [7, 8, 9]}
    store = ImageStore.create(tmp_path / "store", pixels, table, (0, 255), synthetic=True)
    made = export_samples(store, tmp_path / "out", formats)
    entries = json.loads((made / "datalist.json").read_text())["samples"]
    assert [entry["seed"] for entry in entries] == [8, 7, 9] and all(entry["synthetic"] for entry in entries)
    assert all((made / entry["image"]).is_file() for entry in entries)


def test_other_libraries_take_it_as_it_is(tmp_path):
    pixels = np.arange(3 * 64, dtype=np.uint8).reshape(3, 1, 8, 8)
    store = ImageStore.create(tmp_path / "store", pixels, {"target_class": [0, 3, 3]}, (0, 255), synthetic=True)
    made = export_samples(store, tmp_path / "out", ["png", "nifti"])
    pictures = ImageFolder(made / "png", loader=lambda path: np.array(Image.open(path)))
    assert [(picture.tolist(), label) for picture, label in pictures] == [
        (pixels[row, 0].tolist(), label) for row, label in enumerate([0, 1, 1])
    ]
    for formats in (["png"], ["nifti"]):
        made = export_samples(store, tmp_path / "out", formats)
        listed = load_decathlon_datalist(str(made / "datalist.json"), is_segmentation=False, data_list_key="samples")
        loaded = CacheDataset(listed, LoadImaged("image"), progress=False)
        assert [item["target_class"] for item in loaded] == [0, 3, 3]
        assert [np.asarray(item["image"]).squeeze().T.tolist() for item in loaded] == pixels[:, 0].tolist()
