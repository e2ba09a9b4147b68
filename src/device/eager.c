#include "device/eager.h"

#include <math.h>
#include <string.h>

static const uint32_t GUARD_WORD = 0x7FC1A5A5;

void rk__guard_fill(void *band, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += (int64_t)sizeof GUARD_WORD) {
        memcpy((char *)band + i, &GUARD_WORD, sizeof GUARD_WORD);
    }
}

bool rk__guard_is_whole(const void *band, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += (int64_t)sizeof GUARD_WORD) {
        if (memcmp((const char *)band + i, &GUARD_WORD, sizeof GUARD_WORD) != 0) {
            return false;
        }
    }
    return true;
}

rk_value rk__next_written(const rk_node *node, int32_t *place)
{
    while (*place < node->n_outputs + node->n_inputs) {
        int32_t i = (*place)++;
        if (i < node->n_outputs) {
            return node->out[i];
        }
        if (rk__op_info(node->op)->updates >> (i - node->n_outputs) & 1) {
            return node->in[i - node->n_outputs];
        }
    }
    return RK_NONE;
}

rk_status rk__check_guards(const rk_program *program, int32_t node, rk_value value,
                           const void *before, const void *after, int64_t bytes)
{
    const rk_tensor *t = &program->tensors[value];
    if (!rk__guard_is_whole(before, bytes) || !rk__guard_is_whole(after, bytes)) {
        RK_FAIL(RK_ERR_INTERNAL, "program %s, node %d (%s) wrote beside %s [%lld, %lld]",
                program->name, node, rk__op_name(program->nodes[node].op), t->name,
                (long long)t->rows, (long long)t->cols);
    }
    return RK_OK;
}

/* Index of the first element that is not finite, or -1. */
static int64_t first_bad(const rk_tensor *t, const void *data)
{
    for (int64_t i = 0; i < t->rows * t->cols; i++) {
        if (t->dtype == RK_F32 ? !isfinite(((const float *)data)[i])
                               : !isfinite(((const double *)data)[i])) {
            return i;
        }
    }
    return -1;
}

/* The same of rows of halves. */
static int64_t first_bad_row(const rk_tensor *t, const void *data)
{
    const uint8_t *exponent = (const uint8_t *)data + rk__half_exponents_at(t->rows, t->cols);
    for (int64_t r = 0; r < t->rows; r++) {
        if (exponent[r] == 255) {
            return r;
        }
    }
    return -1;
}

rk_status rk__check_finite(const rk_program *program, int32_t node, rk_value value,
                           const void *data, int64_t step)
{
    const rk_tensor *t = &program->tensors[value];
    bool is_real = t->dtype == RK_F32 || t->dtype == RK_F64, is_half = t->dtype == RK_F16;
    int64_t bad = is_real ? first_bad(t, data) : is_half ? t->cols * first_bad_row(t, data) : -1;
    if (bad < 0) {
        return RK_OK;
    }
    double number = is_half              ? (double)NAN
                    : t->dtype == RK_F32 ? (double)((const float *)data)[bad]
                                         : ((const double *)data)[bad];
    RK_FAIL(RK_ERR_DIVERGED,
            "step %lld: node %d (%s) of program %s made %s[%lld, %lld] %g; a smaller "
            "train.learning_rate may help",
            (long long)step, node, rk__op_name(program->nodes[node].op), program->name, t->name,
            (long long)(bad / t->cols), (long long)(bad % t->cols), number);
}
