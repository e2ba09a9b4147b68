/*
 * Labels of the loss of all items at once (Dettmers, Minervini, Stenetorp, Riedel: Convolutional 2D
 * knowledge graph embeddings, AAAI 2018: 1-N scoring), shared by the host and the kernels.
 *
 * Each user's term is the mean over all n items of the binary cross-entropy of the score s with the
 * label y, log(1 + e^s) - y s. With smoothing e the label of an item that the user has is
 * 1 - e + 1 / n, that of any other 1 / n, as the authors' code has it; without, they are 1 and 0.
 */
#ifndef RK_OPS_LIST_LOSS_H
#define RK_OPS_LIST_LOSS_H

#include "ops/step_state.h"

typedef struct rk_list_labels {
    double own, other;
} rk_list_labels;

RK_HOST_DEVICE static inline rk_list_labels rk__list_labels(double smoothing, int64_t n)
{
    rk_list_labels labels = {1, 0};
    if (smoothing > 0) {
        labels.other = 1 / (double)n;
        labels.own = 1 - smoothing + labels.other;
    }
    return labels;
}

#endif
