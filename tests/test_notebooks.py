# SPDX-License-Identifier: Apache-2.0
"""Every notebook runs from top to bottom on the virtual device, and is stored without outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lineconv.errors import DeviceError
from lineconv.virtual_board import toolchain

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("pynq")

try:
    toolchain.find()
except DeviceError as error:
    pytest.skip(str(error), allow_module_level=True)

HOST = Path(__file__).resolve().parents[1] / "host"
NOTEBOOKS = sorted((HOST / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 300  # per cell: the first may build the engine


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing raises, and what a simulation measured is marked as such."""
    monkeypatch.setenv("PYTHONPATH", str(HOST))
    monkeypatch.setenv("LINECONV_PRESET", "tiny")
    notebook = read(path)
    # In its folder, as Jupyter does: the bitstream is found from there.
    nbclient.NotebookClient(
        notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    printed = [line for output in outputs for line in output.get("text", "").splitlines()]
    cycles = [line for line in printed if " cycles" in line]
    assert cycles
    assert all("simulated" in line for line in cycles)
    assert any("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_without_outputs(path: Path) -> None:
    for cell in code_cells(read(path)):
        assert not cell.outputs
        assert cell.execution_count is None


def test_there_are_notebooks() -> None:
    """The tests above pass for an empty list, too."""
    assert NOTEBOOKS
