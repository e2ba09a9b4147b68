/*
 * What a model has learnt, and the interactions of its data set, as files for other programs, rows
 * in the order of the dense indices.
 *
 * npy: NumPy's format 1.0 (little-endian float32, row by row), the original ids in a text file of
 * one line each. tsv: a line a row, original id first. A tab, a line break or a backslash in a text
 * id is written as \t, \n, \r or \\.
 */
#include <stdio.h>
#include <string.h>

#include "api/export_internal.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/parse.h"
#include "io/aside.h"
#include "io/folder_lock.h"

typedef rk_export_table table;

static const char *id_of(const rk_dataset *d, rk_rows_of of, int64_t row, char room[RK_ID_BYTES])
{
    return of == RK_ROWS_USERS ? rk_dataset_user_id(d, row, room)
                               : rk_dataset_item_id(d, row, room);
}

void rk__export_id(rk_buffer *out, const char *id)
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

void rk__export_npy_head(rk_buffer *out, const char *descr, const char *shape)
{
    /* Magic, version, length of the dictionary, the dictionary filled up with blanks to 128. */
    char head[128];
    memset(head, ' ', sizeof head);
    memcpy(head, "\x93NUMPY\x01\x00\x76\x00", 10);
    int length = snprintf(head + 10, sizeof head - 10,
                          "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape);
    head[10 + length] = ' ';
    head[sizeof head - 1] = '\n';
    rk__buffer_add_bytes(out, head, sizeof head);
}

static void npy_row(const rk_model *model, const table *t, int64_t row, rk_buffer *out)
{
    (void)model;
    if (row >= 0) {
        int64_t bytes = t->cols * rk__dtype_size(t->dtype);
        rk__buffer_add_bytes(out, t->values + row * bytes, bytes);
        return;
    }
    char shape[64];
    snprintf(shape, sizeof shape, "(%lld, %lld)", (long long)t->rows, (long long)t->cols);
    rk__export_npy_head(out,
                        t->dtype == RK_F32   ? "<f4"
                        : t->dtype == RK_I32 ? "<i4"
                                             : "<i8",
                        shape);
}

/* One tensor of the file's name: the length of a head in JSON, which is filled up with blanks so
 * that the values are aligned, the head, the values. */
static void safetensors_row(const rk_model *model, const table *t, int64_t row, rk_buffer *out)
{
    if (row >= 0) {
        npy_row(model, t, row, out);
        return;
    }
    enum { ALIGNMENT = 8 };
    char head[400];
    const char *dtype = t->dtype == RK_F32 ? "F32" : t->dtype == RK_I32 ? "I32" : "I64";
    int length =
        snprintf(head, sizeof head,
                 "{\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld,%lld],\"data_offsets\":[0,%lld]}}",
                 t->name, dtype, (long long)t->rows, (long long)t->cols,
                 (long long)(t->rows * t->cols * rk__dtype_size(t->dtype)));
    for (; length % ALIGNMENT != 0; length++) {
        head[length] = ' ';
    }
    const uint64_t bytes = (uint64_t)length;
    rk__buffer_add_bytes(out, (const char *)&bytes, sizeof bytes);
    rk__buffer_add_bytes(out, head, length);
}

static void ids_row(const rk_model *model, const table *t, int64_t row, rk_buffer *out)
{
    char room[RK_ID_BYTES];
    if (row >= 0) {
        rk__export_id(out, id_of(model->dataset, t->of, row, room));
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
    rk__export_id(out, id_of(model->dataset, t->of, row, room));
    for (int64_t d = 0; d < t->cols; d++) {
        add_number(out, t, row * t->cols + d);
    }
    rk__buffer_add_bytes(out, "\n", 1);
}

static rk_status write_rows(const rk_model *model, const table *t, rk_aside *aside,
                            rk_export_row add_row)
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

enum { MOST_OTHERS = RK_GIVEN + 3 }; /* files beside those of tensors: of parts, of ids */

typedef struct file {
    table rows;
    const char *ending;
    rk_export_row add_row;
    rk_aside aside; /* while it is written */
} file;

typedef struct files {
    file *v; /* [most]; rk__free, as owned and what it lists */
    int n, most;
    void **owned; /* [most]: the tensors */
    int n_owned;
} files;

static void add_file(files *f, table rows, const char *ending, rk_export_row add_row)
{
    RK_ASSERT(f->n < f->most);
    f->v[f->n++] =
        (file){.rows = rows, .ending = ending, .add_row = add_row, .aside.descriptor = -1};
}

/* A whole tensor on the host, as one table; f owns it. */
static rk_status read_table(const rk_model *model, const char *name, files *f, table *out)
{
    const rk_store *store = &model->engine.store;
    const rk_stored *t = &store->items[rk__store_find(store, name)];
    char *values = NULL;
    RK_ASSERT(f->n_owned < f->most);
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

/* How an export writes tensors. */
typedef struct tensor_format {
    const char *ending;
    rk_export_row add_row;
    bool with_ids; /* in the rows; else they are files of their own */
} tensor_format;

/* A table of all nodes, as that of the users and that of the items. */
static void add_sides(const rk_model *model, const table *all, const char *of_users,
                      const char *of_items, tensor_format how, files *f)
{
    const int64_t n_users = model->dataset->n_users;
    table users = *all, items = *all;
    snprintf(users.name, sizeof users.name, "%s", of_users);
    snprintf(items.name, sizeof items.name, "%s", of_items);
    users.of = RK_ROWS_USERS;
    users.rows = n_users;
    items.of = RK_ROWS_ITEMS;
    items.rows = model->dataset->n_items; /* nodes of other types are behind them */
    items.values += n_users * all->cols * rk__dtype_size(all->dtype);
    add_file(f, users, how.ending, how.add_row);
    add_file(f, items, how.ending, how.add_row);
}

static rk_status add_embeddings(const rk_model *model, const char *name, tensor_format how,
                                files *f)
{
    table all;
    RK_TRY(read_table(model, name, f, &all));
    add_sides(model, &all, "user_embeddings", "item_embeddings", how, f);
    return RK_OK;
}

/* The rows behind users and items: nodes of other types, values of fields. */
static void add_others(const rk_model *model, const table *all, tensor_format how, files *f)
{
    const int64_t first = model->dataset->n_users + model->dataset->n_items;
    table others = *all;
    snprintf(others.name, sizeof others.name, "%.*s_others", RK_NAME_LENGTH, all->name);
    others.rows -= first;
    others.values += first * all->cols * rk__dtype_size(all->dtype);
    if (others.rows > 0 && !how.with_ids) {
        add_file(f, others, how.ending, how.add_row);
    }
}

static rk_status add_tensor(const rk_model *model, const rk_parameter *p, tensor_format how,
                            files *f)
{
    const char *vectors = model->engine.model.model->vectors;
    const bool is_of_nodes =
        p->rows == model->engine.model.n_nodes &&
        (p->block_end[0] == model->dataset->n_users || (vectors && strcmp(p->name, vectors) == 0));
    table t;
    RK_TRY(read_table(model, p->name, f, &t));
    t.of = p->of;
    if (is_of_nodes) {
        char users[sizeof t.name], items[sizeof t.name];
        snprintf(users, sizeof users, "%.*s_users", RK_NAME_LENGTH, t.name);
        snprintf(items, sizeof items, "%.*s_items", RK_NAME_LENGTH, t.name);
        add_sides(model, &t, users, items, how, f);
        add_others(model, &t, how, f);
    } else if (!how.with_ids || t.of == RK_ROWS_USERS || t.of == RK_ROWS_ITEMS) {
        add_file(f, t, how.ending, how.add_row);
    }
    return RK_OK;
}

static void add_ids(const rk_model *model, files *f)
{
    const rk_dataset *d = model->dataset;
    add_file(f, (table){.name = "user_ids", .of = RK_ROWS_USERS, .rows = d->n_users}, ".txt",
             ids_row);
    add_file(f, (table){.name = "item_ids", .of = RK_ROWS_ITEMS, .rows = d->n_items}, ".txt",
             ids_row);
}

static rk_status choose_tensors(const rk_model *model, tensor_format how, files *f)
{
    const rk_model_instance *m = &model->engine.model;
    if (m->model->embeddings) {
        RK_TRY(add_embeddings(model, m->model->embeddings, how, f));
    }
    for (int i = 0; !m->model->embeddings && i < m->n_tensors; i++) {
        const rk_parameter *p = &m->parameters[i];
        if (i < m->n_parameters || (m->model->vectors && strcmp(p->name, m->model->vectors) == 0)) {
            RK_TRY(add_tensor(model, p, how, f));
        }
    }
    if (!how.with_ids) {
        add_ids(model, f);
    } else if (f->n == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "a model of kind %s has no tensor with a row for each user or each item, which is "
                "what tsv writes: take npy or safetensors",
                m->model->name);
    }
    return RK_OK;
}

/* A file for each part that has rows. */
static rk_status choose_interactions(const rk_model *model, bool npz, files *f)
{
    const rk_dataset *d = model->dataset;
    for (rk_part part = RK_TRAIN; part <= RK_GIVEN; part++) {
        const rk_lists *lists = &d->parts[part];
        if (!lists->offsets || lists->offsets[lists->n_rows] == 0) {
            continue;
        }
        if (npz && rk__export_npz_is_full(model, part)) {
            RK_FAIL(RK_ERR_CONFIG,
                    "the %s part is too large for a .npz file, which holds 4 GiB; export it as "
                    "inter",
                    rk_part_name(part));
        }
        table t = {
            .of = RK_ROWS_OTHER, .rows = npz ? RK_EXPORT_NPZ_ROWS : lists->n_rows, .part = part};
        snprintf(t.name, sizeof t.name, "%s", rk_part_name(part));
        add_file(f, t, npz ? ".npz" : ".inter", npz ? rk__export_npz_row : rk__export_inter_row);
    }
    if (npz) {
        add_ids(model, f);
    }
    return RK_OK;
}

static rk_status choose_files(const rk_model *model, rk_export_format format, files *f)
{
    switch (format) {
    case RK_EXPORT_NPY:
        return choose_tensors(model, (tensor_format){".npy", npy_row, false}, f);
    case RK_EXPORT_TSV:
        return choose_tensors(model, (tensor_format){".tsv", tsv_row, true}, f);
    case RK_EXPORT_SAFETENSORS:
        return choose_tensors(model, (tensor_format){".safetensors", safetensors_row, false}, f);
    case RK_EXPORT_INTER:
    case RK_EXPORT_NPZ:
        return choose_interactions(model, format == RK_EXPORT_NPZ, f);
    }
    RK_FAIL(RK_ERR_CONFIG, "there is no format %d of an export", (int)format);
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
    files f = {.most = 3 * (model->engine.model.n_parameters + 1) + MOST_OTHERS};
    rk_folder_lock lock = {.path = NULL};
    rk_buffer names = {0};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__calloc(&f.v, f.most, sizeof *f.v, "files of an export"));
    RK_TRY_GOTO(done, rk__calloc(&f.owned, f.most, sizeof *f.owned, "tensors of an export"));
    RK_TRY_GOTO(done, choose_files(model, format, &f));
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
    rk__free(f.owned);
    rk__free(f.v);
    rk__folder_release(&lock);
    rk__buffer_free(&names);
    return status;
}
