"""Measures take arrays and know nothing of runs; tables know nothing of stages and reports."""

import ast
from pathlib import Path

import pytest

import monai_minority

PACKAGE = Path(monai_minority.__file__).parent
ABOVE = {
    "evaluation": {"cli", "reports", "run", "samples", "stages", "studies", "tables"},
    "tables": {"cli", "reports", "stages", "studies"},
}


@pytest.mark.parametrize("room", ABOVE)
def test_no_file_imports_from_a_room_above(room):
    for file in sorted((PACKAGE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("monai_minority."):
                assert node.module.split(".")[1] not in ABOVE[room], f"{file.name}: {node.module}"
