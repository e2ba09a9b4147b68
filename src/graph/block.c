/*
 * Building blocks by counting sort.
 *
 * A stable counting sort by column, then by type, then by row gives the order of the edges; a
 * stable one of those by type and then by column gives the transpose. Each pass is one walk over
 * the edges, and nothing is compared.
 */
#include "graph/block.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

/* ---- sorting ---- */

/* Stably sorts the numbers `from` (NULL = 0, 1, 2, ...) by key[number], 0 <= key < n_keys, into
 * `to`; ends: room for n_keys + 1, which become the offsets of the keys. */
static void sort_by(const int32_t *key, int64_t n_keys, const int32_t *from, int64_t n,
                    int64_t *ends, int32_t *to)
{
    memset(ends, 0, (size_t)(n_keys + 1) * sizeof *ends);
    for (int64_t i = 0; i < n; i++) {
        ends[key[i] + 1]++;
    }
    for (int64_t k = 0; k < n_keys; k++) {
        ends[k + 1] += ends[k];
    }
    for (int64_t i = 0; i < n; i++) {
        const int32_t e = from ? from[i] : (int32_t)i;
        to[ends[key[e]]++] = e;
    }
    for (int64_t k = n_keys; k > 0; k--) {
        ends[k] = ends[k - 1];
    }
    ends[0] = 0;
}

static int64_t largest(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The transpose of a block whose rows are done; row: of each edge. */
static rk_status transpose(rk_block *b, const int32_t *row, int64_t *ends, int32_t *order)
{
    RK_TRY(rk__alloc(&b->back_offsets, b->n_columns + 1, sizeof *b->back_offsets,
                     "a block's transpose"));
    RK_TRY(rk__alloc(&b->back_columns, b->n_edges, sizeof *b->back_columns, "a block's transpose"));
    RK_TRY(rk__alloc(&b->back_edges, b->n_edges, sizeof *b->back_edges, "a block's transpose"));
    if (b->types) {
        sort_by(b->types, b->n_types, NULL, b->n_edges, ends, order);
    }
    sort_by(b->columns, b->n_columns, b->types ? order : NULL, b->n_edges, b->back_offsets,
            b->back_edges);
    for (int64_t k = 0; k < b->n_edges; k++) {
        b->back_columns[k] = row[b->back_edges[k]];
    }
    return RK_OK;
}

static rk_status check(const rk_block_edges *e)
{
    if (e->n_edges > INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "%lld edges are too many for one block: at most %lld",
                (long long)e->n_edges, (long long)INT32_MAX);
    }
    for (int64_t i = 0; i < e->n_edges; i++) {
        if (e->rows[i] < 0 || e->rows[i] >= e->n_rows || e->columns[i] < 0 ||
            e->columns[i] >= e->n_columns ||
            (e->types && (e->types[i] < 0 || e->types[i] >= e->n_types))) {
            RK_FAIL(RK_ERR_DATA,
                    "edge %lld (row %d, column %d, type %d) is outside of %lld rows, %lld columns "
                    "and %lld types",
                    (long long)i, e->rows[i], e->columns[i], e->types ? e->types[i] : 0,
                    (long long)e->n_rows, (long long)e->n_columns, (long long)e->n_types);
        }
    }
    return RK_OK;
}

/* Arrays in the order of `order`; row: room for that of each edge. */
static rk_status take_edges(rk_block *b, const rk_block_edges *e, const int32_t *order,
                            int32_t *row)
{
    static const char what[] = "a block's edges";
    RK_TRY(rk__alloc(&b->columns, b->n_edges, sizeof *b->columns, what));
    RK_TRY(e->weights ? rk__alloc(&b->weights, b->n_edges, sizeof *b->weights, what) : RK_OK);
    RK_TRY(e->types ? rk__alloc(&b->types, b->n_edges, sizeof *b->types, what) : RK_OK);
    for (int64_t i = 0; i < b->n_edges; i++) {
        b->columns[i] = e->columns[order[i]];
        row[i] = e->rows[order[i]];
    }
    for (int64_t i = 0; i < b->n_edges && e->weights; i++) {
        b->weights[i] = e->weights[order[i]];
    }
    for (int64_t i = 0; i < b->n_edges && e->types; i++) {
        b->types[i] = e->types[order[i]];
    }
    return RK_OK;
}

rk_status rk__block_build(rk_block *out, const rk_block_edges *e)
{
    static const char what[] = "sorting a block's edges";
    rk_status status = RK_OK;
    int32_t *order = NULL, *other = NULL;
    int64_t *ends = NULL;
    rk_block b = {.n_rows = e->n_rows,
                  .n_columns = e->n_columns,
                  .n_edges = e->n_edges,
                  .n_types = e->types ? e->n_types : 0};
    RK_TRY(check(e));
    RK_TRY_GOTO(done, rk__alloc(&order, b.n_edges, sizeof *order, what));
    RK_TRY_GOTO(done, rk__alloc(&other, b.n_edges, sizeof *other, what));
    RK_TRY_GOTO(done, rk__alloc(&ends, largest(b.n_columns, b.n_types) + 1, sizeof *ends, what));
    RK_TRY_GOTO(done, rk__alloc(&b.offsets, b.n_rows + 1, sizeof *b.offsets, what));
    sort_by(e->columns, b.n_columns, NULL, b.n_edges, ends, order);
    if (e->types) {
        sort_by(e->types, b.n_types, order, b.n_edges, ends, other);
    } else {
        memcpy(other, order, (size_t)b.n_edges * sizeof *other);
    }
    sort_by(e->rows, b.n_rows, other, b.n_edges, b.offsets, order);
    RK_TRY_GOTO(done, take_edges(&b, e, order, other));
    RK_TRY_GOTO(done, transpose(&b, other, ends, order));
    *out = b;
done:
    rk__free(order);
    rk__free(other);
    rk__free(ends);
    if (status != RK_OK) {
        rk__block_free(&b);
    }
    return status;
}

rk_status rk__block_of_interactions(rk_block *out, const rk_graph *g)
{
    static const char what[] = "the block of interactions";
    rk_status status = RK_OK;
    rk_block b = {.n_rows = g->n_nodes, .n_columns = g->n_nodes, .n_edges = 2 * g->n_edges};
    int64_t *cursor = NULL;
    if (b.n_edges > INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "%lld interactions are too many for one block: at most %lld",
                (long long)g->n_edges, (long long)(INT32_MAX / 2));
    }
    RK_TRY_GOTO(done, rk__alloc(&b.offsets, b.n_rows + 1, sizeof *b.offsets, what));
    RK_TRY_GOTO(done, rk__alloc(&b.columns, b.n_edges, sizeof *b.columns, what));
    RK_TRY_GOTO(done, rk__alloc(&b.back_edges, b.n_edges, sizeof *b.back_edges, what));
    RK_TRY_GOTO(done, rk__alloc(&cursor, b.n_rows, sizeof *cursor, what));
    memcpy(b.offsets, g->offsets, (size_t)(b.n_rows + 1) * sizeof *b.offsets);
    memcpy(b.columns, g->columns, (size_t)b.n_edges * sizeof *b.columns);
    memcpy(cursor, g->offsets, (size_t)b.n_rows * sizeof *cursor);
    /* The graph is symmetric and its rows ascend: walked row by row, the edges to a column come in
     * the order of that column's own row. */
    for (int64_t e = 0; e < b.n_edges; e++) {
        b.back_edges[cursor[b.columns[e]]++] = (int32_t)e;
    }
    *out = b;
done:
    rk__free(cursor);
    if (status != RK_OK) {
        rk__block_free(&b);
    }
    return status;
}

/* ---- normalisation ---- */

/* Of an edge: which of the sums of its row or column it belongs to, of how many. */
static int64_t part_of(const rk_block *b, rk_block_scope scope, int64_t edge)
{
    return scope == RK_BLOCK_OF_ALL                           ? 0
           : scope == RK_BLOCK_OF_TYPE                        ? b->types[edge]
           : b->has_loops && b->types[edge] == b->n_types - 1 ? 2
                                                              : b->types[edge] % 2;
}

/* Divides the weights of the edges edges[0, n) (NULL = first, first + 1, ...) of one row or column
 * by the power of the sum over those of the same part. sums: zeros, and zeros again afterwards. */
static void divide(const rk_block *b, rk_block_scope scope, const float *weights, double power,
                   const int32_t *edges, int64_t first, int64_t n, double *sums, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t e = edges ? edges[i] : first + i;
        sums[part_of(b, scope, e)] += (double)weights[e];
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t e = edges ? edges[i] : first + i;
        const double sum = sums[part_of(b, scope, e)];
        out[e] = sum > 0 ? (float)((double)out[e] * pow(sum, power)) : 0;
    }
    for (int64_t i = 0; i < n; i++) {
        sums[part_of(b, scope, edges ? edges[i] : first + i)] = 0;
    }
}

rk_status rk__block_normalise(rk_block *b, rk_block_norm norm, rk_block_scope scope)
{
    static const char what[] = "normalising a block";
    rk_status status = RK_OK;
    double *sums = NULL;
    float *out = NULL;
    const int64_t n_parts = scope == RK_BLOCK_OF_TYPE ? b->n_types : 3;
    RK_ASSERT(b->types || scope == RK_BLOCK_OF_ALL);
    if (norm == RK_BLOCK_AS_IS) {
        return RK_OK;
    }
    if (!b->weights) {
        RK_TRY(rk__alloc(&b->weights, b->n_edges, sizeof *b->weights, what));
        for (int64_t e = 0; e < b->n_edges; e++) {
            b->weights[e] = 1;
        }
    }
    RK_TRY_GOTO(done, rk__alloc(&out, b->n_edges, sizeof *out, what));
    RK_TRY_GOTO(done, rk__calloc(&sums, n_parts, sizeof *sums, what));
    memcpy(out, b->weights, (size_t)b->n_edges * sizeof *out);
    for (int64_t r = 0; r < b->n_rows; r++) {
        divide(b, scope, b->weights, norm == RK_BLOCK_MEAN ? -1 : -0.5, NULL, b->offsets[r],
               b->offsets[r + 1] - b->offsets[r], sums, out);
    }
    const int64_t *back = b->back_offsets ? b->back_offsets : b->offsets;
    for (int64_t c = 0; c < b->n_columns && norm == RK_BLOCK_SYMMETRIC; c++) {
        divide(b, scope, b->weights, -0.5, b->back_edges + back[c], 0, back[c + 1] - back[c], sums,
               out);
    }
    rk__free(b->weights);
    b->weights = out;
    out = NULL;
done:
    rk__free(out);
    rk__free(sums);
    return status;
}

void rk__block_free(rk_block *b)
{
    rk__free(b->offsets);
    rk__free(b->columns);
    rk__free(b->weights);
    rk__free(b->types);
    rk__free(b->back_offsets);
    rk__free(b->back_columns);
    rk__free(b->back_edges);
    *b = (rk_block){0};
}
