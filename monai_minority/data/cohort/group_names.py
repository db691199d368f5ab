"""Names of groups that may identify a patient, and labels in their place."""

import logging
import re

import pandas as pd

from monai_minority.data.persons import spelling
from monai_minority.keys import Column

logger = logging.getLogger(__name__)

_LONGEST = 40  # characters of a name of a group; more is free text
_WORDS = 4  # of a name of a group that one subject has
_IDENTIFIER = re.compile(r"\d{5}|(?<!\d)(19|20)\d\d(?!\d)|\d{1,2}[-./_]\d{1,2}[-./_]\d{2,4}|[\^@\\]|\d+-\d+-\d+")
_SYNSET = re.compile(r"n\d{8}")  # a class of ImageNet
_FEW = 5  # groups: with so few, each may have one subject by chance
_MANY, _SMALL = 10, 10  # more groups, of fewer images, than classes of pictures have


def public_groups(table: pd.DataFrame) -> pd.Series:
    """The groups of a cohort as a store may name them.

    Groups keep their names, unless one looks like that of a patient: it has a long number or a date, is long free text,
    or is of one subject alone and has a word with a capital or many words; or all are words with capitals that no other
    group shares, have one subject each, or are many and small. Then all get ``group-1``, ``group-2``, … in alphabetical
    order, and this is logged. ``cohort.csv`` has the names.
    """
    groups = table[Column.GROUP]
    why = _identifying(table[groups.notna()])
    if not why:
        return groups
    names = sorted(groups.dropna().astype(str).unique())
    logger.warning(
        "%d values of group may identify patients (%s): store and report name them group-1 to group-%d in alphabetical "
        "order; if they do not, set keep_groups=true",
        len(names),
        why,
        len(names),
    )
    width = len(str(len(names)))
    labels = {name: f"group-{number:0{width}d}" for number, name in enumerate(names, 1)}
    return groups.map(lambda name: labels[str(name)], na_action="ignore")


def _identifying(table: pd.DataFrame) -> str:
    """Why groups look like patients; ``""`` if they do not."""
    groups = table[Column.GROUP].astype(str)
    names = list(groups.unique())
    if any(_IDENTIFIER.search(name) and not _SYNSET.fullmatch(name) for name in names):
        return "a number or date"
    subjects = table[Column.SUBJECT].astype(str)
    subjects_of = subjects.groupby(groups).nunique()
    own = [_words(name) for name in names if subjects_of[name] == 1]
    if any(len(name) > _LONGEST for name in names) or any(len(words) > _WORDS for words in own):
        return "free text"
    if any(_is_proper(word) for words in own for word in words):
        return "a word with a capital for one subject"
    if _like_names(names):
        return "words like names"
    one_each = bool((subjects_of == 1).all()) and subjects.duplicated().any()
    holds = [
        len(name) > 2
        and spelling(name) in spelling(subject)
        and not subject.startswith(f"{name}/")  # path of a picture
        for name, subject in zip(groups, subjects, strict=True)
    ]
    if (subjects_of == 1).all() and (len(names) > _FEW and one_each or len(names) > 1 and all(holds)):
        return "a group for each subject"
    if len(names) > _MANY and subjects_of.median() < _SMALL:
        return "many groups of few images"
    return ""


def _like_names(names: list[str]) -> bool:
    """Whether every name is two or three words with capitals ("Jane Doe", "Doe, Jo") that few other names share."""
    words = [_words(name) for name in names]
    capital = all(2 <= len(own) <= 3 and all(_is_proper(word) or len(word) == 1 for word in own) for own in words)
    counts = pd.Series([word for own in words for word in {w.casefold() for w in own}]).value_counts()
    return bool(names) and capital and counts.max() <= max(1, len(names) / 3)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def _is_proper(word: str) -> bool:
    """Whether a word is written as a name is: not "control", and no abbreviation such as "AD"."""
    return len(word) > 1 and word[0].isupper() and not word[1:].isupper()
