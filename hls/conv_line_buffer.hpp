// SPDX-License-Identifier: Apache-2.0
// The ring of input rows: written by beats, read ReadLanes bytes at a time from any byte on.
#pragma once

#include <cstdint>

#include "conv_layer.hpp"

namespace conv {

constexpr uint32_t power_of_two_from(uint32_t least) {
    uint32_t power = 1;
    while (power < least) power *= 2;
    return power;
}

/// The input bytes of one word, as they lie in the line buffer; an array takes as many as it has
/// lanes.
template <typename Config>
struct InputWord {
    int8_t lane[Config::ReadLanes];
};

/// Neighbouring beats lie in different banks, so that all beats that a word touches are read at
/// once; the bytes are turned into place afterwards.
template <typename Config>
class LineBuffer {
  public:
    LineBuffer() {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = beats_ complete dim = 2
#pragma HLS BIND_STORAGE variable = beats_ type = ram_2p impl = bram
    }

    void write(uint32_t position, Beat beat) {
#pragma HLS INLINE
        beats_[position / kBanks][position % kBanks] = beat;
    }

    /// The bytes from `address` on, which wraps at both ends of the buffer. Only bytes of rows that
    /// are in the buffer have a meaning.
    InputWord<Config> read(int32_t address) const {
#pragma HLS INLINE
        if (address < 0) address += kBytes;
        const uint32_t position = static_cast<uint32_t>(address) / kBeatBytes;
        const uint32_t first_bank = position % kBanks;
        uint32_t row = position / kBanks;
        // Far out in the padding, where no byte has a meaning.
        if (row >= kDepth) row = 0;
        const uint32_t next_row = row + 1 == kDepth ? 0 : row + 1;

        Beat beats[kBanks];
#pragma HLS ARRAY_PARTITION variable = beats complete
    banks:
        for (uint32_t bank = 0; bank < kBanks; ++bank) {
#pragma HLS UNROLL
            beats[bank] = beats_[bank < first_bank ? next_row : row][bank];
        }

        Beat run[kWordBeats];
#pragma HLS ARRAY_PARTITION variable = run complete
    rotate:
        for (uint32_t i = 0; i < kWordBeats; ++i) {
#pragma HLS UNROLL
            run[i] = beats[(first_bank + i) % kBanks];
        }

        InputWord<Config> word;
#pragma HLS ARRAY_PARTITION variable = word.lane complete
        const uint32_t shift = 8 * (static_cast<uint32_t>(address) % kBeatBytes);
    align:
        for (uint32_t i = 0; i < Config::ReadLanes; ++i) {
#pragma HLS UNROLL
            const uint32_t beat = i / kBeatBytes;
            const uint32_t byte = 8 * (i % kBeatBytes) + shift;
            const Beat from = byte < kBeatBits ? run[beat] : run[beat + 1];
            word.lane[i] = static_cast<int8_t>(from >> (byte % kBeatBits));
        }
        return word;
    }

  private:
    // Beats that a word touches if its first byte is the last of a beat.
    static constexpr uint32_t kWordBeats =
        (kBeatBytes - 1 + Config::ReadLanes + kBeatBytes - 1) / kBeatBytes;
    static constexpr uint32_t kBanks = power_of_two_from(kWordBeats);
    static constexpr uint32_t kDepth = (Config::LineBufferBeats + kBanks - 1) / kBanks;
    static constexpr int32_t kBytes = kDepth * kBanks * kBeatBytes;

    Beat beats_[kDepth][kBanks];
};

/// Fills the ring with the rows that the loader sends, as slots become free.
class RowRing {
  public:
    explicit RowRing(const Layer& layer)
        : beats_left_(
              static_cast<uint64_t>(static_cast<uint32_t>(layer.input_height) * layer.row_beats) *
              (layer.resident ? 1 : layer.passes)) {}

    bool done() const { return beats_left_ == 0; }

    /// Whether the next beat may be written.
    bool room(const Layer& layer) const {
        return beats_left_ != 0 && loaded_ < free_.value() + layer.row_slots;
    }

    uint32_t position() const { return position_; }

    /// The beat was written.
    void step(const Layer& layer) {
#pragma HLS INLINE
        --beats_left_;
        position_ = ring_add(position_, 1, layer.ring_beats);
        if (++beat_ == layer.row_beats) {
            beat_ = 0;
            ++loaded_;
        }
    }

    /// Rows that may be read, counted over all passes.
    uint32_t rows_loaded() const { return seen_.value(); }

    /// Once per cycle: rows below `rows_free`, counted over all passes, may be overwritten.
    void clock(uint32_t rows_free) {
#pragma HLS INLINE
        seen_.shift(loaded_);
        free_.shift(rows_free);
    }

  private:
    uint64_t beats_left_;
    uint32_t position_ = 0;
    uint32_t beat_ = 0;
    uint32_t loaded_ = 0;
    DelayedCount seen_;
    DelayedCount free_;
};

}  // namespace conv
