"""What the rows of every table say of how they were measured."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

DENSITY = ("extractor", "resizing", "normalisation", "weights_sha256", "k", "k_lof")
"""Columns of the tables of images that say how densities were measured."""

PROVENANCE = (*DENSITY, "reference", "reference_size", "intervals", "seed", "libraries")
"""Columns of the tables of figures that say how all of it was measured; of one space, the same in every row."""

NO_EXTRACTOR = {"extractor": "none", "resizing": "none"}
"""Of what is measured without a feature space: it is said, lest it look forgotten."""

_CALLED = {"k": "neighbours", "k_lof": "lof_neighbours"}


def with_provenance(
    table: pd.DataFrame, context: Mapping[str, Any], columns: Sequence[str] = PROVENANCE
) -> pd.DataFrame:
    """A table that says in its last columns how it was measured.

    Args:
        table: figures or images.
        context: how they were measured, as ``context.json`` has it; columns that it says nothing of are left out.
        columns: some of :data:`PROVENANCE`; what the table has already, a value a row, stays as it is.
    """
    said = {
        column: context[_CALLED.get(column, column)] for column in columns if _CALLED.get(column, column) in context
    }
    if "libraries" in said:
        said["libraries"] = "; ".join(f"{name} {version}" for name, version in said["libraries"].items())
    return table.assign(**{column: value for column, value in said.items() if column not in table})
