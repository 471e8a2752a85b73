# SPDX-License-Identifier: Apache-2.0
"""Several layers as one program: chained in memory, reported one by one, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_chain import expected, random_operands
from random_layers import Convolution, convolutions_on_arrays

from lineconv import regs
from lineconv.block import tile_operands
from lineconv.bus import AP_IDLE
from lineconv.driver import Accelerator
from lineconv.errors import InvalidLayerError, InvalidTensorError, LineconvError, RunTimeoutError
from lineconv.job import chain_obstacle
from lineconv.layer import ConvLayer, OutputType
from lineconv.model_board import ModelBoard
from lineconv.operands import Operands
from lineconv.presets import PRESETS, Array
from lineconv.tiling import tile_layer

TINY = PRESETS["tiny"].array
CONV = ConvLayer(
    in_channels=4,
    out_channels=6,
    in_height=9,
    in_width=7,
    kernel=(3, 3),
    padding=((1, 1), (1, 1)),
    x_zero_point=-3,
    y_zero_point=5,
)


def accelerator(board: ModelBoard, **options: Any) -> Accelerator:
    return Accelerator(board, board, clock_hz=1e8, wait=board.wait, **options)


def after(layer: ConvLayer, **changes: Any) -> ConvLayer:
    """A layer that fits behind another."""
    follower = replace(
        CONV,
        in_channels=layer.out_channels,
        in_height=layer.out_height,
        in_width=layer.out_width,
    )
    return replace(follower, **changes)


def chain(layers: list[ConvLayer], batch: int = 1, seed: int = 0) -> list[Operands]:
    """Each layer reads the one before it."""
    rng = np.random.default_rng(seed)
    operands = [random_operands(layers[0], rng, name="layer0", batch=batch)]
    for index, layer in enumerate(layers[1:], 1):
        operands.append(random_operands(layer, rng, name=f"layer{index}", x=operands[-1]))
    return operands


def require_equal(found: list[Any], wanted: list[Any]) -> None:
    assert len(found) == len(wanted)
    for y, right in zip(found, wanted, strict=True):
        assert (y.dtype, y.shape) == (right.dtype, right.shape)
        assert (y == right).all()


def in_memory(layer: ConvLayer, array: Array) -> bool:
    """Whether the array runs the layer without the host."""
    try:
        tile_layer(layer, array, host_input=False)
    except InvalidLayerError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(convolutions_on_arrays(max_macs=200_000), st.data())
def test_equals_golden(drawn: tuple[Convolution, Array], data: st.DataObject) -> None:
    """Any layer and two that read it, in memory where that is possible."""
    convolution, array = drawn
    layer = convolution.layer
    if layer.output is OutputType.INT32:
        layer = replace(layer, output=OutputType.UINT8)
    rng = np.random.default_rng(convolution.seed)
    layers = [random_operands(layer, rng, x=convolution.tensors()["x"])]
    for _ in range(2):
        reader = after(
            layer,
            out_channels=data.draw(st.sampled_from([1, 3, 17])),
            kernel=data.draw(st.tuples(*[st.sampled_from([1, 3])] * 2)),
            output=data.draw(st.sampled_from(OutputType)),
            y_zero_point=0,
        )
        chained = chain_obstacle(tile_layer(layer, array)) is None and in_memory(reader, array)
        x = layers[0] if chained else expected(layers)[0]
        layers.append(random_operands(reader, rng, x=x))
    board = ModelBoard(array)
    require_equal(accelerator(board).run_layers(layers), expected(layers))
    assert not board.buffers


@pytest.mark.parametrize(
    ("channels", "kind"),
    [(48, regs.Kind.DEPTHWISE), (150, regs.Kind.DEPTHWISE), (8, regs.Kind.CONV)],
)
def test_each_channel_by_itself(channels: int, kind: regs.Kind) -> None:
    """On the unit that is quicker: alone, and between layers of the MAC array."""
    array = PRESETS["pynq-z2"].array
    first = replace(CONV, out_channels=channels)
    depthwise = after(first, out_channels=channels, groups=channels, stride=(2, 1))
    layers = chain([first, depthwise, after(depthwise)], batch=2)
    alone = random_operands(depthwise, np.random.default_rng(0), batch=2)
    assert {tile.kind for tile in tile_operands(alone, array).tiles} == {kind}
    require_equal(accelerator(ModelBoard(array)).run_layers(layers), expected(layers))
    require_equal(accelerator(ModelBoard(array)).run_layers([alone]), expected([alone]))


def test_one_start_for_all_layers() -> None:
    class CountingBoard(ModelBoard):
        starts = 0

        def run(self) -> None:
            self.starts += 1
            super().run()

    board = CountingBoard(TINY)
    layers = chain([CONV, after(CONV, stride=(2, 2)), CONV], batch=2)[:2]
    layers.append(random_operands(CONV, np.random.default_rng(1), name="beside"))
    device = accelerator(board)
    require_equal(device.run_layers(layers), expected(layers))
    assert board.starts == 1
    assert device.last_run is not None
    assert [run.name for run in device.last_run.layers] == ["layer0", "layer1", "beside"]
    assert [len(run.descriptors) for run in device.last_run.layers] == [2, 2, 1]
    assert [run.macs for run in device.last_run.layers] == [
        operands.shape[0] * operands.layer.macs for operands in layers
    ]


def test_chained_input_takes_no_memory() -> None:
    """Window = block: descriptors, weights and results are the same, the second input is gone."""
    sizes = []
    chained = chain([CONV, after(CONV)])
    alone = [chained[0], replace(chained[1], x=expected(chained)[0])]
    for layers in (chained, alone):
        board = ModelBoard(TINY)
        require_equal(accelerator(board).run_layers(layers), expected(chained))
        sizes.append(board.read(regs.WINDOW_LAST_1) - board.read(regs.WINDOW_BASE_1))
    # 9 rows of 7 x 6 bytes, rounded up to beats, to a multiple of 256.
    assert sizes[1] - sizes[0] == 512


def test_columns_beside_a_result_are_not_read() -> None:
    """The tiling of one channel computes 16 columns at a time, more than the image has."""
    layers = chain([replace(CONV, in_channels=1, out_channels=1, in_width=19)] * 2)
    array = PRESETS["pynq-z2"].array
    assert tile_layer(layers[0].layer, array).result_width > layers[0].layer.out_width
    require_equal(accelerator(ModelBoard(array)).run_layers(layers), expected(layers))


DEEP = replace(CONV, in_channels=600)
WIDE = after(CONV, padding=((7, 7), (1, 1)), kernel=(1, 3))
GROUPED = replace(CONV, in_channels=20, out_channels=20, groups=2)


@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        (DEEP, after(DEEP), InvalidLayerError, r"the host adds and requantises \d+ partial sums"),
        (GROUPED, after(GROUPED), InvalidLayerError, "its channels are written as several images"),
        (CONV, WIDE, InvalidLayerError, "the host pads it"),
        (
            replace(CONV, output=OutputType.INT32, y_zero_point=0),
            after(CONV),
            InvalidTensorError,
            r"\(1, 6, 9, 7\), the result of layer0 is int32 \(1, 6, 9, 7\)",
        ),
        (
            CONV,
            after(CONV, in_height=8),
            InvalidTensorError,
            r"\(1, 6, 8, 7\), the result of layer0 is int8 \(1, 6, 9, 7\)",
        ),
    ],
    ids=["chunks", "groups written", "host padding", "int32", "shape"],
)
def test_what_cannot_be_chained(
    first: ConvLayer, second: ConvLayer, error: type[LineconvError], message: str
) -> None:
    board = ModelBoard(TINY)
    layers = chain([replace(first, out_channels=second.in_channels), second])
    with pytest.raises(error, match=message):
        accelerator(board).run_layers(layers)
    assert not board.buffers


def test_groups_are_parts_of_the_tensor_that_they_read() -> None:
    for outputs in (16, 44):  # two groups fill the lanes, or each is a descriptor
        four = replace(CONV, in_channels=20, out_channels=outputs, groups=4)
        layers = chain([replace(CONV, out_channels=20), four, after(four)])
        require_equal(accelerator(ModelBoard(TINY)).run_layers(layers), expected(layers))


def test_source_must_come_first() -> None:
    first, second = chain([CONV, after(CONV)])
    for layers in ([second, first], [second]):
        with pytest.raises(InvalidLayerError, match="layer1 reads the result of layer0, which is"):
            accelerator(ModelBoard(TINY)).run_layers(layers)


def test_no_layers() -> None:
    with pytest.raises(InvalidLayerError, match="at least one layer, got none"):
        accelerator(ModelBoard(TINY)).run_layers([])


class SlowBoard(ModelBoard):
    """Completes one descriptor per wait that it is asked for."""

    def __init__(self, last: int) -> None:
        super().__init__(TINY)
        self.completed = 0
        self.last = last

    def wait(self, timeout_s: float) -> bool:
        self.completed = min(self.completed + 1, self.last)
        return self.completed == super().read(regs.DESCRIPTOR_COUNT) and super().wait(timeout_s)

    def read(self, offset: int) -> int:
        return self.completed if offset == regs.COMPLETED else super().read(offset)


def test_timeout_is_for_a_descriptor_not_for_the_program() -> None:
    layers = chain([CONV, after(CONV)], batch=3)
    board = SlowBoard(last=6)
    require_equal(accelerator(board, timeout_s=0.01).run_layers(layers), expected(layers))


def test_progress_counts_work() -> None:
    layers = chain([CONV, after(CONV)], batch=3)
    done: list[int] = []
    accelerator(SlowBoard(last=6)).run_layers(layers, progress=done.append)
    small, large = CONV.macs, after(CONV).macs
    assert done == [
        small,
        2 * small,
        3 * small,
        3 * small + large,
        3 * small + 2 * large,
    ]


def test_completed_that_is_told_only_at_the_end() -> None:
    """The HLS core shows the count of the run before until then."""

    class LateBoard(ModelBoard):
        waits = 0

        def wait(self, timeout_s: float) -> bool:
            self.waits += 1
            return self.waits > 3 and super().wait(timeout_s)

        def read(self, offset: int) -> int:
            late = offset == regs.COMPLETED and self.waits < 3
            return 99 if late else super().read(offset)

    layers = chain([CONV, after(CONV)])
    done: list[int] = []
    accelerator(LateBoard(TINY)).run_layers(layers, progress=done.append)
    assert done == [CONV.macs + after(CONV).macs]


def test_run_that_stops_half_way() -> None:
    class StuckBoard(SlowBoard):
        def read(self, offset: int) -> int:
            return AP_IDLE if offset == regs.CTRL else super().read(offset)

    with pytest.raises(RunTimeoutError, match=r"6 descriptor\(s\) did not finish"):
        accelerator(StuckBoard(last=4), timeout_s=0.01).run_layers(
            chain([CONV, after(CONV)], batch=3)
        )
