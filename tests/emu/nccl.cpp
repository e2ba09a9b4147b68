/*
 * NCCL: the calls that the library makes (src/dist/nccl.h), between processes that share a file.
 *
 * What is queued happens when the stream gets there, and then when all ranks are there with it: a
 * stream that waits for another rank is not ready, as on a device. The ranks compare what they
 * call. NCCL does not: there another order or another count is a hang, or a wrong sum. A rank that
 * does not come for EMU_NCCL_SECONDS (20) is an error, too. If its process is dead, who asks the
 * stream is told "not ready" until the communicator is aborted; who waits in a replayed graph is
 * let go after a second, with NaN as the result and an asynchronous error.
 *
 * EMU_NCCL_FAULT=async:N makes the N-th operation fail so.
 */
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>

#include "emu_collectives.h"
#include "emu_internal.h"

struct ncclUniqueId {
    char path[128];
};

namespace
{

enum result { SUCCESS = 0, SYSTEM_ERROR = 2, INVALID_ARGUMENT = 4, REMOTE_ERROR = 6 };
enum type { FLOAT32 = 7, FLOAT64 = 8 };
enum kind { ALL_REDUCE, ALL_GATHER };
const char *const names[] = {"ncclAllReduce", "ncclAllGather"};

constexpr int MOST_RANKS = 16;
constexpr size_t ROOM = (size_t)64 << 20; /* bytes of a rank's contribution; the file is sparse */

struct Slot {
    std::atomic<uint64_t> published, done; /* numbers of operations */
    std::atomic<pid_t> process;
    uint64_t kind, n;
    int type;
};

struct Shared {
    std::atomic<int> attached;
    Slot slots[MOST_RANKS];
};

constexpr size_t HEAD = 65536;
static_assert(sizeof(Shared) <= HEAD, "the head of the file");

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began)
{
    return std::chrono::duration<double>(Clock::now() - began).count();
}

} // namespace

struct ncclComm {
    Shared *shared;
    size_t bytes;
    int rank, size, device;
    uint64_t operations = 0;
    int error = SUCCESS;
    bool aborted = false, replays = false;
    Clock::time_point waits_since{};
    bool waits = false;

    char *data(int r) const
    {
        return (char *)shared + HEAD + (size_t)r * ROOM;
    }
};

namespace
{

/* All ranks have got to `number` in what `of` counts, or there is no sense in waiting. */
bool have_all(ncclComm *comm, std::atomic<uint64_t> Slot::*of, uint64_t number, const char *name)
{
    if (comm->aborted || comm->error != SUCCESS) {
        return true;
    }
    int missing = -1;
    for (int r = 0; r < comm->size && missing < 0; r++) {
        missing = (comm->shared->slots[r].*of).load(std::memory_order_acquire) < number ? r : -1;
    }
    if (missing < 0) {
        comm->waits = false;
        return true;
    }
    if (!comm->waits) {
        comm->waits = true;
        comm->waits_since = Clock::now();
    }
    const char *text = getenv("EMU_NCCL_SECONDS");
    const double waited = seconds_since(comm->waits_since);
    const bool is_dead = kill(comm->shared->slots[missing].process, 0) != 0 && errno == ESRCH;
    if (is_dead && comm->replays && waited > 1) {
        comm->error = REMOTE_ERROR;
        return true;
    }
    if (!is_dead && waited > (text ? strtod(text, nullptr) : 20)) {
        emu::die("%s, operation %llu: rank %d has waited for rank %d, which makes fewer calls",
                 name, (unsigned long long)number, comm->rank, missing);
    }
    return false;
}

void compare(const ncclComm *comm, uint64_t number)
{
    const Slot &ours = comm->shared->slots[comm->rank];
    for (int r = 0; r < comm->size; r++) {
        const Slot &s = comm->shared->slots[r];
        if (s.kind != ours.kind || s.n != ours.n || s.type != ours.type) {
            emu::die("NCCL operation %llu is %s of %llu numbers of type %d on rank %d and %s of "
                     "%llu numbers of type %d on rank %d",
                     (unsigned long long)number, names[ours.kind], (unsigned long long)ours.n,
                     ours.type, comm->rank, names[s.kind], (unsigned long long)s.n, s.type, r);
        }
    }
}

template <class T> void add_up(const ncclComm *comm, T *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        T sum = ((const T *)comm->data(0))[i];
        for (int r = 1; r < comm->size; r++) {
            sum += ((const T *)comm->data(r))[i];
        }
        to[i] = sum;
    }
}

void finish(ncclComm *comm, void *to, uint64_t number)
{
    Slot &ours = comm->shared->slots[comm->rank];
    const size_t width = ours.type == FLOAT32 ? 4 : 8;
    if (comm->aborted || comm->error != SUCCESS) {
        memset(to, emu::POISON, ours.n * width * (ours.kind == ALL_GATHER ? comm->size : 1));
        return;
    }
    compare(comm, number);
    for (int r = 0; r < comm->size && ours.kind == ALL_GATHER; r++) {
        memcpy((char *)to + (size_t)r * ours.n * width, comm->data(r), ours.n * width);
    }
    if (ours.kind == ALL_REDUCE && ours.type == FLOAT32) {
        add_up(comm, (float *)to, ours.n);
    } else if (ours.kind == ALL_REDUCE) {
        add_up(comm, (double *)to, ours.n);
    }
    ours.done.store(number, std::memory_order_release);
    const char *fault = getenv("EMU_NCCL_FAULT");
    if (fault && strncmp(fault, "async:", 6) == 0 && strtoull(fault + 6, nullptr, 10) == number) {
        comm->error = REMOTE_ERROR;
    }
}

void publish(ncclComm *comm, kind what, const void *from, size_t n, int type)
{
    if (comm->aborted || comm->error != SUCCESS) {
        return;
    }
    Slot &ours = comm->shared->slots[comm->rank];
    ours.kind = what;
    ours.n = n;
    ours.type = type;
    memcpy(comm->data(comm->rank), from, n * (type == FLOAT32 ? 4 : 8));
    ours.published.store(++comm->operations, std::memory_order_release);
}

int queue(ncclComm *comm, kind what, const void *from, void *to, size_t n, int type,
          cudaStream_t stream)
{
    if (!comm || comm->aborted || (type != FLOAT32 && type != FLOAT64)) {
        return INVALID_ARGUMENT;
    }
    const size_t bytes = n * (type == FLOAT32 ? 4 : 8);
    if (comm->device != emu::current_device()) {
        emu::die("%s: the communicator is of device %d, device %d is current", names[what],
                 comm->device, emu::current_device());
    }
    if (bytes > ROOM) {
        emu::die("%s: %zu bytes are more than this stand-in has room for", names[what], bytes);
    }
    const size_t result = what == ALL_GATHER ? bytes * comm->size : bytes;
    if (n > 0 && (!emu::is_device(from) || !emu::is_device(to) ||
                  !emu::find_allocation(from, bytes) || !emu::find_allocation(to, result))) {
        emu::die("%s: %zu bytes at %p or %zu at %p are not in device memory", names[what], bytes,
                 from, result, to);
    }
    comm->replays = comm->replays || emu::is_capturing(stream);
    /* Room for our numbers is there once all have read the last ones. */
    cudaError_t error = emu::enqueue_when(
        stream, [=] { return have_all(comm, &Slot::done, comm->operations, names[what]); },
        [=] { publish(comm, what, from, n, type); });
    if (error == cudaSuccess) {
        error = emu::enqueue_when(
            stream, [=] { return have_all(comm, &Slot::published, comm->operations, names[what]); },
            [=] { finish(comm, to, comm->operations); });
    }
    return error == cudaSuccess ? SUCCESS : 1;
}

bool all_attach(Shared *shared, int size)
{
    const auto began = Clock::now();
    while (shared->attached < size) {
        if (seconds_since(began) > 20) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

} // namespace

extern "C" {

int ncclGetVersion(int *version)
{
    *version = 22703;
    return SUCCESS;
}

const char *ncclGetErrorString(int result)
{
    return result == SUCCESS            ? "no error"
           : result == INVALID_ARGUMENT ? "invalid argument"
           : result == REMOTE_ERROR     ? "remote process exited or there was a network error"
                                        : "unhandled system error";
}

const char *ncclGetLastError(ncclComm *)
{
    return "";
}

int ncclGetUniqueId(ncclUniqueId *id)
{
    const char *folder = getenv("TMPDIR");
    snprintf(id->path, sizeof id->path, "%.100s/emu-nccl-XXXXXX", folder ? folder : "/tmp");
    const int file = mkstemp(id->path);
    const bool ok = file >= 0 && ftruncate(file, HEAD + MOST_RANKS * ROOM) == 0;
    if (file >= 0) {
        close(file);
    }
    return ok ? SUCCESS : SYSTEM_ERROR;
}

int ncclCommInitRank(ncclComm **out, int size, ncclUniqueId id, int rank)
{
    if (size > MOST_RANKS || rank < 0 || rank >= size) {
        return INVALID_ARGUMENT;
    }
    const int file = open(id.path, O_RDWR);
    if (file < 0) {
        return SYSTEM_ERROR;
    }
    const size_t bytes = HEAD + (size_t)size * ROOM;
    void *memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) {
        return SYSTEM_ERROR;
    }
    ncclComm *comm = new ncclComm{(Shared *)memory, bytes, rank, size, emu::current_device()};
    comm->shared->slots[rank].process = getpid();
    comm->shared->attached++;
    const bool ok = all_attach(comm->shared, size);
    if (rank == 0) {
        unlink(id.path);
    }
    *out = comm;
    return ok ? SUCCESS : REMOTE_ERROR;
}

int ncclCommGetAsyncError(ncclComm *comm, int *error)
{
    *error = comm->error;
    return SUCCESS;
}

int ncclCommAbort(ncclComm *comm)
{
    comm->aborted = true;
    emu::drain_all();
    munmap(comm->shared, comm->bytes);
    delete comm;
    return SUCCESS;
}

int ncclCommDestroy(ncclComm *comm)
{
    emu::drain_all();
    munmap(comm->shared, comm->bytes);
    delete comm;
    return SUCCESS;
}

int ncclAllReduce(const void *from, void *to, size_t n, int type, int op, ncclComm *comm,
                  cudaStream_t stream)
{
    return op == 0 ? queue(comm, ALL_REDUCE, from, to, n, type, stream) : INVALID_ARGUMENT;
}

int ncclAllGather(const void *from, void *to, size_t n, int type, ncclComm *comm,
                  cudaStream_t stream)
{
    return queue(comm, ALL_GATHER, from, to, n, type, stream);
}
}
