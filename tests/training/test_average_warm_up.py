"""The warm-up against ignite's own, and over an interruption."""

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler

from monai_minority.training import AverageWarmUp


def momenta(ignite_alone=False, start=0):
    """Momentum of the update at the end of each of 8 iterations, and the average after them."""
    network, found = torch.nn.Linear(1, 1, bias=False), []
    network.weight.data.fill_(1.0)

    def step(engine, _):
        network.weight.data.fill_(float(engine.state.iteration))

    engine = Engine(step)

    def resume(engine):
        engine.state.iteration, engine.state.epoch = start, start // 2

    engine.add_event_handler(Events.STARTED, resume)
    average = EMAHandler(network, 0.05, *((0.5, 6) if ignite_alone else ()))
    average.attach(engine)
    if not ignite_alone:
        AverageWarmUp(0.05, start=0.5, steps=6).attach(engine)
    engine.add_event_handler(Events.ITERATION_COMPLETED, lambda e: found.append(e.state.ema_momentum))
    engine.run([0, 1], max_epochs=4)
    return found, average.ema_model.weight.item()


def test_is_that_of_ignite_where_nothing_is_interrupted():
    found, average = momenta()
    expected, ignites = momenta(ignite_alone=True)
    assert found == pytest.approx([0.5, 0.41, 0.32, 0.23, 0.14, 0.05, 0.05, 0.05])
    assert found == pytest.approx(expected)
    assert average == pytest.approx(ignites, rel=1e-6)


def test_a_resumed_run_does_not_warm_up_again():
    assert momenta(start=4)[0] == momenta()[0][4:]


@pytest.mark.parametrize("arguments", [(0.0,), (0.2, 1.1), (0.1, 0.5, 1)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="end and start must be"):
        AverageWarmUp(*arguments)
