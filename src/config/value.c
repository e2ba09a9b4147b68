#include "config/value.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "config/paths.h"

enum { MOST_DEFAULTS = 32 }; /* elements of a default list */

static bool is_word(rk_scalar scalar, const char *word)
{
    return strlen(word) == scalar.length && memcmp(word, scalar.at, scalar.length) == 0;
}

/* "exp.yaml:3: train.epochs takes an integer in [0, 100], not 'many'". */
static rk_status wrong(const rk_option *row, const char *place, const char *name, rk_scalar found)
{
    rk_buffer text = {0};
    rk__option_describe(&text, row);
    rk_status status = text.status;
    if (status == RK_OK) {
        const bool has_words = row->type == RK_TYPE_CHOICE || row->type == RK_TYPE_CHOICES;
        const char *near = has_words ? rk__choice_nearest(row, found.at, found.length) : NULL;
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s: %s takes %s, not %s'%s'%s%s%s", place, name, text.at,
                          found.quoted ? "the quoted text " : "",
                          rk__excerpt(found.at, found.length).text, near ? "; did you mean " : "",
                          near ? near : "", near ? "?" : "");
    }
    rk__buffer_free(&text);
    return status;
}

static rk_status parse_number(rk_option_value *out, const rk_option *row, rk_scalar scalar,
                              const char *place, const char *name)
{
    bool is_real = row->type == RK_TYPE_REAL || row->type == RK_TYPE_REALS;
    int64_t integer = 0, low = 0, high = 0;
    double real = 0, real_low = 0, real_high = 0;
    rk_parse result = RK_PARSE_NOT_A_NUMBER;
    bool inside = false;
    if (scalar.quoted) {
        /* "5" in quotes is a text in every YAML reader. */
    } else if (is_real) {
        result = rk__parse_real(scalar.at, scalar.length, &real);
        rk__parse_real(row->minimum, strlen(row->minimum), &real_low);
        rk__parse_real(row->maximum, strlen(row->maximum), &real_high);
        inside = real >= real_low && real <= real_high;
    } else {
        result = rk__parse_int(scalar.at, scalar.length, &integer);
        rk__parse_int(row->minimum, strlen(row->minimum), &low);
        rk__parse_int(row->maximum, strlen(row->maximum), &high);
        inside = integer >= low && integer <= high;
    }
    if (result == RK_PARSE_NOT_A_NUMBER) {
        return wrong(row, place, name, scalar);
    }
    if (result == RK_PARSE_OUT_OF_RANGE || !inside) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s = %s is out of range [%s, %s]", place, name,
                rk__excerpt(scalar.at, scalar.length).text, row->minimum, row->maximum);
    }
    if (is_real) {
        out->as.real = real;
    } else {
        out->as.integer = integer;
    }
    return RK_OK;
}

static rk_status parse_size(rk_option_value *out, const rk_option *row, rk_scalar scalar,
                            const char *place, const char *name)
{
    int64_t bytes = 0, low = 0, high = 0;
    const rk_parse result =
        scalar.quoted ? RK_PARSE_NOT_A_NUMBER : rk__parse_size(scalar.at, scalar.length, &bytes);
    (void)rk__parse_size(row->minimum, strlen(row->minimum), &low);
    (void)rk__parse_size(row->maximum, strlen(row->maximum), &high);
    if (result != RK_PARSE_OK || (bytes != 0 && (bytes < low || bytes > high))) {
        return wrong(row, place, name, scalar);
    }
    out->as.integer = bytes;
    return RK_OK;
}

static rk_status parse_choice(rk_option_value *out, const rk_option *row, rk_scalar scalar,
                              const char *place, const char *name)
{
    int index = 0;
    for (const char *choice = row->minimum; choice; choice = rk__choice_next(choice), index++) {
        if (is_word(scalar, choice)) {
            out->as.choice = index;
            return RK_OK;
        }
    }
    return wrong(row, place, name, scalar);
}

static rk_status parse_bool(rk_option_value *out, const rk_option *row, rk_scalar scalar,
                            const char *place, const char *name)
{
    bool is_true = is_word(scalar, "true"), is_false = is_word(scalar, "false");
    if (scalar.quoted || (!is_true && !is_false)) {
        return wrong(row, place, name, scalar);
    }
    out->as.boolean = is_true;
    return RK_OK;
}

static rk_status check_scalar(rk_scalar scalar, const char *place, const char *name)
{
    if (scalar.length > RK_LONGEST_VALUE) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the value of %s is %zu bytes long, more than %d", place, name,
                scalar.length, RK_LONGEST_VALUE);
    }
    if (memchr(scalar.at, '\0', scalar.length)) {
        RK_FAIL(RK_ERR_CONFIG, "%s: the value of %s has a zero byte in it", place, name);
    }
    for (size_t i = 0, n = 0; i < scalar.length; i += n) {
        n = rk__utf8_length(scalar.at + i, scalar.length - i);
        if (n == 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s: the value of %s is not UTF-8: '%s'", place, name,
                    rk__excerpt(scalar.at, scalar.length).text);
        }
    }
    return RK_OK;
}

static rk_status parse_one(rk_option_value *out, const rk_option *row, rk_scalar scalar,
                           const char *place, const char *name)
{
    RK_TRY(check_scalar(scalar, place, name));
    switch (row->type) {
    case RK_TYPE_BOOL:
        return parse_bool(out, row, scalar, place, name);
    case RK_TYPE_INT:
    case RK_TYPE_REAL:
        return parse_number(out, row, scalar, place, name);
    case RK_TYPE_SIZE:
        return parse_size(out, row, scalar, place, name);
    case RK_TYPE_CHOICE:
        return parse_choice(out, row, scalar, place, name);
    case RK_TYPE_STRING:
    case RK_TYPE_PATH:
        return rk__strndup(&out->as.string, scalar.at, scalar.length);
    case RK_TYPE_INTS:
    case RK_TYPE_REALS:
    case RK_TYPE_CHOICES:
    case RK_TYPE_PATHS:
        break;
    }
    return RK_OK;
}

/* The i-th element, appended to the list of its type. */
static rk_status parse_element(rk_option_value *out, const rk_option *row, rk_scalar item,
                               const char *place, const char *name)
{
    rk_option_value element = {0};
    RK_TRY(check_scalar(item, place, name));
    if (row->type == RK_TYPE_CHOICES) {
        if (item.length == 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s: %s has an empty element", place, name);
        }
        RK_TRY(parse_choice(&element, row, item, place, name));
        out->as.ints.v[out->as.ints.n++] = element.as.choice;
        return RK_OK;
    }
    RK_TRY(parse_number(&element, row, item, place, name));
    if (row->type == RK_TYPE_REALS) {
        out->as.reals.v[out->as.reals.n++] = element.as.real;
    } else {
        out->as.ints.v[out->as.ints.n++] = element.as.integer;
    }
    return RK_OK;
}

/* A lone scalar counts as a list of one. */
static rk_status parse_list(rk_option_value *out, const rk_option *row, const rk_scalar *items,
                            int64_t n, const char *place, const char *name)
{
    bool is_reals = row->type == RK_TYPE_REALS; /* they may repeat */
    const bool may_be_empty = strcmp(row->default_text, "[]") == 0;
    if ((n == 0 && !may_be_empty) || n > RK_LONGEST_LIST) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s needs 1 to %d elements, not %lld", place, name,
                RK_LONGEST_LIST, (long long)n);
    }
    if (is_reals) {
        RK_TRY(rk__calloc(&out->as.reals.v, n, sizeof *out->as.reals.v, "a list of numbers"));
    } else {
        RK_TRY(rk__calloc(&out->as.ints.v, n, sizeof *out->as.ints.v, "a list of integers"));
    }
    /* the widths of layers may be equal */
    bool is_set = !is_reals && strcmp(row->section, "model") != 0;
    for (int64_t i = 0; i < n; i++) {
        RK_TRY(parse_element(out, row, items[i], place, name));
        for (int64_t j = 0; is_set && j < i; j++) {
            if (out->as.ints.v[j] == out->as.ints.v[i]) {
                RK_FAIL(RK_ERR_CONFIG, "%s: %s has '%s' twice", place, name,
                        rk__excerpt(items[i].at, items[i].length).text);
            }
        }
    }
    return RK_OK;
}

/* A lone scalar counts as a list of one; there may be none. */
static rk_status parse_paths(rk_texts *out, const rk_scalar *items, int64_t n, const char *place,
                             const char *name, const char *folder)
{
    if (n > RK_LONGEST_LIST) {
        RK_FAIL(RK_ERR_CONFIG, "%s: %s has more than %d elements", place, name, RK_LONGEST_LIST);
    }
    RK_TRY(rk__calloc(&out->v, n, sizeof *out->v, "a list of folders"));
    for (int64_t i = 0; i < n; i++) {
        char *path = NULL;
        RK_TRY(check_scalar(items[i], place, name));
        if (items[i].length == 0) {
            RK_FAIL(RK_ERR_CONFIG, "%s: %s has an empty element", place, name);
        }
        RK_TRY(rk__strndup(&path, items[i].at, items[i].length));
        rk_status status = rk__path_absolute(&out->v[i], folder, path);
        rk__free(path);
        RK_TRY(status);
        out->n++;
    }
    return RK_OK;
}

/* Words that some YAML reader takes for something other than a text. */
static bool is_reserved(const char *text)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on",
                                        "off",  "y",     "n",    "nan", "inf"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_plain(const char *text, size_t length)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    static const char more[] = "0123456789.-+@";
    if (length == 0 || strlen(text) != length || !strchr(first, text[0]) || is_reserved(text)) {
        return false;
    }
    for (size_t i = 1; i < length; i++) {
        if (!strchr(first, text[i]) && !strchr(more, text[i])) {
            return false;
        }
    }
    return true;
}

void rk__print_string(rk_buffer *out, const char *text, size_t length)
{
    if (is_plain(text, length)) {
        rk__buffer_add_bytes(out, text, (int64_t)length);
        return;
    }
    rk__buffer_add(out, "\"");
    for (size_t i = 0; i < length;) {
        size_t n = rk__utf8_length(text + i, length - i);
        uint32_t code = rk__utf8_code(text + i, n);
        if (code == '"' || code == '\\') {
            rk__buffer_add(out, "\\%c", (char)code);
        } else if (code == '\t') {
            rk__buffer_add(out, "\\t");
        } else if (code == '\n') {
            rk__buffer_add(out, "\\n");
        } else if (rk__utf8_is_special(code)) {
            rk__buffer_add(out, code > 0xffff ? "\\U%08x" : "\\u%04x", code);
        } else {
            rk__buffer_add_bytes(out, text + i, (int64_t)n);
        }
        i += n;
    }
    rk__buffer_add(out, "\"");
}

static rk_status print_value(char **out, const rk_option *row, const rk_option_value *value,
                             const rk_scalar *items, int64_t n)
{
    rk_buffer text = {0};
    switch (row->type) {
    case RK_TYPE_BOOL:
    case RK_TYPE_INT:
    case RK_TYPE_REAL:
    case RK_TYPE_SIZE:
    case RK_TYPE_CHOICE:
        rk__buffer_add_bytes(&text, items[0].at, (int64_t)items[0].length);
        break;
    case RK_TYPE_STRING:
    case RK_TYPE_PATH:
        rk__print_string(&text, value->as.string, strlen(value->as.string));
        break;
    case RK_TYPE_PATHS:
        rk__buffer_add(&text, "[");
        for (int64_t i = 0; i < n; i++) {
            rk__buffer_add(&text, "%s", i > 0 ? ", " : "");
            rk__print_string(&text, value->as.texts.v[i], strlen(value->as.texts.v[i]));
        }
        rk__buffer_add(&text, "]");
        break;
    case RK_TYPE_INTS:
    case RK_TYPE_REALS:
    case RK_TYPE_CHOICES:
        rk__buffer_add(&text, "[");
        for (int64_t i = 0; i < n; i++) {
            rk__buffer_add(&text, "%s", i > 0 ? ", " : "");
            rk__buffer_add_bytes(&text, items[i].at, (int64_t)items[i].length);
        }
        rk__buffer_add(&text, "]");
        break;
    }
    return rk__buffer_take(&text, out);
}

/* Frees what a value of this type owns; `at` is the value itself and is left empty. */
static void free_contents(rk_option_type type, void *at)
{
    char *string = NULL;
    rk_ints ints = {0};
    rk_reals reals = {0};
    rk_texts texts = {0};
    switch (type) {
    case RK_TYPE_STRING:
    case RK_TYPE_PATH:
        memcpy(&string, at, sizeof string);
        rk__free(string);
        memset(at, 0, sizeof string);
        break;
    case RK_TYPE_INTS:
    case RK_TYPE_CHOICES:
        memcpy(&ints, at, sizeof ints);
        rk__free(ints.v);
        memset(at, 0, sizeof ints);
        break;
    case RK_TYPE_PATHS:
        memcpy(&texts, at, sizeof texts);
        for (int64_t i = 0; i < texts.n; i++) {
            rk__free(texts.v[i]);
        }
        rk__free(texts.v);
        memset(at, 0, sizeof texts);
        break;
    case RK_TYPE_REALS:
        memcpy(&reals, at, sizeof reals);
        rk__free(reals.v);
        memset(at, 0, sizeof reals);
        break;
    case RK_TYPE_BOOL:
    case RK_TYPE_INT:
    case RK_TYPE_REAL:
    case RK_TYPE_SIZE:
    case RK_TYPE_CHOICE:
        break;
    }
}

/* A map, a list or nothing where this option takes something else. */
static rk_status wrong_kind(const rk_option *row, rk_raw_kind kind, const char *place,
                            const char *name)
{
    bool is_text = row->type == RK_TYPE_STRING || row->type == RK_TYPE_PATH;
    const char *found = kind == RK_RAW_MAP    ? "a map of keys"
                        : kind == RK_RAW_LIST ? "a list"
                        : is_text             ? "nothing (an empty text is \"\")"
                                              : "nothing";
    rk_buffer text = {0};
    rk__option_describe(&text, row);
    rk_status status = text.status;
    if (status == RK_OK) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__, "%s: %s takes %s, not %s",
                          place, name, text.at, found);
    }
    rk__buffer_free(&text);
    return status;
}

rk_status rk__value_parse(rk_option_value *out, const rk_option *row, const rk_raw *raw,
                          const char *place, const char *name, const char *folder)
{
    rk_status status = RK_OK;
    rk_option_value value = {0};
    bool is_list = raw->kind == RK_RAW_LIST;
    const rk_scalar *items = is_list ? raw->items : &raw->one;
    int64_t n = is_list ? raw->n : 1;
    bool wants_list = rk__option_is_list(row);
    if (raw->kind == RK_RAW_NOTHING || raw->kind == RK_RAW_MAP || (is_list && !wants_list)) {
        return wrong_kind(row, raw->kind, place, name);
    }
    if (row->type == RK_TYPE_PATHS) {
        RK_TRY_GOTO(done, parse_paths(&value.as.texts, items, n, place, name, folder));
    } else if (wants_list) {
        RK_TRY_GOTO(done, parse_list(&value, row, items, n, place, name));
    } else {
        RK_TRY_GOTO(done, parse_one(&value, row, items[0], place, name));
    }
    RK_TRY_GOTO(done, print_value(&value.text, row, &value, items, n));
    *out = value;
    return RK_OK;
done:
    free_contents(row->type, &value.as);
    return status;
}

/* "[10, 20]" as its elements. */
static int64_t split_default(rk_scalar out[MOST_DEFAULTS], const char *text)
{
    int64_t n = 0;
    RK_ASSERT(text[0] == '[');
    while (*text != ']' && strcmp(text, "[]") != 0) {
        text += *text == '[' ? 1 : 2; /* behind ", " */
        size_t length = strcspn(text, ",]");
        RK_ASSERT(n < MOST_DEFAULTS);
        out[n++] = (rk_scalar){.at = text, .length = length};
        text += length;
    }
    return n;
}

rk_status rk__value_default(rk_option_value *out, const rk_option *row)
{
    rk_status status = RK_OK;
    const char *text = row->default_text;
    rk_option_value value = {0};
    rk_scalar items[MOST_DEFAULTS] = {{.at = text, .length = strlen(text)}};
    if (row->type == RK_TYPE_PATHS) { /* no folders */
        RK_ASSERT(strcmp(text, "[]") == 0);
    } else if (rk__option_is_list(row)) {
        int64_t n = split_default(items, text);
        RK_TRY_GOTO(done, parse_list(&value, row, items, n, "default", row->key));
    } else {
        RK_TRY_GOTO(done, parse_one(&value, row, items[0], "default", row->key));
    }
    if (row->type == RK_TYPE_STRING && !is_plain(text, items[0].length)) {
        RK_TRY_GOTO(done, print_value(&value.text, row, &value, items, 1));
    }
    *out = value;
    return RK_OK;
done:
    free_contents(row->type, &value.as);
    return status;
}

void rk__value_store(const rk_option *row, void *options, rk_option_value *value)
{
    static const size_t sizes[] = {
        [RK_TYPE_BOOL] = sizeof(bool),       [RK_TYPE_INT] = sizeof(int64_t),
        [RK_TYPE_REAL] = sizeof(double),     [RK_TYPE_STRING] = sizeof(char *),
        [RK_TYPE_PATH] = sizeof(char *),     [RK_TYPE_CHOICE] = sizeof(int),
        [RK_TYPE_INTS] = sizeof(rk_ints),    [RK_TYPE_REALS] = sizeof(rk_reals),
        [RK_TYPE_CHOICES] = sizeof(rk_ints), [RK_TYPE_PATHS] = sizeof(rk_texts),
        [RK_TYPE_SIZE] = sizeof(int64_t),
    };
    rk__value_free(row, options);
    memcpy((char *)options + row->offset, &value->as, sizes[row->type]);
    memset(&value->as, 0, sizeof value->as);
}

void rk__value_free(const rk_option *row, void *options)
{
    free_contents(row->type, (char *)options + row->offset);
}
