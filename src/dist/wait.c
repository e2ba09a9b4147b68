/*
 * Waiting for others without hanging: short rests between looks, so that ranks may share cores, and
 * every few milliseconds a look at who died, who has said goodbye, who wants to stop and the time.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/timer.h"
#include "dist/internal.h"

/* ---- processes ---- */

static void read_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    if (!file || !fgets(out, (int)size, file)) {
        out[0] = '\0';
    }
    out[strcspn(out, "\n")] = '\0';
    if (file) {
        fclose(file);
    }
}

rk_identity rk__identity_of_this_process(void)
{
    rk_identity us;
    struct stat space;
    memset(&us, 0, sizeof us);
    if (gethostname(us.host, sizeof us.host - 1) != 0) {
        snprintf(us.host, sizeof us.host, "unknown");
    }
    read_line("/proc/sys/kernel/random/boot_id", us.boot, sizeof us.boot);
    us.pid_space = stat("/proc/self/ns/pid", &space) == 0 ? (int64_t)space.st_ino : 0;
    us.pid = getpid();
    return us;
}

int rk__watch_process(const rk_identity *ours, const rk_identity *other)
{
    bool is_here = ours->boot[0] && strcmp(ours->boot, other->boot) == 0 && ours->pid_space != 0 &&
                   ours->pid_space == other->pid_space;
#ifdef SYS_pidfd_open
    return is_here ? (int)syscall(SYS_pidfd_open, (pid_t)other->pid, 0) : -1;
#else
    (void)is_here;
    return -1;
#endif
}

bool rk__peer_has_ended(const rk_peer *peer)
{
    struct pollfd look = {.fd = peer->descriptor, .events = POLLIN};
    return peer->descriptor >= 0 && poll(&look, 1, 0) > 0;
}

/* ---- waiting ---- */

/* Seconds: between looks; that messages of a process that died may still be under way; that others
 * have to answer when somebody wants to stop. */
static const double LOOK_EVERY = 0.01, LAST_MESSAGES = 0.1, STOP_WITHIN = 20;

rk_wait rk__wait_begin(const char *what, const rk_message *messages, int n)
{
    return (rk_wait){.what = what, .began = rk__now(), .dead = -1, .messages = messages, .n = n};
}

/* Longer and longer: who comes soon shall not wait for us to wake up, who comes late shall have the
 * core. */
void rk__rest(double waited)
{
    struct timespec nap = {.tv_nsec = waited < 5e-3 ? 20000 : waited < 0.5 ? 200000 : 1000000};
    if (waited < 1e-3) {
        sched_yield();
    } else {
        nanosleep(&nap, NULL);
    }
}

static rk_status hear(rk_comm *comm)
{
    char text[RK_TRANSPORT_TEXT];
    for (int r = 0; r < comm->size; r++) {
        rk_peer *peer = &comm->peers[r];
        if (r == comm->rank) {
            continue;
        }
        if (!peer->hears.is_done && !comm->transport->test(&peer->hears, text)) {
            RK_FAIL(RK_ERR_RANKS, "rank %d cannot be heard: %s", r, text);
        }
        if (peer->hears.is_done && peer->heard.status != RK_OK) {
            comm->farewell = peer->heard;
            RK_FAIL((rk_status)peer->heard.status, "rank %d ended the run: %s", peer->heard.rank,
                    peer->heard.text);
        }
    }
    return RK_OK;
}

static bool is_waited_for(const rk_wait *wait, int rank)
{
    bool is = false;
    for (int i = 0; i < wait->n; i++) {
        is = is || (!wait->messages[i].is_done && wait->messages[i].peer == rank);
    }
    return is;
}

/* Who died, and who has done its part although we are waiting for it. */
static void look_for_dead(const rk_comm *comm, rk_wait *wait, double now)
{
    for (int r = 0; r < comm->size && wait->dead < 0; r++) {
        const rk_peer *peer = &comm->peers[r];
        if (r != comm->rank &&
            (peer->hears.is_done ? is_waited_for(wait, r) : rk__peer_has_ended(peer))) {
            wait->dead = r;
            wait->died = now;
        }
    }
    if (wait->dead >= 0 && !rk__peer_has_ended(&comm->peers[wait->dead]) &&
        !is_waited_for(wait, wait->dead)) {
        wait->dead = -1; /* its last message came after its farewell */
    }
}

static rk_status fail_of_dead(const rk_comm *comm, const rk_wait *wait)
{
    const rk_peer *peer = &comm->peers[wait->dead];
    if (peer->hears.is_done) {
        RK_FAIL(RK_ERR_INTERNAL,
                "rank %d has done its part of the run, but rank %d still waits for it (%s)",
                wait->dead, comm->rank, wait->what);
    }
    RK_FAIL(RK_ERR_RANKS,
            "rank %d (process %lld on %s) died while rank %d waited for it (%s): see why in its "
            "output, then resume from the last checkpoint",
            wait->dead, (long long)peer->identity.pid, peer->identity.host, comm->rank, wait->what);
}

static rk_status look(rk_comm *comm, rk_wait *wait, double now)
{
    const rk_hooks *hooks = comm->hooks;
    RK_TRY(hear(comm));
    look_for_dead(comm, wait, now);
    if (wait->dead >= 0 && now - wait->died > LAST_MESSAGES) {
        return fail_of_dead(comm, wait);
    }
    if (wait->stopped == 0 && hooks && hooks->should_stop && hooks->should_stop(hooks->user)) {
        wait->stopped = now;
        comm->wants_stop = true;
    }
    if (wait->stopped != 0 && now - wait->stopped > STOP_WITHIN) {
        RK_FAIL(RK_ERR_INTERRUPTED,
                "rank %d was told to stop, but the others did not answer for %.0f s (%s): it "
                "leaves without a new checkpoint",
                comm->rank, STOP_WITHIN, wait->what);
    }
    if (comm->patience > 0 && now - wait->began > comm->patience) {
        RK_FAIL(RK_ERR_RANKS,
                "rank %d has waited %g s for the others (%s): look whether their machines and the "
                "network are well; run.patience says how long to wait",
                comm->rank, comm->patience, wait->what);
    }
    return RK_OK;
}

rk_status rk__wait_turn(rk_comm *comm, rk_wait *wait)
{
    enum { SPINS = 50 };
    if (wait->turns++ < SPINS) {
        return RK_OK;
    }
    double now = rk__now();
    if (now - wait->looked > LOOK_EVERY && now - wait->began > LOOK_EVERY) {
        wait->looked = now;
        RK_TRY(look(comm, wait, now));
    }
    rk__rest(now - wait->began);
    return RK_OK;
}
