/* The space of a sweep, YAML or hyper.test: what can be read is printed, and reads as the same. */
#include <string.h>

#include "base/alloc.h"
#include "config/internal.h"
#include "fuzz/fuzz.h"
#include "sweep/space.h"

static char *text_of(const rk_space *space)
{
    rk_buffer buffer = {0};
    char *text = NULL;
    rk__space_print(space, "", &buffer);
    fuzz_check(rk__buffer_take(&buffer, &text) == RK_OK, "a space has a text");
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rk_config *config = NULL;
    rk_space space = {0}, again = {0};
    fuzz_check(rk__config_create(&config, "config") == RK_OK, "a config of defaults");
    if (rk__space_read(&space, fuzz_file(data, size), config) == RK_OK) {
        char *text = text_of(&space);
        const char *path = fuzz_file((const uint8_t *)text, strlen(text));
        fuzz_check(rk__space_read(&again, path, config) == RK_OK, "what is printed can be read");
        char *other = text_of(&again);
        fuzz_check(strcmp(text, other) == 0, "what is read again is the same space");
        rk__free(text);
        rk__free(other);
    } else {
        fuzz_check(rk_last_error()[0] != '\0', "an error has a message");
    }
    rk__space_free(&space);
    rk__space_free(&again);
    rk_config_free(config);
    return 0;
}
