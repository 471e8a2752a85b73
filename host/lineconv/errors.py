# SPDX-License-Identifier: Apache-2.0
"""The exceptions of lineconv; devices derive their own from `DeviceError` where they need to.

`InvalidInputError` means the caller passed something that cannot work and nothing was started;
`DeviceError` means a device was asked to work and did not finish.
"""


class LineconvError(Exception):
    """Base of all lineconv errors."""


class InvalidInputError(LineconvError, ValueError):
    """An argument has a value that is not allowed; the message names both."""


class InvalidLayerError(InvalidInputError):
    """A layer description is inconsistent or out of range."""


class InvalidTensorError(InvalidInputError):
    """An array has the wrong shape, element type or values."""


class InvalidFileError(InvalidInputError):
    """A file is damaged, of another version, or not what its name promises."""


class HostLayerError(InvalidInputError):
    """A network has layers that the engine cannot compute, and was to have none."""


class UnknownDeviceError(InvalidInputError):
    """No device answers to the given name."""


class NetworkMismatchError(InvalidInputError):
    """A network was compiled for another array than the device has."""


class DeviceError(LineconvError, RuntimeError):
    """A device failed while it was used."""


class BitstreamMismatchError(DeviceError, InvalidInputError):
    """The hardware identifies itself as something this package cannot drive.

    It is wrong input as well: whoever named the bitstream has to name another.
    """


class RunTimeoutError(DeviceError, TimeoutError):
    """A run did not finish in the time it was given."""


class DifferenceError(DeviceError):
    """A device computed something else than ONNX Runtime."""


class ProgramError(DeviceError):
    """The engine stopped a program at one of its descriptors.

    Attributes:
        code: error code that the engine wrote back.
        name: what the code is called.
        index: position of the offending descriptor in the program, from 0.
        layer: name of the layer that it is part of; empty if that is not known.
    """

    def __init__(self, code: int, name: str, index: int, layer: str = "") -> None:
        # All arguments go to the base class, so that the exception survives pickling.
        super().__init__(code, name, index, layer)
        self.code = code
        self.name = name
        self.index = index
        self.layer = layer

    def __str__(self) -> str:
        where = f"descriptor {self.index}" + (f" of layer {self.layer!r}" if self.layer else "")
        return f"program stopped at {where}: {self.name} (code {self.code})"
