"""Several threads give what one gives, and nothing of one reaches another."""

import threading
import time
from copy import deepcopy

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.networks.nets import DiffusionModelUNet

from monai_minority.data import ImageStore
from monai_minority.diffusion import RespacedDPMSolverScheduler
from monai_minority.evaluation.features import Thumbnail, extract
from monai_minority.guidance import MinorityClassifierGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.networks import BackboneClassifier, ScoreConditioned
from monai_minority.run import SamplingCost
from monai_minority.scoring import L2, MinorityScore
from monai_minority.side_by_side import side_by_side
from monai_minority.training import NoisedFeatures

SHAPE = (1, 8, 8)


@pytest.fixture
def threads():
    """Sets the threads of PyTorch, and puts them back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    network = DiffusionModelUNet(2, 1, 1, 1, (8, 16), (False, True), norm_num_groups=4, num_head_channels=4)
    for parameter in network.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))  # no output layer of zeros
    return network.eval()


def test_results_are_in_order_though_the_first_item_takes_longest(threads):
    threads(3)
    seen = set()

    def work(item):
        seen.add((threading.get_ident(), torch.get_num_threads()))
        time.sleep(0.05 if item % 3 == 0 else 0)
        return 10 * item

    assert list(side_by_side(work, range(7))) == [0, 10, 20, 30, 40, 50, 60]
    assert {count for _, count in seen} == {1}
    assert len(seen) > 1
    assert torch.get_num_threads() == 3


def test_threads_are_shared_out_among_few_items(threads):
    threads(4)
    assert list(side_by_side(lambda _: torch.get_num_threads(), [0, 1])) == [2, 2]


def test_one_thread_and_other_devices_stay_in_the_thread_of_the_caller(threads):
    here = threading.get_ident()
    threads(1)
    assert list(side_by_side(lambda _: threading.get_ident(), [0, 1])) == [here, here]
    threads(2)
    assert list(side_by_side(lambda _: threading.get_ident(), [0, 1], "cuda")) == [here, here]


def test_gradients_and_autocast_are_those_of_the_caller(threads):
    threads(2)
    weight = torch.ones(2, 2, requires_grad=True)

    def product(_):
        made = weight @ weight
        return made.dtype, made.requires_grad, made.is_inference()

    assert set(side_by_side(product, [0, 1])) == {(torch.float32, True, False)}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert set(side_by_side(product, [0, 1])) == {(torch.bfloat16, False, False)}
    with torch.inference_mode():
        assert set(side_by_side(product, [0, 1])) == {(torch.float32, False, True)}


def test_an_error_reaches_the_caller(threads):
    threads(2)
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(lambda item: 1 / item, [1, 0, 2]))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("frozen", [True, False])
def test_guided_images_and_evaluations_are_those_of_one_thread(threads, backbone, tmp_path, frozen):
    """With a solver that remembers its last step, and a classifier that overhears the backbone (``frozen``)."""
    classifier = BackboneClassifier(backbone if frozen else deepcopy(backbone), out_channels=3).eval()
    if not frozen:
        classifier.encoder.conv_in.conv.weight.data.add_(0.1)
    torch.nn.init.normal_(classifier.head[-1].weight, generator=torch.Generator().manual_seed(0))
    guidance = MinorityClassifierGuidance(classifier, scale=5.0)
    inferer = GuidedDiffusionInferer(
        RespacedDPMSolverScheduler(100), guidance, mode="score", eta=1.0, steps=4, shape=SHAPE
    )
    found, costs = [], []
    for count in (1, 2, 3):
        threads(count)
        (tmp_path / str(count)).mkdir()
        cost = SamplingCost(tmp_path / str(count), {"backbone": [backbone], "classifier": [classifier]})
        engine = Engine(lambda _, batch: inferer(torch.arange(48), backbone, target_class=torch.arange(48) % 3))
        cost.attach(engine)
        found.append(engine.run([{"image": torch.zeros(48), "step": 0}]).output)
        costs.append({name: value for name, value in cost.summary().items() if "evaluations" in name})
    assert costs == [{"backbone_evaluations": 4.0, "classifier_evaluations": 0.0 if frozen else 4.0}] * 3
    unguided = GuidedDiffusionInferer(RespacedDPMSolverScheduler(100), None, eta=1.0, steps=4, shape=SHAPE)
    assert (unguided(torch.arange(48), backbone) - found[0]).abs().mean() > 0.01
    for images in found[1:]:
        torch.testing.assert_close(images, found[0], rtol=0, atol=2e-5)


def test_each_thread_has_the_ranks_of_its_own_images(threads, backbone):
    network = ScoreConditioned(backbone, class_ranks=[0.1, 0.9]).eval()
    torch.nn.init.normal_(network.rank_embed[-1].weight, generator=torch.Generator().manual_seed(0))
    inferer = GuidedDiffusionInferer(RespacedDPMSolverScheduler(100), None, steps=4, shape=SHAPE)
    found = []
    for count in (1, 2):
        threads(count)
        found.append(inferer(torch.arange(32), network, target_class=torch.arange(32) // 16))
    assert (found[0] - inferer(torch.arange(32), network, target_class=0))[16:].abs().mean() > 1e-3
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=2e-5)


def test_scores_and_features_are_those_of_one_thread(threads, backbone, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (10, *SHAPE), dtype=np.uint8)
    store = ImageStore.create(tmp_path / "store", pixels, {"slice": range(10)}, (0, 255))
    scheduler, classifier = RespacedDPMSolverScheduler(100), BackboneClassifier(backbone, out_channels=2)
    score = MinorityScore(backbone, scheduler, L2(), 50, draws=4, max_batch=10)
    found = []
    for count in (1, 2):
        threads(count)
        noised = NoisedFeatures(store, classifier, scheduler, draws=5, progress=False)
        distances = score.distances(store.batch(range(10)), [20, 50], seeds=range(10))
        found.append((distances, noised.batch(range(50)), torch.tensor(extract(store, Thumbnail(4), None, 3))))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=2e-5)
