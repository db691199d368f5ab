"""Tuning a vision transformer on a cohort: a kill costs nothing, and its features can be used and judged."""

import numpy as np
import pandas as pd
import pytest
import torch
from monai.bundle import ConfigParser

from monai_minority.data import ImageStore
from monai_minority.evaluation.features import TunedDINO, extract
from tests.bundles.test_pipeline import execute, workflow
from tests.small_cohort import configs


@pytest.fixture
def images(tmp_path):
    """Forty pictures, a quarter of them with a bright middle, in stores of two run folders."""
    pixels = np.random.default_rng(0).integers(0, 100, (40, 1, 16, 16)).astype(np.uint8)
    groups = np.where(np.arange(40) % 4 == 0, "ill", "well")
    pixels[groups == "ill", :, 6:10, 6:10] += 120
    table = {
        "subject": [f"s{i}" for i in range(40)],
        "group": groups,
        "split": np.repeat(["train", "reference", "validation"], [20, 10, 10]),
    }
    for name in ("whole", "killed"):
        ImageStore.create(tmp_path / name / "store", pixels, pd.DataFrame(table), (0, 255))
    return tmp_path


def checkpoint(run_dir):
    return torch.load(run_dir / "dino" / "checkpoint.pt", weights_only=True)


def test_training_goes_on_to_the_same_bits_and_its_features_are_judged(images):
    whole, killed = images / "whole", images / "killed"
    settings = {"dino_iterations": 8, "frozen_share": 0.5, "dino_def::drop_path_rate": 0.3}
    assert execute(workflow("train_dino", whole, **settings), "train::trainer") == list(range(8))
    execute(workflow("train_dino", killed, **settings), "train::trainer", kill_after=5)
    assert not (killed / "dino" / "model.pt").exists()
    halfway = checkpoint(killed)["objects"]
    assert execute(workflow("train_dino", killed, **settings), "train::trainer") == [4, 5, 6, 7]
    states = [torch.load(run / "dino" / "model.pt", weights_only=True) for run in (whole, killed)]
    assert [name for name in states[0] if not torch.equal(states[0][name], states[1][name])] == []

    end = checkpoint(whole)["objects"]
    assert all(torch.equal(end["teacher"][f"backbone.{name}"], states[0][name]) for name in states[0])
    assert not torch.equal(end["teacher"]["head.prototypes"], end["network"]["head.prototypes"])
    assert torch.equal(end["loss"]["centre"], checkpoint(killed)["objects"]["loss"]["centre"])
    assert end["loss"]["centre"].abs().sum() > 0
    frozen, moving = "head.prototypes", "head.layers.0.weight"
    student, teacher = halfway["network"], halfway["teacher"]
    torch.testing.assert_close(student[frozen], teacher[frozen], msg="for four steps of eight")
    assert (student[moving] - teacher[moving]).abs().max() > 1e-5
    undecayed, decayed = (group["weight_decay"] for group in end["optimizer"]["param_groups"])
    assert decayed > 0.3 and undecayed == 0

    judged = {"neighbours": 5, "resamples": 10, "dino_def::drop_path_rate": 0.3}
    execute(workflow("judge_features", whole, **judged))
    table = pd.read_csv(whole / "evaluation" / "feature_spaces.csv")
    names = ["pixels", "EfficientNetLite0", "the network untrained (seed 0)", "DINO tuned on the cohort"]
    assert table["extractor"].unique().tolist() == names
    assert table["N bank"].tolist() == [30] * 8 and table["value"].between(0, 1).all()


def test_the_features_are_the_averaged_backbones(images):
    execute(workflow("train_dino", images / "whole"))
    parser = ConfigParser()
    parser.read_config(configs("common", "smoke"))
    network = parser.get_parsed_content("dino_def")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    extractor = TunedDINO(network, images / "whole" / "dino" / "model.pt", 16)
    features = extract(ImageStore.open(images / "whole" / "store"), extractor, progress=False)
    assert features.shape == (40, 16)
    network_after = network.state_dict()
    assert all(torch.equal(before[name], network_after[name]) for name in before), "what was given stays as it is"
    network.load_state_dict(torch.load(images / "whole" / "dino" / "model.pt", weights_only=True))
    store = ImageStore.open(images / "whole" / "store")
    with torch.no_grad():
        expected = network.eval()(extractor.preprocess(store.batch(range(40))))
    np.testing.assert_allclose(features, expected.numpy(), atol=1e-5)


def test_tuning_starts_from_the_given_weights_at_a_tenth_of_the_rate(images):
    parser = ConfigParser()
    parser.read_config(configs("common", "smoke"))
    given = parser.get_parsed_content("dino_def").state_dict()
    torch.save(given, images / "given.pth")
    plain = workflow("train_dino", images / "whole").parser
    tuned = workflow("train_dino", images / "whole", dino_initial_weights=str(images / "given.pth")).parser
    rate = plain.get_parsed_content("dino_learning_rate")
    assert tuned.get_parsed_content("dino_learning_rate") == pytest.approx(rate / 10)
    found = tuned.get_parsed_content("dino_backbone").state_dict()
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_missing_weights_name_the_stage(images):
    with pytest.raises(FileNotFoundError, match="run the stage train_dino"):
        TunedDINO(torch.nn.Linear(1, 1), images / "absent.pt", 16)
