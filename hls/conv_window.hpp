// SPDX-License-Identifier: Apache-2.0
// Puts the zero point where the kernel lies on padding.
#pragma once

#include <cstdint>

#include "conv_layer.hpp"
#include "conv_line_buffer.hpp"

namespace conv {

/// `offset` is the position of the word's first byte in its input row; `row_valid` tells whether
/// that row is inside the image. Padding takes no memory and no cycle.
template <typename Config>
InputWord<Config> window(const Layer& layer, int32_t offset, bool row_valid,
                         const InputWord<Config>& bytes) {
#pragma HLS INLINE
    InputWord<Config> word;
#pragma HLS ARRAY_PARTITION variable = word.lane complete
window:
    for (uint32_t i = 0; i < Config::ReadLanes; ++i) {
#pragma HLS UNROLL
        const int32_t position = offset + static_cast<int32_t>(i);
        const bool is_data = row_valid && position >= 0 && position < layer.row_bytes;
        word.lane[i] = is_data ? bytes.lane[i] : layer.input_zero_point;
    }
    return word;
}

}  // namespace conv
