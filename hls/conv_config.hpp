// SPDX-License-Identifier: Apache-2.0
// Sizes that are fixed when the engine is built, and what all stages share.
#pragma once

#include <cstdint>
#include <type_traits>

// The default is the pynq-z2 preset of the host; a build for another array defines these.
#ifndef CONV_INPUT_LANES
#define CONV_INPUT_LANES 26
#define CONV_OUTPUT_LANES 16
#define CONV_VECTOR_LANES 48
#define CONV_WEIGHT_WORDS 512
#define CONV_LINE_BUFFER_BEATS 16384
#define CONV_BEAT_BYTES 8
#endif

namespace conv {

constexpr uint32_t kBeatBytes = CONV_BEAT_BYTES;
static_assert(kBeatBytes == 8 || kBeatBytes == 16, "a beat has 8 or 16 bytes");

/// One AXI beat; byte 0 is the low one.
using Beat = std::conditional_t<kBeatBytes == 8, uint64_t, unsigned __int128>;

using Strobe = std::conditional_t<kBeatBytes == 8, uint8_t, uint16_t>;  // a bit per byte

constexpr uint32_t kBeatBits = 8 * kBeatBytes;
constexpr uint32_t kSliceLanes = kBeatBytes;  // output channels of one beat of weights
constexpr uint32_t kParameterBytes = 8;       // bias and multiplier of an output channel
constexpr uint32_t kBeatParameters = kBeatBytes / kParameterBytes;
constexpr uint32_t kSliceParameterBeats = kSliceLanes / kBeatParameters;
constexpr uint32_t kAddressBits = 32;  // AXI address: the HP ports of Zynq-7000
constexpr uint32_t kBurstBeats = 16;   // AXI3 limit of the HP ports
constexpr uint32_t kMaxBursts = 8;     // bursts under way on one channel

// A RAM is read and written in one pipelined loop. What was written, or may be overwritten, is
// announced this many iterations later, which lets the tool place the two accesses freely.
constexpr uint32_t kRamDelay = 4;

/// The array. It is the one template argument of every stage.
struct Config {
    static constexpr uint32_t InputLanes = CONV_INPUT_LANES;    // input bytes per word
    static constexpr uint32_t OutputLanes = CONV_OUTPUT_LANES;  // output channels per group
    static constexpr uint32_t VectorLanes = CONV_VECTOR_LANES;  // channels per group of other kinds
    static constexpr uint32_t WeightWords =
        CONV_WEIGHT_WORDS;  // words that the weight buffer holds
    static constexpr uint32_t LineBufferBeats = CONV_LINE_BUFFER_BEATS;

    static constexpr uint32_t NumSlices = OutputLanes / kSliceLanes;
    static constexpr uint32_t VectorSlices = VectorLanes / kSliceLanes;
    static constexpr uint32_t WordBeats = InputLanes * NumSlices;  // of a word of the MAC array
    static constexpr uint32_t VectorWordBeats = VectorSlices;      // of one of the vector array
    static constexpr uint32_t ParameterSlices = WeightWords;  // with bias and multiplier on chip
    // What both arrays share is as wide as the wider one.
    static constexpr uint32_t ReadLanes = InputLanes > VectorLanes ? InputLanes : VectorLanes;
    static constexpr uint32_t ResultLanes = OutputLanes > VectorLanes ? OutputLanes : VectorLanes;

    static_assert(InputLanes >= 1 && InputLanes <= 32, "InputLanes must be 1..32");
    static_assert(OutputLanes >= kSliceLanes && OutputLanes % kSliceLanes == 0,
                  "OutputLanes must be a multiple of the bytes of a beat");
    static_assert(VectorLanes >= kSliceLanes && VectorLanes % kSliceLanes == 0,
                  "VectorLanes must be a multiple of the bytes of a beat");
    static_assert(InputLanes * OutputLanes < 1 << 16, "InputLanes x OutputLanes must be < 65536");
    static_assert(WeightWords >= NumSlices && WeightWords >= VectorSlices && WeightWords < 1 << 16,
                  "WeightWords must be NumSlices and VectorSlices .. 65535");
    // The RAMs are locals of one function: in a C simulation they lie on the stack.
    static_assert(LineBufferBeats >= 1 && LineBufferBeats <= 1 << 17,
                  "LineBufferBeats must be 1..131072");
    static_assert(WeightWords * (WordBeats + VectorWordBeats) * kBeatBytes <= 1 << 21,
                  "the weight buffers must not exceed 2 MB");
};

/// A count that is seen kRamDelay iterations after it was set.
struct DelayedCount {
    uint32_t stages[kRamDelay] = {};

    uint32_t value() const { return stages[kRamDelay - 1]; }

    void shift(uint32_t next) {
#pragma HLS INLINE
    delay:
        for (uint32_t i = kRamDelay - 1; i > 0; --i) {
#pragma HLS UNROLL
            stages[i] = stages[i - 1];
        }
        stages[0] = next;
    }
};

/// position + step in a ring; both at most `size`, the position below it.
inline uint32_t ring_add(uint32_t position, uint32_t step, uint32_t size) {
#pragma HLS INLINE
    const uint32_t sum = position + step;
    return sum >= size ? sum - size : sum;
}

}  // namespace conv
