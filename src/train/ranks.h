/*
 * A training by several ranks: each does the same with its own columns of the model's tables. Rank
 * 0 alone talks and writes; decisions (how many steps, whether a check is better, to stop) are the
 * same on all, so that they come to the same exchanges.
 */
#ifndef RK_TRAIN_RANKS_H
#define RK_TRAIN_RANKS_H

#include "train/trainer.h"

/* Finds the other ranks, trainer->comm; all of them must want the same. */
rk_status rk__ranks_open(rk_trainer *trainer, const rk_train_options *how, const rk_hooks *hooks);
/* Rank 0 takes the folder, all of them learn where it is. */
rk_status rk__ranks_take_folder(rk_trainer *trainer, const rk_train_options *how);
/* Bytes that this rank has sent for a step: measured, of GPUs what NCCL's ring sends, for a graph
 * that is replayed tells nobody. */
int64_t rk__ranks_bytes_per_step(const rk_trainer *trainer);
/* Logs who has what and exchanges how much. */
void rk__ranks_tell(rk_trainer *trainer);

#endif
