"""Ordinal minority classes: scores cut at their quantiles."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from monai_minority.files import reading, whole_file
from monai_minority.shown import Shown

FORMAT_VERSION = 1
SPACINGS = ("equal", "tail")


class QuantileClasses(Shown):
    """Cut minority scores into ordinal classes at their quantiles, 0 the most common and ``L - 1`` the rarest.

    Classes are of equal size, as in the paper: the threshold above class ``i`` is the ``(i + 1) / L`` quantile (linear
    interpolation) of the fitted scores. With ``spacing="tail"`` they get finer towards the rare end: each holds half of
    the images above the class before it, so the shares are 1/2, 1/4, … and the last two are equal.

    A score equal to a threshold belongs to the lower class, so tied scores are never torn apart and may leave classes
    unequal or empty. With groups, the thresholds are taken within each group (Appendix B of Um, Lee and Ye, 2024: the
    class labels of Eq. 16).

    Args:
        num_classes: number of classes ``L``, or a mapping of group to its own number.
        spacing: ``equal`` or ``tail``.

    Attributes:
        counts: after :meth:`fit`, the number of images in each class, ``[L]`` for each group (``None`` without groups).
        ties: after :meth:`fit`, the number of images that share the score of each threshold, ``[L]`` for each group; 0
            where at most one image has that score.

    Raises:
        ValueError: if a number of classes is below 2, or the spacing is another.

    Example:
        >>> from monai_minority.scoring import QuantileClasses
        >>> scores = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
        >>> QuantileClasses(4).fit(scores).transform(scores).tolist()
        [0, 0, 1, 1, 2, 2, 3, 3]
        >>> QuantileClasses(4, spacing="tail").fit(scores).transform(scores).tolist()
        [0, 0, 0, 0, 1, 1, 2, 3]
    """

    def __init__(self, num_classes: int | Mapping[Hashable, int], spacing: str = "equal") -> None:
        if spacing not in SPACINGS:
            raise ValueError(f"spacing must be one of {', '.join(SPACINGS)}, got {spacing!r}.")
        self.spacing = spacing
        for number in num_classes.values() if isinstance(num_classes, Mapping) else [num_classes]:
            if isinstance(number, bool) or int(number) != number or number < 2:
                raise ValueError(f"num_classes must be whole and at least 2, got {number!r}.")
        self.num_classes = (
            {_plain(group): int(number) for group, number in num_classes.items()}
            if isinstance(num_classes, Mapping)
            else int(num_classes)
        )
        self._thresholds: dict[Hashable, np.ndarray] = {}
        self.counts: dict[Hashable, np.ndarray] = {}
        self.ties: dict[Hashable, np.ndarray] = {}

    @property
    def thresholds(self) -> np.ndarray | dict[Hashable, np.ndarray]:
        """Upper ends of the classes, float64 ``[L]``; with groups, a dict from group to its ends.

        The last end is the highest fitted score.
        """
        self._require_fit()
        return self._thresholds.get(None, self._thresholds)

    def fit(self, scores: Any, groups: Any = None) -> "QuantileClasses":
        """Compute the thresholds from scores, normally the scores of the training split.

        Args:
            scores: ``[N]`` finite numbers (tensor, array, series or list).
            groups: ``[N]`` group of each image, such as its class label, or ``None``.

        Returns:
            Itself.

        Raises:
            ValueError: scores are not finite (the message names the rows), a group has fewer scores than classes, or a
                group has no number of classes.
        """
        values = _finite(scores)
        thresholds, counts, ties = {}, {}, {}
        for group, rows in _rows_by_group(groups, len(values)).items():
            classes = self._classes_of(group)
            if len(rows) < classes:
                raise ValueError(
                    f"scores: {len(rows)} images{_of(group)} cannot fill num_classes={classes} classes; "
                    "ask for fewer classes or give more images."
                )
            ordered = np.sort(values[rows])
            # Whole-number arithmetic keeps a quantile that falls on a score equal to that score.
            share, whole = _shares_below(classes, self.spacing)
            place, rest = np.divmod(share * (len(rows) - 1), whole)
            above = ordered[np.minimum(place + 1, len(rows) - 1)]
            cuts = ordered[place] + rest / whole * (above - ordered[place])
            on_cut = np.searchsorted(ordered, cuts, "right") - np.searchsorted(ordered, cuts, "left")
            thresholds[group] = cuts
            counts[group] = np.bincount(np.searchsorted(cuts[:-1], ordered), minlength=classes)
            ties[group] = np.where(on_cut > 1, on_cut, 0)
        self._thresholds, self.counts, self.ties = thresholds, counts, ties
        return self

    def transform(self, scores: Any, groups: Any = None) -> Any:
        """Class of each score; scores outside the fitted range belong to the first or last class.

        Args:
            scores: ``[N]`` finite numbers (tensor, array, series or list).
            groups: ``[N]`` group of each image; required if, and only if, groups were fitted.

        Returns:
            ``[N]`` int64 in ``0 … L - 1``, in the type of ``scores``: a tensor on its device, a series with its index,
            or an array.

        Raises:
            ValueError: there are no thresholds, scores are not finite (the message names the rows), or a group was not
                fitted.
        """
        self._require_fit()
        values = _finite(scores)
        if (groups is None) != (None in self._thresholds):
            raise ValueError(
                f"groups must be {'left out' if groups is not None else 'given'}: the thresholds were fitted "
                f"{'without' if groups is not None else 'within'} groups."
            )
        classes = np.empty(len(values), dtype=np.int64)
        for group, rows in _rows_by_group(groups, len(values)).items():
            if group not in self._thresholds:
                raise ValueError(
                    f"groups: {group!r} has no thresholds; fitted were {sorted(map(str, self._thresholds))}. "
                    "Fit on a split that has every group."
                )
            classes[rows] = np.searchsorted(self._thresholds[group][:-1], values[rows])
        if isinstance(scores, torch.Tensor):
            return torch.from_numpy(classes).to(scores.device)
        return pd.Series(classes, index=scores.index) if isinstance(scores, pd.Series) else classes

    @property
    def tau(self) -> list[float] | list[list[float]]:
        """Thresholds as weights of Eq. 18, at least 0: ``[L]``, or ``[G, L]`` with a row for each group in order."""
        found: Any = self.thresholds
        rows = [found[group] for group in sorted(found)] if isinstance(found, dict) else found
        return np.clip(rows, 0, None).tolist()

    def report(self) -> pd.DataFrame:
        """One row for each class: ``group``, ``minority_class``, ``threshold`` (upper end), ``count``, ``ties``."""
        self._require_fit()
        return pd.concat(
            pd.DataFrame(
                {
                    "group": [group] * len(cuts),
                    "minority_class": np.arange(len(cuts)),
                    "threshold": cuts,
                    "count": self.counts[group],
                    "ties": self.ties[group],
                }
            )
            for group, cuts in self._thresholds.items()
        ).reset_index(drop=True)

    def save(self, path: str | Path) -> None:
        """Write the thresholds, counts and ties as JSON, without rounding."""
        self._require_fit()
        groups = [
            {
                "group": group,
                "thresholds": cuts.tolist(),
                "counts": self.counts[group].tolist(),
                "ties": self.ties[group].tolist(),
            }
            for group, cuts in self._thresholds.items()
        ]
        numbers = list(self.num_classes.items()) if isinstance(self.num_classes, dict) else self.num_classes
        content = {"format_version": FORMAT_VERSION, "num_classes": numbers, "spacing": self.spacing, "groups": groups}
        with whole_file(path) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "QuantileClasses":
        """Read a file that :meth:`save` wrote.

        Raises:
            ValueError: the file has another content or another format version.
        """
        try:
            with reading(path) as file:
                content = json.loads(file.read_text(encoding="utf-8"))
            version = content["format_version"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} holds no quantile classes ({error}); write it with `save`.") from error
        if version != FORMAT_VERSION:
            raise ValueError(f"{path}: format_version must be {FORMAT_VERSION}, got {version!r}; fit again.")
        numbers = content["num_classes"]
        given = dict(map(tuple, numbers)) if isinstance(numbers, list) else numbers
        classes = cls(given, content.get("spacing", "equal"))
        for entry in content["groups"]:
            group = entry["group"]
            classes._thresholds[group] = np.array(entry["thresholds"], dtype=np.float64)
            classes.counts[group] = np.array(entry["counts"], dtype=np.int64)
            classes.ties[group] = np.array(entry["ties"], dtype=np.int64)
        return classes

    def _classes_of(self, group: Hashable) -> int:
        if not isinstance(self.num_classes, dict):
            return self.num_classes
        if group not in self.num_classes:
            raise ValueError(
                f"num_classes has no entry{_of(group) or ' for images without groups'}; "
                f"it has {list(self.num_classes)}."
            )
        return self.num_classes[group]

    def _require_fit(self) -> None:
        if not self._thresholds:
            raise ValueError("QuantileClasses has no thresholds yet; call `fit` or `load` first.")


def score_ranks(scores: Any, fitted: Any, groups: Any = None) -> np.ndarray:
    """Share of the fitted images that have a lower score, of equal ones the half: a continuous minority class.

    Args:
        scores: ``[N]`` finite numbers.
        fitted: which images the others are ranked among, bool ``[N]``, normally those of the training split.
        groups: ``[N]`` group of each image, within which it is ranked, or ``None``.

    Returns:
        float64 ``[N]`` in [0, 1]; 1 is rarer than every fitted image.

    Raises:
        ValueError: scores are not finite (the message names the rows), or a group has no fitted image.

    Example:
        >>> from monai_minority.scoring import score_ranks
        >>> score_ranks([5.0, 1.0, 3.0, 3.0, 9.0], fitted=[True, True, True, True, False]).tolist()
        [0.875, 0.125, 0.5, 0.5, 1.0]
    """
    values, among = _finite(scores), _array(fitted, dtype=bool)
    ranks = np.empty(len(values))
    for group, rows in _rows_by_group(groups, len(values)).items():
        ordered = np.sort(values[rows][among[rows]])
        if not len(ordered):
            raise ValueError(f"fitted must have an image{_of(group)}, got none; fit on a split that has every group.")
        below, up_to = (np.searchsorted(ordered, values[rows], side) for side in ("left", "right"))
        ranks[rows] = (below + up_to) / (2 * len(ordered))
    return ranks


def _shares_below(classes: int, spacing: str) -> tuple[np.ndarray, np.ndarray]:
    """Share of the images up to the upper end of each class, as whole numbers: of so many parts so many."""
    places = np.arange(1, classes + 1)
    if spacing == "equal":
        return places, np.full(classes, classes)
    whole = np.where(places < classes, 2 ** np.minimum(places, 62), 1)
    return np.where(places < classes, whole - 1, 1), whole


def _of(group: Hashable) -> str:
    return "" if group is None else f" of group {group!r}"


def _plain(value: Any) -> Hashable:
    """Numpy scalars as Python values, which equal those that JSON returns."""
    return value.item() if isinstance(value, np.generic) else value


def _array(values: Any, **kind: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, torch.Tensor) else values, **kind)


def _finite(scores: Any) -> np.ndarray:
    values = _array(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"scores must be [N] with N at least 1, got shape {values.shape}.")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        rows = scores.index[bad[:10]].tolist() if isinstance(scores, pd.Series) else bad[:10].tolist()
        more = "" if len(bad) <= 10 else f" and {len(bad) - 10} more"
        raise ValueError(
            f"scores must be finite, but rows {rows}{more} are not (the first is {values[bad[0]]}); "
            "remove these images or score them again."
        )
    return values


def _rows_by_group(groups: Any, count: int) -> dict[Hashable, np.ndarray]:
    if groups is None:
        return {None: np.arange(count)}
    labels = pd.Series(_array(groups))
    if len(labels) != count:
        raise ValueError(f"groups must have one entry for each score, got {len(labels)} for {count} scores.")
    if labels.isna().any():
        raise ValueError(f"groups must not be missing, but rows {labels.index[labels.isna()][:10].tolist()} are.")
    return {_plain(group): rows for group, rows in sorted(labels.groupby(labels).indices.items())}
