/*
 * Which edges of the graph a view keeps: a pure function of (seed, epoch, view, edge), shared by
 * the host and kernels.
 *
 * A key from Philox for each epoch and view, and for each edge the finalizer of SplitMix64 (Steele,
 * Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014) of the key plus the
 * edge's two nodes: two products an edge instead of Philox's twenty. The smaller node comes first,
 * so that both directions of an edge are kept or dropped together, and edges of several relations
 * between two nodes are, too.
 */
#ifndef RK_OPS_EDGE_DRAW_H
#define RK_OPS_EDGE_DRAW_H

#include <stdbool.h>

#include "base/philox.h"
#include "ops/step_state.h"

typedef struct rk_edge_draw {
    uint64_t key;
    uint32_t threshold; /* an edge is dropped whose 32 bits are below it */
} rk_edge_draw;

/* ratio: share of edges to drop, in (0, 1). */
static inline uint32_t rk__edge_threshold(double ratio)
{
    return (uint32_t)(ratio * 0x1p32);
}

RK_SHARED rk_edge_draw rk__edge_draw_at(const rk_step_state *state, int32_t view,
                                        uint32_t threshold)
{
    const rk_words w =
        rk__philox(state->seed, RK_PURPOSE_EDGES, (uint64_t)state->epoch, (uint64_t)view, 0);
    const rk_edge_draw draw = {(uint64_t)w.v[0] << 32 | w.v[1], threshold};
    return draw;
}

/* Of a mask of edges: drawn anew in each epoch, or in each step; streams differ. */
RK_SHARED rk_edge_draw rk__edge_mask_at(const rk_step_state *state, int32_t stream, bool each_step,
                                        uint32_t threshold)
{
    const int64_t time = each_step ? state->step : state->epoch;
    const rk_words w = rk__philox(state->seed, RK_PURPOSE_MASK, (uint64_t)time, (uint64_t)stream,
                                  each_step ? 1 : 0);
    const rk_edge_draw draw = {(uint64_t)w.v[0] << 32 | w.v[1], threshold};
    return draw;
}

/* 1 = dropped, 0 = kept. Without a comparison of 64 bits, which not every set of vector
 * instructions has: the difference of two numbers below 2^32 is negative or not. */
RK_SHARED uint64_t rk__edge_is_dropped(uint64_t key, uint32_t threshold, int32_t a, int32_t b)
{
    const uint32_t low = (uint32_t)(a < b ? a : b), high = (uint32_t)(a < b ? b : a);
    uint64_t z = key + ((uint64_t)low << 32 | high);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return ((z >> 32) - threshold) >> 63;
}

#endif
