"""NIfTI of every kind gives its voxels where they lie; a header that claims too much costs neither time nor memory."""

import gzip
import itertools
import os
import time

import nibabel as nib
import numpy as np
import pytest

from monai_minority.data import read_nifti_volume
from monai_minority.transforms import AlignToAxesd, LoadVolumed
from tests.peak_memory import peak_below

VOXELS = np.random.default_rng(0).integers(-300, 900, (5, 6, 7)).astype(np.int16)
CODES = [
    "".join(letters) for axes in itertools.permutations(("LR", "PA", "IS")) for letters in itertools.product(*axes)
]


@pytest.mark.parametrize("code", CODES)
def test_every_orientation_shows_the_same_head(tmp_path, code):
    head = nib.Nifti1Image(VOXELS, np.array([[1.5, 0, 0, -4], [0, 2, 0, 3], [0, 0, 1, 9], [0, 0, 0, 1.0]]))
    turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(code))
    stored = head.as_reoriented(turn)
    assert "".join(nib.aff2axcodes(stored.affine)) == code
    nib.save(stored, tmp_path / "a.nii.gz")
    aligned = AlignToAxesd()(LoadVolumed()({"image": tmp_path / "a.nii.gz"}))["image"]
    assert np.array_equal(aligned[0].numpy(), VOXELS) and np.allclose(aligned.affine.numpy(), head.affine)


def test_there_are_48_orientations():
    assert len(set(CODES)) == 48


def test_a_label_map_is_known_by_its_intent(tmp_path):
    labels = nib.Nifti1Image(VOXELS, np.eye(4))
    labels.header.set_intent("estimate")
    nib.save(labels, tmp_path / "a.nii")
    assert np.array_equal(read_nifti_volume(tmp_path / "a.nii")[0], VOXELS)
    labels.header.set_intent("label")
    nib.save(labels, tmp_path / "b.nii")
    with pytest.raises(ValueError, match=r"the header says that it is a label map \(intent_code 1002\)"):
        read_nifti_volume(tmp_path / "b.nii")


@pytest.mark.parametrize("ending", ["hdr", "img"])
def test_a_compressed_pair_is_read_by_either_of_its_names(tmp_path, ending):
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "a.img.gz")
    assert {path.name for path in tmp_path.iterdir()} == {"a.hdr.gz", "a.img.gz"}
    assert np.array_equal(read_nifti_volume(tmp_path / f"a.{ending}.gz")[0], VOXELS)


def test_nifti_2_and_several_gzip_members(tmp_path):
    nib.save(nib.Nifti2Image(VOXELS, np.eye(4)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:700]) + gzip.compress(content[700:]))
    for name in ("a.nii", "b.nii.gz"):
        assert np.array_equal(read_nifti_volume(tmp_path / name)[0], VOXELS)


def _claims(content: bytes, *shape: int) -> bytes:
    header = bytearray(content)
    header[40:56] = np.array([3, *shape, 1, 1, 1, 1], "<i2").tobytes()
    return bytes(header[:1024])


def _flipped(content: bytes) -> bytes:
    """The same compressed voxels under a checksum of others."""
    whole = bytearray(gzip.compress(content))
    whole[-8] ^= 0xFF
    return bytes(whole)


BAD = {
    "liar.nii": (lambda c: _claims(c, 1024, 1024, 2048), "truncated: it has 672 of the 4294967296 bytes of its voxels"),
    "liar.nii.gz": (
        lambda c: gzip.compress(_claims(c, 1024, 1024, 2048)),
        "claims 4.295e.09 bytes .* but .* compressed bytes cannot hold them",
    ),
    "less.nii": (lambda c: _claims(c, -4, 6, 7), "damaged|claims"),
    "short.nii.gz": (lambda c: gzip.compress(c)[:-40], "truncated: its compressed data ends early"),
    "half.nii.gz": (lambda c: gzip.compress(c[:500]), "truncated: it ends before its voxels do"),
    "checksum.nii.gz": (_flipped, "the compressed data is damaged"),
    "zero.nii.gz": (lambda c: b"", "the file is empty"),
    "text.nii.gz": (lambda c: b"Jane Doe, born 1950", "no reader recognises the file"),
    "head.nii": (lambda c: c[:200], "no reader recognises the file"),
}


@pytest.mark.parametrize("name", BAD)
def test_damage_is_named_in_bounded_time_and_memory(tmp_path, name):
    voxels = np.random.default_rng(0).integers(-300, 900, (30, 32, 28)).astype(np.int16)  # more than one read
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "good.nii")
    make, reason = BAD[name]
    (tmp_path / name).write_bytes(make((tmp_path / "good.nii").read_bytes()))
    started = time.process_time()
    with peak_below(100), pytest.raises(ValueError, match=reason) as raised:
        read_nifti_volume(tmp_path / name)
    assert time.process_time() - started < 5
    assert str(tmp_path) not in str(raised.value)


def test_a_bomb_that_keeps_its_word_is_not_inflated(tmp_path):
    nib.save(nib.Nifti1Image(VOXELS, np.eye(4)), tmp_path / "good.nii")
    header = _claims((tmp_path / "good.nii").read_bytes(), 512, 512, 512)[:352]
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(header + bytes(2 * 512**3), 6))
    assert (tmp_path / "bomb.nii.gz").stat().st_size < 300_000
    with (
        peak_below(100),
        pytest.raises(ValueError, match="a volume of 134217728 voxels exceeds the 268435456 bytes allowed"),
    ):
        read_nifti_volume(tmp_path / "bomb.nii.gz", max_bytes=256 << 20)


def test_the_peak_is_seen():
    kept = np.ones(30_000_000)  # with the memory of ended stages kept, as an earlier test may have asked for
    del kept
    with pytest.raises(AssertionError, match="memory rose by"), peak_below(100):
        np.ones(30_000_000)


@pytest.mark.parametrize("dtype", [np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_colours_and_complex_numbers_are_refused(tmp_path, dtype):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), dtype), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="colours or complex numbers"):
        read_nifti_volume(tmp_path / "a.nii")


def _edited(path, edit, content=None):
    """The good file with bytes of its header changed: offset to an array."""
    image = nib.Nifti1Image(VOXELS, AFFINE)
    image.set_sform(AFFINE, 1)
    image.set_qform(AFFINE, 1)
    header = bytearray(content or image.to_bytes())
    for offset, values in edit.items():
        data = np.asarray(values).tobytes()
        header[offset : offset + len(data)] = data
    path.write_bytes(bytes(header))
    return path


AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
_f4 = np.float32
_identity = np.eye(3, 4, dtype=_f4)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({112: _f4([1, np.nan])}, "scl_inter of the header is nan"),
        ({112: _f4([1, np.inf])}, "scl_inter of the header is inf"),
        ({112: _f4([np.inf, 0])}, "scl_slope of the header is inf"),
        ({252: np.int16([0, 0])}, "does not say how the volume lies.* nifti_orientation"),
        (
            {280: _identity},
            r"sform has voxels of 1 x 1 x 1 mm, .* are 2 x 2 x 3 mm; choose .* with nifti_form=qform, or",
        ),
        ({76: _f4([1, 5, 5, 5])}, r"sform has voxels of 2 x 2 x 3 mm, .* are 5 x 5 x 5 mm; .*correct the header"),
        ({76: _f4([1, 5, 5, 5]), 252: np.int16([0])}, "are 5 x 5 x 5 mm; correct the header"),
        ({108: _f4([np.nan])}, "vox_offset"),
        ({108: _f4([1e12])}, "truncated"),
        ({40: np.int16([9])}, "impossible number of dimensions"),
        ({70: np.int16([77])}, "data type that does not exist"),
    ],
)
def test_headers_that_give_no_numbers_are_named(tmp_path, edit, reason):
    with pytest.raises(ValueError, match=reason):
        read_nifti_volume(_edited(tmp_path / "a.nii", edit))


@pytest.mark.parametrize("edit", [{76: _f4([0])}, {80: _f4([-2, 2, -3])}, {112: _f4([0, np.nan])}, {108: _f4([0])}])
def test_headers_with_one_meaning_are_read(tmp_path, edit):
    voxels, affine = read_nifti_volume(_edited(tmp_path / "a.nii", edit))
    assert np.array_equal(voxels, VOXELS) and np.allclose(affine, AFFINE)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "ASR", "PIL", "SLA"])
def test_an_orientation_is_assumed_if_a_setting_names_it(tmp_path, codes):
    path = _edited(tmp_path / "a.nii", {252: np.int16([0, 0])})
    voxels, affine = read_nifti_volume(path, orientation=codes)
    assert np.array_equal(voxels, VOXELS) and "".join(nib.aff2axcodes(affine)) == codes
    assert np.allclose(np.linalg.norm(affine[:3, :3], axis=0), (2, 2, 3))
    assert np.allclose(affine @ [*((np.array(VOXELS.shape) - 1) / 2), 1], (0, 0, 0, 1))
    stated, own = read_nifti_volume(_edited(tmp_path / "b.nii", {}), orientation=codes)
    assert np.array_equal(stated, voxels) and np.allclose(own, AFFINE)  # where the header says it, the header counts


def test_compression_is_seen_by_the_content(tmp_path):
    content = _edited(tmp_path / "a.nii", {}).read_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(content)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(content))
    for name in ("plain.nii.gz", "packed.nii"):
        voxels, affine = read_nifti_volume(tmp_path / name)
        assert np.array_equal(voxels, VOXELS) and np.allclose(affine, AFFINE)


@pytest.mark.parametrize("claimed", [0, 16, 1 << 30, -16])
def test_extensions_are_never_read(tmp_path, claimed):
    """One that claims no size, or an endless one, in a compressed file of zeros that would inflate to gigabytes."""
    content = _edited(tmp_path / "a.nii", {108: _f4([1 << 22])}).read_bytes()
    extension = b"\1\0\0\0" + np.int32([claimed, 4]).tobytes()
    whole = content[:348] + (extension + bytes(1 << 22))[: (1 << 22) - 348] + content[352:]
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(whole))
    with peak_below(50):
        assert np.array_equal(read_nifti_volume(tmp_path / "b.nii.gz")[0], VOXELS)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii").symlink_to("../.git/annex/objects/a/b/MD5E-s1.nii/MD5E-s1.nii")
    (tmp_path / "c.nii").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    (tmp_path / "d.nii").write_text("/annex/objects/MD5E-s1.nii")
    reasons = {"a.nii.gz": "named pipe", "b.nii": "datalad get", "c.nii": "git lfs pull", "d.nii": "datalad get"}
    for name, reason in reasons.items():
        with pytest.raises(ValueError, match=reason):
            read_nifti_volume(tmp_path / name)
