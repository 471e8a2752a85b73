# SPDX-License-Identifier: Apache-2.0
"""The graph in the making, and what every conversion needs to know about the model."""

from __future__ import annotations

import dataclasses

import numpy as np

from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.graph import arithmetic
from lineconv.graph.layers import AnyArray, Dequantize, Host, Layer, Table, Tensor
from lineconv.graph.source import Node, Source, build_model
from lineconv.graph.values import Constant, ConstantReal, End, Real, Stored, Value
from lineconv.onnx_session import int8_session

__all__ = ["Context"]

ACTIVATIONS = ("Relu", "Clip")


class Context:
    """Layers so far.

    Attributes:
        values: what tensor names stand for.
        done: nodes that another node has taken along.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.layers: list[Layer] = []
        self.constants: dict[str, AnyArray] = {}
        self.values: dict[str, Value] = {t.name: Stored(t) for t in source.inputs}
        self.values |= {name: Constant(array) for name, array in source.constants.items()}
        self.done: set[Node] = set()
        self._stored: dict[str, Tensor] = {}

    # --- the model ------------------------------------------------------------------------------

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor of the model."""
        return self.source.tensors[name].shape

    def sole_user(self, name: str) -> Node | None:
        """The node that reads a tensor which nothing else reads."""
        users = self.source.users.get(name, [])
        return users[0] if len(users) == 1 and name not in self.source.outputs else None

    def constant(self, node: Node, place: int) -> AnyArray | None:
        """An input that is a constant; None if it was left out.

        Raises:
            InvalidInputError: it is something else.
        """
        name = node.input(place)
        if not name:
            return None
        value = self.values[name]
        if not isinstance(value, Constant):
            raise InvalidInputError(f"{node}: its input {name!r} must be a constant")
        return value.array

    def parameters(self, node: Node) -> tuple[AnyArray, AnyArray]:
        """Scale and zero point of QuantizeLinear and DequantizeLinear.

        Raises:
            InvalidInputError: they are not constant, or of a type or value that is not allowed.
        """
        scale, zero_point = self.constant(node, 1), self.constant(node, 2)
        if (
            scale is None
            or scale.dtype != np.float32
            or not (np.isfinite(scale) & (scale > 0)).all()
        ):
            raise InvalidInputError(f"{node}: its scale must be float32, finite and positive")
        if node.attributes.get("block_size", 0):
            raise InvalidInputError(f"{node}: has a scale for each block, which cannot be read")
        if zero_point is None:
            quantised = node.inputs if node.op_type == "DequantizeLinear" else node.outputs
            zero_point = np.zeros(scale.shape, self.source.tensors[quantised[0]].dtype)
        return scale, zero_point

    def end(self, name: str) -> End | None:
        """QuantizeLinear behind a tensor, over Relu and Clip; None if anything else reads it."""
        low, high = -np.inf, np.inf
        nodes: list[Node] = []
        while (user := self.sole_user(name)) is not None and user.inputs[0] == name:
            nodes.append(user)
            if user.op_type == "QuantizeLinear":
                scale, zero_point = self.parameters(user)
                if scale.size != 1:
                    return None
                tensor = self.quantised(user, scale, zero_point)
                ends = arithmetic.quantize(np.array([low, high], np.float32), tensor)
                limits = np.iinfo(tensor.dtype)
                clamp = (int(ends[0]), int(ends[1]))
                none = clamp == (limits.min, limits.max)
                return End(tensor, None if none else clamp, tuple(nodes))
            if user.op_type not in ACTIVATIONS:
                return None
            bounds = (0.0, np.inf)
            if user.op_type == "Clip":
                least, most = self.constant(user, 1), self.constant(user, 2)
                bounds = (
                    -np.inf if least is None else float(least.item()),
                    np.inf if most is None else float(most.item()),
                )
            low, high = (min(max(value, bounds[0]), bounds[1]) for value in (low, high))
            name = user.outputs[0]
        return None

    def quantised(self, node: Node, scale: AnyArray, zero_point: AnyArray) -> Tensor:
        """The tensor that a QuantizeLinear node makes."""
        name = node.outputs[0]
        return Tensor(
            name, self.shape(name), zero_point.dtype, float(scale.item()), int(zero_point.item())
        )

    # --- layers ---------------------------------------------------------------------------------

    def finish(self, layer: Layer, end: End | None = None) -> None:
        """Add a layer; with `end`, it has done the work of those nodes too."""
        self.layers.append(layer)
        for tensor in layer.outputs:
            self.values[tensor.name] = Stored(tensor)
        if end is not None:
            self.done |= set(end.nodes)

    def stored(self, name: str) -> Tensor:
        """A value as a tensor that layers can read; adds the layers that make it."""
        value = self.values[name]
        if isinstance(value, Stored):
            return value.tensor
        if name not in self._stored:
            self._stored[name] = self._store(name, value)
        return self._stored[name]

    def _store(self, name: str, value: Value) -> Tensor:
        if isinstance(value, Real):
            tensor = Tensor(name, value.tensor.shape, np.dtype(np.float32))
            if not value.chain:
                self.layers.append(Dequantize(name=name, inputs=(value.tensor,), outputs=(tensor,)))
                return tensor
            last = value.chain[-1]
            model = self.chain_model(value, value.tensor, tensor)
            self.layers.append(
                Host(
                    name=last.name, inputs=(value.tensor,), outputs=(tensor,), model=model,
                    op_type=last.op_type, reason="its result is used as float32",
                )
            )  # fmt: skip
            return tensor
        assert isinstance(value, (Constant, ConstantReal))
        array = value.array if isinstance(value, Constant) else value.real()
        return self.constant_tensor(name, array)

    def constant_tensor(
        self, name: str, array: AnyArray, scale: float | None = None, zero_point: int = 0
    ) -> Tensor:
        """A tensor that no layer makes."""
        self.constants[name] = array
        return Tensor(name, array.shape, array.dtype, scale, zero_point)

    def requantised(self, value: Real, tensor: Tensor, name: str) -> Tensor:
        """`value` with type, scale and zero point of `tensor`; adds a Table layer if it has to.

        Args:
            name: of the layer, and of the tensor that it makes.
        """
        x = value.tensor
        same = (x.dtype, x.scale, x.zero_point) == (tensor.dtype, tensor.scale, tensor.zero_point)
        if same and not value.chain:
            return x
        every = arithmetic.all_values(x.dtype)
        if value.chain:
            table = self._chain_table(value, every, tensor)
        else:
            table = arithmetic.quantize(arithmetic.dequantize(every, x), tensor)
        result = dataclasses.replace(tensor, name=name, shape=x.shape)
        label = value.chain[-1].name if value.chain else name
        self.layers.append(Table(name=label, inputs=(x,), outputs=(result,), table=table))
        return result

    def _chain_table(self, value: Real, every: AnyArray, tensor: Tensor) -> AnyArray:
        """What ONNX Runtime makes of each of the 256 values."""
        x = dataclasses.replace(value.tensor, name="x", shape=every.shape)
        y = dataclasses.replace(tensor, name="y", shape=every.shape)
        session = int8_session(self.chain_model(value, x, y))
        table: AnyArray = session.run(["y"], {"x": every})[0]
        return table.reshape(every.shape)

    def chain_model(self, value: Real, x: Tensor, y: Tensor) -> bytes:
        """A model from the quantised x to y, which is float or quantised, through a chain."""
        nodes: list[object] = []
        constants: dict[str, AnyArray] = {}
        for source in value.sources:
            node, given = quantising("DequantizeLinear", x.name, source, value.tensor)
            nodes.append(node)
            constants |= given
        nodes += [node.proto for node in value.chain]
        for node in value.chain:
            names = [name for name in node.inputs if name in self.source.constants]
            constants |= {name: self.source.constants[name] for name in names}
        end, given = (
            quantising("QuantizeLinear", value.result, y.name, y)
            if y.scale is not None
            else quantising("Identity", value.result, y.name, None)
        )
        nodes += [end] if y.name != value.result else []
        return build_model(nodes, constants | given, [x], [y], self.source.opsets)


def quantising(
    op_type: str, x: str, y: str, tensor: Tensor | None
) -> tuple[object, dict[str, AnyArray]]:
    """A QuantizeLinear or DequantizeLinear node for one tensor, and its constants."""
    helper = require("onnx", "onnx").helper
    if tensor is None:
        return helper.make_node(op_type, [x], [y]), {}
    constants: dict[str, AnyArray] = {
        f"{y}/scale": np.array(tensor.scale, np.float32),
        f"{y}/zero_point": np.array(tensor.zero_point, tensor.dtype),
    }
    return helper.make_node(op_type, [x, *constants], [y], f"{y}/{op_type}"), constants
