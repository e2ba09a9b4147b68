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

enum { BLOCK_BYTES = 1 << 20, BLOCKS_A_PIECE = 4, MAX_NAME = 256 };

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

/* Rows of a block: whole rows of an array that has elements. */
static hsize_t block_rows(int rank, const hsize_t shape[2], int64_t size)
{
    hsize_t rows = (hsize_t)(BLOCK_BYTES / size);
    if (rank == 2) {
        rows /= shape[1];
    }
    return rows < 1 ? 1 : rows > shape[0] ? shape[0] : rows;
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
    const hsize_t block[2] = {block_rows(rank, shape, size), shape[1]};
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

/* An array that is open, with what is needed to move it piece by piece. */
typedef struct transfer {
    const rk_h5 *file;
    const char *name;
    hid_t array;
    type_info info;
    int rank;
    hsize_t shape[2];
} transfer;

/* Rows [first, first + count) from or to `values`, whose first row is row `first`. False when HDF5
 * fails. */
static bool move_rows(const transfer *t, hsize_t first, hsize_t count, void *to, const void *from)
{
    const hsize_t start[2] = {first, 0}, extent[2] = {count, t->shape[1]};
    const hid_t file = H5Screate_simple(t->rank, t->shape, NULL);
    const hid_t memory = H5Screate_simple(t->rank, extent, NULL);
    bool done = file >= 0 && memory >= 0 &&
                H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, extent, NULL) >= 0;
    if (done && from) {
        done = H5Dwrite(t->array, t->info.memory, memory, file, H5P_DEFAULT, from) >= 0;
    } else if (done) {
        done = H5Dread(t->array, t->info.memory, memory, file, H5P_DEFAULT, to) >= 0;
    }
    if (file >= 0) {
        H5Sclose(file);
    }
    if (memory >= 0) {
        H5Sclose(memory);
    }
    return done;
}

/* The whole array, in pieces of whole blocks; one of `to` and `from` is NULL. */
static rk_status move_array(const transfer *t, void *to, const void *from)
{
    const hsize_t cols = t->rank == 2 ? t->shape[1] : 1;
    const hsize_t bytes = cols * (hsize_t)t->info.size; /* of a row */
    if (t->shape[0] == 0 || cols == 0) {
        return RK_OK;
    }
    const hsize_t piece = BLOCKS_A_PIECE * block_rows(t->rank, t->shape, t->info.size);
    for (hsize_t row = 0; row < t->shape[0]; row += piece) {
        const hsize_t count = t->shape[0] - row < piece ? t->shape[0] - row : piece;
        if (t->file->watch) {
            RK_TRY(t->file->watch(t->file->watch_self, (int64_t)(count * bytes)));
        }
        if (!move_rows(t, row, count, to ? (char *)to + row * bytes : NULL,
                       from ? (const char *)from + row * bytes : NULL)) {
            return rk__h5_fail(
                t->file, from ? "array '%s' cannot be written" : "array '%s' is damaged", t->name);
        }
    }
    return RK_OK;
}

/* A new array, whose elements are to be written; close it. */
static rk_status create_array(rk_h5 *file, const char *name, rk_h5_type type, int64_t rows,
                              int64_t cols, transfer *out)
{
    RK_ASSERT(file->writing && rows >= 0 && cols >= 0);
    rk__h5_quiet();
    rk_status status = RK_OK;
    *out = (transfer){.file = file,
                      .name = name,
                      .array = H5I_INVALID_HID,
                      .info = info_of(type),
                      .rank = cols == 0 ? 1 : 2,
                      .shape = {(hsize_t)rows, (hsize_t)cols}};
    hid_t space = H5Screate_simple(out->rank, out->shape, NULL);
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE), access = uncached();
    if (space < 0 || creation < 0 || access < 0 ||
        !set_blocks(creation, out->rank, out->shape, out->info.size, file->deflate)) {
        status = rk__h5_fail(file, "array '%s' cannot be set up", name);
        goto done;
    }
    RK_TRY_GOTO(done, make_groups(file, name));
    out->array = H5Dcreate2(file->id, name, out->info.file, space, H5P_DEFAULT, creation, access);
    if (out->array < 0) {
        status = rk__h5_fail(file, "array '%s' cannot be written", name);
    }
done:
    close_all(space, creation, access, H5I_INVALID_HID);
    return status;
}

static void close_array(transfer *t)
{
    close_all(H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID, t->array);
}

rk_status rk__h5_write(rk_h5 *file, const char *name, rk_h5_type type, int64_t rows, int64_t cols,
                       const void *values)
{
    transfer t = {.array = H5I_INVALID_HID};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, create_array(file, name, type, rows, cols, &t));
    RK_TRY_GOTO(done, move_array(&t, NULL, values));
    status = rk__h5_check_writes(file);
done:
    close_array(&t);
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
    const transfer t = {file, name, array, info_of(type), rank, {shape[0], shape[1]}};
    status = move_array(&t, values, NULL);
done:
    H5Dclose(array);
    return status;
}

rk_status rk__h5_load(const rk_h5 *file, const char *name, rk_h5_type type, void *out_pointer,
                      int64_t *out_rows)
{
    return rk__h5_load_into(file, name, type, NULL, out_pointer, out_rows);
}

rk_status rk__h5_load_into(const rk_h5 *file, const char *name, rk_h5_type type, rk_spill *spill,
                           void *out_pointer, int64_t *out_rows)
{
    void *values = NULL;
    int64_t rows = 0, cols = 0;
    RK_TRY(rk__h5_shape(file, name, type, &rows, &cols));
    RK_TRY(rk__spill_alloc(spill, &values, rows, (size_t)info_of(type).size, name));
    rk_status status = rk__h5_read(file, name, type, rows, 0, values);
    if (status != RK_OK) {
        rk__spill_free(values);
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

/* The elements of an array that are made as they are written, in whole blocks. */
typedef struct feeder {
    transfer array;
    char *block;   /* owned */
    int64_t room;  /* bytes of it */
    int64_t used;  /* bytes of it */
    int64_t moved; /* rows */
} feeder;

static rk_status feeder_open(feeder *f, rk_h5 *file, const char *name, rk_h5_type type,
                             int64_t rows)
{
    *f = (feeder){.array = {.array = H5I_INVALID_HID}};
    RK_TRY(create_array(file, name, type, rows, 0, &f->array));
    f->room = (int64_t)block_rows(1, f->array.shape, f->array.info.size) * f->array.info.size;
    return rk__alloc(&f->block, f->room, 1, "a block of an array");
}

static rk_status feeder_flush(feeder *f)
{
    const int64_t rows = f->used / f->array.info.size;
    const rk_h5 *file = f->array.file;
    if (rows > 0 && file->watch) {
        RK_TRY(file->watch(file->watch_self, f->used));
    }
    if (rows > 0 && !move_rows(&f->array, (hsize_t)f->moved, (hsize_t)rows, NULL, f->block)) {
        return rk__h5_fail(file, "array '%s' cannot be written", f->array.name);
    }
    f->moved += rows;
    f->used = 0;
    return rk__h5_check_writes(file);
}

static rk_status feeder_add(feeder *f, const void *bytes, int64_t n)
{
    for (const char *at = bytes; n > 0;) {
        const int64_t some = n < f->room - f->used ? n : f->room - f->used;
        memcpy(f->block + f->used, at, (size_t)some);
        f->used += some;
        at += some;
        n -= some;
        RK_TRY(f->used == f->room ? feeder_flush(f) : RK_OK);
    }
    return RK_OK;
}

static void feeder_close(feeder *f)
{
    close_array(&f->array);
    rk__free(f->block);
}

static rk_status write_offsets(rk_h5 *file, const char *name, char *const *texts, int64_t n,
                               int64_t *out_bytes)
{
    feeder f;
    int64_t offset = 0;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, feeder_open(&f, file, name, RK_H5_I64, n + 1));
    RK_TRY_GOTO(done, feeder_add(&f, &offset, sizeof offset));
    for (int64_t i = 0; i < n; i++) {
        offset += (int64_t)strlen(texts[i]) + 1;
        RK_TRY_GOTO(done, feeder_add(&f, &offset, sizeof offset));
    }
    RK_TRY_GOTO(done, feeder_flush(&f));
    *out_bytes = offset;
done:
    feeder_close(&f);
    return status;
}

static rk_status write_bytes(rk_h5 *file, const char *name, char *const *texts, int64_t n,
                             int64_t bytes)
{
    feeder f;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, feeder_open(&f, file, name, RK_H5_U8, bytes));
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, feeder_add(&f, texts[i], (int64_t)strlen(texts[i]) + 1));
    }
    RK_TRY_GOTO(done, feeder_flush(&f));
done:
    feeder_close(&f);
    return status;
}

rk_status rk__h5_write_texts(rk_h5 *file, const char *name, char *const *texts, int64_t n)
{
    char part[MAX_NAME];
    int64_t bytes = 0;
    RK_TRY(part_name(part, name, "offsets"));
    RK_TRY(write_offsets(file, part, texts, n, &bytes));
    RK_TRY(part_name(part, name, "bytes"));
    return write_bytes(file, part, texts, n, bytes);
}

rk_status rk__h5_load_texts(const rk_h5 *file, const char *name, char ***out, int64_t *out_n)
{
    return rk__h5_load_texts_into(file, name, NULL, out, out_n);
}

rk_status rk__h5_load_texts_into(const rk_h5 *file, const char *name, rk_spill *spill, char ***out,
                                 int64_t *out_n)
{
    rk_status status = RK_OK;
    int64_t *offsets = NULL, n = 0, n_bytes = 0, cols = 0, block = 0;
    char **texts = NULL;
    char part[MAX_NAME];
    RK_TRY_GOTO(done, part_name(part, name, "offsets"));
    RK_TRY_GOTO(done, rk__h5_load_into(file, part, RK_H5_I64, spill, &offsets, &n));
    RK_TRY_GOTO(done, part_name(part, name, "bytes"));
    RK_TRY_GOTO(done, rk__h5_shape(file, part, RK_H5_U8, &n_bytes, &cols));
    n--;
    if (n < 0 || offsets[0] != 0 || offsets[n] != n_bytes ||
        __builtin_mul_overflow(n, (int64_t)sizeof *texts, &block) ||
        __builtin_add_overflow(block, n_bytes, &block)) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: the texts '%s' are damaged", file->path, name);
    }
    RK_TRY_GOTO(done, rk__spill_alloc(spill, &texts, block, 1, "texts"));
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
    rk__spill_free(offsets);
    rk__spill_free(texts);
    return status;
}
