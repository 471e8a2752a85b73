# SPDX-License-Identifier: Apache-2.0
"""What a network costs, as JSON: predicted, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lineconv.compiler.network import LayerPlan, Network, Pack, Unpack
from lineconv.graph.layers import Tensor
from lineconv.presets import preset
from lineconv.profiling.figures import LayerFigures, network_figures
from lineconv.profiling.profile import NetworkProfile

__all__ = ["plan_results", "profile_results"]


def profile_results(profile: NetworkProfile) -> dict[str, Any]:
    """All that was measured, sums over the images; beside it what is predicted for one."""
    network, report = profile.network, profile.report
    layers = network_figures(network, profile)
    return _network(network) | {
        "device": profile.device,
        "simulated": profile.simulated,
        "clock_hz": profile.clock_hz,
        "images": len(profile.images),
        "macs": report.macs,
        "cycles": report.cycles or None,
        "seconds": profile.seconds,
        "layers": [_measured(layer, network.array.beat_bytes) for layer in layers],
        "copies": list(_copies(profile)),
    }


def plan_results(network: Network) -> dict[str, Any]:
    """All that is predicted, for one image."""
    cycles = sum(segment.cycles for segment in network.segments)
    return _network(network) | {
        "clock_hz": preset(network.target).clock_hz,
        "macs": sum(plan.macs for plan in network.layers),
        "programs": len(network.segments),
        "image_bytes": network.image.size,
        "activation_bytes": network.activation_bytes,
        "predicted": {"cycles": cycles},
        "layers": [
            _layer(layer) | (_predicted(layer.plan) if layer.plan else {})
            for layer in network_figures(network)
        ],
    }


def _network(network: Network) -> dict[str, Any]:
    return {
        "network": network.name,
        "target": network.target,
        "array": asdict(network.array) | {"macs_per_cycle": network.array.macs_per_cycle},
    }


def _layer(layer: LayerFigures) -> dict[str, Any]:
    return {
        "name": layer.name,
        "kinds": list(layer.kinds),
        "where": layer.where,
        "outputs": list(map(_tensor, layer.outputs)),
        "reason": layer.reason,
        "remark": layer.remark,
    }


def _predicted(plan: LayerPlan) -> dict[str, Any]:
    return {
        "descriptors": plan.descriptors,
        "macs": plan.macs,
        "predicted": {
            "cycles": plan.cycles,
            "read_bytes": plan.read_bytes,
            "written_bytes": plan.written_bytes,
            "bound": plan.bound.value,
        },
    }


def _measured(layer: LayerFigures, beat_bytes: int) -> dict[str, Any]:
    plan, run = layer.plan, layer.run
    if plan is None or run is None:
        return _layer(layer) | {"host_seconds": layer.host_s}
    return _layer(layer) | _predicted(plan) | {
        "macs": run.macs,
        "cycles": run.cycles or None,
        "mac_cycles": run.mac_cycles,
        "stall_input": run.stall_input,
        "stall_weights": run.stall_weights,
        "stall_output": run.stall_output,
        "read_bytes": run.read_beats * beat_bytes,
        "written_bytes": run.write_beats * beat_bytes,
    }  # fmt: skip


def _copies(profile: NetworkProfile) -> Iterator[dict[str, Any]]:
    for index, step in enumerate(profile.network.steps):
        if isinstance(step, (Pack, Unpack)):
            inward = isinstance(step, Pack)
            tensor = step.target.tensor if isinstance(step, Pack) else step.source.tensor
            yield _tensor(tensor) | {
                "direction": "to the device" if inward else "from the device",
                "host_seconds": sum(image[index].host_s for image in profile.images),
            }


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": list(tensor.shape), "dtype": str(tensor.dtype)}
