/* What the system lets this process have: cores and memory, of the machine or of a container. */
#ifndef RK_BASE_LIMITS_H
#define RK_BASE_LIMITS_H

#include <stdint.h>

#define RK_CONTROL_GROUP "/sys/fs/cgroup"

/* Cores that the control group below `root` has processor time for, rounded up; 0 = no limit. */
int rk__cpu_quota(const char *root);

/* Bytes that can still be allocated: what the machine has available by `meminfo` (/proc/meminfo),
 * or what the control group below `root` leaves, if that is less. 0 = not known. */
int64_t rk__memory_available(const char *meminfo, const char *root);

/* The same of this machine. */
int64_t rk__memory_available_here(void);

#endif
