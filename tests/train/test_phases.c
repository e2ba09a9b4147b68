/* Phases of models in closed form tell how far they are, and may be left in the middle. */
#include <math.h>

#include "train/runs.h"

/* Hooks that want to stop once a phase has told so many parts or more; parts < 0: never. */
typedef struct leaver {
    const char *phase, *unit; /* of that phase */
    int64_t parts;
    int64_t told, largest, total;
    bool stops;
    rk_hooks hooks;
} leaver;

static void see(void *user, const rk_progress *p)
{
    leaver *l = user;
    if (strcmp(p->phase, l->phase) != 0) {
        return;
    }
    assert_string_equal(p->unit, l->unit);
    assert_true(p->done >= l->largest && p->done <= p->total && p->total > 0);
    assert_true(p->epoch == 0 && p->seconds >= 0);
    l->told++;
    l->largest = p->done;
    l->total = p->total;
    l->stops = l->parts >= 0 && p->done >= l->parts;
}

static bool wants_stop(void *user)
{
    return ((leaver *)user)->stops;
}

static leaver leaver_of(const char *phase, const char *unit, int64_t parts)
{
    return (leaver){.phase = phase,
                    .unit = unit,
                    .parts = parts,
                    .hooks = {.progress = see, .should_stop = wants_stop}};
}

typedef struct phase_case {
    const char *kind, *phase, *unit, *threads;
} phase_case;

static void check(const runs *r, const phase_case *c)
{
    leaver l = leaver_of(c->phase, c->unit, -1);
    l.hooks.user = &l;
    run_how how = {.config = "plain.yaml",
                   .settings = {c->kind, c->threads, "eval.k=[5, 10]"},
                   .force = true,
                   .hooks = &l.hooks};
    assert_ok(runs_train(r, "whole", how));
    assert_true(l.told >= 2 && l.largest == l.total);

    l = leaver_of(c->phase, c->unit, 0);
    l.hooks.user = &l;
    assert_fails(RK_ERR_INTERRUPTED, c->phase, runs_train(r, "left", how));
    assert_int_equal(l.told, 1);
    assert_true(runs_has(r, "left", "last.h5") && !runs_has(r, "left", "report.json"));

    how.hooks = NULL;
    how.force = false;
    how.resume = true;
    assert_ok(runs_train(r, "left", how));
    runs_assert_same(r, "whole", "left");
}

static void a_phase_that_is_left_begins_anew(void **state)
{
    (void)state;
    static const phase_case cases[] = {
        {"model.kind=slim", "coordinate descent", "items", "run.threads=1"},
        {"model.kind=slim", "coordinate descent", "items", "run.threads=2"},
        {"model.kind=ease", "Gram matrix", "rows", "run.threads=2"},
        {"model.kind=ease", "inverse", "columns of tiles", "run.threads=2"},
        {"model.kind=item_knn", "neighbours", "items", "run.threads=1"},
        {"model.kind=gf_cf", "singular vectors", "operations", "run.threads=1"},
    };
    runs r;
    runs_begin(&r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check(&r, &cases[i]);
    }
    runs_end(&r);
}

/* Without a folder there is nothing to go on from, and the sentence says so. */
static void a_fit_without_a_folder_is_left_too(void **state)
{
    (void)state;
    runs r;
    rk_model *model = NULL;
    leaver l = leaver_of("coordinate descent", "items", 0);
    l.hooks.user = &l;
    runs_begin(&r);
    assert_fails(
        RK_ERR_INTERRUPTED, "no run folder",
        runs_fit(
            &r,
            (run_how){.config = "plain.yaml", .settings = {"model.kind=slim"}, .hooks = &l.hooks},
            &model));
    assert_null(model);
    runs_end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_phase_that_is_left_begins_anew),
        cmocka_unit_test(a_fit_without_a_folder_is_left_too),
    };
    return cmocka_run_group_tests_name("phases", tests, NULL, NULL);
}
