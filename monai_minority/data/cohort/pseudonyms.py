"""Names for subjects that say nothing about them to whoever lacks the key."""

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path


class Pseudonyms:
    """Keyed pseudonyms: ``sub-`` and the first hexadecimal digits of HMAC-SHA256 of the subject's name.

    The same key gives the same pseudonyms, so two extractions of a cohort agree. Without the key a pseudonym
    cannot be traced by trying names, as a plain hash could.

    Args:
        key_path: file with the key as hexadecimal digits. A new one is drawn, readable by its owner alone,
            where there is none; keep it as confidential as the cohort table beside it.

    Raises:
        ValueError: the file does not hold at least 16 bytes in hexadecimal.
    """

    def __init__(self, key_path: str | os.PathLike[str]) -> None:
        path = Path(key_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32) + "\n")
        text = path.read_text(encoding="ascii", errors="replace").strip()
        try:
            self._key = bytes.fromhex(text)
        except ValueError:
            self._key = b""
        if len(self._key) < 16:
            raise ValueError(f"key file {path} must hold at least 32 hexadecimal digits, got {len(text)} characters")

    def __call__(self, subject: str, digits: int = 10, prefix: str = "sub-") -> str:
        """The pseudonym of ``subject``, of so many hexadecimal digits."""
        return prefix + hmac.new(self._key, subject.encode(), hashlib.sha256).hexdigest()[:digits]


def is_pseudonym(text: object) -> bool:
    """Whether a subject is called by what :class:`Pseudonyms` gives, and not by a name that may be its own."""
    return re.fullmatch(r"sub-[0-9a-f]{10}(?:[0-9a-f]{10})?", str(text)) is not None
