/*
 * The L2 term on the rows of a batch and its gradient, a multiple of each row.
 *
 * Slots: b = user of triplet b, B + b = its positive, 2B + M b + k = its k-th candidate, of which
 * only the chosen one counts. Sums over a batch are taken in double, block by block in order.
 */
#include <math.h>
#include <string.h>

#include "base/choices.h"
#include "device/cpu/cpu.h"

enum { GROUPS = 3 /* users, positives, chosen negatives */ };

/* How often a row of the set counts in each group: users, positives, chosen negatives. */
static void count_slots(const rk_call *call, int64_t row, double counts[GROUPS])
{
    const rk_l2_attr *a = &call->node->attr.l2;
    const int32_t *segments = call->in[1], *order = call->in[2], *chosen = call->in[5];
    int64_t m = rk__in(call, 2)->rows / a->batch - 2;
    counts[0] = counts[1] = counts[2] = 0;
    for (int32_t i = segments[row]; i < segments[row + 1]; i++) {
        int64_t candidate = order[i] - 2 * a->batch;
        if (candidate < 0) {
            counts[order[i] < a->batch ? 0 : 1]++;
        } else if (!chosen || chosen[candidate / m] == candidate % m) {
            counts[2]++;
        }
    }
    if (a->rows == RK_L2_UNIQUE) {
        for (int g = 0; g < GROUPS; g++) {
            counts[g] = counts[g] > 0;
        }
        /* The squared form has one sum over all nodes; a positive that is also a negative is one
         * node. The norm form has three sums, and the node is in two of them. */
        if (a->form == RK_L2_SQUARED && counts[1] > 0) {
            counts[2] = 0;
        }
    }
}

int64_t rk__cpu_scratch_l2_loss(const rk_call *call)
{
    return rk__blocks(rk__in(call, 0)->rows, RK_ROWS_PER_BLOCK) * GROUPS * (int64_t)sizeof(double);
}

/* The sum of squares of each group's rows. */
static void group_squares(const rk_call *call, int64_t count, double squares[GROUPS])
{
    const float *x = call->in[0];
    int64_t d = rk__in(call, 0)->cols, n_blocks = rk__blocks(count, RK_ROWS_PER_BLOCK);
    double(*partial)[GROUPS] = call->scratch;
    RK_CPU_FOR(call, block, n_blocks)
    {
        double sum[GROUPS] = {0}, counts[GROUPS];
        int64_t end = rk__block_end(block, RK_ROWS_PER_BLOCK, count);
        for (int64_t r = block * RK_ROWS_PER_BLOCK; r < end; r++) {
            double square = (double)call->isa->dot(x + r * d, x + r * d, d);
            count_slots(call, r, counts);
            for (int g = 0; g < GROUPS; g++) {
                sum[g] += counts[g] * square;
            }
        }
        memcpy(partial[block], sum, sizeof sum);
    }
    squares[0] = squares[1] = squares[2] = 0;
    for (int64_t block = 0; block < n_blocks; block++) {
        for (int g = 0; g < GROUPS; g++) {
            squares[g] += partial[block][g];
        }
    }
}

void rk__cpu_l2_squares(const rk_call *call)
{
    group_squares(call, *(const int32_t *)call->in[3], call->out[0]);
}

/*
 * squared: weight / divisor * 1/2 (sum of squares); norm: weight / divisor * the sum of the
 * Frobenius norms of the three groups (RecBole's EmbLoss). The gradient of a row is a multiple of
 * the row; where a norm is zero its gradient is taken as zero.
 */
void rk__cpu_l2_loss(const rk_call *call)
{
    const rk_l2_attr *a = &call->node->attr.l2;
    int64_t count = *(const int32_t *)call->in[3], rows = rk__in(call, 0)->rows;
    int64_t triplets = rk__step_count(call->in[4]);
    double squares[GROUPS], per_group[GROUPS], loss = 0, scale = 0;
    if (triplets > 0) {
        scale = a->weight / (a->divisor == RK_L2_ACTUAL    ? (double)triplets
                             : a->divisor == RK_L2_NOMINAL ? (double)a->batch
                                                           : 1);
    }
    if (call->in[RK_L2_LOSS_SQUARES]) {
        memcpy(squares, call->in[RK_L2_LOSS_SQUARES], sizeof squares);
    } else {
        group_squares(call, count, squares);
    }
    for (int g = 0; g < GROUPS; g++) {
        double norm = sqrt(squares[g]);
        bool is_norm = a->form == RK_L2_NORM;
        loss += scale * (is_norm ? norm : 0.5 * squares[g]);
        per_group[g] = !is_norm ? scale : norm > 0 ? scale / norm : 0;
    }
    *(double *)call->out[0] = loss;
    const float *x = call->in[0];
    float *gradient = call->out[1];
    const int64_t d = rk__in(call, 0)->cols;
    RK_CPU_FOR_ROWS(call, r, rows)
    {
        double counts[GROUPS] = {0};
        if (r < count) {
            count_slots(call, r, counts);
        }
        const float factor =
            (float)(counts[0] * per_group[0] + counts[1] * per_group[1] + counts[2] * per_group[2]);
        for (int64_t i = r * d; i < (r + 1) * d; i++) {
            gradient[i] = r < count ? factor * x[i] : 0;
        }
    }
}
