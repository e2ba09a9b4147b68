#include "data/holdout.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "data/dataset_internal.h"
#include "data/reader.h"

enum { ROWS_PER_LOOK = 1 << 16 };

/* ---- reading ---- */

rk_status rk__held_add(rk_held *held, int32_t user, int32_t item)
{
    if (held->n == held->capacity) {
        int64_t capacity = held->capacity > 0 ? 2 * held->capacity : 1024;
        RK_TRY(rk__realloc(&held->pairs, held->n, capacity, sizeof *held->pairs,
                           "held-out interactions"));
        held->capacity = capacity;
    }
    held->pairs[held->n++] = (rk_held_pair){user, item};
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

static rk_status take_record(rk_held *held, const rk_dataset *dataset, const rk_record *record)
{
    if (!record->has_item) {
        return RK_OK;
    }
    int64_t user = find_id(&dataset->users, record->user, record->user_id);
    int64_t item = find_id(&dataset->items, record->item, record->item_id);
    held->rows++;
    held->unknown_users += user < 0;
    held->unknown_items += user >= 0 && item < 0;
    return user >= 0 && item >= 0 ? rk__held_add(held, (int32_t)user, (int32_t)item) : RK_OK;
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
        RK_TRY_GOTO(done, take_record(held, dataset, &record));
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
    return (a->item > b->item) - (a->item < b->item);
}

void rk__held_settle(rk_held *held, const rk_dataset *dataset, int64_t *out_known,
                     int64_t *out_repeated)
{
    int64_t kept = 0;
    *out_known = *out_repeated = 0;
    if (held->n > 0) {
        qsort(held->pairs, (size_t)held->n, sizeof *held->pairs, by_user_and_item);
    }
    for (int64_t i = 0; i < held->n; i++) {
        const rk_held_pair pair = held->pairs[i];
        if (rk__lists_has(&dataset->parts[RK_TRAIN], pair.user, pair.item) ||
            rk__lists_has(&dataset->parts[RK_GIVEN], pair.user, pair.item) ||
            rk__lists_has(&dataset->parts[RK_VALID], pair.user, pair.item)) {
            ++*out_known;
        } else if (kept > 0 && by_user_and_item(&held->pairs[kept - 1], &pair) == 0) {
            ++*out_repeated;
        } else {
            held->pairs[kept++] = pair;
        }
    }
    held->n = kept;
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

rk_status rk__held_lists(const rk_held *held, const rk_dataset *dataset, rk_lists *out)
{
    RK_TRY(lists_create(out, dataset->n_users, held->n));
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
