/* Drawing edges (ops/edge_draw.h): loops over a row that the compiler makes vectors of. */
#ifndef RK_DEVICE_CPU_ISA_EDGES_H
#define RK_DEVICE_CPU_ISA_EDGES_H

#include <string.h>

#include "device/cpu/isa.h"
#include "ops/edge_draw.h"

static int64_t count_kept(const rk_edge_draw *draw, int32_t row, const int32_t *columns, int64_t n)
{
    const uint64_t key = draw->key;
    const uint32_t threshold = draw->threshold;
    uint64_t dropped = 0;
    for (int64_t i = 0; i < n; i++) {
        dropped += rk__edge_is_dropped(key, threshold, row, columns[i]);
    }
    return n - (int64_t)dropped;
}

/* Draws and chooses in turn, so that one is a vector loop and the other has no branch; a buffer
 * takes the element that is written before it is known to be kept. */
static void write_kept(const rk_edge_draw *draw, int32_t row, const int32_t *columns, int64_t n,
                       int32_t *out)
{
    enum { AT_ONCE = 64 };
    const uint64_t key = draw->key;
    const uint32_t threshold = draw->threshold;
    for (int64_t first = 0; first < n; first += AT_ONCE) {
        uint64_t dropped[AT_ONCE];
        int32_t kept[AT_ONCE + 1];
        int64_t width = n - first < AT_ONCE ? n - first : AT_ONCE, n_kept = 0;
        for (int64_t i = 0; i < width; i++) {
            dropped[i] = rk__edge_is_dropped(key, threshold, row, columns[first + i]);
        }
        for (int64_t i = 0; i < width; i++) {
            kept[n_kept] = columns[first + i];
            n_kept += 1 - (int64_t)dropped[i];
        }
        memcpy(out, kept, (size_t)n_kept * sizeof *out);
        out += n_kept;
    }
}

static void mask_edges(const rk_edge_draw *draw, int32_t row, const int32_t *columns, int64_t n,
                       float kept, float masked, float *out)
{
    const uint64_t key = draw->key;
    const uint32_t threshold = draw->threshold;
    for (int64_t i = 0; i < n; i++) {
        const float value =
            rk__edge_is_dropped(key, threshold, row, columns[i]) != 0 ? masked : kept;
        out[i] = columns[i] == row ? 1 : value;
    }
}

#endif
