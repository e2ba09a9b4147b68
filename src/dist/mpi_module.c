/*
 * The transport over MPI: a module of its own (rankine-mpi.so), for the types of mpi.h differ from
 * one MPI to the next, and a process that is alone shall not load any. mpi_load.c loads it.
 *
 * MPI can be initialised once in a process. It is finalised when the process exits, and only if the
 * ranks parted in order: MPI_Finalize waits for the others.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/transport.h"

_Static_assert(sizeof(MPI_Request) <= sizeof(uint64_t), "a request fits into a message");

enum state { CLOSED, OPEN, PARTED, LOST };

static _Atomic int state; /* enum state */
static _Atomic bool is_ours;
static _Atomic(MPI_Comm) ranks; /* a copy of MPI_COMM_WORLD: its messages are ours alone */

static bool refused(int code, const char *call, char *text)
{
    char why[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (code == MPI_SUCCESS) {
        return false;
    }
    MPI_Error_string(code, why, &length);
    snprintf(text, RK_TRANSPORT_TEXT, "%s: %.300s", call, why);
    return true;
}

static void describe(char *out, size_t size)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length = 0;
    MPI_Get_library_version(version, &length);
    version[strcspn(version, "\r\n")] = '\0';
    const char *comma = strstr(version, ", package"); /* Open MPI says where it was built, too */
    snprintf(out, size, "%.*s", comma ? (int)(comma - version) : (int)strlen(version), version);
}

static void finalize(void)
{
    int is_done = 0;
    MPI_Finalized(&is_done);
    if (is_ours && state == PARTED && !is_done) {
        MPI_Finalize();
    }
}

static bool start_mpi(char *text)
{
    int is_started = 0, is_ended = 0, level = 0;
    MPI_Initialized(&is_started);
    MPI_Finalized(&is_ended);
    if (is_ended) {
        snprintf(text, RK_TRANSPORT_TEXT, "MPI was finalised in this process already");
        return false;
    }
    if (is_started) { /* by a program that uses the library */
        MPI_Query_thread(&level);
    } else if (refused(MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level),
                       "MPI_Init_thread", text)) {
        return false;
    } else {
        is_ours = true;
        atexit(finalize);
    }
    if (level < MPI_THREAD_SERIALIZED) {
        snprintf(text, RK_TRANSPORT_TEXT,
                 "this MPI was started for one thread (MPI_Init): MPI_THREAD_SERIALIZED is needed");
        return false;
    }
    return true;
}

static bool open_ranks(int *out_rank, int *out_size, char text[RK_TRANSPORT_TEXT])
{
    if (state == LOST) {
        snprintf(text, RK_TRANSPORT_TEXT,
                 "this process lost the other ranks in an earlier run; start it again");
        return false;
    }
    if (state == CLOSED) {
        MPI_Comm copy;
        if (!start_mpi(text) ||
            refused(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup", text)) {
            return false;
        }
        MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
        ranks = copy;
    }
    state = OPEN;
    MPI_Comm_rank(ranks, out_rank);
    MPI_Comm_size(ranks, out_size);
    return true;
}

static bool start(rk_message *m, char text[RK_TRANSPORT_TEXT])
{
    MPI_Request request;
    int code =
        m->is_send
            ? MPI_Isend(m->bytes, (int)m->n, MPI_BYTE, m->peer, (int)m->channel, ranks, &request)
            : MPI_Irecv(m->bytes, (int)m->n, MPI_BYTE, m->peer, (int)m->channel, ranks, &request);
    if (refused(code, m->is_send ? "MPI_Isend" : "MPI_Irecv", text)) {
        return false;
    }
    memcpy(&m->request, &request, sizeof request);
    m->is_done = false;
    return true;
}

static bool test(rk_message *m, char text[RK_TRANSPORT_TEXT])
{
    MPI_Request request;
    MPI_Status status;
    int is_done = 0, kind = MPI_SUCCESS, count = 0;
    memcpy(&request, &m->request, sizeof request);
    int code = MPI_Test(&request, &is_done, &status);
    memcpy(&m->request, &request, sizeof request);
    if (code != MPI_SUCCESS) {
        MPI_Error_class(code, &kind);
    }
    if (kind == MPI_ERR_TRUNCATE) { /* what fits came: its head says what it is */
        m->is_done = true;
        m->got = m->n + 1;
        return true;
    }
    if (refused(code, "MPI_Test", text)) {
        return false;
    }
    m->is_done = is_done != 0;
    if (is_done && !m->is_send) {
        MPI_Get_count(&status, MPI_BYTE, &count);
        m->got = count;
    }
    return true;
}

static bool cancel(rk_message *m)
{
    MPI_Request request;
    memcpy(&request, &m->request, sizeof request);
    if (m->is_send || MPI_Cancel(&request) != MPI_SUCCESS) {
        return false; /* sends cannot be taken back */
    }
    int is_done = 0; /* not where the message is on its way, from a rank that may be dead */
    return MPI_Test(&request, &is_done, MPI_STATUS_IGNORE) == MPI_SUCCESS && is_done;
}

static void close_ranks(bool is_clean)
{
    state = is_clean ? PARTED : LOST;
}

const rk_transport *rankine_mpi_transport(void);

__attribute__((visibility("default"))) const rk_transport *rankine_mpi_transport(void)
{
    static const rk_transport transport = {
        .version = RK_TRANSPORT_VERSION,
        .describe = describe,
        .open = open_ranks,
        .start = start,
        .test = test,
        .cancel = cancel,
        .close = close_ranks,
    };
    return &transport;
}
