"""Every good file is in the store, every bad one in the list, and no name leaves the cohort table."""

import errno
import gzip
import os
import re
import time

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose, ScaleIntensityRanged
from PIL import Image

from monai_minority.data import (
    Cohort,
    ImageStore,
    Pseudonyms,
    cohort_from_csv,
    cohort_from_folder,
    cohort_from_pictures,
    extract_images,
    split_cohort,
)
from monai_minority.data.sources import npz
from monai_minority.data.store import writer as store_writer
from monai_minority.transforms import (
    AlignToAxesd,
    CheckVolumed,
    ExtractSlicesd,
    LoadPictured,
    LoadVolumed,
    ResizeToSquared,
    SliceIntensityd,
)


def _slices(**options) -> Compose:
    return Compose(
        [
            LoadVolumed("image"),
            CheckVolumed("image"),
            AlignToAxesd("image"),
            ExtractSlicesd("image", "axial", [2, 5], "index", **options),
            SliceIntensityd("image"),
            ResizeToSquared("image", 8),
        ]
    )


def _voxels(seed: int, shape: tuple[int, ...] = (8, 8, 8)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _save(path, array, affine=None):
    nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)


@pytest.fixture
def volumes(tmp_path):
    folder = tmp_path / "hospital"
    folder.mkdir()
    for i in range(4):
        _save(folder / f"doe_jane_{i}.nii.gz", _voxels(i))
    return folder


def _expected(seed: int, index: int) -> np.ndarray:
    plane = _voxels(seed)[::-1, ::-1, index].T.astype(np.float64)
    return np.round((plane - plane.min()) / np.ptp(plane) * 255)


@pytest.mark.parametrize("workers", [0, 2])
def test_pixels_rows_and_order_are_known(volumes, tmp_path, workers):
    cohort = cohort_from_folder(volumes)
    store = extract_images(cohort, _slices(), tmp_path / "run/store", num_workers=workers, progress=False, note="n")
    pixels = np.load(store.path / "images.npy")
    assert pixels.shape == (8, 1, 8, 8) and pixels.dtype == np.uint8
    for row in range(8):
        expected = _expected(row // 2, (2, 5)[row % 2])
        assert np.abs(pixels[row, 0].astype(int) - expected).max() <= 1  # float32 rounding at a half
        assert (pixels[row, 0] != expected).mean() < 0.05
    assert store.table["slice"].tolist() == [2, 5] * 4 and store.table["position"].tolist() == [2.0, 5.0] * 4
    named = pd.read_csv(tmp_path / "run/cohort.csv")
    assert named["subject"].tolist() == [f"doe_jane_{i}" for i in range(4)]
    assert store.table["source"].tolist() == named["source"].repeat(2).tolist()
    assert store.meta["files"] == {"read": 4, "rejected": 0} and store.meta["note"] == "n"
    assert pd.read_csv(tmp_path / "run/rejected.csv").empty


def test_more_precise_stores_keep_the_values(volumes, tmp_path):
    cohort, wanted = cohort_from_folder(volumes), _slices()({"image": str(volumes / "doe_jane_1.nii.gz")})
    for dtype, error in (("float32", 0), ("float16", 2**-11), ("uint8", 1 / 255 + 1e-7)):
        store = extract_images(cohort, _slices(), tmp_path / dtype / "store", dtype=dtype, progress=False)
        assert store.dtype == dtype
        assert (store.batch([2])[0] - wanted[0]["image"]).abs().max() <= error


def test_no_name_is_in_the_store(volumes, tmp_path):
    store = extract_images(cohort_from_folder(volumes), _slices(), tmp_path / "run/store", progress=False)
    for path in store.path.iterdir():
        content = path.read_bytes()
        assert b"jane" not in content and b"hospital" not in content and str(tmp_path).encode() not in content
    assert store.table["subject"].map(lambda s: bool(re.fullmatch("sub-[0-9a-f]{10}", s))).all()
    key = Pseudonyms(tmp_path / "run/cohort.key")
    assert store.table["subject"].iloc[0] == key("doe_jane_0")
    assert "jane" in (tmp_path / "run/cohort.csv").read_text()


def test_labels_come_along_and_other_columns_only_when_asked(volumes, tmp_path):
    (tmp_path / "list.csv").write_text(
        "image,subject,group,severity,split,mm3,birthday\n"
        "hospital/doe_jane_0.nii.gz,0,AD,2,train,2500,1950-01-01\n"
        "hospital/doe_jane_1.nii.gz,1,CN,0,test,3500,1951-01-01\n"
    )
    cohort = cohort_from_csv(tmp_path / "list.csv")
    store = extract_images(cohort, _slices(), tmp_path / "run/store", columns=["mm3"], progress=False)
    rows = store.table.iloc[[0, 2]]
    assert rows[["group", "severity", "split", "mm3"]].to_numpy().tolist() == [
        ["AD", 2, "train", 2500],
        ["CN", 0, "test", 3500],
    ]
    assert "birthday" not in store.table and "birthday" in (tmp_path / "run/cohort.csv").read_text()
    with pytest.raises(ValueError, match="but it lacks weight; it has source"):
        extract_images(cohort, _slices(), tmp_path / "other", columns=["weight"])


def _raw_nifti(path, change):
    """Save a volume and alter the bytes of its header."""
    _save(path, _voxels(9))
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def _nan_sform(content):
    content[280:284] = np.float32(np.nan).tobytes()


def _wrong_pixdim(content):
    content[80:84] = np.float32(3).tobytes()


def _zero_sform(content):
    content[280:328] = bytes(48)


BAD = {
    "empty.nii": (lambda p: p.write_bytes(b""), r"the file is empty \(0 bytes\)"),
    "text.nii": (lambda p: p.write_text("hello"), "no reader recognises the file"),
    "cut.nii": (
        lambda p: (_save(p, _voxels(0)), p.write_bytes(p.read_bytes()[:900])),
        "truncated: it has 548 of the 2048 bytes of its voxels",
    ),
    "cut.nii.gz": (
        lambda p: (_save(p, _voxels(0, (16, 16, 16))), p.write_bytes(p.read_bytes()[:5000])),
        "truncated: its compressed data ends early",
    ),
    "garbled.nii.gz": (lambda p: p.write_bytes(gzip.compress(b"x" * 999)), "no reader recognises the file"),
    "series.nii": (lambda p: _save(p, _voxels(0, (8, 8, 8, 5))), "4-D, a series of 5 volumes; choose one"),
    "flat.nii": (lambda p: _save(p, np.full((8, 8, 8), 3.0, np.float32)), r"the same value \(3\)"),
    "nan.nii": (lambda p: _save(p, np.where(_voxels(0) > 2, np.nan, _voxels(0))), "voxels are NaN or infinite"),
    "slab.nii": (lambda p: _save(p, _voxels(0, (8, 8, 4))), r"too small for the chosen slices: it has 4 axial"),
    "huge.nii": (lambda p: _save(p, _voxels(0), np.diag([500.0, 1, 1, 1])), "spacing 500 x 1 x 1 mm is outside"),
    "nan_affine.nii": (lambda p: _raw_nifti(p, _nan_sform), "affine has NaN"),
    "two_spacings.nii": (
        lambda p: _raw_nifti(p, _wrong_pixdim),
        "sform has voxels of 1 x 1 x 1 mm, but the voxel sizes of the header are 3 x 1 x 1 mm",
    ),
    "zero_affine.nii": (lambda p: _raw_nifti(p, _zero_sform), "spacing 0 x 0 x 0 mm"),
    "plane.nii": (lambda p: _save(p, _voxels(0, (8, 8))), "must have 3 dimensions, but the image has 2"),
    "black_slice.nii": (
        lambda p: _save(p, np.where(np.arange(8) == 5, 0, _voxels(0))),
        r"slice 5 is constant \(0\)",
    ),
}


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_volumes_are_listed_and_the_rest_goes_on(volumes, tmp_path, workers):
    for name, (make, _) in BAD.items():
        make(volumes / name)
    cohort = cohort_from_folder(volumes)
    store = extract_images(cohort, _slices(), tmp_path / "run/store", num_workers=workers, progress=False)
    named = pd.read_csv(tmp_path / "run/cohort.csv", keep_default_na=False)
    rejected = named[named["rejected"] != ""].set_index("image")["rejected"]
    assert set(rejected.index) == {str(volumes / name) for name in BAD}
    public = pd.read_csv(tmp_path / "run/rejected.csv")
    assert public["source"].tolist() == named.loc[named["rejected"] != "", "source"].tolist()
    assert "hospital" not in (tmp_path / "run/rejected.csv").read_text()
    assert not [name for name in BAD if name in (tmp_path / "run/rejected.csv").read_text()]
    assert len(store) == 8 and store.meta["files"] == {"read": 4, "rejected": len(BAD)}
    for name, (_, reason) in BAD.items():
        text = rejected[str(volumes / name)]
        assert re.search(reason, text), f"{name}: {text}"
        assert "\n" not in text and "applying transform" not in text and len(text) < 300, f"{name}: {text}"


def test_one_volume_of_a_series_can_be_chosen(tmp_path):
    _save(tmp_path / "series.nii", np.stack([_voxels(i) for i in range(3)], axis=-1))
    transform = _slices()
    transform.transforms = tuple(
        LoadVolumed("image", volume_index=1) if isinstance(t, LoadVolumed) else t for t in transform.transforms
    )
    store = extract_images(cohort_from_folder(tmp_path), transform, tmp_path / "run/store", progress=False)
    assert np.abs(np.load(store.path / "images.npy")[0, 0] - _expected(1, 2)).max() <= 1


def test_nothing_usable_raises_and_lists(tmp_path):
    (tmp_path / "in").mkdir()
    _save(tmp_path / "in/a.nii", np.zeros((8, 8, 8), np.float32))
    with pytest.raises(ValueError, match=r"no file of the cohort is usable: all voxels .* \(1\)"):
        extract_images(cohort_from_folder(tmp_path / "in"), _slices(), tmp_path / "run/store", progress=False)
    assert not (tmp_path / "run/store").exists()
    assert len(pd.read_csv(tmp_path / "run/rejected.csv")) == 1


def test_a_full_disk_leaves_no_store(volumes, tmp_path, monkeypatch):
    def full(self, block):
        if self.count:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, block)

    real = store_writer.PixelWriter.append
    monkeypatch.setattr(store_writer.PixelWriter, "append", full)
    with pytest.raises(OSError, match="disk is full"):
        extract_images(cohort_from_folder(volumes), _slices(), tmp_path / "run/store", progress=False)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["cohort.csv", "cohort.key", "rejected.csv"]


def test_existing_stores_are_kept_unless_told(volumes, tmp_path):
    cohort = cohort_from_folder(volumes)
    first = extract_images(cohort, _slices(), tmp_path / "run/store", progress=False)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        extract_images(cohort, _slices(), tmp_path / "run/store", progress=False)
    again = extract_images(cohort, _slices(), tmp_path / "run/store", progress=False, overwrite=True)
    assert again.content_hash == first.content_hash and again.table.equals(first.table)


def test_shapes_and_ranges_that_do_not_fit_are_rejected(tmp_path):
    cohort = _pictures(tmp_path, {"a": (4, 4), "b": (4, 5)})
    store = extract_images(
        cohort, Compose([LoadPictured("image"), SliceIntensityd("image")]), tmp_path / "r/s", progress=False
    )
    assert len(store) == 1
    assert "[1, 4, 5] (C, H, W), but the earlier ones are [1, 4, 4]" in (tmp_path / "r/cohort.csv").read_text()
    assert pd.read_csv(tmp_path / "r/rejected.csv")["reason"].tolist() == ["size_differs"]
    with pytest.raises(ValueError, match="after the transforms, not from -1 to 1"):
        extract_images(cohort, LoadPictured("image"), tmp_path / "q/s", progress=False)


def _pictures(tmp_path, shapes) -> Cohort:
    for i, (name, shape) in enumerate(shapes.items()):
        (tmp_path / "in" / name).mkdir(parents=True)
        pixels = np.random.default_rng(i).integers(0, 256, shape, dtype=np.uint8)
        pixels.flat[:2] = (0, 255)  # the whole range, so that normalising changes nothing
        Image.fromarray(pixels).save(tmp_path / "in" / name / f"{i}.png")
    return cohort_from_pictures(tmp_path / "in")


def test_pictures_come_back_to_the_last_grey_level(tmp_path):
    cohort = _pictures(tmp_path, {"cat": (8, 8, 3), "ape": (8, 8, 3), "grey": (8, 8)})
    transform = Compose([LoadPictured("image", mode="rgb"), SliceIntensityd("image")])
    store = extract_images(cohort, transform, tmp_path / "run/store", progress=False)
    stored = np.load(store.path / "images.npy").transpose(0, 2, 3, 1)
    for row, file in enumerate(["ape/1.png", "cat/0.png"]):
        assert np.array_equal(stored[row], np.asarray(Image.open(tmp_path / "in" / file)))
    assert store.table[["group", "class_label", "slice"]].to_numpy().tolist() == [["ape", 0, 0], ["cat", 1, 0]]
    assert "has mode L, not rgb" in (tmp_path / "run/cohort.csv").read_text()


@pytest.mark.parametrize("workers", [0, 2])
def test_images_that_share_a_file_come_back_to_the_last_level_in_order(tmp_path, workers):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", pixels, np.arange(30) % 4)
    cohort = split_cohort(npz(tmp_path / "a.npz"), {"train": 0.5, "test": 0.5}, stratify="group")
    scale = ScaleIntensityRanged("image", 0, 255, -1, 1)
    transform = Compose([LoadPictured("image", mode="rgb"), scale])
    store = extract_images(cohort, transform, tmp_path / "run/store", num_workers=workers, progress=False)
    assert np.array_equal(np.load(store.path / "images.npy"), pixels.transpose(0, 3, 1, 2))
    assert store.table["class_label"].tolist() == [i % 4 for i in range(30)]
    assert store.table["split"].value_counts().to_dict() == {"train": 16, "test": 14}


def test_a_bad_image_of_many_in_a_file_is_rejected_by_its_number(tmp_path):
    class Images(list):
        def __getitem__(self, index):
            if index == 1:
                raise OSError("unreadable")
            return super().__getitem__(index)

    table = pd.DataFrame({"image": range(3), "subject": ["a", "b", "c"], "split": "train"})
    cohort = Cohort(table, images=Images([np.full((4, 4), 255, np.uint8)] * 3))
    transform = Compose([LoadPictured("image"), ScaleIntensityRanged("image", 0, 255, -1, 1)])
    store = extract_images(cohort, transform, tmp_path / "run/store", progress=False)
    assert len(store) == 2
    rejected = pd.read_csv(tmp_path / "run/rejected.csv")
    named = pd.read_csv(tmp_path / "run/cohort.csv", dtype=str).set_index("subject").loc["b"]
    assert named[["image", "rejected"]].tolist() == ["1", "OSError: unreadable"]
    assert rejected.to_numpy().tolist() == [[named["source"], named["pseudonym"], "other", False]]


def test_the_whole_of_it_is_a_bundle_config(volumes, tmp_path):
    config = {
        "cohort": {"_target_": "monai_minority.data.cohort_from_folder", "folder": str(volumes)},
        "split": {
            "_target_": "monai_minority.data.split_cohort",
            "cohort": "@cohort",
            "fractions": {"train": 0.5, "test": 0.5},
        },
        "slices": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "monai_minority.transforms.LoadVolumed", "keys": "image"},
                {"_target_": "monai_minority.transforms.CheckVolumed", "keys": "image"},
                {"_target_": "monai_minority.transforms.AlignToAxesd", "keys": "image"},
                {"_target_": "monai_minority.transforms.ExtractSlicesd", "keys": "image", "positions": [0.3, 0.6]},
                {"_target_": "monai_minority.transforms.SliceIntensityd", "keys": "image"},
                {"_target_": "monai_minority.transforms.ResizeToSquared", "keys": "image", "size": 16},
            ],
        },
        "store": {
            "_target_": "monai_minority.data.extract_images",
            "cohort": "@split",
            "transform": "@slices",
            "path": str(tmp_path / "run/store"),
            "progress": False,
        },
    }
    parser = ConfigParser(config)
    store = parser.get_parsed_content("store")
    assert isinstance(store, ImageStore) and store.image_shape == (1, 16, 16)
    assert store.table["split"].value_counts().to_dict() == {"train": 4, "test": 4}


@pytest.mark.data
def test_a_real_volume_shows_its_stored_voxels(data_dir, tmp_path):
    cohort = cohort_from_csv(data_dir / "hippocampus_t1/subjects.csv", severity="-hippocampus_mm3")
    assert len(cohort) == 200 and cohort.rejected == []
    few = Cohort(cohort.table.head(3))
    transform = Compose([*_slices().transforms[:3], ExtractSlicesd("image", "coronal", [20], "index")])
    transform = Compose([*transform.transforms, SliceIntensityd("image"), ResizeToSquared("image", 64)])
    store = extract_images(
        few, transform, tmp_path / "run/store", dtype="float32", columns=["hippocampus_mm3"], progress=False
    )
    assert (store.table["severity"] == -store.table["hippocampus_mm3"]).all()
    voxels = np.asarray(nib.load(few.table["image"][0]).dataobj)[:, 20].astype(np.float64)
    plane = voxels[::-1, ::-1].T
    image = store.batch([0])[0, 0].numpy()
    row, column = np.unravel_index(plane.argmin(), plane.shape)
    assert image.min() == -1 and image.max() <= 1 and plane.shape[0] * 64 // max(plane.shape) <= 64
    scale, pad = 64 / max(plane.shape), [(max(plane.shape) - side) // 2 for side in plane.shape]
    darkest = image[int((row + pad[0] + 0.5) * scale), int((column + pad[1] + 0.5) * scale)]
    assert darkest < -0.5


def test_a_file_that_takes_too_long_is_rejected(volumes, tmp_path):
    cohort = cohort_from_folder(volumes)
    slow = cohort.table["image"][1]

    def load(record):
        if record["image"] == slow:
            time.sleep(60)
        return {"image": torch.zeros(1, 2, 2)}

    started = time.monotonic()
    store = extract_images(cohort, load, tmp_path / "run/store", progress=False, time_limit=0.5)
    assert time.monotonic() - started < 30 and len(store) == len(cohort) - 1
    named = pd.read_csv(tmp_path / "run/cohort.csv", keep_default_na=False).set_index("image")["rejected"]
    assert named[slow] == "reading takes longer than the 0.5 s allowed; raise time_limit"
    assert pd.read_csv(tmp_path / "run/rejected.csv")["reason"].tolist() == ["too_slow"]


def test_volumes_whose_orientation_is_assumed_are_counted(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        image = nib.Nifti1Image(rng.normal(size=(8, 8, 8)).astype(np.float32), np.eye(4))
        if number:
            image.set_sform(None, 0)
            image.set_qform(None, 0)
        nib.save(image, tmp_path / f"in/{number}.nii")
    cohort = cohort_from_folder(tmp_path / "in")
    transform = Compose(
        [LoadVolumed(orientation="RAS"), ExtractSlicesd(positions=[4], unit="index"), SliceIntensityd()]
    )
    store = extract_images(cohort, transform, tmp_path / "run/store", progress=False)
    assert store.meta["files"] == {"read": 3, "rejected": 0, "orientation_assumed": 2}
    assert "the headers of 2 volumes do not say how they lie; nifti_orientation is assumed" in caplog.text


def test_odd_names_cost_nothing_and_private_tables_are_private(tmp_path):
    """A name that is not UTF-8 is read like any other; nobody else may read the table of names, whatever the umask."""
    (tmp_path / "in").mkdir()
    _save(tmp_path / "in/good.nii", np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32))
    (tmp_path / "in/good.nii").rename(tmp_path / "in" / os.fsdecode(b"caf\xe9 \x1b[31m.nii"))
    _save(tmp_path / "in/bad.nii", np.zeros((8, 8, 8), np.float32))
    before = os.umask(0)
    try:
        cohort = split_cohort(cohort_from_folder(tmp_path / "in"), {"train": 1.0})
        store = extract_images(cohort, _slices(), tmp_path / "run/store", progress=False)
    finally:
        os.umask(before)
    assert len(store) == 2
    assert b"caf\xe9" in (tmp_path / "run/cohort.csv").read_bytes()
    modes = {name: (tmp_path / "run" / name).stat().st_mode & 0o777 for name in ("cohort.csv", "cohort.key")}
    assert modes == {"cohort.csv": 0o600, "cohort.key": 0o600}
