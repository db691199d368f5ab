"""The short form of ``scripts/blows``: what a hospital's machine does to a run leaves nothing stale or silent."""

import os
import subprocess
import sys
from pathlib import Path

BLOWS = Path(__file__).parents[2] / "scripts" / "blows"
ROWS = (
    "kills", "stale", "damage", "lock", "columns", "full", "hostile", "weights", "names", "outside", "folders"
)  # fmt: skip


def test_every_blow_of_the_short_form_is_survived_or_told(tmp_path):
    command = [sys.executable, str(BLOWS), "--short", "--folder", str(tmp_path), *ROWS]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    lines = {line.partition(":")[0]: line for line in done.stdout.splitlines()}
    assert set(ROWS) <= set(lines)
    assert "10 killed" in lines["kills"] and "equal bit for bit" in lines["kills"]
    assert "made anew" in lines["stale"]
