#include "data/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* ---- values ---- */

static rk_status take_values(rk_ids *out, const rk_id_map *map, int32_t *rank)
{
    rk_status status = RK_OK;
    int32_t *order = NULL;
    int64_t block = map->n * (int64_t)sizeof *out->texts;
    RK_TRY_GOTO(done, rk__id_map_order(map, &order));
    for (int64_t k = 0; k < map->n; k++) {
        rank[order[k]] = (int32_t)k;
        block += map->starts[k + 1] - map->starts[k];
    }
    RK_TRY_GOTO(done, rk__alloc(&out->texts, block, 1, "values of a field"));
    char *at = (char *)(out->texts + map->n);
    for (int64_t k = 0; k < map->n; k++) {
        int64_t length = map->starts[order[k] + 1] - map->starts[order[k]];
        memcpy(at, rk__id_map_text_at(map, order[k]), (size_t)length);
        out->texts[k] = at;
        at += length;
    }
    out->n = map->n;
done:
    rk__free(order);
    return status;
}

rk_status rk__fields_take(rk_dataset *dataset, const rk_raw *raw, const rk_options *options,
                          int32_t **out_ranks)
{
    int n = raw->n_fields;
    if (n == 0) {
        return RK_OK;
    }
    RK_TRY(rk__calloc(&dataset->fields, n, sizeof *dataset->fields, "fields"));
    dataset->n_fields = n;
    for (int f = 0; f < n; f++) {
        rk_row_field *field = &dataset->fields[f];
        RK_TRY(rk__strdup(&field->name, options->fields[f].name));
        field->derive = options->fields[f].derive;
        RK_TRY(rk__alloc(&out_ranks[f], raw->fields[f].n, sizeof *out_ranks[f], "ranks"));
        RK_TRY(take_values(&field->values, &raw->fields[f], out_ranks[f]));
    }
    return RK_OK;
}

/* ---- previous_item ---- */

/* A row of one user. */
typedef struct place {
    double time;
    int32_t order;
    int part;
    int64_t row; /* in its part */
} place;

static int compare_places(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->time != y->time) {
        return x->time < y->time ? -1 : 1;
    }
    return (x->order > y->order) - (x->order < y->order);
}

/* What a part may know: parts of a smaller stage and its own. */
static int stage_of(int part)
{
    static const int stage[RK_PARTS] = {
        [RK_TRAIN] = 0, [RK_GIVEN] = 1, [RK_VALID] = 2, [RK_TEST] = 3};
    return stage[part];
}

/* The rows of a user in the order of time; returns how many. */
static int64_t sort_user(const rk_lists *parts, const rk_details *details, int64_t user,
                         place *places)
{
    int64_t n = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        int64_t start = parts[part].n_rows > 0 ? parts[part].offsets[user] : 0;
        for (int64_t k = 0; k < rk__lists_count(&parts[part], user); k++) {
            const rk_details *d = &details[part];
            places[n++] = (place){.time = d->time ? d->time[start + k] : 0,
                                  .order = d->order[start + k],
                                  .part = part,
                                  .row = start + k};
        }
    }
    qsort(places, (size_t)n, sizeof *places, compare_places);
    return n;
}

static void derive_user(const rk_lists *parts, const rk_details *details, int f,
                        const place *places, int64_t n)
{
    int32_t last[RK_PARTS]; /* by stage: the last item that it may know */
    memset(last, 0xff, sizeof last);
    for (int64_t k = 0; k < n; k++) {
        const place *p = &places[k];
        details[p->part].field[f][p->row] = last[stage_of(p->part)];
        for (int stage = stage_of(p->part); stage < RK_PARTS; stage++) {
            last[stage] = parts[p->part].items[p->row];
        }
    }
}

static int64_t rows_of(const rk_lists *parts, int64_t user)
{
    int64_t n = 0;
    for (int part = 0; part < RK_PARTS; part++) {
        n += rk__lists_count(&parts[part], user);
    }
    return n;
}

static rk_status derive(const rk_dataset *d, const rk_lists *parts, const rk_details *details)
{
    place *places = NULL;
    int64_t longest = 0;
    for (int64_t user = 0; user < d->n_users; user++) {
        int64_t n = rows_of(parts, user);
        longest = n > longest ? n : longest;
    }
    RK_TRY(rk__alloc(&places, longest, sizeof *places, "a user's rows"));
    for (int64_t user = 0; user < d->n_users; user++) {
        int64_t n = sort_user(parts, details, user, places);
        rk__spill_touch(d->spill, n * (int64_t)sizeof *places);
        for (int f = 0; f < d->n_fields; f++) {
            if (d->fields[f].derive == RK_DERIVED_FIELD_PREVIOUS_ITEM) {
                derive_user(parts, details, f, places, n);
            }
        }
    }
    rk__free(places);
    return RK_OK;
}

rk_status rk__fields_derive(rk_dataset *dataset)
{
    bool any = false;
    for (int f = 0; f < dataset->n_fields; f++) {
        any = any || dataset->fields[f].derive != RK_DERIVED_FIELD_NONE;
    }
    if (!any) {
        return RK_OK;
    }
    RK_TRY(derive(dataset, dataset->parts, dataset->details));
    return dataset->repeats[RK_TRAIN].n_rows > 0
               ? derive(dataset, dataset->repeats, dataset->repeat_details)
               : RK_OK;
}
