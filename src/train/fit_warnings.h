/* Warnings and facts that a training begins with. */
#ifndef RK_TRAIN_FIT_WARNINGS_H
#define RK_TRAIN_FIT_WARNINGS_H

#include "data/dataset.h"
#include "models/model.h"
#include "train/run_log.h"

void rk__fit_warn(const rk_model_instance *model, const rk_dataset *dataset, rk_run_log *log);

#endif
