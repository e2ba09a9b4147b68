#include "serve/openapi.h"

#include <string.h>

#include "serve/embedded.h"
#include "serve/reply.h"

enum { FEW = 3 /* of an example */ };

/* A placeholder of the template is a whole JSON string, so the template is JSON itself, and what
 * stands in its place may be any text, or a number. */
typedef struct placeholder {
    const char *quoted;
    const char *text; /* NULL: the number */
    int64_t number;
} placeholder;

void serve_openapi_write(serve_text *out, const serve_examples *examples)
{
    const placeholder placeholders[] = {
        {"\"@VERSION@\"", examples->version, 0},
        {"\"@SUMMARY@\"", examples->summary, 0},
        {"\"@USER@\"", examples->user, 0},
        {"\"@ITEM@\"", examples->item, 0},
        {"\"@ITEM2@\"", examples->other_item, 0},
        {"\"@WORDS@\"", examples->words, 0},
        {"\"@MOST@\"", NULL, examples->most},
        {"\"@USUAL@\"", NULL, examples->usual},
        {"\"@FOUND@\"", NULL, examples->found},
        {"\"@FEW@\"", NULL, examples->most < FEW ? examples->most : FEW},
    };
    const char *at = serve_openapi_template;
    for (const char *mark = strstr(at, "\"@"); mark; mark = strstr(at, "\"@")) {
        size_t length = 2; /* of what no placeholder is: it stays */
        serve_text_add(out, at, (size_t)(mark - at));
        for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++) {
            const placeholder *p = &placeholders[i];
            if (strncmp(mark, p->quoted, strlen(p->quoted)) == 0) {
                text_json j = serve_json(out);
                if (p->text) {
                    text_json_text(&j, p->text);
                } else {
                    text_json_int(&j, p->number);
                }
                length = strlen(p->quoted);
                mark += length;
                length = 0;
                break;
            }
        }
        serve_text_add(out, mark, length);
        at = mark + length;
    }
    serve_text_add(out, at, serve_openapi_length - (size_t)(at - serve_openapi_template));
}
