#include "data/raw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/timer.h"
#include "data/columns.h"
#include "data/feed.h"
#include "data/times.h"

enum { ROWS_PER_LOOK = 1 << 16, FIRST_CAPACITY = 1 << 12, AT_ONCE = 256 /* records */ };

static bool derives_fields(const rk_options *options)
{
    bool found = false;
    for (int64_t f = 0; f < options->n_fields; f++) {
        found = found || options->fields[f].derive != RK_DERIVED_FIELD_NONE;
    }
    return found;
}

rk_status rk__raw_init(rk_raw *raw, const rk_options *options, rk_work *work)
{
    bool is_text = options->data.ids == RK_IDS_TEXT;
    int kind = options->split.kind;
    *raw = (rk_raw){
        .with_parts = kind == RK_SPLIT_GIVEN,
        .with_times = true,
        .with_values = rk__options_have_values(options),
        .counts_rows = options->data.repeat_value == RK_REPEAT_COUNT,
        .needs_times = rk__split_goes_by_time(options),
        .needs_order = rk__split_goes_by_row(options) || options->data.repeats == RK_REPEATS_KEEP ||
                       derives_fields(options),
        .threads = rk__threads(options->run.threads),
        .work = work,
    };
    rk__id_runs_init(&raw->users, is_text || rk__options_have_triples(options), "users", work);
    rk__id_runs_init(&raw->items, is_text, "items", work);
    if (options->n_fields > 0) {
        RK_TRY(rk__calloc(&raw->fields, options->n_fields, sizeof *raw->fields, "fields"));
        raw->n_fields = (int)options->n_fields;
    }
    for (int f = 0; f < raw->n_fields; f++) {
        rk__id_map_init(&raw->fields[f], true, "values of a field");
    }
    return RK_OK;
}

void rk__raw_free_rows(rk_raw *raw)
{
    rk__spill_free(raw->user);
    rk__spill_free(raw->item);
    rk__details_free(&raw->details);
    raw->user = raw->item = NULL;
    raw->n = raw->capacity = 0;
}

void rk__raw_free(rk_raw *raw)
{
    rk__id_runs_free(&raw->users);
    rk__id_runs_free(&raw->items);
    rk__raw_free_rows(raw);
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
    rk__spill_free(raw->details.time);
    raw->details.time = NULL;
    raw->with_times = false;
}

/* Half as much again; or what is expected, which a mistaken guess must not make huge. */
static int64_t next_capacity(const rk_raw *raw)
{
    if (raw->capacity == 0) {
        return FIRST_CAPACITY;
    }
    int64_t least = raw->capacity + raw->capacity / 2, most = 8 * raw->capacity;
    int64_t wanted = raw->expected + raw->expected / 64;
    return wanted < least ? least : wanted < most ? wanted : most;
}

/* Bytes of a row with all its details. */
static int64_t row_bytes(const rk_raw *raw)
{
    const rk_details *d = &raw->details;
    return (int64_t)(sizeof *raw->user + sizeof *raw->item) +
           (raw->with_parts ? (int64_t)sizeof *d->part : 0) +
           (raw->with_times ? (int64_t)sizeof *d->time : 0) +
           (raw->with_values ? (int64_t)sizeof *d->value : 0) +
           (raw->needs_order ? (int64_t)sizeof *d->order : 0) +
           raw->n_fields * (int64_t)sizeof **d->field;
}

static rk_status grow_column(const rk_raw *raw, void *column, int64_t wanted, size_t size)
{
    return rk__spill_realloc(rk__work_spill(raw->work), column, raw->n, wanted, size,
                             "interactions");
}

static rk_status grow(rk_raw *raw)
{
    int64_t wanted = next_capacity(raw);
    /* Once sorted they are there a second time. */
    rk__spill_expect(rk__work_spill(raw->work), 2 * wanted * row_bytes(raw));
    RK_TRY(grow_column(raw, &raw->user, wanted, sizeof *raw->user));
    RK_TRY(grow_column(raw, &raw->item, wanted, sizeof *raw->item));
    rk_details *d = &raw->details;
    if (raw->with_parts) {
        RK_TRY(grow_column(raw, &d->part, wanted, sizeof *d->part));
    }
    if (raw->with_times) {
        RK_TRY(grow_column(raw, &d->time, wanted, sizeof *d->time));
    }
    if (raw->with_values) {
        RK_TRY(grow_column(raw, &d->value, wanted, sizeof *d->value));
    }
    if (raw->n_fields > 0 && !d->field) {
        RK_TRY(rk__calloc(&d->field, raw->n_fields, sizeof *d->field, "fields"));
        d->n_fields = raw->n_fields;
    }
    for (int f = 0; f < d->n_fields; f++) {
        RK_TRY(grow_column(raw, &d->field[f], wanted, sizeof *d->field[f]));
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
                          : part == RK_PART_GIVEN ? RK_GIVEN
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
        rk_text text = record->fields ? rk__trimmed(record->fields[f]) : (rk_text){0};
        if (text.length > 0) {
            RK_TRY(rk__id_map_text(&raw->fields[f], text.at, text.length, at));
        }
    }
    return RK_OK;
}

static rk_status add_row(rk_raw *raw, int32_t user, int32_t item, const rk_record *record, int part)
{
    if (raw->n == raw->capacity) {
        RK_TRY(grow(raw));
    }
    raw->user[raw->n] = user;
    raw->item[raw->n] = item;
    RK_TRY(add_details(raw, record, part));
    raw->n++;
    return RK_OK;
}

static rk_status index_users(rk_raw *raw, const rk_record *records, int64_t n, int32_t *out)
{
    if (raw->users.is_text) {
        for (int64_t k = 0; k < n; k++) {
            rk_text id = records[k].user;
            RK_TRY(rk__id_runs_text(&raw->users, id.at, id.length, &out[k]));
        }
        return RK_OK;
    }
    int64_t ids[AT_ONCE];
    for (int64_t k = 0; k < n; k++) {
        ids[k] = records[k].user_id;
    }
    return rk__id_runs_numbers(&raw->users, ids, n, out);
}

/* Of the records that have one, in turn. */
static rk_status index_items(rk_raw *raw, const rk_record *records, int64_t n, int32_t *out)
{
    int64_t ids[AT_ONCE], count = 0;
    for (int64_t k = 0; k < n; k++) {
        if (!records[k].has_item) {
            continue;
        }
        if (raw->items.is_text) {
            rk_text id = records[k].item;
            RK_TRY(rk__id_runs_text(&raw->items, id.at, id.length, &out[count]));
        }
        ids[count++] = records[k].item_id;
    }
    return raw->items.is_text ? RK_OK : rk__id_runs_numbers(&raw->items, ids, count, out);
}

rk_status rk__raw_add(rk_raw *raw, const rk_record *records, int64_t n, int part)
{
    int32_t users[AT_ONCE], items[AT_ONCE];
    rk__spill_touch(rk__work_spill(raw->work), n * row_bytes(raw));
    for (int64_t first = 0; first < n; first += AT_ONCE) {
        const rk_record *some = records + first;
        int64_t count = n - first < AT_ONCE ? n - first : AT_ONCE, item = 0;
        RK_TRY(index_users(raw, some, count, users));
        RK_TRY(index_items(raw, some, count, items));
        for (int64_t k = 0; k < count; k++) {
            RK_TRY(some[k].has_item ? add_row(raw, users[k], items[item++], &some[k], part)
                                    : list_user(raw, users[k]));
        }
    }
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
        .eta_seconds = rows > 0 && total > rows
                           ? (now - w->start) * (double)(total - rows) / (double)rows
                           : -1,
        .metric_value = NAN,
    };
    w->hooks->progress(w->hooks->user, &progress);
    return RK_OK;
}

/* How many rows the whole file has, from those in the bytes read so far. */
static int64_t estimate(rk_reader_counts counts, int64_t rows)
{
    double share = counts.bytes > 0 ? (double)counts.file_bytes / (double)counts.bytes : 0;
    return (int64_t)((double)rows * share);
}

/* Of the rows from `first` on. */
static rk_status settle_times(rk_raw *raw, const rk_reader *reader, int64_t first)
{
    double *time = raw->details.time;
    for (int64_t from = first, to = 0; from < raw->n; from = to) {
        to = rk__spill_piece(rk__work_spill(raw->work), from, raw->n, sizeof *time);
        RK_TRY(rk__reader_settle_times(reader, time + from, to - from));
    }
    return RK_OK;
}

static rk_status read_source(rk_raw *raw, const rk_options *options,
                             const rk_source_options *source, const char *path,
                             const rk_hooks *hooks)
{
    rk_status status = RK_OK;
    rk_reader *reader = NULL;
    rk_feed *feed = NULL;
    bool end = false;
    double now = rk__now();
    watch w = {hooks, path, now, now};
    const int64_t first = raw->n;
    const rk_reader_options how = {.ids = options->data.ids,
                                   .missing = options->data.missing_ids,
                                   .value_range = options->data.value_range,
                                   .stop = rk__stop_of(hooks)};
    RK_TRY_GOTO(done, rk__reader_open_with(&reader, source, path, &how));
    RK_TRY_GOTO(done, rk__reader_want_fields(reader, options, source, path));
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
    RK_TRY_GOTO(done, rk__feed_open(&feed, raw, source->part));
    for (int64_t row = 1;; row++) {
        RK_TRY_GOTO(done, rk__reader_next(reader, rk__feed_record(feed), &end));
        if (end) {
            break;
        }
        RK_TRY_GOTO(done, rk__feed_push(feed));
        if (row % ROWS_PER_LOOK == 0) {
            rk_reader_counts so_far = rk__reader_counts(reader);
            int64_t rows = estimate(so_far, so_far.rows);
            RK_TRY_GOTO(done, look(&w, so_far.rows, rows, false));
            rk__feed_expect(feed, estimate(so_far, row));
        }
    }
    rk_reader_counts counts = rk__reader_counts(reader);
    raw->rows_read += counts.rows;
    raw->rows_filtered += counts.filtered;
    raw->rows_missing += counts.missing;
    raw->ids_trimmed += counts.trimmed;
    status = look(&w, counts.rows, counts.rows, true);
done:
    status = rk__feed_close(feed, status);
    if (status == RK_OK && raw->with_times && raw->n > first) {
        status = settle_times(raw, reader, first);
        status = status == RK_OK ? status : rk__fail_prefix(status, "%s", path);
    }
    rk__reader_close(reader);
    return status;
}

/* What is no file can be read once only: of two sources the second would wait for ever. */
static rk_status check_pipes(const rk_options *options)
{
    for (int64_t i = 0; i < options->n_sources; i++) {
        const char *file = options->sources[i].file;
        char *path = NULL;
        struct stat info;
        RK_TRY(rk__source_path(options, file, &path));
        bool is_pipe = stat(path, &info) == 0 && !S_ISREG(info.st_mode);
        rk__free(path);
        for (int64_t k = 0; is_pipe && k < i; k++) {
            if (strcmp(options->sources[k].file, file) == 0) {
                RK_FAIL(RK_ERR_CONFIG,
                        "data.sources[%lld] and data.sources[%lld] are both %s, which is no file "
                        "and can be read only once: save it as a file",
                        (long long)k, (long long)i, file);
            }
        }
    }
    return RK_OK;
}

rk_status rk__raw_read(rk_raw *raw, const rk_options *options, const rk_hooks *hooks)
{
    if (options->n_sources == 0) {
        RK_FAIL(RK_ERR_CONFIG, "the config names no source of data: add one to data.sources, e.g. "
                               "data.sources: [{file: ratings.csv}]");
    }
    RK_TRY(check_pipes(options));
    for (int64_t i = 0; i < options->n_sources; i++) {
        const rk_source_options *source = &options->sources[i];
        char *path = NULL;
        RK_TRY(rk__source_path(options, source->file, &path));
        rk_status status = read_source(raw, options, source, path, hooks);
        rk__free(path);
        RK_TRY(status);
    }
    return RK_OK;
}

/* fields: room for those of a row; NULL = the columns have none. */
static rk_status read_rows(rk_raw *raw, const rk_columns *columns, int missing, rk_text *fields,
                           watch *w)
{
    rk_id_rule rule = {.ids = raw->users.is_text ? RK_IDS_TEXT : RK_IDS_INTEGER,
                       .missing = missing};
    rk_times times = {.unit = RK_TIME_UNIT_AUTO};
    raw->expected = columns->n;
    for (int64_t row = 0; row < columns->n; row++) {
        rk_record record;
        int part = RK_PART_ALL;
        bool is_missing = false;
        RK_TRY(rk__columns_record(columns, row, &rule, &record, &part, &is_missing));
        if (is_missing) {
            raw->rows_missing++;
            continue;
        }
        if (columns->times) {
            rk__times_note(&times, record.time);
        }
        record.fields = fields;
        for (int f = 0; fields && f < raw->n_fields; f++) {
            const char *text = columns->fields[f] ? columns->fields[f][row] : NULL;
            fields[f] = (rk_text){text, text ? (int64_t)strlen(text) : 0};
        }
        RK_TRY(rk__raw_add(raw, &record, 1, part));
        if ((row + 1) % ROWS_PER_LOOK == 0) {
            RK_TRY(look(w, row + 1, columns->n, false));
        }
    }
    raw->rows_read += columns->n;
    raw->ids_trimmed += rule.trimmed;
    if (raw->with_times) {
        RK_TRY(rk__times_settle(&times, raw->details.time, raw->n));
    }
    return look(w, columns->n, columns->n, true);
}

rk_status rk__raw_read_columns(rk_raw *raw, const rk_columns *columns, int missing,
                               const rk_hooks *hooks)
{
    double now = rk__now();
    watch w = {hooks, "columns", now, now};
    rk_text *fields = NULL;
    if (columns->fields) {
        RK_TRY(rk__calloc(&fields, raw->n_fields, sizeof *fields, "fields of a row"));
    }
    rk_status status = read_rows(raw, columns, missing, fields, &w);
    rk__free(fields);
    return status;
}
