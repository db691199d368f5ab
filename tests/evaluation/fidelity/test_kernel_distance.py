"""Kernel distance against its definition and clean-fid."""

import numpy as np
import pytest
from cleanfid.fid import kernel_distance as clean_fid

from monai_minority.evaluation.fidelity import kernel_distance


def test_equals_the_definition_for_unequal_sizes():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 1

    def kernel(x, y):
        return (x @ y / 3 + 1) ** 3

    expected = (
        np.mean([kernel(a[i], a[j]) for i in range(7) for j in range(7) if i != j])
        + np.mean([kernel(b[i], b[j]) for i in range(5) for j in range(5) if i != j])
        - 2 * np.mean([kernel(x, y) for x in a for y in b])
    )
    assert kernel_distance(a, b) == pytest.approx(expected, rel=1e-10)


def test_equals_clean_fid():
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((200, 16)), rng.standard_normal((200, 16)) + 0.2
    assert kernel_distance(a, b) == pytest.approx(clean_fid(a, b, num_subsets=1), rel=1e-9)


def test_is_unbiased_for_small_sets():
    rng = np.random.default_rng(2)
    draws = [kernel_distance(*rng.standard_normal((2, 10, 4))) for _ in range(400)]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / 20


def test_one_vector_is_too_few():
    a, b = np.random.default_rng(3).random((2, 30, 4))
    with pytest.raises(ValueError, match="at least 2 vectors"):
        kernel_distance(a[:1], b)
