"""How pieces of rows come to run on a GPU, and for how long: a warp a piece, blocks of warps.

Times are in cycles of the device. Nothing here knows of bandwidth: loads take their latency, as
many at a time as a warp keeps in flight: the time of a device whose caches are never the limit.
"""
import heapq

WARP = 32  # columns that a warp reads at once


def pieces_of(degrees, most):
    """Edges of each piece, in the order of rows; as src/device/cuda/split_rows.c cuts them."""
    result = []
    for degree in degrees:
        if degree <= most:
            result.append(degree)
            continue
        n = -(-degree // most)
        result += [degree * (i + 1) // n - degree * i // n for i in range(n)]
    return result


def warp_cycles(edges, latency, groups, in_flight, dependent, prefetch):
    """A warp's life on a piece.

    latency    cycles of a load
    groups     edges that one load of the warp gathers
    in_flight  loads of a warp at a time
    dependent  loads between a column and its gather, e.g. that of the column's weight
    prefetch   the next columns are there when they are needed
    """
    loads = 1  # the piece
    for first in range(0, edges, WARP):
        n = min(WARP, edges - first)
        rounds = -(-n // groups)
        loads += (0 if prefetch and first > 0 else 1) + dependent + -(-rounds // in_flight)
    return (loads + 1) * latency  # the row's own weight, beside which the store is nothing


def into_blocks(lives, warps):
    """Blocks of so many warps; a block lives as long as the longest of them."""
    return [max(lives[i:i + warps]) for i in range(0, len(lives), warps)]


def makespan(blocks, slots):
    """When the last block ends: in their order, each takes the first slot that is free."""
    free = [0.0] * min(slots, max(1, len(blocks)))
    for life in blocks:
        heapq.heapreplace(free, free[0] + life)
    return max(free)


def waste(lives, warps):
    """Warp time that blocks hold over warp time that is used; 1 where no warp waits for another."""
    used = sum(lives)
    return warps * sum(into_blocks(lives, warps)) / used if used else 1.0
