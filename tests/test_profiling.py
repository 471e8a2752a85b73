# SPDX-License-Identifier: Apache-2.0
"""What is said about a network: text, JSON, pictures, the page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_network import feed, small_network

import lineconv
from lineconv.cli import main
from lineconv.compiler.container import save_network
from lineconv.compiler.network import HostStep, Network
from lineconv.cycle_model import Bound
from lineconv.errors import DeviceError, InvalidFileError
from lineconv.profiling.edges import lanes, neighbours
from lineconv.profiling.figures import network_figures
from lineconv.profiling.page import network_page
from lineconv.profiling.plots import _bars, check_plot, save_plot
from lineconv.profiling.profile import NetworkProfile
from lineconv.profiling.results import profile_results
from lineconv.profiling.table import plan_text, profile_text
from lineconv.regs import DESCRIPTOR, Kind
from lineconv.report import LayerRun

SMALL = small_network()
CYCLES = {"conv1": 700, "conv2": 100, "conv3": 2000}  # of each image


def profiled(images: int = 2) -> NetworkProfile:
    """A run on the model, as if its engine had counted cycles."""
    with lineconv.open("model:tiny") as device:
        device.run(SMALL, feed(images), profile=True)
        profile = device.last_profile
    assert profile is not None
    counted = []
    for image in profile.images:
        steps = []
        for step in image:
            layers = tuple(map(with_cycles, step.layers))
            cycles = sum(run.cycles for layer in layers for run in layer.runs)
            steps.append(replace(step, layers=layers, cycles=cycles + 50 if layers else 0))
        counted.append(tuple(steps))
    return replace(profile, images=tuple(counted))


def with_cycles(layer: LayerRun) -> LayerRun:
    first, *others = layer.runs
    return replace(layer, runs=(replace(first, cycles=CYCLES[layer.name], stall_input=7), *others))


def changed(network: Network) -> Network:
    """One layer on the vector unit, one without work, one with a remark, and awkward names."""
    image = network.image.copy()
    program = network.segments[1]
    image[program.offset : program.offset + 256].view(DESCRIPTOR)["kind"] = Kind.DEPTHWISE
    steps = list(network.steps)
    first, second = network.segments[0].layers
    second = replace(second, descriptors=0, cycles=0, macs=0, read_bytes=0, written_bytes=0)
    first = replace(first, name="<conv & 1>", remark='adds in "float32"', bound=Bound.MEMORY_READ)
    steps[2] = replace(network.segments[0], layers=(first, second), cycles=1050)
    return replace(network, image=image, steps=tuple(steps), name="<small>")


# Figures --------------------------------------------------------------------------------------


def test_layers_in_order() -> None:
    layers = network_figures(changed(SMALL))
    assert [(layer.name, layer.where) for layer in layers] == [
        ("quantise", "host"),
        ("<conv & 1>", "array"),
        ("conv2", "no work"),
        ("concat", "host"),
        ("conv3", "vector unit"),
        ("dequantise", "host"),
    ]
    kinds = [kind for layer in layers for kind in layer.kinds]
    assert kinds == [
        "Quantize",
        "Convolution",
        "Convolution",
        "Concat",
        "Convolution",
        "Dequantize",
    ]
    assert [layer.note for layer in layers] == [
        "the input is float32", 'adds in "float32"', "", "for the test", "",
        "the output is float32",
    ]  # fmt: skip
    assert all(layer.run is None and layer.host_s is None for layer in layers)


def test_measured_layers() -> None:
    layers = network_figures(SMALL, profiled())
    assert [layer.run and layer.run.cycles for layer in layers] == [
        None, 1400, 200, None, 4000, None,
    ]  # fmt: skip
    assert [layer.host_s is not None for layer in layers] == [True, False, False, True, False, True]


def test_duration_is_engine_and_host() -> None:
    profile = profiled()
    host = sum(s.host_s for image in profile.images for s in image if not s.cycles)
    engine = 2 * (700 + 100 + 2000 + 2 * 50) / profile.clock_hz
    assert profile.seconds == pytest.approx(host + engine)
    board = replace(profile, simulated=False)
    every = sum(step.host_s for image in profile.images for step in image)
    assert board.seconds == pytest.approx(every)


# Text and JSON --------------------------------------------------------------------------------


def test_plan_text() -> None:
    lines = plan_text(changed(SMALL)).splitlines()
    assert lines[0].split()[:4] == ["layer", "kind", "where", "cycles"]
    assert lines[1].split(maxsplit=7)[-1] == "the input is float32"
    assert lines[2].endswith('memory read; adds in "float32"')
    assert lines[2].split()[4:9] == ["array", "1,000", "21,600", "2.0", "0.5"]
    assert "no work" in lines[3]
    assert lines[-2] == (
        "<small> for tiny: 3 layers on the engine in 2 program(s), 3 on the host; "
        "0.01 MB of programs and weights, 0.00 MB of activations"
    )
    assert lines[-1] == (
        "predicted for the engine alone: 2,100 cycles = 0.014 ms at 150 MHz, 30.1 MAC/cycle of 32"
    )


def test_profile_text() -> None:
    lines = profile_text(profiled()).splitlines()
    assert lines[2].split()[:6] == ["conv1", "Convolution", "array", "1,400", "2,000", "30.9"]
    assert float(lines[1].split()[-1]) > 0
    assert len(lines) == 7


def test_text_without_cycles_claims_no_speed() -> None:
    with lineconv.open("model:tiny") as device:
        device.run(SMALL, feed(), profile=True)
        assert device.last_profile is not None
        text = profile_text(device.last_profile)
        results = profile_results(device.last_profile)
    assert text.splitlines()[2].split()[3:10] == ["-", "1,000", *["-"] * 5]
    assert (results["cycles"], results["seconds"]) == (None, None)
    assert results["layers"][1]["cycles"] is None


def test_long_names_are_cut_in_the_middle() -> None:
    segment = SMALL.segments[0]
    layer = replace(segment.layers[0], name="first/" + "x" * 60 + "/last")
    steps = (replace(segment, layers=(layer, segment.layers[1])),)
    row = plan_text(replace(SMALL, steps=steps)).splitlines()[1].split()[0]
    assert re.fullmatch(r"first/x+\.\.\.x+/last", row)
    assert len(row) <= 40


def test_results() -> None:
    results = json.loads(json.dumps(profile_results(profiled())))
    assert (results["images"], results["device"], results["simulated"]) == (2, "model:tiny", True)
    assert results["cycles"] == 2 * (700 + 100 + 2000 + 2 * 50)
    assert results["macs"] == 2 * sum(layer.macs for layer in SMALL.layers)
    rows = {row["name"]: row for row in results["layers"]}
    assert list(rows) == ["quantise", "conv1", "conv2", "concat", "conv3", "dequantise"]
    assert rows["conv1"]["stall_input"] == 14
    assert rows["conv1"]["predicted"]["cycles"] == 1000
    assert rows["concat"]["reason"] == "for the test"
    assert rows["concat"]["host_seconds"] > 0
    assert rows["conv3"]["outputs"] == [
        {"name": "conv3_out", "shape": [1, 7, 6, 10], "dtype": "uint8"}
    ]
    assert [copy["direction"] for copy in results["copies"]] == [
        *["to the device", "from the device"] * 2
    ]


# Pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p.svg", "p.png", "p.pdf"])
def test_plot(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    check_plot(path)
    assert not path.exists()
    save_plot(profiled(), path)
    data = path.read_bytes()
    assert data[:5] == {"p.svg": b"<?xml", "p.png": b"\x89PNG\r", "p.pdf": b"%PDF-"}[name]
    if name == "p.svg":
        text = data.decode()
        for part in ("small on model:tiny, simulated, 150 MHz", "conv1", "conv2", "MAC per cycle"):
            assert part in text


def test_timeline_with_names_that_occur_twice() -> None:
    """A conversion has the name of the layer before it."""
    *steps, last = SMALL.steps
    assert isinstance(last, HostStep)
    twice = HostStep(replace(last.layer, name="conv1"), "")
    profile = replace(profiled(), network=replace(changed(SMALL), steps=(*steps, twice)))
    bars = [(bar.name, bar.kind, bar.row) for bar in _bars(profile)]
    assert bars == [
        ("quantise", "host", "host"), ("xq", "copy", "host"),
        ("conv1", "array", "engine"), ("conv2", "array", "engine"),
        ("conv2_out", "copy", "host"), ("concat", "host", "host"), ("joined", "copy", "host"),
        ("conv3", "vector unit", "engine"),
        ("conv3_out", "copy", "host"), ("conv1", "host", "host"),
    ]  # fmt: skip
    ends = [bar.start_ms + bar.length_ms for bar in _bars(profile)]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(sum(profile.durations(0)) * 1e3)


def test_what_cannot_be_plotted(tmp_path: Path) -> None:
    with lineconv.open("model:tiny") as device:
        device.run(SMALL, feed(), profile=True)
        assert device.last_profile is not None
        with pytest.raises(DeviceError, match="model:tiny does not count cycles"):
            save_plot(device.last_profile, tmp_path / "p.png")
    for name, message in (("p.jpeg", r"as \.png, \.svg, \.pdf"), ("none/p.png", "no folder")):
        with pytest.raises(InvalidFileError, match=message):
            check_plot(tmp_path / name)
    assert not [*tmp_path.iterdir()]


# Page -----------------------------------------------------------------------------------------


class PageParser(HTMLParser):
    """Requires that all tags are closed, and collects them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def test_page_is_complete_in_itself() -> None:
    page = network_page(changed(SMALL))
    parsed = PageParser(page)
    assert {tag for tag, _ in parsed.tags}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "a", "image", "use"}
    )
    names = {name for _, attributes in parsed.tags for name in attributes}
    assert names.isdisjoint({"src", "href", "xlink:href", "style", "onload", "onclick"})
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page
    for picture in re.findall(r"<svg.*?</svg>", page):
        ElementTree.fromstring(picture)


def test_page_says_what_is_known() -> None:
    parsed = PageParser(network_page(changed(SMALL)))
    for text in (
        "<small>", "<conv & 1>", "conv3", "the input is float32", "for the test",
        "no work: the bytes are right as they lie", "memory read", "1,000", "1,002", "2 | 0 KB",
        "0.014 ms", "engine, one run: 2,100 cycles", "predicted", "1 x 7 x 6 x 10 uint8",
        'adds in "float32"', "engine + host layers, 2 program(s)",
    ):  # fmt: skip
        assert text in parsed.text, text
    nodes = [a["class"] for tag, a in parsed.tags if tag == "rect" and "rx" in a]
    assert [str(kind).split()[1] for kind in nodes if kind and kind.startswith("node")] == [
        *("end", "end"),
        *("host", "array", "nothing", "host", "vector", "host"),
        *("end", "end"),
    ]


def test_page_of_a_network_without_engine() -> None:
    steps = tuple(SMALL.host_steps[:1])
    parsed = PageParser(network_page(replace(SMALL, steps=steps)))
    assert "quantise" in parsed.text


def earlier_rows(row: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, row - 1), unique=True).map(sorted) if row else st.just([])


sources = st.integers(1, 12).flatmap(lambda count: st.tuples(*map(earlier_rows, range(count))))


@given(sources)
def test_every_edge_is_drawn_once_and_lanes_do_not_overlap(rows: tuple[list[int], ...]) -> None:
    found = lanes(rows)
    drawn = [(lane.source, target) for lane in found for target in lane.targets]
    drawn += [(row - 1, row) for row in neighbours(rows)]
    assert sorted(drawn) == sorted(
        (source, row) for row, read in enumerate(rows) for source in read
    )
    spans: dict[int, list[range]] = {}
    for lane in found:
        span = range(lane.source, lane.targets[-1] + 1)
        for other in spans.setdefault(lane.track, []):
            assert not set(span) & set(other)
        spans[lane.track].append(span)
    assert set(spans) == set(range(len(spans)))


# Command --------------------------------------------------------------------------------------


def test_report_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, page = tmp_path / "small.lconv", tmp_path / "small.html"
    save_network(SMALL, model)
    assert main(["report", str(model), "-o", str(page)]) == 0
    assert page.read_text(encoding="utf-8") == network_page(SMALL)
    assert capsys.readouterr().out == f"{page}: small for tiny\n"
    assert main(["report", str(model), "-o", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == "tiny"


def test_report_command_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "small.lconv"
    save_network(SMALL, model)
    (tmp_path / "cut.lconv").write_bytes(model.read_bytes()[:500])
    for name, output, message in (
        ("cut.lconv", "r.html", "cut.lconv: is cut off: 500 bytes of"),
        ("none.lconv", "r.html", "none.lconv: no such file"),
        ("small.lconv", "none/r.html", "there is no folder"),
        ("small.lconv", ".", "is a folder"),
    ):
        assert main(["report", str(tmp_path / name), "-o", str(tmp_path / output)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (tmp_path / "r.html").exists()
