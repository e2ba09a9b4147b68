#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "io/h5.h"
#include "train/members.h"

#define KIND "checkpoint"
enum { VERSION = 1 };

void rk__checkpoint_facts_free(rk_checkpoint_facts *facts)
{
    rk__free(facts->trajectory);
    rk__free(facts->data);
    rk__free(facts->watch);
    rk__free(facts->dataset_path);
    rk__free(facts->warm.run);
    *facts = (rk_checkpoint_facts){0};
}

/* ---- tensors ---- */

static bool all_finite(const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) {
            return false;
        }
    }
    return true;
}

static rk_h5_type file_type(rk_dtype dtype)
{
    RK_ASSERT(dtype == RK_F32 || dtype == RK_I32 || dtype == RK_I64);
    return dtype == RK_F32 ? RK_H5_F32 : dtype == RK_I32 ? RK_H5_I32 : RK_H5_I64;
}

/* A stored tensor under its own name. file NULL: another rank writes it and gets our columns. */
static rk_status write_tensor(rk_h5 *file, const rk_engine *e, int32_t stored)
{
    const rk_stored *t = &e->store.items[stored];
    const bool is_here = t->all_columns == 0 && e->device->peek;
    const void *values = is_here ? e->device->peek(e->context, stored) : NULL;
    char *copy = NULL;
    const int64_t cols = rk__engine_columns(e, stored), n = t->rows * cols;
    rk_status status = RK_OK;
    if (!file) {
        return rk__engine_read(e, stored, 0, NULL);
    }
    if (!values) {
        RK_TRY(rk__alloc(&copy, n, (size_t)rk__dtype_size(t->dtype), t->name));
        RK_TRY_GOTO(done, rk__engine_read(e, stored, 0, copy));
        values = copy;
    }
    if (t->dtype == RK_F32 && !all_finite(values, n)) {
        RK_FAIL_GOTO(done, RK_ERR_DIVERGED,
                     "%s holds numbers that are not finite: training diverged and no checkpoint is "
                     "written; try a smaller train.learning_rate (now %g)",
                     t->name, e->options->train.learning_rate);
    }
    status = rk__h5_write(file, t->name, file_type(t->dtype), t->rows, cols, values);
done:
    rk__free(copy);
    return status;
}

static rk_status read_tensor(const rk_h5 *file, const rk_engine *e, int32_t stored,
                             const char *name)
{
    const rk_stored *t = &e->store.items[stored];
    const int64_t cols = rk__engine_columns(e, stored);
    char *values = NULL;
    RK_TRY(rk__alloc(&values, t->rows * cols, (size_t)rk__dtype_size(t->dtype), t->name));
    rk_status status = rk__h5_read(file, name, file_type(t->dtype), t->rows, cols, values);
    if (status == RK_OK) {
        status = rk__engine_write(e, stored, values);
    }
    rk__free(values);
    return status;
}

static rk_status write_tensors(rk_h5 *file, const rk_step *step, bool with_moments)
{
    const rk_engine *e = step->engine;
    RK_TRY(file ? rk__members_write_configs(file, e->options) : RK_OK);
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_step_tensors *t = step->tensors ? &step->tensors[i] : NULL;
        RK_TRY(write_tensor(file, e, e->model.parameters[i].stored));
        if (with_moments && t && t->moment1 >= 0) {
            RK_TRY(write_tensor(file, e, t->moment1));
            RK_TRY(write_tensor(file, e, t->moment2));
        }
    }
    return RK_OK;
}

rk_status rk__checkpoint_write_parameters(rk_h5 *file, const rk_engine *e)
{
    RK_TRY(rk__members_write_configs(file, e->options));
    for (int i = 0; i < e->model.n_parameters; i++) {
        RK_TRY(write_tensor(file, e, e->model.parameters[i].stored));
    }
    return RK_OK;
}

static rk_status read_parameters(const rk_h5 *file, const rk_engine *e)
{
    for (int i = 0; i < e->model.n_parameters; i++) {
        RK_TRY(read_tensor(file, e, e->model.parameters[i].stored, e->model.parameters[i].name));
    }
    return RK_OK;
}

rk_status rk__checkpoint_read_prefixed(const rk_h5 *file, rk_engine *e, const char *prefix)
{
    const size_t length = strlen(prefix);
    rk__engine_parameters_changed(e);
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_parameter *p = &e->model.parameters[i];
        if (strncmp(p->name, prefix, length) == 0) {
            RK_TRY(read_tensor(file, e, p->stored, p->name + length));
        }
    }
    return RK_OK;
}

static rk_status read_moments(const rk_h5 *file, const rk_step *step)
{
    for (int i = 0; step->tensors && i < step->engine->model.n_parameters; i++) {
        const rk_step_tensors *t = &step->tensors[i];
        if (t->moment1 >= 0) {
            const rk_stored *stored = step->engine->store.items;
            RK_TRY(read_tensor(file, step->engine, t->moment1, stored[t->moment1].name));
            RK_TRY(read_tensor(file, step->engine, t->moment2, stored[t->moment2].name));
        }
    }
    return RK_OK;
}

/* ---- the position ---- */

/* X(file type, member): the numbers of the position by name, before and after the sums. */
#define STEP_NUMBERS(X)                                                                            \
    X(u64, step.seed)                                                                              \
    X(i64, step.step)                                                                              \
    X(i64, step.epoch)                                                                             \
    X(i64, step.step_in_epoch)                                                                     \
    X(i64, step.steps_per_epoch)                                                                   \
    X(i64, step.draws_per_epoch)                                                                   \
    X(i64, step.batch)                                                                             \
    X(i64, step.bad_step)                                                                          \
    X(f64, step.bad_loss)                                                                          \
    X(f64, step.learning_rate)
#define RUN_NUMBERS(X)                                                                             \
    X(f64, step.rate_scale)                                                                        \
    X(f64, step.last_loss)                                                                         \
    X(f64, epoch_seconds)                                                                          \
    X(f64, best_value)                                                                             \
    X(i64, best_epoch)                                                                             \
    X(i64, checks_since_best)                                                                      \
    X(i64, plateau_checks)

/* Older files have these columns and four sums whatever the terms of the loss are: the third of
 * them has its sum and no column. */
#define OLD_COLUMNS "loss, bpr, l2, check"
enum { OLD_TERMS = 2, OLD_SUMS = 4 };

static void sum_name(char out[32], int i)
{
    snprintf(out, 32, "step.loss_sum[%d]", i);
}

static rk_status write_sums(rk_h5 *file, const rk_position *p)
{
    for (int i = 0; i <= p->n_terms || i < OLD_SUMS; i++) {
        char name[32];
        sum_name(name, i);
        RK_TRY(rk__h5_set_f64(file, name, i <= p->n_terms ? p->sums[i] : 0));
    }
    return RK_OK;
}

static rk_status read_sums(const rk_h5 *file, rk_position *p)
{
    for (int i = 0; i <= p->n_terms; i++) {
        char name[32];
        sum_name(name, i);
        RK_TRY(rk__h5_get_f64(file, name, &p->sums[i]));
    }
    return RK_OK;
}

/* "loss, bpr, l2, check"; free *out with rk__free. */
static rk_status column_names(const rk_step *step, char **out)
{
    rk_buffer buffer = {0};
    rk__buffer_add(&buffer, "loss, ");
    for (int i = 0; i < step->n_terms; i++) {
        rk__buffer_add(&buffer, "%s, ", step->terms[i].name);
    }
    rk__buffer_add(&buffer, "check");
    return rk__buffer_take(&buffer, out);
}

static rk_status write_history(rk_h5 *file, const rk_position *p)
{
    const int64_t n = p->step.epoch, columns = p->n_terms + 2;
    double *table = NULL;
    RK_TRY(rk__alloc(&table, n * columns, sizeof *table, "the history of epochs"));
    for (int64_t i = 0; i < n; i++) {
        double *row = table + i * columns;
        row[0] = p->history[i].loss;
        for (int k = 0; k < p->n_terms; k++) {
            row[1 + k] = rk__position_terms(p, i)[k];
        }
        row[columns - 1] = p->history[i].check;
    }
    rk_status status = rk__h5_write(file, "history", RK_H5_F64, n, columns, table);
    rk__free(table);
    return status;
}

/* The first `known` terms have a column. */
static rk_status read_history(const rk_h5 *file, rk_position *p, int known)
{
    const int64_t n = p->step.epoch, columns = known + 2;
    double *table = NULL;
    int64_t rows = 0, cols = 0;
    RK_TRY(rk__h5_shape(file, "history", RK_H5_F64, &rows, &cols));
    if (rows != n) { /* before memory for n of them is asked for */
        RK_FAIL(RK_ERR_DATA,
                "%s: its history has %lld epochs, and its step state says %lld; the file is "
                "damaged",
                rk__h5_path(file), (long long)rows, (long long)n);
    }
    RK_TRY(rk__position_reserve(p));
    RK_TRY(rk__alloc(&table, n * columns, sizeof *table, "the history of epochs"));
    rk_status status = rk__h5_read(file, "history", RK_H5_F64, n, columns, table);
    for (int64_t i = 0; status == RK_OK && i < n; i++) {
        const double *row = table + i * columns;
        p->history[i] = (rk_epoch_record){.loss = row[0], .check = row[columns - 1]};
        for (int k = 0; k < p->n_terms; k++) {
            rk__position_terms(p, i)[k] = k < known ? row[1 + k] : NAN;
        }
    }
    rk__free(table);
    return status;
}

static rk_status known_terms(const rk_h5 *file, const rk_step *step, int *out)
{
    char *there = NULL, *wanted = NULL;
    rk_status status = RK_OK;
    RK_TRY_GOTO(done, rk__h5_get_text(file, "history.columns", &there));
    RK_TRY_GOTO(done, column_names(step, &wanted));
    bool is_old = strcmp(there, OLD_COLUMNS) == 0;
    if (!is_old && strcmp(there, wanted) != 0) {
        RK_FAIL_GOTO(done, RK_ERR_DATA,
                     "%s has a history of \"%s\", this run makes \"%s\": it was written by another "
                     "version; it cannot be resumed",
                     rk__h5_path(file), there, wanted);
    }
    *out = is_old ? OLD_TERMS : step->n_terms;
done:
    rk__free(there);
    rk__free(wanted);
    return status;
}

static rk_status write_position(rk_h5 *file, const rk_step *step, const rk_position *p)
{
    char *columns = NULL;
#define SET(type, member) RK_TRY(rk__h5_set_##type(file, #member, p->member));
    STEP_NUMBERS(SET)
    RK_TRY(write_sums(file, p));
    RUN_NUMBERS(SET)
#undef SET
    RK_TRY(rk__h5_set_f64(file, "first_loss", p->first_loss));
    RK_TRY(column_names(step, &columns));
    rk_status status = rk__h5_set_text(file, "history.columns", columns);
    rk__free(columns);
    return status == RK_OK ? write_history(file, p) : status;
}

static rk_status read_position(const rk_h5 *file, const rk_step *step, rk_position *p)
{
    int known = 0;
#define GET(type, member) RK_TRY(rk__h5_get_##type(file, #member, &p->member));
    STEP_NUMBERS(GET)
    RUN_NUMBERS(GET)
#undef GET
    if (rk__h5_has_attribute(file, "first_loss")) { /* not in older files */
        RK_TRY(rk__h5_get_f64(file, "first_loss", &p->first_loss));
    }
    RK_TRY(read_sums(file, p));
    if (p->step.epoch < 0 || p->step.epoch > INT32_MAX || p->step.step_in_epoch < 0 ||
        p->step.step_in_epoch > p->step.steps_per_epoch || p->step.step < 0) {
        RK_FAIL(RK_ERR_DATA, "%s: the step state makes no sense; the file is damaged",
                rk__h5_path(file));
    }
    RK_TRY(known_terms(file, step, &known));
    return read_history(file, p, known);
}

/* ---- files ---- */

#define WARM_NUMBERS(X)                                                                            \
    X(epoch)                                                                                       \
    X(folds)                                                                                       \
    X(users)                                                                                       \
    X(items)                                                                                       \
    X(new_users)                                                                                   \
    X(new_items)                                                                                   \
    X(folded)                                                                                      \
    X(gone_users)                                                                                  \
    X(gone_items)

/* A run that began at zero has none of these attributes. */
static rk_status write_warm(rk_h5 *file, const rk_warm_facts *warm)
{
    if (!warm->run) {
        return RK_OK;
    }
#define SET(member) RK_TRY(rk__h5_set_i64(file, "from." #member, warm->member));
    WARM_NUMBERS(SET)
#undef SET
    return rk__h5_set_text(file, "from.run", warm->run);
}

static rk_status read_warm(const rk_h5 *file, rk_warm_facts *out)
{
    if (!rk__h5_has_attribute(file, "from.run")) {
        return RK_OK;
    }
#define GET(member) RK_TRY(rk__h5_get_i64(file, "from." #member, &out->member));
    WARM_NUMBERS(GET)
#undef GET
    return rk__h5_get_text(file, "from.run", &out->run);
}

static rk_status write_facts(rk_h5 *file, const rk_checkpoint_facts *facts)
{
    RK_TRY(rk__h5_set_text(file, "trajectory", facts->trajectory));
    RK_TRY(rk__h5_set_text(file, "dataset.options", facts->data));
    RK_TRY(rk__h5_set_text(file, "watch", facts->watch));
    RK_TRY(rk__h5_set_text(file, "dataset.fingerprint", facts->fingerprint));
    RK_TRY(rk__h5_set_text(file, "dataset.path", facts->dataset_path));
    RK_TRY(rk__h5_set_text(file, "dataset.sources", facts->sources));
    RK_TRY(rk__h5_set_i64(file, "epoch", facts->epoch));
    RK_TRY(write_warm(file, &facts->warm));
    return rk__h5_set_f64(file, "value", facts->value);
}

rk_status rk__checkpoint_write(const char *path, const rk_step *step,
                               const rk_checkpoint_facts *facts, const rk_position *position)
{
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    if (!path) {
        return write_tensors(NULL, step, position);
    }
    RK_TRY(rk__h5_create(&file, path, KIND, VERSION));
    RK_TRY_GOTO(done, write_facts(file, facts));
    if (position) {
        RK_TRY_GOTO(done, write_position(file, step, position));
    }
    RK_TRY_GOTO(done, write_tensors(file, step, position));
    status = rk__h5_commit(file);
done:
    rk__h5_close(file);
    return status;
}

/* A digest, which a file of an earlier version may lack. */
static rk_status read_digest(const rk_h5 *file, const char *name, char out[17])
{
    char *text = NULL;
    out[0] = '\0';
    if (!rk__h5_has_attribute(file, name)) {
        return RK_OK;
    }
    RK_TRY(rk__h5_get_text(file, name, &text));
    size_t length = strlen(text);
    if (length <= 16) {
        memcpy(out, text, length + 1);
    }
    rk__free(text);
    if (length > 16) {
        RK_FAIL(RK_ERR_DATA, "%s: %s is too long; the file is damaged", rk__h5_path(file), name);
    }
    return RK_OK;
}

rk_status rk__checkpoint_facts_of(const rk_h5 *file, rk_checkpoint_facts *out)
{
    rk_status status = RK_OK;
    *out = (rk_checkpoint_facts){0};
    RK_TRY_GOTO(done, rk__h5_get_text(file, "trajectory", &out->trajectory));
    RK_TRY_GOTO(done, rk__h5_has_attribute(file, "dataset.options")
                          ? rk__h5_get_text(file, "dataset.options", &out->data)
                          : rk__strdup(&out->data, "")); /* as of an earlier version */
    RK_TRY_GOTO(done, rk__h5_get_text(file, "watch", &out->watch));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "dataset.path", &out->dataset_path));
    RK_TRY_GOTO(done, read_digest(file, "dataset.fingerprint", out->fingerprint));
    RK_TRY_GOTO(done, read_digest(file, "dataset.sources", out->sources));
    RK_TRY_GOTO(done, rk__h5_get_i64(file, "epoch", &out->epoch));
    RK_TRY_GOTO(done, read_warm(file, &out->warm));
    status = rk__h5_get_f64(file, "value", &out->value);
done:
    if (status != RK_OK) {
        rk__checkpoint_facts_free(out);
    }
    return status;
}

rk_status rk__checkpoint_read_facts(const char *path, rk_checkpoint_facts *out)
{
    rk_h5 *file = NULL;
    RK_TRY(rk__checkpoint_open(path, &file));
    rk_status status = rk__checkpoint_facts_of(file, out);
    rk__h5_close(file);
    return status;
}

rk_status rk__checkpoint_read(const char *path, rk_step *step, rk_position *position)
{
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__position_init(position, step->n_terms));
    RK_TRY_GOTO(done, rk__h5_open(&file, path, KIND, VERSION));
    RK_TRY_GOTO(done, read_position(file, step, position));
    RK_TRY_GOTO(done, rk__step_set_state(step, &position->step));
    RK_TRY_GOTO(done, rk__step_set_sums(step, position->sums));
    RK_TRY_GOTO(done, read_parameters(file, step->engine));
    status = read_moments(file, step);
done:
    rk__engine_parameters_changed(step->engine);
    if (status != RK_OK) {
        rk__position_free(position);
    }
    rk__h5_close(file);
    return status;
}

rk_status rk__checkpoint_read_tensors(const rk_h5 *file, rk_engine *engine)
{
    rk__engine_parameters_changed(engine);
    return read_parameters(file, engine);
}

rk_status rk__checkpoint_read_parameters(const char *path, rk_engine *engine)
{
    rk_h5 *file = NULL;
    RK_TRY(rk__h5_open(&file, path, KIND, VERSION));
    rk_status status = read_parameters(file, engine);
    rk__engine_parameters_changed(engine);
    rk__h5_close(file);
    return status;
}

rk_status rk__checkpoint_open(const char *path, rk_h5 **out)
{
    return rk__h5_open(out, path, KIND, VERSION);
}
