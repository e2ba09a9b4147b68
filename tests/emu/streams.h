/* A stream's queue and a capture in progress, for streams.cpp and graphs.cpp. */
#ifndef EMU_STREAMS_H
#define EMU_STREAMS_H

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "emu_internal.h"

struct GraphNode {
    emu::Work work;
    std::vector<size_t> after; /* nodes before it */
};

struct CUgraph_st {
    std::vector<GraphNode> nodes; /* in the order of its capture */
};

struct Capture {
    CUstream_st *origin;
    std::unique_ptr<CUgraph_st> graph;
    bool broken = false;
};

struct Pending {
    emu::Work work;
    emu::Ready ready;                                      /* empty: at any time */
    std::vector<std::pair<CUstream_st *, uint64_t>> after; /* positions of other streams */
};

struct CUstream_st {
    std::deque<Pending> queue;
    uint64_t queued = 0, done = 0; /* positions */
    bool nonblocking = false, dead = false;
    bool last_is_launch = false;
    int device = emu::current_device(); /* that it was made on */
    std::shared_ptr<Capture> capture;
    std::vector<size_t> frontier; /* captured nodes that the next one depends on */
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
