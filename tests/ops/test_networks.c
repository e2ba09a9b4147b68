/*
 * The gradient rules of the layers of networks, together: a program that has all of them, at a
 * batch with repeated and unused slots, against central differences of its loss.
 */
#include "support/quotients.h"

enum { N = 12, B = 4, M = 2, TRIPLETS = 3, SLOTS = (2 + M) * B, D = 6, H = 5 };
enum { EMBEDDING, INNER, BIAS, FACTOR, OUTER, MIXER, N_PARAMETERS };

static const quotients_parameter parameters[N_PARAMETERS] = {
    {"embedding", N, D}, {"inner", D, H},     {"bias", 1, H},
    {"factor", 1, D},    {"outer", 1, 2 * H}, {"mixer", D, D},
};

static const int32_t nodes[SLOTS] = {1, 3, 1, -1, 6, 7, 6, -1, 8, 7, 9, 11, 6, 9, -1, -1};

static const quotients_world world = {nodes, SLOTS, N, B, TRIPLETS, 0.7f};

/* Users and items through a layer with dropout, and out again by the transposed matrix; what is
 * left of them is multiplied, cut, joined, and scored. */
static rk_value scores_of(const rk_value *v, rk_program *p, rk_row_set rows, rk_value state,
                          int32_t kind)
{
    const rk_activate_attr f = {kind, 0.3f};
    rk_value x = rk__gather_rows(p, v[EMBEDDING], rows);
    rk_value hidden = rk__activate(p, rk__gemm(p, x, v[INNER], v[BIAS]), f);
    hidden = rk__dropout(p, hidden, state, (rk_dropout_attr){.ratio = 0.25, .layer = 1});
    rk_value back = rk__gemm_of(p, hidden, v[INNER], RK_NONE, RK_NONE,
                                (rk_gemm_attr){.alpha = -0.5f, .transposed_w = true});
    rk_value square = rk__gemm_of(p, back, x, RK_NONE, RK_NONE,
                                  (rk_gemm_attr){.alpha = 0.5f, .transposed_x = true});
    back = rk__gemm(p, rk__multiply(p, back, x), rk__add(p, square, v[MIXER], 1, 1), RK_NONE);
    rk_value gate = rk__activate(p, rk__gemm(p, x, v[MIXER], RK_NONE),
                                 (rk_activate_attr){.kind = RK_ACTIVATION_SIGMOID});
    back = rk__scale_columns(p, rk__ratio(p, back, gate), v[FACTOR]);
    rk_value users = rk__gather_slots(p, back, rows, (rk_slots_attr){B, false});
    rk_value items = rk__gather_slots(p, back, rows, (rk_slots_attr){B, true});
    rk_value pair = rk__add(p, rk__repeat_rows(p, users, 1 + M), items, 1, 1);
    rk_value parts[] = {rk__take_columns(p, pair, 1, 3), rk__place_columns(p, items, 1, D + 1)};
    rk_value joined = rk__join_columns(p, parts, 2); /* [B (1+M), 2H] */
    rk_value outer = rk__gemm_of(p, joined, v[OUTER], RK_NONE, RK_NONE,
                                 (rk_gemm_attr){.alpha = 1, .transposed_w = true});
    rk_value mean = rk__repeat_rows(p, rk__sum_groups(p, outer, 1 + M), 1 + M);
    rk_value total = rk__reshape(p, rk__add(p, outer, mean, 1, 0.1f), 1 + M);
    rk_value all = rk__repeat_rows(p, rk__column_sums(p, total), B);
    rk_value product = rk__slot_scores(p, users, items);
    return rk__combine(p, (const rk_value[]){total, all, product}, (const float[]){1, 0.1f, 1}, 3);
}

static void open_network(quotients *q, int32_t loss, int32_t kind)
{
    rk_value v[N_PARAMETERS];
    quotients_open(q, "network", &world, parameters, N_PARAMETERS);
    for (int i = 0; i < N_PARAMETERS; i++) {
        v[i] = quotients_use(q, i);
    }
    rk_value state = quotients_state(q);
    rk_value scores = scores_of(v, &q->program, quotients_rows(q), state, kind);
    quotients_load(q, scores,
                   (rk_slot_rule){.kind = loss,
                                  .negative_weight = 2,
                                  .temperature = 0.5,
                                  .power = 1,
                                  .positive_weights = {1, 0},
                                  .negative_weights = {1, 0}},
                   false);
}

/* Smooth functions, so that no step meets a kink. */
static void gradients_of_all_layers(void **state)
{
    (void)state;
    static const int32_t losses[] = {RK_LOSS_BPR, RK_LOSS_BCE, RK_LOSS_SOFTMAX};
    static const int32_t kinds[] = {RK_ACTIVATION_TANH, RK_ACTIVATION_SIGMOID, RK_ACTIVATION_TANH};
    for (int v = 0; v < 3; v++) {
        quotients q;
        open_network(&q, losses[v], kinds[v]);
        quotients_check(&q, 0);
        quotients_close(&q);
    }
}

/* Without a state nobody trains, and a ratio of 0 drops nothing: no operation at all. */
static void no_dropout(void **state)
{
    (void)state;
    quotients q;
    quotients_open(&q, "none", &world, parameters, N_PARAMETERS);
    rk_program *p = &q.program;
    rk_value x = quotients_use(&q, 0), of_state = quotients_state(&q);
    assert_int_equal(rk__dropout(p, x, RK_NONE, (rk_dropout_attr){.ratio = 0.5}), x);
    assert_int_equal(rk__dropout(p, x, of_state, (rk_dropout_attr){.ratio = 0}), x);
    assert_int_equal(p->n_nodes, 0);
    quotients_close(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_all_layers),
        cmocka_unit_test(no_dropout),
    };
    return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
