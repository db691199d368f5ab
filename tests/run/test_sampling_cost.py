"""The cost of sampling: forward passes counted exactly, over a kill, and nothing left on the networks."""

import pytest
import torch
from monai.engines import SupervisedEvaluator
from torch.utils.data import DataLoader

from monai_minority.data import OrderedBatches
from monai_minority.diffusion import RespacedDDPMScheduler
from monai_minority.guidance import MinorityClassifierGuidance, SelfGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.run import SamplingCost
from monai_minority.samples import SamplePlan


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, x, timesteps):
        return self.weight * x


class Classifier(torch.nn.Module):
    def forward(self, x, timesteps):
        return x.flatten(1)


def run(folder, guidance, classifiers=(), skip_batches=(), **options):
    network, plan = Network(), SamplePlan(5, [0] if classifiers else [])
    inferer = GuidedDiffusionInferer(RespacedDDPMScheduler(100), guidance, steps=10, shape=(1, 2, 2), **options)
    cost = SamplingCost(folder, {"backbone": [network, None], "classifier": list(classifiers)})
    sampler = OrderedBatches(len(plan), 2, skip=skip_batches)
    engine = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(plan, sampler=sampler, batch_size=None),
        network=network,
        inferer=inferer,
        prepare_batch=lambda batch, device, *_, **__: (batch["image"], None, (), {"target_class": 0}),
        decollate=False,
        val_handlers=[cost],
    )
    engine.run()
    assert not network._forward_hooks
    return cost.summary()


def test_ancestral_sampling_costs_a_pass_a_step(tmp_path):
    summary = run(tmp_path, None)
    assert (summary["backbone_evaluations"], summary["classifier_evaluations"]) == (10, 0)
    assert summary["seconds_an_image"] > 0
    assert run(tmp_path / "skip", None, skip=3)["backbone_evaluations"] == 7


def test_guidance_costs_what_it_calls(tmp_path):
    classifier = Classifier()
    summary = run(tmp_path / "a", MinorityClassifierGuidance(classifier), [classifier])
    assert (summary["backbone_evaluations"], summary["classifier_evaluations"]) == (10, 10)
    # at 2 of 10 steps: the denoised image, which the step uses too, and its renoised self
    assert run(tmp_path / "b", SelfGuidance(), mode="fixed")["backbone_evaluations"] == 12


def test_a_resumed_run_adds_to_what_was_measured(tmp_path):
    run(tmp_path, None, skip_batches=[1, 2])
    before = SamplingCost(tmp_path, {"backbone": [], "classifier": []}).summary()
    after = run(tmp_path, None, skip_batches=[0])
    assert len(list(tmp_path.glob("*.json"))) == 3
    assert after["backbone_evaluations"] == before["backbone_evaluations"] == 10


def test_nothing_measured(tmp_path):
    assert SamplingCost(tmp_path, {"backbone": []}).summary() == {}
    with pytest.raises(AttributeError):
        run(tmp_path, None, classifiers=["no network"])
