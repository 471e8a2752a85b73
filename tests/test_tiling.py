# SPDX-License-Identifier: Apache-2.0
"""Tiling: every layer on every array, every product once, and the usual layers uncut."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_layers import Convolution, arrays, convolutions, convolutions_on_arrays

from lineconv.checker import Fields, Window, check
from lineconv.errors import InvalidLayerError
from lineconv.layer import MAX_KERNEL_HEIGHT, MAX_KERNEL_WIDTH, ConvLayer, OutputType
from lineconv.packing import ceil_div, row_stride
from lineconv.presets import PRESETS, Array
from lineconv.program import TileAddresses, descriptor
from lineconv.regs import Error
from lineconv.tiling import NO_PADDING, Tiling, tile_layer

PYNQ = PRESETS["pynq-z2"].array
TINY = PRESETS["tiny"].array


def layer(
    in_channels: int, out_channels: int, size: int, kernel: int, stride: int = 1, groups: int = 1
) -> ConvLayer:
    """A square layer of a network, 'same' padded."""
    pad = (kernel // 2, kernel // 2)
    return ConvLayer(
        in_channels=in_channels,
        out_channels=out_channels,
        in_height=size,
        in_width=size,
        kernel=(kernel, kernel),
        stride=(stride, stride),
        padding=(pad, pad),
        groups=groups,
    )


def codes(tiling: Tiling, array: Array) -> set[Error]:
    """What the engine's checks say about the tiles, all memory being allowed."""
    everything = Window(0, 2**32 - 1)
    found = set()
    for tile in tiling.tiles:
        image_row = row_stride(tiling.layer.in_width * tile.input_pixel_stride, array.beat_bytes)
        pixel_bytes = tile.output_pixel_stride // tile.pixels
        result_row = row_stride(tiling.result_width * pixel_bytes, array.beat_bytes)
        addresses = TileAddresses(0, image_row, 0, 0, result_row)
        block = descriptor(tile, tiling, addresses, input_unsigned=False)
        found.add(check(Fields(block, array), everything))
    return found


@settings(max_examples=200, deadline=None)
@given(convolutions_on_arrays(max_macs=10**9), st.booleans())
def test_the_engine_accepts_every_tile(drawn: tuple[Convolution, Array], host_input: bool) -> None:
    convolution, array = drawn
    try:
        tiling = tile_layer(convolution.layer, array, host_input=host_input)
    except InvalidLayerError:
        assert not host_input
        return
    assert host_input or (tiling.chunks, tiling.host_padding) == (1, NO_PADDING)
    assert codes(tiling, array) == {Error.OK}
    assert sum(map(tiling.macs, tiling.tiles)) == convolution.layer.macs


@settings(max_examples=100, deadline=None)
@given(array=arrays(), convolution=convolutions(max_macs=5_000))
def test_tiles_hold_every_product_once(array: Array, convolution: Convolution) -> None:
    tiling = tile_layer(convolution.layer, array)
    layer = tiling.layer
    in_group = layer.in_channels // layer.groups
    out_group = layer.out_channels // layer.groups
    seen = Counter(
        point
        for tile in tiling.tiles
        for point in product(
            tile.out_channels,
            tile.in_channels,
            tile.kernel_rows,
            tile.kernel_columns,
            tile.out_rows,
            tile.out_columns,
        )
        if point[0] // out_group == point[1] // in_group and point[5] < layer.out_width
    )
    assert set(seen.values()) == {1}
    assert len(seen) == layer.macs


EXTREMES = {
    "kernel": ConvLayer(3, 5, 40, 70, (MAX_KERNEL_HEIGHT, MAX_KERNEL_WIDTH)),
    "dilation": ConvLayer(8, 8, 500, 500, (3, 3), dilation=(100, 100)),
    "dilation of one column": ConvLayer(1, 1, 1, 70001, (1, 2), dilation=(1, 70000)),
    "padding only": ConvLayer(2, 2, 1, 1, (1, 1), padding=((9, 9), (9, 9))),
    "rows": ConvLayer(1, 1, 70000, 2, (3, 1), stride=(2, 1)),
    "columns": ConvLayer(1, 1, 2, 70000, (1, 3)),
    "input channels": ConvLayer(70000, 1, 1, 1, (1, 1)),
    "output channels": ConvLayer(1, 70000, 1, 1, (1, 1)),
    "row of pixels": ConvLayer(2048, 8, 3, 3000, (3, 3)),
    "folded channels": ConvLayer(5000, 1, 16, 1, (16, 1)),
    "folded row": ConvLayer(3, 5, 20, 60000, (16, 1)),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("array", [PYNQ, TINY], ids=["pynq", "tiny"])
def test_extremes_fit_the_fields(name: str, array: Array) -> None:
    tiling = tile_layer(EXTREMES[name], array)
    assert codes(tiling, array) == {Error.OK}
    assert sum(map(tiling.macs, tiling.tiles)) == EXTREMES[name].macs


@pytest.mark.parametrize(
    "one",
    [
        layer(3, 64, 224, 3),
        layer(64, 64, 224, 3),
        layer(512, 512, 28, 3),
        layer(3, 64, 224, 7, stride=2),
        layer(512, 512, 7, 3),
        layer(2048, 512, 7, 1),
        layer(1024, 2048, 14, 1, stride=2),
        layer(16, 32, 208, 3),
        layer(512, 1024, 13, 3),
    ],
    ids=str,
)
def test_layers_of_the_usual_networks_are_one_descriptor(one: ConvLayer) -> None:
    tiling = tile_layer(one, PYNQ)
    assert len(tiling.tiles) == 1
    assert tiling.host_padding == NO_PADDING


# In the array of pynq-z2, folded kernel rows fill these layers' words much better.
SHALLOW = [
    ConvLayer(3, 96, 227, 227, (11, 11), stride=(4, 4)),
    layer(3, 64, 224, 7, stride=2),
    layer(3, 64, 224, 3),
    layer(9, 96, 30, 5, groups=3),
]
# Here they do not, or reading more bytes costs what they gain.
UNFOLDED = [layer(64, 64, 56, 3), layer(1, 1, 480, 3), layer(3, 16, 416, 1)]


@pytest.mark.parametrize("one", SHALLOW, ids=str)
def test_kernel_rows_of_shallow_layers_are_folded(one: ConvLayer) -> None:
    tiling, plain = tile_layer(one, PYNQ), tile_layer(one, PYNQ, host_input=False)
    assert tiling.folded
    assert (tiling.layer.kernel[0], tiling.layer.in_height) == (1, one.out_height)
    assert not plain.folded
    assert plain.layer == one
    words = [sum(tile.group_words for tile in found.tiles) for found in (tiling, plain)]
    assert words[0] < words[1]


@pytest.mark.parametrize("one", UNFOLDED, ids=str)
def test_other_layers_are_not_folded(one: ConvLayer) -> None:
    tiling, plain = tile_layer(one, PYNQ), tile_layer(one, PYNQ, host_input=False)
    assert not tiling.folded
    assert tiling.tiles == plain.tiles


def test_strided_pointwise_layer_reads_only_the_rows_it_uses() -> None:
    (tile,) = tile_layer(layer(256, 512, 28, 1, stride=2), PYNQ).tiles
    assert tile.in_rows == range(0, 27, 2)
    assert tile.stride == (1, 2)


def test_input_stays_in_the_line_buffer_where_it_fits() -> None:
    (tile,) = tile_layer(layer(1024, 256, 7, 1), PYNQ).tiles
    assert tile.row_slots >= len(tile.in_rows)
    assert ceil_div(len(tile.out_channels), PYNQ.output_lanes) > tile.groups_per_pass


def test_passes_leave_room_for_the_weights_of_the_next() -> None:
    (tile,) = tile_layer(layer(512, 512, 28, 3), PYNQ).tiles
    assert 2 * tile.groups_per_pass * tile.group_words <= PYNQ.weight_words


def test_rows_are_loaded_ahead() -> None:
    (tile,) = tile_layer(layer(64, 64, 224, 3), PYNQ).tiles
    assert tile.row_slots >= tile.span_rows + tile.stride[0]


def test_neighbouring_groups_share_a_tile() -> None:
    tiling = tile_layer(layer(64, 64, 56, 3, groups=64), PYNQ)
    assert len(tiling.tiles) < 64
    assert all(len(tile.out_channels) > 1 for tile in tiling.tiles)


def test_neighbouring_pixels_share_the_lanes() -> None:
    """A filter of one channel makes more than a pixel per cycle."""
    (tile,) = tile_layer(layer(1, 1, 480, 3), PYNQ).tiles
    assert tile.pixels > tile.group_words


def test_deep_kernel_becomes_partial_sums() -> None:
    tiling = tile_layer(layer(512, 8, 4, 3), TINY)
    assert tiling.chunks > 1
    assert tiling.output_type is OutputType.INT32
    assert {tile.chunk for tile in tiling.tiles} == set(range(tiling.chunks))


def test_wide_rows_become_stripes() -> None:
    tiling = tile_layer(layer(64, 8, 300, 3), TINY)
    stripes = sorted({(tile.out_columns.start, tile.out_columns.stop) for tile in tiling.tiles})
    assert len(stripes) > 1
    assert stripes[0][0] == 0
    assert stripes[-1][1] == 300


@pytest.mark.parametrize(("name", "pixels"), [("pynq-z2", 16), ("kv260", 30)])
def test_pixels_of_an_image_filter_share_the_lanes(name: str, pixels: int) -> None:
    """With 32 pixels, a kernel row of 34 bytes would take two words of 32."""
    (tile,) = tile_layer(layer(1, 1, 480, 3), PRESETS[name].array).tiles
    assert tile.pixels == pixels
