/*
 * Atomics: relaxed, as on the device, so that ThreadSanitizer finds code that takes them for an
 * ordering of other memory. Loads and stores with cache hints are plain ones.
 */
#ifndef EMU_ATOMICS_H
#define EMU_ATOMICS_H

#include "emu_collectives.h"

namespace emu
{

template <size_t SIZE> struct word;
template <> struct word<2> {
    using type = uint16_t;
};
template <> struct word<4> {
    using type = uint32_t;
};
template <> struct word<8> {
    using type = uint64_t;
};

/* *address = change(*address); gives the old value. */
template <class T, class F> inline T read_modify_write(T *address, F change)
{
    using bits = typename word<sizeof(T)>::type;
    if ((uintptr_t)address % sizeof(T) != 0) {
        die("misaligned atomic at %p", (void *)address);
    }
    bits *place = reinterpret_cast<bits *>(address);
    bits before = __atomic_load_n(place, __ATOMIC_RELAXED), after;
    T old_value, new_value;
    do {
        memcpy((void *)&old_value, &before, sizeof old_value);
        new_value = change(old_value);
        memcpy(&after, (const void *)&new_value, sizeof after);
    } while (!__atomic_compare_exchange_n(place, &before, after, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return old_value;
}

} // namespace emu

#define EMU_ATOMIC(name, expression)                                                               \
    template <class T> inline T name(T *address, emu::exactly<T> v)                                \
    {                                                                                              \
        return emu::read_modify_write(address, [v](T o) -> T { return (T)(expression); });         \
    }
EMU_ATOMIC(atomicAdd, o + v)
EMU_ATOMIC(atomicSub, o - v)
EMU_ATOMIC(atomicExch, ((void)o, v))
EMU_ATOMIC(atomicMin, v < o ? v : o)
EMU_ATOMIC(atomicMax, v > o ? v : o)
EMU_ATOMIC(atomicAnd, o &v)
EMU_ATOMIC(atomicOr, o | v)
EMU_ATOMIC(atomicXor, o ^ v)
EMU_ATOMIC(atomicInc, o >= v ? 0 : o + 1)
EMU_ATOMIC(atomicDec, o == 0 || o > v ? v : o - 1)

/* A failed exchange lets others run: a spin lock inside a block then ends. */
template <class T> inline T atomicCAS(T *address, emu::exactly<T> compare, emu::exactly<T> value)
{
    const T old_value = emu::read_modify_write(
        address, [compare, value](T o) -> T { return o == compare ? value : o; });
    if (old_value != compare) {
        emu::step_back();
    }
    return old_value;
}

#define EMU_LOAD(name)                                                                             \
    template <class T> inline T name(const T *address)                                             \
    {                                                                                              \
        return *address;                                                                           \
    }
EMU_LOAD(__ldg)
EMU_LOAD(__ldca)
EMU_LOAD(__ldcg)
EMU_LOAD(__ldcs)
EMU_LOAD(__ldlu)
EMU_LOAD(__ldcv)

#define EMU_STORE(name)                                                                            \
    template <class T> inline void name(T *address, emu::exactly<T> value)                         \
    {                                                                                              \
        *address = value;                                                                          \
    }
EMU_STORE(__stcg)
EMU_STORE(__stcs)
EMU_STORE(__stwb)
EMU_STORE(__stwt)

#endif
