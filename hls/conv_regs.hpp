// Generated from rtl/regs/interface.toml by `make regs`; do not edit.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace conv {

constexpr uint32_t kIdentity = 0x4c434e56;
constexpr uint32_t kInterfaceVersion = 0x20000;
constexpr uint32_t kRegisterBytes = 0x100;
constexpr uint32_t kDescriptorBytes = 0x100;
constexpr uint32_t kDescriptorReadBytes = 0x80;
constexpr uint32_t kResultOffset = 0xc0;
constexpr uint32_t kResultBytes = 0x20;
constexpr uint32_t kWatchdogReset = 0xf4240;

constexpr uint32_t kCtrlOffset = 0x00;
constexpr uint32_t kGierOffset = 0x04;
constexpr uint32_t kIpIerOffset = 0x08;
constexpr uint32_t kIpIsrOffset = 0x0c;
constexpr uint32_t kProgram1Offset = 0x10;
constexpr uint32_t kProgram2Offset = 0x14;
constexpr uint32_t kDescriptorCountOffset = 0x1c;
constexpr uint32_t kWindowBase1Offset = 0x24;
constexpr uint32_t kWindowBase2Offset = 0x28;
constexpr uint32_t kWindowLast1Offset = 0x30;
constexpr uint32_t kWindowLast2Offset = 0x34;
constexpr uint32_t kWatchdogCyclesOffset = 0x3c;
constexpr uint32_t kSoftResetOffset = 0x44;
constexpr uint32_t kStatusOffset = 0x50;
constexpr uint32_t kFailedIndexOffset = 0x54;
constexpr uint32_t kCompletedOffset = 0x58;
constexpr uint32_t kCycles1Offset = 0x60;
constexpr uint32_t kCycles2Offset = 0x64;
constexpr uint32_t kMagicOffset = 0x80;
constexpr uint32_t kVersionOffset = 0x84;
constexpr uint32_t kLanesOffset = 0x88;
constexpr uint32_t kWeightWordsOffset = 0x8c;
constexpr uint32_t kLineBufferBeatsOffset = 0x90;
constexpr uint32_t kMemoryOffset = 0x94;
constexpr uint32_t kVectorOffset = 0x98;

enum class Kind : uint8_t {
    kConv = 1,
    kDepthwise = 2,
    kMaxPool = 3,
    kAdd = 4,
};

enum class Flag : uint8_t {
    kInputUnsigned = 1,
    kTable = 2,
    kWeightsByRow = 4,
};

enum class OutputType : uint8_t {
    kInt8 = 0,
    kUint8 = 1,
    kInt32 = 2,
};

enum class Rounding : uint8_t {
    kHalfEven = 0,
    kHalfUp = 1,
    kFloor = 2,
};

enum class Overflow : uint8_t {
    kSaturate = 0,
    kSaturateSymmetric = 1,
    kWrap = 2,
};

enum class Error : uint8_t {
    kOk = 0,
    kBadKind = 1,
    kBadFormat = 2,
    kBadShape = 3,
    kBadKernel = 4,
    kBadStride = 5,
    kBadTiling = 6,
    kBadAddress = 7,
    kReadError = 8,
    kWriteError = 9,
    kWatchdog = 10,
};

struct Descriptor {
    uint8_t kind;
    uint8_t output_type;
    uint8_t rounding;
    uint8_t overflow;
    uint32_t flags;
    uint64_t input_address;
    uint64_t weights_address;
    uint64_t output_address;
    uint16_t input_height;
    uint16_t input_width;
    uint16_t input_channels;
    uint16_t output_channels;
    uint32_t input_row_stride;
    uint32_t input_pixel_stride;
    uint32_t output_row_stride;
    uint32_t output_pixel_stride;
    uint16_t output_height;
    uint16_t output_width;
    uint8_t kernel_height;
    uint8_t kernel_width;
    uint8_t stride_height;
    uint8_t stride_width;
    uint16_t dilation_height;
    uint16_t dilation_width;
    uint16_t pad_top;
    uint16_t pad_bottom;
    uint16_t pad_left;
    uint16_t pad_right;
    int16_t input_zero_point;
    int16_t output_zero_point;
    int16_t clamp_min;
    int16_t clamp_max;
    uint16_t groups_per_pass;
    uint16_t row_slots;
    uint16_t segment_words;
    uint16_t group_channels;
    uint16_t group_step;
    uint8_t reserved_5e[2];
    uint64_t second_address;
    uint8_t reserved_68[24];
};
static_assert(sizeof(Descriptor) == 128);

struct Result {
    uint32_t status;
    uint32_t cycles;
    uint32_t mac_cycles;
    uint32_t stall_input;
    uint32_t stall_weights;
    uint32_t stall_output;
    uint32_t read_beats;
    uint32_t write_beats;
};
static_assert(sizeof(Result) == 32);

}  // namespace conv
