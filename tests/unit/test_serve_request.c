/* serve: what becomes of the bytes of a request: targets, routes, headers, bodies, problems. Over
 * sockets: tests/cli/test_serve.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "serve/body.h"
#include "serve/decode.h"
#include "serve/memory.h"
#include "serve/policy.h"
#include "serve/reply.h"
#include "serve/routes.h"

/* ---- targets ---- */

/* The parts of a target with '|' between them: path, then name=value of the query. */
static const char *parts_of(const char *raw, size_t length)
{
    static char text[8192];
    serve_target t;
    const char *problem = serve_target_decode(&t, raw, length);
    text[0] = '\0';
    if (problem) {
        snprintf(text, sizeof text, "!%s", problem);
        return text;
    }
    size_t at = 0;
    for (size_t i = 0; i < t.n_segments; i++) {
        assert_int_equal(strlen(t.segments[i].text), t.segments[i].length);
        at += (size_t)snprintf(text + at, sizeof text - at, "|%s", t.segments[i].text);
    }
    for (size_t i = 0; i < t.n_query; i++) {
        assert_int_equal(strlen(t.query[i].text), t.query[i].length);
        at += (size_t)snprintf(text + at, sizeof text - at, "|%s=%s", t.query[i].name,
                               t.query[i].text);
    }
    if (t.host) {
        snprintf(text + at, sizeof text - at, "@%s", t.host);
    }
    serve_target_free(&t);
    return text;
}

static void check_target(const char *raw, const char *expected)
{
    const char *found = parts_of(raw, strlen(raw));
    if (*expected == '!' ? !strstr(found, expected + 1) || *found != '!'
                         : strcmp(found, expected)) {
        fail_msg("%s: expected %s, found %s", raw, expected, found);
    }
}

static void targets_are_cut_before_they_are_decoded(void **state)
{
    (void)state;
    check_target("/", "|");
    check_target("/a/b", "|a|b");
    check_target("/a//b/", "|a||b|");
    check_target("/a%2Fb/c%20d+e", "|a/b|c d+e");
    check_target("/a?b=c", "|a|b=c");
    check_target("/a?b", "|a|b=");
    check_target("/a?b=c=d&&e=%26%3D&f+g=h+i%2B", "|a|b=c=d|e=&=|f g=h i+");
    check_target("/a?b=1?2", "|a|b=1?2");
    check_target("/%C5%81%C3%B3d%C5%BA?q=\xC5\x81", "|\xC5\x81\xC3\xB3\x64\xC5\xBA|q=\xC5\x81");
    check_target("/%252F", "|%2F");
    check_target("/..%2f..", "|../..");
    check_target("http://a.example:80/b?c=d", "|b|c=d@a.example:80");
    check_target("https://a/", "|@a");
    check_target("", "!slash");
    check_target("*", "!slash");
    check_target("a/b", "!slash");
    check_target("http://a.example", "!slash");
    for (int i = 0; i < 3; i++) { /* each is one thing in a path, in a name and in a value */
        static const char *const places[] = {"/a/%s", "/a?%s=1", "/a?b=%s"};
        static const char *const wrong[][2] = {
            {"%", "!hexadecimal"},   {"%4", "!hexadecimal"},     {"%zz", "!hexadecimal"},
            {"%4z", "!hexadecimal"}, {"%-1", "!hexadecimal"},    {"%00", "!zero"},
            {"%FF", "!UTF-8"},       {"%C3", "!UTF-8"},          {"%C0%AF", "!UTF-8"},
            {"%ED%A0%80", "!UTF-8"}, {"%F4%90%80%80", "!UTF-8"}, {"\xC3", "!UTF-8"},
            {"%E2%82", "!UTF-8"},    {"%80", "!UTF-8"},          {" ", "!%20"},
            {"\t", "!%20"},          {"\x7F", "!%20"},
        };
        for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
            char raw[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(raw, sizeof raw, places[i], wrong[k][0]);
#pragma GCC diagnostic pop
            check_target(raw, wrong[k][1]);
        }
    }
    assert_string_equal(parts_of("/a\0b", 4),
                        "!the address has a blank or a control character: write %20 for a blank");
}

/* Any text comes out of its percent encoding again, whatever part it is. */
static void targets_give_back_what_was_encoded(void **state)
{
    uint32_t draw = 12345;
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char text[64], raw[3 * 64 * 3 + 16] = "/x/", *at = raw + 3;
        size_t n = 0;
        for (int i = round % 12 + 1; i > 0; i--) {
            draw = draw * 1664525 + 1013904223;
            const uint32_t code = (draw >> 9) % (round % 3 == 0 ? 127 : 0x2FFF) + 1;
            if (code < 0x80) {
                text[n++] = (char)code;
            } else if (code < 0x800) {
                text[n++] = (char)(0xC0 | code >> 6);
                text[n++] = (char)(0x80 | (code & 0x3F));
            } else {
                text[n++] = (char)(0xE0 | code >> 12);
                text[n++] = (char)(0x80 | (code >> 6 & 0x3F));
                text[n++] = (char)(0x80 | (code & 0x3F));
            }
        }
        text[n] = '\0';
        for (int part = 0; part < 3; part++) {
            for (size_t i = 0; i < n; i++) {
                at += snprintf(at, 4, "%%%02X", (unsigned char)text[i]);
            }
            *at++ = "?= "[part];
        }
        serve_target t;
        assert_null(serve_target_decode(&t, raw, (size_t)(at - 1 - raw)));
        assert_int_equal(t.n_segments, 2);
        assert_int_equal(t.n_query, 1);
        assert_string_equal(t.segments[1].text, text);
        assert_string_equal(t.query[0].name, text);
        assert_string_equal(t.query[0].text, text);
        serve_target_free(&t);
    }
}

/* ---- routes ---- */

static const serve_route *find(const char *method, const char *raw, const char **out_part,
                               const char **out_allow)
{
    static char part[64];
    serve_parameter parts[SERVE_MOST_PARTS];
    serve_target t;
    size_t n = 0;
    assert_null(serve_target_decode(&t, raw, strlen(raw)));
    const serve_route *route = serve_route_find(method, &t, parts, &n, out_allow);
    snprintf(part, sizeof part, "%s", route && n > 0 ? parts[0].text : "");
    *out_part = part;
    serve_target_free(&t);
    return route;
}

static void routes_are_found_by_their_segments(void **state)
{
    const char *part, *allow;
    int n = 0;
    const serve_route *all = serve_routes(&n);
    (void)state;
    for (int i = 0; i < n; i++) { /* each finds itself */
        char raw[128];
        const char *open = strchr(all[i].path, '{'), *close = strchr(all[i].path, '}');
        snprintf(raw, sizeof raw, "%.*s%s%s", open ? (int)(open - all[i].path) : 100, all[i].path,
                 open ? "%7Bx%2F" : "", open ? close + 1 : "");
        const serve_route *found = find(all[i].method, raw, &part, &allow);
        assert_ptr_equal(found, &all[i]);
        assert_string_equal(part, strchr(all[i].path, '{') ? "{x/" : "");
    }
    assert_null(all[n].method);
    assert_string_equal(find("GET", "/api/v1/items/random", &part, &allow)->path,
                        "/api/v1/items/random");
    assert_string_equal(find("GET", "/api/v1/items/r%61ndom", &part, &allow)->path,
                        "/api/v1/items/random");
    assert_string_equal(find("HEAD", "/api/v1/items/7", &part, &allow)->path,
                        "/api/v1/items/{item}");
    assert_string_equal(part, "7");
    static const char *const none[] = {"/api",
                                       "/api/v1/items/",
                                       "/api/v1//info",
                                       "/api/v1/info/",
                                       "//",
                                       "/api/v1/users//recommendations",
                                       "/API/v1/info"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_null(find("GET", none[i], &part, &allow));
        assert_null(allow);
    }
    assert_null(find("POST", "/api/v1/info", &part, &allow));
    assert_string_equal(allow, "GET, HEAD, OPTIONS");
    assert_null(find("GET", "/api/v1/batch", &part, &allow));
    assert_string_equal(allow, "POST, OPTIONS");
    assert_null(find("OPTIONS", "/api/v1/batch", &part, &allow));
    assert_string_equal(allow, "POST, OPTIONS");
    assert_null(find("get", "/api/v1/info", &part, &allow));
}

/* ---- headers ---- */

/* The status that a header is refused with, by its form; 0 = it is clear. */
static int form_of(const char *const *fields, const char *version)
{
    serve_header header = {.host = NULL};
    serve_reply reply = {.status = 0};
    for (; fields[0]; fields += 2) {
        serve_header_add(&header, fields[0], fields[1]);
    }
    const bool clear = serve_header_is_clear(&header, version, &reply);
    assert_int_equal(clear, reply.status == 0);
    serve_text_free(&reply.text);
    return reply.status;
}

#define FORM(...) form_of((const char *const[]){__VA_ARGS__, NULL}, "HTTP/1.1")

static void headers_say_where_the_body_ends(void **state)
{
    (void)state;
    assert_int_equal(FORM("Host", "a"), 0);
    assert_int_equal(FORM("Host", ""), 0);
    assert_int_equal(FORM("Host", "a", "Content-Length", "5"), 0);
    assert_int_equal(FORM("Host", "a", "transfer-ENCODING", "Chunked"), 0);
    assert_int_equal(FORM("Accept", "a"), 400);
    assert_int_equal(FORM("Host", "a", "Host", "a"), 400);
    assert_int_equal(FORM("Host", "a", "Content-Length", "5", "Content-Length", "5"), 400);
    assert_int_equal(FORM("Host", "a", "Content-Length", "5", "Transfer-Encoding", "chunked"), 400);
    assert_int_equal(FORM("Host", "a", "Transfer-Encoding", "chunked", "Transfer-Encoding", ""),
                     400);
    assert_int_equal(FORM("Host", "a", "Transfer-Encoding", "gzip, chunked"), 400);
    assert_int_equal(FORM("Host", "a", "Transfer-Encoding", "identity"), 400);
    assert_int_equal(FORM("Host", "a", "Content-Length", "+5"), 400);
    assert_int_equal(FORM("Host", "a", "Content-Length", ""), 400);
    assert_int_equal(FORM("Host", "a", "Content-Length ", "5"), 400);
    assert_int_equal(FORM("Host", "a", "", "5"), 400);
    assert_int_equal(FORM("Host", "a", "a(b", NULL), 400);
    assert_int_equal(form_of((const char *const[]){"Accept", "a", NULL}, "HTTP/1.0"), 0);
    assert_int_equal(
        form_of((const char *const[]){"Transfer-Encoding", "chunked", NULL}, "HTTP/1.0"), 400);
}

static void hosts_are_of_a_list(void **state)
{
    const char *const names[] = {"music.example", "other.example:81"};
    serve_policy p = {.hosts = names, .n_hosts = 2};
    static const char *const served[] = {
        "localhost",    "LOCALHOST:80",  "127.0.0.1",          "10.1.2.3:8080",   "[::1]",
        "[fe80::1]:80", "music.example", "Music.Example:8080", "other.example:81"};
    static const char *const others[] = {"",
                                         ":80",
                                         "evil.example",
                                         "localhost.evil.example",
                                         "xmusic.example",
                                         "music.example.",
                                         "music.example:80:80",
                                         "music.example:x",
                                         "music.example@evil",
                                         "other.example",
                                         "[::1",
                                         "[evil]:80",
                                         "127.0.0.1.evil.example",
                                         "1.2.3",
                                         "music.exampl"};
    (void)state;
    for (size_t i = 0; i < sizeof served / sizeof served[0]; i++) {
        assert_true(serve_policy_serves_host(&p, served[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (serve_policy_serves_host(&p, others[i])) {
            fail_msg("the host %s is served", others[i]);
        }
    }
    assert_true(serve_policy_serves_host(&p, NULL));
    p.any_host = true;
    assert_true(serve_policy_serves_host(&p, "evil.example"));
}

/* The status that a route refuses a header with; 0 = it does not. */
static int refused(const serve_policy *p, const char *method, const char *raw,
                   const char *const *fields)
{
    const char *part, *allow;
    const serve_route *route = find(method, raw, &part, &allow);
    serve_header header = {.host = NULL};
    serve_reply reply = {.status = 0};
    serve_rejection why;
    serve_header_add(&header, "Host", "localhost:8080");
    for (; fields[0]; fields += 2) {
        serve_header_add(&header, fields[0], fields[1]);
    }
    assert_non_null(route);
    const bool allowed = serve_policy_allows(p, &header, route, &reply, &why);
    assert_int_equal(allowed, reply.status == 0);
    serve_text_free(&reply.text);
    return reply.status;
}

#define REFUSED(...) refused(&p, method, raw, (const char *const[]){__VA_ARGS__, NULL})

static void who_may_ask(void **state)
{
    const char *const origins[] = {"https://shop.example"};
    serve_policy p = {.origins = origins, .n_origins = 1};
    const char *method = "POST", *raw = "/api/v1/recommendations";
    (void)state;
    const char *json = "application/json";
    assert_int_equal(REFUSED("Content-Length", "2", "Content-Type", json), 0);
    assert_int_equal(REFUSED("Content-Length", "2", "Content-Type", "Application/JSON; a=b"), 0);
    assert_int_equal(REFUSED("Content-Length", "2", "Content-Type", "application/jsonp"), 415);
    assert_int_equal(REFUSED("Content-Length", "2", "Content-Type", "text/plain"), 415);
    assert_int_equal(REFUSED("Content-Length", "2"), 415);
    assert_int_equal(REFUSED("Transfer-Encoding", "chunked"), 415);
    assert_int_equal(REFUSED("Content-Length", "00"), 0);
    assert_int_equal(
        REFUSED("Content-Length", "2", "Content-Type", json, "Content-Encoding", "gzip"), 415);
    assert_int_equal(REFUSED("Origin", "https://shop.example"), 0);
    assert_int_equal(REFUSED("Origin", "http://localhost:8080"), 0);
    assert_int_equal(REFUSED("Origin", "http://localhost:8081"), 403);
    assert_int_equal(REFUSED("Origin", "https://shop.example.evil"), 403);
    assert_int_equal(REFUSED("Origin", "null"), 403);
    assert_true(serve_policy_knows_origin(&p, "https://shop.example"));
    assert_false(serve_policy_knows_origin(&p, "https://shop.example:443"));
    assert_false(serve_policy_knows_origin(&p, NULL));
    raw = "/admin/reload";
    assert_int_equal(REFUSED("Accept", "*"), 403);
    p.token = "0123456789abcdef";
    assert_int_equal(REFUSED("Accept", "*"), 401);
    assert_int_equal(REFUSED("X-API-Key", "0123456789abcdef"), 0);
    assert_int_equal(REFUSED("Authorization", "bearer  0123456789abcdef"), 0);
    assert_int_equal(REFUSED("Authorization", "Basic 0123456789abcdef"), 401);
    static const char *const wrong[] = {"", "0123456789abcde", "0123456789abcdef0",
                                        "0123456789abcdeF", "0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(REFUSED("X-API-Key", wrong[i]), 401);
    }
    method = "GET";
    raw = "/api/v1/info";
    assert_int_equal(REFUSED("Accept", "*"), 401);
    assert_int_equal(REFUSED("X-API-Key", "0123456789abcdef", "Content-Length", "3"), 400);
    raw = "/health/live";
    assert_int_equal(REFUSED("Accept", "*"), 0);
}

/* ---- bodies and problems ---- */

static int parse(const char *bytes, size_t length)
{
    serve_reply reply = {.status = 0};
    json_t *body = serve_body_parse(bytes, length, &reply);
    assert_int_equal(body != NULL, reply.status == 0);
    serve_body_free(body);
    serve_text_free(&reply.text);
    return reply.status;
}

static void bodies_are_checked(void **state)
{
    static const char *const fine[] = {
        "{}", "[]", "1", "\"a\"", " {\"a\": [1, \"]]]]\"]} ", "\"\\\"[[[[[[[[[[[[[[[[[[[[\""};
    static const char *const wrong[] = {"",
                                        " ",
                                        "{",
                                        "{\"a\":1,\"a\":2}",
                                        "{}{}",
                                        "[1e999]",
                                        "[\"\xFF\"]",
                                        "[\"\\u0000\"]",
                                        "[\"\\ud800\"]",
                                        "[NaN]",
                                        "nul",
                                        "\xEF\xBB\xBF{}",
                                        "\"\\",
                                        "[1,]"};
    char deep[2 * SERVE_BODY_DEPTH + 8];
    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        assert_int_equal(parse(fine[i], strlen(fine[i])), 0);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(parse(wrong[i], strlen(wrong[i])), 400);
    }
    assert_int_equal(parse("[1]\0", 4), 400);
    for (int depth = SERVE_BODY_DEPTH; depth <= SERVE_BODY_DEPTH + 1; depth++) {
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        assert_int_equal(parse(deep, (size_t)(2 * depth)), depth == SERVE_BODY_DEPTH ? 0 : 400);
    }
}

static void problems_are_json(void **state)
{
    serve_reply reply = {.status = 0};
    (void)state;
    serve_text_format(&reply.text, "half an answer");
    serve_reply_problem(&reply, 404, "no '%s' here", "a\"\\\n\xFF\x7F");
    json_t *j = json_loads(reply.text.at, 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(j, "status")), 404);
    assert_string_equal(json_string_value(json_object_get(j, "title")), "Not Found");
    assert_string_equal(json_string_value(json_object_get(j, "type")), "about:blank");
    assert_string_equal(json_string_value(json_object_get(j, "detail")),
                        "no 'a\"\\\n\xEF\xBF\xBD\x7F' here");
    assert_string_equal(reply.content_type, "application/problem+json");
    json_decref(j);
    serve_text_free(&reply.text);
}

/* ---- memory ---- */

static void *allocate(size_t size)
{
    return serve_alloc((int64_t)size, 1);
}

/* Whatever allocation fails, there is an answer and nothing is lost. */
static void every_allocation_may_fail(void **state)
{
    static const char body[] =
        "{\"user\": \"a\", \"item\": \"b\", \"time\": [1, 2, {\"c\": \"d\"}]}";
    bool failed = true;
    (void)state;
    json_set_alloc_funcs(allocate, serve_free);
    for (int n = 0; failed; n++) {
        serve_target target;
        serve_reply reply = {.status = 0};
        serve_alloc_fail_after(n);
        const char *problem = serve_target_decode(&target, "/a/b?c=d", 8);
        failed = problem != NULL;
        if (!problem) {
            serve_target_free(&target);
            json_t *parsed = serve_body_parse(body, sizeof body - 1, &reply);
            failed = !parsed;
            /* jansson calls some want of memory an invalid token */
            assert_true(parsed ? reply.status == 0 : reply.status == 503 || reply.status == 400);
            serve_body_free(parsed);
            if (parsed) {
                serve_reply_problem(&reply, 400, "%0*d", 3000, 7);
                failed = reply.text.has_failed || reply.text.length < 3000;
            }
        }
        serve_text_free(&reply.text);
        serve_alloc_fail_after(-1);
        assert_true(n < 1000);
    }
    json_set_alloc_funcs(malloc, free);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_cut_before_they_are_decoded),
        cmocka_unit_test(targets_give_back_what_was_encoded),
        cmocka_unit_test(routes_are_found_by_their_segments),
        cmocka_unit_test(headers_say_where_the_body_ends),
        cmocka_unit_test(hosts_are_of_a_list),
        cmocka_unit_test(who_may_ask),
        cmocka_unit_test(bodies_are_checked),
        cmocka_unit_test(problems_are_json),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
