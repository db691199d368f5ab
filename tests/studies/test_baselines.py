"""What the table of methods is said to show."""

import pandas as pd

from monai_minority.studies.baselines import Baselines


def test_the_best_method_is_named_with_those_that_cannot_be_told_from_it():
    table = pd.DataFrame(
        {
            "method": ["ancestral", "mixed_density", "self_guidance", "real, training"],
            "frechet_distance": [6.0, 5.0, 9.0, 1.0],
            "frechet_distance_low": [5.5, 4.5, 8.0, 0.5],
            "frechet_distance_high": [6.5, 5.5, 9.9, 1.5],
            "average_knn_mean": [2.0, 2.5, 4.0, 1.0],
            "average_knn_low": [1.9, 2.4, 3.9, 0.9],
            "average_knn_high": [2.1, 2.6, 4.1, 1.1],
            "minority_score_mean": [float("nan")] * 4,
        }
    )
    assert Baselines().tell({"figures": table}) == (
        "Of 3 methods mixed density is the nearest to the most unique real images (Fréchet distance), 5 [4.5, 5.5], "
        "not measurably apart from ancestral; self guidance lies the furthest out (AvgkNN), 4 [3.9, 4.1]. All figures: "
        "comparison/methods.csv."
    )
