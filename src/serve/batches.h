/*
 * Questions to a model that wait for the answering thread. It takes all that wait and has the model
 * answer those together that can be: of one run and of about one length, known users first. A tile
 * of queries takes far less time than the same one by one, so the more is asked, the less a
 * question costs; who asks alone does not wait for others.
 *
 * Threads: any number of them add; one answers. What a question finds is written by the answering
 * thread.
 */
#ifndef RK_SERVE_BATCHES_H
#define RK_SERVE_BATCHES_H

#include "serve/run.h"

typedef enum serve_ask_kind {
    SERVE_ASK_TOP,     /* the best items of n queries */
    SERVE_ASK_SIMILAR, /* those most like n items */
    SERVE_ASK_ELSE     /* `answer` asks the model itself */
} serve_ask_kind;

struct serve_ask {
    serve_ask_kind kind;
    const serve_run *run; /* taken by the one who asks; `answer` gives it back */
    const rk_query *queries;
    const int32_t *items;
    int64_t n, k;         /* k answers to each of n; 1 or more */
    const int32_t *allow; /* n_allow items that alone may be in the answers; NULL = any */
    int64_t n_allow;
    /* In the answering thread, once: the answers, or what failed. It frees the ask. */
    void (*answer)(serve_ask *ask);
    rk_status status;
    const char *why;               /* of a failure */
    const rk_recommendation *best; /* of n rows, `stride` >= k apart; lent to `answer` */
    int64_t stride;
    serve_ask *next; /* of the batches */
};

typedef struct serve_batches serve_batches;

/* Begins the answering thread. RK_ERR_MEMORY. */
rk_status serve_batches_start(int64_t most_waiting, serve_batches **out);
/* false: as many wait as may, or it is over; the ask is as it was. */
bool serve_batches_add(serve_batches *batches, serve_ask *ask);
/* Answers what waits, ends the thread, frees. NULL is fine. */
void serve_batches_stop(serve_batches *batches);

typedef struct serve_batches_facts {
    int64_t batches, questions; /* runs of the answering thread, and asks that it took */
    int64_t waiting;            /* asks that it has not taken yet */
} serve_batches_facts;
serve_batches_facts serve_batches_get_facts(serve_batches *batches);

#endif
