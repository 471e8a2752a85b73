# SPDX-License-Identifier: Apache-2.0
"""Finds devices by name: `lineconv.open` and `lineconv.devices`.

A name is `family` or `family:target`. Families register themselves here, so that those which need
more than NumPy cost nothing until they are used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lineconv.driver import Accelerator
from lineconv.errors import DeviceError, UnknownDeviceError
from lineconv.presets import PRESETS, Preset

__all__ = ["DeviceInfo", "Family", "devices", "for_target", "open", "register", "target_of"]

_VIRTUAL = ("sim", "model")  # families that have every preset


@dataclass(frozen=True)
class DeviceInfo:
    """A device that can be opened.

    Attributes:
        name: for `lineconv.open`.
        description: one line.
    """

    name: str
    description: str


@dataclass(frozen=True)
class Family:
    """A kind of device.

    Attributes:
        name: what device names start with.
        devices: those that are there now, the default one first.
        open: opens `family:target`; the target is '' if the name has none. It raises
            UnknownDeviceError for a target that does not exist.
    """

    name: str
    devices: Callable[[], list[DeviceInfo]]
    open: Callable[[str], Accelerator]


_families: list[Family] = []


def register(family: Family, *, first: bool = False) -> None:
    """Add a family; `first` puts its devices ahead of those registered before."""
    _families.insert(0 if first else len(_families), family)


def devices() -> list[DeviceInfo]:
    """All devices that can be opened here; the first is what `open()` opens."""
    return [device for family in _families for device in family.devices()]


def open(device: str | None = None) -> Accelerator:
    """Open a device.

    Args:
        device: a name from `devices()`, or a family for its default; None opens a board if there
            is one, else the virtual board.

    Raises:
        UnknownDeviceError: there is no such device.
        DeviceError: the device is there but cannot be used.
    """
    if device is None:
        device = devices()[0].name
    name, _, target = str(device).partition(":")
    for family in _families:
        if family.name == name:
            return family.open(target)
    raise unknown(device)


def for_target(device: str | None, target: str) -> str:
    """The device to run on what was compiled for a preset.

    Args:
        device: as for `open`; of virtual ones that name no target, that of `target` is meant.
    """
    device = device or devices()[0].name.partition(":")[0]
    return f"{device}:{target}" if device in _VIRTUAL else device


def target_of(device: str | None) -> str:
    """The preset to compile for, to run on a device: that of a virtual one, else the first."""
    family, _, target = (device or "").partition(":")
    return target if family in _VIRTUAL and target else next(iter(PRESETS))


def unknown(device: object) -> UnknownDeviceError:
    """The error for a name that nothing answers to."""
    known = ", ".join(info.name for info in devices())
    return UnknownDeviceError(f"unknown device {device!r}, there are: {known}")


def _preset_devices(family: str, what: str) -> list[DeviceInfo]:
    return [
        DeviceInfo(f"{family}:{preset.name}", f"{what}; {preset.description}")
        for preset in PRESETS.values()
    ]


def _preset(family: str, target: str) -> Preset:
    if not target:
        return next(iter(PRESETS.values()))
    if target not in PRESETS:
        raise unknown(f"{family}:{target}")
    return PRESETS[target]


def _open_sim(target: str) -> Accelerator:
    from lineconv.virtual_board import VirtualBoard

    preset = _preset("sim", target)
    board = VirtualBoard(preset)
    return Accelerator(
        board,
        board,
        wait=board.wait,
        clock_hz=preset.clock_hz,
        name=f"sim:{preset.name}",
        simulated=True,
        memory_model=preset.memory,
        close=board.close,
    )


def _open_model(target: str) -> Accelerator:
    from lineconv.model_board import ModelBoard

    preset = _preset("model", target)
    board = ModelBoard(preset.array)
    return Accelerator(
        board,
        board,
        wait=board.wait,
        clock_hz=preset.clock_hz,
        name=f"model:{preset.name}",
        simulated=True,
    )


def _boards() -> list[DeviceInfo]:
    # Not pynq itself: importing it takes seconds, and it warns where there is no board.
    if not any(Path("/sys/class/fpga_manager").glob("*")):
        return []
    return [DeviceInfo("pynq", "Board under pynq; pynq:FILE is an overlay other than lineconv.bit")]


def _open_pynq(target: str) -> Accelerator:
    try:
        from lineconv.overlay import DEFAULT_BITFILE, open_overlay
    except ImportError as error:
        raise DeviceError(f"boards need pynq, pip install 'lineconv[pynq]': {error}") from error
    return open_overlay(target or DEFAULT_BITFILE)


register(Family("pynq", _boards, _open_pynq))
register(Family("sim", lambda: _preset_devices("sim", "RTL in simulation"), _open_sim))
register(
    Family("model", lambda: _preset_devices("model", "NumPy, no hardware, no cycles"), _open_model)
)
