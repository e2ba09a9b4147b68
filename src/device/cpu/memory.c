/*
 * Memory for tables. Gathering rows touches pages at random: large blocks ask for huge pages, which
 * cost fewer entries of the address caches. All threads write the first zeros, in turns: on a
 * machine with memory at several processors no single one of them then holds everything.
 */
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "device/cpu/cpu.h"

enum { HUGE_PAGE = 2 << 20, LARGE = 4 * HUGE_PAGE };

static void ask_for_huge_pages(char *start, int64_t bytes)
{
#if defined(MADV_HUGEPAGE)
    uintptr_t first = ((uintptr_t)start + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    uintptr_t end = ((uintptr_t)start + (uintptr_t)bytes) / HUGE_PAGE * HUGE_PAGE;
    if (end > first) { /* a refusal changes nothing but the speed */
        (void)madvise(start + (first - (uintptr_t)start), end - first, MADV_HUGEPAGE);
    }
#else
    (void)start, (void)bytes;
#endif
}

rk_status rk__cpu_alloc(const rk_device_context *c, void *out_pointer, int64_t bytes,
                        const char *what)
{
    char *start = NULL;
    RK_TRY(rk__alloc(&start, bytes, 1, what));
    if (bytes >= LARGE) {
        ask_for_huge_pages(start, bytes);
    }
    int64_t n = rk__blocks(bytes, HUGE_PAGE);
#pragma omp parallel for schedule(static, 1) num_threads(c->threads) if (n > 1)
    for (int64_t block = 0; block < n; block++) {
        int64_t first = block * HUGE_PAGE;
        memset(start + first, 0, (size_t)(rk__block_end(block, HUGE_PAGE, bytes) - first));
    }
    memcpy(out_pointer, &start, sizeof start);
    return RK_OK;
}
