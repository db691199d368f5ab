"""The grids of samples in TensorBoard."""

import io

import numpy as np
import PIL.Image
import torch
from ignite.engine import Engine
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_minority.run import summary_writer
from monai_minority.training import SampleGrid


class Inferer:
    """A sample is as bright as its seed says, from -1 to 1 and beyond."""

    def __init__(self):
        self.calls = []

    def sample(self, network, seeds, shape, **options):
        self.calls.append(options)
        return (seeds.float() - 1).view(-1, 1, 1, 1).expand(-1, *shape)


def test_writes_an_image_every_few_epochs_and_at_the_end(tmp_path):
    inferer, writer = Inferer(), summary_writer(tmp_path)
    engine = Engine(lambda *_: None)
    labels = torch.arange(4)
    SampleGrid(None, None, (1, 4, 4), None, every=1, enabled=False).attach(engine)
    SampleGrid(inferer, torch.nn.Linear(1, 1), (1, 4, 4), writer, count=4, every=2, class_labels=labels).attach(engine)
    engine.run([0, 1, 2], max_epochs=5)
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    images = events.Images("synthetic/samples")
    assert [image.step for image in images] == [6, 12, 15]
    pixels = np.asarray(PIL.Image.open(io.BytesIO(images[0].encoded_image_string)).convert("L"))
    centres = pixels[[4, 10]][:, [4, 10]]  # two rows of two, with two pixels between
    assert centres.tolist() == [[0, 127], [255, 255]], "seeds 0, 1, 2 and 3 are -1, 0, 1 and 2, which is clamped"
    assert all(call["class_labels"] is labels and not call["progress"] for call in inferer.calls)
