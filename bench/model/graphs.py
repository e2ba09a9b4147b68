"""Degrees of the nodes of a graph, users first: of a real one or of a size."""
import os
import random


class Graph:
    def __init__(self, name, users, items):
        self.name, self.users, self.items = name, users, items
        self.batches, self.popular = {}, {}  # what was asked before

    @property
    def degrees(self):
        """Of all nodes."""
        return self.users + self.items

    @property
    def edges(self):
        """Directed: each pair twice."""
        return sum(self.users) + sum(self.items)

    def batch_rows(self, batch, seed=1):
        """Which nodes a batch of triplets names: a uniform user, an item by its degree (nearly what
        one of a uniform user's items is), a uniform item. A list of bools, users first."""
        key = (batch, seed)
        if key not in self.batches:
            rng = random.Random(seed)
            active = [False] * len(self.degrees)
            first = len(self.users)
            for item in rng.choices(range(len(self.items)), weights=self.items, k=batch):
                active[rng.randrange(first)] = True
                active[first + item] = True
                active[first + rng.randrange(len(self.items))] = True
            self.batches[key] = active
        return self.batches[key]

    def hit_share(self, side, rows_that_fit):
        """Share of gathers that a cache answers which keeps the rows that are gathered most; side
        is whose sums they are: the other side's rows are gathered."""
        if side not in self.popular:
            rows = {"users": self.items, "items": self.users}.get(side, self.degrees)
            self.popular[side] = sorted(rows, reverse=True)
        rows = self.popular[side]
        if rows_that_fit >= len(rows):
            return 1.0
        return sum(rows[:max(0, int(rows_that_fit))]) / max(1, sum(rows))


def read_adjacency(path):
    """LightGCN's train.txt: a user and their items a line."""
    users, items = [], {}
    with open(path, encoding="ascii") as file:
        for line in file:
            words = line.split()
            if words:
                users.append(len(words) - 1)
                for item in words[1:]:
                    items[item] = items.get(item, 0) + 1
    order = sorted(items, key=int)
    return Graph(os.path.basename(os.path.dirname(os.path.abspath(path))) or "graph", users,
                 [items[item] for item in order])


def generated(name, n_users, n_items, n_pairs, exponent=0.9, spread=0.77, seed=2020):
    """Nearly the degrees of `rankine synth`: users lognormal, items a power of their rank bent so
    that nobody has an item twice; in the order of chance."""
    rng = random.Random(seed)
    users = [rng.lognormvariate(0, spread) for _ in range(n_users)]
    users = [max(1, min(n_items, round(u * n_pairs / sum(users)))) for u in users]
    weight = [(rank + 1) ** -exponent for rank in range(n_items)]
    low, high = 0.0, float(n_users) * n_items
    for _ in range(60):
        scale = (low + high) / 2
        enough = sum(capped(scale * w, n_users) for w in weight) >= n_pairs
        low, high = (low, scale) if enough else (scale, high)
    items = [max(1, round(capped(scale * w, n_users))) for w in weight]
    rng.shuffle(items)
    level(items, n_pairs - sum(items), n_users)
    level(users, n_pairs - sum(users), n_items)
    return Graph(name, users, items)


def capped(expected, most):
    return most * expected / (most + expected)


def level(degrees, missing, most):
    """Adds `missing` to the sum, one at a time round the list; each stays within 1 and most."""
    step = 1 if missing > 0 else -1
    at = 0
    while missing:
        if 1 <= degrees[at] + step <= most:
            degrees[at] += step
            missing -= step
        at = (at + 1) % len(degrees)
