/*
 * Cutting a graph's rows into pieces of at most options.piece_edges edges, so that a warp never
 * works on a popular item alone while the device waits (performance.md: an unsplit row of 18,700
 * edges takes 0.7 ms). Built once on the host from the graph's own offsets; those of a drawn graph
 * (drop_edges) are known to the device alone, so it takes the pieces of the graph that it was drawn
 * from, each with what is left of its edges.
 */
#include <string.h>

#include "base/alloc.h"
#include "device/cuda/context.h"

typedef struct host_split {
    rk_piece *pieces;
    rk_long_row *long_rows;
    int64_t n_pieces, n_long_rows, n_slots;
} host_split;

static int64_t pieces_of(int64_t degree, int64_t most)
{
    return degree <= most ? 1 : (degree + most - 1) / most;
}

static rk_split_rows count(const int64_t *offsets, int64_t n_rows, int64_t most)
{
    rk_split_rows split = {0};
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t n = pieces_of(offsets[r + 1] - offsets[r], most);
        split.n_pieces += n;
        split.n_long_rows += n > 1;
        split.n_slots += n > 1 ? n : 0;
    }
    return split;
}

int32_t rk__cuda_stored_offsets(const rk_program *program, const rk_node *node)
{
    const rk_node *draw = rk__edge_draw_of(program, node);
    return program->tensors[draw ? draw->in[0] : node->in[0]].stored;
}

rk_split_rows rk__cuda_graph_size(const rk_device_context *context, const rk_program *program,
                                  const rk_node *node)
{
    const rk_stored *offsets = &program->store->items[rk__cuda_stored_offsets(program, node)];
    return count(offsets->constant, offsets->rows - 1, context->options.piece_edges);
}

static rk_status build(host_split *out, const int64_t *offsets, int64_t n_rows, int64_t most)
{
    rk_split_rows size = count(offsets, n_rows, most);
    out->n_pieces = size.n_pieces;
    out->n_long_rows = size.n_long_rows;
    out->n_slots = size.n_slots;
    if (out->n_slots > INT32_MAX) {
        RK_FAIL(RK_ERR_DEVICE, "the graph has %lld pieces of long rows; raise cuda.piece_edges",
                (long long)out->n_slots);
    }
    RK_TRY(rk__alloc(&out->pieces, out->n_pieces, sizeof *out->pieces, "the pieces of a graph"));
    RK_TRY(rk__alloc(&out->long_rows, out->n_long_rows, sizeof *out->long_rows,
                     "the long rows of a graph"));
    int64_t piece = 0, long_row = 0, slot = 0;
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t begin = offsets[r], end = offsets[r + 1], n = pieces_of(end - begin, most);
        if (n > 1) {
            out->long_rows[long_row++] = (rk_long_row){(int32_t)r, (int32_t)slot, (int32_t)n};
        }
        for (int64_t i = 0; i < n; i++) {
            /* Nearly equal pieces: the last is not a stump. */
            out->pieces[piece++] = (rk_piece){.begin = begin + (end - begin) * i / n,
                                              .end = begin + (end - begin) * (i + 1) / n,
                                              .row = (int32_t)r,
                                              .slot = n > 1 ? (int32_t)slot++ : -1};
        }
    }
    return RK_OK;
}

static rk_status upload(rk_device_context *context, void *out_pointer, const void *host,
                        int64_t bytes, const char *what)
{
    void *device = NULL;
    RK_TRY(rk__cuda_alloc(&device, bytes, what));
    memcpy(out_pointer, &device, sizeof device); /* owned by the graph from here on */
    return rk__cuda_upload(context, device, host, bytes);
}

rk_cuda_graph *rk__cuda_graph_find(rk_device_context *context, int32_t stored_offsets)
{
    for (int i = 0; i < context->n_graphs; i++) {
        if (context->graphs[i].stored_offsets == stored_offsets) {
            return &context->graphs[i];
        }
    }
    return NULL;
}

/* Pieces, long rows and slots are in the order of the rows: those of the users come first. */
static void divide(rk_cuda_graph *graph, const int64_t *offsets, int64_t n_users, int64_t most)
{
    rk_split_rows users = count(offsets, n_users, most);
    users.pieces = graph->pieces;
    users.long_rows = graph->long_rows;
    graph->n_users = n_users;
    graph->side[0] = users;
    graph->side[1] = graph->split;
    graph->side[1].pieces += users.n_pieces;
    graph->side[1].n_pieces -= users.n_pieces;
    graph->side[1].long_rows += users.n_long_rows;
    graph->side[1].n_long_rows -= users.n_long_rows;
}

static rk_status prepare_split(rk_device_context *context, int32_t stored)
{
    const rk_stored *offsets = &context->store->items[stored];
    if (!offsets->constant || context->n_graphs == RK_CUDA_MAX_GRAPHS) {
        RK_FAIL(RK_ERR_INTERNAL, "the graph %s is not a constant, or there are too many graphs",
                offsets->name);
    }
    rk_status status = RK_OK;
    host_split host = {0};
    rk_cuda_graph *graph = &context->graphs[context->n_graphs++];
    *graph = (rk_cuda_graph){.stored_offsets = stored};
    RK_TRY_GOTO(done,
                build(&host, offsets->constant, offsets->rows - 1, context->options.piece_edges));
    RK_TRY_GOTO(done,
                upload(context, &graph->pieces, host.pieces,
                       host.n_pieces * (int64_t)sizeof *host.pieces, "the pieces of a graph"));
    RK_TRY_GOTO(done, upload(context, &graph->long_rows, host.long_rows,
                             host.n_long_rows * (int64_t)sizeof *host.long_rows,
                             "the long rows of a graph"));
    graph->split = (rk_split_rows){.pieces = graph->pieces,
                                   .long_rows = graph->long_rows,
                                   .n_pieces = host.n_pieces,
                                   .n_long_rows = host.n_long_rows,
                                   .n_slots = host.n_slots};
done:
    if (status != RK_OK) { /* half a graph must not be found */
        cudaFree(graph->pieces);
        cudaFree(graph->long_rows);
        context->n_graphs--;
    }
    rk__free(host.pieces);
    rk__free(host.long_rows);
    return status;
}

rk_status rk__cuda_graph_prepare(rk_device_context *context, const rk_program *program,
                                 const rk_node *node)
{
    const rk_fold_attr *side = &node->attr.fold;
    int32_t stored = rk__cuda_stored_offsets(program, node);
    if (!rk__cuda_graph_find(context, stored)) {
        RK_TRY(prepare_split(context, stored));
    }
    rk_cuda_graph *graph = rk__cuda_graph_find(context, stored);
    if (rk__cuda_names_a_side(node->op) && graph->n_users == 0) {
        divide(graph, context->store->items[stored].constant,
               side->first > 0 ? side->first : side->n, context->options.piece_edges);
    }
    return RK_OK;
}

int64_t rk__cuda_draw_bytes(int64_t n_pieces)
{
    return (n_pieces + 1) * (int64_t)sizeof(int64_t);
}

rk_status rk__cuda_draw_prepare(rk_loaded *loaded, const rk_node *node)
{
    int32_t stored = rk__cuda_stored_offsets(loaded->program, node);
    int64_t n_pieces = rk__cuda_graph_find(loaded->context, stored)->split.n_pieces;
    if (loaded->n_draws == RK_CUDA_MAX_GRAPHS) {
        RK_FAIL(RK_ERR_INTERNAL, "program %s draws more than %d graphs", loaded->program->name,
                RK_CUDA_MAX_GRAPHS);
    }
    int64_t *first = NULL;
    RK_TRY(rk__cuda_alloc(&first, rk__cuda_draw_bytes(n_pieces), "the pieces of a drawn graph"));
    loaded->draws[loaded->n_draws++] = (rk_cuda_draw){node->out[0], first};
    return RK_OK;
}

int64_t *rk__cuda_draw_first(const rk_loaded *loaded, rk_value offsets)
{
    for (int i = 0; i < loaded->n_draws; i++) {
        if (loaded->draws[i].offsets == offsets) {
            return loaded->draws[i].first;
        }
    }
    return NULL;
}

void rk__cuda_draws_free(rk_loaded *loaded)
{
    for (int i = 0; i < loaded->n_draws; i++) {
        cudaFree(loaded->draws[i].first);
    }
    loaded->n_draws = 0;
}

void rk__cuda_graphs_free(rk_device_context *context)
{
    for (int i = 0; i < context->n_graphs; i++) {
        rk_cuda_graph *graph = &context->graphs[i];
        cudaFree(graph->pieces);
        cudaFree(graph->long_rows);
        cudaFree(graph->offsets32);
        cudaFree(graph->values);
    }
    context->n_graphs = 0;
}
