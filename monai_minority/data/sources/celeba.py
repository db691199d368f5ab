"""CelebA: 202,599 aligned faces with 40 attributes (Liu et al., ICCV 2015)."""

from pathlib import Path

import pandas as pd

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.layout import PathLike, existing_set, finished, not_there
from monai_minority.keys import Column, Key, Split

LAYOUT = (
    "img_align_celeba/ with 000001.jpg …, list_eval_partition and list_attr_celeba (.txt or .csv), and optionally "
    "identity_CelebA.txt"
)
_SPLITS = {0: str(Split.TRAIN), 1: str(Split.VALIDATION), 2: str(Split.TEST)}


def celeba(path: PathLike, label: str | None = None, max_images: int | None = None) -> Cohort:
    """CelebA from its aligned pictures and its lists.

    Args:
        path: folder of the lists, or the folder above a folder ``celeba`` with the lists.
        label: attribute that becomes ``class_label`` (0, 1) and ``group``, for example ``Eyeglasses``.
        max_images: largest number of images per split. ``None`` keeps all.

    Returns:
        A cohort with the published ``split`` and a column of 0 and 1 for each attribute. The subject is the person
        if ``identity_CelebA.txt`` exists, else the picture. One rejected entry counts the listed pictures that are
        missing.

    Raises:
        FileNotFoundError: pictures or lists are missing. The message shows the expected layout.
        ValueError: ``label`` is not an attribute.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import celeba
        >>> with tempfile.TemporaryDirectory() as name:
        ...     folder = Path(name)
        ...     (folder / "img_align_celeba").mkdir()
        ...     for picture in ("000001.jpg", "000002.jpg"):
        ...         (folder / "img_align_celeba" / picture).touch()
        ...     partition = "000001.jpg 0\\n000002.jpg 2\\n"
        ...     size = (folder / "list_eval_partition.txt").write_text(partition)
        ...     attributes = "2\\nEyeglasses Smiling\\n000001.jpg -1 1\\n000002.jpg 1 1\\n"
        ...     size = (folder / "list_attr_celeba.txt").write_text(attributes)
        ...     cohort = celeba(folder, label="Eyeglasses")
        >>> cohort.table[["split", "group"]].to_numpy().tolist()
        [['train', 'not Eyeglasses'], ['test', 'Eyeglasses']]
    """
    path = existing_set(path, "CelebA", LAYOUT)
    if (path / "celeba").is_dir():
        path = path / "celeba"
    pictures = path / "img_align_celeba"
    if (pictures / pictures.name).is_dir():  # as some archives unpack
        pictures = pictures / pictures.name
    partition, attributes = _table(path, "list_eval_partition"), _table(path, "list_attr_celeba")
    if partition is None or attributes is None or not pictures.is_dir():
        raise not_there(path, "CelebA", LAYOUT)
    table = partition.iloc[:, 0].astype(int).map(_SPLITS).rename(str(Column.SPLIT)).to_frame()
    table = table.join((attributes.astype(int) > 0).astype(int))
    if label is not None:
        if label not in attributes:
            raise ValueError(f"label must be an attribute of CelebA, got {label!r}; it has {', '.join(attributes)}")
        table[str(Column.CLASS_LABEL)] = table[label]
        table[str(Column.GROUP)] = table[label].map({0: f"not {label}", 1: label})
    people = _table(path, "identity_CelebA")
    name = table.index.to_series()
    table[str(Column.SUBJECT)] = (
        name if people is None else people.iloc[:, 0].reindex(name).fillna(name).map("{}".format)
    )
    table[str(Key.IMAGE)] = str(pictures) + "/" + name
    there = name.isin({file.name for file in pictures.iterdir()})
    if not there.any():
        raise not_there(pictures, "CelebA", "000001.jpg …")
    rejected = []
    if not there.all():
        reason = (
            f"{(~there).sum()} of the {len(table)} listed pictures are missing, the first is {name[~there].iloc[0]}"
        )
        rejected.append(Rejection(str(pictures), "", reason))
    return finished(Cohort.from_records(table[there], rejected), max_images)


def _table(path: Path, name: str) -> pd.DataFrame | None:
    """Read a list, indexed by file name, from a CSV or text file; ``None`` if neither exists."""
    if (path / f"{name}.csv").is_file():
        return pd.read_csv(path / f"{name}.csv", index_col=0)
    file = path / f"{name}.txt"
    if not file.is_file():
        return None
    if name == "list_attr_celeba":  # first line: number of pictures; second line: attributes; then the pictures
        return pd.read_csv(file, sep=r"\s+", skiprows=1)
    return pd.read_csv(file, sep=r"\s+", header=None, index_col=0)
