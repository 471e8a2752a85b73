// SPDX-License-Identifier: Apache-2.0
// A layer descriptor out of the beats in which it lies in memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "conv_config.hpp"
#include "conv_regs.hpp"

namespace conv {

constexpr uint32_t kDescriptorBeats = kDescriptorReadBytes / kBeatBytes;

/// The field of type T at a byte offset; fields lie at multiples of their size.
template <typename T>
T descriptor_field(const Beat (&beats)[kDescriptorBeats], size_t offset) {
#pragma HLS INLINE
    return static_cast<T>(beats[offset / kBeatBytes] >> (8 * (offset % kBeatBytes)));
}

inline Descriptor unpack_descriptor(const Beat (&beats)[kDescriptorBeats]) {
#pragma HLS INLINE
    Descriptor d = {};
    d.kind = descriptor_field<uint8_t>(beats, offsetof(Descriptor, kind));
    d.output_type = descriptor_field<uint8_t>(beats, offsetof(Descriptor, output_type));
    d.rounding = descriptor_field<uint8_t>(beats, offsetof(Descriptor, rounding));
    d.overflow = descriptor_field<uint8_t>(beats, offsetof(Descriptor, overflow));
    d.flags = descriptor_field<uint32_t>(beats, offsetof(Descriptor, flags));
    d.input_address = descriptor_field<uint64_t>(beats, offsetof(Descriptor, input_address));
    d.weights_address = descriptor_field<uint64_t>(beats, offsetof(Descriptor, weights_address));
    d.output_address = descriptor_field<uint64_t>(beats, offsetof(Descriptor, output_address));
    d.input_height = descriptor_field<uint16_t>(beats, offsetof(Descriptor, input_height));
    d.input_width = descriptor_field<uint16_t>(beats, offsetof(Descriptor, input_width));
    d.input_channels = descriptor_field<uint16_t>(beats, offsetof(Descriptor, input_channels));
    d.output_channels = descriptor_field<uint16_t>(beats, offsetof(Descriptor, output_channels));
    d.input_row_stride = descriptor_field<uint32_t>(beats, offsetof(Descriptor, input_row_stride));
    d.input_pixel_stride =
        descriptor_field<uint32_t>(beats, offsetof(Descriptor, input_pixel_stride));
    d.output_row_stride =
        descriptor_field<uint32_t>(beats, offsetof(Descriptor, output_row_stride));
    d.output_pixel_stride =
        descriptor_field<uint32_t>(beats, offsetof(Descriptor, output_pixel_stride));
    d.output_height = descriptor_field<uint16_t>(beats, offsetof(Descriptor, output_height));
    d.output_width = descriptor_field<uint16_t>(beats, offsetof(Descriptor, output_width));
    d.kernel_height = descriptor_field<uint8_t>(beats, offsetof(Descriptor, kernel_height));
    d.kernel_width = descriptor_field<uint8_t>(beats, offsetof(Descriptor, kernel_width));
    d.stride_height = descriptor_field<uint8_t>(beats, offsetof(Descriptor, stride_height));
    d.stride_width = descriptor_field<uint8_t>(beats, offsetof(Descriptor, stride_width));
    d.dilation_height = descriptor_field<uint16_t>(beats, offsetof(Descriptor, dilation_height));
    d.dilation_width = descriptor_field<uint16_t>(beats, offsetof(Descriptor, dilation_width));
    d.pad_top = descriptor_field<uint16_t>(beats, offsetof(Descriptor, pad_top));
    d.pad_bottom = descriptor_field<uint16_t>(beats, offsetof(Descriptor, pad_bottom));
    d.pad_left = descriptor_field<uint16_t>(beats, offsetof(Descriptor, pad_left));
    d.pad_right = descriptor_field<uint16_t>(beats, offsetof(Descriptor, pad_right));
    d.input_zero_point = descriptor_field<int16_t>(beats, offsetof(Descriptor, input_zero_point));
    d.output_zero_point = descriptor_field<int16_t>(beats, offsetof(Descriptor, output_zero_point));
    d.clamp_min = descriptor_field<int16_t>(beats, offsetof(Descriptor, clamp_min));
    d.clamp_max = descriptor_field<int16_t>(beats, offsetof(Descriptor, clamp_max));
    d.groups_per_pass = descriptor_field<uint16_t>(beats, offsetof(Descriptor, groups_per_pass));
    d.row_slots = descriptor_field<uint16_t>(beats, offsetof(Descriptor, row_slots));
    d.segment_words = descriptor_field<uint16_t>(beats, offsetof(Descriptor, segment_words));
    d.group_channels = descriptor_field<uint16_t>(beats, offsetof(Descriptor, group_channels));
    d.group_step = descriptor_field<uint16_t>(beats, offsetof(Descriptor, group_step));
    d.second_address = descriptor_field<uint64_t>(beats, offsetof(Descriptor, second_address));
    return d;
}

}  // namespace conv
