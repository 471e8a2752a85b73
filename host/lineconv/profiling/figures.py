# SPDX-License-Identifier: Apache-2.0
"""The layers of a network with what is known of them, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from lineconv.compiler.network import HostStep, LayerPlan, Network, Segment
from lineconv.graph.layers import Host, Layer, Tensor
from lineconv.profiling.profile import NetworkProfile
from lineconv.regs import DESCRIPTOR, DESCRIPTOR_BYTES, Kind
from lineconv.report import LayerRun

__all__ = ["LayerFigures", "network_figures"]

_ARRAY, _VECTOR, _HOST, _NOTHING = "array", "vector unit", "host", "no work"


@dataclass(frozen=True)
class LayerFigures:
    """One layer, wherever it is computed.

    Attributes:
        name: of the layer of the graph.
        kinds: of the layers that it covers; of ONNX operators, if the host leaves them to ONNX
            Runtime.
        where: "array" or "vector unit" of the engine, both joined by " + ", or "no work" where the
            bytes are right as they lie; "host".
        inputs, outputs: tensors.
        plan: of the engine, predicted; None on the host.
        reason: why it is on the host; empty on the engine.
        remark: where ONNX Runtime computes something else; empty where all bits are equal.
        run: as the engine measured it, over all images; None on the host and before a run.
        host_s: what the host took for it, over all images; None on the engine and before a run.
    """

    name: str
    kinds: tuple[str, ...]
    where: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    plan: LayerPlan | None
    reason: str
    remark: str
    run: LayerRun | None = None
    host_s: float | None = None

    @property
    def note(self) -> str:
        """Reason and remark."""
        return "; ".join(filter(None, (self.reason, self.remark)))


def network_figures(
    network: Network, profile: NetworkProfile | None = None
) -> tuple[LayerFigures, ...]:
    """All layers, in order; with what was measured if there is a profile."""
    return tuple(_figures(network, profile))


def _figures(network: Network, profile: NetworkProfile | None) -> Iterator[LayerFigures]:
    runs = iter(profile.report.layers if profile else ())
    for index, step in enumerate(network.steps):
        if isinstance(step, HostStep):
            host_s = sum(image[index].host_s for image in profile.images) if profile else None
            yield _on_host(step.layer, step.reason, host_s)
        elif isinstance(step, Segment):
            kinds = iter(_descriptor_kinds(network, step))
            for plan in step.layers:
                yield LayerFigures(
                    name=plan.name,
                    kinds=plan.kinds,
                    where=_where(list(islice(kinds, plan.descriptors))),
                    inputs=plan.inputs,
                    outputs=(plan.output.tensor,),
                    plan=plan,
                    reason="",
                    remark=plan.remark,
                    run=next(runs, None),
                )


def _on_host(layer: Layer, reason: str, host_s: float | None) -> LayerFigures:
    kind = layer.op_type if isinstance(layer, Host) else type(layer).__name__
    return LayerFigures(
        name=layer.name,
        kinds=(kind,),
        where=_HOST,
        inputs=layer.inputs,
        outputs=layer.outputs,
        plan=None,
        reason=reason,
        remark=layer.remark,
        host_s=host_s,
    )


def _descriptor_kinds(network: Network, segment: Segment) -> list[int]:
    end = segment.offset + segment.count * DESCRIPTOR_BYTES
    kinds: list[int] = network.image[segment.offset : end].view(DESCRIPTOR)["kind"].tolist()
    return kinds


def _where(kinds: list[int]) -> str:
    units = dict.fromkeys(_ARRAY if kind == Kind.CONV else _VECTOR for kind in kinds)
    return " + ".join(units) or _NOTHING
