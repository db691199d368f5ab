"""What the path of a volume says: its case, its modality, and whether it is a label map."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from monai_minority.data.paths import stem

_LABELS = {
    *("aparc", "aseg", "brainmask", "dseg", "groundtruth", "label", "labelmap", "labelmaps", "labels", "lesionmask"),
    *("mask", "masks", "parcellation", "probseg", "seg", "segm", "segmentation", "segmentations", "segs", "wmparc"),
}
_LABELS_AT_THE_END = {"annotation", "annotations", "contour", "contours", "gt", "roi", "rois"}
_LABEL_FOLDERS = {
    *("annotations", "ground_truth", "groundtruth", "gt", "label", "labelmaps", "labels", "labelstr", "labelsts"),
    *("labelsval", "mask", "masks", "roi", "rois", "seg", "segmentation", "segmentations", "segs"),
}
_GLUED = re.compile(r"(?i:mask|segmentation|labelmap)$|(?<=[a-z0-9])(Seg|Label)s?$|(?<=\d)(seg|label)s?$")
_MODALITY = re.compile(
    r"t1(w|n|c|ce|gd|km|wce|wgd|post|pre|fl|rho)?|t2(w|f|s|star|starw|flair)?|flair|pdw?|mprage|mp2rage|spgr|stir|tir|"
    r"dwi|dti|adc|swi|swan|asl|cbf|cbv|bold|fmri|dce|dsc|mra|tof|cta?|ncct|pet|fdg|fa|md|hbv|unit1|inplanet[12]",
    re.IGNORECASE,
)
# A repeat or a visit of the same person, not another kind of image. The short words count only behind a number.
_VISIT = re.compile(r"(ses|session|visit|timepoint)-?\d+|baseline|follow-?up\d*", re.IGNORECASE)
_REPEAT = re.compile(r"(run|v|tp|time|scan|acq|rep|bl|fu)-?\d+", re.IGNORECASE)
_PLACE = {
    *("anat", "converted", "data", "dicom", "image", "images", "img", "imgs", "mr", "mri", "nifti", "nii", "niftis"),
    *("orig", "original", "raw", "scans", "structural", "volumes"),
}
_SUB = re.compile(r"(?:^|/)(sub-[^/_.]+)")
# BraTS 2023 and later write the time point behind the patient.
_TIME_POINT = re.compile(r"(?i:brats)-[A-Za-z0-9]+-\d+(?=-\d{3}$)")
_SPLIT = re.compile(r"([_\-. ]+)")


LABEL_MAP = "passed over: its name says that it is a label map or a mask, not an image"


@dataclass(frozen=True)
class VolumeName:
    """What a path says.

    Attributes:
        case: the person or the case.
        kind: the modality, or what else tells the volumes of one case apart; ``""`` if nothing does.
    """

    case: str
    kind: str


def is_label_map(below: str) -> bool:
    """Whether a path, relative to the data folder, says that a volume holds labels or a mask and no image.

    Example:
        >>> from monai_minority.data.cohort.cases import is_label_map
        >>> [is_label_map(name) for name in ("P1/P1_seg.nii.gz", "labelsTr/P1.nii", "P1_brainMask.mgz", "P1_t1.nii")]
        [True, True, True, False]
    """
    path = PurePosixPath(below)
    if any(part.lower() in _LABEL_FOLDERS for part in path.parts[:-1]):
        return True
    words = [word for word in re.split(r"[_\-. +]+", stem(path.name)) if word]
    named = [word.lower() for word in words]
    while len(named) > 1 and named[-1].isdigit():
        named.pop()
        words.pop()
    return bool(words) and (
        any(re.sub(r"\d+$", "", word) in _LABELS for word in named)
        or named[-1] in _LABELS_AT_THE_END
        or bool(_GLUED.search(words[-1]))
    )


def names_of(paths: Sequence[str]) -> list[VolumeName]:
    """Case and kind of every volume of a folder.

    A ``sub-<label>`` in the path is the case. Otherwise the modality at the end or the start of the file name is taken
    off, and the rest is the case; a file that is called by its modality alone, or as the files of other folders are,
    belongs to the case of its folder.

    Args:
        paths: paths relative to the folder, of images alone (:func:`is_label_map`).

    Example:
        >>> from monai_minority.data.cohort.cases import names_of
        >>> [(name.case, name.kind) for name in names_of(["P1/P1_t1.nii", "P1/P1_flair.nii", "P2/t1.nii"])]
        [('P1', 't1'), ('P1', 'flair'), ('P2', 't1')]
        >>> [(name.case, name.kind) for name in names_of(["A/brain.nii", "B/brain.nii"])]
        [('A', ''), ('B', '')]
    """
    named = [_named(PurePosixPath(path)) for path in paths]
    return _by_folder(paths, named)


def kinds_of(names: Iterable[VolumeName]) -> dict[str, int]:
    """Number of cases of each kind, if volumes of one case differ in kind; otherwise nothing."""
    by_case: dict[str, set[str]] = defaultdict(set)
    for name in names:
        by_case[name.case].add(name.kind)
    if all(len(kinds) < 2 for kinds in by_case.values()):
        return {}
    return dict(sorted(Counter(kind for kinds in by_case.values() for kind in kinds).items()))


def chosen_kinds(wanted: str | Sequence[str], kinds: Mapping[str, int]) -> set[str]:
    """The kinds that a person means: without regard to case, and ``t1`` for ``T1w`` where no ``t1`` exists.

    Raises:
        ValueError: there is none.
    """
    found: set[str] = set()
    for one in [wanted] if isinstance(wanted, str | int) else wanted:
        text = str(one).lower()
        exact = {kind for kind in kinds if kind.lower() == text}
        loose = {kind for kind in kinds if re.sub(r"(?<=[12d])w$", "", kind.lower()) == text.removesuffix("w")}
        if not exact | loose:
            known = ", ".join(filter(None, kinds))
            rule = (
                f"must be one of {known}" if known else "cannot be chosen where names of files and folders tell of none"
            )
            raise ValueError(f"modality {rule}, got {one}")
        found |= exact or loose
    return found


def _named(path: PurePosixPath) -> VolumeName:
    parts = _SPLIT.split(stem(path.name))
    words, gaps = parts[::2], parts[1::2]
    sub = _SUB.search(path.as_posix())
    place = next((n for n, word in enumerate(words) if _MODALITY.fullmatch(word)), None)
    if place is None:
        folder = next((part for part in reversed(path.parts[:-1]) if _MODALITY.fullmatch(part)), "")
        return VolumeName(sub[1] if sub else _case(words, gaps, set()), folder)
    # Words behind the modality belong to it (T1_unstripped); numbers, repeats and visits do not.
    own = {n for n in range(place, len(words)) if n == place or not re.search(r"\d", words[n] + _visit(words[n]))}
    kind = "_".join(words[n] for n in sorted(own))
    if place == 0 and len(words) > 1:  # T1_P01: the words behind are the case
        own, kind = {0}, words[0]
    return VolumeName(
        sub[1] if sub else _case(words, gaps, own) or _case_of_folder(path) or stem(path.as_posix()), kind
    )


def _case(words: Sequence[str], gaps: Sequence[str], left_out: set[int]) -> str:
    """The words that stay, with the separators in front of them."""
    kept = [n for n in range(len(words)) if n not in left_out and not (n and _VISIT.fullmatch(words[n]))]
    single = [n for n in kept if not (n and _REPEAT.fullmatch(words[n]))]
    if any(re.search(r"\d", words[n]) for n in single):
        kept = single
    text = "".join((gaps[n - 1] if n else "") + words[n] for n in kept).strip("_-. ")
    point = _TIME_POINT.match(text)
    return point[0] if point else text


def _visit(word: str) -> str:
    return "0" if _VISIT.fullmatch(word) else ""


def _case_of_folder(path: PurePosixPath) -> str:
    """The case that the folders of a file name, without visits, modalities and names such as ``nifti``; or ``""``."""
    parts = [
        part
        for part in path.parts[:-1]
        if not (part.lower() in _PLACE or any(rule.fullmatch(part) for rule in (_VISIT, _REPEAT, _MODALITY)))
    ]
    text = "/".join(parts)
    point = _TIME_POINT.match(text)
    return point[0] if point else text


def _by_folder(paths: Sequence[str], named: list[VolumeName]) -> list[VolumeName]:
    """Where the files of many folders are called alike, or all after their folder, the folder is the case and the rest
    of the file name is its kind."""
    inside = [n for n, name in enumerate(named) if "/" in paths[n] and not name.kind and not _SUB.search(paths[n])]
    folders = {n: case for n in inside if (case := _case_of_folder(PurePosixPath(paths[n])))}
    own = {n: _without_folder(PurePosixPath(paths[n])) for n in folders}
    where: dict[str, set[str]] = defaultdict(set)
    for n, text in own.items():
        where[_unnumbered(text)].add(folders[n])
    alike = {text for text, places in where.items() if len(places) > 1}
    after = {n for n in folders if own[n] != stem(PurePosixPath(paths[n]).name)}
    if not after and (not alike or len(where) > len(set(folders.values()))):
        return named
    several = len(alike) > 1 or any(name.kind for name in named)
    result = list(named)
    for n, text in own.items():
        kind = _unnumbered(text) if several and _unnumbered(text) in alike else ""
        if alike or n in after:
            result[n] = replace(named[n], case=folders[n], kind=kind)
    return result


def _without_folder(path: PurePosixPath) -> str:
    """The stem of a file without the name of its folder in front."""
    text, folder = stem(path.name), path.parent.name
    rest = text.removeprefix(folder)
    return rest.strip("_-. ") if rest != text and (not rest or rest[0] in "_-. ") else text


def _unnumbered(text: str) -> str:
    return re.sub(r"[_\-. ]*\d+$", "", text)
