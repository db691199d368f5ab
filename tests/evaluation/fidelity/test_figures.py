"""The whole set of fidelity figures agrees with its parts and carries how it was measured."""

import numpy as np

from monai_minority.evaluation import fidelity_figures, library_versions
from monai_minority.evaluation.density import rarity
from monai_minority.evaluation.fidelity import density_coverage, frechet_distance, kernel_distance, precision_recall


def test_figures_equal_their_parts():
    rng = np.random.default_rng(0)
    real, generated = rng.standard_normal((80, 5)), 0.9 * rng.standard_normal((60, 5)) + 0.3
    figures = fidelity_figures(
        real, generated, k=4, context={"extractor": "none"}, resamples=100, distance_resamples=20
    )
    expected = [
        frechet_distance(real, generated),
        kernel_distance(real, generated),
        *precision_recall(real, generated, k=4),
        *density_coverage(real, generated, k=4),
        np.nanmean(rarity(real, generated, k=4)),
    ]
    np.testing.assert_allclose([float(figure) for figure in figures], expected, rtol=1e-12)
    for figure in figures:
        assert figure.low < figure.high
        assert {"extractor", "N real", "N generated", "k", "seed", "interval"} <= figure.row().keys()
    precision = figures[2]
    half = 1.96 * np.sqrt(precision.value * (1 - precision.value) / 60)
    assert abs((precision.high - precision.low) / (2 * half) - 1) < 0.35


def test_too_few_images_are_said():
    rng = np.random.default_rng(1)
    figures = fidelity_figures(rng.random((12, 20)), rng.random((12, 20)), resamples=0)
    assert "biased upwards" in figures[0].context["caution"]
    assert "interval" not in figures[0].context


def test_library_versions_name_what_figures_depend_on():
    assert library_versions()["numpy"] == np.__version__
