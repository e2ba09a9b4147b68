/* Tables divided by columns among ranks (forked processes): the same training as on one rank. */
#include <math.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "dist/internal.h"
#include "support/ranks.h"
#include "train/planted.h"
#include "train/set_up.h"

enum { STEPS = 50, MOST_FLOATS = 1 << 16, MOST_SUMS = 8 };

/* What a training comes to; in memory that the ranks share with the test. */
typedef struct outcome {
    double sums[MOST_SUMS]; /* after STEPS steps: the loss and its terms */
    double ndcg;
    int64_t n_floats;
    float table[MOST_FLOATS]; /* the first parameter, with all its columns */
    int64_t sent;             /* by rank 0 in these steps */
    rk_exchanges exchanges;   /* of a step */
} outcome;

typedef struct task {
    const char *const *settings;
    int n;
    outcome *out;
    int64_t steps, fail_after; /* allocations of rank 1; -1 = none fails */
} task;

static rk_config *config_with(const char *const *settings, int n)
{
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    static const char *const common[] = {"run.device=cpu", "run.threads=1",
                                         "model.dim=16",   "model.layers=2",
                                         "train.batch=32", "train.learning_rate=0.02",
                                         "eval.k=[5, 10]"};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(config, common[i], "test"));
    }
    for (int i = 0; i < n; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

static rk_status train(rk_comm *comm, rk_step *step, rk_scorer *scorer, const rk_dataset *dataset,
                       const task *t)
{
    outcome *out = t->out;
    rk_metrics metrics = {0};
    const rk_engine *e = step->engine;
    const rk_parameter *p = &e->model.parameters[0];
    const rk_step_state first = rk__step_first_state(step);
    const rk_ranker ranker = rk__scorer_ranker(scorer);
    float *table = NULL;
    double sums[MOST_SUMS] = {0}; /* fewer terms leave some */
    RANK_CHECK(1 + step->n_terms <= MOST_SUMS && p->rows * p->cols <= MOST_FLOATS);
    RK_TRY(rk__step_set_state(step, &first));
    const int64_t before = rk__comm_bytes_sent(comm);
    RK_TRY(rk__step_run(step, t->steps));
    const int64_t sent = rk__comm_bytes_sent(comm) - before;
    RK_TRY(rk__step_get_sums(step, sums));
    RK_TRY(rk__evaluate(dataset, e->options, RK_TEST, NULL, 0, &ranker, NULL, &metrics));
    rk_status status = rk__alloc(&table, p->rows * p->cols, sizeof *table, "a table");
    status = status == RK_OK ? rk__engine_read(e, p->stored, RK_COMM_ALL, table) : status;
    if (status == RK_OK && rk__comm_rank(comm) == 0) {
        memcpy(out->sums, sums, sizeof sums);
        out->n_floats = p->rows * p->cols;
        memcpy(out->table, table, (size_t)out->n_floats * sizeof *table);
        out->ndcg = rk__metric_find(&metrics, "ndcg@10");
        out->sent = sent;
        out->exchanges = rk__program_exchanges(&step->phases[0]);
    }
    rk_metrics_free(&metrics);
    rk__free(table);
    return status;
}

/* The megabytes that the memory table has for messages. */
static void hear_of_messages(void *user, rk_log_level level, const char *message)
{
    (void)level;
    if (strstr(message, "messages to other ranks")) {
        sscanf(strstr(message, "bytes") + strlen("bytes"), "%lf", (double *)user);
    }
}

static rk_status work(rk_comm *comm, void *user)
{
    const task *t = user;
    double megabytes = 0;
    const rk_hooks hooks = {.log = hear_of_messages, .user = &megabytes};
    rk_config *config = config_with(t->settings, t->n);
    rk_dataset *dataset = planted_dataset(true);
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer = NULL;
    const bool fails = t->fail_after >= 0 && rk__comm_rank(comm) == 1;
    rk__alloc_fail_after(fails ? t->fail_after : -1);
    rk_status status = rk__set_up_among((rk_among){.comm = comm}, &engine, &step, &scorer,
                                        rk__config_options(config), dataset, false, &hooks);
    if (status == RK_OK) {
        status = train(comm, &step, scorer, dataset, t);
        rk__tear_down(&engine, &step, &scorer);
    }
    rk__alloc_fail_after(-1);
    if (status == RK_OK && rk__comm_size(comm) > 1) {
        RANK_CHECK((double)(comm->out_room + comm->in_room) <= 1e6 * (megabytes + 0.05));
    }
    planted_free(dataset);
    rk_config_free(config);
    return status;
}

static outcome *shared(void)
{
    outcome *out =
        mmap(NULL, sizeof *out, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(out != MAP_FAILED);
    return out;
}

static void run(int ranks, const char *const *settings, int n, outcome *out)
{
    test_rank_end ends[TEST_RANKS_MOST];
    task t = {settings, n, out, STEPS, -1};
    memset(out, 0, sizeof *out);
    test_ranks(ranks, NULL, work, &t, ends);
    for (int r = 0; r < ranks; r++) {
        if (ends[r].code != 0) {
            fail_msg("%s, rank %d of %d: %s", n > 0 ? settings[0] : "defaults", r, ranks,
                     ends[r].says);
        }
    }
}

static void expect_same(const char *what, int ranks, const outcome *one, const outcome *many)
{
    for (int i = 0; i < MOST_SUMS; i++) {
        if (!(fabs(one->sums[i] - many->sums[i]) <= 1e-6 * fabs(one->sums[i]))) {
            fail_msg("%s, %d ranks: sum %d is %.9g, of one rank %.9g", what, ranks, i,
                     many->sums[i], one->sums[i]);
        }
    }
    if (!(fabs(one->ndcg - many->ndcg) < 5e-5)) {
        fail_msg("%s, %d ranks: ndcg@10 %.6f, of one rank %.6f", what, ranks, many->ndcg,
                 one->ndcg);
    }
}

/* Of 1, 2 and 4 ranks, and again of 4. */
static void check(const char *const *settings, int n)
{
    const char *what = n > 0 ? settings[n - 1] : "defaults";
    outcome *one = shared(), *many = shared(), *again = shared();
    run(1, settings, n, one);
    assert_int_equal(one->exchanges.calls, 0);
    for (int ranks = 2; ranks <= 4; ranks *= 2) {
        run(ranks, settings, n, many);
        assert_true(many->exchanges.calls > 0);
        expect_same(what, ranks, one, many);
    }
    run(4, settings, n, again);
    assert_memory_equal(many, again, sizeof *many);
    munmap(one, sizeof *one);
    munmap(many, sizeof *many);
    munmap(again, sizeof *again);
}

#define CHECK(...)                                                                                 \
    check((const char *const[]){__VA_ARGS__},                                                      \
          (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

static void factors_train_alike(void **state)
{
    (void)state;
    CHECK("model.kind=mf");
    CHECK("model.kind=mf", "loss.l2_form=norm", "train.optimizer=sgd");
    CHECK("model.kind=mf", "sampling.negatives=dynamic", "sampling.candidates=4");
    CHECK("model.kind=mf", "loss.kind=bce", "sampling.per_positive=3", "train.clip_norm=0.01");
}

static void propagations_train_alike(void **state)
{
    (void)state;
    CHECK("graph.form=direct");
    CHECK("graph.form=gram");
    CHECK("model.layer_weights=learned");
    CHECK("train.propagation=fp16");
    CHECK("loss.kind=ccl", "sampling.per_positive=5");
    CHECK("model.kind=lightgcn++");
}

/* Their layers are of the batch's rows, which are gathered. */
static void networks_over_rows_train_alike(void **state)
{
    (void)state;
    CHECK("loss.kind=bce", "model.kind=gmf");
    CHECK("loss.kind=bce", "model.hidden=[16, 8]", "model.kind=neumf");
}

static void losses_over_pairs_train_alike(void **state)
{
    (void)state;
    CHECK("sampling.negatives=in_batch", "loss.kind=softmax");
    CHECK("sampling.negatives=in_batch", "loss.kind=softmax", "loss.logits=dot");
    CHECK("loss.kind=softmax", "sampling.per_positive=7");
    CHECK("sampling.negatives=in_batch", "loss.kind=align_uniform");
    CHECK("loss.contrast=simgcl");
    CHECK("loss.contrast=sgl");
    CHECK("loss.neighbours=5", "loss.neighbours_weight=0.1");
}

/* A schedule of rows is each rank's own: no bit depends on it. */
static void the_order_of_rows_is_local(void **state)
{
    (void)state;
    static const char *const orders[] = {"graph.order=file", "graph.order=cluster"};
    static const char *const kinds[] = {"model.layers=3", "train.propagation=fp16",
                                        "loss.contrast=sgl", "model.kind=lightgcn++"};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        outcome *out[2];
        for (int i = 0; i < 2; i++) {
            const char *const settings[] = {"graph.form=direct", kinds[k], orders[i]};
            out[i] = shared();
            run(2, settings, 3, out[i]);
        }
        assert_memory_equal(out[0], out[1], sizeof *out[0]);
        munmap(out[0], sizeof *out[0]);
        munmap(out[1], sizeof *out[1]);
    }
}

/* ---- what travels ---- */

/* Scores of B triplets with M negatives, three sums of squares for L2, and one for clipping. */
static void a_step_sends_scores(void **state)
{
    (void)state;
    static const char *const settings[] = {"model.kind=mf", "loss.kind=bce",
                                           "sampling.per_positive=3", "train.clip_norm=0.01"};
    enum { B = 32, M = 3 };
    outcome *out = shared();
    run(4, settings, 4, out);
    assert_int_equal(out->exchanges.gathered, 0);
    assert_int_equal(out->exchanges.summed, 4 * B * (1 + M) + 3 * 8 + 8);
    assert_true(out->sent >= STEPS * out->exchanges.summed);
    munmap(out, sizeof *out);
}

/* ---- what ranks cannot divide ---- */

static void expect_refused(int ranks, const char *const *settings, int n, const char *part)
{
    test_rank_end ends[TEST_RANKS_MOST];
    outcome *out = shared();
    task t = {settings, n, out, STEPS, -1};
    test_ranks(ranks, NULL, work, &t, ends);
    for (int r = 0; r < ranks; r++) {
        if (ends[r].code != rk_status_exit_code(RK_ERR_CONFIG) || !strstr(ends[r].says, part)) {
            fail_msg("%s: rank %d ends with %d and \"%s\", not \"%s\"", settings[0], r,
                     ends[r].code, ends[r].says, part);
        }
    }
    munmap(out, sizeof *out);
}

static void what_cannot_be_divided_is_refused(void **state)
{
    (void)state;
    static const char *const dim[] = {"model.dim=18"};
    static const char *const dense[] = {"model.kind=ngcf", "train.batch=4"};
    static const char *const closed[] = {"model.kind=ease"};
    expect_refused(4, dim, 1, "model.dim is 18, which 4 ranks cannot divide");
    expect_refused(2, dense, 2, "model.kind is ngcf, which");
    expect_refused(2, closed, 1, "model.kind is ease, which is not trained by gradients");
}

/* Models with layers over all columns of all nodes (docs/ranks.md), with the rest of their
 * settings. */
static void models_of_whole_tables_are_refused(void **state)
{
    (void)state;
    static const char *const models[][3] = {
        {"model.kind=gcn"},
        {"model.kind=ngcf"},
        {"model.kind=gat"},
        {"model.kind=irgnn", "model.layers=0"},
        {"model.kind=rgcn"},
        {"model.kind=compgcn"},
        {"model.kind=fm", "loss.kind=bce"},
    };
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char part[64];
        snprintf(part, sizeof part, "model.kind is %s, wh", strchr(models[i][0], '=') + 1);
        expect_refused(2, models[i], models[i][1] ? 2 : 1, part);
    }
}

/* ---- memory ---- */

/* One allocation of rank 1 fails: of the programs and what the pass makes of them, of tables, of
 * the lists of an evaluation, of messages. Each in turn would take minutes; the first ones one by
 * one, then with steps that grow. */
static void a_rank_without_memory_ends_all(void **state)
{
    (void)state;
    static const char *const settings[] = {"train.clip_norm=0.1"};
    outcome *out = shared();
    int failed = 0;
    bool is_through = false;
    for (int64_t n = 0; !is_through; n += 1 + n / 12) {
        test_rank_end ends[TEST_RANKS_MOST] = {{0}};
        task t = {settings, 1, out, 2, n};
        test_ranks(2, NULL, work, &t, ends);
        is_through = ends[0].code == 0 && ends[1].code == 0;
        if (!is_through && (ends[0].code != 4 || ends[1].code != 4 ||
                            !strstr(ends[0].says, "rank 1 ended the run: "))) {
            fail_msg("allocation %lld: rank 0 ends with %d: %s; rank 1 with %d: %s", (long long)n,
                     ends[0].code, ends[0].says, ends[1].code, ends[1].says);
        }
        failed += !is_through;
    }
    assert_true(failed > 30);
    munmap(out, sizeof *out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_train_alike),
        cmocka_unit_test(propagations_train_alike),
        cmocka_unit_test(networks_over_rows_train_alike),
        cmocka_unit_test(losses_over_pairs_train_alike),
        cmocka_unit_test(the_order_of_rows_is_local),
        cmocka_unit_test(a_step_sends_scores),
        cmocka_unit_test(what_cannot_be_divided_is_refused),
        cmocka_unit_test(models_of_whole_tables_are_refused),
        cmocka_unit_test(a_rank_without_memory_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
