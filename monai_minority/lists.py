"""What the command lists, as lines of text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_minority.data import SeriesRules, UnusableDataError, find_cohort, inspect_dicom
from monai_minority.data.cohort.cohort import counted
from monai_minority.networks.weights import State, check, chosen, stage, weights_folder
from monai_minority.run.bundle import Bundle, load, name_hint
from monai_minority.run.settings import find_settings, heads


def settings_told(bundle: str, name: str | None = None) -> Iterator[str]:
    """The settings of a bundle by their configurations, all or those of a name or a part of it.

    Raises:
        ValueError: there is no such setting.

    Example:
        >>> from monai_minority.lists import settings_told
        >>> print(*settings_told("brain_mri", "first_seed"), sep="\\n")
        <BLANKLINE>
        inference
          first_seed=0
              image i has the seed first_seed + i
    """
    known = find_settings(Bundle(bundle))
    shown = [one for one in known if name is None or name == one.name]
    shown = shown or [one for one in known if name is not None and name in one.name]
    if not shown:
        hint = name_hint(str(name), [one.name for one in known], "`monai-minority settings` lists them")
        raise ValueError(f"no setting is called {name}; {hint}")
    file = ""
    for one in shown:
        if one.file != file:
            file = one.file
            yield f"\n{'every stage' if file == 'common' else file}"
        yield f"  {one.name}={one.value}\n      {one.meaning}"


def data_told(path: Path, options: Mapping[str, Any], names: bool = False) -> Iterator[str]:
    """What is at a path and what the stage ``prepare`` would make of it, in the words of that stage.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: an option is unknown.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from monai_minority.lists import data_told
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     (Path(folder) / "a.nii").touch()
        ...     print(*data_told(Path(folder), {}), sep="\\n")
        found: volumes in folders; it holds 1 volume (.nii)
        used: 1 image of 1 subject
    """
    try:
        cohort = find_cohort(path, **options)
        told, is_dicom = cohort.account(), cohort.layout == "DICOM series"
    except UnusableDataError as error:
        reason = str(error).replace(str(path.expanduser()), "the folder")
        told = [f"used: nothing; {reason}", *(f"left out: {line}" for line in counted(error.entries))]
        is_dicom = path.is_dir() and "DICOM series" in str(error)
    if is_dicom:
        rules = {key: value for key, value in options.items() if key in SeriesRules.__dataclass_fields__}
        table, _ = inspect_dicom(path, names=names, **rules)
        if len(table):
            yield table.to_string(index=False)
            yield f"{int((table['verdict'] == 'used').sum())} of {len(table)} series would be used."
    yield from told


def stages_told(bundle: str) -> Iterator[str]:
    """The stages of a bundle and what each does.

    Example:
        >>> from monai_minority.lists import stages_told
        >>> next(line for line in stages_told("brain_mri") if line.startswith("score"))
        'score\\n    Stage 3: score every stored image (Eq. 7).'
    """
    return (f"{name}\n    {head}" for name, head in heads(Bundle(bundle).stages).items())


def overlays_told(bundle: str) -> Iterator[str]:
    """The overlays of a bundle and what each is for.

    Example:
        >>> from monai_minority.lists import overlays_told
        >>> any(line.startswith("demo") for line in overlays_told("brain_mri"))
        True
    """
    return (f"{name}\n    {head}" for name, head in heads(Bundle(bundle).overlays).items())


def methods_told(bundle: str) -> Iterator[str]:
    """The methods that are compared, with the meaning of each and what it sets.

    Example:
        >>> from monai_minority.lists import methods_told
        >>> next(methods_told("brain_mri"))
        'ancestral: without guidance\\n    target_classes: []'
    """
    common = Bundle(bundle).common()[0]
    meanings = dict(re.findall(r"^  (\w+):  # (.+)$", common.read_text(encoding="utf-8"), re.MULTILINE))
    for name, given in load(common)["methods"].items():
        head = f"{name}: {meanings[name]}" if name in meanings else name
        yield f"{head}\n    {', '.join(f'{key}: {value}' for key, value in given.items())}"


def weights_told(names: Sequence[str], source: Path | None, destination: Path | None) -> tuple[list[str], int]:
    """Published weights and where they are, after they were copied if a folder is given.

    Returns:
        Lines, and 1 if a file is damaged or one of those asked for is missing, else 0.

    Example:
        >>> from monai_minority.lists import weights_told
        >>> lines, status = weights_told([], None, None)
        >>> status
        0
    """
    wanted, copying = chosen(names), source is not None or destination is not None
    if copying:
        origin, target = source or weights_folder(), destination or weights_folder()
        lines = [f"from {origin} to {target}"]
        found = list(stage(wanted, origin, target))
    else:
        lines = [f"in {weights_folder()} (TORCH_HOME moves it)"]
        found = list(map(check, wanted))
    for one, path, state in found:
        lines.append(f"{one.name:<19} {state:<13} {one.needed_by}")
        lines.append(f"{'':<19} {one.source if state is State.MISSING else path}")
    if not names and not copying:
        lines.append("TunedDINO reads what the stage train_dino leaves, TorchScriptFeatures any file of yours.")
    bad = {State.DAMAGED} | ({State.MISSING} if names else set())
    return lines, int(any(one.state in bad for one in found))
