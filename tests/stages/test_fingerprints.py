"""No setting is forgotten: each one that a stage refers to, changed alone, makes it run again."""

import copy

import numpy as np
import pytest
from monai.bundle import ConfigParser

from monai_minority.data import ImageStore
from monai_minority.networks import save_weights
from monai_minority.run import UNINFLUENTIAL
from monai_minority.scoring import QuantileClasses
from tests.small_cohort import BUNDLE, configs

STAGES = [
    "train",
    "score",
    "cut",
    "inference",
    pytest.param("train_classifier", marks=pytest.mark.slow),
    pytest.param("train_autoencoder", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run after the stages before sampling."""
    folder = tmp_path_factory.mktemp("run")
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 16, 16)).astype(np.uint8)
    scores = np.linspace(0, 1, 12)
    table = {
        "source": [f"s{i}" for i in range(12)],
        "subject": [f"s{i}" for i in range(12)],
        "slice": [0] * 12,
        "split": ["train"] * 6 + ["validation"] * 3 + ["test"] * 3,
        "minority_score": scores,
        "minority_class": [0, 1, 2] * 4,
    }
    ImageStore.create(folder / "store", images, table, (0, 255))
    QuantileClasses(3).fit(scores).save(folder / "classes.json")
    (folder / "scores.csv").write_text("source,slice\n")
    parser = parser_of(merged("score"), folder)
    save_weights(parser.get_parsed_content("network_def"), folder / "backbone" / "model.pt")
    save_weights(parser.get_parsed_content("classifier_def"), folder / "classifier" / "model.pt")
    return folder


def merged(stage: str) -> dict:
    parser = ConfigParser()
    parser.read_config(configs("common", stage, "smoke"))
    return parser.config


def parser_of(config: dict, run_dir) -> ConfigParser:
    config = copy.deepcopy(config)
    config["bundle_root"], config["run_dir"] = str(BUNDLE), str(run_dir)
    return ConfigParser(config)


def fingerprint(config: dict, run_dir) -> str:
    return parser_of(config, run_dir).get_parsed_content("stage").fingerprint


def leaves(config: dict, run_dir) -> dict[str, object]:
    """The settings and arguments that the stage refers to, as they are written."""
    configuration = parser_of(config, run_dir).get_parsed_content("stage").configuration
    plain = ConfigParser(copy.deepcopy(config))
    return {path: plain[path] for path in configuration.settings}


def changed(value: object) -> object:
    """Another value of the same kind, which may be nonsense."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if value is None:
        return "$[None]"
    if isinstance(value, str):
        return "$[0]" if value.startswith(("$", "@")) else f"{value}_"
    return [value]


@pytest.mark.parametrize("stage", STAGES)
def test_every_leaf_counts(stage, run_dir):
    config = merged(stage)
    before = fingerprint(config, run_dir)
    assert fingerprint(config, run_dir) == before
    unseen = []
    found = leaves(config, run_dir)
    assert len(found) > 3
    for path, value in found.items():
        parser = ConfigParser(copy.deepcopy(config))
        parser[path] = changed(value)
        try:
            after = fingerprint(parser.config, run_dir)
        except Exception:  # nonsense is refused, and nothing runs on it
            continue
        if after == before:
            unseen.append(path)
    assert unseen == []


@pytest.mark.parametrize("stage", STAGES)
def test_the_list_of_what_does_not_count_is_short_and_used(stage, run_dir):
    assert len(UNINFLUENTIAL) < 20
    config = merged(stage)
    before = fingerprint(config, run_dir)
    for name in UNINFLUENTIAL & set(config) - {"run_dir", "bundle_root", "device", "grid_inferer"}:
        value = 7 if name.endswith("batch_size") else changed(config[name])  # which an expression may give too
        assert fingerprint({**config, name: value}, run_dir) == before, name


@pytest.mark.parametrize(
    "stage, path, value",
    [
        ("score", "scheduler::clip_sample", False),
        ("score", "rescale_timesteps", True),
        ("inference", "scheduler::clip_sample", False),
        ("inference", "autocast", "$torch.bfloat16"),
        ("train", "optimizer::_target_", "torch.optim.Adam"),
        ("train", "lr_scheduler::pct_start", 0.1),
        ("train_classifier", "train::trainer::loss_function::_target_", "torch.nn.NLLLoss"),
    ],
)
def test_what_lists_written_by_hand_forgot(stage, path, value, run_dir):
    config = merged(stage)
    parser = ConfigParser(copy.deepcopy(config))
    parser[path] = value
    assert fingerprint(parser.config, run_dir) != fingerprint(config, run_dir)
