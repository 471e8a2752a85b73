// SPDX-License-Identifier: Apache-2.0
// Replaces output bytes by what a table of the layer says.
#pragma once

#include <cstdint>

#include "conv_config.hpp"

namespace conv {

constexpr uint32_t kTableBytes = 256;
constexpr uint32_t kTableBeats = kTableBytes / kBeatBytes;

/// Each lane of a slice has a copy, so that all look up at once.
class Table {
  public:
    Table() {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = copies_ complete dim = 1
#pragma HLS BIND_STORAGE variable = copies_ type = ram_2p impl = lutram
    }

    void write(uint32_t index, Beat beat) {
#pragma HLS INLINE
    copies:
        for (uint32_t lane = 0; lane < kSliceLanes; ++lane) {
#pragma HLS UNROLL
            copies_[lane][index] = beat;
        }
    }

    uint8_t look_up(uint32_t lane, uint8_t value) const {
#pragma HLS INLINE
        const Beat beat = copies_[lane][value / kBeatBytes];
        return static_cast<uint8_t>(beat >> (8 * (value % kBeatBytes)));
    }

  private:
    Beat copies_[kSliceLanes][kTableBeats];
};

}  // namespace conv
