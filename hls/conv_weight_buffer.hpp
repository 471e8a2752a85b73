// SPDX-License-Identifier: Apache-2.0
// The ring of weight words: filled a beat at a time, read a word at a time.
#pragma once

#include <cstdint>

#include "conv_layer.hpp"

namespace conv {

/// The beats of one word: for slice s and input lane i, beat s x InputLanes + i holds the weights
/// of the kSliceLanes output lanes of the slice.
template <typename Config>
struct WeightWord {
    Beat column[Config::WordBeats];
};

/// A column is one RAM. The ring runs on over the passes, so that the groups of the next pass move
/// in as those of this one become free.
template <typename Config>
class WeightBuffer {
  public:
    explicit WeightBuffer(const Layer& layer) : groups_left_(layer.groups) {
#pragma HLS INLINE
#pragma HLS ARRAY_PARTITION variable = words_ complete dim = 2
#pragma HLS BIND_STORAGE variable = words_ type = ram_2p impl = bram
    }

    bool done() const { return groups_left_ == 0; }

    /// Whether the next beat may be written.
    bool room() const {
        return groups_left_ != 0 && words_loaded_ - words_free_.value() < Config::WeightWords;
    }

    void write(const Layer& layer, Beat beat) {
#pragma HLS INLINE
        words_[word_][column_] = beat;
        if (++column_ != Config::WordBeats) return;
        column_ = 0;
        word_ = ring_add(word_, 1, Config::WeightWords);
        ++words_loaded_;
        if (++group_word_ != layer.group_words) return;
        group_word_ = 0;
        ++groups_loaded_;
        --groups_left_;
    }

    WeightWord<Config> read(uint32_t word) const {
#pragma HLS INLINE
        WeightWord<Config> weights;
#pragma HLS ARRAY_PARTITION variable = weights.column complete
    columns:
        for (uint32_t column = 0; column < Config::WordBeats; ++column) {
#pragma HLS UNROLL
            weights.column[column] = words_[word][column];
        }
        return weights;
    }

    /// Groups whose words may be read, counted over all passes.
    uint32_t groups_loaded() const { return seen_.value(); }

    /// Once per cycle: that many words, counted over all passes, may be overwritten.
    void clock(uint32_t words_free) {
#pragma HLS INLINE
        seen_.shift(groups_loaded_);
        words_free_.shift(words_free);
    }

  private:
    Beat words_[Config::WeightWords][Config::WordBeats];
    uint32_t groups_left_;
    uint32_t column_ = 0;
    uint32_t word_ = 0;        // in the ring
    uint32_t group_word_ = 0;  // in the group
    uint32_t words_loaded_ = 0;
    uint32_t groups_loaded_ = 0;
    DelayedCount seen_;
    DelayedCount words_free_;
};

}  // namespace conv
