# SPDX-License-Identifier: Apache-2.0
"""The checks of layers that are no dense convolution; those of one are in test_program."""

from __future__ import annotations

import pytest

from lineconv.checker import Fields, Window, check
from lineconv.presets import PRESETS
from lineconv.program import record
from lineconv.regs import Error, Flag, Kind, OutputType

ARRAY = PRESETS["tiny"].array  # 4 x 8 lanes, 16 in the vector unit, 128 words, 512 beats
WINDOW = Window(0x5000, 0xFFFF)

# 3 x 3 over 9 x 11 pixels of 40 channels: three groups, 9 words each.
DEPTHWISE = {
    "kind": Kind.DEPTHWISE,
    "input_address": 0x5003,
    "weights_address": 0x8000,
    "output_address": 0xA000,
    "input_height": 9,
    "input_width": 11,
    "input_channels": 40,
    "output_channels": 40,
    "input_row_stride": 440,
    "input_pixel_stride": 40,
    "output_row_stride": 440,
    "output_pixel_stride": 40,
    "output_height": 9,
    "output_width": 11,
    "kernel_height": 3,
    "kernel_width": 3,
    "stride_height": 1,
    "stride_width": 1,
    "dilation_height": 1,
    "dilation_width": 1,
    "pad_top": 1,
    "pad_bottom": 1,
    "pad_left": 1,
    "pad_right": 1,
    "clamp_max": 127,
    "groups_per_pass": 3,
    "row_slots": 4,
    "segment_words": 1,
    "group_channels": 16,
    "group_step": 16,
}
# Two tensors of 9 x 11 x 40, coefficients of three digits.
ADD = DEPTHWISE | {
    "kind": Kind.ADD,
    "second_address": 0x6003,
    "input_height": 18,
    "kernel_height": 2,
    "stride_height": 2,
    "dilation_width": 0,
    "pad_top": 0,
    "pad_bottom": 0,
    "pad_left": 0,
    "pad_right": 0,
}
# 4 groups of 12 to 8 channels, 1 x 1: a group of lanes each.
GROUPED = DEPTHWISE | {
    "kind": Kind.CONV,
    "input_channels": 48,
    "output_channels": 32,
    "input_pixel_stride": 48,
    "input_row_stride": 528,
    "row_slots": 7,
    "kernel_height": 1,
    "kernel_width": 1,
    "pad_top": 0,
    "pad_bottom": 0,
    "pad_left": 0,
    "pad_right": 0,
    "segment_words": 3,
    "group_channels": 12,
    "group_step": 12,
}
# A dense layer behind 4 x 10 x 48: 120 words per kernel row, of which one fits.
BY_ROW = GROUPED | {
    "flags": Flag.WEIGHTS_BY_ROW,
    "input_height": 4,
    "input_width": 10,
    "input_row_stride": 480,
    "output_channels": 10,
    "output_height": 1,
    "output_width": 1,
    "kernel_height": 4,
    "kernel_width": 10,
    "group_channels": 48,
    "group_step": 0,
    "segment_words": 120,
    "groups_per_pass": 1,
}


def code(fields: dict[str, int]) -> Error:
    return check(Fields(record(fields), ARRAY), WINDOW)


@pytest.mark.parametrize("kind", [Kind.DEPTHWISE, Kind.MAX_POOL])
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, Error.OK),
        ({"flags": Flag.INPUT_UNSIGNED | Flag.TABLE}, Error.OK),
        ({"output_type": OutputType.INT32, "output_pixel_stride": 160}, Error.OK),
        ({"output_type": OutputType.INT32, "flags": Flag.TABLE}, Error.BAD_FORMAT),
        ({"output_channels": 39}, Error.BAD_SHAPE),
        ({"group_channels": 40}, Error.BAD_SHAPE),
        ({"group_step": 0}, Error.BAD_SHAPE),
        ({"dilation_width": 0}, Error.BAD_KERNEL),
        ({"segment_words": 0}, Error.BAD_TILING),
        ({"segment_words": 3}, Error.BAD_TILING),
        ({"groups_per_pass": 14}, Error.OK),  # of 9 words each, 2 slices
        ({"groups_per_pass": 15}, Error.BAD_TILING),
        ({"kernel_height": 1, "kernel_width": 1, "groups_per_pass": 64, "pad_top": 0}, Error.OK),
        (
            {"kernel_height": 1, "kernel_width": 1, "groups_per_pass": 65, "pad_top": 0},
            Error.BAD_TILING,
        ),
        ({"flags": Flag.WEIGHTS_BY_ROW}, Error.BAD_TILING),
        ({"weights_address": 0x10000 - 3 * (128 + 144)}, Error.OK),
        ({"weights_address": 0x10000 - 3 * (128 + 144) + 8}, Error.BAD_ADDRESS),
        ({"weights_address": 0x10000 - 3 * (128 + 144), "flags": Flag.TABLE}, Error.BAD_ADDRESS),
    ],
    ids=str,
)
def test_depthwise_and_max_pool(kind: Kind, changes: dict[str, int], error: Error) -> None:
    assert code(DEPTHWISE | {"kind": kind} | changes) is error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, Error.OK),
        ({"input_height": 19}, Error.BAD_SHAPE),
        ({"output_height": 8}, Error.BAD_SHAPE),
        ({"output_width": 10}, Error.BAD_SHAPE),
        ({"kernel_height": 1}, Error.BAD_KERNEL),
        ({"stride_height": 1}, Error.BAD_KERNEL),
        ({"dilation_height": 2, "pad_bottom": 1}, Error.BAD_KERNEL),
        ({"kernel_width": 1}, Error.OK),
        ({"kernel_width": 4}, Error.BAD_KERNEL),
        ({"dilation_width": 1, "pad_right": 2}, Error.BAD_KERNEL),
        ({"stride_width": 2, "pad_right": 99}, Error.BAD_KERNEL),
        *(({f"pad_{side}": 1}, Error.BAD_KERNEL) for side in ("top", "bottom", "left", "right")),
        ({"second_address": 0x6004}, Error.BAD_ADDRESS),
        ({"second_address": 0x4FFB}, Error.BAD_ADDRESS),
        ({"second_address": 0xF08B}, Error.BAD_ADDRESS),  # its last byte is at 0x10002
        ({"second_address": 0xF083}, Error.OK),
        ({"second_address": 0x1_0000_6003}, Error.BAD_ADDRESS),
    ],
    ids=str,
)
def test_add(changes: dict[str, int], error: Error) -> None:
    assert code(ADD | changes) is error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, Error.OK),
        ({"group_channels": 0}, Error.BAD_SHAPE),
        ({"group_channels": 49}, Error.BAD_SHAPE),
        ({"group_step": 15}, Error.OK),
        ({"group_step": 16}, Error.BAD_SHAPE),
        ({"group_channels": 13}, Error.BAD_TILING),
        ({"dilation_width": 0}, Error.BAD_KERNEL),
        ({"second_address": 1}, Error.OK),
    ],
    ids=str,
)
def test_grouped_convolution(changes: dict[str, int], error: Error) -> None:
    assert code(GROUPED | changes) is error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, Error.OK),
        ({"flags": 0}, Error.BAD_TILING),
        ({"groups_per_pass": 2}, Error.BAD_TILING),
        ({"output_width": 2, "pad_right": 1}, Error.BAD_TILING),
        ({"output_height": 2, "pad_bottom": 1}, Error.BAD_TILING),
        # 43 segments of 12 words
        (
            {"kernel_width": 43, "dilation_width": 2, "pad_right": 99, "segment_words": 12},
            Error.BAD_TILING,
        ),
        ({"weights_address": 0xF000, "kernel_height": 1}, Error.BAD_ADDRESS),
    ],
    ids=str,
)
def test_weights_by_row(changes: dict[str, int], error: Error) -> None:
    assert code(BY_ROW | changes) is error
