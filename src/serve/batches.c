#include "serve/batches.h"

#include <pthread.h>
#include <stdlib.h>

#include "serve/memory.h"

enum {
    MOST_ASKS = 256,        /* that are taken together: a tile of queries */
    MOST_ANSWERS = 1 << 20, /* of queries that are answered together */
};

struct serve_batches {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    /* Under the lock: */
    serve_ask *first, *last; /* those that wait, in the order in which they came */
    int64_t most, waiting;
    int64_t n_batches, n_asks;
    bool is_asleep, is_over;
    /* The answering thread's: */
    rk_query *queries;
    int32_t *items;
    rk_recommendation *best;
    int64_t n_queries, n_best; /* room */
};

/* ---- which go together ---- */

/* The sizes of tiles that answers of a length are made in (docs/serving.md). */
static int length_class(int64_t k)
{
    return k <= 32 ? 0 : k <= 256 ? 1 : 2;
}

static bool goes_alone(const serve_ask *a)
{
    return a->kind == SERVE_ASK_ELSE || a->allow || a->n != 1;
}

static int asker(const serve_ask *a)
{
    return a->kind != SERVE_ASK_TOP || a->n < 1 ? 0
           : a->queries[0].user >= 0            ? 0
           : a->queries[0].n_items > 0          ? 1
                                                : 2;
}

static int compare_pointers(const void *a, const void *b)
{
    return ((uintptr_t)a > (uintptr_t)b) - ((uintptr_t)a < (uintptr_t)b);
}

/* What must be equal of asks that are answered together comes first. */
static int compare_groups(const serve_ask *a, const serve_ask *b)
{
    const int by_run = compare_pointers(a->run, b->run);
    const int by_kind = (int)a->kind - (int)b->kind;
    const int by_length = length_class(a->k) - length_class(b->k);
    return by_run != 0 ? by_run : by_kind != 0 ? by_kind : by_length;
}

static int compare(const void *left, const void *right)
{
    const serve_ask *a = *(serve_ask *const *)left, *b = *(serve_ask *const *)right;
    const int by_group = compare_groups(a, b);
    return by_group != 0 ? by_group : asker(a) - asker(b);
}

/* ---- answering ---- */

/* Room for n queries with k answers each. */
static bool make_room(serve_batches *b, int64_t n, int64_t k)
{
    if (n > b->n_queries) {
        rk_query *queries = serve_grow(b->queries, n, sizeof *queries);
        b->queries = queries ? queries : b->queries;
        int32_t *items = serve_grow(b->items, n, sizeof *items);
        b->items = items ? items : b->items;
        if (!queries || !items) {
            return false;
        }
        b->n_queries = n;
    }
    if (n * k > b->n_best) {
        rk_recommendation *best = serve_grow(b->best, n * k, sizeof *best);
        if (!best) {
            return false;
        }
        b->best = best;
        b->n_best = n * k;
    }
    return true;
}

static rk_status ask_model(const serve_batches *b, const serve_ask *first, int64_t n, int64_t k)
{
    const serve_run *run = first->run;
    rk_selection selection = rk_selection_defaults();
    selection.allow = first->allow;
    selection.n_allow = first->n_allow;
    if (first->kind == SERVE_ASK_SIMILAR) {
        return rk_model_similar(run->model, b->items, n, &selection, k, b->best);
    }
    return run->index ? rk_lsh_model_top_k(run->index, run->model, b->queries, n, &selection,
                                           run->probes, k, b->best)
                      : rk_model_top_k(run->model, b->queries, n, &selection, k, b->best);
}

static void hand_back(serve_ask *a, rk_status status, const char *why,
                      const rk_recommendation *best, int64_t stride)
{
    a->status = status;
    a->why = why;
    a->best = best;
    a->stride = stride;
    a->answer(a);
}

/* n asks of a group. Where one of several fails they are asked one by one, so that each has its own
 * failure and nobody another's. */
static void answer_group(serve_batches *b, serve_ask *const *asks, int64_t n)
{
    int64_t n_queries = 0, k = 1;
    for (int64_t i = 0; i < n; i++) {
        n_queries += asks[i]->n;
        k = asks[i]->k > k ? asks[i]->k : k;
    }
    if (!make_room(b, n_queries, k)) {
        for (int64_t i = 0; i < n; i++) {
            hand_back(asks[i], RK_ERR_MEMORY, "there is no memory for the answer", NULL, 0);
        }
        return;
    }
    for (int64_t i = 0, at = 0; i < n; i++) {
        for (int64_t j = 0; j < asks[i]->n; j++, at++) {
            if (asks[i]->kind == SERVE_ASK_SIMILAR) {
                b->items[at] = asks[i]->items[j];
            } else {
                b->queries[at] = asks[i]->queries[j];
            }
        }
    }
    const rk_status status = ask_model(b, asks[0], n_queries, k);
    if (status != RK_OK && n > 1) {
        for (int64_t i = 0; i < n; i++) {
            answer_group(b, asks + i, 1);
        }
        return;
    }
    for (int64_t i = 0, at = 0; i < n; i++) {
        const int64_t n_rows = asks[i]->n; /* the ask is gone when it has its answer */
        hand_back(asks[i], status, status == RK_OK ? NULL : rk_last_error(), b->best + at * k, k);
        at += n_rows;
    }
}

static void answer_all(serve_batches *b, serve_ask **asks, int64_t n)
{
    qsort(asks, (size_t)n, sizeof *asks, compare);
    for (int64_t first = 0, end; first < n; first = end) {
        const int64_t k = asks[first]->k;
        end = first + 1;
        if (asks[first]->kind == SERVE_ASK_ELSE) {
            hand_back(asks[first], RK_OK, NULL, NULL, 0);
            continue;
        }
        while (!goes_alone(asks[first]) && end < n && !goes_alone(asks[end]) &&
               compare_groups(asks[first], asks[end]) == 0 &&
               (end - first + 1) * k < MOST_ANSWERS) {
            end++;
        }
        answer_group(b, asks + first, end - first);
    }
}

/* ---- the thread ---- */

/* Waits until somebody asks; 0 = it is over. */
static int64_t take(serve_batches *b, serve_ask *asks[MOST_ASKS])
{
    int64_t n = 0;
    pthread_mutex_lock(&b->lock);
    while (!b->first && !b->is_over) {
        b->is_asleep = true;
        pthread_cond_wait(&b->came, &b->lock);
    }
    b->is_asleep = false;
    while (b->first && n < MOST_ASKS) {
        asks[n] = b->first;
        b->first = asks[n++]->next;
    }
    b->last = b->first ? b->last : NULL;
    b->waiting -= n;
    b->n_asks += n;
    b->n_batches += n > 0;
    pthread_mutex_unlock(&b->lock);
    return n;
}

static void *run(void *self)
{
    serve_batches *b = self;
    serve_ask *asks[MOST_ASKS];
    for (int64_t n = take(b, asks); n > 0; n = take(b, asks)) {
        answer_all(b, asks, n);
    }
    return NULL;
}

rk_status serve_batches_start(int64_t most_waiting, serve_batches **out)
{
    serve_batches *b = serve_alloc(1, sizeof *b);
    if (!b) {
        return RK_ERR_MEMORY;
    }
    b->most = most_waiting;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->came, NULL);
    if (pthread_create(&b->thread, NULL, run, b) != 0) {
        serve_free(b);
        return RK_ERR_MEMORY;
    }
    *out = b;
    return RK_OK;
}

bool serve_batches_add(serve_batches *b, serve_ask *ask)
{
    pthread_mutex_lock(&b->lock);
    bool is_taken = !b->is_over && b->waiting < b->most;
    bool wakes = is_taken && b->is_asleep;
    if (is_taken) {
        ask->next = NULL;
        *(b->last ? &b->last->next : &b->first) = ask;
        b->last = ask;
        b->waiting++;
        b->is_asleep = false;
    }
    pthread_mutex_unlock(&b->lock);
    if (wakes) {
        pthread_cond_signal(&b->came);
    }
    return is_taken;
}

void serve_batches_stop(serve_batches *b)
{
    if (!b) {
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->is_over = true;
    pthread_mutex_unlock(&b->lock);
    pthread_cond_signal(&b->came);
    pthread_join(b->thread, NULL);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->came);
    serve_free(b->queries);
    serve_free(b->items);
    serve_free(b->best);
    serve_free(b);
}

serve_batches_facts serve_batches_get_facts(serve_batches *b)
{
    pthread_mutex_lock(&b->lock);
    const serve_batches_facts facts = {b->n_batches, b->n_asks, b->waiting};
    pthread_mutex_unlock(&b->lock);
    return facts;
}
