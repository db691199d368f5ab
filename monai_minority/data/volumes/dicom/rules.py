"""Rules that select DICOM series."""

import re
from dataclasses import dataclass
from typing import Any, Self

from pydicom.sr.codedict import codes

from monai_minority.data.volumes.dicom.series import PLANES, DicomSeries

# Common modalities besides the acquisition modalities (CID 29).
_OTHERS = [
    *("AU", "CT", "DOC", "FID", "KO", "MR", "OT", "PR"),
    *("REG", "RTDOSE", "RTPLAN", "RTRECORD", "RTSTRUCT", "SEG", "SR"),
]
_MODALITIES = {getattr(codes.cid29, name).value for name in codes.cid29.dir()}.union(_OTHERS)


@dataclass(frozen=True)
class SeriesRules:
    """Rules that a series must meet to be used. ``None`` accepts all series.

    Attributes:
        modality: for example ``MR`` or ``CT``.
        description: regular expression that is searched in the series description, ignoring case.
        plane: plane of acquisition: ``axial``, ``coronal`` or ``sagittal``.
        minimum_slices: smallest number of slices. Shorter series are localisers or fragments.
        three_d_only: whether the header must state a 3-D acquisition.

    Raises:
        ValueError: the plane is unknown, the description is not a regular expression, or ``minimum_slices`` is below 1.

    Example:
        >>> from pydicom import examples
        >>> from monai_minority.data import SeriesRules
        >>> from monai_minority.data.volumes.dicom.series import group_series
        >>> (series,), others = group_series([examples.get_path("mr")])
        >>> SeriesRules(minimum_slices=10).refusal(series)
        'it must have at least 10 slices, got 1'
    """

    modality: str | None = "MR"
    description: str | None = None
    plane: str | None = None
    minimum_slices: int = 10
    three_d_only: bool = False

    @classmethod
    def of(cls, **rules: Any) -> Self:
        """Make rules from the settings of a configuration.

        Raises:
            ValueError: a rule is unknown or has an invalid value.
        """
        unknown = sorted(set(rules) - set(cls.__dataclass_fields__))
        if unknown:
            known = ", ".join(cls.__dataclass_fields__)
            raise ValueError(f"rules of DICOM series must be among {known}, got {', '.join(unknown)}")
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
        """The reason why a series is rejected, or ``""`` if it is used. The text has no patient data."""
        if self.modality and series.modality.upper() != self.modality.upper():
            return f"the modality must be {self.modality}, got {_named(series.modality)}"
        if series.problem:
            return series.problem
        if self.description and not re.search(self.description, series.description, re.IGNORECASE):
            return f"the description does not match {self.description!r}"
        if series.slices < self.minimum_slices:
            return f"it must have at least {self.minimum_slices} slices, got {series.slices}"
        if self.plane and series.plane != self.plane:
            return f"the plane must be {self.plane}, got {series.plane}"
        if self.three_d_only and series.acquisition != "3D":
            return f"the acquisition must be 3D, got {series.acquisition or 'no statement in the header'}"
        return ""


def _named(modality: str) -> str:
    """A modality for display. A text that is not a DICOM modality is hidden, because it may be a name."""
    return (modality if modality in _MODALITIES else "a text that is not a DICOM modality") if modality else "none"
