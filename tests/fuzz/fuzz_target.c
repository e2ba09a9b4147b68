/* Addresses of requests: what is decoded is UTF-8 without a zero byte and no longer than it was,
 * and comes out again when it is encoded. The first byte is the method, whose routes are looked
 * for. */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "serve/decode.h"
#include "serve/routes.h"
#include "text/utf8.h"

static size_t check_text(const serve_parameter *p)
{
    fuzz_check(strlen(p->text) == p->length, "a text ends where its zero byte is");
    fuzz_check(text_utf8_is_valid(p->text, p->length), "a text is UTF-8");
    return p->length;
}

/* Every byte encoded: the target that must give the same parts. */
static size_t encode(char *out, const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += (size_t)snprintf(out + n, 4, "%%%02x", (unsigned char)*text);
    }
    return n;
}

static void check_again(const serve_target *t, size_t size)
{
    static char raw[16384];
    serve_target again;
    size_t n = 0;
    if (3 * size + 64 > sizeof raw) {
        return;
    }
    for (size_t i = 0; i < t->n_segments; i++) {
        raw[n++] = '/';
        n += encode(raw + n, t->segments[i].text);
    }
    for (size_t i = 0; i < t->n_query; i++) {
        raw[n++] = i == 0 ? '?' : '&';
        n += encode(raw + n, t->query[i].name);
        raw[n++] = '=';
        n += encode(raw + n, t->query[i].text);
    }
    fuzz_check(serve_target_decode(&again, raw, n) == NULL, "what is encoded is decoded");
    fuzz_check(again.n_segments == t->n_segments && again.n_query == t->n_query,
               "with as many parts");
    for (size_t i = 0; i < t->n_segments; i++) {
        fuzz_check(strcmp(again.segments[i].text, t->segments[i].text) == 0, "the same segments");
    }
    for (size_t i = 0; i < t->n_query; i++) {
        fuzz_check(strcmp(again.query[i].name, t->query[i].name) == 0, "the same names");
        fuzz_check(strcmp(again.query[i].text, t->query[i].text) == 0, "the same values");
    }
    serve_target_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "OPTIONS"};
    if (size < 1) {
        return 0;
    }
    const char *raw = fuzz_text(data + 1, size - 1);
    serve_target t;
    if (serve_target_decode(&t, raw, size - 1) == NULL) {
        serve_parameter parts[SERVE_MOST_PARTS];
        size_t n_parts = 0, bytes = 0;
        const char *allow;
        for (size_t i = 0; i < t.n_segments; i++) {
            bytes += check_text(&t.segments[i]);
        }
        for (size_t i = 0; i < t.n_query; i++) {
            fuzz_check(text_utf8_is_valid(t.query[i].name, strlen(t.query[i].name)),
                       "a name is UTF-8");
            bytes += strlen(t.query[i].name) + check_text(&t.query[i]);
        }
        fuzz_check(bytes < size, "nothing is longer than it was");
        const serve_route *route =
            serve_route_find(methods[data[0] % 4], &t, parts, &n_parts, &allow);
        fuzz_check(!route || n_parts <= SERVE_MOST_PARTS, "a route has that many parts");
        fuzz_check(!route || !allow || strcmp(methods[data[0] % 4], "OPTIONS"), "no OPTIONS");
        check_again(&t, size);
        serve_target_free(&t);
    }
    return 0;
}
