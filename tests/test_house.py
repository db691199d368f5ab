"""The house: who may know whom. Arrows run downwards, no two files import each other, and one name means one thing."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import monai_minority

PACKAGE = Path(monai_minority.__file__).parent
FLOORS = [
    ["keys", "process", "progress", "extras", "shown", "side_by_side", "version"],
    ["files"],
    ["data.paths", "data.persons", "data.store", "diffusion"],
    ["networks", "data.volumes"],
    ["data.cohort", "data.phantom"],
    ["data.sources"],
    ["data"],
    ["transforms", "scoring", "guidance", "samples"],
    ["inferers"],
    ["training", "evaluation"],
    ["run"],
    ["tables"],
    ["reports", "studies"],
    ["stages"],
    ["lists", "sufficiency", "terminal"],
    ["notebook"],
    ["cli"],
    ["__main__"],
]
"""Rooms from the ground up; one knows those below it, and none beside or above it."""


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(name: str, path: Path, known: dict[str, Path], inside_functions: bool = True) -> Iterator[str]:
    """The modules of the package that a module imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = ast.walk(tree) if inside_functions else iter(tree.body)
    for node in nodes:
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            module = ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])
        elif node.module and node.module.startswith("monai_minority"):
            module = node.module.removeprefix("monai_minority").lstrip(".")
        else:
            continue
        for alias in node.names:
            inner = f"{module}.{alias.name}".lstrip(".")
            yield inner if inner in known else module


def room(name: str) -> str:
    """The room of a module by its longest name on a floor."""
    rooms = [room for floor in FLOORS for room in floor]
    return max((one for one in rooms if name == one or name.startswith(f"{one}.")), key=len, default="")


def test_every_module_has_a_room():
    assert [name for name in modules() if name and not room(name)] == []


def test_arrows_run_downwards():
    """A function may import later, but not from above either; the face of the package is above all."""
    known = modules()
    level = {one: number for number, floor in enumerate(FLOORS) for one in floor}
    upwards = [
        f"{name} -> {target}"
        for name, path in known.items()
        if name and not name.startswith("cli")
        for target in imports(name, path, known)
        if room(name) != room(target) and level.get(room(target), len(FLOORS)) >= level[room(name)]
    ]
    assert upwards == []


def test_no_two_files_import_each_other():
    known = modules()
    arrows = {name: set(imports(name, path, known)) - {name} for name, path in known.items()}
    circles = [f"{a} <-> {b}" for a in arrows for b in arrows[a] if a < b and a in arrows.get(b, ())]
    assert [circle for circle in circles if not _is_room_and_its_file(*circle.split(" <-> "))] == []


def test_no_two_public_functions_share_a_name():
    """A reader who sees a name need not ask which one is meant. Methods are called on something that tells."""
    found = defaultdict(list)
    for name, path in modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name)
    assert {one: where for one, where in found.items() if len(where) > 1} == {}


def test_files_have_a_subject():
    """Neither one of 15 lines for a function nor one of 400."""
    sizes = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def _is_room_and_its_file(a: str, b: str) -> bool:
    return a in b or b in a
