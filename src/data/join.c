#include "data/join.h"

#include "base/alloc.h"
#include "data/dataset_internal.h"

/* Lists with what their rows say besides. */
typedef struct rows {
    const rk_lists *lists;
    const rk_details *details;
} rows;

/* Who gives a part of theirs: everybody, or only users for whom `only` has rows or has none. */
typedef struct source {
    rows in;
    const rk_lists *only; /* NULL = everybody */
    bool with;
} source;

static int64_t count_of(const source *s, int64_t user)
{
    bool gives = !s->only || (rk__lists_count(s->only, user) > 0) == s->with;
    return gives ? rk__lists_count(s->in.lists, user) : 0;
}

enum { MOST_SOURCES = 3 };

/* A user's rows of n sources by item; several of an item are in one source and stay in order. */
static void merge_user(const source *from, int n, int64_t user, const rk_lists *lists,
                       const rk_details *details)
{
    int64_t at[MOST_SOURCES] = {0}, end[MOST_SOURCES] = {0};
    for (int i = 0; i < n; i++) {
        if (count_of(&from[i], user) > 0) {
            at[i] = from[i].in.lists->offsets[user];
            end[i] = from[i].in.lists->offsets[user + 1];
        }
    }
    for (int64_t to = lists->offsets[user]; to < lists->offsets[user + 1]; to++) {
        int least = 0;
        for (int i = 1; i < n; i++) {
            if (at[i] < end[i] &&
                (at[least] == end[least] ||
                 from[i].in.lists->items[at[i]] < from[least].in.lists->items[at[least]])) {
                least = i;
            }
        }
        lists->items[to] = from[least].in.lists->items[at[least]];
        rk__details_move(details, to, from[least].in.details, at[least]++);
    }
}

static rk_status merge(const source *from, int n, int64_t n_users, rk_spill *spill, rk_lists *lists,
                       rk_details *details)
{
    enum { IN_AND_OUT = 2 };
    lists->n_rows = n_users;
    RK_TRY(rk__spill_alloc(spill, &lists->offsets, n_users + 1, sizeof *lists->offsets,
                           "joined interactions"));
    lists->offsets[0] = 0;
    for (int64_t user = 0; user < n_users; user++) {
        int64_t sum = lists->offsets[user];
        for (int i = 0; i < n; i++) {
            sum += count_of(&from[i], user);
        }
        lists->offsets[user + 1] = sum;
    }
    const int64_t total = lists->offsets[n_users];
    RK_TRY(
        rk__spill_alloc(spill, &lists->items, total, sizeof *lists->items, "joined interactions"));
    RK_TRY(rk__details_alloc(details, from[0].in.details, total, spill));
    const int64_t bytes = IN_AND_OUT * ((int64_t)sizeof *lists->items + rk__details_bytes(details));
    for (int64_t user = 0; user < n_users; user++) {
        rk__spill_touch(spill, (lists->offsets[user + 1] - lists->offsets[user]) * bytes);
        merge_user(from, n, user, lists, details);
    }
    return RK_OK;
}

/* parts or repeats: train gets valid and what is given of the users of valid. */
static rk_status join(const rk_lists *parts, const rk_details *details, const rk_lists *valid,
                      int64_t n_users, rk_spill *spill, rk_lists *out, rk_details *out_details)
{
    const source train[MOST_SOURCES] = {
        {{&parts[RK_TRAIN], &details[RK_TRAIN]}, NULL, true},
        {{&parts[RK_VALID], &details[RK_VALID]}, NULL, true},
        {{&parts[RK_GIVEN], &details[RK_GIVEN]}, valid, true},
    };
    const source given = {{&parts[RK_GIVEN], &details[RK_GIVEN]}, valid, false};
    const source test = {{&parts[RK_TEST], &details[RK_TEST]}, NULL, true};
    if (parts[RK_TRAIN].n_rows == 0) { /* there are no repeats */
        return RK_OK;
    }
    RK_TRY(merge(train, MOST_SOURCES, n_users, spill, &out[RK_TRAIN], &out_details[RK_TRAIN]));
    RK_TRY(merge(&test, 1, n_users, spill, &out[RK_TEST], &out_details[RK_TEST]));
    RK_TRY(merge(&test, 0, n_users, spill, &out[RK_VALID], &out_details[RK_VALID]));
    return parts[RK_GIVEN].n_rows == 0
               ? RK_OK
               : merge(&given, 1, n_users, spill, &out[RK_GIVEN], &out_details[RK_GIVEN]);
}

rk_status rk__dataset_join_valid(const rk_dataset *base, rk_dataset **out)
{
    rk_dataset *d = NULL;
    const rk_lists *valid = &base->parts[RK_VALID];
    rk_status status = RK_OK;
    RK_TRY(rk__calloc(&d, 1, sizeof *d, "a data set"));
    *d = *base;
    d->base = base;
    for (int part = 0; part < RK_PARTS; part++) {
        d->parts[part] = d->repeats[part] = (rk_lists){0};
        d->details[part] = d->repeat_details[part] = (rk_details){0};
    }
    d->candidates[RK_VALID] = NULL;
    RK_TRY_GOTO(done, join(base->parts, base->details, valid, base->n_users, d->spill, d->parts,
                           d->details));
    RK_TRY_GOTO(done, join(base->repeats, base->repeat_details, valid, base->n_users, d->spill,
                           d->repeats, d->repeat_details));
    RK_TRY_GOTO(done, rk__dataset_measure(d));
    rk__dataset_fingerprint(d, d->fingerprint);
    rk__dataset_times_fingerprint(d, d->times_fingerprint);
    *out = d;
    d = NULL;
done:
    rk_dataset_free(d);
    return status;
}
