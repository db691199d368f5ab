"""What was found, in a few sentences computed from the figures, whichever way they fall."""

import math
from pathlib import Path

import pandas as pd

from monai_minority.evaluation.mover import difference_of
from monai_minority.files import read_csv
from monai_minority.keys import Column
from monai_minority.reports.answers import REAL_LOOKING, reference_named
from monai_minority.reports.severity_findings import (
    control_row,
    dispersion_findings,
    highest_guided,
    severity_findings,
    unguided_row,
)
from monai_minority.reports.wording import (
    against,
    compared_shares,
    estimate_of,
    number_with_ends,
    per_cent,
    points,
    share_with_ends,
)
from monai_minority.tables.agreement import AUC, EVERY, MATCHED_AUC, NOT_TRAINED_ON, RANKS, TOP_TENTH
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.frechet_floor import NAME as ABOVE_FLOOR
from monai_minority.tables.groups import NORMAL, RARE, TAKEN
from monai_minority.tables.measures import LABELS
from monai_minority.tables.membership import FOLDS, NEAREST, RAREST, few_rare_subjects
from monai_minority.tables.rows import ALL, UNSEEN


def findings(run_dir: str | Path) -> list[str]:
    """What a run found, the most important first, each line a few short sentences.

    Whether the backbone learned anything, and from how many rare people; how many guided images are severe, by each
    judge; whether the score finds what is rare; how many guided images look real, how many are suspected copies, and
    whether training subjects are told by them; whether unguided images are various enough, where they are not; what the
    target class does to score and density; and what the nearest training images say, where groups are known.

    Args:
        run_dir: a run folder with its ``evaluation/``.

    Raises:
        FileNotFoundError: the run has not been evaluated.
    """
    folder = Path(run_dir) / "evaluation"
    tables = (folder / "copies_summary.csv", folder / "membership.csv")
    return findings_of(RunEvaluation.load(folder), *(read_csv(path) if path.is_file() else None for path in tables))


def findings_of(
    evaluation: RunEvaluation, copies: pd.DataFrame | None = None, members: pd.DataFrame | None = None
) -> list[str]:
    """The same of an evaluation at hand, and of the tables of the memorization stage where there are any."""
    generated = evaluation.summary[evaluation.summary["duplicates"].notna()]
    guided, plain = highest_guided(generated), unguided_row(generated)
    both = [] if guided is None or plain is None else [_looks_real(evaluation, guided, plain)]
    density = "Guided and unguided samples were not compared: the run has only one of the two."
    if guided is not None and plain is not None:
        density = _density(guided, plain)
    return [
        *filter(None, (broken_backbone(evaluation), too_few_rare(members))),
        *severity_findings(evaluation),
        _ranking(evaluation.agreement),
        *both,
        *_copies(copies, guided, plain),
        *_members(members, guided),
        *dispersion_findings(evaluation.dispersion),
        _class_shift(evaluation),
        density,
        *_groups(evaluation.groups),
    ]


def broken_backbone(evaluation: RunEvaluation) -> str:
    """What is said before all else where the backbone learned nothing, or its images are noise; empty otherwise.

    It learned nothing if its loss on real images is, with its whole interval, no better than that of a guess that knows
    single pixels alone (:func:`~monai_minority.tables.denoising.denoising_loss`). Images are noise if the share of them
    in the neighbourhood of training images is, with its whole interval, less than a tenth of that of real images never
    trained on; of all sets, the unguided one is looked at where there is one.
    """
    found = pd.Series(evaluation.context.get("denoising_loss") or {"loss": math.nan, "loss_low": math.nan})
    least = found["loss"] if math.isnan(found["loss_low"]) else found["loss_low"]
    blind = not math.isnan(least) and least >= found["guess"]
    said = []
    if blind:
        said.append(
            f"The loss of the backbone on real images is {number_with_ends(estimate_of(found, 'loss'))}; a guess that "
            f"knows the mean and the spread of each pixel alone has {found['guess']:.2f}."
        )
    summary = evaluation.summary
    generated = summary[summary["duplicates"].notna() & (summary["target_class"] == ALL)]
    plain, unseen = unguided_row(generated), control_row(summary)
    if unseen is not None and len(generated):
        row = generated.iloc[0] if plain is None else plain
        share, control = estimate_of(row, REAL_LOOKING), unseen[REAL_LOOKING]
        if not (blind or share.high < control / 10):
            return ""
        farther = row["average_knn_q50"] / unseen["average_knn_q50"]
        said.append(
            f"{share_with_ends(share)} of the images of set {row['set']} lie in the neighbourhood of a training image, "
            f"{per_cent(control)} of real images never trained on do; half of them lie {farther:.1f} times as far from "
            "real images or more."
        )
    elif not blind:
        return ""
    return (
        f"Trained too short, or broken: nothing below means anything. {' '.join(said)} Train the backbone longer "
        "(iterations), and look at its loss and its pictures in TensorBoard."
    )


def _ranking(agreement: pd.DataFrame) -> str:
    score = agreement[agreement["measure"] == Column.SCORE]
    for scope in (NOT_TRAINED_ON, EVERY):
        here = agreement[agreement["images"] == scope]
        auc = here[(here["figure"] == AUC) & (here["measure"] == Column.SCORE)]
        if not len(auc):
            continue
        row = auc.iloc[0]
        same = here[here["against"] == row["against"]]
        if math.isnan(row["low"]):
            line = (
                f"Whether the minority score ranks the rare group ({row['against']}) could not be measured: AUC "
                f"{_value(row)} on {scope}, with {_counted(row['rare_subjects'], 'subject')} of the rare group and "
                f"{row['other_subjects']:.0f} of the others, has no interval"
            )
        else:
            verdict, note = against(row, 0.5, "ranks", "does not measurably rank", "ranks in reverse")
            line = f"The minority score {verdict} the rare group ({row['against']}): AUC {_value(row)} on {scope}{note}"
        plain = same[(same["figure"] == AUC) & (same["measure"] == "average_knn")]
        if len(plain):
            line += f" (AvgkNN, which needs no diffusion model: {plain.iloc[0]['value']:.2f})"
        top = same[(same["figure"] == TOP_TENTH) & (same["measure"] == Column.SCORE)]
        if len(top):
            share, overall = top.iloc[0]["value"], top.iloc[0]["overall"]
            line += f"; it makes up {per_cent(share)} of the top tenth of them, {per_cent(overall)} of them overall"
        return line + "." + _matched(same)
    ranks = score[(score["figure"] == RANKS) & (score["images"] == EVERY)]
    severity = ranks[ranks["against"] == Column.SEVERITY]
    if not len(ranks):
        return "Whether the score ranks rare images was not measured: too few scored images."
    row = (severity if len(severity) else ranks).iloc[0]
    what = LABELS.get(row["against"], str(row["against"]).replace("_", " "))
    if math.isnan(row["low"]):
        return (
            f"Whether the minority score rises with {what} could not be measured: rank correlation {_value(row)} over "
            f"{EVERY} of {_counted(row['subjects'], 'subject')} has no interval."
        )
    verdict, note = against(row, 0, "rises with", "does not measurably follow", "falls with")
    return f"The minority score {verdict} {what}: rank correlation {_value(row)} over {EVERY}{note}."


def _matched(figures: pd.DataFrame) -> str:
    """The AUC among images that are alike in a column that could explain it, of the figures of one contrast."""
    matched = figures[figures["figure"].str.startswith(MATCHED_AUC)].set_index("measure")
    if Column.SCORE not in matched.index:
        return ""
    row = matched.loc[Column.SCORE.value]
    alike = row["figure"].removeprefix(MATCHED_AUC)
    if math.isnan(row["low"]):
        verdict, note = "could not be measured", ", has no interval"
    else:
        words = ("is there too", "is not measurably there", "is the reverse")
        verdict, note = against(row, 0.5, *words)
    line = f" Between images of similar {alike} the order {verdict}: AUC {_value(row)}{note}"
    if "average_knn" in matched.index:
        line += f" (AvgkNN: {matched.loc['average_knn', 'value']:.2f})"
    return line + "."


def _looks_real(evaluation: RunEvaluation, guided: pd.Series, plain: pd.Series) -> str:
    ours, theirs = estimate_of(guided, REAL_LOOKING), estimate_of(plain, REAL_LOOKING)
    line = (
        f"{share_with_ends(ours)} of the images guided to class {guided['target_class']} look real: they lie in the "
        f"neighbourhood of a training image; {share_with_ends(theirs)} of unguided ones do, which is "
        f"{compared_shares(theirs, ours)}"
    )
    if (unseen := control_row(evaluation.summary)) is not None:
        line += f", and {per_cent(unseen[REAL_LOOKING])} of real images never trained on"
    spaces = evaluation.spaces
    for name, part in spaces[spaces["extractor"] != spaces["extractor"].iloc[0]].groupby("extractor", sort=False):
        there, beside = _same_row(part, guided), _same_row(part, plain)
        if there is not None and beside is not None:
            line += f"; seen by {name} {per_cent(there[REAL_LOOKING])} and {per_cent(beside[REAL_LOOKING])}"
    return line + "." + _frechet(evaluation, guided)


def _frechet(evaluation: RunEvaluation, guided: pd.Series) -> str:
    """The distance above its floor, where the sets are large enough for one."""
    left = estimate_of(guided, ABOVE_FLOOR)
    if math.isnan(left.value):
        return ""
    fields = left._asdict()
    word, note = against(fields, 1, "farther", "not measurably nearer or farther", "nearer")
    return (
        f" Their Fréchet distance to {reference_named(evaluation)} is {number_with_ends(left)} times that of unguided "
        f"ones ({word}), each less the distance between two halves of those real images{note}."
    )


def _copies(copies: pd.DataFrame | None, guided: pd.Series | None, plain: pd.Series | None) -> list[str]:
    if copies is None or not len(copies):
        return []
    names = [row["set"] for row in (guided, plain) if row is not None] or [n for n in copies["set"] if n != UNSEEN]
    said = [
        f"{share_with_ends(estimate_of(row, 'suspected_copy'))} of the set {row['set']}"
        for _, row in copies[copies["set"].isin(names)].iterrows()
    ]
    control = copies[copies["set"] == UNSEEN]
    line = f"Suspected copies of training images: {', '.join(said)}"
    if len(control):
        line += f"; of real images never trained on {share_with_ends(estimate_of(control.iloc[0], 'suspected_copy'))}"
    return [line + "."] if said else []


def _members(members: pd.DataFrame | None, guided: pd.Series | None) -> list[str]:
    """What is given away of training subjects, the rare ones among them."""
    if members is None or not len(members):
        return []
    rows = members.set_index(["evidence", "subjects"])
    said = []
    ways = {FOLDS: "score lower by a network that learned from them than nine tenths do by one that did not"}
    if guided is not None:
        ways = {
            f"{NEAREST}{guided['set']}": f"lie nearer to an image of the set {guided['set']} than nine tenths of "
            "comparable people never trained on do"
        } | ways
    for name, what in ways.items():
        if (name, ALL) in rows.index:
            line = f"{_standing_out(rows.loc[name, ALL], 'training subjects')} {what}"
            if (name, RAREST) in rows.index:
                line += f"; {_standing_out(rows.loc[name, RAREST], 'rare ones')} do"
            said.append(line)
    return [f"Membership (10 % where nothing is given away of single people): {'; '.join(said)}."] if said else []


def _standing_out(row: pd.Series, who: str) -> str:
    share = estimate_of(row, "beyond")
    if math.isnan(share.value):
        return f"it is not known how many of {row['n']:.0f} {who} (fewer than nine others to compare each with)"
    return f"{share_with_ends(share)} of {row['n']:.0f} {who}"


def too_few_rare(members: pd.DataFrame | None) -> str:
    """The warning of the memorization stage where the rarest class shows only a few people; empty otherwise."""
    if members is None or not len(members):
        return ""
    return few_rare_subjects(members["rare_subjects"].iloc[0], members["least_rare_subjects"].iloc[0])


def _class_shift(evaluation: RunEvaluation) -> str:
    agreement, summary = evaluation.agreement, evaluation.summary
    shifts = agreement[(agreement["against"] == Column.TARGET_CLASS) & (agreement["measure"] == Column.SCORE)]
    if not len(shifts):
        return "Whether a higher target class gives rarer images was not measured: no set has more than one class."
    row = shifts.loc[shifts["n"].idxmax()]
    name = row["images"]
    classes = summary[(summary["set"] == name) & (summary["target_class"] != ALL)]
    classes = classes.assign(order=classes["target_class"].astype(float)).sort_values("order")
    low, high = classes.iloc[0], classes.iloc[-1]
    if math.isnan(row["low"]):
        line = (
            f"Whether a higher target class raises the score of generated images (set {name}) could not be measured: "
            f"rank correlation {_value(row)} of images of {_counted(row['subjects'], 'seed')} has no interval"
        )
    else:
        verdict, note = against(row, 0, "raises", "does not measurably move", "lowers")
        line = (
            f"A higher target class {verdict} the score of generated images (set {name}): rank correlation "
            f"{_value(row)}{note}"
        )
    line += (
        f", mean score {low['minority_score_mean']:.3g} at class {low['target_class']} and "
        f"{high['minority_score_mean']:.3g} at class {high['target_class']}"
    )
    density = agreement[(agreement["against"] == Column.TARGET_CLASS) & (agreement["images"] == name)]
    density = density[density["measure"] == "average_knn"]
    if len(density):
        row = density.iloc[0]
        verdict, note = against(row, 0, "rises with it", "does not measurably change", "falls with it")
        found = (
            f": {_value(row)}, without an interval" if math.isnan(row["low"]) else f" {verdict}, {_value(row)}{note}"
        )
        line += f"; AvgkNN{found}"
    return line + "."


def _density(guided: pd.Series, plain: pd.Series) -> str:
    ours, theirs = estimate_of(guided, "above_p90"), estimate_of(plain, "above_p90")
    return (
        f"Guided to class {guided['target_class']} at scale {guided[Column.SCALE]:g} (set {guided['set']}), "
        f"{share_with_ends(ours)} of samples lie above the real 90th percentile of AvgkNN, "
        f"{compared_shares(ours, theirs)} than of unguided ones ({share_with_ends(theirs)}). Far may be rare or broken."
    )


def _groups(groups: pd.DataFrame) -> list[str]:
    """Votes of neighbours as a difference from unguided images, which a small network's texture moves alike."""
    guided, plain = highest_guided(groups), unguided_row(groups)
    if guided is None or plain is None:
        return []
    found = difference_of(estimate_of(guided, TAKEN), estimate_of(plain, TAKEN))
    interval = f"[{100 * found.low:.0f}, {100 * found.high:.0f}]"
    if found.low > 0 or found.high < 0:
        verdict = f"{points(abs(found.value))} {'more' if found.value > 0 else 'fewer'} {interval}"
    else:
        verdict = (
            f"not measurably more or fewer {interval}, {points((found.high - found.low) / 2)} could have been seen"
        )
    line = (
        f"The nearest training images take for the rare group, of the images guided to class {guided['target_class']} "
        f"against unguided ones: {verdict}"
    )
    known = groups.set_index("known")[TAKEN]
    if {RARE, NORMAL} <= set(known.index):
        apart = known[RARE] - known[NORMAL]
        line += f"; of real rare images never trained on against the others, {points(apart)} more"
    return [line + "."]


def _same_row(table: pd.DataFrame, row: pd.Series) -> pd.Series | None:
    """The row of the same set, target class and scale."""
    same = table[(table["set"] == row["set"]) & (table["target_class"].astype(str) == str(row["target_class"]))]
    same = same[same[Column.SCALE] == row[Column.SCALE]]
    return same.iloc[0] if len(same) else None


def _counted(count: float, noun: str) -> str:
    return f"{count:.0f} {noun}" + ("" if count == 1 else "s")


def _value(row: pd.Series) -> str:
    return number_with_ends(estimate_of(row.rename({"low": "value_low", "high": "value_high"}), "value"))
