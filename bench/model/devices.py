"""GPUs as the model sees them: figures published by their maker, or measured by others.

Measured ones are of RRZE-HPC/gpu-benches (on github.com), whose text files hold every figure here:

  l2_read      gpu-l2-cache: blocks read 512 KB each, in order, of a set that the cache holds;
               h200.txt at 18 MB, a100_80.txt at 18 MB, l40.txt
  l2_holds     the largest set there before that rate falls: h200.txt 44 MB, a100_80.txt 28 MB
  l2_latency   gpu-latency, one warp that chases pointers through 18 MB: gh200.txt 280 cycles at
               1,980 MHz, a100_80.txt 220 at 1,410, l40.txt 274 at 2,490; and 20 more for the
               shuffle and the address before the load
  memory       gpu-l2-cache far beyond the cache (reads): h200.txt 3,888 GB/s, a100_80.txt 1,840;
               l40.txt 98 % of its peak, taken for the RTX 4090 as well
  node         gpu-small-kernels as a CUDA graph, a kernel over 4,096 doubles (64 KB / GB/s):
               h200_graph.txt 1.31 us, a100_80_graph.txt 1.4 (blocks of 256), l40_graph.txt 0.96

What nobody measured there: the H100 SXM has the H200's chip and clocks, so its cache and launches;
its memory is 3.35 TB/s at best, taken at the H200's share of peak (3.89 of 4.8). The RTX 4090 has
the L40's chip with 128 of 142 processors at about the same clock, so its launches; its cache reads
5.0 TB/s (chipsandcheese.com, "Microbenchmarking Nvidia's RTX 4090"), its L2 latency is 296 cycles
(markdewing/AI_kernels, latency/README.md), its l2_holds the L40's share of its size. Numbers of
processors, warps, clocks, peaks of TF32 without sparsity: NVIDIA's white papers of A100, H100 and
Ada, and the H200's data sheet.
"""
from dataclasses import dataclass


@dataclass
class Device:
    title: str
    capability: int  # compute capability, times ten
    sms: int
    clock: float  # GHz that a long run holds
    warps: int  # an SM's at a time
    registers: int  # of an SM
    l2_holds: float  # MB that stay in the second-level cache
    l2_read: float  # TB/s
    l2_latency: float  # cycles
    memory: float  # TB/s
    node: float  # us from a tiny node of a graph to the next
    tf32: float  # TFLOP/s
    gigabytes: int = 0  # of memory


DEVICES = {
    "h200": Device("H200", 90, 132, 1.755, 64, 65536, 44, 9.7, 300, 3.89, 1.31, 494, 141),
    "h100": Device("H100 SXM", 90, 132, 1.755, 64, 65536, 44, 9.7, 300, 2.71, 1.31, 494, 80),
    "a100": Device("A100 80 GB", 80, 108, 1.41, 64, 65536, 28, 5.4, 240, 1.84, 1.4, 156, 80),
    "rtx4090": Device("RTX 4090", 89, 128, 2.52, 48, 65536, 68, 5.0, 316, 0.99, 0.96, 82.6, 24),
}
