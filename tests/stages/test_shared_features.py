"""Two processes compute the features of one, each a part."""

import subprocess
import sys

import numpy as np

from monai_minority.data import ImageStore
from monai_minority.evaluation.features import Thumbnail, extract

PROGRAM = """
import sys
from pathlib import Path
from monai_minority.data import ImageStore
from monai_minority.evaluation.features import Thumbnail
from monai_minority.run import start
from monai_minority.run.distributed import rank_and_size
from monai_minority.stages.shared_features import share_features
from monai_minority.tables import MeasureSettings

start(0)
folder = Path(sys.argv[1])
stores = [ImageStore.open(folder / "a"), ImageStore.open(folder / "b")]
share_features(stores, [Thumbnail(2), Thumbnail(4)], folder / "features", MeasureSettings(batch_size=2, progress=False))
(folder / f"done-{rank_and_size()[0]}").touch()
"""


def test_two_processes_fill_the_cache(tmp_path):
    stores = []
    for name, count in (("a", 7), ("b", 1)):  # fewer than processes, and not a multiple of them
        pixels = np.random.default_rng(count).integers(0, 256, (count, 1, 8, 8)).astype(np.uint8)
        stores.append(ImageStore.create(tmp_path / name, pixels, {"seed": range(count)}, (0, 255)))
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run([*command, tmp_path / "program.py", tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "done-1").is_file()
    found = sorted(path.name for path in (tmp_path / "features").iterdir() if path.suffix == ".npy")
    assert len(found) == 4 and not (tmp_path / "features" / "parts").exists()
    for store in stores:
        for size in (2, 4):
            expected = extract(store, Thumbnail(size), progress=False)
            assert np.array_equal(extract(store, Thumbnail(size), tmp_path / "features", progress=False), expected)
    assert sorted(path.name for path in (tmp_path / "features").iterdir() if path.suffix == ".npy") == found
