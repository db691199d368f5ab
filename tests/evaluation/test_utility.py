"""What generated images add to a classifier of the rare group, where the answer is known."""

import numpy as np
import pytest
import torch

from monai_minority.evaluation.utility import (
    AUGMENTED,
    BASELINE,
    OVERSAMPLED,
    LabelledImages,
    augmentation_gain,
    mirror_and_shift,
)


def labelled(levels, rare, first_subject=0):
    """Flat images of given brightness."""
    images = torch.as_tensor(levels, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    return LabelledImages(images, np.asarray(rare), np.arange(first_subject, first_subject + len(images)))


def nearest_mean(calls):
    """A classifier with a known answer: rare means nearer to the weighted mean of rare brightness."""

    def fit(images, targets, weights, seed, transform):
        calls.append((len(images), float(weights.sum()), seed, transform is not None))
        levels = images.mean((1, 2, 3))
        rare = (levels * targets * weights).sum() / (targets * weights).sum()
        other = (levels * (1 - targets) * weights).sum() / ((1 - targets) * weights).sum()
        return lambda x: torch.sigmoid(20 * ((x.mean((1, 2, 3)) - (rare + other) / 2) * (rare - other).sign())).numpy()

    return fit


@pytest.fixture
def parts():
    """The one rare training image misleads: it is dark where the rare ones of the test are bright."""
    train = labelled([-0.1, 0.0, 0.1, -0.6], [False, False, False, True])
    test = labelled([-0.2, -0.1, 0.0, 0.1, 0.5, 0.7], [False] * 4 + [True] * 2, first_subject=10)
    return train, test


def test_images_that_show_the_rare_group_as_it_is_raise_every_figure(parts):
    calls = []
    bright = torch.full((6, 1, 4, 4), 0.6)
    table = augmentation_gain(
        *parts,
        {"guided": bright},
        labels={"guided": np.ones(6)},
        fit=nearest_mean(calls),
        seeds=[3, 4],
        resamples=200,
        progress=False,
    ).set_index(["arm", "figure"])
    assert table.loc[(BASELINE, "AUC"), "value"] == 0
    guided = table.loc["real and guided"]
    assert guided.loc["AUC", ["value", "gain"]].tolist() == [1, 1]
    ends = ["low", "high", "gain_low", "gain_high"]
    assert table[ends].isna().all(axis=None), "two subjects of the rare group tell nothing of the spread"
    assert guided.loc["sensitivity at 0.9 specificity", "value"] == 1
    assert guided["seed_std"].tolist() == [0, 0, 0]
    assert table.loc[BASELINE, "gain"].tolist() == [0, 0, 0]
    assert (table[["train_rare", "train_others", "test_rare", "test_others"]] == [1, 3, 2, 4]).all().all()
    # real, oversampled (the rare one counts for three), augmented, real and guided; once a seed
    assert calls[:4] == [(4, 4.0, 3, False), (4, 6.0, 3, False), (4, 4.0, 3, True), (10, 10.0, 3, False)]
    assert [call[2] for call in calls] == [3] * 4 + [4] * 4
    assert set(table.index.get_level_values("arm")) == {BASELINE, OVERSAMPLED, AUGMENTED, "real and guided"}


def test_an_image_without_a_label_gets_what_the_real_arm_says_of_it(parts):
    targets = []

    def fit(images, target, weights, seed, transform):
        targets.append(target)
        return lambda x: np.full(len(x), 0.25 + seed / 8)

    augmentation_gain(*parts, {"unguided": torch.zeros(2, 1, 4, 4)}, fit=fit, seeds=[0, 1], resamples=0, progress=False)
    assert targets[3].tolist() == [0, 0, 0, 1, 0.25, 0.25]
    assert targets[7].tolist() == [0, 0, 0, 1, 0.375, 0.375]


def test_the_default_classifier_tells_bright_from_dark_and_repeats_itself():
    torch.manual_seed(0)
    levels, rare = torch.rand(60) * 0.4 - 0.5, np.arange(60) % 6 == 0
    levels[rare] += 0.6
    images = (levels.view(-1, 1, 1, 1) + 0.1 * torch.randn(60, 1, 16, 16)).clamp(-1, 1)
    train = LabelledImages(images[:30], rare[:30], np.arange(30))
    test = LabelledImages(images[30:], rare[30:], np.arange(30, 60))
    from monai_minority.evaluation.rare_classifier import RareClassifier

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
        ({"train": labelled([0, 1], [True, False])._replace(subjects=np.arange(3))}, "as many images as labels"),
    ],
)
def test_bad_input(parts, change, message):
    arguments = {"train": parts[0], "test": parts[1], "synthetic": {"guided": torch.zeros(2, 1, 4, 4)}} | change
    with pytest.raises(ValueError, match=message):
        augmentation_gain(**arguments)
