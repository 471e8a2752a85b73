# SPDX-License-Identifier: Apache-2.0
"""Views of activations against NumPy's own indexing, and tensors on their way in and out."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.network import Pack
from lineconv.compiler.view import View
from lineconv.fold import fold_layer
from lineconv.graph.layers import Tensor
from lineconv.layer import ConvLayer
from lineconv.packing import pack_images

AnyArray = npt.NDArray[Any]
SHAPE = (2, 5, 7, 12)  # batch, height, width, channels


def numbered(view: View) -> tuple[AnyArray, AnyArray]:
    """Memory with the view's elements numbered, behind a gap; and the elements."""
    memory = np.zeros(view.offset + view.nbytes + 3, np.uint8)
    values = np.arange(math.prod(view.shape)).reshape(view.shape).astype(view.dtype)
    view.array(memory)[...] = values
    return memory, values


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
@pytest.mark.parametrize("beat_bytes", [8, 16])
def test_dense(dtype: str, beat_bytes: int) -> None:
    view = View.dense("x", SHAPE, dtype, beat_bytes)
    assert view.shape == SHAPE
    assert view.pixels == 2 * 5 * 7
    assert view.row_stride % beat_bytes == 0
    assert 0 <= view.row_stride - 7 * 12 * view.dtype.itemsize < beat_bytes
    assert view.adjacent
    memory, values = numbered(view)
    assert np.array_equal(view.array(memory), values)


def test_dense_is_what_packing_writes() -> None:
    view = View.dense("x", SHAPE, np.int8, 8)
    images = np.random.default_rng(0).integers(-128, 128, (2, 12, 5, 7)).astype(np.int8)
    memory = np.zeros(2 * view.image_stride, np.uint8)
    pack_images(images, memory, 8)
    assert np.array_equal(view.array(memory), images.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("dtype", ["int8", "int32"])
def test_parts_are_slices(dtype: str) -> None:
    view = View.dense("x", SHAPE, dtype, 8)
    memory, values = numbered(view)
    rows, columns = range(1, 5, 2), range(2, 7)
    parts = {
        "channels": (view.channel_part(range(3, 9)), values[..., 3:9]),
        "crop": (view.spatial_part(range(1, 4), columns), values[:, 1:4, 2:7]),
        "phase": (view.spatial_part(rows, range(0, 7, 3)), values[:, 1:5:2, ::3]),
        "images": (view.image_part(range(1, 2)), values[1:]),
        "part of a part": (
            view.spatial_part(rows, columns)
            .channel_part(range(4, 10))
            .spatial_part(range(1, 2), range(1, 5, 2))
            .channel_part(range(1, 3)),
            values[:, 1:5:2, 2:7, 4:10][:, 1:2, 1:5:2, 1:3],
        ),
    }
    for name, (part, expected) in parts.items():
        assert part.shape == expected.shape, name
        assert np.array_equal(part.array(memory), expected), name
    assert not parts["channels"][0].adjacent
    assert parts["crop"][0].adjacent


def test_stacked() -> None:
    for shape in (SHAPE, (3, 1, 5, 7), (1, 2, 3, 4)):
        view = View.dense("x", shape, np.int8, 8)
        memory, values = numbered(view)
        stacked = view.stacked()
        assert stacked is not None
        assert np.array_equal(stacked.array(memory)[0], values.reshape(-1, *shape[2:]))
    crop = View.dense("x", SHAPE, np.int8, 8).spatial_part(range(4), range(7))
    assert crop.stacked() is None
    one = crop.spatial_part(range(1), range(7)).stacked()
    assert one is not None
    assert one.shape == (1, 2, 7, 12)


@pytest.mark.parametrize(
    ("shape", "height", "fits"),
    [
        ((2, 4, 6, 8), 4, True),
        ((2, 4, 6, 8), 1, True),
        ((2, 4, 6, 8), 3, True),
        ((2, 4, 6, 8), 24, True),
        ((2, 4, 6, 8), 5, False),
        ((2, 1, 24, 4), 8, False),  # rows of 12 bytes
        ((2, 1, 24, 4), 6, True),
        ((2, 3, 5, 3), 1, False),  # a byte between the rows
        ((2, 3, 1, 3), 1, True),
        ((1, 3, 5, 3), 3, True),
    ],
)
def test_with_rows(shape: tuple[int, int, int, int], height: int, fits: bool) -> None:
    view = View.dense("x", shape, np.int8, 8)
    memory, values = numbered(view)
    other = view.with_rows(height, 8)
    assert (other is not None) == fits
    if other is not None:
        assert other.row_stride % 8 == 0
        assert np.array_equal(other.array(memory), values.reshape(shape[0], height, -1, shape[3]))


def test_merged() -> None:
    view = View.dense("x", (2, 5, 6, 3), np.int32, 8)
    memory, values = numbered(view)
    for pixels in (1, 2, 6):
        merged = view.merged(pixels)
        assert merged.adjacent
        expected = values.reshape(2, 5, 6 // pixels, 3 * pixels)
        assert np.array_equal(merged.array(memory), expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
@pytest.mark.parametrize(
    ("shape", "pixels", "outer"),
    [
        ((2, 12, 5, 7), (2, 5, 7, 12), 2),  # images
        ((2, 12, 35), (2, 5, 7, 12), 2),  # the same, reshaped
        ((2, 420), (2, 5, 7, 12), 2),  # flattened
        ((2, 35, 12), (2, 5, 7, 12), 70),  # channels last
        ((10, 12, 7), (2, 5, 7, 12), 10),
        ((3, 50, 4, 4), (3, 4, 4, 50), 3),  # many channels
    ],
)
def test_tensor_keeps_its_values(
    dtype: str, shape: tuple[int, ...], pixels: tuple[int, int, int, int], outer: int
) -> None:
    tensor = Tensor("x", shape, np.dtype(dtype))
    whole = View.dense("x", (pixels[0], pixels[1] + 2, pixels[2], pixels[3] + 5), dtype, 8)
    part = whole.spatial_part(range(1, pixels[1] + 1), range(pixels[2]))
    placed = DeviceTensor(tensor, part.channel_part(range(4, pixels[3] + 4)), outer)
    array = np.random.default_rng(1).integers(0, 120, shape).astype(dtype)
    memory = np.zeros(whole.nbytes, np.uint8)
    placed.write(array, memory)
    channels = array.reshape(outer, pixels[3], -1)
    assert np.array_equal(
        placed.view.array(memory).reshape(outer, -1, pixels[3]), channels.swapaxes(1, 2)
    )
    assert np.count_nonzero(memory) == np.count_nonzero(array.view(np.uint8))
    back = placed.read(memory)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_folded_image(dtype: type[Any]) -> None:
    """`Pack` of a folded image is the fold of the images, tap by tap."""
    layer = ConvLayer(3, 4, 9, 7, (3, 2), (2, 1), (1, 1), ((1, 0), (1, 1)))
    folded = fold_layer(layer)
    rng = np.random.default_rng(2)
    x = rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max + 1, (2, 3, 9, 7)).astype(dtype)
    shape = (2, folded.in_height, folded.in_width, folded.in_channels)
    view = dataclasses.replace(View.dense("x", shape, dtype, 8), offset=16)
    memory = np.zeros(16 + 2 * view.image_stride, np.uint8)
    step = Pack(DeviceTensor(Tensor("x", x.shape, x.dtype), view, 2), layer, zero_point=99)
    step.write(x, memory, 8)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 0)), constant_values=99)
    rows = [padded[:, :, ky : ky + 2 * layer.out_height - 1 : 2] for ky in range(3)]
    expected = np.stack(rows, 1).reshape(2, 9, layer.out_height, 7)
    assert np.array_equal(view.array(memory), expected.transpose(0, 2, 3, 1))
