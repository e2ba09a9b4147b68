/* Collective calls of host memory that do not compute: gather, broadcast, barrier. */
#include <string.h>

#include "dist/internal.h"

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* A round in which each rank sends the same bytes to the root, or to all. sizes[r]: those of r. */
static rk_round gather_round(rk_comm *comm, const char *what, int64_t bytes, int root)
{
    int64_t *in = comm->sizes, *out = comm->sizes + comm->size;
    for (int r = 0; r < comm->size; r++) {
        bool gets = root == RK_COMM_ALL || root == r;
        out[r] = gets || r == comm->rank ? in[comm->rank] : -1; /* its own it finds in any case */
    }
    for (int r = 0; r < comm->size && root != RK_COMM_ALL && root != comm->rank; r++) {
        in[r] = -1;
    }
    return (rk_round){.kind = RK_CALL_GATHER,
                      .what = what,
                      .bytes = bytes,
                      .out = out,
                      .in = in,
                      .is_same = true,
                      .to_all = root == RK_COMM_ALL};
}

rk_status rk__comm_gather(rk_comm *comm, const char *what, const void *mine, const int64_t *bytes,
                          int root, void *all)
{
    if (comm->size == 1) {
        if (all != mine && bytes[0] > 0) {
            memcpy(all, mine, (size_t)bytes[0]);
        }
        return RK_OK;
    }
    const int64_t limit = rk__round_limit(comm);
    int64_t longest = 0, total = 0;
    for (int r = 0; r < comm->size; r++) {
        longest = bytes[r] > longest ? bytes[r] : longest;
        total += bytes[r];
    }
    for (int64_t done = 0; done < longest; done += limit) {
        rk__round_sizes(comm, bytes, done, limit, comm->sizes);
        int64_t n = comm->sizes[comm->rank];
        rk_round round = gather_round(comm, what, total, root);
        RK_TRY(rk__round_begin(comm, &round));
        memcpy(rk__round_out(comm, comm->rank), (const char *)mine + (n > 0 ? done : 0), (size_t)n);
        RK_TRY(rk__round_run(comm, &round));
        char *to = all;
        for (int r = 0; r < comm->size && round.to_all + (root == comm->rank) > 0; r++) {
            const int64_t left = bytes[r] - done;
            if (left > 0) {
                memcpy(to + done, rk__round_in(comm, r), (size_t)smaller(left, limit));
            }
            to += bytes[r];
        }
    }
    return RK_OK;
}

rk_status rk__comm_gather_columns(rk_comm *comm, const char *what, const float *mine, int64_t rows,
                                  int64_t columns, int root, float *all)
{
    int64_t width = columns * (int64_t)sizeof *mine;
    if (comm->size == 1 || width == 0) {
        int64_t bytes = rows * width;
        return comm->size == 1 ? rk__comm_gather(comm, what, mine, &bytes, root, all) : RK_OK;
    }
    int64_t most = rk__round_limit(comm) / width;
    most = most < 1 ? 1 : most;
    for (int64_t first = 0; first < rows; first += most) {
        int64_t n = smaller(rows - first, most);
        rk__round_equal(comm, n * width, comm->sizes);
        rk_round round = gather_round(comm, what, rows * width, root);
        RK_TRY(rk__round_begin(comm, &round));
        memcpy(rk__round_out(comm, comm->rank), mine + first * columns, (size_t)(n * width));
        RK_TRY(rk__round_run(comm, &round));
        for (int r = 0; r < comm->size && (root == RK_COMM_ALL || root == comm->rank); r++) {
            const float *from = rk__round_in(comm, r);
            for (int64_t i = 0; i < n; i++) {
                memcpy(all + ((first + i) * comm->size + r) * columns, from + i * columns,
                       (size_t)width);
            }
        }
    }
    return RK_OK;
}

rk_status rk__comm_broadcast(rk_comm *comm, const char *what, void *bytes, int64_t n, int root)
{
    if (comm->size == 1) {
        return RK_OK;
    }
    int64_t limit = rk__round_limit(comm);
    int64_t *out = comm->sizes, *in = comm->sizes + comm->size;
    for (int64_t done = 0; done < n; done += limit) {
        int64_t length = smaller(n - done, limit);
        for (int r = 0; r < comm->size; r++) {
            out[r] = comm->rank == root ? length : -1;
            in[r] = r == root ? length : -1;
        }
        rk_round round = {.kind = RK_CALL_BROADCAST,
                          .what = what,
                          .bytes = n,
                          .out = out,
                          .in = in,
                          .is_same = true};
        RK_TRY(rk__round_begin(comm, &round));
        if (comm->rank == root) {
            memcpy(rk__round_out(comm, root), (char *)bytes + done, (size_t)length);
        }
        RK_TRY(rk__round_run(comm, &round));
        if (comm->rank != root) {
            memcpy((char *)bytes + done, rk__round_in(comm, root), (size_t)length);
        }
    }
    return RK_OK;
}

rk_status rk__comm_barrier(rk_comm *comm, const char *what)
{
    if (comm->size == 1) {
        return RK_OK;
    }
    memset(comm->sizes, 0, 2 * (size_t)comm->size * sizeof *comm->sizes);
    rk_round round = {.kind = RK_CALL_BARRIER,
                      .what = what,
                      .out = comm->sizes,
                      .in = comm->sizes,
                      .is_same = true,
                      .to_all = true};
    RK_TRY(rk__round_begin(comm, &round));
    return rk__round_run(comm, &round);
}

rk_status rk__comm_barrier_without_limit(rk_comm *comm, const char *what)
{
    const double patience = comm->patience;
    if (comm->size == 1) {
        return RK_OK;
    }
    comm->patience = 0;
    rk_status status = rk__comm_barrier(comm, what);
    comm->patience = patience;
    return status;
}

rk_status rk__comm_stop(rk_comm *comm, bool mine, bool *out_any)
{
    if (comm->size == 1) {
        *out_any = mine;
        return RK_OK;
    }
    comm->wants_stop = comm->wants_stop || mine;
    if (!comm->has_carried) {
        RK_TRY(rk__comm_barrier(comm, "who wants to stop"));
    }
    comm->has_carried = false;
    *out_any = comm->stop_is_wanted;
    return RK_OK;
}

void rk__comm_tell(rk_comm *comm, int64_t number)
{
    if (comm->size > 1) {
        comm->tells = number;
    }
}

int64_t rk__comm_told(const rk_comm *comm)
{
    return comm->told;
}
