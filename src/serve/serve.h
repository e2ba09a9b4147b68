/*
 * The service of `rankine serve`: answers over HTTP what recommend, similar and score answer on the
 * command line. All that the program needs to know of it.
 */
#ifndef RK_SERVE_SERVE_H
#define RK_SERVE_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rankine/hooks.h"

typedef struct serve_options {
    const char *run;           /* a run folder, or a file of rankine export --format model */
    const char *device, *data; /* as rk_model_open has them; NULL = as the run's config says */
    const char *listen;        /* "127.0.0.1:8080", "[::1]:0", "unix:PATH" */
    const char *token_file;    /* NULL = no token is asked for */
    const char *feedback;      /* a file; NULL = none is kept */
    const char *const *origins, *const *hosts; /* of --allow-origin and --allow-host */
    int n_origins, n_hosts;
    int64_t threads;        /* that wait for sockets; 0 = as many as processors, at most 4 */
    int64_t max_top;        /* items of an answer at most */
    int64_t connections;    /* at once */
    int64_t per_address;    /* of one address; 0 = no limit */
    bool counts_loopback;   /* that limit is also for this machine's addresses */
    int64_t seconds;        /* in which a request must be there */
    bool watch;             /* opens the run again when its folder has another one */
    bool approximate;       /* answers from an index */
    int64_t planes, probes; /* of that; 0 = the usual numbers */
    const rk_hooks *hooks;  /* hooks->log says what people want to know */
    void (*listens)(void *to, const char *url); /* called when answers can be had */
    void *to;
} serve_options;

/* Serves until SIGTERM or SIGINT: then it answers what has been asked, for 10 seconds at most, and
 * returns 0. SIGHUP opens the run again. To be called once, by a program with one thread: signals
 * are blocked, in the threads that it starts, too. Else an exit code (rankine/status.h), and
 * message is a sentence. */
int serve_until_ended(const serve_options *options, char *message, size_t size);

#endif
