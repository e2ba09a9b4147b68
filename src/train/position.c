#include "train/position.h"

#include <math.h>

#include "base/alloc.h"

rk_status rk__position_init(rk_position *out, int n_terms)
{
    *out = (rk_position){.n_terms = n_terms, .best_value = NAN, .first_loss = NAN};
    return rk__calloc(&out->sums, 1 + n_terms, sizeof *out->sums, "the sums of losses");
}

rk_status rk__position_reserve(rk_position *position)
{
    rk_position *p = position;
    if (p->step.epoch < p->history_capacity) {
        return RK_OK;
    }
    const int64_t before = p->history_capacity, capacity = 2 * p->step.epoch + 64;
    RK_TRY(rk__realloc(&p->history, before, capacity, sizeof *p->history, "the history of epochs"));
    RK_TRY(rk__realloc(&p->terms, before * p->n_terms, capacity * p->n_terms, sizeof *p->terms,
                       "the history of epochs"));
    p->history_capacity = capacity;
    return RK_OK;
}

double rk__position_first_loss(const rk_position *p)
{
    if (!isnan(p->first_loss) || p->step.epoch == 0) {
        return p->first_loss;
    }
    return p->history[0].loss;
}

int64_t rk__position_diverged(const rk_position *p)
{
    static const double times = 100, least = 0.01; /* a loss that begins near 0 may grow */
    const double first = fmax(fabs(rk__position_first_loss(p)), least);
    for (int64_t i = 0; p->n_terms > 0 && i < p->step.epoch; i++) {
        if (fabs(p->history[i].loss) >= times * first) {
            return i + 1;
        }
    }
    return 0;
}

void rk__position_free(rk_position *position)
{
    rk__free(position->sums);
    rk__free(position->history);
    rk__free(position->terms);
    *position = (rk_position){0};
}
