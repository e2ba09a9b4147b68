/*
 * RecBole's hyper.test (HyperTuning._build_space_from_file): lines "name type value", blanks in the
 * value dropped, lines of fewer than three words passed over. choice has a Python list, whose
 * elements may be texts that hold lists; loguniform has the natural logarithms of its bounds. Its
 * names come from the table of config/recbole.h. Lists are read as YAML, which reads Python's, too;
 * nothing is evaluated.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/paths.h"
#include "config/recbole.h"
#include "sweep/space.h"

typedef struct line {
    const char *name, *type; /* lent */
    size_t name_length, type_length;
    char *value;      /* without blanks; owned */
    char place[1024]; /* path:line */
} line;

static size_t word(const char **inout_at, const char *end, const char **out)
{
    while (*inout_at < end && (**inout_at == ' ' || **inout_at == '\t')) {
        (*inout_at)++;
    }
    *out = *inout_at;
    while (*inout_at < end && **inout_at != ' ' && **inout_at != '\t') {
        (*inout_at)++;
    }
    return (size_t)(*inout_at - *out);
}

/* The domain of a word, RK_DOMAIN_COUNT: none. */
static rk_domain domain_of(const line *l)
{
    static const char *const words[RK_DOMAIN_COUNT] = {[RK_DOMAIN_LIST] = "choice",
                                                       [RK_DOMAIN_UNIFORM] = "uniform",
                                                       [RK_DOMAIN_STEP] = "quniform",
                                                       [RK_DOMAIN_LOG] = "loguniform"};
    rk_domain d = 0;
    while (d < RK_DOMAIN_COUNT &&
           (l->type_length != strlen(words[d]) || memcmp(l->type, words[d], l->type_length) != 0)) {
        d++;
    }
    return d;
}

/* *out_any false: there is nothing in this line. */
static rk_status split(line *out, const char *at, const char *end, bool *out_any)
{
    rk_buffer value = {0};
    const char *part;
    *out_any = false;
    out->name_length = word(&at, end, &out->name);
    out->type_length = word(&at, end, &out->type);
    const bool is_said = domain_of(out) < RK_DOMAIN_COUNT;
    for (size_t n; (n = word(&at, end, &part)) > 0;) {
        rk__buffer_add_bytes(&value, part, (int64_t)n);
        *out_any = true;
    }
    if (out->name_length > 0 && out->name[0] == '#') {
        *out_any = false;
    } else if (is_said && !*out_any) {
        rk__buffer_free(&value);
        RK_FAIL(RK_ERR_CONFIG, "%s: no values follow '%.*s', e.g. learning_rate choice [0.01,0.1]",
                out->place, (int)out->type_length, out->type);
    }
    return rk__buffer_take(&value, &out->value);
}

static const char *kind_of(const rk_config *config)
{
    return rk__option_choice("model.kind", rk__config_options(config)->model.kind);
}

static rk_status find(const line *l, const rk_config *config, const rk_recbole_key **out)
{
    rk_buffer hint = {0};
    *out = rk__recbole_find(l->name, l->name_length, kind_of(config));
    if (*out) {
        return RK_OK;
    }
    if (rk__recbole_knows(l->name, l->name_length)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: nothing here is what '%.*s' is for the model %s", l->place,
                (int)l->name_length, l->name, kind_of(config));
    }
    rk__recbole_suggest(&hint, l->name, l->name_length);
    rk_status status = hint.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s: '%.*s' is no parameter of RecBole that is known here%s", l->place,
                          (int)l->name_length, l->name, hint.at ? hint.at : "");
    }
    rk__buffer_free(&hint);
    return status;
}

static rk_status add_choice(rk_axis *axis, const rk_recbole_key *row, const line *l,
                            const char *value, size_t length)
{
    rk_buffer text = {0};
    char *whole = NULL;
    if (row->form == RK_RECBOLE_SAME && length > 0 && value[0] == '[') { /* a list in a text */
        RK_TRY(rk__strndup(&whole, value, length));
        return rk__axis_add_text(axis, whole);
    }
    rk_status status = rk__recbole_value(&text, row, value, length, l->place);
    if (status != RK_OK) {
        rk__buffer_free(&text);
        return status;
    }
    RK_TRY(rk__buffer_take(&text, &whole));
    return rk__axis_add_text(axis, whole);
}

/* An inner list as the text "[64,64]"; lists of layers are counted where the option is a number. */
static rk_status inner_text(rk_yaml *yaml, const yaml_node_t *list, const line *l, rk_buffer *out)
{
    rk__buffer_add(out, "[");
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *element = rk__yaml_node(yaml, *item);
        if (element->type != YAML_SCALAR_NODE) {
            RK_FAIL(RK_ERR_CONFIG, "%s: a list is nested too deep", l->place);
        }
        rk__buffer_add(out, "%s%s", out->length > 1 ? "," : "",
                       (const char *)element->data.scalar.value);
    }
    rk__buffer_add(out, "]");
    return out->status;
}

static rk_status read_choice(const line *l, const rk_recbole_key *row, rk_axis *axis)
{
    rk_status status = RK_OK;
    rk_yaml yaml = {0};
    rk_buffer inner = {0};
    RK_TRY(rk__yaml_parse(&yaml, l->place, false, l->value, (int64_t)strlen(l->value)));
    const yaml_node_t *list = rk__yaml_root(&yaml);
    if (!list || list->type != YAML_SEQUENCE_NODE ||
        list->data.sequence.items.top == list->data.sequence.items.start) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: choice wants a list of values, e.g. [32,64]",
                     l->place);
    }
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *element = rk__yaml_node(&yaml, *item);
        rk_scalar text = {.at = ""};
        if (element->type == YAML_SEQUENCE_NODE) {
            rk__buffer_free(&inner);
            RK_TRY_GOTO(done, inner_text(&yaml, element, l, &inner));
            text = (rk_scalar){.at = inner.at, .length = (size_t)inner.length};
        } else if (element->type == YAML_SCALAR_NODE) {
            text = rk__yaml_scalar(element);
        } else {
            RK_FAIL_GOTO(done, RK_ERR_CONFIG, "%s: a map stands where a value is wanted", l->place);
        }
        if (!text.quoted && text.length == 4 && memcmp(text.at, "True", 4) == 0) {
            text = (rk_scalar){.at = "true", .length = 4};
        } else if (!text.quoted && text.length == 5 && memcmp(text.at, "False", 5) == 0) {
            text = (rk_scalar){.at = "false", .length = 5};
        }
        RK_TRY_GOTO(done, add_choice(axis, row, l, text.at, text.length));
    }
done:
    rk__buffer_free(&inner);
    rk__yaml_free(&yaml);
    return status;
}

static rk_status read_range(const line *l, const rk_recbole_key *row, rk_domain domain,
                            rk_axis *axis)
{
    double numbers[3] = {0};
    int64_t n = 0;
    const char *at = l->value, *text;
    size_t length;
    if (row->form != RK_RECBOLE_SAME) {
        RK_FAIL(RK_ERR_CONFIG, "%s: '%.*s' is %s here, which needs a choice of values", l->place,
                (int)l->name_length, l->name, row->key);
    }
    for (; rk__next_name(&at, &text, &length); n++) {
        double number = 0;
        if (rk__parse_real(text, length, &number) != RK_PARSE_OK) {
            RK_FAIL(RK_ERR_CONFIG, "%s: '%.*s' is not a number", l->place, (int)length, text);
        }
        if (domain == RK_DOMAIN_LOG) {
            number = exp(number);
            char digits[32];
            snprintf(digits, sizeof digits, "%.5e", number);
            rk__parse_real(digits, strlen(digits), &number);
        }
        numbers[n < 3 ? n : 2] = number;
    }
    return rk__axis_set_range(axis, domain, numbers, n);
}

static rk_status read_line(rk_space *space, const char *path, int64_t number, const line *l,
                           const rk_config *config)
{
    const rk_recbole_key *row = NULL;
    rk_axis *axis = NULL;
    char origin[300];
    const rk_domain domain = domain_of(l);
    RK_TRY(find(l, config, &row));
    if (domain == RK_DOMAIN_COUNT) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s: '%.*s' is no type of parameter; there is choice, uniform, quniform, "
                "loguniform",
                l->place, (int)l->type_length, l->type);
    }
    snprintf(origin, sizeof origin, "%s:%lld", rk__path_name(path), (long long)number);
    RK_TRY(rk__space_add(space, origin, &axis));
    RK_TRY(rk__axis_add_key(axis, row->key, strlen(row->key)));
    return domain == RK_DOMAIN_LIST ? read_choice(l, row, axis) : read_range(l, row, domain, axis);
}

rk_status rk__space_read_hyper_test(rk_space *out, const char *path, const char *text,
                                    const rk_config *config)
{
    int64_t number = 1;
    for (const char *at = text; *at; number++) {
        const size_t length = strcspn(at, "\r\n");
        line l = {.value = NULL};
        bool any = false;
        snprintf(l.place, sizeof l.place, "%s:%lld", path, (long long)number);
        RK_TRY(split(&l, at, at + length, &any));
        rk_status status = any ? read_line(out, path, number, &l, config) : RK_OK;
        rk__free(l.value);
        RK_TRY(status);
        at += length;
        at += *at == '\r';
        at += *at == '\n';
    }
    return RK_OK;
}
