"""Gradients before the optimizer's step."""

import pytest
import torch
from monai.engines import SupervisedTrainer

from monai_minority.training import GradientClipping


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
