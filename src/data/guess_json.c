/* The keys of JSON lines as columns, and what is in them. */
#include <jansson.h>

#include "base/alloc.h"
#include "data/guess.h"
#include "data/table_kinds.h"

static bool is_scalar(const json_t *value)
{
    return !json_is_object(value) && !json_is_array(value) && !json_is_null(value);
}

enum { DEEPEST_KEY = 4 };

/* Of an object, those of objects in it as well. */
static int64_t count_keys(json_t *object, int depth)
{
    const char *key = NULL;
    json_t *value = NULL;
    int64_t n = 0;
    json_object_foreach(object, key, value)
    {
        n += is_scalar(value);
        n += json_is_object(value) && depth < DEEPEST_KEY ? count_keys(value, depth + 1) : 0;
    }
    return n;
}

/* "user.id" is the key id in the object of the key user. */
static rk_status name_keys(rk_look *look, json_t *object, const char *prefix, int depth,
                           int64_t *inout_n)
{
    rk_status status = RK_OK;
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value)
    {
        if (is_scalar(value)) {
            RK_TRY(rk__format(&look->columns[(*inout_n)++].name, "%s%s", prefix, key));
        } else if (json_is_object(value) && depth < DEEPEST_KEY) {
            char *inner = NULL;
            RK_TRY(rk__format(&inner, "%s%s.", prefix, key));
            status = name_keys(look, value, inner, depth + 1, inout_n);
            rk__free(inner);
            RK_TRY(status);
        }
    }
    return status;
}

/* The keys of the first object whose values can be fields. */
static rk_status read_keys(rk_look *look)
{
    rk_lines lines = {0};
    json_t *object = NULL;
    bool end = false;
    rk_status status = RK_OK;
    RK_TRY(rk__lines_open(&lines, look->path, (rk_line_options){0}));
    do {
        RK_TRY_GOTO(done, rk__lines_next(&lines, &end));
    } while (!end && rk__lines_is_blank(&lines));
    object = json_loadb(rk__lines_at(&lines), (size_t)rk__lines_length(&lines), 0, NULL);
    if (!object || !json_is_object(object)) {
        RK_FAIL_GOTO(done, RK_ERR_DATA,
                     "%s begins with '{', but its first line is no JSON object: JSON lines have an "
                     "object on each line; write them so, e.g. jq -c . FILE > data.jsonl",
                     look->path);
    }
    RK_TRY_GOTO(done, rk__guess_make_columns(look, count_keys(object, 0)));
    int64_t n = 0;
    RK_TRY_GOTO(done, name_keys(look, object, "", 0, &n));
done:
    json_decref(object);
    rk__lines_close(&lines);
    return status;
}

rk_status rk__guess_read_json(rk_look *look)
{
    const rk_table_format format = {.kind = &rk__table_json};
    rk_table table = {0};
    bool end = false;
    rk_status status = RK_OK;
    RK_TRY(read_keys(look));
    look->header = true; /* columns have names */
    RK_TRY(rk__table_open(&table, &format, look->path, (rk_line_options){0}));
    for (int64_t i = 0; i < look->n_columns; i++) {
        int place = 0;
        RK_TRY_GOTO(done, rk__table_want(&table, look->columns[i].name, "a key", &place));
        RK_ASSERT(place == i);
    }
    while (look->rows < RK_GUESS_ROWS) {
        RK_TRY_GOTO(done, rk__table_next(&table, &end));
        if (end) {
            look->whole = true;
            break;
        }
        for (int64_t i = 0; i < look->n_columns; i++) {
            rk__guess_note(&look->columns[i], table.fields[i]);
        }
        look->rows++;
    }
done:
    rk__table_close(&table);
    return status;
}
