"""The comparison in further feature spaces, one of which is the main space by another name."""

import numpy as np
import pandas as pd
import pytest

from monai_minority.data import ImageStore
from monai_minority.evaluation.features import Thumbnail
from monai_minority.evaluation.fidelity import frechet_distance
from monai_minority.reports.findings import findings_of
from monai_minority.reports.wording import per_cent
from monai_minority.samples.write import open_samples
from monai_minority.scoring import QuantileClasses
from monai_minority.tables.evaluate import evaluate_run
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.reference import most_unique
from monai_minority.tables.settings import MeasureSettings
from tests.run_folder import Pooled, exact_score, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def evaluation(run):
    return evaluate_run(
        ImageStore.open(run / "store"),
        open_samples(run / "samples"),
        Pooled(),
        exact_score(),
        output_dir=run / "evaluation",
        further_spaces=[Thumbnail(4), Thumbnail(2)],
        classes=QuantileClasses.load(run / "classes.json"),
        measures=MeasureSettings(reference_size=20, resamples=20, progress=False),
    )


def test_the_same_space_gives_the_same_figures(evaluation):
    spaces = evaluation.spaces
    figures = [c for c in spaces if c not in ("extractor", "resizing", "normalisation", "weights_sha256")]
    main, same = (spaces[spaces["extractor"] == name][figures] for name in (Pooled.name, "thumbnail of 4 x 4 pixels"))
    assert len(main) == 9  # training and guided images, all and by their three classes, and unguided ones
    pd.testing.assert_frame_equal(main.reset_index(drop=True), same.reset_index(drop=True), rtol=1e-6)


def test_another_space_gives_what_direct_calls_give(run, evaluation):
    table = ImageStore.open(run / "store").table
    real, plain = (
        Thumbnail(2)(ImageStore.open(run / name).batch(slice(None))).numpy() for name in ("store", "samples/plain")
    )
    training, held = real[table["split"] == "train"], real[table["split"] == "test"]
    distances = np.sort(np.linalg.norm(held[:, None] - training[None], axis=-1))[:, :5].mean(axis=1)
    expected = frechet_distance(held[most_unique(distances, 20)], plain)
    spaces = evaluation.spaces
    row = spaces[(spaces["extractor"] == "thumbnail of 2 x 2 pixels") & (spaces["set"] == "plain")].iloc[0]
    assert row["frechet_distance"] == pytest.approx(expected, rel=1e-6)


def test_findings_tell_each_further_space(run, evaluation):
    loaded = RunEvaluation.load(run / "evaluation")
    pd.testing.assert_frame_equal(loaded.spaces, evaluation.spaces, check_dtype=False)
    line = next(line for line in findings_of(loaded) if "look real" in line)
    for space in ("thumbnail of 4 x 4 pixels", "thumbnail of 2 x 2 pixels"):
        rows = evaluation.spaces[evaluation.spaces["extractor"] == space].set_index(["set", "target_class"])
        guided, plain = (rows.loc[key, "rarity_valid"] for key in (("guided", "2"), ("plain", "all")))
        assert f"seen by {space} {per_cent(guided)} and {per_cent(plain)}" in line
