#include "train/json.h"

#include <math.h>
#include <string.h>

#include "base/parse.h"

static void add(rk_json *json, const char *text)
{
    rk__buffer_add_bytes(json->out, text, (int64_t)strlen(text));
}

static void new_line(rk_json *json)
{
    if (json->indent > 0) {
        rk__buffer_add(json->out, "\n%*s", json->indent * json->depth, "");
    }
}

/* Length of the UTF-8 sequence at s; 0 if it is not one (overlong forms and surrogates included).
 */
static int utf8_length(const unsigned char *s)
{
    int n = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] > 0xf4 || (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

static void quoted(rk_json *json, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;
    add(json, "\"");
    while (*s) {
        int n = utf8_length(s);
        if (n == 0) {
            add(json, "\\ufffd");
        } else if (*s == '"' || *s == '\\') {
            rk__buffer_add(json->out, "\\%c", *s);
        } else if (*s < 0x20) {
            rk__buffer_add(json->out, "\\u%04x", *s);
        } else {
            rk__buffer_add_bytes(json->out, (const char *)s, n);
        }
        s += n ? n : 1;
    }
    add(json, "\"");
}

/* Comma, line break and name in front of a value. */
static void lead(rk_json *json, const char *key)
{
    if (json->needs_comma) {
        add(json, json->indent ? "," : ", ");
    }
    if (json->depth > 0) {
        new_line(json);
    }
    if (key) {
        quoted(json, key);
        add(json, ": ");
    }
    json->needs_comma = true;
}

void rk__json_begin(rk_json *json, const char *key, char bracket)
{
    lead(json, key);
    rk__buffer_add(json->out, "%c", bracket);
    json->depth++;
    json->needs_comma = false;
}

void rk__json_end(rk_json *json, char bracket)
{
    json->depth--;
    if (json->needs_comma) {
        new_line(json);
    }
    rk__buffer_add(json->out, "%c", bracket);
    json->needs_comma = true;
}

void rk__json_real(rk_json *json, const char *key, double value)
{
    char text[32] = "null";
    if (isfinite(value)) {
        rk__print_real(text, value);
    }
    lead(json, key);
    add(json, text);
}

void rk__json_int(rk_json *json, const char *key, int64_t value)
{
    lead(json, key);
    rk__buffer_add(json->out, "%lld", (long long)value);
}

void rk__json_bool(rk_json *json, const char *key, bool value)
{
    lead(json, key);
    add(json, value ? "true" : "false");
}

void rk__json_null(rk_json *json, const char *key)
{
    lead(json, key);
    add(json, "null");
}

void rk__json_text(rk_json *json, const char *key, const char *value)
{
    lead(json, key);
    quoted(json, value);
}
