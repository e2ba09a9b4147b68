/* What a communicator is made of, for the files of this room. */
#ifndef RK_DIST_INTERNAL_H
#define RK_DIST_INTERNAL_H

#include <pthread.h>

#include "dist/comm.h"
#include "dist/nccl.h"
#include "dist/transport.h"

/* ---- others ---- */

/* What a rank says last, when its communicator is closed. */
typedef struct rk_farewell {
    int32_t status, rank; /* rank: with whom it began */
    char text[1016];
} rk_farewell;

/* Who a rank is. */
typedef struct rk_identity {
    char host[64], boot[40]; /* two containers of a machine have one boot and two hosts */
    int64_t pid_space, pid;
} rk_identity;

typedef struct rk_peer {
    rk_identity identity;
    int descriptor;      /* readable when the process has ended; -1 = it cannot be looked at */
    rk_message hears;    /* its farewell, waited for from the beginning */
    rk_farewell heard;   /* valid once `hears` is done */
    rk_message farewell; /* ours to it */
} rk_peer;

struct rk_comm {
    const rk_transport *transport; /* NULL: alone */
    int rank, size, local_rank, local_size;
    const char *name;
    double patience;
    const rk_hooks *hooks;
    rk_peer *peers; /* of all ranks; our own is not used but for its identity */

    int64_t calls;      /* collective calls so far */
    int64_t bytes_sent; /* of values */
    bool is_lost;       /* a call failed: messages may be under way that nobody waits for */
    bool has_parted;    /* said goodbye */
    bool may_be_freed;  /* no message is under way */
    bool wants_stop, stop_is_wanted, has_carried; /* rk__comm_stop */
    int64_t tells, told;                          /* rk__comm_tell */

    rk_message *messages;    /* of a round, 2 * size */
    unsigned char *out, *in; /* their bytes */
    int64_t out_room, in_room;
    int64_t *out_at, *in_at; /* where that of each rank begins; -1 = there is none */
    int64_t *sizes;          /* 2 * size, for whoever makes a round */

    rk_farewell farewell; /* ours; of a rank that another one has ended, that one's */
    rk_nccl nccl;
};

/* Opens a communicator on messages that are there: what rk__comm_open does once it has found a
 * transport, and what tests do with theirs. */
rk_status rk__comm_open_over(const rk_transport *transport, const rk_comm_options *options,
                             rk_comm **out);

/* ---- waiting ---- */

/* Around what waits for others and cannot look up: hooks->log hears of it, from another thread,
 * after a tenth of the patience, at most a minute. Where no thread can be had nobody does. */
typedef struct rk_late {
    const rk_hooks *hooks;
    double seconds;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool has_thread, is_over; /* is_over: by lock */
} rk_late;
void rk__late_begin(rk_late *late, const rk_comm_options *options);
void rk__late_end(rk_late *late);

typedef struct rk_wait {
    const char *what;
    double began, looked, died, stopped; /* rk__now; died, stopped: 0 = not yet */
    int64_t turns;
    int dead;                   /* rank; -1 = none */
    const rk_message *messages; /* that are waited for, n of them */
    int n;
} rk_wait;

rk_wait rk__wait_begin(const char *what, const rk_message *messages, int n);

/* To be called again and again while something is not done: rests a little, and now and then looks
 * at the others. Fails where it makes no sense to wait any longer. */
rk_status rk__wait_turn(rk_comm *comm, rk_wait *wait);

/* A short rest of somebody who has waited for so many seconds. */
void rk__rest(double waited);

/* Whether a peer's process has ended; false where that cannot be seen. */
bool rk__peer_has_ended(const rk_peer *peer);
rk_identity rk__identity_of_this_process(void);
/* A descriptor to look at the process with, if it runs where we do; else -1. */
int rk__watch_process(const rk_identity *ours, const rk_identity *other);

/* ---- rounds: each rank sends a message to each other one ---- */

typedef enum rk_call_kind {
    RK_CALL_SUM,
    RK_CALL_GATHER,
    RK_CALL_BROADCAST,
    RK_CALL_BARRIER,
} rk_call_kind;

typedef struct rk_round {
    rk_call_kind kind;
    const char *what;
    int64_t bytes;           /* of the call: what all ranks must be agreed on */
    const int64_t *out, *in; /* bytes to and from each rank; -1 = no message; [rank]: to itself */
    bool is_same;            /* all that get bytes get the same ones */
    bool to_all;             /* from every rank to every other one */
} rk_round;

/* Bytes of a message at most: larger calls go in several rounds. */
int64_t rk__round_limit(const rk_comm *comm);

/* Fills sizes[r] of all ranks with the bytes that each has in a round from `done` on, `most` at
 * most. all_bytes[r]: what they have all in all. */
void rk__round_sizes(const rk_comm *comm, const int64_t *all_bytes, int64_t done, int64_t most,
                     int64_t *sizes);
/* The same bytes for each. */
void rk__round_equal(const rk_comm *comm, int64_t bytes, int64_t *sizes);

/* Makes room for the messages of a round. */
rk_status rk__round_begin(rk_comm *comm, const rk_round *round);
/* Where the bytes for a rank are put before the round, and those of it are found after; what is
 * for itself a rank finds there, too. */
void *rk__round_out(const rk_comm *comm, int rank);
const void *rk__round_in(const rk_comm *comm, int rank);
rk_status rk__round_run(rk_comm *comm, const rk_round *round);

/* Says goodbye to all and hears what they say. False: the communicator must stay in memory, for
 * messages are under way that cannot be taken back. Leaves the last error as it is. */
bool rk__farewells(rk_comm *comm, rk_status status);

#endif
