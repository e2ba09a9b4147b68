#include "data/raw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "data/columns.h"

enum { ROWS_PER_LOOK = 1 << 16, FIRST_CAPACITY = 1 << 12 };

rk_status rk__raw_init(rk_raw *raw, const rk_options *options)
{
    bool is_text = options->data.ids == RK_IDS_TEXT;
    int kind = options->split.kind;
    *raw = (rk_raw){
        .with_parts = kind == RK_SPLIT_GIVEN,
        .with_times = true,
        .with_values = rk__options_have_values(options),
        .counts_rows = options->data.repeat_value == RK_REPEAT_COUNT,
        .needs_times = rk__split_goes_by_time(options),
        .needs_order =
            options->split.ties == RK_TIES_ROW || options->data.repeats == RK_REPEATS_KEEP,
    };
    rk__id_map_init(&raw->users, is_text, "users");
    rk__id_map_init(&raw->items, is_text, "items");
    return RK_OK;
}

void rk__raw_free(rk_raw *raw)
{
    rk__id_map_free(&raw->users);
    rk__id_map_free(&raw->items);
    rk__free(raw->user);
    rk__free(raw->item);
    rk__details_free(&raw->details);
    for (int f = 0; f < raw->n_fields; f++) {
        rk__id_map_free(&raw->fields[f]);
    }
    rk__free(raw->fields);
    rk__free(raw->listed);
    *raw = (rk_raw){0};
}

void rk__raw_drop_times(rk_raw *raw)
{
    RK_ASSERT(!raw->needs_times);
    rk__free(raw->details.time);
    raw->details.time = NULL;
    raw->with_times = false;
}

static rk_status grow(rk_raw *raw)
{
    int64_t wanted = raw->capacity == 0 ? FIRST_CAPACITY : raw->capacity + raw->capacity / 2;
    RK_TRY(rk__realloc(&raw->user, raw->n, wanted, sizeof *raw->user, "interactions"));
    RK_TRY(rk__realloc(&raw->item, raw->n, wanted, sizeof *raw->item, "interactions"));
    rk_details *d = &raw->details;
    if (raw->with_parts) {
        RK_TRY(rk__realloc(&d->part, raw->n, wanted, sizeof *d->part, "interactions"));
    }
    if (raw->with_times) {
        RK_TRY(rk__realloc(&d->time, raw->n, wanted, sizeof *d->time, "interactions"));
    }
    if (raw->with_values) {
        RK_TRY(rk__realloc(&d->value, raw->n, wanted, sizeof *d->value, "interactions"));
    }
    if (raw->n_fields > 0 && !d->field) {
        RK_TRY(rk__calloc(&d->field, raw->n_fields, sizeof *d->field, "fields"));
        d->n_fields = raw->n_fields;
    }
    for (int f = 0; f < d->n_fields; f++) {
        RK_TRY(rk__realloc(&d->field[f], raw->n, wanted, sizeof *d->field[f], "interactions"));
    }
    raw->capacity = wanted;
    return RK_OK;
}

static rk_status list_user(rk_raw *raw, int32_t user)
{
    if (raw->n_listed == raw->listed_capacity) {
        int64_t wanted = raw->n_listed == 0 ? 64 : 2 * raw->n_listed;
        RK_TRY(rk__realloc(&raw->listed, raw->n_listed, wanted, sizeof *raw->listed,
                           "users without items"));
        raw->listed_capacity = wanted;
    }
    raw->listed[raw->n_listed++] = user;
    return RK_OK;
}

/* The details of row raw->n, for which there is room. */
static rk_status add_details(rk_raw *raw, const rk_record *record, int part)
{
    const rk_details *d = &raw->details;
    if (raw->with_parts) {
        d->part[raw->n] = part == RK_PART_TEST    ? RK_TEST
                          : part == RK_PART_VALID ? RK_VALID
                                                  : RK_TRAIN;
    }
    if (raw->with_times) {
        d->time[raw->n] = record->time;
    }
    if (raw->with_values) {
        d->value[raw->n] = raw->counts_rows ? 1 : (float)record->value;
    }
    for (int f = 0; f < raw->n_fields; f++) {
        int32_t *at = &d->field[f][raw->n];
        *at = -1;
        if (record->fields && record->fields[f].length > 0) {
            RK_TRY(rk__id_map_text(&raw->fields[f], record->fields[f].at, record->fields[f].length,
                                   at));
        }
    }
    return RK_OK;
}

rk_status rk__raw_add(rk_raw *raw, const rk_record *record, int part)
{
    int32_t user = 0, item = 0;
    if (raw->users.is_text) {
        RK_TRY(rk__id_map_text(&raw->users, record->user.at, record->user.length, &user));
    } else {
        RK_TRY(rk__id_map_number(&raw->users, record->user_id, &user));
    }
    if (!record->has_item) {
        return list_user(raw, user);
    }
    if (raw->items.is_text) {
        RK_TRY(rk__id_map_text(&raw->items, record->item.at, record->item.length, &item));
    } else {
        RK_TRY(rk__id_map_number(&raw->items, record->item_id, &item));
    }
    if (raw->n == raw->capacity) {
        RK_TRY(grow(raw));
    }
    raw->user[raw->n] = user;
    raw->item[raw->n] = item;
    RK_TRY(add_details(raw, record, part));
    raw->n++;
    return RK_OK;
}

rk_status rk__raw_number_rows(rk_raw *raw)
{
    int32_t *rows = NULL;
    if (!raw->needs_order) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&raw->details.order, raw->n, sizeof *raw->details.order, "order of rows"));
    RK_TRY(rk__calloc(&rows, raw->users.n, sizeof *rows, "rows of users"));
    for (int64_t k = 0; k < raw->n; k++) {
        raw->details.order[k] = rows[raw->user[k]]++;
    }
    rk__free(rows);
    return RK_OK;
}

typedef struct watch {
    const rk_hooks *hooks; /* may be NULL */
    const char *file;      /* the source, for the phase; or "columns" */
    double start, last;
} watch;

/* Stops if the hooks ask to, and reports progress at most once a second; total: of rows, as far as
 * is known. */
static rk_status look(watch *w, int64_t rows, int64_t total, bool ended)
{
    if (!w->hooks) {
        return RK_OK;
    }
    if (w->hooks->should_stop && w->hooks->should_stop(w->hooks->user)) {
        RK_FAIL(RK_ERR_INTERRUPTED, "interrupted while reading %s; nothing was written", w->file);
    }
    double now = rk__now();
    if (!w->hooks->progress || (!ended && now - w->last < 1.0)) {
        return RK_OK;
    }
    w->last = now;
    char phase[300];
    const char *slash = strrchr(w->file, '/');
    snprintf(phase, sizeof phase, "reading %.250s", slash ? slash + 1 : w->file);
    rk_progress progress = {
        .phase = phase,
        .done = rows,
        .total = total,
        .unit = "rows",
        .seconds = now - w->start,
        .loss = NAN,
        .eta_seconds = -1,
        .metric_value = NAN,
    };
    w->hooks->progress(w->hooks->user, &progress);
    return RK_OK;
}

/* The rows of the whole file, from the bytes of those read so far. */
static int64_t estimate(rk_reader_counts counts)
{
    double share = counts.bytes > 0 ? (double)counts.file_bytes / (double)counts.bytes : 0;
    return (int64_t)((double)counts.rows * share);
}

static rk_status read_source(rk_raw *raw, const rk_source_options *source, int ids,
                             const char *path, const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    rk_reader *reader = NULL;
    rk_record record;
    bool end = false;
    double now = rk__now();
    watch w = {hooks, path, now, now};
    RK_TRY_GOTO(done, rk__reader_open(&reader, source, path, ids));
    if (raw->needs_times && !rk__reader_has_time(reader)) {
        RK_FAIL_GOTO(
            done, RK_ERR_CONFIG,
            "the split goes by time, but %s has no times: name the column in the 'time' of "
            "this source (%s), or split at random",
            path, source->origin ? source->origin : "config");
    }
    if (!rk__reader_has_time(reader)) {
        rk__raw_drop_times(raw);
    }
    for (int64_t row = 1;; row++) {
        RK_TRY_GOTO(done, rk__reader_next(reader, &record, &end));
        if (end) {
            break;
        }
        RK_TRY_GOTO(done, rk__raw_add(raw, &record, source->part));
        if (row % ROWS_PER_LOOK == 0) {
            rk_reader_counts so_far = rk__reader_counts(reader);
            RK_TRY_GOTO(done, look(&w, so_far.rows, estimate(so_far), false));
        }
    }
    rk_reader_counts counts = rk__reader_counts(reader);
    raw->rows_read += counts.rows;
    raw->rows_filtered += counts.filtered;
    RK_TRY_GOTO(done, look(&w, counts.rows, counts.rows, true));
done:
    rk__reader_close(reader);
    return status;
}

rk_status rk__raw_read(rk_raw *raw, const rk_options *options, const rk_hooks *hooks)
{
    if (options->n_sources == 0) {
        RK_FAIL(RK_ERR_CONFIG, "the config names no source of data: add one to data.sources, e.g. "
                               "data.sources: [{file: ratings.csv}]");
    }
    for (int64_t i = 0; i < options->n_sources; i++) {
        const rk_source_options *source = &options->sources[i];
        char *path = NULL;
        RK_TRY(rk__source_path(options, source->file, &path));
        rk_status status = read_source(raw, source, options->data.ids, path, hooks);
        rk__free(path);
        RK_TRY(status);
    }
    return RK_OK;
}

rk_status rk__raw_read_columns(rk_raw *raw, const rk_columns *columns, const rk_hooks *hooks)
{
    double now = rk__now();
    watch w = {hooks, "columns", now, now};
    for (int64_t row = 0; row < columns->n; row++) {
        rk_record record;
        int part = RK_PART_ALL;
        RK_TRY(rk__columns_record(columns, row, &record, &part));
        RK_TRY(rk__raw_add(raw, &record, part));
        if ((row + 1) % ROWS_PER_LOOK == 0) {
            RK_TRY(look(&w, row + 1, columns->n, false));
        }
    }
    raw->rows_read += columns->n;
    return look(&w, columns->n, columns->n, true);
}
