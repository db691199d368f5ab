"""The classifier's errors by noise level, counted by hand."""

import math

import pandas as pd
import pytest
import torch
from ignite.engine import Engine, Events

from monai_minority.training import NoiseLevelErrors


class Writer:
    def __init__(self):
        self.scalars = {}

    def add_scalar(self, name, value, step):
        self.scalars[name, step] = value


def logits_for(classes):
    """Logits whose softmax gives the class 0.5 and each of the two others 0.25."""
    found = torch.full((*classes.shape, 3), math.log(0.25))
    return found.scatter(-1, classes[..., None], math.log(0.5))


def test_against_a_hand_count(tmp_path):
    truth = [torch.tensor([0, 1, 2]), torch.tensor([2])]
    found = [torch.tensor([[0, 2], [1, 0], [2, 0]]), torch.tensor([[1, 0]])]  # [images, noise levels]
    engine = Engine(lambda _, batch: {"pred": logits_for(found[batch]), "label": truth[batch]})
    writer = Writer()
    NoiseLevelErrors([0, 500], tmp_path / "classifier" / "validation.csv", writer, steps_an_epoch=40).attach(engine)
    engine.run([0, 1], max_epochs=1)
    engine.run([0, 1], max_epochs=1)  # a second validation starts anew
    table = pd.read_csv(tmp_path / "classifier" / "validation.csv")
    assert table["timestep"].tolist() == [0, 500]
    assert table["images"].tolist() == [4, 4]
    assert table["accuracy"].tolist() == [0.75, 0.0]
    assert table["mean_absolute_error"].tolist() == [0.25, (2 + 1 + 2 + 2) / 4]
    entropy = [(3 * math.log(2) + math.log(4)) / 4, math.log(4)]
    assert table["cross_entropy"].tolist() == pytest.approx(entropy, rel=1e-6)
    assert writer.scalars["validation_accuracy/t0000", 40] == 0.75
    assert writer.scalars["validation_mean_absolute_error/t0500", 40] == 1.75
    assert writer.scalars["validation/accuracy", 40] == 0.375


def test_other_processes_write_no_file(tmp_path):
    engine = Engine(lambda _, batch: {"pred": logits_for(torch.tensor([[0]])), "label": torch.tensor([0])})
    NoiseLevelErrors([0], tmp_path / "validation.csv", Writer(), write=False).attach(engine)
    engine.add_event_handler(Events.COMPLETED, lambda _: None)
    engine.run([0], max_epochs=1)
    assert not list(tmp_path.iterdir())
