/* What a test can ask of the emulated device, beyond the environment (emu_internal.h). */
#ifndef EMU_CONTROL_H
#define EMU_CONTROL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is wrong with the device from now on (device_info.cpp has the list); "" or NULL = nothing.
 * Repairs what an earlier fault broke. */
void emu_set_fault(const char *fault);
/* Bytes of each device's memory, all told. */
void emu_set_memory(size_t bytes);
/* How many devices there are. */
void emu_set_devices(int n);
/* The calling thread's current device, as cudaSetDevice makes it. */
void emu_use_device(int device);
/* The n-th allocation of device memory from now on fails, counted from 1; 0 = none. */
void emu_fail_malloc(unsigned long long n);
/* Launches so far. */
unsigned long long emu_launches(void);

#ifdef __cplusplus
}
#endif
#endif
