"""The methods' table against the functions that it is made of, on pictures whose figures are known."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from monai_minority.data import ImageStore
from monai_minority.evaluation.density import average_knn
from monai_minority.evaluation.fidelity import distance_figures, frechet_distance, precision_recall
from monai_minority.samples.write import open_samples
from monai_minority.tables import MeasureSettings, compare_methods
from monai_minority.tables.provenance import PROVENANCE
from tests.run_folder import TRAIN, Pooled, exact_score, make_run


class Maps(torch.nn.Module):
    """The means of the squares of 4 x 4 pixels in their places."""

    name, resizing, normalisation = "maps of 4 x 4 pixels", "none", "x"

    def forward(self, x):
        return torch.nn.functional.avg_pool2d(x, 4)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = make_run(tmp_path_factory.mktemp("run"))
    made = open_samples(folder / "samples")
    pixels = np.load(made["guided"].path / "images.npy")
    rare = {"seed": range(40), "target_class": 2, "guidance_scale": 4.0, "synthetic": 1}
    cost = {"steps": [15, 5, 5], "seconds_an_image": 0.5, "backbone_evaluations": 25.0, "classifier_evaluations": 50.0}
    store = ImageStore.create(
        folder / "far", np.tile(pixels[30:], (7, 1, 1, 1))[:40], rare, (0, 255), method="far", **cost
    )
    samples = {"far": store, "plain": made["plain"]}
    table = compare_methods(
        ImageStore.open(folder / "store"),
        samples,
        Pooled(),
        exact_score(),
        output_dir=folder / "comparison",
        map_extractor=Maps(),
        severity=lambda images: images[:, 0, :4, :4].mean((1, 2)),
        measures=MeasureSettings(reference_size=20, resamples=50, distance_resamples=50, progress=False),
    )
    return folder, samples, table.set_index("method")


def test_rows_and_provenance(run):
    folder, _, table = run
    assert list(table.index)[:2] == ["far", "plain"]
    assert table["sampler"].iloc[:2].tolist() == ["far", "ancestral"]
    assert (table["n"].iloc[:2] == 36).all(), "the larger set is cut to the smaller"
    assert table.loc["far", ["seconds_an_image", "backbone_evaluations", "classifier_evaluations"]].tolist() == [
        0.5,
        25,
        50,
    ]
    assert table.loc["far", "steps"] == 25, "steps of unequal sections are added"
    assert table.loc["plain", "steps"] == 25 and np.isnan(table.loc["plain", "seconds_an_image"])
    written = pd.read_csv(folder / "comparison" / "methods.csv")
    assert written.columns[-len(PROVENANCE) :].tolist() == list(PROVENANCE)
    how = written[[*PROVENANCE, "spatial_extractor"]].drop_duplicates().iloc[0].to_dict()
    assert how["extractor"] == Pooled.name and how["spatial_extractor"] == Maps.name
    assert (how["k"], how["k_lof"], how["reference_size"], how["seed"]) == (5, 20, 20, 0)
    assert "of distances 50 resamples of both sets" in how["intervals"]
    assert f"numpy {np.__version__}" in how["libraries"]
    pd.testing.assert_frame_equal(written, table.reset_index(), check_dtype=False)


def test_figures_are_those_of_the_functions(run):
    folder, samples, table = run
    real = ImageStore.open(folder / "store")
    pooled = {name: Pooled()(made.batch(slice(None))).numpy() for name, made in samples.items()}
    features, plain = Pooled()(real.batch(slice(None))).numpy(), pooled["plain"]
    held = np.arange(TRAIN, len(features))
    chosen = held[np.argsort(-average_knn(features[:TRAIN], features[held], 5), kind="stable")[:20]]
    context = json.loads((folder / "comparison" / "context.json").read_text())
    assert set(context["reference_rows"]) == set(chosen.tolist())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert table.loc["plain", "frechet_distance"] == pytest.approx(frechet_distance(features[chosen], plain))
        maps = [
            Maps()(store.batch(rows)).numpy()
            for store, rows in ((real, sorted(chosen)), (samples["plain"], slice(None)))
        ]
        expected = frechet_distance(*(x.reshape(len(x), -1) for x in maps))
    assert table.loc["plain", "spatial_frechet_distance"] == pytest.approx(expected)
    figures = precision_recall(features[chosen], plain, k=5)
    assert table.loc["plain", ["precision", "recall"]].tolist() == pytest.approx([figures.precision, figures.recall])
    assert table.loc["plain", "average_knn_mean"] == pytest.approx(average_knn(features[:TRAIN], plain, 5).mean())
    corner = samples["plain"].batch(slice(None))[:, 0, :4, :4].mean((1, 2)).numpy()
    assert table.loc["plain", "severity_measure_mean"] == pytest.approx(corner.mean())
    real = ImageStore.open(folder / "store")
    normal = real.batch((real.table["group"] == "plain").to_numpy().nonzero()[0])[:, 0, :4, :4].mean((1, 2)).numpy()
    assert table.loc["plain", "severe"] == pytest.approx(np.mean(corner > np.percentile(normal, 99)))
    assert table.loc["far", "severe"] > table.loc["plain", "severe_high"]


def test_the_interval_holds_the_distance_and_widens_with_fewer_images(run):
    _, _, table = run
    sets = table.iloc[:2]
    for name in ("frechet_distance", "spatial_frechet_distance"):
        assert (sets[f"{name}_low"] < sets[name]).all(), name
        assert (sets[name] < sets[f"{name}_high"]).all(), name


def test_the_spatial_interval_is_that_of_the_maps_as_vectors(run):
    folder, samples, table = run
    rows = json.loads((folder / "comparison" / "context.json").read_text())["reference_rows"]
    real = Maps()(ImageStore.open(folder / "store").batch(sorted(rows))).flatten(1)
    made = Maps()(samples["plain"].batch(slice(None))).flatten(1)
    subjects = np.array(sorted(rows)) // 3
    found = distance_figures(real, made, a_clusters=subjects, resamples=50)
    ends = table.loc["plain", ["spatial_frechet_distance_low", "spatial_frechet_distance_high"]].tolist()
    assert ends == pytest.approx(list(found.frechet_interval))


def test_rarer_samples_are_told_apart(run):
    _, _, table = run
    for measure in ("minority_score_mean", "severity_measure_mean", "average_knn_mean"):
        assert table.loc["far", measure] > table.loc["plain", measure], measure


def test_the_picture_has_a_row_a_method_and_says_that_it_is_synthetic(run):
    picture = Image.open(run[0] / "comparison" / "methods.png")
    assert "SYNTHETIC" in picture.info["Description"]


def test_no_samples_and_another_shape(run, tmp_path):
    folder, _, _ = run
    store = ImageStore.open(folder / "store")
    with pytest.raises(ValueError, match="at least one store"):
        compare_methods(store, {}, Pooled(), exact_score(), output_dir=tmp_path)
    small = ImageStore.create(tmp_path / "s", np.zeros((2, 1, 8, 8), np.uint8), {"seed": [0, 1]}, (0, 255))
    with pytest.raises(ValueError, match=r"samples\['small'\] must hold images of the real store's shape"):
        compare_methods(store, {"small": small}, Pooled(), exact_score(), output_dir=tmp_path)
