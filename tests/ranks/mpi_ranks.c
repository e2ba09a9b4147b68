/*
 * A program for mpirun: opens a communicator as training does, does one thing and ends as the
 * program rankine would, with a sentence and an exit code.
 *
 *   mpi_ranks sums|gathers|stop|agree|full_disk|kill|early|hang|loop|twice
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/choices.h"
#include "support/rank_work.h"

static volatile sig_atomic_t stop_wanted;

static void handle(int number)
{
    (void)number;
    stop_wanted = 1;
}

static bool should_stop(void *user)
{
    (void)user;
    return stop_wanted;
}

/* Sums until somebody wants to stop; a rank may die on the way. */
static rk_status loop(rk_comm *comm, bool dies)
{
    static float values[5000];
    bool stop = false;
    for (int64_t i = 0; !stop; i++) {
        RK_TRY(rk__comm_sum(comm, "scores", values, i % 3 == 0 ? 5000 : 7));
        RK_TRY(rk__comm_stop(comm, stop_wanted, &stop));
        if (i == 30 && dies) {
            kill(getpid(), SIGKILL);
        }
        if (i == 20) {
            printf("rank %d is under way, process %d\n", rk__comm_rank(comm), (int)getpid());
            fflush(stdout);
        }
    }
    RK_FAIL(RK_ERR_INTERRUPTED, "stopped");
}

static rk_status work(rk_comm *comm, const char *what)
{
    int rank = rk__comm_rank(comm);
    int64_t usual = 0, block = 1000;
    bool with_sums = true;
    if (strcmp(what, "sums") == 0) {
        int64_t several_rounds = 1100000;
        RK_TRY(rank_sums(comm, &usual));
        return rank_sums(comm, &several_rounds);
    }
    if (strcmp(what, "gathers") == 0) {
        return rank_gathers(comm, &block);
    }
    if (strcmp(what, "stop") == 0) {
        return rank_steps_until_stop(comm, &with_sums);
    }
    if (strcmp(what, "agree") == 0) {
        return rk__comm_agree(comm, RK_ERR_CONFIG, "config",
                              rank == 1 ? "run.seed: 2\n" : "run.seed: 1\n");
    }
    if (strcmp(what, "full_disk") == 0) {
        rk_status mine = rank == 0 ? rk__fail(RK_ERR_IO, __FILE__, __LINE__, __func__,
                                              "last.h5: no space left on device")
                                   : RK_OK;
        return rk__comm_all_ok(comm, "the checkpoint", mine);
    }
    if (rank == 1 && strcmp(what, "early") == 0) {
        RK_FAIL(RK_ERR_DIVERGED, "the loss is not finite");
    }
    if (strcmp(what, "hang") == 0) {
        usleep(rank == 1 ? 1500000 : 0); /* a rank may take its time where that is said */
        RK_TRY(rk__comm_barrier_without_limit(comm, "the data set"));
        while (rank == 1) {
            pause();
        }
    }
    return loop(comm, rank == 1 && strcmp(what, "kill") == 0);
}

int main(int argc, char **argv)
{
    const rk_hooks hooks = {.should_stop = should_stop};
    rk_comm_options options = {.choice = RK_COMMUNICATOR_AUTO, .hooks = &hooks, .patience = 60};
    const char *what = argc > 1 ? argv[1] : "sums";
    rk_status status = RK_OK;
    signal(SIGTERM, handle);
    if (strcmp(what, "hang") == 0) {
        options.patience = 1;
    }
    int times = strcmp(what, "twice") == 0 ? 2 : 1; /* in one process, one after the other */
    for (int i = 0; i < times && status == RK_OK; i++) {
        rk_comm *comm = NULL;
        status = rk__comm_open(&options, &comm);
        status = status == RK_OK ? work(comm, times == 2 ? "sums" : what) : status;
        if (status == RK_OK) {
            printf("rank %d of %d: %s, local %d of %d\n", rk__comm_rank(comm), rk__comm_size(comm),
                   rk__comm_name(comm), rk__comm_local_rank(comm), rk__comm_local_size(comm));
        } else {
            fprintf(stderr, "%s\n", rk_last_error());
        }
        rk__comm_close(comm, status);
    }
    return rk_status_exit_code(status);
}
