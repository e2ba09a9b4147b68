/* Which file a data set is in, and files of its own for those that must not depend on that one. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/dataset_internal.h"
#include "io/aside.h"

rk_file_id rk__file_id_of(const char *path)
{
    const int64_t second = 1000000000;
    struct stat info;
    if (stat(path, &info) != 0) {
        return (rk_file_id){.inode = 0};
    }
    return (rk_file_id){.device = info.st_dev,
                        .inode = info.st_ino,
                        .bytes = info.st_size,
                        .modified = info.st_mtim.tv_sec * second + info.st_mtim.tv_nsec};
}

rk_status rk__dataset_is_at(rk_dataset *dataset, const char *path)
{
    char *copy = NULL;
    RK_TRY(rk__strdup(&copy, path));
    rk__free(dataset->path);
    dataset->path = copy;
    dataset->file = rk__file_id_of(path);
    return RK_OK;
}

static bool leads_to(const char *path, const rk_file_id *file)
{
    const rk_file_id now = rk__file_id_of(path);
    return file->inode != 0 && now.device == file->device && now.inode == file->inode &&
           now.bytes == file->bytes && now.modified == file->modified;
}

/* A second name of the data set's file; false where that cannot be had. It begins as path.new,
 * which no writer empties, as one would path.tmp. */
static bool link_file(const rk_dataset *dataset, const char *path)
{
    char *aside = NULL;
    if (!leads_to(dataset->path, &dataset->file) || rk__format(&aside, "%s.new", path) != RK_OK) {
        return false;
    }
    unlink(aside);
    /* Its name may have gone to another file since the look. */
    bool done = link(dataset->path, aside) == 0 && leads_to(aside, &dataset->file) &&
                rename(aside, path) == 0;
    unlink(aside); /* also after a rename onto itself */
    rk__free(aside);
    return done;
}

/* A file that shares the blocks of the data set's own; false where that cannot be had. */
static bool clone_file(const rk_dataset *dataset, const char *path)
{
    rk_aside aside;
    int source = open(dataset->path, O_RDONLY | O_CLOEXEC);
    bool done = source >= 0 && rk__aside_open(&aside, path) == RK_OK;
    if (done) {
        /* The name still leads to the file after it was opened by it, so that is the one. */
        done = leads_to(dataset->path, &dataset->file) &&
               ioctl(aside.descriptor, FICLONE, source) == 0 && rk__aside_commit(&aside) == RK_OK;
        rk__aside_close(&aside);
    }
    if (source >= 0) {
        close(source);
    }
    return done;
}

rk_status rk__dataset_keep(const rk_dataset *dataset, const char *path)
{
    if (link_file(dataset, path) || clone_file(dataset, path)) {
        return RK_OK;
    }
    return rk__dataset_save(dataset, path);
}
