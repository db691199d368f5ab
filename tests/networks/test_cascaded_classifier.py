import pytest
import torch

from monai_minority.networks import ADMEncoder, CascadedClassifier


@pytest.fixture
def parts(small, awake):
    """An extractor with features of 8 x 8 x 64, and the arguments of a head that reads them."""
    extractor = awake(ADMEncoder(**small | {"out_channels": 10, "pool": "attention"}))
    head = small | {
        "image_size": 8,
        "in_channels": 64,
        "out_channels": 5,
        "attention_resolutions": (1,),
        "channel_mult": (1,),
        "resblock_updown": False,
        "pool": "attention",
    }
    return extractor, head


def test_equals_the_recorded_cascade(recorded, difference):
    """Largest differences, relative to the largest value: logits 1.4e-7, gradient 5.1e-6."""
    entry = recorded["encoder"]["cascade"]
    extractor, head = ADMEncoder(**entry["extractor_config"]), ADMEncoder(**entry["config"])
    extractor.load_state_dict(entry["extractor_state_dict"])
    head.load_state_dict(entry["state_dict"])
    x = entry["x"].clone().requires_grad_()
    logits = CascadedClassifier(extractor, head)(x, entry["t"])
    chosen = logits.log_softmax(dim=-1).gather(1, entry["y"][:, None]).sum()
    assert difference(logits.detach(), entry["logits"]) < 1e-5
    assert difference(torch.autograd.grad(chosen, x)[0], entry["grad"]) < 1e-5


def test_head_alone_is_trained(parts, awake):
    extractor, head = parts
    cascade = CascadedClassifier(extractor, awake(ADMEncoder(**head))).train()
    assert cascade.head.training
    assert not any(module.training for module in cascade.extractor.modules())
    x = torch.randn(2, 1, 16, 16, requires_grad=True)
    cascade(x, torch.tensor([3, 600])).logsumexp(dim=1).sum().backward()
    assert all(p.grad is None for p in cascade.extractor.parameters())
    assert all(p.grad is not None for p in cascade.head.parameters())
    assert x.grad.any()
    cascade.requires_grad_(True)
    assert not any(p.requires_grad for p in cascade.extractor.parameters())


def test_training_keeps_no_graph_of_the_extractor(parts, awake):
    extractor, head = parts
    cascade = CascadedClassifier(extractor, awake(ADMEncoder(**head))).train()
    seen = []
    cascade.head.input_blocks[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].requires_grad))
    cascade(torch.randn(1, 1, 16, 16), torch.tensor([3]))
    assert seen == [False]


def test_labels_go_to_the_conditional_part(parts, awake):
    extractor, head = parts
    cascade = CascadedClassifier(extractor, awake(ADMEncoder(**head | {"num_classes": 3}))).eval()
    assert cascade.num_classes == 3
    x, t, labels = torch.randn(2, 1, 16, 16), torch.tensor([3, 600]), torch.tensor([2, 0])
    with torch.no_grad():
        expected = cascade.head(extractor.features(x, t), t, class_labels=labels)
        assert torch.equal(cascade(x, t, class_labels=labels), expected)
        assert not torch.allclose(cascade(x, t, class_labels=labels.flip(0)), expected)
    with pytest.raises(ValueError, match="class_labels must have shape"):
        cascade(x, t)


def test_unfit_parts_are_named(parts):
    extractor, head = parts
    with pytest.raises(ValueError, match="in_channels=64 and image_size=8.*in_channels=32 and image_size=8"):
        CascadedClassifier(extractor, ADMEncoder(**head | {"in_channels": 32}))
    cascade = CascadedClassifier(extractor, ADMEncoder(**head))
    with pytest.raises(ValueError, match="neither head nor extractor"):
        cascade(torch.zeros(1, 1, 16, 16), torch.tensor([0]), class_labels=torch.tensor([0]))
