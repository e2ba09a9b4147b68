#include "serve/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "rankine/status.h"
#include "serve/connections.h"

enum { BACKLOG = 511, MOST_NAME = 255 };

static const char most_port[] = "65535";

static const char how[] = "give --listen ADDRESS:PORT, e.g. 127.0.0.1:8080 or [::1]:8080, or "
                          "--listen unix:PATH";

static int usage(void)
{
    return rk_status_exit_code(RK_ERR_CONFIG);
}

static int io(void)
{
    return rk_status_exit_code(RK_ERR_IO);
}

/* ---- paths ---- */

/* Whether somebody listens on it. */
static bool is_alive(const struct sockaddr_un *address)
{
    const int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool alive = s >= 0 && connect(s, (const struct sockaddr *)address, sizeof *address) == 0;
    if (s >= 0) {
        close(s);
    }
    return alive;
}

static int open_path(serve_listener *out, const char *path, char *message, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat info;
    if (!*path || strlen(path) >= sizeof address.sun_path) {
        snprintf(message, size, "--listen unix:%.120s: a path of a socket has 1 to %zu bytes", path,
                 sizeof address.sun_path - 1);
        return usage();
    }
    memcpy(address.sun_path, path, strlen(path));
    if (lstat(path, &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) {
            snprintf(message, size,
                     "--listen unix:%s: there is something else than a socket; "
                     "remove it, or choose another path",
                     path);
            return usage();
        }
        if (is_alive(&address)) {
            snprintf(message, size,
                     "--listen unix:%s: another program listens there; end it, or "
                     "choose another path",
                     path);
            return io();
        }
        unlink(path);
    }
    out->is_unix = out->is_loopback = true;
    out->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (out->socket < 0 || bind(out->socket, (struct sockaddr *)&address, sizeof address) != 0) {
        snprintf(message, size, "--listen unix:%s: %s", path, strerror(errno));
        return io();
    }
    if (lstat(path, &info) == 0) {
        out->device = info.st_dev;
        out->inode = info.st_ino;
    }
    snprintf(out->unix_path, sizeof out->unix_path, "%s", path);
    snprintf(out->url, sizeof out->url, "unix:%s", path);
    /* whoever may write to the folder's group may connect */
    if (chmod(path, 0660) != 0 || listen(out->socket, BACKLOG) != 0) {
        snprintf(message, size, "--listen unix:%s: %s", path, strerror(errno));
        return io();
    }
    return 0;
}

/* ---- addresses ---- */

static bool split(const char *where, char name[MOST_NAME + 1], const char **out_port)
{
    const char *end = *where == '[' ? strchr(where, ']') : strrchr(where, ':');
    const char *start = where + (*where == '[');
    const size_t length = end ? (size_t)(end - start) : 0;
    if (!end || length == 0 || length > MOST_NAME) {
        return false;
    }
    end += *end == ']';
    const char *port = end + 1;
    const size_t digits = strspn(*end == ':' ? port : "", "0123456789");
    memcpy(name, start, length);
    name[length] = '\0';
    *out_port = port;
    return *end == ':' && digits > 0 && digits <= 5 && port[digits] == '\0' &&
           (digits < 5 || strcmp(port, most_port) <= 0) && (*where == '[' || !strchr(name, ':'));
}

/* What the socket is bound to, for people and for tests. */
static void describe(serve_listener *out)
{
    struct sockaddr_storage bound;
    socklen_t length = sizeof bound;
    char name[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(out->socket, (struct sockaddr *)&bound, &length) == 0 &&
        getnameinfo((struct sockaddr *)&bound, length, name, sizeof name, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        const bool v6 = bound.ss_family == AF_INET6;
        out->is_loopback = serve_address_of((struct sockaddr *)&bound, length).is_loopback;
        snprintf(out->url, sizeof out->url, "http://%s%.200s%s:%.16s/", v6 ? "[" : "", name,
                 v6 ? "]" : "", port);
    }
}

static int open_address(serve_listener *out, const char *where, char *message, size_t size)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char name[MOST_NAME + 1];
    const char *port;
    const int yes = 1;
    if (!split(where, name, &port)) {
        snprintf(message, size, "--listen %.200s: %s", where, how);
        return usage();
    }
    const int failure = getaddrinfo(name, port, &hints, &found);
    if (failure != 0) {
        snprintf(message, size, "--listen %.200s: %s; %s", where, gai_strerror(failure), how);
        return usage();
    }
    out->socket = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const bool is_open = out->socket >= 0 &&
                         setsockopt(out->socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                         bind(out->socket, found->ai_addr, found->ai_addrlen) == 0 &&
                         listen(out->socket, BACKLOG) == 0;
    const int error = errno;
    freeaddrinfo(found);
    if (!is_open) {
        snprintf(message, size, "--listen %.200s: %s%s", where, strerror(error),
                 error == EADDRINUSE      ? "; another program listens there, so end it or choose "
                                            "another port (0 = a free one)"
                 : error == EACCES        ? "; ports below 1024 are root's, so choose a higher one"
                 : error == EADDRNOTAVAIL ? "; this machine has no such address"
                                          : "");
        return io();
    }
    describe(out);
    return 0;
}

int serve_listener_open(serve_listener *out, const char *where, char *message, size_t size)
{
    *out = (serve_listener){.socket = -1};
    const int code = strncmp(where, "unix:", 5) == 0 ? open_path(out, where + 5, message, size)
                                                     : open_address(out, where, message, size);
    if (code != 0) {
        serve_listener_close(out);
    }
    return code;
}

void serve_listener_close(serve_listener *listener)
{
    if (listener->socket >= 0) {
        close(listener->socket);
        listener->socket = -1;
    }
    struct stat info;
    if (*listener->unix_path) {
        /* another service may listen there by now */
        if (lstat(listener->unix_path, &info) == 0 && info.st_dev == listener->device &&
            info.st_ino == listener->inode) {
            unlink(listener->unix_path);
        }
        *listener->unix_path = '\0';
    }
}
