/*
 * The open connections: how many there are, of whom, and until when each must have sent its request
 * or taken its answer. libmicrohttpd's own time limit is one of silence, so that a client who sends
 * a byte a second would stay for ever; here a connection is cut when its time is over, whatever it
 * sends.
 *
 * Threads: any number; a deadline is set by the thread that the connection belongs to, and read by
 * the one that cuts.
 */
#ifndef RK_SERVE_CONNECTIONS_H
#define RK_SERVE_CONNECTIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct serve_connections serve_connections;

/* Whose: an address, or of IPv6 the network of 64 bits that one customer has; family 0 = of this
 * machine's own sockets (unix:). */
typedef struct serve_address {
    int family;
    unsigned char bytes[16];
    bool is_loopback;
} serve_address;

/* A part of the caller's own struct. */
typedef struct serve_connection serve_connection;
struct serve_connection {
    serve_connection *next, *before;
    serve_address address;
    int socket;             /* lent */
    atomic_llong deadline;  /* in ms, as serve_milliseconds; 0 = none */
    atomic_bool may_say_so; /* cut with 408: the client has asked something and waits */
};

int64_t serve_milliseconds(void); /* of a clock that only goes on */

/* most: connections at once; most_of_one: of one address, 0 = no limit. Without `loopback` that
 * limit is not for addresses of this machine, since a proxy here brings everybody's. NULL = no
 * memory. */
serve_connections *serve_connections_create(int64_t most, int64_t most_of_one, bool loopback);
void serve_connections_free(serve_connections *table); /* empty; NULL is fine */

serve_address serve_address_of(const struct sockaddr *address, socklen_t length);

typedef enum serve_admission {
    SERVE_ADMITTED,
    SERVE_TOO_MANY,
    SERVE_TOO_MANY_OF_ONE
} serve_admission;
/* Whether one more of that address may come. */
serve_admission serve_connections_admit(serve_connections *table, const serve_address *address);

void serve_connections_add(serve_connections *table, serve_connection *connection);
/* Before its socket is closed. */
void serve_connections_remove(serve_connections *table, serve_connection *connection);
int64_t serve_connections_count(serve_connections *table);

/* Cuts what is over its time; returns how many. */
int64_t serve_connections_cut(serve_connections *table, int64_t now);

#endif
