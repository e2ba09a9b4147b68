/*
 * From rows in the order of the sources to rows by user and item: one stable counting sort by user,
 * then each user's row is sorted by item on its own, where it fits in a cache. Most files are
 * sorted by user, or nearly, and then the first step reads and writes memory in order.
 *
 * A thread scatters an equal share of the source rows. For each user it knows where its own rows
 * begin, behind those of the threads before it, so that the result does not depend on threads.
 *
 * Rows that lie in files are first dealt out to ranges of users, each of which fits in memory. As
 * the rows before each range are counted, a range's rows go where they belong in the end, in the
 * order of the sources, and are then sorted there, range by range. In memory there is one range.
 */
#include <omp.h>
#include <string.h>

#include "base/alloc.h"
#include "base/order.h"
#include "data/pairs.h"

enum {
    ROWS_A_THREAD = 1 << 16, /* fewer are not worth a thread */
    ROWS_A_RANGE = 1 << 12,  /* at least, if a user has not more */
    SORTING = 32,            /* bytes of a row while its user's rows are sorted by item */
    SHARE_OF_RANGE = 4,      /* of data.memory */
};

/* Rows in the order of the sources, of users [first_user, end_user). */
typedef struct source {
    int32_t *user;            /* ranks, once they are counted */
    const int32_t *item;      /* first-seen indices, or ranks */
    const int32_t *item_rank; /* of the indices; NULL = they are ranks */
    const rk_details *details;
    int64_t n;
    int64_t first_user, end_user;
} source;

/* What the threads need; threads * n each. */
typedef struct sorter {
    int threads;
    int64_t *cursors; /* the source's users for each: where its next row of a user goes */
    int64_t longest;  /* row */
    rk_keyed *keys;   /* 2 * longest for each */
} sorter;

static void sorter_free(sorter *s)
{
    rk__free(s->cursors);
    rk__free(s->keys);
    *s = (sorter){0};
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
static void sum_up(int64_t *offsets, const source *in, const sorter *s)
{
    const int64_t n_users = in->end_user - in->first_user;
    int64_t at = offsets[in->first_user];
    for (int64_t user = 0; user < n_users; user++) {
        offsets[in->first_user + user] = at;
        for (int t = 0; t < s->threads; t++) {
            int64_t *cursor = &s->cursors[t * n_users + user], rows = *cursor;
            *cursor = at;
            at += rows;
        }
    }
    offsets[in->end_user] = at;
}

/* offsets[first_user] is known. user_rank: of the indices that the source has in place of users,
 * which become ranks; NULL = it has ranks. */
static rk_status count_rows(rk_pairs *out, const source *in, const int32_t *user_rank, sorter *s)
{
    const int64_t n_users = in->end_user - in->first_user;
    RK_TRY(rk__calloc(&s->cursors, s->threads * n_users, sizeof *s->cursors, "rows of users"));
#pragma omp parallel for schedule(static, 1) num_threads(s->threads)
    for (int t = 0; t < s->threads; t++) {
        int64_t *rows = s->cursors + t * n_users;
        int64_t end = share(in->n, t + 1, s->threads);
        for (int64_t k = share(in->n, t, s->threads); k < end; k++) {
            int32_t user = user_rank ? user_rank[in->user[k]] : in->user[k];
            in->user[k] = user;
            rows[user - in->first_user]++;
        }
    }
    sum_up(out->offsets, in, s);
    return RK_OK;
}

static void scatter(rk_pairs *out, const source *in, const sorter *s)
{
    const int64_t n_users = in->end_user - in->first_user;
    int32_t *order = out->details.order;
    rk_details details = out->details;
    details.order = NULL; /* the source has none */
#pragma omp parallel for schedule(static, 1) num_threads(s->threads)
    for (int t = 0; t < s->threads; t++) {
        int64_t *cursors = s->cursors + t * n_users - in->first_user;
        int64_t end = share(in->n, t + 1, s->threads);
        for (int64_t k = share(in->n, t, s->threads); k < end; k++) {
            int32_t user = in->user[k];
            int64_t at = cursors[user]++;
            out->items[at] = in->item_rank ? in->item_rank[in->item[k]] : in->item[k];
            rk__details_move(&details, at, in->details, k);
            if (order) {
                order[at] = (int32_t)(at - out->offsets[user]);
            }
        }
    }
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

static rk_status sort_rows(rk_pairs *pairs, int64_t first_user, int64_t end_user, int threads,
                           sorter *s)
{
    for (int64_t user = first_user; user < end_user; user++) {
        int64_t n = pairs->offsets[user + 1] - pairs->offsets[user];
        s->longest = n > s->longest ? n : s->longest;
    }
    if (s->longest > INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "a user has %lld rows, at most %d are possible", (long long)s->longest,
                INT32_MAX);
    }
    int64_t all = pairs->offsets[end_user] - pairs->offsets[first_user];
    s->threads = at_most(at_most(threads, all / ROWS_A_THREAD), all / (s->longest + 1));
    RK_TRY(rk__alloc(&s->keys, 2 * s->longest * s->threads, sizeof *s->keys, "a user's rows"));
#pragma omp parallel for schedule(dynamic, RK_USERS_AT_ONCE) num_threads(s->threads)
    for (int64_t user = first_user; user < end_user; user++) {
        int64_t first = pairs->offsets[user], n = pairs->offsets[user + 1] - first;
        rk__pairs_tell(pairs, user, first_user, end_user);
        if (rk__work_goes_on(pairs->work)) {
            sort_row(pairs, first, n, s->keys + 2 * s->longest * omp_get_thread_num());
        }
    }
    return rk__work_state(pairs->work);
}

/* The rows of the source take their places in `out`, sorted. */
static rk_status sort_source(rk_pairs *out, const source *in, const int32_t *user_rank, int threads)
{
    rk_status status = RK_OK;
    sorter s = {0};
    /* Cursors are to be fewer bytes than the rows themselves. */
    int most = at_most(threads, in->n / ROWS_A_THREAD);
    s.threads = at_most(most, in->n / (in->end_user - in->first_user + 1));
    RK_TRY_GOTO(done, count_rows(out, in, user_rank, &s));
    scatter(out, in, &s);
    rk__free(s.cursors);
    s.cursors = NULL;
    status = sort_rows(out, in->first_user, in->end_user, threads, &s);
done:
    sorter_free(&s);
    return status;
}

/* ---- ranges of users ---- */

typedef struct ranges {
    int64_t n;
    int64_t *first;  /* n + 1: users */
    int64_t *cursor; /* n: where the next row goes */
    int32_t *of;     /* by user: its range */
    int32_t *user;   /* by row of the pairs, dealt out; in files as they are */
    int64_t longest; /* rows of a range */
} ranges;

static void ranges_free(ranges *r)
{
    rk__free(r->first);
    rk__free(r->cursor);
    rk__spill_free(r->of);
    rk__spill_free(r->user);
}

/* Rows that are sorted in memory at once. */
static int64_t rows_at_once(const rk_pairs *out)
{
    const int64_t bytes = (int64_t)sizeof *out->items + rk__details_bytes(&out->details) + SORTING;
    const int64_t rows = rk__spill_memory(rk__work_spill(out->work)) / SHARE_OF_RANGE / bytes;
    return rows < ROWS_A_RANGE ? ROWS_A_RANGE : rows;
}

/* Counts the rows of users, whose ranks take the place of their indices in `raw`. */
static rk_status count_users(rk_pairs *out, const rk_raw *raw, const int32_t *user_rank)
{
    memset(out->offsets, 0, (size_t)(out->n_users + 1) * sizeof *out->offsets);
    rk__work_begin(out->work, "counting", raw->n);
    for (int64_t k = 0, to = 0; k < raw->n;) {
        RK_TRY(rk__work_piece(out->work, raw->n, &to));
        for (; k < to; k++) {
            raw->user[k] = user_rank[raw->user[k]];
            out->offsets[raw->user[k] + 1]++;
        }
    }
    for (int64_t user = 0; user < out->n_users; user++) {
        out->offsets[user + 1] += out->offsets[user];
    }
    return RK_OK;
}

/* Cuts the users into ranges of about so many rows. */
static rk_status cut(const rk_pairs *out, int64_t rows, ranges *r)
{
    const int64_t most = rk__pairs_count(out) / rows * 2 + 2;
    RK_TRY(rk__alloc(&r->first, most + 1, sizeof *r->first, "ranges of users"));
    RK_TRY(rk__alloc(&r->cursor, most, sizeof *r->cursor, "ranges of users"));
    RK_TRY(rk__spill_alloc(rk__work_spill(out->work), &r->of, out->n_users, sizeof *r->of,
                           "ranges of users"));
    r->n = 0;
    for (int64_t user = 0, first = 0; user < out->n_users; user++) {
        if (user == 0 || out->offsets[user + 1] - out->offsets[first] > rows) {
            first = user;
            r->first[r->n] = user;
            r->cursor[r->n++] = out->offsets[user];
        }
        r->of[user] = (int32_t)(r->n - 1);
        const int64_t so_far = out->offsets[user + 1] - out->offsets[first];
        r->longest = so_far > r->longest ? so_far : r->longest;
    }
    r->first[r->n] = out->n_users;
    return RK_OK;
}

/* Rows go to the ranges of their users; `raw` gives its part of the disk back as it is read. */
static rk_status deal_out(rk_pairs *out, const rk_raw *raw, const int32_t *item_rank, ranges *r)
{
    enum { A_PAGE = 4096 /* rows at least, of which the piece before had only a part */ };
    rk_details details = out->details;
    details.order = NULL; /* raw has none */
    rk__work_begin(out->work, "dealing out rows", raw->n);
    for (int64_t k = 0, to = 0; k < raw->n;) {
        const int64_t from = k > A_PAGE ? k - A_PAGE : 0;
        RK_TRY(rk__work_piece(out->work, raw->n, &to));
        for (; k < to; k++) {
            const int32_t user = raw->user[k];
            const int64_t at = r->cursor[r->of[user]]++;
            r->user[at] = user;
            out->items[at] = item_rank[raw->item[k]];
            rk__details_move(&details, at, &raw->details, k);
        }
        rk__spill_discard(raw->user, from * (int64_t)sizeof *raw->user,
                          to * (int64_t)sizeof *raw->user);
        rk__spill_discard(raw->item, from * (int64_t)sizeof *raw->item,
                          to * (int64_t)sizeof *raw->item);
        rk__details_discard(&raw->details, from, to);
    }
    return RK_OK;
}

/* Sorts the rows of a range where they are, from a copy. `room`: of the longest range. */
static rk_status sort_range(rk_pairs *out, const ranges *r, int64_t range, int32_t *items,
                            const rk_details *room, int threads)
{
    const int64_t first_user = r->first[range], first = out->offsets[first_user];
    const int64_t n = out->offsets[r->first[range + 1]] - first;
    rk_details details = out->details;
    details.order = NULL;
    memcpy(items, out->items + first, (size_t)n * sizeof *items);
    for (int64_t k = 0; k < n; k++) {
        rk__details_move(room, k, &details, first + k);
    }
    const source in = {.user = r->user + first,
                       .item = items,
                       .details = room,
                       .n = n,
                       .first_user = first_user,
                       .end_user = r->first[range + 1]};
    return sort_source(out, &in, NULL, threads);
}

static rk_status sort_ranges(rk_pairs *out, const ranges *r, int threads)
{
    rk_status status = RK_OK;
    int32_t *items = NULL;
    rk_details room = {0}, like = out->details;
    like.order = NULL;
    RK_TRY_GOTO(done, rk__alloc(&items, r->longest, sizeof *items, "rows to sort"));
    RK_TRY_GOTO(done, rk__details_alloc(&room, &like, r->longest, NULL));
    rk__work_begin(out->work, "sorting", rk__pairs_count(out));
    for (int64_t i = 0; status == RK_OK && i < r->n; i++) {
        status = sort_range(out, r, i, items, &room, threads);
    }
done:
    rk__free(items);
    rk__details_free(&room);
    return status;
}

/* ---- all rows ---- */

static rk_status alloc_rows(rk_pairs *out, const rk_raw *raw)
{
    rk_spill *spill = rk__work_spill(out->work);
    RK_TRY(rk__spill_alloc(spill, &out->offsets, out->n_users + 1, sizeof *out->offsets,
                           "user offsets"));
    out->offsets[0] = 0;
    RK_TRY(rk__spill_alloc(spill, &out->items, raw->n, sizeof *out->items, "interactions by user"));
    RK_TRY(rk__details_alloc(&out->details, &raw->details, raw->n, spill));
    return raw->needs_order
               ? rk__spill_alloc(spill, &out->details.order, raw->n, sizeof *out->details.order,
                                 "the order of interactions")
               : RK_OK;
}

static rk_status sort_at_once(rk_pairs *out, rk_raw *raw, const int32_t *user_rank,
                              const int32_t *item_rank)
{
    const source in = {.user = raw->user,
                       .item = raw->item,
                       .item_rank = item_rank,
                       .details = &raw->details,
                       .n = raw->n,
                       .end_user = out->n_users};
    rk__work_begin(out->work, "sorting", raw->n);
    return sort_source(out, &in, user_rank, raw->threads);
}

static rk_status sort_in_ranges(rk_pairs *out, rk_raw *raw, const int32_t *user_rank,
                                const int32_t *item_rank)
{
    rk_status status = RK_OK;
    ranges r = {0};
    RK_TRY_GOTO(done, count_users(out, raw, user_rank));
    RK_TRY_GOTO(done, cut(out, rows_at_once(out), &r));
    RK_TRY_GOTO(done, rk__spill_alloc(rk__work_spill(out->work), &r.user, raw->n, sizeof *r.user,
                                      "users of rows"));
    RK_TRY_GOTO(done, deal_out(out, raw, item_rank, &r));
    rk__raw_free_rows(raw);
    status = sort_ranges(out, &r, raw->threads);
done:
    ranges_free(&r);
    return status;
}

rk_status rk__pairs_build(rk_pairs *out, rk_raw *raw, const int32_t *user_rank,
                          const int32_t *item_rank)
{
    rk_status status = RK_OK;
    *out = (rk_pairs){.n_users = raw->users.n, .n_items = raw->items.n, .work = raw->work};
    RK_TRY_GOTO(done, alloc_rows(out, raw));
    if (out->work) {
        enum { IN_AND_OUT = 2 };
        out->work->row_bytes =
            IN_AND_OUT * ((int64_t)sizeof *out->items + rk__details_bytes(&out->details));
    }
    if (rk__spill_is_on_disk(rk__work_spill(raw->work))) {
        status = sort_in_ranges(out, raw, user_rank, item_rank);
    } else {
        status = sort_at_once(out, raw, user_rank, item_rank);
    }
    rk__raw_free_rows(raw);
done:
    if (status != RK_OK) {
        rk__pairs_free(out);
    }
    return status;
}
