// SPDX-License-Identifier: Apache-2.0
// InputLanes x OutputLanes multiply-accumulates per word, two of them in one DSP48.
#pragma once

#include <cstdint>

#include "conv_config.hpp"
#include "conv_line_buffer.hpp"
#include "conv_weight_buffer.hpp"

namespace conv {

constexpr uint32_t kChainLanes = 4;  // input lanes whose packed products are added before the split
constexpr uint32_t kFieldBits = 17;  // distance of the two sums in a packed one

// A chain adds 65535 - 128 x sum(x) to its packed products: 128 times x for the offset of the low
// weights, and 65535 to keep the low sum, -65024..65536, positive. Then no carry reaches the high.
constexpr uint32_t kLowOffset = 65535;

/// What an array accumulates for the channels of a group, before the bias. Unsigned, because sums
/// wrap. Lanes that the array does not have are 0.
template <typename Config>
struct Sums {
    uint32_t lane[Config::ResultLanes];
};

/// The accumulators. An output is the sum of the words from `first` on.
template <typename Config>
class MacArray {
  public:
    MacArray() {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = sums_.lane complete
    }

    void step(const InputWord<Config>& x, const WeightWord<Config::WordBeats>& weights,
              bool first) {
#pragma HLS INLINE
        int32_t corrections[kChains];
#pragma HLS ARRAY_PARTITION variable = corrections complete
    corrections:
        for (uint32_t chain = 0; chain < kChains; ++chain) {
#pragma HLS UNROLL
            int32_t sum = 0;
        chain_inputs:
            for (uint32_t i = 0; i < kChainLanes; ++i) {
#pragma HLS UNROLL
                const uint32_t lane = chain * kChainLanes + i;
                if (lane < Config::InputLanes) sum += x.lane[lane];
            }
            corrections[chain] = static_cast<int32_t>(kLowOffset) - 128 * sum;
        }
    pairs:
        for (uint32_t pair = 0; pair < Config::OutputLanes / 2; ++pair) {
#pragma HLS UNROLL
            uint32_t low = first ? 0 : sums_.lane[2 * pair];
            uint32_t high = first ? 0 : sums_.lane[2 * pair + 1];
        chains:
            for (uint32_t chain = 0; chain < kChains; ++chain) {
#pragma HLS UNROLL
                const int64_t packed = corrections[chain] + products(x, weights, chain, pair);
                low += static_cast<uint32_t>(packed & ((1 << kFieldBits) - 1)) - kLowOffset;
                high += static_cast<uint32_t>(packed >> kFieldBits);
            }
            sums_.lane[2 * pair] = low;
            sums_.lane[2 * pair + 1] = high;
        }
    }

    const Sums<Config>& sums() const { return sums_; }

  private:
    static constexpr uint32_t kChains = (Config::InputLanes + kChainLanes - 1) / kChainLanes;

    /// Packed products of a chain's inputs with the weights of output lanes 2 x pair (low) and
    /// 2 x pair + 1 (high).
    static int64_t products(const InputWord<Config>& x,
                            const WeightWord<Config::WordBeats>& weights, uint32_t chain,
                            uint32_t pair) {
#pragma HLS INLINE
        const uint32_t slice = pair / (kSliceLanes / 2);
        const uint32_t shift = 16 * (pair % (kSliceLanes / 2));
        int64_t sum = 0;
    products:
        for (uint32_t i = 0; i < kChainLanes; ++i) {
#pragma HLS UNROLL
            const uint32_t lane = chain * kChainLanes + i;
            if (lane < Config::InputLanes) {
                const Beat beat = weights.column[slice * Config::InputLanes + lane] >> shift;
                // 25 bits, the port of a DSP48E1: {high, 9 zeros, low + 128}.
                const int32_t high = static_cast<int8_t>(beat >> 8);
                const int32_t packed = high * (1 << kFieldBits) + static_cast<uint8_t>(beat ^ 0x80);
                sum += static_cast<int64_t>(packed) * x.lane[lane];
            }
        }
        return sum;
    }

    Sums<Config> sums_ = {};
};

}  // namespace conv
