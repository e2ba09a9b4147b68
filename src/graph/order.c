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
    MOST_SWEEPS = 6,
    LEAST_SHARE = 100, /* a sweep that moves less than one in so many is the last */
};

typedef struct clusters {
    const rk_adjacency *g;
    int32_t *of, *size;     /* n: the cluster of a node, the nodes of a cluster */
    int32_t *votes, *voted; /* n: of clusters, 0 between nodes; the clusters that have some */
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
    for (int64_t i = 0; i < n; i++) {
        c->votes[c->voted[i]] = 0;
    }
    return best;
}

/* How many nodes moved. */
static int64_t sweep(clusters *c)
{
    int64_t moved = 0;
    for (int64_t v = 0; v < c->g->n; v++) {
        int32_t to = best_of(c, v), from = c->of[v];
        if (to != from) {
            c->size[from]--;
            c->size[to]++;
            c->of[v] = to;
            moved++;
        }
    }
    return moved;
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

rk_status rk__order_rows(const rk_adjacency *g, int32_t *out)
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
    for (int i = 0; i < MOST_SWEEPS && sweep(&c) > g->n / LEAST_SHARE; i++) {
    }
    take(&c, out);
done:
    rk__free(c.of);
    rk__free(c.size);
    rk__free(c.votes);
    rk__free(c.voted);
    return status;
}
