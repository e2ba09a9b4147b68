/*
 * Which interactions are train, valid and test: a pure function of the sorted pairs, the options
 * and split.seed, so that neither the order of the rows in the files nor threads change it.
 */
#ifndef RK_DATA_SPLIT_H
#define RK_DATA_SPLIT_H

#include "config/options.h"
#include "data/pairs.h"

/* Fills pairs->part, unless the split is given and it is filled already.
 *
 * leave_one_out  one item of each user for test and, with split.valid > 0, one for valid; users
 *                with fewer than 3 items stay in train
 * ratio          floor(share * n) of each user's n items for test and for valid, at least one each
 *                (if the share is not 0); train keeps at least one; users with fewer than 3 items
 *                stay in train
 * time           test is everything from some moment on, valid the stretch before it; a moment
 *                given by a share is the time stamp of the interaction that begins the share, so
 *                equal stamps stay together and a part may get more than its share
 *
 * Ordered by time, a user's latest items are held out, the very latest for test; of equal stamps
 * the larger item counts as later. At random, every item of a user has the same chance. */
rk_status rk__split(rk_pairs *pairs, const rk_options *options);

#endif
