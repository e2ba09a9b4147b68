#include "data/holdout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_internal.h"
#include "data/pairs.h"
#include "data/reader.h"

enum { ROWS_PER_LOOK = 1 << 16 };

/* ---- reading ---- */

rk_status rk__held_add(rk_held *held, rk_held_pair pair)
{
    if (held->has_values &&
        !((double)pair.value >= held->low && (double)pair.value <= held->high)) {
        RK_FAIL(RK_ERR_DATA,
                "the rating %g lies outside of the scale from %g to %g, which is data.value_range "
                "or what the ratings of train span",
                (double)pair.value, held->low, held->high);
    }
    if (held->n == held->capacity) {
        int64_t capacity = held->capacity > 0 ? 2 * held->capacity : 1024;
        RK_TRY(rk__realloc(&held->pairs, held->n, capacity, sizeof *held->pairs,
                           "held-out interactions"));
        held->capacity = capacity;
    }
    pair.row = held->n;
    held->pairs[held->n++] = pair;
    return RK_OK;
}

void rk__held_free(rk_held *held)
{
    rk__free(held->pairs);
    *held = (rk_held){0};
}

static int64_t find_id(const rk_ids *ids, rk_text text, int64_t number)
{
    return ids->texts ? rk__ids_find_text(ids, text.at, text.length)
                      : rk__ids_find_number(ids, number);
}

static rk_status take_record(rk_held *held, const rk_dataset *dataset, const rk_options *options,
                             const rk_record *record)
{
    const bool counts = options->data.repeat_value == RK_REPEAT_COUNT;
    if (!record->has_item) {
        return RK_OK;
    }
    int64_t user = find_id(&dataset->users, record->user, record->user_id);
    int64_t item = find_id(&dataset->items, record->item, record->item_id);
    held->rows++;
    held->unknown_users += user < 0;
    held->unknown_items += user >= 0 && item < 0;
    return user < 0 || item < 0
               ? RK_OK
               : rk__held_add(held, (rk_held_pair){.user = (int32_t)user,
                                                   .item = (int32_t)item,
                                                   .value = counts ? 1 : (float)record->value,
                                                   .time = record->time});
}

static rk_status read_source(rk_held *held, const rk_dataset *dataset, const rk_options *options,
                             const rk_source_options *source, const char *path,
                             const rk_hooks *hooks)
{
    rk_reader *reader = NULL;
    rk_record record;
    bool end = false;
    rk_status status = RK_OK;
    const rk_reader_options how = {.ids = dataset->items.texts ? RK_IDS_TEXT : RK_IDS_INTEGER,
                                   .missing = options->data.missing_ids,
                                   .stop = rk__stop_of(hooks)};
    RK_TRY_GOTO(done, rk__reader_open_with(&reader, source, path, &how));
    for (int64_t row = 1;; row++) {
        RK_TRY_GOTO(done, rk__reader_next(reader, &record, &end));
        if (end) {
            break;
        }
        status = take_record(held, dataset, options, &record);
        if (status != RK_OK) {
            status = rk__fail_prefix(status, "%s:%lld", path, (long long)record.line);
            goto done;
        }
        if (row % ROWS_PER_LOOK == 0 && hooks && hooks->should_stop &&
            hooks->should_stop(hooks->user)) {
            RK_FAIL_GOTO(done, RK_ERR_INTERRUPTED, "interrupted while reading %s", path);
        }
    }
    const int64_t missing = rk__reader_counts(reader).missing;
    held->missing += missing;
    held->rows += missing;
done:
    rk__reader_close(reader);
    return status;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* How a file is read: as the source of its name, else of part test, else the first. */
static const rk_source_options *source_for(const rk_options *options, const char *path)
{
    const rk_source_options *found = &options->sources[0];
    for (int64_t i = options->n_sources - 1; i >= 0; i--) {
        if (options->sources[i].part == RK_PART_TEST) {
            found = &options->sources[i];
        }
    }
    for (int64_t i = 0; i < options->n_sources; i++) {
        if (strcmp(name_of(options->sources[i].file), name_of(path)) == 0) {
            return &options->sources[i];
        }
    }
    return found;
}

static rk_status read_folder(rk_held *held, const rk_dataset *dataset, const rk_options *options,
                             const char *folder, const rk_hooks *hooks)
{
    bool has_parts = false, any = false;
    for (int64_t i = 0; i < options->n_sources; i++) {
        has_parts = has_parts || options->sources[i].part != RK_PART_ALL;
    }
    for (int64_t i = 0; i < options->n_sources; i++) {
        const rk_source_options *source = &options->sources[i];
        char *path = NULL;
        if (has_parts && source->part != RK_PART_TEST) {
            continue;
        }
        any = true;
        RK_TRY(rk__path_join(&path, folder,
                             source->file[0] == '/' ? name_of(source->file) : source->file));
        rk_status status = read_source(held, dataset, options, source, path, hooks);
        rk__free(path);
        RK_TRY(status);
    }
    if (!any) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is a folder, but the run has no source of part test to look for there: name "
                "the file",
                folder);
    }
    return RK_OK;
}

rk_status rk__held_read(rk_held *held, const rk_dataset *dataset, const rk_options *options,
                        const char *path, const rk_hooks *hooks)
{
    struct stat info;
    if (options->n_sources == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "how %s is to be read is not known: the model's config names no data.sources",
                path);
    }
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return read_folder(held, dataset, options, path, hooks);
    }
    return read_source(held, dataset, options, source_for(options, path), path, hooks);
}

/* ---- settling ---- */

static int by_user_and_item(const void *left, const void *right)
{
    const rk_held_pair *a = left, *b = right;
    if (a->user != b->user) {
        return a->user > b->user ? 1 : -1;
    }
    if (a->item != b->item) {
        return a->item > b->item ? 1 : -1;
    }
    return (a->row > b->row) - (a->row < b->row);
}

static bool is_same(const rk_held_pair *a, const rk_held_pair *b)
{
    return a->user == b->user && a->item == b->item;
}

/* Gives all rows of a pair the value of the rule. */
static rk_status merge_values(rk_held *held, int rule)
{
    rk_pairs rows = {0}; /* as pairs.c has them */
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&rows.details.value, held->n, sizeof(float), "held-out ratings"));
    RK_TRY_GOTO(done, rk__alloc(&rows.details.time, held->n, sizeof(double), "held-out ratings"));
    for (int64_t i = 0; i < held->n; i++) {
        rows.details.value[i] = held->pairs[i].value;
        rows.details.time[i] = held->pairs[i].time;
    }
    for (int64_t from = 0, to = 0; from < held->n; from = to) {
        for (to = from + 1; to < held->n && is_same(&held->pairs[from], &held->pairs[to]);) {
            to++;
        }
        const float value = rk__pairs_value(&rows, from, to, RK_TRAIN, rule);
        for (int64_t i = from; i < to; i++) {
            held->pairs[i].value = value;
        }
    }
done:
    rk__pairs_free(&rows);
    return status;
}

rk_status rk__held_settle(rk_held *held, const rk_dataset *dataset, int rule, int64_t *out_known,
                          int64_t *out_repeated)
{
    int64_t kept = 0;
    *out_known = *out_repeated = 0;
    if (held->n > 0) {
        qsort(held->pairs, (size_t)held->n, sizeof *held->pairs, by_user_and_item);
    }
    RK_TRY(held->has_values ? merge_values(held, rule) : RK_OK);
    for (int64_t i = 0; i < held->n; i++) {
        const rk_held_pair pair = held->pairs[i];
        if (rk__lists_has(&dataset->parts[RK_TRAIN], pair.user, pair.item) ||
            rk__lists_has(&dataset->parts[RK_GIVEN], pair.user, pair.item) ||
            rk__lists_has(&dataset->parts[RK_VALID], pair.user, pair.item)) {
            ++*out_known;
        } else if (kept > 0 && is_same(&held->pairs[kept - 1], &pair)) {
            ++*out_repeated;
        } else {
            held->pairs[kept++] = pair;
        }
    }
    held->n = kept;
    return RK_OK;
}

static rk_status lists_create(rk_lists *out, int64_t n_rows, int64_t n)
{
    *out = (rk_lists){.n_rows = n_rows};
    RK_TRY(rk__calloc(&out->offsets, n_rows + 1, sizeof *out->offsets, "lists of items"));
    rk_status status = rk__alloc(&out->items, n, sizeof *out->items, "lists of items");
    if (status != RK_OK) {
        rk__lists_free(out);
    }
    return status;
}

rk_status rk__held_lists(const rk_held *held, const rk_dataset *dataset, rk_lists *out,
                         float **values)
{
    RK_TRY(lists_create(out, dataset->n_users, held->n));
    if (held->has_values) {
        rk_status status = rk__alloc(values, held->n, sizeof **values, "held-out ratings");
        if (status != RK_OK) {
            rk__lists_free(out);
            return status;
        }
    }
    for (int64_t i = 0; held->has_values && i < held->n; i++) {
        (*values)[i] = held->pairs[i].value;
    }
    for (int64_t i = 0; i < held->n; i++) {
        out->items[i] = held->pairs[i].item;
        out->offsets[held->pairs[i].user + 1] = i + 1;
    }
    for (int64_t u = 0; u < dataset->n_users; u++) {
        if (out->offsets[u + 1] == 0) {
            out->offsets[u + 1] = out->offsets[u];
        }
    }
    return RK_OK;
}

/* A user's items of valid and of test without those held out, both ascending, merged; returns how
 * many. */
static int64_t merge_others(const rk_lists *held, const rk_dataset *dataset, int64_t user,
                            int32_t *out)
{
    const rk_lists *valid = &dataset->parts[RK_VALID], *test = &dataset->parts[RK_TEST];
    int64_t v = valid->n_rows > 0 ? valid->offsets[user] : 0, n = 0;
    int64_t t = test->n_rows > 0 ? test->offsets[user] : 0;
    const int64_t v_end = v + rk__lists_count(valid, user), t_end = t + rk__lists_count(test, user);
    while (v < v_end || t < t_end) {
        if (t < t_end && rk__lists_has(held, user, test->items[t])) {
            t++;
        } else if (t == t_end || (v < v_end && valid->items[v] < test->items[t])) {
            out[n++] = valid->items[v++];
        } else {
            out[n++] = test->items[t++];
        }
    }
    return n;
}

rk_status rk__held_others(const rk_lists *held, const rk_dataset *dataset, rk_lists *out)
{
    int64_t n = 0;
    for (int64_t u = 0; u < dataset->n_users; u++) {
        n += rk__lists_count(&dataset->parts[RK_VALID], u) +
             rk__lists_count(&dataset->parts[RK_TEST], u);
    }
    RK_TRY(lists_create(out, dataset->n_users, n));
    for (int64_t u = 0; u < dataset->n_users; u++) {
        out->offsets[u + 1] =
            out->offsets[u] + merge_others(held, dataset, u, out->items + out->offsets[u]);
    }
    return RK_OK;
}
