/* Assignments as --set has them, a line each. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "rankine/rankine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_config *config = NULL;
    fuzz_check(rk_config_create(&config) == RK_OK, "there is a config");
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at : size - at;
        (void)rk_config_set(config, fuzz_text(data + at, length), "fuzz");
        at += length + 1;
    }
    (void)rk_config_check(config);
    rk_config_free(config);
    return 0;
}
