/* What ranks do in tests, over sockets (support/ranks.h) and over MPI, and that it comes out
 * right. */
#ifndef RK_TESTS_RANK_WORK_H
#define RK_TESTS_RANK_WORK_H

#include "dist/comm.h"

/* Sums have the bits of adding in the order of ranks. user: int64_t, how many numbers; 0 = of
 * several lengths, and what they cost. */
rk_status rank_sums(rk_comm *comm, void *user);

/* Gathers of blocks and columns and broadcasts, with each root. user: int64_t, bytes of a block. */
rk_status rank_gathers(rk_comm *comm, void *user);

/* Rank 2 of 3 wants to stop at its tenth step. user: bool, whether steps have sums. */
rk_status rank_steps_until_stop(rk_comm *comm, void *user);

#endif
