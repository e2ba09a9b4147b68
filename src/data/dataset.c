/* The public face of a data set: ids, labels, lists, statistics. */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "data/dataset_internal.h"
#include "data/hash.h"

const char *rk_part_name(rk_part part)
{
    static const char *const names[] = {
        [RK_TRAIN] = "train", [RK_VALID] = "valid", [RK_TEST] = "test"};
    return (unsigned)part <= RK_TEST ? names[part] : NULL;
}

void rk__lists_free(rk_lists *lists)
{
    rk__free(lists->offsets);
    rk__free(lists->items);
    *lists = (rk_lists){0};
}

void rk__ids_free(rk_ids *ids)
{
    rk__free(ids->numbers);
    rk__free(ids->texts);
    *ids = (rk_ids){0};
}

void rk_dataset_free(rk_dataset *dataset)
{
    if (!dataset) {
        return;
    }
    rk__free(dataset->name);
    rk__free(dataset->path);
    rk__free(dataset->origin);
    rk__ids_free(&dataset->users);
    rk__ids_free(&dataset->items);
    rk__free(dataset->labels);
    for (int part = 0; part < 3; part++) {
        rk__lists_free(&dataset->parts[part]);
    }
    rk__free(dataset->train_times);
    rk__free(dataset);
}

const rk_dataset_stats *rk_dataset_get_stats(const rk_dataset *dataset)
{
    return &dataset->stats;
}

const char *rk_dataset_name(const rk_dataset *dataset)
{
    return dataset->name;
}

const char *rk_dataset_path(const rk_dataset *dataset)
{
    return dataset->path;
}

const char *rk_dataset_fingerprint(const rk_dataset *dataset)
{
    return dataset->fingerprint;
}

static uint64_t hash_ids(uint64_t hash, const rk_ids *ids)
{
    uint8_t is_text = ids->texts != NULL;
    hash = rk__hash(hash, &ids->n, sizeof ids->n);
    hash = rk__hash(hash, &is_text, 1);
    if (!is_text) {
        return rk__hash(hash, ids->numbers, ids->n * (int64_t)sizeof *ids->numbers);
    }
    for (int64_t i = 0; i < ids->n; i++) {
        hash = rk__hash(hash, ids->texts[i], (int64_t)strlen(ids->texts[i]) + 1);
    }
    return hash;
}

void rk__dataset_fingerprint(const rk_dataset *dataset, char out[17])
{
    uint64_t hash = hash_ids(hash_ids(RK_HASH_START, &dataset->users), &dataset->items);
    for (int part = 0; part < 3; part++) {
        const rk_lists *lists = &dataset->parts[part];
        int64_t n = lists->offsets[lists->n_rows];
        hash =
            rk__hash(hash, lists->offsets, (lists->n_rows + 1) * (int64_t)sizeof *lists->offsets);
        hash = rk__hash(hash, lists->items, n * (int64_t)sizeof *lists->items);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

void rk__dataset_times_fingerprint(const rk_dataset *dataset, char out[17])
{
    out[0] = '\0';
    if (dataset->train_times) {
        int64_t n = dataset->parts[RK_TRAIN].offsets[dataset->n_users];
        uint64_t hash = rk__hash(RK_HASH_START, &n, sizeof n);
        hash = rk__hash(hash, dataset->train_times, n * (int64_t)sizeof *dataset->train_times);
        snprintf(out, 17, "%016llx", (unsigned long long)hash);
    }
}

static const char *id_at(const rk_ids *ids, int64_t index, char room[RK_ID_BYTES])
{
    if (index < 0 || index >= ids->n) {
        return NULL;
    }
    if (ids->texts) {
        return ids->texts[index];
    }
    snprintf(room, RK_ID_BYTES, "%lld", (long long)ids->numbers[index]);
    return room;
}

const char *rk_dataset_user_id(const rk_dataset *dataset, int64_t user, char room[RK_ID_BYTES])
{
    return id_at(&dataset->users, user, room);
}

const char *rk_dataset_item_id(const rk_dataset *dataset, int64_t item, char room[RK_ID_BYTES])
{
    return id_at(&dataset->items, item, room);
}

const char *rk_dataset_item_label(const rk_dataset *dataset, int64_t item)
{
    return dataset->labels && item >= 0 && item < dataset->n_items ? dataset->labels[item] : "";
}

int64_t rk__ids_find_number(const rk_ids *ids, int64_t number)
{
    int64_t low = 0, high = ids->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (ids->numbers[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < ids->n && ids->numbers[low] == number ? low : -1;
}

/* strcmp(id, text[0, length)) */
static int compare_text(const char *id, const char *text, int64_t length)
{
    int order = strncmp(id, text, (size_t)length);
    return order != 0 ? order : id[length] != '\0';
}

int64_t rk__ids_find_text(const rk_ids *ids, const char *text, int64_t length)
{
    int64_t low = 0, high = ids->n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (compare_text(ids->texts[middle], text, length) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < ids->n && compare_text(ids->texts[low], text, length) == 0 ? low : -1;
}

static rk_status find(const rk_dataset *dataset, const rk_ids *ids, const char *what,
                      const char *id, int64_t *out)
{
    int64_t number = 0;
    if (ids->texts) {
        *out = rk__ids_find_text(ids, id, (int64_t)strlen(id));
        if (*out < 0) {
            RK_FAIL(RK_ERR_DATA, "%s '%s' is not in the data set %s", what, id, dataset->name);
        }
        return RK_OK;
    }
    if (rk__parse_int(id, strlen(id), &number) == RK_PARSE_OK) {
        *out = rk__ids_find_number(ids, number);
        if (*out >= 0) {
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_DATA,
            "%s '%s' is not in the data set %s, whose %s ids are integers from %lld to "
            "%lld",
            what, id, dataset->name, what, (long long)ids->numbers[0],
            (long long)ids->numbers[ids->n - 1]);
}

rk_status rk_dataset_find_user(const rk_dataset *dataset, const char *id, int64_t *out)
{
    return find(dataset, &dataset->users, "user", id, out);
}

rk_status rk_dataset_find_item(const rk_dataset *dataset, const char *id, int64_t *out)
{
    return find(dataset, &dataset->items, "item", id, out);
}

rk_status rk_dataset_items(const rk_dataset *dataset, rk_part part, int64_t user,
                           const int32_t **out_items, int64_t *out_count)
{
    if ((unsigned)part > RK_TEST || user < 0 || user >= dataset->n_users) {
        RK_FAIL(RK_ERR_DATA,
                "there is no user %lld in part %d of the data set %s, which has %lld "
                "users",
                (long long)user, (int)part, dataset->name, (long long)dataset->n_users);
    }
    const rk_lists *lists = &dataset->parts[part];
    *out_items = lists->items + lists->offsets[user];
    *out_count = lists->offsets[user + 1] - lists->offsets[user];
    return RK_OK;
}
