"""Warm-up, clipping, freezing and seeding, step by step and over an interruption."""

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler
from monai.engines import SupervisedTrainer

from monai_minority.training import AverageWarmUp, GradientClipping, GradientFreeze, StepSeed, WeightAverage


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


def test_the_average_is_that_of_ignite_to_the_bit():
    """Over three steps of changing momentum, and with the buffers of the network."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5))
    averages = [handler(network, 0.1) for handler in (EMAHandler, WeightAverage)]

    def step(engine, momentum):
        network(torch.randn(2, 3, 8, 8))
        for parameter in network.parameters():
            parameter.data.add_(torch.randn_like(parameter))
        engine.state.ema_momentum = momentum

    engine = Engine(step)
    for average in averages:
        average.attach(engine, warn_if_exists=False)
    engine.run([0.3, 0.001, 0.1])
    ignites, ours = (average.ema_model.state_dict() for average in averages)
    assert not torch.equal(ours["0.weight"], network[0].weight)
    for name, value in ignites.items():
        torch.testing.assert_close(ours[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("arguments", [(0.0,), (0.2, 1.1), (0.1, 0.5, 1)])
def test_bad_arguments_of_the_warm_up(arguments):
    with pytest.raises(ValueError, match="end and start must be"):
        AverageWarmUp(*arguments)


def trainer_of(network, image, max_norm):
    """Descends along ``image . weight``, whose gradient is the image."""
    return SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[{"image": torch.tensor([image]), "label": torch.zeros(1, 1)}],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda prediction, _: prediction.sum(),
        train_handlers=[GradientClipping(network.parameters(), max_norm)],
        decollate=False,
    )


@pytest.mark.parametrize("max_norm, expected", [(1.0, [0.6, 0.8]), (100.0, [3.0, 4.0])])
def test_the_step_takes_the_clipped_gradient(max_norm, expected):
    """The gradient of ``3 a + 4 b`` is (3, 4), of norm 5."""
    network = torch.nn.Linear(2, 1, bias=False)
    before = network.weight.detach().clone()
    trainer_of(network, [3.0, 4.0], max_norm).run()
    step = (before - network.weight.detach())[0]
    torch.testing.assert_close(step, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_a_gradient_that_is_not_finite_never_reaches_the_weights():
    network = torch.nn.Linear(2, 1, bias=False)
    before = network.weight.detach().clone()
    with pytest.raises(ValueError, match="gradient at step 1 must be finite, its norm is nan.*learning rate"):
        trainer_of(network, [3.0, float("nan")], 1.0).run()
    assert torch.equal(network.weight, before)


def test_bad_norm():
    with pytest.raises(ValueError, match="max_norm must be positive, got 0"):
        GradientClipping([], 0)


def test_learns_after_the_stated_steps():
    network = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))
    kept, other, seen = network[1].weight, network[0].weight, []
    batch = {"image": torch.ones(1, 1), "label": torch.full((1, 1), 5.0)}
    trainer = SupervisedTrainer(
        device="cpu",
        max_epochs=3,
        train_data_loader=[batch, batch],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.01),
        loss_function=torch.nn.MSELoss(),
        train_handlers=[GradientFreeze([kept], steps=4)],
        decollate=False,
    )
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda _: seen.append((kept.item(), other.item())))
    trainer.run()
    still, moving = zip(*seen, strict=True)
    assert len(set(still[:4])) == 1 and len(set(still[3:])) == 3
    assert len(set(moving)) == 6


def draws(seed=0, rank=0, start=0, epochs=3):
    found = {}
    engine = Engine(lambda engine, batch: found.update({engine.state.iteration: torch.rand(4).tolist()}))

    def resume(engine):
        torch.rand(start + 1)
        engine.state.iteration, engine.state.epoch = start, start // 2

    engine.add_event_handler(Events.STARTED, resume)
    StepSeed(seed, rank).attach(engine)
    engine.run([0, 1], max_epochs=epochs)
    return found


def test_a_resumed_run_drops_out_what_the_whole_one_does():
    whole, resumed = draws(), draws(start=4)
    assert list(resumed) == [5, 6]
    assert resumed == {step: whole[step] for step in resumed}


def test_steps_seeds_and_processes_differ():
    found = [*draws().values(), *draws(rank=1).values(), *draws(seed=7).values()]
    assert len({tuple(one) for one in found}) == 18
