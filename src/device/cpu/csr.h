/*
 * What the propagations share: the graph of a call, rows cut into chunks of about equal cost (item
 * rows can be a thousand times longer than user rows), a thread's room for edges.
 */
#ifndef RK_DEVICE_CPU_CSR_H
#define RK_DEVICE_CPU_CSR_H

#include "device/cpu/cpu.h"

enum {
    EDGES_PER_CHUNK = 8192,
    ROW_COST = 8, /* what a row costs beside its edges, in edges */
    ROWS_PER_CHUNK = 16,
};

static inline rk_csr rk__csr_of(const rk_call *call)
{
    return (rk_csr){.offsets = call->in[0],
                    .columns = call->in[1],
                    .scale = call->in[2],
                    .n = rk__in(call, 2)->rows};
}

/* x is float [n,d]. */
static inline rk_source rk__float_source(const rk_csr *a, const float *x)
{
    return (rk_source){.rows = x, .weight = a->scale, .is_half = false};
}

/* Where row 0 would be of a table whose row `first` is at `rows`, for loops that count nodes. Only
 * an address: nothing is read before `rows`. */
static inline float *rk__origin(const void *rows, int64_t first, int64_t d)
{
    return (float *)((uintptr_t)rows - (uintptr_t)(first * d) * sizeof(float));
}

/* A range of rows of the graph. */
typedef struct rk_row_range {
    int64_t first, end;
} rk_row_range;

static inline int64_t rk__cost_before(const rk_csr *a, int64_t row)
{
    return a->offsets[row] + ROW_COST * row;
}

static inline int64_t rk__chunk_count(const rk_csr *a, rk_row_range range)
{
    return 1 + (rk__cost_before(a, range.end) - rk__cost_before(a, range.first)) / EDGES_PER_CHUNK;
}

/* The first row whose cost so far reaches this chunk's share. */
static inline int64_t rk__chunk_start(const rk_csr *a, rk_row_range range, int64_t chunk,
                                      int64_t n_chunks)
{
    int64_t begin = rk__cost_before(a, range.first), total = rk__cost_before(a, range.end) - begin;
    int64_t wanted = begin + (int64_t)((double)total / (double)n_chunks * (double)chunk);
    int64_t low = range.first, high = range.end;
    if (chunk == n_chunks) {
        return range.end;
    }
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (rk__cost_before(a, middle) < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Edges that a thread's buffer holds, where x has n_active rows at a row set (0: x is whole). A row
 * has no more active edges than x has rows. */
static inline int64_t rk__edge_capacity(int64_t n_active)
{
    return 2 * (n_active > 1024 ? n_active : 1024);
}

static inline int64_t rk__edge_bytes(int64_t n_active)
{
    return 2 * rk__cache_lines((rk__edge_capacity(n_active) + RK_EDGE_SLACK) * 4);
}

/* The present thread's buffer in the scratch behind `start`, which has rk__edge_bytes a thread. */
static inline rk_edge_buffer rk__take_edges(char *start, int64_t n_active)
{
    int64_t bytes = rk__edge_bytes(n_active);
    char *mine = start + rk__cpu_thread() * bytes;
    return (rk_edge_buffer){.index = rk__cpu_take(&mine, bytes / 2),
                            .weight = rk__cpu_take(&mine, bytes / 2),
                            .capacity = rk__edge_capacity(n_active)};
}

/* Bit c of the words says whether map[c] >= 0: the bitmap fits in the first-level cache where the
 * map itself does not. */
static inline int64_t rk__bitmap_words(int64_t n_nodes)
{
    return rk__blocks(n_nodes, 32);
}

static inline uint32_t rk__bitmap_word(const int32_t *map, int64_t n, int64_t word)
{
    uint32_t bits = 0;
    int64_t first = 32 * word, width = n - first < 32 ? n - first : 32;
    for (int64_t j = 0; j < width; j++) {
        bits |= (uint32_t)(map[first + j] >= 0) << j;
    }
    return bits;
}

#endif
