// SPDX-License-Identifier: Apache-2.0
// Checks a descriptor and derives from it what the stages need.
#pragma once

#include <cstdint>

#include "conv_config.hpp"
#include "conv_layer.hpp"
#include "conv_regs.hpp"
#include "conv_table.hpp"

namespace conv {

/// a x b, as one multiplier that all products of a check share; b has at most 18 bits.
inline uint64_t multiply(uint32_t a, uint32_t b) {
#pragma HLS INLINE off
    return static_cast<uint64_t>(a) * (b & 0x3ffff);
}

/// The checks of a descriptor in the order of the error codes. A check may rely on those before it.
template <typename Config>
class Checker {
  public:
    Checker(const Descriptor& descriptor, const Window& window) : d_(descriptor), window_(window) {}

    /// The code of the first check that fails, or kOk. Only then `layer` is complete.
    Error check(Layer& layer) {
#pragma HLS ALLOCATION function instances = multiply limit = 1
        if (!kind_exists()) return Error::kBadKind;
        if (!format_fits()) return Error::kBadFormat;
        if (!shape_fits()) return Error::kBadShape;
        if (!kernel_fits()) return Error::kBadKernel;
        if (!strides_fit()) return Error::kBadStride;
        if (!tiling_fits(layer)) return Error::kBadTiling;
        if (!addresses_fit(layer)) return Error::kBadAddress;
        derive_walk(layer);
        return Error::kOk;
    }

  private:
    // Byte positions in a padded row stay below this.
    static constexpr uint64_t kWalkBytes = 1 << 22;
    static constexpr uint32_t kMaxDigits = 3;  // of a coefficient of ADD

    bool kind_exists() const {
        return d_.kind >= static_cast<uint8_t>(Kind::kConv) &&
               d_.kind <= static_cast<uint8_t>(Kind::kAdd);
    }

    bool format_fits() const {
        if (d_.output_type > static_cast<uint8_t>(OutputType::kInt32)) return false;
        if (d_.rounding > static_cast<uint8_t>(Rounding::kFloor)) return false;
        if (d_.overflow > static_cast<uint8_t>(Overflow::kWrap)) return false;
        constexpr uint32_t kFlags = static_cast<uint32_t>(Flag::kInputUnsigned) |
                                    static_cast<uint32_t>(Flag::kTable) |
                                    static_cast<uint32_t>(Flag::kWeightsByRow);
        if ((d_.flags & ~kFlags) != 0) return false;
        if (d_.input_zero_point < -128 || d_.input_zero_point > 127) return false;
        if (is_int32()) return !has(Flag::kTable);
        const bool is_unsigned = d_.output_type == static_cast<uint8_t>(OutputType::kUint8);
        const int16_t low = is_unsigned ? 0 : -128;
        const int16_t high = is_unsigned ? 255 : 127;
        return d_.output_zero_point >= low && d_.output_zero_point <= high && d_.clamp_min >= low &&
               d_.clamp_max <= high && d_.clamp_min <= d_.clamp_max;
    }

    bool shape_fits() {
        if (d_.input_height == 0 || d_.input_width == 0 || d_.input_channels == 0) return false;
        if (d_.output_height == 0 || d_.output_width == 0 || d_.output_channels == 0) return false;
        const uint32_t group_lanes = is(Kind::kConv) ? Config::OutputLanes : Config::VectorLanes;
        groups_ = (d_.output_channels + group_lanes - 1) / group_lanes;
        if (is(Kind::kAdd) &&
            (d_.input_height != 2u * d_.output_height || d_.input_width != d_.output_width)) {
            return false;
        }
        if (is(Kind::kConv)) {
            if (d_.group_channels == 0 || d_.group_channels > d_.input_channels) return false;
            if (multiply(d_.group_step, groups_ - 1) >= d_.input_channels) return false;
        } else {
            if (d_.output_channels != d_.input_channels) return false;
            if (d_.group_channels != Config::VectorLanes) return false;
            if (d_.group_step != Config::VectorLanes) return false;
        }
        // The dilation stands on the other side of the comparison, so that a kernel of 0, refused
        // later, needs no sign.
        kernel_rows_ = multiply(d_.dilation_height, d_.kernel_height);
        const uint64_t kernel_columns = multiply(d_.dilation_width, d_.kernel_width);
        const uint64_t last_row = multiply(d_.output_height - 1u, d_.stride_height) + kernel_rows_;
        const uint64_t last_column =
            multiply(d_.output_width - 1u, d_.stride_width) + kernel_columns;
        const uint64_t rows = uint64_t(d_.input_height) + d_.pad_top + d_.pad_bottom;
        return last_row + 1 <= rows + d_.dilation_height &&
               last_column + 1 <= padded_width() + d_.dilation_width;
    }

    bool kernel_fits() const {
        if (is(Kind::kAdd)) {
            return d_.kernel_height == 2 && d_.kernel_width >= 1 && d_.kernel_width <= kMaxDigits &&
                   d_.stride_height == 2 && d_.stride_width == 1 && d_.dilation_height == 1 &&
                   d_.dilation_width == 0 && d_.pad_top == 0 && d_.pad_bottom == 0 &&
                   d_.pad_left == 0 && d_.pad_right == 0;
        }
        return d_.kernel_height >= 1 && d_.kernel_height <= 16 && d_.kernel_width >= 1 &&
               d_.kernel_width <= 64 && d_.stride_height >= 1 && d_.stride_height <= 8 &&
               d_.stride_width >= 1 && d_.dilation_height >= 1 && d_.dilation_width >= 1 &&
               uint64_t(d_.pad_top) + d_.dilation_height <= kernel_rows_;
    }

    bool strides_fit() const {
        return d_.input_row_stride % kBeatBytes == 0 && d_.output_row_stride % kBeatBytes == 0 &&
               d_.input_pixel_stride >= d_.input_channels &&
               d_.output_pixel_stride >= pixel_bytes();
    }

    bool tiling_fits(Layer& layer) const {
        if (multiply(d_.input_pixel_stride, padded_width()) >= kWalkBytes) return false;
        const uint32_t row_bytes = static_cast<uint32_t>(
            multiply(d_.input_pixel_stride, d_.input_width - 1u) + d_.input_channels);
        const uint32_t align = static_cast<uint32_t>(d_.input_address % kBeatBytes);
        layer.row_bytes = static_cast<int32_t>(row_bytes);
        layer.row_beats = (align + row_bytes + kBeatBytes - 1) / kBeatBytes;

        if (is(Kind::kConv)) {
            // A kernel row of a pixel is one run of bytes if the columns that it covers are
            // neighbours.
            const bool flattened =
                d_.kernel_width == 1 ||
                (d_.dilation_width == 1 && d_.input_pixel_stride == d_.group_channels);
            const uint64_t segment_bytes =
                multiply(d_.group_channels, flattened ? uint32_t(d_.kernel_width) : 1u);
            const uint64_t segment_room = multiply(Config::InputLanes, d_.segment_words);
            if (segment_room < segment_bytes) return false;
            if (segment_room >= segment_bytes + Config::InputLanes) return false;
            layer.segments = flattened ? 1 : d_.kernel_width;
        } else {
            if (d_.segment_words != 1) return false;
            layer.segments = d_.kernel_width;
        }

        if (uint64_t(d_.row_slots) + d_.dilation_height <= kernel_rows_) return false;
        if (d_.row_slots < d_.stride_height) return false;
        const uint64_t ring_beats = multiply(layer.row_beats, d_.row_slots);
        if (ring_beats > Config::LineBufferBeats) return false;
        layer.ring_beats = static_cast<uint32_t>(ring_beats);

        layer.slices_per_group = is(Kind::kConv) ? Config::NumSlices : Config::VectorSlices;
        if (d_.groups_per_pass == 0) return false;
        if (multiply(layer.slices_per_group, d_.groups_per_pass) > Config::ParameterSlices) {
            return false;
        }
        const uint64_t row_words = multiply(d_.segment_words, layer.segments);
        if (row_words > Config::WeightWords) return false;
        layer.group_words = static_cast<uint32_t>(row_words) * d_.kernel_height;
        if (has(Flag::kWeightsByRow)) {
            // Each word is used once. So it is enough that some rows of the kernel are there.
            return is(Kind::kConv) && d_.output_height == 1 && d_.output_width == 1 &&
                   d_.groups_per_pass == 1;
        }
        return multiply(layer.group_words, d_.groups_per_pass) <= Config::WeightWords;
    }

    bool addresses_fit(Layer& layer) const {
        const uint32_t tensor_rows = is(Kind::kAdd) ? d_.input_height / 2u : d_.input_height;
        const uint64_t input_bytes =
            multiply(d_.input_row_stride, tensor_rows - 1) + static_cast<uint32_t>(layer.row_bytes);
        if (!window_.holds(d_.input_address, input_bytes)) return false;
        if (is(Kind::kAdd)) {
            if ((d_.second_address - d_.input_address) % kBeatBytes != 0) return false;
            if (!window_.holds(d_.second_address, input_bytes)) return false;
        }

        layer.groups = groups_;
        layer.word_beats = is(Kind::kConv) ? Config::WordBeats : Config::VectorWordBeats;
        const uint32_t group_beats =
            layer.slices_per_group * kSliceParameterBeats + layer.group_words * layer.word_beats;
        const uint64_t weight_bytes = multiply(group_beats * kBeatBytes, layer.groups) +
                                      (has(Flag::kTable) ? kTableBytes : 0);
        if (d_.weights_address % kBeatBytes != 0) return false;
        if (!window_.holds(d_.weights_address, weight_bytes)) return false;

        const uint64_t output_bytes = multiply(d_.output_row_stride, d_.output_height - 1u) +
                                      multiply(d_.output_pixel_stride, d_.output_width - 1u) +
                                      pixel_bytes();
        if (is_int32() && d_.output_address % 4 != 0) return false;
        return window_.holds(d_.output_address, output_bytes);
    }

    /// What has no limit of its own: it follows from what was checked. Products of which a high
    /// part is cut off (of a dilation that a kernel of one row does not use, ...) are never used.
    void derive_walk(Layer& layer) const {
        layer.kind = static_cast<Kind>(d_.kind);
        layer.input_address = static_cast<uint32_t>(d_.input_address) & ~(kBeatBytes - 1);
        layer.second_address = static_cast<uint32_t>(d_.second_address) & ~(kBeatBytes - 1);
        layer.input_align = static_cast<uint32_t>(d_.input_address) % kBeatBytes;
        layer.input_row_stride = d_.input_row_stride;
        layer.input_unsigned = has(Flag::kInputUnsigned);
        layer.input_zero_point = static_cast<int8_t>(d_.input_zero_point);
        layer.input_height = d_.input_height;
        layer.row_slots = d_.row_slots;
        layer.resident = d_.row_slots >= d_.input_height;
        layer.pass_rows_beats =
            layer.resident ? 0 : beats(layer, uint32_t(d_.input_height % d_.row_slots));
        layer.kernel_height = d_.kernel_height;
        layer.kernel_rows = static_cast<int32_t>(kernel_rows_) - d_.dilation_height + 1;
        layer.segment_words = d_.segment_words;
        layer.dilation_height = d_.dilation_height;
        layer.kernel_row_step = beats(layer, d_.dilation_height);
        layer.segment_step =
            static_cast<int32_t>(multiply(d_.input_pixel_stride, d_.dilation_width));
        layer.output_height = d_.output_height;
        layer.output_width = d_.output_width;
        layer.output_channels = d_.output_channels;
        layer.stride_height = d_.stride_height;
        layer.output_row_step = beats(layer, d_.stride_height);
        layer.pixel_step = static_cast<int32_t>(multiply(d_.input_pixel_stride, d_.stride_width));
        layer.group_step = d_.group_step;
        layer.pad_left_bytes = static_cast<int32_t>(multiply(d_.input_pixel_stride, d_.pad_left));
        layer.pad_top = d_.pad_top;
        layer.pad_top_step = beats(layer, d_.pad_top);
        layer.weights_address = static_cast<uint32_t>(d_.weights_address);
        layer.has_table = has(Flag::kTable);
        layer.groups_per_pass = d_.groups_per_pass;
        layer.passes = (layer.groups + d_.groups_per_pass - 1) / d_.groups_per_pass;
        layer.output_address = static_cast<uint32_t>(d_.output_address);
        layer.output_row_stride = d_.output_row_stride;
        layer.output_pixel_stride = d_.output_pixel_stride;
        layer.element_bytes = is_int32() ? 4 : 1;
        layer.output_type = static_cast<OutputType>(d_.output_type);
        layer.rounding = static_cast<Rounding>(d_.rounding);
        layer.overflow = static_cast<Overflow>(d_.overflow);
        layer.output_zero_point = d_.output_zero_point;
        layer.clamp_min = d_.clamp_min;
        layer.clamp_max = d_.clamp_max;
    }

    static uint32_t beats(const Layer& layer, uint32_t rows) {
        return static_cast<uint32_t>(multiply(layer.row_beats, rows));
    }

    bool is(Kind kind) const { return d_.kind == static_cast<uint8_t>(kind); }
    bool has(Flag flag) const { return (d_.flags & static_cast<uint32_t>(flag)) != 0; }
    bool is_int32() const { return d_.output_type == static_cast<uint8_t>(OutputType::kInt32); }
    uint32_t pixel_bytes() const { return d_.output_channels * (is_int32() ? 4u : 1u); }
    uint32_t padded_width() const { return uint32_t(d_.input_width) + d_.pad_left + d_.pad_right; }

    Descriptor d_;
    Window window_;
    uint32_t groups_ = 0;
    uint64_t kernel_rows_ = 0;  // dilation_height x kernel_height
};

}  // namespace conv
