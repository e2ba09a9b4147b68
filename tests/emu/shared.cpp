/*
 * The static shared memory of all kernels, one piece (emu.ld): NaN and -1 where a block begins.
 *
 * A block writes little of it, and blocks of one kernel write to the same places. So between two
 * blocks only those are poisoned, not some 350 KB. Which they are is learnt by looking for what is
 * not poison, behind a kernel's first blocks and behind every launch: a launch finds no other's.
 */
#include <algorithm>
#include <unordered_map>

#include "worker.h"

extern "C" char __emu_shared_start[], __emu_shared_stop[]; /* emu.ld */

namespace emu
{

constexpr size_t LINE = 64; /* how emu.ld aligns it */
constexpr uint64_t LOOKS = 8;

struct Use {
    uint64_t blocks = 0;                              /* behind which was looked */
    std::vector<bool> lines;                          /* that they wrote to */
    std::vector<std::pair<size_t, size_t>> stretches; /* of lines */
};
static std::unordered_map<const void *, Use> uses;

static size_t shared_size()
{
    return (size_t)(__emu_shared_stop - __emu_shared_start);
}

/* Not by memset, which a sanitizer replaces: AddressSanitizer's red zones lie between. */
static void poison(size_t begin, size_t end)
{
    void *start = __emu_shared_start + begin;
    size_t bytes = end - begin;
#if defined(__x86_64__)
    asm volatile("rep stosb" : "+D"(start), "+c"(bytes) : "a"(POISON) : "memory");
#else
    for (volatile char *p = (volatile char *)start; bytes > 0; bytes--) {
        *p++ = (char)POISON;
    }
#endif
}

static bool is_poison(size_t begin, size_t end)
{
    static_assert(POISON == 0xFF, "bits are looked at");
    uint64_t bits = ~(uint64_t)0;
    for (size_t i = begin; i < end; i += sizeof bits) { /* emu.ld: whole words */
        uint64_t word;
        memcpy(&word, __emu_shared_start + i, sizeof word);
        bits &= word;
    }
    return bits == ~(uint64_t)0;
}

static void remember(Use &use, size_t line)
{
    use.lines[line] = true;
    use.stretches.clear();
    for (size_t i = 0; i < use.lines.size(); i++) {
        const size_t begin = i * LINE, end = std::min(begin + LINE, shared_size());
        if (use.lines[i] && !use.stretches.empty() && use.stretches.back().second == begin) {
            use.stretches.back().second = end;
        } else if (use.lines[i]) {
            use.stretches.push_back({begin, end});
        }
    }
}

static void look(Use &use)
{
    const size_t bytes = shared_size();
    use.lines.resize((bytes + LINE - 1) / LINE);
    for (size_t i = 0; i < use.lines.size(); i++) {
        const size_t begin = i * LINE, end = std::min(begin + LINE, bytes);
        if (!is_poison(begin, end)) {
            poison(begin, end);
            if (!use.lines[i]) {
                remember(use, i);
            }
        }
    }
}

void renew_shared(const void *kernel, bool is_last)
{
    if (shared_size() == 0) {
        return;
    }
    if (under_tsan) { /* each block owns all of it anew */
        renew_memory(__emu_shared_start, shared_size());
        poison(0, shared_size());
        return;
    }
    Use &use = uses[kernel];
    if (is_last || use.blocks < LOOKS) {
        use.blocks++;
        look(use);
        return;
    }
    for (const auto &[begin, end] : use.stretches) {
        poison(begin, end);
    }
}

/* Before the first launch of all. */
static const struct Beginning {
    Beginning()
    {
        if (shared_size() > 0) {
            renew_memory(__emu_shared_start, shared_size());
            poison(0, shared_size());
        }
    }
} beginning;

} // namespace emu
