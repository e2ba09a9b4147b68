/* Networks over edges of several types: gradients of whole models against difference quotients,
 * runs that learn and are the same after an interruption, and what is refused. What they compute is
 * compared with PyTorch in test_golden_networks.c. */
#include "train/joined_world.h"
#include "train/runs.h"

static void gradients_are_difference_quotients(void **state)
{
    (void)state;
    static const char *const common[] = {"model.relations=view,tagged,friends", "model.layers=2",
                                         "model.activation=sigmoid"};
    static const char *const cases[][4] = {
        {"model.kind=rgcn", "model.edges=sum", "model.self=weight", "model.edge_dropout=0.3"},
        {"model.kind=rgcn", "model.bases=2", "model.relation_weights=[0.5, 2, 1]",
         "train.message_share=0.6"},
        {"model.kind=rgcn", "model.blocks=5", "model.edges=sum", "model.dropout=0.2"},
        {"model.kind=compgcn", "model.composition=sub", "model.edges=sum",
         "model.edge_dropout=0.3"},
        {"model.kind=compgcn", "model.composition=mult", "model.edges=sum", NULL},
        {"model.kind=compgcn", "model.composition=corr", "model.edges=sum", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *settings[8] = {common[0], common[1], common[2]};
        for (int k = 0; k < 4 && cases[i][k]; k++) {
            const bool is_share = strcmp(cases[i][k], "train.message_share=0.6") == 0;
            settings[3 + k] = is_share ? "train.message_share=0.6" : cases[i][k];
        }
        joined_check_quotients(settings);
    }
}

/* On the planted data, of interactions alone: two types. */
static void runs_learn_and_resume(void **state)
{
    (void)state;
    static const char *const kinds[][4] = {
        {"model.kind=rgcn", "model.edges=symmetric", "model.layers=1", "model.bases=1"},
        {"model.kind=compgcn", "model.composition=corr", "model.layers=1", "model.dropout=0.1"},
    };
    runs r;
    runs_begin(&r);
    for (int i = 0; i < 2; i++) {
        stop_after stop;
        run_how how = {.settings = {"train.epochs=3", kinds[i][0], kinds[i][1], kinds[i][2],
                                    kinds[i][3], "model.init=xavier"},
                       .force = i > 0};
        assert_ok(runs_train(&r, "whole", how));
        assert_true(runs_reported(&r, "whole", "test.ndcg@10") >
                    1.1 * runs_reported(&r, "whole", "popularity.test.ndcg@10"));
        stop_after_init(&stop, 3);
        how.hooks = &stop.hooks;
        assert_int_equal(runs_train(&r, "parts", how), RK_ERR_INTERRUPTED);
        how.force = false;
        how.resume = true;
        how.hooks = NULL;
        assert_ok(runs_train(&r, "parts", how));
        runs_assert_same_file(&r, "whole", "parts", "last.h5");
    }
    runs_end(&r);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *settings[4], *message;
    } cases[] = {
        {{"model.kind=rgcn", "model.bases=2", "model.blocks=5"}, "is either a sum or blocks"},
        {{"model.kind=rgcn", "model.blocks=2"}, "blocks on the diagonal need as many on both"},
        {{"model.kind=rgcn", "model.maps=false"}, "whose matrices are what tells relations apart"},
        {{"model.kind=compgcn", "model.maps=false"}, "whose matrices are what tells relations"},
        {{"model.kind=compgcn", "model.self=none"}, "leave it at loop"},
        {{"model.kind=compgcn", "train.message_share=0.5"},
         "compgcn leaves edges out of sums only"},
        {{"model.kind=compgcn", "model.bases=2"}, "model.bases"},
        {{"model.kind=rgcn", "model.composition=sub"}, "model.composition"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const none[] = {NULL};
        rk_config *config = joined_config(none);
        rk_status status = RK_OK;
        for (int k = 0; k < 4 && cases[i].settings[k] && status == RK_OK; k++) {
            status = rk_config_set(config, cases[i].settings[k], "test");
        }
        assert_fails(RK_ERR_CONFIG, cases[i].message,
                     status == RK_OK ? rk_config_check(config) : status);
        rk_config_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gradients_are_difference_quotients, sides_set_up,
                                        sides_tear_down),
        cmocka_unit_test(runs_learn_and_resume),
        cmocka_unit_test_setup_teardown(bad_options_are_refused, sides_set_up, sides_tear_down),
    };
    return cmocka_run_group_tests_name("relational", tests, NULL, NULL);
}
