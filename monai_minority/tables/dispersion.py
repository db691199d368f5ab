"""Whether unguided images are as various as the real ones: a backbone that draws the typical loses both tails."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from monai_minority.keys import Column
from monai_minority.tables.images import GeneratedImages, RealImages
from monai_minority.tables.judges import Judge
from monai_minority.tables.measures import BRIGHTNESS
from monai_minority.tables.rows import REAL, UNSEEN, share, unguided_rows, with_ends
from monai_minority.tables.settings import MeasureSettings

TAIL = 0.05
"""Share of the training images beyond each of the two percentiles, and of any set that is as various as they are."""

BELOW, ABOVE = "share_below_5", "share_above_95"
COLUMNS = ["set", "measure", "n", "n_measured", "clusters", "real_5", "real_95", *with_ends(BELOW, ABOVE)]


def dispersion_table(
    real: RealImages, generated: GeneratedImages, judges: Sequence[Judge], settings: MeasureSettings
) -> pd.DataFrame:
    """Shares of images beyond the 5th and the 95th percentile of the training images.

    About :data:`TAIL` beyond each is right. Less: the set keeps to the middle, so a backbone whose unguided images do
    is to be trained on before it is guided harder. The real images that were never trained on are the control: of the
    minority score they have more above, for the network knows the training images better.

    Returns:
        A row of the training images, of those never trained on and of the unguided set for each judge of severity, the
        minority score and the mean brightness: ``set``, ``measure``, ``n``, ``n_measured``, ``clusters``, the
        percentiles ``real_5`` and ``real_95`` of the training images, and the shares beyond them with Wilson's
        intervals, which know subjects and seeds. No rows without unguided images.
    """
    rows: list[dict[str, Any]] = []
    plain = unguided_rows(generated)
    if plain is None:
        return pd.DataFrame(columns=COLUMNS)
    apart = np.flatnonzero(settings.is_held_out(real.table))
    seeds = generated.table[Column.SEED].to_numpy()
    for measure, ours, theirs in _measures(real, generated, judges):
        training = ours[real.training]
        if np.isnan(training).all():
            continue
        low, high = np.nanpercentile(training, [100 * TAIL, 100 * (1 - TAIL)])
        for name, values, clusters in (
            (REAL, training, real.subjects[real.training]),
            (UNSEEN, ours[apart], real.subjects[apart]),
            (plain[0], theirs[plain[1]], seeds[plain[1]]),
        ):
            known = ~np.isnan(values)
            if not known.any():
                continue
            head = {"set": name, "measure": measure, "n": len(values), "n_measured": int(known.sum())}
            inside = clusters[known]
            figures = share(BELOW, values[known] < low, inside) | share(ABOVE, values[known] > high, inside)
            rows.append(head | {"clusters": len(np.unique(inside)), "real_5": low, "real_95": high} | figures)
    return pd.DataFrame(rows, columns=COLUMNS)


def _measures(
    real: RealImages, generated: GeneratedImages, judges: Sequence[Judge]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    yield from ((judge.name, judge.real, judge.generated) for judge in judges)
    for column in (Column.SCORE.value, BRIGHTNESS):
        if column in real.table and column in generated.table:
            yield column, *(table[column].to_numpy(dtype=np.float64) for table in (real.table, generated.table))
