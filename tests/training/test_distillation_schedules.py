"""What is set before each step, and the teacher that follows from it."""

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler

from monai_minority.training import CosineSchedule, DistillationSchedules, SelfDistillationLoss


def test_sets_everything_before_each_step_and_the_teacher_follows():
    network = torch.nn.Linear(1, 1)
    network.weight.data.fill_(0.0)
    optimizer = torch.optim.AdamW(
        [{"params": [network.bias], "weight_decay": 0.0}, {"params": [network.weight], "weight_decay": 0.04}]
    )
    loss, seen = SelfDistillationLoss(4), []

    def step(engine, _):
        network.weight.data.fill_(float(engine.state.iteration))
        bias, weight = optimizer.param_groups
        seen.append([bias["lr"], weight["lr"], bias["weight_decay"], weight["weight_decay"], loss.teacher_temperature])

    engine = Engine(step)
    teacher = EMAHandler(network)
    teacher.attach(engine)
    DistillationSchedules(
        optimizer,
        loss,
        learning_rate=CosineSchedule(1.0, 0.0, 4, warmup_steps=2),
        weight_decay=CosineSchedule(0.04, 0.4, 4),
        teacher_momentum=CosineSchedule(0.5, 1.0, 4),
        teacher_temperature=CosineSchedule(0.07, 0.07, 4, warmup_steps=2, warmup_start=0.04),
    ).attach(engine)
    engine.run([0, 1], max_epochs=2)
    rates, decays = [0.0, 0.5, 1.0, 0.5], [CosineSchedule(0.04, 0.4, 4)(step) for step in range(4)]
    temperatures = [0.04, 0.055, 0.07, 0.07]
    expected = [[rate, rate, 0.0, w, t] for rate, w, t in zip(rates, decays, temperatures, strict=True)]
    torch.testing.assert_close(torch.tensor(seen), torch.tensor(expected))
    average = 0.0
    for number in range(4):
        momentum = CosineSchedule(0.5, 1.0, 4)(number)
        average = momentum * average + (1 - momentum) * (number + 1)
    assert teacher.ema_model.weight.item() == pytest.approx(average, rel=1e-6)


def test_a_resumed_run_takes_the_values_of_its_step():
    network = torch.nn.Linear(1, 1)
    optimizer, seen = torch.optim.AdamW(network.parameters(), weight_decay=0.1), []
    engine = Engine(lambda *_: seen.append(optimizer.param_groups[0]["lr"]))

    def resume(engine):
        engine.state.iteration, engine.state.epoch = 3, 1

    engine.add_event_handler(Events.STARTED, resume)
    rate = CosineSchedule(1.0, 0.0, 6)
    DistillationSchedules(optimizer, SelfDistillationLoss(2), rate, rate, rate, CosineSchedule(1, 1, 6)).attach(engine)
    engine.run([0, 1, 2], max_epochs=2)
    assert seen == pytest.approx([rate(3), rate(4), rate(5)])
