// SPDX-License-Identifier: Apache-2.0
// Bursts on the AXI ports: at most kBurstBeats, never across 4 KB, several under way.
#pragma once

#include <hls_burst_maxi.h>

#include <cstdint>

#include "conv_config.hpp"

namespace conv {

using Memory = hls::burst_maxi<Beat>;  // indexed by address / kBeatBytes

/// Splits a run of beats at the multiples of kBurstBeats, among which are those of 4 KB.
class BurstWalk {
  public:
    void start(uint32_t address, uint32_t beats) {
        index_ = address / kBeatBytes;
        left_ = beats;
    }

    bool done() const { return left_ == 0; }
    uint32_t index() const { return index_; }

    uint32_t length() const {
        const uint32_t room = kBurstBeats - index_ % kBurstBeats;
        return left_ < room ? left_ : room;
    }

    void step() {
        const uint32_t beats = length();
        index_ += beats;
        left_ -= beats;
    }

  private:
    uint32_t index_ = 0;
    uint32_t left_ = 0;
};

/// Counts beats that were requested, so that no more are than the port can take in.
class ReadAhead {
  public:
    bool room() const { return beats_ <= (kMaxBursts - 1) * kBurstBeats; }

    void request(Memory memory, BurstWalk& walk) {
#pragma HLS INLINE
        memory.read_request(walk.index(), walk.length());
        beats_ += walk.length();
        walk.step();
    }

    Beat read(Memory memory) {
#pragma HLS INLINE
        --beats_;
        return memory.read();
    }

  private:
    uint32_t beats_ = 0;
};

}  // namespace conv
