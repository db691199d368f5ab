"""Names for subjects that reveal nothing without the key."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

from monai_minority.files import DamagedFile, reading, whole_file


class Pseudonyms:
    """Keyed pseudonyms: ``sub-`` and the first hexadecimal digits of HMAC-SHA256 of the subject's name.

    The same key gives the same pseudonyms, so two extractions of a cohort agree. A plain hash could be traced by trying
    names; a keyed one cannot without the key.

    Args:
        key_path: file with the key as hexadecimal digits. If it does not exist, a random key is written, readable by
            its owner alone. Keep it as confidential as the cohort table.

    Raises:
        ValueError: the file does not hold at least 16 bytes in hexadecimal.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data import Pseudonyms
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     key = Path(folder) / "cohort.key"
        ...     size = key.write_text("00112233445566778899aabbccddeeff")
        ...     pseudonyms = Pseudonyms(key)
        >>> pseudonyms("Jane Doe")
        'sub-a8ddfd2e25'
    """

    def __init__(self, key_path: str | os.PathLike[str]) -> None:
        path = Path(key_path)
        if not path.exists() or not path.stat().st_size:  # an empty one is of a full disk, and names nobody
            with whole_file(path, mode=0o600) as partial:
                partial.write_text(secrets.token_hex(32) + "\n")
        try:
            with reading(path):
                text = path.read_text(encoding="ascii", errors="replace").strip()
        except DamagedFile as error:
            raise DamagedFile(
                f"{path} is not the key of this cohort's pseudonyms; put it back from a copy, or delete it, and "
                "the stage prepare gives all subjects other pseudonyms"
            ) from error
        try:
            self._key = bytes.fromhex(text)
        except ValueError:
            self._key = b""
        if len(self._key) < 16:
            raise ValueError(f"key file {path} must hold at least 32 hexadecimal digits, got {len(text)} characters")

    def __call__(self, subject: str, digits: int = 10, prefix: str = "sub-") -> str:
        """The pseudonym of ``subject``: ``prefix`` and ``digits`` hexadecimal digits."""
        return (
            prefix + hmac.new(self._key, subject.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:digits]
        )


def is_pseudonym(text: object) -> bool:
    """Whether a text has the form of a pseudonym by :class:`Pseudonyms`; other texts may be real names."""
    return re.fullmatch(r"sub-[0-9a-f]{10}(?:[0-9a-f]{10})?", str(text)) is not None
