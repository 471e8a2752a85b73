// SPDX-License-Identifier: Apache-2.0
// The engine with its memory and clock, behind a C interface that board.py loads.
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "Vconv_axi.h"
#include "axi_memory.hpp"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

namespace lineconv {
namespace {

constexpr unsigned kResetCycles = 16;
constexpr unsigned kRegisterTimeout = 1000;  // cycles; the engine answers within a few

// A 64-bit integer, or an array of words.
using DataPins = std::remove_reference_t<decltype(Vconv_axi::m_axi_gmem0_rdata)>;
static_assert(sizeof(DataPins) == kBeatBytes, "the model was made for another width");

Beat beat(const DataPins& pins) {
    Beat value;
    std::memcpy(value.data(), &pins, kBeatBytes);
    return value;
}

// One AXI port of the model. References, so that a port of another width does not compile.
struct AxiPins {
    uint8_t &arvalid, &arready, &arid;
    uint32_t& araddr;
    uint8_t &arlen, &arsize, &arburst;
    uint8_t &rvalid, &rready, &rid;
    DataPins& rdata;
    uint8_t &rresp, &rlast;
    uint8_t &awvalid, &awready, &awid;
    uint32_t& awaddr;
    uint8_t &awlen, &awsize, &awburst;
    uint8_t &wvalid, &wready;
    DataPins& wdata;
    Strobe& wstrb;
    uint8_t& wlast;
    uint8_t &bvalid, &bready, &bid, &bresp;

    MasterSignals sample() const {
        return {{arvalid != 0, arid, araddr, arlen, arsize, arburst},
                {awvalid != 0, awid, awaddr, awlen, awsize, awburst},
                {wvalid != 0, beat(wdata), wstrb, wlast != 0},
                rready != 0,
                bready != 0};
    }

    void drive(const SlaveSignals& slave) {
        arready = slave.read_address_ready;
        rvalid = slave.read_valid;
        rid = slave.read_id;
        std::memcpy(&rdata, slave.read_data.data(), kBeatBytes);
        rresp = slave.read_response;
        rlast = slave.read_last;
        awready = slave.write_address_ready;
        wready = slave.write_data_ready;
        bvalid = slave.response_valid;
        bid = slave.response_id;
        bresp = slave.response;
    }
};

// The members of AxiPins in order; the two ports differ only in the prefix of their names.
#define AXI_PINS(top, port)                                                          \
    {top.port##_arvalid, top.port##_arready, top.port##_arid,    top.port##_araddr,  \
     top.port##_arlen,   top.port##_arsize,  top.port##_arburst, top.port##_rvalid,  \
     top.port##_rready,  top.port##_rid,     top.port##_rdata,   top.port##_rresp,   \
     top.port##_rlast,   top.port##_awvalid, top.port##_awready, top.port##_awid,    \
     top.port##_awaddr,  top.port##_awlen,   top.port##_awsize,  top.port##_awburst, \
     top.port##_wvalid,  top.port##_wready,  top.port##_wdata,   top.port##_wstrb,   \
     top.port##_wlast,   top.port##_bvalid,  top.port##_bready,  top.port##_bid,     \
     top.port##_bresp}

class Board {
  public:
    // Nothing happens before `configure` of the memory and `reset`.
    Board(uint8_t* memory, uint64_t bytes, uint64_t base)
        : top_(&context_), memory_(memory, bytes, base) {}

    ~Board() {
        top_.final();
#if VM_TRACE
        if (trace_) trace_->close();
#endif
    }

#if VM_TRACE
    // Records every signal into a VCD file from now on.
    void open_trace(const char* path) {
        context_.traceEverOn(true);
        trace_ = std::make_unique<VerilatedVcdC>();
        top_.trace(trace_.get(), 99);
        trace_->open(path);
        if (!trace_->isOpen()) throw std::runtime_error(std::string("cannot write ") + path);
    }
#endif

    void reset() {
        memory_.forget_violation();
        top_.ap_rst_n = 0;
        run(kResetCycles);
        memory_.check_reset({pins_[0].sample(), pins_[1].sample()});
        top_.ap_rst_n = 1;
    }

    void run(uint64_t cycles) {
        for (uint64_t count = 0; count < cycles; ++count) cycle();
    }

    // True when the interrupt came within `cycles` cycles.
    bool run_until_interrupt(uint64_t cycles) {
        for (uint64_t count = 0; count < cycles && !interrupt(); ++count) cycle();
        return interrupt();
    }

    uint32_t read_register(uint32_t offset) {
        top_.s_axi_control_araddr = offset;
        top_.s_axi_control_arvalid = 1;
        top_.s_axi_control_rready = 1;
        for (unsigned count = 0; count < kRegisterTimeout; ++count) {
            top_.eval();
            const bool address_taken = top_.s_axi_control_arready;
            const bool data_taken = top_.s_axi_control_rvalid;
            const uint32_t value = top_.s_axi_control_rdata;
            const unsigned response = top_.s_axi_control_rresp;
            cycle();
            if (address_taken) top_.s_axi_control_arvalid = 0;
            if (!data_taken) continue;
            top_.s_axi_control_rready = 0;
            require_okay("read", offset, response);
            return value;
        }
        throw std::runtime_error("register read of " + std::to_string(offset) + " got no answer");
    }

    void write_register(uint32_t offset, uint32_t value) {
        top_.s_axi_control_awaddr = offset;
        top_.s_axi_control_awvalid = 1;
        top_.s_axi_control_wdata = value;
        top_.s_axi_control_wstrb = 0xf;
        top_.s_axi_control_wvalid = 1;
        top_.s_axi_control_bready = 1;
        for (unsigned count = 0; count < kRegisterTimeout; ++count) {
            top_.eval();
            const bool address_taken = top_.s_axi_control_awready;
            const bool data_taken = top_.s_axi_control_wready;
            const bool answered = top_.s_axi_control_bvalid;
            const unsigned response = top_.s_axi_control_bresp;
            cycle();
            if (address_taken) top_.s_axi_control_awvalid = 0;
            if (data_taken) top_.s_axi_control_wvalid = 0;
            if (!answered) continue;
            top_.s_axi_control_bready = 0;
            require_okay("write", offset, response);
            return;
        }
        throw std::runtime_error("register write of " + std::to_string(offset) + " got no answer");
    }

    // Verilator renames the port, because C++ libraries use the word.
    bool interrupt() const { return top_.__SYM__interrupt; }
    uint64_t cycles() const { return cycles_; }
    AxiMemory& memory() { return memory_; }

    std::string error;  // of the last call that failed

  private:
    // The model is stable with the clock low: sample, rising edge, new inputs, falling edge.
    void cycle() {
        const std::array<MasterSignals, kPorts> master = {pins_[0].sample(), pins_[1].sample()};
        top_.ap_clk = 1;
        top_.eval();
        dump(2 * cycles_);
        if (top_.ap_rst_n) {
            memory_.step(master);
        } else {
            memory_.reset();
        }
        for (unsigned port = 0; port < kPorts; ++port) pins_[port].drive(memory_.slave(port));
        top_.ap_clk = 0;
        top_.eval();
        dump(2 * cycles_ + 1);
        ++cycles_;
        if (!memory_.violation().empty()) throw std::runtime_error(memory_.violation());
    }

    static void require_okay(const char* access, uint32_t offset, unsigned response) {
        if (response == kOkay) return;
        throw std::runtime_error(std::string("register ") + access + " of " +
                                 std::to_string(offset) + " got response " +
                                 std::to_string(response));
    }

    VerilatedContext context_;
    Vconv_axi top_;
    std::array<AxiPins, kPorts> pins_ = {
        {AXI_PINS(top_, m_axi_gmem0), AXI_PINS(top_, m_axi_gmem1)}};
    AxiMemory memory_;
    uint64_t cycles_ = 0;

    void dump(uint64_t time) {
#if VM_TRACE
        if (trace_) trace_->dump(time);
#else
        static_cast<void>(time);
#endif
    }

#if VM_TRACE
    std::unique_ptr<VerilatedVcdC> trace_;
#endif
};

// No exception may leave a C function: it becomes the board's error text and a false result.
template <typename Action>
bool guarded(Board& board, Action action) {
    try {
        action();
        return true;
    } catch (const std::exception& exception) {
        board.error = exception.what();
        return false;
    }
}

}  // namespace
}  // namespace lineconv

// $fatal and $finish would end the whole Python process.
void vl_fatal(const char* file, int line, const char*, const char* text) {
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + text);
}
void vl_finish(const char* file, int line, const char* hierarchy) {
    vl_fatal(file, line, hierarchy, "the model called $finish");
}
void vl_stop(const char* file, int line, const char* hierarchy) {
    vl_fatal(file, line, hierarchy, "the model called $stop");
}

using lineconv::Board;
#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED Board* board_create(uint8_t* memory, uint64_t bytes, uint64_t base) {
    return new Board(memory, bytes, base);
}

EXPORTED void board_destroy(Board* board) { delete board; }

EXPORTED const char* board_error(Board* board) { return board->error.c_str(); }

#if VM_TRACE
EXPORTED bool board_open_trace(Board* board, const char* path) {
    return guarded(*board, [&] { board->open_trace(path); });
}
#endif

EXPORTED bool board_reset(Board* board) {
    return guarded(*board, [&] { board->reset(); });
}

EXPORTED bool board_read(Board* board, uint32_t offset, uint32_t* value) {
    return guarded(*board, [&] { *value = board->read_register(offset); });
}

EXPORTED bool board_write(Board* board, uint32_t offset, uint32_t value) {
    return guarded(*board, [&] { board->write_register(offset, value); });
}

EXPORTED bool board_run(Board* board, uint64_t cycles) {
    return guarded(*board, [&] { board->run(cycles); });
}

EXPORTED bool board_run_until_interrupt(Board* board, uint64_t cycles, bool* interrupt) {
    return guarded(*board, [&] { *interrupt = board->run_until_interrupt(cycles); });
}

EXPORTED bool board_interrupt(Board* board) { return board->interrupt(); }

EXPORTED uint64_t board_cycles(Board* board) { return board->cycles(); }

EXPORTED uint64_t board_read_beats(Board* board, unsigned port) {
    return board->memory().traffic(port).read_beats;
}

EXPORTED uint64_t board_write_beats(Board* board, unsigned port) {
    return board->memory().traffic(port).write_beats;
}

EXPORTED void board_configure(Board* board, const lineconv::Timing* timing) {
    board->memory().configure(*timing);
}

EXPORTED void board_add_fault(Board* board, const lineconv::Fault* fault) {
    board->memory().add_fault(*fault);
}

EXPORTED void board_clear_faults(Board* board) { board->memory().clear_faults(); }
