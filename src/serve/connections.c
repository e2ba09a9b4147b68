#include "serve/connections.h"

#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "serve/memory.h"

struct serve_connections {
    pthread_mutex_t lock;
    serve_connection *first;
    int64_t n, most, most_of_one;
    bool loopback;
};

int64_t serve_milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

serve_connections *serve_connections_create(int64_t most, int64_t most_of_one, bool loopback)
{
    serve_connections *t = serve_alloc(1, sizeof *t);
    if (t) {
        pthread_mutex_init(&t->lock, NULL);
        t->most = most;
        t->most_of_one = most_of_one;
        t->loopback = loopback;
    }
    return t;
}

void serve_connections_free(serve_connections *table)
{
    if (table) {
        pthread_mutex_destroy(&table->lock);
        serve_free(table);
    }
}

serve_address serve_address_of(const struct sockaddr *address, socklen_t length)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    serve_address out = {.family = 0};
    if (!address || length < (socklen_t)sizeof(sa_family_t)) {
        return out;
    }
    if (address->sa_family == AF_INET && length >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        out.family = AF_INET;
        memcpy(out.bytes, &v4.sin_addr, 4);
    } else if (address->sa_family == AF_INET6 && length >= (socklen_t)sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        if (memcmp(&v6.sin6_addr, mapped, sizeof mapped) == 0) {
            out.family = AF_INET;
            memcpy(out.bytes, (const char *)&v6.sin6_addr + 12, 4);
        } else {
            out.family = AF_INET6;
            out.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
            memcpy(out.bytes, &v6.sin6_addr, 8);
        }
    }
    out.is_loopback = out.is_loopback || (out.family == AF_INET && out.bytes[0] == 127);
    return out;
}

static bool same(const serve_address *a, const serve_address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

serve_admission serve_connections_admit(serve_connections *table, const serve_address *address)
{
    const bool counts = table->most_of_one > 0 && address->family != 0 &&
                        (table->loopback || !address->is_loopback);
    int64_t n_of_one = 0;
    pthread_mutex_lock(&table->lock);
    const bool is_full = table->n >= table->most;
    for (const serve_connection *c = counts ? table->first : NULL; c; c = c->next) {
        n_of_one += same(&c->address, address);
    }
    pthread_mutex_unlock(&table->lock);
    return is_full                                    ? SERVE_TOO_MANY
           : counts && n_of_one >= table->most_of_one ? SERVE_TOO_MANY_OF_ONE
                                                      : SERVE_ADMITTED;
}

void serve_connections_add(serve_connections *table, serve_connection *connection)
{
    pthread_mutex_lock(&table->lock);
    connection->before = NULL;
    connection->next = table->first;
    if (table->first) {
        table->first->before = connection;
    }
    table->first = connection;
    table->n++;
    pthread_mutex_unlock(&table->lock);
}

void serve_connections_remove(serve_connections *table, serve_connection *connection)
{
    pthread_mutex_lock(&table->lock);
    if (connection->before) {
        connection->before->next = connection->next;
    } else {
        table->first = connection->next;
    }
    if (connection->next) {
        connection->next->before = connection->before;
    }
    table->n--;
    pthread_mutex_unlock(&table->lock);
}

int64_t serve_connections_count(serve_connections *table)
{
    pthread_mutex_lock(&table->lock);
    const int64_t n = table->n;
    pthread_mutex_unlock(&table->lock);
    return n;
}

/* The lock is held meanwhile, so the socket is still that connection's. What libmicrohttpd reads
 * next is the end of the stream, and it closes. */
int64_t serve_connections_cut(serve_connections *table, int64_t now)
{
    static const char late[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
                               "Content-Length: 0\r\n\r\n";
    int64_t cut = 0;
    pthread_mutex_lock(&table->lock);
    for (serve_connection *c = table->first; c; c = c->next) {
        const int64_t deadline = atomic_load(&c->deadline);
        if (deadline == 0 || now < deadline) {
            continue;
        }
        if (atomic_load(&c->may_say_so)) {
            (void)!send(c->socket, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        atomic_store(&c->deadline, 0);
        shutdown(c->socket, SHUT_RDWR);
        cut++;
    }
    pthread_mutex_unlock(&table->lock);
    return cut;
}
