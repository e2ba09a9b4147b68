"""Recall@k and NDCG@k over all test users, every item ranked but those in train."""
import math
import time

import torch


@torch.no_grad()
def batched(graph, final, k, chunk=1024):
    """Products of whole chunks of users, the seen items masked, topk."""
    begin = time.perf_counter()
    users, items = final[: graph.users], final[graph.users :]
    ends = graph.begin + graph.degree
    ranks = torch.arange(2, k + 2, dtype=torch.double, device=graph.device)
    discount = 1 / torch.log2(ranks)
    ideal = torch.cat([torch.zeros_like(discount[:1]), torch.cumsum(discount, 0)])
    recall = ndcg = 0.0
    testers = torch.nonzero(graph.test_degree).flatten()
    for some in testers.split(chunk):
        scores = users[some] @ items.T
        low, high = int(some[0]), int(some[-1]) + 1
        seen = graph.train[graph.begin[low] : ends[high - 1]]
        place = torch.full((high - low,), -1, device=graph.device)
        place[some - low] = torch.arange(len(some), device=graph.device)
        row = place[seen // graph.items - low]
        scores[row[row >= 0], (seen % graph.items)[row >= 0]] = -torch.inf
        keys = some[:, None] * graph.items + scores.topk(k).indices
        found = torch.searchsorted(graph.test, keys).clamp(max=len(graph.test) - 1)
        hits = (graph.test[found] == keys).double()
        relevant = graph.test_degree[some]
        recall += float((hits.sum(1) / relevant).sum())
        ndcg += float(((hits * discount).sum(1) / ideal[relevant.clamp(max=k)]).sum())
    n = len(testers)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "recall@20": recall / n, "ndcg@20": ndcg / n, "users": n}


@torch.no_grad()
def per_user(graph, final, k, most):
    """A loop over users with sets, as notebooks do it; only over the first `most` test users."""
    users, items = final[: graph.users], final[graph.users :]
    seen = (graph.train % graph.items).split(graph.degree.tolist())
    wanted = (graph.test % graph.items).split(graph.test_degree.tolist())
    testers = torch.nonzero(graph.test_degree).flatten().tolist()
    recall = ndcg = 0.0
    begin = time.perf_counter()
    for user in testers[:most]:
        scores = items @ users[user]
        scores[seen[user]] = -torch.inf
        relevant = set(wanted[user].tolist())
        top = scores.topk(k).indices.tolist()
        hits = [1.0 if item in relevant else 0.0 for item in top]
        recall += sum(hits) / len(relevant)
        gain = sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits))
        ndcg += gain / sum(1 / math.log2(rank + 2) for rank in range(min(k, len(relevant))))
    done = min(most, len(testers))
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "recall@20": recall / done, "ndcg@20": ndcg / done,
            "users": done, "of_users": len(testers)}  # fmt: skip
