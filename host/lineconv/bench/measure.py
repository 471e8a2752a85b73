# SPDX-License-Identifier: Apache-2.0
"""Runs layers and networks with random tensors and collects their figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lineconv.bench.figures import Engine, LayerFigures, NetworkFigures, layer_figures
from lineconv.bench.roofs import Roofs, program_roofs
from lineconv.bench.shapes import shape_name
from lineconv.block import tile_operands
from lineconv.driver import Accelerator
from lineconv.errors import DeviceError
from lineconv.job import chain_obstacle
from lineconv.layer import ConvLayer
from lineconv.networks import Network
from lineconv.operands import Operands
from lineconv.presets import Array
from lineconv.progress import mac_bar
from lineconv.report import RunReport
from lineconv.tiling import tile_reader

__all__ = ["measure_layer", "measure_network", "network_operands"]

_SEED = 0
_SCALE = np.float32(2.0**-12)


def measure_network(accelerator: Accelerator, engine: Engine, network: Network) -> NetworkFigures:
    """Run a network as one program.

    Raises:
        DeviceError: the device failed, or does not count cycles.
    """
    operands = network_operands(network, accelerator.array)
    run = _run(accelerator, operands, network.name)
    roofs, model = _roofs(operands, engine)
    return NetworkFigures(
        name=network.name,
        description=network.description,
        macs=run.macs,
        cycles=run.cycles,
        model=model,
        utilisation=run.macs / (run.cycles * accelerator.array.macs_per_cycle),
        fps=accelerator.clock_hz / run.cycles,
        layers=tuple(
            layer_figures(layer, layer.name, engine.array, bound)
            for layer, bound in zip(run.layers, roofs, strict=True)
        ),
    )


def measure_layer(accelerator: Accelerator, engine: Engine, layer: ConvLayer) -> LayerFigures:
    """Run a layer as a program of its own, from start to interrupt.

    Raises:
        DeviceError: the device failed, or does not count cycles.
    """
    name = shape_name(layer)
    operands = _random_operands(layer, name, None, np.random.default_rng(_SEED))
    run = _run(accelerator, [operands], name)
    (roofs,), model = _roofs([operands], engine)
    # From start to interrupt, as what was measured.
    return layer_figures(run, name, engine.array, replace(roofs, model=model))


def network_operands(network: Network, array: Array) -> list[Operands]:
    """The layers with random tensors; each reads the one before it in memory if it can."""
    rng = np.random.default_rng(_SEED)
    layers: dict[str, Operands] = {}
    for row in network.layers:
        source = None if row.reads is None else layers[row.reads]
        if source is not None and not _reads_in_memory(row.conv, source, array):
            source = None
        layers[row.name] = _random_operands(row.conv, row.name, source, rng)
    return list(layers.values())


def _reads_in_memory(layer: ConvLayer, source: Operands, array: Array) -> bool:
    obstacle = chain_obstacle(tile_operands(source, array))
    return obstacle is None and tile_reader(layer, array) is not None


def _random_operands(
    layer: ConvLayer, name: str, source: Operands | None, rng: np.random.Generator
) -> Operands:
    shape = (1, layer.in_channels, layer.in_height, layer.in_width)
    return Operands(
        layer=layer,
        x=source or rng.integers(-128, 128, shape, dtype=np.int8),
        w=rng.integers(-128, 128, layer.weight_shape, dtype=np.int8),
        bias=np.zeros(layer.out_channels, np.int32),
        scale=np.full(layer.out_channels, _SCALE),
        name=name,
    )


def _roofs(layers: list[Operands], engine: Engine) -> tuple[list[Roofs], int | None]:
    tiles = [tile_operands(operands, engine.array).tiles * operands.shape[0] for operands in layers]
    return program_roofs(tiles, engine.array, engine.memory)


def _run(accelerator: Accelerator, layers: list[Operands], title: str) -> RunReport:
    with mac_bar(title, sum(operands.layer.macs for operands in layers)) as progress:
        accelerator.run_layers(layers, progress=progress)
    run = accelerator.last_run
    if run is None or not run.cycles:
        raise DeviceError(f"{accelerator.name} does not count cycles")
    return run
