/* What the values of rows may be. */
#include "config/internal.h"

/* None, or two with something between them. */
rk_status rk__config_check_values(const rk_config *config)
{
    const rk_reals range = config->options.data.value_range;
    if (range.n != 0 && !(range.n == 2 && range.v[0] < range.v[1])) {
        RK_FAIL(RK_ERR_CONFIG, "%s: give the smallest and the largest value, e.g. [0.5, 5], or []",
                rk__config_says(config, "data.value_range").text);
    }
    return RK_OK;
}
