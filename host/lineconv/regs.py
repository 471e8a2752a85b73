# Generated from rtl/regs/interface.toml by `make regs`; do not edit.
# SPDX-License-Identifier: Apache-2.0
"""Control registers, layer descriptor and error codes, shared with the hardware."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

VLNV = 'lineconv.org:ip:lineconv:2.0'
IDENTITY = 0x4C434E56
INTERFACE_VERSION = 0x20000
REGISTER_BYTES = 0x100
DESCRIPTOR_BYTES = 0x100
DESCRIPTOR_READ_BYTES = 0x80
RESULT_OFFSET = 0xC0
RESULT_BYTES = 0x20
WATCHDOG_RESET = 0xF4240


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


REGISTERS = (
    Register(
        'CTRL',
        0,
        'rw',
        0,
        'Vitis HLS block control.',
        (
            Field('AP_START', 0, 1, 'rw', 'Write 1 to run the program; reads 1 until the run is accepted.'),
            Field('AP_DONE', 1, 1, 'ro', 'The run has ended; cleared by reading.'),
            Field('AP_IDLE', 2, 1, 'ro', 'No run in progress.'),
            Field('AP_READY', 3, 1, 'ro', 'The next start can be given; cleared by reading.'),
            Field('AUTO_RESTART', 7, 1, 'rw', 'Start again when a run ends.'),
            Field('INTERRUPT', 9, 1, 'ro', 'Level of the interrupt output.'),
        ),
    ),
    Register(
        'GIER',
        4,
        'rw',
        0,
        'Global interrupt enable.',
        (
            Field('ENABLE', 0, 1, 'rw', '1 lets pending interrupts reach the output.'),
        ),
    ),
    Register(
        'IP_IER',
        8,
        'rw',
        0,
        'Interrupt enable.',
        (
            Field('CHAN0_INT_EN', 0, 1, 'rw', 'Enable the ap_done interrupt.'),
            Field('CHAN1_INT_EN', 1, 1, 'rw', 'Enable the ap_ready interrupt.'),
        ),
    ),
    Register(
        'IP_ISR',
        12,
        'rw',
        0,
        'Interrupt status; writing 1 toggles a bit.',
        (
            Field('CHAN0_INT_ST', 0, 1, 'rw', 'ap_done happened while enabled.'),
            Field('CHAN1_INT_ST', 1, 1, 'rw', 'ap_ready happened while enabled.'),
        ),
    ),
    Register(
        'PROGRAM_1',
        16,
        'rw',
        0,
        'Address of the first descriptor, bits 31..0; a multiple of the descriptor size.',
        (
        ),
    ),
    Register(
        'PROGRAM_2',
        20,
        'rw',
        0,
        'Address of the first descriptor, bits 63..32.',
        (
        ),
    ),
    Register(
        'DESCRIPTOR_COUNT',
        28,
        'rw',
        0,
        'Number of descriptors in the program; 0 ends at once without touching memory.',
        (
        ),
    ),
    Register(
        'WINDOW_BASE_1',
        36,
        'rw',
        0,
        'First byte that the engine may touch, bits 31..0.',
        (
        ),
    ),
    Register(
        'WINDOW_BASE_2',
        40,
        'rw',
        0,
        'First byte that the engine may touch, bits 63..32.',
        (
        ),
    ),
    Register(
        'WINDOW_LAST_1',
        48,
        'rw',
        0,
        'Last byte that the engine may touch, bits 31..0.',
        (
        ),
    ),
    Register(
        'WINDOW_LAST_2',
        52,
        'rw',
        0,
        'Last byte that the engine may touch, bits 63..32.',
        (
        ),
    ),
    Register(
        'WATCHDOG_CYCLES',
        60,
        'rw',
        1000000,
        'Cycles without any progress (memory beat or MAC) after which a run is ended with WATCHDOG; 0 switches it off.',
        (
        ),
    ),
    Register(
        'SOFT_RESET',
        68,
        'w1',
        0,
        'Write 1 to abandon the run and return to idle; arguments keep their values.',
        (
            Field('RESET', 0, 1, 'w1', '1 resets the engine.'),
        ),
    ),
    Register(
        'STATUS',
        80,
        'ro',
        0,
        'Error code of the last run (see error codes); 0 is success.',
        (
        ),
    ),
    Register(
        'FAILED_INDEX',
        84,
        'ro',
        0,
        'Index of the descriptor that ended the run, when STATUS is not 0; for errors of the bus that of the layer that ran.',
        (
        ),
    ),
    Register(
        'COMPLETED',
        88,
        'ro',
        0,
        'Descriptors that ran to their end in the last run.',
        (
        ),
    ),
    Register(
        'CYCLES_1',
        96,
        'ro',
        0,
        'Clock cycles of the last run from start to done, bits 31..0.',
        (
        ),
    ),
    Register(
        'CYCLES_2',
        100,
        'ro',
        0,
        'Clock cycles of the last run from start to done, bits 63..32.',
        (
        ),
    ),
    Register(
        'MAGIC',
        128,
        'ro',
        0,
        "Identity: 0x4C434E56, 'LCNV'.",
        (
        ),
    ),
    Register(
        'VERSION',
        132,
        'ro',
        0,
        'Interface version: major in bits 31..16, minor in bits 15..0.',
        (
        ),
    ),
    Register(
        'LANES',
        136,
        'ro',
        0,
        'Shape of the MAC array.',
        (
            Field('INPUT_LANES', 0, 16, 'ro', 'Input bytes multiplied per cycle.'),
            Field('OUTPUT_LANES', 16, 16, 'ro', 'Output channels computed together (one group of CONV).'),
        ),
    ),
    Register(
        'WEIGHT_WORDS',
        140,
        'ro',
        0,
        'Weight buffer depth, in words: INPUT_LANES x OUTPUT_LANES bytes for CONV, VECTOR_LANES bytes for the other kinds.',
        (
        ),
    ),
    Register(
        'LINE_BUFFER_BEATS',
        144,
        'ro',
        0,
        'Line buffer capacity, in beats of BEAT_BYTES.',
        (
        ),
    ),
    Register(
        'MEMORY',
        148,
        'ro',
        0,
        'Memory side of the core.',
        (
            Field('BEAT_BYTES', 0, 8, 'ro', 'Bytes of one AXI beat.'),
            Field('ADDRESS_BITS', 8, 8, 'ro', 'Bits of an AXI address.'),
            Field('PARAMETER_SLICES', 16, 16, 'ro', 'Slices of BEAT_BYTES output channels whose bias and multiplier fit on chip.'),
        ),
    ),
    Register(
        'VECTOR',
        152,
        'ro',
        0,
        'Shape of the vector unit.',
        (
            Field('VECTOR_LANES', 0, 16, 'ro', 'Channels computed together by DEPTHWISE, MAX_POOL and ADD (one group).'),
        ),
    ),
)

CTRL = 0x00
GIER = 0x04
IP_IER = 0x08
IP_ISR = 0x0C
PROGRAM_1 = 0x10
PROGRAM_2 = 0x14
DESCRIPTOR_COUNT = 0x1C
WINDOW_BASE_1 = 0x24
WINDOW_BASE_2 = 0x28
WINDOW_LAST_1 = 0x30
WINDOW_LAST_2 = 0x34
WATCHDOG_CYCLES = 0x3C
SOFT_RESET = 0x44
STATUS = 0x50
FAILED_INDEX = 0x54
COMPLETED = 0x58
CYCLES_1 = 0x60
CYCLES_2 = 0x64
MAGIC = 0x80
VERSION = 0x84
LANES = 0x88
WEIGHT_WORDS = 0x8C
LINE_BUFFER_BEATS = 0x90
MEMORY = 0x94
VECTOR = 0x98


class Kind(IntEnum):
    """Layer kinds."""

    CONV = 1
    DEPTHWISE = 2
    MAX_POOL = 3
    ADD = 4


class Flag(IntEnum):
    """Flags."""

    INPUT_UNSIGNED = 1
    TABLE = 2
    WEIGHTS_BY_ROW = 4


class OutputType(IntEnum):
    """Output element types."""

    INT8 = 0
    UINT8 = 1
    INT32 = 2


class Rounding(IntEnum):
    """Rounding of the scaled accumulator to an integer."""

    HALF_EVEN = 0
    HALF_UP = 1
    FLOOR = 2


class Overflow(IntEnum):
    """What happens outside the output range."""

    SATURATE = 0
    SATURATE_SYMMETRIC = 1
    WRAP = 2


class Error(IntEnum):
    """Error codes of a run and of a descriptor."""

    OK = 0
    BAD_KIND = 1
    BAD_FORMAT = 2
    BAD_SHAPE = 3
    BAD_KERNEL = 4
    BAD_STRIDE = 5
    BAD_TILING = 6
    BAD_ADDRESS = 7
    READ_ERROR = 8
    WRITE_ERROR = 9
    WATCHDOG = 10


ERROR_TEXT = {
    Error.OK: 'No error.',
    Error.BAD_KIND: 'Unknown layer kind.',
    Error.BAD_FORMAT: 'output_type, rounding, overflow, flags, zero points or clamp out of range.',
    Error.BAD_SHAPE: 'A size is 0, the output does not fit the padded input, or channels do not fit the kind.',
    Error.BAD_KERNEL: 'Kernel, stride, dilation or padding out of range.',
    Error.BAD_STRIDE: 'A row stride is no multiple of BEAT_BYTES, or a pixel stride is smaller than the pixel.',
    Error.BAD_TILING: 'segment_words, row_slots or groups_per_pass do not fit the layer or the buffers.',
    Error.BAD_ADDRESS: 'An address is misaligned, or a tensor or the program leaves the window.',
    Error.READ_ERROR: 'AXI SLVERR or DECERR on a read.',
    Error.WRITE_ERROR: 'AXI SLVERR or DECERR on a write.',
    Error.WATCHDOG: 'No progress for WATCHDOG_CYCLES cycles.',
}

DESCRIPTOR = np.dtype(
    {
        "names": [
            'kind',
            'output_type',
            'rounding',
            'overflow',
            'flags',
            'input_address',
            'weights_address',
            'output_address',
            'input_height',
            'input_width',
            'input_channels',
            'output_channels',
            'input_row_stride',
            'input_pixel_stride',
            'output_row_stride',
            'output_pixel_stride',
            'output_height',
            'output_width',
            'kernel_height',
            'kernel_width',
            'stride_height',
            'stride_width',
            'dilation_height',
            'dilation_width',
            'pad_top',
            'pad_bottom',
            'pad_left',
            'pad_right',
            'input_zero_point',
            'output_zero_point',
            'clamp_min',
            'clamp_max',
            'groups_per_pass',
            'row_slots',
            'segment_words',
            'group_channels',
            'group_step',
            'second_address',
            'status',
            'cycles',
            'mac_cycles',
            'stall_input',
            'stall_weights',
            'stall_output',
            'read_beats',
            'write_beats',
        ],
        "formats": [
            'u1',
            'u1',
            'u1',
            'u1',
            '<u4',
            '<u8',
            '<u8',
            '<u8',
            '<u2',
            '<u2',
            '<u2',
            '<u2',
            '<u4',
            '<u4',
            '<u4',
            '<u4',
            '<u2',
            '<u2',
            'u1',
            'u1',
            'u1',
            'u1',
            '<u2',
            '<u2',
            '<u2',
            '<u2',
            '<u2',
            '<u2',
            '<i2',
            '<i2',
            '<i2',
            '<i2',
            '<u2',
            '<u2',
            '<u2',
            '<u2',
            '<u2',
            '<u8',
            '<u4',
            '<u4',
            '<u4',
            '<u4',
            '<u4',
            '<u4',
            '<u4',
            '<u4',
        ],
        "offsets": [
            0x00,
            0x01,
            0x02,
            0x03,
            0x04,
            0x08,
            0x10,
            0x18,
            0x20,
            0x22,
            0x24,
            0x26,
            0x28,
            0x2C,
            0x30,
            0x34,
            0x38,
            0x3A,
            0x3C,
            0x3D,
            0x3E,
            0x3F,
            0x40,
            0x42,
            0x44,
            0x46,
            0x48,
            0x4A,
            0x4C,
            0x4E,
            0x50,
            0x52,
            0x54,
            0x56,
            0x58,
            0x5A,
            0x5C,
            0x60,
            0xC0,
            0xC4,
            0xC8,
            0xCC,
            0xD0,
            0xD4,
            0xD8,
            0xDC,
        ],
        "itemsize": DESCRIPTOR_BYTES,
    }
)
