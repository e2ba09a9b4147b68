/*
 * Items by what their labels say: "star wars" finds all episodes, "lodz" the title with Łódź.
 *
 * Threads: once an index is there nothing changes it; any number of threads may ask it.
 */
#ifndef RANKINE_SEARCH_H
#define RANKINE_SEARCH_H

#include <stdint.h>

#include "rankine/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_label_index rk_label_index;

/* An index of the labels of a data set, which is lent for its life. It takes about as much memory
 * as the labels. RK_ERR_DATA if the data set has no labels. Free with rk_label_index_free. */
RK_API rk_status rk_label_index_create(const rk_dataset *dataset, rk_label_index **out);

/* NULL is fine. */
RK_API void rk_label_index_free(rk_label_index *index);

/* The items whose labels have, for each word of `text` (UTF-8), a word that begins with it. Case,
 * accents, punctuation and forms of Unicode do not matter. First labels that are the text, then
 * those that begin with it, then the others; among equals first those with more train interactions,
 * then the smaller index. Up to k dense indices into items; *out_n is the number of all that were
 * found. RK_ERR_CONFIG for a text without a word, or that is not UTF-8. */
RK_API rk_status rk_label_index_find(const rk_label_index *index, const char *text, int64_t k,
                                     int32_t *items, int64_t *out_n);

#ifdef __cplusplus
}
#endif
#endif
