#include "sweep/space.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "config/paths.h"
#include "config/schema.h"

enum { MOST_AXES = 64, MOST_VALUES = 100000 };

/* ---- axes ---- */

rk_status rk__space_add(rk_space *space, const char *origin, rk_axis **out)
{
    if (space->n == MOST_AXES) {
        RK_FAIL(RK_ERR_CONFIG, "%s: a space has at most %d options", origin, MOST_AXES);
    }
    if (space->n == space->capacity) {
        const int64_t capacity = 2 * space->capacity + 8;
        RK_TRY(rk__realloc(&space->axes, space->n, capacity, sizeof *space->axes, "a space"));
        space->capacity = capacity;
    }
    *out = &space->axes[space->n];
    **out = (rk_axis){.n_keys = 0};
    space->n++;
    return rk__strdup(&(*out)->origin, origin);
}

rk_status rk__axis_add_key(rk_axis *axis, const char *key, size_t length)
{
    RK_TRY(rk__realloc(&axis->keys, axis->n_keys, axis->n_keys + 1, sizeof *axis->keys,
                       "the keys of an axis"));
    axis->keys[axis->n_keys] = NULL;
    axis->n_keys++;
    return rk__strndup(&axis->keys[axis->n_keys - 1], key, length);
}

rk_status rk__axis_add_text(rk_axis *axis, char *text)
{
    const int64_t used = axis->n;
    rk_status status = RK_OK;
    if (used == MOST_VALUES) {
        RK_FAIL_GOTO(failed, RK_ERR_CONFIG, "%s: more than %d values", axis->origin, MOST_VALUES);
    }
    RK_TRY_GOTO(failed, rk__realloc(&axis->texts, used, used + 1, sizeof *axis->texts,
                                    "the values of an axis"));
    axis->texts[used] = text;
    axis->n = used + 1;
    return RK_OK;
failed:
    rk__free(text);
    return status;
}

/* The row of an option; NULL for an element's or an unknown one. */
static const rk_option *row_of(const char *key)
{
    char section[32];
    const char *dot = strchr(key, '.');
    if (!dot || (size_t)(dot - key) >= sizeof section || strchr(key, '[')) {
        return NULL;
    }
    memcpy(section, key, (size_t)(dot - key));
    section[dot - key] = '\0';
    return rk__option_find(section, dot + 1, strlen(dot + 1));
}

rk_status rk__axis_set_range(rk_axis *axis, rk_domain domain, const double *numbers, int64_t n)
{
    const rk_option *row = axis->n_keys == 1 ? row_of(axis->keys[0]) : NULL;
    const bool is_step = domain == RK_DOMAIN_STEP;
    if (axis->n_keys != 1) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: options that change together have lists of values, not a range of numbers",
                axis->origin);
    }
    if (n != (is_step ? 3 : 2)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s wants %s, here are %lld numbers", axis->origin,
                axis->keys[0], is_step ? "low, high and step" : "low and high", (long long)n);
    }
    *axis = (rk_axis){.keys = axis->keys,
                      .n_keys = 1,
                      .origin = axis->origin,
                      .domain = domain,
                      .is_whole = row && row->type == RK_TYPE_INT,
                      .low = numbers[0],
                      .high = numbers[1],
                      .step = is_step ? numbers[2] : 0};
    if (!(axis->low < axis->high)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the range of %s, %g to %g, is empty: the smaller number first",
                axis->origin, axis->keys[0], axis->low, axis->high);
    }
    if (domain == RK_DOMAIN_LOG && axis->low <= 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the range of %s begins at %g; log wants numbers above 0",
                axis->origin, axis->keys[0], axis->low);
    }
    if (is_step && axis->is_whole &&
        (axis->low != floor(axis->low) || axis->step != floor(axis->step))) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s is a whole number, which steps of %g from %g on are not",
                axis->origin, axis->keys[0], axis->step, axis->low);
    }
    if (is_step && !(axis->step > 0 && (axis->high - axis->low) / axis->step < MOST_VALUES)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: the step of %s is %g; it must be above 0 and give at most %d values",
                axis->origin, axis->keys[0], axis->step, MOST_VALUES);
    }
    return RK_OK;
}

int64_t rk__axis_count(const rk_axis *axis)
{
    if (axis->domain == RK_DOMAIN_LIST) {
        return axis->n / axis->n_keys;
    }
    return axis->domain == RK_DOMAIN_STEP
               ? (int64_t)floor((axis->high - axis->low) / axis->step + 1e-9) + 1
               : 0;
}

/* To six digits, so that a value is the same on every machine and can be read. */
static double six_digits(double x)
{
    if (x == 0 || !isfinite(x)) {
        return x;
    }
    const double scale = pow(10, 5 - floor(log10(fabs(x))));
    double rounded = round(x * scale) / scale;
    char text[32];
    rk__print_real(text, rounded);
    if (strlen(text) > 14) { /* the division left a tail */
        char exponent[48];
        snprintf(exponent, sizeof exponent, "%.0fe%d", round(x * scale),
                 -(int)(5 - floor(log10(fabs(x)))));
        rk__parse_real(exponent, strlen(exponent), &rounded);
    }
    return rounded;
}

double rk__axis_at(const rk_axis *axis, int64_t i)
{
    return axis->domain == RK_DOMAIN_LIST ? (double)i
                                          : six_digits(axis->low + (double)i * axis->step);
}

double rk__axis_round(const rk_axis *axis, double x)
{
    if (axis->domain == RK_DOMAIN_LIST) {
        return fmin(fmax(floor(x), 0), (double)(rk__axis_count(axis) - 1));
    }
    if (axis->domain == RK_DOMAIN_STEP) {
        const double i = round((x - axis->low) / axis->step);
        return rk__axis_at(axis, (int64_t)fmin(fmax(i, 0), (double)(rk__axis_count(axis) - 1)));
    }
    x = axis->is_whole ? round(x) : six_digits(x);
    return fmin(fmax(x, axis->low), axis->high);
}

rk_status rk__axis_text(const rk_axis *axis, double place, int64_t k, char **out)
{
    if (axis->domain == RK_DOMAIN_LIST) {
        return rk__strdup(out, axis->texts[(int64_t)place * axis->n_keys + k]);
    }
    char text[32];
    if (axis->is_whole) {
        snprintf(text, sizeof text, "%.0f", place);
    } else {
        rk__print_real(text, place);
    }
    return rk__strdup(out, text);
}

const char *rk__domain_name(const rk_axis *axis)
{
    static const char *const names[RK_DOMAIN_COUNT] = {"list", "uniform", "log", "step"};
    return axis->domain == RK_DOMAIN_STEP && axis->step == 1 ? "int" : names[axis->domain];
}

void rk__space_free(rk_space *space)
{
    for (int64_t a = 0; a < space->n; a++) {
        rk_axis *axis = &space->axes[a];
        for (int64_t i = 0; i < axis->n_keys; i++) {
            rk__free(axis->keys[i]);
        }
        for (int64_t i = 0; i < axis->n; i++) {
            rk__free(axis->texts[i]);
        }
        rk__free(axis->keys);
        rk__free(axis->texts);
        rk__free(axis->origin);
    }
    rk__free(space->axes);
    *space = (rk_space){0};
}

/* ---- YAML ---- */

typedef struct reader {
    rk_space *space;
    rk_yaml *yaml;
    const char *path;
    char place[1024]; /* path:line of what is being read */
} reader;

static const char *at(reader *r, const yaml_node_t *node)
{
    snprintf(r->place, sizeof r->place, "%s:%lld", r->path, (long long)rk__yaml_line(node));
    return r->place;
}

/* A value of a list, or a list as one, in YAML; numbers without quotes. */
static void print_value(const char *text, rk_buffer *out)
{
    double number;
    if (text[0] == '[' || rk__parse_real(text, strlen(text), &number) == RK_PARSE_OK) {
        rk__buffer_add(out, "%s", text);
    } else {
        rk__print_string(out, text, strlen(text));
    }
}

/* A value as rk_config_set takes it: a scalar as it is, a list in brackets. */
static rk_status value_text(reader *r, const yaml_node_t *node, char **out)
{
    rk_buffer text = {0};
    *out = NULL;
    if (node->type == YAML_SCALAR_NODE) {
        const rk_scalar scalar = rk__yaml_scalar(node);
        return rk__strndup(out, scalar.at, scalar.length);
    }
    if (node->type != YAML_SEQUENCE_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: a map stands where a value is wanted", at(r, node));
    }
    rk__buffer_add(&text, "[");
    for (const yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        const yaml_node_t *element = rk__yaml_node(r->yaml, *item);
        if (element->type != YAML_SCALAR_NODE) {
            rk__buffer_free(&text);
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: a value is nested too deep: an option is a value or a list "
                    "of values",
                    at(r, element));
        }
        const rk_scalar scalar = rk__yaml_scalar(element);
        rk__buffer_add(&text, text.length > 1 ? ", " : "");
        char *one = NULL; /* zero-terminated */
        rk_status status = rk__strndup(&one, scalar.at, scalar.length);
        if (status != RK_OK) {
            rk__buffer_free(&text);
            return status;
        }
        print_value(one, &text);
        rk__free(one);
    }
    rk__buffer_add(&text, "]");
    return rk__buffer_take(&text, out);
}

static rk_status add_value(reader *r, rk_axis *axis, const yaml_node_t *node)
{
    char *text = NULL;
    RK_TRY(value_text(r, node, &text));
    return rk__axis_add_text(axis, text);
}

static rk_status read_list(reader *r, rk_axis *axis, const yaml_node_t *list)
{
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *value = rk__yaml_node(r->yaml, *item);
        if (axis->n_keys == 1) {
            RK_TRY(add_value(r, axis, value));
            continue;
        }
        const bool is_list = value->type == YAML_SEQUENCE_NODE;
        const yaml_node_item_t *first = value->data.sequence.items.start;
        if (!is_list || value->data.sequence.items.top - first != axis->n_keys) {
            RK_FAIL(RK_ERR_CONFIG,
                    "%s: %lld options change together here, so each element is a list of %lld "
                    "values",
                    at(r, value), (long long)axis->n_keys, (long long)axis->n_keys);
        }
        for (int64_t k = 0; k < axis->n_keys; k++) {
            RK_TRY(add_value(r, axis, rk__yaml_node(r->yaml, first[k])));
        }
    }
    if (axis->n == 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the list of %s is empty", at(r, list), axis->keys[0]);
    }
    return RK_OK;
}

/* {log: [1e-4, 1e-2]} */
static rk_status read_range(reader *r, rk_axis *axis, const yaml_node_t *map)
{
    static const struct {
        const char *word;
        rk_domain domain;
    } words[] = {{"uniform", RK_DOMAIN_UNIFORM}, {"log", RK_DOMAIN_LOG},
                 {"loguniform", RK_DOMAIN_LOG},  {"int", RK_DOMAIN_STEP},
                 {"step", RK_DOMAIN_STEP},       {"quniform", RK_DOMAIN_STEP}};
    const yaml_node_pair_t *pair = map->data.mapping.pairs.start;
    const yaml_node_t *key = NULL, *list = NULL;
    double numbers[3] = {0};
    int64_t n = 0;
    size_t w = sizeof words / sizeof words[0];
    if (map->data.mapping.pairs.top - pair == 1) {
        key = rk__yaml_node(r->yaml, pair->key);
        list = rk__yaml_node(r->yaml, pair->value);
    }
    for (size_t i = 0; key && key->type == YAML_SCALAR_NODE && i < sizeof words / sizeof words[0];
         i++) {
        w = strcmp((const char *)key->data.scalar.value, words[i].word) == 0 ? i : w;
    }
    if (w == sizeof words / sizeof words[0] && !strchr(axis->keys[0], '.')) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: a space names each option whole, without sections: '%s.OPTION: [a, b]'",
                at(r, map), axis->keys[0]);
    }
    if (w == sizeof words / sizeof words[0] || list->type != YAML_SEQUENCE_NODE) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: a range of numbers is written {uniform: [low, high]}, {log: [low, high]}, "
                "{int: [low, high]} or {step: [low, high, step]}",
                at(r, map));
    }
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *element = rk__yaml_node(r->yaml, *item);
        const rk_scalar s =
            element->type == YAML_SCALAR_NODE ? rk__yaml_scalar(element) : (rk_scalar){.at = ""};
        double number = 0;
        if (rk__parse_real(s.at, s.length, &number) != RK_PARSE_OK) {
            RK_FAIL(RK_ERR_CONFIG, "%s: '%.*s' is not a number", at(r, element), (int)s.length,
                    s.at);
        }
        if (n < 2) {
            numbers[n] = number;
        } else {
            numbers[2] = number;
        }
        n++;
    }
    if (strcmp(words[w].word, "int") == 0 && n == 2) {
        if (numbers[0] != floor(numbers[0]) || numbers[1] != floor(numbers[1])) {
            RK_FAIL(RK_ERR_CONFIG, "%s: int wants whole numbers", at(r, list));
        }
        numbers[n++] = 1;
    }
    return rk__axis_set_range(axis, words[w].domain, numbers, n);
}

/* "model.dim", "loss.kind+sampling.negatives" */
static rk_status read_keys(reader *r, rk_axis *axis, const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: an option is wanted, e.g. model.dim", at(r, node));
    }
    const char *text = (const char *)node->data.scalar.value;
    for (;;) {
        const char *plus = strchr(text, '+');
        size_t length = plus ? (size_t)(plus - text) : strlen(text);
        size_t blanks = strspn(text, " ");
        const char *from = text + (blanks < length ? blanks : length);
        size_t n = length - (size_t)(from - text);
        while (n > 0 && from[n - 1] == ' ') {
            n--;
        }
        RK_TRY(rk__axis_add_key(axis, from, n));
        if (!plus) {
            return RK_OK;
        }
        text = plus + 1;
    }
}

static rk_status read_axis(reader *r, const yaml_node_t *key, const yaml_node_t *value)
{
    char origin[300];
    rk_axis *axis = NULL;
    snprintf(origin, sizeof origin, "%s:%lld", rk__path_name(r->path),
             (long long)rk__yaml_line(key));
    RK_TRY(rk__space_add(r->space, origin, &axis));
    RK_TRY(read_keys(r, axis, key));
    if (value->type == YAML_SEQUENCE_NODE) {
        return read_list(r, axis, value);
    }
    if (value->type == YAML_MAPPING_NODE) {
        return read_range(r, axis, value);
    }
    RK_FAIL(RK_ERR_CONFIG,
            "%s: %s is one value; a space wants a list of them, [a, b], or a range, {log: [low, "
            "high]}",
            at(r, key), axis->keys[0]);
}

/* ---- checks ---- */

/* Options that say what a trial's value is: with other ones values could not be compared. Of eval
 * only what decides how long is trained. */
static rk_status check_key(const rk_axis *axis, const char *key)
{
    static const char *const eval[] = {"eval.every", "eval.patience", "eval.select"};
    static const char *const no[] = {"run.keep_data", "run.device", "run.communicator",
                                     "run.patience", "run.threads"};
    bool is_bad = strncmp(key, "eval.", 5) == 0;
    for (size_t i = 0; i < sizeof eval / sizeof eval[0]; i++) {
        is_bad = is_bad && strcmp(key, eval[i]) != 0;
    }
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++) {
        is_bad = is_bad || strcmp(key, no[i]) == 0;
    }
    if (is_bad) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: %s cannot be in a space: trials are compared by eval.metric on valid, which "
                "must mean the same for all of them; set it in the config",
                axis->origin, key);
    }
    return RK_OK;
}

static rk_status set(rk_config *scratch, const rk_axis *axis, double place, int64_t k)
{
    char *text = NULL, *assignment = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__axis_text(axis, place, k, &text));
    RK_TRY_GOTO(done, rk__format(&assignment, "%s=%s", axis->keys[k], text));
    status = rk_config_set(scratch, assignment, axis->origin);
done:
    rk__free(assignment);
    rk__free(text);
    return status;
}

static rk_status check_axis(const rk_space *space, int64_t a, rk_config *scratch)
{
    const rk_axis *axis = &space->axes[a];
    const int64_t count = rk__axis_count(axis);
    for (int64_t k = 0; k < axis->n_keys; k++) {
        RK_TRY(check_key(axis, axis->keys[k]));
        for (int64_t b = 0; b <= a; b++) {
            for (int64_t i = 0; i < (b == a ? k : space->axes[b].n_keys); i++) {
                if (strcmp(space->axes[b].keys[i], axis->keys[k]) == 0) {
                    RK_FAIL(RK_ERR_CONFIG, "%s: %s is there twice; the first is in %s",
                            axis->origin, axis->keys[k], space->axes[b].origin);
                }
            }
        }
        for (int64_t i = 0; i < (axis->domain == RK_DOMAIN_LIST ? count : 0); i++) {
            RK_TRY(set(scratch, axis, (double)i, k));
        }
        if (axis->domain != RK_DOMAIN_LIST) {
            RK_TRY(set(scratch, axis, axis->low, k));
            RK_TRY(set(scratch, axis, axis->high, k));
            RK_TRY(set(scratch, axis,
                       rk__axis_round(axis, axis->low + 0.381966 * (axis->high - axis->low)), k));
        }
    }
    return RK_OK;
}

static rk_status check(const rk_space *space, const char *path, const rk_config *config)
{
    rk_config *scratch = NULL;
    if (space->n == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: the space is empty: name options and their values, e.g. "
                "model.dim: [32, 64]",
                path);
    }
    RK_TRY(rk__config_copy(config, &scratch));
    rk_status status = RK_OK;
    for (int64_t a = 0; a < space->n && status == RK_OK; a++) {
        status = check_axis(space, a, scratch);
    }
    rk_config_free(scratch);
    return status;
}

/* ---- files ---- */

rk_status rk__space_of_node(rk_space *out, rk_yaml *yaml, const yaml_node_t *map, const char *path,
                            const rk_config *config)
{
    reader r = {.space = out, .yaml = yaml, .path = path};
    *out = (rk_space){0};
    if (map && !rk__yaml_is_nothing(map) && map->type != YAML_MAPPING_NODE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: a space is lines like 'model.dim: [32, 64]'", at(&r, map));
    }
    for (const yaml_node_pair_t *pair =
             map && map->type == YAML_MAPPING_NODE ? map->data.mapping.pairs.start : NULL;
         pair && pair < map->data.mapping.pairs.top; pair++) {
        RK_TRY(read_axis(&r, rk__yaml_node(yaml, pair->key), rk__yaml_node(yaml, pair->value)));
    }
    return check(out, path, config);
}

/* hyper.test: the first line that says something is "name type ...", two words of letters, which no
 * YAML space begins with. */
static bool is_hyper_test(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    text += strspn(text, " \t\r\n");
    while (*text == '#') {
        text += strcspn(text, "\r\n");
        text += strspn(text, " \t\r\n");
    }
    const size_t name = strspn(text, letters), gap = strspn(text + name, " \t");
    const char *type = text + name + gap;
    const size_t n = strspn(type, letters);
    return name > 0 && gap > 0 && n > 0 && (type[n] == '\0' || strchr(" \t\r\n", type[n]));
}

rk_status rk__space_read(rk_space *out, const char *path, const rk_config *config)
{
    rk_status status = RK_OK;
    rk_yaml yaml = {0};
    char *text = NULL;
    int64_t length = 0;
    *out = (rk_space){0};
    status = rk__file_read(path, &text, &length);
    if (status != RK_OK) {
        return status == RK_ERR_IO ? rk__fail_prefix(RK_ERR_CONFIG, "the space") : status;
    }
    const char *start =
        text + (strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0); /* a mark of UTF-8 */
    if (is_hyper_test(start)) {
        RK_TRY_GOTO(done, rk__space_read_hyper_test(out, path, start, config));
        status = check(out, path, config);
        goto done;
    }
    RK_TRY_GOTO(done, rk__yaml_parse(&yaml, path, true, text, length));
    status = rk__space_of_node(out, &yaml, rk__yaml_root(&yaml), path, config);
done:
    rk__yaml_free(&yaml);
    rk__free(text);
    return status;
}

void rk__space_print(const rk_space *space, const char *indent, rk_buffer *out)
{
    for (int64_t a = 0; a < space->n; a++) {
        const rk_axis *axis = &space->axes[a];
        char low[32], high[32], step[32];
        rk__buffer_add(out, "%s", indent);
        for (int64_t k = 0; k < axis->n_keys; k++) {
            rk__buffer_add(out, "%s%s", k > 0 ? "+" : "", axis->keys[k]);
        }
        if (axis->domain != RK_DOMAIN_LIST) {
            rk__print_real(low, axis->low);
            rk__print_real(high, axis->high);
            rk__print_real(step, axis->step);
            const char *name = rk__domain_name(axis);
            const bool has_step = strcmp(name, "step") == 0;
            rk__buffer_add(out, ": {%s: [%s, %s%s%s]}\n", name, low, high, has_step ? ", " : "",
                           has_step ? step : "");
            continue;
        }
        rk__buffer_add(out, ": [");
        for (int64_t i = 0; i < axis->n; i++) {
            const bool opens = axis->n_keys > 1 && i % axis->n_keys == 0;
            const bool closes = axis->n_keys > 1 && (i + 1) % axis->n_keys == 0;
            rk__buffer_add(out, "%s%s", i > 0 ? ", " : "", opens ? "[" : "");
            print_value(axis->texts[i], out);
            rk__buffer_add(out, "%s", closes ? "]" : "");
        }
        rk__buffer_add(out, "]\n");
    }
}
