// SPDX-License-Identifier: Apache-2.0
// Adds the bias and turns sums into output elements, one slice per cycle.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_layer.hpp"
#include "conv_mac_array.hpp"
#include "conv_output_walk.hpp"
#include "conv_requantize_lane.hpp"
#include "conv_table.hpp"

namespace conv {

/// Elements of kSliceLanes output channels: bytes in the low 8 bits, or int32.
struct ResultSlice {
    uint32_t lane[kSliceLanes];
};

inline ByteFormat byte_format(const Layer& layer) {
#pragma HLS INLINE
    ByteFormat format = {};
    format.rounding = layer.rounding;
    format.wrap = layer.overflow == Overflow::kWrap;
    format.is_unsigned = layer.output_type == OutputType::kUint8;
    format.zero_point = layer.output_zero_point;
    format.saturate_min = layer.overflow == Overflow::kSaturateSymmetric ? -127 : -128;
    format.saturate_max = 127;
    if (format.is_unsigned) {
        format.saturate_min = 0;
        format.saturate_max = 255;
    }
    format.clamp_min = layer.clamp_min;
    format.clamp_max = layer.clamp_max;
    return format;
}

/// The ring of bias and multiplier, by slices; runs on over the passes as the weight ring does, and
/// counts over all of them.
template <typename Config>
class ParameterBuffer {
  public:
    explicit ParameterBuffer(const Layer& layer)
        : slices_left_(layer.groups * layer.slices_per_group) {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = slices_ complete dim = 2
#pragma HLS BIND_STORAGE variable = slices_ type = ram_2p impl = bram
    }

    bool done() const { return slices_left_ == 0; }

    bool room() const {
        return slices_left_ != 0 && loaded_ - free_.value() < Config::ParameterSlices;
    }

    void write(Beat parameters) {
#pragma HLS INLINE
        slices_[slice_][beat_] = parameters;
        if (++beat_ != kSliceParameterBeats) return;
        beat_ = 0;
        slice_ = ring_add(slice_, 1, Config::ParameterSlices);
        ++loaded_;
        --slices_left_;
    }

    /// {multiplier, bias} of a lane.
    uint64_t read(uint32_t slice, uint32_t lane) const {
#pragma HLS INLINE
        const uint32_t shift = 8 * kParameterBytes * (lane % kBeatParameters);
        return static_cast<uint64_t>(slices_[slice][lane / kBeatParameters] >> shift);
    }

    /// Slices whose parameters may be read.
    uint32_t slices_loaded() const { return seen_.value(); }

    /// Once per cycle: the parameters of that many slices may be overwritten.
    void clock(uint32_t slices_free) {
#pragma HLS INLINE
        seen_.shift(loaded_);
        free_.shift(slices_free);
    }

  private:
    Beat slices_[Config::ParameterSlices][kSliceParameterBeats];
    uint32_t slices_left_;
    uint32_t beat_ = 0;   // of the slice
    uint32_t slice_ = 0;  // in the ring
    uint32_t loaded_ = 0;
    DelayedCount seen_;
    DelayedCount free_;
};

template <typename Config>
void requantize(Layer layer, hls::stream<Beat>& parameters, hls::stream<Sums<Config>>& sums,
                hls::stream<ResultSlice>& results) {
    const ByteFormat format = byte_format(layer);
    const bool is_int32 = layer.output_type == OutputType::kInt32;
    Table table;
    ParameterBuffer<Config> buffer(layer);
    OutputWalk walk(layer);
    Sums<Config> group_sums = {};
#pragma HLS ARRAY_PARTITION variable = group_sums.lane complete
    uint32_t slice = 0;             // of the parameters, in the ring
    uint32_t slice_count = 0;       // the same, counted over all passes
    uint32_t pass_slice = 0;        // first one of the pass
    uint32_t pass_slice_count = 0;  // the same, counted over all passes
    uint32_t slices_free = 0;

load_table:
    for (uint32_t beat = 0; layer.has_table && beat < kTableBeats; ++beat) {
#pragma HLS PIPELINE II = 1
        table.write(beat, parameters.read());
    }

requantize:
    while (!walk.done() || !buffer.done()) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = buffer.slices_ type = inter dependent = false
#pragma HLS DEPENDENCE variable = buffer.slices_ type = intra dependent = false
        const bool begins = walk.slice() == 0;
        if (!walk.done() && buffer.slices_loaded() > slice_count && !(begins && sums.empty())) {
            if (begins) group_sums = sums.read();
            ResultSlice result;
        lanes:
            for (uint32_t lane = 0; lane < kSliceLanes; ++lane) {
#pragma HLS UNROLL
                const uint64_t parameter = buffer.read(slice, lane);
                const uint32_t accumulator = group_sums.lane[walk.slice() * kSliceLanes + lane] +
                                             static_cast<uint32_t>(parameter);
                const uint8_t byte =
                    requantize_lane(static_cast<int32_t>(accumulator),
                                    static_cast<uint32_t>(parameter >> 32), format);
                const uint8_t element = layer.has_table ? table.look_up(lane, byte) : byte;
                result.lane[lane] = is_int32 ? accumulator : element;
            }
            results.write(result);

            // The last pixel of a pass is the last to use its parameters.
            const bool last_pixel = walk.last_row() && walk.last_column();
            slice = ring_add(slice, 1, Config::ParameterSlices);
            ++slice_count;
            if (last_pixel) slices_free = slice_count;
            if (walk.last_of_pixel()) {
                if (last_pixel) {
                    pass_slice = slice;
                    pass_slice_count = slice_count;
                } else {
                    slice = pass_slice;
                    slice_count = pass_slice_count;
                }
            }
            walk.step();
        }
        if (buffer.room() && !parameters.empty()) buffer.write(parameters.read());
        buffer.clock(slices_free);
    }
}

}  // namespace conv
