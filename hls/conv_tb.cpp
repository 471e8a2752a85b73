// SPDX-License-Identifier: Apache-2.0
// Test bench for C simulation and co-simulation: runs one program on a memory image and compares
// the whole memory with the one that is expected. tests/hls_case.py writes such files.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <vector>

#include "conv_top.hpp"

namespace {

constexpr uint64_t kMemoryBeats = 65536;  // `depth` of the ports in conv_top.cpp

struct Header {  // HEADER in tests/hls_case.py
    uint64_t program;
    uint64_t descriptor_count;
    uint64_t beats;  // of each memory image
};

bool read_beats(std::ifstream& file, uint64_t beats, std::vector<conv::Beat>& memory) {
    const auto bytes = static_cast<std::streamsize>(beats * sizeof(conv::Beat));
    return static_cast<bool>(file.read(reinterpret_cast<char*>(memory.data()), bytes));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::printf("usage: conv_tb case.bin\n");
        return 2;
    }
    std::ifstream file(argv[1], std::ios::binary);
    Header header = {};
    std::vector<conv::Beat> memory(kMemoryBeats);
    std::vector<conv::Beat> expected(kMemoryBeats);
    const bool complete = file.read(reinterpret_cast<char*>(&header), sizeof(header)) &&
                          header.beats <= kMemoryBeats && read_beats(file, header.beats, memory) &&
                          read_beats(file, header.beats, expected);
    if (!complete) {
        std::printf("%s: no test case, or larger than the ports' depth\n", argv[1]);
        return 2;
    }

    conv::OutcomeRegisters outcome = {};
    conv::IdentityRegisters identity = {};
    uint64_t cycles = 0;
    conv_top(conv::Memory(memory.data()), conv::Memory(memory.data()), conv::Memory(memory.data()),
             header.program, static_cast<uint32_t>(header.descriptor_count), 0,
             header.beats * conv::kBeatBytes - 1, 0, &outcome, &cycles, &identity);

    uint64_t differ = 0;
    for (uint64_t i = 0; i < kMemoryBeats; ++i) differ += memory[i] != expected[i];
    std::printf("status %u, %u of %u descriptors, %llu beats differ\n", outcome.status,
                outcome.completed, static_cast<unsigned>(header.descriptor_count),
                static_cast<unsigned long long>(differ));
    const bool passed = outcome.status == 0 && outcome.completed == header.descriptor_count &&
                        identity.magic == conv::kIdentity && differ == 0;
    return passed ? 0 : 1;
}
