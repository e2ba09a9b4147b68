/*
 * Files: creating, committing, opening with checks that tell a missing, a foreign, a damaged and an
 * outdated file apart.
 *
 * Files are written in the format of HDF5 1.10, the first whose structures all have checksums, and
 * without time stamps, so that equal contents give equal bytes. HDF5's file locks stay off: they
 * fail on network file systems, and a file is never read while it is being written.
 */
#include "io/h5.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

#define KIND_ATTRIBUTE "rankine"
#define VERSION_ATTRIBUTE "version"

/* The access list for reading and writing: file format, no locks. Negative when HDF5 fails. */
static hid_t access_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_ACCESS);
    if (list < 0) {
        return list;
    }
    bool set = H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_LATEST) >= 0 &&
               H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) >= 0;
#if H5_VERSION_GE(1, 10, 7)
    set = set && H5Pset_file_locking(list, false, true) >= 0;
#endif
    if (!set) {
        H5Pclose(list);
        return H5I_INVALID_HID;
    }
    return list;
}

/* Keeps attributes, as long as they are few, in the header of the root, which has a checksum. */
static hid_t creation_list(void)
{
    hid_t list = H5Pcreate(H5P_FILE_CREATE);
    if (list >= 0 &&
        (H5Pset_obj_track_times(list, false) < 0 || H5Pset_attr_phase_change(list, 200, 150) < 0)) {
        H5Pclose(list);
        return H5I_INVALID_HID;
    }
    return list;
}

static rk_status create_in_sink(rk_h5 *file)
{
    rk_status status = RK_OK;
    hid_t access = access_list(), creation = creation_list();
    if (access < 0 || creation < 0 || !rk__h5_sink_use(access, &file->sink)) {
        status = rk__h5_fail(file, "HDF5 cannot be set up");
        goto done;
    }
    file->id = H5Fcreate(file->path, H5F_ACC_TRUNC, creation, access);
    if (file->id < 0) {
        status = rk__h5_fail(file, "cannot be created");
    }
done:
    if (access >= 0) {
        H5Pclose(access);
    }
    if (creation >= 0) {
        H5Pclose(creation);
    }
    return status;
}

/* A file that rk__h5_close may be called on. */
static rk_status create_handle(rk_h5 **out, const char *path)
{
    rk_h5 *file = NULL;
    rk__h5_quiet();
    RK_TRY(rk__calloc(&file, 1, sizeof *file, "a file handle"));
    file->id = H5I_INVALID_HID;
    file->aside.descriptor = -1;
    rk_status status = rk__strdup(&file->path, path);
    if (status != RK_OK) {
        rk__free(file);
        return status;
    }
    *out = file;
    return RK_OK;
}

rk_status rk__h5_create(rk_h5 **out, const char *path, const char *kind, int64_t version)
{
    rk_status status = RK_OK;
    rk_h5 *file = NULL;
    RK_TRY(create_handle(&file, path));
    file->writing = true;
    RK_TRY_GOTO(done, rk__aside_open(&file->aside, path));
    file->sink.descriptor = file->aside.descriptor;
    RK_TRY_GOTO(done, create_in_sink(file));
    RK_TRY_GOTO(done, rk__h5_set_text(file, KIND_ATTRIBUTE, kind));
    RK_TRY_GOTO(done, rk__h5_set_i64(file, VERSION_ATTRIBUTE, version));
    *out = file;
    return RK_OK;
done:
    rk__h5_close(file);
    return status;
}

rk_status rk__h5_complete(rk_h5 *file, int *out_descriptor)
{
    RK_ASSERT(file->writing);
    if (file->id >= 0) {
        rk__h5_quiet();
        hid_t id = file->id;
        file->id = H5I_INVALID_HID;
        if (H5Fclose(id) < 0) {
            return rk__h5_fail(file, "cannot be completed");
        }
        RK_TRY(rk__h5_check_writes(file));
    }
    if (out_descriptor) {
        *out_descriptor = file->aside.descriptor;
    }
    return RK_OK;
}

rk_status rk__h5_commit(rk_h5 *file)
{
    RK_TRY(rk__h5_complete(file, NULL));
    return rk__aside_commit(&file->aside);
}

rk_status rk__h5_retarget(rk_h5 *file, const char *path)
{
    char *copy = NULL;
    RK_ASSERT(file->writing);
    RK_TRY(rk__strdup(&copy, path));
    rk__free(file->aside.path);
    file->aside.path = copy;
    return RK_OK;
}

rk_status rk__h5_commit_new(rk_h5 *file, bool *out_exists)
{
    RK_TRY(rk__h5_complete(file, NULL));
    return rk__aside_commit_new(&file->aside, out_exists);
}

/* Errors that HDF5 itself reports vaguely: a missing, unreadable, empty or foreign file. */
static rk_status check_signature(const char *path)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char found[sizeof signature];
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = descriptor < 0 ? -1 : read(descriptor, found, sizeof found);
    int error = errno;
    if (descriptor >= 0) {
        close(descriptor);
    }
    if (n < 0) {
        RK_FAIL(RK_ERR_IO, "%s cannot be read: %s", path, strerror(error));
    }
    if (n == 0) {
        RK_FAIL(RK_ERR_DATA, "%s is empty, not an HDF5 file", path);
    }
    if (n < (ssize_t)sizeof found || memcmp(found, signature, sizeof found) != 0) {
        RK_FAIL(RK_ERR_DATA, "%s is not an HDF5 file", path);
    }
    return RK_OK;
}

static rk_status check_kind(const rk_h5 *file, const char *kind, int64_t version)
{
    htri_t there = H5Aexists(file->id, KIND_ATTRIBUTE);
    if (there < 0) {
        return rk__h5_fail(file, "truncated or damaged HDF5 file");
    }
    if (there == 0) {
        RK_FAIL(RK_ERR_DATA, "%s is an HDF5 file, but not a %s of rankine", file->path, kind);
    }
    char *found = NULL;
    RK_TRY(rk__h5_get_text(file, KIND_ATTRIBUTE, &found));
    rk_status status = RK_OK;
    if (strcmp(found, kind) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s is a %s of rankine, not a %s", file->path, found, kind);
    }
    int64_t found_version = 0;
    RK_TRY_GOTO(done, rk__h5_get_i64(file, VERSION_ATTRIBUTE, &found_version));
    if (found_version != version) {
        RK_FAIL_GOTO(done, RK_ERR_DATA,
                     "%s is a %s of layout %lld, and this version of rankine reads layout %lld",
                     file->path, kind, (long long)found_version, (long long)version);
    }
done:
    rk__free(found);
    return status;
}

rk_status rk__h5_open(rk_h5 **out, const char *path, const char *kind, int64_t version)
{
    rk_status status = RK_OK;
    rk_h5 *file = NULL;
    RK_TRY(check_signature(path));
    RK_TRY(create_handle(&file, path));
    hid_t access = access_list();
    if (access < 0) {
        status = rk__h5_fail(file, "HDF5 cannot be set up");
        goto done;
    }
    file->id = H5Fopen(path, H5F_ACC_RDONLY, access);
    if (file->id < 0) {
        status = rk__h5_fail(file, "truncated or damaged HDF5 file");
        goto done;
    }
    RK_TRY_GOTO(done, check_kind(file, kind, version));
    *out = file;
    file = NULL;
done:
    if (access >= 0) {
        H5Pclose(access);
    }
    rk__h5_close(file);
    return status;
}

void rk__h5_close(rk_h5 *file)
{
    if (!file) {
        return;
    }
    rk__h5_quiet();
    if (file->id >= 0) {
        H5Fclose(file->id);
    }
    if (file->writing) {
        rk__aside_close(&file->aside);
    }
    rk__free(file->path);
    rk__free(file);
}

const char *rk__h5_path(const rk_h5 *file)
{
    return file->path;
}

void rk__h5_set_deflate(rk_h5 *file, int level)
{
    RK_ASSERT(level >= 0 && level <= 9);
    file->deflate = level;
}

void rk__h5_set_watch(rk_h5 *file, rk_h5_watch watch, void *self)
{
    file->watch = watch;
    file->watch_self = self;
}
