"""Triplets of a uniform user, one of their items and an item that they have not."""
import random

import torch

ATTEMPTS = 4  # of a negative; all are positives with probability (degree / items)^4


def on_device(graph, count):
    """[3, count] drawn without a decision of the host, so that it can be part of a CUDA graph."""
    device = graph.device
    users = graph.eligible[torch.randint(len(graph.eligible), (count,), device=device)]
    degree = graph.degree[users]
    place = (torch.rand(count, device=device, dtype=torch.double) * degree).long()
    positives = graph.train[graph.begin[users] + place] % graph.items
    drawn = torch.randint(graph.items, (ATTEMPTS, count), device=device)
    keys = users * graph.items + drawn
    found = torch.searchsorted(graph.train, keys).clamp(max=len(graph.train) - 1)
    is_negative = graph.train[found] != keys
    first = is_negative.to(torch.uint8).argmax(0, keepdim=True)
    negatives = drawn.gather(0, first).flatten()
    return torch.stack([users, positives + graph.users, negatives + graph.users])


class Loop:
    """The loop over triplets of the usual reference code, kept to plain lists and sets."""

    def __init__(self, graph):
        self.users, self.items = graph.users, graph.items
        self.eligible = graph.eligible.tolist()
        items, begin = (graph.train % graph.items).tolist(), graph.begin.tolist()
        self.lists = [items[a : a + n] for a, n in zip(begin, graph.degree.tolist())]
        self.sets = [set(some) for some in self.lists]

    def sample(self, count):
        triplets = []
        for _ in range(count):
            user = self.eligible[random.randrange(len(self.eligible))]
            some = self.lists[user]
            positive = some[random.randrange(len(some))]
            while True:
                negative = random.randrange(self.items)
                if negative not in self.sets[user]:
                    break
            triplets.append((user, positive + self.users, negative + self.users))
        return torch.tensor(triplets).T
