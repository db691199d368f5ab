"""Mixed precision, scores and self-distillation, as an engine asks for them."""

import pytest
import torch
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from monai.inferers import SimpleInferer
from torch import nn
from torch.utils.data import DataLoader

from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.inferers import AutocastInferer, ScoringInferer, SelfDistillationInferer
from monai_minority.scoring import L2, MinorityScore
from monai_minority.transforms import Views


class Denoiser(nn.Module):
    def forward(self, x, timesteps):
        return 0.5 * x + timesteps.view(-1, 1, 1, 1) / 1000


def test_scores_of_an_evaluator_equal_those_of_minority_score():
    scheduler, images = RespacedDDPMScheduler(1000, "improved_linear"), torch.rand(6, 1, 4, 4) * 2 - 1
    network = Denoiser()
    score = MinorityScore(network, scheduler, L2(), "auto", draws=3)
    scores = []
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader([{"image": image, "seed": seed} for seed, image in enumerate(images)], batch_size=4),
        network=network,
        inferer=ScoringInferer(score),
        prepare_batch=PrepareBatchExtraInput({"seeds": "seed"}),
        decollate=False,
    )
    evaluator.add_event_handler("MODEL_COMPLETED", lambda engine: scores.append(engine.state.output["pred"]))
    score.timestep = 400  # settled after the engine was built
    evaluator.run()
    expected = MinorityScore(network, scheduler, L2(), 400, draws=3)(images, seeds=range(6))
    torch.testing.assert_close(torch.cat(scores), torch.stack([*expected], dim=-1), rtol=1e-5, atol=1e-7)

    noise = torch.randn(3, 6, 1, 4, 4)
    given = ScoringInferer(score)(images, network, noise=noise)
    t = torch.full((6,), 400)
    for draw in range(3):
        x_t = scheduler.add_noise(images, noise[draw], t)
        a = scheduler.alphas_cumprod[400]
        x0 = ((x_t - (1 - a).sqrt() * network(x_t, t)) / a.sqrt()).clamp(-1, 1)
        distance = (x0 - images).square().mean((1, 2, 3)).float()
        given[:, 0] -= distance / 3
    assert given[:, 0].abs().max() < 1e-6


@pytest.mark.parametrize("dtype, expected", [(torch.bfloat16, torch.bfloat16), (None, torch.float32)])
def test_the_network_computes_in_the_dtype(dtype, expected):
    network, x = torch.nn.Linear(64, 8), torch.randn(3, 64)
    output = AutocastInferer(SimpleInferer(), dtype)(x, network)
    assert output.dtype == expected
    exact = network(x)
    error = (output.float() - exact).abs().max()
    assert error == 0 if dtype is None else 0 < error < 0.05
    assert network(x).dtype == torch.float32, "autocast ends with the call"
    assert network.weight.dtype == torch.float32


def test_the_student_sees_every_crop_and_the_teacher_the_large_ones():
    weight, fixed = torch.ones(1, requires_grad=True), torch.full((1,), 2.0, requires_grad=True)
    views = Views(torch.rand(2, 3, 1, 4, 4), torch.rand(5, 3, 1, 2, 2))
    inferer = AutocastInferer(SelfDistillationInferer(lambda large: fixed * large.mean((2, 3, 4))), dtype=None)
    student, teacher = inferer(views, lambda both: weight * torch.cat([v.mean((2, 3, 4)) for v in both]))
    assert student.shape == (7, 3) and student.requires_grad
    torch.testing.assert_close(teacher, 2 * student[:2].detach())
    assert not teacher.requires_grad
