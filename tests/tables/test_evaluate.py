"""The evaluate stage on pictures whose rare ones, copies and classes are known."""

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.data import ImageStore
from monai_minority.evaluation.density import PyODDetector, average_knn, local_outlier_factor, rarity
from monai_minority.evaluation.fidelity import density_coverage, frechet_distance, kernel_distance, precision_recall
from monai_minority.samples.write import open_samples
from monai_minority.scoring import QuantileClasses
from monai_minority.tables.equal_shares import equal_shares
from monai_minority.tables.evaluate import evaluate_run
from monai_minority.tables.evaluation import RunEvaluation
from monai_minority.tables.measures import MEASURES
from monai_minority.tables.rows import REAL, UNIQUE, UNSEEN
from monai_minority.tables.settings import MeasureSettings
from tests.run_folder import CLASSES, HELD, RARE, SUBJECT, TRAIN, Pooled, exact_score, make_run

QUICK = MeasureSettings(reference_size=20, resamples=0, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


def _evaluate(run, name="evaluation", **changes) -> RunEvaluation:
    further = {key: changes.pop(key) for key in ("severity", "further_spaces") if key in changes}
    settings = {"reference_size": 20, "resamples": 50, "batch_size": 16, "progress": False} | changes
    return evaluate_run(
        ImageStore.open(run / "store"),
        open_samples(run / "samples"),
        Pooled(),
        exact_score(),
        output_dir=run / name,
        feature_dir=run / "features",
        classes=QuantileClasses.load(run / "classes.json"),
        measures=MeasureSettings(**settings),
        **further,
    )


class Maps(torch.nn.Module):
    """Eight maps of 4 x 4; the last, which the spatial distance leaves out, is constant."""

    name, resizing, normalisation = "maps", "none", "x"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.nn.functional.avg_pool2d(x, 4)
        return torch.cat([pooled * scale for scale in (*range(1, 8), 0)], dim=1)


class Corner(Pooled):
    name = "corner"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)[:, :3]


EVERYTHING = {
    "severity": lambda images: images[:, 0, :4, :4].mean(dim=(1, 2)),
    "detectors": {"ECOD": {}, "IForest": {"n_estimators": 20}},
    "further_spaces": [Corner(), Maps()],
    "distance_resamples": 20,
}


@pytest.fixture(scope="module")
def evaluation(run):
    return _evaluate(run, **EVERYTHING)


def _features(run, name):
    store = ImageStore.open(run / name)
    return Pooled()(store.batch(slice(None))).numpy()


def _row(evaluation, name, target="all"):
    summary = evaluation.summary
    return summary[(summary["set"] == name) & (summary["target_class"] == target)].iloc[0]


def test_planted_rare_images_have_the_highest_densities(evaluation):
    training = evaluation.real.iloc[:TRAIN]
    for measure in ("average_knn", "local_outlier_factor", "minority_score"):
        assert set(training[measure].nlargest(RARE).index) == set(range(RARE)), measure


def test_densities_are_those_of_direct_calls(run, evaluation):
    real = _features(run, "store")
    training, rest = real[:TRAIN], real[TRAIN:]
    subjects = np.arange(TRAIN) // 3
    distances = np.linalg.norm(training[:, None].astype(float) - training, axis=-1)
    distances[subjects[:, None] == subjects] = np.inf
    expected = np.r_[np.sort(distances, axis=1)[:, :5].mean(axis=1), average_knn(training, rest)]
    np.testing.assert_allclose(evaluation.real["average_knn"], expected, rtol=1e-6)
    expected = np.r_[local_outlier_factor(training), local_outlier_factor(training, rest)]
    np.testing.assert_allclose(evaluation.real["local_outlier_factor"], expected, rtol=1e-12)
    for name in ("guided", "plain"):
        part = evaluation.generated[evaluation.generated["set"] == name]
        query = _features(run, f"samples/{name}")
        np.testing.assert_allclose(part["average_knn"], average_knn(training, query), rtol=1e-12)
        np.testing.assert_allclose(part["local_outlier_factor"], local_outlier_factor(training, query), rtol=1e-12)
        np.testing.assert_allclose(part["rarity"], np.asarray(rarity(training, query)), rtol=1e-12)


def test_generated_scores_are_those_of_each_images_own_seed(run, evaluation):
    store = ImageStore.open(run / "samples" / "guided")
    direct = exact_score()(store.batch([30]), seeds=[30])
    row = evaluation.generated[evaluation.generated["set"] == "guided"].iloc[30]
    assert row["minority_score"] == pytest.approx(float(direct.mean), rel=1e-6)
    assert row["minority_score_error"] == pytest.approx(float(direct.standard_error), rel=1e-4)


def test_planted_copies_lie_nearest_to_the_image_they_copy(run, evaluation):
    plain = evaluation.generated[evaluation.generated["set"] == "plain"].reset_index(drop=True)
    assert plain["nearest_real"][:5].tolist() == [20, 21, 22, 23, 24]
    np.testing.assert_allclose(plain["nearest_distance"][:5], 0, atol=1e-6)
    assert not {"suspected_copy", "suspected_copies"} & {*evaluation.generated, *evaluation.summary}, "CopyDetector's"


def test_repeated_images_of_a_set_are_duplicates(run, tmp_path):
    twice = ImageStore.open(run / "samples" / "guided").batch(np.r_[0:10, 0, 0])
    columns = {"seed": np.arange(12), "target_class": 0, "guidance_scale": 1.0}
    store = ImageStore.create(tmp_path / "twice", twice, columns, (-1, 1))
    real = ImageStore.open(run / "store")
    settings = {"output_dir": tmp_path, "measures": QUICK}
    table = evaluate_run(real, {"twice": store}, Pooled(), exact_score(), **settings).generated
    assert np.flatnonzero(table["duplicate"]).tolist() == [0, 10, 11]


def test_the_threshold_of_duplicates_is_between_subjects(run, evaluation):
    features, subjects = _features(run, "store")[:TRAIN].astype(float), np.arange(TRAIN) // 3
    distances = np.linalg.norm(features[:, None] - features, axis=-1)
    distances[subjects[:, None] == subjects] = np.inf
    expected = np.quantile(distances.min(axis=1), 0.01)
    assert evaluation.context["duplicate_threshold"] == pytest.approx(expected)


def test_every_measure_of_the_registry_is_in_the_tables(evaluation):
    names = {measure.name for measure in MEASURES}
    assert names <= set(evaluation.generated)
    assert names - {"nearest_distance"} <= set(evaluation.real)
    assert {f"{name}_mean" for name in names} <= set(evaluation.summary)


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_summary_equals_direct_calls(run, evaluation):
    real = _features(run, "store")
    knn = evaluation.real["average_knn"].to_numpy()
    held = np.arange(TRAIN, TRAIN + HELD)
    reference = held[np.argsort(-knn[held], kind="stable")[:20]]
    assert evaluation.context["reference_never_trained_on"]
    assert evaluation.context["reference_rows"] == reference.tolist()
    query = _features(run, "samples/guided")
    for target, rows in [("all", slice(None)), ("2", slice(24, 36))]:
        row = _row(evaluation, "guided", target)
        part = evaluation.generated[evaluation.generated["set"] == "guided"].iloc[rows]
        assert row["n"] == len(part)
        assert row["frechet_distance"] == pytest.approx(frechet_distance(real[reference], query[rows]), rel=1e-9)
        # Of all three classes together four images of each; the class itself is as large as the smallest row.
        taken = equal_shares(12, part["target_class"].to_numpy(), part["seed"].to_numpy())
        assert np.bincount(part["target_class"].to_numpy()[taken]).max() == (4 if target == "all" else 12)
        equal = frechet_distance(real[reference], query[rows][taken])
        assert row["frechet_distance_equal_n"] == pytest.approx(equal, rel=1e-9)
        assert row["frechet_distance_equal_n_low"] < equal < row["frechet_distance_equal_n_high"]
        expected = precision_recall(real[reference], query[rows])
        assert (row["precision"], row["recall"]) == pytest.approx(expected)
        expected = density_coverage(real[reference], query[rows])
        assert (row["density"], row["coverage"]) == pytest.approx(expected)
        assert row["kernel_distance"] == pytest.approx(kernel_distance(real[reference], query[rows]), rel=1e-9)
        for figure in ("frechet_distance", "kernel_distance", "precision", "recall", "density", "coverage"):
            assert row[f"{figure}_low"] <= row[figure] <= row[f"{figure}_high"], figure
        assert row["above_p90"] == pytest.approx((part["average_knn"] > np.percentile(knn[:TRAIN], 90)).mean())
        assert row["minority_score_mean"] == pytest.approx(part["minority_score"].mean())
        assert row["average_knn_q50"] == pytest.approx(part["average_knn"].median())
        assert row["rarity_valid"] == pytest.approx(part["rarity"].notna().mean())
        assert row["above_p90_low"] <= row["above_p90"] <= row["above_p90_high"]


def test_training_images_lie_above_their_own_percentile_as_often_as_it_says(evaluation):
    row = _row(evaluation, REAL)
    assert row["n"] == TRAIN
    assert row["above_p90"] == pytest.approx(0.1, abs=1 / TRAIN)
    assert [_row(evaluation, REAL, str(c))["n"] for c in range(CLASSES)] == [TRAIN // CLASSES] * CLASSES
    assert _row(evaluation, UNSEEN)["n"] == HELD
    assert _row(evaluation, UNIQUE)["average_knn_mean"] > _row(evaluation, UNSEEN)["average_knn_mean"]


def test_the_reference_comes_from_all_images_where_too_few_were_held_out(run):
    context = _evaluate(run, "small", reference_size=30, resamples=0).context
    assert not context["reference_never_trained_on"]
    assert "all 135 real images" in context["reference"]
    assert min(context["reference_rows"]) < RARE


def test_a_reference_larger_than_half_of_the_images_is_cut_and_said(run):
    context = _evaluate(run, "large", reference_size=500, resamples=0).context
    assert len(context["reference_rows"]) == context["reference_size"] == 135 // 2
    assert context["reference_size_asked"] == 500
    assert "the 67 most unique" in context["reference"] and "500 were asked for" in context["reference"]


@pytest.mark.parametrize("measure", ["average_knn", "local_outlier_factor", "rarity", "minority_score"])
def test_the_reference_is_the_most_unique_by_the_measure(run, evaluation, measure):
    found = _evaluate(run, measure, reference_measure=measure, resamples=0)
    held = evaluation.real.iloc[TRAIN:]
    enough = held[measure].notna().sum() >= 40
    among = held if enough else evaluation.real
    assert found.context["reference_rows"] == among[measure].dropna().nlargest(20).index.tolist()
    assert found.context["reference_never_trained_on"] == enough
    assert found.context["reference_measure"] == measure


def test_detectors_of_pyod_judge_every_image(run, evaluation):
    real, query = _features(run, "store"), _features(run, "samples/guided")
    guided = evaluation.generated[evaluation.generated["set"] == "guided"]
    for name, settings in (("ECOD", {}), ("IForest", {"n_estimators": 20, "random_state": 0})):
        training = PyODDetector(name, **settings).fit(real[:TRAIN]).scores()
        np.testing.assert_allclose(evaluation.real[name][:TRAIN], training)
        np.testing.assert_allclose(guided[name], PyODDetector(name, **settings).fit(real[:TRAIN]).scores(query))
        assert _row(evaluation, REAL)[f"{name}_mean"] == pytest.approx(training.mean())
    assert evaluation.context["detectors"]["IForest"] == {"n_estimators": 20, "random_state": 0}


@pytest.mark.filterwarnings("ignore:Fréchet distance from")
def test_further_spaces_give_their_own_figures(run, evaluation):
    store, table = ImageStore.open(run / "store"), evaluation.fidelity.set_index(["extractor", "set", "name"])["value"]
    reference = store.batch(evaluation.context["reference_rows"])
    for name in ("guided", "plain"):
        images = ImageStore.open(run / "samples" / name).batch(slice(None))
        direct = frechet_distance(*(Maps()(x)[:, :7].flatten(1).numpy() for x in (reference, images)))
        assert table["maps", name, "spatial Fréchet distance (lower is closer)"] == pytest.approx(direct, rel=1e-9)
        pair = Corner()(reference).numpy(), Corner()(images).numpy()
        assert table["corner", name, "Fréchet distance (lower is closer)"] == pytest.approx(frechet_distance(*pair))
        assert table["corner", name, "coverage"] == pytest.approx(density_coverage(*pair).coverage)


def test_every_row_says_how_it_was_measured(evaluation):
    for table in (evaluation.summary, evaluation.agreement):
        assert table["extractor"].eq("means of 4 x 4 pixels").all()
    for table in (evaluation.summary, evaluation.agreement, evaluation.spaces):
        assert table["k"].eq(5).all()
        assert table["libraries"].str.contains(f"numpy {np.__version__}").all()
        assert {"resizing", "weights_sha256", "intervals", "seed", "n"} <= set(table)
        assert (table["reference_size"] == evaluation.context["reference_size"]).all()
    for table in (evaluation.real, evaluation.generated, evaluation.unusual_images):
        assert (table["k"] == 5).all()
        assert (table["weights_sha256"] == evaluation.context["weights_sha256"]).all()
    severity = evaluation.severity
    assert severity["judge"].eq("<lambda>").all() and severity["extractor"].eq("none").all()
    for table in (severity, evaluation.dispersion):
        assert table["intervals"].str.contains("Wilson").all() and table["seed"].eq(0).all()
        assert table["libraries"].str.contains(f"numpy {np.__version__}").all() and table["n_measured"].gt(0).all()
    subjects = evaluation.unusual_subjects
    assert subjects.columns[-4:].tolist() == ["extractor", "resizing", "seed", "libraries"]
    assert subjects["extractor"].eq("none").all(), "scores are the network's"
    rows = evaluation.fidelity
    carried = {
        "extractor",
        "resizing",
        "normalisation",
        "weights_sha256",
        "N real",
        "N generated",
        "k",
        "interval",
        "seed",
    }
    assert carried | {"numpy", "pyod"} <= set(rows)
    assert rows[["extractor", "N real", "N generated", "interval", "seed"]].notna().all(axis=None)


def test_agreement_finds_the_rare_group_and_the_guided_classes(evaluation):
    table = evaluation.agreement.set_index(["figure", "measure", "against", "images"])
    for scope in ("all images", "images never trained on"):
        auc = table.loc[("AUC", "minority_score", "bright against plain", scope)]
        # Every rare picture scores above every common one, in any resample: that says nothing of the spread.
        assert auc["value"] == 1 and auc[["low", "high"]].isna().all()
    assert auc[["subjects", "rare_subjects", "other_subjects"]].tolist() == [15, 9, 15]
    top = table.loc[("share in the top tenth", "minority_score", "bright against plain", "all images")]
    assert top["value"] == 1.0
    assert top["overall"] == pytest.approx(18 / 135)
    assert top["positive"] == 18
    measured = table.loc[("rank correlation", "severity_measure", "severity", "all images")]
    direct = evaluation.real[["severity_measure", "severity"]].corr("spearman").iloc[0, 1]
    assert measured["value"] == pytest.approx(direct)
    assert measured["subjects"] == 45 and np.isnan(measured["rare_subjects"])
    target = table.loc[("rank correlation", "minority_score", "target_class", "guided")]
    assert target["subjects"] == 36, "seeds"
    assert target["value"] > 0.9
    assert target["low"] <= target["value"] <= target["high"]


def test_written_tables_are_the_returned_ones_and_repeat(run, evaluation):
    loaded = RunEvaluation.load(run / "evaluation")
    again = _evaluate(run, "again", **EVERYTHING)
    for name in ("real", "generated", "summary", "fidelity", "agreement"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(evaluation, name), check_dtype=False)
        same = (run / "evaluation" / f"{name}.csv").read_bytes() == (run / "again" / f"{name}.csv").read_bytes()
        assert same, name
    assert loaded.context == evaluation.context == again.context


class Conditional(torch.nn.Module):
    """The exact denoiser of the pictures plus an offset for label 1; conditional, as its attribute says."""

    num_classes = 2

    def __init__(self, score):
        super().__init__()
        self.inner = score.network

    def forward(self, x, timesteps, class_labels):
        return self.inner(x, timesteps) + 0.5 * class_labels.view(-1, 1, 1, 1)


def test_conditional_scores_and_classes_within_labels(run, tmp_path):
    store, guided = ImageStore.open(run / "store"), ImageStore.open(run / "samples" / "guided")
    score = exact_score()
    score.network = Conditional(score)
    labels = np.arange(36) % 2
    table = guided.table[["seed", "target_class", "guidance_scale"]].assign(class_label=labels)
    samples = ImageStore.create(tmp_path / "samples", guided.batch(slice(None)), table, (-1, 1))
    classes = QuantileClasses(2).fit([0.0, 1.0, 10.0, 11.0], groups=[0, 0, 1, 1])
    settings = {"output_dir": tmp_path, "measures": QUICK, "classes": classes}
    found = evaluate_run(store, {"s": samples}, Pooled(), score, group_column="class_label", **settings).generated
    direct = score(samples.batch(slice(None)), torch.from_numpy(labels), seeds=table["seed"].to_numpy().copy())
    np.testing.assert_allclose(found["minority_score"], direct.mean, rtol=1e-6)
    assert found["class_label"].tolist() == labels.tolist()
    expected = found["minority_score"] > np.where(labels, 10.5, 0.5)
    assert found["minority_class"].tolist() == expected.astype(int).tolist()
    # Generated images without the column that classes were fitted within have none; without labels, no score.
    unlabelled = evaluate_run(store, {"s": samples}, Pooled(), score, group_column="group", **settings).generated
    assert "minority_class" not in unlabelled
    with pytest.raises(ValueError, match="must have the column 'class_label', for the network of the score is"):
        evaluate_run(store, {"s": guided}, Pooled(), score, group_column="class_label", **settings)


def test_several_groups_are_normal_together(run):
    named = _evaluate(run, "normal", normal_group=["plain"], resamples=0).agreement
    assert "bright against plain" in set(named["against"])
    with pytest.raises(ValueError, match="normal_group must be among the groups"):
        _evaluate(run, "normal", normal_group=["plain", "absent"], resamples=0)


def test_features_are_computed_once(run, evaluation):
    class Counting(Pooled):
        calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            Counting.calls += 1
            return super().forward(x)

    store, samples = ImageStore.open(run / "store"), open_samples(run / "samples")
    settings = {"measures": QUICK, "feature_dir": run / "features"}
    evaluate_run(store, samples, Counting(), exact_score(), output_dir=run / "once", **settings)
    assert Counting.calls == 0  # same name, resizing and weights as the fixture's extractor


def test_no_name_of_a_subject_is_written(run, evaluation):
    for path in (run / "evaluation").iterdir():
        assert SUBJECT not in path.read_text(), path.name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference_size": 0}, "reference_size must be at least 1"),
        (
            {"reference_measure": "beauty"},
            "reference_measure must be one of minority_score, .*got 'beauty'",
        ),
        ({"detectors": {"Absent": {}}}, "name must be a detector of PyOD"),
        ({"detectors": {"IForest": {"trees": 5}}}, "settings of IForest must be arguments of PyOD's class"),
        ({"normal_group": "healthy"}, "normal_group must be among the groups"),
        ({"lof_neighbours": 90}, "more than 90 images of split 'train'"),
    ],
)
def test_bad_settings_say_what_is_wrong(run, changes, message):
    with pytest.raises(ValueError, match=message):
        _evaluate(run, "bad", resamples=0, **changes)


def test_missing_columns_and_shapes_are_named(run, tmp_path):
    samples = open_samples(run / "samples")
    bare = ImageStore.create(tmp_path / "bare", np.zeros((4, 1, 16, 16), np.uint8), {"split": ["train"] * 4}, (0, 255))
    with pytest.raises(ValueError, match="minority_score.*run the score stage"):
        evaluate_run(bare, samples, Pooled(), exact_score(), output_dir=tmp_path, measures=QUICK)
    other = ImageStore.create(tmp_path / "other", np.zeros((4, 1, 8, 8), np.uint8), {"seed": range(4)}, (0, 255))
    store = ImageStore.open(run / "store")
    with pytest.raises(ValueError, match="shape"):
        evaluate_run(store, {"other": other}, Pooled(), exact_score(), output_dir=tmp_path, measures=QUICK)


def test_a_table_that_is_missing_is_named(run, evaluation, tmp_path):
    evaluation.save(tmp_path)
    (tmp_path / "groups.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no groups\.csv; run the evaluate stage again"):
        RunEvaluation.load(tmp_path)
