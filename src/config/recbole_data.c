/* RecBole's data settings and eval_args as sections data and split. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/recbole_bridge.h"

/* "[3,inf)". */
typedef struct span {
    double low, high;       /* infinite where there is no end */
    bool has_low, has_high; /* these belong to it */
} span;

static size_t trim(const char **inout_text, size_t length)
{
    const char *text = *inout_text;
    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    *inout_text = text;
    return length;
}

static bool read_end(const char *text, size_t length, double *out)
{
    static const struct {
        const char *word;
        double value;
    } ends[] = {{"inf", INFINITY}, {"+inf", INFINITY}, {"-inf", -INFINITY}};
    length = trim(&text, length);
    for (size_t i = 0; i < RK_COUNT_OF(ends); i++) {
        if (length == strlen(ends[i].word) && memcmp(text, ends[i].word, length) == 0) {
            *out = ends[i].value;
            return true;
        }
    }
    return rk__parse_real(text, length, out) == RK_PARSE_OK;
}

static bool read_span(const char *text, size_t length, span *out)
{
    length = trim(&text, length);
    const char *comma = memchr(text, ',', length), *close = text + length - 1;
    if (!comma || !strchr("[(", text[0]) || !strchr("])", *close)) {
        return false;
    }
    out->has_low = text[0] == '[';
    out->has_high = *close == ']';
    return read_end(text + 1, (size_t)(comma - text) - 1, &out->low) &&
           read_end(comma + 1, (size_t)(close - comma) - 1, &out->high);
}

/* "[5,inf)" of a count: the least; -1 for one that is bounded above or is none. */
static double least(const char *text)
{
    span s;
    if (!read_span(text, strlen(text), &s) || s.high < INFINITY || s.low < 0 || s.low == INFINITY) {
        return -1;
    }
    const double low = s.has_low ? ceil(s.low) : floor(s.low) + 1;
    return low < 1 ? 1 : low;
}

static rk_status take_core(rk_bridge *b, const char *name, const char *option)
{
    const char *text;
    RK_TRY(rk__bridge_text(b, b->root, name, "[0,inf)", &text));
    const double n = least(text);
    if (n < 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: %s is '%s'; only an interval without an upper end, as "
                "\"[5,inf)\", has a counterpart here",
                b->place, name, text);
    }
    return rk__bridge_set_real(b, option, n);
}

/* One interval of numbers as a condition. */
static rk_status interval(rk_bridge *b, rk_buffer *out, const char *field, const char *text,
                          size_t length)
{
    char number[32];
    span s;
    if (!read_span(text, length, &s)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: '%.*s' of %s is no interval as \"[3,inf)\"", b->place,
                (int)length, text, field);
    }
    if (!(s.low < s.high) && !(s.low == s.high && s.has_low && s.has_high && isfinite(s.low))) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: no number is in '%.*s' of %s: the smaller end comes first, e.g. \"[3,5]\"",
                b->place, (int)length, text, field);
    }
    if (isinf(s.low) && isinf(s.high)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: '%.*s' of %s keeps everything: remove it", b->place,
                (int)length, text, field);
    }
    if (isfinite(s.low)) {
        rk__print_real(number, s.low);
        rk__buffer_add(out, "\"%s\" >%s %s", field, s.has_low ? "=" : "", number);
    }
    if (isfinite(s.high)) {
        rk__print_real(number, s.high);
        rk__buffer_add(out, "%s\"%s\" <%s %s", isfinite(s.low) ? " and " : "", field,
                       s.has_high ? "=" : "", number);
    }
    return RK_OK;
}

/* Several, ';' between. */
static rk_status intervals(rk_bridge *b, rk_buffer *out, const char *field, const char *text)
{
    for (const char *at = text; at; at = strchr(at, ';'), at = at ? at + 1 : NULL) {
        rk__buffer_add(out, "%s(", at > text ? " or " : "");
        RK_TRY(interval(b, out, field, at, strcspn(at, ";")));
        rk__buffer_add(out, ")");
    }
    return RK_OK;
}

/* val_interval: a map of fields to intervals, ';' between, or to lists of words. */
static rk_status where_text(rk_bridge *b, const yaml_node_t *map, rk_buffer *out)
{
    for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = rk__yaml_node(&b->yaml, pair->key);
        const yaml_node_t *value = rk__yaml_node(&b->yaml, pair->value);
        const char *field = (const char *)key->data.scalar.value;
        if (key->type != YAML_SCALAR_NODE || value->type == YAML_MAPPING_NODE ||
            strchr(field, '"')) {
            RK_FAIL(RK_ERR_CONFIG, "%s: val_interval wants fields with intervals or lists",
                    b->place);
        }
        rk__buffer_add(out, "%s(", out->length > 0 ? " and " : "");
        if (value->type == YAML_SEQUENCE_NODE) {
            rk__buffer_add(out, "\"%s\" in [", field);
            const yaml_node_item_t *first = value->data.sequence.items.start;
            if (first == value->data.sequence.items.top) {
                RK_FAIL(RK_ERR_CONFIG, "%s: no value is in the list of %s", b->place, field);
            }
            for (const yaml_node_item_t *i = first; i < value->data.sequence.items.top; i++) {
                const yaml_node_t *word = rk__yaml_node(&b->yaml, *i);
                if (word->type != YAML_SCALAR_NODE ||
                    strchr((char *)word->data.scalar.value, '"')) {
                    RK_FAIL(RK_ERR_CONFIG, "%s: the values of %s are words", b->place, field);
                }
                rk__buffer_add(out, "%s\"%s\"", i > first ? ", " : "", word->data.scalar.value);
            }
            rk__buffer_add(out, "]");
        } else {
            RK_TRY(intervals(b, out, field, (const char *)value->data.scalar.value));
        }
        rk__buffer_add(out, ")");
    }
    return out->status;
}

static rk_status take_where(rk_bridge *b)
{
    rk_buffer text = {0};
    const yaml_node_t *map = rk__bridge_find(b, b->root, "val_interval");
    if (!map) {
        return RK_OK;
    }
    if (map->type != YAML_MAPPING_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: val_interval is a map, e.g. {rating: \"[3,inf)\"}", b->place);
    }
    rk_status status = where_text(b, map, &text);
    if (status == RK_OK && text.length > 0) {
        status = rk__bridge_set_text(b, "data.sources[0].where", text.at);
    }
    rk__buffer_free(&text);
    return status;
}

/* Sets a key of one of the sources; a text is taken as it is. */
static rk_status set_source(rk_bridge *b, int64_t source, const char *key, const char *text)
{
    char option[64];
    snprintf(option, sizeof option, "data.sources[%lld].%s", (long long)source, key);
    return rk__bridge_set_text(b, option, text);
}

/* A file of the data set: NAME.inter, or NAME.PART.inter. */
static rk_status take_file(rk_bridge *b, int64_t source, const char *name, const char *part)
{
    const char *text;
    char *file = NULL;
    RK_TRY(rk__format(&file, "%s%s%s.inter", name, part ? "." : "", part ? part : ""));
    rk_status status = set_source(b, source, "file", file);
    rk__free(file);
    RK_TRY(status);
    RK_TRY(set_source(b, source, "format", "inter"));
    RK_TRY(rk__bridge_text(b, b->root, "field_separator", "\t", &text));
    RK_TRY(set_source(b, source, "separator", text));
    RK_TRY(rk__bridge_text(b, b->root, "USER_ID_FIELD", "user_id", &text));
    RK_TRY(set_source(b, source, "user", text));
    RK_TRY(rk__bridge_text(b, b->root, "ITEM_ID_FIELD", "item_id", &text));
    return set_source(b, source, "item", text);
}

/* benchmark_filename: the three parts, as they are. */
static rk_status take_parts(rk_bridge *b, const yaml_node_t *list, const char *name)
{
    static const char *const parts[] = {"train", "valid", "test"};
    static const char *const filters[] = {"val_interval", "user_inter_num_interval",
                                          "item_inter_num_interval", "rm_dup_inter"};
    char place[sizeof b->place];
    memcpy(place, b->place, sizeof place);
    if (list->type != YAML_SEQUENCE_NODE ||
        list->data.sequence.items.top - list->data.sequence.items.start != 3) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: benchmark_filename names three files, of train, valid and test: "
                "[train, valid, test]",
                b->place);
    }
    for (int64_t i = 0; i < 3; i++) {
        const yaml_node_t *one = rk__yaml_node(&b->yaml, list->data.sequence.items.start[i]);
        memcpy(b->place, place, sizeof place);
        if (one->type != YAML_SCALAR_NODE) {
            RK_FAIL(RK_ERR_CONFIG, "%s: benchmark_filename: names are words", b->place);
        }
        RK_TRY(take_file(b, i, name, (const char *)one->data.scalar.value));
        memcpy(b->place, place, sizeof place);
        RK_TRY(set_source(b, i, "part", parts[i]));
    }
    for (size_t i = 0; i < RK_COUNT_OF(filters); i++) {
        if (rk__bridge_find(b, b->root, filters[i])) {
            rk__bridge_note(b, b->place, filters[i],
                            "passed over: RecBole filters no files of benchmark_filename");
        }
    }
    b->has_parts = true;
    return RK_OK;
}

static rk_status take_filters(rk_bridge *b)
{
    const char *text;
    RK_TRY(take_where(b));
    RK_TRY(take_core(b, "user_inter_num_interval", "data.min_user"));
    RK_TRY(take_core(b, "item_inter_num_interval", "data.min_item"));
    RK_TRY(rk__bridge_text(b, b->root, "rm_dup_inter", NULL, &text));
    if (text && strcmp(text, "first") != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: rm_dup_inter %s: here the first row of a pair counts: write "
                "'first'",
                b->place, text);
    }
    if (!text) {
        rk__bridge_note(
            b, b->path, "rm_dup_inter",
            "not set, so RecBole keeps rows of the same user and item; here they become one");
    }
    return RK_OK;
}

/* Whether load_col has the field; without load_col all are there. */
static bool is_loaded(rk_bridge *b, const char *field)
{
    const yaml_node_t *map = rk__bridge_find(b, b->root, "load_col");
    if (!map) {
        return rk__bridge_is_given(b);
    }
    const yaml_node_t *list =
        map->type == YAML_MAPPING_NODE ? rk__bridge_find(b, map, "inter") : NULL;
    if (list && list->type == YAML_SCALAR_NODE) {
        return strcmp((const char *)list->data.scalar.value, "*") == 0;
    }
    const bool is_list = list && list->type == YAML_SEQUENCE_NODE;
    for (const yaml_node_item_t *i = is_list ? list->data.sequence.items.start : NULL;
         is_list && i < list->data.sequence.items.top; i++) {
        const yaml_node_t *word = rk__yaml_node(&b->yaml, *i);
        if (word->type == YAML_SCALAR_NODE &&
            strcmp((const char *)word->data.scalar.value, field) == 0) {
            return true;
        }
    }
    return false;
}

/* Users and items are among the columns that load_col names. */
static rk_status check_loaded(rk_bridge *b)
{
    static const char *const keys[][2] = {{"USER_ID_FIELD", "user_id"},
                                          {"ITEM_ID_FIELD", "item_id"}};
    for (size_t i = 0; rk__bridge_find(b, b->root, "load_col") && i < RK_COUNT_OF(keys); i++) {
        const char *field;
        RK_TRY(rk__bridge_text(b, b->root, keys[i][0], keys[i][1], &field));
        if (!is_loaded(b, field)) {
            rk__bridge_find(b, b->root, "load_col");
            RK_FAIL(RK_ERR_CONFIG, "%s: load_col.inter lacks the field %s, which %s names: add it",
                    b->place, field, keys[i][0]);
        }
    }
    return RK_OK;
}

rk_status rk__bridge_data(rk_bridge *b)
{
    const char *name, *folder;
    char *whole = NULL;
    RK_TRY(rk__bridge_text(b, b->root, "dataset", NULL, &name));
    if (!name) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the key 'dataset' is missing: add the line 'dataset: NAME'",
                b->path);
    }
    RK_TRY(rk__bridge_set_text(b, "data.name", name));
    RK_TRY(rk__bridge_text(b, b->root, "data_path", "dataset/", &folder));
    RK_TRY(rk__format(&whole, "%s%s%s", folder,
                      folder[0] != '\0' && folder[strlen(folder) - 1] == '/' ? "" : "/", name));
    rk_status status = rk__bridge_set_text(b, "data.root", whole);
    rk__free(whole);
    RK_TRY(status);
    RK_TRY(rk__bridge_set(b, "data.ids", "text"));
    RK_TRY(check_loaded(b));
    const yaml_node_t *parts = rk__bridge_find(b, b->root, "benchmark_filename");
    if (parts) {
        return take_parts(b, parts, name);
    }
    rk__bridge_find(b, b->root, "dataset");
    RK_TRY(take_file(b, 0, name, NULL));
    return take_filters(b);
}

/* RS: shares of train, valid and test. */
static rk_status take_ratio(rk_bridge *b, const yaml_node_t *list, const char *group, bool by_time)
{
    double share[3] = {0.8, 0.1, 0.1};
    if (list && (list->type != YAML_SEQUENCE_NODE ||
                 list->data.sequence.items.top - list->data.sequence.items.start != 3)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: RS wants three shares, e.g. [0.8,0.1,0.1]", b->place);
    }
    for (int i = 0; list && i < 3; i++) {
        const yaml_node_t *one = rk__yaml_node(&b->yaml, list->data.sequence.items.start[i]);
        if (one->type != YAML_SCALAR_NODE ||
            rk__parse_real((const char *)one->data.scalar.value, one->data.scalar.length,
                           &share[i]) != RK_PARSE_OK ||
            share[i] < 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s: share %d of RS is no number from 0 on", b->place, i + 1);
        }
    }
    const double all = share[0] + share[1] + share[2];
    const bool by_user = strcmp(group, "user") == 0;
    if (all <= 0 || (!by_user && !by_time)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s", b->place,
                all <= 0 ? "the shares of RS are 0"
                         : "RS in random order without groups has no counterpart here: write "
                           "'group_by: user', or 'order: TO'");
    }
    if (fabs(all - 1) > 1e-9) {
        rk__bridge_note(b, b->place, "RS",
                        "the shares do not sum to 1: each is divided by their sum, as there");
    }
    rk__bridge_note(
        b, b->place, "RS",
        by_user ? "users with fewer than 3 items are in train only; RecBole tests those with 2"
                : "rows of one time stamp are not divided; RecBole divides them");
    RK_TRY(rk__bridge_set(b, "split.kind", by_user ? "ratio" : "time"));
    RK_TRY(rk__bridge_set_real(b, "split.valid", share[1] / all));
    return rk__bridge_set_real(b, "split.test", share[2] / all);
}

static rk_status take_leave_one_out(rk_bridge *b, const yaml_node_t *word)
{
    const char *text =
        word && word->type == YAML_SCALAR_NODE ? (const char *)word->data.scalar.value : "";
    const bool has_valid = strcmp(text, "test_only") != 0,
               has_test = strcmp(text, "valid_only") != 0;
    if (has_valid && has_test && strcmp(text, "valid_and_test") != 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: LS is valid_and_test, valid_only or test_only", b->place);
    }
    rk__bridge_note(b, b->place, "LS",
                    "users with fewer than 3 items are in train only; RecBole tests those with 2");
    RK_TRY(rk__bridge_set(b, "split.kind", "leave_one_out"));
    RK_TRY(rk__bridge_set(b, "split.valid", has_valid ? "0.1" : "0"));
    return rk__bridge_set(b, "split.test", has_test ? "0.1" : "0");
}

/* full, uni100, pop100: by whom held-out items are ranked. */
static rk_status take_mode(rk_bridge *b, const char *mode, bool is_one_item)
{
    int64_t n = 0;
    const bool is_uniform = strncmp(mode, "uni", 3) == 0, is_popular = strncmp(mode, "pop", 3) == 0;
    if (strcmp(mode, "full") == 0) {
        return RK_OK;
    }
    if ((!is_uniform && !is_popular) ||
        rk__parse_int(mode + 3, strlen(mode + 3), &n) != RK_PARSE_OK || n < 1) {
        RK_FAIL(RK_ERR_CONFIG, "%s: mode %s has no counterpart; full, uniN and popN have", b->place,
                mode);
    }
    if (!is_one_item) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: mode %s ranks all held-out items of a user in one list there, each of them "
                "in its own here: write 'mode: full', or split by LS",
                b->place, mode);
    }
    rk__bridge_note(b, b->place, mode, "candidates are drawn once, without replacement");
    RK_TRY(rk__bridge_set(b, "split.candidates", mode + 3));
    RK_TRY(rk__bridge_set(b, "split.candidates_by", is_uniform ? "uniform" : "popularity"));
    return rk__bridge_set(b, "eval.among", "candidates");
}

static rk_status take_split(rk_bridge *b, const yaml_node_t *args, bool *out_one_item)
{
    const char *order, *group, *field;
    RK_TRY(rk__bridge_text(b, args, "group_by", NULL, &group));
    if (!group) { /* not there: RecBole's default; nothing: no groups */
        group = rk__bridge_is_given(b) ? "none" : "user";
    }
    RK_TRY(rk__bridge_text(b, b->root, "TIME_FIELD", "timestamp", &field));
    RK_TRY(rk__bridge_text(b, args, "order", "RO", &order));
    const bool by_time = strcmp(order, "TO") == 0;
    if (!by_time && strcmp(order, "RO") != 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: order is '%s'; RO or TO is wanted", b->place, order);
    }
    RK_TRY(rk__bridge_set(b, "split.order", by_time ? "time" : "random"));
    if (by_time) {
        RK_TRY(rk__bridge_set_text(b, "data.sources[0].time", field));
        RK_TRY(rk__bridge_set(b, "split.ties", "row"));
        if (!is_loaded(b, field)) {
            rk__bridge_find(b, args, "order");
            RK_FAIL(RK_ERR_CONFIG, "%s: order TO needs the field %s: add it to load_col.inter",
                    b->place, field);
        }
    }
    const yaml_node_t *split = rk__bridge_find(b, args, "split");
    const yaml_node_t *ratio = NULL;
    if (!split) {
        rk__bridge_find(b, args, "group_by");
        RK_TRY(take_ratio(b, NULL, group, by_time));
    } else if (rk__bridge_find(b, split, "RS") && rk__bridge_find(b, split, "LS")) {
        RK_FAIL(RK_ERR_CONFIG, "%s: split has RS and LS: one of them is wanted", b->place);
    } else if ((ratio = rk__bridge_find(b, split, "RS"))) {
        RK_TRY(take_ratio(b, ratio, group, by_time));
    } else if (rk__bridge_find(b, split, "LS")) {
        *out_one_item = true;
        RK_TRY(take_leave_one_out(b, rk__bridge_find(b, split, "LS")));
    } else {
        rk__bridge_find(b, args, "split");
        RK_FAIL(RK_ERR_CONFIG, "%s: split is neither RS nor LS, which have counterparts", b->place);
    }
    return RK_OK;
}

rk_status rk__bridge_split(rk_bridge *b)
{
    static const char *const names[] = {"split", "group_by", "order", "mode"};
    const char *mode;
    bool is_one_item = false;
    const yaml_node_t *args = rk__bridge_find(b, b->root, "eval_args");
    if (args && args->type != YAML_MAPPING_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: eval_args is a map of split, group_by, order and mode",
                b->place);
    }
    rk__bridge_check_names(b, args, "eval_args", names, RK_COUNT_OF(names));
    if (!b->has_parts) {
        RK_TRY(take_split(b, args, &is_one_item));
    } else if (rk__bridge_find(b, args, "split")) {
        rk__bridge_note(b, b->place, "split", "passed over: benchmark_filename names the parts");
    }
    RK_TRY(rk__bridge_text(b, args, "mode", "full", &mode));
    return take_mode(b, mode, is_one_item);
}
