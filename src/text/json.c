#include "text/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text/utf8.h"

static void put(text_json *j, const char *text)
{
    j->put(j->to, text, strlen(text));
}

static void before_value(text_json *j)
{
    const uint64_t level = (uint64_t)1 << j->depth;
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth > 0) {
        if (j->filled & level) {
            j->put(j->to, ", ", 2);
        }
        j->filled |= level;
    }
}

/* Stretches that need no escape go out as they are. */
static void quoted(text_json *j, const char *text, size_t length)
{
    const char *plain = text, *end = text + length;
    j->put(j->to, "\"", 1);
    for (const char *at = text; at < end;) {
        const char *start = at;
        const uint32_t value = text_utf8_next(&at, end);
        char escape[8] = "";
        if (value == '"' || value == '\\') {
            snprintf(escape, sizeof escape, "\\%c", (int)value);
        } else if (value < 0x20 || value == 0x7F) {
            snprintf(escape, sizeof escape, "\\u%04x", value);
        } else if (value == 0xFFFD && at == start + 1) {
            snprintf(escape, sizeof escape, "\xEF\xBF\xBD");
        }
        if (*escape) {
            j->put(j->to, plain, (size_t)(start - plain));
            put(j, escape);
            plain = at;
        }
    }
    j->put(j->to, plain, (size_t)(end - plain));
    j->put(j->to, "\"", 1);
}

void text_json_open(text_json *j, char bracket)
{
    before_value(j);
    j->put(j->to, &bracket, 1);
    j->depth += j->depth < TEXT_JSON_DEPTH;
    j->filled &= ~((uint64_t)1 << j->depth);
}

void text_json_close(text_json *j, char bracket)
{
    j->put(j->to, &bracket, 1);
    if (--j->depth == 0) {
        j->put(j->to, "\n", 1);
    }
}

void text_json_key(text_json *j, const char *key)
{
    before_value(j);
    quoted(j, key, strlen(key));
    j->put(j->to, ": ", 2);
    j->after_key = true;
}

void text_json_text(text_json *j, const char *text)
{
    text_json_bytes(j, text, strlen(text));
}

void text_json_bytes(text_json *j, const char *text, size_t length)
{
    before_value(j);
    quoted(j, text, length);
}

void text_json_bool(text_json *j, bool value)
{
    text_json_raw(j, value ? "true" : "false");
}

void text_json_raw(text_json *j, const char *json)
{
    before_value(j);
    put(j, json);
}

void text_json_int(text_json *j, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    text_json_raw(j, text);
}

void text_print_real(char out[40], double value)
{
    double back = 0;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, value);
        if (sscanf(out, "%lf", &back) == 1 && memcmp(&back, &value, sizeof value) == 0) {
            break;
        }
    }
}

void text_json_real(text_json *j, double value)
{
    char text[40] = "null";
    if (isfinite(value)) {
        text_print_real(text, value);
    }
    text_json_raw(j, text);
}

void text_json_float(text_json *j, float value)
{
    char text[40] = "null";
    if (isfinite(value)) {
        snprintf(text, sizeof text, "%.9g", (double)value); /* distinguishes any two floats */
    }
    text_json_raw(j, text);
}
