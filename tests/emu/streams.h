/* A stream's queue and a capture in progress, for streams.cpp and graphs.cpp. */
#ifndef EMU_STREAMS_H
#define EMU_STREAMS_H

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "emu_internal.h"

struct CUgraph_st {
    std::vector<emu::Work> work; /* in the order of its capture */
};

struct Capture {
    CUstream_st *origin;
    std::unique_ptr<CUgraph_st> graph;
    bool broken = false;
};

struct Pending {
    emu::Work work;
    std::vector<std::pair<CUstream_st *, uint64_t>> after; /* positions of other streams */
};

struct CUstream_st {
    std::deque<Pending> queue;
    uint64_t queued = 0, done = 0; /* positions */
    bool nonblocking = false, dead = false;
    int device = emu::current_device(); /* that it was made on */
    std::shared_ptr<Capture> capture;
    bool unjoined = false; /* has captured work that the origin has not waited for */
};

namespace emu
{

extern std::vector<std::unique_ptr<CUstream_st>> streams;
extern CUstream_st legacy, per_thread;
extern std::shared_ptr<Capture> capturing; /* one capture at a time */

CUstream_st *resolve(cudaStream_t stream);
void drain_to(CUstream_st *stream, uint64_t position);

} // namespace emu

#endif
