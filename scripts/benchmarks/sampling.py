"""Guided sampling, beside the loop that classifier guidance is usually written as."""

import torch
from benchmarks.comparison import Comparison
from benchmarks.settings import Networks, Settings

from monai_minority.data import ImageStore
from monai_minority.guidance import MinorityClassifierGuidance
from monai_minority.inferers import GuidedDiffusionInferer
from monai_minority.run import fast_dtype

SCALE = 2.0


def compare_sampling(store: ImageStore, bundle: Networks, settings: Settings, device: torch.device) -> Comparison:
    """A row for ancestral sampling under minority guidance, a batch at a time both ways."""
    network, classifier = bundle.network().eval(), bundle.classifier()
    plain_classifier = bundle.classifier().eval()
    scheduler = bundle.get("scheduler")
    rarest = bundle.num_classes - 1
    guidance = MinorityClassifierGuidance(classifier, SCALE)
    inferer = GuidedDiffusionInferer(scheduler, guidance, steps=settings.sampling_steps, autocast=fast_dtype(device))
    shape, batch = store.image_shape, settings.batch
    seeds = range(batch)

    def ours() -> None:
        inferer.sample(network, seeds, shape, target_class=rarest, batch_size=batch, progress=False)

    def plain() -> None:
        x = torch.randn(batch, *shape, device=device)
        for step in scheduler.timesteps.tolist():
            t = torch.full((batch,), step, device=device)
            with torch.no_grad():
                output = network(x, t)
            noisy = x.detach().requires_grad_()
            # Backwards through the whole classifier, its parameters included.
            plain_classifier(noisy, t).log_softmax(-1)[:, rarest].sum().backward()
            x, _ = scheduler.step(output, step, x, guidance=SCALE * noisy.grad)

    way = "network, then backward() through the classifier with its parameters, in a loop over steps, float32"
    return Comparison("guided sampling", store.path.resolve().parent.name, way, ours, batch, plain, batch)
