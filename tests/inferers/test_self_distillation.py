"""Who sees what, and where gradients go."""

import torch

from monai_minority.inferers import AutocastInferer, SelfDistillationInferer
from monai_minority.transforms import Views


def test_the_student_sees_every_crop_and_the_teacher_the_large_ones():
    weight, fixed = torch.ones(1, requires_grad=True), torch.full((1,), 2.0, requires_grad=True)
    views = Views(torch.rand(2, 3, 1, 4, 4), torch.rand(5, 3, 1, 2, 2))
    inferer = AutocastInferer(SelfDistillationInferer(lambda large: fixed * large.mean((2, 3, 4))), dtype=None)
    student, teacher = inferer(views, lambda both: weight * torch.cat([v.mean((2, 3, 4)) for v in both]))
    assert student.shape == (7, 3) and student.requires_grad
    torch.testing.assert_close(teacher, 2 * student[:2].detach())
    assert not teacher.requires_grad
