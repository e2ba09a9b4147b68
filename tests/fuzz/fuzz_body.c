/* Bodies of requests: JSON with all of its checks, or a problem whose detail is JSON again. What is
 * JSON is asked as feedback, too, which writes it as a line that is JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz/fuzz.h"
#include "serve/body.h"
#include "serve/feedback.h"
#include "serve/reply.h"

static void check_json(const serve_text *text, const char *what)
{
    json_t *j = json_loadb(text->at, text->length, JSON_REJECT_DUPLICATES, NULL);
    fuzz_check(json_is_object(j), what);
    json_decref(j);
}

static int depth_of(const json_t *value)
{
    int deepest = 0;
    const char *name;
    json_t *member;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
        {
            const int depth = depth_of(member);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    json_array_foreach(value, i, member)
    {
        const int depth = depth_of(member);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + (json_is_object(value) || json_is_array(value));
}

/* Of data with ids that are numbers or words; made once. */
static const rk_config *config_of(size_t are_words)
{
    static rk_config *configs[2];
    if (!configs[are_words]) {
        fuzz_check(rk_config_create(&configs[are_words]) == RK_OK &&
                       rk_config_set(configs[are_words],
                                     are_words ? "data.ids=text" : "data.ids=integer",
                                     "fuzz") == RK_OK,
                   "there is a config");
    }
    return configs[are_words];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = fuzz_text(data, size);
    serve_reply reply = {.status = 0};
    json_t *body = serve_body_parse(bytes, size, &reply);
    fuzz_check(body ? reply.status == 0 : reply.status == 400, "it is JSON, or a problem");
    if (body) {
        fuzz_check(depth_of(body) <= SERVE_BODY_DEPTH, "it is not nested too deep");
        serve_text line = {.at = NULL};
        if (serve_feedback_line(body, config_of(size % 2), &line, &reply)) {
            fuzz_check(line.length > 0 && line.at[line.length - 1] == '\n' &&
                           strlen(line.at) == line.length &&
                           strchr(line.at, '\n') == line.at + line.length - 1,
                       "it is one line");
            check_json(&line, "a line is JSON");
        } else {
            fuzz_check(reply.status == 422, "or it is no feedback");
        }
        serve_text_free(&line);
        serve_body_free(body);
    }
    if (reply.status != 0) {
        check_json(&reply.text, "a problem is JSON");
    }
    serve_text_free(&reply.text);
    return 0;
}
