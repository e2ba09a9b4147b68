/* Who started this process, and the module that speaks the launcher's MPI. */
#ifndef RK_DIST_LAUNCH_H
#define RK_DIST_LAUNCH_H

#include "base/error.h"
#include "dist/transport.h"

typedef struct rk_launch {
    int size;             /* processes that were started together; 1 = we are alone */
    int rank;             /* of this one, as the launcher has it; 0 where it does not say */
    const char *by;       /* "mpirun", "srun"; NULL = no launcher was seen */
    const char *variable; /* of the environment, that said so */
} rk_launch;

/* Looks at what launchers put into the environment of the processes that they start. */
rk_launch rk__launch_find(void);

/* The module for MPI, loaded once and never unloaded. RK_ERR_CONFIG with the reason where there is
 * none, or its MPI cannot be loaded. */
rk_status rk__mpi_load(const rk_transport **out);

#endif
