"""Choice of the most unique images."""

import numpy as np
import pytest
import torch

from monai_minority.tables.reference import most_unique


def test_highest_first_ties_in_order_nan_never():
    measure = np.array([0.5, np.nan, 2.0, 0.5, -1.0, 2.0])
    np.testing.assert_array_equal(most_unique(measure, 4), [2, 5, 0, 3])
    np.testing.assert_array_equal(most_unique(torch.from_numpy(measure), 5), [2, 5, 0, 3, 4])


def test_bad_requests_are_named():
    with pytest.raises(ValueError, match=r"\[1, 2\].*got 3"):
        most_unique(np.array([1.0, np.nan, 2.0]), 3)
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        most_unique(np.zeros((2, 2)), 1)
