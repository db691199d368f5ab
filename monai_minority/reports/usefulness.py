"""What the utility stage found: where generated images help a classifier of the rare group, and where they harm."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from monai_minority.evaluation.utility import SENSITIVITY
from monai_minority.reports.charts import BLUE, GREY, ORANGE, label_axes
from monai_minority.reports.wording import estimate_of, gain_in_points, points

GAIN = "gain"
OVER_DUPLICATED = "gain_over_duplicated"
_OVER_AUGMENTED = "gain_over_augmented"
_AUGMENTED = ", augmented"


def sensitivity_rows(utility: pd.DataFrame) -> pd.DataFrame:
    """The rows of the figure that findings are of, one for each arm, size and number of added images."""
    rows = utility[utility["figure"].str.startswith(SENSITIVITY)]
    return rows.drop_duplicates(["arm", "rare_subjects", "added"])  # amounts cut to one number are one training


def usefulness_findings(utility: pd.DataFrame) -> list[str]:
    """A sentence for each way to use each set of generated images; then what chance does, whether amounts were cut, and
    what the backbone knew.

    Added images and those pretrained on are held against the rare duplicated to the same number, which needs no
    generator; added images with classical augmentation against classical augmentation alone.
    """
    rows = sensitivity_rows(utility)
    generated = rows[rows["generated"].notna()]
    lines = [
        f"Sensitivity of a classifier {_used(name)}, against {_control(name)[1]}: {_where(part, _control(name)[0])}."
        for name, part in generated.groupby("arm", sort=False)
    ]
    gains = [part[f"{_control(name)[0]}_low"].notna().sum() for name, part in generated.groupby("arm")]
    if (count := int(sum(gains))) > 1:
        lines.append(
            f"These are {count} comparisons with 95 % intervals: by chance alone {0.025 * count:.2g} of them would "
            "seem to help and as many to harm."
        )
    if len(generated):
        first = generated.iloc[0]
        if (utility["added"] < utility["amount"] * utility["train_rare"] - 1).any():  # rounding is none
            lines.append(f"Amounts above {first['generated_a_set']} images are cut to these: the sets have no more.")
        lines.append(f"The generated images are of a backbone that {first['backbone']}.")
    return lines


def usefulness_reading(rows: pd.DataFrame) -> str:
    """At how many sizes and amounts generated images help or harm, or the smallest gain that would have been seen, of
    :func:`sensitivity_rows` of one arm."""
    helps, harms, rest, unknown = _verdicts(rows, OVER_DUPLICATED)
    if len(unknown) == len(rows):
        return "no interval: too few trainings or test subjects, or no difference"
    known = len(rows) - len(unknown)
    places = "the one size and amount" if known == 1 else f"{known} sizes and amounts"
    if not len(helps) and not len(harms):
        return f"no gain is shown at {places}; {_seen(rest, OVER_DUPLICATED)} or more would have been"
    if known == 1:
        return "helps" if len(helps) else "harms"
    return f"helps at {len(helps)} of {places}, harms at {len(harms)}"


def usefulness_chart(utility: pd.DataFrame) -> Figure:
    """Gain in sensitivity over the real images alone and over the rare duplicated, in one line for each arm and amount,
    with a panel for each size of the rare training set."""
    rows = sensitivity_rows(utility)
    rows = rows[rows["arm"] != "real"].assign(label=lambda table: [_label(row) for _, row in table.iterrows()])
    labels, sizes = list(dict.fromkeys(rows["label"])), sorted(rows["rare_subjects"].unique())
    figure = Figure(figsize=(max(7, 3 + 2.2 * len(sizes)), 1.2 + 0.24 * len(labels)), layout="constrained")
    for axes, size in zip(figure.subplots(1, len(sizes), sharex=True, squeeze=False)[0], sizes, strict=True):
        part = rows[rows["rare_subjects"] == size]
        shown = ((GAIN, BLUE, -0.15, "over real alone"), (OVER_DUPLICATED, ORANGE, 0.15, "over rare duplicated"))
        for column, colour, offset, name in shown:
            ends = [part[column] - part[f"{column}_low"], part[f"{column}_high"] - part[column]]
            places = [labels.index(label) + offset for label in part["label"]]
            bars = [end.clip(lower=0).fillna(0) for end in ends]
            axes.errorbar(part[column], places, xerr=bars, fmt="o", ms=3, color=colour, capsize=2, lw=1, label=name)
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle="--")
        axes.set_yticks(range(len(labels)), labels if axes is figure.axes[0] else [""] * len(labels), fontsize=7)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_title(f"{size} rare subjects", fontsize=8)
        label_axes(axes, "gain in sensitivity")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=2)
    return figure


def _used(arm: str) -> str:
    """An arm after "a classifier"."""
    return arm if arm.startswith("pretrained") else f"trained on {arm}"


def _control(arm: str) -> tuple[str, str]:
    """The column of gains that says what the generated images of an arm add, and what they are held against."""
    if arm.endswith(_AUGMENTED):
        return _OVER_AUGMENTED, "classical augmentation alone"
    return OVER_DUPLICATED, "the rare duplicated to the same number"


def _verdicts(rows: pd.DataFrame, gain: str) -> Sequence[pd.DataFrame]:
    """Rows in which it helps, harms, neither is shown, and those without an interval."""
    low, high = rows[f"{gain}_low"], rows[f"{gain}_high"]
    return rows[low > 0], rows[high < 0], rows[(low <= 0) & (high >= 0)], rows[low.isna()]


def _where(rows: pd.DataFrame, gain: str) -> str:
    helps, harms, rest, unknown = _verdicts(rows, gain)
    said = [
        f"{verb} with {' and '.join(f'{_place(row)} ({gain_in_points(estimate_of(row, gain))})' for row in found)}"
        for verb, part in (("helps", helps), ("harms", harms))
        if (found := [row for _, row in part.iterrows()])
    ]
    if len(rest):
        any_of = f"at any of {len(rest)} sizes and amounts" if len(rest) > 1 else f"with {_place(rest.iloc[0])}"
        where = f"at the other {len(rest)} of {len(rows)} sizes and amounts" if said else any_of
        said.append(f"no gain is shown {where}; {_seen(rest, gain)} or more would have been seen")
    if len(unknown):
        said.append(f"{len(unknown)} without an interval (too few trainings or test subjects, or no difference)")
    return "; ".join(said)


def _seen(rows: pd.DataFrame, gain: str) -> str:
    """The smallest gain that could have been seen, from the best to the worst of the rows."""
    half = (rows[f"{gain}_high"] - rows[f"{gain}_low"]) / 2
    least, most = points(half.min()), points(half.max())
    return most if least == most else f"{least.removesuffix(' points')} to {most}"


def _place(row: pd.Series) -> str:
    subjects = f"{row['rare_subjects']} rare subject{'' if row['rare_subjects'] == 1 else 's'}"
    return f"{subjects} and {row['added'] / row['train_rare']:.2g} times the rare images"


def _label(row: pd.Series) -> str:
    return row["arm"] if pd.isna(row["amount"]) else f"{row['arm']}, {row['amount']:g} x"
