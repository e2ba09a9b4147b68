/* Cores and memory that this process may use, by the limits of the machine and of a container. */
#ifndef RK_BASE_LIMITS_H
#define RK_BASE_LIMITS_H

#include <stdint.h>

#define RK_CONTROL_GROUP "/sys/fs/cgroup"

/* Cores' worth of processor time in the control group below `root`, rounded up; 0 = no limit. */
int rk__cpu_quota(const char *root);

/* Threads for a run.threads of `wanted`: 0 = all cores that this process may use. */
int rk__threads(int64_t wanted);

/* Bytes that can still be allocated: what the machine has available by `meminfo` (/proc/meminfo),
 * or what is left in the control group below `root`, whichever is less. 0 = not known. */
int64_t rk__memory_available(const char *meminfo, const char *root);

/* The same for this machine. */
int64_t rk__memory_available_here(void);

#endif
