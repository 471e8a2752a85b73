// SPDX-License-Identifier: Apache-2.0
// Stand-in for the hls_burst_maxi.h of Vitis HLS, which the open headers lack: the part of
// hls::burst_maxi that the core uses, on a stretch of memory. It is stricter than hardware needs to
// be: an access that the AXI side could not do, or outside the memory, throws std::logic_error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>

namespace hls {

template <typename T>
class burst_maxi {
  public:
    static constexpr size_t kMaxBurstBeats = 16;    // AXI3
    static constexpr size_t kBoundaryBytes = 4096;  // that no AXI burst crosses

    explicit burst_maxi(T* memory) : burst_maxi(memory, 0, SIZE_MAX) {}

    /// `count` elements at `memory` answer to the indices from `first` on.
    burst_maxi(T* memory, size_t first, size_t count)
        : port_(std::make_shared<Port>(Port{memory, first, count, {}, {}, 0})) {}

    void read_request(size_t index, size_t count) {
        check_burst(index, count);
        port_->reads.push_back({index, count});
    }

    T read() {
        if (port_->reads.empty()) throw std::logic_error("read without a request");
        return port_->memory[next(port_->reads) - port_->first];
    }

    void write_request(size_t index, size_t count) {
        check_burst(index, count);
        port_->writes.push_back({index, count});
    }

    void write(const T& value, int64_t byte_enable = -1) {
        if (port_->writes.empty()) throw std::logic_error("write without a request");
        T& element = port_->memory[next(port_->writes) - port_->first];
        for (size_t byte = 0; byte < sizeof(T); ++byte) {
            if ((byte_enable >> byte & 1) == 0) continue;
            std::memcpy(reinterpret_cast<char*>(&element) + byte,
                        reinterpret_cast<const char*>(&value) + byte, 1);
        }
        if (port_->writes.empty() || port_->writes.front().fresh) ++port_->unanswered;
    }

    void write_response() {
        if (port_->unanswered == 0) throw std::logic_error("write response of no burst");
        --port_->unanswered;
    }

    /// Nothing requested is left over.
    bool idle() const {
        return port_->reads.empty() && port_->writes.empty() && port_->unanswered == 0;
    }

  private:
    struct Burst {
        size_t index;
        size_t left;
        bool fresh = true;  // nothing transferred yet
    };
    struct Port {
        T* memory;
        size_t first;
        size_t count;
        std::deque<Burst> reads;
        std::deque<Burst> writes;
        size_t unanswered;  // complete write bursts
    };

    void check_burst(size_t index, size_t count) const {
        constexpr size_t kBoundary = kBoundaryBytes / sizeof(T);
        const bool legal = count >= 1 && count <= kMaxBurstBeats &&
                           index / kBoundary == (index + count - 1) / kBoundary;
        const bool inside = index >= port_->first && index - port_->first < port_->count &&
                            count <= port_->count - (index - port_->first);
        if (legal && inside) return;
        throw std::logic_error("burst of " + std::to_string(count) + " beats at beat " +
                               std::to_string(index) +
                               (legal ? " is outside the memory" : " breaks the rules of AXI"));
    }

    /// Index of the next element of the oldest burst.
    static size_t next(std::deque<Burst>& bursts) {
        Burst& burst = bursts.front();
        burst.fresh = false;
        const size_t index = burst.index++;
        if (--burst.left == 0) bursts.pop_front();
        return index;
    }

    std::shared_ptr<Port> port_;
};

}  // namespace hls
