#include "io/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MAX_WRITERS = 1000 };

/* Whether the name still refers to the descriptor's file: another writer may have renamed or
 * removed it between our open and our lock. */
static bool is_named(int descriptor, const char *name)
{
    struct stat ours, named;
    return fstat(descriptor, &ours) == 0 && stat(name, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Opens and empties the file of that name, unless another writer has it; -1 with errno on failure,
 * EBUSY for another writer. */
static int open_locked(const char *name)
{
    for (int attempt = 0; attempt < MAX_WRITERS; attempt++) {
        int descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (descriptor < 0) {
            return -1;
        }
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int error = fcntl(descriptor, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
        if (error == 0 && is_named(descriptor, name)) {
            if (ftruncate(descriptor, 0) == 0) {
                return descriptor;
            }
            error = errno;
        }
        close(descriptor);
        if (error != 0) {
            errno = error == EAGAIN || error == EACCES ? EBUSY : error;
            return -1;
        }
    }
    errno = EBUSY;
    return -1;
}

/* The same on a file system without locks: only a name that does not exist yet can be ours. */
static int open_exclusive(const char *name)
{
    int descriptor = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor < 0 && errno == EEXIST) {
        errno = EBUSY;
    }
    return descriptor;
}

rk_status rk__aside_fail(const rk_aside *aside, int error)
{
    RK_FAIL(RK_ERR_IO, "%s cannot be written: %s", aside->path, strerror(error));
}

rk_status rk__aside_open(rk_aside *out, const char *path)
{
    rk_aside aside = {.descriptor = -1};
    rk_status status = RK_OK;
    struct stat there;
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
        RK_FAIL(RK_ERR_IO, "%s cannot be written: it is %s", path,
                S_ISDIR(there.st_mode) ? "a folder" : "no file that could be replaced");
    }
    RK_TRY_GOTO(done, rk__strdup(&aside.path, path));
    for (int writer = 0; writer < MAX_WRITERS; writer++) {
        if (writer == 0) {
            RK_TRY_GOTO(done, rk__format(&aside.temporary, "%s.tmp", path));
        } else {
            RK_TRY_GOTO(done, rk__format(&aside.temporary, "%s.%d.tmp", path, writer));
        }
        aside.descriptor = open_locked(aside.temporary);
        if (aside.descriptor < 0 &&
            (errno == ENOLCK || errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS)) {
            aside.descriptor = open_exclusive(aside.temporary);
        }
        int error = errno;
        if (aside.descriptor >= 0) {
            break;
        }
        rk__free(aside.temporary);
        aside.temporary = NULL;
        if (error != EBUSY || writer + 1 == MAX_WRITERS) {
            status = rk__aside_fail(&aside, error);
            goto done;
        }
    }
    *out = aside;
    return RK_OK;
done:
    rk__free(aside.path);
    return status;
}

/* Makes the new name of a file survive a power cut; truncates path to its folder. Some file systems
 * cannot sync a folder; the file itself is safe by then, so that is not a failure. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash) {
        slash[slash == path] = '\0';
    }
    int descriptor = open(slash ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
}

rk_status rk__aside_write(rk_aside *aside, const void *bytes, int64_t length)
{
    for (int64_t done = 0; done < length;) {
        ssize_t n = write(aside->descriptor, (const char *)bytes + done, (size_t)(length - done));
        if (n < 0 && errno != EINTR) {
            return rk__aside_fail(aside, errno);
        }
        done += n > 0 ? n : 0;
    }
    return RK_OK;
}

/* The file has its name: makes that last, and forgets the temporary name. */
static void conclude(rk_aside *aside)
{
    sync_folder(aside->path);
    rk__free(aside->temporary);
    aside->temporary = NULL;
    close(aside->descriptor);
    rk__aside_close(aside);
}

rk_status rk__aside_commit(rk_aside *aside)
{
    RK_ASSERT(aside->temporary);
    if (fsync(aside->descriptor) != 0 || rename(aside->temporary, aside->path) != 0) {
        rk_status status = rk__aside_fail(aside, errno);
        rk__aside_close(aside);
        return status;
    }
    conclude(aside);
    return RK_OK;
}

/* Renames unless the new name is there: errno, EEXIST for that. Not by a second name that is then
 * removed: a process killed in between would leave the temporary name on the finished file, and the
 * next writer would empty it. */
static int rename_new(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
        return errno;
    }
    /* The file system cannot do both at once. */
    if (access(to, F_OK) == 0) {
        return EEXIST;
    }
    return rename(from, to) == 0 ? 0 : errno;
}

rk_status rk__aside_commit_new(rk_aside *aside, bool *out_exists)
{
    RK_ASSERT(aside->temporary);
    int error = fsync(aside->descriptor) == 0 ? 0 : errno;
    error = error == 0 ? rename_new(aside->temporary, aside->path) : error;
    if (out_exists) {
        *out_exists = error == EEXIST;
    }
    if (error == 0) {
        conclude(aside);
        return RK_OK;
    }
    rk_status status = RK_OK;
    if (error != EEXIST) {
        status = rk__aside_fail(aside, error);
    } else if (!out_exists) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s is there already; force overwrites it", aside->path);
    }
    rk__aside_close(aside);
    return status;
}

bool rk__aside_remove_dead(const char *temporary)
{
    int descriptor = open(temporary, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) {
        return false;
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool removed = fcntl(descriptor, F_OFD_SETLK, &lock) == 0 && is_named(descriptor, temporary) &&
                   unlink(temporary) == 0;
    close(descriptor);
    return removed;
}

void rk__aside_close(rk_aside *aside)
{
    if (aside->temporary) {
        /* Unlinked while still locked, so that no other writer takes the name in between. */
        unlink(aside->temporary);
        close(aside->descriptor);
        rk__free(aside->temporary);
    }
    rk__free(aside->path);
    *aside = (rk_aside){.descriptor = -1};
}
