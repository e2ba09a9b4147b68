/* Instead of the service, in a program that was built without libmicrohttpd. */
#include <stdio.h>

#include "rankine/status.h"
#include "serve/serve.h"

int serve_until_ended(const serve_options *options, char *message, size_t size)
{
    (void)options;
    snprintf(message, size,
             "this rankine was built without its service: install libmicrohttpd-dev "
             "(tools/install_packages.sh build) and build again");
    return rk_status_exit_code(RK_ERR_CONFIG);
}
