/*
 * Fold and unfold: half a propagation each, between the graph's small side and the other, and a
 * copy of the small side's rows (models/lightgcn_gram.c has the mathematics); sums of pair tables.
 *
 * The rows are summed by the same loops as in propagate.c, which count rows of x as nodes.
 */
#include <string.h>

#include "device/cpu/edges.h"

enum { ROWS_PER_COPY = 256 };

/* Where row 0 would be of a table whose row `first` is at `rows`. Only an address: nothing is read
 * before `rows`. */
static float *origin(const void *rows, int64_t first, int64_t d)
{
    return (float *)((uintptr_t)rows - (uintptr_t)(first * d) * sizeof(float));
}

/* The nodes of the call's small side, and of the other. */
static rk_row_range small_side(const rk_call *call)
{
    const rk_fold_attr *a = &call->node->attr.fold;
    return (rk_row_range){a->first, a->first + a->n};
}

static rk_row_range large_side(const rk_call *call)
{
    const rk_fold_attr *a = &call->node->attr.fold;
    int64_t n_nodes = rk__in(call, 2)->rows;
    return a->first > 0 ? (rk_row_range){0, a->first} : (rk_row_range){a->n, n_nodes};
}

static void copy_rows(const rk_call *call, const float *x, int64_t n, int64_t d, float *y)
{
    RK_CPU_FOR(call, block, rk__blocks(n, ROWS_PER_COPY))
    {
        int64_t first = block * ROWS_PER_COPY;
        int64_t rows = n - first < ROWS_PER_COPY ? n - first : ROWS_PER_COPY;
        memcpy(y + first * d, x + first * d, (size_t)(rows * d) * sizeof *y);
    }
}

/* Rows [range.first, range.end) into y; x counts nodes. */
static void propagate_range(const rk_call *call, rk_row_range range, const float *x, int64_t d,
                            float *y)
{
    const rk_csr a = rk__csr_of(call);
    const rk_source source = rk__float_source(&a, x);
    int64_t n_chunks = rk__chunk_count(&a, range);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        int64_t first = rk__chunk_start(&a, range, chunk, n_chunks);
        call->isa->propagate(&a, &source, d, 1, first,
                             rk__chunk_start(&a, range, chunk + 1, n_chunks),
                             y + (first - range.first) * d);
    }
}

void rk__cpu_fold(const rk_call *call)
{
    const rk_row_range side = small_side(call);
    const float *x = call->in[3];
    int64_t d = rk__in(call, 3)->cols, n = side.end - side.first;
    float *t = call->out[0], *q = t + n * d;
    copy_rows(call, x + side.first * d, n, d, t);
    propagate_range(call, side, x, d, q);
}

void rk__cpu_unfold(const rk_call *call)
{
    const rk_row_range side = small_side(call), large = large_side(call);
    int64_t d = rk__in(call, 3)->cols, n = side.end - side.first;
    const float *t = call->in[3], *q = t + n * d;
    float *y = call->out[0];
    copy_rows(call, t, n, d, y + side.first * d);
    propagate_range(call, large, origin(q, side.first, d), d, y + large.first * d);
}

int64_t rk__cpu_scratch_fold_from_rows(const rk_call *call)
{
    return rk__cache_lines(4 * rk__bitmap_words(rk__in(call, 4)->rows)) +
           call->threads * rk__edge_bytes(rk__in(call, 3)->rows);
}

/* t[i] = x[map[first + i]], zero where that row is not in the set. */
static void scatter_side(const float *x, const int32_t *map, int64_t n, int64_t d, float *t)
{
#pragma omp for schedule(static)
    for (int64_t i = 0; i < n; i++) {
        size_t bytes = (size_t)d * sizeof *t;
        if (map[i] >= 0) {
            memcpy(t + i * d, x + map[i] * d, bytes);
        } else {
            memset(t + i * d, 0, bytes);
        }
    }
}

void rk__cpu_fold_from_rows(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const rk_row_range side = small_side(call);
    const float *x = call->in[3];
    const int32_t *map = call->in[4];
    int64_t d = rk__in(call, 3)->cols, slots = rk__in(call, 3)->rows;
    int64_t n = side.end - side.first, n_chunks = rk__chunk_count(&a, side);
    int64_t n_words = rk__bitmap_words(a.n);
    char *scratch = call->scratch;
    uint32_t *active = rk__cpu_take(&scratch, 4 * n_words);
    float *t = call->out[0], *q = t + n * d;
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(scratch, slots);
        scatter_side(x, map + side.first, n, d, t);
#pragma omp for schedule(static)
        for (int64_t word = 0; word < n_words; word++) {
            active[word] = rk__bitmap_word(map, a.n, word);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = rk__chunk_start(&a, side, chunk, n_chunks);
            call->isa->propagate_from_rows(&a, x, d, 1, map, active, first,
                                           rk__chunk_start(&a, side, chunk + 1, n_chunks), &buffer,
                                           q + (first - side.first) * d);
        }
    }
}

int64_t rk__cpu_scratch_unfold_rows(const rk_call *call)
{
    return call->threads * rk__edge_bytes(0);
}

/* The first of `count` ascending rows that is not below `node`. */
static int64_t lower_bound(const int32_t *rows, int64_t count, int64_t node)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (rows[middle] < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The rows of a set ascend, so those of a side lie together: [begin, end) are the small side's. */
void rk__cpu_unfold_rows(const rk_call *call)
{
    const rk_csr a = rk__csr_of(call);
    const rk_row_range side = small_side(call);
    const int32_t *rows = call->in[4];
    int64_t count = *(const int32_t *)call->in[5], slots = rk__out(call, 0)->rows;
    int64_t d = rk__in(call, 3)->cols, n = side.end - side.first;
    int64_t begin = lower_bound(rows, count, side.first), end = lower_bound(rows, count, side.end);
    int64_t others = begin > 0 ? 0 : end, n_others = begin > 0 ? begin : count - end;
    int64_t n_chunks = rk__blocks(n_others, ROWS_PER_CHUNK);
    const float *t = call->in[3];
    const rk_source q = rk__float_source(&a, origin(t + n * d, side.first, d));
    float *y = call->out[0];
#pragma omp parallel num_threads(call->threads) if (n_chunks > 1)
    {
        rk_edge_buffer buffer = rk__take_edges(call->scratch, 0);
#pragma omp for schedule(static)
        for (int64_t r = begin; r < end; r++) {
            memcpy(y + r * d, t + (rows[r] - side.first) * d, (size_t)d * sizeof *y);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t chunk = 0; chunk < n_chunks; chunk++) {
            int64_t first = chunk * ROWS_PER_CHUNK, last = first + ROWS_PER_CHUNK;
            call->isa->propagate_rows(&a, &q, d, 1, rows, others + first,
                                      others + (last < n_others ? last : n_others), &buffer, y);
        }
    }
    memset(y + count * d, 0, (size_t)((slots - count) * d) * sizeof *y);
}

/* One half: sum over the tables of w[2j] * t_j + w[2j + 1] * q_j, zero weights left out. */
static int32_t half_terms(const rk_call *call, int half, const float **tables, float *weights)
{
    const float *w = call->node->attr.weight;
    int64_t elements = rk__out(call, 0)->rows / 2 * rk__out(call, 0)->cols;
    int32_t n = 0;
    for (int j = 0; j < call->node->n_inputs; j++) {
        for (int k = 0; k < 2; k++) {
            int at = 2 * j + half + k;
            if (at < RK_MAX_LAYERS && w[at] != 0) {
                tables[n] = (const float *)call->in[j] + k * elements;
                weights[n++] = w[at];
            }
        }
    }
    return n;
}

void rk__cpu_mix_pairs(const rk_call *call)
{
    enum { ELEMENTS_PER_BLOCK = 1 << 14 };
    int64_t elements = rk__out(call, 0)->rows / 2 * rk__out(call, 0)->cols;
    for (int half = 0; half < 2; half++) {
        const float *tables[2 * RK_MAX_LAYERS];
        float weights[2 * RK_MAX_LAYERS];
        int32_t n = half_terms(call, half, tables, weights);
        float *y = (float *)call->out[0] + half * elements;
        RK_CPU_FOR(call, block, rk__blocks(elements, ELEMENTS_PER_BLOCK))
        {
            const float *at[2 * RK_MAX_LAYERS];
            int64_t first = block * ELEMENTS_PER_BLOCK;
            int64_t size =
                elements - first < ELEMENTS_PER_BLOCK ? elements - first : ELEMENTS_PER_BLOCK;
            for (int32_t i = 0; i < n; i++) {
                at[i] = tables[i] + first;
            }
            if (n > 0) {
                call->isa->combine(at, weights, n, size, y + first);
            } else {
                memset(y + first, 0, (size_t)size * sizeof *y);
            }
        }
    }
}
