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
BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "i16": 16}

Spec = dict[str, Any]


def camel(name: str) -> str:
    """`AP_START` or `input_height` -> `ApStart`, `InputHeight`."""
    return "".join(part.capitalize() for part in name.lower().split("_"))


def constants(spec: Spec) -> list[tuple[str, int]]:
    """Scalar constants that every language gets, under their CamelCase name."""
    ip, descriptor = spec["ip"], spec["descriptor"]
    return [
        ("Magic", ip["magic"]),
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


def sv_struct(name: str, fields: list[tuple[str, int, str]]) -> list[str]:
    # The first member of a packed struct is its top: reverse, so that byte 0 is bits 7..0.
    lines = ["  typedef struct packed {"]
    for field, bits, kind in reversed(fields):
        sign = "signed " if kind.startswith("i") else ""
        lines.append(f"    logic {sign}[{bits - 1}:0] {field};")
    return [*lines, f"  }} {name};", ""]


def systemverilog(spec: Spec) -> str:
    descriptor = spec["descriptor"]
    out = [f"// {NOTE}", "// SPDX-License-Identifier: Apache-2.0", ""]
    # A package serves several modules; each uses only part of it.
    out += ["// verilator lint_off UNUSEDPARAM", "package conv_regs_pkg;", ""]
    for name, value in constants(spec):
        out.append(f"  localparam int unsigned {name} = 32'h{value:x};")
    out += ["", "  // Byte offsets of the control registers."]
    for register in spec["register"]:
        out.append(f"  localparam logic [7:0] {camel(register['name'])}Offset = 8'h{register['offset']:02x};")
    out.append("")
    for enum in spec["enum"]:
        bits = 8
        out.append(f"  typedef enum logic [{bits - 1}:0] {{")
        rows = [f"    {camel(enum['name'])}{camel(v['name'])} = 8'd{v['value']}" for v in enum["values"]]
        out += [",\n".join(rows), f"  }} {enum['name']}_e;", ""]
    out.append("  // The part of a descriptor that the engine reads.")
    out += sv_struct("descriptor_t", packed_fields(descriptor["field"], 0, descriptor["read_bytes"]))
    out.append("  // The part of a descriptor that the engine writes.")
    out += sv_struct(
        "result_t",
        packed_fields(descriptor["result"], descriptor["result_offset"], descriptor["result_bytes"]),
    )
    return "\n".join([*out, "endpackage", "// verilator lint_on UNUSEDPARAM"]) + "\n"


def cpp_struct(name: str, fields: list[tuple[str, int, str]]) -> list[str]:
    lines = [f"struct {name} {{"]
    for field, bits, kind in fields:
        if field.startswith("reserved"):
            lines.append(f"    uint8_t {field}[{bits // 8}];")
        else:
            lines.append(f"    {'int' if kind.startswith('i') else 'uint'}{bits}_t {field};")
    return [*lines, "};", ""]


def cpp(spec: Spec) -> str:
    descriptor = spec["descriptor"]
    out = [f"// {NOTE}", "// SPDX-License-Identifier: Apache-2.0", "#pragma once", "", "#include <cstdint>"]
    out += ["", "namespace conv {", ""]
    for name, value in constants(spec):
        out.append(f"constexpr uint32_t k{name} = 0x{value:x};")
    out.append("")
    for register in spec["register"]:
        out.append(f"constexpr uint32_t k{camel(register['name'])}Offset = 0x{register['offset']:02x};")
    out.append("")
    for enum in spec["enum"]:
        out.append(f"enum class {camel(enum['name'])} : uint8_t {{")
        out += [f"    k{camel(v['name'])} = {v['value']}," for v in enum["values"]]
        out += ["};", ""]
    out += cpp_struct("Descriptor", packed_fields(descriptor["field"], 0, descriptor["read_bytes"]))
    out += [f"static_assert(sizeof(Descriptor) == {descriptor['read_bytes']});", ""]
    out += cpp_struct(
        "Result",
        packed_fields(descriptor["result"], descriptor["result_offset"], descriptor["result_bytes"]),
    )
    out += [f"static_assert(sizeof(Result) == {descriptor['result_bytes']});", ""]
    return "\n".join([*out, "}  // namespace conv"]) + "\n"


def python(spec: Spec) -> str:
    ip, descriptor = spec["ip"], spec["descriptor"]
    numpy_types = {"u8": "u1", "u16": "<u2", "u32": "<u4", "u64": "<u8", "i16": "<i2"}
    vlnv = ":".join(ip[k] for k in ("vendor", "library", "name", "version"))
    out = [f"# {NOTE}", "# SPDX-License-Identifier: Apache-2.0"]
    out += ['"""Control registers, layer descriptor and error codes, shared with the hardware."""', ""]
    out += ["from enum import IntEnum", "from typing import NamedTuple", "", "import numpy as np", ""]
    out.append(f'VLNV = "{vlnv}"')
    for name, value in constants(spec):
        snake = "".join("_" + c if c.isupper() else c.upper() for c in name).lstrip("_")
        out.append(f"{snake} = 0x{value:X}")
    out += ["", ""]
    out += ["class Field(NamedTuple):", '    """Bit field of a register."""', ""]
    out += ["    name: str", "    lsb: int", "    bits: int", "    access: str", "    text: str", "", ""]
    out += ["class Register(NamedTuple):", '    """One 32-bit control register; access is rw, ro or w1."""', ""]
    out += ["    name: str", "    offset: int", "    access: str", "    reset: int", "    text: str"]
    out += ["    fields: tuple[Field, ...]", "", "", "REGISTERS = ("]
    for register in spec["register"]:
        out += ["    Register(", f'        "{register["name"]}",', f"        0x{register['offset']:02X},"]
        out += [f'        "{register["access"]}",', f"        {register.get('reset', 0)},"]
        out += [f'        "{register["text"]}",', "        ("]
        for field in register.get("fields", []):
            out.append(
                f'            Field("{field["name"]}", {field["lsb"]}, {field["bits"]}, "{field["access"]}", '
                f'"{field["text"]}"),'
            )
        out += ["        ),", "    ),"]
    out += [")", ""]
    for register in spec["register"]:
        out.append(f"{register['name']} = 0x{register['offset']:02X}")
    out += [""]
    for enum in spec["enum"]:
        out += ["", f"class {camel(enum['name'])}(IntEnum):", f'    """{enum["text"]}"""', ""]
        out += [f"    {v['name']} = {v['value']}" for v in enum["values"]] + [""]
    out += ["", "ERROR_TEXT = {"]
    errors = next(e for e in spec["enum"] if e["name"] == "error")
    out += [f'    Error.{v["name"]}: "{v["text"]}",' for v in errors["values"]]
    out += ["}", "", "DESCRIPTOR = np.dtype(", "    {"]
    fields = [*descriptor["field"], *descriptor["result"]]
    for key, values in (
        ("names", [f'"{f["name"]}"' for f in fields]),
        ("formats", [f'"{numpy_types[f["type"]]}"' for f in fields]),
        ("offsets", [f"0x{f['offset']:02X}" for f in fields]),
    ):
        out.append(f'        "{key}": [')
        out += [f"            {value}," for value in values]
        out.append("        ],")
    out += ['        "itemsize": DESCRIPTOR_BYTES,', "    }", ")"]
    return "\n".join(out) + "\n"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def markdown(spec: Spec) -> str:
    ip, descriptor = spec["ip"], spec["descriptor"]
    out = [f"<!-- {NOTE} -->", "# Registers, layer descriptor, error codes", ""]
    out += [f"VLNV `{ip['vendor']}:{ip['library']}:{ip['name']}:{ip['version']}`. ", ""]
    out += ["## Control registers (AXI4-Lite, `s_axi_control`)", ""]
    rows = [[f"0x{r['offset']:02X}", f"`{r['name']}`", r["access"], r["text"]] for r in spec["register"]]
    out += table(["Offset", "Name", "Access", "Meaning"], rows)
    for register in spec["register"]:
        if not register.get("fields"):
            continue
        out += [f"### {register['name']} (0x{register['offset']:02X})", ""]
        rows = []
        for f in register["fields"]:
            top = f["lsb"] + f["bits"] - 1
            bits = str(top) if f["bits"] == 1 else f"{top}..{f['lsb']}"
            rows.append([bits, f"`{f['name']}`", f["access"], f["text"]])
        out += table(["Bits", "Field", "Access", "Meaning"], rows)
    out += [f"## Layer descriptor ({ip['descriptor_bytes']} bytes, little-endian)", ""]
    out += [f"The engine reads the first {descriptor['read_bytes']} bytes; bytes without a field are 0.", ""]
    for title, key in (("Read by the engine", "field"), ("Written back by the engine", "result")):
        out += [f"### {title}", ""]
        rows = [[f"0x{f['offset']:02X}", f["type"], f"`{f['name']}`", f["text"]] for f in descriptor[key]]
        out += table(["Offset", "Type", "Field", "Meaning"], rows)
    for enum in spec["enum"]:
        out += [f"## {enum['text'].rstrip('.')} (`{enum['name']}`)", ""]
        out += table(
            ["Value", "Name", "Meaning"],
            [[str(v["value"]), f"`{v['name']}`", v["text"]] for v in enum["values"]],
        )
    return "\n".join(out).rstrip() + "\n"


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
