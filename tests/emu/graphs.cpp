/*
 * Capture and replay. What a captured stream is given is recorded as closures; a replay runs them
 * in the order of their capture, with the arguments of the capture. Unjoined forks, calls that wait
 * and use of the legacy stream give CUDA's error codes.
 */
#include "streams.h"

struct CUgraphExec_st {
    std::shared_ptr<const std::vector<emu::Work>> work;
};

using namespace emu;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode)
{
    CUstream_st *stream = resolve(handle);
    if (stream == &legacy) {
        return fail(cudaErrorStreamCaptureUnsupported);
    }
    if (capturing) {
        return fail(cudaErrorIllegalState);
    }
    capturing = std::make_shared<Capture>();
    capturing->origin = stream;
    capturing->graph.reset(new CUgraph_st);
    stream->capture = capturing;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t *graph)
{
    CUstream_st *stream = resolve(handle);
    *graph = nullptr;
    if (!stream->capture) {
        return fail(cudaErrorIllegalState);
    }
    const std::shared_ptr<Capture> capture = stream->capture;
    bool unjoined = false;
    for (const auto &other : streams) {
        if (other->capture == capture) {
            unjoined |= other.get() != capture->origin && other->unjoined;
            other->capture = nullptr;
            other->unjoined = false;
        }
    }
    per_thread.capture = nullptr;
    capturing = nullptr;
    if (capture->broken) {
        return fail(cudaErrorStreamCaptureInvalidated);
    }
    if (unjoined) {
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
    *executable = new CUgraphExec_st{std::make_shared<const std::vector<Work>>(graph->work)};
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    const auto work = executable->work;
    return enqueue(stream, [work] {
        for (const Work &next : *work) {
            next();
        }
    });
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
    *n = graph->work.size();
    return cudaSuccess;
}
