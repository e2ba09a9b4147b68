#include "serve/exchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "serve/body.h"
#include "serve/embedded.h"
#include "serve/memory.h"
#include "serve/reply.h"
#include "serve/run.h"

enum { DISCARD_BYTES = 1024 * 1024 /* of a refused body, so that the client reads why */ };

void serve_set_deadline(http_connection *c, int64_t ms, bool may_say_so)
{
    atomic_store(&c->base.may_say_so, may_say_so);
    atomic_store(&c->base.deadline, ms > 0 ? serve_milliseconds() + ms : 0);
}

static double seconds_since(const struct timespec *began)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - began->tv_sec) + (double)(now.tv_nsec - began->tv_nsec) * 1e-9;
}

static void leave_flight(http_connection *c)
{
    if (c->is_counted) {
        c->is_counted = false;
        atomic_fetch_sub(&c->http->in_flight, 1);
    }
}

void serve_end_request(http_connection *c)
{
    leave_flight(c);
    serve_free(c->raw);
    serve_target_free(&c->target);
    serve_body_free((struct json_t *)(uintptr_t)c->request.body);
    serve_text_free(&c->body);
    serve_text_free(&c->reply.text);
    c->raw = NULL;
    c->is_too_long = c->is_last = false;
    c->header = (serve_header){.host = NULL};
    c->route = NULL;
    c->body_bytes = 0;
    c->request = (serve_request){.path = NULL};
    c->reply = (serve_reply){.status = 0};
    c->stage = STAGE_NONE;
}

void serve_begin_request(http_connection *c, char *target)
{
    serve_end_request(c);
    clock_gettime(CLOCK_MONOTONIC, &c->began);
    c->stage = STAGE_HEADER;
    c->is_too_long = strnlen(target, SERVE_TARGET_BYTES + 1) > SERVE_TARGET_BYTES;
    c->raw = c->is_too_long ? NULL : serve_copy(target);
    c->raw_end = target + strlen(target);
    /* libmicrohttpd keeps a list of the query's parameters, and falls silent when they are more
     * than its memory holds: it is to see none */
    char *mark = strchr(target, '?');
    if (mark) {
        mark[1] = '\0';
    }
    serve_set_deadline(c, c->http->options.request_ms, true);
}

/* ---- replies ---- */

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    (void)MHD_add_response_header(response, name, value); /* fails for want of memory alone */
}

/* What every answer says beside itself. */
static void add_headers(http_connection *c, struct MHD_Response *response)
{
    const serve_reply *reply = &c->reply;
    const bool is_page = c->route && c->route->answerer == SERVE_BY_PAGE && reply->status == 200;
    char number[16];
    if (reply->content_type) {
        add_header(response, "Content-Type", reply->content_type);
    }
    add_header(response, "X-Content-Type-Options", "nosniff");
    add_header(response, "Cache-Control", is_page ? "no-cache" : "no-store");
    add_header(response, "Content-Security-Policy",
               is_page ? serve_page_policy : "default-src 'none'; frame-ancestors 'none'");
    if (is_page) {
        add_header(response, "Referrer-Policy", "no-referrer");
        add_header(response, "X-Frame-Options", "DENY");
    }
    if (reply->allow) {
        add_header(response, "Allow", reply->allow);
    }
    if (reply->retry_after > 0) {
        snprintf(number, sizeof number, "%d", reply->retry_after);
        add_header(response, "Retry-After", number);
    }
    if (reply->status == 401) {
        add_header(response, "WWW-Authenticate", "Bearer");
    }
    if (c->http->options.policy.n_origins > 0) {
        add_header(response, "Vary", "Origin");
    }
    if (serve_policy_knows_origin(&c->http->options.policy, c->header.origin)) {
        add_header(response, "Access-Control-Allow-Origin", c->header.origin);
        if (reply->status == 204 && reply->allow) {
            add_header(response, "Access-Control-Allow-Methods", reply->allow);
            add_header(response, "Access-Control-Allow-Headers",
                       "Authorization, Content-Type, X-API-Key");
            add_header(response, "Access-Control-Max-Age", "600");
        }
    }
    if (c->is_last || reply->status == 413 || atomic_load(&c->http->is_draining)) {
        add_header(response, "Connection", "close");
    }
}

/* Hands the reply to libmicrohttpd. */
static enum MHD_Result send_reply(http_connection *c)
{
    static char no_memory[] =
        "{\"type\": \"about:blank\", \"title\": \"Service Unavailable\", "
        "\"status\": 503, \"detail\": \"there is no memory for the answer\"}\n";
    serve_reply *reply = &c->reply;
    struct MHD_Response *response;
    if (reply->text.has_failed) {
        reply->status = 503;
        reply->retry_after = 1;
        reply->content_type = "application/problem+json";
        response =
            MHD_create_response_from_buffer(strlen(no_memory), no_memory, MHD_RESPMEM_PERSISTENT);
    } else if (c->route && c->route->answerer == SERVE_BY_PAGE && reply->status == 200) {
        response = MHD_create_response_from_buffer(serve_page_length, (void *)(uintptr_t)serve_page,
                                                   MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer_with_free_callback(
            reply->text.length, reply->text.at ? reply->text.at : no_memory,
            reply->text.at ? serve_free : NULL);
        reply->text = response ? (serve_text){.at = NULL} : reply->text;
    }
    leave_flight(c);
    if (!response) {
        return MHD_NO; /* no memory: the connection is closed */
    }
    add_headers(c, response);
    c->stage = STAGE_SENT;
    serve_set_deadline(c, c->http->options.answer_ms, false);
    const enum MHD_Result result =
        MHD_queue_response(c->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    atomic_store_explicit(&c->http->last_ms, serve_milliseconds(), memory_order_relaxed);
    serve_measures_answered(c->http->measures, c->route, reply->status, seconds_since(&c->began));
    return result;
}

/* The question is handed to a thread: libmicrohttpd forgets the connection meanwhile. */
static void reply_waits(serve_reply *reply)
{
    http_connection *c = reply->owner;
    c->stage = STAGE_WAITING;
    atomic_store(&c->is_done, false);
    serve_set_deadline(c, 0, false);
    MHD_suspend_connection(c->connection);
}

static void reply_is_done(serve_reply *reply)
{
    http_connection *c = reply->owner;
    struct MHD_Connection *connection = c->connection;
    atomic_store(&c->is_done, true); /* what the reply holds is the connection's thread's again */
    MHD_resume_connection(connection);
}

/* ---- what http answers itself ---- */

static void answer_health(serve_http *http, const serve_route *route, serve_reply *reply)
{
    const bool is_ready = route->answerer == SERVE_BY_LIVE || !atomic_load(&http->is_draining);
    if (is_ready) {
        text_json j = serve_json(&reply->text);
        text_json_open(&j, '{');
        text_json_key(&j, "status");
        text_json_text(&j, route->answerer == SERVE_BY_LIVE ? "live" : "ready");
        text_json_close(&j, '}');
        serve_reply_json(reply, 200);
    } else {
        serve_reply_problem(reply, 503, "the service is about to end");
        reply->retry_after = 1;
    }
}

static void answer_metrics(serve_http *http, serve_reply *reply)
{
    const serve_load load = {.connections = serve_connections_count(http->connections),
                             .in_flight = atomic_load(&http->in_flight)};
    serve_measures_print(http->measures, load, http->options.world, &reply->text);
    reply->status = 200;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
}

static bool keep(serve_http *http, const serve_request *request, serve_reply *reply)
{
    serve_run *run = serve_world_take(http->options.world);
    const bool is_done =
        serve_feedback_answer(http->options.feedback, rk_model_config(run->model), request, reply);
    serve_world_give(http->options.world, run);
    return is_done;
}

/* ---- requests ---- */

/* The request is complete. True: so is the reply. */
static bool answer(http_connection *c)
{
    serve_http *http = c->http;
    serve_reply *reply = &c->reply;
    const bool is_post = strcmp(c->route->method, "POST") == 0;
    reply->wait = reply_waits;
    reply->done = reply_is_done;
    reply->owner = c;
    switch (c->route->answerer) {
    case SERVE_BY_LIVE:
    case SERVE_BY_READY:
        answer_health(http, c->route, reply);
        return true;
    case SERVE_BY_METRICS:
        answer_metrics(http, reply);
        return true;
    case SERVE_BY_PAGE:
        reply->status = 200;
        reply->content_type = "text/html; charset=utf-8";
        return true;
    case SERVE_BY_FEEDBACK:
    case SERVE_BY_MODEL:
        break;
    }
    if (c->route->answerer == SERVE_BY_FEEDBACK && !http->options.feedback) {
        serve_reply_problem(reply, 404, "this service keeps no feedback: rankine serve --feedback");
        return true;
    }
    if (c->body.has_failed) {
        serve_reply_problem(reply, 503, "there is no memory for the body");
        return true;
    }
    if (is_post && c->route->guard != SERVE_FOR_ADMIN) { /* whose body says nothing */
        c->request.body = serve_body_parse(c->body.at ? c->body.at : "", c->body.length, reply);
        if (!c->request.body) {
            return true;
        }
    }
    c->is_counted = true;
    if (atomic_fetch_add(&http->in_flight, 1) >= http->options.in_flight) {
        serve_measures_rejected(http->measures, SERVE_REJECTED_BUSY);
        serve_reply_problem(reply, 503,
                            "%" PRId64 " requests are being answered, which is all "
                            "that are at once: ask again",
                            http->options.in_flight);
        reply->retry_after = 1;
        return true;
    }
    if (atomic_load(&http->is_finishing)) { /* after it was counted: see serve_http_finish */
        serve_reply_problem(reply, 503, "the service is about to end");
        reply->retry_after = 1;
        return true;
    }
    c->request.question = c->route->question;
    c->request.query = c->target.query;
    c->request.n_query = c->target.n_query;
    return c->route->answerer == SERVE_BY_FEEDBACK
               ? keep(http, &c->request, reply)
               : serve_answer(http->options.world, &c->request, reply);
}

/* The fields of a header as libmicrohttpd has cut it up: texts in the bytes that came, the breaks
 * and colons between them zeroed. A zero byte in a value would cut off the rest of it, and a line
 * that goes on in the next one is put together elsewhere or not at all: neither may be taken for
 * what another program reads. */
typedef struct fields {
    serve_header *header;
    const char *at, *end; /* bytes that were not looked at; at NULL: the first field is to come */
    bool is_whole;        /* nothing but blanks lies between the texts */
} fields;

/* Goes on to `next`, or behind it where that is a text. */
static void go_on(fields *f, const char *next, bool is_text)
{
    const char *from = f->at ? f->at : next;
    f->is_whole = f->is_whole && from <= next && next <= f->end;
    for (; f->is_whole && from < next; from++) {
        f->is_whole = *from == '\0' || strchr(" \t\r\n", *from) != NULL;
    }
    f->at = is_text && f->is_whole ? next + strnlen(next, (size_t)(f->end - next)) : next;
}

static enum MHD_Result take_field(void *cls, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    fields *f = cls;
    (void)kind;
    serve_header_add(f->header, name, value);
    go_on(f, name, true);
    if (value && *value) {
        go_on(f, value, true);
    }
    return MHD_YES;
}

/* The header begins with `method`. */
static void take_fields(http_connection *c, const char *method)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    fields f = {.header = &c->header,
                .end = method + (size ? size->header_size : 0),
                .is_whole = size != NULL};
    MHD_get_connection_values(c->connection, MHD_HEADER_KIND, take_field, &f);
    if (f.at) {
        go_on(&f, f.end, false);
    }
    c->header.is_malformed = c->header.is_malformed || !f.is_whole;
}

/* Sizes and clarity: false with a problem, after which the connection is of no use. */
static bool check_form(http_connection *c, const char *method, const char *version,
                       serve_rejection *why)
{
    const union MHD_ConnectionInfo *size =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    /* the address follows the method after one byte, and the version the address, unless a zero
     * byte has cut that off */
    const uintptr_t hidden = (uintptr_t)version - (uintptr_t)c->raw_end;
    const uintptr_t before =
        (uintptr_t)c->raw_end - (uintptr_t)method - strlen(method) - (c->raw ? strlen(c->raw) : 0);
    *why = SERVE_REJECTED_SIZE;
    if (c->is_too_long) {
        serve_reply_problem(&c->reply, 414,
                            "the address is longer than %d bytes; a user with such an id is asked "
                            "for in the body of POST /api/v1/batch",
                            SERVE_TARGET_BYTES);
    } else if (!c->raw) {
        serve_reply_problem(&c->reply, 503, "there is no memory for the request");
    } else if (size && size->header_size > SERVE_HEADER_BYTES) {
        serve_reply_problem(&c->reply, 431, "the header is longer than %d bytes",
                            SERVE_HEADER_BYTES);
    } else if ((hidden > 1 && hidden < SERVE_HEADER_BYTES) ||
               (before > 1 && before < SERVE_HEADER_BYTES)) {
        *why = SERVE_REJECTED_MALFORMED;
        serve_reply_problem(&c->reply, 400,
                            "the request line has a zero byte, or a blank too many");
    } else {
        *why = SERVE_REJECTED_MALFORMED;
        return serve_header_is_clear(&c->header, version, &c->reply);
    }
    return false;
}

/* Finds the route and asks whether it may be taken: false with a reply. */
static bool check_route(http_connection *c, const char *method, serve_rejection *why)
{
    serve_reply *reply = &c->reply;
    const char *allow = NULL;
    *why = SERVE_REJECTED_MALFORMED;
    const char *problem = serve_target_decode(&c->target, c->raw, strlen(c->raw));
    if (problem) {
        serve_reply_problem(reply, 400, "%s", problem);
        return false;
    }
    *why = SERVE_REJECTED_HOST;
    const char *hosts[] = {c->header.host, c->target.host};
    for (int i = 0; i < 2; i++) {
        if (!serve_policy_serves_host(&c->http->options.policy, hosts[i])) {
            serve_reply_problem(reply, 421,
                                "the host '%.80s' is not served here; rankine serve --allow-host "
                                "says which ones are",
                                hosts[i]);
            return false;
        }
    }
    c->route = serve_route_find(method, &c->target, c->parts, &c->request.n_path, &allow);
    c->request.path = c->parts;
    *why = SERVE_REJECTIONS; /* an answer like another */
    if (!c->route && allow && strcmp(method, "OPTIONS") == 0) {
        reply->status = 204;
        reply->allow = allow;
        return false;
    }
    if (!c->route && allow) {
        serve_reply_problem(reply, 405, "%.20s is not a method of this address, %s are", method,
                            allow);
        reply->allow = allow;
        return false;
    }
    if (!c->route) {
        serve_reply_problem(reply, 404,
                            "there is no such address: /openapi.json has those that "
                            "there are");
        return false;
    }
    return serve_policy_allows(&c->http->options.policy, &c->header, c->route, reply, why);
}

/* The length that a body is said to have; 0 if it is not said. */
static uint64_t length_said(const serve_header *header)
{
    uint64_t n = 0;
    for (const char *at = header->content_length ? header->content_length : ""; *at; at++) {
        n = n < UINT64_MAX / 20 ? n * 10 + (uint64_t)(*at - '0') : n;
    }
    return n;
}

/* The header is there: decides what becomes of the request. */
static enum MHD_Result take_header(http_connection *c, const char *method, const char *version)
{
    serve_rejection why = SERVE_REJECTIONS;
    take_fields(c, method);
    const bool is_clear = check_form(c, method, version, &why);
    const bool has_body = serve_header_has_body(&c->header);
    bool is_fine = is_clear && check_route(c, method, &why);
    if (is_fine && length_said(&c->header) > SERVE_BODY_BYTES) {
        why = SERVE_REJECTED_SIZE;
        is_fine = false;
        serve_reply_problem(&c->reply, 413, "the body is longer than %d bytes", SERVE_BODY_BYTES);
    }
    if (!is_fine && why < SERVE_REJECTIONS) {
        serve_measures_rejected(c->http->measures, why);
    }
    c->stage = STAGE_BODY;
    if (is_fine || (is_clear && !c->header.expects && length_said(&c->header) <= DISCARD_BYTES)) {
        return MHD_YES; /* the reply, if there is one already, follows the body */
    }
    c->is_last = !is_clear || has_body;
    return send_reply(c);
}

static enum MHD_Result take_body(http_connection *c, const char *bytes, size_t length)
{
    c->body_bytes += length;
    if (c->reply.status == 0 && c->body_bytes > SERVE_BODY_BYTES) {
        serve_measures_rejected(c->http->measures, SERVE_REJECTED_SIZE);
        serve_reply_problem(&c->reply, 413, "the body is longer than %d bytes", SERVE_BODY_BYTES);
    }
    if (c->reply.status == 0) {
        serve_text_add(&c->body, bytes, length);
    }
    return c->body_bytes > DISCARD_BYTES ? MHD_NO : MHD_YES;
}

enum MHD_Result serve_handle(void *cls, struct MHD_Connection *connection, const char *url,
                             const char *method, const char *version, const char *bytes,
                             size_t *length, void **request)
{
    http_connection *c = *request;
    (void)cls;
    (void)connection;
    (void)url;
    if (!c || c->stage == STAGE_SENT) {
        return c ? MHD_YES : MHD_NO;
    }
    if (c->stage == STAGE_HEADER) {
        return take_header(c, method, version);
    }
    if (c->stage == STAGE_BODY && *length > 0) {
        const size_t n = *length;
        *length = 0;
        return take_body(c, bytes, n);
    }
    if (c->stage == STAGE_WAITING && !atomic_load(&c->is_done)) {
        return MHD_YES;
    }
    if (c->stage == STAGE_BODY && c->reply.status == 0) {
        serve_set_deadline(c, 0, false);
        if (!answer(c)) {
            return MHD_YES;
        }
    }
    return send_reply(c);
}
