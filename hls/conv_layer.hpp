// SPDX-License-Identifier: Apache-2.0
// A checked descriptor, with everything derived that the stages need.
#pragma once

#include <cstdint>

#include "conv_config.hpp"
#include "conv_regs.hpp"

namespace conv {

/// The memory that the engine may touch: base to last, both included.
struct Window {
    uint64_t base;
    uint64_t last;

    /// Whether these bytes lie in the window, and where AXI reaches.
    bool holds(uint64_t address, uint64_t bytes) const {
#pragma HLS INLINE
        constexpr uint64_t kAddressEnd = uint64_t(1) << kAddressBits;
        const uint64_t end = last < kAddressEnd ? last + 1 : kAddressEnd;
        return address >= base && address < kAddressEnd && address + bytes <= end;
    }
};

/// Distances inside an input row are in bytes, distances between rows of the line buffer in beats.
struct Layer {
    Kind kind;
    // Input rows in memory and in the line buffer. For ADD they are those of both tensors in turn.
    uint32_t input_address;   // of row 0, rounded down to a beat
    uint32_t second_address;  // ADD: of row 1
    uint32_t input_row_stride;
    uint32_t input_align;  // bytes of the first beat before the row
    bool input_unsigned;
    int8_t input_zero_point;
    int32_t input_height;
    int32_t row_bytes;   // bytes of a row that are data
    uint32_t row_beats;  // beats of a row in memory = beats of a row slot
    uint32_t row_slots;
    uint32_t ring_beats;       // row_slots x row_beats
    bool resident;             // all rows fit: they are loaded once, not once per pass
    uint32_t pass_rows_beats;  // beats of the ring from one pass to the next
    // Kernel: kernel_height x segments x segment_words words are accumulated per output.
    uint32_t kernel_height;
    int32_t kernel_rows;  // input rows under the kernel
    uint32_t segments;    // contiguous byte runs per kernel row: 1 or kernel_width
    uint32_t segment_words;
    int32_t dilation_height;
    uint32_t kernel_row_step;  // from one kernel row to the next, in beats of the ring
    int32_t segment_step;      // bytes from one segment to the next
    // Walk over the output.
    uint32_t output_height;
    uint32_t output_width;
    uint32_t output_channels;
    int32_t stride_height;
    uint32_t output_row_step;  // input rows per output row, in beats of the ring
    int32_t pixel_step;        // input bytes per output column
    int32_t group_step;        // input bytes per group
    int32_t pad_left_bytes;
    int32_t pad_top;
    uint32_t pad_top_step;  // in beats of the ring
    // Weights: perhaps a table, then groups of slices_per_group x kSliceLanes channels, each its
    // parameters and group_words words.
    uint32_t weights_address;
    bool has_table;
    uint32_t slices_per_group;
    uint32_t word_beats;
    uint32_t group_words;
    uint32_t groups;
    uint32_t groups_per_pass;
    uint32_t passes;
    // Output.
    uint32_t output_address;
    uint32_t output_row_stride;
    uint32_t output_pixel_stride;
    uint32_t element_bytes;
    OutputType output_type;
    Rounding rounding;
    Overflow overflow;
    int16_t output_zero_point;
    int16_t clamp_min;
    int16_t clamp_max;
};

}  // namespace conv
