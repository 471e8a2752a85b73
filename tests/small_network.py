# SPDX-License-Identifier: Apache-2.0
"""A network whose `Network` is written down by hand, and the graph that says what it computes.

    x float32 -> quantise -> conv1 -> conv2 -+-> concat -> conv3 -> dequantise -> y
                                    z int8 --+                +-> conv3_out

Host layers at both ends and between two programs, two inputs, two outputs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lineconv import presets
from lineconv.block import Block
from lineconv.compiler.device_tensor import DeviceTensor
from lineconv.compiler.network import HostStep, LayerPlan, Network, Pack, Segment, Unpack
from lineconv.compiler.view import View
from lineconv.cycle_model import Bound
from lineconv.graph import Graph
from lineconv.graph.layers import Concat, Convolution, Dequantize, Quantize, Tensor
from lineconv.job import ConvJob
from lineconv.layer import ConvLayer
from lineconv.operands import Operands
from lineconv.packing import ELEMENT_TYPES
from lineconv.regs import OutputType

__all__ = ["feed", "small_graph", "small_network"]

AnyArray = npt.NDArray[Any]


def small_graph(seed: int = 0) -> Graph:
    """Random weights; scales that make results fill 8 bits."""
    rng = np.random.default_rng(seed)
    x = Tensor("x", (1, 3, 12, 10), np.dtype(np.float32))
    z = Tensor("z", (1, 5, 6, 10), np.dtype(np.int8))
    xq = Tensor("xq", x.shape, np.dtype(np.int8), 0.03, -3)
    conv1 = _convolution(rng, "conv1", xq, 8, (5, 3), (2, 1), ((2, 2), (1, 1)))
    conv2 = _convolution(rng, "conv2", conv1.outputs[0], 6, (1, 1), (1, 1), ((0, 0), (0, 0)))
    (a,) = conv2.outputs
    joined = Tensor("joined", (1, 11, 6, 10), a.dtype, a.scale, a.zero_point)
    concat = Concat(name="concat", inputs=(a, z), outputs=(joined,), axis=1)
    conv3 = _convolution(
        rng, "conv3", joined, 7, (3, 3), (1, 1), ((1, 1), (1, 1)), OutputType.UINT8
    )
    (last,) = conv3.outputs
    y = Tensor("y", last.shape, np.dtype(np.float32))
    return Graph(
        inputs=(x, z),
        outputs=(y, last),
        layers=(
            Quantize(name="quantise", inputs=(x,), outputs=(xq,)),
            *(conv1, conv2, concat, conv3),
            Dequantize(name="dequantise", inputs=(last,), outputs=(y,)),
        ),
    )


def small_network(preset: str = "tiny", seed: int = 0) -> Network:
    """That graph, compiled by hand; predicted figures are made up."""
    quantise, conv1, conv2, concat, conv3, dequantise = small_graph(seed).layers
    array = presets.preset(preset).array
    first = _operands(conv1)
    second = _operands(conv2, first)
    blocks = [Block([first, second], array), Block([_operands(conv3)], array)]
    starts = [0, -(-blocks[0].nbytes // 256) * 256]
    image = np.zeros(starts[1] + blocks[1].nbytes, np.uint8)
    for start, block in zip(starts, blocks, strict=True):
        block.write(image[start : start + block.nbytes], start)
    job1, job2 = blocks[0]._jobs
    (job3,) = blocks[1]._jobs
    results = [
        _result(layer.outputs[0], job, start)
        for layer, job, start in zip(
            (conv1, conv2, conv3), (job1, job2, job3), [0, 0, starts[1]], strict=True
        )
    ]
    plans = [
        LayerPlan(
            name=layer.name, kinds=("Convolution",), descriptors=job.count, macs=sum(job.macs),
            cycles=1000 + index, read_bytes=2000, written_bytes=480, bound=Bound.COMPUTE,
            inputs=layer.inputs,
            output=output, remark="",
        )
        for index, (layer, job, output) in enumerate(
            zip((conv1, conv2, conv3), (job1, job2, job3), results, strict=True)
        )
    ]  # fmt: skip
    return Network(
        name="small",
        target=preset,
        array=array,
        image=image,
        nbytes=image.size,
        inputs=small_graph(seed).inputs,
        outputs=small_graph(seed).outputs,
        constants={},
        steps=(
            HostStep(quantise, "the input is float32"),
            _pack(conv1.inputs[0], job1, 0),
            Segment(starts[0], blocks[0].count, tuple(plans[:2]), 2100),
            Unpack(results[1]),
            HostStep(concat, "for the test"),
            _pack(conv3.inputs[0], job3, starts[1]),
            Segment(starts[1], blocks[1].count, tuple(plans[2:]), 1050),
            Unpack(results[2]),
            HostStep(dequantise, "the output is float32"),
        ),
        kept=True,
    )


def feed(images: int = 1, seed: int = 0) -> dict[str, AnyArray]:
    """Random inputs."""
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(0, 2, (images, 3, 12, 10)).astype(np.float32),
        "z": rng.integers(-128, 128, (images, 5, 6, 10), dtype=np.int8),
    }


def _convolution(
    rng: np.random.Generator,
    name: str,
    x: Tensor,
    channels: int,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Any,
    output: OutputType = OutputType.INT8,
) -> Convolution:
    _, in_channels, height, width = x.shape
    layer = ConvLayer(
        in_channels=in_channels, out_channels=channels, in_height=height, in_width=width,
        kernel=kernel, stride=stride, padding=padding, x_zero_point=x.zero_point, y_zero_point=5,
        output=output,
    )  # fmt: skip
    spread = 74 * 74 * np.sqrt(np.prod(layer.weight_shape[1:]))
    shape = (1, channels, layer.out_height, layer.out_width)
    return Convolution(
        name=name,
        inputs=(x,),
        outputs=(Tensor(f"{name}_out", shape, ELEMENT_TYPES[output], 0.5, 5),),
        layer=layer,
        weights=rng.integers(-128, 128, layer.weight_shape, dtype=np.int8),
        bias=rng.integers(-1000, 1000, channels, dtype=np.int32),
        scale=(rng.uniform(30, 60, channels) / spread).astype(np.float32),
    )


def _operands(layer: Any, source: Operands | None = None) -> Operands:
    x = np.zeros(layer.inputs[0].shape, np.int8) if source is None else source
    return Operands(layer.layer, x, layer.weights, layer.bias, layer.scale, layer.name)


def _pack(tensor: Tensor, job: ConvJob, start: int) -> Pack:
    """The input of a job, folded if its tiling says so."""
    ((channels, places),) = job._images_at.items()
    layer = job._tiling.layer
    view = _view(places, start, layer.in_height, layer.in_width, len(channels), tensor.dtype)
    fold = job.operands.layer if job._tiling.folded else None
    return Pack(DeviceTensor(tensor, view, 1), fold, job.operands.raw_zero_point)


def _result(tensor: Tensor, job: ConvJob, start: int) -> DeviceTensor:
    (places,) = job._results_at.values()
    _, channels, height, width = tensor.shape
    return DeviceTensor(tensor, _view(places, start, height, width, channels, tensor.dtype), 1)


def _view(places: Any, start: int, height: int, width: int, channels: int, dtype: Any) -> View:
    return View(
        "block", start + places.start, 1, height, width, channels, places.image, places.row,
        channels, np.dtype(dtype),
    )  # fmt: skip
