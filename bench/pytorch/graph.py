"""The split, the initial weights and the triplets that a Rankine arm has written, as tensors."""
import os

import torch


def read(folder, name):
    dtype = {"i64": torch.int64, "i32": torch.int32, "f32": torch.float32}[name.rsplit(".", 1)[1]]
    path = os.path.join(folder, name)
    count = os.path.getsize(path) // torch.empty((), dtype=dtype).element_size()
    if count == 0:
        return torch.empty(0, dtype=dtype)
    return torch.from_file(path, shared=False, size=count, dtype=dtype)


def read_lists(folder, part, items):
    """Sorted keys user * items + item, and the number of items of each user."""
    degree = read(folder, part + ".offsets.i64").diff()
    users = torch.repeat_interleave(torch.arange(len(degree)), degree)
    return users * items + read(folder, part + ".items.i32"), degree


class Graph:
    """Users are nodes [0, users), items are nodes [users, users + items)."""

    def __init__(self, folder, users, items, dim, device):
        self.users, self.items, self.device = users, items, device
        self.nodes = users + items
        train, degree = read_lists(folder, "train", items)
        test, test_degree = read_lists(folder, "test", items)
        self.train, self.test = train.to(device), test.to(device)
        self.degree, self.test_degree = degree.to(device), test_degree.to(device)
        self.begin = torch.cumsum(self.degree, 0) - self.degree
        self.eligible = torch.nonzero((self.degree > 0) & (self.degree < items)).flatten()
        self.weights = read(folder, "weights.f32").reshape(self.nodes, dim).to(device)
        self.folder = folder

    def triplets(self, batch):
        """[steps, 3, batch]: users, positives, negatives, as nodes."""
        return read(self.folder, "triplets.i32").reshape(-1, 3, batch).long().to(self.device)

    def scale(self):
        """1 / sqrt(degree) of every node."""
        items = torch.bincount(self.train % self.items, minlength=self.items)
        return torch.cat([self.degree, items]).double().clamp(min=1).rsqrt()

    def adjacency(self):
        """D^-1/2 [[0, R], [R', 0]] D^-1/2 as sorted rows, columns and values."""
        user, item = self.train // self.items, self.train % self.items + self.users
        keys = torch.sort(torch.cat([user * self.nodes + item, item * self.nodes + user])).values
        rows, columns = keys // self.nodes, keys % self.nodes
        scale = self.scale()
        return rows, columns, (scale[rows] * scale[columns]).float()

    def side(self, of_items):
        """The rows of the users (or of the items) of the same matrix, columns counted from 0."""
        item, user = self.train % self.items, self.train // self.items
        scale = self.scale()
        values = (scale[user] * scale[item + self.users]).float()
        if not of_items:
            return user, item, values, self.users, self.items
        order = torch.argsort(item, stable=True)
        return item[order], user[order], values[order], self.items, self.users


def csr(rows, columns, values, n_rows, n_columns):
    """A CSR matrix with 32-bit indices."""
    offsets = torch.zeros(n_rows + 1, dtype=torch.int64, device=rows.device)
    offsets[1:] = torch.cumsum(torch.bincount(rows, minlength=n_rows), 0)
    return torch.sparse_csr_tensor(offsets.int(), columns.int(), values, (n_rows, n_columns))


class Bags:
    """A sparse matrix whose rows are weighted bags of the rows of what it is multiplied with: on a
    CPU embedding_bag is FBGEMM's vectorised gather, several times faster than the CSR product."""

    def __init__(self, rows, columns, values, n_rows, n_columns):
        count = torch.bincount(rows, minlength=n_rows)
        self.offsets = (torch.cumsum(count, 0) - count).int()
        self.columns, self.values = columns.int(), values

    def __matmul__(self, x):
        return torch.nn.functional.embedding_bag(
            self.columns, x, self.offsets, mode="sum", per_sample_weights=self.values
        )
