"""Which of a run's images the classifiers of the rare group are trained and judged on."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.tables.settings import MeasureSettings
from monai_minority.tables.utility import measure_utility


def store_of(path, levels, **columns):
    """Flat images whose brightness, 0 to 255, tells them apart."""
    pixels = np.repeat(np.asarray(levels, np.uint8), 16).reshape(-1, 1, 4, 4)
    table = pd.DataFrame({"source": [f"i{n}" for n in range(len(pixels))], "slice": 0, **columns})
    return ImageStore.create(path, pixels, table, (0, 255))


@pytest.fixture
def real(tmp_path):
    return store_of(
        tmp_path / "real",
        [10, 20, 30, 40, 50, 60, 70],
        subject=list("abcdefg"),
        split=["train", "train", "train", "validation", "test", "test", "test"],
        group=["normal", "normal", "ill", "ill", "normal", "ill", "ill"],
    )


@pytest.fixture
def samples(tmp_path):
    guided = {"seed": range(6), "target_class": [0, 0, 4, 4, 4, 4], "guidance_scale": 2.0}
    plain = {"seed": range(3), "target_class": -1, "guidance_scale": 0.0}
    return {
        "guided": store_of(tmp_path / "guided", [100, 110, 120, 130, 140, 150], **guided),
        "unguided": store_of(tmp_path / "unguided", [200, 210, 220], **plain),
    }


def levels(images):
    return ((images.mean((1, 2, 3)) + 1) * 127.5).round().int().tolist()


def test_trains_on_the_training_split_and_the_rarest_samples_and_judges_on_the_test_split(real, samples, tmp_path):
    trained, judged = [], set()

    def fit(images, targets, weights, seed, transform, before):
        trained.append((levels(images), targets.tolist(), before and levels(before[0])))

        def predict(x):
            judged.add(tuple(levels(x)))
            return np.full(len(x), 0.5)

        return predict

    path = tmp_path / "evaluation" / "utility.csv"
    table = measure_utility(
        real, samples, path, measures=MeasureSettings(resamples=2, progress=False), fit=fit, seeds=[3, 4], amounts=[3]
    )
    assert trained[0] == ([10, 20, 30], [0, 0, 1], None)
    assert trained[4][0] == [10, 20, 30, 120, 140, 150], "class 4 alone, three images as the smaller set has"
    assert trained[7][0] == [10, 20, 30, 200, 210, 220]
    assert (trained[6][0], trained[6][2]) == ([10, 20, 30], [120, 140, 150]), "pretrained"
    assert judged == {(50, 60, 70), (10, 20, 30), (120, 140, 150), (200, 210, 220)}
    assert (table["generated_a_set"] == 3).all()
    assert (table["test_rare"] == 2).all()
    assert (table["backbone"] == "learned from the rare images of all 1 subjects, at every size").all()
    written = pd.read_csv(path)
    assert written["arm"].tolist() == table["arm"].tolist()
    assert written.columns[-5:].tolist() == ["extractor", "resizing", "intervals", "seed", "libraries"]
    how = written.iloc[0]
    assert (how["extractor"], how["seed"]) == ("none", "3, 4")
    assert how["intervals"] == "95 %: bootstrap over subjects and seeds, 2 resamples, seed 0"


def test_several_groups_are_normal_together(real, samples, tmp_path):
    """With both groups normal but for a third, the third alone is rare, and the images of both others are not."""
    real.add_columns(group=["normal", "mild", "ill", "ill", "mild", "normal", "ill"])
    rare = []

    def fit(images, targets, weights, seed, transform, before):
        rare.append(targets.tolist())
        return lambda x: np.full(len(x), 0.5)

    measures = MeasureSettings(normal_group=["normal", "mild"], resamples=0, progress=False)
    table = measure_utility(real, samples, tmp_path / "u.csv", measures=measures, fit=fit, seeds=[0])
    assert rare[0] == [0, 0, 1]
    assert (table["test_rare"] == 1).all() and (table["test_others"] == 2).all()


def test_bad_groups(real, samples, tmp_path):
    with pytest.raises(ValueError, match="normal_group must be among the groups ill, normal, got healthy"):
        measure_utility(real, samples, tmp_path / "u.csv", measures=MeasureSettings(normal_group="healthy"))
    with pytest.raises(ValueError, match="store must have a group for every image"):
        measure_utility(samples["unguided"], samples, tmp_path / "u.csv")
