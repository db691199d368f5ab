"""Overrides as people type them."""

import pytest
from monai.bundle import ConfigParser

from monai_minority.run.overrides import check_places, parse


@pytest.mark.parametrize(
    "text, expected",
    [
        ("learning_rate=1e-4", ("learning_rate", 1e-4)),
        ("guidance_scale=1e+20", ("guidance_scale", 1e20)),
        ("rates=[1E3, .5e1, 2]", ("rates", [1000.0, 5.0, 2])),
        ("set={scale: 3e0}", ("set", {"scale": 3.0})),
        ("name=e4", ("name", "e4")),
        ("name=1e4x", ("name", "1e4x")),
        ("nothing=null", ("nothing", "$None")),
        ("path=a=b", ("path", "a=b")),
        ("run_dir=2024", ("run_dir", "2024")),
        ("dataset_dir=2024-01-02", ("dataset_dir", "2024-01-02")),
        ("external_path=1e5", ("external_path", "1e5")),
    ],
)
def test_values(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize("value", ["nan", "high"])
def test_text_in_the_place_of_a_number_is_refused_by_its_name(value):
    with pytest.raises(ValueError, match=f"override rate must be a number, got '{value}'"):
        check_places({"rate": value}, [ConfigParser({"rate": 0.1})])
    for fine in ("$1 / 3", "@other", 2, "auto"):
        check_places({"rate": fine}, [ConfigParser({"rate": 0.1, "other": 1})])
