/* Communicators: which one a process gets, and what it knows of the others from the beginning. */
#include "dist/comm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/build.h"
#include "base/choices.h"
#include "dist/internal.h"
#include "dist/launch.h"

static const rk_comm self = {.size = 1, .local_size = 1, .name = "self"};

rk_comm *rk__comm_self(void)
{
    return (rk_comm *)&self; /* alone nothing is written to it */
}

/* ---- what is known ---- */

int rk__comm_rank(const rk_comm *comm)
{
    return comm->rank;
}

int rk__comm_size(const rk_comm *comm)
{
    return comm->size;
}

int rk__comm_local_rank(const rk_comm *comm)
{
    return comm->local_rank;
}

int rk__comm_local_size(const rk_comm *comm)
{
    return comm->local_size;
}

const char *rk__comm_name(const rk_comm *comm)
{
    return comm->name;
}

int64_t rk__comm_share(const rk_comm *comm, int64_t n, int rank)
{
    return n / comm->size * rank + n % comm->size * rank / comm->size;
}

int64_t rk__comm_bytes_sent(const rk_comm *comm)
{
    return comm->bytes_sent;
}

/* ---- opening ---- */

static void free_comm(rk_comm *comm)
{
    for (int r = 0; comm->peers && r < comm->size; r++) {
        if (comm->peers[r].descriptor >= 0) {
            close(comm->peers[r].descriptor);
        }
    }
    rk__free(comm->peers);
    rk__free(comm->messages);
    rk__free(comm->out);
    rk__free(comm->in);
    rk__free(comm->out_at);
    rk__free(comm);
}

static rk_status allocate(int size, rk_comm **out)
{
    rk_comm *comm = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__calloc(&comm, 1, sizeof *comm, "a communicator"));
    comm->size = size;
    RK_TRY_GOTO(done, rk__calloc(&comm->peers, size, sizeof *comm->peers, "a communicator"));
    for (int r = 0; r < size; r++) {
        comm->peers[r].descriptor = -1;
        comm->peers[r].hears.is_done = comm->peers[r].farewell.is_done = true;
    }
    RK_TRY_GOTO(done, rk__calloc(&comm->messages, 2 * (int64_t)size, sizeof *comm->messages,
                                 "a communicator"));
    RK_TRY_GOTO(
        done, rk__calloc(&comm->out_at, 4 * (int64_t)size, sizeof *comm->out_at, "a communicator"));
    comm->in_at = comm->out_at + size;
    comm->sizes = comm->in_at + size;
    *out = comm;

done:
    if (status != RK_OK) {
        free_comm(comm);
    }
    return status;
}

/* Whoever fails from now on tells the others, who would wait for it. */
static rk_status listen(rk_comm *comm)
{
    char text[RK_TRANSPORT_TEXT];
    for (int r = 0; r < comm->size; r++) {
        rk_peer *peer = &comm->peers[r];
        peer->hears = (rk_message){.peer = r,
                                   .channel = RK_CHANNEL_FAREWELLS,
                                   .bytes = &peer->heard,
                                   .n = sizeof peer->heard,
                                   .is_done = r == comm->rank};
        if (r != comm->rank && !comm->transport->start(&peer->hears, text)) {
            peer->hears.is_done = true;
            RK_FAIL(RK_ERR_RANKS, "rank %d cannot be heard: %s", r, text);
        }
    }
    return RK_OK;
}

static rk_status meet(rk_comm *comm)
{
    rk_identity us = rk__identity_of_this_process(), *all = NULL;
    int64_t *sizes = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__alloc(&all, comm->size, sizeof *all, "identities of ranks"));
    RK_TRY_GOTO(done, rk__alloc(&sizes, comm->size, sizeof *sizes, "identities of ranks"));
    rk__round_equal(comm, sizeof us, sizes);
    RK_TRY_GOTO(done, rk__comm_gather(comm, "who is there", &us, sizes, RK_COMM_ALL, all));
    for (int r = 0; r < comm->size; r++) {
        bool is_here = strcmp(all[r].host, us.host) == 0;
        comm->peers[r].identity = all[r];
        comm->local_size += is_here;
        comm->local_rank += is_here && r < comm->rank;
        if (r != comm->rank) {
            comm->peers[r].descriptor = rk__watch_process(&us, &all[r]);
        }
    }

done:
    rk__free(sizes);
    rk__free(all);
    return status;
}

static rk_status agree_on_build(rk_comm *comm)
{
    const rk_build_info *build = rk__build_info();
    char text[512];
    snprintf(text, sizeof text, "rankine %s (%s, %s, %s%s%s)", build->version, build->revision,
             build->compiler, build->type, *build->sanitize ? ", " : "", build->sanitize);
    return rk__comm_agree(comm, RK_ERR_CONFIG, "build", text);
}

rk_status rk__comm_open_over(const rk_transport *transport, const rk_comm_options *options,
                             rk_comm **out)
{
    char text[RK_TRANSPORT_TEXT];
    rk_comm *comm = NULL;
    int rank = 0, size = 0;
    *out = NULL;
    rk_late late;
    rk__late_begin(&late, options);
    const bool is_open = transport->open(&rank, &size, text);
    rk__late_end(&late);
    if (!is_open) {
        RK_FAIL(RK_ERR_RANKS, "the ranks cannot be joined: %s", text);
    }
    rk_status status = allocate(size, &comm);
    if (status != RK_OK) {
        transport->close(false);
        return status;
    }
    comm->transport = transport;
    comm->rank = rank;
    comm->name = options->on_cuda ? "nccl" : "mpi";
    comm->patience = options->patience;
    comm->hooks = options->hooks;
    status = listen(comm);
    status = status == RK_OK ? meet(comm) : status;
    status = status == RK_OK ? agree_on_build(comm) : status;
    if (status != RK_OK) {
        rk__comm_close(comm, status);
        return status;
    }
    *out = comm;
    return RK_OK;
}

/* Whether to be alone, or why that cannot be had. */
static rk_status choose(const rk_comm_options *options, const rk_launch *launch, bool *out_alone)
{
    static const char *const words[] = {
#define WORD(enumerator_, word_) word_,
        RK_CHOICES_COMMUNICATOR(WORD)
#undef WORD
    };
    const char *option = options->option ? options->option : "run.communicator";
    int choice = options->choice;
    *out_alone =
        choice == RK_COMMUNICATOR_SELF || (choice == RK_COMMUNICATOR_AUTO && launch->size == 1);
    if (!*out_alone && !launch->by) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is %s, but nobody has started this process as one of several: "
                "mpirun -n 4 rankine ... does, or srun; auto and self do without",
                option, words[choice]);
    }
    if (choice == RK_COMMUNICATOR_NCCL && !options->on_cuda) {
        RK_FAIL(RK_ERR_CONFIG, "run.communicator is nccl, which adds up in the memory of GPUs, but "
                               "this run computes on the CPU: take mpi or auto");
    }
    if (choice == RK_COMMUNICATOR_MPI && options->on_cuda) {
        RK_FAIL(RK_ERR_CONFIG,
                "run.communicator is mpi, which adds up in host memory, but this run "
                "computes on a GPU: take nccl or auto, or run.device=cpu");
    }
    return RK_OK;
}

rk_status rk__comm_open(const rk_comm_options *options, rk_comm **out)
{
    rk_launch launch = rk__launch_find();
    const rk_transport *transport = NULL;
    bool is_alone = true;
    *out = rk__comm_self();
    RK_TRY(choose(options, &launch, &is_alone));
    if (is_alone) {
        return RK_OK;
    }
    if (rk__mpi_load(&transport) != RK_OK) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s started %d processes together, but %s; %s=self lets each of them work on its "
                "own",
                launch.by, launch.size, rk_last_error(),
                options->option ? options->option : "run.communicator");
    }
    rk_comm *comm = NULL;
    RK_TRY(rk__comm_open_over(transport, options, &comm));
    if (comm->size != launch.size) {
        rk_status status = rk__fail(
            RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
            "%s started %d processes (%s), but MPI knows of %d: it is another MPI's launcher; with "
            "srun take --mpi=pmix, or else the mpirun of the MPI that rankine info names; where "
            "the "
            "variable is left over from another job, %s=self",
            launch.by, launch.size, launch.variable, comm->size,
            options->option ? options->option : "run.communicator");
        rk__comm_close(comm, status);
        return status;
    }
    *out = comm;
    return RK_OK;
}

void rk__comm_part(rk_comm *comm, rk_status status)
{
    if (!comm->transport || comm->has_parted) {
        return;
    }
    if (status != RK_OK || comm->is_lost) { /* else a GPU would wait for ranks that do not come */
        rk__nccl_close(&comm->nccl, false);
    }
    comm->has_parted = true;
    comm->may_be_freed = rk__farewells(comm, status);
}

void rk__comm_close(rk_comm *comm, rk_status status)
{
    if (!comm || !comm->transport) {
        return;
    }
    rk__comm_part(comm, status);
    rk__nccl_close(&comm->nccl, true);
    if (comm->may_be_freed) {
        free_comm(comm);
    }
}

/* ---- what there is ---- */

rk_status rk__comm_describe(char **out)
{
    const rk_transport *transport = NULL;
    char mpi[200] = "", nccl[200] = "";
    if (rk__mpi_load(&transport) == RK_OK) {
        transport->describe(mpi, sizeof mpi);
    } else {
        snprintf(mpi, sizeof mpi, "none: %s", rk_last_error());
    }
    if (rk__nccl_describe(nccl, sizeof nccl) != RK_OK) {
        snprintf(nccl, sizeof nccl, "none: %s", rk_last_error());
    }
    rk_launch launch = rk__launch_find();
    char started[80] = "nobody: this process is alone";
    if (launch.by) {
        snprintf(started, sizeof started, "%s, with %d processes", launch.by, launch.size);
    }
    return rk__format(out, "ranks\n  mpi      %s\n  nccl     %s\n  started  by %s\n", mpi, nccl,
                      started);
}
