"""The command line of ``scripts/benchmark``."""

import argparse
import csv
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.comparison import CLOCKS, Comparison, measure
from benchmarks.density import compare_densities
from benchmarks.extraction import compare_extraction, extract_volumes, write_volumes
from benchmarks.sampling import compare_cores, compare_sampling
from benchmarks.scoring import compare_errors, compare_scoring
from benchmarks.settings import QUICK, Networks, Settings
from benchmarks.training import compare_training
from tqdm import tqdm

from monai_minority.data import ImageStore
from monai_minority.networks import EfficientNetLite0
from monai_minority.run import start
from monai_minority.scoring import FeatureDistance


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and write it where asked. Nothing is asserted: a slow row is a row."""
    options = _parser().parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    start(0)  # memory is kept as in every stage, for both ways
    settings = QUICK if options.quick else Settings(overlay=options.overlay, batch=options.batch)
    repeats = options.repeats or (3 if options.quick else 5)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for comparison in tqdm(_comparisons(options, settings, device, Path(folder)), "benchmark", unit="row"):
            if not re.search(options.rows, comparison.stage):
                continue
            rows.append(measure(comparison, repeats, options.clock))
    print(
        f"images a second ({options.clock} clock, {torch.get_num_threads()} threads, {device}), "
        f"median of {repeats} pairs"
    )
    print(_table(rows))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with options.output.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return 0


def _comparisons(
    options: argparse.Namespace, settings: Settings, device: torch.device, folder: Path
) -> Iterator[Comparison]:
    volumes = options.volumes or write_volumes(folder / "volumes", settings.volumes, settings.volume_shape)
    size = 16 if options.quick else options.size
    stores = [ImageStore.open(path) for path in options.stores]
    if not stores:
        stores = [extract_volumes(volumes, folder / "volumes of noise" / "store", size)]
    yield compare_extraction(volumes, size)
    for store in stores:
        bundle = Networks(settings.overlay, store, device)
        yield compare_training(store, bundle, settings, device)
        yield compare_scoring(store, bundle, settings, device)
        if settings.features:
            yield compare_scoring(store, bundle, settings, device, FeatureDistance(EfficientNetLite0()))
        yield compare_errors(store, bundle, settings, device)
        for frozen in (False, True):
            yield compare_sampling(store, bundle, settings, device, frozen)
        if device.type == "cpu":
            yield from compare_cores(store, bundle, settings)
    yield from compare_densities(settings.vectors, settings.dimension)


def _table(rows: list[dict[str, Any]]) -> str:
    header = ("stage", "data", "ours", "plain", "ratio", "lowest-highest", "the plain way")
    cells = [
        (
            row["stage"],
            row["data"],
            f"{row['images_a_second']:.4g}",
            f"{row['plain_images_a_second']:.4g}",
            f"{row['ratio']:.2f}",
            f"{row['lowest_ratio']:.2f}-{row['highest_ratio']:.2f}",
            row["plain_way"],
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in (header, *cells)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "scripts/benchmark",
        description="Images a second of every stage, each beside the straightforward way in the same run. The "
        "networks are those of bundles/brain_mri at the size of each store's images, with random weights.",
    )
    parser.add_argument("stores", nargs="*", type=Path, help="image stores; none: one is made of volumes of noise")
    parser.add_argument("--volumes", type=Path, help="folder of NIfTI volumes to extract; none: volumes of noise")
    parser.add_argument("--size", type=int, default=64, help="pixels a side of the images made of volumes")
    parser.add_argument("--batch", type=int, default=32, help="images of a batch")
    parser.add_argument(
        "--overlay", default="phantom", help="overlay of the bundle whose networks are measured; '': the bundle itself"
    )
    parser.add_argument("--quick", action="store_true", help="the smallest of everything, in about a minute")
    parser.add_argument("--rows", default="", help="regular expression: measure the stages alone that it finds")
    parser.add_argument("--repeats", type=int, help="pairs a row (5; with --quick 3)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="processor: where other work shares the cores")
    parser.add_argument("--threads", type=int, help="threads of PyTorch")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--output", type=Path, help="CSV file to write the table to")
    return parser
