/*
 * Debian's libhdf5.a was compiled for programs: it takes stdin, stdout and stderr from where only a
 * program has them, and no shared library can be linked from it. In a copy of it these names are
 * replaced by those below (cmake/python.cmake); that is all that stands in the way.
 */
#include <stdio.h>

#define HIDDEN __attribute__((visibility("hidden")))

extern HIDDEN FILE *rk__hdf5_stdin, *rk__hdf5_stdout, *rk__hdf5_stderr;
HIDDEN FILE *rk__hdf5_stdin, *rk__hdf5_stdout, *rk__hdf5_stderr;

__attribute__((constructor)) static void take_streams(void)
{
    rk__hdf5_stdin = stdin;
    rk__hdf5_stdout = stdout;
    rk__hdf5_stderr = stderr;
}
