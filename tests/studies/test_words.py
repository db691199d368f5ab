"""A rise is called one where the intervals lie apart, and only there."""

import math

import pandas as pd
import pytest

from monai_minority.studies.words import change, number, sides_of


def row(mean, low, high):
    return pd.Series({"average_knn_mean": mean, "average_knn_low": low, "average_knn_high": high})


@pytest.mark.parametrize(
    "after, told",
    [
        ((3, 2.5, 3.5), "AvgkNN rises from 1 [0.5, 1.5] to 3 [2.5, 3.5]"),
        ((2, 1.4, 2.5), "AvgkNN does not change measurably from 1 [0.5, 1.5] to 2 [1.4, 2.5]"),
        ((0.1, 0, 0.2), "AvgkNN falls from 1 [0.5, 1.5] to 0.1 [0, 0.2]"),
        ((math.nan, math.nan, math.nan), "AvgkNN was not measured"),
    ],
)
def test_change(after, told):
    assert change(row(1, 0.5, 1.5), row(*after), "average_knn") == told


def test_without_an_interval_no_verdict():
    plain = pd.Series({"frechet_distance_equal_n": 2.0})
    assert change(plain, plain * 2, "frechet_distance_equal_n") == "Fréchet distance (equal n) goes from 2 to 4"
    assert number(math.nan) == "not measured"


@pytest.mark.parametrize(
    "low, high, told", [(0.1, 0.2, "above"), (-0.1, 0.2, "neither"), (-0.2, -0.1, "below"), (math.nan,) * 2 + ("open",)]
)
def test_an_interval_that_is_not_there_allows_no_verdict(low, high, told):
    assert sides_of(low, high, 0, "above", "neither", "below", "open") == told
