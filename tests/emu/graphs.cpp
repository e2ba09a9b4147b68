/*
 * Capture and replay. What a captured stream is given is recorded as closures with what each of
 * them depends on; a replay runs them, with the arguments of the capture, in an order that keeps to
 * that and otherwise is config.order's: as captured, the last one first that can run, or any.
 * Unjoined forks, calls that wait and use of the legacy stream give CUDA's error codes.
 */
#include <random>

#include "streams.h"

struct CUgraphExec_st {
    std::shared_ptr<const std::vector<GraphNode>> nodes;
};

using namespace emu;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode)
{
    CUstream_st *stream = resolve(handle);
    if (stream == &legacy || config.fault == "no_capture") {
        return fail(cudaErrorStreamCaptureUnsupported);
    }
    if (capturing) {
        return fail(cudaErrorIllegalState);
    }
    capturing = std::make_shared<Capture>();
    capturing->origin = stream;
    capturing->graph.reset(new CUgraph_st);
    stream->capture = capturing;
    stream->frontier.clear();
    stream->last_is_launch = false;
    return cudaSuccess;
}

/* Has the stream that the capture began with waited, in the end, for every node? */
static bool is_joined(const Capture &capture)
{
    const std::vector<GraphNode> &nodes = capture.graph->nodes;
    std::vector<bool> is_seen(nodes.size());
    std::vector<size_t> next = capture.origin->frontier;
    size_t n = 0;
    while (!next.empty()) {
        const size_t node = next.back();
        next.pop_back();
        if (!is_seen[node]) {
            is_seen[node] = true;
            n++;
            next.insert(next.end(), nodes[node].after.begin(), nodes[node].after.end());
        }
    }
    return n == nodes.size();
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph)
{
    CUstream_st *stream = resolve(handle);
    *graph = nullptr;
    if (!stream->capture) {
        return fail(cudaErrorIllegalState);
    }
    const std::shared_ptr<Capture> capture = stream->capture;
    const bool joined = is_joined(*capture);
    for (const auto &other : streams) {
        if (other->capture == capture) {
            other->capture = nullptr;
            other->frontier.clear();
            other->last_is_launch = false;
        }
    }
    per_thread.capture = nullptr;
    capturing = nullptr;
    if (capture->broken) {
        return fail(cudaErrorStreamCaptureInvalidated);
    }
    if (!joined) {
        return fail(cudaErrorStreamCaptureUnjoined);
    }
    *graph = capture->graph.release();
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus *status)
{
    const CUstream_st *stream = resolve(handle);
    *status = !stream->capture          ? cudaStreamCaptureStatusNone
              : stream->capture->broken ? cudaStreamCaptureStatusInvalidated
                                        : cudaStreamCaptureStatusActive;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long)
{
    *executable = new CUgraphExec_st{std::make_shared<const std::vector<GraphNode>>(graph->nodes)};
    return cudaSuccess;
}

/* Of the nodes that can run the one that config.order wants next. */
static size_t choose(const std::vector<size_t> &ready, std::mt19937 &numbers)
{
    return config.order == ASCENDING    ? 0
           : config.order == DESCENDING ? ready.size() - 1
                                        : numbers() % ready.size();
}

static void replay(const std::vector<GraphNode> &nodes)
{
    static std::mt19937 numbers{config.seed};
    std::vector<bool> is_done(nodes.size());
    for (size_t n = 0; n < nodes.size(); n++) {
        std::vector<size_t> ready;
        for (size_t i = 0; i < nodes.size(); i++) {
            bool can_run = !is_done[i];
            for (size_t before : nodes[i].after) {
                can_run = can_run && is_done[before];
            }
            if (can_run) {
                ready.push_back(i);
            }
        }
        const size_t next = ready[choose(ready, numbers)];
        nodes[next].work();
        is_done[next] = true;
    }
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    const auto nodes = executable->nodes;
    return enqueue(stream, [nodes] { replay(*nodes); });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t)
{
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    drain_all();
    delete executable;
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *, size_t *n)
{
    *n = graph->nodes.size();
    return cudaSuccess;
}
