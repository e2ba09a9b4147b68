/* Candidates of held-out rows (split.candidates): what a target is ranked among, drawn once. */
#ifndef RK_DATA_CANDIDATES_H
#define RK_DATA_CANDIDATES_H

#include "data/dataset.h"

/* Draws `each` distinct items for every row of valid and test, uniformly from those that its user
 * has in no part, by seed alone: a pure function of the parts. Users with fewer such items get all
 * of them, and -1 behind. */
rk_status rk__candidates_draw(rk_dataset *dataset, int64_t each, uint64_t seed);

#endif
