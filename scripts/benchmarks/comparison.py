"""Two ways to the same result, timed in turns."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass(frozen=True)
class Comparison:
    """One row of the benchmark before it is run.

    Attributes:
        stage: what is measured.
        data: what it is measured on.
        plain_way: the straightforward way, in words.
        ours: does the stage once, on ``images`` images, and
        plain: does it the straightforward way on ``plain_images`` (fewer where it is slow).
        clock: the only one that tells anything here; ``None``: that of the command.
    """

    stage: str
    data: str
    plain_way: str
    ours: Callable[[], Any]
    images: int
    plain: Callable[[], Any]
    plain_images: int
    clock: str | None = None


def measure(comparison: Comparison, repeats: int, clock: str) -> dict[str, Any]:
    """Time pairs, the one way and then the other, after one warm-up of each.

    What else the machine does falls on both halves of a pair alike; the median of the pairs' ratios forgets the
    pairs where it did not.

    Args:
        comparison: what to run.
        repeats: number of pairs.
        clock: ``"wall"``, or ``"processor"`` where other work shares the cores.

    Returns:
        The row: median images a second of both, and the median ratio with its extremes.
    """
    clock = comparison.clock or clock

    def now() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # what was started is done before the time is taken
        return CLOCKS[clock]()

    def rate(function: Callable[[], Any], images: int) -> float:
        start = now()
        function()
        return images / (now() - start)

    comparison.ours()
    comparison.plain()
    ours, plain = [], []
    for _ in range(repeats):
        ours.append(rate(comparison.ours, comparison.images))
        plain.append(rate(comparison.plain, comparison.plain_images))
    ratios = [a / b for a, b in zip(ours, plain, strict=True)]
    return {
        "stage": comparison.stage,
        "data": comparison.data,
        "images_a_second": median(ours),
        "plain_images_a_second": median(plain),
        "ratio": median(ratios),
        "lowest_ratio": min(ratios),
        "highest_ratio": max(ratios),
        "pairs": repeats,
        "clock": clock,
        "plain_way": comparison.plain_way,
    }
