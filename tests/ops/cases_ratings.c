/* Rows of models of ratings. */
#include "ops/harness.h"

/* Row 1 and the last one have no entries. */
static void rating_rows_of(int64_t w, int64_t n_users, bool has_bias, bool is_plain)
{
    enum { ROWS = 9 };
    ops_random r = {(uint64_t)(w * 10 + n_users)};
    ops_case *c = ops_begin("rating_rows of width %d, %d users%s%s", (int)w, (int)n_users,
                            has_bias ? ", biases" : "", is_plain ? ", plain" : "");
    const int64_t d = w - has_bias, cols = is_plain ? d : d + 2;
    int64_t *offsets = ops_memory(c, ROWS + 1, sizeof *offsets);
    float *x = ops_reals(c, ROWS * w, &r), *y = ops_memory(c, ROWS * cols, sizeof *y);
    const rk_rating_attr attr = {n_users, 3.5, has_bias, is_plain};
    for (int64_t row = 0; row < ROWS; row++) {
        const bool is_learnt = row != 1 && row != ROWS - 1, is_user = row < n_users;
        const float bias = has_bias && is_learnt ? x[row * w + d] : 0;
        offsets[row + 1] = offsets[row] + (is_learnt ? 1 + row : 0);
        for (int64_t i = 0; i < cols; i++) {
            float user[] = {has_bias ? 3.5f + bias : is_learnt ? 0 : 3.5f, 1};
            float item[] = {has_bias || is_learnt ? 1 : 0, has_bias ? bias : is_learnt ? 0 : 3.5f};
            y[row * cols + i] = i >= d      ? (is_user ? user : item)[i - d]
                                : is_learnt ? x[row * w + i]
                                            : 0;
        }
    }
    ops_expect_exactly(c,
                       rk__rating_rows(ops_program(c), ops_input(c, RK_I64, ROWS + 1, 1, offsets),
                                       ops_input(c, RK_F32, ROWS, w, x), attr),
                       y);
    ops_run(c, 1);
}

static void rating_rows(void)
{
    for (int form = 0; form < 4; form++) {
        rating_rows_of(2, 3, form % 2, form / 2);
        rating_rows_of(37, 0, form % 2, form / 2);
        rating_rows_of(64, 9, form % 2, form / 2);
    }
}

const ops_entry ops_cases_ratings[] = {
    {RK_OP_RATING_ROWS, rating_rows},
    {RK_OP_COUNT, NULL},
};
