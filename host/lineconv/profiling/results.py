# SPDX-License-Identifier: Apache-2.0
"""What runs of a network took, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lineconv.compiler.network import Pack, Unpack
from lineconv.graph.layers import Tensor
from lineconv.profiling.figures import LayerFigures, network_figures
from lineconv.profiling.profile import NetworkProfile

__all__ = ["profile_results"]


def profile_results(profile: NetworkProfile) -> dict[str, Any]:
    """All that was measured; counts and times are sums over the images."""
    network, report = profile.network, profile.report
    layers = network_figures(network, profile)
    return {
        "network": network.name,
        "target": network.target,
        "device": profile.device,
        "simulated": profile.simulated,
        "clock_hz": profile.clock_hz,
        "array": asdict(network.array) | {"macs_per_cycle": network.array.macs_per_cycle},
        "images": len(profile.images),
        "macs": report.macs,
        "cycles": report.cycles or None,
        "seconds": profile.seconds,
        "layers": [_layer(layer, network.array.beat_bytes) for layer in layers],
        "copies": list(_copies(profile)),
    }


def _layer(layer: LayerFigures, beat_bytes: int) -> dict[str, Any]:
    common = {
        "name": layer.name,
        "kinds": list(layer.kinds),
        "where": layer.where,
        "outputs": list(map(_tensor, layer.outputs)),
        "reason": layer.reason,
        "remark": layer.remark,
    }
    plan, run = layer.plan, layer.run
    if plan is None or run is None:
        return common | {"host_seconds": layer.host_s}
    return common | {
        "macs": run.macs,
        "cycles": run.cycles or None,
        "mac_cycles": run.mac_cycles,
        "stall_input": run.stall_input,
        "stall_weights": run.stall_weights,
        "stall_output": run.stall_output,
        "read_bytes": run.read_beats * beat_bytes,
        "written_bytes": run.write_beats * beat_bytes,
        "descriptors": len(run.runs),
        "predicted": {  # for one image
            "cycles": plan.cycles,
            "read_bytes": plan.read_bytes,
            "written_bytes": plan.written_bytes,
            "bound": plan.bound.value,
        },
    }


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
