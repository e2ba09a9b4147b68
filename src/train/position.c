#include "train/position.h"

#include <math.h>

#include "base/alloc.h"

rk_status rk__position_reserve(rk_position *position)
{
    if (position->step.epoch < position->history_capacity) {
        return RK_OK;
    }
    int64_t capacity = 2 * position->step.epoch + 64;
    RK_TRY(rk__realloc(&position->history, position->history_capacity, capacity,
                       sizeof *position->history, "the history of epochs"));
    position->history_capacity = capacity;
    return RK_OK;
}

void rk__position_free(rk_position *position)
{
    rk__free(position->history);
    *position = (rk_position){0};
}

int64_t rk__position_checks(const rk_position *position)
{
    int64_t checks = 0;
    for (int64_t i = 0; i < position->step.epoch; i++) {
        checks += !isnan(position->history[i].check);
    }
    return checks;
}
