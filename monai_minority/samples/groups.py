"""Group the images of a sample store by target class and guidance scale."""

import numpy as np
import pandas as pd

from monai_minority.data.store.image_store import ImageStore
from monai_minority.keys import Column
from monai_minority.samples.plan import UNGUIDED


def sample_groups(store: ImageStore) -> dict[str, ImageStore]:
    """Split a sample store by target class, and by guidance scale if there are several, in ascending order.

    Args:
        store: generated images. Without the columns ``target_class`` and ``guidance_scale`` all are unguided.

    Returns:
        Subsets of the store by names that are valid file names: ``unguided``, ``class_3`` or ``class_3_scale_2.5``.

    Example:
        >>> import tempfile, numpy as np
        >>> from monai_minority.data import ImageStore
        >>> from monai_minority.samples import sample_groups
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pixels, table = np.zeros((3, 1, 2, 2), np.uint8), {"target_class": [3, -1, 3]}
        ...     store = ImageStore.create(f"{folder}/store", pixels, table, (0, 255), synthetic=True)
        ...     {name: len(group) for name, group in sample_groups(store).items()}
        {'unguided': 1, 'class_3': 2}
    """
    table = store.table
    absent = pd.Series(np.nan, index=table.index)
    target = table.get(Column.TARGET_CLASS, absent).fillna(UNGUIDED).astype(int)
    scale = table.get(Column.SCALE, absent).fillna(0.0).astype(float)
    several = scale[target != UNGUIDED].nunique() > 1
    groups = {}
    for (number, strength), rows in pd.Series(scale.index).groupby([target, scale], sort=True):
        name = "unguided" if number == UNGUIDED else f"class_{number}"
        if several and number != UNGUIDED:
            name += f"_scale_{strength:g}"
        groups[name] = store.subset(np.isin(np.arange(len(store)), rows))
    return groups
