/*
 * Which interactions are train, valid and test: a pure function of the sorted pairs, the options
 * and split.seed, so that neither the order of the rows in the files nor threads change it.
 */
#ifndef RK_DATA_SPLIT_H
#define RK_DATA_SPLIT_H

#include "config/options.h"
#include "data/pairs.h"

typedef struct rk_split_report {
    int64_t tied_users; /* rows of equal time lie on both sides of a boundary of theirs */
    bool has_moments;   /* of a split by time */
    double valid_from, test_from;
    double gap; /* seconds before each of the two that are in no part */
} rk_split_report;

enum { RK_NO_PART = 255 /* of a row in the gap */ };

/* The part of a moment, with has_moments; RK_NO_PART in the gap before one. */
int rk__split_part_at(const rk_split_report *report, double time);

/* Fills pairs->details.part, unless the split is given and it is filled already. Rows of RK_NO_PART
 * are the caller's to drop.
 *
 * leave_one_out  one item of each user for test and, with split.valid > 0, one for valid; users
 *                with fewer than 3 items stay in train
 * ratio          floor(share * n) of each user's n items for test and for valid, at least one each
 *                (if the share is not 0); train keeps at least one; users with fewer than 3 items
 *                stay in train
 * time           test is everything from some moment on, valid the stretch before it; a moment
 *                given by a share is the time stamp of the interaction that begins the share, so
 *                equal stamps stay together and a part may get more than its share
 * users          shares of the users who have 2 items (1 where nothing is given), drawn at random;
 *                floor(split.given * n) of a held-out user's n items are RK_GIVEN, at least one if
 *                the share is not 0, the rest is test or valid: at least one
 * items          all rows of shares of the items, drawn at random
 *
 * Ordered by time, a user's latest items are held out, the very latest for test; of equal stamps
 * the larger item counts as later, or the later row. At random, every item of a user has the same
 * chance. */
rk_status rk__split(rk_pairs *pairs, const rk_options *options, rk_split_report *out);

#endif
