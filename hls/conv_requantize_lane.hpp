// SPDX-License-Identifier: Apache-2.0
// One accumulator to one byte: the float32 requantisation in integers, docs/numerics.md section 4.
#pragma once

#include <cstdint>

#include "conv_config.hpp"
#include "conv_regs.hpp"

namespace conv {

/// How a requantised value becomes a byte.
struct ByteFormat {
    Rounding rounding;
    bool wrap;  // keep the low 8 bits instead of saturating
    bool is_unsigned;
    int16_t zero_point;
    int16_t saturate_min;
    int16_t saturate_max;
    int16_t clamp_min;
    int16_t clamp_max;
};

/// value without its low `bits` bits (1..26), half to even.
inline uint64_t drop_half_even(uint64_t value, uint32_t bits) {
#pragma HLS INLINE
    const uint64_t kept = value >> bits;
    const uint64_t dropped = value & ((uint64_t(1) << bits) - 1);
    const uint64_t half = uint64_t(1) << (bits - 1);
    const bool up = dropped > half || (dropped == half && (kept & 1) != 0);
    return kept + up;
}

/// Magnitude x 2^exponent to an integer. Beyond 2^31 only sign and low 8 bits are right.
inline int64_t round_to_integer(uint32_t magnitude, int32_t exponent, bool negative,
                                Rounding rounding) {
#pragma HLS INLINE
    uint64_t integer;
    if (exponent >= 0) {
        integer = static_cast<uint64_t>(magnitude) << (exponent < 8 ? exponent : 8);
    } else {
        const uint32_t bits = exponent > -26 ? -exponent : 26;
        const uint32_t dropped = magnitude & ((1u << bits) - 1);
        const uint32_t half = 1u << (bits - 1);
        integer = magnitude >> bits;
        bool up = dropped > half;
        if (rounding == Rounding::kHalfEven) up |= dropped == half && (integer & 1) != 0;
        if (rounding == Rounding::kHalfUp) up |= dropped == half && !negative;
        if (rounding == Rounding::kFloor) up = dropped != 0 && negative;
        integer += up;
    }
    return negative ? -static_cast<int64_t>(integer) : static_cast<int64_t>(integer);
}

/// round(fl32(fl32(accumulator) * multiplier)); multiplier holds the bits of a float32.
inline int64_t scale(int32_t accumulator, uint32_t multiplier, Rounding rounding) {
#pragma HLS INLINE
    if (accumulator == 0 || (multiplier & 0x7fffffff) == 0) return 0;
    const bool negative = (accumulator < 0) != (multiplier >> 31 != 0);
    const uint32_t bits = static_cast<uint32_t>(accumulator);
    const uint32_t magnitude = accumulator < 0 ? 0u - bits : bits;

    const int32_t zeros = __builtin_clz(magnitude);
    const uint32_t significand = static_cast<uint32_t>(drop_half_even(magnitude << zeros, 8));

    uint64_t product = static_cast<uint64_t>(significand) * (0x800000 | (multiplier & 0x7fffff));
    // The DSP slices are all in the array.
#pragma HLS BIND_OP variable = product op = mul impl = fabric
    const uint32_t drop = product >> 47 != 0 ? 24 : 23;
    const int32_t exponent = (32 - zeros - 24) + static_cast<int32_t>(multiplier >> 23 & 0xff) -
                             150 + static_cast<int32_t>(drop);
    return round_to_integer(static_cast<uint32_t>(drop_half_even(product, drop)), exponent,
                            negative, rounding);
}

inline int64_t limit(int64_t value, int16_t low, int16_t high) {
#pragma HLS INLINE
    return value < low ? low : value > high ? high : value;
}

/// The output byte, in the low 8 bits.
inline uint8_t requantize_lane(int32_t accumulator, uint32_t multiplier, const ByteFormat& format) {
#pragma HLS INLINE
    int64_t value = scale(accumulator, multiplier, format.rounding) + format.zero_point;
    if (format.wrap) {
        value = format.is_unsigned ? int64_t(static_cast<uint8_t>(value))
                                   : int64_t(static_cast<int8_t>(value));
    } else {
        value = limit(value, format.saturate_min, format.saturate_max);
    }
    return static_cast<uint8_t>(limit(value, format.clamp_min, format.clamp_max));
}

}  // namespace conv
