// SPDX-License-Identifier: Apache-2.0
// Asks for the input rows, in the order in which the line buffer takes them.
#pragma once

#include <hls_stream.h>

#include <cstdint>

#include "conv_layer.hpp"
#include "conv_memory.hpp"

namespace conv {

constexpr Beat kTopBits = ~Beat(0) / 0xff * 0x80;  // of every byte

/// All rows once per pass; an input that fits the line buffer as a whole is loaded once. Rows of
/// ADD alternate between its tensors. The line buffer takes a beat when its slot is free; until
/// then the stream holds the memory back.
inline void load_rows(Memory memory, Layer layer, hls::stream<Beat>& rows, uint32_t& beats_read) {
    const uint32_t loads = layer.resident ? 1 : layer.passes;
    const uint32_t load_beats = static_cast<uint32_t>(layer.input_height) * layer.row_beats;
    const uint64_t beats = static_cast<uint64_t>(load_beats) * loads;

    ReadAhead ahead;
    BurstWalk walk;
    walk.start(layer.input_address, layer.row_beats);
    uint32_t address = layer.input_address;
    uint32_t other_address = layer.second_address;  // ADD: the row after this one
    int32_t row = 0;
    uint32_t load = 0;

load_rows:
    for (uint64_t beat = 0; beat < beats; ++beat) {
#pragma HLS PIPELINE II = 1
        if (load < loads && ahead.room()) {
            ahead.request(memory, walk);
            if (walk.done()) {
                const uint32_t below = address + layer.input_row_stride;
                address = layer.kind == Kind::kAdd ? other_address : below;
                other_address = below;
                if (++row == layer.input_height) {
                    row = 0;
                    ++load;
                    address = layer.input_address;
                    other_address = layer.second_address;
                }
                walk.start(address, layer.row_beats);
            }
        }
        Beat data = ahead.read(memory);
        // uint8 to int8: the zero point is that of int8 already.
        if (layer.input_unsigned) data ^= kTopBits;
        rows.write(data);
    }
    beats_read = static_cast<uint32_t>(beats);
}

}  // namespace conv
