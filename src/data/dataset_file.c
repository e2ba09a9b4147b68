/*
 * The HDF5 file of a data set: ids, parts, times of train, labels, and the counts of what was
 * dropped.
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

#define KIND "data set"
#define TIMES "train/times" /* files of earlier versions have none */
enum { LAYOUT = 1 };

/* The statistics that do not follow from the parts. */
#define RK_HISTORY(X)                                                                              \
    X(rows_read)                                                                                   \
    X(rows_filtered)                                                                               \
    X(duplicates)                                                                                  \
    X(overlap)                                                                                     \
    X(filter_passes)                                                                               \
    X(users_dropped)                                                                               \
    X(items_dropped)

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

static rk_status save_part(rk_h5 *file, const char *group, const rk_lists *lists)
{
    char name[32];
    snprintf(name, sizeof name, "%s/offsets", group);
    RK_TRY(rk__h5_write(file, name, RK_H5_I64, lists->n_rows + 1, 0, lists->offsets));
    snprintf(name, sizeof name, "%s/items", group);
    return rk__h5_write(file, name, RK_H5_I32, lists->offsets[lists->n_rows], 0, lists->items);
}

rk_status rk__dataset_write(const rk_dataset *dataset, rk_h5 *file)
{
    RK_TRY(rk__h5_set_text(file, "name", dataset->name));
    RK_TRY(rk__h5_set_text(file, "fingerprint", dataset->fingerprint));
#define RK_SAVE(field) RK_TRY(rk__h5_set_i64(file, #field, dataset->stats.field));
    RK_HISTORY(RK_SAVE)
#undef RK_SAVE
    RK_TRY(save_ids(file, "users", &dataset->users));
    RK_TRY(save_ids(file, "items", &dataset->items));
    if (dataset->labels) {
        RK_TRY(rk__h5_write_texts(file, "items/labels", dataset->labels, dataset->n_items));
    }
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        RK_TRY(save_part(file, rk_part_name(part), &dataset->parts[part]));
    }
    return dataset->train_times
               ? rk__h5_write(file, TIMES, RK_H5_F64, dataset->stats.train, 0, dataset->train_times)
               : RK_OK;
}

rk_status rk__dataset_save_aside(const rk_dataset *dataset, const char *path, rk_h5 **out)
{
    rk_status status = RK_OK;
    rk_h5 *file = NULL;
    RK_TRY_GOTO(done, rk__h5_create(&file, path, KIND, LAYOUT));
    RK_TRY_GOTO(done, rk__dataset_write(dataset, file));
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
    RK_TRY(rk__dataset_save_aside(dataset, path, &file));
    rk_status status = rk__h5_commit(file);
    rk__h5_close(file);
    return status;
}

static rk_status load_ids(const rk_h5 *file, const char *group, rk_ids *out)
{
    char name[32];
    snprintf(name, sizeof name, "%s/texts", group);
    if (rk__h5_has(file, name)) {
        RK_TRY(rk__h5_load_texts(file, name, &out->texts, &out->n));
    } else {
        snprintf(name, sizeof name, "%s/numbers", group);
        RK_TRY(rk__h5_load(file, name, RK_H5_I64, &out->numbers, &out->n));
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

static bool are_lists(const rk_lists *lists, int64_t n, int64_t n_items)
{
    if (lists->offsets[0] != 0 || lists->offsets[lists->n_rows] != n) {
        return false;
    }
    for (int64_t row = 0; row < lists->n_rows; row++) {
        if (lists->offsets[row] > lists->offsets[row + 1] || lists->offsets[row + 1] > n) {
            return false;
        }
        int64_t last = -1;
        for (int64_t k = lists->offsets[row]; k < lists->offsets[row + 1]; k++) {
            if (lists->items[k] <= last || lists->items[k] >= n_items) {
                return false;
            }
            last = lists->items[k];
        }
    }
    return true;
}

static rk_status load_part(const rk_h5 *file, const char *group, int64_t n_users, int64_t n_items,
                           rk_lists *out)
{
    char name[32];
    int64_t n = 0;
    snprintf(name, sizeof name, "%s/offsets", group);
    RK_TRY(rk__h5_load(file, name, RK_H5_I64, &out->offsets, &out->n_rows));
    out->n_rows--;
    snprintf(name, sizeof name, "%s/items", group);
    RK_TRY(rk__h5_load(file, name, RK_H5_I32, &out->items, &n));
    if (out->n_rows != n_users || !are_lists(out, n, n_items)) {
        RK_FAIL(RK_ERR_DATA, "%s: the part %s is no list of items per user", rk__h5_path(file),
                group);
    }
    return RK_OK;
}

/* Nothing happens where there are none. */
static rk_status load_times(const rk_h5 *file, rk_dataset *d)
{
    int64_t n = 0, expected = d->parts[RK_TRAIN].offsets[d->n_users];
    if (!rk__h5_has(file, TIMES)) {
        return RK_OK;
    }
    RK_TRY(rk__h5_load(file, TIMES, RK_H5_F64, &d->train_times, &n));
    if (n != expected) {
        RK_FAIL(RK_ERR_DATA, "%s: %lld times for %lld rows of train", rk__h5_path(file),
                (long long)n, (long long)expected);
    }
    for (int64_t k = 0; k < n; k++) {
        if (!isfinite(d->train_times[k])) {
            RK_FAIL(RK_ERR_DATA, "%s: the time of row %lld of train is not finite",
                    rk__h5_path(file), (long long)k);
        }
    }
    return RK_OK;
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
    RK_TRY(load_ids(file, "users", &d->users));
    RK_TRY(load_ids(file, "items", &d->items));
    d->n_users = d->users.n;
    d->n_items = d->items.n;
    if (rk__h5_has(file, "items/labels")) {
        RK_TRY(rk__h5_load_texts(file, "items/labels", &d->labels, &n_labels));
        if (n_labels != d->n_items) {
            RK_FAIL(RK_ERR_DATA, "%s: %lld labels for %lld items", rk__h5_path(file),
                    (long long)n_labels, (long long)d->n_items);
        }
    }
    for (rk_part part = RK_TRAIN; part <= RK_TEST; part++) {
        RK_TRY(load_part(file, rk_part_name(part), d->n_users, d->n_items, &d->parts[part]));
    }
    rk__dataset_fingerprint(d, d->fingerprint);
    if (strcmp(d->fingerprint, stored) != 0) {
        RK_FAIL(RK_ERR_DATA, "%s: the contents have the fingerprint %s, not %s as it says",
                rk__h5_path(file), d->fingerprint, stored);
    }
    RK_TRY(load_times(file, d));
    rk__dataset_times_fingerprint(d, d->times_fingerprint);
    return rk__dataset_measure(d);
}

rk_status rk__dataset_read(rk_dataset **out, const rk_h5 *file)
{
    rk_dataset *dataset = NULL;
    double began = rk__now();
    RK_TRY(rk__calloc(&dataset, 1, sizeof *dataset, "a data set"));
    rk_status status = load_all(file, dataset);
    if (status != RK_OK) {
        rk_dataset_free(dataset);
        return status;
    }
    dataset->seconds = rk__now() - began;
    *out = dataset;
    return RK_OK;
}

rk_status rk_dataset_open(const char *path, rk_dataset **out)
{
    rk_h5 *file = NULL;
    /* Before it is opened: a file that is replaced in between is not taken for what was read. */
    const rk_file_id id = rk__file_id_of(path);
    RK_TRY(rk__h5_open(&file, path, KIND, LAYOUT));
    rk_status status = rk__dataset_read(out, file);
    if (status == RK_OK) {
        (*out)->file = id;
    }
    rk__h5_close(file);
    return status;
}

rk_status rk__dataset_read_name(const char *path, char **out_name, char **out_fingerprint)
{
    rk_h5 *file = NULL;
    rk_status status = RK_ERR_DATA;
    *out_name = *out_fingerprint = NULL;
    for (int64_t layout = LAYOUT; layout >= 1 && status == RK_ERR_DATA; layout--) {
        status = rk__h5_open(&file, path, KIND, layout);
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
