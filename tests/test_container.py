# SPDX-License-Identifier: Apache-2.0
"""`.lconv` files: what comes back is what was saved, and everything else is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from small_network import feed, small_graph, small_network

import lineconv
from lineconv.compiler import container
from lineconv.compiler.codec import DecodeError, decode, encode
from lineconv.compiler.container import load_network, save_network
from lineconv.compiler.network import HostStep, Network
from lineconv.compiler.view import View
from lineconv.cycle_model import Bound
from lineconv.errors import InvalidFileError
from lineconv.graph import layers
from lineconv.graph.layers import Host, Layer, Tensor
from lineconv.layer import ConvLayer

CLASSES = container._CLASSES


def same(a: Any, b: Any) -> bool:
    """Equal in every part, types included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a)]
        return all(same(getattr(a, name), getattr(b, name)) for name in names)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return [*a] == [*b] and all(same(a[key], b[key]) for key in a)
    return bool(a == b or (a != a and b != b))


arrays = hnp.arrays(
    st.sampled_from(["<f4", "<i4", "|i1", "|u1", "<i8", "|b1", "<U3"]),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(),
    st.sampled_from(Bound), st.floats(width=32).map(np.float32), st.integers(0, 9).map(np.int64),
    st.builds(range, st.integers(), st.integers(), st.integers(1)), arrays,
    arrays.map(np.transpose), arrays.map(lambda array: array.dtype),
)  # fmt: skip
objects = st.recursive(
    scalars,
    lambda part: st.one_of(
        st.lists(part),
        st.lists(part).map(tuple),
        st.dictionaries(st.text(), part),
        st.builds(Tensor, st.text(), part, part, part, part),
    ),
    max_leaves=8,
)


@given(objects)
def test_any_object_comes_back(value: Any) -> None:
    encoded, block = encode(value, CLASSES)
    assert same(decode(json.loads(json.dumps(encoded)), block, CLASSES), value)


def test_arrays_are_stored_once_and_can_be_written_to() -> None:
    array = np.arange(100)
    encoded, block = encode([array, array, array.copy()], CLASSES)
    assert len(block) < 3 * array.nbytes
    first, second, _ = decode(encoded, block, CLASSES)
    first[0] = 7
    assert second[0] == 0


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, np.array([None]), np.zeros(1, "u1,u2"), np.dtype("u1,u2"), 1j]
)
def test_what_cannot_be_stored(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        encode((value,), CLASSES)


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ({}, "an object has no type"),
        ({"$": 3}, "an object has no type"),
        ({"$": "Popen", "args": "ls"}, "unknown type 'Popen'"),
        ({"$": "Tensor", "name": "x"}, "Tensor has other fields: .*'shape'"),
        ({"$": "Bound", "member": "LAZINESS"}, "Bound: 'LAZINESS'"),
        ({"$": "array", "dtype": "|u1", "shape": [9], "start": 0}, "bytes 0..9 of 8"),
        ({"$": "array", "dtype": "|u1", "shape": [1], "start": -1}, "bytes -1..0 of 8"),
        ({"$": "array", "dtype": "|O", "shape": [1], "start": 0}, "array: "),
        ({"$": "bytes", "start": 4, "size": 5}, "bytes 4..9 of 8"),
        ({"$": "range", "bounds": [0, 1, 0]}, "range: "),
        ({"$": "list"}, "list: .*items"),
    ],
)
def test_what_cannot_be_read(encoded: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(encoded, bytes(8), CLASSES)


# Files ----------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "small.lconv"
    save_network(small_network(), path)
    return path


def test_network_comes_back(saved: Path) -> None:
    network = load_network(saved)
    assert same(network, small_network())
    with lineconv.open("model:tiny") as device:
        y = device.run(network, feed())
    for name, right in small_graph().run(feed()).items():
        np.testing.assert_array_equal(y[name], right)


def test_every_layer_of_a_graph_can_be_stored(tmp_path: Path) -> None:
    """Each class, with all its fields."""
    tensor = Tensor("x", (1, 2, 3, 4), np.dtype(np.int8), 0.1, 3)
    given: dict[str, Any] = {
        "name": "n", "inputs": (tensor,), "outputs": (tensor, tensor), "remark": "r",
        "layer": ConvLayer(1, 1, 5, 5, (3, 3)), "weights": np.ones((1, 1, 3, 3), np.int8),
        "bias": np.ones(1, np.int32), "scale": np.ones(1, np.float32), "stride": (1, 2),
        "kernel": (3, 3), "padding": ((0, 1), (2, 3)), "dilation": (1, 1),
        "count_include_pad": True, "clamp": (-3, 3), "table": np.arange(256, dtype=np.uint8),
        "axis": 1, "factors": (1, 1, 2, 2), "permutation": (0, 2, 3, 1), "starts": (0,),
        "steps": (1,), "pads": ((0, 0),), "value": 3, "groups": 2, "op_type": "Softmax",
        "reason": "none", "model": b"\x00\xff", "attributes": {"axis": -1, "values": [1.5, 2]},
    }  # fmt: skip
    kinds = [getattr(layers, name) for name in layers.__all__]
    steps = []
    for kind in kinds:
        if issubclass(kind, Layer):
            fields = [field.name for field in dataclasses.fields(kind)]
            steps.append(HostStep(kind(**{name: given[name] for name in fields}), "why"))
    assert Host in {type(step.layer) for step in steps}
    network = dataclasses.replace(small_network(), steps=tuple(steps))
    save_network(network, tmp_path / "n.lconv")
    assert same(load_network(tmp_path / "n.lconv"), network)


def test_every_cut_is_noticed(saved: Path) -> None:
    data = saved.read_bytes()
    for size in range(len(data)):
        reason = "is no compiled network" if size == 0 else "is cut off"
        with pytest.raises(DecodeError, match=reason):
            container._parse(data[:size])
    saved.write_bytes(data[:-1])
    with pytest.raises(InvalidFileError, match=f"^{saved}: is cut off: "):
        load_network(saved)


def test_every_changed_byte_is_noticed(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    seed = 1
    print(f"seed {seed}")
    for place, bit in enumerate(np.random.default_rng(seed).integers(0, 8, len(data))):
        data[place] ^= 1 << int(bit)
        with pytest.raises(DecodeError):
            container._parse(data)
        data[place] ^= 1 << int(bit)
    assert same(container._parse(data), small_network())


def forged(value: Any, version: int = 1) -> bytes:
    """A file with a right checksum."""
    encoded, block = encode(value, CLASSES | {"Foreign": Foreign})
    text = json.dumps(encoded).encode()
    head = struct.pack("<8sI4xQQ32s", container.MAGIC, version, len(text), len(block), bytes(32))
    digest = hashlib.sha256(head + text + block).digest()
    return head[:32] + digest + text + block


@dataclasses.dataclass(frozen=True)
class Foreign:
    value: int


SMALL = small_network()
BAD_ARRAY = dataclasses.replace(SMALL, array=dataclasses.replace(SMALL.array))
object.__setattr__(BAD_ARRAY.array, "output_lanes", 7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no compiled network"),
        (b"PK\x03\x04" + bytes(100), "is no compiled network"),
        (b"lconv\n\x1a" + bytes(100), "is no compiled network"),  # as text, with \r\n made \n
        (forged(SMALL, 2), "has format version 2, this lineconv reads up to 1: update it"),
        (forged(SMALL, 0), "is damaged"),
        (forged(SMALL) + b"x", "has something behind its end: "),
        (forged(Foreign(1)), "another version of lineconv, compile it again .*'Foreign'"),
        (forged(BAD_ARRAY), "another version of lineconv, .*output_lanes is 7"),
        (forged((1, 2)), "holds a tuple, no network"),
    ],
)
def test_foreign_files(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.lconv"
    path.write_bytes(data)
    with pytest.raises(InvalidFileError, match=f"^{path}: .*{message}") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError, match=r"none\.lconv: no such file"):
        load_network(tmp_path / "none.lconv")
    with pytest.raises(InvalidFileError, match="cannot be read"):
        load_network(tmp_path)
    with pytest.raises(InvalidFileError, match="cannot be written"):
        save_network(SMALL, tmp_path / "none" / "x.lconv")


def test_old_file_survives_a_failed_write(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError("No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InvalidFileError, match="No space left"):
        save_network(SMALL, saved)
    assert saved.read_bytes() == before
    assert [*saved.parent.iterdir()] == [saved]


def test_loads_with_numpy_alone(saved: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; before = set(sys.modules)\n"
        "from lineconv.compiler.container import load_network\n"
        f"assert isinstance(load_network({str(saved)!r}).name, str)\n"
        "assert not {'onnx', 'onnxruntime', 'pickle5', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_view_and_network_are_stored_whole() -> None:
    """A class whose constructor computes a field could not be read back."""
    for kind in (View, Network):
        assert all(field.init for field in dataclasses.fields(kind))
