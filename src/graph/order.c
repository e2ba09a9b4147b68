/*
 * Clusters by label propagation (Raghavan, Albert and Kumara, Physical Review E 2007), none larger
 * than MOST_NODES (as Meyerhenke, Sanders and Schulz, SEA 2014): every node begins as a cluster of
 * its own, and in each sweep goes to the one that most of its neighbours are in and that has room.
 * One node after the other, so that the result is one.
 */
#include "graph/order.h"

#include "base/alloc.h"
#include "base/order.h"

enum {
    MOST_NODES = 4096, /* rows of 256 bytes that a core's own cache has room for: 1 MB */
    LEAST_SHARE = 100, /* a sweep that moves less than one in so many is the last */
    EDGES_PER_LOOK = 1 << 16,
};

typedef struct clusters {
    const rk_adjacency *g;
    int32_t *of, *size;     /* n: the cluster of a node, the nodes of a cluster */
    int32_t *votes, *voted; /* n: of clusters, 0 between nodes; the clusters that have some */
    int64_t inside;         /* neighbours in the cluster that a node went to, of this sweep */
} clusters;

/* Where node v belongs. Of clusters with as many neighbours: its own, else the largest, else the
 * first that a neighbour is in. */
static int32_t best_of(clusters *c, int64_t v)
{
    const rk_adjacency *g = c->g;
    int64_t n = 0;
    for (int64_t e = g->offsets[v]; e < g->offsets[v + 1]; e++) {
        int32_t of = c->of[g->columns[e]];
        if (c->votes[of]++ == 0) {
            c->voted[n++] = of;
        }
    }
    int32_t best = c->of[v];
    for (int64_t i = 0; i < n; i++) {
        int32_t of = c->voted[i], more = c->votes[of] - c->votes[best];
        if (c->size[of] < MOST_NODES &&
            (more > 0 || (more == 0 && best != c->of[v] && c->size[of] > c->size[best]))) {
            best = of;
        }
    }
    c->inside += c->votes[best];
    for (int64_t i = 0; i < n; i++) {
        c->votes[c->voted[i]] = 0;
    }
    return best;
}

static rk_status look(const rk_order_watch *watch, int64_t edges)
{
    return watch ? watch->look(watch->self, edges) : RK_OK;
}

/* *out_moved: how many nodes moved. */
static rk_status sweep(clusters *c, const rk_order_watch *watch, int64_t *out_moved)
{
    const int64_t *offsets = c->g->offsets;
    int64_t moved = 0, looked = 0;
    c->inside = 0;
    for (int64_t v = 0; v < c->g->n; v++) {
        if (offsets[v] - looked >= EDGES_PER_LOOK) {
            RK_TRY(look(watch, offsets[v] - looked));
            looked = offsets[v];
        }
        int32_t to = best_of(c, v), from = c->of[v];
        if (to != from) {
            c->size[from]--;
            c->size[to]++;
            c->of[v] = to;
            moved++;
        }
    }
    *out_moved = moved;
    return look(watch, offsets[c->g->n] - looked);
}

/* Until hardly any node moves. */
static rk_status propagate_labels(clusters *c, const rk_order_watch *watch)
{
    int64_t moved = INT64_MAX;
    for (int i = 0; i < RK_ORDER_SWEEPS && moved > c->g->n / LEAST_SHARE; i++) {
        RK_TRY(sweep(c, watch, &moved));
    }
    return RK_OK;
}

/* The users by cluster, then the others; those of a cluster as they are. */
static void take(clusters *c, int32_t *out)
{
    const int64_t n = c->g->n, sides[] = {0, c->g->n_users, n};
    int32_t *next = c->size;
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < n; i++) {
            next[i] = 0;
        }
        for (int64_t v = sides[side]; v < sides[side + 1]; v++) {
            next[c->of[v]]++;
        }
        int32_t begin = (int32_t)sides[side];
        for (int64_t i = 0; i < n; i++) {
            int32_t nodes = next[i];
            next[i] = begin;
            begin += nodes;
        }
        for (int64_t v = sides[side]; v < sides[side + 1]; v++) {
            out[next[c->of[v]]++] = (int32_t)v;
        }
    }
}

rk_status rk__order_rows(const rk_adjacency *g, const rk_order_watch *watch, int32_t *out,
                         double *out_inside)
{
    rk_status status = RK_OK;
    clusters c = {.g = g};
    RK_TRY_GOTO(done, rk__alloc(&c.of, g->n, sizeof *c.of, "the clusters of nodes"));
    RK_TRY_GOTO(done, rk__alloc(&c.size, g->n, sizeof *c.size, "the clusters of nodes"));
    RK_TRY_GOTO(done, rk__calloc(&c.votes, g->n, sizeof *c.votes, "the clusters of nodes"));
    RK_TRY_GOTO(done, rk__alloc(&c.voted, g->n, sizeof *c.voted, "the clusters of nodes"));
    for (int64_t v = 0; v < g->n; v++) {
        c.of[v] = (int32_t)v;
        c.size[v] = 1;
    }
    RK_TRY_GOTO(done, propagate_labels(&c, watch));
    take(&c, out);
    if (out_inside) {
        const int64_t edges = g->offsets[g->n];
        *out_inside = edges > 0 ? (double)c.inside / (double)edges : 0;
    }
done:
    rk__free(c.of);
    rk__free(c.size);
    rk__free(c.votes);
    rk__free(c.voted);
    return status;
}
