"""Exported files hold the stored values in the stored order, say where they lie, and say when they are synthetic."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from PIL import Image

from monai_minority.data import ImageStore
from monai_minority.keys import SYNTHETIC_NOTE
from monai_minority.samples import is_synthetic, save_nifti, save_png_grid
from monai_minority.transforms import ExtractSlicesd


def _store(path, count=6, shape=(1, 3, 4), dtype="uint8", column=None, **meta) -> ImageStore:
    values = np.random.default_rng(0).integers(0, 256, (count, *shape))
    images = values.astype(np.uint8) if dtype == "uint8" else (values / 255 * 2 - 1).astype(dtype)
    table = {"source": [f"s{i}" for i in range(count)], "slice": [0] * count}
    table |= {} if column is None else {"synthetic": column}
    return ImageStore.create(path, images, table, (0, 255) if dtype == "uint8" else (-1, 1), **meta)


def test_grid_places_the_stored_values(tmp_path):
    store = _store(tmp_path / "store")
    picture = Image.open(save_png_grid(store, tmp_path / "new" / "grid.png", rows=2, padding=1))
    assert (picture.mode, picture.size) == ("L", (1 + 3 * (4 + 1), 1 + 2 * (3 + 1)))
    pixels = np.asarray(picture)
    images = np.load(store.path / "images.npy")
    for index, image in enumerate(images[:, 0]):
        top, left = 1 + index // 3 * 4, 1 + index % 3 * 5
        assert np.array_equal(pixels[top : top + 3, left : left + 4], image)
    assert (pixels[0] == 255).all() and (pixels[:, 0] == 255).all()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["grid.png"]


def test_grid_rounds_clamps_and_keeps_colour(tmp_path):
    images = torch.stack([torch.full((3, 2, 2), v) for v in (-7.0, 0.0, 1.5)])
    images[1, 2] = 0.5
    picture = Image.open(save_png_grid(images, tmp_path / "g.png", rows=1, padding=0, synthetic=False))
    assert [picture.getpixel((x, 0)) for x in (0, 2, 4)] == [(0, 0, 0), (128, 128, 191), (255, 255, 255)]


@pytest.mark.parametrize("count, rows, size", [(9, None, (3, 3)), (7, 2, (4, 2)), (5, 9, (1, 5)), (1, None, (1, 1))])
def test_grid_has_the_rows_asked_for(tmp_path, count, rows, size):
    path = save_png_grid(torch.zeros(count, 1, 5, 5), tmp_path / "g.png", rows=rows, padding=0, synthetic=False)
    columns, lines = size
    assert Image.open(path).size == (columns * 5, lines * 5)


@pytest.mark.parametrize(
    "images, options, match",
    [
        (torch.zeros(2, 1, 4, 4), {}, "synthetic must be given"),
        (torch.zeros(0, 1, 4, 4), {"synthetic": True}, "N > 0"),
        (torch.zeros(2, 2, 4, 4), {"synthetic": True}, r"got \[2, 2, 4, 4\]"),
        (torch.full((1, 1, 4, 4), torch.nan), {"synthetic": True}, "finite"),
        (torch.zeros(2, 1, 4, 4), {"synthetic": True, "rows": 0}, "rows must be at least 1, got 0"),
    ],
)
def test_grid_refuses(tmp_path, images, options, match):
    with pytest.raises(ValueError, match=match):
        save_png_grid(images, tmp_path / "grid.png", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "column, meta, expected",
    [
        (None, {}, False),
        ([False] * 6, {}, False),
        ([False] * 5 + [True], {}, True),
        ([None] * 5 + [True], {}, True),
        ([0] * 6, {}, False),
        (1, {}, True),
        (None, {"synthetic": True}, True),
    ],
)
def test_files_say_what_the_store_says(tmp_path, column, meta, expected):
    store = _store(tmp_path / "store", column=column, **meta)
    assert is_synthetic(store) is expected
    text = Image.open(save_png_grid(store, tmp_path / "grid.png")).text
    description = nib.load(save_nifti(store, tmp_path / "volume.nii")).header["descrip"].item().decode()
    assert (text.get("Description") == SYNTHETIC_NOTE) is expected
    assert (description == SYNTHETIC_NOTE) is expected
    # A caller may add the mark, never take it away.
    assert "SYNTHETIC" in Image.open(save_png_grid(store, tmp_path / "grid.png", synthetic=True)).text["Description"]
    assert ("Description" in Image.open(save_png_grid(store, tmp_path / "g.png", synthetic=False)).text) is expected


@pytest.mark.parametrize("dtype, stored", [("uint8", "uint8"), ("float16", "float32"), ("float32", "float32")])
def test_volume_holds_the_stored_values(tmp_path, dtype, stored):
    store = _store(tmp_path / "store", dtype=dtype, geometry={"axis": "coronal", "pixel_spacing_mm": 0.75})
    volume = nib.load(save_nifti(store, tmp_path / "volume.nii.gz"))
    assert (volume.shape, volume.get_data_dtype()) == ((4, 3, 1, 6), stored)
    images = np.load(store.path / "images.npy")
    difference = np.asanyarray(volume.dataobj).transpose(3, 1, 0, 2)[..., 0].astype(np.float64) - images[:, 0]
    assert np.abs(difference).max() <= (0 if dtype == "uint8" else 6e-8)
    assert np.allclose(volume.header.get_zooms()[:2], 0.75)
    assert volume.header.get_xyzt_units()[0] == "mm"


def test_volume_of_a_subset_keeps_its_order(tmp_path):
    store = _store(tmp_path / "store").subset(source=["s1", "s4"])
    volume = nib.load(save_nifti(store, tmp_path / "volume.nii"))
    images = np.load(store.path / "images.npy")
    assert np.array_equal(np.asanyarray(volume.dataobj).transpose(3, 1, 0, 2)[..., 0], images[[1, 4], 0])
    assert volume.header.get_xyzt_units()[0] == "unknown"  # without geometry nothing is claimed in mm


@pytest.mark.parametrize("axis, dim", [("axial", 2), ("coronal", 1), ("sagittal", 0)])
def test_slices_lie_as_they_lay_in_their_volume(tmp_path, axis, dim):
    """Every voxel of a slice cut from a volume has, within the plane, the direction that it had in the volume."""
    volume = torch.arange(5 * 6 * 7.0).reshape(1, 5, 6, 7)
    spacings = np.full(3, 2.0)
    spacings[dim] = 3.0
    cut = ExtractSlicesd(axis=axis, positions=[1, 2], unit="index")
    slices = cut({"image": MetaTensor(volume, affine=torch.diag(torch.tensor([*spacings, 1.0])))})
    store = ImageStore.create(
        tmp_path / "store",
        torch.stack([torch.as_tensor(s["image"]).as_subclass(torch.Tensor) for s in slices]),
        {"source": ["a", "a"], "slice": [s["slice"] for s in slices]},
        (0, 300),
        geometry={"axis": axis, "pixel_spacing_mm": 2.0},
    )
    ras = nib.as_closest_canonical(nib.load(save_nifti(store, tmp_path / "volume.nii")))
    expected = volume[0].numpy().take([1, 2], axis=dim)
    assert np.abs(np.moveaxis(ras.get_fdata().squeeze(dim), 2, dim) - expected).max() < 1e-4
    in_plane = [d for d in range(3) if d != dim]
    assert np.allclose(np.diag(ras.affine)[in_plane], 2.0)


@pytest.mark.parametrize(
    "name, options, match",
    [
        ("volume.img", {}, "must end in .nii"),
        ("volume.nii", {"shape": (3, 4, 4)}, "must have 1 channel for a NIfTI file, got 3"),
        ("volume.nii", {"geometry": {"axis": "oblique"}}, "must be one of axial, coronal, sagittal, got 'oblique'"),
        ("volume.nii", {"geometry": {"pixel_spacing_mm": -1}}, "must be positive, got -1"),
    ],
)
def test_volume_refuses(tmp_path, name, options, match):
    store = _store(tmp_path / "store", **options)
    with pytest.raises(ValueError, match=match):
        save_nifti(store, tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_failed_writing_leaves_the_old_file(tmp_path, monkeypatch):
    store = _store(tmp_path / "store")
    path = save_nifti(store, tmp_path / "volume.nii")
    before = path.read_bytes()

    def fail(volume, file):
        file.write_bytes(b"half")
        raise OSError("no space")

    monkeypatch.setattr(nib, "save", fail)
    with pytest.raises(OSError, match="no space"):
        save_nifti(store, path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 2
