#!/usr/bin/env bash
# Runs a program of the emulator with the sanitizers' options.
#
# One OpenMP thread: ThreadSanitizer does not see how libgomp orders its threads, and the CPU device
# is not what is tested here. No randomised addresses where that can be had: the ThreadSanitizer of
# gcc 12 and 13 does not start under kernels that spread mappings over more bits than it knows.
set -u
export OMP_NUM_THREADS=1
export TSAN_OPTIONS="halt_on_error=1:history_size=4:${TSAN_OPTIONS:-}"
export ASAN_OPTIONS="detect_stack_use_after_return=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
if setarch "$(uname -m)" -R true 2>/dev/null; then
    exec setarch "$(uname -m)" -R "$@"
fi
exec "$@"
