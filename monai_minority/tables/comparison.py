"""The compare stage: samplers side by side, in one table and one picture."""

import json
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from monai_minority.data.store.image_store import ImageStore, evenly
from monai_minority.diffusion.schedules import count_steps
from monai_minority.evaluation.features import describe_extractor
from monai_minority.evaluation.figure import library_versions
from monai_minority.files import whole_file, write_csv
from monai_minority.keys import SYNTHETIC_NOTE, Column
from monai_minority.samples.pictures import picture_rows
from monai_minority.scoring import MinorityScore, QuantileClasses
from monai_minority.tables.evaluate import measured
from monai_minority.tables.fidelity import distances_between, flattened_maps
from monai_minority.tables.judges import judges_of
from monai_minority.tables.measures import MEASURES
from monai_minority.tables.provenance import with_provenance
from monai_minority.tables.rows import ALL, with_ends
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.severity import ABOVE, severity_table

COSTS = ("seconds_an_image", "backbone_evaluations", "classifier_evaluations")
"""What a sample store's provenance says of its cost, an image; sets made elsewhere say nothing."""

SEVERE = "severe"
_WITH_INTERVAL = ("frechet_distance", "spatial_frechet_distance", "above_p90", "precision", "recall", SEVERE)


def compare_methods(
    store: ImageStore,
    samples: Mapping[str, ImageStore],
    extractor: nn.Module,
    score: MinorityScore,
    *,
    output_dir: str | Path,
    feature_dir: str | Path | None = None,
    map_extractor: nn.Module | None = None,
    classes: QuantileClasses | None = None,
    group_column: str | None = None,
    severity: Callable[[torch.Tensor], Any] | None = None,
    columns: int = 8,
    measures: MeasureSettings | None = None,
) -> pd.DataFrame:
    """Measure sample sets of several methods alike, and write ``methods.csv``, ``methods.png`` and ``context.json``.

    Every set is cut to the size of the smallest, evenly, so that distances are of equal bias. The table has a row a
    method, then rows of real images, with the columns

    - ``method`` (the set's name), ``sampler`` (what its provenance calls it), ``n``, ``steps``;
    - ``frechet_distance`` to the reference (see :func:`~monai_minority.tables.reference.choose_reference`), and
      ``spatial_frechet_distance`` to the same where there is a ``map_extractor``, with intervals;
    - ``severe``: share as severe as the worst 1 % of the normal real images, where there is a measure of severity;
    - ``precision``, ``recall`` against the same, and ``above_p90``, with Wilson intervals;
    - of minority score, AvgkNN, LOF, rarity and measured severity ``_mean`` with interval and ``_q50``, ``_q90``;
    - ``rarity_valid``, ``duplicates``;
    - ``seconds_an_image``, ``backbone_evaluations`` and ``classifier_evaluations`` an image;
    - how it was measured: the ``map_extractor``, each column after ``spatial_``, and
      :data:`~monai_minority.tables.provenance.PROVENANCE`.

    See :func:`~monai_minority.tables.summary.summary_table` for what they are. The intervals of the
    distances are those of :func:`~monai_minority.evaluation.fidelity.distance_figures`. Which images are suspected
    copies the memorization stage says.

    Args:
        samples: stores of generated images by method, in the order of the table.
        map_extractor: module from images to feature maps ``[B, C, h, w]``.
        columns: images of each method in the picture, of the same seeds where the sets share enough of them.

    The other arguments are those of :func:`~monai_minority.tables.evaluate_run`.

    Returns:
        The table, as written.

    Raises:
        ValueError: there is no set, or see :func:`~monai_minority.tables.evaluate_run`.
    """
    settings = measures or MeasureSettings()
    size = min(map(len, samples.values()), default=0)
    sets = {name: _cut(made, size) for name, made in samples.items()}
    images = measured(store, sets, extractor, score, settings, feature_dir, classes, group_column, severity)
    real, generated, summary, compared, seen_by = images
    rows = summary[summary["target_class"] == ALL].rename(columns={"set": "method"})
    rows = rows.set_index("method").drop(columns=["target_class", Column.SCALE.value])
    judges, _ = judges_of(real, generated, [], settings, None if severity is None else "severity")
    if judges:
        judged = severity_table(real, generated, judges, settings)
        judged = judged[(judged["target_class"] == ALL) & (judged["known"] == "")].set_index("set")
        rows[with_ends(SEVERE)] = judged[with_ends(ABOVE)].reindex(rows.index).to_numpy()
    if map_extractor is not None:
        chosen = np.isin(np.arange(len(store)), compared["reference_rows"])
        maps = flattened_maps(seen_by(map_extractor, store.subset(chosen)))
        for name, made in sets.items():
            own, seeds = flattened_maps(seen_by(map_extractor, made)), made.table[Column.SEED].to_numpy()
            found = distances_between(maps, own, real.subjects[chosen], seeds, settings)
            rows.loc[name, with_ends("spatial_frechet_distance")] = [found.frechet, *found.frechet_interval]
    for name, made in sets.items():
        meta = made.meta
        rows.loc[name, "sampler"] = str(meta.get("method", name))
        rows.loc[name, "steps"] = count_steps(meta["steps"]) if "steps" in meta else np.nan
        for key in COSTS:
            rows.loc[name, key] = float(meta[key]) if key in meta else np.nan
    order = [*sets, *(name for name in rows.index if name not in sets)]
    table = rows.loc[order].reset_index()
    table = table[[column for column in _columns() if column in table]]
    context = {
        **describe_extractor(extractor),
        "dimension": int(real.bank.index.dimension),
        "neighbours": settings.neighbours,
        "lof_neighbours": settings.lof_neighbours,
        "n": size,
        **{key: value for key, value in compared.items() if key != "equal_n"},
        "spatial_features": None if map_extractor is None else describe_extractor(map_extractor),
        "intervals": f"95 %: shares Wilson's; means bootstrap, {settings.resamples} resamples; of distances "
        f"{settings.distance_resamples} resamples of both sets, shifted to the distance; all of subjects and seeds",
        "evaluations": "forward passes of one image; the way back of a gradient is not among them",
        "seed": settings.seed,
        "stores": {"real": store.content_hash, **{name: made.content_hash for name, made in samples.items()}},
        "libraries": library_versions(),
    }
    if map_extractor is not None:
        table = table.assign(**{f"spatial_{name}": value for name, value in describe_extractor(map_extractor).items()})
    table = with_provenance(table, context)
    output_dir = Path(output_dir)
    _picture(sets, columns, output_dir / "methods.png")
    write_csv(table, output_dir / "methods.csv")
    with whole_file(output_dir / "context.json") as partial:
        partial.write_text(json.dumps(context, indent=2) + "\n", encoding="utf-8")
    return table


def _columns() -> list[str]:
    """Columns of the table in their order."""
    columns = ["method", "sampler", "n", "steps", *with_ends(*_WITH_INTERVAL)]
    for measure in MEASURES:
        if measure.compared:
            columns += [f"{measure.name}_{ending}" for ending in ("mean", "low", "high", "q50", "q90")]
    return [*columns, "rarity_valid", "duplicates", *COSTS]


def _cut(made: ImageStore, size: int) -> ImageStore:
    if len(made) == size:
        return made
    return made.subset(np.isin(np.arange(len(made)), evenly(len(made), size)))


def _picture(sets: Mapping[str, ImageStore], columns: int, path: Path) -> None:
    """A row a method; columns share seeds where all sets have enough seeds in common."""
    seeds = [made.table[Column.SEED].to_numpy() for made in sets.values()]
    shared = reduce(np.intersect1d, seeds)[:columns]
    same = len(shared) == min(columns, *map(len, seeds))
    chosen = [
        np.array([np.flatnonzero(own == seed)[0] for seed in shared]) if same else np.arange(min(columns, len(own)))
        for own in seeds
    ]
    rows = [made.batch(index) for made, index in zip(sets.values(), chosen, strict=True)]
    figure = picture_rows(
        rows,
        list(sets),
        "Synthetic images, a row a method" + ("; the columns share their seeds" if same else ""),
        synthetic=[[True] * len(row) for row in rows],
    )
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, bbox_inches="tight", metadata={"Description": SYNTHETIC_NOTE})
