/* Some people, what they have, what the model recommends to them: as HTML. */
#ifndef RK_PAGE_SAMPLES_H
#define RK_PAGE_SAMPLES_H

#include "base/buffer.h"
#include "rankine/model.h"

/* n users among those given (ascending), from the least active to the most active one; part: whose
 * items are the hits. */
rk_status rk__samples_add(rk_buffer *out, const rk_model *model, const int32_t *users,
                          int64_t n_users, rk_part part, int64_t n);

#endif
