"""ImageNet (ILSVRC 2012): 1.28 million training images in 1,000 classes, at any size."""

from pathlib import Path

import numpy as np
from timm.data import ImageNetInfo

from monai_minority.data.cohort.cohort import Cohort
from monai_minority.data.paths import Rejection
from monai_minority.data.sources.image_folder import image_folder, with_class_labels
from monai_minority.data.sources.layout import PathLike, array_cohort, existing_set, not_there, read_parts
from monai_minority.data.sources.npz import map_member, read_labels
from monai_minority.keys import Split

LAYOUT = (
    "pictures as train/<class>/… and val/<class>/… with classes such as n01440764, or the published batches of the "
    "downsampled data set (train_data_batch_1.npz to 10, val_data.npz; beside them map_clsloc.txt)"
)
_BATCHES = {f"train_data_batch_{i}.npz": Split.TRAIN for i in range(1, 11)} | {"val_data.npz": Split.VALIDATION}


def imagenet(path: PathLike, max_images: int | None = None) -> Cohort:
    """ImageNet from pictures in folders, or downsampled (Chrabaszcz et al., 2017) from batches.

    Class labels number all 1,000 class names (WordNet synsets) in alphabetical order, like every published network,
    even if classes are missing. The batches number classes in a different order, which ``map_clsloc.txt`` translates.
    Without that file their numbers minus one are kept, and a published network would take them for other classes.

    Args:
        path: the folder. Batches may be incomplete.
        max_images: largest number of images per split. ``None`` keeps all.

    Returns:
        A cohort with ``split`` (train, validation), ``group`` (synset) and ``class_label``.

    Raises:
        FileNotFoundError: there is no part of the data set. The message shows the expected layout.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.data.sources import imagenet
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for place in ("train/n01443537", "val/n01443537"):
        ...         (Path(folder) / place).mkdir(parents=True)
        ...         (Path(folder) / place / "1.jpg").touch()
        ...     table = imagenet(folder).table
        >>> table[["split", "group", "class_label"]].to_numpy().tolist()
        [['train', 'n01443537', 1], ['validation', 'n01443537', 1]]
    """
    path = existing_set(path, "ImageNet", LAYOUT)
    synsets = list(ImageNetInfo().label_names())
    if any((path / name).is_file() for name in _BATCHES):
        return _from_batches(path, synsets, max_images)
    if not path.is_dir() or not any(entry.is_dir() for entry in path.iterdir()):
        raise not_there(path, "ImageNet", LAYOUT)
    return with_class_labels(image_folder(path, max_images), synsets, "ImageNet")


def _from_batches(folder: Path, synsets: list[str], max_images: int | None) -> Cohort:
    files = {folder / name: split for name, split in _BATCHES.items()}
    images, splits, numbers, rejected = read_parts(folder, "ImageNet", LAYOUT, files, _labels, _images)
    order = folder / "map_clsloc.txt"
    names = None
    if order.is_file():
        lines = [line.split() for line in order.read_text(encoding="utf-8").splitlines() if line.strip()]
        place = {int(number) - 1: synsets.index(synset) for synset, number, *_ in lines}
        numbers, names = np.array([place[number] for number in numbers.tolist()]), synsets
    else:
        reason = (
            "the file is missing: class labels have the numbers of the batches, minus one, not the usual ones of "
            "ImageNet"
        )
        rejected.append(Rejection(str(order), "", reason))
    return array_cohort(images, splits, numbers, rejected, names, max_images)


def _labels(file: Path) -> np.ndarray:
    return read_labels(file, "labels", len(_images(file))) - 1


def _images(file: Path) -> np.ndarray:
    """Images ``[N, H, W, 3]``; the file stores them channel by channel."""
    flat = map_member(file, "data")
    side = round((flat.shape[-1] / 3) ** 0.5)
    if flat.dtype != np.uint8 or flat.ndim != 2 or flat.shape[1] != 3 * side * side:
        raise ValueError(f"data must be uint8 [N, 3 * side * side], got {flat.dtype} {flat.shape}")
    return flat.reshape(-1, 3, side, side).transpose(0, 2, 3, 1)
