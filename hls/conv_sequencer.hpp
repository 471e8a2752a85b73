// SPDX-License-Identifier: Apache-2.0
// The loop nest of a layer, as a state machine that yields a word per cycle:
//
//     pass - output row - output column - group - kernel row - segment - word
#pragma once

#include <cstdint>

#include "conv_layer.hpp"

namespace conv {

/// What the stages do in one cycle.
struct Word {
    int32_t address;       // of its first byte in the line buffer
    int32_t offset;        // of its first byte in the input row
    bool row_valid;        // the row is inside the image
    uint32_t weight_word;  // in the weight ring
    uint32_t segment;      // of the kernel row
    bool first;            // of an output (one pixel and group)
    bool last;
};

/// Positions move by additions only. A loop steps when all inner ones have ended.
template <typename Config>
class Sequencer {
  public:
    explicit Sequencer(const Layer& layer) : layer_(layer), groups_left_(layer.groups) {
#pragma HLS INLINE
        begin_pass();
    }

    bool done() const { return pass_ == layer_.passes; }

    /// Whether the input rows under the kernel and the weights of the word are there. Both counts
    /// run over all passes.
    bool ready(uint32_t rows_loaded, uint32_t words_loaded) const {
        return !done() && rows_loaded >= rows_needed_ && words_loaded > word_count_;
    }

    /// Rows and weight words below these counts may be overwritten.
    uint32_t rows_free() const { return rows_free_; }
    uint32_t words_free() const { return words_free_; }

    /// The current word; then the next one is current.
    Word next() {
#pragma HLS INLINE
        Word word;
        word.offset = word_offset_;
        word.address =
            static_cast<int32_t>(kernel_beat_ * kBeatBytes + layer_.input_align) + word_offset_;
        word.row_valid = kernel_row_position_ >= 0 && kernel_row_position_ < layer_.input_height;
        word.weight_word = weight_word_;
        word.segment = segment_;
        word.first = word_ == 0 && segment_ == 0 && kernel_row_ == 0;
        word.last = word_ + 1 == layer_.segment_words && segment_ + 1 == layer_.segments &&
                    kernel_row_ + 1 == layer_.kernel_height;
        step();
        return word;
    }

  private:
    void step() {
#pragma HLS INLINE
        // The last pixel of a pass is the last to use its words.
        const bool last_pixel =
            row_ + 1 == layer_.output_height && column_ + 1 == layer_.output_width;
        ++word_count_;
        if (last_pixel) words_free_ = word_count_;
        weight_word_ = ring_add(weight_word_, 1, Config::WeightWords);
        word_offset_ += static_cast<int32_t>(Config::InputLanes);
        if (++word_ != layer_.segment_words) return;
        if (++segment_ != layer_.segments) {
            begin_segment(segment_offset_ + layer_.segment_step);
            return;
        }
        if (++kernel_row_ != layer_.kernel_height) {
            begin_kernel_row(kernel_row_position_ + layer_.dilation_height,
                             ring_add(kernel_beat_, layer_.kernel_row_step, layer_.ring_beats));
            return;
        }
        group_offset_ += layer_.group_step;
        if (++group_ != pass_groups_) {
            begin_output();
            return;
        }
        if (!last_pixel) {
            weight_word_ = pass_word_;
            word_count_ = pass_word_count_;
        }
        if (++column_ != layer_.output_width) {
            begin_column(column_offset_ + layer_.pixel_step);
            return;
        }
        if (++row_ != layer_.output_height) {
            begin_row(row_position_ + layer_.stride_height,
                      ring_add(row_beat_, layer_.output_row_step, layer_.ring_beats));
            return;
        }
        ++pass_;
        groups_left_ -= pass_groups_;
        pass_offset_ = group_offset_;
        if (!layer_.resident) pass_row_ += static_cast<uint32_t>(layer_.input_height);
        pass_beat_ = ring_add(pass_beat_, layer_.pass_rows_beats, layer_.ring_beats);
        begin_pass();
    }

    void begin_pass() {
#pragma HLS INLINE
        pass_groups_ =
            groups_left_ < layer_.groups_per_pass ? groups_left_ : layer_.groups_per_pass;
        pass_word_ = weight_word_;
        pass_word_count_ = word_count_;
        row_ = 0;
        begin_row(-layer_.pad_top,
                  ring_add(pass_beat_, layer_.ring_beats - layer_.pad_top_step, layer_.ring_beats));
    }

    /// `position` is the input row under the first kernel row, `beat` the place of its slot.
    void begin_row(int32_t position, uint32_t beat) {
#pragma HLS INLINE
        row_position_ = position;
        row_beat_ = beat;
        rows_free_ = pass_row_ + rows_inside(position);
        rows_needed_ = pass_row_ + rows_inside(position + layer_.kernel_rows);
        column_ = 0;
        begin_column(-layer_.pad_left_bytes);
    }

    void begin_column(int32_t offset) {
#pragma HLS INLINE
        column_offset_ = offset;
        group_ = 0;
        group_offset_ = pass_offset_;
        begin_output();
    }

    void begin_output() {
#pragma HLS INLINE
        kernel_row_ = 0;
        begin_kernel_row(row_position_, row_beat_);
    }

    void begin_kernel_row(int32_t position, uint32_t beat) {
#pragma HLS INLINE
        kernel_row_position_ = position;
        kernel_beat_ = beat;
        segment_ = 0;
        begin_segment(column_offset_ + group_offset_);
    }

    void begin_segment(int32_t offset) {
#pragma HLS INLINE
        segment_offset_ = offset;
        word_offset_ = offset;
        word_ = 0;
    }

    /// Input rows of the image above `position`.
    uint32_t rows_inside(int32_t position) const {
        if (position < 0) return 0;
        return static_cast<uint32_t>(position < layer_.input_height ? position
                                                                    : layer_.input_height);
    }

    const Layer layer_;

    // Loops.
    uint32_t pass_ = 0;
    uint32_t row_ = 0;
    uint32_t column_ = 0;
    uint32_t group_ = 0;
    uint32_t kernel_row_ = 0;
    uint32_t segment_ = 0;
    uint32_t word_ = 0;

    // Of the pass.
    uint32_t groups_left_;          // from it on
    uint32_t pass_groups_ = 0;      // how many it has
    int32_t pass_offset_ = 0;       // of its first group
    uint32_t pass_word_ = 0;        // its first, in the weight ring
    uint32_t pass_word_count_ = 0;  // the same, counted over all passes
    uint32_t pass_row_ = 0;         // its first input row, counted over all passes
    uint32_t pass_beat_ = 0;        // place of that row's slot
    // Of the group: its first byte in an input pixel.
    int32_t group_offset_ = 0;
    // Of the output row and of the kernel row: input row, place of its slot.
    int32_t row_position_ = 0;
    uint32_t row_beat_ = 0;
    int32_t kernel_row_position_ = 0;
    uint32_t kernel_beat_ = 0;
    // Of column, segment and word: byte in the input row.
    int32_t column_offset_ = 0;
    int32_t segment_offset_ = 0;
    int32_t word_offset_ = 0;

    uint32_t weight_word_ = 0;  // in the weight ring
    uint32_t word_count_ = 0;   // the same, counted over all passes
    uint32_t rows_needed_ = 0;
    uint32_t rows_free_ = 0;
    uint32_t words_free_ = 0;
};

}  // namespace conv
