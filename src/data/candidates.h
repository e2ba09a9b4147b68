/* Candidates of held-out rows (split.candidates): what a target is ranked among, drawn once. */
#ifndef RK_DATA_CANDIDATES_H
#define RK_DATA_CANDIDATES_H

#include "data/dataset.h"

/* Draws split.candidates distinct items for every row of valid and test from those that its user
 * has in no part, by split.candidates_by: uniformly, or one after the other with chances
 * proportional to their train interactions. By split.seed alone: a pure function of the parts.
 * RK_ERR_DATA, naming the user, where there are fewer such items. */
rk_status rk__candidates_draw(rk_dataset *dataset, const rk_options *options);

#endif
