"""The loss of known logits, the centre's update, the two ways to collapse, and the values set before each step."""

import math

import pytest
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EMAHandler

from monai_minority.training import CosineSchedule, DistillationSchedules, SelfDistillationLoss


def test_two_crops_of_known_logits():
    """Teacher (ln 3, 0) and (0, 0), student (0, 0) and (ln 4, 0), all temperatures 1.

    Crop 1's target (3/4, 1/4) meets the student's crop 2, whose probabilities are (4/5, 1/5); crop 2's target
    (1/2, 1/2) meets the student's crop 1, which is uniform.
    """
    teacher = torch.tensor([[[math.log(3), 0.0]], [[0.0, 0.0]]])
    student = torch.tensor([[[0.0, 0.0]], [[math.log(4), 0.0]]])
    found = SelfDistillationLoss(2, student_temperature=1, teacher_temperature=1)((student, teacher))
    first = -(0.75 * math.log(0.8) + 0.25 * math.log(0.2))
    assert found.item() == pytest.approx((first + math.log(2)) / 2, rel=1e-6)


def test_equals_the_sum_over_pairs_written_out():
    torch.manual_seed(3)
    student, teacher = torch.randn(5, 7, 11), torch.randn(2, 7, 11)
    loss = SelfDistillationLoss(11, student_temperature=0.3, teacher_temperature=0.2)
    loss.centre.copy_(torch.randn(11))
    terms = []
    for g in range(2):
        target = ((teacher[g] - loss.centre) / 0.2).softmax(-1)
        terms += [-(target * (student[v] / 0.3).log_softmax(-1)).sum(-1).mean() for v in range(5) if v != g]
    assert len(terms) == 8
    torch.testing.assert_close(loss((student, teacher)), torch.stack(terms).mean())


def test_logits_alike_and_sharp_give_the_entropy_of_the_target():
    logits = torch.tensor([[[2.0, 0.0, -1.0]]]).expand(3, 4, 3)
    loss = SelfDistillationLoss(3, student_temperature=0.5, teacher_temperature=0.5)
    target = (logits[0, 0] / 0.5).softmax(-1)
    entropy = -(target * target.log()).sum().item()
    assert loss((logits, logits[:2])).item() == pytest.approx(entropy, rel=1e-6)
    assert loss.target_entropy == pytest.approx(entropy, rel=1e-6)


def test_the_centre_follows_the_teachers_mean_in_training_alone():
    student = torch.zeros(2, 3, 2, requires_grad=True)
    teacher = torch.tensor([[[1.0, 0.0], [2.0, 0.0], [3.0, 3.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 3.0]]])
    loss = SelfDistillationLoss(2, centre_momentum=0.9)
    with torch.no_grad():
        loss((student, teacher))
    assert not loss.centre.any(), "a validation leaves it"
    loss((student, teacher))
    torch.testing.assert_close(loss.centre, torch.tensor([1.0, 1.0]), msg="the first batch's mean")
    loss((student, teacher + 1))
    torch.testing.assert_close(loss.centre, torch.tensor([1.1, 1.1]))
    assert set(loss.state_dict()) == {"centre"}, "a checkpoint keeps it"


def test_a_prototype_that_the_teacher_always_chooses_is_centred_away():
    teacher = torch.tensor([5.0, 0.0, 0.0]).expand(2, 4, 3)
    loss = SelfDistillationLoss(3, centre_momentum=0.0)
    student = torch.zeros(2, 4, 3)
    loss((student, teacher))
    assert loss.target_entropy == pytest.approx(0, abs=1e-6)
    loss((student.requires_grad_(), teacher))
    assert loss.target_entropy == pytest.approx(math.log(3), rel=1e-6)


def test_no_gradient_reaches_the_teacher():
    student, teacher = torch.randn(3, 2, 4, requires_grad=True), torch.randn(2, 2, 4, requires_grad=True)
    SelfDistillationLoss(4)((student, teacher)).backward()
    assert student.grad.abs().sum() > 0 and teacher.grad is None


def test_bad_arguments():
    with pytest.raises(ValueError, match="temperatures must be positive"):
        SelfDistillationLoss(4, teacher_temperature=0)
    with pytest.raises(ValueError, match="at least two crops of the student and no more of the teacher, got 1 and 1"):
        SelfDistillationLoss(4)((torch.zeros(1, 2, 4), torch.zeros(1, 2, 4)))


def test_known_points_of_a_cosine():
    schedule = CosineSchedule(1.0, 0.2, total_steps=110, warmup_steps=10, warmup_start=0.5)
    assert [schedule(step) for step in (0, 5, 10)] == pytest.approx([0.5, 0.75, 1.0])
    assert schedule(60) == pytest.approx(0.6), "half way"
    assert schedule(10 + 100 // 4) == pytest.approx(0.6 + 0.4 * 2**-0.5)
    assert schedule(110) == pytest.approx(0.2) and schedule(10**6) == pytest.approx(0.2)


def test_a_cosine_rises_as_well_and_can_stay():
    assert CosineSchedule(0.996, 1.0, 10)(5) == pytest.approx(0.998)
    constant = CosineSchedule(0.07, 0.07, 10, warmup_steps=4, warmup_start=0.04)
    assert [constant(step) for step in (0, 2, 4, 9)] == pytest.approx([0.04, 0.055, 0.07, 0.07])


def test_a_warm_up_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="got 11 of 10"):
        CosineSchedule(1, 0, 10, warmup_steps=11)


def test_sets_everything_before_each_step_and_the_teacher_follows():
    network = torch.nn.Linear(1, 1)
    network.weight.data.fill_(0.0)
    optimizer = torch.optim.AdamW(
        [{"params": [network.bias], "weight_decay": 0.0}, {"params": [network.weight], "weight_decay": 0.04}]
    )
    loss, seen = SelfDistillationLoss(4), []

    def step(engine, _):
        network.weight.data.fill_(float(engine.state.iteration))
        bias, weight = optimizer.param_groups
        seen.append([bias["lr"], weight["lr"], bias["weight_decay"], weight["weight_decay"], loss.teacher_temperature])

    engine = Engine(step)
    teacher = EMAHandler(network)
    teacher.attach(engine)
    DistillationSchedules(
        optimizer,
        loss,
        learning_rate=CosineSchedule(1.0, 0.0, 4, warmup_steps=2),
        weight_decay=CosineSchedule(0.04, 0.4, 4),
        teacher_momentum=CosineSchedule(0.5, 1.0, 4),
        teacher_temperature=CosineSchedule(0.07, 0.07, 4, warmup_steps=2, warmup_start=0.04),
    ).attach(engine)
    engine.run([0, 1], max_epochs=2)
    rates, decays = [0.0, 0.5, 1.0, 0.5], [CosineSchedule(0.04, 0.4, 4)(step) for step in range(4)]
    temperatures = [0.04, 0.055, 0.07, 0.07]
    expected = [[rate, rate, 0.0, w, t] for rate, w, t in zip(rates, decays, temperatures, strict=True)]
    torch.testing.assert_close(torch.tensor(seen), torch.tensor(expected))
    average = 0.0
    for number in range(4):
        momentum = CosineSchedule(0.5, 1.0, 4)(number)
        average = momentum * average + (1 - momentum) * (number + 1)
    assert teacher.ema_model.weight.item() == pytest.approx(average, rel=1e-6)


def test_a_resumed_run_takes_the_values_of_its_step():
    network = torch.nn.Linear(1, 1)
    optimizer, seen = torch.optim.AdamW(network.parameters(), weight_decay=0.1), []
    engine = Engine(lambda *_: seen.append(optimizer.param_groups[0]["lr"]))

    def resume(engine):
        engine.state.iteration, engine.state.epoch = 3, 1

    engine.add_event_handler(Events.STARTED, resume)
    rate = CosineSchedule(1.0, 0.0, 6)
    DistillationSchedules(optimizer, SelfDistillationLoss(2), rate, rate, rate, CosineSchedule(1, 1, 6)).attach(engine)
    engine.run([0, 1, 2], max_epochs=2)
    assert seen == pytest.approx([rate(3), rate(4), rate(5)])
