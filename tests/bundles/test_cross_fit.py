"""The overlay cross_fit: who is trained on whom, who scores whom, and what makes the score run again."""

import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from monai.utils import set_determinism

from monai_minority.data import ImageStore
from monai_minority.networks import read_state_dict, save_weights
from monai_minority.run.bundle import Bundle
from monai_minority.run.jobs import Planner, pipeline_jobs
from monai_minority.tables.membership import fold_scores
from tests.small_cohort import BUNDLE, configs
from tests.small_store import make_store

FOLDS = 3


def parser_of(run_dir, *names: str, **settings: object) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config(configs("common", *names))
    for key, value in {"bundle_root": str(BUNDLE), "run_dir": str(run_dir), "cross_fit": FOLDS, **settings}.items():
        parser[key] = value
    return parser


def run_stage(run_dir, *names: str, **settings: object) -> None:
    options = {"bundle_root": str(BUNDLE), "run_dir": str(run_dir), "cross_fit": FOLDS, **settings}
    try:
        flow = ConfigWorkflow(configs("common", *names), logging_file=False, **options)
        flow.initialize()
        flow.run()
        flow.finalize()
    finally:
        set_determinism(None)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A store with its folds, and a backbone that no training made."""
    folder = tmp_path_factory.mktemp("run")
    make_store(folder)
    run_stage(folder, "split_folds", "smoke")
    torch.manual_seed(0)
    network = parser_of(folder, "score", "smoke").get_parsed_content("network_def")
    for parameter in network.parameters():  # the last layer begins at 0
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_weights(network, folder / "backbone/model.pt")
    return folder


def test_a_fold_learns_from_the_subjects_of_the_others(run_dir):
    table = ImageStore.open(run_dir / "store").table
    trained = table[table["split"] == "train"]
    sizes = pd.read_csv(run_dir / "folds.csv").set_index(["fold", "split"])
    for fold in range(FOLDS):
        parser = parser_of(run_dir, "train", "smoke", "one_fold", fold=fold)
        learned = parser.get_parsed_content("train::dataset").store.table
        assert set(learned["subject"]) == set(trained.loc[trained["fold"] != fold, "subject"])
        assert set(learned["split"]) == {"train"} and sizes.loc[(fold, "train"), "subjects"] == 10
        stage = parser.get_parsed_content("stage")
        assert stage.name == f"fold_{fold}" and stage.leaves == [run_dir / f"fold_{fold}" / "model.pt"]


def test_each_image_is_scored_by_the_network_of_its_fold(run_dir):
    weights = read_state_dict(run_dir / "backbone/model.pt")
    run_stage(run_dir, "score", "smoke", score_timestep=300)
    plain = ImageStore.open(run_dir / "store").table["minority_score"]
    network = parser_of(run_dir, "score", "smoke").get_parsed_content("network_def")

    def write(fold: int, scale: float) -> None:
        network.load_state_dict({name: value * scale for name, value in weights.items()})
        save_weights(network, run_dir / f"fold_{fold}" / "model.pt")

    for fold in range(FOLDS):
        write(fold, 1.0)
    run_stage(run_dir, "score", "cross_fit", "smoke", score_timestep=300)
    store = ImageStore.open(run_dir / "store")
    assert store.table["minority_score"].to_numpy() == pytest.approx(plain.to_numpy(), rel=1e-4)
    # Another network of fold 1 changes the scores of fold 1 alone, and is noticed.
    write(1, 1.5)
    run_stage(run_dir, "score", "cross_fit", "smoke", score_timestep=300)
    table = ImageStore.open(run_dir / "store").table
    changed = (table["minority_score"] / plain - 1).abs() > 1e-3
    assert changed[table["fold"] == 1].all() and not changed[table["fold"] != 1].any()
    # The audit of single subjects looks at it for those of fold 1, who are new to it, and of fold 0, whom it knows.
    parser = parser_of(run_dir, "memorization", "cross_fit", "smoke", score_timestep=300)
    found = fold_scores(parser.get_parsed_content("fold_score"), parser.get_parsed_content("network_store"))
    train = (table["split"] == "train").to_numpy()
    for fold, values in ((1, found.control), (0, found.learned)):
        assert (np.isfinite(values) == train).all()
        assert ((np.abs(values[train]) > 1e-4) == (table["fold"][train] == fold)).all()


def test_the_pipeline_trains_every_fold_before_the_score():
    stages = [
        job.title
        for job in pipeline_jobs(
            Planner(Bundle(BUNDLE), ["phantom", "cross_fit"], {"cross_fit": FOLDS, "run_dir": "x"})
        )
    ]
    folds = [f"train+one_fold (fold {fold})" for fold in range(FOLDS)]
    assert stages[: 4 + FOLDS] == ["phantom_cohort", "prepare", "split_folds", *folds, "score"]
