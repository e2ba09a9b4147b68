/*
 * The running thread and what its warp and block do together: built-in variables, shared memory,
 * barriers, votes, shuffles. Every collective knows its call site, for two reasons: lanes that meet
 * in different lines have diverged, and a message can say where.
 */
#ifndef EMU_COLLECTIVES_H
#define EMU_COLLECTIVES_H

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector_functions.h>
#include <vector_types.h>

/* Seen by kernel sources: this is the test build. */
#define CUDA_EMU 1

/* A local static of a kernel file is shared memory, and nothing else is one: emu.ld gathers them,
 * so that all shared memory can be poisoned before each block. (A section attribute would say it
 * better, but g++ drops it in templates.) */
#undef __shared__
#define __shared__ static
#undef __launch_bounds__
#define __launch_bounds__(...)

/* Variables, not macros: cudaLaunchConfig_t has members of these names. One block runs at a time,
 * on the thread that waits for it, so plain globals do. */
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
static constexpr int warpSize = 32;

namespace emu
{

struct Current {
    unsigned lane;
    void *smem; /* the block's dynamic shared memory: a heap block of exactly the launched size */
};
extern Current cur;

enum Op {
    SYNCWARP,
    SHUFFLE,
    BALLOT,
    ALL,
    MATCH,
    ADD,
    MIN_UNSIGNED,
    MAX_UNSIGNED,
    MIN_SIGNED,
    MAX_SIGNED,
    AND,
    OR,
    XOR,
    ACTIVEMASK
};
enum BarrierKind { PLAIN, COUNT_OF, ALL_OF, ANY_OF };

/* Waits for the lanes of the mask, gives this lane its result. source: a shuffle's lane. */
uint64_t warp_operation(Op op, unsigned mask, uint64_t value, int source, const char *file,
                        int line);
int block_barrier(BarrierKind kind, int predicate, const char *file, int line);
void fence();
void wait_for_grids(); /* of a launch that may begin before what it depends on has ended */
void step_back();      /* lets other threads run: for loops that wait for one */
[[noreturn]] void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

template <class T> struct identity {
    using type = T;
};
/* A parameter of this type takes no part in deduction. */
template <class T> using exactly = typename identity<T>::type;

template <class T> inline uint64_t to_bits(T value)
{
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable<T>::value,
                  "a value of at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, (const void *)&value, sizeof value);
    return bits;
}

template <class T> inline T from_bits(uint64_t bits)
{
    T value;
    memcpy((void *)&value, &bits, sizeof value);
    return value;
}

/* First lane of the segment of `width` lanes that this lane is in. */
inline int segment(int width)
{
    return (int)cur.lane & ~(width - 1);
}

} // namespace emu

#define EMU_SITE const char *file_ = __builtin_FILE(), int line_ = __builtin_LINE()

/* ---- programmatic dependent launch ---- */

inline void cudaGridDependencySynchronize()
{
    emu::wait_for_grids();
}

inline void cudaTriggerProgrammaticLaunchCompletion()
{
}

/* ---- barriers ---- */

#define EMU_BARRIER(type, name, kind)                                                              \
    inline type name(int predicate, EMU_SITE)                                                      \
    {                                                                                              \
        return emu::block_barrier(emu::kind, predicate, file_, line_);                             \
    }
EMU_BARRIER(int, __syncthreads_count, COUNT_OF)
EMU_BARRIER(int, __syncthreads_and, ALL_OF)
EMU_BARRIER(int, __syncthreads_or, ANY_OF)

inline void __syncthreads(EMU_SITE)
{
    emu::block_barrier(emu::PLAIN, 0, file_, line_);
}

inline void __syncwarp(unsigned mask = ~0u, EMU_SITE)
{
    emu::warp_operation(emu::SYNCWARP, mask, 0, -1, file_, line_);
}

#define EMU_FENCE(name)                                                                            \
    inline void name()                                                                             \
    {                                                                                              \
        emu::fence();                                                                              \
    }
EMU_FENCE(__threadfence)
EMU_FENCE(__threadfence_block)
EMU_FENCE(__threadfence_system)

inline void __nanosleep(unsigned)
{
    emu::step_back();
}

[[noreturn]] inline void __trap()
{
    emu::die("__trap()");
}

/* ---- votes and reductions of a warp ---- */

inline unsigned __activemask(EMU_SITE)
{
    return (unsigned)emu::warp_operation(emu::ACTIVEMASK, ~0u, 0, -1, file_, line_);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, EMU_SITE)
{
    return (unsigned)emu::warp_operation(emu::BALLOT, mask, predicate != 0, -1, file_, line_);
}

inline int __any_sync(unsigned mask, int predicate, EMU_SITE)
{
    return emu::warp_operation(emu::BALLOT, mask, predicate != 0, -1, file_, line_) != 0;
}

inline int __all_sync(unsigned mask, int predicate, EMU_SITE)
{
    return (int)emu::warp_operation(emu::ALL, mask, predicate != 0, -1, file_, line_);
}

template <class T> inline unsigned __match_any_sync(unsigned mask, T value, EMU_SITE)
{
    return (unsigned)emu::warp_operation(emu::MATCH, mask, emu::to_bits(value), -1, file_, line_);
}

#define EMU_REDUCE(name, type, op)                                                                 \
    inline type name(unsigned mask, type value, EMU_SITE)                                          \
    {                                                                                              \
        return (type)emu::warp_operation(emu::op, mask, (uint32_t)value, -1, file_, line_);        \
    }
EMU_REDUCE(__reduce_add_sync, unsigned, ADD)
EMU_REDUCE(__reduce_add_sync, int, ADD)
EMU_REDUCE(__reduce_min_sync, unsigned, MIN_UNSIGNED)
EMU_REDUCE(__reduce_min_sync, int, MIN_SIGNED)
EMU_REDUCE(__reduce_max_sync, unsigned, MAX_UNSIGNED)
EMU_REDUCE(__reduce_max_sync, int, MAX_SIGNED)
EMU_REDUCE(__reduce_and_sync, unsigned, AND)
EMU_REDUCE(__reduce_or_sync, unsigned, OR)
EMU_REDUCE(__reduce_xor_sync, unsigned, XOR)

/* ---- shuffles ---- */

namespace emu
{

template <class T> inline T shuffle(unsigned mask, T value, int source, const char *file, int line)
{
    return from_bits<T>(warp_operation(SHUFFLE, mask, to_bits(value), source, file, line));
}

} // namespace emu

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMU_SITE)
{
    return emu::shuffle(mask, value, emu::segment(width) | (source & (width - 1)), file_, line_);
}

template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMU_SITE)
{
    const int lane = (int)emu::cur.lane, source = lane - (int)delta;
    return emu::shuffle(mask, value, source < emu::segment(width) ? lane : source, file_, line_);
}

template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMU_SITE)
{
    const int lane = (int)emu::cur.lane, source = lane + (int)delta;
    const bool outside = source >= emu::segment(width) + width;
    return emu::shuffle(mask, value, outside ? lane : source, file_, line_);
}

template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMU_SITE)
{
    const int lane = (int)emu::cur.lane, source = lane ^ bits;
    const bool outside = source >= emu::segment(width) + width;
    return emu::shuffle(mask, value, outside ? lane : source, file_, line_);
}

#endif
