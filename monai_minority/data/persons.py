"""Who is one person: spellings of one name, texts that name nobody, and IDs that lost their zeros."""

import re
import unicodedata
from contextlib import suppress

_NOBODY = re.compile(
    "anon|anonym|anonymi[sz]ed|anonymo?us|blank|de|deidentified|deleted|dummy|empty|hidden|id|identified|masked|missing|"
    "na|name|nan|nil|no|nobody|noname|none|null|number|patient|patientid|patientname|person|pseudonymi[sz]ed|redacted|"
    "removed|subject|test|unassigned|undefined|unidentified|unknown|unnamed|unspecified|withheld|0+|x+"
)


def names_nobody(text: str) -> bool:
    """Whether a patient ID or name is a placeholder: empty, zeros, or words such as "Anonymous".

    Example:
        >>> from monai_minority.data.persons import names_nobody
        >>> [names_nobody(text) for text in ("", "000", "Anonymous^Patient", "n/a", "XXXX", "Patient 7", "Doe^Jane")]
        [True, True, True, True, True, False, False]
    """
    words = re.findall(r"[^\W\d_]+|\d+", spelling(text))
    return words == ["n", "a"] or all(_NOBODY.fullmatch(word) for word in words)


def spelling(text: str, is_name: bool = False) -> str:
    """One form for the ways in which one ID or name is written: case, spaces, character sets.

    Args:
        text: the ID or name.
        is_name: whether it is a DICOM name, in which empty components at the end may be left out (PS3.5, 6.2.1), and
            the ideographic and phonetic forms after the first may be missing.

    Example:
        >>> from monai_minority.data.persons import spelling
        >>> {spelling(text, is_name=True) for text in ("Müller^Eva", "MÜLLER^Eva^^", " Müller ^Eva=x", "MÃ¼ller^Eva")}
        {'müller^eva'}
    """
    with suppress(UnicodeError):  # UTF-8 that was read as Latin-1, because a file does not state its character set
        text = text.encode("latin-1").decode("utf-8")
    text = unicodedata.normalize("NFKC", text.replace("\0", " ")).casefold()
    if not is_name:
        return " ".join(text.split())
    form = next((form for form in text.split("=") if form.strip(" ^")), "")
    return "^".join(" ".join(part.split()) for part in form.split("^")).rstrip("^")


def without_zeros(text: str) -> str:
    """The spelling of an ID without the zeros that spreadsheets drop: ``sub-007`` and ``7`` are ``sub-7`` and ``7``.

    Example:
        >>> from monai_minority.data.persons import without_zeros
        >>> [without_zeros(text) for text in ("sub-007", "P0", "10203", "7.0")]
        ['sub-7', 'p0', '10203', '7']
    """
    text = re.sub(r"^(\d+)\.0+$", r"\1", spelling(text))
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)
