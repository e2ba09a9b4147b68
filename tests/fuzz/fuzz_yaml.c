/* A config file: what can be loaded is printed, and loads again as the same. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "rankine/rankine.h"

static char *text_of(const rk_config *config)
{
    char *text = NULL;
    fuzz_check(rk_config_text(config, false, &text) == RK_OK, "a config has a text");
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_config *config = NULL, *again = NULL;
    if (rk_config_load(&config, fuzz_file(data, size)) != RK_OK) {
        fuzz_check(rk_last_error()[0] != '\0', "an error has a message");
        return 0;
    }
    char *text = text_of(config);
    fuzz_check(rk_config_load(&again, fuzz_file((const uint8_t *)text, strlen(text))) == RK_OK,
               "the text of a config can be loaded");
    char *other = text_of(again);
    fuzz_check(strcmp(text, other) == 0, "the text of a config is that config");
    (void)rk_config_check(config);
    rk_string_free(text);
    rk_string_free(other);
    rk_config_free(config);
    rk_config_free(again);
    return 0;
}
