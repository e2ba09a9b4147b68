/*
 * Cutting a graph's rows into pieces of at most options.piece_edges edges, so that a warp never
 * works on a popular item alone while the device waits (an unsplit row of 18,700
 * edges takes 0.7 ms). Built once on the host from the graph's own offsets; those of a drawn graph
 * (drop_edges) are known to the device alone, so it takes the pieces of the graph that it was drawn
 * from, each with what is left of its edges.
 *
 * The pieces lie longest first: a block keeps its place on the device until its longest piece is
 * done, so its warps get pieces of like length, and what takes long begins early. In a graph whose
 * rows have an order (rk__store_order_rows) this holds for each WINDOW of its pieces, and pieces of
 * one length follow the order. No sum depends on where a piece lies.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"
#include "device/cuda/context.h"

typedef struct host_split {
    rk_piece *pieces;
    rk_long_row *long_rows;
    rk_split_rows size; /* its counts */
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
        split.n_partials += n > 1 ? n : 0;
    }
    return split;
}

rk_split_rows rk__cuda_graph_size(const rk_device_context *context, const rk_program *program,
                                  const rk_node *node)
{
    const rk_stored *offsets = &program->store->items[rk__stored_offsets(program, node)];
    return count(offsets->constant, offsets->rows - 1, context->options.piece_edges);
}

/* ---- the rows of a stored graph ---- */

/* About a dozen times the pieces that an H200 works on at a time: enough for longest first to fill
 * its places, few enough for the rows around to be found in its cache. */
enum { WINDOW = 1 << 16 };

/* Longest first; pieces of one length stay as they are. */
static rk_status sort_pieces(rk_piece *pieces, int64_t n)
{
    rk_status status = RK_OK;
    rk_keyed *keys = NULL, *scratch = NULL;
    rk_piece *held = NULL;
    RK_TRY_GOTO(done, rk__alloc(&keys, n, sizeof *keys, "the lengths of pieces"));
    RK_TRY_GOTO(done, rk__alloc(&scratch, n, sizeof *scratch, "the lengths of pieces"));
    RK_TRY_GOTO(done, rk__alloc(&held, n, sizeof *held, "the pieces of a graph"));
    memcpy(held, pieces, (size_t)n * sizeof *held);
    for (int64_t p = 0; p < n; p++) {
        keys[p] = (rk_keyed){(uint64_t)(INT64_MAX - (held[p].end - held[p].begin)), p};
    }
    rk__sort_keyed(keys, n, scratch);
    for (int64_t p = 0; p < n; p++) {
        pieces[p] = held[keys[p].value];
    }
done:
    rk__free(keys);
    rk__free(scratch);
    rk__free(held);
    return status;
}

/* The pieces of all rows in their order, NULL: as they are. first: [n_rows], room for the number of
 * each row's first piece. */
static void cut(host_split *out, const int64_t *offsets, int64_t n_rows, int64_t most,
                const int32_t *order, int32_t *first)
{
    int64_t piece = 0, long_row = 0, partial = 0;
    for (int64_t r = 0, n = 0; r < n_rows; r++) {
        first[r] = (int32_t)n;
        n += pieces_of(offsets[r + 1] - offsets[r], most);
    }
    for (int64_t k = 0; k < n_rows; k++) {
        int64_t r = order ? order[k] : k;
        int64_t begin = offsets[r], end = offsets[r + 1], n = pieces_of(end - begin, most);
        if (n > 1) {
            out->long_rows[long_row] = (rk_long_row){(int32_t)r, (int32_t)partial, (int32_t)n};
        }
        for (int64_t i = 0; i < n; i++) {
            /* Nearly equal pieces: the last is not a stump. */
            out->pieces[piece++] = (rk_piece){.begin = begin + (end - begin) * i / n,
                                              .end = begin + (end - begin) * (i + 1) / n,
                                              .row = (int32_t)r,
                                              .partial = n > 1 ? (int32_t)partial++ : -1,
                                              .long_row = n > 1 ? (int32_t)long_row : -1,
                                              .number = first[r] + (int32_t)i};
        }
        long_row += n > 1;
    }
}

static rk_status build(host_split *out, const rk_stored *graph, int64_t most)
{
    const int64_t *offsets = graph->constant, n_rows = graph->rows - 1;
    out->size = count(offsets, n_rows, most);
    int64_t n = out->size.n_pieces, window = graph->row_order ? WINDOW : n;
    int32_t *first = NULL;
    if (n > INT32_MAX) {
        RK_FAIL(RK_ERR_DEVICE, "the graph's rows have %lld pieces; raise cuda.piece_edges",
                (long long)n);
    }
    RK_TRY(rk__alloc(&out->pieces, n, sizeof *out->pieces, "the pieces of a graph"));
    RK_TRY(rk__alloc(&out->long_rows, out->size.n_long_rows, sizeof *out->long_rows,
                     "the long rows of a graph"));
    RK_TRY(rk__alloc(&first, n_rows, sizeof *first, "the pieces of a graph"));
    cut(out, offsets, n_rows, most, graph->row_order, first);
    rk__free(first);
    for (int64_t p = 0; p < n; p += window) {
        RK_TRY(sort_pieces(out->pieces + p, n - p < window ? n - p : window));
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

static void free_graph(rk_cuda_graph *graph)
{
    cudaFree(graph->pieces);
    cudaFree(graph->by_side);
    cudaFree(graph->weights);
    cudaFree(graph->long_rows);
    cudaFree(graph->offsets32);
    cudaFree(graph->values);
    rk__free(graph);
}

static rk_status fill_graph(rk_device_context *context, rk_cuda_graph *graph,
                            const rk_stored *offsets)
{
    rk_status status = RK_OK;
    host_split host = {0};
    RK_TRY_GOTO(done, build(&host, offsets, context->options.piece_edges));
    RK_TRY_GOTO(done,
                upload(context, &graph->pieces, host.pieces,
                       host.size.n_pieces * (int64_t)sizeof *host.pieces, "the pieces of a graph"));
    RK_TRY_GOTO(done, upload(context, &graph->long_rows, host.long_rows,
                             host.size.n_long_rows * (int64_t)sizeof *host.long_rows,
                             "the long rows of a graph"));
    graph->rows = host.size;
    graph->rows.pieces = graph->pieces;
    graph->rows.long_rows = graph->long_rows;
done:
    rk__free(host.pieces);
    rk__free(host.long_rows);
    return status;
}

/* Half a graph must not be found: it is in the list when it is whole. */
static rk_status make_graph(rk_device_context *context, int32_t stored)
{
    const rk_stored *offsets = &context->store->items[stored];
    if (!offsets->constant) {
        RK_FAIL(RK_ERR_INTERNAL, "the graph %s is not a constant", offsets->name);
    }
    rk_cuda_graph *graph = NULL;
    RK_TRY(rk__calloc(&graph, 1, sizeof *graph, "the rows of a graph"));
    rk_status status = fill_graph(context, graph, offsets);
    if (status != RK_OK) {
        free_graph(graph);
        return status;
    }
    graph->stored_offsets = stored;
    graph->next = context->graphs;
    context->graphs = graph;
    return RK_OK;
}

rk_cuda_graph *rk__cuda_graph_find(rk_device_context *context, int32_t stored_offsets)
{
    rk_cuda_graph *graph = context->graphs;
    while (graph && graph->stored_offsets != stored_offsets) {
        graph = graph->next;
    }
    return graph;
}

void rk__cuda_graphs_free(rk_device_context *context)
{
    while (context->graphs) {
        rk_cuda_graph *graph = context->graphs;
        context->graphs = graph->next;
        free_graph(graph);
    }
}

/* ---- the weights of its edges ---- */

bool rk__cuda_graph_has_weights(const rk_device_context *context, const rk_program *program,
                                const rk_node *node)
{
    return node->op != RK_OP_DROP_EDGES && !rk__edge_draw_of(program, node) &&
           !rk__cuda_spmm_takes(context, program, node);
}

/* A column's scale beside the column: 4 bytes that follow one another, where a gather fetches a
 * sector of 32. */
static rk_status make_weights(rk_device_context *context, rk_cuda_graph *graph,
                              const rk_stored *columns, const rk_stored *scale)
{
    if (!columns->constant || !scale->constant) {
        RK_FAIL(RK_ERR_INTERNAL, "the graph of %s is not a constant", columns->name);
    }
    rk_status status = RK_OK;
    const int32_t *column = columns->constant;
    const float *of = scale->constant;
    float *weights = NULL;
    int64_t n = columns->rows;
    RK_TRY(rk__alloc(&weights, n, sizeof *weights, "the weights of the edges"));
    for (int64_t e = 0; e < n; e++) {
        weights[e] = of[column[e]];
    }
    status = upload(context, &graph->weights, weights, n * (int64_t)sizeof *weights,
                    "the weights of the edges");
    rk__free(weights);
    return status;
}

/* ---- the rows of a node ---- */

/* The pieces once more: the users', longest first, then the items'. */
static rk_status make_sides(rk_device_context *context, rk_cuda_graph *graph,
                            const rk_stored *offsets, int64_t n_users)
{
    rk_status status = RK_OK;
    host_split host = {0};
    rk_piece *by_side = NULL;
    int64_t n = graph->rows.n_pieces, most = context->options.piece_edges;
    graph->n_user_pieces = count(offsets->constant, n_users, most).n_pieces;
    int64_t user = 0, item = graph->n_user_pieces;
    RK_TRY_GOTO(done, build(&host, offsets, most));
    RK_TRY_GOTO(done, rk__alloc(&by_side, n, sizeof *by_side, "the pieces of a graph"));
    for (int64_t p = 0; p < n; p++) {
        by_side[host.pieces[p].row < n_users ? user++ : item++] = host.pieces[p];
    }
    RK_TRY_GOTO(done, upload(context, &graph->by_side, by_side, n * (int64_t)sizeof *by_side,
                             "the pieces of a graph"));
    graph->n_users = n_users;
done:
    rk__free(host.pieces);
    rk__free(host.long_rows);
    rk__free(by_side);
    return status;
}

/* Long rows, partials and counters are the whole graph's. A half of a pair table begins with the
 * small side's first node. */
static rk_status divide(rk_split_graph *out, rk_device_context *context, rk_cuda_graph *graph,
                        const rk_fold_attr *side)
{
    int64_t n_users = side->first > 0 ? side->first : side->n;
    RK_ASSERT(graph->n_users == 0 || graph->n_users == n_users);
    if (graph->n_users == 0) {
        RK_TRY(make_sides(context, graph, &context->store->items[graph->stored_offsets], n_users));
    }
    rk_split_rows users = out->rows, items = out->rows; /* the node's weights and counters */
    users.pieces = graph->by_side;
    users.n_pieces = graph->n_user_pieces;
    items.pieces = graph->by_side + users.n_pieces;
    items.n_pieces -= users.n_pieces;
    out->small = side->first > 0 ? items : users;
    out->other = side->first > 0 ? users : items;
    out->small.first_y = side->first;
    out->other.first_x = side->first;
    return RK_OK;
}

int64_t rk__cuda_graph_own_bytes(const rk_node *node, const rk_split_rows *rows)
{
    return node->op == RK_OP_DROP_EDGES ? (rows->n_pieces + 1) * (int64_t)sizeof(int64_t)
                                        : rows->n_long_rows * (int64_t)sizeof(unsigned);
}

/* Counters are a node's own: two propagations over one graph may run at a time. */
static rk_status make_own(rk_device_context *context, rk_split_graph *out, const rk_node *what)
{
    int64_t bytes = rk__cuda_graph_own_bytes(what, &out->rows);
    if (what->op == RK_OP_DROP_EDGES) {
        return rk__cuda_alloc(&out->drawn, bytes, "the pieces of a drawn graph");
    }
    RK_TRY(rk__cuda_alloc(&out->arrived, bytes, "the counters of long rows"));
    if (bytes > 0) {
        RK_TRY_CUDA(cudaMemsetAsync(out->arrived, 0, (size_t)bytes, context->stream));
    }
    out->rows.arrived = out->arrived;
    return RK_OK;
}

rk_status rk__cuda_graph_prepare(rk_loaded *loaded, rk_cuda_node *node)
{
    rk_device_context *context = loaded->context;
    rk_split_graph *out = &node->prepared.graph;
    const rk_node *what = node->call.node, *draw = rk__edge_draw_of(loaded->program, what);
    int32_t stored = rk__stored_offsets(loaded->program, what);
    if (!rk__cuda_graph_find(context, stored)) {
        RK_TRY(make_graph(context, stored));
    }
    rk_cuda_graph *graph = rk__cuda_graph_find(context, stored);
    out->rows = graph->rows;
    if (draw) {
        out->rows.first = loaded->nodes[draw - loaded->program->nodes].prepared.graph.drawn;
    }
    if (rk__cuda_graph_has_weights(context, loaded->program, what)) {
        const rk_tensor *tensors = loaded->program->tensors;
        const rk_stored *items = context->store->items;
        if (!graph->weights) {
            RK_TRY(make_weights(context, graph, &items[tensors[what->in[1]].stored],
                                &items[tensors[what->in[2]].stored]));
        }
        out->rows.weights = graph->weights;
    }
    RK_TRY(make_own(context, out, what));
    if (rk__op_info(what->op)->flags & RK_OP_IS_SIDE) {
        RK_TRY(divide(out, context, graph, &what->attr.fold));
    }
    return RK_OK;
}
