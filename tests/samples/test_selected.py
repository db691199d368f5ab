"""Selection on constructed probabilities."""

import numpy as np
import pytest

from monai_minority.samples import most_likely


def test_the_highest_are_kept_in_the_order_of_rows():
    log_p = np.log([0.2, 0.9, 0.1, 0.8, 0.7])
    assert most_likely(log_p, 3).tolist() == [1, 3, 4]
    assert most_likely(log_p, 5).tolist() == [0, 1, 2, 3, 4]


def test_what_is_not_allowed_is_passed_over_however_likely():
    allowed = np.array([True, False, True, True, False])
    assert most_likely(np.log([0.2, 0.9, 0.1, 0.8, 0.7]), 2, allowed).tolist() == [0, 3]


def test_ties_go_to_the_lower_row_and_a_probability_of_one_is_no_exception():
    assert most_likely(np.array([-1.0, 0.0, -1.0, -1.0]), 3).tolist() == [0, 1, 2]


def test_the_best_tenth_is_as_rare_as_an_exact_judge_says():
    """Of images that are rare with probability p, those that are kept are rare with the mean of their p."""
    p = np.linspace(0.0, 1.0, 1001)[1:]
    kept = p[most_likely(np.log(p), 100)]
    assert kept.mean() == pytest.approx(0.9505) and p.mean() == pytest.approx(0.5005)


def test_what_cannot_be_selected_is_named():
    with pytest.raises(ValueError, match=r"got NaN or infinity in the rows \[1, 2\]; look at the judge"):
        most_likely(np.array([0.0, np.nan, -np.inf]), 1)
    with pytest.raises(ValueError, match="number of allowed images, 1 of 3, got 2; sample more candidates"):
        most_likely(np.zeros(3), 2, np.array([False, True, False]))
    with pytest.raises(ValueError, match="count must be from 1"):
        most_likely(np.zeros(3), 0)
