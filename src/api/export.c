/*
 * What a model has learnt as files for other programs, rows in the order of the dense indices.
 *
 * npy: NumPy's format 1.0 (little-endian float32, row by row), the original ids in a text file of
 * one line each. tsv: a line a row, original id first. A tab, a line break or a backslash in a text
 * id is written as \t, \n, \r or \\.
 */
#include <stdio.h>
#include <string.h>

#include "api/model_internal.h"
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "io/aside.h"
#include "io/folder_lock.h"

/* Rows of a tensor that go into one file. */
typedef struct table {
    char name[RK_NAME_LENGTH + 16]; /* of the file, without its ending */
    rk_rows_of of;
    rk_dtype dtype;
    const char *values; /* lent */
    int64_t rows, cols;
} table;

static const char *id_of(const rk_dataset *d, rk_rows_of of, int64_t row, char room[RK_ID_BYTES])
{
    return of == RK_ROWS_USERS ? rk_dataset_user_id(d, row, room)
                               : rk_dataset_item_id(d, row, room);
}

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
typedef void (*row_fn)(const rk_model *model, const table *t, int64_t row, rk_buffer *out);

static void npy_row(const rk_model *model, const table *t, int64_t row, rk_buffer *out)
{
    (void)model;
    if (row >= 0) {
        int64_t bytes = t->cols * rk__dtype_size(t->dtype);
        rk__buffer_add_bytes(out, t->values + row * bytes, bytes);
        return;
    }
    /* Magic, version, length of the dictionary, the dictionary filled up with blanks to 128. */
    const char *descr = t->dtype == RK_F32 ? "<f4" : t->dtype == RK_I32 ? "<i4" : "<i8";
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    int length = snprintf(head + 10, sizeof head - 10,
                          "{'descr': '%s', 'fortran_order': False, 'shape': (%lld, %lld), }", descr,
                          (long long)t->rows, (long long)t->cols);
    head[10 + length] = ' ';
    head[sizeof head - 1] = '\n';
    rk__buffer_add_bytes(out, head, sizeof head);
}

static void ids_row(const rk_model *model, const table *t, int64_t row, rk_buffer *out)
{
    char room[RK_ID_BYTES];
    if (row >= 0) {
        add_id(out, id_of(model->dataset, t->of, row, room));
        rk__buffer_add_bytes(out, "\n", 1);
    }
}

static void add_number(rk_buffer *out, const table *t, int64_t at)
{
    char text[32];
    if (t->dtype == RK_F32) {
        rk__print_float(text, ((const float *)(const void *)t->values)[at]);
        rk__buffer_add(out, "\t%s", text);
    } else if (t->dtype == RK_I32) {
        rk__buffer_add(out, "\t%d", ((const int32_t *)(const void *)t->values)[at]);
    } else {
        rk__buffer_add(out, "\t%lld", (long long)((const int64_t *)(const void *)t->values)[at]);
    }
}

static void tsv_row(const rk_model *model, const table *t, int64_t row, rk_buffer *out)
{
    char room[RK_ID_BYTES];
    if (row < 0) {
        return;
    }
    add_id(out, id_of(model->dataset, t->of, row, room));
    for (int64_t d = 0; d < t->cols; d++) {
        add_number(out, t, row * t->cols + d);
    }
    rk__buffer_add_bytes(out, "\n", 1);
}

static rk_status write_rows(const rk_model *model, const table *t, rk_aside *aside, row_fn add_row)
{
    enum { CHUNK = 1 << 20 }; /* bytes written at once */
    rk_buffer buffer = {0};
    rk_status status = RK_OK;
    for (int64_t row = -1; row < t->rows; row++) {
        add_row(model, t, row, &buffer);
        RK_TRY_GOTO(done, buffer.status);
        if (buffer.length >= CHUNK || row + 1 == t->rows) {
            RK_TRY_GOTO(done, rk__aside_write(aside, buffer.at, buffer.length));
            buffer.length = 0;
        }
    }
done:
    rk__buffer_free(&buffer);
    return status;
}

/* ---- which files ---- */

enum { MOST_FILES = 16 };

typedef struct file {
    table rows;
    const char *ending;
    row_fn add_row;
    rk_aside aside; /* while it is written */
} file;

typedef struct files {
    file v[MOST_FILES];
    int n;
    void *owned[MOST_FILES]; /* the tensors; rk__free */
    int n_owned;
} files;

static void add_file(files *f, table rows, const char *ending, row_fn add_row)
{
    RK_ASSERT(f->n < MOST_FILES);
    f->v[f->n++] =
        (file){.rows = rows, .ending = ending, .add_row = add_row, .aside.descriptor = -1};
}

/* A whole tensor on the host, as one table; f owns it. */
static rk_status read_table(const rk_model *model, const char *name, files *f, table *out)
{
    const rk_store *store = &model->engine.store;
    const rk_stored *t = &store->items[rk__store_find(store, name)];
    char *values = NULL;
    RK_ASSERT(f->n_owned < MOST_FILES);
    RK_TRY(rk__scorer_read(model->scorer, name, &values));
    f->owned[f->n_owned++] = values;
    *out = (table){
        .of = RK_ROWS_OTHER, .dtype = t->dtype, .values = values, .rows = t->rows, .cols = t->cols};
    snprintf(out->name, sizeof out->name, "%s", name);
    for (char *at = out->name; *at; at++) {
        *at = *at == '.' ? '_' : *at;
    }
    return RK_OK;
}

static rk_status add_embeddings(const rk_model *model, const char *name, bool npy, files *f)
{
    const int64_t n_users = model->dataset->n_users;
    table all, users, items;
    RK_TRY(read_table(model, name, f, &all));
    users = items = all;
    snprintf(users.name, sizeof users.name, "user_embeddings");
    snprintf(items.name, sizeof items.name, "item_embeddings");
    users.of = RK_ROWS_USERS;
    users.rows = n_users;
    items.of = RK_ROWS_ITEMS;
    items.rows = all.rows - n_users;
    items.values += n_users * all.cols * rk__dtype_size(all.dtype);
    add_file(f, users, npy ? ".npy" : ".tsv", npy ? npy_row : tsv_row);
    add_file(f, items, npy ? ".npy" : ".tsv", npy ? npy_row : tsv_row);
    return RK_OK;
}

static rk_status choose_files(const rk_model *model, bool npy, files *f)
{
    const rk_model_instance *m = &model->engine.model;
    if (m->model->embeddings) {
        RK_TRY(add_embeddings(model, m->model->embeddings, npy, f));
    }
    for (int i = 0; !m->model->embeddings && i < m->n_parameters; i++) {
        table t;
        RK_TRY(read_table(model, m->parameters[i].name, f, &t));
        t.of = m->parameters[i].of;
        if (npy || t.of != RK_ROWS_OTHER) {
            add_file(f, t, npy ? ".npy" : ".tsv", npy ? npy_row : tsv_row);
        }
    }
    if (npy) {
        add_file(f,
                 (table){.name = "user_ids", .of = RK_ROWS_USERS, .rows = model->dataset->n_users},
                 ".txt", ids_row);
        add_file(f,
                 (table){.name = "item_ids", .of = RK_ROWS_ITEMS, .rows = model->dataset->n_items},
                 ".txt", ids_row);
    }
    return RK_OK;
}

static rk_status file_path(char **out, const char *directory, const file *f)
{
    char *name = NULL;
    RK_TRY(rk__format(&name, "%s%s", f->rows.name, f->ending));
    rk_status status = rk__path_join(out, directory, name);
    rk__free(name);
    return status;
}

static rk_status refuse_existing(const files *f, const char *directory)
{
    for (int i = 0; i < f->n; i++) {
        char *path = NULL;
        RK_TRY(file_path(&path, directory, &f->v[i]));
        if (rk__file_exists(path)) {
            rk_status status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                                        "%s is there already; force overwrites it", path);
            rk__free(path);
            return status;
        }
        rk__free(path);
    }
    return RK_OK;
}

/* All are complete before the first gets its name. */
static rk_status write_all(const rk_model *model, files *f, const char *directory, bool force,
                           rk_buffer *names)
{
    for (int i = 0; i < f->n; i++) {
        file *one = &f->v[i];
        char *path = NULL;
        RK_TRY(file_path(&path, directory, one));
        rk_status status = rk__aside_open(&one->aside, path);
        rk__free(path);
        RK_TRY(status);
        RK_TRY(write_rows(model, &one->rows, &one->aside, one->add_row));
        rk__buffer_add(names, "%s%s", one->rows.name, one->ending);
        if (one->rows.values) {
            rk__buffer_add(names, " (%lld x %lld)", (long long)one->rows.rows,
                           (long long)one->rows.cols);
        }
        rk__buffer_add(names, "\n");
    }
    for (int i = 0; i < f->n; i++) {
        rk_aside *aside = &f->v[i].aside;
        RK_TRY(force ? rk__aside_commit(aside) : rk__aside_commit_new(aside, NULL));
    }
    return names->status;
}

rk_status rk_model_export(const rk_model *model, rk_export_format format, const char *directory,
                          bool force, char **out_files)
{
    files f = {.n = 0};
    rk_folder_lock lock = {.path = NULL};
    if (format != RK_EXPORT_NPY && format != RK_EXPORT_TSV) {
        RK_FAIL(RK_ERR_CONFIG, "there is no format %d of an export", (int)format);
    }
    rk_buffer names = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, choose_files(model, format == RK_EXPORT_NPY, &f));
    /* Files of two exports at once would be those of two models. */
    RK_TRY_GOTO(done, rk__folder_take(&lock, directory, RK_FOLDER_PATIENCE));
    RK_TRY_GOTO(done, force ? RK_OK : refuse_existing(&f, directory));
    RK_TRY_GOTO(done, write_all(model, &f, directory, force, &names));
    RK_TRY_GOTO(done, out_files ? rk__buffer_take(&names, out_files) : RK_OK);
done:
    for (int i = 0; i < f.n; i++) {
        rk__aside_close(&f.v[i].aside);
    }
    for (int i = 0; i < f.n_owned; i++) {
        rk__free(f.owned[i]);
    }
    rk__folder_release(&lock);
    rk__buffer_free(&names);
    return status;
}
