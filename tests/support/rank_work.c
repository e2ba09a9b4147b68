#include "support/rank_work.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "support/ranks.h"

/* Numbers whose sum depends on the order of adding. */
static float number_of(int rank, int64_t i)
{
    uint32_t x = (uint32_t)(i * 2654435761u) ^ (uint32_t)(rank + 1) * 0x9E3779B9u;
    x ^= x >> 13;
    x *= 0x5bd1e995u;
    x ^= x >> 15;
    return ((float)(x & 0xffff) - 32768.0f) * powf(2, (float)(x >> 28) - 8);
}

/* ---- sums ---- */

static rk_status sum_and_compare(rk_comm *comm, int64_t n)
{
    float *values = NULL;
    double *doubles = NULL;
    int size = rk__comm_size(comm), rank = rk__comm_rank(comm);
    RK_TRY(rk__alloc(&values, n, sizeof *values, "values"));
    RK_TRY(rk__alloc(&doubles, n, sizeof *doubles, "values"));
    for (int again = 0; again < 2; again++) {
        for (int64_t i = 0; i < n; i++) {
            values[i] = number_of(rank, i);
            doubles[i] = number_of(rank, i) / 3.0;
        }
        RK_TRY(rk__comm_sum(comm, "values", values, n));
        RK_TRY(rk__comm_sum_double(comm, "doubles", doubles, n));
        for (int64_t i = 0; i < n; i++) { /* the bits of a sum in the order of ranks */
            float sum = number_of(0, i);
            double sum_of_doubles = number_of(0, i) / 3.0;
            for (int r = 1; r < size; r++) {
                sum += number_of(r, i);
                sum_of_doubles += number_of(r, i) / 3.0;
            }
            RANK_CHECK(memcmp(&sum, &values[i], sizeof sum) == 0);
            RANK_CHECK(memcmp(&sum_of_doubles, &doubles[i], sizeof sum_of_doubles) == 0);
        }
    }
    rk__free(values);
    rk__free(doubles);
    return RK_OK;
}

rk_status rank_sums(rk_comm *comm, void *user)
{
    static const int64_t few[] = {0, 1, 3, 100, 2048, 2049, 4096, 10007};
    int64_t size = rk__comm_size(comm), n = *(int64_t *)user;
    for (size_t i = 0; n == 0 && i < sizeof few / sizeof few[0]; i++) {
        RK_TRY(sum_and_compare(comm, few[i]));
    }
    RK_TRY(n > 0 ? sum_and_compare(comm, n) : RK_OK);
    /* the formula of docs/ranks.md */
    float values[12000] = {0};
    int64_t before = rk__comm_bytes_sent(comm);
    RK_TRY(rk__comm_sum(comm, "few", values, 12));
    RANK_CHECK(rk__comm_bytes_sent(comm) - before == (size - 1) * 12 * 4);
    before = rk__comm_bytes_sent(comm);
    RK_TRY(rk__comm_sum(comm, "many", values, 12000));
    int64_t sent = rk__comm_bytes_sent(comm) - before, formula = 2 * (size - 1) * 12000 * 4 / size;
    RANK_CHECK(llabs(sent - formula) <= 8 * size); /* pieces are whole numbers */
    return RK_OK;
}

/* ---- gather, broadcast ---- */

rk_status rank_gathers(rk_comm *comm, void *user)
{
    enum { ROWS = 70, COLUMNS = 3 };
    int size = rk__comm_size(comm), rank = rk__comm_rank(comm);
    int64_t unit = *(int64_t *)user, bytes[TEST_RANKS_MOST], total = 0;
    for (int r = 0; r < size; r++) {
        bytes[r] = r == 1 ? 0 : unit * (r + 1);
        total += bytes[r];
    }
    unsigned char *mine = malloc((size_t)bytes[rank] + 1), *all = malloc((size_t)total + 1);
    for (int root = RK_COMM_ALL; root < size; root++) {
        memset(mine, rank + 1, (size_t)bytes[rank]);
        memset(all, 0xEE, (size_t)total + 1);
        RK_TRY(rk__comm_gather(comm, "blocks", mine, bytes, root, all));
        int64_t at = 0;
        for (int r = 0; r < size; r++) {
            for (int64_t i = 0; i < bytes[r]; i++, at++) {
                bool gets = root == RK_COMM_ALL || root == rank || size == 1;
                RANK_CHECK(all[at] == (gets ? r + 1 : 0xEE));
            }
        }
        RANK_CHECK(all[total] == 0xEE);
        float columns[ROWS * COLUMNS], whole[ROWS * COLUMNS * TEST_RANKS_MOST] = {0};
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            columns[i] = (float)(1000 * (rank + 1) + i);
        }
        RK_TRY(rk__comm_gather_columns(comm, "columns", columns, ROWS, COLUMNS, root, whole));
        for (int i = 0; (root == RK_COMM_ALL || root == rank) && i < ROWS; i++) {
            for (int c = 0; c < COLUMNS * size; c++) {
                RANK_CHECK(whole[i * COLUMNS * size + c] ==
                           (float)(1000 * (c / COLUMNS + 1) + i * COLUMNS + c % COLUMNS));
            }
        }
        int from = root == RK_COMM_ALL ? 0 : root;
        memset(all, rank == from ? 7 : 0, (size_t)total);
        RK_TRY(rk__comm_broadcast(comm, "word", all, total, from));
        for (int64_t i = 0; i < total; i++) {
            RANK_CHECK(all[i] == 7);
        }
        RK_TRY(rk__comm_barrier(comm, "end of a round"));
    }
    free(mine);
    free(all);
    return RK_OK;
}

/* ---- stopping ---- */

rk_status rank_steps_until_stop(rk_comm *comm, void *user)
{
    bool with_sums = *(bool *)user;
    float loss[3] = {1, 2, 3};
    int64_t steps = 0;
    for (bool stop = false; !stop; steps++) {
        RANK_CHECK(steps < 50);
        RK_TRY(with_sums ? rk__comm_sum(comm, "loss", loss, 3) : RK_OK);
        bool mine = rk__comm_rank(comm) == 2 && steps >= 10;
        usleep((unsigned)(300 * rk__comm_rank(comm)));
        RK_TRY(rk__comm_stop(comm, mine, &stop));
    }
    double all[TEST_RANKS_MOST] = {0};
    all[rk__comm_rank(comm)] = (double)steps;
    RK_TRY(rk__comm_sum_double(comm, "steps", all, 3));
    RANK_CHECK(all[0] == all[1] && all[1] == all[2]);
    RANK_CHECK(steps >= 11 && steps <= 12);
    return RK_OK;
}
