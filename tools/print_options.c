/* Prints docs/options.md: cmake --build BUILD --target docs */
#include <stdio.h>

#include "rankine/rankine.h"

int main(void)
{
    char *text = NULL;
    rk_status status = rk_config_reference(true, &text);
    if (status != RK_OK) {
        fprintf(stderr, "print_options: %s\n", rk_last_error());
        return rk_status_exit_code(status);
    }
    int written = fputs(text, stdout);
    rk_string_free(text);
    return written < 0 || fflush(stdout) != 0;
}
