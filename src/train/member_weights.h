/* The weights of an ensemble's members, chosen on valid. */
#ifndef RK_TRAIN_MEMBER_WEIGHTS_H
#define RK_TRAIN_MEMBER_WEIGHTS_H

#include "train/trainer.h"

/* Where model.member_weights leaves the choice: equal weights and each member alone are looked at,
 * then from the best of them one weight after the other, until none gets better. By eval.metric on
 * valid, on eval.users of its users. The chosen ones are in the engine and in run->members; given
 * ones stay. Without a valid part the weights are equal, with a warning. */
rk_status rk__member_weights_choose(rk_trainer *run);

#endif
