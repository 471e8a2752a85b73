// SPDX-License-Identifier: Apache-2.0
// Memory behind two AXI4 ports: one flat array, one shared bandwidth, and a check of the protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <type_traits>
#include <vector>

namespace lineconv {

constexpr unsigned kPorts = 2;
// Width of the ports; the build of a board sets it.
#ifndef LINECONV_BEAT_BYTES
#define LINECONV_BEAT_BYTES 8
#endif
constexpr unsigned kBeatBytes = LINECONV_BEAT_BYTES;
constexpr unsigned kBurstBeats = 16;  // AXI3 limit, which the HP ports of Zynq-7000 have

using Beat = std::array<uint64_t, kBeatBytes / 8>;  // the lowest address first
using Strobe = std::conditional_t<kBeatBytes == 8, uint8_t, uint16_t>;

// Values of RRESP and BRESP; kNever is no AXI value, it stands for a response that does not come.
enum Response : uint8_t { kOkay = 0, kSlaveError = 2, kDecodeError = 3, kNever = 4 };

struct AddressChannel {
    bool valid;
    uint8_t id;
    uint32_t address;
    uint8_t length;  // beats - 1
    uint8_t size;    // log2 of the bytes of a beat
    uint8_t burst;   // 1: incrementing
};

struct WriteChannel {
    bool valid;
    Beat data;
    Strobe strobe;
    bool last;
};

// What the engine drives in one cycle.
struct MasterSignals {
    AddressChannel read;
    AddressChannel write;
    WriteChannel data;
    bool read_ready;
    bool response_ready;
};

// What the memory drives in one cycle; everything comes from registers.
struct SlaveSignals {
    bool read_address_ready;
    bool read_valid;
    uint8_t read_id;
    Beat read_data;
    uint8_t read_response;
    bool read_last;
    bool write_address_ready;
    bool write_data_ready;
    bool response_valid;
    uint8_t response_id;
    uint8_t response;
};

struct Timing {
    double bytes_per_cycle;
    uint32_t read_latency;     // cycles from the acceptance of an address to the first beat
    uint32_t write_latency;    // cycles from the last beat to the response
    uint32_t max_outstanding;  // bursts per port and direction
    double stall_probability;  // per cycle and channel
    uint64_t seed;
};

// Accesses that touch first..last get `response`, and no data moves.
struct Fault {
    uint64_t first;
    uint64_t last;
    Response response;
    bool reads;
    bool writes;
};

struct Traffic {
    uint64_t read_beats;
    uint64_t write_beats;
};

// In order per port and direction. Of the orders that AXI allows between the channels it takes the
// least helpful one: a read sees memory as it was when its address was accepted, and a write shows
// when its response is given; so an engine that does not wait for responses reads stale data here.
class AxiMemory {
  public:
    // `memory` holds addresses base .. base + bytes - 1; all other addresses answer DECERR.
    AxiMemory(uint8_t* memory, uint64_t bytes, uint64_t base);

    // Sets the timing and restarts the stall sequence; bursts in flight keep their due time.
    void configure(const Timing& timing);
    void add_fault(const Fault& fault) { faults_.push_back(fault); }
    void clear_faults() { faults_.clear(); }

    // One clock edge in reset: drops everything in flight.
    void reset();
    // The engine must be silent once it has been in reset for a cycle.
    void check_reset(const std::array<MasterSignals, kPorts>& master);

    // One clock edge: takes what the engine drove before it, sets what it sees after it.
    void step(const std::array<MasterSignals, kPorts>& master);

    const SlaveSignals& slave(unsigned port) const { return ports_[port].slave; }
    const Traffic& traffic(unsigned port) const { return ports_[port].traffic; }

    // First breach of the AXI protocol by the engine; empty when there was none.
    const std::string& violation() const { return violation_; }
    void forget_violation() { violation_.clear(); }

  private:
    struct ReadBurst {
        uint64_t due;
        uint32_t address;
        uint8_t id;
        unsigned beats;
        unsigned sent;
        std::array<Beat, kBurstBeats> data;
        std::array<Response, kBurstBeats> response;
    };

    struct WriteBurst {
        uint64_t due;
        uint32_t address;
        uint8_t id;
        unsigned beats;
        unsigned received;
        std::array<Beat, kBurstBeats> data;
        std::array<Strobe, kBurstBeats> strobe;
    };

    struct Port {
        SlaveSignals slave{};
        MasterSignals previous{};  // for the stability rule
        std::deque<ReadBurst> reads;
        std::deque<WriteBurst> writes;
        size_t complete_writes = 0;  // bursts at the front of `writes` that have all their data
        bool write_credit = false;   // bandwidth for the next write beat is paid
        Traffic traffic{};
    };

    void check(unsigned port, const MasterSignals& master);
    void check_address(unsigned port, const char* channel, const AddressChannel& address);
    void accept(unsigned port, const MasterSignals& master);
    void accept_write_beat(unsigned port, const WriteChannel& beat);
    void drive(Port& port);
    void share_bandwidth();
    bool wants_read_beat(const Port& port);
    bool wants_write_beat(const Port& port) const;
    void send_read_beat(Port& port);
    void respond_to_write(Port& port);

    Response beat_response(uint64_t address, bool is_write) const;
    bool answers(uint64_t address, unsigned beats, bool is_write) const;
    bool stall();
    void violate(unsigned port, const std::string& text);

    uint8_t* memory_;
    uint64_t bytes_;
    uint64_t base_;
    Timing timing_{};
    std::vector<Fault> faults_;
    std::array<Port, kPorts> ports_;
    uint64_t cycle_ = 0;
    uint64_t tokens_ = 0;  // unused bandwidth, in kTokensPerByte-ths of a byte
    uint64_t tokens_per_cycle_ = 0;
    unsigned first_requester_ = 0;
    uint64_t stall_threshold_ = 0;
    uint64_t random_ = 1;
    std::string violation_;
};

}  // namespace lineconv
