"""The benchmark measures every stage on a store it is given, and writes what it prints."""

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from monai_minority.data import ImageStore

SCRIPT = Path(__file__).parents[2] / "scripts" / "benchmark"
STAGES = [
    "extraction",
    "training step",
    "scoring, L2",
    "scoring, equal error of differences",
    "guided sampling",
    "guided sampling, frozen encoder",
    "guided sampling, threads",
    "guided sampling, 2 processes",
    "evaluation, AvgkNN and LOF",
    "evaluation, rarity, precision, recall",
    "evaluation, rarity, precision, recall",
]


def test_quick_run_has_every_row(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (10, 1, 16, 16), dtype=np.uint8)
    table = {"source": "noise", "subject": "noise", "slice": range(10), "split": "train"}
    ImageStore.create(tmp_path / "run" / "store", images, table, (0, 255))
    output = tmp_path / "made" / "speed.csv"
    command = [sys.executable, SCRIPT, tmp_path / "run" / "store", "--quick", "--repeats", "1", "--output", output]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    rows = list(csv.DictReader(output.open()))
    assert [re.sub("[0-9]+ threads", "threads", row["stage"]) for row in rows] == STAGES
    assert [row["data"] for row in rows[1:8]] == ["run"] * 7
    for row in rows:
        rates = float(row["images_a_second"]), float(row["plain_images_a_second"])
        assert min(rates) > 0
        # With one pair the ratio of the medians is the median of the ratios.
        np.testing.assert_allclose(float(row["ratio"]), rates[0] / rates[1], rtol=1e-9)
        assert f"{rates[0]:.4g}" in ran.stdout and row["plain_way"] in ran.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "run"]
