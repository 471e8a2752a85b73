# SPDX-License-Identifier: Apache-2.0
"""Presets: derived sizes, RTL parameter names, refused values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lineconv.errors import InvalidInputError
from lineconv.presets import PRESETS, Array, MemoryModel, Preset, preset

RTL_TOP = Path(__file__).resolve().parents[1] / "rtl" / "conv_axi.sv"


def test_pynq_z2_is_the_416_mac_array() -> None:
    array = preset("pynq-z2").array
    assert (array.macs_per_cycle, array.num_slices, array.parameter_groups) == (416, 2, 256)


def test_kv260_is_the_1024_mac_array() -> None:
    array = preset("kv260").array
    assert (array.macs_per_cycle, array.num_slices, array.parameter_groups) == (1024, 2, 256)
    assert array.beat_bytes == 16


@pytest.mark.parametrize("entry", PRESETS.values(), ids=lambda entry: entry.name)
def test_rtl_has_a_parameter_for_every_size(entry: Preset) -> None:
    assert preset(entry.name) is entry
    text = RTL_TOP.read_text()
    for name in entry.array.rtl_parameters:
        assert f"parameter int unsigned {name} " in text


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(InvalidInputError, match=r"'zcu104'.*pynq-z2, kv260, tiny"):
        preset("zcu104")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"input_lanes": 0}, "input_lanes is 0"),
        ({"output_lanes": 12}, "output_lanes is 12, allowed are multiples of 8"),
        ({"output_lanes": 0}, "output_lanes is 0"),
        ({"vector_lanes": 20}, "vector_lanes is 20, allowed are multiples of 8"),
        ({"vector_lanes": 0}, "vector_lanes is 0"),
        ({"weight_words": 0}, "weight_words is 0"),
        ({"weight_words": 1}, "weight_words is 1, allowed is 2..65535"),
        ({"line_buffer_beats": -1}, "line_buffer_beats is -1"),
        ({"beat_bytes": 4}, "beat_bytes is 4, allowed are 8 and 16"),
        ({"beat_bytes": 16}, "output_lanes is 8, allowed is 16"),
    ],
)
def test_array_refuses(change: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(Array(4, 8, 16, 128, 512), **change)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bytes_per_cycle", 0.0),
        ("bytes_per_cycle", float("nan")),
        ("read_latency", 0),
        ("write_latency", 0),
        ("max_outstanding", 65),
        ("stall_probability", 1.0),
        ("stall_probability", float("nan")),
        ("seed", -1),
    ],
)
def test_memory_model_refuses(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is {value}"):
        MemoryModel(**{"bytes_per_cycle": 8.0, name: value})  # type: ignore[arg-type]
