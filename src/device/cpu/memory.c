/*
 * Memory for tables. All threads write the first zeros, in turns: on a machine with memory at
 * several processors no single one of them then holds everything.
 */
#include <string.h>

#include "base/alloc.h"
#include "device/cpu/cpu.h"

enum { BLOCK = 2 << 20 /* bytes: a huge page */ };

rk_status rk__cpu_alloc(const rk_device_context *c, void *out_pointer, int64_t bytes,
                        const char *what)
{
    char *start = NULL;
    RK_TRY(rk__alloc(&start, bytes, 1, what));
    int64_t n = rk__blocks(bytes, BLOCK);
#pragma omp parallel for schedule(static, 1) num_threads(c->threads) if (n > 1)
    for (int64_t block = 0; block < n; block++) {
        int64_t first = block * BLOCK;
        memset(start + first, 0, (size_t)(rk__block_end(block, BLOCK, bytes) - first));
    }
    memcpy(out_pointer, &start, sizeof start);
    return RK_OK;
}
