// SPDX-License-Identifier: Apache-2.0
#include "axi_memory.hpp"

#include <cmath>
#include <cstring>

namespace lineconv {
namespace {

constexpr uint64_t kTokensPerByte = 1 << 16;  // integers, so that no rounding depends on the host
constexpr uint64_t kTokensPerBeat = kBeatBytes * kTokensPerByte;
constexpr uint64_t kPageBytes = 4096;  // no burst crosses a multiple of it

bool operator!=(const AddressChannel& a, const AddressChannel& b) {
    return a.valid != b.valid || a.id != b.id || a.address != b.address || a.length != b.length ||
           a.size != b.size || a.burst != b.burst;
}

bool operator!=(const WriteChannel& a, const WriteChannel& b) {
    return a.valid != b.valid || a.data != b.data || a.strobe != b.strobe || a.last != b.last;
}

std::string hex(uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

AxiMemory::AxiMemory(uint8_t* memory, uint64_t bytes, uint64_t base)
    : memory_(memory), bytes_(bytes), base_(base) {}

void AxiMemory::configure(const Timing& timing) {
    timing_ = timing;
    tokens_per_cycle_ =
        static_cast<uint64_t>(std::llround(timing.bytes_per_cycle * kTokensPerByte));
    stall_threshold_ = static_cast<uint64_t>(std::ldexp(timing.stall_probability, 32));
    random_ = timing.seed;
}

void AxiMemory::reset() {
    for (Port& port : ports_) {
        const Traffic traffic = port.traffic;
        port = Port{};
        port.traffic = traffic;
    }
    tokens_ = 0;
    ++cycle_;
}

void AxiMemory::check_reset(const std::array<MasterSignals, kPorts>& master) {
    for (unsigned port = 0; port < kPorts; ++port) {
        if (master[port].read.valid || master[port].write.valid || master[port].data.valid) {
            violate(port, "VALID is high during reset");
        }
    }
}

void AxiMemory::step(const std::array<MasterSignals, kPorts>& master) {
    for (unsigned index = 0; index < kPorts; ++index) {
        check(index, master[index]);
        accept(index, master[index]);
    }
    ++cycle_;
    for (Port& port : ports_) drive(port);
    share_bandwidth();
}

void AxiMemory::check(unsigned port, const MasterSignals& master) {
    const SlaveSignals& slave = ports_[port].slave;
    MasterSignals& previous = ports_[port].previous;
    // `previous` is kept only while a channel waits; see the end of this function.
    if (previous.read.valid && master.read != previous.read) {
        violate(port, "AR channel changed while it waited for ARREADY");
    }
    if (previous.write.valid && master.write != previous.write) {
        violate(port, "AW channel changed while it waited for AWREADY");
    }
    if (previous.data.valid && master.data != previous.data) {
        violate(port, "W channel changed while it waited for WREADY");
    }
    previous = master;
    previous.read.valid &= !slave.read_address_ready;
    previous.write.valid &= !slave.write_address_ready;
    previous.data.valid &= !slave.write_data_ready;
}

void AxiMemory::check_address(unsigned port, const char* channel, const AddressChannel& address) {
    const std::string width = std::to_string(kBeatBytes) + " bytes";
    std::string fault;
    const unsigned bytes = (address.length + 1) * kBeatBytes;
    if (1u << address.size != kBeatBytes || address.burst != 1) {
        fault = "not incrementing beats of " + width;
    }
    if (address.length >= kBurstBeats) fault = "longer than 16 beats";
    if (address.address % kBeatBytes != 0) fault = "not aligned to " + width;
    if (address.address % kPageBytes + bytes > kPageBytes) fault = "crosses a 4 KB boundary";
    if (fault.empty()) return;
    violate(port, std::string(channel) + " burst at " + hex(address.address) + ", " +
                      std::to_string(address.length + 1) + " beats: " + fault);
}

void AxiMemory::accept(unsigned index, const MasterSignals& master) {
    Port& port = ports_[index];
    SlaveSignals& slave = port.slave;
    if (slave.read_valid && master.read_ready) slave.read_valid = false;
    if (slave.response_valid && master.response_ready) slave.response_valid = false;
    if (slave.write_data_ready && master.data.valid) accept_write_beat(index, master.data);

    if (slave.read_address_ready && master.read.valid) {
        check_address(index, "read", master.read);
        ReadBurst burst{};
        burst.due = cycle_ + timing_.read_latency;
        burst.address = master.read.address;
        burst.id = master.read.id;
        burst.beats = master.read.length % kBurstBeats + 1u;
        for (unsigned beat = 0; beat < burst.beats; ++beat) {
            const uint64_t address = uint64_t{burst.address} + beat * kBeatBytes;
            burst.response[beat] = beat_response(address, false);
            if (burst.response[beat] == kOkay) {
                std::memcpy(&burst.data[beat], memory_ + (address - base_), kBeatBytes);
            }
        }
        port.reads.push_back(burst);
    }
    if (slave.write_address_ready && master.write.valid) {
        check_address(index, "write", master.write);
        WriteBurst burst{};
        burst.address = master.write.address;
        burst.id = master.write.id;
        burst.beats = master.write.length % kBurstBeats + 1u;
        port.writes.push_back(burst);
    }
}

void AxiMemory::accept_write_beat(unsigned index, const WriteChannel& beat) {
    Port& port = ports_[index];
    port.write_credit = false;
    ++port.traffic.write_beats;
    WriteBurst& burst = port.writes[port.complete_writes];
    burst.data[burst.received] = beat.data;
    burst.strobe[burst.received] = beat.strobe;
    ++burst.received;
    const bool last = burst.received == burst.beats;
    if (beat.last != last) {
        violate(index, "WLAST is " + std::to_string(beat.last) + " at beat " +
                           std::to_string(burst.received) + " of " + std::to_string(burst.beats) +
                           " of the burst at " + hex(burst.address));
    }
    if (last) {
        burst.due = cycle_ + timing_.write_latency;
        ++port.complete_writes;
    }
}

void AxiMemory::drive(Port& port) {
    SlaveSignals& slave = port.slave;
    slave.read_address_ready = port.reads.size() < timing_.max_outstanding && !stall();
    slave.write_address_ready = port.writes.size() < timing_.max_outstanding && !stall();
    if (!slave.response_valid && port.complete_writes > 0) {
        const WriteBurst& burst = port.writes.front();
        if (burst.due <= cycle_ && answers(burst.address, burst.beats, true) && !stall()) {
            respond_to_write(port);
        }
    }
}

// Round robin over the read and write data channels of both ports, one beat each per cycle.
void AxiMemory::share_bandwidth() {
    tokens_ += tokens_per_cycle_;
    const unsigned first = first_requester_;
    for (unsigned step = 0; step < 2 * kPorts; ++step) {
        const unsigned requester = (first + step) % (2 * kPorts);
        Port& port = ports_[requester / 2];
        const bool is_write = requester % 2 == 1;
        if (tokens_ < kTokensPerBeat) break;
        if (is_write ? !wants_write_beat(port) : !wants_read_beat(port)) continue;
        tokens_ -= kTokensPerBeat;
        first_requester_ = (requester + 1) % (2 * kPorts);
        if (is_write) {
            port.write_credit = true;
        } else {
            send_read_beat(port);
        }
    }
    // An idle memory saves up no more than what lets a steady stream use the whole bandwidth.
    if (tokens_ > kTokensPerBeat) tokens_ = kTokensPerBeat;
    for (Port& port : ports_) port.slave.write_data_ready = port.write_credit && !stall();
}

bool AxiMemory::wants_read_beat(const Port& port) {
    if (port.slave.read_valid || port.reads.empty()) return false;
    const ReadBurst& burst = port.reads.front();
    return burst.due <= cycle_ && answers(burst.address, burst.beats, false) && !stall();
}

bool AxiMemory::wants_write_beat(const Port& port) const {
    return !port.write_credit && port.complete_writes < port.writes.size();
}

void AxiMemory::send_read_beat(Port& port) {
    ReadBurst& burst = port.reads.front();
    SlaveSignals& slave = port.slave;
    slave.read_valid = true;
    slave.read_id = burst.id;
    slave.read_data = burst.data[burst.sent];
    slave.read_response = burst.response[burst.sent];
    ++burst.sent;
    ++port.traffic.read_beats;
    slave.read_last = burst.sent == burst.beats;
    if (slave.read_last) port.reads.pop_front();
}

void AxiMemory::respond_to_write(Port& port) {
    const WriteBurst& burst = port.writes.front();
    Response worst = kOkay;
    for (unsigned beat = 0; beat < burst.beats; ++beat) {
        const uint64_t address = uint64_t{burst.address} + beat * kBeatBytes;
        const Response response = beat_response(address, true);
        if (response > worst) worst = response;
        if (response != kOkay) continue;
        uint8_t* target = memory_ + (address - base_);
        uint8_t bytes[kBeatBytes];
        std::memcpy(bytes, &burst.data[beat], kBeatBytes);
        for (unsigned byte = 0; byte < kBeatBytes; ++byte) {
            if (burst.strobe[beat] >> byte & 1) target[byte] = bytes[byte];
        }
    }
    port.slave.response_valid = true;
    port.slave.response_id = burst.id;
    port.slave.response = worst;
    port.writes.pop_front();
    --port.complete_writes;
}

Response AxiMemory::beat_response(uint64_t address, bool is_write) const {
    for (const Fault& fault : faults_) {
        const bool applies = is_write ? fault.writes : fault.reads;
        if (applies && fault.response != kNever && address <= fault.last &&
            address + kBeatBytes > fault.first) {
            return fault.response;
        }
    }
    const bool inside = address >= base_ && address - base_ + kBeatBytes <= bytes_;
    return inside ? kOkay : kDecodeError;
}

bool AxiMemory::answers(uint64_t address, unsigned beats, bool is_write) const {
    for (const Fault& fault : faults_) {
        const bool applies = is_write ? fault.writes : fault.reads;
        if (applies && fault.response == kNever && address <= fault.last &&
            address + beats * kBeatBytes > fault.first) {
            return false;
        }
    }
    return true;
}

bool AxiMemory::stall() {
    if (stall_threshold_ == 0) return false;
    // splitmix64: every seed, 0 included, starts a good sequence.
    uint64_t value = random_ += 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return (value ^ value >> 31) >> 32 < stall_threshold_;
}

void AxiMemory::violate(unsigned port, const std::string& text) {
    if (!violation_.empty()) return;
    violation_ = "gmem" + std::to_string(port) + ", cycle " + std::to_string(cycle_) + ": " + text;
}

}  // namespace lineconv
