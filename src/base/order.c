#include "base/order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

typedef struct counted {
    int64_t count;
    int32_t index;
} counted;

static int compare(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->count != y->count) {
        return x->count > y->count ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

rk_status rk__order_by_count(const int64_t *counts, int64_t n, int32_t *order)
{
    RK_ASSERT(n >= 0 && n <= INT32_MAX);
    counted *all = NULL;
    RK_TRY(rk__alloc(&all, n, sizeof *all, "a ranking by counts"));
    for (int64_t i = 0; i < n; i++) {
        all[i] = (counted){counts[i], (int32_t)i};
    }
    qsort(all, (size_t)n, sizeof *all, compare);
    for (int64_t i = 0; i < n; i++) {
        order[i] = all[i].index;
    }
    rk__free(all);
    return RK_OK;
}

/* ---- by a key ---- */

enum {
    RUN = 12,    /* sorted by insertion */
    MANY = 4096, /* from here on counting the digits of keys beats merging */
    DIGITS = 256
};

static void insert(rk_keyed *all, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        rk_keyed one = all[i];
        int64_t at = i;
        for (; at > 0 && all[at - 1].key > one.key; at--) {
            all[at] = all[at - 1];
        }
        all[at] = one;
    }
}

static void merge(const rk_keyed *a, int64_t n_a, const rk_keyed *b, int64_t n_b, rk_keyed *out)
{
    int64_t i = 0, j = 0;
    while (i < n_a && j < n_b) {
        bool first = a[i].key <= b[j].key;
        *out++ = first ? a[i] : b[j];
        i += first;
        j += !first;
    }
    memcpy(out, a + i, (size_t)(n_a - i) * sizeof *out);
    memcpy(out + (n_a - i), b + j, (size_t)(n_b - j) * sizeof *out);
}

static void sort_by_merging(rk_keyed *all, int64_t n, rk_keyed *scratch)
{
    rk_keyed *from = all, *to = scratch;
    for (int64_t at = 0; at < n; at += RUN) {
        insert(all + at, n - at < RUN ? n - at : RUN);
    }
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t at = 0; at < n; at += 2 * width) {
            int64_t left = n - at < width ? n - at : width;
            int64_t right = n - at - left < width ? n - at - left : width;
            merge(from + at, left, from + at + left, right, to + at);
        }
        rk_keyed *held = from;
        from = to;
        to = held;
    }
    if (from != all) {
        memcpy(all, from, (size_t)n * sizeof *all);
    }
}

/* By one digit of eight bits; false where all have the same, and nothing was done. */
static bool sort_by_digit(const rk_keyed *all, int64_t n, int shift, rk_keyed *out)
{
    int64_t starts[DIGITS + 1] = {0};
    for (int64_t i = 0; i < n; i++) {
        starts[(all[i].key >> shift & (DIGITS - 1)) + 1]++;
    }
    if (starts[(all[0].key >> shift & (DIGITS - 1)) + 1] == n) {
        return false;
    }
    for (int digit = 0; digit < DIGITS; digit++) {
        starts[digit + 1] += starts[digit];
    }
    for (int64_t i = 0; i < n; i++) {
        out[starts[all[i].key >> shift & (DIGITS - 1)]++] = all[i];
    }
    return true;
}

static void sort_by_digits(rk_keyed *all, int64_t n, rk_keyed *scratch)
{
    rk_keyed *from = all, *to = scratch;
    for (int shift = 0; shift < 64; shift += 8) {
        if (sort_by_digit(from, n, shift, to)) {
            rk_keyed *held = from;
            from = to;
            to = held;
        }
    }
    if (from != all) {
        memcpy(all, from, (size_t)n * sizeof *all);
    }
}

void rk__sort_keyed(rk_keyed *all, int64_t n, rk_keyed *scratch)
{
    int64_t sorted = 1;
    while (sorted < n && all[sorted - 1].key <= all[sorted].key) {
        sorted++;
    }
    if (sorted >= n) {
        return;
    }
    if (n < MANY) {
        sort_by_merging(all, n, scratch);
    } else {
        sort_by_digits(all, n, scratch);
    }
}

int rk__by_score(const void *a, const void *b)
{
    const rk_item_score *x = a, *y = b;
    if (x->score != y->score) {
        return x->score < y->score ? 1 : -1;
    }
    return (x->item > y->item) - (x->item < y->item);
}
