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
    """Paths of all files of a DICOM series; ``IMAGE`` has the first one. Used only before extraction."""
    PATH = "path"
    """Path of a loaded volume. Slices are stored without it."""
    INTENSITY = "intensity"
    """Measure of a volume, float64 ``[13]``, that its slices carry to the intensity scale. It is not stored."""
    SUBJECT = "subject"
    GROUP = "group"
    SPLIT = "split"
    INDEX = "index"
    """Row of the image in its store."""
    SEED = "seed"
    CLASS_LABEL = "class_label"
    """Integer label from the data set (the ``c`` of Eq. 16), the input of a conditional network."""
    TARGET_CLASS = "target_class"
    """Minority class that sampling aims at: 0 is the most common, -1 means no guidance."""


class Column(StrEnum):
    """Columns of a store's table. A stage adds its own columns and removes none."""

    SOURCE = "source"
    SUBJECT = "subject"
    SLICE = "slice"
    POSITION = "position"
    """Position of the slice along its axis, in the configured unit (index, mm or fraction)."""
    SPLIT = "split"
    GROUP = "group"
    SEVERITY = "severity"
    CLASS_LABEL = "class_label"
    SCORE = "minority_score"
    SCORE_ERROR = "minority_score_error"
    SCORE_RANK = "score_rank"
    """Share of the training images that have a lower score, in [0, 1]."""
    MINORITY_CLASS = "minority_class"
    SEED = "seed"
    TARGET_CLASS = "target_class"
    SCALE = "guidance_scale"
    SYNTHETIC = "synthetic"


class Split(StrEnum):
    """Roles of an image. Models learn from ``TRAIN`` alone."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    REFERENCE = "reference"
    """Real images held out for comparison with generated ones."""
