import pytest

from monai_minority.networks.adm.flags import encoder_arguments, unet_arguments


def test_flags_left_out_have_the_published_defaults():
    arguments = unet_arguments()
    assert arguments == {
        "image_size": 64,
        "in_channels": 3,
        "model_channels": 128,
        "out_channels": 3,
        "num_res_blocks": 2,
        "attention_resolutions": (4, 8),
        "channel_mult": (1, 2, 3, 4),
        "dropout": 0.0,
        "num_classes": None,
        "use_checkpoint": False,
        "num_heads": 4,
        "num_head_channels": -1,
        "num_heads_upsample": -1,
        "use_scale_shift_norm": True,
        "resblock_updown": False,
        "use_new_attention_order": False,
        "conv_resample": True,
    }


def test_resolutions_become_factors_and_sigma_doubles_the_outputs():
    arguments = unet_arguments(image_size=256, in_channels=1, attention_resolutions="32,16,8", learn_sigma=True)
    assert arguments["attention_resolutions"] == (8, 16, 32)
    assert arguments["out_channels"] == 2


@pytest.mark.parametrize(
    ("size", "multiples"),
    [
        (512, (0.5, 1, 1, 2, 2, 4, 4)),
        (256, (1, 1, 2, 2, 4, 4)),
        (128, (1, 1, 2, 3, 4)),
        (64, (1, 2, 3, 4)),
        (32, (1, 2, 2, 2)),
    ],
)
def test_empty_channel_mult_is_the_published_one(size, multiples):
    assert unet_arguments(image_size=size, channel_mult="")["channel_mult"] == multiples


@pytest.mark.parametrize("given", ["1,2,2", (1, 2, 2), [1.0, 2, 2]])
def test_numbers_as_text_or_sequence(given):
    assert unet_arguments(image_size=48, channel_mult=given)["channel_mult"] == (1, 2, 2)


@pytest.mark.parametrize(
    ("flags", "num_classes"),
    [
        ({"class_cond": True}, 1000),
        ({"class_cond": True, "num_classes": None}, 1000),
        ({"class_cond": "True", "num_classes": 10}, 10),
        ({"num_classes": 10}, 10),
        ({"class_cond": False, "num_classes": 10}, None),
        ({"class_cond": False, "num_classes": None}, None),
        ({}, None),
    ],
)
def test_class_conditioning(flags, num_classes):
    assert unet_arguments(**flags)["num_classes"] == num_classes
    assert encoder_arguments(**flags)["num_classes"] == num_classes


def test_classifier_aliases_equal_plain_names():
    plain = encoder_arguments(
        image_size=32,
        num_channels=32,
        num_res_blocks=3,
        attention_resolutions="16",
        use_scale_shift_norm=False,
        resblock_updown=False,
        pool="spatial",
        out_channels=100,
    )
    aliases = encoder_arguments(
        image_size=32,
        classifier_width=32,
        classifier_depth=3,
        classifier_attention_resolutions="16",
        classifier_use_scale_shift_norm=False,
        classifier_resblock_updown=False,
        classifier_pool="spatial",
        classifier_use_fp16=False,
        out_channels=100,
    )
    assert plain == aliases
    assert plain["num_head_channels"] == 64


def test_heads_of_the_encoder():
    assert encoder_arguments(num_heads=4)["num_head_channels"] == -1
    assert encoder_arguments(num_heads=4, num_head_channels=32)["num_head_channels"] == 32


def test_flags_of_the_diffusion_change_nothing():
    process = {
        "diffusion_steps": 4000,
        "noise_schedule": "cosine",
        "timestep_respacing": "250",
        "use_kl": False,
        "predict_xstart": False,
        "rescale_timesteps": True,
        "rescale_learned_sigmas": True,
        "use_fp16": True,
    }
    assert unet_arguments(**process) == unet_arguments()
    assert encoder_arguments(**process, learn_sigma=True) == encoder_arguments()


def test_unknown_flags_name_the_nearest():
    with pytest.raises(ValueError, match="num_chanels is not a flag.*did you mean num_channels"):
        unet_arguments(num_chanels=128)
    with pytest.raises(ValueError, match="clasifier_depth.*did you mean classifier_depth"):
        encoder_arguments(clasifier_depth=2)


def test_unreadable_values_are_named():
    with pytest.raises(ValueError, match="channel_mult must be given for image_size 48"):
        unet_arguments(image_size=48)
    with pytest.raises(ValueError, match="channel_mult must be numbers.*'1;2'"):
        unet_arguments(channel_mult="1;2")
    with pytest.raises(ValueError, match="attention_resolutions must be sizes of at least 1"):
        unet_arguments(attention_resolutions="0")
    with pytest.raises(ValueError, match="resblock_updown must be true or false, got 'on'"):
        unet_arguments(resblock_updown="on")
    with pytest.raises(ValueError, match="another name of num_channels were both given"):
        encoder_arguments(num_channels=32, classifier_width=32)
