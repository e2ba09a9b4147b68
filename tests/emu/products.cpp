/*
 * The loop of every dense product: optimised and not instrumented. Who calls it has read the
 * factors from the device's memory, and writes to it, where sanitizers see it.
 */
#include "emu_internal.h"

namespace emu
{

void multiply_row(const float *a, const float *b, int64_t k, int64_t n, float *sums)
{
    for (int64_t j = 0; j < n; j++) {
        sums[j] = 0;
    }
    for (int64_t l = 0; l < k; l++) {
        for (int64_t j = 0; j < n; j++) {
            sums[j] += a[l] * b[l * n + j];
        }
    }
}

} // namespace emu
