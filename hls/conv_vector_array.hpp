// SPDX-License-Identifier: Apache-2.0
// VectorLanes channels side by side, one kernel tap of all of them per word.
#pragma once

#include <cstdint>

#include "conv_config.hpp"
#include "conv_line_buffer.hpp"
#include "conv_mac_array.hpp"
#include "conv_regs.hpp"
#include "conv_weight_buffer.hpp"

namespace conv {

/// A tap's product with what was accumulated before it. `digit` is the place of the weight in the
/// coefficient of an ADD, in bytes.
inline uint32_t accumulate(uint32_t before, int8_t x, int8_t weight, Kind kind, uint32_t digit,
                           bool first) {
#pragma HLS INLINE
    const int16_t product = static_cast<int16_t>(x * weight);
    // The DSP slices are all in the MAC array.
#pragma HLS BIND_OP variable = product op = mul impl = fabric
    const uint32_t wide = static_cast<uint32_t>(int32_t(product));
    if (kind == Kind::kMaxPool) {
        return first || product > static_cast<int32_t>(before) ? wide : before;
    }
    const uint32_t shift = kind == Kind::kAdd ? 8 * (digit & 3) : 0;
    return (first ? 0 : before) + (wide << shift);
}

/// The accumulators. An output is what the words from `first` on make.
template <typename Config>
class VectorArray {
  public:
    VectorArray() {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = sums_.lane complete
    }

    void step(const InputWord<Config>& x, const WeightWord<Config::VectorWordBeats>& weights,
              Kind kind, uint32_t digit, bool first) {
#pragma HLS INLINE
    lanes:
        for (uint32_t lane = 0; lane < Config::VectorLanes; ++lane) {
#pragma HLS UNROLL
            const Beat beat = weights.column[lane / kSliceLanes] >> (8 * (lane % kSliceLanes));
            sums_.lane[lane] = accumulate(sums_.lane[lane], x.lane[lane], static_cast<int8_t>(beat),
                                          kind, digit, first);
        }
    }

    const Sums<Config>& sums() const { return sums_; }

  private:
    Sums<Config> sums_ = {};
};

}  // namespace conv
