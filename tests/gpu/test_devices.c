/*
 * Whole training runs on the CUDA device against the CPU device: the same batches bit for bit, the
 * same losses and metrics; and against itself: no bit depends on how steps are launched or which
 * run it is. On a real device where there is one, else on the one of tests/emu.
 *
 * DEVICES_STEPS=n makes the runs shorter and leaves kinds of them out, for sanitizers; with
 * DEVICES_ALL none is left out.
 */
#include <math.h>

#include "base/alloc.h"
#include "eval/evaluate.h"
#include "gpu/run_kinds.h"
#include "score/internal.h"
#include "train/planted.h"
#include "train/set_up.h"

enum { STEPS = 50, MOST_TERMS = 8 };

static int64_t n_steps(void)
{
    const char *text = getenv("DEVICES_STEPS");
    return text ? strtoll(text, NULL, 10) : STEPS;
}

typedef struct fixture {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
} fixture;

/* Where steps are very slow, some kinds of runs are enough, and small ones: operations have their
 * own tests. */
static bool is_very_short(void)
{
    return n_steps() < 3;
}

static size_t kinds_apart(void)
{
    return getenv("DEVICES_ALL") ? 1 : is_very_short() ? 5 : n_steps() < 5 ? 2 : 1;
}

/* For what weighs by them; nobody else looks at them. */
static void add_values(rk_dataset *d)
{
    float *values = NULL;
    assert_ok(rk__alloc(&values, d->stats.train, sizeof *values, "values"));
    for (int64_t e = 0; e < d->stats.train; e++) {
        values[e] = 0.5f + (float)(e * 7 % 13);
    }
    d->details[RK_TRAIN].value = values;
}

/* Of an ensemble: factors of two kinds. */
static void add_members(rk_config *config)
{
    static const char *const kinds[] = {"model.kind=mf", "model.kind=ials"};
    for (int i = 0; i < 2 && rk__config_options(config)->model.kind == RK_MODEL_ENSEMBLE; i++) {
        rk_config *member = NULL;
        assert_ok(rk_config_create(&member));
        assert_ok(rk_config_set(member, kinds[i], "test"));
        assert_ok(rk_config_set(member, "model.dim=12", "test"));
        assert_ok(rk__config_add_member(config, member));
    }
}

/* settings: "key=value", ended by NULL. */
static void set_up(fixture *f, const char *device, const char *const *settings, bool eager)
{
    static const char *const common[] = {"run.threads=1",
                                         "model.dim=12",
                                         "model.layers=2",
                                         "train.batch=100",
                                         "train.learning_rate=0.01",
                                         "train.steps_per_epoch=7",
                                         "eval.k=[5, 10]",
                                         "cuda.piece_edges=32",
                                         "cuda.steps_per_launch=1"};
    *f = (fixture){0};
    assert_ok(rk_config_create(&f->config));
    assert_ok(rk_config_set(f->config, device, "test"));
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(f->config, common[i], "test"));
    }
    if (is_very_short()) {
        assert_ok(rk_config_set(f->config, "train.batch=40", "test"));
    }
    for (int i = 0; settings && settings[i]; i++) {
        assert_ok(rk_config_set(f->config, settings[i], "test"));
    }
    add_members(f->config);
    f->dataset = planted_dataset(true);
    add_values(f->dataset);
    assert_ok(rk__set_up(&f->engine, &f->step, &f->scorer, rk__config_options(f->config),
                         f->dataset, eager, NULL));
    rk_step_state state = rk__step_first_state(&f->step);
    assert_ok(rk__step_set_state(&f->step, &state));
}

static void tear_down(fixture *f)
{
    rk__tear_down(&f->engine, &f->step, &f->scorer);
    planted_free(f->dataset);
    rk_config_free(f->config);
}

static rk_step_state get_state(fixture *f)
{
    rk_step_state state;
    assert_ok(rk__step_get_state(&f->step, &state));
    return state;
}

/* Opens the next epoch when one is over, as the trainer does. */
static void steps(fixture *f, int64_t n)
{
    while (n > 0) {
        rk_step_state state = get_state(f);
        int64_t rest = state.steps_per_epoch - state.step_in_epoch, now = n < rest ? n : rest;
        assert_ok(rk__step_run(&f->step, now));
        n -= now;
        state = get_state(f);
        assert_int_equal(state.bad_step, 0);
        if (state.step_in_epoch == state.steps_per_epoch) {
            state.epoch++;
            state.step_in_epoch = 0;
            assert_ok(rk__step_set_state(&f->step, &state));
        }
    }
}

static float *parameters(fixture *f, size_t *bytes)
{
    const rk_parameter *p = &f->engine.model.parameters[0];
    float *values = NULL;
    *bytes = (size_t)(p->rows * p->cols) * sizeof *values;
    assert_ok(rk__alloc(&values, p->rows * p->cols, sizeof *values, "parameters"));
    assert_ok(f->engine.device->read(f->engine.context, p->stored, 0, p->rows, values));
    return values;
}

/* Of a tenth of the users. */
static rk_metrics metrics_of(fixture *f)
{
    enum { N = PLANTED_USERS / 10 };
    int32_t users[N];
    rk_metrics metrics = {0};
    rk_ranker ranker = rk__scorer_ranker(f->scorer);
    for (int32_t i = 0; i < N; i++) {
        users[i] = 10 * i;
    }
    assert_ok(rk__evaluate(f->dataset, rk__config_options(f->config), RK_TEST, users, N, &ranker,
                           NULL, &metrics));
    return metrics;
}

/* To four digits. */
static void same_metrics(fixture *a, fixture *b)
{
    static const char *const names[] = {"recall@5", "ndcg@10", "hit@10", "mrr@10"};
    rk_metrics x = metrics_of(a), y = metrics_of(b);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_close(rk__metric_find(&y, names[i]), rk__metric_find(&x, names[i]), 0.5e-4, 1);
    }
    rk_metrics_free(&x);
    rk_metrics_free(&y);
}

/* ---- against the CPU device ---- */

/* The drawn nodes of a few steps; eager mode keeps every temporary. */
static void same_batches(const char *positives, const char *negatives)
{
    const char *settings[] = {
        positives,   negatives, "sampling.pool_size=30", "sampling.candidates=3", "model.kind=mf",
        "loss.l2=0", NULL};
    fixture f[2];
    set_up(&f[0], "run.device=cpu", settings, true);
    set_up(&f[1], "run.device=cuda", settings, true);
    for (int step = 0; step < 3; step++) {
        int32_t *nodes[2] = {NULL};
        size_t bytes = 0;
        /* the last one also a short batch behind a shuffle */
        const int64_t n = step == 2 && !is_very_short() ? 5 : 1;
        for (int i = 0; i < 2; i++) {
            const rk_engine *e = &f[i].engine;
            const rk_step *s = &f[i].step;
            const rk_node *first = &s->phases[0].nodes[0];
            assert_int_equal(first->op, RK_OP_SAMPLE_TRIPLETS);
            steps(&f[i], n);
            bytes = (size_t)rk__tensor_bytes(&s->phases[0].tensors[first->out[0]]);
            assert_ok(rk__alloc(&nodes[i], (int64_t)bytes, 1, "nodes"));
            assert_ok(e->device->read_value(e->context, s->loaded[0], first->out[0], nodes[i]));
        }
        if (memcmp(nodes[0], nodes[1], bytes) != 0) {
            fail_msg("%s, %s: the batches of step %d differ", positives, negatives, step);
        }
        rk__free(nodes[0]);
        rk__free(nodes[1]);
    }
    tear_down(&f[0]);
    tear_down(&f[1]);
}

static void every_kind_of_batch_is_the_same(void **unused)
{
    (void)unused;
    static const char *const positives[] = {
        "sampling.positives=user", "sampling.positives=interaction", "sampling.positives=shuffle"};
    static const char *const negatives[] = {
        "sampling.negatives=uniform", "sampling.negatives=popular_pool",
        "sampling.negatives=popularity", "sampling.negatives=dynamic"};
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++) {
            if (!is_very_short() || j % 3 == i) { /* else each of them once */
                same_batches(positives[i], negatives[j]);
            }
        }
    }
}

/*
 * The bound of losses, relative. Both devices add the same floats, but not in one order and not
 * with the same fused multiply-adds (nvcc contracts, a CPU without them cannot), so a score is off
 * by some 2^-24 of its terms. What that may grow to within 10 steps:
 *   - a rate of 50 or 5 of SGD carries it into the tables, not beyond their own rounding, since the
 *     gradients are as small as the rates are large;
 *   - tables in halves: a float that is rounded to the other half is off by 2^-11, one in about
 *     2^13 of them, in sums over a dozen neighbours and the 100 triplets of a loss;
 *   - `dynamic` takes the candidate with the best score: another one only where two scores are
 *     nearer than rounding, one draw in about 10^7 here; the loss is then the same, the tables not;
 *   - alignment and uniformity are two terms that cancel each other in part.
 * The kernels compiled for the CPU with fused multiply-adds (CMAKE_CXX_FLAGS=-mfma) are off by
 * 1.8e-6 with alignment and uniformity, 1.2e-6 with SGL in halves, less than 1e-7 in every other
 * run here, the rate of 50 and `dynamic` among them. The bound leaves as much several times again
 * for a GPU's exp and log; what it lets through is for the parity of single operations to find. The
 * figure is printed, so that a device that comes near the bound shows.
 */
static const double LOSS_BOUND = 3e-5;

static double relative_error(double actual, double expected)
{
    return fabs(actual - expected) / fmax(fabs(expected), 1e-300);
}

/* The larger of two errors; NaN if one is. */
static double worse(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

static void check_error(const char *what, double error, double bound, const char *const *settings)
{
    printf("             %s: off by %.1e of %.0e", what, error, bound);
    for (int i = 0; settings && i < MOST_SETTINGS && settings[i]; i++) {
        printf("%s%s", i == 0 ? "  " : " ", settings[i]);
    }
    printf("\n");
    if (!(error <= bound)) {
        fail_msg("%s: off by %.3g, more than %.0e", what, error, bound);
    }
}

/* Losses at several points of a run, and metrics behind it. */
static void same_run(const char *const *settings, int64_t n)
{
    fixture cpu, cuda;
    double worst = 0;
    set_up(&cpu, "run.device=cpu", settings, false);
    set_up(&cuda, "run.device=cuda", settings, false);
    for (int64_t done = 0, now; done < n; done += now) {
        now = n - done < 10 ? n - done : 10;
        steps(&cpu, now);
        steps(&cuda, now);
        rk_step_state a = get_state(&cpu), b = get_state(&cuda);
        double a_sums[MOST_TERMS], b_sums[MOST_TERMS];
        assert_int_equal(a.step, b.step);
        assert_in_range(1 + cpu.step.n_terms, 2, MOST_TERMS);
        assert_ok(rk__step_get_sums(&cpu.step, a_sums));
        assert_ok(rk__step_get_sums(&cuda.step, b_sums));
        worst = worse(worst, relative_error(b.last_loss, a.last_loss));
        worst = worse(worst, relative_error(b_sums[0], a_sums[0]));
    }
    check_error("losses", worst, LOSS_BOUND, settings);
    if (n >= 10) {
        same_metrics(&cpu, &cuda);
    }
    tear_down(&cpu);
    tear_down(&cuda);
}

/* Models of phases: what they compute, and how it ranks. Of the neighbours of an item those with
 * the same similarity may be in another order. */
static void same_phases(const char *const *settings, double tolerance)
{
    fixture f[2];
    double worst = 0;
    set_up(&f[0], "run.device=cpu", settings, false);
    set_up(&f[1], "run.device=cuda", settings, false);
    for (int i = 0; i < 2; i++) {
        steps(&f[i], 2 * f[i].step.n_phases);
    }
    for (int t = 0; t < f[0].engine.model.n_parameters; t++) {
        const rk_parameter *p = &f[0].engine.model.parameters[t];
        float *values[2] = {NULL};
        for (int i = 0; i < 2 && p->dtype == RK_F32; i++) {
            const rk_engine *e = &f[i].engine;
            assert_ok(rk__alloc(&values[i], p->rows * p->cols, sizeof *values[i], p->name));
            assert_ok(
                e->device->read(e->context, e->model.parameters[t].stored, 0, p->rows, values[i]));
        }
        for (int64_t i = 0; values[0] && i < p->rows * p->cols; i++) {
            double expected = (double)values[0][i], size = fmax(fabs(expected), 0.1);
            worst = worse(worst, fabs((double)values[1][i] - expected) / size);
        }
        rk__free(values[0]);
        rk__free(values[1]);
    }
    check_error("tensors", worst, tolerance, settings);
    same_metrics(&f[0], &f[1]);
    tear_down(&f[0]);
    tear_down(&f[1]);
}

static void models_of_phases_are_the_same(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof kinds_of_phases / sizeof kinds_of_phases[0]; i += kinds_apart()) {
        same_phases(kinds_of_phases[i].settings, kinds_of_phases[i].tolerance);
    }
}

/* The members' tensors are written, as they would be from their runs. */
static void ensembles_rank_the_same(void **unused)
{
    (void)unused;
    static const char *const settings[] = {"model.kind=ensemble", "model.members=[a, b]",
                                           "model.member_weights=[3, 1]", NULL};
    static const char *const devices[] = {"run.device=cpu", "run.device=cuda"};
    fixture f[2];
    for (int i = 0; i < 2; i++) {
        set_up(&f[i], devices[i], settings, false);
        steps(&f[i], 1);
        const rk_engine *e = &f[i].engine;
        for (int t = 1; t < e->model.n_parameters; t++) {
            const rk_parameter *p = &e->model.parameters[t];
            float *values = NULL;
            assert_ok(rk__alloc(&values, p->rows * p->cols, sizeof *values, p->name));
            for (int64_t k = 0; k < p->rows * p->cols; k++) {
                values[k] = (float)((k * 7919 + t * 31) % 1009) / 1009.0f - 0.4f;
            }
            assert_ok(e->device->write(e->context, p->stored, 0, p->rows, values));
            rk__free(values);
        }
        assert_int_equal(e->model.n_parameters, 3);
        rk__engine_parameters_changed(&f[i].engine);
    }
    same_metrics(&f[0], &f[1]);
    tear_down(&f[0]);
    tear_down(&f[1]);
}

static void a_run_is_the_same(void **unused)
{
    (void)unused;
    static const char *const defaults[] = {NULL};
    same_run(defaults, n_steps());
}

static void runs_of_every_kind_are_the_same(void **unused)
{
    (void)unused;
    int64_t n = n_steps() < 10 ? n_steps() : 10;
    if (n < 5 && kinds_apart() == 1) {
        n = 2; /* the second loss comes of the first update */
    }
    for (size_t i = 0; i < sizeof kinds_of_gradients / sizeof kinds_of_gradients[0];
         i += kinds_apart()) {
        same_run(kinds_of_gradients[i], n);
    }
}

/* ---- against itself ---- */

/* The parameters after a run, which must be those of the run before; takes and gives ownership. */
static float *same_bits(float *before, const char *device, const char *const *settings, bool eager,
                        int64_t n)
{
    fixture f;
    size_t bytes = 0;
    set_up(&f, device, settings, eager);
    steps(&f, n);
    float *values = parameters(&f, &bytes);
    if (before) {
        assert_memory_equal(values, before, bytes);
        rk__free(before);
    }
    tear_down(&f);
    return values;
}

static void same_bits_of(const char *setting)
{
    const char *one[] = {"cuda.steps_per_launch=1", setting, NULL};
    const char *four[] = {"cuda.steps_per_launch=4", setting, NULL};
    const char *seven[] = {"cuda.steps_per_launch=7", setting, NULL};
    int64_t n = n_steps() < 14 ? n_steps() : 14;
    float *values = same_bits(NULL, "run.device=cuda", one, false, n);
    values = same_bits(values, "run.device=cuda", one, false, n);
    if (n >= 4) {
        values = same_bits(values, "run.device=cuda", four, false, n);
    }
    if (n >= 7) {
        values = same_bits(values, "run.device=cuda", seven, false, n);
    }
    values = same_bits(values, "run.device=cuda", one, true, n);
    rk__free(values);
}

static void no_bit_depends_on_the_launch(void **unused)
{
    (void)unused;
    same_bits_of("cuda.propagation=split_rows");
}

/* cuSPARSE has algorithms whose sums have no fixed order. */
static void no_bit_depends_on_the_launch_with_cusparse(void **unused)
{
    (void)unused;
    same_bits_of("cuda.propagation=cusparse");
}

/* The pieces of rows lie in another order. */
static void no_bit_depends_on_the_order_of_rows(void **unused)
{
    (void)unused;
    static const char *const kinds[][2] = {
        {"model.layers=3", "train.propagation=fp32"},
        {"model.layers=2", "train.propagation=fp16"},
        {"loss.contrast=sgl", "loss.contrast_dropout=0.3"},
    };
    static const char *const orders[] = {"graph.order=file", "graph.order=cluster"};
    int64_t n = n_steps() < 5 ? n_steps() : 5;
    const size_t n_kinds = n < 3 ? 1 : sizeof kinds / sizeof kinds[0];
    for (size_t i = 0; i < n_kinds; i++) {
        float *values = NULL;
        for (int j = 0; j < 2; j++) {
            const char *settings[] = {"cuda.piece_edges=32", "graph.form=direct", kinds[i][0],
                                      kinds[i][1],           orders[j],           NULL};
            values = same_bits(values, "run.device=cuda", settings, false, n);
        }
        rk__free(values);
    }
}

/* Branches of the graph share memory by the plan, and an early kernel waits. */
static void no_bit_depends_on_what_overlaps(void **unused)
{
    (void)unused;
    static const char *const kinds[][2] = {
        {"model.layers=3", "train.propagation=fp32"},
        {"model.dim=16", "train.propagation=fp16"},
        {"model.layers=3", "loss.contrast=simgcl"},
        {"loss.contrast=sgl", "loss.contrast_dropout=0.3"},
        {"loss.kind=softmax", "sampling.negatives=in_batch"},
        {"loss.kind=bce", "loss.neighbours=4"},
    };
    static const char *const overlaps[] = {"cuda.overlap=none", "cuda.overlap=branches",
                                           "cuda.overlap=launches", "cuda.overlap=all"};
    int64_t n = n_steps() < 5 ? n_steps() : 5;
    const size_t n_kinds = n < 3 ? 1 : sizeof kinds / sizeof kinds[0];
    for (size_t i = 0; i < n_kinds; i++) {
        float *values = NULL;
        for (int j = 0; j < 4; j++) {
            const char *settings[] = {"cuda.steps_per_launch=3", kinds[i][0], kinds[i][1],
                                      overlaps[j], NULL};
            values = same_bits(values, "run.device=cuda", settings, false, n);
        }
        rk__free(values);
    }
}

/* ---- products of cuBLAS, whose first one of a kind must not be in a capture ---- */

/* Every kind in the precisions that the runs above leave out. TF32 in the loss is not held against
 * the CPU: it rounds the factors to 10 bits. */
static void products_of_every_precision_are_replayed(void **unused)
{
    (void)unused;
    static const char *const kinds[][MOST_SETTINGS] = {
        {"cuda.matmul=tf32", "loss.kind=softmax", "sampling.negatives=in_batch"},
        {"cuda.ranking=fp32"},
        {"cuda.matmul=tf32", "graph.form=gram", "model.layers=3", "cuda.gram=fp32"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        fixture f;
        set_up(&f, "run.device=cuda", kinds[i], false);
        steps(&f, 2);
        rk_metrics metrics = metrics_of(&f);
        assert_true(isfinite(get_state(&f).last_loss) && metrics.count > 0);
        rk_metrics_free(&metrics);
        tear_down(&f);
    }
}

static bool has_cuda(void)
{
    const rk_device *device = NULL;
    const char *reason = NULL;
    return rk__device_choose(RK_DEVICE_CUDA, 0, &device, &reason) == RK_OK;
}

/* ---- the memory table ---- */

typedef struct memory_lines {
    double total; /* MB, of the first line */
    int rows;
} memory_lines;

static void keep_memory_lines(void *user, rk_log_level level, const char *message)
{
    memory_lines *lines = user;
    (void)level;
    (void)sscanf(message, "memory on cuda: %lf MB to allocate", &lines->total);
    lines->rows += strncmp(message, "  ", 2) == 0;
}

static double free_megabytes(const rk_device *device)
{
    rk_device_options options = {0};
    rk_device_context *context = NULL;
    rk_device_info info = {0};
    assert_ok(device->open(&options, &context));
    assert_ok(device->info(context, &info));
    device->close(context);
    return (double)info.memory_free / 1e6;
}

/* What the table says is what the device gives away; only finish is loaded later. The first set-up
 * loads what stays: the driver's and the libraries' share. The emulated device counts bytes; a real
 * one gives whole pages to each allocation, and the libraries and other processes take from it what
 * they like, the more the larger it is. */
static void the_memory_table_is_true(void **unused)
{
    (void)unused;
    fixture f;
    rk_device_info info = {0};
    memory_lines lines = {0};
    rk_hooks hooks = {.log = keep_memory_lines, .user = &lines};
    set_up(&f, "run.device=cuda", NULL, false);
    steps(&f, 1);
    const rk_device *device = f.engine.device;
    rk__tear_down(&f.engine, &f.step, &f.scorer);
    double before = free_megabytes(device);
    assert_ok(rk__set_up(&f.engine, &f.step, &f.scorer, rk__config_options(f.config), f.dataset,
                         false, &hooks));
    assert_ok(f.engine.device->info(f.engine.context, &info));
    double taken = before - (double)info.memory_free / 1e6;
    double expected = lines.total - (double)f.scorer->finish.arena_bytes / 1e6;
    bool is_emulated = getenv("EMU_VARIANT") != NULL;
    double more = is_emulated ? 0.2 : fmax(600, 0.02 * before), less = is_emulated ? 0.2 : 64;
    printf("             memory: %.1f MB taken, %.1f MB in the table (- %g, + %g), %.1f MB free\n",
           taken, expected, less, more, before);
    assert_true(lines.rows > 3);
    assert_true(taken > expected - less && taken < expected + more);
    tear_down(&f);
}

/* An argument is a pattern of tests to run. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_batch_is_the_same),
        cmocka_unit_test(a_run_is_the_same),
        cmocka_unit_test(ensembles_rank_the_same),
        cmocka_unit_test(runs_of_every_kind_are_the_same),
        cmocka_unit_test(models_of_phases_are_the_same),
        cmocka_unit_test(no_bit_depends_on_the_launch),
        cmocka_unit_test(no_bit_depends_on_the_launch_with_cusparse),
        cmocka_unit_test(no_bit_depends_on_the_order_of_rows),
        cmocka_unit_test(no_bit_depends_on_what_overlaps),
        cmocka_unit_test(products_of_every_precision_are_replayed),
        cmocka_unit_test(the_memory_table_is_true),
    };
    if (!has_cuda()) {
        printf("skipped: %s\n", rk_last_error());
        return 77;
    }
    cmocka_set_test_filter(argc > 1 ? argv[1] : NULL);
    return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
