/*
 * From rows in the order of the sources to rows by user and item: one stable counting sort by user,
 * then each user's row is sorted by item on its own, where it fits in a cache. Most files are
 * sorted by user, or nearly, and then the first step reads and writes memory in order.
 *
 * A thread scatters an equal share of the source rows. For each user it knows where its own rows
 * begin, behind those of the threads before it, so that the result does not depend on threads.
 */
#include <omp.h>
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"
#include "data/pairs.h"

enum { ROWS_A_THREAD = 1 << 16 /* fewer are not worth a thread */ };

/* What the threads need; threads * n each. */
typedef struct sorter {
    int threads;
    int64_t *cursors; /* n_users for each: where its next row of a user goes */
    int64_t longest;  /* row */
    rk_keyed *keys;   /* 2 * longest for each */
} sorter;

static void sorter_free(sorter *s)
{
    rk__free(s->cursors);
    rk__free(s->keys);
}

static int at_most(int threads, int64_t most)
{
    return threads < most ? threads : most > 1 ? (int)most : 1;
}

static int64_t share(int64_t n, int part, int parts)
{
    return n / parts * part + n % parts * part / parts;
}

/* ---- by user ---- */

/* Rows become starts: where each thread puts its first row of each user. */
static void sum_up(int64_t *offsets, int64_t n_users, const sorter *s)
{
    int64_t at = 0;
    for (int64_t user = 0; user < n_users; user++) {
        offsets[user] = at;
        for (int t = 0; t < s->threads; t++) {
            int64_t *cursor = &s->cursors[t * n_users + user], rows = *cursor;
            *cursor = at;
            at += rows;
        }
    }
    offsets[n_users] = at;
}

/* The ranks of users take the place of their indices in `raw`. */
static rk_status count_rows(rk_pairs *out, const rk_raw *raw, const int32_t *user_rank, sorter *s)
{
    int64_t n_users = out->n_users;
    RK_TRY(rk__calloc(&s->cursors, s->threads * n_users, sizeof *s->cursors, "rows of users"));
    RK_TRY(rk__alloc(&out->offsets, n_users + 1, sizeof *out->offsets, "user offsets"));
#pragma omp parallel for schedule(static, 1) num_threads(s->threads)
    for (int t = 0; t < s->threads; t++) {
        int64_t *rows = s->cursors + t * n_users;
        int64_t end = share(raw->n, t + 1, s->threads);
        for (int64_t k = share(raw->n, t, s->threads); k < end; k++) {
            int32_t user = user_rank[raw->user[k]];
            raw->user[k] = user;
            rows[user]++;
        }
    }
    sum_up(out->offsets, n_users, s);
    return RK_OK;
}

static void scatter(rk_pairs *out, const rk_raw *raw, const int32_t *item_rank, const sorter *s)
{
    int32_t *order = out->details.order;
    rk_details details = out->details;
    details.order = NULL; /* raw has none */
#pragma omp parallel for schedule(static, 1) num_threads(s->threads)
    for (int t = 0; t < s->threads; t++) {
        int64_t *cursors = s->cursors + t * out->n_users;
        int64_t end = share(raw->n, t + 1, s->threads);
        for (int64_t k = share(raw->n, t, s->threads); k < end; k++) {
            int32_t user = raw->user[k];
            int64_t at = cursors[user]++;
            out->items[at] = item_rank[raw->item[k]];
            rk__details_move(&details, at, &raw->details, k);
            if (order) {
                order[at] = (int32_t)(at - out->offsets[user]);
            }
        }
    }
}

static void free_rows(rk_raw *raw)
{
    rk__free(raw->user);
    rk__free(raw->item);
    rk__details_free(&raw->details);
    raw->user = raw->item = NULL;
    raw->n = raw->capacity = 0;
}

static rk_status sort_by_user(rk_pairs *out, rk_raw *raw, const int32_t *user_rank,
                              const int32_t *item_rank, sorter *s)
{
    /* Cursors are to be fewer bytes than the rows themselves. */
    int most = at_most(raw->threads, raw->n / ROWS_A_THREAD);
    s->threads = at_most(most, raw->n / (out->n_users + 1));
    RK_TRY(count_rows(out, raw, user_rank, s));
    RK_TRY(rk__alloc(&out->items, raw->n, sizeof *out->items, "interactions by user"));
    RK_TRY(rk__details_alloc(&out->details, &raw->details, raw->n));
    if (raw->needs_order) {
        RK_TRY(rk__alloc(&out->details.order, raw->n, sizeof *out->details.order,
                         "the order of interactions"));
    }
    scatter(out, raw, item_rank, s);
    free_rows(raw);
    rk__free(s->cursors);
    s->cursors = NULL;
    return RK_OK;
}

/* ---- by item ---- */

static bool is_sorted(const int32_t *items, int64_t n)
{
    for (int64_t k = 1; k < n; k++) {
        if (items[k - 1] > items[k]) {
            return false;
        }
    }
    return true;
}

/* keys: 2 * n. */
static void sort_row(rk_pairs *pairs, int64_t first, int64_t n, rk_keyed *keys)
{
    int32_t *items = pairs->items + first;
    if (is_sorted(items, n)) {
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        keys[k] = (rk_keyed){(uint64_t)items[k], k};
    }
    rk__sort_keyed(keys, n, keys + n);
    for (int64_t k = 0; k < n; k++) {
        items[k] = (int32_t)keys[k].key;
    }
    rk__details_permute(&pairs->details, first, keys, n, keys + n);
}

static rk_status sort_rows(rk_pairs *pairs, int threads, sorter *s)
{
    for (int64_t user = 0; user < pairs->n_users; user++) {
        int64_t n = pairs->offsets[user + 1] - pairs->offsets[user];
        s->longest = n > s->longest ? n : s->longest;
    }
    if (s->longest > INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "a user has %lld rows, at most %d are possible", (long long)s->longest,
                INT32_MAX);
    }
    int64_t all = pairs->offsets[pairs->n_users];
    s->threads = at_most(at_most(threads, all / ROWS_A_THREAD), all / (s->longest + 1));
    RK_TRY(rk__alloc(&s->keys, 2 * s->longest * s->threads, sizeof *s->keys, "a user's rows"));
#pragma omp parallel for schedule(dynamic, 256) num_threads(s->threads)
    for (int64_t user = 0; user < pairs->n_users; user++) {
        int64_t first = pairs->offsets[user];
        sort_row(pairs, first, pairs->offsets[user + 1] - first,
                 s->keys + 2 * s->longest * omp_get_thread_num());
    }
    return RK_OK;
}

rk_status rk__pairs_build(rk_pairs *out, rk_raw *raw, const int32_t *user_rank,
                          const int32_t *item_rank)
{
    rk_status status = RK_OK;
    sorter s = {0};
    *out = (rk_pairs){.n_users = raw->users.n, .n_items = raw->items.n};
    RK_TRY_GOTO(done, sort_by_user(out, raw, user_rank, item_rank, &s));
    RK_TRY_GOTO(done, sort_rows(out, raw->threads, &s));
done:
    sorter_free(&s);
    if (status != RK_OK) {
        rk__pairs_free(out);
    }
    return status;
}
