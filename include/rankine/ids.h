/*
 * What an id may be: for programs that write rows for a later data set.
 *
 * Threads: any number of them may ask with the same config, as long as nobody changes that.
 */
#ifndef RANKINE_IDS_H
#define RANKINE_IDS_H

#include "rankine/config.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether a row of a source may have this id, by data.ids and data.missing_ids: RK_ERR_DATA for one
 * that preparing would refuse or leave out; the sentence begins with the id. */
RK_API rk_status rk_config_check_id(const rk_config *config, const char *id);

#ifdef __cplusplus
}
#endif
#endif
