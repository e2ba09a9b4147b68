/*
 * Which elements of a table a dropout keeps: pure functions of (seed, step, layer, row, column),
 * shared by the host and kernels. Philox gives a key to each step and layer, and of the key and an
 * element's number a finaliser of 64 bits makes the number that decides, as edges are drawn
 * (ops/edge_draw.h): a loop over a row becomes vector instructions.
 */
#ifndef RK_OPS_DROPOUT_DRAW_H
#define RK_OPS_DROPOUT_DRAW_H

#include "base/philox.h"

typedef struct rk_dropout_draw {
    uint64_t key;
    uint32_t threshold; /* of 2^32: below it an element is dropped */
    float factor;       /* of those that are kept, 1 / (1 - ratio) */
} rk_dropout_draw;

/* ratio: in (0, 1). */
RK_SHARED rk_dropout_draw rk__dropout_at(uint64_t seed, int64_t step, int32_t layer, double ratio)
{
    const rk_words w = rk__philox(seed, RK_PURPOSE_DROPOUT, (uint64_t)step, 0, (uint32_t)layer);
    const rk_dropout_draw draw = {(uint64_t)w.v[0] << 32 | w.v[1], (uint32_t)(ratio * 0x1p32),
                                  (float)(1 / (1 - ratio))};
    return draw;
}

/* What an element is multiplied with: 0 or the factor. element: row * columns + column. Without a
 * comparison of 64 bits, which not every set of vector instructions has. */
RK_SHARED float rk__dropout_factor(uint64_t key, uint32_t threshold, float factor, int64_t element)
{
    uint64_t z = key + (uint64_t)element;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return factor * (float)(int32_t)(1 - (((z >> 32) - threshold) >> 63));
}

#endif
