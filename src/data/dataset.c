/* The public face of a data set: ids, labels, lists, statistics. */
#include "data/dataset.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "data/dataset_internal.h"
#include "data/hash.h"
#include "data/sides.h"

const char *rk_part_name(rk_part part)
{
    static const char *const names[] = {
        [RK_TRAIN] = "train", [RK_VALID] = "valid", [RK_TEST] = "test", [RK_GIVEN] = "given"};
    return (unsigned)part < RK_PARTS ? names[part] : NULL;
}

void rk__lists_free(rk_lists *lists)
{
    rk__spill_free(lists->offsets);
    rk__spill_free(lists->items);
    *lists = (rk_lists){0};
}

void rk__ids_free(rk_ids *ids)
{
    rk__spill_free(ids->numbers);
    rk__spill_free(ids->texts);
    *ids = (rk_ids){0};
}

/* What a joined data set borrows. */
static void free_common(rk_dataset *dataset)
{
    rk__free(dataset->name);
    rk__free(dataset->path);
    rk__free(dataset->origin);
    rk__ids_free(&dataset->users);
    rk__ids_free(&dataset->items);
    rk__free(dataset->labels);
    for (int part = 0; part < RK_PARTS; part++) {
        rk__spill_free(dataset->candidates[part]);
    }
    for (int f = 0; f < dataset->n_fields; f++) {
        rk__free(dataset->fields[f].name);
        rk__ids_free(&dataset->fields[f].values);
    }
    rk__free(dataset->fields);
    rk__sides_free(dataset->sides);
    rk__spill_release(dataset->spill);
}

void rk_dataset_free(rk_dataset *dataset)
{
    if (!dataset) {
        return;
    }
    for (int part = 0; part < RK_PARTS; part++) {
        rk__lists_free(&dataset->parts[part]);
        rk__details_free(&dataset->details[part]);
        rk__lists_free(&dataset->repeats[part]);
        rk__details_free(&dataset->repeat_details[part]);
    }
    if (!dataset->base) {
        free_common(dataset);
    }
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

/* Of n elements of an array of rows. */
static uint64_t hash_rows(uint64_t hash, rk_spill *spill, const void *rows, int64_t n, size_t size)
{
    const int64_t each = (int64_t)size;
    for (int64_t from = 0, to = 0; from < n; from = to) {
        to = rk__spill_piece(spill, from, n, each);
        hash = rk__hash(hash, (const char *)rows + from * each, (to - from) * each);
    }
    return hash;
}

static uint64_t hash_lists(uint64_t hash, rk_spill *spill, const rk_lists *lists)
{
    hash = rk__hash(hash, lists->offsets, (lists->n_rows + 1) * (int64_t)sizeof *lists->offsets);
    return hash_rows(hash, spill, lists->items, lists->offsets[lists->n_rows],
                     sizeof *lists->items);
}

/* The name of what follows, so that no two kinds of additions give the same bytes. */
static uint64_t hash_word(uint64_t hash, const char *word)
{
    return rk__hash(hash, word, (int64_t)strlen(word) + 1);
}

/* All but times, which have a fingerprint of their own, and parts. */
static uint64_t hash_details(uint64_t hash, rk_spill *spill, const rk_details *d, int64_t n)
{
    if (d->value) {
        hash = hash_rows(hash_word(hash, "values"), spill, d->value, n, sizeof *d->value);
    }
    if (d->order) {
        hash = hash_rows(hash_word(hash, "order"), spill, d->order, n, sizeof *d->order);
    }
    for (int f = 0; f < d->n_fields; f++) {
        hash = hash_rows(hash_word(hash, "field"), spill, d->field[f], n, sizeof *d->field[f]);
    }
    return hash;
}

/* What not every data set has. Nothing where there is none of it: data sets without keep the
 * fingerprints that earlier versions gave them. */
static uint64_t hash_additions(uint64_t hash, const rk_dataset *d)
{
    for (int f = 0; f < d->n_fields; f++) {
        hash = hash_ids(hash_word(hash, d->fields[f].name), &d->fields[f].values);
    }
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        const rk_lists *lists = &d->parts[part], *repeats = &d->repeats[part];
        if (part == RK_GIVEN && lists->n_rows > 0) {
            hash = hash_lists(hash_word(hash, "given"), d->spill, lists);
        }
        if (lists->n_rows > 0) {
            hash = hash_details(hash, d->spill, &d->details[part], lists->offsets[lists->n_rows]);
        }
        if (repeats->n_rows > 0) {
            hash = hash_lists(hash_word(hash, "repeats"), d->spill, repeats);
            hash = hash_details(hash, d->spill, &d->repeat_details[part],
                                repeats->offsets[repeats->n_rows]);
        }
        if (d->candidates[part]) {
            int64_t n = lists->offsets[lists->n_rows] * d->n_candidates;
            hash = hash_rows(hash_word(hash, "candidates"), d->spill, d->candidates[part], n,
                             sizeof *d->candidates[part]);
        }
    }
    return hash;
}

void rk__dataset_fingerprint(const rk_dataset *dataset, char out[17])
{
    uint64_t hash = hash_ids(hash_ids(RK_HASH_START, &dataset->users), &dataset->items);
    for (int part = RK_TRAIN; part <= RK_TEST; part++) {
        hash = hash_lists(hash, dataset->spill, &dataset->parts[part]);
    }
    hash = rk__sides_hash(hash_additions(hash, dataset), dataset->sides);
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

void rk__dataset_times_fingerprint(const rk_dataset *dataset, char out[17])
{
    out[0] = '\0';
    const double *times = dataset->details[RK_TRAIN].time;
    if (times) {
        int64_t n = dataset->parts[RK_TRAIN].offsets[dataset->n_users];
        uint64_t hash = rk__hash(RK_HASH_START, &n, sizeof n);
        hash = hash_rows(hash, dataset->spill, times, n, sizeof *times);
        snprintf(out, 17, "%016llx", (unsigned long long)hash);
    }
}

const char *rk__ids_at(const rk_ids *ids, int64_t index, char room[RK_ID_BYTES])
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
    return rk__ids_at(&dataset->users, user, room);
}

const char *rk_dataset_item_id(const rk_dataset *dataset, int64_t item, char room[RK_ID_BYTES])
{
    return rk__ids_at(&dataset->items, item, room);
}

static rk_id_list list_of(const rk_ids *ids)
{
    return (rk_id_list){
        .n = ids->n, .numbers = ids->numbers, .texts = (const char *const *)ids->texts};
}

rk_id_list rk_dataset_user_ids(const rk_dataset *dataset)
{
    return list_of(&dataset->users);
}

rk_id_list rk_dataset_item_ids(const rk_dataset *dataset)
{
    return list_of(&dataset->items);
}

const char *const *rk_dataset_item_labels(const rk_dataset *dataset)
{
    return (const char *const *)dataset->labels;
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

/* "; data.min_user and data.min_item dropped 14 users, it may be one of them", or "". */
typedef struct dropped_text {
    char text[160];
} dropped_text;

static dropped_text may_be_dropped(const rk_dataset *d, const rk_ids *ids)
{
    dropped_text out = {""};
    const bool is_user = ids == &d->users;
    const int64_t n = is_user ? d->stats.users_dropped : d->stats.items_dropped;
    if (n > 0) {
        snprintf(
            out.text, sizeof out.text,
            "; data.min_user and data.min_item dropped %lld %s with fewer interactions, it may "
            "be one of them",
            (long long)n, is_user ? "users" : "items");
    }
    return out;
}

/* A text in one of the forms of Unicode, looked for. */
static rk_status find_form(const rk_ids *ids, const char *id, int form, int64_t *out)
{
    const utf8proc_option_t how = (utf8proc_option_t)(UTF8PROC_STABLE | form);
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)id;
    const utf8proc_ssize_t length = (utf8proc_ssize_t)strlen(id);
    const utf8proc_ssize_t n = utf8proc_decompose(bytes, length, NULL, 0, how);
    utf8proc_int32_t *room = NULL;
    if (n <= 0) {
        return RK_OK; /* it is not UTF-8, or empty */
    }
    RK_TRY(rk__alloc(&room, n + 1, sizeof *room, "an id"));
    utf8proc_decompose(bytes, length, room, n, how);
    const utf8proc_ssize_t end = utf8proc_reencode(room, n, how);
    *out = end > 0 ? rk__ids_find_text(ids, (const char *)room, end) : -1;
    rk__free(room);
    return RK_OK;
}

/* As it is written, or in a form that looks the same: a keyboard may give in two characters what a
 * file has as one. */
static rk_status find_text(const rk_ids *ids, const char *id, int64_t *out)
{
    *out = rk__ids_find_text(ids, id, (int64_t)strlen(id));
    if (*out < 0) {
        RK_TRY(find_form(ids, id, UTF8PROC_COMPOSE, out));
    }
    return *out < 0 ? find_form(ids, id, UTF8PROC_DECOMPOSE, out) : RK_OK;
}

static rk_status find(const rk_dataset *dataset, const rk_ids *ids, const char *what,
                      const char *id, int64_t *out)
{
    int64_t number = 0;
    if (ids->texts) {
        RK_TRY(find_text(ids, id, out));
        if (*out < 0) {
            RK_FAIL(RK_ERR_DATA, "%s '%s' is not in the data set %s%s", what, id, dataset->name,
                    may_be_dropped(dataset, ids).text);
        }
        return RK_OK;
    }
    /* as ids are read: 017 is none, and not another way to write 17 */
    const bool is_plain = id[0] != '+' && (id[0] != '0' || id[1] == '\0');
    if (is_plain && rk__parse_int(id, strlen(id), &number) == RK_PARSE_OK) {
        *out = rk__ids_find_number(ids, number);
        if (*out >= 0) {
            return RK_OK;
        }
    }
    RK_FAIL(RK_ERR_DATA,
            "%s '%s' is not in the data set %s, whose %s ids are integers from %lld to "
            "%lld%s",
            what, id, dataset->name, what, (long long)ids->numbers[0],
            (long long)ids->numbers[ids->n - 1], may_be_dropped(dataset, ids).text);
}

rk_status rk_dataset_find_user(const rk_dataset *dataset, const char *id, int64_t *out)
{
    return find(dataset, &dataset->users, "user", id, out);
}

rk_status rk_dataset_find_item(const rk_dataset *dataset, const char *id, int64_t *out)
{
    return find(dataset, &dataset->items, "item", id, out);
}

static rk_status check_place(const rk_dataset *dataset, rk_part part, int64_t user)
{
    if ((unsigned)part >= RK_PARTS || user < 0 || user >= dataset->n_users) {
        RK_FAIL(RK_ERR_DATA,
                "there is no user %lld in part %d of the data set %s, which has %lld "
                "users",
                (long long)user, (int)part, dataset->name, (long long)dataset->n_users);
    }
    return RK_OK;
}

rk_status rk_dataset_items(const rk_dataset *dataset, rk_part part, int64_t user,
                           const int32_t **out_items, int64_t *out_count)
{
    RK_TRY(check_place(dataset, part, user));
    const rk_lists *lists = &dataset->parts[part];
    *out_count = rk__lists_count(lists, user);
    *out_items = lists->n_rows == 0 ? NULL : lists->items + lists->offsets[user];
    return RK_OK;
}

rk_status rk_dataset_lists(const rk_dataset *dataset, rk_part part, const int64_t **out_offsets,
                           const int32_t **out_items)
{
    RK_TRY(check_place(dataset, part, 0));
    *out_offsets = dataset->parts[part].offsets;
    *out_items = dataset->parts[part].items;
    return RK_OK;
}

/* The rows of a part that rk_dataset_rows gives. */
static const rk_lists *rows_of(const rk_dataset *d, rk_part part, const rk_details **out_details)
{
    bool has_repeats = d->repeats[RK_TRAIN].n_rows > 0;
    *out_details = has_repeats ? &d->repeat_details[part] : &d->details[part];
    return has_repeats ? &d->repeats[part] : &d->parts[part];
}

rk_rows rk_rows_defaults(void)
{
    return (rk_rows){.size = sizeof(rk_rows)};
}

rk_status rk_dataset_rows(const rk_dataset *dataset, rk_part part, int64_t user, rk_rows *out)
{
    const rk_details *d = NULL;
    RK_TRY(check_place(dataset, part, user));
    if (!out || out->size < sizeof *out) {
        RK_FAIL(RK_ERR_CONFIG, "the rows of a user have no valid size: begin with "
                               "rk_rows_defaults()");
    }
    const rk_lists *lists = rows_of(dataset, part, &d);
    int64_t first = lists->n_rows == 0 ? 0 : lists->offsets[user];
    out->n = rk__lists_count(lists, user);
    out->items = lists->items ? lists->items + first : NULL;
    out->times = d->time ? d->time + first : NULL;
    out->values = d->value ? d->value + first : NULL;
    out->places = d->order ? d->order + first : NULL;
    return RK_OK;
}

int64_t rk_dataset_n_fields(const rk_dataset *dataset)
{
    return dataset->n_fields;
}

const char *rk_dataset_field_name(const rk_dataset *dataset, int64_t field)
{
    return field >= 0 && field < dataset->n_fields ? dataset->fields[field].name : NULL;
}

rk_status rk_dataset_field(const rk_dataset *dataset, int64_t field, rk_part part, int64_t user,
                           const int32_t **out_values)
{
    const rk_details *d = NULL;
    RK_TRY(check_place(dataset, part, user));
    if (field < 0 || field >= dataset->n_fields) {
        RK_FAIL(RK_ERR_DATA, "the data set %s has %d fields, but no field %lld", dataset->name,
                dataset->n_fields, (long long)field);
    }
    const rk_lists *lists = rows_of(dataset, part, &d);
    *out_values = lists->n_rows == 0 ? NULL : d->field[field] + lists->offsets[user];
    return RK_OK;
}

const char *rk_dataset_field_value(const rk_dataset *dataset, int64_t field, int64_t value,
                                   char room[RK_ID_BYTES])
{
    if (field < 0 || field >= dataset->n_fields) {
        return NULL;
    }
    const rk_row_field *f = &dataset->fields[field];
    return f->derive == RK_DERIVED_FIELD_NONE ? rk__ids_at(&f->values, value, room)
                                              : rk__ids_at(&dataset->items, value, room);
}

rk_status rk_dataset_find_value(const rk_dataset *dataset, int64_t field, const char *text,
                                int64_t *out)
{
    if (field < 0 || field >= dataset->n_fields) {
        RK_FAIL(RK_ERR_DATA, "the data set %s has %d fields, but no field %lld", dataset->name,
                dataset->n_fields, (long long)field);
    }
    const rk_row_field *f = &dataset->fields[field];
    if (text[0] == '\0') {
        *out = -1;
        return RK_OK;
    }
    if (f->derive != RK_DERIVED_FIELD_NONE) {
        return find(dataset, &dataset->items, "item", text, out);
    }
    RK_TRY(find_text(&f->values, text, out));
    if (*out < 0) {
        RK_FAIL(RK_ERR_DATA,
                "no row of the data set %s has '%.80s' in its field %s, whose %lld "
                "values go from '%.40s' to '%.40s'",
                dataset->name, text, f->name, (long long)f->values.n,
                f->values.n > 0 ? f->values.texts[0] : "",
                f->values.n > 0 ? f->values.texts[f->values.n - 1] : "");
    }
    return RK_OK;
}

rk_status rk_dataset_candidates(const rk_dataset *dataset, rk_part part, int64_t user,
                                const int32_t **out_candidates, int64_t *out_each)
{
    RK_TRY(check_place(dataset, part, user));
    const int32_t *candidates = dataset->candidates[part];
    *out_each = candidates ? dataset->n_candidates : 0;
    *out_candidates =
        candidates ? candidates + dataset->parts[part].offsets[user] * *out_each : NULL;
    return RK_OK;
}
