"""Which DICOM series a study is about."""

import re
from dataclasses import dataclass
from typing import Any, Self

from pydicom.sr.codedict import codes

from monai_minority.data.volumes.dicom.series import PLANES, DicomSeries

# Those that acquire (CID 29), and the commonest of those that do not.
_OTHERS = [
    "AU",
    "CT",
    "DOC",
    "FID",
    "KO",
    "MR",
    "OT",
    "PR",
    "REG",
    "RTDOSE",
    "RTPLAN",
    "RTRECORD",
    "RTSTRUCT",
    "SEG",
    "SR",
]
_MODALITIES = {getattr(codes.cid29, name).value for name in codes.cid29.dir()}.union(_OTHERS)


@dataclass(frozen=True)
class SeriesRules:
    """Rules that a series must meet to be used; ``None`` accepts all.

    Attributes:
        modality: such as ``MR`` or ``CT``.
        description: regular expression, searched in the series description whatever the case.
        plane: ``axial``, ``coronal`` or ``sagittal``, as which the slices were acquired.
        minimum_slices: fewer are a localiser or a fragment.
        three_d_only: whether the scanner must have said that the acquisition is 3-D.

    Raises:
        ValueError: an unknown plane, a pattern that is no regular expression, fewer than one slice.
    """

    modality: str | None = "MR"
    description: str | None = None
    plane: str | None = None
    minimum_slices: int = 10
    three_d_only: bool = False

    @classmethod
    def of(cls, **rules: Any) -> Self:
        """The rules of a configuration.

        Raises:
            ValueError: one is unknown, or as the class.
        """
        unknown = sorted(set(rules) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ValueError(f"rules of DICOM series must be of {known}, got {', '.join(unknown)}")
        return cls(**rules)

    def __post_init__(self) -> None:
        if self.plane not in (None, *PLANES):
            raise ValueError(f"plane must be one of {', '.join(PLANES)}, got {self.plane!r}")
        if self.minimum_slices < 1:
            raise ValueError(f"minimum_slices must be at least 1, got {self.minimum_slices}")
        try:
            re.compile(self.description or "")
        except re.error as error:
            raise ValueError(f"description must be a regular expression, got {self.description!r}: {error}") from None

    def refusal(self, series: DicomSeries) -> str:
        """Why a series is not used; ``""``: it is. The text holds nothing of the patient."""
        if self.modality and series.modality.upper() != self.modality.upper():
            return f"the modality is {_named(series.modality)}, wanted is {self.modality}"
        if series.problem:
            return series.problem
        if self.description and not re.search(self.description, series.description, re.IGNORECASE):
            return f"the description does not match {self.description!r}"
        if series.slices < self.minimum_slices:
            return f"it has {series.slices} slice(s), wanted are at least {self.minimum_slices}"
        if self.plane and series.plane != self.plane:
            return f"the plane is {series.plane}, wanted is {self.plane}"
        if self.three_d_only and series.acquisition != "3D":
            return f"the acquisition is {series.acquisition or 'not said to be 3-D'}, wanted is 3D"
        return ""


def _named(modality: str) -> str:
    """A modality as it may be shown: what is none of DICOM's may be anything, such as a name."""
    return (modality if modality in _MODALITIES else "none of DICOM's") if modality else "not said"
