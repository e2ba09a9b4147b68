#include "data/split.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/moment.h"
#include "base/order.h"
#include "base/philox.h"
#include "data/times.h"

enum { MIN_ITEMS = 3 /* of a user with held-out items: one per part */ };

/* floor(share * n), where 0.29 * 100 is 29 and not 28.999999999999996. */
static int64_t share_of(double share, int64_t n)
{
    return (int64_t)floor(share * (double)n + 1e-9);
}

static int64_t at_least_one(double share, int64_t n)
{
    int64_t count = share_of(share, n);
    return share > 0 && count == 0 ? 1 : count;
}

/* How many of a user's n items are held out. */
static void held_out(const rk_options *options, int64_t n, int64_t *out_valid, int64_t *out_test)
{
    *out_valid = *out_test = 0;
    if (n < MIN_ITEMS) {
        return;
    }
    if (options->split.kind == RK_SPLIT_LEAVE_ONE_OUT) {
        *out_test = options->split.test > 0;
        *out_valid = options->split.valid > 0;
        return;
    }
    int64_t test = at_least_one(options->split.test, n);
    int64_t valid = at_least_one(options->split.valid, n);
    *out_test = test < n - 1 ? test : n - 1;
    *out_valid = valid < n - 1 - *out_test ? valid : n - 1 - *out_test;
}

/* Moves `count` of the n positions, drawn without replacement, to the front (Fisher and Yates). */
static void draw(int32_t *positions, int64_t n, int64_t count, uint64_t seed, int64_t user)
{
    for (int64_t k = 0; k < count; k++) {
        rk_words words = rk__philox(seed, RK_PURPOSE_SPLIT, (uint64_t)user, (uint64_t)k, 0);
        int64_t other = k + (int64_t)rk__bounded(words.v[0], words.v[1], (uint64_t)(n - k));
        int32_t held = positions[k];
        positions[k] = positions[other];
        positions[other] = held;
    }
}

static int64_t longest_row(const rk_pairs *pairs)
{
    int64_t longest = 0;
    for (int64_t user = 0; user < pairs->n_users; user++) {
        int64_t n = pairs->offsets[user + 1] - pairs->offsets[user];
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* Room for a thread to put a user's rows in order. */
typedef struct rows_room {
    int32_t *positions; /* of the longest row */
    rk_keyed *keys;     /* twice as many */
} rows_room;

typedef struct rooms {
    int threads;
    int64_t longest;
    int32_t *positions;
    rk_keyed *keys;
} rooms;

static rk_status make_rooms(rooms *out, const rk_pairs *pairs, int threads)
{
    enum { ROWS_A_THREAD = 1 << 16 /* fewer are not worth a thread */ };
    int64_t longest = longest_row(pairs), all = rk__pairs_count(pairs);
    int64_t most = all / (longest > ROWS_A_THREAD ? longest : ROWS_A_THREAD) + 1;
    *out = (rooms){.threads = threads < most ? threads : (int)most, .longest = longest};
    RK_TRY(rk__alloc(&out->positions, out->threads * longest, sizeof *out->positions,
                     "a user's items"));
    return rk__alloc(&out->keys, 2 * out->threads * longest, sizeof *out->keys, "a user's items");
}

static void free_rooms(rooms *all)
{
    rk__free(all->positions);
    rk__free(all->keys);
}

static rows_room room_of(const rooms *all, int thread)
{
    return (rows_room){all->positions + thread * all->longest,
                       all->keys + 2 * thread * all->longest};
}

/* An integer that sorts like the time. */
static uint64_t sortable(double time)
{
    uint64_t bits = 0;
    time += 0.0; /* -0.0 is 0.0 */
    memcpy(&bits, &time, sizeof bits);
    return bits >> 63 ? ~bits : bits | (UINT64_C(1) << 63);
}

/* All n positions of a row, the latest first. order: of the sources, of rows of equal time; NULL =
 * the larger item is later. */
static void order_by_time(const double *time, const int32_t *order, int64_t n, rows_room room)
{
    rk_keyed *keys = room.keys;
    for (int64_t k = 0; k < n; k++) {
        int64_t at = n - 1 - k;
        keys[k] = (rk_keyed){order ? UINT32_MAX - (uint64_t)order[at] : 0, at};
    }
    if (order) {
        rk__sort_keyed(keys, n, keys + n);
    }
    for (int64_t k = 0; k < n; k++) {
        keys[k].key = ~sortable(time[keys[k].value]);
    }
    rk__sort_keyed(keys, n, keys + n);
    for (int64_t k = 0; k < n; k++) {
        room.positions[k] = (int32_t)keys[k].value;
    }
}

/* Puts the `count` rows of a user that are held out to the front of the positions, the very latest
 * first where the split goes by time. */
static void hold_out(const rk_pairs *pairs, const rk_options *options, int64_t user, int64_t count,
                     rows_room room)
{
    int64_t start = pairs->offsets[user], n = pairs->offsets[user + 1] - start;
    if (options->split.order == RK_ORDER_TIME && count > 0) {
        bool by_row = options->split.ties == RK_TIES_ROW;
        order_by_time(pairs->details.time + start, by_row ? pairs->details.order + start : NULL, n,
                      room);
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        room.positions[k] = (int32_t)k;
    }
    draw(room.positions, n, count, (uint64_t)options->split.seed, user);
}

/* Whether rows of equal time lie on both sides of a boundary between the parts of a user, whose
 * positions are sorted by time. */
static bool is_tied(const double *time, const int32_t *positions, int64_t n, int64_t boundary)
{
    return boundary > 0 && boundary < n &&
           time[positions[boundary - 1]] == time[positions[boundary]];
}

/* Returns whether a tie decided. */
static bool split_row(rk_pairs *pairs, const rk_options *options, int64_t user, rows_room room)
{
    int64_t start = pairs->offsets[user], n = pairs->offsets[user + 1] - start;
    int64_t valid = 0, test = 0;
    held_out(options, n, &valid, &test);
    hold_out(pairs, options, user, valid + test, room);
    for (int64_t k = 0; k < valid + test; k++) {
        pairs->details.part[start + room.positions[k]] = k < test ? RK_TEST : RK_VALID;
    }
    if (options->split.order != RK_ORDER_TIME) {
        return false;
    }
    const double *time = pairs->details.time + start;
    return is_tied(time, room.positions, n, test) || is_tied(time, room.positions, n, test + valid);
}

static rk_status split_rows(rk_pairs *pairs, const rk_options *options, rk_split_report *out)
{
    rooms all = {0};
    int64_t tied = 0;
    rk_status status = make_rooms(&all, pairs, rk__threads(options->run.threads));
    rk__work_begin(pairs->work, "splitting", rk__pairs_count(pairs));
    if (status == RK_OK) {
#pragma omp parallel for schedule(dynamic, RK_USERS_AT_ONCE) num_threads(all.threads)           \
    reduction(+ : tied)
        for (int64_t user = 0; user < pairs->n_users; user++) {
            rk__pairs_tell(pairs, user, 0, pairs->n_users);
            if (rk__work_goes_on(pairs->work)) {
                tied += split_row(pairs, options, user, room_of(&all, omp_get_thread_num()));
            }
        }
        status = rk__work_state(pairs->work);
    }
    free_rooms(&all);
    out->tied_users += tied;
    return status;
}

/* Draws the shares for valid and test of n things that are listed in `list`, test first. At least
 * one each if its share is not 0. */
static void draw_shares(const rk_options *options, int32_t *list, int64_t n, int64_t *out_valid,
                        int64_t *out_test)
{
    enum { NOT_A_USER = -1 };
    *out_test = at_least_one(options->split.test, n);
    *out_test = *out_test < n ? *out_test : n;
    *out_valid = at_least_one(options->split.valid, n);
    *out_valid = *out_valid < n - *out_test ? *out_valid : n - *out_test;
    draw(list, n, *out_test + *out_valid, (uint64_t)options->split.seed, NOT_A_USER);
}

/* Of a held-out user, split.given of the rows become known ones, the rest is of the part. */
static void divide_user(rk_pairs *pairs, const rk_options *options, int64_t user, rk_part part,
                        rows_room room, rk_split_report *out)
{
    int64_t start = pairs->offsets[user], n = pairs->offsets[user + 1] - start;
    int64_t given = at_least_one(options->split.given, n), held = n - (given < n ? given : n - 1);
    hold_out(pairs, options, user, held, room);
    if (options->split.order == RK_ORDER_TIME) {
        out->tied_users += is_tied(pairs->details.time + start, room.positions, n, held);
    }
    for (int64_t k = 0; k < n; k++) {
        pairs->details.part[start + room.positions[k]] = (uint8_t)(k < held ? part : RK_GIVEN);
    }
}

static rk_status split_users(rk_pairs *pairs, const rk_options *options, rk_split_report *out)
{
    rk_status status = RK_OK;
    int32_t *users = NULL;
    uint8_t *part = NULL;
    rooms all = {0};
    int64_t n = 0, valid = 0, test = 0, least = options->split.given > 0 ? 2 : 1;
    RK_TRY_GOTO(done, rk__alloc(&users, pairs->n_users, sizeof *users, "users to hold out"));
    RK_TRY_GOTO(done, make_rooms(&all, pairs, 1));
    for (int64_t user = 0; user < pairs->n_users; user++) {
        if (pairs->offsets[user + 1] - pairs->offsets[user] >= least) {
            users[n++] = (int32_t)user;
        }
    }
    draw_shares(options, users, n, &valid, &test);
    RK_TRY_GOTO(done, rk__calloc(&part, pairs->n_users, sizeof *part, "the parts of users"));
    for (int64_t k = 0; k < test + valid; k++) {
        part[users[k]] = k < test ? RK_TEST : RK_VALID;
    }
    rk__work_begin(pairs->work, "splitting", rk__pairs_count(pairs));
    for (int64_t user = 0; user < pairs->n_users; user++) {
        RK_TRY_GOTO(done,
                    rk__work_add(pairs->work, pairs->offsets[user + 1] - pairs->offsets[user]));
        if (part[user] != RK_TRAIN) {
            divide_user(pairs, options, user, part[user], room_of(&all, 0), out);
        }
    }
done:
    rk__free(users);
    rk__free(part);
    free_rooms(&all);
    return status;
}

static rk_status split_items(rk_pairs *pairs, const rk_options *options)
{
    rk_status status = RK_OK;
    int32_t *items = NULL;
    uint8_t *part = NULL;
    int64_t valid = 0, test = 0;
    RK_TRY_GOTO(done, rk__alloc(&items, pairs->n_items, sizeof *items, "items to hold out"));
    RK_TRY_GOTO(done, rk__calloc(&part, pairs->n_items, sizeof *part, "the parts of items"));
    for (int64_t item = 0; item < pairs->n_items; item++) {
        items[item] = (int32_t)item;
    }
    draw_shares(options, items, pairs->n_items, &valid, &test);
    for (int64_t k = 0; k < test + valid; k++) {
        part[items[k]] = k < test ? RK_TEST : RK_VALID;
    }
    rk__work_begin(pairs->work, "splitting", rk__pairs_count(pairs));
    for (int64_t k = 0, to = 0; k < rk__pairs_count(pairs);) {
        RK_TRY_GOTO(done, rk__work_piece(pairs->work, rk__pairs_count(pairs), &to));
        for (; k < to; k++) {
            pairs->details.part[k] = part[pairs->items[k]];
        }
    }
done:
    rk__free(items);
    rk__free(part);
    return status;
}

static double unsortable(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~(UINT64_C(1) << 63) : ~key;
    double time = 0;
    memcpy(&time, &bits, sizeof time);
    return time;
}

/* The k-th smallest of n times, k from 0, found 16 bits at a time from the top in four passes. */
static rk_status kth_time(const rk_pairs *pairs, int64_t k, double *out)
{
    const double *time = pairs->details.time;
    const int64_t n = rk__pairs_count(pairs);
    int64_t *counts = NULL;
    uint64_t prefix = 0;
    rk_status status = RK_OK;
    rk__work_begin(pairs->work, "looking for a moment", 4 * n);
    RK_TRY(rk__alloc(&counts, 1 << 16, sizeof *counts, "a histogram of times"));
    for (int shift = 48; shift >= 0; shift -= 16) {
        memset(counts, 0, (1 << 16) * sizeof *counts);
        for (int64_t i = 0, to = 0; i < n;) {
            RK_TRY_GOTO(done, rk__work_piece(pairs->work, n, &to));
            for (; i < to; i++) {
                uint64_t key = sortable(time[i]);
                if (shift == 48 || (key ^ prefix) >> (shift + 16) == 0) {
                    counts[(key >> shift) & 0xffff]++;
                }
            }
        }
        uint64_t digit = 0;
        while (k >= counts[digit]) {
            k -= counts[digit++];
        }
        prefix |= digit << shift;
    }
    *out = unsortable(prefix);
done:
    rk__free(counts);
    return status;
}

static int64_t count_before(const rk_pairs *pairs, double moment)
{
    const int64_t n = rk__pairs_count(pairs);
    const double *time = pairs->details.time;
    int64_t count = 0;
    for (int64_t from = 0, to = 0; from < n; from = to) {
        to = rk__spill_piece(rk__work_spill(pairs->work), from, n, sizeof *time);
        for (int64_t i = from; i < to; i++) {
            count += time[i] < moment;
        }
    }
    return count;
}

/* The unit of all sources, or auto. */
static int unit_of(const rk_options *options)
{
    int unit = options->n_sources > 0 ? options->sources[0].time_unit : RK_TIME_UNIT_AUTO;
    for (int64_t i = 1; i < options->n_sources; i++) {
        unit = options->sources[i].time_unit == unit ? unit : RK_TIME_UNIT_AUTO;
    }
    return unit;
}

/* Whether times are since 1970 and not since the beginning of something, which 20200920 seconds may
 * be after. */
static bool are_dates(const rk_pairs *pairs)
{
    enum { A_YEAR = 366 * 86400 };
    return count_before(pairs, A_YEAR) < rk__pairs_count(pairs);
}

/* split.valid_from and split.test_from in seconds: dates, or numbers in the unit of the times.
 * false = by the shares. */
static bool named_moment(const rk_options *options, const rk_pairs *pairs, const char *text,
                         double *out)
{
    size_t length = strlen(text);
    if (rk__parse_real(text, length, out) != RK_PARSE_OK) {
        return rk__parse_moment(text, length, out) == RK_PARSE_OK;
    }
    bool is_named = *out != 0;
    int unit = unit_of(options);
    if (unit == RK_TIME_UNIT_AUTO && are_dates(pairs) && rk__compact_moment(*out, out)) {
        return true;
    }
    *out /= rk__time_divisor(unit, fabs(*out));
    return is_named;
}

static rk_status split_by_time(rk_pairs *pairs, const rk_options *options, rk_split_report *out)
{
    int64_t n = rk__pairs_count(pairs);
    int64_t n_test = share_of(options->split.test, n), n_valid = share_of(options->split.valid, n);
    double test_from = 0, valid_from = 0;
    bool has_test = named_moment(options, pairs, options->split.test_from, &test_from);
    bool has_valid = named_moment(options, pairs, options->split.valid_from, &valid_from);
    if (!has_test) {
        test_from = INFINITY;
        if (n_test > 0) {
            RK_TRY(kth_time(pairs, n - n_test, &test_from));
        }
    }
    if (!has_valid) {
        valid_from = test_from;
        if (n_valid > 0) {
            int64_t first = count_before(pairs, test_from) - n_valid;
            RK_TRY(kth_time(pairs, first > 0 ? first : 0, &valid_from));
            valid_from = valid_from < test_from ? valid_from : test_from;
        }
    }
    if (valid_from > test_from) {
        RK_FAIL(RK_ERR_CONFIG,
                "valid would begin at time %.17g, after test at %.17g: change "
                "split.valid_from or split.test_from",
                valid_from, test_from);
    }
    out->has_moments = true;
    out->valid_from = valid_from;
    out->test_from = test_from;
    out->gap = options->split.gap;
    rk__work_begin(pairs->work, "splitting", n);
    for (int64_t k = 0, to = 0; k < n;) {
        RK_TRY(rk__work_piece(pairs->work, n, &to));
        for (; k < to; k++) {
            pairs->details.part[k] = (uint8_t)rk__split_part_at(out, pairs->details.time[k]);
        }
    }
    return RK_OK;
}

/* split.carve_valid: some of each user's train items become valid; test stays as given. */
static rk_status carve(rk_pairs *pairs, const rk_options *options)
{
    int32_t *positions = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__alloc(&positions, longest_row(pairs), sizeof *positions, "a user's items"));
    rk__work_begin(pairs->work, "splitting", rk__pairs_count(pairs));
    for (int64_t user = 0; status == RK_OK && user < pairs->n_users; user++) {
        int64_t n = 0;
        status = rk__work_add(pairs->work, pairs->offsets[user + 1] - pairs->offsets[user]);
        for (int64_t k = pairs->offsets[user]; k < pairs->offsets[user + 1]; k++) {
            if (pairs->details.part[k] == RK_TRAIN) {
                positions[n++] = (int32_t)(k - pairs->offsets[user]);
            }
        }
        int64_t valid = n < MIN_ITEMS ? 0 : at_least_one(options->split.carve_valid, n);
        draw(positions, n, valid, (uint64_t)options->split.seed, user);
        for (int64_t k = 0; k < valid; k++) {
            pairs->details.part[pairs->offsets[user] + positions[k]] = RK_VALID;
        }
    }
    rk__free(positions);
    return status;
}

int rk__split_part_at(const rk_split_report *r, double time)
{
    if (time >= r->test_from) {
        return RK_TEST;
    }
    if (time >= r->test_from - r->gap) {
        return RK_NO_PART;
    }
    if (time >= r->valid_from) {
        return RK_VALID;
    }
    return time >= r->valid_from - r->gap ? RK_NO_PART : RK_TRAIN;
}

rk_status rk__split(rk_pairs *pairs, const rk_options *options, rk_split_report *out)
{
    *out = (rk_split_report){0};
    if (pairs->details.part) {
        return options->split.carve_valid > 0 ? carve(pairs, options) : RK_OK;
    }
    RK_TRY(rk__spill_calloc(rk__work_spill(pairs->work), &pairs->details.part,
                            rk__pairs_count(pairs), sizeof *pairs->details.part, "parts"));
    switch (options->split.kind) {
    case RK_SPLIT_TIME:
        return split_by_time(pairs, options, out);
    case RK_SPLIT_USERS:
        return split_users(pairs, options, out);
    case RK_SPLIT_ITEMS:
        return split_items(pairs, options);
    default:
        return split_rows(pairs, options, out);
    }
}
