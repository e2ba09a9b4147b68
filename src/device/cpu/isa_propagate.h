/*
 * Propagation: each row of y is a weighted sum of rows of x, so the cost is the fetching of rows of
 * x from the second- and third-level cache. The sums stay in registers over all edges of a row;
 * rows of x are prefetched AHEAD edges before their turn, also across the ends of rows of y. Halves
 * are half as long, so it takes twice as many to keep the same number of bytes on their way.
 */
#ifndef RK_DEVICE_CPU_ISA_PROPAGATE_H
#define RK_DEVICE_CPU_ISA_PROPAGATE_H

#include <string.h>

#include "device/cpu/isa.h"
#include "device/cpu/isa_half.h"
#include "device/cpu/isa_vector.h"

enum {
    MAX_VECTORS = 8,
    CACHE_LINE = 64,
    /* Of rows that are scattered: from the fetch of a row's columns, of its result, to its turn. */
    COLUMNS_AHEAD = 16,
    RESULTS_AHEAD = 4,
    COLUMN_LINES = 8, /* that are fetched ahead; the processor goes on by itself */
};

/* A list of edges: the row of x at the far end, and the weight, which is found by that row or by
 * the number of the edge. */
typedef struct edge_list {
    const int32_t *index;
    const float *weight;
    int64_t end; /* of the list: nothing is prefetched past it */
} edge_list;

/* Bytes of an element of x, and edges between the fetch of a row and its turn. */
#define SIZE(halves) ((halves) ? 2 : 4)
#define AHEAD(halves) ((halves) ? 64 : 32)

INLINE vec vec_fetch(const char *row, int64_t element, const int halves)
{
    return halves ? vec_load_half((const rk_half *)(const void *)row + element)
                  : vec_load((const float *)(const void *)row + element);
}

/* Columns [j, j + n_vectors * LANES) of factor * (sum over the edges [begin, end)) into y. */
INLINE void sum_columns(const edge_list *edges, const int by_row, int64_t begin, int64_t end,
                        const char *x, const int halves, int64_t d, int64_t j, float factor,
                        float *y, const int n_vectors)
{
    const int32_t *index = edges->index;
    vec sum[MAX_VECTORS];
    for (int v = 0; v < n_vectors; v++) {
        sum[v] = (vec){0};
    }
    const char *base = x + j * SIZE(halves);
    int64_t stride = d * SIZE(halves);
    int64_t safe = edges->end - AHEAD(halves) < end ? edges->end - AHEAD(halves) : end, e = begin;
    for (; e < safe; e++) {
        const char *ahead = base + (int64_t)index[e + AHEAD(halves)] * stride;
        for (int v = 0; v < n_vectors * LANES * SIZE(halves); v += CACHE_LINE) {
            __builtin_prefetch(ahead + v, 0, 3);
        }
        const char *row = base + (int64_t)index[e] * stride;
        float w = edges->weight[by_row ? index[e] : e];
        for (int v = 0; v < n_vectors; v++) {
            sum[v] += vec_fetch(row, v * LANES, halves) * w;
        }
    }
    for (; e < end; e++) {
        const char *row = base + (int64_t)index[e] * stride;
        float w = edges->weight[by_row ? index[e] : e];
        for (int v = 0; v < n_vectors; v++) {
            sum[v] += vec_fetch(row, v * LANES, halves) * w;
        }
    }
    for (int v = 0; v < n_vectors; v++) {
        vec_store(y + j + v * LANES, sum[v] * factor);
    }
}

/* The last d % LANES columns. */
INLINE void sum_tail(const edge_list *edges, const int by_row, int64_t begin, int64_t end,
                     const char *x, const int halves, int64_t d, int64_t j, float factor, float *y)
{
    float sum[LANES] = {0};
    int64_t width = d - j;
    for (int64_t e = begin; e < end; e++) {
        int64_t row = edges->index[e];
        float w = edges->weight[by_row ? row : e];
        for (int64_t i = 0; i < width; i++) {
            int64_t at = row * d + j + i;
            sum[i] += w * (halves ? half_to_float(((const rk_half *)(const void *)x)[at])
                                  : ((const float *)(const void *)x)[at]);
        }
    }
    for (int64_t i = 0; i < width; i++) {
        y[j + i] = sum[i] * factor;
    }
}

/* One row of y. exact: number of vectors when d is that many, else 0. */
INLINE void sum_row(const edge_list *edges, const int by_row, int64_t begin, int64_t end,
                    const char *x, const int halves, int64_t d, float factor, float *y,
                    const int exact)
{
    if (exact) {
        sum_columns(edges, by_row, begin, end, x, halves, d, 0, factor, y, exact);
        return;
    }
    int64_t j = 0;
    for (; j + 8 * LANES <= d; j += 8 * LANES) {
        sum_columns(edges, by_row, begin, end, x, halves, d, j, factor, y, 8);
    }
    if (j + 4 * LANES <= d) {
        sum_columns(edges, by_row, begin, end, x, halves, d, j, factor, y, 4);
        j += 4 * LANES;
    }
    for (; j + LANES <= d; j += LANES) {
        sum_columns(edges, by_row, begin, end, x, halves, d, j, factor, y, 1);
    }
    if (j < d) {
        sum_tail(edges, by_row, begin, end, x, halves, d, j, factor, y);
    }
}

/* Calls function(..., exact) with a constant, so that the compiler keeps the sums in registers. */
#define BY_WIDTH(function, d, ...)                                                                 \
    do {                                                                                           \
        switch ((d) % LANES == 0 ? (d) / LANES : 0) {                                              \
        case 2:                                                                                    \
            function(__VA_ARGS__, 2);                                                              \
            break;                                                                                 \
        case 4:                                                                                    \
            function(__VA_ARGS__, 4);                                                              \
            break;                                                                                 \
        case 8:                                                                                    \
            function(__VA_ARGS__, 8);                                                              \
            break;                                                                                 \
        default:                                                                                   \
            function(__VA_ARGS__, 0);                                                              \
        }                                                                                          \
    } while (0)

INLINE void all_rows(const rk_csr *a, const rk_source *x, int64_t d, float alpha, int64_t first,
                     int64_t last, float *y, const int halves, const int exact)
{
    edge_list edges = {a->columns, x->weight, a->offsets[a->n]};
    for (int64_t r = first; r < last; r++) {
        sum_row(&edges, 1, a->offsets[r], a->offsets[r + 1], x->rows, halves, d,
                alpha * a->scale[r], y + (r - first) * d, exact);
    }
}

static void propagate(const rk_csr *a, const rk_source *x, int64_t d, float alpha, int64_t first,
                      int64_t last, float *y)
{
    if (x->is_half) {
        BY_WIDTH(all_rows, d, a, x, d, alpha, first, last, y, 1);
    } else {
        BY_WIDTH(all_rows, d, a, x, d, alpha, first, last, y, 0);
    }
}

/* What the rows behind row `at` of a list will ask for: columns, and where they begin. */
INLINE void prefetch_columns(const rk_csr *a, const int32_t *rows, int64_t at, int64_t last)
{
    if (at + 2 * COLUMNS_AHEAD < last) {
        __builtin_prefetch(a->offsets + rows[at + 2 * COLUMNS_AHEAD]);
    }
    if (at + COLUMNS_AHEAD < last) {
        int64_t row = rows[at + COLUMNS_AHEAD];
        const char *line = (const char *)(a->columns + a->offsets[row]);
        const char *end = (const char *)(a->columns + a->offsets[row + 1]);
        for (int i = 0; i < COLUMN_LINES && line < end; i++, line += CACHE_LINE) {
            __builtin_prefetch(line);
        }
    }
}

INLINE void prefetch_result(float *y, int64_t row, int64_t d)
{
    for (int64_t j = 0; j < d; j += CACHE_LINE / 4) {
        __builtin_prefetch(y + row * d + j, 1);
    }
}

/* Rows of a set are scattered over the graph: their edges are first brought together, so that
 * prefetching runs on from one row to the next. A row too long for the buffer needs no such help.
 */
INLINE void some_rows(const rk_csr *a, const rk_source *x, int64_t d, float alpha,
                      const int32_t *rows, int64_t first, int64_t last, rk_edge_buffer *buffer,
                      float *y, const int in_place, const int halves, const int exact)
{
    int64_t ends[RK_EDGE_ROWS];
    for (int64_t i = first; i < last;) {
        int64_t start = i, length = 0, begin = 0;
        while (i < last && i - start < RK_EDGE_ROWS) {
            int64_t from = a->offsets[rows[i]], degree = a->offsets[rows[i] + 1] - from;
            if (length + degree > buffer->capacity) {
                break;
            }
            prefetch_columns(a, rows, i, last);
            memcpy(buffer->index + length, a->columns + from, (size_t)degree * sizeof *a->columns);
            length += degree;
            ends[i++ - start] = length;
        }
        edge_list edges = {buffer->index, x->weight, length};
        for (int64_t k = start; k < i; k++) {
            if (in_place && k + RESULTS_AHEAD < last) {
                prefetch_result(y, rows[k + RESULTS_AHEAD], d);
            }
            sum_row(&edges, 1, begin, ends[k - start], x->rows, halves, d,
                    alpha * a->scale[rows[k]], y + (in_place ? rows[k] : k) * d, exact);
            begin = ends[k - start];
        }
        if (i == start) {
            int64_t r = rows[i];
            edges = (edge_list){a->columns, x->weight, a->offsets[r + 1]};
            sum_row(&edges, 1, a->offsets[r], a->offsets[r + 1], x->rows, halves, d,
                    alpha * a->scale[r], y + (in_place ? r : i) * d, exact);
            i++;
        }
    }
}

static void propagate_rows(const rk_csr *a, const rk_source *x, int64_t d, float alpha,
                           const int32_t *rows, int64_t first, int64_t last, rk_edge_buffer *buffer,
                           float *y, bool in_place)
{
    if (x->is_half) {
        BY_WIDTH(some_rows, d, a, x, d, alpha, rows, first, last, buffer, y, in_place, 1);
    } else {
        BY_WIDTH(some_rows, d, a, x, d, alpha, rows, first, last, buffer, y, in_place, 0);
    }
}

/* Appends the active ones of columns[0, n) to list; returns the new length. Without a branch: one
 * in eight is active, in no order that a processor could learn. (AVX-512's gather and compress are
 * no faster.) Writes one element past the end. */
INLINE int64_t append_active(const int32_t *columns, int64_t n, const uint32_t *active,
                             int32_t *list, int64_t length)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t c = columns[i];
        list[length] = c;
        length += (active[c >> 5] >> (c & 31)) & 1;
    }
    return length;
}

INLINE void active_rows(const rk_csr *a, const float *x, int64_t d, float alpha, const int32_t *map,
                        const uint32_t *active, int64_t first, int64_t last, rk_edge_buffer *buffer,
                        float *y, const int exact)
{
    const char *rows = (const char *)x;
    int64_t ends[RK_EDGE_ROWS];
    for (int64_t r = first; r < last;) {
        /* A row has no more active edges than x has rows, which the capacity allows for. */
        int64_t start = r, length = 0, room = buffer->capacity / 2;
        while (r < last && r - start < RK_EDGE_ROWS && length <= room) {
            int64_t begin = a->offsets[r], degree = a->offsets[r + 1] - begin;
            length = append_active(a->columns + begin, degree, active, buffer->index, length);
            ends[r - start] = length;
            r++;
        }
        for (int64_t e = 0; e < length; e++) {
            int32_t c = buffer->index[e];
            buffer->weight[e] = a->scale[c];
            buffer->index[e] = map[c];
        }
        edge_list edges = {buffer->index, buffer->weight, length};
        int64_t begin = 0;
        for (int64_t i = start; i < r; i++) {
            int64_t end = ends[i - start];
            float *out = y + (i - first) * d;
            if (begin == end) {
                memset(out, 0, (size_t)d * sizeof *out);
            } else {
                sum_row(&edges, 0, begin, end, rows, 0, d, alpha * a->scale[i], out, exact);
            }
            begin = end;
        }
    }
}

static void propagate_from_rows(const rk_csr *a, const float *x, int64_t d, float alpha,
                                const int32_t *map, const uint32_t *active, int64_t first,
                                int64_t last, rk_edge_buffer *buffer, float *y)
{
    BY_WIDTH(active_rows, d, a, x, d, alpha, map, active, first, last, buffer, y);
}

#endif
