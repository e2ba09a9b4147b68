/* The socket that the service listens on: an address and a port, or a path (unix:PATH). */
#ifndef RK_SERVE_LISTEN_H
#define RK_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct serve_listener {
    int socket; /* -1 = none */
    bool is_unix, is_loopback;
    char url[300];       /* where it is to be found: "http://127.0.0.1:8080/", or "unix:PATH" */
    char unix_path[108]; /* to be removed at the end, if it is still this socket; "" = none */
    dev_t device;        /* of that file */
    ino_t inode;
} serve_listener;

/* Listens on "127.0.0.1:8080", "[::1]:8080", "localhost:0" (0 = a free port) or "unix:PATH"; a
 * socket's file that nobody listens to any more is replaced. Returns 0, or an exit code with a
 * sentence in message. Close with serve_listener_close. */
int serve_listener_open(serve_listener *out, const char *where, char *message, size_t size);
void serve_listener_close(serve_listener *listener);

#endif
