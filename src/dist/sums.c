/*
 * Sums over ranks of host memory, element by element in the order of the ranks, whatever the way
 * that the values take: few of them go from everyone to everyone, many in two rounds. In the first
 * each rank adds up a piece of its own, in the second it tells the others.
 *
 * Bytes that a rank sends for n values of w bytes: (P - 1) n w, or 2 (P - 1) / P n w.
 */
#include <string.h>

#include "dist/internal.h"

enum { FEW = 8192 }; /* bytes: below, one round of more bytes is faster than two of fewer */

typedef struct numbers {
    void *at;
    int64_t n, width;
} numbers;

#define ADD(type_)                                                                                 \
    static void add_##type_(type_ *restrict to, const type_ *restrict from, int64_t n)             \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                          \
            to[i] += from[i];                                                                      \
        }                                                                                          \
    }
ADD(float)
ADD(double)

/* What came from all ranks, n values each, added up into `to`. */
static void add_all(const rk_comm *comm, void *to, int64_t n, int64_t width)
{
    memcpy(to, rk__round_in(comm, 0), (size_t)(n * width));
    for (int r = 1; r < comm->size; r++) {
        const void *from = rk__round_in(comm, r);
        if (width == sizeof(float)) {
            add_float(to, from, n);
        } else {
            add_double(to, from, n);
        }
    }
}

static rk_status sum_few(rk_comm *comm, const char *what, numbers v)
{
    int64_t *bytes = comm->sizes;
    rk__round_equal(comm, v.n * v.width, bytes);
    rk_round round = {.kind = RK_CALL_SUM,
                      .what = what,
                      .bytes = v.n * v.width,
                      .out = bytes,
                      .in = bytes,
                      .is_same = true,
                      .to_all = true};
    RK_TRY(rk__round_begin(comm, &round));
    memcpy(rk__round_out(comm, comm->rank), v.at, (size_t)(v.n * v.width));
    RK_TRY(rk__round_run(comm, &round));
    add_all(comm, v.at, v.n, v.width);
    return RK_OK;
}

static rk_status sum_many(rk_comm *comm, const char *what, numbers v)
{
    int64_t *mine = comm->sizes, *theirs = comm->sizes + comm->size;
    unsigned char *at = v.at;
    int64_t begin = rk__comm_share(comm, v.n, comm->rank);
    int64_t n = rk__comm_share(comm, v.n, comm->rank + 1) - begin;
    for (int r = 0; r < comm->size; r++) {
        mine[r] = n * v.width;
        theirs[r] = (rk__comm_share(comm, v.n, r + 1) - rk__comm_share(comm, v.n, r)) * v.width;
    }
    rk_round round = {.kind = RK_CALL_SUM,
                      .what = what,
                      .bytes = v.n * v.width,
                      .out = theirs,
                      .in = mine,
                      .to_all = true};
    RK_TRY(rk__round_begin(comm, &round));
    for (int r = 0; r < comm->size; r++) {
        memcpy(rk__round_out(comm, r), at + rk__comm_share(comm, v.n, r) * v.width,
               (size_t)theirs[r]);
    }
    RK_TRY(rk__round_run(comm, &round));
    add_all(comm, at + begin * v.width, n, v.width);

    round.out = mine;
    round.in = theirs;
    round.is_same = true;
    RK_TRY(rk__round_begin(comm, &round));
    memcpy(rk__round_out(comm, comm->rank), at + begin * v.width, (size_t)mine[comm->rank]);
    RK_TRY(rk__round_run(comm, &round));
    for (int r = 0; r < comm->size; r++) {
        memcpy(at + rk__comm_share(comm, v.n, r) * v.width, rk__round_in(comm, r),
               (size_t)theirs[r]);
    }
    return RK_OK;
}

static rk_status sum(rk_comm *comm, const char *what, void *at, int64_t n, int64_t width)
{
    int64_t most = comm->size > 1 ? rk__round_limit(comm) / width : n;
    for (int64_t done = 0; comm->size > 1 && done < n; done += most) {
        numbers v = {(char *)at + done * width, n - done < most ? n - done : most, width};
        bool is_few = comm->size == 2 || v.n * width <= FEW;
        RK_TRY(is_few ? sum_few(comm, what, v) : sum_many(comm, what, v));
    }
    return RK_OK;
}

rk_status rk__comm_sum(rk_comm *comm, const char *what, float *values, int64_t n)
{
    return sum(comm, what, values, n, sizeof *values);
}

rk_status rk__comm_sum_double(rk_comm *comm, const char *what, double *values, int64_t n)
{
    return sum(comm, what, values, n, sizeof *values);
}
