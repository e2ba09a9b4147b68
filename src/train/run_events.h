/* What a run tells TensorBoard: the lines of metrics.jsonl, and the metrics of the chosen model. */
#ifndef RK_TRAIN_RUN_EVENTS_H
#define RK_TRAIN_RUN_EVENTS_H

#include "train/trainer.h"

/* The numbers of the line that metrics.jsonl has got for the record behind the last one; metrics
 * NULL = no check. Tags: loss/total and loss/TERM; train/learning_rate, train/samples_per_second,
 * train/seconds, train/check_seconds; PART/METRIC, "valid/ndcg@10". */
rk_status rk__run_events_epoch(rk_trainer *trainer, const rk_metrics *metrics);

/* final/PART/METRIC of the model that was chosen, at the last epoch that was trained: all that
 * models have that are fitted at once. Not once more by a run that only writes its report anew. */
rk_status rk__run_events_final(rk_trainer *trainer, const rk_summary *report);

#endif
