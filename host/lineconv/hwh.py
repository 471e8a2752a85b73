# SPDX-License-Identifier: Apache-2.0
"""Hardware description (.hwh) of an overlay with one engine, as pynq reads it.

Vivado writes such a file for a block design. This one is written without Vivado, from the register
table, for the virtual device: the engine, and the interrupt controller that pynq needs between it
and the processor. `python -m lineconv.hwh --output DIRECTORY` also writes the .bit that pynq wants
to find next to it, a header that configures nothing.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lineconv import regs

__all__ = [
    "ENGINE",
    "ENGINE_ADDRESS",
    "INTERRUPT_CONTROLLER",
    "INTERRUPT_CONTROLLER_ADDRESS",
    "Family",
    "describe",
    "dummy_bit",
    "write",
]

Family: TypeAlias = Literal["zynq", "zynqmp"]
_Pin: TypeAlias = tuple[str, str]  # instance, port

ENGINE = "lineconv_0"  # instance, and so the attribute of the overlay
ENGINE_ADDRESS = 0x4000_0000
INTERRUPT_CONTROLLER = "axi_intc_0"
INTERRUPT_CONTROLLER_ADDRESS = 0x4180_0000
_RANGE = 0x1_0000
_AXI = "xilinx.com:interface:aximm:1.0"
_ACCESS = {"rw": "read-write", "ro": "read-only", "w1": "write-only"}

# Interrupts reach the processor through xlconcat and axi_intc: pynq finds no others.
_CONCAT = "xlconcat_0"


@dataclass(frozen=True)
class _Processor:
    """What the two families call the same things."""

    module: str
    vlnv: str
    bus: str
    interrupts: str
    device: tuple[str, str]
    parameters: dict[str, str]

    @property
    def instance(self) -> str:
        return f"{self.module}_0"


# pynq refuses a description without the clocks of the processor. 150 MHz is 1500 MHz / 5 / 2.
_PROCESSORS: dict[Family, _Processor] = {
    "zynq": _Processor(
        module="processing_system7",
        vlnv="xilinx.com:ip:processing_system7:5.5",
        bus="M_AXI_GP0",
        interrupts="IRQ_F2P",
        device=("7z020", "clg400"),
        parameters={
            name: value
            for clock in range(4)
            for name, value in (
                (f"PCW_FPGA_FCLK{clock}_ENABLE", str(int(clock == 0))),
                (f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR0", "5"),
                (f"PCW_FCLK{clock}_PERIPHERAL_DIVISOR1", "2"),
                (f"PCW_FCLK{clock}_PERIPHERAL_CLKSRC", "IO PLL"),
            )
        },
    ),
    "zynqmp": _Processor(
        module="zynq_ultra_ps_e",
        vlnv="xilinx.com:ip:zynq_ultra_ps_e:3.5",
        bus="M_AXI_HPM0_FPD",
        interrupts="pl_ps_irq0",
        device=("xck26", "sfvc784"),
        parameters={
            name: value
            for clock in range(4)
            for name, value in (
                (f"PSU__FPGA_PL{clock}_ENABLE", str(int(clock == 0))),
                (f"PSU__CRL_APB__PL{clock}_REF_CTRL__DIVISOR0", "10"),
                (f"PSU__CRL_APB__PL{clock}_REF_CTRL__DIVISOR1", "1"),
                (f"PSU__CRL_APB__PL{clock}_REF_CTRL__ACT_FREQMHZ", "150"),
                (f"PSU__CRL_APB__PL{clock}_REF_CTRL__SRCSEL", "IOPLL"),
            )
        },
    ),
}


def describe(family: Family = "zynq", *, vlnv: str = regs.VLNV) -> str:
    """The .hwh text.

    Args:
        family: processor that the overlay is for.
        vlnv: identity of the engine, vendor:library:name:version.
    """
    processor = _PROCESSORS[family]
    design = Element("EDKSYSTEM", EDWVERSION="1.2")
    device, package = processor.device
    SubElement(design, "SYSTEMINFO", ARCH=family, NAME="lineconv", DEVICE=device, PACKAGE=package)
    SubElement(design, "EXTERNALPORTS")
    SubElement(design, "EXTERNALINTERFACES")
    modules = SubElement(design, "MODULES")
    interrupt = (ENGINE, "interrupt")
    concat_in, concat_out = (_CONCAT, "In0"), (_CONCAT, "dout")
    lines, request = (INTERRUPT_CONTROLLER, "intr"), (INTERRUPT_CONTROLLER, "irq")
    processor_in = (processor.instance, processor.interrupts)

    module = _module(modules, processor.instance, processor.vlnv, processor.parameters)
    _ports(module, [_Port(processor_in, request, "I")])
    _bus(module, processor.bus, "MASTER")
    ranges = SubElement(module, "MEMORYMAP")
    _range(ranges, processor.bus, ENGINE, "s_axi_control", ENGINE_ADDRESS)
    _range(ranges, processor.bus, INTERRUPT_CONTROLLER, "s_axi", INTERRUPT_CONTROLLER_ADDRESS)

    module = _module(modules, ENGINE, vlnv, _ENGINE_PARAMETERS)
    _registers(module, "s_axi_control")
    _ports(module, [_Port(interrupt, concat_in, "O")])
    _bus(module, "s_axi_control", "SLAVE")

    module = _module(modules, _CONCAT, "xilinx.com:ip:xlconcat:2.1", {"NUM_PORTS": "1"})
    _ports(module, [_Port(concat_in, interrupt, "I"), _Port(concat_out, lines, "O")])
    SubElement(module, "BUSINTERFACES")

    module = _module(modules, INTERRUPT_CONTROLLER, "xilinx.com:ip:axi_intc:4.1", {})
    _ports(module, [_Port(lines, concat_out, "I"), _Port(request, processor_in, "O")])
    _bus(module, "s_axi", "SLAVE")

    indent(design)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(design, encoding="unicode") + "\n"


def dummy_bit() -> bytes:
    """A .bit with a valid header that names itself a dummy, and four bytes that mean 'no-op'."""
    fields = (
        (b"a", b"lineconv;DUMMY=configures nothing, for the virtual device"),
        (b"b", b"none"),
        (b"c", b"1970/01/01"),
        (b"d", b"00:00:00"),
    )
    bit = struct.pack(">H", 9) + bytes.fromhex("0ff00ff00ff00ff000") + struct.pack(">H", 1)
    for key, text in fields:
        bit += key + struct.pack(">H", len(text) + 1) + text + b"\0"
    data = bytes.fromhex("20000000")
    return bit + b"e" + struct.pack(">I", len(data)) + data


def write(directory: Path, family: Family = "zynq") -> list[Path]:
    """Write lineconv.hwh and lineconv.bit; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    description, bit = directory / "lineconv.hwh", directory / "lineconv.bit"
    description.write_text(describe(family), encoding="utf-8")
    bit.write_bytes(dummy_bit())
    return [description, bit]


# Sizes of the array are missing on purpose: the driver reads them from the engine, and one
# description serves every preset.
_ENGINE_PARAMETERS = {
    "C_S_AXI_CONTROL_ADDR_WIDTH": str(regs.REGISTER_BYTES.bit_length() - 1),
    "C_S_AXI_CONTROL_DATA_WIDTH": "32",
    "C_M_AXI_GMEM0_ADDR_WIDTH": "32",
    "C_M_AXI_GMEM0_DATA_WIDTH": "64",
    "C_M_AXI_GMEM1_ADDR_WIDTH": "32",
    "C_M_AXI_GMEM1_DATA_WIDTH": "64",
}


@dataclass(frozen=True)
class _Port:
    pin: _Pin
    peer: _Pin
    direction: Literal["I", "O"]


def _module(modules: Element, instance: str, vlnv: str, parameters: dict[str, str]) -> Element:
    module = SubElement(
        modules,
        "MODULE",
        FULLNAME=f"/{instance}",
        INSTANCE=instance,
        MODTYPE=vlnv.split(":")[2],
        VLNV=vlnv,
    )
    table = SubElement(module, "PARAMETERS")
    for name, value in parameters.items():
        SubElement(table, "PARAMETER", NAME=name, VALUE=value)
    return module


def _ports(module: Element, ports: Iterable[_Port]) -> None:
    table = SubElement(module, "PORTS")
    for port in ports:
        driver = port.pin if port.direction == "O" else port.peer
        element = SubElement(
            table,
            "PORT",
            DIR=port.direction,
            NAME=port.pin[1],
            SIGIS="INTERRUPT",
            SIGNAME="_".join(driver),
        )
        connections = SubElement(element, "CONNECTIONS")
        SubElement(connections, "CONNECTION", INSTANCE=port.peer[0], PORT=port.peer[1])


def _bus(module: Element, name: str, kind: Literal["MASTER", "SLAVE"]) -> None:
    interfaces = SubElement(module, "BUSINTERFACES")
    interface = SubElement(interfaces, "BUSINTERFACE", NAME=name, TYPE=kind, VLNV=_AXI)
    SubElement(interface, "PORTMAPS")


def _range(ranges: Element, master: str, instance: str, slave: str, base: int) -> None:
    SubElement(
        ranges,
        "MEMRANGE",
        ADDRESSBLOCK="Reg",
        BASEVALUE=f"0x{base:08X}",
        HIGHVALUE=f"0x{base + _RANGE - 1:08X}",
        INSTANCE=instance,
        MASTERBUSINTERFACE=master,
        MEMTYPE="REGISTER",
        SLAVEBUSINTERFACE=slave,
    )


def _registers(module: Element, interface: str) -> None:
    blocks = SubElement(module, "ADDRESSBLOCKS")
    block = SubElement(
        blocks,
        "ADDRESSBLOCK",
        INTERFACE=interface,
        NAME="Reg",
        RANGE=str(regs.REGISTER_BYTES),
        USAGE="register",
    )
    table = SubElement(block, "REGISTERS")
    for register in regs.REGISTERS:
        element = SubElement(table, "REGISTER", NAME=register.name)
        _property(element, "DESCRIPTION", register.text)
        _property(element, "ADDRESS_OFFSET", register.offset)
        _property(element, "SIZE", 32)
        _property(element, "ACCESS", _ACCESS[register.access])
        fields = SubElement(element, "FIELDS")
        # Like Vitis HLS, a register of one value has one field of the same name.
        whole = regs.Field(register.name, 0, 32, register.access, register.text)
        for field in register.fields or (whole,):
            child = SubElement(fields, "FIELD", NAME=field.name)
            _property(child, "DESCRIPTION", field.text)
            _property(child, "BIT_OFFSET", field.lsb)
            _property(child, "BIT_WIDTH", field.bits)
            _property(child, "ACCESS", _ACCESS[field.access])


def _property(element: Element, name: str, value: object) -> None:
    SubElement(element, "PROPERTY", NAME=name, VALUE=str(value))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the two files; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lineconv.hwh", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory to write to")
    parser.add_argument("--family", choices=tuple(_PROCESSORS), default="zynq")
    options = parser.parse_args(arguments)
    for path in write(options.output, options.family):
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
