/*
 * Arrays, in blocks of about a megabyte with a checksum each, and lists of texts.
 *
 * HDF5's block cache is switched off for each array: it would delay writing a block, and so the
 * error of a full disk, until the close.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5_internal.h"

enum { BLOCK_BYTES = 1 << 20, MAX_NAME = 256 };

typedef struct type_info {
    hid_t file, memory;
    int64_t size;
    const char *name;
} type_info;

static type_info info_of(rk_h5_type type)
{
    switch (type) {
    case RK_H5_F32:
        return (type_info){H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, 4, "float32"};
    case RK_H5_F64:
        return (type_info){H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 8, "float64"};
    case RK_H5_I32:
        return (type_info){H5T_STD_I32LE, H5T_NATIVE_INT32, 4, "int32"};
    case RK_H5_I64:
        return (type_info){H5T_STD_I64LE, H5T_NATIVE_INT64, 8, "int64"};
    case RK_H5_U8:
        break;
    }
    return (type_info){H5T_STD_U8LE, H5T_NATIVE_UINT8, 1, "uint8"};
}

static void close_all(hid_t space, hid_t creation, hid_t access, hid_t array)
{
    if (array >= 0) {
        H5Dclose(array);
    }
    if (space >= 0) {
        H5Sclose(space);
    }
    if (creation >= 0) {
        H5Pclose(creation);
    }
    if (access >= 0) {
        H5Pclose(access);
    }
}

static hid_t uncached(void)
{
    hid_t list = H5Pcreate(H5P_DATASET_ACCESS);
    if (list >= 0 && H5Pset_chunk_cache(list, 0, 0, 1.0) < 0) {
        H5Pclose(list);
        return H5I_INVALID_HID;
    }
    return list;
}

/* Sets checksummed (and, if wanted, compressed) blocks of whole rows. An array without elements
 * cannot have blocks and needs none. False when HDF5 fails. */
static bool set_blocks(hid_t creation, int rank, const hsize_t shape[2], int64_t size, int deflate)
{
    if (H5Pset_obj_track_times(creation, false) < 0) {
        return false;
    }
    if (shape[0] == 0 || (rank == 2 && shape[1] == 0)) {
        return true;
    }
    hsize_t block[2] = {(hsize_t)(BLOCK_BYTES / size), shape[1]};
    if (rank == 2) {
        block[0] /= shape[1];
    }
    block[0] = block[0] < 1 ? 1 : block[0] > shape[0] ? shape[0] : block[0];
    return H5Pset_chunk(creation, rank, block) >= 0 &&
           H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER) >= 0 &&
           (deflate == 0 ||
            (H5Pset_shuffle(creation) >= 0 && H5Pset_deflate(creation, (unsigned)deflate) >= 0)) &&
           H5Pset_fletcher32(creation) >= 0;
}

/* Makes the groups on the way to name. HDF5 could do so itself, but with time stamps. */
static rk_status make_groups(rk_h5 *file, const char *name)
{
    char path[MAX_NAME];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (slash - name >= MAX_NAME) {
            RK_FAIL(RK_ERR_INTERNAL, "the name '%s' is too long for an array", name);
        }
        memcpy(path, name, (size_t)(slash - name));
        path[slash - name] = '\0';
        if (H5Lexists(file->id, path, H5P_DEFAULT) > 0) {
            continue;
        }
        hid_t list = H5Pcreate(H5P_GROUP_CREATE), group = H5I_INVALID_HID;
        if (list >= 0 && H5Pset_obj_track_times(list, false) >= 0) {
            group = H5Gcreate2(file->id, path, H5P_DEFAULT, list, H5P_DEFAULT);
        }
        rk_status status = RK_OK;
        if (group < 0) {
            status = rk__h5_fail(file, "group '%s' cannot be written", path);
        } else {
            H5Gclose(group);
        }
        if (list >= 0) {
            H5Pclose(list);
        }
        RK_TRY(status);
    }
    return RK_OK;
}

rk_status rk__h5_write(rk_h5 *file, const char *name, rk_h5_type type, int64_t rows, int64_t cols,
                       const void *values)
{
    RK_ASSERT(file->writing && rows >= 0 && cols >= 0);
    rk__h5_quiet();
    rk_status status = RK_OK;
    type_info info = info_of(type);
    const hsize_t shape[2] = {(hsize_t)rows, (hsize_t)cols};
    int rank = cols == 0 ? 1 : 2;
    hid_t space = H5Screate_simple(rank, shape, NULL), creation = H5Pcreate(H5P_DATASET_CREATE);
    hid_t access = uncached(), array = H5I_INVALID_HID;
    if (space < 0 || creation < 0 || access < 0 ||
        !set_blocks(creation, rank, shape, info.size, file->deflate)) {
        status = rk__h5_fail(file, "array '%s' cannot be set up", name);
        goto done;
    }
    RK_TRY_GOTO(done, make_groups(file, name));
    array = H5Dcreate2(file->id, name, info.file, space, H5P_DEFAULT, creation, access);
    if (array < 0 ||
        (rows > 0 && H5Dwrite(array, info.memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)) {
        status = rk__h5_fail(file, "array '%s' cannot be written", name);
        goto done;
    }
    status = rk__h5_check_writes(file);
done:
    close_all(space, creation, access, array);
    return status;
}

bool rk__h5_has(const rk_h5 *file, const char *name)
{
    char path[MAX_NAME];
    rk__h5_quiet();
    /* H5Lexists needs every group on the way to exist. */
    for (const char *end = name; *end;) {
        end += strcspn(end, "/");
        if (end - name >= MAX_NAME) {
            return false;
        }
        memcpy(path, name, (size_t)(end - name));
        path[end - name] = '\0';
        if (H5Lexists(file->id, path, H5P_DEFAULT) <= 0) {
            return false;
        }
        end += *end == '/';
    }
    return true;
}

/* Opens an array and checks its type; negative *out_array on failure. */
static rk_status open_array(const rk_h5 *file, const char *name, rk_h5_type type, hid_t *out_array,
                            int *out_rank, hsize_t shape[2])
{
    rk_status status = RK_OK;
    type_info info = info_of(type);
    hid_t access = uncached(), array = H5I_INVALID_HID, space = H5I_INVALID_HID;
    hid_t found = H5I_INVALID_HID;
    *out_array = H5I_INVALID_HID;
    if (!rk__h5_has(file, name)) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s has no array '%s'", file->path, name);
    }
    array = access < 0 ? H5I_INVALID_HID : H5Dopen2(file->id, name, access);
    space = array < 0 ? H5I_INVALID_HID : H5Dget_space(array);
    found = array < 0 ? H5I_INVALID_HID : H5Dget_type(array);
    if (space < 0 || found < 0) {
        status = rk__h5_fail(file, "array '%s' cannot be opened", name);
        goto done;
    }
    if (H5Tequal(found, info.file) <= 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: array '%s' does not hold %s", file->path, name,
                     info.name);
    }
    *out_rank = H5Sget_simple_extent_ndims(space);
    if (*out_rank < 1 || *out_rank > 2) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: array '%s' has %d dimensions, not 1 or 2", file->path,
                     name, *out_rank);
    }
    shape[1] = 0;
    H5Sget_simple_extent_dims(space, shape, NULL);
    if (shape[0] > INT64_MAX || shape[1] > INT64_MAX) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: array '%s' has an impossible shape", file->path, name);
    }
    *out_array = array;
    array = H5I_INVALID_HID;
done:
    if (found >= 0) {
        H5Tclose(found);
    }
    close_all(space, H5I_INVALID_HID, access, array);
    return status;
}

rk_status rk__h5_shape(const rk_h5 *file, const char *name, rk_h5_type type, int64_t *out_rows,
                       int64_t *out_cols)
{
    hid_t array = H5I_INVALID_HID;
    int rank = 0;
    hsize_t shape[2];
    rk__h5_quiet();
    RK_TRY(open_array(file, name, type, &array, &rank, shape));
    H5Dclose(array);
    *out_rows = (int64_t)shape[0];
    *out_cols = (int64_t)shape[1];
    return RK_OK;
}

/* Whether the name is that of an array of this type. */
static bool is_array_of(const rk_h5 *file, const char *name, rk_h5_type type)
{
    const hid_t object = H5Oopen(file->id, name, H5P_DEFAULT);
    const bool is_array = object >= 0 && H5Iget_type(object) == H5I_DATASET;
    const hid_t found = is_array ? H5Dget_type(object) : H5I_INVALID_HID;
    const bool is_same = found >= 0 && H5Tequal(found, info_of(type).file) > 0;
    if (found >= 0) {
        H5Tclose(found);
    }
    if (object >= 0) {
        H5Oclose(object);
    }
    return is_same;
}

rk_status rk__h5_each(const rk_h5 *file, rk_h5_type type,
                      rk_status (*visit)(void *user, const char *name), void *user)
{
    H5G_info_t group;
    rk__h5_quiet();
    if (H5Gget_info(file->id, &group) < 0) {
        return rk__h5_fail(file, "the names of arrays cannot be read");
    }
    for (hsize_t i = 0; i < group.nlinks; i++) {
        char name[MAX_NAME];
        const ssize_t length = H5Lget_name_by_idx(file->id, ".", H5_INDEX_NAME, H5_ITER_INC, i,
                                                  name, sizeof name, H5P_DEFAULT);
        if (length < 0) {
            return rk__h5_fail(file, "the names of arrays cannot be read");
        }
        if (length < MAX_NAME && is_array_of(file, name, type)) {
            RK_TRY(visit(user, name));
        }
    }
    return RK_OK;
}

static void print_shape(char out[64], int rank, int64_t rows, int64_t cols)
{
    if (rank == 1) {
        snprintf(out, 64, "[%lld]", (long long)rows);
    } else {
        snprintf(out, 64, "[%lld, %lld]", (long long)rows, (long long)cols);
    }
}

rk_status rk__h5_read(const rk_h5 *file, const char *name, rk_h5_type type, int64_t rows,
                      int64_t cols, void *values)
{
    rk_status status = RK_OK;
    hid_t array = H5I_INVALID_HID;
    int rank = 0;
    hsize_t shape[2];
    rk__h5_quiet();
    RK_TRY(open_array(file, name, type, &array, &rank, shape));
    if (rank != (cols == 0 ? 1 : 2) || shape[0] != (hsize_t)rows || shape[1] != (hsize_t)cols) {
        char found[64], wanted[64];
        print_shape(found, rank, (int64_t)shape[0], (int64_t)shape[1]);
        print_shape(wanted, cols == 0 ? 1 : 2, rows, cols);
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: array '%s' has the shape %s, not %s", file->path, name,
                     found, wanted);
    }
    if (rows > 0 &&
        H5Dread(array, info_of(type).memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        status = rk__h5_fail(file, "array '%s' is damaged", name);
    }
done:
    H5Dclose(array);
    return status;
}

rk_status rk__h5_load(const rk_h5 *file, const char *name, rk_h5_type type, void *out_pointer,
                      int64_t *out_rows)
{
    void *values = NULL;
    int64_t rows = 0, cols = 0;
    RK_TRY(rk__h5_shape(file, name, type, &rows, &cols));
    RK_TRY(rk__alloc(&values, rows, (size_t)info_of(type).size, name));
    rk_status status = rk__h5_read(file, name, type, rows, 0, values);
    if (status != RK_OK) {
        rk__free(values);
        return status;
    }
    memcpy(out_pointer, &values, sizeof values);
    *out_rows = rows;
    return RK_OK;
}

static rk_status part_name(char out[MAX_NAME], const char *name, const char *part)
{
    if (snprintf(out, MAX_NAME, "%s/%s", name, part) >= MAX_NAME) {
        RK_FAIL(RK_ERR_INTERNAL, "the name '%s' is too long for a list of texts", name);
    }
    return RK_OK;
}

rk_status rk__h5_write_texts(rk_h5 *file, const char *name, char *const *texts, int64_t n)
{
    rk_status status = RK_OK;
    int64_t *offsets = NULL;
    char *bytes = NULL;
    char part[MAX_NAME];
    RK_TRY_GOTO(done, rk__alloc(&offsets, n + 1, sizeof *offsets, "the offsets of texts"));
    offsets[0] = 0;
    for (int64_t i = 0; i < n; i++) {
        offsets[i + 1] = offsets[i] + (int64_t)strlen(texts[i]) + 1;
    }
    RK_TRY_GOTO(done, rk__alloc(&bytes, offsets[n], 1, "texts"));
    for (int64_t i = 0; i < n; i++) {
        memcpy(bytes + offsets[i], texts[i], (size_t)(offsets[i + 1] - offsets[i]));
    }
    RK_TRY_GOTO(done, part_name(part, name, "offsets"));
    RK_TRY_GOTO(done, rk__h5_write(file, part, RK_H5_I64, n + 1, 0, offsets));
    RK_TRY_GOTO(done, part_name(part, name, "bytes"));
    RK_TRY_GOTO(done, rk__h5_write(file, part, RK_H5_U8, offsets[n], 0, bytes));
done:
    rk__free(offsets);
    rk__free(bytes);
    return status;
}

rk_status rk__h5_load_texts(const rk_h5 *file, const char *name, char ***out, int64_t *out_n)
{
    rk_status status = RK_OK;
    int64_t *offsets = NULL, n = 0, n_bytes = 0, cols = 0, block = 0;
    char **texts = NULL;
    char part[MAX_NAME];
    RK_TRY_GOTO(done, part_name(part, name, "offsets"));
    RK_TRY_GOTO(done, rk__h5_load(file, part, RK_H5_I64, &offsets, &n));
    RK_TRY_GOTO(done, part_name(part, name, "bytes"));
    RK_TRY_GOTO(done, rk__h5_shape(file, part, RK_H5_U8, &n_bytes, &cols));
    n--;
    if (n < 0 || offsets[0] != 0 || offsets[n] != n_bytes ||
        __builtin_mul_overflow(n, (int64_t)sizeof *texts, &block) ||
        __builtin_add_overflow(block, n_bytes, &block)) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: the texts '%s' are damaged", file->path, name);
    }
    RK_TRY_GOTO(done, rk__alloc(&texts, block, 1, "texts"));
    char *bytes = (char *)(texts + n);
    RK_TRY_GOTO(done, rk__h5_read(file, part, RK_H5_U8, n_bytes, 0, bytes));
    for (int64_t i = 0; i < n; i++) {
        /* Each text ends in a zero byte, so it has at least one byte. */
        if (offsets[i + 1] <= offsets[i] || offsets[i + 1] > n_bytes ||
            bytes[offsets[i + 1] - 1] != '\0') {
            RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: the texts '%s' are damaged", file->path, name);
        }
        texts[i] = bytes + offsets[i];
    }
    *out = texts;
    *out_n = n;
    texts = NULL;
done:
    rk__free(offsets);
    rk__free(texts);
    return status;
}
