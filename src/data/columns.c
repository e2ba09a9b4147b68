/*
 * A data set of arrays in memory: their rows take the way of a file's records through rk_raw and
 * rk__dataset_build, so that the same rows give the same data set.
 */
#include "data/columns.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "base/timer.h"
#include "data/dataset_internal.h"
#include "data/sides.h"

rk_columns rk_columns_defaults(void)
{
    return (rk_columns){.size = sizeof(rk_columns)};
}

static rk_status take_number(int64_t row, const char *what, int64_t id, int64_t *out)
{
    if (id < 0) {
        RK_FAIL(RK_ERR_DATA, "row %lld: %s %lld is negative; integer ids count from 0",
                (long long)row, what, (long long)id);
    }
    *out = id;
    return RK_OK;
}

static rk_status take_text(int64_t row, const char *what, const char *id, rk_id_rule *rule,
                           rk_text *out, bool *out_missing)
{
    const char *wrong = NULL;
    *out = (rk_text){id ? id : "", id ? (int64_t)strlen(id) : 0};
    if (!id && rule->missing != RK_MISSING_DROP) {
        RK_FAIL(RK_ERR_DATA, "row %lld: %s is NULL", (long long)row, what);
    }
    if (!rk__id_check_text(rule, false, out, out_missing, &wrong)) {
        rk_shown shown = rk__shown(*out);
        RK_FAIL(RK_ERR_DATA, "row %lld: %s%s%s%s %s", (long long)row, what,
                out->length > 0 ? " '" : "", shown.text, out->length > 0 ? "'" : "", wrong);
    }
    return RK_OK;
}

rk_status rk__columns_record(const rk_columns *columns, int64_t row, rk_id_rule *rule,
                             rk_record *out, int *out_part, bool *out_missing)
{
    *out_missing = false;
    *out = (rk_record){.has_item = true, .line = row};
    *out_part = RK_PART_ALL;
    if (columns->users) {
        RK_TRY(take_number(row, "user", columns->users[row], &out->user_id));
        RK_TRY(take_number(row, "item", columns->items[row], &out->item_id));
    } else {
        RK_TRY(take_text(row, "user", columns->user_texts[row], rule, &out->user, out_missing));
        RK_TRY(take_text(row, "item", columns->item_texts[row], rule, &out->item, out_missing));
    }
    if (columns->times) {
        out->time = columns->times[row];
        if (!isfinite(out->time)) {
            RK_FAIL(RK_ERR_DATA, "row %lld: the time is not finite", (long long)row);
        }
    }
    if (columns->values) {
        out->value = columns->values[row];
        if (!(fabs(out->value) <= FLT_MAX)) {
            RK_FAIL(RK_ERR_DATA, "row %lld: the value is not finite, or beyond 3.4e38",
                    (long long)row);
        }
    }
    if (columns->parts) {
        if (columns->parts[row] > RK_GIVEN) {
            RK_FAIL(RK_ERR_DATA,
                    "row %lld: there is no part %d; 0 is train, 1 valid, 2 test, 3 given",
                    (long long)row, columns->parts[row]);
        }
        *out_part = RK_PART_TRAIN + columns->parts[row];
    }
    return RK_OK;
}

/* What rk_columns had at first, and every caller has. */
enum { FIRST_SIZE = offsetof(rk_columns, values) };

/* A copy in today's layout. A program built with a later header may have members that are not known
 * here: they must be zero. */
static rk_status take_columns(const rk_columns *columns, rk_columns *out)
{
    if (!columns || columns->size < FIRST_SIZE) {
        RK_FAIL(RK_ERR_DATA, "the columns of the data set %s",
                columns ? "have no valid size: begin with rk_columns_defaults()" : "are NULL");
    }
    const char *bytes = (const char *)columns;
    size_t known = columns->size < sizeof *out ? columns->size : sizeof *out;
    for (size_t i = known; i < columns->size; i++) {
        if (bytes[i] != 0) {
            RK_FAIL(RK_ERR_DATA, "the columns of the data set have a member that this version of "
                                 "the library does not know");
        }
    }
    *out = (rk_columns){0};
    memcpy(out, columns, known);
    bool any_number = out->users || out->items, any_text = out->user_texts || out->item_texts;
    if (any_number == any_text || (any_number && !(out->users && out->items)) ||
        (any_text && !(out->user_texts && out->item_texts))) {
        RK_FAIL(RK_ERR_DATA, "the ids of the columns must be either users and items, or user_texts "
                             "and item_texts; the other two are NULL");
    }
    if (out->n < 0 || out->n > INT64_MAX / (int64_t)sizeof *out->times) {
        RK_FAIL(RK_ERR_DATA, "the columns cannot have %lld rows", (long long)out->n);
    }
    return RK_OK;
}

/* What options ask of the columns, as they do of data.sources. */
static rk_status check_options(const rk_config *config, const rk_columns *columns)
{
    const rk_options *o = rk__config_options(config);
    bool is_given = o->split.kind == RK_SPLIT_GIVEN;
    const char *kind = rk__option_choice("split.kind", o->split.kind);
    const char *kind_origin = rk__config_origin(config, "split.kind");
    bool wants_text = o->data.ids == RK_IDS_TEXT, has_text = columns->user_texts != NULL;
    if (wants_text != has_text) {
        RK_FAIL(RK_ERR_CONFIG, "data.ids is %s (%s), but the ids of the columns are %s",
                rk__option_choice("data.ids", o->data.ids), rk__config_origin(config, "data.ids"),
                has_text ? "texts" : "numbers");
    }
    if (is_given && !columns->parts) {
        RK_FAIL(RK_ERR_CONFIG,
                "split.kind is given (%s), but the columns have no parts: say the part of each "
                "row, or take split.kind leave_one_out, ratio or time",
                kind_origin);
    }
    if (!is_given && columns->parts) {
        RK_FAIL(RK_ERR_CONFIG,
                "split.kind is %s (%s), which divides everything, but the columns have parts: "
                "leave them out, or take split.kind given",
                kind, kind_origin);
    }
    if (!columns->times &&
        (o->split.kind == RK_SPLIT_TIME || (!is_given && o->split.order == RK_ORDER_TIME))) {
        RK_FAIL(RK_ERR_CONFIG,
                "the split goes by time (split.kind is %s), but the columns have no "
                "times: give them, or split at random",
                kind);
    }
    for (int64_t f = 0; f < o->n_fields; f++) {
        bool is_derived = o->fields[f].derive != RK_DERIVED_FIELD_NONE;
        bool is_there = columns->fields && columns->fields[f];
        if (is_derived == is_there) {
            RK_FAIL(RK_ERR_CONFIG,
                    "data.fields[%lld] (%s) is %s, but the columns have %s field of it",
                    (long long)f, o->fields[f].origin, is_derived ? "derived" : "of a column",
                    is_there ? "a" : "no");
        }
    }
    if (o->n_fields == 0 && columns->fields) {
        RK_FAIL(RK_ERR_CONFIG, "the columns have fields, but data.fields names none");
    }
    const rk_reals range = o->data.value_range;
    for (int64_t row = 0; range.n == 2 && columns->values && row < columns->n; row++) {
        if (columns->values[row] < range.v[0] || columns->values[row] > range.v[1]) {
            RK_FAIL(RK_ERR_DATA, "row %lld: the value %g lies outside of data.value_range [%g, %g]",
                    (long long)row, columns->values[row], range.v[0], range.v[1]);
        }
    }
    for (int64_t row = 0; is_given && o->split.carve_valid > 0 && row < columns->n; row++) {
        if (columns->parts[row] == RK_VALID) {
            RK_FAIL(RK_ERR_CONFIG,
                    "split.carve_valid is %g (%s), but row %lld is of a valid part already: leave "
                    "out one of them",
                    o->split.carve_valid, rk__config_origin(config, "split.carve_valid"),
                    (long long)row);
        }
    }
    return RK_OK;
}

rk_status rk_dataset_from_columns(const rk_config *config, const rk_columns *columns,
                                  const rk_hooks *hooks, rk_dataset **out)
{
    const rk_options *options = rk__config_options(config);
    rk_status status = RK_OK;
    rk_columns mine;
    rk_raw raw;
    rk_work work = {.hooks = hooks};
    rk_dataset *dataset = NULL;
    double began = rk__now();
    RK_TRY(rk__config_check(config, 0));
    RK_TRY(take_columns(columns, &mine));
    RK_TRY(check_options(config, &mine));
    RK_TRY_GOTO(done, rk__raw_init(&raw, options, &work));
    raw.with_values = raw.counts_rows || mine.values;
    if (!mine.times) {
        rk__raw_drop_times(&raw);
    }
    RK_TRY_GOTO(done, rk__raw_read_columns(&raw, &mine, options->data.missing_ids, hooks));
    RK_TRY_GOTO(done, rk__dataset_build(&dataset, &raw, options));
    RK_TRY_GOTO(done, rk__sides_read(dataset, options, hooks));
    rk__dataset_warn(dataset, options, hooks);
    dataset->seconds = rk__now() - began;
    *out = dataset;
    dataset = NULL;
done:
    rk__raw_free(&raw);
    rk_dataset_free(dataset);
    return status;
}
