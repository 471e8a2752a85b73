# SPDX-License-Identifier: Apache-2.0
"""An ONNX model made ready for import: checked, in QDQ form, constants folded, shapes known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lineconv.errors import InvalidInputError
from lineconv.extras import require
from lineconv.graph.layers import AnyArray, Tensor
from lineconv.graph.qoperator import to_qdq
from lineconv.graph.rewrite import merge_quantise, pull_quantise
from lineconv.onnx_model import check_shapes, first_line, inputs
from lineconv.onnx_session import int8_session

__all__ = ["Node", "Source", "build_model", "read_source"]

FIRST_OPSET = 13  # DequantizeLinear per channel
DOMAINS = {"", "ai.onnx", "com.microsoft"}
FLOAT = 1  # TensorProto.FLOAT
TYPES = ("FLOAT", "INT8", "UINT8", "INT32", "INT64", "BOOL", "DOUBLE", "UNDEFINED")
QUANTISING = {"QuantizeLinear", "DequantizeLinear", "ConvInteger", "MatMulInteger"}


@dataclass(frozen=True, eq=False)
class Node:
    """One node; a name that was left out is that of its first output."""

    proto: Any
    op_type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.op_type} node {self.name!r}"

    def input(self, place: int) -> str:
        """Name of an input; empty if it was left out."""
        return self.inputs[place] if place < len(self.inputs) else ""


@dataclass(frozen=True, eq=False)
class Source:
    """What is imported.

    Attributes:
        tensors: shape and type of every tensor, by name; scale and zero point are not known yet.
        users: nodes that read a tensor, once for each of their inputs, by name.
        makers: the node that makes a tensor, by name.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: dict[str, AnyArray]
    tensors: dict[str, Tensor]
    users: dict[str, list[Node]]
    makers: dict[str, Node]
    opsets: dict[str, int]


def read_source(model: Any) -> Source:
    """Check an `onnx.ModelProto` and bring it into one form. The model is not changed.

    Raises:
        InvalidInputError: it cannot be imported; the message names the node, tensor or value.
    """
    onnx = require("onnx", "onnx")
    work = onnx.ModelProto()
    work.CopyFrom(model)
    given = inputs(work)  # raises for dynamic shapes
    opsets = _check_opsets(work)
    nodes = to_qdq(work.graph.node)
    del work.graph.node[:]
    work.graph.node.extend(nodes)
    for node in work.graph.node:
        if node.op_type in QUANTISING and node.domain in DOMAINS:
            node.domain = ""
        node.name = node.name or node.output[0]
    _check_nodes(work)
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in work.graph.initializer}
    work = _fold(work, constants, opsets)
    merge_quantise(work, constants)
    pull_quantise(work, constants)
    work = _fold(work, constants, opsets)  # shapes of what is new
    _check_shapes_of_microsoft(work)
    check_shapes(work, frozenset(node.op_type for node in work.graph.node))
    tensors = _tensors(work)
    tensors |= {name: Tensor(name, a.shape, a.dtype) for name, a in constants.items()}
    found = tuple(_node(node) for node in work.graph.node)
    users: dict[str, list[Node]] = {}
    for entry in found:
        for name in filter(None, entry.inputs):
            users.setdefault(name, []).append(entry)
    return Source(
        inputs=tuple(Tensor(spec.name, spec.shape, spec.dtype) for spec in given),
        outputs=tuple(value.name for value in work.graph.output),
        nodes=found,
        constants=constants,
        tensors=tensors,
        users=users,
        makers={name: entry for entry in found for name in entry.outputs},
        opsets=opsets,
    )


def build_model(
    nodes: Sequence[Any],
    constants: dict[str, AnyArray],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    opsets: dict[str, int],
) -> bytes:
    """A serialised model of a few nodes of the model that is imported."""
    onnx = require("onnx", "onnx")
    helper = onnx.helper

    def info(tensor: Tensor) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(tensor.dtype)
        return helper.make_tensor_value_info(tensor.name, kind, tensor.shape)

    graph = helper.make_graph(
        nodes,
        "part",
        [info(tensor) for tensor in inputs],
        [info(tensor) for tensor in outputs],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    serialised: bytes = model.SerializeToString()
    return serialised


def _check_opsets(model: Any) -> dict[str, int]:
    onnx = require("onnx", "onnx")
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    version = opsets.get("", opsets.get("ai.onnx", 0))
    newest = onnx.defs.onnx_opset_version()
    if not FIRST_OPSET <= version <= newest:
        raise InvalidInputError(
            f"the model has opset {version}, {FIRST_OPSET} to {newest} can be read"
        )
    return opsets


def _check_nodes(model: Any) -> None:
    for node in model.graph.node:
        label = f"{node.op_type} node {node.name!r}"
        if node.domain not in DOMAINS:
            raise InvalidInputError(f"{label} is of the unknown domain {node.domain!r}")
        if any(entry.HasField("g") or entry.graphs for entry in node.attribute):
            raise InvalidInputError(f"{label} has a graph of its own, control flow cannot be read")
    if model.graph.sparse_initializer:
        raise InvalidInputError("the model has sparse constants, which cannot be read")
    for constant in model.graph.initializer:
        _check_type(constant.name, constant.data_type)
    for value in (*model.graph.input, *model.graph.output):
        _check_type(value.name, value.type.tensor_type.elem_type)
    real = any(value.type.tensor_type.elem_type == FLOAT for value in model.graph.input)
    if real and not any(node.op_type in QUANTISING for node in model.graph.node):
        raise InvalidInputError(
            "the model is not quantised: it has no QuantizeLinear, DequantizeLinear or QLinear... "
            "node; `lineconv quantize` makes an int8 model of it"
        )


def _check_shapes_of_microsoft(model: Any) -> None:
    """onnx infers no shapes for them; a model may bring these along."""
    values = (*model.graph.value_info, *model.graph.output)
    known = {value.name for value in values if value.type.tensor_type.HasField("shape")}
    for node in model.graph.node:
        if node.domain == "com.microsoft" and not known.issuperset(filter(None, node.output)):
            raise InvalidInputError(
                f"{node.op_type} node {node.name!r} of com.microsoft cannot be read: the shape of "
                "its result is not known"
            )


def _check_type(name: str, kind: int) -> None:
    names = require("onnx", "onnx").TensorProto.DataType
    if names.Name(kind) not in TYPES:
        raise InvalidInputError(
            f"tensor {name!r} is {names.Name(kind).lower()}; float32, int8, uint8 and integers of "
            "32 and 64 bits can be read"
        )


def _fold(model: Any, constants: dict[str, AnyArray], opsets: dict[str, int]) -> Any:
    """Replace nodes on constants by their results, as long as there are any; infer shapes.

    DequantizeLinear stays: int8 weights are wanted as such.
    """
    onnx = require("onnx", "onnx")
    while True:
        try:
            model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        except Exception as error:  # onnx has several, without a common base
            raise InvalidInputError(f"shapes cannot be inferred: {first_line(error)}") from None
        values = (*model.graph.value_info, *model.graph.input, *model.graph.output)
        shapes = {value.name: value.type.tensor_type for value in values}
        left = []
        for node in model.graph.node:
            folded = _constant_shape(node, shapes) if node.op_type == "Shape" else None
            if folded is None and _is_foldable(node, constants):
                folded = _evaluate(node, constants, opsets)
            if folded is None:
                left.append(node)
                continue
            for name, array in zip(node.output, folded, strict=True):
                constants[name] = array
                model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        if len(left) == len(model.graph.node):
            return model
        del model.graph.node[:]
        model.graph.node.extend(left)


def _is_foldable(node: Any, constants: dict[str, AnyArray]) -> bool:
    if node.op_type == "DequantizeLinear" or node.op_type.startswith("Random"):
        return False
    names = [name for name in node.input if name]
    return all(name in constants for name in names) and bool(names or node.op_type == "Constant")


def _constant_shape(node: Any, shapes: dict[str, Any]) -> list[AnyArray] | None:
    kind = shapes.get(node.input[0])
    if kind is None or not kind.HasField("shape"):
        return None
    if not all(size.HasField("dim_value") for size in kind.shape.dim):
        return None
    given = {entry.name: entry.i for entry in node.attribute}
    sizes = [size.dim_value for size in kind.shape.dim]
    return [np.array(sizes[given.get("start", 0) : given.get("end", len(sizes))], np.int64)]


def _evaluate(node: Any, constants: dict[str, AnyArray], opsets: dict[str, int]) -> list[AnyArray]:
    """Results of a node whose inputs are constants."""
    onnx = require("onnx", "onnx")
    used = [onnx.numpy_helper.from_array(constants[name], name) for name in node.input if name]
    outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output]
    graph = onnx.helper.make_graph([node], "constant", [], outputs, used)
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = onnx.helper.make_model(graph, opset_imports=imports, ir_version=8)
    try:
        results: list[AnyArray] = int8_session(model).run(None, {})
    except Exception as error:  # onnxruntime has classes of its own, one per status
        raise InvalidInputError(
            f"{node.op_type} node {node.name!r} cannot be computed: {first_line(error)}"
        ) from None
    return results


def _tensors(model: Any) -> dict[str, Tensor]:
    helper = require("onnx", "onnx").helper
    found = {}
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        kind = value.type.tensor_type
        if not kind.elem_type:  # an output that is an input need not say its type again
            continue
        _check_type(value.name, kind.elem_type)
        shape = tuple(size.dim_value for size in kind.shape.dim)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type))
        found[value.name] = Tensor(value.name, shape, dtype)
    return found


def _node(proto: Any) -> Node:
    helper = require("onnx", "onnx").helper
    attributes = {}
    for entry in proto.attribute:
        value = helper.get_attribute_value(entry)
        attributes[entry.name] = value.decode() if isinstance(value, bytes) else value
    return Node(
        proto, proto.op_type, proto.name, tuple(proto.input), tuple(proto.output), attributes
    )
