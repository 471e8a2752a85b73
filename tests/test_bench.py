# SPDX-License-Identifier: Apache-2.0
"""`lineconv bench` on small networks: figures that add up, JSON, plots, wrong input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import lineconv
from lineconv.bench import command, measure
from lineconv.bench.figures import Engine, layer_figures
from lineconv.bench.roofs import program_roofs
from lineconv.bench.table import layer_row
from lineconv.cli import main
from lineconv.driver import Accelerator
from lineconv.layer import ConvLayer
from lineconv.networks import NETWORKS, Network, NetworkLayer
from lineconv.operands import Operands
from lineconv.presets import PRESETS, MemoryModel
from lineconv.report import DescriptorRun, LayerRun
from lineconv.tiling import tile_layer
from lineconv.virtual_board import MissingToolError
from lineconv.virtual_board.toolchain import find

PAD = ((1, 1), (1, 1))
FIRST = ConvLayer(3, 8, 12, 12, (3, 3), padding=PAD)
SECOND = ConvLayer(8, 16, 12, 12, (3, 3), stride=(2, 2), padding=PAD)
THIRD = ConvLayer(16, 8, 6, 6, (1, 1))
SMALL = Network(
    "small",
    "A small network",
    (
        NetworkLayer("one", FIRST),
        NetworkLayer("two", SECOND, reads="one"),
        NetworkLayer("three", THIRD),
    ),
)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        find()
    except MissingToolError as error:
        pytest.skip(str(error))
    monkeypatch.setitem(NETWORKS, "small", SMALL)
    monkeypatch.setattr(command, "NAMES", ("small", "layers"))
    monkeypatch.setattr(command, "SINGLE_LAYERS", (SECOND, THIRD))


def test_report(small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bench.json"
    plots = tmp_path / "new" / "plots"
    arguments = ["--device", "sim:tiny", "--json", str(file), "--plot", str(plots)]
    assert main(["bench", *arguments]) == 0

    results = json.loads(file.read_text())
    assert results["simulated"] is True
    assert results["clock_hz"] == 150_000_000
    assert results["array"]["macs_per_cycle"] == 32
    assert results["memory"]["bytes_per_cycle"] == 9.8
    (network,) = results["networks"]
    macs = [FIRST.macs, SECOND.macs, THIRD.macs]
    assert [layer["macs"] for layer in network["layers"]] == macs
    assert [layer["name"] for layer in network["layers"]] == ["one", "two", "three"]
    assert network["macs"] == sum(macs)
    assert network["utilisation"] == sum(macs) / (network["cycles"] * 32)
    assert network["fps"] == 150e6 / network["cycles"]
    assert [layer["macs"] for layer in results["layers"]] == macs[1:]
    for layer in [*network["layers"], *results["layers"]]:
        assert layer["ideal_cycles"] == layer["macs"] / 32
        roofs = layer["roofs"]
        assert layer["ideal_cycles"] <= roofs["cycles"] < layer["cycles"] < network["cycles"]
        assert layer["utilisation"] == layer["ideal_cycles"] / layer["cycles"]
        assert layer["roofs"]["model"] == pytest.approx(layer["cycles"], rel=0.1)
    assert network["model"] == pytest.approx(network["cycles"], rel=0.1)

    text = capsys.readouterr().out
    assert "sim:tiny, simulated, 150 MHz, array 4 x 8 (32 MAC/cycle), memory 9.8 B/cycle" in text
    assert f"{network['cycles']:,}" in text
    assert f"{network['fps']:.1f} fps (simulated, convolutions only)" in text
    for line, layer in (("one", network["layers"][0]), ("1x1 s1 p0 16->8", results["layers"][1])):
        (row,) = [row for row in text.splitlines() if row.startswith(line)]
        assert f" {layer['cycles']:,} " in row
    for name in ("utilisation.svg", "roofline.svg"):
        letters = "".join(ElementTree.parse(plots / name).getroot().itertext())
        assert "simulated" in letters
        assert "small" in letters


def test_traffic_is_what_the_counters_say(small: None) -> None:
    with lineconv.open("sim:tiny") as accelerator:
        array, memory = accelerator.array, accelerator.memory_model
        engine = Engine("sim:tiny", True, 1e8, array, memory)
        figures = measure.measure_network(accelerator, engine, SMALL)
        run = accelerator.last_run
    assert run is not None
    read_bytes = sum(layer.roofs.read_bytes for layer in figures.layers)
    written_bytes = sum(layer.roofs.written_bytes for layer in figures.layers)
    assert (read_bytes, written_bytes) == (run.read_beats * 8, run.write_beats * 8)


def test_a_network_is_one_program(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    programs: list[list[Operands]] = []
    run = Accelerator.run_layers

    def spy(self: Any, layers: list[Operands], **options: Any) -> Any:
        programs.append(layers)
        return run(self, layers, **options)

    monkeypatch.setattr(Accelerator, "run_layers", spy)
    assert main(["bench", "small", "--device", "sim:tiny"]) == 0
    ((one, two, three),) = programs
    assert two.x is one
    assert not isinstance(three.x, Operands)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_chained_where_nothing_comes_between(name: str) -> None:
    network = NETWORKS[name]
    operands = measure.network_operands(network, PRESETS["pynq-z2"].array)
    for row, layer in zip(network.layers, operands, strict=True):
        source = layer.x.name if isinstance(layer.x, Operands) else None
        assert source == row.reads
        assert layer.layer == row.conv


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            "vgg19",
            2,
            "unknown network 'vgg19', there are: vgg16, resnet18, resnet50, yolov3-tiny, layers",
        ),
        ("--json nowhere/bench.json", 2, "there is no folder nowhere"),
        ("--plot file", 2, "file: no folder"),
        ("--device sim:none", 2, "unknown device 'sim:none'"),
        ("layers --device model:tiny", 1, "model:tiny does not count cycles"),
    ],
)
def test_wrong_input_is_one_line(
    arguments: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "SINGLE_LAYERS", (THIRD,))
    (tmp_path / "file").touch()
    assert main(["bench", *arguments.split()]) == code
    error = capsys.readouterr().err
    assert error.startswith("lineconv bench: ")
    assert error.count("\n") == 1
    assert message in error


def test_plots_need_matplotlib(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["bench", "--plot", str(tmp_path)]) == 2
    assert "lineconv bench: needs matplotlib" in capsys.readouterr().err


ONE_PIXEL = ConvLayer(16, 64, 1, 1, (1, 1))
ONE_WORD = ConvLayer(26, 49, 10, 10, (1, 1))


@pytest.mark.parametrize(
    ("layer", "preset", "bandwidth", "cycles"),
    [
        (THIRD, "tiny", 9.8, 36 * 4),  # pixels, words
        (THIRD, "tiny", None, 36 * 4),
        # Descriptor, rows, weights of one group and its parameters, results.
        (THIRD, "tiny", 1, 128 + 6 * 96 + (8 + 4 * 4) * 8 + 6 * 48),
        # Eight groups of weights and the descriptor at a beat per cycle.
        (ONE_PIXEL, "tiny", 100, 8 * (8 + 4 * 4) + 16),
        (ONE_PIXEL, "tiny", None, 8 * (8 + 4 * 4) + 16),
    ],
)
def test_bound(layer: ConvLayer, preset: str, bandwidth: float | None, cycles: int) -> None:
    array = PRESETS[preset].array
    memory = None if bandwidth is None else MemoryModel(bytes_per_cycle=bandwidth)
    (roofs,), model = program_roofs([tile_layer(layer, array).tiles], array, memory)
    assert roofs.cycles == cycles
    assert [value is None for value in (roofs.model, roofs.limit, model)] == [memory is None] * 3


def test_bound_of_the_way_out() -> None:
    """Four groups leave the array as eight slices, but have only four words."""
    array = PRESETS["pynq-z2"].array
    (roofs,), _ = program_roofs([tile_layer(ONE_WORD, array).tiles], array, MemoryModel(100))
    assert roofs.lanes == 100 * 4
    assert roofs.cycles == roofs.output >= 100 * 8


def test_figures_of_a_layer() -> None:
    array = PRESETS["tiny"].array
    (roofs,), _ = program_roofs([tile_layer(THIRD, array).tiles], array, None)
    run = LayerRun("layer", 12_800, (DescriptorRun(1_000, 500, 1, 2, 3, 60, 20),))
    figures = layer_figures(run, "layer", array, roofs)
    assert figures.ideal_cycles == 400
    assert (figures.utilisation, figures.fed) == (0.4, 0.5)
    assert figures.bound_utilisation == 400 / 144
    row = layer_row(figures).split()
    assert row[:3] == ["layer", "1,000", "-"]
    assert row[-1] == "-"
