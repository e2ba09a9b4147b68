/*
 * Replaying a program: the first run captures the nodes into a CUDA graph, later runs only launch
 * it. A second graph holds several steps, so that a launch costs the host nothing.
 *
 * In a graph the program's lanes are branches, and a kernel may begin while the one before it ends.
 * If that cannot be captured, the nodes are captured one behind the other, and if that cannot be
 * either, they are launched one by one: the same results, later, and a person is told.
 *
 * Eager mode and the profile launch node by node, too.
 */
#include <stdio.h>
#include <string.h>

#include "base/choices.h"
#include "device/cuda/context.h"

static rk_status run_nodes(rk_loaded *loaded)
{
    for (int32_t i = 0; i < loaded->program->n_nodes; i++) {
        rk_status status = rk__cuda_run_node(loaded, i);
        if (status != RK_OK) {
            return rk__cuda_name_node(loaded, i, status);
        }
    }
    return RK_OK;
}

/* ---- branches ---- */

/* The stream goes on when the event has come. */
static rk_status wait_for(rk_stream *stream, cudaEvent_t event)
{
    stream->is_after_kernel = false;
    RK_TRY_CUDA(cudaStreamWaitEvent(stream->stream, event, 0));
    return RK_OK;
}

static rk_status run_in_lane(rk_loaded *loaded, int32_t i)
{
    rk_cuda_node *node = &loaded->nodes[i];
    rk_stream *lane = &loaded->lanes[loaded->program->nodes[i].lane];
    if (loaded->orders[i].waits >= 0) {
        RK_TRY(wait_for(lane, loaded->nodes[loaded->orders[i].waits].done));
    }
    rk_status status = rk__cuda_run_node(loaded, i);
    if (status != RK_OK) {
        return rk__cuda_name_node(loaded, i, status);
    }
    if (node->done) {
        RK_TRY_CUDA(cudaEventRecord(node->done, lane->stream));
    }
    return RK_OK;
}

/* A step begins and ends in lane 0. */
static rk_status run_lanes(rk_loaded *loaded)
{
    rk_stream *lanes = loaded->lanes;
    RK_TRY_CUDA(cudaEventRecord(loaded->begun, lanes[0].stream));
    RK_TRY(wait_for(&lanes[1], loaded->begun));
    for (int32_t i = 0; i < loaded->program->n_nodes; i++) {
        RK_TRY(run_in_lane(loaded, i));
    }
    RK_TRY_CUDA(cudaEventRecord(loaded->ended, lanes[1].stream));
    return wait_for(&lanes[0], loaded->ended);
}

/* ---- capture ---- */

typedef struct manner {
    bool forks;    /* lanes are branches */
    bool overlaps; /* programmatic dependent launch */
} manner;

/* Where the lanes go, and how kernels follow each other there. */
static rk_status set_lanes(rk_loaded *loaded, manner how)
{
    rk_device_context *context = loaded->context;
    if (how.forks && !context->branch) {
        RK_TRY_CUDA(cudaStreamCreateWithFlags(&context->branch, cudaStreamNonBlocking));
    }
    loaded->lanes[0] = (rk_stream){context->stream, how.overlaps, false};
    loaded->lanes[1] =
        (rk_stream){how.forks ? context->branch : context->stream, how.overlaps, false};
    return RK_OK;
}

static rk_status instantiate(cudaGraph_t graph, cudaGraphExec_t *out, size_t *out_nodes)
{
    RK_TRY_CUDA(cudaGraphGetNodes(graph, NULL, out_nodes));
    RK_TRY_CUDA(cudaGraphInstantiate(out, graph, 0));
    return RK_OK;
}

/* A failure while capturing must still end the capture. */
static rk_status capture_steps(rk_loaded *loaded, int64_t steps, bool forks, cudaGraph_t *out)
{
    cudaStream_t stream = loaded->context->stream;
    RK_TRY_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    rk_status status = RK_OK;
    for (int64_t s = 0; s < steps && status == RK_OK; s++) {
        status = forks ? run_lanes(loaded) : run_nodes(loaded);
    }
    cudaError_t error = cudaStreamEndCapture(stream, out);
    if (status == RK_OK && error != cudaSuccess) {
        status = rk__cuda_failed(error, "cudaStreamEndCapture", __FILE__, __LINE__, __func__);
    }
    cudaGetLastError();
    return status;
}

/* Afterwards the lanes are one stream again, for whoever launches node by node. */
static rk_status capture(rk_loaded *loaded, int64_t steps, manner how, cudaGraphExec_t *out,
                         size_t *out_nodes)
{
    cudaGraph_t graph = NULL;
    rk_status status = set_lanes(loaded, how);
    if (status == RK_OK) {
        status = capture_steps(loaded, steps, how.forks, &graph);
    }
    if (status == RK_OK) {
        status = instantiate(graph, out, out_nodes);
    }
    if (graph) {
        cudaGraphDestroy(graph);
    }
    set_lanes(loaded, (manner){false, false});
    return status;
}

static rk_status manner_of(const rk_loaded *loaded, manner *out)
{
    const int overlap = loaded->context->options.overlap;
    *out = (manner){false, false};
    if (loaded->is_straight) {
        return RK_OK;
    }
    out->forks = loaded->program->n_lanes > 1;
    if (overlap == RK_OVERLAP_ALL || overlap == RK_OVERLAP_LAUNCHES) {
        RK_TRY(rk__cuda_ask_architecture(loaded->context));
        out->overlaps = loaded->context->architecture >= RK_WAITS_FROM;
    }
    return RK_OK;
}

static void append(char *text, size_t size, const char *more)
{
    size_t n = strlen(text);
    snprintf(text + n, size - n, "%s", more);
}

/* Of each program once, though it may be loaded again and again. */
static void note(rk_loaded *loaded, const char *what)
{
    rk_device_context *context = loaded->context;
    char name[RK_NAME_LENGTH + 4], line[320];
    snprintf(name, sizeof name, " %s ", loaded->program->name);
    if (strstr(context->noted, name)) {
        return;
    }
    append(context->noted, sizeof context->noted, name);
    snprintf(line, sizeof line, "%sprogram %s %s: %s", context->note[0] ? "; " : "",
             loaded->program->name, what, rk_last_error());
    append(context->note, sizeof context->note, line);
}

/* *out stays NULL, and loaded->is_plain is set, where nothing can be captured. */
static rk_status capture_or_not(rk_loaded *loaded, int64_t steps, cudaGraphExec_t *out,
                                size_t *out_nodes)
{
    manner how;
    RK_TRY(manner_of(loaded, &how));
    rk_status status = capture(loaded, steps, how, out, out_nodes);
    if (status != RK_OK && (how.forks || how.overlaps)) {
        loaded->is_straight = true;
        status = capture(loaded, steps, (manner){false, false}, out, out_nodes);
        if (status == RK_OK) { /* the last error is still that of the first try */
            note(loaded, "is replayed without branches and early launches (slower)");
        }
    }
    if (status != RK_OK) {
        note(loaded, "is launched kernel by kernel (slower), since it cannot be captured");
        loaded->is_plain = true;
    }
    return RK_OK;
}

/* ---- replay ---- */

static bool goes_node_by_node(const rk_loaded *loaded)
{
    return loaded->context->options.eager || loaded->context->times || loaded->is_plain;
}

static rk_status run_node_by_node(rk_loaded *loaded, int64_t steps)
{
    for (int64_t s = 0; s < steps; s++) {
        RK_TRY(loaded->context->options.eager ? rk__cuda_run_eager(loaded) : run_nodes(loaded));
    }
    return RK_OK;
}

/* Launches the graph of so many steps as often as it fits; *left is what remains. */
static rk_status replay(rk_loaded *loaded, cudaGraphExec_t *graph, int64_t steps, int64_t *left)
{
    size_t nodes = 0;
    if (!*graph) {
        RK_TRY(capture_or_not(loaded, steps, graph, &nodes));
    }
    for (; *graph && *left >= steps; *left -= steps) {
        RK_TRY_CUDA(cudaGraphLaunch(*graph, loaded->context->stream));
    }
    return RK_OK;
}

rk_status rk__cuda_run(rk_device_context *context, rk_loaded *loaded, int64_t steps)
{
    const int64_t many = context->options.steps_per_launch;
    if (many > 1 && steps >= many && !goes_node_by_node(loaded)) {
        RK_TRY(replay(loaded, &loaded->many_steps, many, &steps));
    }
    if (steps > 0 && !goes_node_by_node(loaded)) {
        RK_TRY(replay(loaded, &loaded->one_step, 1, &steps));
    }
    return run_node_by_node(loaded, steps);
}

rk_status rk__cuda_graph_nodes(rk_device_context *context, rk_loaded *loaded, int64_t *out)
{
    cudaGraphExec_t graph = NULL;
    size_t nodes = 0;
    (void)context;
    if (!loaded->is_plain) {
        RK_TRY(capture_or_not(loaded, 1, &graph, &nodes));
    }
    if (graph) {
        cudaGraphExecDestroy(graph);
    }
    *out = (int64_t)nodes;
    return RK_OK;
}

bool rk__cuda_note(rk_device_context *context, char *out, size_t size)
{
    bool has_note = context->note[0] != '\0';
    snprintf(out, size, "%s", context->note);
    context->note[0] = '\0';
    return has_note;
}
