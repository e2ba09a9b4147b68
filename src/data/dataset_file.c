/*
 * The HDF5 file of a data set: ids, parts with what their rows say besides, labels, and the counts
 * of what was dropped. docs/formats.md lists the arrays.
 *
 * Reading checks everything that the rest of the library relies on, so that a file made elsewhere
 * cannot cause an access outside an array; the fingerprint is recomputed and compared.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "data/dataset_internal.h"
#include "data/dataset_store.h"
#include "data/sides.h"

#define KIND "data set"
enum { LAYOUT = 2 };

/* The statistics that do not follow from the parts. */
#define RK_HISTORY(X)                                                                              \
    X(rows_read)                                                                                   \
    X(rows_filtered)                                                                               \
    X(rows_missing)                                                                                \
    X(ids_trimmed)                                                                                 \
    X(duplicates)                                                                                  \
    X(overlap)                                                                                     \
    X(filter_passes)                                                                               \
    X(users_dropped)                                                                               \
    X(items_dropped)                                                                               \
    X(tied_users)

/* "GROUP/NAME", cut where a name is longer than options allow. */
typedef struct array_name {
    char text[256];
} array_name;

static array_name path_of(const char *group, const char *name)
{
    array_name out;
    snprintf(out.text, sizeof out.text, "%.127s/%.127s", group, name);
    return out;
}

static rk_status save_ids(rk_h5 *file, const char *group, const rk_ids *ids)
{
    char name[32];
    if (ids->texts) {
        snprintf(name, sizeof name, "%s/texts", group);
        return rk__h5_write_texts(file, name, ids->texts, ids->n);
    }
    snprintf(name, sizeof name, "%s/numbers", group);
    return rk__h5_write(file, name, RK_H5_I64, ids->n, 0, ids->numbers);
}

static rk_status save_lists(rk_h5 *file, const char *group, const rk_lists *lists)
{
    RK_TRY(rk__h5_write(file, path_of(group, "offsets").text, RK_H5_I64, lists->n_rows + 1, 0,
                        lists->offsets));
    return rk__h5_write(file, path_of(group, "items").text, RK_H5_I32,
                        lists->offsets[lists->n_rows], 0, lists->items);
}

static rk_status save_details(rk_h5 *file, const char *group, const rk_dataset *dataset,
                              const rk_details *d, int64_t n)
{
    array_name fields = path_of(group, "field");
    if (d->time) {
        RK_TRY(rk__h5_write(file, path_of(group, "times").text, RK_H5_F64, n, 0, d->time));
    }
    if (d->value) {
        RK_TRY(rk__h5_write(file, path_of(group, "values").text, RK_H5_F32, n, 0, d->value));
    }
    if (d->order) {
        RK_TRY(rk__h5_write(file, path_of(group, "order").text, RK_H5_I32, n, 0, d->order));
    }
    for (int f = 0; f < d->n_fields; f++) {
        RK_TRY(rk__h5_write(file, path_of(fields.text, dataset->fields[f].name).text, RK_H5_I32, n,
                            0, d->field[f]));
    }
    return RK_OK;
}

static rk_status save_fields(rk_h5 *file, const rk_dataset *dataset)
{
    rk_status status = RK_OK;
    int n = dataset->n_fields;
    char **names = NULL;
    int32_t *derive = NULL;
    if (n == 0) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__alloc(&names, n, sizeof *names, "names of fields"));
    RK_TRY_GOTO(done, rk__alloc(&derive, n, sizeof *derive, "kinds of fields"));
    for (int f = 0; f < n; f++) {
        names[f] = dataset->fields[f].name;
        derive[f] = dataset->fields[f].derive;
        array_name group = path_of("fields/values", names[f]);
        RK_TRY_GOTO(done, rk__h5_write_texts(file, group.text, dataset->fields[f].values.texts,
                                             dataset->fields[f].values.n));
    }
    RK_TRY_GOTO(done, rk__h5_write_texts(file, "fields/names", names, n));
    RK_TRY_GOTO(done, rk__h5_write(file, "fields/derived", RK_H5_I32, n, 0, derive));
done:
    rk__free(names);
    rk__free(derive);
    return status;
}

static rk_status save_part(rk_h5 *file, const rk_dataset *d, rk_part part)
{
    const char *name = rk_part_name(part);
    const rk_lists *lists = &d->parts[part], *repeats = &d->repeats[part];
    if (lists->n_rows > 0) {
        RK_TRY(save_lists(file, name, lists));
        RK_TRY(save_details(file, name, d, &d->details[part], lists->offsets[lists->n_rows]));
    }
    if (repeats->n_rows > 0) {
        array_name group = path_of("repeats", name);
        RK_TRY(save_lists(file, group.text, repeats));
        RK_TRY(save_details(file, group.text, d, &d->repeat_details[part],
                            repeats->offsets[repeats->n_rows]));
    }
    return d->candidates[part]
               ? rk__h5_write(file, path_of(name, "candidates").text, RK_H5_I32,
                              lists->offsets[lists->n_rows], d->n_candidates, d->candidates[part])
               : RK_OK;
}

/* Of whoever writes or reads a data set. */
static rk_status watch_file(void *self, int64_t bytes)
{
    rk_work *work = self;
    rk__spill_touch(work->spill, bytes);
    return rk__work_add(work, bytes);
}

static int64_t bytes_of(const rk_lists *lists, const rk_details *details)
{
    const int64_t rows = lists->n_rows > 0 ? lists->offsets[lists->n_rows] : 0;
    return rows * ((int64_t)sizeof *lists->items + rk__details_bytes(details));
}

/* Of its rows, which are most of it. */
static int64_t bytes_of_rows(const rk_dataset *d)
{
    int64_t bytes = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        bytes += bytes_of(&d->parts[part], &d->details[part]);
        bytes += bytes_of(&d->repeats[part], &d->repeat_details[part]);
    }
    return bytes;
}

rk_status rk__dataset_write(const rk_dataset *dataset, rk_h5 *file)
{
    RK_TRY(rk__h5_set_text(file, "name", dataset->name));
    RK_TRY(rk__h5_set_text(file, "fingerprint", dataset->fingerprint));
#define RK_SAVE(field) RK_TRY(rk__h5_set_i64(file, #field, dataset->stats.field));
    RK_HISTORY(RK_SAVE)
#undef RK_SAVE
    if (dataset->stats.in_gap > 0) {
        RK_TRY(rk__h5_set_i64(file, "in_gap", dataset->stats.in_gap));
    }
    RK_TRY(save_ids(file, "users", &dataset->users));
    RK_TRY(save_ids(file, "items", &dataset->items));
    if (dataset->labels) {
        RK_TRY(rk__h5_write_texts(file, "items/labels", dataset->labels, dataset->n_items));
    }
    RK_TRY(save_fields(file, dataset));
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        RK_TRY(save_part(file, dataset, part));
    }
    return rk__sides_write(dataset->sides, file);
}

rk_status rk__dataset_save_aside(const rk_dataset *dataset, const char *path, rk_work *work,
                                 rk_h5 **out)
{
    rk_status status = RK_OK;
    rk_h5 *file = NULL;
    rk_work unwatched = {.spill = dataset->spill};
    RK_TRY_GOTO(done, rk__h5_create(&file, path, KIND, LAYOUT));
    work = work ? work : &unwatched;
    rk__work_begin(work, "writing the data set", bytes_of_rows(dataset));
    work->unit = "bytes";
    work->row_bytes = 0; /* what is counted are bytes, not rows */
    rk__h5_set_watch(file, watch_file, work);
    RK_TRY_GOTO(done, rk__dataset_write(dataset, file));
    rk__h5_set_watch(file, NULL, NULL);
    RK_TRY_GOTO(done, rk__h5_complete(file, NULL));
    *out = file;
    file = NULL;
done:
    rk__h5_close(file);
    return status;
}

rk_status rk__dataset_save(const rk_dataset *dataset, const char *path)
{
    rk_h5 *file = NULL;
    RK_TRY(rk__dataset_save_aside(dataset, path, NULL, &file));
    rk_status status = rk__h5_commit(file);
    rk__h5_close(file);
    return status;
}

static rk_status load_ids(const rk_h5 *file, const char *group, rk_spill *spill, rk_ids *out)
{
    char name[32];
    snprintf(name, sizeof name, "%s/texts", group);
    if (rk__h5_has(file, name)) {
        RK_TRY(rk__h5_load_texts_into(file, name, spill, &out->texts, &out->n));
    } else {
        snprintf(name, sizeof name, "%s/numbers", group);
        RK_TRY(rk__h5_load_into(file, name, RK_H5_I64, spill, &out->numbers, &out->n));
    }
    if (out->n < 1 || out->n > INT32_MAX) {
        RK_FAIL(RK_ERR_DATA, "%s: the data set has %lld %s", rk__h5_path(file), (long long)out->n,
                group);
    }
    for (int64_t i = 1; i < out->n; i++) {
        if (out->texts ? strcmp(out->texts[i - 1], out->texts[i]) >= 0
                       : out->numbers[i - 1] >= out->numbers[i]) {
            RK_FAIL(RK_ERR_DATA, "%s: the ids of the %s are not ascending", rk__h5_path(file),
                    group);
        }
    }
    return RK_OK;
}

/* with_repeats: an item may come several times in a row. */
static bool are_lists(const rk_lists *lists, int64_t n, int64_t n_items, bool with_repeats,
                      rk_spill *spill)
{
    if (lists->offsets[0] != 0 || lists->offsets[lists->n_rows] != n) {
        return false;
    }
    for (int64_t row = 0; row < lists->n_rows; row++) {
        if (lists->offsets[row] > lists->offsets[row + 1] || lists->offsets[row + 1] > n) {
            return false;
        }
        rk__spill_touch(spill, (lists->offsets[row + 1] - lists->offsets[row]) *
                                   (int64_t)sizeof *lists->items);
        int64_t least = 0;
        for (int64_t k = lists->offsets[row]; k < lists->offsets[row + 1]; k++) {
            if (lists->items[k] < least || lists->items[k] >= n_items) {
                return false;
            }
            least = lists->items[k] + !with_repeats;
        }
    }
    return true;
}

static rk_status load_lists(const rk_h5 *file, const char *group, const rk_dataset *d,
                            bool with_repeats, rk_lists *out)
{
    int64_t n = 0;
    RK_TRY(rk__h5_load_into(file, path_of(group, "offsets").text, RK_H5_I64, d->spill,
                            &out->offsets, &out->n_rows));
    out->n_rows--;
    RK_TRY(
        rk__h5_load_into(file, path_of(group, "items").text, RK_H5_I32, d->spill, &out->items, &n));
    if (out->n_rows != d->n_users || !are_lists(out, n, d->n_items, with_repeats, d->spill)) {
        RK_FAIL(RK_ERR_DATA, "%s: the part %s is no list of items per user", rk__h5_path(file),
                group);
    }
    return RK_OK;
}

/* An array beside the n rows of a part; nothing happens where there is none. */
static rk_status load_beside(const rk_h5 *file, const char *group, const char *name,
                             rk_h5_type type, rk_spill *spill, int64_t n, void *out_pointer)
{
    int64_t found = 0;
    array_name at = path_of(group, name);
    if (!rk__h5_has(file, at.text)) {
        return RK_OK;
    }
    RK_TRY(rk__h5_load_into(file, at.text, type, spill, out_pointer, &found));
    if (found != n) {
        RK_FAIL(RK_ERR_DATA, "%s: %lld %s for %lld rows of %s", rk__h5_path(file), (long long)found,
                name, (long long)n, group);
    }
    return RK_OK;
}

static rk_status fail_row(const rk_h5 *file, const char *group, const char *what, int64_t k,
                          const char *problem)
{
    RK_FAIL(RK_ERR_DATA, "%s: the %s of row %lld of %s %s", rk__h5_path(file), what, (long long)k,
            group, problem);
}

/* Indices into the values of a field, or -1. */
static rk_status load_field(const rk_h5 *file, const char *group, const rk_row_field *field,
                            int64_t n_values, rk_spill *spill, int64_t n, int32_t **out)
{
    array_name fields = path_of(group, "field");
    RK_TRY(load_beside(file, fields.text, field->name, RK_H5_I32, spill, n, out));
    if (!*out) {
        RK_FAIL(RK_ERR_DATA, "%s: the field %s is missing in %s", rk__h5_path(file), field->name,
                group);
    }
    for (int64_t from = 0, to = 0; from < n; from = to) {
        to = rk__spill_piece(spill, from, n, sizeof **out);
        for (int64_t k = from; k < to; k++) {
            if ((*out)[k] < -1 || (*out)[k] >= n_values) {
                return fail_row(file, group, "field", k, "is none of its values");
            }
        }
    }
    return RK_OK;
}

/* Of rows [from, to). */
static rk_status check_details(const rk_h5 *file, const char *group, const rk_details *d,
                               int64_t from, int64_t to)
{
    for (int64_t k = from; k < to; k++) {
        if (d->time && !isfinite(d->time[k])) {
            return fail_row(file, group, "time", k, "is not finite");
        }
        if (d->value && !isfinite(d->value[k])) {
            return fail_row(file, group, "value", k, "is not finite");
        }
        if (d->order && d->order[k] < 0) {
            return fail_row(file, group, "order", k, "is negative");
        }
    }
    return RK_OK;
}

static rk_status load_details(const rk_h5 *file, const char *group, const rk_dataset *d, int64_t n,
                              rk_details *out)
{
    RK_TRY(load_beside(file, group, "times", RK_H5_F64, d->spill, n, &out->time));
    RK_TRY(load_beside(file, group, "values", RK_H5_F32, d->spill, n, &out->value));
    RK_TRY(load_beside(file, group, "order", RK_H5_I32, d->spill, n, &out->order));
    const int64_t bytes = rk__details_bytes(out);
    for (int64_t from = 0, to = 0; bytes > 0 && from < n; from = to) {
        to = rk__spill_piece(d->spill, from, n, bytes);
        RK_TRY(check_details(file, group, out, from, to));
    }
    if (d->n_fields > 0) {
        RK_TRY(rk__calloc(&out->field, d->n_fields, sizeof *out->field, "fields"));
        out->n_fields = d->n_fields;
    }
    for (int f = 0; f < d->n_fields; f++) {
        int64_t n_values =
            d->fields[f].derive == RK_DERIVED_FIELD_NONE ? d->fields[f].values.n : d->n_items;
        RK_TRY(load_field(file, group, &d->fields[f], n_values, d->spill, n, &out->field[f]));
    }
    return RK_OK;
}

static rk_status load_fields(const rk_h5 *file, rk_dataset *d)
{
    rk_status status = RK_OK;
    char **names = NULL;
    int32_t *derive = NULL;
    int64_t n = 0, n_derive = 0;
    if (!rk__h5_has(file, "fields/names")) {
        return RK_OK;
    }
    RK_TRY_GOTO(done, rk__h5_load_texts(file, "fields/names", &names, &n));
    RK_TRY_GOTO(done, rk__h5_load(file, "fields/derived", RK_H5_I32, &derive, &n_derive));
    if (n < 1 || n != n_derive || n > INT16_MAX) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: %lld names for %lld fields", rk__h5_path(file),
                     (long long)n, (long long)n_derive);
    }
    RK_TRY_GOTO(done, rk__calloc(&d->fields, n, sizeof *d->fields, "fields"));
    d->n_fields = (int)n;
    for (int64_t f = 0; f < n; f++) {
        rk_row_field *field = &d->fields[f];
        RK_TRY_GOTO(done, rk__strdup(&field->name, names[f]));
        field->derive = derive[f];
        array_name group = path_of("fields/values", names[f]);
        RK_TRY_GOTO(done,
                    rk__h5_load_texts(file, group.text, &field->values.texts, &field->values.n));
    }
done:
    rk__free(names);
    rk__free(derive);
    return status;
}

static rk_status load_candidates(const rk_h5 *file, rk_dataset *d, rk_part part)
{
    const char *group = rk_part_name(part);
    array_name at = path_of(group, "candidates");
    int64_t rows = 0, each = 0, n = d->parts[part].n_rows ? d->parts[part].offsets[d->n_users] : 0;
    if (!rk__h5_has(file, at.text)) {
        return RK_OK;
    }
    RK_TRY(rk__h5_shape(file, at.text, RK_H5_I32, &rows, &each));
    if (rows != n || each < 1 || (d->n_candidates > 0 && each != d->n_candidates)) {
        RK_FAIL(RK_ERR_DATA, "%s: %lld rows of %lld candidates for %lld rows of %s",
                rk__h5_path(file), (long long)rows, (long long)each, (long long)n, group);
    }
    d->n_candidates = each;
    RK_TRY(rk__spill_alloc(d->spill, &d->candidates[part], rows * each, sizeof *d->candidates[part],
                           "candidates"));
    RK_TRY(rk__h5_read(file, at.text, RK_H5_I32, rows, each, d->candidates[part]));
    for (int64_t from = 0, to = 0; from < rows * each; from = to) {
        to = rk__spill_piece(d->spill, from, rows * each, sizeof *d->candidates[part]);
        for (int64_t k = from; k < to; k++) {
            int32_t item = d->candidates[part][k];
            if (item < 0 || item >= d->n_items) {
                return fail_row(file, group, "candidates", k / each, "are no items");
            }
        }
    }
    return RK_OK;
}

static rk_status load_part(const rk_h5 *file, rk_dataset *d, rk_part part)
{
    const char *name = rk_part_name(part);
    array_name repeats = path_of("repeats", name);
    bool is_there = part != RK_GIVEN || rk__h5_has(file, path_of(name, "offsets").text);
    if (is_there) {
        rk_lists *lists = &d->parts[part];
        RK_TRY(load_lists(file, name, d, false, lists));
        RK_TRY(load_details(file, name, d, lists->offsets[d->n_users], &d->details[part]));
    }
    if (is_there && rk__h5_has(file, path_of(repeats.text, "offsets").text)) {
        rk_lists *lists = &d->repeats[part];
        RK_TRY(load_lists(file, repeats.text, d, true, lists));
        RK_TRY(load_details(file, repeats.text, d, lists->offsets[d->n_users],
                            &d->repeat_details[part]));
    }
    return part == RK_VALID || part == RK_TEST ? load_candidates(file, d, part) : RK_OK;
}

static rk_status load_text(const rk_h5 *file, const char *name, char out[17])
{
    char *text = NULL;
    RK_TRY(rk__h5_get_text(file, name, &text));
    bool fits = strlen(text) == 16;
    if (fits) {
        memcpy(out, text, 17);
    }
    rk__free(text);
    if (!fits) {
        RK_FAIL(RK_ERR_DATA, "%s: '%s' is not 16 hex digits", rk__h5_path(file), name);
    }
    return RK_OK;
}

static rk_status load_all(const rk_h5 *file, rk_dataset *d)
{
    char stored[17] = "";
    int64_t n_labels = 0;
    RK_TRY(rk__strdup(&d->path, rk__h5_path(file)));
    RK_TRY(rk__h5_get_text(file, "name", &d->name));
    RK_TRY(load_text(file, "fingerprint", stored));
#define RK_LOAD(field) RK_TRY(rk__h5_get_i64(file, #field, &d->stats.field));
    RK_HISTORY(RK_LOAD)
#undef RK_LOAD
    if (rk__h5_has_attribute(file, "in_gap")) {
        RK_TRY(rk__h5_get_i64(file, "in_gap", &d->stats.in_gap));
    }
    RK_TRY(load_ids(file, "users", d->spill, &d->users));
    RK_TRY(load_ids(file, "items", d->spill, &d->items));
    d->n_users = d->users.n;
    d->n_items = d->items.n;
    if (rk__h5_has(file, "items/labels")) {
        RK_TRY(rk__h5_load_texts(file, "items/labels", &d->labels, &n_labels));
        if (n_labels != d->n_items) {
            RK_FAIL(RK_ERR_DATA, "%s: %lld labels for %lld items", rk__h5_path(file),
                    (long long)n_labels, (long long)d->n_items);
        }
    }
    RK_TRY(load_fields(file, d));
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        RK_TRY(load_part(file, d, part));
    }
    RK_TRY(rk__sides_load(d, file));
    rk__dataset_fingerprint(d, d->fingerprint);
    if (strcmp(d->fingerprint, stored) != 0) {
        RK_FAIL(RK_ERR_DATA, "%s: the contents have the fingerprint %s, not %s as it says",
                rk__h5_path(file), d->fingerprint, stored);
    }
    rk__dataset_times_fingerprint(d, d->times_fingerprint);
    return rk__dataset_measure(d);
}

rk_status rk__dataset_read(rk_dataset **out, const rk_h5 *file, rk_spill *spill)
{
    rk_dataset *dataset = NULL;
    double began = rk__now();
    RK_TRY(rk__calloc(&dataset, 1, sizeof *dataset, "a data set"));
    dataset->spill = rk__spill_share(spill);
    rk_status status = load_all(file, dataset);
    if (status != RK_OK) {
        rk_dataset_free(dataset);
        return status;
    }
    dataset->seconds = rk__now() - began;
    *out = dataset;
    return RK_OK;
}

rk_status rk__dataset_open(const char *path, rk_work *work, rk_dataset **out)
{
    rk_h5 *file = NULL;
    /* Before it is opened: a file that is replaced in between is not taken for what was read. */
    const rk_file_id id = rk__file_id_of(path);
    RK_TRY(rk__h5_open(&file, path, KIND, LAYOUT));
    rk__work_begin(work, "opening the data set", id.bytes);
    work->unit = "bytes";
    work->row_bytes = 0;
    rk__h5_set_watch(file, watch_file, work);
    rk_status status = rk__dataset_read(out, file, work->spill);
    if (status == RK_OK) {
        (*out)->file = id;
    }
    rk__h5_close(file);
    return status;
}

rk_status rk_dataset_open(const char *path, rk_dataset **out)
{
    rk_work unwatched = {.spill = NULL};
    return rk__dataset_open(path, &unwatched, out);
}

rk_status rk__dataset_read_name(const char *path, char **out_name, char **out_fingerprint,
                                int64_t *out_layout)
{
    rk_h5 *file = NULL;
    *out_name = *out_fingerprint = NULL;
    *out_layout = LAYOUT;
    rk_status status = rk__h5_open(&file, path, KIND, LAYOUT);
    while (status == RK_ERR_DATA && *out_layout > 1) {
        status = rk__h5_open(&file, path, KIND, --*out_layout);
    }
    RK_TRY(status);
    RK_TRY_GOTO(done, rk__h5_get_text(file, "name", out_name));
    status = rk__h5_get_text(file, "fingerprint", out_fingerprint);
done:
    rk__h5_close(file);
    if (status != RK_OK) {
        rk__free(*out_name);
        *out_name = NULL;
    }
    return status;
}
