#include "train/checkpoint.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "io/h5.h"

#define KIND "checkpoint"
enum { VERSION = 1 };

void rk__checkpoint_facts_free(rk_checkpoint_facts *facts)
{
    rk__free(facts->trajectory);
    rk__free(facts->watch);
    rk__free(facts->dataset_path);
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

/* A stored tensor under its own name. */
static rk_status write_tensor(rk_h5 *file, const rk_engine *e, int32_t stored)
{
    const rk_stored *t = &e->store.items[stored];
    const float *values = e->device->peek ? e->device->peek(e->context, stored) : NULL;
    float *copy = NULL;
    int64_t n = t->rows * t->cols;
    rk_status status = RK_OK;
    if (!values) {
        RK_TRY(rk__alloc(&copy, n, sizeof *copy, t->name));
        RK_TRY_GOTO(done, e->device->read(e->context, stored, 0, t->rows, copy));
        values = copy;
    }
    if (!all_finite(values, n)) {
        RK_FAIL_GOTO(done, RK_ERR_DIVERGED,
                     "%s holds numbers that are not finite: training diverged and no checkpoint is "
                     "written; try a smaller train.learning_rate (now %g)",
                     t->name, e->options->train.learning_rate);
    }
    status = rk__h5_write(file, t->name, RK_H5_F32, t->rows, t->cols, values);
done:
    rk__free(copy);
    return status;
}

static rk_status read_tensor(const rk_h5 *file, const rk_engine *e, int32_t stored)
{
    const rk_stored *t = &e->store.items[stored];
    float *values = NULL;
    RK_TRY(rk__alloc(&values, t->rows * t->cols, sizeof *values, t->name));
    rk_status status = rk__h5_read(file, t->name, RK_H5_F32, t->rows, t->cols, values);
    if (status == RK_OK) {
        status = e->device->write(e->context, stored, 0, t->rows, values);
    }
    rk__free(values);
    return status;
}

static rk_status write_tensors(rk_h5 *file, const rk_step *step, bool with_moments)
{
    const rk_engine *e = step->engine;
    for (int i = 0; i < e->model.n_parameters; i++) {
        const rk_step_tensors *t = &step->tensors[i];
        RK_TRY(write_tensor(file, e, t->parameter));
        if (with_moments && t->moment1 >= 0) {
            RK_TRY(write_tensor(file, e, t->moment1));
            RK_TRY(write_tensor(file, e, t->moment2));
        }
    }
    return RK_OK;
}

static rk_status read_parameters(const rk_h5 *file, const rk_engine *e)
{
    for (int i = 0; i < e->model.n_parameters; i++) {
        RK_TRY(read_tensor(file, e, e->model.parameters[i].stored));
    }
    return RK_OK;
}

static rk_status read_moments(const rk_h5 *file, const rk_step *step)
{
    for (int i = 0; i < step->engine->model.n_parameters; i++) {
        const rk_step_tensors *t = &step->tensors[i];
        if (t->moment1 >= 0) {
            RK_TRY(read_tensor(file, step->engine, t->moment1));
            RK_TRY(read_tensor(file, step->engine, t->moment2));
        }
    }
    return RK_OK;
}

/* ---- the position ---- */

/* X(file type, member): every number of the position, by name. */
#define POSITION_NUMBERS(X)                                                                        \
    X(u64, step.seed)                                                                              \
    X(i64, step.step)                                                                              \
    X(i64, step.epoch)                                                                             \
    X(i64, step.step_in_epoch)                                                                     \
    X(i64, step.steps_per_epoch)                                                                   \
    X(i64, step.draws_per_epoch)                                                                   \
    X(i64, step.batch)                                                                             \
    X(i64, step.bad_step)                                                                          \
    X(f64, step.bad_loss)                                                                          \
    X(f64, step.learning_rate)                                                                     \
    X(f64, step.loss_sum[0])                                                                       \
    X(f64, step.loss_sum[1])                                                                       \
    X(f64, step.loss_sum[2])                                                                       \
    X(f64, step.loss_sum[3])                                                                       \
    X(f64, step.rate_scale)                                                                        \
    X(f64, step.last_loss)                                                                         \
    X(f64, epoch_seconds)                                                                          \
    X(f64, best_value)                                                                             \
    X(i64, best_epoch)                                                                             \
    X(i64, checks_since_best)                                                                      \
    X(i64, plateau_checks)

static rk_status write_history(rk_h5 *file, const rk_position *p)
{
    int64_t n = p->step.epoch;
    double(*table)[RK_HISTORY_N_COLUMNS] = NULL;
    RK_TRY(rk__alloc(&table, n, sizeof *table, "the history of epochs"));
    for (int64_t i = 0; i < n; i++) {
        const rk_epoch_record *r = &p->history[i];
        const double row[RK_HISTORY_N_COLUMNS] = {r->loss, r->bpr, r->l2, r->check};
        memcpy(table[i], row, sizeof row);
    }
    rk_status status = rk__h5_write(file, "history", RK_H5_F64, n, RK_HISTORY_N_COLUMNS, table);
    rk__free(table);
    return status;
}

static rk_status read_history(const rk_h5 *file, rk_position *p)
{
    int64_t n = p->step.epoch;
    double(*table)[RK_HISTORY_N_COLUMNS] = NULL;
    RK_TRY(rk__position_reserve(p));
    RK_TRY(rk__alloc(&table, n, sizeof *table, "the history of epochs"));
    rk_status status = rk__h5_read(file, "history", RK_H5_F64, n, RK_HISTORY_N_COLUMNS, table);
    for (int64_t i = 0; status == RK_OK && i < n; i++) {
        p->history[i] = (rk_epoch_record){
            .loss = table[i][0], .bpr = table[i][1], .l2 = table[i][2], .check = table[i][3]};
    }
    rk__free(table);
    return status;
}

static rk_status write_position(rk_h5 *file, const rk_position *p)
{
#define SET(type, member) RK_TRY(rk__h5_set_##type(file, #member, p->member));
    POSITION_NUMBERS(SET)
#undef SET
    RK_TRY(rk__h5_set_text(file, "history.columns", RK_HISTORY_COLUMNS));
    return write_history(file, p);
}

static rk_status read_position(const rk_h5 *file, rk_position *p)
{
#define GET(type, member) RK_TRY(rk__h5_get_##type(file, #member, &p->member));
    POSITION_NUMBERS(GET)
#undef GET
    if (p->step.epoch < 0 || p->step.epoch > INT32_MAX || p->step.step_in_epoch < 0 ||
        p->step.step_in_epoch > p->step.steps_per_epoch || p->step.step < 0) {
        RK_FAIL(RK_ERR_DATA, "%s: the step state makes no sense; the file is damaged",
                rk__h5_path(file));
    }
    return read_history(file, p);
}

/* ---- files ---- */

static rk_status write_facts(rk_h5 *file, const rk_checkpoint_facts *facts)
{
    RK_TRY(rk__h5_set_text(file, "trajectory", facts->trajectory));
    RK_TRY(rk__h5_set_text(file, "watch", facts->watch));
    RK_TRY(rk__h5_set_text(file, "dataset.fingerprint", facts->fingerprint));
    RK_TRY(rk__h5_set_text(file, "dataset.path", facts->dataset_path));
    RK_TRY(rk__h5_set_i64(file, "epoch", facts->epoch));
    return rk__h5_set_f64(file, "value", facts->value);
}

rk_status rk__checkpoint_write(const char *path, const rk_step *step,
                               const rk_checkpoint_facts *facts, const rk_position *position)
{
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    RK_TRY(rk__h5_create(&file, path, KIND, VERSION));
    RK_TRY_GOTO(done, write_facts(file, facts));
    if (position) {
        RK_TRY_GOTO(done, write_position(file, position));
    }
    RK_TRY_GOTO(done, write_tensors(file, step, position));
    status = rk__h5_commit(file);
done:
    rk__h5_close(file);
    return status;
}

rk_status rk__checkpoint_read_facts(const char *path, rk_checkpoint_facts *out)
{
    rk_h5 *file = NULL;
    char *fingerprint = NULL;
    rk_status status = RK_OK;
    *out = (rk_checkpoint_facts){0};
    RK_TRY(rk__h5_open(&file, path, KIND, VERSION));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "trajectory", &out->trajectory));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "watch", &out->watch));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "dataset.path", &out->dataset_path));
    RK_TRY_GOTO(done, rk__h5_get_text(file, "dataset.fingerprint", &fingerprint));
    if (strlen(fingerprint) >= sizeof out->fingerprint) {
        RK_FAIL_GOTO(done, RK_ERR_DATA, "%s: dataset.fingerprint is too long; the file is damaged",
                     path);
    }
    memcpy(out->fingerprint, fingerprint, strlen(fingerprint) + 1);
    RK_TRY_GOTO(done, rk__h5_get_i64(file, "epoch", &out->epoch));
    status = rk__h5_get_f64(file, "value", &out->value);
done:
    if (status != RK_OK) {
        rk__checkpoint_facts_free(out);
    }
    rk__free(fingerprint);
    rk__h5_close(file);
    return status;
}

rk_status rk__checkpoint_read(const char *path, rk_step *step, rk_position *position)
{
    rk_h5 *file = NULL;
    rk_status status = RK_OK;
    *position = (rk_position){0};
    RK_TRY(rk__h5_open(&file, path, KIND, VERSION));
    RK_TRY_GOTO(done, read_position(file, position));
    RK_TRY_GOTO(done, rk__step_set_state(step, &position->step));
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

rk_status rk__checkpoint_read_parameters(const char *path, rk_engine *engine)
{
    rk_h5 *file = NULL;
    RK_TRY(rk__h5_open(&file, path, KIND, VERSION));
    rk_status status = read_parameters(file, engine);
    rk__engine_parameters_changed(engine);
    rk__h5_close(file);
    return status;
}
