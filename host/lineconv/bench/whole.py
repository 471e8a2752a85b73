# SPDX-License-Identifier: Apache-2.0
"""Networks of the zoo as their users run them: quantised, compiled, run from input to output.

Every bit of every output is compared with ONNX Runtime's; docs/networks.md holds the table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lineconv import zoo
from lineconv.compiler.compile import compile as compile_network
from lineconv.compiler.feed import Values, count_images, images
from lineconv.compiler.network import Network
from lineconv.driver import Accelerator
from lineconv.graph import Graph
from lineconv.graph.importer import import_onnx
from lineconv.graph.layers import AnyArray
from lineconv.onnx_model import inputs
from lineconv.onnx_session import run_tensors
from lineconv.profiling.figures import network_figures
from lineconv.progress import mac_bar
from lineconv.quantize import quantize
from lineconv.zoo.digits import accuracy, split
from lineconv.zoo.samples import calibration_samples, noise

__all__ = ["Accuracy", "Comparison", "HostLayer", "WholeFigures", "compare", "run_whole"]

_SEED = 1  # of the images that are run; those of calibration are others


@dataclass(frozen=True)
class HostLayer:
    """A layer that the host computes, conversions from and to float32 included."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Comparison:
    """Outputs of the device against what they should be.

    Attributes:
        values: that were compared.
        onnx: how many differ from ONNX Runtime.
        distance: by how much at the most, in units of the output.
        remarks: layers where ONNX Runtime adds in float32.
        integer: how many differ from the integer layers in NumPy, which decide where there are
            remarks; else None.
    """

    values: int
    onnx: int
    distance: float
    remarks: tuple[str, ...]
    integer: int | None

    @property
    def right(self) -> bool:
        """The device computed what it should."""
        return not (self.onnx if self.integer is None else self.integer)


@dataclass(frozen=True)
class Accuracy:
    """Share of test images that are put into the right class."""

    float32: float
    onnx_int8: float
    device: float


@dataclass(frozen=True)
class WholeFigures:
    """One network.

    Attributes:
        gmac: multiply-accumulates of one image in 1e9; convolutions and matrix products alone.
        images: that ran and were compared.
        cycles: of the engine for one image, the mean; None where they are not counted.
        predicted: those of the cycle model.
        utilisation: share of what the array could have multiplied in these cycles.
        fps: images per second of the engine alone, at its clock.
        engine_layers: how many layers the engine computes.
        accuracy: of the network that is trained.
    """

    name: str
    gmac: float
    images: int
    cycles: float | None
    predicted: int
    utilisation: float | None
    fps: float | None
    engine_layers: int
    host_layers: tuple[HostLayer, ...]
    comparison: Comparison
    accuracy: Accuracy | None

    def to_json(self) -> dict[str, Any]:
        """All of it."""
        return asdict(self) | {"right": self.comparison.right}


def run_whole(
    accelerator: Accelerator,
    name: str,
    target: str,
    *,
    count: int = 1,
    sizes: Mapping[str, int] | None = None,
) -> WholeFigures:
    """Quantise, compile, run and compare a network.

    Args:
        name: one of `zoo.NAMES`.
        target: preset of the device.
        count: how many images of noise; `digits` runs all of its test images.
        sizes: arguments of the network's function; None is the full size.

    Raises:
        DeviceError: the device failed.
    """
    trained = name == zoo.TRAINED
    model = zoo.build(name, **(sizes or {}))
    (spec,) = inputs(model)
    quantised, _ = quantize(model, {spec.name: calibration_samples(name, model)})
    network = compile_network(quantised, target, name=name)
    x, labels = split()[2:] if trained else (noise(model, count, _SEED), None)
    y = _run(accelerator, network, x)
    profile = accelerator.last_profile
    assert profile is not None
    count = count_images(network.inputs, x)
    macs = sum(zoo.count_macs(model).values())
    cycles = profile.report.cycles / count if profile.counts_cycles else None
    found = None
    if labels is not None:
        right = y[network.outputs[0].name].argmax(axis=1) == labels
        found = Accuracy(
            accuracy(model, x, labels), accuracy(quantised, x, labels), float(right.mean())
        )
    layers = network_figures(network)
    return WholeFigures(
        name=name,
        gmac=macs / 1e9,
        images=count,
        cycles=cycles,
        predicted=sum(segment.cycles for segment in network.segments),
        utilisation=cycles and macs / (cycles * network.array.macs_per_cycle),
        fps=cycles and accelerator.clock_hz / cycles,
        engine_layers=sum(layer.plan is not None for layer in layers),
        host_layers=tuple(
            HostLayer(layer.name, layer.kinds[0], layer.reason)
            for layer in layers
            if layer.plan is None
        ),
        comparison=compare(quantised, import_onnx(quantised), x, y),
        accuracy=found,
    )


def _run(accelerator: Accelerator, network: Network, x: AnyArray) -> Values:
    """Outputs by name; the device's memory is free again afterwards."""
    total = count_images(network.inputs, x) * sum(layer.macs for layer in network.layers)
    try:
        with mac_bar(network.name, total) as progress:
            y = accelerator.run(network, x, progress=progress, profile=True)
    finally:
        accelerator.unload(network)
    return y if isinstance(y, Mapping) else {network.outputs[0].name: y}


def compare(model: Any, graph: Graph, x: AnyArray, y: Values) -> Comparison:
    """Compare the outputs of all images with ONNX Runtime, and with NumPy where that adds in float.

    Args:
        model: the quantised `onnx.ModelProto`.
        graph: the same, imported.
        x: its input, one or more images.
        y: outputs by name, images joined along the first axis.
    """
    remarks = tuple(layer.name for layer in graph.layers if layer.remark)
    wrong_onnx, wrong_integer, distance = 0, 0, 0.0
    for index, feed in enumerate(images(graph.inputs, x)):
        found = {
            name: _rows(array, index, count_images(graph.inputs, x)) for name, array in y.items()
        }
        for name, reference in run_tensors(model, feed, [*y]).items():
            wrong, furthest = _differences(found[name], reference)
            wrong_onnx, distance = wrong_onnx + wrong, max(distance, furthest)
        if remarks:
            expected = graph.run(feed)
            wrong_integer += sum(_differences(found[name], expected[name])[0] for name in y)
    return Comparison(
        values=sum(array.size for array in y.values()),
        onnx=wrong_onnx,
        distance=distance,
        remarks=remarks,
        integer=wrong_integer if remarks else None,
    )


def _rows(array: AnyArray, index: int, count: int) -> AnyArray:
    rows = len(array) // count
    return array[index * rows : (index + 1) * rows]


def _differences(found: AnyArray, reference: AnyArray) -> tuple[int, float]:
    """How many values have other bytes (0.0 is not -0.0), and how far the furthest is off."""
    if (found.dtype, found.shape) != (reference.dtype, reference.shape):
        return reference.size, math.inf
    wrong = (_bytes(found) != _bytes(reference)).any(axis=1)
    distance = np.abs(found.astype(np.float64) - reference.astype(np.float64))
    return int(wrong.sum()), float(distance.max(initial=0))


def _bytes(array: AnyArray) -> AnyArray:
    return np.ascontiguousarray(array).view(np.uint8).reshape(array.size, array.itemsize)
