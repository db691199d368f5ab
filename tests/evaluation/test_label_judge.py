"""The judge of the rare group, on features that tell it and on features that do not."""

import numpy as np
import pytest

from monai_minority.evaluation.label_judge import fit_label_judge

PEOPLE, SLICES = 60, 4
SUBJECTS = np.repeat(np.arange(PEOPLE), SLICES)
RARE = SUBJECTS % 4 == 0


def features(shift: float, seed: int = 0, own: float = 0.0) -> np.ndarray:
    """Twenty directions, in the first of which the rare ones are ``shift`` away; ``own`` marks each subject."""
    rng = np.random.default_rng(seed)
    marks = own * rng.standard_normal((PEOPLE, 20))[SUBJECTS]
    drawn = rng.standard_normal((len(RARE), 20)) + marks
    drawn[:, 0] += shift * RARE
    return drawn


def test_the_space_that_tells_the_groups_is_chosen():
    judge = fit_label_judge({"blind": features(0, 1), "seeing": features(3, 2)}, RARE, SUBJECTS)
    assert judge.space == "seeing" and judge.auc > 0.95
    new, clusters = features(3, 3), 1000 + SUBJECTS
    logits = judge(new, clusters)
    assert logits[RARE].mean() > 0 > logits[~RARE].mean()


def test_what_is_known_of_a_subject_alone_tells_nothing():
    """Slices of a subject are alike; a judge that had seen its other slices would know its group from them."""
    judge = fit_label_judge({"own": features(0, 0, own=5.0)}, RARE, SUBJECTS)
    assert judge.auc < 0.75
    assert len(judge.models) == 5


def test_logits_are_calibrated():
    rng = np.random.default_rng(4)
    people = np.arange(2000)
    x = rng.standard_normal((2000, 3))
    rare = rng.random(2000) < 1 / (1 + np.exp(-(2 * x[:, 0] - 1)))
    judge = fit_label_judge({"three": x}, rare, people)
    chance = 1 / (1 + np.exp(-judge.logits))
    assert chance.mean() == pytest.approx(rare.mean(), abs=0.01)
    high = judge.logits > 0
    assert chance[high].mean() == pytest.approx(rare[high].mean(), abs=0.04)


def test_it_repeats_and_an_image_depends_on_itself_alone():
    spaces = {"seeing": features(2, 2)}
    first, second = (fit_label_judge(spaces, RARE, SUBJECTS, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.logits, second.logits)
    new, clusters = features(2, 5), 1000 + SUBJECTS
    np.testing.assert_allclose(first(new, clusters)[7:9], first(new[7:9], clusters[7:9]), rtol=1e-12)


def test_other_pseudonyms_give_the_same_judge():
    spaces, names = {"seeing": features(2, 2)}, np.random.default_rng(7).permutation(PEOPLE)
    judges = [fit_label_judge(spaces, RARE, subjects) for subjects in (SUBJECTS, names[SUBJECTS])]
    np.testing.assert_array_equal(judges[0].logits, judges[1].logits)


@pytest.mark.parametrize(("spaces", "rare"), [({}, RARE), ({"seeing": features(2)}, SUBJECTS < 4)])
def test_too_little_to_learn_from_is_refused(spaces, rare):
    with pytest.raises(ValueError, match="at least 5 people of the rare group and of the others"):
        fit_label_judge(spaces, rare, SUBJECTS)
