#include "eval/slices.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { RANGES = 4 };

static int ascending(const void *left, const void *right)
{
    const int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void add(rk_cut *cut, int64_t first, int64_t last)
{
    cut->first[cut->n] = first;
    cut->last[cut->n++] = last;
}

rk_status rk__cut(const int64_t *counts, int64_t n, rk_cut *out)
{
    int64_t *sorted = NULL, zeros = 0, at = 0;
    *out = (rk_cut){0};
    if (n == 0) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&sorted, n, sizeof *sorted, "counts of interactions"));
    memcpy(sorted, counts, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    while (zeros < n && sorted[zeros] == 0) {
        zeros++;
    }
    if (zeros > 0) {
        add(out, 0, 0);
    }
    at = zeros;
    for (int64_t i = 1; i <= RANGES && at < n; i++) {
        int64_t end = zeros + ((n - zeros) * i + RANGES - 1) / RANGES; /* behind the last of it */
        if (end <= at) {
            continue; /* equal counts have taken it */
        }
        while (end < n && sorted[end] == sorted[end - 1]) {
            end++;
        }
        add(out, sorted[at], sorted[end - 1]);
        at = end;
    }
    rk__free(sorted);
    return RK_OK;
}

int rk__cut_find(const rk_cut *cut, int64_t count)
{
    int i = 0;
    while (i + 1 < cut->n && count > cut->last[i]) {
        i++;
    }
    return i;
}
