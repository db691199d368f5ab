"""What generated images add to a classifier of the rare group, where the answer is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch

from monai_minority.evaluation.intervals import bootstrap
from monai_minority.evaluation.rare_classifier import RareClassifier
from monai_minority.evaluation.training_arms import Arm, ArmImages, LabelledImages, mirror_and_shift
from monai_minority.evaluation.utility import augmentation_gain
from monai_minority.evaluation.weighted_statistics import weighted_auc

SENSITIVITY = "sensitivity at 0.9 specificity"


def labelled(levels, rare, first_subject=0):
    """Flat images of given brightness."""
    images = torch.as_tensor(levels, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    return LabelledImages(images, np.asarray(rare), np.arange(first_subject, first_subject + len(images)))


class NearestMean:
    """A classifier with a known answer: rare means nearer to the weighted mean of rare brightness."""

    def __init__(self, kill_at=None):
        self.calls = []
        self.kill_at = kill_at

    def __repr__(self):
        return "NearestMean()"

    def __call__(self, images, targets, weights, seed, transform, before):
        if len(self.calls) == self.kill_at:
            raise KeyboardInterrupt
        self.calls.append((len(images), float(weights.sum()), seed, transform is not None, before and len(before[0])))
        if before:
            images, targets = torch.cat([images, before[0]]), torch.cat([targets, before[1]])
            weights = torch.ones(len(images))
        levels = images.mean((1, 2, 3))
        rare = (levels * targets * weights).sum() / (targets * weights).sum()
        other = (levels * (1 - targets) * weights).sum() / ((1 - targets) * weights).sum()
        return lambda x: torch.sigmoid(20 * ((x.mean((1, 2, 3)) - (rare + other) / 2) * (rare - other).sign())).numpy()


@pytest.fixture
def parts():
    """The one rare training image misleads: it is dark where the rare ones of the test are bright."""
    train = labelled([-0.1, 0.0, 0.1, -0.6], [False, False, False, True])
    test = labelled([-0.2, -0.1, 0.0, 0.1, 0.5, 0.7], [False] * 4 + [True] * 2, first_subject=10)
    return train, test


def test_images_that_show_the_rare_group_as_it_is_raise_every_figure(parts):
    fit = NearestMean()
    bright = torch.full((6, 1, 4, 4), 0.6)
    table = augmentation_gain(
        *parts,
        {"guided": bright},
        labels={"guided": np.ones(6)},
        amounts=[6],
        fit=fit,
        seeds=[3, 4],
        resamples=200,
        progress=False,
    ).set_index(["arm", "figure"])
    assert table.loc[("real", "AUC"), "value"] == 0
    for name in ("real and guided", "pretrained on guided"):
        guided = table.loc[name]
        assert guided.loc["AUC", ["value", "gain", "gain_over_duplicated"]].tolist() == [1, 1, 1]
        assert guided.loc[SENSITIVITY, "value"] == 1
        assert guided["seed_std"].tolist() == [0, 0, 0]
    ends = [f"{name}{end}" for name in ("", "gain_", "gain_over_duplicated_") for end in ("low", "high")]
    assert table[ends].isna().all(axis=None), "two subjects of the rare group tell nothing of the spread"
    assert table.loc["real", "gain"].tolist() == [0, 0, 0]
    assert table.loc["real", "gain_over_duplicated"].isna().all(), "it has no amount"
    assert table.loc["real, rare duplicated", "gain_over_duplicated"].tolist() == [0, 0, 0]
    assert (table[["train_rare", "train_others", "test_rare", "test_others"]] == [1, 3, 2, 4]).all().all()
    assert fit.calls[:7] == [
        (4, 4.0, 3, False, None),  # real
        (4, 6.0, 3, False, None),  # oversampled: the rare one counts for three
        (4, 4.0, 3, True, None),  # augmented
        (4, 10.0, 3, False, None),  # duplicated: it counts for seven
        (10, 10.0, 3, False, None),  # real and guided
        (10, 10.0, 3, True, None),  # the same, augmented
        (4, 4.0, 3, False, 6),  # pretrained
    ]
    assert [call[2] for call in fit.calls] == [3] * 7 + [4] * 7


def test_an_image_without_a_label_gets_what_the_real_arm_says_of_it(parts):
    targets = []

    def fit(images, target, weights, seed, transform, before):
        targets.append(before[1] if before else target)
        return lambda x: np.full(len(x), 0.25 + seed / 8)

    made = {"unguided": torch.zeros(2, 1, 4, 4)}
    augmentation_gain(*parts, made, amounts=[2], fit=fit, seeds=[0, 1], resamples=0, progress=False)
    assert targets[4].tolist() == [0, 0, 0, 1, 0.25, 0.25] and targets[6].tolist() == [0.25, 0.25]
    assert targets[11].tolist() == [0, 0, 0, 1, 0.375, 0.375]


def noisy(seed, subjects, noise=0.3):
    """Two images a subject; of a third of the subjects both are rare and brighter."""
    rng = np.random.default_rng(seed)
    rare = np.arange(subjects) % 3 == 0
    levels = np.repeat(0.3 * rare + noise * rng.standard_normal(subjects), 2) + 0.02 * rng.standard_normal(2 * subjects)
    part = labelled(levels.clip(-1, 1), np.repeat(rare, 2))
    return part._replace(subjects=1000 * seed + np.repeat(np.arange(subjects), 2))


def test_what_is_equal_is_trained_once_and_smaller_sizes_lie_in_larger_ones():
    train, test = noisy(1, 12), noisy(2, 30)  # four rare subjects, eight rare images
    fit, made = NearestMean(), {"a": torch.zeros(6, 1, 4, 4), "b": torch.zeros(9, 1, 4, 4)}
    options = {"amounts": [0.5, 1, 5], "seeds": range(5), "resamples": 20, "progress": False}
    with pytest.warns(
        UserWarning, match=r"at most 4, the training subjects with a rare image; \[7, 40\] are cut to it"
    ):
        table = augmentation_gain(train, test, made, fit=fit, sizes=[2, 4, 7, 40], **options)
    assert sorted(table["rare_subjects"].unique()) == [2, 4]
    # Of four rare images 2, 4 and (cut) 6 are added, of eight 4 and twice (cut) 6; 3 arms, then 7 an amount.
    assert len(fit.calls) == 5 * (3 + 3 * 7 + 3 + 2 * 7)
    numbers = table.groupby(["rare_subjects", "amount"])["added"].unique().map(list).to_dict()
    assert numbers == {(2, 0.5): [2], (2, 1): [4], (2, 5): [6], (4, 0.5): [4], (4, 1): [6], (4, 5): [6]}
    assert table.groupby("rare_subjects")["train_rare"].unique().map(list).to_dict() == {2: [4], 4: [8]}
    arms = ArmImages(train, made)
    for seed in range(3):
        rows = [set(arms.real_rows(Arm(size), seed)) for size in (1, 2, 3, 4)]
        assert all(smaller < larger for smaller, larger in zip(rows, rows[1:], strict=False))
        assert len(rows[3]) == 24 and len(rows[0]) == 18
    assert len({tuple(arms.real_rows(Arm(1), seed)) for seed in range(20)}) == 4, "each seed draws its own subjects"


def test_a_killed_run_goes_on_with_the_next_training_and_ends_the_same(tmp_path):
    train, test = noisy(1, 12), noisy(2, 30)
    made = {"a": torch.linspace(-1, 1, 6).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)}
    options = {"amounts": [0.5], "resamples": 20, "progress": False}
    whole = augmentation_gain(train, test, made, fit=NearestMean(), seeds=range(5), **options)
    with pytest.raises(KeyboardInterrupt):
        augmentation_gain(train, test, made, fit=NearestMean(kill_at=10), seeds=range(5), finished=tmp_path, **options)
    assert len(list(tmp_path.iterdir())) == 10
    rest = NearestMean()
    resumed = augmentation_gain(train, test, made, fit=rest, seeds=range(5), finished=tmp_path, **options)
    assert len(rest.calls) == 35 - 10
    pd.testing.assert_frame_equal(resumed, whole, check_exact=True)
    more = NearestMean()
    augmentation_gain(train, test, made, fit=more, seeds=range(6), finished=tmp_path, **options)
    assert len(more.calls) == 7, "another seed trains only what is new"
    other = NearestMean()
    changed = {"a": made["a"].flip(0)}
    augmentation_gain(train, test, changed, fit=other, seeds=range(6), finished=tmp_path, **options)
    assert len(other.calls) == 4 * 6, "other images: oversampled, augmented and duplicated arms stay"
    assert len(list(tmp_path.iterdir())) == 7 * 6, "what is not of this plan is deleted"


def auc_row(fit, seeds, test, resamples=2000):
    table = augmentation_gain(noisy(1, 12), test, {}, fit=fit, seeds=seeds, resamples=resamples, progress=False)
    return table[(table["arm"] == "real") & (table["figure"] == "AUC")].iloc[0]


def test_an_interval_of_trainings_that_differ_is_students_and_of_subjects_that_differ_the_bootstrap_of_subjects():
    test = noisy(2, 30)

    def by_seed(images, targets, weights, seed, transform, before):
        """Perfect with every other seed and blind with the others, on any draw of subjects."""
        return lambda x: (test.rare & (seed % 2 == 0)).astype(float) if len(x) == len(test.rare) else np.zeros(len(x))

    def by_subject(images, targets, weights, seed, transform, before):
        return lambda x: x.mean((1, 2, 3)).double().numpy()

    row = auc_row(by_seed, range(30), test)
    deviation = np.std([0.5, 1] * 15, ddof=1)
    assert row["value"] == 0.75 and row["seed_std"] == pytest.approx(deviation)
    half = scipy.stats.t.ppf(0.975, 29) * deviation / 30**0.5
    assert [row["low"], row["high"]] == pytest.approx([0.75 - half, 0.75 + half], abs=0.5 / 30)
    row = auc_row(by_subject, range(5), test)
    statistic = weighted_auc(by_subject(*[None] * 6)(test.images), test.rare)
    known = bootstrap(statistic, test.subjects, 2000, seed=1, groups=test.rare)
    assert row["seed_std"] == 0
    assert [row["low"], row["high"]] == pytest.approx(known, abs=0.02)
    assert np.isnan(auc_row(by_subject, range(4), test, 50)["low"]), "four trainings tell nothing of the spread"


def test_the_first_half_of_the_steps_is_of_the_images_before():
    seen = []

    def spy(batch):
        seen.append(batch.unique().tolist())
        return batch

    fit = RareClassifier(channels=(2, 2, 2, 2), steps=5, batch_size=4, device="cpu")
    images, targets = torch.full((6, 1, 16, 16), 0.5), torch.arange(6) % 2.0
    predict = fit(images, targets, torch.ones(6), 0, spy, (images - 1, targets))
    assert seen == [[-0.5]] * 2 + [[0.5]] * 3
    assert not np.array_equal(predict(images), fit(images, targets, torch.ones(6), 0, None)(images))
    assert repr(fit) == repr(replace(fit, device=None)), "results are kept by what they depend on"


def test_the_default_classifier_tells_bright_from_dark_and_repeats_itself():
    torch.manual_seed(0)
    levels, rare = torch.rand(60) * 0.4 - 0.5, np.arange(60) % 6 == 0
    levels[rare] += 0.6
    images = (levels.view(-1, 1, 1, 1) + 0.1 * torch.randn(60, 1, 16, 16)).clamp(-1, 1)
    train = LabelledImages(images[:30], rare[:30], np.arange(30))
    test = LabelledImages(images[30:], rare[30:], np.arange(30, 60))

    def run():
        fit = RareClassifier(channels=(8, 8, 8, 8), steps=40, batch_size=16, device="cpu")
        return augmentation_gain(train, test, {}, fit=fit, seeds=[0], resamples=20, progress=False)

    state = torch.get_rng_state()
    table = run()
    assert table.loc[table["figure"] == "AUC", "value"].min() > 0.95
    assert table.equals(run())
    assert torch.equal(torch.get_rng_state(), state), "torch's own generator is left as it was"


def test_classical_augmentation_keeps_the_range_and_the_background():
    torch.manual_seed(0)
    images = torch.full((200, 1, 16, 16), -1.0)
    images[..., 4:12, 4:8] = 0.5
    changed = mirror_and_shift(images)
    assert changed.min() == -1 and changed.max() <= 1
    assert (changed[:, :, 0] == -1).all(), "shifts are small"
    mirrored = (changed[..., 8:].sum((1, 2, 3)) > changed[..., :8].sum((1, 2, 3))).double().mean()
    assert mirrored == pytest.approx(0.5, abs=4 * 0.5 / 200**0.5)
    assert torch.equal(mirror_and_shift(images[:1], shift=0, brightness=0).sum(), images[:1].sum())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"test": labelled([0, 1], [True, False], 3)}, "train and test must not share subjects, 1 are in both"),
        ({"test": labelled([0, 1], [False, False], 10)}, "test must have rare images and others, got 0 of 2"),
        (
            {"synthetic": {"guided": torch.zeros(2, 1, 8, 8)}},
            r"guided must have images of shape \[1, 4, 4\], got \[1, 8, 8\]",
        ),
        ({"labels": {"guided": np.ones(3)}}, "one probability for each image"),
        ({"amounts": [1, 0]}, r"amounts must be multiples of the rare images above 0, got \[1, 0\]"),
        ({"sizes": [5, 2.5]}, r"sizes must be whole numbers of subjects from 1 on, got \[5, 2.5\]"),
        ({"seeds": []}, "seeds must have one for each training"),
        ({"resamples": -1}, "resamples must be at least 0"),
        ({"train": labelled([0, 1], [True, False])._replace(subjects=np.arange(3))}, "as many images as labels"),
    ],
)
def test_bad_input(parts, change, message):
    arguments = {"train": parts[0], "test": parts[1], "synthetic": {"guided": torch.zeros(2, 1, 4, 4)}} | change
    with pytest.raises(ValueError, match=message):
        augmentation_gain(**arguments)
