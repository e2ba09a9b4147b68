/* The JSON writer of the commands: text/json.h, to a stream. */
#include <stdlib.h>

#include "cli.h"

static void put(void *to, const char *bytes, size_t length)
{
    fwrite(bytes, 1, length, to);
}

/* The writer, which goes to whatever stream the commands have set. */
static text_json *writer(cli_json *j)
{
    j->writer.put = put;
    j->writer.to = j->out;
    return &j->writer;
}

void cli_json_open(cli_json *j, char bracket)
{
    if (j->writer.depth >= TEXT_JSON_DEPTH) {
        exit(cli_error(1, "internal error: JSON nested deeper than %d", TEXT_JSON_DEPTH));
    }
    text_json_open(writer(j), bracket);
}

void cli_json_close(cli_json *j, char bracket)
{
    text_json_close(writer(j), bracket);
}

void cli_json_key(cli_json *j, const char *key)
{
    text_json_key(writer(j), key);
}

void cli_json_text(cli_json *j, const char *text)
{
    text_json_text(writer(j), text);
}

void cli_json_pair(cli_json *j, const char *key, const char *text)
{
    if (text) {
        cli_json_key(j, key);
        cli_json_text(j, text);
    }
}

void cli_json_bool(cli_json *j, bool value)
{
    text_json_bool(writer(j), value);
}

void cli_json_raw(cli_json *j, const char *json)
{
    text_json_raw(writer(j), json);
}

void cli_json_int(cli_json *j, int64_t value)
{
    text_json_int(writer(j), value);
}

void cli_json_real(cli_json *j, double value)
{
    text_json_real(writer(j), value);
}

void cli_json_float(cli_json *j, float value)
{
    text_json_float(writer(j), value);
}

void cli_json_id(cli_json *j, const char *id, bool integer)
{
    if (integer) {
        cli_json_raw(j, id);
    } else {
        cli_json_text(j, id);
    }
}
