# SPDX-License-Identifier: Apache-2.0
"""Write the files that share interface.toml: SystemVerilog, C++, Python, Markdown.

Usage: python rtl/regs/generate.py [--check]   (--check only reports stale files, exit code 1)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
SOURCE = Path(__file__).with_name("interface.toml")
NOTE = "Generated from rtl/regs/interface.toml by `make regs`; do not edit."
SPDX_SLASHES = "// SPDX-License-Identifier: Apache-2.0"
NUMPY_TYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8", "i16": "<i2"}
BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "i16": 16}

Spec = dict[str, Any]


def camel(name: str) -> str:
    """`AP_START` or `input_height` -> `ApStart`, `InputHeight`."""
    return "".join(part.capitalize() for part in name.lower().split("_"))


def upper_snake(name: str) -> str:
    """`ResultOffset` -> `RESULT_OFFSET`."""
    return "".join("_" + c if c.isupper() else c.upper() for c in name).lstrip("_")


def lines(parts: list[str]) -> str:
    return "\n".join(parts) + "\n"


def constants(spec: Spec) -> list[tuple[str, int]]:
    """Scalar constants that every language gets, under their CamelCase name."""
    ip, descriptor = spec["ip"], spec["descriptor"]
    return [
        ("Identity", ip["magic"]),
        ("InterfaceVersion", ip["interface_version"]),
        ("RegisterBytes", ip["register_bytes"]),
        ("DescriptorBytes", ip["descriptor_bytes"]),
        ("DescriptorReadBytes", descriptor["read_bytes"]),
        ("ResultOffset", descriptor["result_offset"]),
        ("ResultBytes", descriptor["result_bytes"]),
        ("WatchdogReset", next(r["reset"] for r in spec["register"] if "reset" in r)),
    ]


def packed_fields(fields: list[Spec], first: int, size: int) -> list[tuple[str, int, str]]:
    """Fields of a block in memory order, gaps filled: (name, bits, type)."""
    out: list[tuple[str, int, str]] = []
    at = first
    for field in sorted(fields, key=lambda f: int(f["offset"])):
        if field["offset"] < at:
            raise SystemExit(f"{SOURCE.name}: {field['name']} overlaps the field before it")
        if field["offset"] > at:
            out.append((f"reserved_{at:02x}", 8 * (field["offset"] - at), "u"))
        bits = BITS[field["type"]]
        out.append((field["name"], bits, field["type"]))
        at = field["offset"] + bits // 8
    if at < first + size:
        out.append((f"reserved_{at:02x}", 8 * (first + size - at), "u"))
    return out


def read_block(descriptor: Spec) -> list[tuple[str, int, str]]:
    return packed_fields(descriptor["field"], 0, descriptor["read_bytes"])


def result_block(descriptor: Spec) -> list[tuple[str, int, str]]:
    start, size = descriptor["result_offset"], descriptor["result_bytes"]
    return packed_fields(descriptor["result"], start, size)


def sv_struct(name: str, fields: list[tuple[str, int, str]]) -> list[str]:
    # The first member of a packed struct is its top: reverse, so that byte 0 is bits 7..0.
    lines = ["  typedef struct packed {"]
    for field, bits, kind in reversed(fields):
        sign = "signed " if kind.startswith("i") else ""
        lines.append(f"    logic {sign}[{bits - 1}:0] {field};")
    return [*lines, f"  }} {name};", ""]


def systemverilog(spec: Spec) -> str:
    descriptor = spec["descriptor"]
    out = [f"// {NOTE}", SPDX_SLASHES, ""]
    # A package serves several modules; each uses only part of it.
    out += ["// verilator lint_off UNUSEDPARAM", "package conv_regs_pkg;", ""]
    for name, value in constants(spec):
        out.append(f"  localparam int unsigned {name} = 32'h{value:x};")
    out += ["", "  // Byte offsets of the control registers."]
    for register in spec["register"]:
        name, offset = camel(register["name"]), register["offset"]
        out.append(f"  localparam logic [7:0] {name}Offset = 8'h{offset:02x};")
    out.append("")
    for enum in spec["enum"]:
        prefix = camel(enum["name"])
        values = [f"    {prefix}{camel(v['name'])} = 8'd{v['value']}" for v in enum["values"]]
        out += ["  typedef enum logic [7:0] {", ",\n".join(values), f"  }} {enum['name']}_e;", ""]
    out.append("  // The part of a descriptor that the engine reads.")
    out += sv_struct("descriptor_t", read_block(descriptor))
    out.append("  // The part of a descriptor that the engine writes.")
    out += sv_struct("result_t", result_block(descriptor))
    return lines([*out, "endpackage", "// verilator lint_on UNUSEDPARAM"])


def cpp_struct(name: str, fields: list[tuple[str, int, str]], size: int) -> list[str]:
    out = [f"struct {name} {{"]
    for field, bits, kind in fields:
        if field.startswith("reserved"):
            out.append(f"    uint8_t {field}[{bits // 8}];")
        else:
            out.append(f"    {'int' if kind.startswith('i') else 'uint'}{bits}_t {field};")
    return [*out, "};", f"static_assert(sizeof({name}) == {size});", ""]


def cpp(spec: Spec) -> str:
    descriptor = spec["descriptor"]
    out = [f"// {NOTE}", SPDX_SLASHES, "#pragma once", "", "#include <cstdint>", ""]
    out += ["namespace conv {", ""]
    out += [f"constexpr uint32_t k{name} = 0x{value:x};" for name, value in constants(spec)]
    out.append("")
    for register in spec["register"]:
        name, offset = camel(register["name"]), register["offset"]
        out.append(f"constexpr uint32_t k{name}Offset = 0x{offset:02x};")
    out.append("")
    for enum in spec["enum"]:
        values = [f"    k{camel(v['name'])} = {v['value']}," for v in enum["values"]]
        out += [f"enum class {camel(enum['name'])} : uint8_t {{", *values, "};", ""]
    out += cpp_struct("Descriptor", read_block(descriptor), descriptor["read_bytes"])
    out += cpp_struct("Result", result_block(descriptor), descriptor["result_bytes"])
    return lines([*out, "}  // namespace conv"])


PYTHON_HEAD = '''\
"""Control registers, layer descriptor and error codes, shared with the hardware."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
'''

PYTHON_TYPES = '''

class Field(NamedTuple):
    """Bit field of a register."""

    name: str
    lsb: int
    bits: int
    access: str
    text: str


class Register(NamedTuple):
    """One 32-bit control register; access is rw, ro or w1."""

    name: str
    offset: int
    access: str
    reset: int
    text: str
    fields: tuple[Field, ...]

'''


def python_register(register: Spec) -> list[str]:
    keys = (register["name"], register["offset"], register["access"])
    out = ["    Register("]
    out += [f"        {value!r}," for value in (*keys, register.get("reset", 0), register["text"])]
    out.append("        (")
    for field in register.get("fields", []):
        values = [repr(field[key]) for key in ("name", "lsb", "bits", "access", "text")]
        out.append(f"            Field({', '.join(values)}),")
    return [*out, "        ),", "    ),"]


def python(spec: Spec) -> str:
    ip, descriptor = spec["ip"], spec["descriptor"]
    vlnv = ":".join(ip[key] for key in ("vendor", "library", "name", "version"))
    out = [f"# {NOTE}", "# SPDX-License-Identifier: Apache-2.0", PYTHON_HEAD]
    out.append(f"VLNV = {vlnv!r}")
    out += [f"{upper_snake(name)} = 0x{value:X}" for name, value in constants(spec)]
    out += [PYTHON_TYPES, "REGISTERS = ("]
    for register in spec["register"]:
        out += python_register(register)
    out += [")", ""]
    out += [f"{r['name']} = 0x{r['offset']:02X}" for r in spec["register"]]
    for enum in spec["enum"]:
        out += ["", "", f"class {camel(enum['name'])}(IntEnum):", f'    """{enum["text"]}"""', ""]
        out += [f"    {v['name']} = {v['value']}" for v in enum["values"]]
    errors = next(enum for enum in spec["enum"] if enum["name"] == "error")
    texts = [f"    Error.{v['name']}: {v['text']!r}," for v in errors["values"]]
    out += ["", "", "ERROR_TEXT = {", *texts, "}", "", "DESCRIPTOR = np.dtype(", "    {"]
    fields = [*descriptor["field"], *descriptor["result"]]
    for key, values in (
        ("names", [repr(f["name"]) for f in fields]),
        ("formats", [repr(NUMPY_TYPES[f["type"]]) for f in fields]),
        ("offsets", [f"0x{f['offset']:02X}" for f in fields]),
    ):
        out += [f'        "{key}": [', *(f"            {value}," for value in values), "        ],"]
    return lines([*out, '        "itemsize": DESCRIPTOR_BYTES,', "    }", ")"])


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    out = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return out + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def bit_range(field: Spec) -> str:
    top = field["lsb"] + field["bits"] - 1
    return str(top) if field["bits"] == 1 else f"{top}..{field['lsb']}"


def markdown(spec: Spec) -> str:
    ip, descriptor = spec["ip"], spec["descriptor"]
    vlnv = ":".join(ip[key] for key in ("vendor", "library", "name", "version"))
    out = [f"<!-- {NOTE} -->", "# Registers, layer descriptor, error codes", ""]
    out += [f"VLNV `{vlnv}`.", "", "## Control registers (AXI4-Lite, `s_axi_control`)", ""]
    head = ["Offset", "Name", "Access", "Meaning"]
    out += table(
        head,
        [
            [f"0x{r['offset']:02X}", f"`{r['name']}`", r["access"], r["text"]]
            for r in spec["register"]
        ],
    )
    for register in spec["register"]:
        if fields := register.get("fields"):
            out += [f"### {register['name']} (0x{register['offset']:02X})", ""]
            rows = [[bit_range(f), f"`{f['name']}`", f["access"], f["text"]] for f in fields]
            out += table(["Bits", "Field", "Access", "Meaning"], rows)
    out += [f"## Layer descriptor ({ip['descriptor_bytes']} bytes, little-endian)", ""]
    read = descriptor["read_bytes"]
    out += [f"The engine reads the first {read} bytes; bytes without a field are 0.", ""]
    for title, key in (("Read by the engine", "field"), ("Written back by the engine", "result")):
        rows = [
            [f"0x{f['offset']:02X}", f["type"], f"`{f['name']}`", f["text"]]
            for f in descriptor[key]
        ]
        out += [f"### {title}", "", *table(["Offset", "Type", "Field", "Meaning"], rows)]
    for enum in spec["enum"]:
        rows = [[str(v["value"]), f"`{v['name']}`", v["text"]] for v in enum["values"]]
        out += [f"## {enum['text'].rstrip('.')} (`{enum['name']}`)", ""]
        out += table(["Value", "Name", "Meaning"], rows)
    return lines(out[:-1])


OUTPUTS = {
    "rtl/conv_regs_pkg.sv": systemverilog,
    "hls/conv_regs.hpp": cpp,
    "host/lineconv/regs.py": python,
    "docs/registers.md": markdown,
}


def main(arguments: list[str]) -> int:
    spec = tomllib.loads(SOURCE.read_text())
    stale = []
    for name, render in OUTPUTS.items():
        path, text = ROOT / name, render(spec)
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for name in stale:
        print(f"{'stale' if '--check' in arguments else 'wrote'}: {name}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
