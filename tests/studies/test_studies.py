"""Studies on tables whose answers are known: what is measured, told and drawn."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from monai_minority.data import ImageStore
from monai_minority.guidance import MixedDensityGuidance
from monai_minority.scoring import QuantileClasses
from monai_minority.studies import (
    Baselines,
    Distances,
    Distribution,
    MixedDensity,
    NumClasses,
    OutlierCorrelations,
    ScaleAndClass,
    Severity,
    Solvers,
    StudyPlan,
    StudyRun,
    Timestep,
    own_store,
    run_study,
)
from monai_minority.studies.cells import CellStudy
from monai_minority.studies.plan import leaves
from monai_minority.tables import MeasureSettings
from tests.run_folder import CLASSES, Pooled, _pictures, exact_score, make_run


def plan_of(folder, **settings):
    defaults = {
        "run_dir": folder,
        "store_path": folder / "store",
        "backbone_path": folder / "b.pt",
        "classifier_path": folder / "c.pt",
        "num_classes": CLASSES,
        "num_train_timesteps": 1000,
        "timestep": 400,
        "store_images": 135,
        "train_images": 90,
        "class_labels": 2,
        "images": 12,
        "steps": 5,
        "first_seed": 0,
        "scale": 2.0,
        "scales": [1.0, 2.0],
        "classes": None,
        "class_counts": [2, CLASSES],
        "labelled_shares": [0.5, 1.0],
        "timesteps": [0.2, 0.4],
        "distances": {"true": {}, "bright": {}},
        "score_images": None,
        "score_draws": 2,
        "label_scales": [0.0, 1.0],
        "solvers": {"slow": {"solver": "a"}, "fast": {"solver": "b", "sampling_eta": 1.0}},
        "solver_steps": [2, 8],
        "guided_steps": {"every_second": {"guidance_every": 2}},
        "classifier_iterations": 10,
        "classifier_batch_size": 4,
    }
    return StudyPlan(**defaults | settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose guided samples brighten a corner with class and scale, which is what is rare in it."""
    folder = make_run(tmp_path_factory.mktemp("studies") / "run")
    plan = plan_of(folder)
    rng = np.random.default_rng(1)
    for target, scale in [(None, 0.0), *((c, s) for c in range(CLASSES) for s in plan.scales)]:
        amount = 0.0 if target is None else 0.1 * target * scale
        columns = {"seed": range(12), "target_class": -1 if target is None else target, "guidance_scale": scale}
        path = plan.folder / "shared" / "samples" / plan.set_name(target, scale)
        ImageStore.create(path, _pictures(rng, np.full(12, amount)), columns, (0, 255))
    made = {"slow_2": 0.0, "slow_8": 0.4, "fast_2": 0.4, "fast_8": 0.4, "guided_every_second": 0.4}
    for place, (name, amount) in enumerate(made.items()):
        columns = {"seed": range(12), "target_class": CLASSES - 1, "guidance_scale": 2.0}
        costs = {"backbone_evaluations": 2.0, "classifier_evaluations": place, "seconds_an_image": 0.5}
        path = plan.folder / "shared" / "samples" / name
        ImageStore.create(path, _pictures(rng, np.full(12, amount)), columns, (0, 255), **costs)
    store = ImageStore.open(folder / "store")
    measures = MeasureSettings(reference_size=20, resamples=100, progress=False)
    return StudyRun(plan, store, Pooled(), exact_score(), spaces=[Pooled()], measures=measures)


def scored(run, folder, scores):
    store = own_store(run.store, run.plan.folder / folder / "store", images=135)
    store.add_columns(minority_score=scores, minority_score_error=0.0)


def test_the_score_of_a_distance_that_follows_brightness_is_told_from_one_that_finds_the_rare(run):
    images = run.store.batch(slice(None))
    density = run.real.table["average_knn"].to_numpy()
    scored(run, "distance/true", density)
    scored(run, "distance/bright", images.mean((1, 2, 3)).numpy())
    tables = Distances().measure(run)
    ranks = tables["figures"].query("figure == 'rank correlation'").set_index(["distance", "against"])["value"]
    assert ranks["true", "average_knn"] == pytest.approx(1)
    assert ranks["bright", "brightness"] == pytest.approx(1)
    areas = tables["figures"].query("figure == 'AUC'").set_index("distance")["value"]
    assert areas["true"] > 0.99
    told = Distances().tell(tables)
    assert "The bright score has rank correlations" in told
    assert "it may or may not follow brightness, as 45 subjects allow no interval (1): mean" in told, "all resamples: 1"
    near = tables["figures"].assign(low=0.9, high=1.0)
    assert "rises with brightness (1 [0.9, 1])" in Distances().tell(tables | {"figures": near})
    bright = (
        tables["figures"].query("figure == 'mean brightness' and distance == 'bright'").set_index("against")["value"]
    )
    assert bright["most unusual"] > bright["least unusual"]


def test_correlations_with_outlier_measures_are_those_of_the_run(run):
    study = OutlierCorrelations()
    tables = study.measure(run)
    training = run.real.table.iloc[run.real.training]
    expected = training["minority_score"].corr(training["average_knn"], method="spearman")
    row = tables["figures"].query("measure == 'average_knn' and images == 'training images'").iloc[0]
    assert row["value"] == pytest.approx(expected, abs=1e-9)
    assert row["low"] <= row["value"] <= row["high"]
    assert "(n = 90) the score" in study.tell(tables)
    assert study.calls(run.plan) == []


def test_the_timestep_that_ranks_best_is_named(run):
    density = run.real.table["average_knn"].to_numpy()
    scored(run, "timestep/200", -density)
    scored(run, "timestep/400", density)
    tables = Timestep().measure(run)
    told = Timestep().tell(tables)
    assert "Rank correlation with AvgkNN is highest at timestep 400 (1) and lowest at 200 (-1)." in told
    assert "AUC for the rare group is highest at timestep 400" in told
    assert told.endswith("This run scores at 400.")


def test_classes_that_give_rarer_images_are_said_to(run):
    study = Severity()
    tables = study.measure(run)
    assert len(tables["figures"]) == 1 + 1 + CLASSES
    rise = tables["correlations"].set_index("measure").loc["average_knn"]
    assert rise["low"] > 0.2
    told = study.tell(tables)
    assert "AvgkNN rises with the class sampled" in told
    assert "No measure of severity in pixels is configured" in told
    flat = tables["correlations"].assign(value=0.0, low=-0.1, high=0.1)
    assert "AvgkNN does not change measurably with the class sampled" in study.tell(tables | {"correlations": flat})


def test_scale_and_class(run):
    tables = ScaleAndClass().measure(run)
    table = tables["figures"].dropna(subset=["target"]).set_index(["target", "scale"])["minority_score_mean"]
    assert table[2, 2.0] > table[2, 1.0] > table[0, 1.0]
    assert "At class 2, from scale 1 to 2: minority score rises from" in ScaleAndClass().tell(tables)


def test_solvers_are_told_with_what_they_cost(run):
    plan = run.plan
    jobs = {job.identity["sample_set"]: job for job in Solvers().calls(plan)}
    assert jobs["fast_8"].identity["sampling_eta"] == 1.0 and jobs["fast_8"].identity["target_classes"] == [plan.top]
    assert [jobs[name].evaluations for name in ("slow_2", "fast_8", "guided_every_second")] == [96, 384, 240]
    tables = Solvers().measure(run)
    figures = tables["figures"].set_index("cell")
    assert figures.loc["shared/fast_8", "evaluations"] == 2 + 3
    assert np.isnan(figures.loc["shared/unguided", "evaluations"])
    told = Solvers().tell(tables)
    assert "slow takes 2, 3 evaluations and 0.5, 0.5 s an image; from 3 to 2: minority score falls" in told
    assert "fast takes 4, 5 evaluations and 0.5, 0.5 s an image; from 5 to 4: minority score does not change" in told
    assert "guided every_second takes 6 evaluations and 0.5 s an image." in told
    assert {text.get_text() for text in Solvers().draw(tables, run).legends[0].get_texts()} >= {"slow", "fast"}


def test_all_classes_together_are_farther_from_the_real_distribution_than_plain_samples_here(run):
    tables = Distribution().measure(run)
    figures = tables["figures"].set_index("set")
    assert (figures["n"].to_numpy() == 12).all()
    assert figures.loc["all classes alike", "kernel_distance"] > figures.loc["unguided", "kernel_distance"]
    assert figures.loc["all classes alike", "average_knn_ks"] > 0.3
    assert "All classes alike (n = 12): kernel distance" in Distribution().tell(tables)


def test_studies_share_their_sets_and_the_runs_own_classifier(run):
    plan = run.plan
    titles = {
        name: [call.title for call in study.calls(plan)]
        for name, study in {"s": Severity(), "c": ScaleAndClass(), "d": Distribution(), "n": NumClasses()}.items()
    }
    assert set(titles["s"]) < set(titles["d"]) | set(titles["c"])
    assert titles["n"] == [
        "inference: shared, unguided",
        "study_store: num_classes/2",
        "cut: num_classes/2",
        "train_classifier: num_classes/2",
        "inference: num_classes/2, rarest",
        "inference: shared, class2_scale2",
    ]
    cost = {call.title: call.evaluations for call in NumClasses().calls(plan)}
    assert cost["inference: shared, unguided"] == 12 * 5
    assert cost["inference: shared, class2_scale2"] == 4 * 12 * 5
    assert cost["train_classifier: num_classes/2"] == 3 * 10 * 4
    mixed = [call for call in MixedDensity().calls(plan) if call.overlays == ("mixed_density",)]
    assert [call.identity["guidance_scale"] for call in mixed] == [1.0, 2.0]
    assert [call.evaluations for call in mixed] == [4 * 12 * 5] * 2
    assert len(QuantileClasses.load(mixed[0].identity["classes_path"]).tau) == CLASSES, "as the overlay reads them"


def test_mixed_density_takes_thresholds_that_were_cut_within_labels(run, tmp_path):
    """A row a label, in the order of the labels, as guidance with class labels reads them; none negative."""
    scores = np.r_[-1.0:1.0:9j, 10.0:12.0:9j]
    grouped = QuantileClasses(2).fit(scores, groups=[7] * 9 + [3] * 9)
    for name, classes, expected in (
        ("grouped", grouped, [[11.0, 12.0], [0.0, 1.0]]),
        ("plain", QuantileClasses(2).fit(np.r_[-1.0:1.0:9j]), [0.0, 1.0]),
    ):
        plan = plan_of(tmp_path / name)
        (tmp_path / name).mkdir()
        classes.save(tmp_path / name / "classes.json")
        call = next(call for call in MixedDensity().calls(plan) if call.overlays == ("mixed_density",))
        weights = QuantileClasses.load(call.identity["classes_path"]).tau
        term = MixedDensityGuidance(torch.nn.Identity(), weights)
        torch.testing.assert_close(term.log_thresholds.exp(), torch.tensor(expected))


def test_images_are_measured_once_and_features_too(run, monkeypatch):
    Severity().measure(run)
    files = {path: path.stat().st_mtime_ns for path in (run.plan.folder / "measured").iterdir()}
    monkeypatch.setattr("monai_minority.studies.study_run.generated_table", None)
    Severity().measure(run)
    assert files == {path: path.stat().st_mtime_ns for path in (run.plan.folder / "measured").iterdir()}


@pytest.mark.parametrize("name, study", [("severity", Severity()), ("outliers", OutlierCorrelations())])
def test_what_a_study_leaves(run, name, study):
    run_study(name, study, run)
    folder = run.plan.folder
    told = json.loads((folder / f"{name}.json").read_text())
    assert told["title"] == study.title
    assert told["paragraph"] == study.tell(study.measure(run))
    assert (folder / f"{name}.pdf").read_bytes()[:4] == b"%PDF"
    assert (folder / f"{name}.png").read_bytes()[1:4] == b"PNG"
    figures = pd.read_csv(folder / f"{name}.csv")
    assert len(figures) > 1
    assert figures["extractor"].eq(Pooled.name).all() and figures["k"].eq(5).all()
    assert figures["libraries"].str.contains(f"numpy {np.__version__}").all()
    assert figures[["resizing", "weights_sha256", "intervals", "seed"]].notna().all(axis=None)
    assert ("reference" in figures) == isinstance(study, CellStudy), "which fidelity is measured against"


def test_the_comparison_is_shown_or_asked_for(run, tmp_path):
    empty = SimpleNamespace(plan=plan_of(tmp_path))
    with pytest.raises(FileNotFoundError, match="run `monai-minority compare` first"):
        Baselines().measure(empty)
    with pytest.raises(FileNotFoundError, match="methods.csv is missing; run `monai-minority compare` first"):
        Baselines().calls(empty.plan)  # before any stage runs
    (tmp_path / "comparison").mkdir()
    pd.DataFrame({"method": ["a", "b"], "recall": [0.1, 0.2]}).to_csv(tmp_path / "comparison" / "methods.csv")
    assert Baselines().measure(empty)["figures"]["recall"].tolist() == [0.1, 0.2]
    assert Baselines().context(empty) == {}, "the study's settings are not the comparison's"


def test_bad_plans_are_named(tmp_path):
    with pytest.raises(ValueError, match="study_classes must be in 0 … 2, got \\[7\\]"):
        plan_of(tmp_path, classes=[0, 7])
    with pytest.raises(ValueError, match="study_images must be at least 2 and study_steps positive"):
        plan_of(tmp_path, images=1)


def test_every_study_of_sets_names_a_cell_for_each_set_it_asks_for(run):
    for study in CellStudy.__subclasses__():
        asked = {leaves(call) for call in study().calls(run.plan) if call.stage == "inference"}
        assert {run.plan.folder / folder / "samples" / name for _, folder, name in study().cells(run.plan)} == asked, (
            study.__name__
        )
