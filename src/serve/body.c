#include "serve/body.h"

#include <jansson.h>

#include "serve/reply.h"

/* How deep brackets are nested that are in no text; stops counting above the limit. */
static int depth_of(const char *bytes, size_t length)
{
    int depth = 0, deepest = 0;
    bool in_text = false;
    for (size_t i = 0; i < length && deepest <= SERVE_BODY_DEPTH; i++) {
        const char byte = bytes[i];
        if (in_text) {
            i += byte == '\\'; /* what is escaped ends nothing */
            in_text = byte != '"';
        } else if (byte == '"') {
            in_text = true;
        } else if (byte == '[' || byte == '{') {
            depth++;
            deepest = depth > deepest ? depth : deepest;
        } else if (byte == ']' || byte == '}') {
            depth -= depth > 0;
        }
    }
    return deepest;
}

struct json_t *serve_body_parse(const char *bytes, size_t length, serve_reply *reply)
{
    json_error_t error;
    if (length == 0) {
        serve_reply_problem(reply, 400, "the body is empty: send JSON");
        return NULL;
    }
    if (depth_of(bytes, length) > SERVE_BODY_DEPTH) {
        serve_reply_problem(reply, 400, "the body nests lists and objects deeper than %d levels",
                            SERVE_BODY_DEPTH);
        return NULL;
    }
    json_t *body = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!body && json_error_code(&error) == json_error_out_of_memory) {
        serve_reply_problem(reply, 503, "there is no memory for the body");
    } else if (!body) {
        serve_reply_problem(reply, 400, "the body is no JSON: line %d, column %d: %s", error.line,
                            error.column, error.text);
    }
    return body;
}

void serve_body_free(struct json_t *body)
{
    json_decref(body);
}
