# SPDX-License-Identifier: Apache-2.0
"""Tilings of layers that read and write tensors where they lie in memory, all kinds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_tiling import EXTREMES, PYNQ, TINY, layer

from lineconv.errors import InvalidLayerError
from lineconv.layer import ConvLayer
from lineconv.packing import ceil_div
from lineconv.presets import Array
from lineconv.program import TileAddresses, descriptor
from lineconv.regs import Kind
from lineconv.tiling import Tiling, tile_layer


def in_memory(one: ConvLayer, array: Array = PYNQ, **access: Any) -> Tiling:
    return tile_layer(one, array, host_input=False, **access)


def test_parts_of_tensors_keep_their_strides() -> None:
    """A View of every second column of some channels: segments of their own, pixels apart."""
    one = layer(3, 4, 20, 3)
    (tile,) = in_memory(one, input_pixel_stride=24, output_pixel_stride=9).tiles
    assert (tile.input_pixel_stride, tile.output_pixel_stride) == (24, 9)
    assert (tile.pixels, tile.flattened, tile.group_words) == (1, False, 9)
    assert tile.row_beats(8) == ceil_div(19 * 24 + 3, 8)
    (dense,) = in_memory(one).tiles
    assert (dense.flattened, dense.output_width * dense.pixels) == (True, 20)


def test_rows_may_begin_anywhere_in_a_beat() -> None:
    tiles = [in_memory(layer(8, 8, 9, 3), input_align=align).tiles[0] for align in (0, 3)]
    assert [tile.row_beats(8) for tile in tiles] == [9, 10]


def test_pixels_share_lanes_only_where_nothing_lies_beside_the_result() -> None:
    for width in (480, 479):
        one = ConvLayer(1, 1, 480, width, (3, 3), padding=((1, 1), (1, 1)))
        (tile,) = in_memory(one).tiles
        assert tile.out_columns == range(width)
        assert (tile.pixels > 1) == (width == 480)


def test_pixels_of_blocks_of_channels_do_not_share_lanes() -> None:
    """The channels of the other blocks lie between them."""
    one = ConvLayer(8, 8, 14, 15, (5, 2), groups=4)
    tiles = in_memory(one, Array(3, 8, 8, 24, 100)).tiles
    assert len(tiles) > 1
    assert {tile.pixels for tile in tiles} == {1}


def test_groups_that_fill_the_lanes_are_one_descriptor() -> None:
    """Eight groups of two outputs each fill the 16 lanes, which read their 24 channels."""
    (tile,) = in_memory(layer(96, 64, 14, 3, groups=32)).tiles
    assert (tile.group_channels, tile.group_step, tile.segment_words) == (24, 24, 1)
    assert tile.group_words == 9


def test_groups_that_do_not_fill_the_lanes_are_a_descriptor_each() -> None:
    tiles = in_memory(layer(64, 80, 14, 3, groups=4)).tiles
    assert [tile.in_channels for tile in tiles] == [range(c, c + 16) for c in range(0, 64, 16)]
    assert [tile.input_start for tile in tiles] == [0, 16, 32, 48]
    assert [tile.output_start for tile in tiles] == [0, 20, 40, 60]
    assert {(tile.input_pixel_stride, tile.output_pixel_stride) for tile in tiles} == {(64, 80)}


def test_deep_kernel_loads_weights_by_row() -> None:
    tiling = in_memory(layer(512, 8, 3, 3), replace(TINY, weight_words=400, line_buffer_beats=1024))
    assert [tile.weights_by_row for tile in tiling.tiles] == [True] * 9
    assert tiling.chunks == 1
    corner = tiling.tiles[0]
    assert (corner.padding, corner.in_rows, corner.row_words) == (((1, 0), (1, 0)), range(2), 384)


def test_vector_kinds_are_one_descriptor() -> None:
    """All channels, a weight per tap and channel, as many groups as the buffer holds."""
    one = layer(1024, 1024, 7, 3, groups=1024)
    (tile,) = tile_layer(one, PYNQ, kind=Kind.DEPTHWISE, table=True).tiles
    assert (tile.group_words, tile.groups(PYNQ), tile.groups_per_pass) == (9, 22, 22)
    assert (tile.group_channels, tile.group_step, tile.segment_words) == (48, 48, 1)
    assert tile.table
    (tile,) = tile_layer(replace(one, kernel=(7, 7)), PYNQ, kind=Kind.MAX_POOL).tiles
    assert tile.groups_per_pass * 49 <= PYNQ.weight_words


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_add_reads_two_rows_for_one(digits: int) -> None:
    one = layer(64, 64, 56, 1, groups=64)
    (tile,) = tile_layer(one, PYNQ, kind=Kind.ADD, digits=digits).tiles
    assert (tile.input_height, len(tile.out_rows), tile.span_rows) == (112, 56, 2)
    assert (tile.stride, tile.dilation, tile.group_words) == ((2, 1), (1, 0), 2 * digits)
    places = TileAddresses(0x1008, 64 * 56, 0, 0x9000, 64 * 56, second_image=0x80000)
    block = descriptor(tile, tile_layer(one, PYNQ), places, input_unsigned=True)
    assert (int(block["kernel_width"]), int(block["second_address"])) == (digits, 0x80000)


def test_wide_rows_of_a_vector_layer_become_stripes() -> None:
    tiles = tile_layer(layer(64, 64, 300, 3, groups=64), TINY, kind=Kind.MAX_POOL).tiles
    assert len(tiles) > 1
    assert tiles[0].out_columns.start == 0
    assert tiles[-1].out_columns.stop == 300


NO_ROOM = "does not fit: input rows 4096 bytes"
REFUSED = {
    "kernel row": (layer(600, 8, 9, 3), Kind.CONV, NO_ROOM),
    "rows": (
        layer(512, 512, 9, 3, groups=512),
        Kind.MAX_POOL,
        NO_ROOM,
    ),
    "taps": (
        ConvLayer(8, 8, 16, 16, (16, 16), groups=8),
        Kind.MAX_POOL,
        NO_ROOM,
    ),
    "padding": (EXTREMES["padding only"], Kind.CONV, "beyond the kernel: the host pads it"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    one, kind, message = REFUSED[name]
    with pytest.raises(InvalidLayerError, match=message):
        tile_layer(one, TINY, kind=kind, host_input=False)
