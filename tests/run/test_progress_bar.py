"""The bar counts what it says it counts."""

import pytest
import torch
from ignite.engine import Engine, Events

from monai_minority.run import ProgressBar


@pytest.fixture(autouse=True)
def lines_at_once(monkeypatch):
    monkeypatch.setattr("monai_minority.progress.SECONDS_A_LINE", 0)  # what ends sooner leaves none


def run(capsys, bar, batches=3, epochs=2, start=0, fail_at=None):
    def step(engine, batch):
        if engine.state.iteration == fail_at:
            raise ValueError("the reason")
        return {"loss": torch.tensor(0.5)}

    engine = Engine(step)

    def resume(engine):
        engine.state.iteration, engine.state.epoch = start, start // batches

    engine.add_event_handler(Events.STARTED, resume)
    bar.attach(engine)
    engine.run(range(batches), max_epochs=epochs)
    return capsys.readouterr().err.split("\r")[-1]


def test_counts_steps_of_all_epochs(capsys):
    last = run(capsys, ProgressBar("backbone", total=6))
    assert "backbone: 100%" in last
    assert " 6/6 " in last
    assert "loss=0.5000" in last


def test_goes_on_where_the_resumed_run_does(capsys):
    last = run(capsys, ProgressBar("backbone", total=9), epochs=3, start=3)
    assert " 9/9 " in last


def test_without_a_total_it_counts_the_batches(capsys):
    assert " 3/3 " in run(capsys, ProgressBar("score"), epochs=1)


def test_is_silent_where_it_is_not_enabled(capsys):
    assert run(capsys, ProgressBar("score", enabled=False)) == ""


def test_an_error_is_passed_on(capsys):
    with pytest.raises(ValueError, match="the reason"):
        run(capsys, ProgressBar("score", total=6), fail_at=2)
