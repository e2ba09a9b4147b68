#include "dist/launch.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"

/* Of a variable of the environment; -1 = it holds none that a launcher would set. */
static int number_in(const char *variable)
{
    const char *text = getenv(variable);
    int64_t number = -1;
    bool is_number = text && rk__parse_int(text, strlen(text), &number) == RK_PARSE_OK;
    return is_number && number >= 0 && number < 1000000 ? (int)number : -1;
}

rk_launch rk__launch_find(void)
{
    /* A job's own variables (SLURM_NTASKS) are seen by its script, too, which is one process: only
     * what a launcher says of the step counts. */
    static const struct {
        const char *size, *rank, *by;
    } launchers[] = {
        {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "mpirun"},
        {"PMI_SIZE", "PMI_RANK", "mpiexec"},
        {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "mpirun_rsh"},
        {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "srun"},
    };
    rk_launch found = {.size = 1};
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0] && !found.by; i++) {
        const int size = number_in(launchers[i].size), rank = number_in(launchers[i].rank);
        if (size > 0) {
            found = (rk_launch){.size = size,
                                .rank = rank > 0 ? rank : 0,
                                .by = launchers[i].by,
                                .variable = launchers[i].size};
        }
    }
    return found;
}

/* ---- the module ---- */

enum { PATH_SIZE = 4096 };

#define MODULE "rankine-mpi.so"

/* Where it is: RANKINE_MPI_MODULE, or beside the library that this function is in. */
static bool find_module(char out[PATH_SIZE])
{
    const char *named = getenv("RANKINE_MPI_MODULE");
    Dl_info here;
    if (named && *named) {
        snprintf(out, PATH_SIZE, "%s", named);
        return true;
    }
    if (dladdr((void *)rk__launch_find, &here) == 0 || !here.dli_fname) {
        return false;
    }
    const char *slash = strrchr(here.dli_fname, '/');
    int folder = slash ? (int)(slash - here.dli_fname) : 1;
    static const char *const places[] = {"", "/rankine", "/../lib/rankine"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(out, PATH_SIZE, "%.*s%s/" MODULE, folder, slash ? here.dli_fname : ".", places[i]);
        if (access(out, R_OK) == 0) {
            return true;
        }
    }
    return false;
}

rk_status rk__mpi_load(const rk_transport **out)
{
    char path[PATH_SIZE];
    const rk_transport *(*entry)(void) = NULL;
    *out = NULL;
    if (!find_module(path)) {
        RK_FAIL(RK_ERR_CONFIG, "this build has no MPI (" MODULE " is not beside the library): "
                               "install libopenmpi-dev and build again");
    }
    /* Global: MPI loads plug-ins that look for its symbols. */
    void *module = dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
    if (!module) {
        RK_FAIL(RK_ERR_CONFIG, "MPI cannot be loaded: %s", dlerror());
    }
    *(void **)&entry = dlsym(module, "rankine_mpi_transport");
    if (!entry || entry()->version != RK_TRANSPORT_VERSION) {
        RK_FAIL(RK_ERR_CONFIG, "%s is of another version of rankine: build or install it again",
                path);
    }
    *out = entry();
    return RK_OK;
}
