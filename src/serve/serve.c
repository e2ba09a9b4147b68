#include "serve/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rankine/status.h"
#include "serve/connections.h"
#include "serve/http.h"
#include "serve/listen.h"
#include "serve/run.h"

enum {
    TICK_MS = 100,
    DRAIN_MS = 10 * 1000,
    IDLE_MS = 60 * 1000,
    ANSWER_MS = 30 * 1000,
    IN_FLIGHT = 256,
    MOST_THREADS = 4,
    LEAST_TOKEN = 16,
    MOST_TOKEN = 512,
    SPARE_FILES = 64, /* beside those of connections */
};

/* What one service is made of. */
typedef struct service {
    const serve_options *options;
    char *message; /* the caller's */
    size_t size;
    char token[MOST_TOKEN + 2]; /* "" = none */
    serve_listener listener;
    serve_world *world;
    serve_feedback *feedback;
    serve_http *http;
} service;

static int exit_code(rk_status status)
{
    return rk_status_exit_code(status);
}

static void say(const service *s, rk_log_level level, const char *format, ...) RK_PRINTF(3, 4);
static void say(const service *s, rk_log_level level, const char *format, ...)
{
    const rk_hooks *hooks = s->options->hooks;
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (hooks && hooks->log) {
        hooks->log(hooks->user, level, text);
    }
}

/* ---- signals ---- */

static sigset_t signals_of_service(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    return set;
}

/* The next signal, or 0 after a while without one. */
static int next_signal(void)
{
    const struct timespec wait = {.tv_nsec = TICK_MS * 1000000L};
    const sigset_t set = signals_of_service();
    const int number = sigtimedwait(&set, NULL, &wait);
    return number > 0 ? number : 0;
}

/* Whether somebody wants the service to end before it has begun. */
static bool is_asked_to_end(void *user)
{
    sigset_t pending;
    (void)user;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Tells a service manager how things stand, where one wants to know (sd_notify). */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t length = path ? strlen(path) : 0;
    if (length < 2 || length >= sizeof address.sun_path) {
        return;
    }
    memcpy(address.sun_path, path, length);
    if (*path == '@') {
        address.sun_path[0] = '\0'; /* an abstract name */
    }
    const int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s >= 0) {
        (void)!sendto(s, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
        close(s);
    }
}

/* ---- what it needs ---- */

/* The token is the file's first line. */
static int read_token(service *s)
{
    const char *path = s->options->token_file;
    const int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (!path) {
        return 0;
    }
    const ssize_t n = file >= 0 ? read(file, s->token, sizeof s->token - 1) : -1;
    const int error = errno;
    if (file >= 0) {
        close(file);
    }
    if (n < 0) {
        snprintf(s->message, s->size, "--token-file %.300s: %s", path, strerror(error));
        return exit_code(RK_ERR_IO);
    }
    s->token[n] = '\0';
    const size_t length = strcspn(s->token, "\r\n");
    const bool is_one_line = length + strspn(s->token + length, "\r\n") == (size_t)n;
    s->token[length] = '\0';
    bool is_plain = strlen(s->token) == length;
    for (size_t i = 0; i < length; i++) {
        is_plain = is_plain && s->token[i] > ' ' && s->token[i] < 0x7F;
    }
    if (!is_one_line || !is_plain || length < LEAST_TOKEN || length > MOST_TOKEN) {
        snprintf(s->message, s->size,
                 "--token-file %.300s: must be one line of %d to %d printable ASCII characters "
                 "without blanks, e.g. of: head -c 32 /dev/urandom | base64",
                 path, LEAST_TOKEN, MOST_TOKEN);
        return exit_code(RK_ERR_CONFIG);
    }
    return 0;
}

static int check_origins(const service *s)
{
    for (int i = 0; i < s->options->n_origins; i++) {
        const char *origin = s->options->origins[i];
        const char *host = strstr(origin, "://");
        const bool is_web =
            strncmp(origin, "http://", 7) == 0 || strncmp(origin, "https://", 8) == 0;
        if (!is_web || !host[3] || strpbrk(host + 3, "/*, ")) {
            snprintf(s->message, s->size,
                     "--allow-origin %.200s: must be scheme and host as browsers write them, e.g. "
                     "https://shop.example.org",
                     origin);
            return exit_code(RK_ERR_CONFIG);
        }
    }
    return 0;
}

static int open_world(service *s)
{
    const serve_options *o = s->options;
    const serve_world_options how = {.run = o->run,
                                     .device = o->device,
                                     .data = o->data,
                                     .most = o->max_top,
                                     .most_waiting = IN_FLIGHT,
                                     .watches = o->watch,
                                     .feedback = o->feedback != NULL,
                                     .approximate = o->approximate,
                                     .planes = o->planes,
                                     .probes = o->probes,
                                     .hooks = o->hooks};
    char why[SERVE_WHY] = "";
    const rk_status status = serve_world_open(&how, &s->world, why);
    if (status != RK_OK) {
        snprintf(s->message, s->size, "%s", why);
    }
    return exit_code(status);
}

static int64_t processors(void)
{
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > MOST_THREADS ? MOST_THREADS : n;
}

/* A connection is an open file, of which a process may have so many. */
static void allow_files(const service *s)
{
    const rlim_t wanted = (rlim_t)s->options->connections + SPARE_FILES;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted) {
        say(s, RK_LOG_WARNING,
            "%lld files may be open, which is too few for %lld connections: raise ulimit -n, or "
            "give fewer --connections",
            (long long)limit.rlim_cur, (long long)s->options->connections);
    }
}

static int start(service *s)
{
    const serve_options *o = s->options;
    const bool is_local = s->listener.is_loopback && !s->listener.is_unix;
    allow_files(s);
    if (o->feedback) {
        s->feedback = serve_feedback_open(o->feedback, s->message, s->size);
        if (!s->feedback) {
            return exit_code(RK_ERR_IO);
        }
    }
    const serve_http_options how = {.socket = s->listener.socket,
                                    .threads = (int)(o->threads > 0 ? o->threads : processors()),
                                    .connections = o->connections,
                                    .per_address = o->per_address,
                                    .counts_loopback = o->counts_loopback,
                                    .in_flight = IN_FLIGHT,
                                    .request_ms = o->seconds * 1000,
                                    .idle_ms = IDLE_MS,
                                    .answer_ms = ANSWER_MS,
                                    .policy = {.token = *s->token ? s->token : NULL,
                                               .origins = o->origins,
                                               .n_origins = o->n_origins,
                                               .hosts = o->hosts,
                                               .n_hosts = o->n_hosts,
                                               .any_host = !is_local && o->n_hosts == 0},
                                    .world = s->world,
                                    .feedback = s->feedback};
    s->http = serve_http_start(&how, s->message, s->size);
    return s->http ? 0 : exit_code(RK_ERR_INTERNAL);
}

/* ---- its life ---- */

static void warn_of_strangers(const service *s)
{
    if (!s->listener.is_loopback && !*s->token) {
        say(s, RK_LOG_WARNING,
            "%s can be reached from other machines, and whoever reaches it may ask: give "
            "--token-file FILE, or listen on 127.0.0.1 behind a proxy",
            s->listener.url);
    }
}

/* Until it is told to end. */
static void answer_all(service *s)
{
    int number = 0;
    while (number != SIGTERM && number != SIGINT) {
        number = next_signal();
        serve_http_tick(s->http);
        if (number == SIGHUP) {
            serve_world_reload(s->world, NULL);
        }
    }
}

/* What was asked is answered. A second signal ends it at once: false. */
static bool drain(service *s)
{
    const int64_t until = serve_milliseconds() + DRAIN_MS;
    notify("STOPPING=1");
    say(s, RK_LOG_INFO, "ending: answering what has been asked");
    serve_http_drain(s->http);
    while (!serve_http_is_drained(s->http) && serve_milliseconds() < until) {
        const int number = next_signal();
        serve_http_tick(s->http);
        if (number == SIGTERM || number == SIGINT) {
            return false;
        }
    }
    return true;
}

/* What answers questions goes when nobody asks any more. If a question takes too long for that, it
 * stays, and the end of the program takes all. */
static void end(service *s)
{
    if (!s->http || serve_http_finish(s->http, DRAIN_MS)) {
        serve_http_free(s->http);
        serve_world_close(s->world);
        serve_feedback_close(s->feedback);
    }
    serve_listener_close(&s->listener);
}

int serve_until_ended(const serve_options *options, char *message, size_t size)
{
    service s = {.options = options, .message = message, .size = size, .listener = {.socket = -1}};
    rk_hooks hooks = options->hooks ? *options->hooks : (rk_hooks){.log = NULL};
    serve_options own = *options;
    sigset_t before;
    const sigset_t set = signals_of_service();
    pthread_sigmask(SIG_BLOCK, &set, &before); /* before any thread is there */
    signal(SIGPIPE, SIG_IGN);
    hooks.should_stop = is_asked_to_end;
    own.hooks = &hooks;
    s.options = &own;
    snprintf(message, size, "the service has failed");
    int code = read_token(&s);
    code = code ? code : check_origins(&s);
    /* before the run is opened: that takes time, and a port that is taken is said at once */
    code = code ? code : serve_listener_open(&s.listener, options->listen, message, size);
    code = code ? code : open_world(&s);
    code = code ? code : start(&s);
    if (code == 0) {
        warn_of_strangers(&s);
        notify("READY=1");
        if (options->listens) {
            options->listens(options->to, s.listener.url);
        }
        answer_all(&s);
        if (!drain(&s)) {
            code = exit_code(RK_ERR_INTERRUPTED);
            snprintf(message, size, "ended at once: not everybody was answered");
        }
    }
    end(&s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}
