/*
 * Where sweeps look: mixtures as hyperopt makes them (tools/make_golden_tpe.py), draws in bounds
 * and reproducible, and that TPE finds more than chance does on two test functions.
 *
 * With arguments, FUNCTION TRIALS, it prints what it finds, beside that script's lines.
 */
#include <math.h>

#include "base/alloc.h"
#include "support/support.h"
#include "sweep/tpe.h"

enum { MOST_SEEN = 31, SEEDS = 20, MOST_TRIALS = 200, MOST_AXES = 6 };

/* ---- mixtures ---- */

typedef struct mixture {
    double seen[5];
    int64_t m;
    double mean, sd;
    double weights[6], means[6], sds[6];
} mixture;

static const mixture mixtures[] = {
    {{0}, 0, 0.5, 1.0, {1.0}, {0.5}, {1.0}},
    {{0.2}, 1, 0.5, 1.0, {0.5, 0.5}, {0.2, 0.5}, {0.5, 1.0}},
    {{0.9}, 1, 0.5, 1.0, {0.5, 0.5}, {0.5, 0.9}, {1.0, 0.5}},
    {{0.3, 0.1, 0.7},
     3,
     0.5,
     1.0,
     {0.25, 0.25, 0.25, 0.25},
     {0.1, 0.3, 0.5, 0.7},
     {0.2, 0.2, 1.0, 0.2}},
    {{2.0, 2.0, -1.0, 4.5, 0.25},
     5,
     1.0,
     6.0,
     {0.16666666666666666, 0.16666666666666666, 0.16666666666666666, 0.16666666666666666,
      0.16666666666666666, 0.16666666666666666},
     {-1.0, 0.25, 1.0, 2.0, 2.0, 4.5},
     {1.25, 1.25, 6.0, 1.0, 2.5, 2.5}},
};

/* sin(0) ... sin(30) about 0 with the width 2: the oldest count less. */
static const double old_weights[] = {
    0.03436807095343681,   0.03436807095343681,  0.03436807095343681,  0.03436807095343681,
    0.03436807095343681,   0.03436807095343681,  0.02771618625277162,  0.03436807095343681,
    0.03436807095343681,   0.03436807095343681,  0.03436807095343681,  0.03436807095343681,
    0.03436807095343681,   0.03436807095343681,  0.03436807095343681,  0.03436807095343681,
    0.0011086474501108647, 0.021064301552106427, 0.03436807095343681,  0.03436807095343681,
    0.03436807095343681,   0.03436807095343681,  0.03436807095343681,  0.03436807095343681,
    0.03436807095343681,   0.03436807095343681,  0.007760532150776054, 0.014412416851441241,
    0.03436807095343681,   0.03436807095343681,  0.03436807095343681,  0.03436807095343681};
static const double old_sds[] = {
    0.06060606060606061, 0.06060606060606061, 0.06060606060606061, 0.06060606060606061,
    0.06060606060606061, 0.08941790886724243, 0.08941790886724243, 0.08735336255870851,
    0.11961277332359777, 0.11961277332359777, 0.24866960133536964, 0.24866960133536964,
    0.14706374810115283, 0.14706374810115283, 0.12350044080736916, 2.0,
    0.1411200080598672,  0.1411200080598672,  0.1210285786449167,  0.14121269693388755,
    0.14121269693388755, 0.2301208033304759,  0.2301208033304759,  0.10557185176081363,
    0.10557185176081363, 0.07409718805645338, 0.0678264420177852,  0.0678264420177852,
    0.06060606060606061, 0.06060606060606061, 0.06060606060606061, 0.06060606060606061};

static void mixtures_are_those_of_hyperopt(void **state)
{
    (void)state;
    rk_parzen p;
    for (size_t c = 0; c < sizeof mixtures / sizeof mixtures[0]; c++) {
        const mixture *m = &mixtures[c];
        assert_ok(rk__parzen_fit(m->seen, m->m, m->mean, m->sd, &p));
        assert_int_equal(p.n, m->m + 1);
        for (int64_t i = 0; i < p.n; i++) {
            assert_close(p.weights[i], m->weights[i], 1e-12, 1e-3);
            assert_close(p.means[i], m->means[i], 1e-12, 1e-3);
            assert_close(p.sds[i], m->sds[i], 1e-12, 1e-3);
        }
        rk__parzen_free(&p);
    }
    double seen[MOST_SEEN];
    for (int i = 0; i < MOST_SEEN; i++) {
        seen[i] = sin(i);
    }
    assert_ok(rk__parzen_fit(seen, MOST_SEEN, 0, 2, &p));
    for (int64_t i = 0; i < p.n; i++) {
        assert_close(p.weights[i], old_weights[i], 1e-9, 1e-3);
        assert_close(p.sds[i], old_sds[i], 1e-9, 1e-3);
    }
    rk__parzen_free(&p);
}

/* ---- spaces ---- */

static char *one_key[] = {"train.learning_rate"};
static char *texts[] = {"a", "b", "c"};

/* A number, a logarithm, whole steps, a list. */
static rk_space mixed(rk_axis axes[4])
{
    axes[0] = (rk_axis){.domain = RK_DOMAIN_UNIFORM, .low = -2, .high = 3};
    axes[1] = (rk_axis){.domain = RK_DOMAIN_LOG, .low = 1e-5, .high = 1};
    axes[2] = (rk_axis){.domain = RK_DOMAIN_STEP, .low = 1, .high = 5, .step = 1};
    axes[3] = (rk_axis){.domain = RK_DOMAIN_LIST, .texts = texts, .n = 3};
    for (int a = 0; a < 4; a++) {
        axes[a].keys = one_key;
        axes[a].n_keys = 1;
    }
    return (rk_space){.axes = axes, .n = 4};
}

static void random_draws_are_spread_and_reproducible(void **state)
{
    (void)state;
    enum { DRAWS = 20000 };
    rk_axis axes[4];
    const rk_space space = mixed(axes);
    double places[4], again[4], mean[2] = {0};
    int64_t steps[6] = {0}, words[3] = {0};
    for (int64_t t = 0; t < DRAWS; t++) {
        const rk_draw draw = {.seed = 3, .trial = t};
        rk__draw_random(&space, draw, places);
        rk__draw_random(&space, draw, again);
        assert_memory_equal(places, again, sizeof places);
        assert_true(places[0] >= -2 && places[0] <= 3 && places[1] >= 1e-5 && places[1] <= 1);
        mean[0] += places[0] / DRAWS;
        mean[1] += log10(places[1]) / DRAWS;
        steps[(int64_t)places[2]]++;
        words[(int64_t)places[3]]++;
    }
    assert_close(mean[0], 0.5, 0.06, 1);
    assert_close(mean[1], -2.5, 0.02, 1);
    for (int i = 0; i < 5; i++) {
        assert_close((double)steps[i + 1], DRAWS / 5.0, 0.05, 1);
    }
    for (int i = 0; i < 3; i++) {
        assert_close((double)words[i], DRAWS / 3.0, 0.05, 1);
    }
}

/* How far a place is from the best one, (1, 1e-3, 4, "b"), on one axis. */
static double off(const double *places, int axis)
{
    const double far[4] = {fabs(places[0] - 1), fabs(log10(places[1]) + 3), fabs(places[2] - 4),
                           fabs(places[3] - 1)};
    return far[axis];
}

/* Where one axis alone matters, it is looked for there, also when some trials did not read it. */
static void draws_go_where_it_was_good(void **state)
{
    (void)state;
    enum { SEEN = 400, DRAWS = 200 };
    rk_axis axes[4];
    const rk_space space = mixed(axes);
    for (int axis = 0; axis < 4; axis++) {
        double all[SEEN][4], places[4], near = 0, chance = 0;
        rk_seen seen[SEEN];
        for (int64_t t = 0; t < SEEN; t++) {
            rk__draw_random(&space, (rk_draw){.seed = 9, .trial = t}, all[t]);
            seen[t] = (rk_seen){.places = all[t], .loss = off(all[t], axis)};
            if (t % 7 == 3) {
                all[t][axis] = NAN;
                seen[t].loss = INFINITY;
            }
        }
        for (int64_t t = 0; t < DRAWS; t++) {
            const rk_draw draw = {.seed = 9, .trial = SEEN + t};
            assert_ok(rk__draw_tpe(&space, seen, SEEN, draw, places));
            assert_true(places[0] >= -2 && places[0] <= 3 && places[1] >= 1e-5 && places[1] <= 1);
            assert_true(places[2] >= 1 && places[2] <= 5 && places[2] == floor(places[2]));
            near += off(places, axis);
            rk__draw_random(&space, draw, places);
            chance += off(places, axis);
        }
        assert_true(near < chance / 3);
    }
}

/* ---- test functions ---- */

static double branin(const double *x)
{
    const double pi = 3.14159265358979323846;
    const double a = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
    return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10;
}

static double hartmann6(const double *x)
{
    static const double A[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                   {0.05, 10, 17, 0.1, 8, 14},
                                   {3, 3.5, 1.7, 10, 17, 8},
                                   {17, 8, 0.05, 10, 0.1, 14}};
    static const double P[4][6] = {{1312, 1696, 5569, 124, 8283, 5886},
                                   {2329, 4135, 8307, 3736, 1004, 9991},
                                   {2348, 1451, 3522, 2883, 3047, 6650},
                                   {4047, 8828, 8732, 5743, 1091, 381}};
    static const double alpha[4] = {1, 1.2, 3, 3.2};
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        double inner = 0;
        for (int j = 0; j < 6; j++) {
            inner += A[i][j] * pow(x[j] - 1e-4 * P[i][j], 2);
        }
        sum -= alpha[i] * exp(-inner);
    }
    return sum;
}

typedef struct problem {
    const char *name;
    double (*value)(const double *x);
    int64_t n;
    double low[MOST_AXES], high[MOST_AXES];
} problem;

static const problem problems[] = {
    {"branin", branin, 2, {-5, 0}, {10, 15}},
    {"hartmann6", hartmann6, 6, {0}, {1, 1, 1, 1, 1, 1}},
};

static double search(const problem *p, bool by_tpe, uint64_t seed, int64_t trials)
{
    static double places[MOST_TRIALS][MOST_AXES];
    rk_seen seen[MOST_TRIALS];
    rk_axis axes[MOST_AXES];
    double best = INFINITY;
    for (int64_t a = 0; a < p->n; a++) {
        axes[a] = (rk_axis){.keys = one_key,
                            .n_keys = 1,
                            .domain = RK_DOMAIN_UNIFORM,
                            .low = p->low[a],
                            .high = p->high[a]};
    }
    const rk_space space = {.axes = axes, .n = p->n};
    for (int64_t t = 0; t < trials; t++) {
        const rk_draw draw = {.seed = seed, .trial = t};
        if (by_tpe) {
            assert_ok(rk__draw_tpe(&space, seen, t, draw, places[t]));
        } else {
            rk__draw_random(&space, draw, places[t]);
        }
        seen[t] = (rk_seen){.places = places[t], .loss = p->value(places[t])};
        best = fmin(best, seen[t].loss);
    }
    return best;
}

static int ascending(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The finds of all seeds, ascending. */
static void search_all(const problem *p, bool by_tpe, int64_t trials, double finds[SEEDS])
{
    for (int s = 0; s < SEEDS; s++) {
        finds[s] = search(p, by_tpe, (uint64_t)s, trials);
    }
    qsort(finds, SEEDS, sizeof *finds, ascending);
}

static double median(const double finds[SEEDS])
{
    return (finds[SEEDS / 2 - 1] + finds[SEEDS / 2]) / 2;
}

/* hyperopt 0.3 with as many random trials: .98 and -2.66; by chance 1.41 and -2.11. */
static void tpe_finds_what_hyperopt_finds(void **state)
{
    (void)state;
    double finds[SEEDS], chance[SEEDS];
    search_all(&problems[0], true, 50, finds);
    search_all(&problems[0], false, 50, chance);
    assert_true(median(finds) < 1.2 && median(finds) < median(chance));
    search_all(&problems[1], true, 100, finds);
    search_all(&problems[1], false, 100, chance);
    assert_true(median(finds) < -2.5 && median(finds) < median(chance) - 0.2);
}

static void lack_of_memory_is_an_error(void **state)
{
    (void)state;
    enum { SEEN = 12 };
    rk_axis axes[4];
    const rk_space space = mixed(axes);
    double all[SEEN][4], places[4];
    rk_seen seen[SEEN];
    for (int64_t t = 0; t < SEEN; t++) {
        rk__draw_random(&space, (rk_draw){.seed = 1, .trial = t}, all[t]);
        seen[t] = (rk_seen){.places = all[t], .loss = (double)t};
    }
    rk_status status = RK_ERR_MEMORY;
    int64_t n = 0;
    for (; status != RK_OK; n++) {
        rk__alloc_fail_after(n);
        status = rk__draw_tpe(&space, seen, SEEN, (rk_draw){.seed = 1, .trial = SEEN}, places);
        rk__alloc_fail_after(-1);
        assert_true(status == RK_OK || status == RK_ERR_MEMORY);
    }
    assert_true(n > 5);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixtures_are_those_of_hyperopt),
        cmocka_unit_test(random_draws_are_spread_and_reproducible),
        cmocka_unit_test(draws_go_where_it_was_good),
        cmocka_unit_test(tpe_finds_what_hyperopt_finds),
        cmocka_unit_test(lack_of_memory_is_an_error),
    };
    if (argc == 3) {
        double finds[SEEDS];
        const problem *p = &problems[strcmp(argv[1], "branin") != 0];
        for (int by_tpe = 1; by_tpe >= 0; by_tpe--) {
            search_all(p, by_tpe, atol(argv[2]) < MOST_TRIALS ? atol(argv[2]) : MOST_TRIALS, finds);
            printf("%s %s: median %.4f, quartiles %.4f %.4f\n", p->name, by_tpe ? "tpe" : "random",
                   median(finds), finds[SEEDS / 4], finds[3 * SEEDS / 4]);
        }
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
