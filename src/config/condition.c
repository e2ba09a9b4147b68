/* The column "only with" of the table of options: read, judged, put into words. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "config/schema.h"

bool rk__condition_next(const char **rest, rk_condition *out)
{
    const char *at = *rest;
    if (*at == '\0') {
        return false;
    }
    size_t length = strcspn(at, ",");
    const char *dot = memchr(at, '.', length);
    RK_ASSERT(dot != NULL);
    char section[32];
    snprintf(section, sizeof section, "%.*s", (int)(dot - at), at);
    size_t key = strcspn(dot + 1, "=>");
    *out = (rk_condition){.row = rk__option_find(section, dot + 1, key)};
    RK_ASSERT(out->row != NULL);
    const char *sign = dot + 1 + key, *end = at + length;
    if (*sign == '=') {
        out->words = sign + 1;
        out->length = (size_t)(end - out->words);
    } else {
        RK_ASSERT(end - sign == 2 && sign[1] == '0');
    }
    *rest = *end == ',' ? end + 2 : end;
    return true;
}

/* The first of the words up to `end`; *at goes behind it. */
static size_t next_word(const char **at, const char *end, const char **out)
{
    *out = *at;
    const char *bar = memchr(*at, '|', (size_t)(end - *at));
    const char *stop = bar ? bar : end;
    *at = bar ? bar + 1 : end;
    return (size_t)(stop - *out);
}

bool rk__condition_holds(const rk_condition *condition, const char *value)
{
    double number = 0;
    if (!condition->words) {
        return rk__parse_real(value, strlen(value), &number) == RK_PARSE_OK && number > 0;
    }
    const char *word, *end = condition->words + condition->length;
    for (const char *at = condition->words; at < end;) {
        size_t length = next_word(&at, end, &word);
        if (strlen(value) == length && memcmp(value, word, length) == 0) {
            return true;
        }
    }
    return false;
}

void rk__condition_describe(rk_buffer *out, const rk_condition *condition, const char *quote)
{
    const char *between = "";
    const char *section = condition->row->section;
    bool in_list = rk__list_of(section) != NULL; /* a key of the same element */
    rk__buffer_add(out, "%s%s%s%s%s ", quote, in_list ? "" : section, in_list ? "" : ".",
                   condition->row->key, quote);
    if (!condition->words) {
        rk__buffer_add(out, "above 0");
        return;
    }
    const char *word, *end = condition->words + condition->length;
    for (const char *at = condition->words; at < end;) {
        size_t length = next_word(&at, end, &word);
        rk__buffer_add(out, "%s%.*s", between, (int)length, word);
        between = memchr(at, '|', (size_t)(end - at)) ? ", " : " or ";
    }
}
