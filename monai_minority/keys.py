"""The names of dictionary keys and table columns, written once.

MONAI passes batches as dictionaries and :class:`~monai_minority.data.ImageStore` keeps a table beside its images. Every
key and column that more than one module reads has its name here.
"""

from enum import StrEnum


class Key(StrEnum):
    """Keys of the dictionaries that data lists, transforms, batches and engines exchange."""

    IMAGE = "image"
    """Image tensor ``[C, H, W]`` in [-1, 1] (``[B, C, H, W]`` in a batch); before extraction, the path of a volume."""
    FILES = "files"
    """Paths of all files of a DICOM series, beside the first one in ``IMAGE``; before extraction alone."""
    PATH = "path"
    """Path of a volume that is loaded, until its slices are stored without it."""
    INTENSITY = "intensity"
    """Measure of a volume, float64 ``[13]``, that its slices carry to the intensity scale; before storing alone."""
    SUBJECT = "subject"
    GROUP = "group"
    SPLIT = "split"
    INDEX = "index"
    """Row of the image in its store."""
    SEED = "seed"
    CLASS_LABEL = "class_label"
    """Integer label of the data set itself (the ``c`` of Eq. 16), as a conditional network takes it."""
    TARGET_CLASS = "target_class"
    """Minority class that an image to be sampled aims at, 0 the most common, -1 for none."""


class Column(StrEnum):
    """Columns of a store's table. A stage adds the columns under its own name and removes none."""

    SOURCE = "source"
    SUBJECT = "subject"
    SLICE = "slice"
    POSITION = "position"
    """Position of the slice along its axis, in the unit chosen in the configuration (index, mm or fraction)."""
    SPLIT = "split"
    GROUP = "group"
    SEVERITY = "severity"
    CLASS_LABEL = "class_label"
    SCORE = "minority_score"
    SCORE_ERROR = "minority_score_error"
    MINORITY_CLASS = "minority_class"
    SEED = "seed"
    TARGET_CLASS = "target_class"
    SCALE = "guidance_scale"
    SYNTHETIC = "synthetic"


class Split(StrEnum):
    """Roles of an image. Only ``TRAIN`` is ever learned from."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    REFERENCE = "reference"
    """Real images kept apart to compare generated ones with."""
