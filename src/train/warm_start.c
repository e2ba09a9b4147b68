#include "train/warm_start.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/file.h"
#include "base/parse.h"
#include "data/dataset_internal.h"
#include "data/dataset_store.h"
#include "models/field_pairs.h"
#include "models/joined.h"
#include "rankine/sides.h"
#include "train/model_file.h"
#include "train/open_run.h"
#include "train/run_folder.h"
#include "train/seeds_folder.h"

/* ---- opening ---- */

/* An option that decides what parameters are, and must be the same. */
static rk_status compare_option(const char *from, const rk_config *before, const rk_config *now,
                                const char *key)
{
    const char *old_value = NULL, *value = NULL;
    bool is_read = false;
    RK_TRY(rk_config_is_read(now, key, &is_read));
    RK_TRY(rk_config_get(before, key, &old_value));
    RK_TRY(rk_config_get(now, key, &value));
    if (is_read && strcmp(old_value, value) != 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, but the run to begin from, %s, was trained with %s: its parameters do not "
                "fit; set %s=%s, or train without it",
                rk__config_says(now, key).text, from, old_value, key, old_value);
    }
    return RK_OK;
}

/* Free weights of layers and the logarithms that a softmax is of are tensors of one name. */
static rk_status compare_layer_weights(const char *from, const rk_config *before,
                                       const rk_config *now)
{
    const int then = rk__config_options(before)->model.layer_weights;
    const int is = rk__config_options(now)->model.layer_weights;
    return then == RK_WEIGHTS_LEARNED_SOFTMAX || is == RK_WEIGHTS_LEARNED_SOFTMAX
               ? compare_option(from, before, now, "model.layer_weights")
               : RK_OK;
}

static rk_status compare_configs(rk_warm_source *s, const rk_config *before, const rk_config *now)
{
    /* What parameters are made for. Some of it changes no shape: heads divide the same columns, and
     * matrices are trained for one activation and one way to gather. */
    static const char *const keys[] = {
        "model.kind",          "model.dim",        "model.fields",      "model.relations",
        "model.heads",         "model.join_heads", "model.composition", "model.activation",
        "model.activate_last", "model.edges",      "model.self",        "model.scorer",
        "model.ids",           "model.norm",       "model.image_width", "model.residual"};
    const rk_model_kind *m = rk__model_of(rk__config_options(now));
    const char *from = s->run;
    s->is_mf = !s->half && rk__config_options(before)->model.kind == RK_MODEL_MF &&
               rk__config_options(now)->model.kind != RK_MODEL_MF && rk__model_is_by_gradients(m);
    RK_TRY(rk__warm_differences(before, now, s->is_mf, &s->differs));
    if (s->is_mf) {
        return compare_option(from, before, now, "model.dim");
    }
    for (size_t i = s->half ? 1 : 0; i < sizeof keys / sizeof keys[0]; i++) {
        RK_TRY(compare_option(from, before, now, keys[i]));
    }
    RK_TRY(compare_layer_weights(from, before, now));
    if (s->half && s->half->kind == RK_MODEL_MLP) {
        RK_TRY(compare_option(from, before, now, "model.hidden"));
    }
    if (m->is_closed) {
        RK_FAIL(RK_ERR_CONFIG,
                "model.kind %s is computed from the data in one go: there is nothing to take over "
                "from %s; train it without",
                m->name, from);
    }
    return RK_OK;
}

/* Which half of the model a run of this config is; each only once. */
static rk_status choose_half(const rk_warm_start *w, rk_warm_source *s, const rk_config *before,
                             const rk_config *now)
{
    const rk_model_half *halves = rk__model_of(rk__config_options(now))->halves;
    const int kind = rk__config_options(before)->model.kind;
    if (!s->half) {
        return RK_OK;
    }
    s->half = NULL;
    for (int i = 0; i < RK_MODEL_HALVES; i++) {
        s->half = halves[i].kind == kind ? &halves[i] : s->half;
    }
    for (int i = 0; i < w->n; i++) {
        s->half = &w->of[i] != s && w->of[i].half == s->half ? NULL : s->half;
    }
    if (!s->half) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but %s is a run of %s: name one of %s and one of %s",
                rk__config_says(now, "model.from").text, s->run,
                rk__option_choice("model.kind", kind),
                rk__option_choice("model.kind", halves[0].kind),
                rk__option_choice("model.kind", halves[1].kind));
    }
    return RK_OK;
}

static rk_status open_folder(rk_warm_start *w, rk_warm_source *s, const rk_config *config,
                             const rk_hooks *hooks)
{
    char *path = NULL;
    rk_config *before = NULL;
    rk_open_run run = {.checkpoint = NULL};
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__path_join(&path, s->run, RK_FILE_CONFIG));
    if (!rk__file_exists(path)) {
        RK_FAIL_GOTO(done, RK_ERR_CONFIG,
                     "the run to begin from, %s, is no run folder: it has no " RK_FILE_CONFIG,
                     s->run);
    }
    RK_TRY_GOTO(done, rk_config_load(&before, path));
    RK_TRY_GOTO(done, choose_half(w, s, before, config));
    RK_TRY_GOTO(done, compare_configs(s, before, config));
    status = rk__open_run(&run, s->run, before, RK_RUN_FINAL, NULL, hooks);
    if (status != RK_OK) {
        rk__fail_prefix(status, "the run to begin from");
        goto done;
    }
    w->facts.epoch = run.facts.epoch;
    s->file = run.checkpoint;
    s->dataset = run.dataset;
    run.checkpoint = NULL;
    run.dataset = NULL;
done:
    rk__open_run_close(&run);
    rk_config_free(before);
    rk__free(path);
    return status;
}

static rk_status open_file(rk_warm_start *w, rk_warm_source *s, const rk_config *config)
{
    const char *slash = strrchr(s->run, '/'), *name = slash ? slash + 1 : s->run;
    rk_config *before = NULL;
    rk_status status = RK_OK;
    if (strcmp(name, RK_FILE_BEST) == 0 || strcmp(name, RK_FILE_LAST) == 0 ||
        strcmp(name, RK_FILE_REFIT) == 0) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s is a checkpoint, which says nothing of whose its rows are: name the run folder "
                "to begin from",
                s->run);
    }
    RK_TRY(rk__model_file_open(s->run, &s->file, &before));
    RK_TRY_GOTO(done, choose_half(w, s, before, config));
    RK_TRY_GOTO(done, compare_configs(s, before, config));
    RK_TRY_GOTO(done, rk__h5_get_i64(s->file, "epoch", &w->facts.epoch));
    status = rk__dataset_read(&s->dataset, s->file, NULL);
done:
    rk_config_free(before);
    return status;
}

/* A run folder, of several seeds the best one, or a model file. */
static rk_status open_source(rk_warm_start *w, const char *path, bool is_half,
                             const rk_config *config, const rk_hooks *hooks)
{
    struct stat info;
    rk_warm_source *s = &w->of[w->n++];
    const bool is_file = stat(path, &info) == 0 && S_ISREG(info.st_mode);
    s->half = is_half ? rk__model_of(rk__config_options(config))->halves : NULL; /* one of them */
    RK_TRY(is_file ? rk__strdup(&s->run, path) : rk__seeds_folder_choose(path, hooks, &s->run));
    return is_file ? open_file(w, s, config) : open_folder(w, s, config, hooks);
}

/* All of them; the facts name them in one text. */
static rk_status open_sources(rk_warm_start *w, const char *const *paths, int64_t n,
                              bool are_halves, const rk_config *config, const rk_hooks *hooks)
{
    rk_buffer names = {0};
    rk_status status = RK_OK;
    for (int64_t i = 0; i < n; i++) {
        RK_TRY_GOTO(done, open_source(w, paths[i], are_halves, config, hooks));
        rk__buffer_add(&names, "%s%s", i > 0 ? ", " : "", w->of[i].run);
    }
    status = rk__buffer_take(&names, &w->facts.run);
done:
    rk__buffer_free(&names);
    if (status != RK_OK) {
        rk__warm_start_close(w);
    }
    return status;
}

rk_status rk__warm_start_open(rk_warm_start *out, const rk_train_options *how,
                              const rk_config *config, const rk_hooks *hooks)
{
    const rk_options *o = rk__config_options(config);
    const rk_texts *halves = &o->model.from;
    *out = (rk_warm_start){.facts.folds = how->new_ids == RK_NEW_FOLDED};
    if (!how->from && (halves->n == 0 || how->resume)) {
        return RK_OK;
    }
    if (halves->n > 0 && halves->n != RK_MODEL_HALVES) {
        RK_FAIL(RK_ERR_CONFIG, "%s: it takes two runs, or none",
                rk__config_says(config, "model.from").text);
    }
    if (how->from && halves->n > 0) {
        RK_FAIL(RK_ERR_CONFIG, "%s, but the run is to begin from %s: take one of them",
                rk__config_says(config, "model.from").text, how->from);
    }
    if (o->train.refit) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s fits the model once more from its beginning, which %s is not after an "
                "interruption: take one of them",
                rk__config_says(config, "train.refit").text, how->from ? how->from : "model.from");
    }
    if (how->resume) {
        RK_FAIL(RK_ERR_CONFIG,
                "a run that is resumed goes on from its own checkpoint: begin from %s in a new "
                "folder, or resume without it",
                how->from);
    }
    return how->from
               ? open_sources(out, &how->from, 1, false, config, hooks)
               : open_sources(out, (const char *const *)halves->v, halves->n, true, config, hooks);
}

static void close_sources(rk_warm_start *w)
{
    for (int i = 0; i < w->n; i++) {
        rk__h5_close(w->of[i].file);
        rk_dataset_free(w->of[i].dataset);
        rk__free(w->of[i].run);
        rk__free(w->of[i].differs);
        w->of[i] = (rk_warm_source){0};
    }
    w->n = 0;
}

void rk__warm_start_close(rk_warm_start *w)
{
    close_sources(w);
    rk__free(w->facts.run);
    *w = (rk_warm_start){0};
}

/* ---- who is who ---- */

/* Of each node now, its row then; -1 = new. */
typedef struct nodes {
    int64_t *before; /* [n_all]; owned */
    const rk_dataset *dataset;
    const rk_graph *graph;
    int64_t n_users, n_nodes, old_users, old_items;
    int64_t n_all, old_all; /* with the nodes of other types, which are behind users and items */
    /* Of each row of the table of contexts the row then, of so many; -1 = new. Owned; NULL = the
     * model reads no fields, or they are all new. */
    int64_t *contexts, old_contexts;
    rk_contexts old; /* owned; of no fields where contexts is NULL */
} nodes;

static int64_t find_id(const rk_ids *ids, const rk_ids *wanted, int64_t i)
{
    char room[RK_ID_BYTES];
    const char *text = wanted->texts ? wanted->texts[i] : NULL;
    int64_t number = 0;
    if (!ids->texts && !wanted->texts) {
        return rk__ids_find_number(ids, wanted->numbers[i]);
    }
    if (!ids->texts) { /* words then, numbers now, or the reverse: the same id looks the same */
        bool is_number = rk__parse_int(text, strlen(text), &number) == RK_PARSE_OK;
        snprintf(room, sizeof room, "%lld", (long long)number);
        return is_number && strcmp(room, text) == 0 ? rk__ids_find_number(ids, number) : -1;
    }
    if (!text) {
        snprintf(room, sizeof room, "%lld", (long long)wanted->numbers[i]);
        text = room;
    }
    return rk__ids_find_text(ids, text, (int64_t)strlen(text));
}

/* Fills before[0, n) for one side, whose rows begin at first; returns how many were found. */
static int64_t match(int64_t *before, const rk_ids *ids, const rk_ids *old, int64_t first)
{
    int64_t found = 0;
    for (int64_t i = 0; i < ids->n; i++) {
        int64_t at = find_id(old, ids, i);
        before[i] = at < 0 ? -1 : first + at;
        found += at >= 0;
    }
    return found;
}

/* Values of fields are the same if their texts are. */
static rk_status match_contexts(const rk_warm_source *w, const rk_engine *e, nodes *d)
{
    const rk_contexts *c = &e->contexts, *old = &d->old;
    if (c->n == 0 || w->is_mf) {
        return RK_OK;
    }
    RK_TRY(rk__contexts_init(&d->old, w->dataset, e->options));
    RK_TRY(rk__alloc(&d->contexts, c->first[c->n], sizeof *d->contexts, "the values of fields"));
    for (int f = 0; f < c->n; f++) {
        const rk_row_field *now = &c->dataset->fields[c->fields[f]];
        const rk_row_field *then = &w->dataset->fields[c->fields[f]];
        const bool is_derived = now->derive != RK_DERIVED_FIELD_NONE;
        int64_t *before = d->contexts + c->first[f];
        before[0] = old->first[f]; /* empty */
        if (is_derived != (then->derive != RK_DERIVED_FIELD_NONE)) {
            RK_FAIL(RK_ERR_CONFIG,
                    "the field %s is derived in one of this run and %s, to begin from: take the "
                    "same data.fields",
                    now->name, w->run);
        }
        match(before + 1, is_derived ? &c->dataset->items : &now->values,
              is_derived ? &w->dataset->items : &then->values, old->first[f] + 1);
    }
    d->old_contexts = old->first[old->n];
    return RK_OK;
}

/* The nodes that the model has beside users and items: values of fields, and those of other types,
 * by their types and ids. */
static rk_status match_others(const rk_warm_source *s, const rk_engine *e,
                              const rk_dataset *dataset, nodes *out)
{
    const rk_model_data old = {out->old_users, out->old_items, .dataset = s->dataset,
                               .contexts = out->contexts ? &out->old : NULL};
    rk_node_space now = {0}, then = {0};
    rk_status status = RK_OK;
    memset(out->before + out->n_nodes, 0xff, (size_t)(out->n_all - out->n_nodes) * 8); /* -1 */
    if (out->n_all == out->n_nodes || s->is_mf) {
        return RK_OK;
    }
    RK_TRY(rk__node_space(&now, &e->model.data, e->options->model.relations));
    RK_TRY_GOTO(done, rk__node_space(&then, &old, e->options->model.relations));
    out->old_all = then.n_nodes;
    for (int64_t i = out->n_nodes; i < rk__field_nodes(&e->model.data); i++) {
        out->before[i] = out->contexts[i];
    }
    for (int64_t t = 2; t < now.n_types; t++) {
        const char *name = rk_dataset_node_type(dataset, t, NULL);
        for (int64_t o = 2; o < then.n_types; o++) {
            if (now.first[t] >= 0 && then.first[o] >= 0 &&
                strcmp(rk_dataset_node_type(s->dataset, o, NULL), name) == 0) {
                match(out->before + now.first[t], rk__ids_of_type(dataset, name),
                      rk__ids_of_type(s->dataset, name), then.first[o]);
            }
        }
    }
done:
    rk__node_space_free(&now);
    rk__node_space_free(&then);
    return status;
}

static rk_status match_nodes(rk_warm_start *w, const rk_warm_source *s, const rk_dataset *dataset,
                             const rk_engine *e, nodes *out)
{
    *out = (nodes){.dataset = dataset,
                   .graph = &e->graph,
                   .n_users = dataset->n_users,
                   .n_nodes = dataset->n_users + dataset->n_items,
                   .old_users = s->dataset->n_users,
                   .old_items = s->dataset->n_items};
    out->n_all = e->model.n_nodes;
    out->old_all = out->old_users + out->old_items;
    RK_TRY(rk__alloc(&out->before, out->n_all, sizeof *out->before, "users and items"));
    w->facts.users = match(out->before, &dataset->users, &s->dataset->users, 0);
    w->facts.items = match(out->before + dataset->n_users, &dataset->items, &s->dataset->items,
                           s->dataset->n_users);
    w->facts.new_users = dataset->n_users - w->facts.users;
    w->facts.new_items = dataset->n_items - w->facts.items;
    w->facts.gone_users = s->dataset->n_users - w->facts.users;
    w->facts.gone_items = s->dataset->n_items - w->facts.items;
    if (w->facts.users + w->facts.items == 0) {
        RK_FAIL(RK_ERR_DATA,
                "the data set %s has no user and no item of %s, whose run is %s: there is nothing "
                "to take over; are the ids written otherwise?",
                dataset->name, s->dataset->name, s->run);
    }
    RK_TRY(s->is_mf ? RK_OK : rk__warm_check_columns(s->run, s->dataset, dataset, e->options));
    RK_TRY(match_contexts(s, e, out));
    return match_others(s, e, dataset, out);
}

/* ---- tables ---- */

/* Rows [first, first + n) of the table belong to nodes from `node` on, those of the file to rows
 * from old_first on. */
typedef struct side {
    int64_t first, n, node, old_first;
} side;

/* Whose rows a parameter has now and then; 0 sides: nobody's, it is taken as a whole. Factors of mf
 * are of all nodes, whatever they are taken for. */
static int sides_of(const rk_parameter *p, const nodes *d, bool is_mf, side out[3],
                    int64_t *out_old_rows)
{
    const side users = {0, d->n_users, 0, 0};
    const side items = {0, d->n_nodes - d->n_users, d->n_users, d->old_users};
    *out_old_rows = p->of == RK_ROWS_CONTEXTS ? d->old_contexts : p->rows;
    if (p->of == RK_ROWS_USERS || p->of == RK_ROWS_ITEMS) {
        out[0] = p->of == RK_ROWS_USERS ? users : items;
        *out_old_rows = p->of == RK_ROWS_USERS ? d->old_users : d->old_items;
        if (is_mf) {
            out[0].old_first = 0;
            *out_old_rows = d->old_users + d->old_items;
        }
        return 1;
    }
    if (p->role == RK_TRAINED && p->rows == d->n_all && p->block_end[0] == d->n_users) {
        out[0] = users;
        out[1] = (side){d->n_users, items.n, d->n_users, 0};
        out[2] = (side){d->n_nodes, d->n_all - d->n_nodes, d->n_nodes, 0};
        *out_old_rows = d->old_all;
        return 2 + (d->n_all > d->n_nodes);
    }
    return 0;
}

static double norm_of(const float *row, int64_t n)
{
    double sum = 0;
    for (int64_t j = 0; j < n; j++) {
        sum += (double)row[j] * (double)row[j];
    }
    return sqrt(sum);
}

/* A new node's row: the mean of the rows, taken over, of what it has, as long as the rows of its
 * side are on average. False if there is none. */
static bool fold_node(const nodes *d, int64_t node, double length, int64_t cols, float *values)
{
    const rk_graph *g = d->graph;
    float *row = values + node * cols;
    int64_t n = 0;
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        n += d->before[g->columns[e]] >= 0;
    }
    if (n == 0) {
        return false;
    }
    memset(row, 0, (size_t)cols * sizeof *row);
    for (int64_t e = g->offsets[node]; e < g->offsets[node + 1]; e++) {
        const float *other = values + g->columns[e] * cols;
        for (int64_t j = 0; d->before[g->columns[e]] >= 0 && j < cols; j++) {
            row[j] += other[j] / (float)n;
        }
    }
    double is = norm_of(row, cols);
    for (int64_t j = 0; is > 0 && j < cols; j++) {
        row[j] = (float)((double)row[j] * length / is);
    }
    return true;
}

/* The new nodes of a table of all nodes. */
static int64_t fold_nodes(const nodes *d, const side *s, int64_t cols, float *values)
{
    double length = 0;
    int64_t taken = 0, folded = 0;
    for (int64_t i = s->first; i < s->first + s->n; i++) {
        if (d->before[i] >= 0) {
            length += norm_of(values + i * cols, cols);
            taken++;
        }
    }
    for (int64_t i = s->first; taken > 0 && i < s->first + s->n; i++) {
        if (d->before[i] < 0) {
            folded += fold_node(d, i, length / (double)taken, cols, values);
        }
    }
    return folded;
}

/* Rows that were there before go over those that are drawn. */
static void copy_rows(const nodes *d, const side *s, int64_t row_bytes, const char *from, char *to)
{
    const int64_t shift = s->old_first; /* of a table of one side: its nodes began there */
    for (int64_t i = 0; i < s->n; i++) {
        int64_t before = d->before[s->node + i];
        if (before >= 0) {
            memcpy(to + (s->first + i) * row_bytes, from + (before - shift) * row_bytes,
                   (size_t)row_bytes);
        }
    }
}

/* The parameter counts half in a model made of two. */
static bool is_halved(const rk_warm_source *s, const rk_parameter *p)
{
    for (int i = 0; s->half && i < 2 && s->half->halved[i]; i++) {
        if (strcmp(s->half->halved[i], p->name) == 0) {
            return true;
        }
    }
    return false;
}

static rk_status take_parameter(rk_warm_start *w, const rk_warm_source *s, rk_engine *e,
                                const nodes *d, const rk_parameter *p)
{
    static const rk_h5_type types[] = {RK_H5_F32, RK_H5_I32, RK_H5_I64};
    const rk_h5_type type = types[p->dtype == RK_F32 ? 0 : p->dtype == RK_I32 ? 1 : 2];
    const int64_t bytes = p->cols * rk__dtype_size(p->dtype);
    side sides[3];
    char *old = NULL, *values = NULL;
    int64_t old_rows = 0, rows = 0, cols = 0;
    rk_status status = RK_OK;
    const int n_sides = sides_of(p, d, s->is_mf, sides, &old_rows);
    if (!rk__h5_has(s->file, p->name)) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s, to begin from, has no %s, which this model has: %s; take the same, or train "
                "without it",
                s->run, p->name, s->differs);
    }
    RK_TRY(rk__h5_shape(s->file, p->name, type, &rows, &cols));
    if (rows != old_rows || cols != p->cols) {
        RK_FAIL(RK_ERR_CONFIG,
                "%s of %s, to begin from, is %lld x %lld, and %lld x %lld are wanted: %s; take the "
                "same, or train without it",
                p->name, s->run, (long long)rows, (long long)cols, (long long)old_rows,
                (long long)p->cols, s->differs);
    }
    RK_TRY_GOTO(done, rk__alloc(&old, old_rows, (size_t)bytes, p->name));
    RK_TRY_GOTO(done, rk__alloc(&values, p->rows, (size_t)bytes, p->name));
    RK_TRY_GOTO(done, rk__h5_read(s->file, p->name, type, old_rows, p->cols, old));
    RK_TRY_GOTO(done, rk__engine_read(e, p->stored, RK_COMM_ALL, values));
    for (int64_t i = 0; p->of == RK_ROWS_CONTEXTS && i < p->rows; i++) {
        if (d->contexts[i] >= 0) {
            memcpy(values + i * bytes, old + d->contexts[i] * bytes, (size_t)bytes);
        }
    }
    if (n_sides == 0 && p->of != RK_ROWS_CONTEXTS) {
        memcpy(values, old, (size_t)(p->rows * bytes));
    }
    for (int i = 0; i < n_sides; i++) {
        copy_rows(d, &sides[i], bytes, old, values);
    }
    for (int i = 0; n_sides >= 2 && w->facts.folds && i < 2; i++) {
        w->facts.folded += fold_nodes(d, &sides[i], p->cols, (float *)(void *)values);
    }
    for (int64_t i = 0; is_halved(s, p) && i < p->rows * p->cols; i++) {
        ((float *)(void *)values)[i] *= 0.5f;
    }
    status = rk__engine_write(e, p->stored, values);
done:
    rk__free(old);
    rk__free(values);
    return status;
}

static rk_status take_source(rk_warm_start *w, const rk_warm_source *s, rk_engine *e,
                             const rk_dataset *dataset)
{
    nodes d = {0};
    bool found = false;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, match_nodes(w, s, dataset, e, &d));
    RK_TRY_GOTO(done, rk__warm_check_left(s, &e->model));
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        const bool is_its =
            s->is_mf ? strcmp(p->name, "embedding") == 0
                     : !s->half || strncmp(p->name, s->half->prefix, strlen(s->half->prefix)) == 0;
        found = found || is_its;
        if (p->role == RK_TRAINED && is_its) {
            RK_TRY_GOTO(done, take_parameter(w, s, e, &d, p));
        }
    }
    if (!found) {
        status = rk__fail(RK_ERR_CONFIG, __FILE__, __LINE__, __func__,
                          "%s is a run of mf, but model.kind %s has no embeddings to begin with",
                          s->run, e->model.model->name);
    }
done:
    rk__free(d.before);
    rk__free(d.contexts);
    rk__contexts_free(&d.old);
    return status;
}

rk_status rk__warm_start_take(rk_warm_start *w, rk_engine *e, const rk_dataset *dataset)
{
    if (w->n == 0) {
        return RK_OK;
    }
    for (int i = 0; i < w->n; i++) {
        RK_TRY(take_source(w, &w->of[i], e, dataset));
    }
    rk__engine_parameters_changed(e);
    close_sources(w);
    return RK_OK;
}
