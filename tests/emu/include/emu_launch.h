/*
 * Launching a kernel: arguments are converted to the kernel's parameter types and copied, as the
 * runtime does it; pointers must point into device memory. Then NVIDIA's C++ overloads of the C
 * API.
 */
#ifndef EMU_LAUNCH_H
#define EMU_LAUNCH_H

#include <functional>
#include <tuple>
#include <utility>

#include "emu_collectives.h"

namespace emu
{

/* early: by programmatic dependent launch, which the kernel has to wait for. */
cudaError_t launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                   const void *kernel, std::function<void()> body, bool early = false);
void check_pointer(int argument, const volatile void *pointer); /* dies on a host pointer */

template <class T> inline void check_argument(int number, const T &value)
{
    if constexpr (std::is_pointer<T>::value) {
        check_pointer(number, (const volatile void *)value);
    } else {
        (void)number;
        (void)value;
    }
}

template <class... P, class... A>
inline cudaError_t launch_with(const cudaLaunchConfig_t &how, bool early, void (*kernel)(P...),
                               A &&...arguments)
{
    static_assert(sizeof...(P) == sizeof...(A), "a kernel's number of arguments");
    std::tuple<std::decay_t<P>...> copies(static_cast<P>(std::forward<A>(arguments))...);
    int number = 0;
    std::apply([&](auto &...value) { (check_argument(number++, value), ...); }, copies);
    return launch(
        how.gridDim, how.blockDim, how.dynamicSmemBytes, how.stream, (const void *)kernel,
        [kernel, copies]() { std::apply(kernel, copies); }, early);
}

template <class... P, size_t... I>
inline cudaError_t launch_from(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                               void (*kernel)(P...), void **arguments, std::index_sequence<I...>)
{
    cudaLaunchConfig_t how = {};
    how.gridDim = grid;
    how.blockDim = block;
    how.dynamicSmemBytes = shared_bytes;
    how.stream = stream;
    return launch_with(how, false, kernel, *static_cast<std::decay_t<P> *>(arguments[I])...);
}

} // namespace emu

template <class... P, class... A>
inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(P...),
                                      A &&...arguments)
{
    bool early = false;
    for (unsigned i = 0; i < config->numAttrs; i++) {
        const cudaLaunchAttributeID id = config->attrs[i].id;
        early = early || (id == cudaLaunchAttributeProgrammaticStreamSerialization &&
                          config->attrs[i].val.programmaticStreamSerializationAllowed);
        if (id == cudaLaunchAttributeClusterDimension || id == cudaLaunchAttributeCooperative) {
            emu::die("launch attribute %d is not emulated", (int)id);
        }
    }
    return emu::launch_with(*config, early, kernel, std::forward<A>(arguments)...);
}

template <class... P>
inline cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void **arguments,
                                    size_t shared_bytes = 0, cudaStream_t stream = nullptr)
{
    return emu::launch_from(grid, block, shared_bytes, stream, kernel, arguments,
                            std::index_sequence_for<P...>());
}

template <class T> inline cudaError_t cudaMalloc(T **pointer, size_t bytes)
{
    return ::cudaMalloc((void **)(void *)pointer, bytes);
}

template <class T> inline cudaError_t cudaMallocHost(T **pointer, size_t bytes)
{
    return ::cudaMallocHost((void **)(void *)pointer, bytes);
}

template <class F>
inline cudaError_t cudaFuncSetAttribute(F *kernel, cudaFuncAttribute attribute, int value)
{
    return ::cudaFuncSetAttribute((const void *)kernel, attribute, value);
}

template <class F>
inline cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, F *kernel,
                                                                 int threads, size_t shared_bytes)
{
    return ::cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (const void *)kernel, threads,
                                                           shared_bytes);
}

template <class T>
inline cudaError_t cudaMemcpyToSymbolAsync(T &symbol, const void *source, size_t bytes,
                                           size_t offset, cudaMemcpyKind kind, cudaStream_t stream)
{
    return ::cudaMemcpyToSymbolAsync((const void *)&symbol, source, bytes, offset, kind, stream);
}

#endif
