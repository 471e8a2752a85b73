// SPDX-License-Identifier: Apache-2.0
// lineconv::AxiMemory alone, for test_axi_memory.py to play the engine cycle by cycle.
#include "axi_memory.hpp"

using lineconv::AxiMemory;
using lineconv::kPorts;
using lineconv::MasterSignals;
using lineconv::SlaveSignals;

extern "C" {

AxiMemory* memory_create(uint8_t* memory, uint64_t bytes, uint64_t base) {
    return new AxiMemory(memory, bytes, base);
}

void memory_destroy(AxiMemory* memory) { delete memory; }

void memory_configure(AxiMemory* memory, const lineconv::Timing* timing) {
    memory->configure(*timing);
}

void memory_add_fault(AxiMemory* memory, const lineconv::Fault* fault) {
    memory->add_fault(*fault);
}

void memory_clear_faults(AxiMemory* memory) { memory->clear_faults(); }

// `master` and `slave` hold one element per port.
void memory_step(AxiMemory* memory, const MasterSignals* master, SlaveSignals* slave) {
    memory->step({master[0], master[1]});
    for (unsigned port = 0; port < kPorts; ++port) slave[port] = memory->slave(port);
}

const char* memory_violation(AxiMemory* memory) { return memory->violation().c_str(); }

}  // extern "C"
