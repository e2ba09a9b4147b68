/* The whole public API of librankine. */
#ifndef RANKINE_RANKINE_H
#define RANKINE_RANKINE_H

#include "rankine/approximate.h"
#include "rankine/cache.h"
#include "rankine/compare.h"
#include "rankine/config.h"
#include "rankine/dataset.h"
#include "rankine/evaluate.h"
#include "rankine/guess.h"
#include "rankine/hooks.h"
#include "rankine/ids.h"
#include "rankine/info.h"
#include "rankine/metrics.h"
#include "rankine/model.h"
#include "rankine/page.h"
#include "rankine/ranks.h"
#include "rankine/report.h"
#include "rankine/scoring.h"
#include "rankine/search.h"
#include "rankine/sides.h"
#include "rankine/status.h"
#include "rankine/sweep.h"
#include "rankine/train.h"

#endif
