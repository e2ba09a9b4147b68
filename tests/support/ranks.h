/*
 * Ranks for tests: processes that are forked and talk over sockets, without any MPI. The library's
 * communicator stands on them as it does on MPI's messages.
 */
#ifndef RK_TESTS_RANKS_H
#define RK_TESTS_RANKS_H

#include "dist/comm.h"

/* What a rank does. comm is open; status and last error are what the rank ends with. */
typedef rk_status (*test_rank_work)(rk_comm *comm, void *user);

typedef struct test_rank_end {
    int code;        /* the exit code of its status, or 128 + the signal that killed it */
    double seconds;  /* since all were started */
    char says[2048]; /* its last error; "" when it was well, or was killed */
} test_rank_end;

enum { TEST_RANKS_MOST = 8 };

/* Runs n ranks to their ends, at most 240 s. options NULL: of 120 s patience. */
void test_ranks(int n, const rk_comm_options *options, test_rank_work work, void *user,
                test_rank_end ends[]);

/* In a rank: a sentence, and RK_ERR_INTERNAL, unless the condition holds. */
#define RANK_CHECK(condition_)                                                                     \
    do {                                                                                           \
        if (!(condition_)) {                                                                       \
            RK_FAIL(RK_ERR_INTERNAL, "check in line %d: %s", __LINE__, #condition_);               \
        }                                                                                          \
    } while (0)

#endif
