"""Which images of a row are compared at equal numbers: every class and every subject alike."""

import numpy as np
import pytest

from monai_minority.tables.equal_shares import equal_shares


def test_classes_have_equal_shares_however_the_set_is_ordered():
    """Class by class, as a guided set is written, and with classes of unequal size."""
    classes = np.repeat([0, 1, 2], [12, 12, 30])
    for count, expected in ((12, [4, 4, 4]), (48, [12, 12, 24]), (54, [12, 12, 30])):
        rows = equal_shares(count, classes, np.arange(54))
        assert len(np.unique(rows)) == count and (np.diff(rows) > 0).all()
        assert np.bincount(classes[rows]).tolist() == expected
    odd = np.bincount(classes[equal_shares(4, classes, np.arange(54))], minlength=3)
    assert odd.sum() == 4 and odd.min() == 1, "as equal as the number allows"


def test_subjects_are_spread():
    """Ten slices of each of eight subjects, one after another: eight images are of eight subjects, 20 of all alike."""
    subjects = np.repeat(np.arange(8), 10)
    assert np.bincount(subjects[equal_shares(8, np.zeros(80), subjects)]).tolist() == [1] * 8
    twenty = np.bincount(subjects[equal_shares(20, np.zeros(80), subjects)])
    assert set(twenty) == {2, 3}
    assert set(equal_shares(8, np.zeros(80), subjects) % 10) != {0}, "and not the first slice of each"


def test_images_of_one_seed_are_not_taken_while_others_are_there():
    """Three classes share four seeds; four images are of four seeds, and of all classes."""
    seeds, classes = np.tile(np.arange(4), 3), np.repeat(np.arange(3), 4)
    for seed in range(20):
        rows = equal_shares(4, classes, seeds, seed)
        assert sorted(seeds[rows]) == [0, 1, 2, 3] and set(classes[rows]) == {0, 1, 2}


def test_the_choice_is_that_of_its_seed():
    groups, subjects = np.zeros(60), np.repeat(np.arange(20), 3)
    assert np.array_equal(equal_shares(10, groups, subjects, 3), equal_shares(10, groups, subjects, 3))
    assert not np.array_equal(equal_shares(10, groups, subjects, 3), equal_shares(10, groups, subjects, 4))
    assert equal_shares(60, groups, subjects).tolist() == list(range(60))


def test_too_many_are_refused():
    with pytest.raises(ValueError, match=r"count must be in \[1, 3\] \(the images\), got 4"):
        equal_shares(4, np.zeros(3), np.arange(3))
