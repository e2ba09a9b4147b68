#include "data/pairs.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "data/dataset.h"

void rk__pairs_free(rk_pairs *pairs)
{
    rk__spill_free(pairs->offsets);
    rk__spill_free(pairs->items);
    rk__details_free(&pairs->details);
    *pairs = (rk_pairs){0};
}

rk_status rk__pairs_copy(rk_pairs *out, const rk_pairs *pairs)
{
    int64_t n = rk__pairs_count(pairs);
    rk_spill *spill = rk__work_spill(pairs->work);
    *out = (rk_pairs){.n_users = pairs->n_users, .n_items = pairs->n_items, .work = pairs->work};
    RK_TRY(rk__spill_alloc(spill, &out->offsets, out->n_users + 1, sizeof *out->offsets,
                           "user offsets"));
    RK_TRY(rk__spill_alloc(spill, &out->items, n, sizeof *out->items, "repeated interactions"));
    RK_TRY(rk__details_alloc(&out->details, &pairs->details, n, spill));
    memcpy(out->offsets, pairs->offsets, (size_t)(out->n_users + 1) * sizeof *out->offsets);
    rk__work_begin(pairs->work, "copying rows", n);
    for (int64_t k = 0, to = 0; k < n;) {
        RK_TRY(rk__work_piece(pairs->work, n, &to));
        for (; k < to; k++) {
            out->items[k] = pairs->items[k];
            rk__details_move(&out->details, k, &pairs->details, k);
        }
    }
    return RK_OK;
}

void rk__pairs_tell(const rk_pairs *pairs, int64_t user, int64_t first, int64_t end)
{
    if ((user - first) % RK_USERS_AT_ONCE == 0) {
        const int64_t to = end - user < RK_USERS_AT_ONCE ? end : user + RK_USERS_AT_ONCE;
        (void)rk__work_add(pairs->work, pairs->offsets[to] - pairs->offsets[user]);
    }
}

static int part_of(const rk_pairs *p, int64_t k)
{
    return p->details.part ? p->details.part[k] : RK_TRAIN;
}

int rk__part_order(int part)
{
    static const int order[] = {[RK_TRAIN] = 0, [RK_GIVEN] = 1, [RK_VALID] = 2, [RK_TEST] = 3};
    return part < RK_PARTS ? order[part] : part;
}

/* Whether row a, read before b, is of an earlier time or of the same. */
static bool is_earlier(const rk_pairs *p, int64_t a, int64_t b)
{
    return !p->details.time || p->details.time[a] <= p->details.time[b];
}

float rk__pairs_value(const rk_pairs *p, int64_t from, int64_t to, int part, int rule)
{
    const float *value = p->details.value;
    double sum = 0, least = INFINITY, most = -INFINITY;
    int64_t first = -1, last = -1, n = 0;
    for (int64_t k = from; k < to; k++) {
        if (part_of(p, k) == part) {
            first = first < 0 || !is_earlier(p, first, k) ? k : first;
            last = last < 0 || is_earlier(p, last, k) ? k : last;
            sum += value[k];
            least = fmin(least, value[k]);
            most = fmax(most, value[k]);
            n++;
        }
    }
    switch (rule) {
    case RK_REPEAT_FIRST:
        return value[first];
    case RK_REPEAT_LAST:
        return value[last];
    case RK_REPEAT_MEAN:
        return (float)(sum / (double)n);
    case RK_REPEAT_MIN:
        return (float)least;
    case RK_REPEAT_MAX:
        return (float)most;
    default:
        return (float)sum; /* sum, and count, where every row says 1 */
    }
}

/* Merges rows [from, to) of equal items into one pair at `at` <= from: the first part that has one
 * of them, its earliest row, the earliest time of all. */
static void merge(rk_pairs *p, int64_t at, int64_t from, int64_t to, int rule, int64_t *duplicates,
                  int64_t *overlap)
{
    int part = RK_TEST;
    int64_t in_part[RK_PARTS] = {0}, kept = -1;
    double time = p->details.time ? p->details.time[from] : 0;
    for (int64_t k = from; k < to; k++) {
        int here = part_of(p, k);
        in_part[here]++;
        part = rk__part_order(here) < rk__part_order(part) ? here : part;
        time = p->details.time && p->details.time[k] < time ? p->details.time[k] : time;
    }
    for (int64_t k = from; k < to; k++) {
        if (part_of(p, k) == part && (kept < 0 || !is_earlier(p, kept, k))) {
            kept = k;
        }
    }
    int64_t parts = 0;
    for (int i = 0; i < RK_PARTS; i++) {
        parts += in_part[i] > 0;
    }
    float value = p->details.value ? rk__pairs_value(p, from, to, part, rule) : 0;
    *overlap += parts - 1;
    *duplicates += to - from - parts;
    p->items[at] = p->items[from];
    rk__details_move(&p->details, at, &p->details, kept);
    if (p->details.time) {
        p->details.time[at] = time;
    }
    if (p->details.value) {
        p->details.value[at] = value;
    }
}

rk_status rk__pairs_unique(rk_pairs *pairs, int rule, int64_t *out_duplicates, int64_t *out_overlap)
{
    int64_t at = 0, start = 0;
    *out_duplicates = *out_overlap = 0;
    rk__work_begin(pairs->work, "merging repeated rows", rk__pairs_count(pairs));
    for (int64_t user = 0; user < pairs->n_users; user++) {
        int64_t end = pairs->offsets[user + 1];
        RK_TRY(rk__work_add(pairs->work, end - start));
        pairs->offsets[user] = at;
        while (start < end) {
            int64_t next = start + 1;
            while (next < end && pairs->items[next] == pairs->items[start]) {
                next++;
            }
            if (next == start + 1) {
                pairs->items[at] = pairs->items[start];
                rk__details_move(&pairs->details, at, &pairs->details, start);
            } else {
                merge(pairs, at, start, next, rule, out_duplicates, out_overlap);
            }
            at++;
            start = next;
        }
    }
    pairs->offsets[pairs->n_users] = at;
    return RK_OK;
}

/* Adds the rows [from, to) of equal items that are of the part as one, if there are any. */
static void add_merged(rk_pairs *out, int64_t *at, const rk_pairs *p, int64_t from, int64_t to,
                       int part, int rule)
{
    int64_t kept = -1;
    for (int64_t k = from; k < to; k++) {
        if (part_of(p, k) == part && (kept < 0 || !is_earlier(p, kept, k))) {
            kept = k;
        }
    }
    if (kept < 0) {
        return;
    }
    out->items[*at] = p->items[kept];
    rk__details_move(&out->details, *at, &p->details, kept);
    if (p->details.value) {
        out->details.value[*at] = rk__pairs_value(p, from, to, part, rule);
    }
    ++*at;
}

rk_status rk__pairs_unique_in_parts(rk_pairs *pairs, int rule)
{
    rk_pairs out = {0};
    int64_t at = 0, start = 0;
    rk_status status = rk__pairs_copy(&out, pairs);
    rk__work_begin(pairs->work, "merging repeated rows", rk__pairs_count(pairs));
    for (int64_t user = 0; status == RK_OK && user < pairs->n_users; user++) {
        const int64_t end = pairs->offsets[user + 1];
        status = rk__work_add(pairs->work, end - start);
        out.offsets[user] = at;
        while (start < end) {
            int64_t next = start + 1;
            while (next < end && pairs->items[next] == pairs->items[start]) {
                next++;
            }
            for (int part = 0; part < RK_PARTS; part++) {
                add_merged(&out, &at, pairs, start, next, part, rule);
            }
            start = next;
        }
    }
    if (status != RK_OK) {
        rk__pairs_free(&out);
        return status;
    }
    out.offsets[out.n_users] = at;
    rk__pairs_free(pairs);
    *pairs = out;
    return RK_OK;
}

rk_status rk__pairs_drop_part(rk_pairs *pairs, int part, int64_t *out)
{
    int64_t at = 0, start = 0, dropped = 0;
    rk__work_begin(pairs->work, "dropping rows", rk__pairs_count(pairs));
    for (int64_t user = 0; user < pairs->n_users; user++) {
        const int64_t end = pairs->offsets[user + 1];
        RK_TRY(rk__work_add(pairs->work, end - start));
        pairs->offsets[user] = at;
        for (int64_t k = start; k < end; k++) {
            if (part_of(pairs, k) == part) {
                dropped++;
                continue;
            }
            pairs->items[at] = pairs->items[k];
            rk__details_move(&pairs->details, at++, &pairs->details, k);
        }
        start = end;
    }
    pairs->offsets[pairs->n_users] = at;
    *out = dropped;
    return RK_OK;
}

/* Marks users or items with too few interactions; returns how many were marked. */
static int64_t drop_rare(const int64_t *counts, int64_t n, int64_t minimum, const uint8_t *exempt,
                         uint8_t *kept)
{
    int64_t dropped = 0;
    for (int64_t k = 0; k < n; k++) {
        if (kept[k] && counts[k] < minimum && !(exempt && exempt[k])) {
            kept[k] = 0;
            dropped++;
        }
    }
    return dropped;
}

/* Removes the rows that are not kept and updates the counts, unless they are NULL. */
static rk_status compact(rk_pairs *p, const uint8_t *user_kept, const uint8_t *item_kept,
                         int64_t *user_counts, int64_t *item_counts)
{
    int64_t at = 0, start = 0;
    rk__work_begin(p->work, "filtering", rk__pairs_count(p));
    for (int64_t user = 0; user < p->n_users; user++) {
        int64_t end = p->offsets[user + 1];
        RK_TRY(rk__work_add(p->work, end - start));
        p->offsets[user] = at;
        for (int64_t k = start; k < end; k++) {
            int32_t item = p->items[k];
            if (!user_kept[user] || !item_kept[item]) {
                if (user_counts) {
                    user_counts[user]--;
                    item_counts[item]--;
                }
                continue;
            }
            p->items[at] = item;
            rk__details_move(&p->details, at++, &p->details, k);
        }
        start = end;
    }
    p->offsets[p->n_users] = at;
    return RK_OK;
}

rk_status rk__pairs_filter(rk_pairs *pairs, int64_t min_user, int64_t min_item,
                           const uint8_t *listed, uint8_t *user_kept, uint8_t *item_kept,
                           rk_filter_counts *out)
{
    rk_status status = RK_OK;
    int64_t *user_counts = NULL, *item_counts = NULL;
    *out = (rk_filter_counts){0};
    RK_TRY_GOTO(done, rk__spill_alloc(rk__work_spill(pairs->work), &user_counts, pairs->n_users,
                                      sizeof *user_counts, "counts"));
    RK_TRY_GOTO(done, rk__calloc(&item_counts, pairs->n_items, sizeof *item_counts, "counts"));
    for (int64_t user = 0; user < pairs->n_users; user++) {
        user_counts[user] = pairs->offsets[user + 1] - pairs->offsets[user];
    }
    rk__work_begin(pairs->work, "counting", rk__pairs_count(pairs));
    for (int64_t k = 0, to = 0; k < rk__pairs_count(pairs);) {
        RK_TRY_GOTO(done, rk__work_piece(pairs->work, rk__pairs_count(pairs), &to));
        for (; k < to; k++) {
            item_counts[pairs->items[k]]++;
        }
    }
    memset(user_kept, 1, (size_t)pairs->n_users);
    memset(item_kept, 1, (size_t)pairs->n_items);
    for (;;) {
        int64_t users = drop_rare(user_counts, pairs->n_users, min_user,
                                  min_user <= 1 ? listed : NULL, user_kept);
        int64_t items = drop_rare(item_counts, pairs->n_items, min_item, NULL, item_kept);
        if (users + items == 0) {
            break;
        }
        out->passes++;
        out->users += users;
        out->items += items;
        RK_TRY_GOTO(done, compact(pairs, user_kept, item_kept, user_counts, item_counts));
    }
done:
    rk__spill_free(user_counts);
    rk__free(item_counts);
    return status;
}

rk_status rk__pairs_keep(rk_pairs *pairs, const uint8_t *user_kept, const uint8_t *item_kept)
{
    return compact(pairs, user_kept, item_kept, NULL, NULL);
}

rk_status rk__pairs_renumber(rk_pairs *pairs, const uint8_t *user_kept, const uint8_t *item_kept)
{
    int32_t *number = NULL, n_items = 0;
    int64_t n_users = 0;
    rk_status status = RK_OK;
    RK_TRY(rk__alloc(&number, pairs->n_items, sizeof *number, "item numbers"));
    for (int64_t item = 0; item < pairs->n_items; item++) {
        number[item] = n_items;
        n_items += item_kept[item];
    }
    rk__work_begin(pairs->work, "numbering", rk__pairs_count(pairs));
    for (int64_t k = 0, to = 0; status == RK_OK && k < rk__pairs_count(pairs);) {
        status = rk__work_piece(pairs->work, rk__pairs_count(pairs), &to);
        for (; k < to; k++) {
            pairs->items[k] = number[pairs->items[k]];
        }
    }
    rk__free(number);
    RK_TRY(status);
    for (int64_t user = 0; user < pairs->n_users; user++) {
        if (user_kept[user]) {
            pairs->offsets[++n_users] = pairs->offsets[user + 1];
        }
    }
    pairs->n_users = n_users;
    pairs->n_items = n_items;
    return RK_OK;
}
