# SPDX-License-Identifier: Apache-2.0
"""Exploration: resources against synthesis, arrays within the limits of a board, the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lineconv.boards import BOARDS
from lineconv.cli import main
from lineconv.cycle_model import predict_program
from lineconv.explore import Footprint, explore, footprint
from lineconv.explore.search import arrays, evaluate
from lineconv.layer import ConvLayer
from lineconv.networks import NETWORKS, Network, NetworkLayer
from lineconv.presets import MAX_INPUT_LANES, PRESETS
from lineconv.tiling import tile_layer

PERFORMANCE = (Path(__file__).parents[1] / "docs" / "performance.md").read_text()

SMALL = Network(
    "small",
    "Two layers",
    (
        NetworkLayer("a", ConvLayer(32, 48, 20, 20, (3, 3))),
        NetworkLayer("b", ConvLayer(48, 64, 18, 18, (1, 1)), "a"),
    ),
)


def synthesised(row: str, columns: int) -> list[int]:
    """The last columns of a row of the tables of resources."""
    line = next(line for line in PERFORMANCE.splitlines() if line.startswith(f"| {row} |"))
    return [int(re.sub(r"\D", "", cell)) for cell in line.split("|")[-columns - 1 : -1]]


def test_footprint_is_what_synthesis_makes() -> None:
    zynq = footprint(PRESETS["pynq-z2"].array, ultra=False)
    assert [zynq.dsps, zynq.bram36] == synthesised("`conv_axi`, the whole IP", 2)
    assert zynq.urams == 0
    kria = footprint(PRESETS["kv260"].array, ultra=True)
    assert [kria.dsps, kria.bram36, kria.urams] == synthesised("together", 3)


def test_boards_are_those_of_the_tables() -> None:
    zynq, kria = BOARDS["pynq-z2"], BOARDS["kv260"]
    assert [zynq.dsps, zynq.bram36] == synthesised("xc7z020", 2)
    assert [kria.dsps, kria.bram36, kria.urams] == synthesised("xck26", 3)


@pytest.mark.parametrize("name", BOARDS)
def test_arrays_fill_the_board(name: str) -> None:
    """They fit, and with one input lane more they would not."""
    board = BOARDS[name]
    ultra = board.urams > 0

    def fits(cost: Footprint) -> bool:
        return cost.dsps <= board.dsps and cost.bram36 <= board.bram36 and cost.urams <= board.urams

    groups = arrays(board)
    for array in (array for group in groups for array in group):
        assert fits(footprint(array, ultra=ultra))
        if array.input_lanes < MAX_INPUT_LANES:
            wider = type(array)(
                array.input_lanes + 1,
                array.output_lanes,
                array.vector_lanes,
                array.weight_words,
                array.line_buffer_beats,
                array.beat_bytes,
            )
            assert not fits(footprint(wider, ultra=ultra))
    macs = [group[0].macs_per_cycle for group in groups]
    assert macs == sorted(macs, reverse=True)


def test_explore_finds_what_evaluating_all_finds() -> None:
    board = BOARDS["pynq-z2"]
    shapes = [
        min(evaluate(array, board, [SMALL]).cycles for array in group) for group in arrays(board)
    ]
    found = explore(board, [SMALL], 3)
    assert len(found) == 3
    for entry, cycles in zip(found, sorted(shapes), strict=False):
        assert cycles[0] <= entry.cycles[0] <= 1.005 * cycles[0]


def test_cycles_are_those_of_a_program() -> None:
    board, array = BOARDS["kv260"], PRESETS["kv260"].array
    tiles = [
        *tile_layer(SMALL.layers[0].conv, array).tiles,
        *tile_layer(SMALL.layers[1].conv, array, host_input=False).tiles,
    ]
    expected = predict_program(tiles, array, board.memory).cycles
    assert evaluate(array, board, [SMALL]).cycles == (expected,)


def test_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    assert main(["explore", "--board", "kv260", "--network", "small", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["predicted"] is True
    assert [entry["networks"]["small"]["cycles"] for entry in found["arrays"]] == sorted(
        entry["networks"]["small"]["cycles"] for entry in found["arrays"]
    )
    assert main(["explore", "--board", "kv260", "--network", "small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "predicted" in lines[0]
    assert len(lines) == 3 + len(found["arrays"])
    assert sum("32 x 32*" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "zedboard"], "unknown board 'zedboard', there are: pynq-z2, kv260, zcu104"),
        (["--board", "kv260", "--network", "lenet"], "unknown network 'lenet', there are: vgg16"),
    ],
)
def test_wrong_names(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explore", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"lineconv explore: {message}")
    assert output.err.count("\n") == 1
