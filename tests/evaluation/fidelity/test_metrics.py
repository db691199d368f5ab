"""MONAI metrics equal the functions: by batches, in a validation, and over processes."""

import numpy as np
import pytest
import torch
from monai.engines import SupervisedEvaluator
from monai.handlers import IgniteMetricHandler, from_engine
from torch import distributed, multiprocessing

from monai_minority.evaluation.fidelity import (
    DensityCoverageMetric,
    FrechetMetric,
    KernelDistanceMetric,
    PrecisionRecallMetric,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)

CASES = [
    (FrechetMetric, {}, frechet_distance),
    (KernelDistanceMetric, {}, kernel_distance),
    (KernelDistanceMetric, {"subset_size": 10, "subsets": 3, "seed": 4},
     lambda a, b: kernel_distance(a, b, 10, 3, 4)),
    (PrecisionRecallMetric, {"k": 3}, lambda a, b: precision_recall(a, b, 3).precision),
    (PrecisionRecallMetric, {"figure": "recall", "k": 3}, lambda a, b: precision_recall(a, b, 3).recall),
    (DensityCoverageMetric, {"k": 3}, lambda a, b: density_coverage(a, b, 3).density),
    (DensityCoverageMetric, {"figure": "coverage"}, lambda a, b: density_coverage(a, b, 5).coverage),
]  # fmt: skip


def vectors():
    rng = np.random.default_rng(0)
    real = torch.from_numpy(rng.standard_normal((40, 4)))
    return real, torch.from_numpy(0.9 * rng.standard_normal((40, 4)) + 0.2)


@pytest.mark.parametrize(("metric", "settings", "function"), CASES)
def test_batches_give_what_the_function_gives(metric, settings, function):
    real, generated = vectors()
    expected = function(real, generated)
    assert 0.01 < abs(expected) < 3
    paired, fixed = metric(**settings), metric(real=real.numpy(), **settings)
    for _ in range(2):  # the second round after reset()
        for part in torch.arange(40).split(16):
            paired(generated[part], real[part])
            fixed(list(generated[part]))  # decollated
        assert paired.aggregate().item() == pytest.approx(expected, rel=1e-12)
        assert fixed.aggregate().item() == pytest.approx(expected, rel=1e-12)
        paired.reset()
        fixed.reset()


class Means(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.avg_pool2d(x, 2).flatten(1)


def test_a_validation_records_them():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(24, 1, 4, 4, generator=generator)
    data = [{"image": image, "label": image.flip(-1) ** 2} for image in images]
    made = {"fid": FrechetMetric(Means()), "coverage": DensityCoverageMetric(Means(), figure="coverage")}
    pairs = from_engine(["pred", "label"])
    metrics = {
        name: IgniteMetricHandler(metric_fn=metric, output_transform=pairs, save_details=False)
        for name, metric in made.items()
    }
    evaluator = SupervisedEvaluator(
        torch.device("cpu"),
        torch.utils.data.DataLoader(data, batch_size=7),
        torch.nn.Identity(),
        key_val_metric={"fid": metrics["fid"]},
        additional_metrics={"coverage": metrics["coverage"]},
    )
    evaluator.run()
    real, generated = Means()(images.flip(-1) ** 2), Means()(images)
    assert evaluator.state.metrics["fid"] == pytest.approx(frechet_distance(real, generated), rel=1e-9)
    assert evaluator.state.metrics["coverage"] == pytest.approx(density_coverage(real, generated).coverage)


def _process(rank, folder):
    distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    real, generated = vectors()
    rows = slice(0, 25) if rank == 0 else slice(25, 40)  # unequal shares
    metrics = [FrechetMetric(), PrecisionRecallMetric(k=3)]
    for metric in metrics:
        metric(generated[rows], real[rows])
    found = [metric.aggregate().item() for metric in metrics]
    np.save(folder / f"{rank}.npy", found)
    distributed.destroy_process_group()


def test_processes_share_the_images(tmp_path):
    multiprocessing.spawn(_process, (tmp_path,), nprocs=2)
    real, generated = vectors()
    expected = [frechet_distance(real, generated), precision_recall(real, generated, 3).precision]
    for rank in range(2):
        assert np.load(tmp_path / f"{rank}.npy").tolist() == pytest.approx(expected, rel=1e-9)


def test_misuse_is_named():
    real, generated = vectors()
    with pytest.raises(ValueError, match="give y with each batch"):
        FrechetMetric()(generated)
    with pytest.raises(ValueError, match="real is given, and so is y"):
        FrechetMetric(real=real)(generated, real)
    with pytest.raises(ValueError, match="give an extractor for images"):
        FrechetMetric(real=real)(torch.zeros(2, 1, 4, 4))
    with pytest.raises(ValueError, match="has gathered no batch"):
        FrechetMetric(real=real).aggregate()
    with pytest.raises(ValueError, match="precision, recall, got 'f1'"):
        PrecisionRecallMetric(figure="f1")
