/*
 * How messages travel from rank to rank: what the module for MPI offers (mpi_module.c, which knows
 * nothing else of the library), and a stand-in of the tests. Nothing here waits.
 *
 * Messages from one rank to another on one channel arrive in the order they were sent in. Functions
 * that fail return false with a text.
 */
#ifndef RK_DIST_TRANSPORT_H
#define RK_DIST_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RK_TRANSPORT_VERSION = 1, RK_TRANSPORT_TEXT = 400 };

typedef enum rk_channel { RK_CHANNEL_CALLS, RK_CHANNEL_FAREWELLS } rk_channel;

typedef struct rk_message {
    int peer;
    rk_channel channel;
    bool is_send, is_done;
    void *bytes;     /* the transport's until the message is done */
    int64_t n;       /* bytes to send, or there is room for */
    int64_t got;     /* of a receive that is done: bytes that came; above n: too many, cut off */
    bool is_checked; /* the caller's */
    uint64_t request;
} rk_message;

typedef struct rk_transport {
    int version; /* RK_TRANSPORT_VERSION, compared before anything else is looked at */

    /* Name and version, on one line; at any time. */
    void (*describe)(char *out, size_t size);

    /* Joins the others; may wait for them. Again after a clean close. */
    bool (*open)(int *out_rank, int *out_size, char text[RK_TRANSPORT_TEXT]);

    bool (*start)(rk_message *message, char text[RK_TRANSPORT_TEXT]);
    /* Moves messages along, and sets is_done. */
    bool (*test)(rk_message *message, char text[RK_TRANSPORT_TEXT]);
    /* Gives a message up that is not done. False: its bytes must stay where they are. */
    bool (*cancel)(rk_message *message);

    /* is_clean: all messages were done, on all ranks. Else nothing is opened any more, and the
     * process ends without waiting for the others. */
    void (*close)(bool is_clean);
} rk_transport;

#endif
