/* serve: the table of connections, what is kept as feedback, what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <jansson.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "rankine/config.h"
#include "serve/body.h"
#include "serve/connections.h"
#include "serve/feedback.h"
#include "serve/measures.h"
#include "serve/reply.h"

/* ---- connections ---- */

static serve_address address_of(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return serve_address_of((struct sockaddr *)&v4, sizeof v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return serve_address_of((struct sockaddr *)&v6, sizeof v6);
}

static void connections_are_limited(void **state)
{
    static const char *const come[] = {"1.2.3.4",       "1.2.3.4",        "5.6.7.8",  "2001:db8::1",
                                       "2001:db8::2:1", "::ffff:5.6.7.8", "127.0.0.1"};
    serve_connection open[7];
    serve_connections *t = serve_connections_create(7, 2, false);
    (void)state;
    memset(open, 0, sizeof open);
    for (int i = 0; i < 7; i++) {
        open[i].address = address_of(come[i]);
        assert_int_equal(serve_connections_admit(t, &open[i].address), SERVE_ADMITTED);
        serve_connections_add(t, &open[i]);
        if (i == 1) {
            assert_int_equal(serve_connections_admit(t, &open[0].address), SERVE_TOO_MANY_OF_ONE);
        }
    }
    assert_int_equal(serve_connections_count(t), 7);
    const serve_address other = address_of("9.9.9.9");
    assert_int_equal(serve_connections_admit(t, &other), SERVE_TOO_MANY);
    serve_connections_remove(t, &open[3]);
    assert_int_equal(serve_connections_admit(t, &other), SERVE_ADMITTED);
    /* one customer's network has 2^64 addresses; an IPv4 address may come as one of IPv6 */
    const serve_address network = address_of("2001:db8::3"), mapped = address_of("::ffff:5.6.7.8");
    assert_int_equal(serve_connections_admit(t, &network), SERVE_ADMITTED);
    assert_int_equal(serve_connections_admit(t, &mapped), SERVE_TOO_MANY_OF_ONE);
    for (int i = 0; i < 7; i++) {
        if (i != 3) {
            serve_connections_remove(t, &open[i]);
        }
    }
    for (int i = 0; i < 7; i++) { /* a proxy of this machine brings everybody's */
        open[i].address = address_of("127.0.0.1");
        assert_int_equal(serve_connections_admit(t, &open[i].address), SERVE_ADMITTED);
        serve_connections_add(t, &open[i]);
    }
    serve_connections_free(t);
}

static void connections_are_cut_at_their_deadline(void **state)
{
    serve_connections *t = serve_connections_create(4, 0, false);
    serve_connection open[2];
    int pairs[2][2];
    char bytes[256] = "";
    (void)state;
    memset(open, 0, sizeof open);
    const int64_t now = serve_milliseconds();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
        open[i].socket = pairs[i][0];
        atomic_store(&open[i].deadline, now + 100 * i);
        atomic_store(&open[i].may_say_so, i == 0);
        serve_connections_add(t, &open[i]);
    }
    assert_int_equal(serve_connections_cut(t, now - 1), 0);
    assert_int_equal(serve_connections_cut(t, now), 1);
    assert_int_equal(serve_connections_cut(t, now), 0); /* once */
    assert_true(recv(pairs[0][1], bytes, sizeof bytes - 1, 0) > 0);
    assert_non_null(strstr(bytes, "HTTP/1.1 408 "));
    assert_int_equal(recv(pairs[0][1], bytes, sizeof bytes, 0), 0);
    assert_int_equal(recv(pairs[1][1], bytes, sizeof bytes, MSG_DONTWAIT), -1);
    assert_int_equal(serve_connections_cut(t, now + 100), 1);
    assert_int_equal(recv(pairs[1][1], bytes, sizeof bytes, 0), 0); /* without a word */
    for (int i = 0; i < 2; i++) {
        serve_connections_remove(t, &open[i]);
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
    serve_connections_free(t);
}

/* ---- feedback ---- */

/* A reply that is waited for. */
typedef struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_done;
} waiting;

static void wait_for(serve_reply *reply)
{
    (void)reply;
}

static void done(serve_reply *reply)
{
    waiting *w = reply->owner;
    pthread_mutex_lock(&w->lock);
    w->is_done = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

/* Gives feedback and waits for the answer; its status. */
static int give_as(serve_feedback *f, const rk_config *config, const char *json)
{
    waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    serve_reply reply = {.wait = wait_for, .done = done, .owner = &w};
    serve_request request = {.body = json_loads(json, 0, NULL)};
    assert_non_null(request.body);
    if (!serve_feedback_answer(f, config, &request, &reply)) {
        pthread_mutex_lock(&w.lock);
        while (!w.is_done) {
            pthread_cond_wait(&w.wake, &w.lock);
        }
        pthread_mutex_unlock(&w.lock);
    }
    serve_body_free((json_t *)(uintptr_t)request.body);
    serve_text_free(&reply.text);
    return reply.status;
}

/* A config with an option or two; NULL = as it is. */
static rk_config *config_of(const char *first, const char *second)
{
    rk_config *config;
    assert_int_equal(rk_config_create(&config), RK_OK);
    assert_int_equal(first ? rk_config_set(config, first, "test") : RK_OK, RK_OK);
    assert_int_equal(second ? rk_config_set(config, second, "test") : RK_OK, RK_OK);
    return config;
}

static int give(serve_feedback *f, const char *json)
{
    rk_config *config = config_of("data.ids=text", NULL);
    const int status = give_as(f, config, json);
    rk_config_free(config);
    return status;
}

static void read_all(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

/* What a file of feedback is before and after it has been opened; NULL: it is refused, and stays as
 * it was. */
static void a_file_of_something_else_is_left_as_it_is(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"", ""},
        {"{\"user\": \"1\"}\n", "{\"user\": \"1\"}\n"},
        {"{\"a\": 1}\n{\"a\": 2}", "{\"a\": 1}\n{\"a\": 2}\n"},
        {"{\"user\": \"1\", \"it", ""},
        {"{\"a\": 1}\n{\"us", "{\"a\": 1}\n"},
        {"{\"a\": 1}\n{\"item\": ", NULL},
        {"model:\n    kind: mf", NULL},
        {"model:\n    kind: mf\n", NULL},
        {"[1, 2]\n", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[] = "/tmp/rankine-feedback-XXXXXX", text[1024], why[512] = "";
        const int file = mkstemp(path);
        const size_t n = strlen(cases[i].before);
        assert_true(write(file, cases[i].before, n) == (ssize_t)n);
        close(file);
        serve_feedback *f = serve_feedback_open(path, why, sizeof why);
        assert_int_equal(f != NULL, cases[i].after != NULL);
        serve_feedback_close(f);
        read_all(path, text, sizeof text);
        assert_string_equal(text, cases[i].after ? cases[i].after : cases[i].before);
        assert_true(f || strstr(why, "no JSON object"));
        unlink(path);
    }
}

static void feedback_is_kept_in_lines(void **state)
{
    char path[] = "/tmp/rankine-feedback-XXXXXX", text[1024], why[256];
    const int file = mkstemp(path);
    (void)state;
    static const char cut[] = "{\"user\": \"1\"}\n{\"user\": \"cu"; /* by a crash */
    assert_true(write(file, cut, sizeof cut - 1) == (ssize_t)sizeof cut - 1);
    close(file);
    serve_feedback *f = serve_feedback_open(path, why, sizeof why);
    assert_non_null(f);
    assert_int_equal(give(f, "{\"user\": \"u\\\"1\", \"item\": \"\\u0141\", \"time\": 17.9}"), 202);
    assert_int_equal(give(f, "{\"user\": 5, \"item\": \"7\", \"time\": 18, \"value\": 0.1}"), 202);
    static const char *const wrong[] = {
        "[]",
        "{}",
        "{\"user\": \"a\"}",
        "{\"user\": \"\", \"item\": \"b\"}",
        "{\"user\": \"a\\n\", \"item\": \"b\"}",
        "{\"user\": \"a\", \"item\": 1.5}",
        "{\"user\": \"a\", \"item\": \"b\", \"time\": \"now\"}",
        "{\"user\": \"a\", \"item\": \"b\", \"time\": -1}",
        "{\"user\": \"a\", \"item\": \"b\", \"time\": 1795915251000}",
        "{\"user\": \"a\", \"item\": \"b\", \"time\": 100000000000}",
        "{\"user\": \"nan\", \"item\": \"b\"}",
        "{\"user\": \"a\", \"item\": \"None\"}",
        "{\"user\": \" \\u3000\", \"item\": \"b\"}",
        "{\"user\": \"\\ufeffa\", \"item\": \"b\"}",
        "{\"user\": \"a\", \"item\": \"b\", \"liked\": true}"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(give(f, wrong[i]), 422);
    }
    serve_feedback_close(f);
    read_all(path, text, sizeof text);
    assert_string_equal(text, "{\"user\": \"1\"}\n"
                              "{\"user\": \"u\\\"1\", \"item\": \"\xC5\x81\", \"time\": 17}\n"
                              "{\"user\": \"5\", \"item\": \"7\", \"time\": 18, \"value\": 0.1}\n");
    f = serve_feedback_open(path, why, sizeof why);
    rk_config *integers = config_of("data.ids=integer", "data.value_range=[0.5, 5]");
    assert_int_equal(give_as(f, integers, "{\"user\": \"12\", \"item\": 0, \"value\": 5}"), 202);
    assert_int_equal(give_as(f, integers, "{\"user\": \"12\", \"item\": 0, \"value\": 5.5}"), 422);
    static const char *const no_number[] = {"a", "1.5", "-0", "007", "",   "99999999999999999999",
                                            "-", "-3",  "+3", " 3",  "nan"};
    for (size_t i = 0; i < sizeof no_number / sizeof no_number[0]; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"user\": \"1\", \"item\": \"%s\"}", no_number[i]);
        assert_int_equal(give_as(f, integers, json), 422);
    }
    rk_config_free(integers);
    serve_feedback_close(f);
    unlink(path);
    assert_null(serve_feedback_open("/no/such/folder/a", why, sizeof why));
    assert_non_null(strstr(why, "/no/such/folder/a"));
    f = serve_feedback_open("/dev/full", why, sizeof why); /* a disk without space */
    if (f) {
        assert_int_equal(give(f, "{\"user\": \"a\", \"item\": \"b\"}"), 503);
        serve_feedback_close(f);
    }
}

/* Who trains takes the file away: what comes then is in a new one. */
static void a_file_that_was_moved_is_followed_by_a_new_one(void **state)
{
    char folder[] = "/tmp/rankine-feedback-XXXXXX", path[64], moved[64], text[256], why[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/liked.jsonl", folder);
    snprintf(moved, sizeof moved, "%s/before.jsonl", folder);
    serve_feedback *f = serve_feedback_open(path, why, sizeof why);
    assert_non_null(f);
    assert_int_equal(give(f, "{\"user\": \"a\", \"item\": \"b\", \"time\": 1}"), 202);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(give(f, "{\"user\": \"a\", \"item\": \"c\", \"time\": 2}"), 202);
    read_all(moved, text, sizeof text);
    assert_string_equal(text, "{\"user\": \"a\", \"item\": \"b\", \"time\": 1}\n");
    read_all(path, text, sizeof text);
    assert_string_equal(text, "{\"user\": \"a\", \"item\": \"c\", \"time\": 2}\n");
    unlink(path);
    unlink(moved);
    assert_int_equal(rmdir(folder), 0); /* nothing can be kept: nobody is told that it is */
    assert_int_equal(give(f, "{\"user\": \"a\", \"item\": \"d\", \"time\": 3}"), 503);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(give(f, "{\"user\": \"a\", \"item\": \"e\", \"time\": 4}"), 202);
    serve_feedback_close(f);
    read_all(path, text, sizeof text);
    assert_string_equal(text, "{\"user\": \"a\", \"item\": \"e\", \"time\": 4}\n");
    unlink(path);
    rmdir(folder);
}

/* ---- measures ---- */

static void measures_are_cumulative(void **state)
{
    const serve_route *info = serve_routes(NULL);
    serve_measures *m = serve_measures_create();
    serve_text text = {.at = NULL};
    (void)state;
    assert_string_equal(info->path, "/api/v1/info");
    serve_measures_answered(m, info, 200, 0.0004);
    serve_measures_answered(m, info, 200, 0.0005);
    serve_measures_answered(m, info, 200, 0.03);
    serve_measures_answered(m, info, 503, 99);
    serve_measures_answered(m, NULL, 404, 0.001);
    serve_measures_rejected(m, SERVE_REJECTED_TOKEN);
    serve_measures_print(m, (serve_load){.connections = 3, .in_flight = 2}, NULL, &text);
    static const char *const lines[] = {
        "rankine_http_requests_total{method=\"GET\",route=\"/api/v1/info\",code=\"200\"} 3\n",
        "rankine_http_requests_total{method=\"GET\",route=\"/api/v1/info\",code=\"503\"} 1\n",
        "rankine_http_requests_total{method=\"\",route=\"none\",code=\"404\"} 1\n",
        "{method=\"GET\",route=\"/api/v1/info\",le=\"0.0005\"} 2\n",
        "{method=\"GET\",route=\"/api/v1/info\",le=\"0.025\"} 2\n",
        "{method=\"GET\",route=\"/api/v1/info\",le=\"0.05\"} 3\n",
        "{method=\"GET\",route=\"/api/v1/info\",le=\"10\"} 3\n",
        "{method=\"GET\",route=\"/api/v1/info\",le=\"+Inf\"} 4\n",
        "rankine_http_request_seconds_count{method=\"GET\",route=\"/api/v1/info\"} 4\n",
        "rankine_http_request_seconds_sum{method=\"GET\",route=\"/api/v1/info\"} 99.0309\n",
        "rankine_rejected_total{reason=\"token\"} 1\n",
        "rankine_rejected_total{reason=\"size\"} 0\n",
        "\nrankine_http_connections 3\n",
        "\nrankine_http_in_flight 2\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (!strstr(text.at, lines[i])) {
            fail_msg("no line %s in\n%s", lines[i], text.at);
        }
    }
    serve_text_free(&text);
    serve_measures_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(connections_are_cut_at_their_deadline),
        cmocka_unit_test(a_file_of_something_else_is_left_as_it_is),
        cmocka_unit_test(feedback_is_kept_in_lines),
        cmocka_unit_test(a_file_that_was_moved_is_followed_by_a_new_one),
        cmocka_unit_test(measures_are_cumulative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
