"""One progress bar over a whole run."""

from ignite.engine import Engine, Events
from monai.utils import CommonKeys
from tqdm.auto import tqdm

from monai_minority.progress import progress_bar


class ProgressBar:
    """Shows the steps done, those of a run that this one goes on from included, and the loss.

    Args:
        name: of the stage, in front of the bar.
        total: number of steps; ``None`` counts the batches of the engine's loader.
        enabled: off in all but one process of a distributed run.

    Example:
        >>> from ignite.engine import Engine
        >>> from monai_minority.run import ProgressBar
        >>> engine = Engine(lambda engine, batch: {"loss": batch})
        >>> ProgressBar("train", total=2, enabled=False).attach(engine)
    """

    def __init__(self, name: str, total: int | None = None, enabled: bool = True) -> None:
        self.name = name
        self.total = total
        self.enabled = enabled
        self._bar: tqdm | None = None
        self._loss: float | None = None

    def attach(self, engine: Engine) -> None:
        """Open on the first step, advance with each, close at the end or on an error."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
        engine.add_event_handler(Events.COMPLETED, self._close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self._fail)

    def _advance(self, engine: Engine) -> None:
        if self._bar is None:
            total = self.total if self.total is not None else engine.state.epoch_length
            self._bar = progress_bar(
                None, self.name, total, initial=engine.state.iteration - 1, unit="step", enabled=self.enabled
            )
        output = engine.state.output
        if isinstance(output, dict) and CommonKeys.LOSS in output:
            loss = output[CommonKeys.LOSS].item()
            self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
            self._bar.set_postfix(loss=f"{self._loss:.4f}", refresh=False)
        self._bar.update()

    def _close(self, engine: Engine) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _fail(self, engine: Engine, error: BaseException) -> None:
        self._close(engine)
        raise error
