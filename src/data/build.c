/*
 * From interactions as read to a data set: rank the ids, sort the pairs, drop duplicates, filter,
 * renumber, split. Everything works on ranks, so the renumbering keeps every order.
 */
#include <string.h>

#include "base/alloc.h"
#include "data/candidates.h"
#include "data/dataset_internal.h"
#include "data/fields.h"
#include "data/pairs.h"
#include "data/split.h"

enum { MANY_ROWS = 1 << 17 };

/* Needed between the steps; freed at the end in any case. */
typedef struct bench {
    int threads;
    int32_t *user_rank, *item_rank; /* by first-seen index */
    uint8_t *listed;                /* by rank: users met without an item */
    uint8_t *user_kept, *item_kept; /* by rank */
    rk_pairs pairs;
    rk_pairs rows; /* data.repeats keep: the rows before they became pairs */
    rk_split_report split;
} bench;

static void bench_free(bench *b)
{
    rk__spill_free(b->user_rank);
    rk__spill_free(b->item_rank);
    rk__free(b->listed);
    rk__free(b->user_kept);
    rk__free(b->item_kept);
    rk__pairs_free(&b->pairs);
    rk__pairs_free(&b->rows);
}

static rk_status sort_and_filter(bench *b, rk_raw *raw, const rk_options *options,
                                 rk_dataset_stats *stats)
{
    rk_filter_counts dropped;
    RK_TRY(rk__id_runs_rank(&raw->users, &b->user_rank));
    RK_TRY(rk__id_runs_rank(&raw->items, &b->item_rank));
    RK_TRY(rk__calloc(&b->listed, raw->users.n, sizeof *b->listed, "listed users"));
    for (int64_t i = 0; i < raw->n_listed; i++) {
        b->listed[b->user_rank[raw->listed[i]]] = 1;
    }
    RK_TRY(rk__alloc(&b->user_kept, raw->users.n, sizeof *b->user_kept, "kept users"));
    RK_TRY(rk__alloc(&b->item_kept, raw->items.n, sizeof *b->item_kept, "kept items"));
    RK_TRY(rk__pairs_build(&b->pairs, raw, b->user_rank, b->item_rank));
    if (options->data.repeats != RK_REPEATS_MERGE) {
        RK_TRY(rk__pairs_copy(&b->rows, &b->pairs));
    }
    RK_TRY(rk__pairs_unique(&b->pairs, options->data.repeat_value, &stats->duplicates,
                            &stats->overlap));
    RK_TRY(rk__pairs_filter(&b->pairs, options->data.min_user, options->data.min_item, b->listed,
                            b->user_kept, b->item_kept, &dropped));
    stats->filter_passes = dropped.passes;
    stats->users_dropped = dropped.users;
    stats->items_dropped = dropped.items;
    return RK_OK;
}

static rk_status nothing_left(const rk_dataset_stats *s, const rk_options *options)
{
    long long read = s->rows_read, filtered = s->rows_filtered;
    if (read == 0) {
        RK_FAIL(RK_ERR_DATA, "the sources of the data set hold no interactions");
    }
    if (s->rows_missing + filtered == read && s->rows_missing > 0) {
        RK_FAIL(RK_ERR_DATA,
                "no interactions are left: of %lld rows data.missing_ids dropped %lld that have no "
                "user or no item, and 'where' %lld; check the columns",
                read, (long long)s->rows_missing, filtered);
    }
    if (filtered == read) {
        RK_FAIL(RK_ERR_DATA,
                "no interactions are left: the conditions in 'where' dropped all %lld "
                "rows; check the column and the number they compare",
                read);
    }
    RK_FAIL(RK_ERR_DATA,
            "no interactions are left: of %lld rows 'where' dropped %lld and %lld were "
            "duplicates, then data.min_user %lld and data.min_item %lld dropped all %lld "
            "users and %lld items in %lld rounds; lower them",
            read, filtered, (long long)s->duplicates, (long long)options->data.min_user,
            (long long)options->data.min_item, (long long)s->users_dropped,
            (long long)s->items_dropped, (long long)s->filter_passes);
}

/* Whether all rows are of the same time, or tie. */
static bool has_one_time(const rk_pairs *pairs)
{
    const double *time = pairs->details.time;
    const int64_t n = rk__pairs_count(pairs);
    for (int64_t from = 0, to = 0; time && from < n; from = to) {
        to = rk__spill_piece(rk__work_spill(pairs->work), from, n, sizeof *time);
        for (int64_t k = from; k < to; k++) {
            if (time[k] != time[0]) {
                return false;
            }
        }
    }
    return time != NULL;
}

/* The ids of the kept ranks. */
static rk_status take_ids(rk_ids *out, const rk_id_runs *ids, const uint8_t *kept, int64_t n)
{
    rk_spill *spill = rk__work_spill(ids->work);
    out->n = n;
    if (!ids->is_text) {
        RK_TRY(rk__spill_alloc(spill, &out->numbers, n, sizeof *out->numbers, "ids"));
        for (int64_t rank = 0, k = 0; rank < ids->n; rank++) {
            if (kept[rank]) {
                out->numbers[k++] = ids->numbers[rank];
            }
        }
        return RK_OK;
    }
    int64_t block = n * (int64_t)sizeof *out->texts;
    for (int64_t rank = 0; rank < ids->n; rank++) {
        if (kept[rank]) {
            block += ids->starts[rank + 1] - ids->starts[rank];
        }
    }
    RK_TRY(rk__spill_alloc(spill, &out->texts, block, 1, "ids"));
    char *at = (char *)(out->texts + n);
    for (int64_t rank = 0, k = 0; rank < ids->n; rank++) {
        if (kept[rank]) {
            int64_t start = ids->starts[rank], length = ids->starts[rank + 1] - start;
            memcpy(at, ids->bytes + start, (size_t)length);
            out->texts[k++] = at;
            at += length;
        }
    }
    return RK_OK;
}

/* How many rows of the part each user has, as offsets; returns their sum. */
static int64_t count_part(const rk_pairs *pairs, rk_part part, int threads, int64_t *offsets)
{
    offsets[0] = 0;
    rk__work_begin(pairs->work, "counting", rk__pairs_count(pairs));
#pragma omp parallel for schedule(static, RK_USERS_AT_ONCE) num_threads(threads)
    for (int64_t user = 0; user < pairs->n_users; user++) {
        int64_t n = 0;
        rk__pairs_tell(pairs, user, 0, pairs->n_users);
        for (int64_t k = pairs->offsets[user]; k < pairs->offsets[user + 1]; k++) {
            n += pairs->details.part[k] == part;
        }
        offsets[user + 1] = n;
    }
    for (int64_t user = 0; user < pairs->n_users; user++) {
        offsets[user + 1] += offsets[user];
    }
    return offsets[pairs->n_users];
}

/* The rows of a part, or of no row at all where pairs have none and `may_lack`. */
static rk_status take_part(rk_lists *out, rk_details *out_details, const rk_pairs *pairs,
                           rk_part part, bool may_lack, int threads)
{
    int64_t *offsets = NULL;
    rk_spill *spill = rk__work_spill(pairs->work);
    rk_details like = pairs->details;
    like.part = NULL;
    RK_TRY(
        rk__spill_alloc(spill, &offsets, pairs->n_users + 1, sizeof *offsets, "offsets of a part"));
    int64_t n = count_part(pairs, part, threads, offsets);
    if (n == 0 && may_lack) {
        rk__spill_free(offsets);
        return RK_OK;
    }
    out->n_rows = pairs->n_users;
    out->offsets = offsets;
    RK_TRY(rk__spill_alloc(spill, &out->items, n, sizeof *out->items, "items of a part"));
    RK_TRY(rk__details_alloc(out_details, &like, n, spill));
    rk__work_begin(pairs->work, "dividing", rk__pairs_count(pairs));
#pragma omp parallel for schedule(static, RK_USERS_AT_ONCE) num_threads(threads)
    for (int64_t user = 0; user < pairs->n_users; user++) {
        int64_t at = offsets[user];
        rk__pairs_tell(pairs, user, 0, pairs->n_users);
        for (int64_t k = pairs->offsets[user]; k < pairs->offsets[user + 1]; k++) {
            if (pairs->details.part[k] == part) {
                rk__details_move(out_details, at, &pairs->details, k);
                out->items[at++] = pairs->items[k];
            }
        }
    }
    return rk__work_state(pairs->work);
}

static rk_status take_parts(rk_dataset *d, const bench *b)
{
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        bool may_lack = part == RK_GIVEN;
        RK_TRY(
            take_part(&d->parts[part], &d->details[part], &b->pairs, part, may_lack, b->threads));
        if (b->rows.offsets) {
            RK_TRY(take_part(&d->repeats[part], &d->repeat_details[part], &b->rows, part, may_lack,
                             b->threads));
        }
    }
    return RK_OK;
}

/* Gives the rows behind the pairs their parts: that of their pair. A row that is itself of a later
 * one, by its source or its time, is dropped: what is train must not know it. */
static rk_status place_rows(bench *b)
{
    enum { DROPPED = RK_NO_PART };
    rk_pairs *rows = &b->rows;
    int64_t pair = 0, at = 0, start = 0;
    bool is_given = rows->details.part != NULL;
    if (!is_given) {
        RK_TRY(rk__spill_calloc(rk__work_spill(rows->work), &rows->details.part,
                                rk__pairs_count(rows), 1, "parts of rows"));
    }
    rk__work_begin(rows->work, "dividing", rk__pairs_count(rows));
    for (int64_t user = 0; user < rows->n_users; user++) {
        int64_t end = rows->offsets[user + 1];
        RK_TRY(rk__work_add(rows->work, end - start));
        rows->offsets[user] = at;
        while (start < end) {
            int64_t next = start;
            int first = DROPPED;
            for (; next < end && rows->items[next] == rows->items[start]; next++) {
                if (b->split.has_moments) {
                    rows->details.part[next] =
                        (uint8_t)rk__split_part_at(&b->split, rows->details.time[next]);
                }
                int part = rows->details.part[next];
                first = rk__part_order(part) < rk__part_order(first) ? part : first;
            }
            if (b->pairs.details.part[pair] == DROPPED) {
                start = next;
            }
            for (; start < next; start++) {
                if (rows->details.part[start] == first) {
                    rows->items[at] = rows->items[start];
                    rk__details_move(&rows->details, at, &rows->details, start);
                    rows->details.part[at++] = b->pairs.details.part[pair];
                }
            }
            pair++;
        }
    }
    rows->offsets[rows->n_users] = at;
    return RK_OK;
}

/* Fields of columns hold the ranks of their values from here on. */
static rk_status rank_fields(rk_dataset *d, rk_raw *raw, const rk_options *options)
{
    rk_status status = RK_OK;
    int32_t **ranks = NULL;
    RK_TRY(rk__calloc(&ranks, raw->n_fields + 1, sizeof *ranks, "the ranks of fields"));
    RK_TRY_GOTO(done, rk__fields_take(d, raw, options, ranks));
    for (int f = 0; f < raw->n_fields && raw->n > 0; f++) {
        int32_t *field = raw->details.field[f];
        rk__work_begin(raw->work, "numbering", raw->n);
        for (int64_t k = 0, to = 0; k < raw->n;) {
            RK_TRY_GOTO(done, rk__work_piece(raw->work, raw->n, &to));
            for (; k < to; k++) {
                field[k] = field[k] < 0 ? -1 : ranks[f][field[k]];
            }
        }
    }
done:
    for (int f = 0; f < raw->n_fields; f++) {
        rk__free(ranks[f]);
    }
    rk__free(ranks);
    return status;
}

/* data.repeats each_part: the rows themselves are divided, and those of a pair become one in each
 * part. */
static rk_status divide_rows(rk_dataset *d, bench *b, const rk_options *options)
{
    rk__pairs_free(&b->pairs);
    b->pairs = b->rows;
    b->rows = (rk_pairs){0};
    const int64_t n = rk__pairs_count(&b->pairs);
    RK_TRY(rk__split(&b->pairs, options, &b->split));
    RK_TRY(rk__pairs_drop_part(&b->pairs, RK_NO_PART, &d->stats.in_gap));
    RK_TRY(rk__pairs_unique_in_parts(&b->pairs, options->data.repeat_value));
    d->stats.overlap = 0;
    d->stats.duplicates = n - d->stats.in_gap - rk__pairs_count(&b->pairs);
    return RK_OK;
}

/* Whoever has given rows is held out: the model is not to have seen them. */
static rk_status check_given(const rk_dataset *d)
{
    for (int64_t user = 0; user < d->n_users; user++) {
        if (rk__lists_count(&d->parts[RK_GIVEN], user) > 0 &&
            rk__lists_count(&d->parts[RK_TRAIN], user) > 0) {
            char room[RK_ID_BYTES];
            RK_FAIL(RK_ERR_DATA,
                    "user %s has rows of part given and of part train: given is for users who are "
                    "held out, so that the model learns nothing of them; say one of the two",
                    rk__ids_at(&d->users, user, room));
        }
    }
    return RK_OK;
}

static rk_status divide(rk_dataset *d, bench *b, const rk_options *options)
{
    if (options->data.repeats == RK_REPEATS_EACH_PART) {
        RK_TRY(divide_rows(d, b, options));
    } else {
        RK_TRY(rk__split(&b->pairs, options, &b->split));
        if (b->rows.offsets) {
            RK_TRY(place_rows(b));
        }
        RK_TRY(rk__pairs_drop_part(&b->pairs, RK_NO_PART, &d->stats.in_gap));
    }
    d->stats.tied_users = b->split.tied_users;
    RK_TRY(take_parts(d, b));
    RK_TRY(check_given(d));
    RK_TRY(rk__fields_derive(d));
    return rk__candidates_draw(d, options);
}

static rk_status fill(rk_dataset *d, bench *b, rk_raw *raw, const rk_options *options)
{
    const char *name = options->data.name[0] ? options->data.name : options->config_name;
    d->stats.rows_read = raw->rows_read;
    d->stats.rows_filtered = raw->rows_filtered;
    d->stats.rows_missing = raw->rows_missing;
    d->stats.ids_trimmed = raw->ids_trimmed;
    d->spill = rk__spill_share(rk__work_spill(raw->work));
    RK_TRY(rk__strdup(&d->name, name));
    RK_TRY(rk__strdup(&d->path, ""));
    RK_TRY(rank_fields(d, raw, options));
    RK_TRY(sort_and_filter(b, raw, options, &d->stats));
    if (rk__pairs_count(&b->pairs) == 0) {
        return nothing_left(&d->stats, options);
    }
    RK_TRY(rk__pairs_renumber(&b->pairs, b->user_kept, b->item_kept));
    if (b->rows.offsets) {
        RK_TRY(rk__pairs_keep(&b->rows, b->user_kept, b->item_kept));
        RK_TRY(rk__pairs_renumber(&b->rows, b->user_kept, b->item_kept));
    }
    d->n_users = b->pairs.n_users;
    d->n_items = b->pairs.n_items;
    RK_TRY(take_ids(&d->users, &raw->users, b->user_kept, d->n_users));
    RK_TRY(take_ids(&d->items, &raw->items, b->item_kept, d->n_items));
    RK_TRY(divide(d, b, options));
    if (d->parts[RK_TRAIN].offsets[d->n_users] == 0 && b->split.has_moments &&
        has_one_time(&b->pairs)) {
        RK_FAIL(
            RK_ERR_DATA,
            "the split leaves nothing to train on: all %lld interactions have the same time, "
            "so no moment divides them; name another column in the sources' key 'time', or take "
            "split.kind ratio or leave_one_out",
            (long long)rk__pairs_count(&b->pairs));
    }
    if (d->parts[RK_TRAIN].offsets[d->n_users] == 0) {
        RK_FAIL(RK_ERR_DATA,
                "the split leaves nothing to train on: all %lld interactions are valid "
                "or test; check split and the part of each source",
                (long long)rk__pairs_count(&b->pairs));
    }
    RK_TRY(rk__dataset_measure(d));
#pragma omp parallel sections num_threads(b->threads < 2 ? 1 : 2)
    {
#pragma omp section
        rk__dataset_fingerprint(d, d->fingerprint);
#pragma omp section
        rk__dataset_times_fingerprint(d, d->times_fingerprint);
    }
    return RK_OK;
}

rk_status rk__dataset_build(rk_dataset **out, rk_raw *raw, const rk_options *options)
{
    rk_dataset *dataset = NULL;
    /* As many as are worth it. */
    bench b = {.threads = raw->n < MANY_ROWS ? 1 : raw->threads};
    RK_TRY(rk__calloc(&dataset, 1, sizeof *dataset, "a data set"));
    rk_status status = fill(dataset, &b, raw, options);
    bench_free(&b);
    if (status != RK_OK) {
        rk_dataset_free(dataset);
        return status;
    }
    *out = dataset;
    return RK_OK;
}
