"""Settings are refused in words, and the registry holds what tables loop over."""

import numpy as np
import pytest

from monai_minority.tables import MEASURES, MeasureSettings
from monai_minority.tables.measures import RANKERS, REFERENCES


@pytest.mark.parametrize(
    "change, message",
    [
        ({"neighbours": 0}, "neighbours must be at least 1, a whole number, got 0; leave it out for the default, 5"),
        ({"resamples": -1}, "resamples must be at least 0, .*got -1"),
        ({"reference_size": 2.5}, "reference_size must be at least 1, .*got 2.5"),
        ({"batch_size": True}, "batch_size must be at least 1, .*got True"),
        ({"reference_measure": "beauty"}, "reference_measure must be one of minority_score, average_knn.*got 'beauty'"),
        ({"held_out": ["train"]}, "held_out must be some of validation, test, reference, got train"),
        ({"device": "abacus"}, "device must be one of torch's, such as 'cpu' or 'cuda:0', got 'abacus'"),
        ({"detectors": {"Absent": {}}}, "name must be a detector of PyOD"),
    ],
)
def test_bad_settings_say_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=message):
        MeasureSettings(**change)


def test_settings_cannot_be_changed_and_lists_are_kept_as_they_were_given():
    groups = ["a", "b"]
    settings = MeasureSettings(normal_group=groups)
    groups.append("c")
    assert settings.normal_group == ("a", "b")
    with pytest.raises(AttributeError):
        settings.seed = 3
    assert settings == MeasureSettings(normal_group=("a", "b"))


def test_detectors_have_the_seed_of_the_settings():
    made = MeasureSettings(seed=7, detectors={"IForest": {"n_estimators": 5}}).fresh_detectors()
    assert made["IForest"].settings == {"random_state": 7, "n_estimators": 5}


def test_each_measure_is_one_entry():
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    assert RANKERS == ("minority_score", "average_knn", "local_outlier_factor")
    assert list(REFERENCES.values()) == ["minority score", "AvgkNN", "LOF", "Rarity", "rare group"]
    for measure in MEASURES:
        assert (measure.others is not None) == (measure.needs == "features"), measure.name
        assert measure.higher_is_rarer or not (measure.ranks or measure.reference), measure.name
    assert np.all([measure.label for measure in MEASURES])
