/* Steps and ranking on the CPU device: every kind of sampling and loss trains, threads change
 * nothing. */
#include <math.h>

#include "base/alloc.h"
#include "eval/popularity.h"
#include "train/planted.h"
#include "train/set_up.h"

static rk_config *config_with(const char *const *settings, int n)
{
    rk_config *config = NULL;
    assert_ok(rk_config_create(&config));
    static const char *const common[] = {"run.device=cpu",  "run.threads=1",
                                         "model.dim=16",    "model.layers=2",
                                         "train.batch=256", "train.learning_rate=0.02",
                                         "eval.k=[5, 10]"};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        assert_ok(rk_config_set(config, common[i], "test"));
    }
    for (int i = 0; i < n; i++) {
        assert_ok(rk_config_set(config, settings[i], "test"));
    }
    return config;
}

/* The planted data, ready to train. */
typedef struct fixture {
    rk_config *config;
    rk_dataset *dataset;
    rk_engine engine;
    rk_step step;
    rk_scorer *scorer;
} fixture;

static void set_up(fixture *f, const char *const *settings, int n)
{
    f->config = config_with(settings, n);
    f->dataset = planted_dataset(true);
    assert_ok(rk__set_up(&f->engine, &f->step, &f->scorer, rk__config_options(f->config),
                         f->dataset, false, NULL));
    rk_step_state state = rk__step_first_state(&f->step);
    assert_ok(rk__step_set_state(&f->step, &state));
}

static void tear_down(fixture *f)
{
    rk__tear_down(&f->engine, &f->step, &f->scorer);
    planted_free(f->dataset);
    rk_config_free(f->config);
}

/* One epoch; returns its mean loss. The next one is opened as the trainer does it. */
static double one_epoch(fixture *f)
{
    rk_step_state state;
    double sums[3];
    const double zeros[3] = {0};
    assert_int_equal(f->step.n_terms, 2);
    assert_ok(rk__step_get_state(&f->step, &state));
    assert_ok(rk__step_run(&f->step, state.steps_per_epoch));
    assert_ok(rk__step_get_state(&f->step, &state));
    assert_ok(rk__step_get_sums(&f->step, sums));
    assert_int_equal(state.step_in_epoch, state.steps_per_epoch);
    assert_int_equal(state.bad_step, 0);
    assert_close(sums[1] + sums[2], sums[0], 1e-12, 1e-12);
    state.epoch++;
    state.step_in_epoch = 0;
    assert_ok(rk__step_set_state(&f->step, &state));
    assert_ok(rk__step_set_sums(&f->step, zeros));
    return sums[0] / (double)state.steps_per_epoch;
}

static double ndcg(fixture *f, const rk_ranker *ranker, rk_part part)
{
    rk_metrics metrics = {0};
    assert_ok(rk__evaluate(f->dataset, rk__config_options(f->config), part, NULL, 0, ranker, NULL,
                           &metrics));
    double value = rk__metric_find(&metrics, "ndcg@10");
    rk_metrics_free(&metrics);
    return value;
}

static void check_it_learns(const char *const *settings, int n, double gain)
{
    fixture f;
    rk_popularity popularity = {0};
    set_up(&f, settings, n);
    assert_ok(rk__popularity_init(&popularity, f.dataset));
    rk_ranker reference = rk__popularity_ranker(&popularity);
    rk_ranker model = rk__scorer_ranker(f.scorer);
    double first = one_epoch(&f), last = first;
    for (int epoch = 1; epoch < 12; epoch++) {
        last = one_epoch(&f);
    }
    double bar = ndcg(&f, &reference, RK_TEST), reached = ndcg(&f, &model, RK_TEST);
    if (!(last < 0.9 * first) || !(reached > gain * bar)) {
        fail_msg("%s: loss %g -> %g, ndcg@10 %g, popularity %g", n ? settings[0] : "defaults",
                 first, last, reached, bar);
    }
    rk__popularity_free(&popularity);
    tear_down(&f);
}

static void every_model_learns(void **state)
{
    (void)state;
    static const char *const mf[] = {"model.kind=mf", "train.learning_rate=0.05"};
    static const char *const last[] = {"model.layer_weights=last"};
    static const char *const without[] = {"model.layer_weights=mean_without_ego"};
    static const char *const xavier[] = {"model.init=xavier"};
    check_it_learns(NULL, 0, 1.5);
    check_it_learns(mf, 2, 1.2);
    check_it_learns(last, 1, 1.5);
    check_it_learns(without, 1, 1.5);
    check_it_learns(xavier, 1, 1.5);
}

static void it_learns_in_halves(void **state)
{
    (void)state;
    static const char *const three[] = {"train.propagation=fp16", "model.layers=3"};
    check_it_learns(three, 2, 1.5);
}

/* The losses of some epochs beside those with float tables. */
static void halves_follow_floats(void **state)
{
    (void)state;
    static const char *const settings[] = {"train.propagation=fp32", "train.propagation=fp16"};
    fixture f[2];
    set_up(&f[0], &settings[0], 1);
    set_up(&f[1], &settings[1], 1);
    for (int epoch = 0; epoch < 6; epoch++) {
        double floats = one_epoch(&f[0]), halves = one_epoch(&f[1]);
        assert_true(floats != halves);
        assert_close(halves, floats, 1e-3, 0);
    }
    tear_down(&f[0]);
    tear_down(&f[1]);
}

static void every_kind_of_sampling_learns(void **state)
{
    (void)state;
    static const char *const positives[] = {"user", "interaction", "shuffle"};
    static const char *const negatives[] = {"uniform", "popular_pool", "popularity", "dynamic"};
    for (int p = 0; p < 3; p++) {
        for (int n = 0; n < 4; n++) {
            char first[64], second[64];
            snprintf(first, sizeof first, "sampling.positives=%s", positives[p]);
            snprintf(second, sizeof second, "sampling.negatives=%s", negatives[n]);
            const char *const settings[] = {second, first, "sampling.pool_size=30",
                                            "sampling.candidates=4"};
            check_it_learns(settings, 4, 1.3);
        }
    }
}

static void every_form_of_l2_learns(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "loss.l2_on=ego",         "loss.l2_on=propagated",   "loss.l2_form=squared",
        "loss.l2_form=norm",      "loss.l2_rows=batch",      "loss.l2_rows=unique",
        "loss.l2_divisor=actual", "loss.l2_divisor=nominal", "loss.l2_divisor=one"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        const char *const settings[] = {forms[i], "loss.l2=0.0001"};
        check_it_learns(settings, 2, 1.3);
    }
    static const char *const none[] = {"loss.l2=0", "train.weight_decay=1e-5"};
    check_it_learns(none, 2, 1.3);
}

static void sgd_learns(void **state)
{
    (void)state;
    static const char *const settings[] = {"train.optimizer=sgd", "train.learning_rate=20",
                                           "train.batch=64"};
    check_it_learns(settings, 3, 1.2);
}

/* L2 on propagated rows and on ego rows are different losses: the switches must reach the program.
 */
static void l2_switches_change_the_loss(void **state)
{
    (void)state;
    static const char *const on[] = {"loss.l2_on=ego", "loss.l2_on=propagated"};
    static const char *const form[] = {"loss.l2_form=squared", "loss.l2_form=norm"};
    static const char *const rows[] = {"loss.l2_rows=batch", "loss.l2_rows=unique"};
    double seen[8];
    for (int i = 0; i < 8; i++) {
        const char *const settings[] = {on[i & 1], form[i >> 1 & 1], rows[i >> 2],
                                        "train.steps_per_epoch=1", "loss.l2=0.01"};
        fixture f;
        set_up(&f, settings, 5);
        seen[i] = one_epoch(&f);
        tear_down(&f);
        for (int j = 0; j < i; j++) {
            assert_true(seen[i] != seen[j]);
        }
    }
}

static float *parameters(fixture *f, int64_t *n)
{
    const rk_parameter *p = &f->engine.model.parameters[0];
    float *values = NULL;
    *n = p->rows * p->cols;
    assert_ok(rk__alloc(&values, *n, sizeof *values, "parameters"));
    assert_ok(f->engine.device->read(f->engine.context, p->stored, 0, p->rows, values));
    return values;
}

static void threads_and_chunks_change_no_bit(void **state)
{
    (void)state;
    static const char *const threads[] = {"run.threads=1", "run.threads=2", "run.threads=3"};
    float *first = NULL;
    for (int i = 0; i < 3; i++) {
        fixture f;
        int64_t n = 0;
        rk_step_state at;
        set_up(&f, &threads[i], 1);
        assert_ok(rk__step_get_state(&f.step, &at));
        for (int64_t done = 0, chunk = i + 1; done < at.steps_per_epoch; done += chunk) {
            chunk = chunk < at.steps_per_epoch - done ? chunk : at.steps_per_epoch - done;
            assert_ok(rk__step_run(&f.step, chunk));
        }
        float *values = parameters(&f, &n);
        if (!first) {
            first = values;
        } else {
            assert_memory_equal(first, values, (size_t)n * sizeof *values);
            rk__free(values);
        }
        tear_down(&f);
    }
    rk__free(first);
}

static void an_epoch_covers_every_interaction(void **state)
{
    (void)state;
    static const char *const settings[] = {"sampling.positives=shuffle", "train.batch=1000"};
    fixture f;
    set_up(&f, settings, 2);
    rk_step_state at = rk__step_first_state(&f.step);
    assert_int_equal(at.draws_per_epoch, PLANTED_USERS * PLANTED_TRAIN);
    assert_int_equal(at.steps_per_epoch, 3); /* 1000 + 1000 + 880 */
    tear_down(&f);
    static const char *const many[] = {"sampling.positives=shuffle", "train.steps_per_epoch=50",
                                       "train.batch=1000"};
    set_up(&f, many, 3);
    at = rk__step_first_state(&f.step);
    assert_int_equal(at.draws_per_epoch, 50000); /* a number of steps: more passes than one */
    assert_int_equal(at.steps_per_epoch, 50);
    one_epoch(&f);
    tear_down(&f);
    set_up(&f, many + 1, 2);
    at = rk__step_first_state(&f.step);
    assert_int_equal(at.draws_per_epoch, 50000);
    assert_int_equal(at.steps_per_epoch, 50);
    tear_down(&f);
}

/* Valid items are candidates on valid and masked on test. */
static void ranking_masks_what_was_seen(void **state)
{
    (void)state;
    fixture f;
    set_up(&f, NULL, 0);
    one_epoch(&f);
    rk_ranker ranker = rk__scorer_ranker(f.scorer);
    int valid_met = 0;
    for (int32_t user = 0; user < PLANTED_USERS; user++) {
        for (rk_part part = RK_VALID; part <= RK_TEST; part++) {
            int32_t items[10], seen[PLANTED_TRAIN];
            const unsigned valid = part == RK_TEST ? 1u << RK_VALID : 0;
            assert_ok(ranker.rank(ranker.self, 1u << RK_TRAIN | valid, &user, 1, 10, items));
            for (rk_part other = RK_TRAIN; other <= RK_VALID; other++) {
                int n = 0;
                planted_items(user, other, seen, &n);
                for (int i = 0; i < 10 * n; i++) {
                    bool met = items[i / n] == seen[i % n];
                    assert_false(met && (other == RK_TRAIN || part == RK_TEST));
                    valid_met += met;
                }
            }
        }
    }
    assert_true(valid_met > 0);
    tear_down(&f);
}

/* Lots of lists, against the ranking of each user alone, which is asked for meanwhile. */
typedef struct lots {
    rk_ranker ranker;
    const int32_t *users;
    int64_t k, lots, done, fail_at;
} lots;

static rk_status take_lot(void *taker, int64_t first, int64_t n, const int32_t *items)
{
    lots *l = taker;
    int32_t alone[PLANTED_ITEMS];
    assert_int_equal(first, l->done);
    assert_true(n >= 1 && n <= RK_RANK_TILE);
    if (l->lots++ == l->fail_at) {
        RK_FAIL(RK_ERR_INTERRUPTED, "enough");
    }
    for (int64_t i = 0; i < n; i += 97) {
        assert_ok(l->ranker.rank(l->ranker.self, 1u << RK_TRAIN | 1u << RK_VALID,
                                 &l->users[first + i], 1, l->k, alone));
        assert_memory_equal(alone, items + i * l->k, (size_t)l->k * sizeof *items);
    }
    l->done += n;
    return RK_OK;
}

static void many_users_are_ranked_as_one_is(void **state)
{
    (void)state;
    enum { USERS = 3000 };
    static const int64_t lengths[] = {20, 7, 60}; /* as the tile's, shorter, too long for it */
    static const char *const settings[] = {"eval.k=[20]"};
    int32_t users[USERS];
    fixture f;
    set_up(&f, settings, 1);
    one_epoch(&f);
    for (int32_t i = 0; i < USERS; i++) {
        users[i] = i * 7 % PLANTED_USERS;
    }
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        lots l = {rk__scorer_ranker(f.scorer), users, lengths[i], 0, 0, -1};
        int64_t n = lengths[i] > 20 ? 150 : USERS;
        const rk_rank_order order = {.part = RK_TEST,
                                     .seen = 1u << RK_TRAIN | 1u << RK_VALID,
                                     .users = users,
                                     .n = n,
                                     .k = lengths[i],
                                     .take = take_lot,
                                     .taker = &l};
        assert_ok(l.ranker.rank_all(l.ranker.self, &order));
        assert_int_equal(l.done, n);
        assert_int_equal(l.lots, lengths[i] > 20 ? 1 : 3);
        int64_t last = l.lots - 1;
        l = (lots){l.ranker, users, lengths[i], 0, 0, last};
        assert_fails(RK_ERR_INTERRUPTED, "enough", l.ranker.rank_all(l.ranker.self, &order));
        assert_int_equal(l.lots, last + 1);
    }
    tear_down(&f);
}

static void a_k_above_the_catalogue_is_refused(void **state)
{
    (void)state;
    static const char *const settings[] = {"eval.k=[10, 151]"};
    fixture f = {.config = config_with(settings, 1), .dataset = planted_dataset(true)};
    assert_fails(RK_ERR_CONFIG, "151 is larger than the catalogue of 150 items",
                 rk__set_up(&f.engine, &f.step, &f.scorer, rk__config_options(f.config), f.dataset,
                            false, NULL));
    tear_down(&f);
}

/* Every allocation of the set-up may fail; nothing is then left of it. */
static void set_up_survives_lack_of_memory(void **state)
{
    (void)state;
    static const char *const settings[] = {"run.threads=1"};
    fixture f = {.config = config_with(settings, 1), .dataset = planted_dataset(true)};
    planted_set_up_survives_lack_of_memory(rk__config_options(f.config), f.dataset);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_learns),
        cmocka_unit_test(it_learns_in_halves),
        cmocka_unit_test(halves_follow_floats),
        cmocka_unit_test(every_kind_of_sampling_learns),
        cmocka_unit_test(every_form_of_l2_learns),
        cmocka_unit_test(sgd_learns),
        cmocka_unit_test(l2_switches_change_the_loss),
        cmocka_unit_test(threads_and_chunks_change_no_bit),
        cmocka_unit_test(an_epoch_covers_every_interaction),
        cmocka_unit_test(ranking_masks_what_was_seen),
        cmocka_unit_test(many_users_are_ranked_as_one_is),
        cmocka_unit_test(a_k_above_the_catalogue_is_refused),
        cmocka_unit_test(set_up_survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
