#include "serve/http.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "serve/exchange.h"
#include "serve/memory.h"

enum {
    POOL_BYTES = 64 * 1024, /* of a connection, for its header and what is read of a body */
    QUEUE_MS = 200,         /* for those who wait to be accepted when the service is to end */
    SILENCE_MS = 1000,      /* after which a connection that is asked to end is given up */
};

/* ---- connections, as libmicrohttpd announces them ---- */

static http_connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t length)
{
    serve_http *http = cls;
    const serve_address who = serve_address_of(address, length);
    const serve_admission admission = serve_connections_admit(http->connections, &who);
    if (admission == SERVE_ADMITTED) {
        return MHD_YES;
    }
    serve_measures_rejected(http->measures, admission == SERVE_TOO_MANY ? SERVE_REJECTED_CONNECTIONS
                                                                        : SERVE_REJECTED_ADDRESS);
    return MHD_NO;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    serve_http *http = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        http_connection *c = serve_alloc(1, sizeof *c);
        *context = c;
        if (c) {
            const union MHD_ConnectionInfo *socket =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
            const union MHD_ConnectionInfo *address =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
            c->http = http;
            c->connection = connection;
            c->base.socket = socket->connect_fd;
            if (address && address->client_addr) {
                c->base.address =
                    serve_address_of(address->client_addr, (socklen_t)sizeof(struct sockaddr_in6));
            }
            serve_set_deadline(c, http->options.request_ms, false);
            serve_connections_add(http->connections, &c->base);
        }
    } else if (*context) {
        http_connection *c = *context;
        *context = NULL;
        serve_connections_remove(http->connections, &c->base);
        serve_end_request(c);
        serve_free(c);
    }
}

/* The address of a request has come, before libmicrohttpd has cut it up. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
    http_connection *c = connection_of(connection);
    (void)cls;
    if (c) {
        serve_begin_request(c, (char *)(uintptr_t)target);
    }
    return c;
}

/* libmicrohttpd would decode the address before it cuts it up: not here (decode.h). */
static size_t leave_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode how)
{
    http_connection *c = *request;
    (void)cls;
    (void)connection;
    (void)how;
    if (c) {
        serve_end_request(c);
        serve_set_deadline(c, c->http->options.idle_ms, false);
    }
    *request = NULL;
}

/* ---- life ---- */

static void RK_PRINTF(2, 0) keep_message(void *cls, const char *format, va_list arguments)
{
    serve_http *http = cls;
    if (!atomic_load(&http->is_quiet)) {
        vsnprintf(http->message, sizeof http->message, format, arguments);
        http->message[strcspn(http->message, "\n")] = '\0';
    }
}

serve_http *serve_http_start(const serve_http_options *options, char *message, size_t size)
{
    serve_http *http = serve_alloc(1, sizeof *http);
    snprintf(message, size, "there is no memory for connections");
    if (!http) {
        return NULL;
    }
    http->options = *options;
    http->measures = serve_measures_create();
    http->connections = serve_connections_create(options->connections, options->per_address,
                                                 options->counts_loopback);
    if (!http->measures || !http->connections) {
        serve_http_free(http);
        return NULL;
    }
    /* the limit of connections is on_accept's: libmicrohttpd divides its own among its threads */
    const unsigned limit = (unsigned)((options->connections + 1) * options->threads);
    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, on_accept,
        http, serve_handle, http, MHD_OPTION_EXTERNAL_LOGGER, keep_message, http,
        MHD_OPTION_LISTEN_SOCKET, options->socket, MHD_OPTION_CONNECTION_LIMIT, limit,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_THREAD_POOL_SIZE,
        options->threads > 1 ? (unsigned)options->threads : 0U, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_encoded, http, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, http, MHD_OPTION_END);
    if (!http->daemon) {
        snprintf(message, size, "libmicrohttpd does not start: %s", http->message);
        serve_http_free(http);
        return NULL;
    }
    atomic_store(&http->is_quiet, true);
    return http;
}

void serve_http_tick(serve_http *http)
{
    for (int64_t n = serve_connections_cut(http->connections, serve_milliseconds()); n > 0; n--) {
        serve_measures_rejected(http->measures, SERVE_REJECTED_DEADLINE);
    }
}

void serve_http_drain(serve_http *http)
{
    struct pollfd listener = {.fd = http->options.socket, .events = POLLIN};
    atomic_store(&http->is_draining, true);
    atomic_store(&http->last_ms, serve_milliseconds());
    /* who has connected already is let in; who comes later is refused, and can ask elsewhere */
    for (int i = 0; i < QUEUE_MS / 5 && poll(&listener, 1, 0) > 0; i++) {
        poll(NULL, 0, 5);
    }
    (void)MHD_quiesce_daemon(http->daemon);
    (void)shutdown(http->options.socket, SHUT_RDWR);
}

bool serve_http_is_drained(serve_http *http)
{
    return serve_connections_count(http->connections) == 0 ||
           (atomic_load(&http->in_flight) == 0 &&
            serve_milliseconds() - atomic_load(&http->last_ms) > SILENCE_MS);
}

bool serve_http_finish(serve_http *http, int64_t ms)
{
    const int64_t until = serve_milliseconds() + ms;
    atomic_store(&http->is_finishing, true);
    while (atomic_load(&http->in_flight) > 0 && serve_milliseconds() < until) {
        serve_http_tick(http);
        poll(NULL, 0, 5);
    }
    return atomic_load(&http->in_flight) == 0;
}

void serve_http_free(serve_http *http)
{
    if (http) {
        if (http->daemon) {
            MHD_stop_daemon(http->daemon);
        }
        serve_connections_free(http->connections);
        serve_measures_free(http->measures);
        serve_free(http);
    }
}
