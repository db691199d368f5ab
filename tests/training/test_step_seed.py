"""Dropout of a step."""

import torch
from ignite.engine import Engine, Events

from monai_minority.training import StepSeed


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
