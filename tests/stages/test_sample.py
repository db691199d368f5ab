"""Samples that cannot be images of anything stop the stage."""

import numpy as np
import pytest

from monai_minority.stages.sample import various


def batches(*images):
    return [np.stack([np.asarray(image, np.float32).reshape(1, 2, 2)]) for image in images]


@pytest.mark.parametrize(
    "images, told",
    [
        (([1e30] * 4, [-1] * 4), "all are of one colour"),
        (([0.5] * 4,), "all are of one colour"),
        (([0, 1, 0, 1], [0, 1, 0, 1.001]), "all are the same"),
    ],
)
def test_they_stop(images, told):
    with pytest.raises(ValueError, match=f"images of set guided must .*{told}.*look at the loss"):
        list(various(batches(*images), "guided"))


def test_others_pass_and_some_of_one_colour_are_counted(capsys):
    given = batches([0, 1, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1])
    assert all(found is batch for found, batch in zip(various(given, "guided"), given, strict=True))
    assert "1 of 3 images of set guided are of one colour" in capsys.readouterr().out
    assert len(list(various(batches([0, 1, 0, 1]), "guided"))) == 1
