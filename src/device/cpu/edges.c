/*
 * The graph with a share of its edges dropped (Wu et al., SGL, SIGIR 2021): which ones is a
 * function of each edge (ops/edge_draw.h), so nothing is stored from step to step. Rows are
 * counted, the counts summed up, and the rows written where they belong: the edges are drawn twice,
 * which is cheaper than to keep them.
 */
#include <math.h>
#include <string.h>

#include "device/cpu/csr.h"
#include "ops/edge_draw.h"

/* Counts go to the places of the offsets that they become. */
static void count_rows(const rk_call *call, const rk_csr *a, const rk_edge_draw *draw,
                       int64_t *counts, float *scale)
{
    const rk_row_range all = {0, a->n};
    int64_t n_chunks = rk__chunk_count(a, all);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        int64_t end = rk__chunk_start(a, all, chunk + 1, n_chunks);
        for (int64_t r = rk__chunk_start(a, all, chunk, n_chunks); r < end; r++) {
            int64_t begin = a->offsets[r], degree = a->offsets[r + 1] - begin;
            int64_t n = call->isa->count_kept(draw, (int32_t)r, a->columns + begin, degree);
            counts[r + 1] = n;
            scale[r] = n == 0 ? 0 : (float)(1 / sqrt((double)n));
        }
    }
}

void rk__cpu_drop_edges(const rk_call *call)
{
    const rk_drop_attr *attr = &call->node->attr.drop;
    const rk_csr a = {.offsets = call->in[0], .columns = call->in[1], .n = rk__out(call, 2)->rows};
    const rk_edge_draw draw =
        rk__edge_draw_at(call->in[2], attr->view, rk__edge_threshold(attr->ratio));
    int64_t *offsets = call->out[0];
    int32_t *columns = call->out[1];
    count_rows(call, &a, &draw, offsets, call->out[2]);
    offsets[0] = 0;
    for (int64_t r = 0; r < a.n; r++) {
        offsets[r + 1] += offsets[r];
    }
    const rk_row_range all = {0, a.n};
    int64_t n_chunks = rk__chunk_count(&a, all);
    RK_CPU_FOR(call, chunk, n_chunks)
    {
        int64_t end = rk__chunk_start(&a, all, chunk + 1, n_chunks);
        for (int64_t r = rk__chunk_start(&a, all, chunk, n_chunks); r < end; r++) {
            int64_t begin = a.offsets[r], degree = a.offsets[r + 1] - begin;
            call->isa->write_kept(&draw, (int32_t)r, a.columns + begin, degree,
                                  columns + offsets[r]);
        }
    }
    int64_t n_kept = offsets[a.n], n_edges = rk__in(call, 1)->rows;
    memset(columns + n_kept, 0xff, (size_t)(n_edges - n_kept) * sizeof *columns); /* -1 */
}
