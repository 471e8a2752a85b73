# SPDX-License-Identifier: Apache-2.0
"""The register map and the descriptor: one source, fresh outputs, names that PYNQ can carry."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lineconv import regs

ROOT = Path(__file__).resolve().parents[1]
# pynq builds attributes from these names; the four break its register_map (PYNQ issue 1480).
RESERVED = {"width", "address", "access", "debug"}


def test_generated_files_are_fresh() -> None:
    command = [sys.executable, str(ROOT / "rtl/regs/generate.py"), "--check"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + "run `make regs`"


def test_no_name_breaks_pynq_register_map() -> None:
    names = {r.name for r in regs.REGISTERS} | {f.name for r in regs.REGISTERS for f in r.fields}
    assert not {name.lower() for name in names} & RESERVED


def test_vlnv_has_major_minor_version() -> None:
    assert re.fullmatch(r"[\w.]+:\w+:\w+:\d+\.\d+", regs.VLNV)


def test_registers_do_not_overlap() -> None:
    offsets = [register.offset for register in regs.REGISTERS]
    assert offsets == sorted(set(offsets))
    assert all(o % 4 == 0 and 0 <= o < regs.REGISTER_BYTES for o in offsets)
    for register in regs.REGISTERS:
        used = 0
        for field in register.fields:
            mask = ((1 << field.bits) - 1) << field.lsb
            assert not used & mask, f"{register.name}.{field.name} overlaps"
            used |= mask
        assert used < 1 << 32


@pytest.mark.parametrize(
    ("name", "offset"), [("CTRL", 0x00), ("GIER", 0x04), ("IP_IER", 0x08), ("IP_ISR", 0x0C)]
)
def test_control_block_is_the_vitis_hls_one(name: str, offset: int) -> None:
    """AMD UG1399, "S_AXILITE Control Register Map"."""
    assert getattr(regs, name) == offset


def test_descriptor_lies_in_its_blocks() -> None:
    assert regs.DESCRIPTOR.itemsize == regs.DESCRIPTOR_BYTES
    fields = regs.DESCRIPTOR.fields
    assert fields is not None
    ends = {name: offset + dtype.itemsize for name, (dtype, offset, *_) in fields.items()}
    result_end = regs.RESULT_OFFSET + regs.RESULT_BYTES
    for name, end in ends.items():
        offset = fields[name][1]
        assert end <= regs.DESCRIPTOR_READ_BYTES or regs.RESULT_OFFSET <= offset < end <= result_end
        assert offset % np.dtype(fields[name][0]).itemsize == 0, f"{name} is not aligned"
