"""Guided sampling: beside the loop that it is usually written as, and with more threads or processes beside one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from benchmarks.comparison import Comparison
from benchmarks.settings import Networks, Settings
from benchmarks.workers import Workers

from monai_minority.data import ImageStore
from monai_minority.guidance import MinorityClassifierGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.run import fast_dtype, start

SCALE = 2.0


def compare_sampling(
    store: ImageStore, bundle: Networks, settings: Settings, device: torch.device, frozen: bool
) -> Comparison:
    """A row for ancestral sampling under minority guidance, a batch at a time both ways.

    Args:
        frozen: the classifier has the backbone's own encoder, as the overlay ``frozen_classifier`` trains it.
    """
    network = bundle.network().eval()
    plain_classifier = bundle.classifier(network if frozen else None).eval()
    scheduler = bundle.get("scheduler")
    rarest, shape, batch = bundle.num_classes - 1, store.image_shape, settings.batch
    ours = sampler(store, bundle, settings, device, network, bundle.classifier(network if frozen else None))

    def plain() -> None:
        x = torch.randn(batch, *shape, device=device)
        scheduler.set_timesteps(settings.sampling_steps)
        for step in scheduler.timesteps.tolist():
            t = torch.full((batch,), step, device=device)
            with torch.no_grad():
                output = network(x, t)
            noisy = x.detach().requires_grad_()
            # Backwards through the whole classifier, its parameters included.
            plain_classifier(noisy, t).log_softmax(-1)[:, rarest].sum().backward()
            x, _ = scheduler.step(output, step, x, guidance=SCALE * noisy.grad)

    way = "network, then backward() through the classifier with its parameters, in a loop over steps, float32"
    stage = "guided sampling, frozen encoder" if frozen else "guided sampling"
    return Comparison(stage, store.path.resolve().parent.name, way, ours, batch, plain, batch)


def compare_cores(store: ImageStore, bundle: Networks, settings: Settings) -> Iterator[Comparison]:
    """Rows for several threads, and for two processes of one thread, each beside one thread."""
    device, data = torch.device("cpu"), store.path.resolve().parent.name
    one = sampler(store, bundle, settings, device, bundle.network().eval(), bundle.classifier())
    threads = max(2, torch.get_num_threads())

    def with_threads(count: int) -> Callable[[], None]:
        def run() -> None:
            before = torch.get_num_threads()
            torch.set_num_threads(count)
            one()
            torch.set_num_threads(before)

        return run

    batch = settings.batch
    stage = f"guided sampling, {threads} threads"
    yield Comparison(
        stage, data, "the same with one thread", with_threads(threads), batch, with_threads(1), batch, "wall"
    )
    with Workers(2, prepared, store.path, settings) as workers:
        stage, way = "guided sampling, 2 processes", "the same in one of them after the other, one thread each"
        plain = lambda: workers(2, of=1)  # noqa: E731
        yield Comparison(stage, data, way, lambda: workers(2), 2 * batch, plain, 2 * batch, "wall")


def prepared(path: Path, settings: Settings) -> Callable[[], None]:
    """What a worker process does: sample a batch with one thread."""
    torch.set_num_threads(1)
    start(0)  # memory is kept, as in the process beside it
    store, device = ImageStore.open(path), torch.device("cpu")
    bundle = Networks(settings.overlay, store, device)
    return sampler(store, bundle, settings, device, bundle.network().eval(), bundle.classifier())


def sampler(
    store: ImageStore,
    bundle: Networks,
    settings: Settings,
    device: torch.device,
    network: torch.nn.Module,
    classifier: torch.nn.Module,
) -> Callable[[], None]:
    """Samples a batch of the rarest class."""
    guidance = MinorityClassifierGuidance(classifier, SCALE)
    steps, dtype = settings.sampling_steps, fast_dtype(device)
    inferer = GuidedDiffusionInferer(
        bundle.get("scheduler"), guidance, steps=steps, autocast=dtype, shape=store.image_shape
    )
    seeds, rarest = torch.arange(settings.batch, device=device), bundle.num_classes - 1

    def run() -> None:
        inferer(seeds, network, target_class=rarest)

    return run
