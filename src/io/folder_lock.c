#include "io/folder_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/timer.h"

enum { MOST_NAMES = 100000, MOST_ATTEMPTS = 100 };

static bool is_named(int descriptor, const char *path)
{
    struct stat ours, named;
    return fstat(descriptor, &ours) == 0 && stat(path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Removes so many folders, the innermost first, as long as they are empty. */
static void remove_created(char *path, int created)
{
    for (; created > 0; created--) {
        size_t length = strlen(path);
        while (length > 1 && path[length - 1] == '/') {
            path[--length] = '\0';
        }
        char *slash = strrchr(path, '/');
        if (rmdir(path) != 0 || !slash || slash == path) {
            return;
        }
        *slash = '\0';
    }
}

/* False: another writer has it. */
static bool try_lock(int descriptor)
{
    while (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK) {
            return false;
        }
        if (errno != EINTR) {
            return true; /* no locks on this file system */
        }
    }
    return true;
}

/* One attempt; *out_again: the folder vanished meanwhile. lock->descriptor stays -1 unless the lock
 * is had. */
static rk_status attempt(rk_folder_lock *lock, bool *out_busy, bool *out_again)
{
    const char *path = lock->path;
    RK_TRY(rk__folder_create_counting(path, &lock->created));
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    *out_again = descriptor < 0 && error == ENOENT;
    struct stat link;
    if (*out_again && lstat(path, &link) == 0 && S_ISLNK(link.st_mode)) {
        RK_FAIL(RK_ERR_IO, "%s is a link to something that is not there", path);
    }
    if (*out_again) {
        return RK_OK;
    }
    if (descriptor < 0 && error == ENOTDIR) {
        RK_FAIL(RK_ERR_IO, "%s is a file, where a folder is wanted", path);
    }
    if (descriptor < 0) {
        RK_FAIL(RK_ERR_IO, "the folder %s cannot be opened: %s", path, strerror(error));
    }
    *out_busy = !try_lock(descriptor);
    if (*out_busy) {
        close(descriptor);
        return RK_OK;
    }
    lock->descriptor = descriptor;
    *out_again = !is_named(descriptor, path);
    return RK_OK;
}

rk_status rk__folder_try(rk_folder_lock *out, const char *path, bool *out_busy)
{
    *out_busy = false;
    for (int i = 0; i < MOST_ATTEMPTS; i++) {
        rk_folder_lock lock = {.descriptor = -1};
        bool again = false;
        RK_TRY(rk__strdup(&lock.path, path));
        rk_status status = attempt(&lock, out_busy, &again);
        if (status == RK_OK && !again && !*out_busy) {
            *out = lock;
            return RK_OK;
        }
        rk__folder_release(&lock);
        if (status != RK_OK || *out_busy) {
            return status;
        }
    }
    RK_FAIL(RK_ERR_IO, "the folder %s cannot be taken: it vanishes again and again", path);
}

rk_status rk__folder_take(rk_folder_lock *out, const char *path, double patience)
{
    const double until = rk__now() + patience;
    const struct timespec pause = {.tv_nsec = 20000000};
    for (bool busy = true;;) {
        RK_TRY(rk__folder_try(out, path, &busy));
        if (!busy) {
            return RK_OK;
        }
        if (rk__now() >= until) {
            RK_FAIL(RK_ERR_IO, "the folder %s is in use: another process is writing into it", path);
        }
        nanosleep(&pause, NULL);
    }
}

/* The folder of that name if it can be created here; *out_taken: it is there, or somebody else was
 * faster. */
static rk_status take_if_new(rk_folder_lock *out, const char *path, bool *out_taken)
{
    rk_folder_lock lock = {.descriptor = -1};
    *out_taken = rk__file_exists(path);
    if (*out_taken) {
        return RK_OK;
    }
    rk_status status = rk__folder_take(&lock, path, 0);
    if (status == RK_OK && lock.created > 0) {
        *out = lock;
        return RK_OK;
    }
    rk__folder_release(&lock);
    *out_taken = status == RK_OK || rk__file_exists(path);
    return *out_taken ? RK_OK : status;
}

rk_status rk__folder_take_new(rk_folder_lock *out, const char *path)
{
    for (int number = 1; number < MOST_NAMES; number++) {
        char *name = NULL;
        bool taken = false;
        RK_TRY(number == 1 ? rk__strdup(&name, path) : rk__format(&name, "%s-%d", path, number));
        rk_status status = take_if_new(out, name, &taken);
        rk__free(name);
        if (status != RK_OK || !taken) {
            return status;
        }
    }
    RK_FAIL(RK_ERR_IO, "the folder %s and %d others named after it are taken", path, MOST_NAMES);
}

bool rk__folder_is_held(const rk_folder_lock *lock)
{
    return lock->path && lock->descriptor >= 0 && is_named(lock->descriptor, lock->path);
}

void rk__folder_release(rk_folder_lock *lock)
{
    if (!lock->path) {
        return;
    }
    if (rk__folder_is_held(lock)) {
        remove_created(lock->path, lock->created); /* still locked: nobody else has just taken it */
    }
    if (lock->descriptor >= 0) {
        close(lock->descriptor);
    }
    rk__free(lock->path);
    *lock = (rk_folder_lock){.descriptor = -1};
}
