"""Why a file was left out, in a few fixed words. What an error message quotes may be the name of a patient."""

import re

OTHER = "other"
_PATTERNS = (
    (
        "by_rule",
        r"^series of .*: (the (modality|plane|acquisition) must be|the description does not match|it must have)",
    ),
    ("synthetic", r"synthetic|generated|passed over: the folder is .* of monai_minority"),
    ("content_not_fetched", r"datalad get|git lfs pull"),
    ("link_leads_nowhere", r"the link leads"),
    ("missing", r"does not exist|is not beside it|no image is given|the subject has no image"),
    ("not_a_regular_file", r"not a regular file"),
    ("empty", r"is empty \(0 bytes\)"),
    ("closed", r"cannot be (read|reached)|Permission"),
    ("too_slow", r"reading takes longer"),
    (
        "too_large",
        r"exceeds the .* allowed|more than the .* allowed|claims .* bytes|holds more than|more pixels|too large",
    ),
    ("truncated", r"truncated|ends early|ends before"),
    ("archive", r"archive"),
    ("repeated", r"repeats a slice|lists the same file twice|already belongs to|listed twice"),
    (
        "not_of_its_series",
        r"differs from the other files of its series|does not fit into the stack|unlike the other files",
    ),
    ("localiser", r"a localiser"),
    ("mosaic", r"a mosaic"),
    ("slices_missing", r"are missing|transfer is incomplete|the series is incomplete"),
    ("mixed_series", r"mixed (matrix|orientations|pixel)|do not form a stack|gaps between"),
    ("files_of_the_series", r"of its \d+ files cannot be used"),
    ("several_volumes", r"4-D|volume_index|holds \d+ pictures|says of \d+ where they lie"),
    ("no_orientation", r"does not say how the volume lies|left from right"),
    ("orientation_contradicts", r"sform|qform|affine|lack position"),
    (
        "value_unreadable",
        r"scl_slope|scl_inter|vox_offset|cannot be read: it must be|number of frames|data type that does",
    ),
    ("voxels_not_finite", r"NaN or infinite"),
    ("slices_do_not_fit", r"too small for the chosen slices|of the chosen positions"),
    ("constant", r"have the same value|constant"),
    ("colour", r"colour|complex|has mode"),
    ("range", r"images range from|has 32 bits"),
    ("size_differs", r"earlier ones are|voxel spacing"),
    ("label_map", r"label map|passed over"),
    ("no_image", r"no DICOM|not a DICOM|holds no image|which series it belongs|no reader recognises|Analyze|holds no"),
    ("damaged", r"damaged|cannot be decoded|invalid|compressed, but"),
    ("no_subject", r"no subject is given|does not match subject_pattern"),
    ("label_unreadable", r"severity"),
)
"""Code and pattern, the first that fits counts."""
CODES = (*(code for code, _ in _PATTERNS), OTHER)


def reason_code(reason: str) -> str:
    """The code of a reason; ``"other"`` for one that is not known.

    Example:
        >>> from monai_minority.data.cohort.reasons import reason_code
        >>> [reason_code(text) for text in ("the file is empty (0 bytes)", "[Errno 5] /data/Jo Li: broken pipe")]
        ['empty', 'other']
    """
    return next((code for code, pattern in _PATTERNS if re.search(pattern, reason)), OTHER)
