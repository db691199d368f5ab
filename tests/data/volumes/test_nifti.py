"""NIfTI of every kind gives its voxels where they lie; a header that claims too much costs neither time nor memory."""

import gzip
import itertools
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
    "zero.nii.gz": (lambda c: b"", "no reader recognises the file"),
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
    with pytest.raises(AssertionError, match="memory rose by"), peak_below(100):
        np.ones(30_000_000)


@pytest.mark.parametrize("dtype", [np.complex64, [("R", "u1"), ("G", "u1"), ("B", "u1")]])
def test_colours_and_complex_numbers_are_refused(tmp_path, dtype):
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), dtype), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(ValueError, match="colours or complex numbers"):
        read_nifti_volume(tmp_path / "a.nii")
