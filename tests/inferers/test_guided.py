"""Guided sampling against closed forms, and the promises of seeds, batches, options and engines.

Closed form: pixels are N(0, 1), an observation y = 1 of each is N(x0, 0.75), so guided pixels are N(4/7,
3/7). Measured means over 300 images at 1000, 250, 50 and 10 steps: 0.577, 0.563, 0.583, 0.569 in mode
"score", 0.572, 0.544, 0.494, 0.220 in "mean".
"""

import pytest
import torch
from monai.data import MetaTensor
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from monai_minority.diffusion import (
    RespacedDDIMScheduler,
    RespacedDDPMScheduler,
    RespacedDPMSolverScheduler,
    SeededNoise,
)
from monai_minority.guidance import GuidanceTerm, MinorityClassifierGuidance, SelfGuidance
from monai_minority.inferers import GuidedDiffusionInferer, guided
from monai_minority.progress import progress_bar

SHAPE = (1, 8, 8)


class ExactDenoiser(nn.Module):
    """For pixels N(0, 1): then ``x_t`` is N(0, 1) too and ``E[e | x_t] = sqrt(1 - a_t) x_t``."""

    def __init__(self, scheduler) -> None:
        super().__init__()
        self.sigma = (1 - scheduler.alphas_cumprod).sqrt().float()
        self.calls = 0

    def forward(self, x, timesteps):
        self.calls += 1
        return self.sigma[timesteps.long()].view(-1, 1, 1, 1) * x


class ExactObservation(GuidanceTerm):
    """``grad log p(y = 1 | x_t)``; given ``x_t``, y is N(E[x0 | x_t], Var[x0 | x_t] + 0.75)."""

    def gradient(self, state):
        a = state.scheduler.alphas_cumprod[state.timesteps].to(state.x_t).view(-1, 1, 1, 1)

        def log_likelihood():
            return (-((1 - state.x0) ** 2) / (2 * (1 - a + 0.75))).flatten(1).sum(1)

        return self.scale * state.gradient_of(log_likelihood)


class SmallNetwork(nn.Module):
    """Convolutions that know the time, small enough to sample with in a moment."""

    num_classes = None

    def __init__(self, channels: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, 8, 3, padding=1)
        self.leave = nn.Conv2d(8, channels, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.dtypes = set()

    def forward(self, x, timesteps):
        hidden = self.enter(x)
        self.dtypes.add(hidden.dtype)
        hidden = hidden + torch.sin(timesteps / 100).view(-1, 1, 1, 1)
        return self.leave(self.dropout(hidden).tanh())


class SmallClassifier(SmallNetwork):
    def forward(self, x, timesteps):
        return super().forward(x, timesteps).flatten(1)[:, :5]


def ddpm(**options):
    return RespacedDDPMScheduler(1000, "improved_linear", **options)


@pytest.mark.parametrize(("steps", "tolerance"), [(250, 0.02), (50, 0.02), (10, 0.02)])
def test_score_mode_has_the_right_mean_at_any_number_of_steps(steps, tolerance):
    scheduler = ddpm(clip_sample=False)
    network = ExactDenoiser(scheduler)
    inferer = GuidedDiffusionInferer(scheduler, ExactObservation(), mode="score", steps=steps)
    images = inferer.sample(network, range(150), SHAPE, batch_size=150, progress=False)
    assert abs(images.mean() - 4 / 7) < tolerance
    assert network.calls == steps  # what the guidance has denoised is not computed again


def test_mean_mode_loses_strength_with_few_steps():
    means = {}
    for steps in (250, 50):
        scheduler = ddpm(clip_sample=False)
        inferer = GuidedDiffusionInferer(scheduler, ExactObservation(), mode="mean", steps=steps)
        means[steps] = inferer.sample(
            ExactDenoiser(scheduler), range(150), SHAPE, batch_size=150, progress=False
        ).mean()
    assert means[250] == pytest.approx(0.544, abs=0.02)
    assert means[50] == pytest.approx(0.494, abs=0.02)


def test_spread_with_and_without_guidance():
    scheduler = ddpm(clip_sample=False)
    network = ExactDenoiser(scheduler)
    for guidance, mean, variance in [(None, 0, 1), (ExactObservation(), 4 / 7, 3 / 7)]:
        inferer = GuidedDiffusionInferer(scheduler, guidance, mode="score", steps=250)
        images = inferer.sample(network, range(150), SHAPE, batch_size=150, progress=False)
        assert abs(images.mean() - mean) < 0.03
        assert abs(images.var() / variance - 1) < 0.05


def test_ddim_is_right_too():
    scheduler = RespacedDDIMScheduler(1000, "improved_linear", clip_sample=False)
    inferer = GuidedDiffusionInferer(scheduler, ExactObservation(), mode="score", steps=100)
    images = inferer.sample(ExactDenoiser(scheduler), range(150), SHAPE, batch_size=150, progress=False)
    assert abs(images.mean() - 4 / 7) < 0.02
    assert abs(images.var() / (3 / 7) - 1) < 0.05


def guided_inferer(**options):
    term = MinorityClassifierGuidance(SmallClassifier(), 4.0) + SelfGuidance(every=2)
    return GuidedDiffusionInferer(ddpm(), term, steps=8, **options)


def test_an_image_does_not_depend_on_its_batch():
    network, inferer = SmallNetwork(), guided_inferer()
    seeds, wanted = [5, 6, 7, 8, 9, 10, 11, 5], torch.tensor([0, 1, 2, 3, 4, 0, 1, 0])
    whole = inferer.sample(network, seeds, SHAPE, target_class=wanted, batch_size=8, progress=False)
    single = inferer.sample(network, seeds, SHAPE, target_class=wanted, batch_size=1, progress=False)
    torch.testing.assert_close(single, whole, rtol=0, atol=2e-5)
    torch.testing.assert_close(whole[0], whole[7], rtol=0, atol=2e-5)
    assert (whole[0] - whole[1]).abs().max() > 0.1
    few = inferer.sample(network, [8, 6], SHAPE, target_class=[3, 1], batch_size=2, progress=False)
    torch.testing.assert_close(few, whole[[3, 1]], rtol=0, atol=2e-5)


@pytest.mark.parametrize(("eta", "tolerance"), [(0.0, 0.05), (1.0, 0.05)])
def test_the_multistep_solver_has_the_right_spread_after_20_steps(eta, tolerance):
    """Variance over the exact one at eta 0: 1.001, and 0.786 with DDIM; at eta 1: 0.990 and 0.634."""
    scheduler = RespacedDPMSolverScheduler(1000, clip_sample=False)
    inferer = GuidedDiffusionInferer(scheduler, ExactObservation(), mode="score", steps=20, eta=eta)
    images = inferer.sample(ExactDenoiser(scheduler), range(150), SHAPE, batch_size=150, progress=False)
    assert abs(images.mean() - 4 / 7) < 0.02
    assert abs(images.var() / (3 / 7) - 1) < tolerance


def test_an_image_does_not_depend_on_its_batch_with_a_solver_that_remembers():
    network, scheduler = SmallNetwork(), RespacedDPMSolverScheduler(1000)
    term = MinorityClassifierGuidance(SmallClassifier(), 4.0) + SelfGuidance(every=2)
    inferer = GuidedDiffusionInferer(scheduler, term, mode="score", steps=8)
    settings = {"shape": SHAPE, "target_class": 2, "progress": False}
    whole = inferer.sample(network, range(6), batch_size=6, **settings)
    single = inferer.sample(network, range(6), batch_size=1, **settings)
    torch.testing.assert_close(single, whole, rtol=0, atol=2e-5)
    # Two streams in turn, with the same scheduler, and after a batch that was broken off where another one starts.
    one, other = (inferer.sample_batches(network, seeds, batch_size=3, **settings) for seeds in (range(6), range(3, 6)))
    assert torch.equal(next(one)[1], inferer.sample(network, range(3), batch_size=3, **settings))
    torch.testing.assert_close(next(other)[1], whole[3:], rtol=0, atol=2e-5)
    torch.testing.assert_close(next(one)[1], whole[3:], rtol=0, atol=2e-5)

    class Interrupted(Exception):
        pass

    def stop(module, inputs):
        if int(inputs[1][0]) == scheduler.timesteps[2]:
            raise Interrupted

    hook = network.register_forward_pre_hook(stop)
    with pytest.raises(Interrupted):
        inferer.sample(network, [0], **settings)
    hook.remove()
    inferer.skip = 2
    after = inferer.sample(network, [0], **settings)
    assert torch.equal(after, inferer.sample(network, [0], **settings))


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_order_of_draws(eta):
    """Initial noise; at each step its own first, also at the last and at eta 0, then the guidance's."""
    asked, taken = [], []

    class Asks(GuidanceTerm):
        def gradient(self, state):
            asked.extend([state.draw(), state.draw()])
            return torch.zeros_like(state.x_t)

    class Recording(RespacedDDIMScheduler):
        def step(self, *args, noise=None, **kwargs):
            taken.append(noise)
            return super().step(*args, noise=noise, **kwargs)

    scheduler = Recording(1000, "improved_linear")
    states = []
    network = SmallNetwork()
    network.register_forward_hook(lambda _, inputs, __: states.append(inputs[0]))
    inferer = GuidedDiffusionInferer(scheduler, Asks(), mode="score", eta=eta, steps=3)
    inferer.sample(network, [41, 42], SHAPE, progress=False)
    for image, seed in enumerate([41, 42]):
        stream = torch.Generator().manual_seed(seed)
        expected = [torch.randn(SHAPE, generator=stream) for _ in range(1 + 3 * 3)]
        order = [states[0]]
        for step in range(3):
            order += [taken[step], *asked[2 * step : 2 * step + 2]]
        assert all(torch.equal(a[image], b) for a, b in zip(order, expected, strict=True))


def test_given_noise_takes_the_place_of_the_seeds():
    network, inferer = SmallNetwork(), GuidedDiffusionInferer(ddpm(), steps=4)
    stream = torch.Generator().manual_seed(3)
    noises = iter([torch.randn((1, *SHAPE), generator=stream) for _ in range(5)])
    replayed = inferer.sample(network, [99], SHAPE, noise=noises.__next__, progress=False)
    assert torch.equal(replayed, inferer.sample(network, [3], SHAPE, progress=False))
    assert next(noises, None) is None


def test_sum_of_terms_samples_as_one_of_twice_the_scale():
    network, classifier = SmallNetwork(), SmallClassifier()
    settings = {"seeds": [0, 1], "shape": SHAPE, "target_class": 4, "progress": False}
    one = MinorityClassifierGuidance(classifier, 6.0)
    two = MinorityClassifierGuidance(classifier, 2.0) + MinorityClassifierGuidance(classifier, 4.0)
    single = GuidedDiffusionInferer(ddpm(), one, steps=6).sample(network, **settings)
    summed = GuidedDiffusionInferer(ddpm(), two, steps=6).sample(network, **settings)
    torch.testing.assert_close(summed, single, rtol=0, atol=1e-5)


def test_the_older_name_of_the_target_class_is_taken():
    network, inferer, wanted = SmallNetwork(), guided_inferer(shape=SHAPE), torch.tensor([4, 0])
    settings = {"network": network, "seeds": [0, 1], "shape": SHAPE, "progress": False}
    images = inferer.sample(**settings, target_class=wanted)
    assert torch.equal(inferer.sample(**settings, minority_classes=wanted), images)
    assert torch.equal(inferer.sample(network, [0, 1], SHAPE, None, wanted, 64, None, False), images)
    assert torch.equal(inferer(torch.tensor([0, 1]), network, minority_classes=wanted), images)
    assert not torch.equal(inferer.sample(**settings, target_class=wanted.flip(0)), images)


def test_terms_at_one_step_share_the_evaluation_of_the_network():
    network = ExactDenoiser(ddpm())
    guidance = ExactObservation(0.5) + ExactObservation(0.5)
    settings = {"seeds": [0, 1], "shape": SHAPE, "progress": False}
    both = GuidedDiffusionInferer(ddpm(), guidance, mode="score", steps=10).sample(network, **settings)
    assert network.calls == 10
    one = GuidedDiffusionInferer(ddpm(), ExactObservation(), mode="score", steps=10).sample(network, **settings)
    torch.testing.assert_close(both, one, rtol=0, atol=1e-5)


def test_interval_guides_inside_alone():
    acted = []

    class Records(GuidanceTerm):
        def gradient(self, state):
            acted.append(int(state.timesteps[0]))
            return torch.ones_like(state.x_t)

    inferer = GuidedDiffusionInferer(ddpm(), Records(), steps=[10], interval=(222, 666))
    kept = inferer.scheduler.timesteps.tolist()
    inferer.sample(SmallNetwork(), [0], SHAPE, progress=False)
    assert acted == [t for t in kept if 222 <= t <= 666]
    assert 0 < len(acted) < len(kept)


@pytest.mark.parametrize(("compensate", "factor"), [(False, 1.0), (True, 3.0)])
def test_every_third_step_is_guided_by_the_gradient_as_it_is_or_three_times_it(compensate, factor):
    received = []

    class Recording(RespacedDDPMScheduler):
        def step(self, *args, guidance=None, **kwargs):
            received.append(None if guidance is None else float(guidance.unique()))
            return super().step(*args, guidance=guidance, **kwargs)

    class One(GuidanceTerm):
        def gradient(self, state):
            return torch.ones_like(state.x_t)

    inferer = GuidedDiffusionInferer(Recording(1000), One(), steps=8, skip=1, every=3, compensate=compensate)
    inferer.sample(SmallNetwork(), [0], SHAPE, progress=False)
    assert received == [factor, None, None, factor, None, None, factor]


@pytest.mark.parametrize("scheduler", [RespacedDDIMScheduler, RespacedDPMSolverScheduler])
def test_a_compensated_gradient_at_every_second_step_leads_where_all_do(scheduler):
    """Means with DDIM, compensated and not: 0.563 and 0.315 (exact: 0.571); with the solver: 0.578 and 0.325."""
    means = []
    for compensate in (True, False):
        chain = scheduler(1000, clip_sample=False)
        inferer = GuidedDiffusionInferer(
            chain, ExactObservation(), mode="score", steps=100, every=2, compensate=compensate
        )
        images = inferer.sample(ExactDenoiser(chain), range(150), SHAPE, batch_size=150, progress=False)
        means.append(float(images.mean()))
    assert means[0] == pytest.approx(4 / 7, abs=0.02)
    assert means[1] < 0.45


def test_steps_without_guidance_do_not_evaluate_the_classifier():
    network, classifier = SmallNetwork(), SmallClassifier()
    evaluated = {"network": 0, "classifier": 0}
    for name, module in (("network", network), ("classifier", classifier)):
        module.register_forward_hook(lambda *_, name=name: evaluated.update({name: evaluated[name] + 1}))
    term = MinorityClassifierGuidance(classifier, 2.0)
    options = {"mode": "score", "steps": [10], "interval": (222, 666), "every": 2}
    for scheduler in (RespacedDDPMScheduler, RespacedDPMSolverScheduler):
        evaluated.update(network=0, classifier=0)
        inferer = GuidedDiffusionInferer(scheduler(1000), term, **options)
        inferer.sample(network, [0, 1], SHAPE, target_class=1, progress=False)
        # Steps 0, 2, 4, 6, 8 of 999, 888, 777, 666, 555, 444, 333, 222, 111, 0; those at 555 and 333 are inside.
        assert evaluated == {"network": 10, "classifier": 2}


def test_fixed_mode_adds_the_gradient_itself():
    class Constant(GuidanceTerm):
        def gradient(self, state):
            return torch.full_like(state.x_t, 0.25 * (state.timesteps[0] == 0))

    network = SmallNetwork()
    plain = GuidedDiffusionInferer(ddpm(), steps=5).sample(network, [1], SHAPE, progress=False)
    moved = GuidedDiffusionInferer(ddpm(), Constant(), mode="fixed", steps=5).sample(
        network, [1], SHAPE, progress=False
    )
    torch.testing.assert_close(moved, plain + 0.25)


def test_boost_and_skip_start_from_stronger_noise_at_a_later_step():
    starts = []
    network = SmallNetwork()
    network.register_forward_hook(lambda _, inputs, __: starts.append(inputs))
    inferer = GuidedDiffusionInferer(ddpm(), steps=10, boost=4.0, skip=3)
    inferer.sample(network, [7], SHAPE, progress=False)
    assert len(starts) == 7
    assert int(starts[0][1]) == inferer.scheduler.timesteps[3]
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(starts[0][0][0], 4 * noise)


def test_low_precision_ends_at_the_networks():
    network, inferer = SmallNetwork(), guided_inferer()
    settings = {"seeds": [0, 1, 2], "shape": SHAPE, "target_class": 2, "progress": False}
    exact = inferer.sample(network, **settings)
    inferer.autocast = torch.bfloat16
    network.dtypes.clear()
    rough = inferer.sample(network, **settings)
    assert network.dtypes == {torch.bfloat16}
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.02


def test_weights_are_cast_to_low_precision_once_and_not_each_step():
    network = SmallNetwork()
    weights = {tuple(weight.shape) for weight in network.parameters()}

    class Casts(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.count = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            to_low = function == torch.ops.aten._to_copy.default and kwargs.get("dtype") == torch.bfloat16
            self.count += to_low and tuple(args[0].shape) in weights
            return function(*args, **kwargs)

    counts = []
    for steps in (1, 6):
        with Casts() as casts:
            inferer = GuidedDiffusionInferer(ddpm(), steps=steps, autocast=torch.bfloat16)
            inferer.sample(network, [0], SHAPE, progress=False)
        counts.append(casts.count)
    assert counts[0] == counts[1] > 0


def test_memory_format_does_not_change_the_images():
    network = SmallNetwork(channels=3)
    plain = GuidedDiffusionInferer(ddpm(), steps=5).sample(network, [1, 2], (3, 8, 8), progress=False)
    last = GuidedDiffusionInferer(ddpm(), steps=5, channels_last=True)
    torch.testing.assert_close(last.sample(network, [1, 2], (3, 8, 8), progress=False), plain, rtol=0, atol=1e-5)


def test_network_is_sampled_in_evaluation_mode_and_left_as_it_was():
    network, inferer = SmallNetwork(dropout=0.5).train(), GuidedDiffusionInferer(ddpm(), steps=3)
    first, second = (inferer.sample(network, [0], SHAPE, progress=False) for _ in range(2))
    assert torch.equal(first, second)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_labels_go_to_conditional_networks_alone():
    class Conditional(SmallNetwork):
        num_classes = 3

        def forward(self, x, timesteps, class_labels=None):
            return super().forward(x, timesteps) + class_labels.view(-1, 1, 1, 1)

    inferer = GuidedDiffusionInferer(ddpm(), steps=3)
    settings = {"seeds": [0, 0], "shape": SHAPE, "class_labels": [0, 2], "progress": False}
    images = inferer.sample(Conditional(), **settings)
    assert (images[0] - images[1]).abs().max() > 0.1
    images = inferer.sample(SmallNetwork(), **settings)
    torch.testing.assert_close(images[0], images[1], rtol=0, atol=1e-6)


def test_batches_stream_in_order():
    network, inferer = SmallNetwork(), GuidedDiffusionInferer(ddpm(), steps=3)
    whole = inferer.sample(network, range(5), SHAPE, progress=False)
    batches = list(inferer.sample_batches(network, range(5), SHAPE, batch_size=2, progress=False))
    assert [indices.tolist() for indices, _ in batches] == [[0, 1], [2, 3], [4]]
    torch.testing.assert_close(torch.cat([images for _, images in batches]), whole, rtol=0, atol=1e-5)


def test_a_stream_does_not_switch_gradients_off_for_its_reader():
    batches = GuidedDiffusionInferer(ddpm(), steps=2).sample_batches(SmallNetwork(), [0], SHAPE, progress=False)
    next(batches)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_works_where_gradients_are_off(context):
    network, inferer = SmallNetwork(), guided_inferer()
    expected = inferer.sample(network, [0, 1], SHAPE, target_class=1, progress=False)
    with context():
        seeds, wanted = torch.tensor([0, 1]), torch.tensor([1, 1])
        images = inferer.sample(network, seeds, SHAPE, target_class=wanted, progress=False)
    assert torch.equal(images, expected)


@pytest.mark.parametrize("kind", [MetaTensor, torch.clone])
def test_labels_and_noise_may_be_meta_tensors_or_come_from_inference_mode(kind):
    """Self-guidance differentiates through a network that embeds the labels, which autograd then stores."""

    class Conditional(SmallNetwork):
        num_classes = 3

        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(3, 1)

        def forward(self, x, timesteps, class_labels):
            assert type(x) is type(class_labels) is torch.Tensor
            return super().forward(x, timesteps) * self.embed(class_labels)[:, :, None, None]

    network, inferer = Conditional(), GuidedDiffusionInferer(ddpm(), SelfGuidance(every=1), mode="fixed", steps=3)
    settings = {"seeds": [0, 1], "shape": SHAPE, "progress": False}
    expected = inferer.sample(network, class_labels=[0, 2], **settings)
    stream = SeededNoise([0, 1], SHAPE)
    with torch.inference_mode():
        labels = kind(torch.tensor([0, 2]))
        images = inferer.sample(network, class_labels=labels, noise=lambda: kind(stream()), **settings)
    assert type(images) is torch.Tensor and torch.equal(images, expected)


def test_drives_a_supervised_evaluator():
    network, inferer = SmallNetwork(), guided_inferer(shape=SHAPE)
    items = [{"image": seed, "target_class": seed % 5} for seed in range(6)]
    images = []
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(items, batch_size=3),
        network=network,
        inferer=inferer,
        prepare_batch=PrepareBatchExtraInput({"target_class": "target_class"}),
        decollate=False,
    )
    evaluator.add_event_handler("MODEL_COMPLETED", lambda engine: images.append(engine.state.output["pred"]))
    evaluator.run()
    expected = inferer.sample(network, range(6), SHAPE, target_class=[seed % 5 for seed in range(6)], progress=False)
    torch.testing.assert_close(torch.cat(images), expected, rtol=0, atol=2e-5)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="every must be at least 1 step"):
        GuidedDiffusionInferer(ddpm(), every=0)
    with pytest.raises(ValueError, match="mode must be one of mean, score, fixed, got 'eps'"):
        GuidedDiffusionInferer(ddpm(), mode="eps")
    with pytest.raises(ValueError, match="interval must be"):
        GuidedDiffusionInferer(ddpm(), interval=(5, 2))
    with pytest.raises(ValueError, match="boost must be positive"):
        GuidedDiffusionInferer(ddpm(), boost=0)
    with pytest.raises(ValueError, match="skip must leave one of the scheduler's 4 steps, got 4"):
        GuidedDiffusionInferer(ddpm(), steps=4, skip=4).sample(SmallNetwork(), [0], SHAPE, progress=False)
    inferer = GuidedDiffusionInferer(ddpm(), steps=4)
    with pytest.raises(ValueError, match="target_class must be one integer or one for each of 2 seeds"):
        inferer.sample(SmallNetwork(), [0, 1], SHAPE, target_class=[1, 2, 3])
    with pytest.raises(ValueError, match="minority_classes is an older name of target_class .* got both"):
        inferer.sample(SmallNetwork(), [0, 1], SHAPE, target_class=1, minority_classes=1)
    with pytest.raises(ValueError, match="shape must be given"):
        inferer(torch.tensor([0]), SmallNetwork())
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        inferer.sample(SmallNetwork(), [0], SHAPE, batch_size=0)


def test_progress_counts_images_times_steps(monkeypatch):
    bars = []

    def shown_bar(*given, **options):
        bars.append(progress_bar(*given, **options))
        return bars[-1]

    monkeypatch.setattr(guided, "progress_bar", shown_bar)
    GuidedDiffusionInferer(ddpm(), steps=4, skip=1).sample(SmallNetwork(), range(5), SHAPE, batch_size=2)
    assert [(bar.n, bar.total) for bar in bars] == [(15, 15)]
