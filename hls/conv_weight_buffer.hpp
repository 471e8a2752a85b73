// SPDX-License-Identifier: Apache-2.0
// The ring of weight words: filled a beat at a time, read a word at a time.
#pragma once

#include <cstdint>

#include "conv_layer.hpp"

namespace conv {

/// The weights that one cycle of an array uses, as they lie in the stream.
template <uint32_t Beats>
struct WeightWord {
    Beat column[Beats];
};

/// The words of one array. A column is one RAM.
template <typename Config, uint32_t Beats>
class WeightBuffer {
  public:
    WeightBuffer() {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = words_ complete dim = 2
#pragma HLS BIND_STORAGE variable = words_ type = ram_2p impl = bram
    }

    void write(uint32_t word, uint32_t column, Beat beat) {
#pragma HLS INLINE
        words_[word][column] = beat;
    }

    WeightWord<Beats> read(uint32_t word) const {
#pragma HLS INLINE
        WeightWord<Beats> weights;
#pragma HLS ARRAY_PARTITION variable = weights.column complete
    columns:
        for (uint32_t column = 0; column < Beats; ++column) {
#pragma HLS UNROLL
            weights.column[column] = words_[word][column];
        }
        return weights;
    }

  private:
    Beat words_[Config::WeightWords][Beats];
};

/// Which words are there. The ring runs on over the passes, so that words of the next pass move in
/// as those of this one become free; counts are over all passes.
template <typename Config>
class WeightRing {
  public:
    explicit WeightRing(const Layer& layer) : words_left_(layer.groups * layer.group_words) {}

    bool done() const { return words_left_ == 0; }

    /// Whether the next beat may be written.
    bool room() const { return words_left_ != 0 && loaded_ - free_.value() < Config::WeightWords; }

    uint32_t word() const { return word_; }
    uint32_t column() const { return column_; }

    /// The beat was written.
    void step(const Layer& layer) {
#pragma HLS INLINE
        if (++column_ != layer.word_beats) return;
        column_ = 0;
        word_ = ring_add(word_, 1, Config::WeightWords);
        ++loaded_;
        --words_left_;
    }

    /// Words that may be read.
    uint32_t words_loaded() const { return seen_.value(); }

    /// Once per cycle: that many words may be overwritten.
    void clock(uint32_t words_free) {
#pragma HLS INLINE
        seen_.shift(loaded_);
        free_.shift(words_free);
    }

  private:
    uint32_t words_left_;
    uint32_t column_ = 0;  // of the next beat
    uint32_t word_ = 0;    // of the next beat, in the ring
    uint32_t loaded_ = 0;
    DelayedCount seen_;
    DelayedCount free_;
};

}  // namespace conv
