// SPDX-License-Identifier: Apache-2.0
// Packs output elements into beats at any byte alignment.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_layer.hpp"
#include "conv_output_walk.hpp"
#include "conv_requantize.hpp"

namespace conv {

/// Neighbouring beats in memory.
struct Run {
    uint32_t address;  // a multiple of kBeatBytes
    uint32_t beats;
    bool last;  // of the layer
};

struct StrobedBeat {
    Beat data;
    Strobe strobe;
};

/// Bytes on their way into beats: at most one beat comes out for one that goes in.
class BeatFiller {
  public:
    /// The next byte lies `align` bytes into a beat.
    void start(uint32_t align) {
        fill_ = align;
        data_ = 0;
        strobe_ = 0;
    }

    bool empty() const { return fill_ == 0; }

    /// Adds the low `bytes` bytes (up to a beat) of `data`; true if that fills `beat`. If not,
    /// `beat` is what there is of it.
    bool add(Beat data, uint32_t bytes, StrobedBeat& beat) {
#pragma HLS INLINE
        const Beat fresh = bytes == kBeatBytes ? data : data & ((Beat(1) << 8 * bytes) - 1);
        const uint32_t strobe = ((1u << bytes) - 1) << fill_ | strobe_;
        const uint32_t shift = 8 * fill_;
        beat.data = data_ | fresh << shift;
        beat.strobe = static_cast<Strobe>(strobe);
        const bool full = fill_ + bytes >= kBeatBytes;
        // A shift by all bits would be undefined; nothing is left then.
        const Beat rest = fill_ == 0 ? 0 : fresh >> (kBeatBits - shift);
        data_ = full ? rest : beat.data;
        strobe_ = full ? strobe >> kBeatBytes : strobe;
        fill_ = (fill_ + bytes) % kBeatBytes;
        return full;
    }

  private:
    uint32_t fill_ = 0;  // bytes of the beat that are passed
    Beat data_ = 0;
    uint32_t strobe_ = 0;
};

/// Beat number `beat` of a slice: a byte of each lane, or int32 of some.
inline Beat slice_beat(const ResultSlice& slice, uint32_t beat, bool is_int32) {
#pragma HLS INLINE
    if (is_int32) {
        constexpr uint32_t kWords = kBeatBytes / 4;
        Beat words = 0;
    slice_words:
        for (uint32_t word = 0; word < kWords; ++word) {
#pragma HLS UNROLL
            words |= static_cast<Beat>(slice.lane[kWords * beat + word]) << (32 * word);
        }
        return words;
    }
    Beat bytes = 0;
slice_bytes:
    for (uint32_t lane = 0; lane < kSliceLanes; ++lane) {
#pragma HLS UNROLL
        bytes |= static_cast<Beat>(slice.lane[lane] & 0xff) << (8 * lane);
    }
    return bytes;
}

/// A run is a whole output row if its bytes are neighbours, else what a pass gives for one pixel.
inline void pack_output(Layer layer, hls::stream<ResultSlice>& results, hls::stream<Run>& runs,
                        hls::stream<StrobedBeat>& beats) {
    const bool is_int32 = layer.output_type == OutputType::kInt32;
    const uint32_t pixel_bytes = layer.output_channels * layer.element_bytes;
    const bool whole_rows = layer.passes == 1 && layer.output_pixel_stride == pixel_bytes;
    const uint32_t slice_beats = layer.element_bytes;  // a full slice fills that many
    const uint32_t beat_lanes = kBeatBytes / layer.element_bytes;
    const uint32_t pass_lanes = layer.groups_per_pass * layer.slices_per_group * kSliceLanes;

    OutputWalk walk(layer);
    BeatFiller filler;
    ResultSlice slice = {};
    uint32_t beat_of_slice = 0;
    bool flush = false;  // the run has ended within a beat
    uint32_t pass_address = layer.output_address;
    uint32_t row_address = pass_address;
    uint32_t pixel_address = pass_address;
    uint32_t channels_left = layer.output_channels;  // from this pass on
    uint32_t lanes_left = 0;                         // of the pixel in this pass

pack:
    while (!walk.done() || flush) {
#pragma HLS PIPELINE II = 1
        StrobedBeat beat;
        if (flush) {
            filler.add(0, 0, beat);
            beats.write(beat);
            flush = false;
            continue;
        }
        if (beat_of_slice == 0) {
            slice = results.read();
            if (walk.first_of_pixel()) {
                lanes_left = channels_left < pass_lanes ? channels_left : pass_lanes;
                if (!whole_rows || walk.column() == 0) {
                    const uint32_t pixels = whole_rows ? layer.output_width : 1;
                    const uint32_t bytes = pixels * lanes_left * layer.element_bytes;
                    const uint32_t align = pixel_address % kBeatBytes;
                    const bool last =
                        walk.last_pass() && walk.last_row() && (whole_rows || walk.last_column());
                    runs.write({pixel_address - align,
                                (align + bytes + kBeatBytes - 1) / kBeatBytes, last});
                    filler.start(align);
                }
            }
        }
        const uint32_t lanes = lanes_left < beat_lanes ? lanes_left : beat_lanes;
        const Beat data = slice_beat(slice, beat_of_slice, is_int32);
        if (filler.add(data, lanes * layer.element_bytes, beat)) beats.write(beat);
        lanes_left -= lanes;
        if (++beat_of_slice != slice_beats) continue;
        beat_of_slice = 0;

        if (walk.last_of_pixel()) {
            pixel_address += layer.output_pixel_stride;
            flush = (!whole_rows || walk.last_column()) && !filler.empty();
            if (walk.last_column()) {
                row_address += layer.output_row_stride;
                if (walk.last_row()) {
                    pass_address += pass_lanes * layer.element_bytes;
                    channels_left -= pass_lanes;  // after the last pass it is not used
                    row_address = pass_address;
                }
                pixel_address = row_address;
            }
        }
        walk.step();
    }
}

}  // namespace conv
