/* A JSON writer: commas, escapes and numbers in one place, so that every --json output parses. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static void before_value(cli_json *j)
{
    if (j->after_key) {
        j->after_key = false;
        return;
    }
    if (j->depth > 0) {
        fputs(j->filled[j->depth] ? ", " : "", j->out);
        j->filled[j->depth] = true;
    }
}

static void quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *at = text; *at;) {
        const char *start = at;
        uint32_t value = cli_utf8_next(&at);
        if (value == '"' || value == '\\') {
            fprintf(out, "\\%c", (int)value);
        } else if (value < 0x20 || value == 0x7F) {
            fprintf(out, "\\u%04x", value);
        } else if (value == 0xFFFD && at == start + 1) {
            fputs("\xEF\xBF\xBD", out);
        } else {
            fwrite(start, 1, (size_t)(at - start), out);
        }
    }
    fputc('"', out);
}

void cli_json_open(cli_json *j, char bracket)
{
    before_value(j);
    fputc(bracket, j->out);
    if (j->depth + 1 >= CLI_JSON_DEPTH) {
        exit(cli_error(1, "internal error: JSON nested deeper than %d", CLI_JSON_DEPTH));
    }
    j->filled[++j->depth] = false;
}

void cli_json_close(cli_json *j, char bracket)
{
    fputc(bracket, j->out);
    if (--j->depth == 0) {
        fputc('\n', j->out);
    }
}

void cli_json_key(cli_json *j, const char *key)
{
    before_value(j);
    quoted(j->out, key);
    fputs(": ", j->out);
    j->after_key = true;
}

void cli_json_text(cli_json *j, const char *text)
{
    before_value(j);
    quoted(j->out, text);
}

void cli_json_bool(cli_json *j, bool value)
{
    before_value(j);
    fputs(value ? "true" : "false", j->out);
}

void cli_json_raw(cli_json *j, const char *json)
{
    before_value(j);
    fputs(json, j->out);
}

void cli_json_int(cli_json *j, int64_t value)
{
    before_value(j);
    fprintf(j->out, "%lld", (long long)value);
}

void cli_print_real(char out[40], double value)
{
    double back = 0;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 40, "%.*g", digits, value);
        if (sscanf(out, "%lf", &back) == 1 && memcmp(&back, &value, sizeof value) == 0) {
            break;
        }
    }
}

void cli_json_real(cli_json *j, double value)
{
    char text[40];
    before_value(j);
    if (!isfinite(value)) {
        fputs("null", j->out);
        return;
    }
    cli_print_real(text, value);
    fputs(text, j->out);
}

void cli_json_float(cli_json *j, float value)
{
    before_value(j);
    if (isfinite(value)) {
        fprintf(j->out, "%.9g", (double)value); /* 9 digits distinguish any two floats */
    } else {
        fputs("null", j->out);
    }
}

void cli_json_id(cli_json *j, const char *id, bool integer)
{
    if (integer) {
        before_value(j);
        fputs(id, j->out);
    } else {
        cli_json_text(j, id);
    }
}
