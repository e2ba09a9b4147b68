#include "data/contexts.h"

#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/parse.h"

/* ---- which fields ---- */

static int64_t find_field(const rk_options *o, const char *name, size_t length)
{
    for (int64_t f = 0; f < o->n_fields; f++) {
        if (strlen(o->fields[f].name) == length && strncmp(o->fields[f].name, name, length) == 0) {
            return f;
        }
    }
    return -1;
}

static rk_status fail_unknown(const rk_options *o, const char *name, size_t length)
{
    rk_buffer names = {0};
    for (int64_t f = 0; f < o->n_fields; f++) {
        rk__buffer_add(&names, "%s%s", f > 0 ? ", " : "", o->fields[f].name);
    }
    rk_status status = names.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "model.fields names '%.*s', but data.fields has %s%s",
                          (int)(length < 80 ? length : 80), name, names.at ? names.at : "no field",
                          names.at ? ""
                                   : "; add it there, e.g. {name: previous, derive: "
                                     "previous_item}");
    }
    rk__buffer_free(&names);
    return status;
}

rk_status rk__contexts_choose(const rk_options *o, bool *chosen, int *out_n)
{
    const char *at = o->model.fields, *name = NULL;
    size_t length = 0;
    const bool is_all = at[0] == '\0';
    *out_n = 0;
    for (int64_t f = 0; f < o->n_fields; f++) {
        chosen[f] = is_all;
        *out_n += is_all;
    }
    if (strcmp(at, "none") == 0 && find_field(o, at, strlen(at)) < 0) {
        return RK_OK;
    }
    while (rk__next_name(&at, &name, &length)) {
        const int64_t f = find_field(o, name, length);
        if (f < 0) {
            return fail_unknown(o, name, length);
        }
        if (chosen[f]) {
            RK_FAIL(RK_ERR_CONFIG, "model.fields names '%s' twice", o->fields[f].name);
        }
        *out_n += 1;
        chosen[f] = true;
    }
    return RK_OK;
}

static rk_status choose(rk_contexts *c, const rk_options *o)
{
    rk_status status = RK_OK;
    bool *chosen = NULL;
    int n = 0, at = 0;
    RK_TRY_GOTO(done, rk__alloc(&chosen, o->n_fields, sizeof *chosen, "fields"));
    RK_TRY_GOTO(done, rk__contexts_choose(o, chosen, &n));
    RK_TRY_GOTO(done, rk__alloc(&c->fields, n, sizeof *c->fields, "fields"));
    RK_TRY_GOTO(done, rk__alloc(&c->first, n + 1, sizeof *c->first, "fields"));
    /* Where they are nodes of a network's graph they come behind users and items. */
    c->first[0] = o->model.scorer == RK_SCORER_FM ? c->dataset->n_users + c->dataset->n_items : 0;
    for (int f = 0; f < (int)o->n_fields; f++) {
        if (chosen[f]) {
            const rk_row_field *field = &c->dataset->fields[f];
            const bool is_derived = field->derive != RK_DERIVED_FIELD_NONE;
            c->fields[at] = f;
            c->first[at + 1] =
                c->first[at] + 1 + (is_derived ? c->dataset->n_items : field->values.n);
            at++;
        }
    }
    c->n = n;
    if (c->first[n] > INT32_MAX) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "the fields that the model reads have %lld values, more than fit into 32 "
                     "bits; name fewer in model.fields",
                     (long long)c->first[n]);
    }
done:
    rk__free(chosen);
    return status;
}

/* ---- rows ---- */

const rk_lists *rk__contexts_lists(const rk_dataset *d, rk_part part)
{
    return d->repeats[RK_TRAIN].n_rows > 0 ? &d->repeats[part] : &d->parts[part];
}

void rk__contexts_of_row(const rk_contexts *c, rk_part part, int64_t row, int32_t *out_values)
{
    const rk_dataset *d = c->dataset;
    const rk_details *details =
        d->repeats[RK_TRAIN].n_rows > 0 ? &d->repeat_details[part] : &d->details[part];
    for (int f = 0; f < c->n; f++) {
        out_values[f] = details->field[c->fields[f]][row];
    }
}

/* The rows of a user's pairs are one after the other, in the order of the pairs. */
static rk_status find_pairs(rk_contexts *c)
{
    const rk_lists *pairs = &c->dataset->parts[RK_TRAIN], *rows = &c->dataset->repeats[RK_TRAIN];
    const int64_t n_pairs = pairs->offsets[pairs->n_rows];
    int64_t row = 0;
    if (rows->n_rows == 0) {
        return RK_OK;
    }
    RK_TRY(rk__alloc(&c->offsets, n_pairs + 1, sizeof *c->offsets, "the rows of pairs"));
    for (int64_t user = 0; user < pairs->n_rows; user++) {
        for (int64_t e = pairs->offsets[user]; e < pairs->offsets[user + 1]; e++) {
            c->offsets[e] = row;
            while (row < rows->offsets[user + 1] && rows->items[row] == pairs->items[e]) {
                row++;
            }
            RK_ASSERT(row > c->offsets[e]);
        }
    }
    c->offsets[n_pairs] = row;
    return RK_OK;
}

static rk_status find_train(rk_contexts *c)
{
    const rk_lists *rows = rk__contexts_lists(c->dataset, RK_TRAIN);
    c->n_train = rows->offsets[rows->n_rows];
    int64_t elements = 0;
    RK_TRY(rk__mul(&elements, c->n_train, c->n, "the contexts of train rows"));
    RK_TRY(rk__alloc(&c->train, elements, sizeof *c->train, "the contexts of train rows"));
    RK_TRY(rk__alloc(&c->known, c->first[c->n], sizeof *c->known, "the values of fields"));
    memset(c->known, 0xff, (size_t)c->first[c->n] * sizeof *c->known);
    for (int64_t row = 0; row < c->n_train; row++) {
        int32_t *mine = c->train + row * c->n;
        rk__contexts_of_row(c, RK_TRAIN, row, mine);
        for (int f = 0; f < c->n; f++) {
            mine[f] = (int32_t)(c->first[f] + 1 + mine[f]);
            c->known[mine[f]] = mine[f];
        }
    }
    return RK_OK;
}

rk_status rk__contexts_check(const rk_contexts *c, const int32_t *values)
{
    for (int f = 0; f < c->n; f++) {
        const int64_t n = c->first[f + 1] - c->first[f] - 1;
        if (values[f] < -1 || values[f] >= n) {
            RK_FAIL(RK_ERR_CONFIG,
                    "a context has the value %d of the field %s; they go from 0 to %lld, -1 is "
                    "empty",
                    values[f], c->dataset->fields[c->fields[f]].name, (long long)n - 1);
        }
    }
    return RK_OK;
}

/* ---- life ---- */

/* A data set that is given may be another one than the options say. */
static rk_status check_same(const rk_dataset *d, const rk_options *o)
{
    bool is_same = d->n_fields == o->n_fields;
    for (int f = 0; is_same && f < d->n_fields; f++) {
        is_same = strcmp(d->fields[f].name, o->fields[f].name) == 0;
    }
    if (!is_same) {
        RK_FAIL(
            RK_ERR_CONFIG,
            "data.fields names %lld fields, but the data set %s has %d, or others: make it with "
            "this config",
            (long long)o->n_fields, d->name, d->n_fields);
    }
    return RK_OK;
}

rk_status rk__contexts_init(rk_contexts *out, const rk_dataset *dataset, const rk_options *options)
{
    rk_status status = RK_OK;
    *out = (rk_contexts){.dataset = dataset};
    RK_TRY_GOTO(done, check_same(dataset, options));
    RK_TRY_GOTO(done, choose(out, options));
    if (out->n > 0) {
        RK_TRY_GOTO(done, find_pairs(out));
        RK_TRY_GOTO(done, find_train(out));
    }
done:
    if (status != RK_OK) {
        rk__contexts_free(out);
    }
    return status;
}

void rk__contexts_free(rk_contexts *c)
{
    rk__free(c->fields);
    rk__free(c->first);
    rk__free(c->known);
    rk__free(c->train);
    rk__free(c->offsets);
    *c = (rk_contexts){0};
}
