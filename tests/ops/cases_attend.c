/* Softmax over all keys of a batch, against loops over all pairs. */
#include "ops/naive.h"

static const ops_shape shapes[] = {
    {1, 2, 1, 1, 0, 1},        {5, 4, 7, 7, 0, 3},          {30, 20, 33, 33, 0, 16},
    {30, 20, 33, 10, 1, 20},   {200, 300, 150, 150, 0, 64}, {40, 50, 64, 0, 0, 65},
    {40, 50, 100, 99, 2, 130}, {40, 50, 40, 1, 0, 8},       {400, 500, 600, 590, 0, 13},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* scale: up to logits so far apart that most weights vanish. */
static void attend_case(int i, int variant, double scale, bool skip, bool no_keys)
{
    ops_scene t = ops_begin_scene("attend", shapes, i, variant);
    float *x = ops_reals(t.c, t.b.slots * t.d, &t.r), *bias = ops_reals(t.c, t.b.slots, &t.r);
    rk_attend_attr a = {.first_query = variant % 2 ? t.b.batch : 0,
                        .first_key = variant % 2 ? 0 : t.b.batch,
                        .n = t.b.batch,
                        .temperature = sqrt((double)t.d) / scale,
                        .skip_diagonal = skip};
    for (int64_t s = 0; s < t.b.slots; s++) {
        bias[s] = no_keys || t.b.nodes[s] < 0 ? RK_NO_LOGIT : bias[s];
    }
    naive_attended e = naive_attention(t.c, x, bias, t.d, &a);
    double *one = ops_doubles(t.c, a.n), *own_size = ops_doubles(t.c, a.n);
    for (int64_t j = 0; j < a.n; j++) {
        one[j] = fabs(e.lse[j]) + scale + 1;
        own_size[j] = fabs(e.own[j]) + scale + 1;
    }
    for (int64_t j = 0; j < a.n * t.d; j++) {
        e.size[j] *= scale + 1; /* a weight is the exponential of a rounded logit */
    }
    rk_attend_values out = rk__attend(ops_program(t.c), ops_input(t.c, RK_F32, t.b.slots, t.d, x),
                                      ops_input(t.c, RK_F32, t.b.slots, 1, bias), a);
    ops_expect_reals(t.c, out.lse, e.lse, one, 1e-6);
    ops_expect_reals(t.c, out.mean, e.mean, e.size, 4e-6);
    ops_expect_reals(t.c, out.own, e.own, own_size, 1e-6);
    ops_run(t.c, 1);
}

static void attend(void)
{
    for (int i = 0; i < N_SHAPES; i++) {
        attend_case(i, 0, 6, true, false);
        attend_case(i, 1, 6, false, false);
        attend_case(i, 2, 300, true, false);
        attend_case(i, 3, 1, false, true);
    }
}

const ops_entry ops_cases_attend[] = {
    {RK_OP_ATTEND, attend},
    {RK_OP_COUNT, NULL},
};
