/*
 * What is served: one opened run with its index of labels and its order of popularity, which is
 * replaced by another one while questions are asked.
 *
 * Threads: any number of them may take the run that is served now and ask it; it lives until all of
 * them have given it back. One thread opens and checks the next one beside it; what fails there
 * changes nothing but a counter.
 */
#ifndef RK_SERVE_WORLD_H
#define RK_SERVE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "rankine/hooks.h"
#include "rankine/model.h"
#include "rankine/search.h"
#include "serve/request.h"

/* Begin with zeros. */
typedef struct serve_world_options {
    const char *run;        /* a run folder, or a file of rankine export --format model */
    const char *device;     /* as rk_model_open has it; NULL = as the config says */
    const char *data;       /* where sources are now; NULL = as the config says */
    int64_t most;           /* items of an answer at most */
    int64_t most_waiting;   /* questions that wait at most; more are answered 503 */
    bool watches;           /* opens the run again when its folder has another one */
    bool feedback;          /* POST /api/v1/feedback is there; info says so */
    bool approximate;       /* answers from an index, which is made of each run (approximate.h) */
    int64_t planes, probes; /* of that; 0 = the usual numbers */
    const rk_hooks *hooks;  /* lent; they are called from the world's thread, too */
} serve_world_options;

enum { SERVE_WHY = 1024 };

/* Opens the run as rk_model_open does, and fails as that does; also RK_ERR_DATA for a model that
 * does not pass the test of itself, and RK_ERR_IO for a run that is not finished. `why` is the
 * sentence of a failure, [SERVE_WHY]. The texts of options are copied. Close with
 * serve_world_close. */
rk_status serve_world_open(const serve_world_options *options, serve_world **out, char *why);

/* Answers whatever waits, ends the threads, frees. NULL is fine. Nobody asks any more. */
void serve_world_close(serve_world *world);

/* Asks for the run to be opened again, and returns at once; hooks->log says how it went. reply:
 * waits for the outcome as request.h says (its `wait` has been called), or NULL. */
void serve_world_reload(serve_world *world, serve_reply *reply);

/* ---- for the answers ---- */

typedef struct serve_run serve_run;
typedef struct serve_ask serve_ask;

/* The run that is served now; give it back. Never NULL. */
serve_run *serve_world_take(serve_world *world);
void serve_world_give(serve_world *world, serve_run *run);
/* false: too many wait, or the world is being closed. */
bool serve_world_ask(serve_world *world, serve_ask *ask);
/* n answers were given on this ground. */
void serve_world_count(serve_world *world, rk_basis basis, int64_t n);
const serve_world_options *serve_world_get_options(const serve_world *world);

/* ---- how things stand ---- */

typedef struct serve_world_facts {
    char run[256], model[32], fingerprint[32];
    int64_t epoch, users, items;
    double loaded; /* in seconds since 1970 */
    /* Since the world was opened: */
    int64_t reloads, failed_reloads;
    int64_t answers[3];         /* by rk_basis */
    int64_t batches, questions; /* runs of the answering thread, and what was answered in them */
    int64_t waiting;            /* questions that wait now */
} serve_world_facts;
void serve_world_get_facts(serve_world *world, serve_world_facts *out);

#endif
