/*
 * Stacks, and switching between them. The sanitizers are told of every switch by their own
 * interfaces; this file itself is built without instrumentation.
 *
 * On x86-64 a switch is 16 instructions. Elsewhere it is swapcontext, which asks the kernel for the
 * signal mask twice and is 14 times slower.
 */
#include <sys/mman.h>

#include "worker.h"

#if defined(EMU_ASAN)
#include <sanitizer/common_interface_defs.h>
#elif defined(EMU_TSAN)
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_java_init(unsigned long, unsigned long);
extern "C" void __tsan_java_free(unsigned long, unsigned long);
extern "C" void __tsan_java_alloc(unsigned long, unsigned long);
#endif
#if !defined(__x86_64__) || defined(EMU_UCONTEXT)
#include <ucontext.h>
#define EMU_USE_UCONTEXT 1
#endif

#ifndef EMU_USE_UCONTEXT
extern "C" void emu_switch_stacks(void **save, void *load);
asm(R"(
    .text
    .globl emu_switch_stacks
    .type emu_switch_stacks, @function
emu_switch_stacks:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmp *%rcx
    .size emu_switch_stacks, .-emu_switch_stacks
)");
#endif

namespace emu
{

constexpr size_t STACK = 128 << 10, PAGE = 4096;

#ifdef EMU_USE_UCONTEXT
using Context = ucontext_t;
static void change(Context *from, Context *to)
{
    swapcontext(from, to);
}
#else
using Context = void *;
static void change(Context *from, Context *to)
{
    emu_switch_stacks(from, *to);
}
#endif

struct Fiber {
    Context context;
    char *stack;
    void *fake = nullptr; /* AddressSanitizer's */
    void *tsan = nullptr; /* ThreadSanitizer's */
};

static Context scheduler;
#if defined(EMU_ASAN)
static void *scheduler_fake;
static const void *scheduler_stack;
static size_t scheduler_size;
static bool from_scheduler;
#elif defined(EMU_TSAN)
static void *scheduler_tsan;
#endif

void adopt_scheduler()
{
#if defined(EMU_TSAN)
    scheduler_tsan = __tsan_get_current_fiber();
#endif
}

/* On a fiber, behind every switch to it. */
static void arrive([[maybe_unused]] void *fake)
{
#if defined(EMU_ASAN)
    const void *stack;
    size_t size;
    __sanitizer_finish_switch_fiber(fake, &stack, &size);
    if (from_scheduler) {
        scheduler_stack = stack;
        scheduler_size = size;
        from_scheduler = false;
    }
#endif
}

void switch_to(Fiber *fiber)
{
#if defined(EMU_ASAN)
    from_scheduler = true;
    __sanitizer_start_switch_fiber(&scheduler_fake, fiber->stack, STACK);
#elif defined(EMU_TSAN)
    __tsan_switch_to_fiber(fiber->tsan, __tsan_switch_to_fiber_no_sync);
#endif
    change(&scheduler, &fiber->context);
#if defined(EMU_ASAN)
    __sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);
#endif
}

void switch_from(Fiber *self, Fiber *next)
{
#if defined(EMU_ASAN)
    __sanitizer_start_switch_fiber(&self->fake, next ? next->stack : scheduler_stack,
                                   next ? STACK : scheduler_size);
#elif defined(EMU_TSAN)
    __tsan_switch_to_fiber(next ? next->tsan : scheduler_tsan, __tsan_switch_to_fiber_no_sync);
#endif
    change(&self->context, next ? &next->context : &scheduler);
    arrive(self->fake);
}

/* One thread after the other. */
static void fiber_main()
{
    arrive(nullptr);
    for (;;) {
        run_thread();
    }
}

Fiber *new_fiber()
{
    Fiber *fiber = new Fiber;
    void *memory = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE)) {
        die("no memory for a fiber's stack");
    }
    fiber->stack = static_cast<char *>(memory) + PAGE;
#ifdef EMU_USE_UCONTEXT
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = fiber->stack;
    fiber->context.uc_stack.ss_size = STACK;
    fiber->context.uc_link = nullptr;
    makecontext(&fiber->context, fiber_main, 0);
#else
    /* At entry the stack pointer is 8 mod 16. The tops are staggered: else the hot lines of all
     * fibers fall into the same sets of the cache. */
    static unsigned colour;
    void **top = (void **)(fiber->stack + STACK - colour++ * 576 % 16384 / 64 * 64);
    *--top = nullptr;
    *--top = (void *)fiber_main;
    for (int saved_registers = 0; saved_registers < 6; saved_registers++) {
        *--top = nullptr;
    }
    fiber->context = top;
#endif
#if defined(EMU_TSAN)
    fiber->tsan = __tsan_create_fiber(0);
#endif
    return fiber;
}

#if defined(EMU_TSAN)
void release_edge(void *edge)
{
    __tsan_release(edge);
}

void acquire_edge(void *edge)
{
    __tsan_acquire(edge);
}

void renew_memory(void *start, size_t bytes)
{
    static bool known;
    const unsigned long address = (unsigned long)start, length = (bytes + 7) & ~7ul;
    if (known) {
        __tsan_java_free(address, length);
    } else {
        __tsan_java_init(address, length);
    }
    known = true;
    __tsan_java_alloc(address, length);
}
#endif

} // namespace emu
