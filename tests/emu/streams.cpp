/*
 * Streams and events. Streams are lazy: work runs only when something waits for it, so that a
 * missing synchronisation or a missing event shows as stale data, every time.
 */
#include <algorithm>
#include <chrono>
#include <thread>

#include "streams.h"

#include "emu_math.h"

struct CUevent_st {
    CUstream_st *stream = nullptr;
    uint64_t position = 0;
    std::shared_ptr<Capture> capture;
    std::vector<size_t> frontier;
    double time = -1;
    bool has_time = true;
};

namespace emu
{

std::vector<std::unique_ptr<CUstream_st>> streams;
static std::vector<std::unique_ptr<CUstream_st>> dead_streams; /* whoever uses one is told so */
CUstream_st legacy, per_thread;
std::shared_ptr<Capture> capturing;

CUstream_st *resolve(cudaStream_t stream)
{
    if (stream == nullptr || stream == cudaStreamLegacy) {
        return &legacy;
    }
    return stream == cudaStreamPerThread ? &per_thread : stream;
}

static void wait_for(const Ready &ready)
{
    while (ready && !ready()) {
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

void drain_to(CUstream_st *stream, uint64_t position)
{
    if (stream->done >= position || stream->queue.empty()) {
        return; /* to reach the device's memory is dear under AddressSanitizer */
    }
    OnDevice reach;
    while (stream->done < position && !stream->queue.empty()) {
        const Pending next = std::move(stream->queue.front());
        stream->queue.pop_front();
        for (const auto &[other, at] : next.after) {
            drain_to(other, at);
        }
        wait_for(next.ready);
        next.work();
        stream->done++;
    }
}

void drain(cudaStream_t stream)
{
    CUstream_st *s = resolve(stream);
    drain_to(s, s->queued);
}

void drain_all()
{
    for (size_t i = 0; i < streams.size(); i++) {
        const size_t place = config.order == DESCENDING ? streams.size() - 1 - i : i;
        drain_to(streams[place].get(), streams[place]->queued);
    }
    drain_to(&per_thread, per_thread.queued);
    drain_to(&legacy, legacy.queued);
}

bool last_is_launch(cudaStream_t stream)
{
    return resolve(stream)->last_is_launch;
}

bool is_capturing(cudaStream_t stream)
{
    return resolve(stream)->capture != nullptr;
}

static cudaError_t break_capture(Capture &capture, cudaError_t error)
{
    capture.broken = true;
    return fail(error);
}

cudaError_t refuse_in_capture()
{
    return capturing ? break_capture(*capturing, cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

/* The legacy stream waits for all blocking ones, and they for it. */
static std::vector<std::pair<CUstream_st *, uint64_t>> dependencies(const CUstream_st *stream)
{
    std::vector<std::pair<CUstream_st *, uint64_t>> after;
    if (stream == &legacy) {
        for (const auto &other : streams) {
            if (!other->nonblocking && other->queued > other->done) {
                after.push_back({other.get(), other->queued});
            }
        }
    } else if (!stream->nonblocking && legacy.queued > legacy.done) {
        after.push_back({&legacy, legacy.queued});
    }
    return after;
}

static cudaError_t enqueue(cudaStream_t handle, Ready ready, Work work, bool is_launch)
{
    CUstream_st *stream = resolve(handle);
    if (const cudaError_t error = device_fault(); error != cudaSuccess) {
        return fail(error);
    }
    if (stream->dead) {
        return fail(cudaErrorInvalidResourceHandle);
    }
    stream->last_is_launch = is_launch;
    if (stream->capture) {
        std::vector<GraphNode> &nodes = stream->capture->graph->nodes;
        Work whole = std::move(work);
        if (ready) { /* a graph is replayed in one go */
            whole = [ready, work = std::move(whole)] {
                wait_for(ready);
                work();
            };
        }
        nodes.push_back({std::move(whole), std::move(stream->frontier)});
        stream->frontier = {nodes.size() - 1};
        return cudaSuccess;
    }
    if (capturing && stream == &legacy) {
        return break_capture(*capturing, cudaErrorStreamCaptureImplicit);
    }
    stream->queue.push_back({std::move(work), std::move(ready), dependencies(stream)});
    stream->queued++;
    if (!config.lazy) {
        drain_to(stream, stream->queued);
    }
    return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t stream, Work work, bool is_launch)
{
    return enqueue(stream, nullptr, std::move(work), is_launch);
}

cudaError_t enqueue_when(cudaStream_t stream, Ready ready, Work work)
{
    return enqueue(stream, std::move(ready), std::move(work), false);
}

/* How far a synchronisation got: to the end, or to what broke the device. */
static cudaError_t outcome()
{
    const cudaError_t error = device_fault();
    return error != cudaSuccess ? fail(error) : cudaSuccess;
}

} // namespace emu

using namespace emu;

/* ---- streams ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    if (const cudaError_t error = device_fault(); error != cudaSuccess) {
        return fail(error);
    }
    streams.emplace_back(new CUstream_st);
    *stream = streams.back().get();
    (*stream)->nonblocking = flags & cudaStreamNonBlocking;
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, 0);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    if (!stream || stream->dead) {
        return fail(cudaErrorInvalidResourceHandle);
    }
    drain(stream);
    stream->dead = true;
    const auto place = std::find_if(streams.begin(), streams.end(),
                                    [=](const auto &other) { return other.get() == stream; });
    dead_streams.push_back(std::move(*place));
    streams.erase(place);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle)
{
    CUstream_st *stream = resolve(handle);
    if (stream->dead) {
        return fail(cudaErrorInvalidResourceHandle);
    }
    if (stream->capture) {
        return break_capture(*stream->capture, cudaErrorStreamCaptureUnsupported);
    }
    drain_to(stream, stream->queued);
    return outcome();
}

/* Every question lets the device do one more piece of work. */
cudaError_t cudaStreamQuery(cudaStream_t handle)
{
    CUstream_st *stream = resolve(handle);
    if (stream->capture) {
        return break_capture(*stream->capture, cudaErrorStreamCaptureUnsupported);
    }
    if (stream->done == stream->queued) {
        return outcome();
    }
    if (const Ready &ready = stream->queue.front().ready; !ready || ready()) {
        drain_to(stream, stream->done + 1);
    }
    return cudaErrorNotReady;
}

cudaError_t cudaDeviceSynchronize(void)
{
    if (const cudaError_t error = refuse_in_capture(); error != cudaSuccess) {
        return error;
    }
    drain_all();
    return outcome();
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data)
{
    return enqueue(stream, [=] { function(data); });
}

/* ---- events ---- */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    *event = new CUevent_st;
    (*event)->has_time = !(flags & cudaEventDisableTiming);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, 0);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    if (!event) {
        return fail(cudaErrorInvalidResourceHandle);
    }
    if (event->stream) {
        drain_to(event->stream, event->position);
    }
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle)
{
    CUstream_st *stream = resolve(handle);
    if (stream->capture) {
        event->capture = stream->capture;
        event->frontier = stream->frontier;
        event->stream = nullptr;
        return cudaSuccess;
    }
    event->capture = nullptr;
    event->time = -1;
    const cudaError_t error = enqueue(handle, [event] { event->time = (double)clock64(); });
    event->stream = stream;
    event->position = stream->queued;
    return error;
}

/* Forks into a capture, or joins back. */
static cudaError_t wait_captured(CUstream_st *stream, cudaEvent_t event)
{
    if (event->capture != capturing) {
        return fail(cudaErrorStreamCaptureIsolation);
    }
    stream->capture = event->capture;
    stream->last_is_launch = false;
    stream->frontier.insert(stream->frontier.end(), event->frontier.begin(), event->frontier.end());
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned)
{
    CUstream_st *stream = resolve(handle);
    if (event->capture) {
        return wait_captured(stream, event);
    }
    if (stream->capture) {
        return fail(cudaErrorStreamCaptureIsolation);
    }
    if (!event->stream) {
        return cudaSuccess;
    }
    CUstream_st *other = event->stream;
    const uint64_t position = event->position;
    return enqueue(handle, [=] { drain_to(other, position); });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    if (event->capture) {
        return fail(cudaErrorCapturedEvent);
    }
    if (event->stream) {
        drain_to(event->stream, event->position);
    }
    return outcome();
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    if (!event->stream || event->stream->done >= event->position) {
        return outcome();
    }
    drain_to(event->stream, event->stream->done + 1);
    return cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t begin, cudaEvent_t end)
{
    if (!begin->has_time || !end->has_time || !begin->stream || !end->stream) {
        return fail(cudaErrorInvalidResourceHandle);
    }
    if (begin->stream->done < begin->position || end->stream->done < end->position) {
        return fail(cudaErrorNotReady);
    }
    *milliseconds = (float)((end->time - begin->time) * 1e-6);
    return cudaSuccess;
}
