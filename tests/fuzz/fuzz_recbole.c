/* A config of RecBole's: what is taken is printed as one of ours, which loads as the same. */
#include <string.h>

#include "fuzz/fuzz.h"
#include "rankine/rankine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_config *config = NULL, *again = NULL;
    char *notes = NULL, *text = NULL, *other = NULL;
    if (rk_config_load_recbole(&config, fuzz_file(data, size), &notes) != RK_OK) {
        fuzz_check(rk_last_error()[0] != '\0', "an error has a message");
        fuzz_check(!config && !notes, "nothing is left of a failure");
        return 0;
    }
    fuzz_check(rk_config_text(config, false, &text) == RK_OK, "a config has a text");
    fuzz_check(rk_config_load(&again, fuzz_file((const uint8_t *)text, strlen(text))) == RK_OK,
               "the text of a config can be loaded");
    fuzz_check(rk_config_text(again, false, &other) == RK_OK, "a config has a text");
    fuzz_check(strcmp(text, other) == 0, "the text of a config is that config");
    rk_string_free(text);
    rk_string_free(other);
    rk_string_free(notes);
    rk_config_free(config);
    rk_config_free(again);
    return 0;
}
