"""Pseudonyms are stable under their key and unknown without it."""

import hashlib
import hmac
import re
import stat

import pytest

from monai_minority.data import Pseudonyms
from monai_minority.files import DamagedFile
from monai_minority.files.seals import begin_log


def test_pseudonym_is_keyed_hmac(tmp_path):
    (tmp_path / "key").write_text("00112233445566778899aabbccddeeff\n")
    key = bytes.fromhex("00112233445566778899aabbccddeeff")
    expected = "sub-" + hmac.new(key, b"Jane Doe", hashlib.sha256).hexdigest()[:10]
    assert Pseudonyms(tmp_path / "key")("Jane Doe") == expected


def test_a_drawn_key_is_private_and_stays(tmp_path):
    path = tmp_path / "run" / "cohort.key"
    first = Pseudonyms(path)("a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.fullmatch("sub-[0-9a-f]{10}", first)
    assert Pseudonyms(path)("a") == first != Pseudonyms(path)("b")
    assert Pseudonyms(tmp_path / "other")("a") != first


def test_a_key_that_was_changed_is_told_with_what_mends_it(tmp_path):
    begin_log(tmp_path)
    path = tmp_path / "cohort.key"
    first = Pseudonyms(path)("a")
    path.write_text("00112233445566778899aabbccddeeff\n")
    with pytest.raises(
        DamagedFile, match=r"cohort.key is not the key of this cohort's pseudonyms; put it back .* or delete"
    ):
        Pseudonyms(path)
    path.unlink()
    assert Pseudonyms(path)("a") != first


@pytest.mark.parametrize("text", ["abcd", "not hexadecimal at all, but long enough"])
def test_a_weak_key_raises(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(ValueError, match="at least 32 hexadecimal digits"):
        Pseudonyms(tmp_path / "key")


def test_an_empty_key_is_of_a_full_disk_and_is_written_anew(tmp_path):
    (tmp_path / "cohort.key").touch()
    first = Pseudonyms(tmp_path / "cohort.key")
    assert Pseudonyms(tmp_path / "cohort.key")("Jane") == first("Jane")
    assert (tmp_path / "cohort.key").stat().st_mode & 0o777 == 0o600
