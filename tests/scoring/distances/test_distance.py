import torch

from monai_minority.scoring import L1, L2


def test_l1_is_the_mean_absolute_difference_of_each_image():
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]]).view(2, 1, 1, 2)
    y = torch.tensor([[0.0, 4.0], [0.0, -1.0]]).view(2, 1, 1, 2)
    assert L1()(x, y).tolist() == [1.5, 0.0]


def test_the_gradient_of_l1_is_the_sign_over_the_number_of_pixels():
    x = torch.tensor([1.0, -2.0]).view(1, 1, 1, 2).requires_grad_()
    L1()(x, torch.zeros_like(x)).sum().backward()
    assert x.grad.flatten().tolist() == [0.5, -0.5]


def test_l2_is_the_mean_squared_difference_of_each_image():
    x = torch.tensor([[1.0, 2.0], [0.0, -1.0]]).view(2, 2, 1, 1)
    y = torch.tensor([[0.0, 4.0], [0.0, -1.0]]).view(2, 2, 1, 1)
    assert L2()(x, y).tolist() == [2.5, 0.0]


def test_the_gradient_of_l2_is_twice_the_difference_over_the_number_of_pixels():
    x = torch.tensor([1.0, -2.0]).view(1, 1, 1, 2).requires_grad_()
    L2()(x, torch.zeros_like(x)).sum().backward()
    assert x.grad.flatten().tolist() == [1.0, -2.0]
