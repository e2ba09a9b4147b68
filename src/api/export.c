/*
 * Embeddings as files for other programs, rows in the order of the dense indices.
 *
 * npy: NumPy's format 1.0 (little-endian float32, row by row), the original ids in a text file of
 * one line each. tsv: a line a row, original id first. A tab, a line break or a backslash in a text
 * id is written as \t, \n, \r or \\.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/run_internal.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"

typedef const char *(*id_fn)(const rk_dataset *dataset, int64_t index, char room[RK_ID_BYTES]);

typedef struct table {
    const char *name; /* "user" or "item" */
    const float *values;
    int64_t rows, dim;
    id_fn id;
} table;

static void add_id(rk_buffer *out, const char *id)
{
    for (const char *at = id; *at; at++) {
        switch (*at) {
        case '\t':
            rk__buffer_add(out, "\\t");
            break;
        case '\n':
            rk__buffer_add(out, "\\n");
            break;
        case '\r':
            rk__buffer_add(out, "\\r");
            break;
        case '\\':
            rk__buffer_add(out, "\\\\");
            break;
        default:
            rk__buffer_add_bytes(out, at, 1);
        }
    }
}

/* One file of an export: bytes of one row into the buffer; row -1 is the file's head. */
typedef void (*row_fn)(const rk_run *run, const table *t, int64_t row, rk_buffer *out);

static void npy_row(const rk_run *run, const table *t, int64_t row, rk_buffer *out)
{
    (void)run;
    if (row >= 0) {
        rk__buffer_add_bytes(out, (const char *)(t->values + row * t->dim),
                             t->dim * (int64_t)sizeof *t->values);
        return;
    }
    /* Magic, version, length of the dictionary, the dictionary filled up with blanks to 128. */
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    int length = snprintf(head + 10, sizeof head - 10,
                          "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                          (long long)t->rows, (long long)t->dim);
    head[10 + length] = ' ';
    head[sizeof head - 1] = '\n';
    rk__buffer_add_bytes(out, head, sizeof head);
}

static void ids_row(const rk_run *run, const table *t, int64_t row, rk_buffer *out)
{
    char room[RK_ID_BYTES];
    if (row >= 0) {
        add_id(out, t->id(run->dataset, row, room));
        rk__buffer_add_bytes(out, "\n", 1);
    }
}

static void tsv_row(const rk_run *run, const table *t, int64_t row, rk_buffer *out)
{
    char room[RK_ID_BYTES];
    if (row < 0) {
        return;
    }
    add_id(out, t->id(run->dataset, row, room));
    for (int64_t d = 0; d < t->dim; d++) {
        char text[32];
        rk__print_float(text, t->values[row * t->dim + d]);
        rk__buffer_add(out, "\t%s", text);
    }
    rk__buffer_add_bytes(out, "\n", 1);
}

/* Streams the rows into path.tmp, then gives it its name. */
static rk_status write_file(const rk_run *run, const table *t, const char *path, row_fn add_row)
{
    rk_buffer buffer = {0};
    char *aside = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__file_aside(&aside, path));
    FILE *file = fopen(aside, "wb");
    if (!file) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    }
    for (int64_t row = -1; row < t->rows; row++) {
        buffer.length = 0;
        add_row(run, t, row, &buffer);
        RK_TRY_GOTO(done, buffer.status);
        size_t length = (size_t)buffer.length; /* 0, and no buffer yet, where there is no head */
        if (length > 0 && fwrite(buffer.at, 1, length, file) != length) {
            RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be written: %s", path, strerror(errno));
        }
    }
    int failed = fclose(file);
    file = NULL;
    if (failed) {
        RK_FAIL_GOTO(done, RK_ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    }
    status = rk__file_commit(path);
done:
    if (file) {
        fclose(file);
    }
    if (status != RK_OK) {
        remove(aside);
    }
    rk__free(aside);
    rk__buffer_free(&buffer);
    return status;
}

typedef struct target {
    const char *ending; /* of the name, behind "user" or "item" */
    row_fn add_row;
} target;

static rk_status target_path(char **out, const char *directory, const target *f, const table *t)
{
    char *name = NULL;
    RK_TRY(rk__format(&name, "%s%s", t->name, f->ending));
    rk_status status = rk__path_join(out, directory, name);
    rk__free(name);
    return status;
}

typedef rk_status (*path_fn)(const rk_run *run, const table *t, const target *f, const char *path);

static rk_status refuse_existing(const rk_run *run, const table *t, const target *f,
                                 const char *path)
{
    (void)run, (void)t, (void)f;
    if (rk__file_exists(path)) {
        RK_FAIL(RK_ERR_CONFIG, "%s is there already; force overwrites it", path);
    }
    return RK_OK;
}

static rk_status write_one(const rk_run *run, const table *t, const target *f, const char *path)
{
    return write_file(run, t, path, f->add_row);
}

static rk_status each_file(const rk_run *run, rk_export_format format, const char *directory,
                           path_fn take)
{
    static const target npy[] = {{"_embeddings.npy", npy_row}, {"_ids.txt", ids_row}};
    static const target tsv[] = {{"_embeddings.tsv", tsv_row}};
    const target *targets = format == RK_EXPORT_NPY ? npy : tsv;
    int n = format == RK_EXPORT_NPY ? 2 : 1;
    table tables[2] = {{.name = "user", .id = rk_dataset_user_id},
                       {.name = "item", .id = rk_dataset_item_id}};
    tables[0].values = rk_run_user_embeddings(run, &tables[0].rows, &tables[0].dim);
    tables[1].values = rk_run_item_embeddings(run, &tables[1].rows, &tables[1].dim);
    for (int i = 0; i < 2 * n; i++) {
        char *path = NULL;
        RK_TRY(target_path(&path, directory, &targets[i % n], &tables[i / n]));
        rk_status status = take(run, &tables[i / n], &targets[i % n], path);
        rk__free(path);
        RK_TRY(status);
    }
    return RK_OK;
}

rk_status rk_run_export(rk_run *run, rk_export_format format, const char *directory, bool force)
{
    RK_TRY(rk__folder_create(directory));
    if (!force) {
        RK_TRY(each_file(run, format, directory, refuse_existing));
    }
    return each_file(run, format, directory, write_one);
}
