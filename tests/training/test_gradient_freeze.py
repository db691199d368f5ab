"""Frozen for as long as was said, then learning."""

import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer

from monai_minority.training import GradientFreeze


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
