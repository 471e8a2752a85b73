// SPDX-License-Identifier: Apache-2.0
// The order of the results, which requantisation and packer count for themselves.
#pragma once

#include <cstdint>

#include "conv_layer.hpp"

namespace conv {

/// pass - output row - output column - group - slice.
class OutputWalk {
  public:
    explicit OutputWalk(const Layer& layer)
        : passes_(layer.passes),
          rows_(layer.output_height),
          columns_(layer.output_width),
          groups_per_pass_(layer.groups_per_pass),
          slices_per_group_(layer.slices_per_group),
          groups_left_(layer.groups) {}

    bool done() const { return pass_ == passes_; }

    uint32_t column() const { return column_; }
    uint32_t slice() const { return slice_; }

    bool last_slice() const { return slice_ + 1 == slices_per_group_; }
    bool first_of_pixel() const { return group_ == 0 && slice_ == 0; }
    bool last_of_pixel() const {
        const bool last_group = group_ + 1 == groups_per_pass_ || group_ + 1 == groups_left_;
        return last_slice() && last_group;
    }
    bool last_column() const { return column_ + 1 == columns_; }
    bool last_row() const { return row_ + 1 == rows_; }
    bool last_pass() const { return pass_ + 1 == passes_; }

    void step() {
#pragma HLS INLINE
        const bool pixel_ends = last_of_pixel();
        if (++slice_ != slices_per_group_) return;
        slice_ = 0;
        ++group_;
        if (!pixel_ends) return;
        const uint32_t pass_groups = group_;
        group_ = 0;
        if (++column_ != columns_) return;
        column_ = 0;
        if (++row_ != rows_) return;
        row_ = 0;
        groups_left_ -= pass_groups;
        ++pass_;
    }

  private:
    const uint32_t passes_;
    const uint32_t rows_;
    const uint32_t columns_;
    const uint32_t groups_per_pass_;
    const uint32_t slices_per_group_;
    uint32_t groups_left_;  // from this pass on
    uint32_t pass_ = 0;
    uint32_t row_ = 0;
    uint32_t column_ = 0;
    uint32_t group_ = 0;  // in the pass
    uint32_t slice_ = 0;
};

}  // namespace conv
