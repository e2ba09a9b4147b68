"""Quality of lists, the same for every program's: recall and NDCG (binary, ideal over min(K, n)) by
plain loops, means over the users who have test items."""

import array
import math


def read_array(path, kind):
    numbers = array.array(kind)
    with open(path, "rb") as file:
        numbers.frombytes(file.read())
    return numbers


def read_part(folder, part):
    """A set of items for each user: bench_answers' lists."""
    offsets = read_array(f"{folder}/{part}.offsets.i64", "q")
    items = read_array(f"{folder}/{part}.items.i32", "i")
    return [set(items[a:b]) for a, b in zip(offsets, offsets[1:])]


def quality(lists, k, train, test):
    """lists: i32 [users, k], best first, -1 where there are fewer. ValueError where a list holds an
    item twice, or one that its user has in train."""
    if len(lists) != k * len(test):
        raise ValueError(f"{len(lists)} places for {len(test)} users and k = {k}")
    gains = [1 / math.log2(place + 2) for place in range(k)]
    ideal = [sum(gains[:n]) for n in range(k + 1)]
    recall = ndcg = users = 0
    for user, wanted in enumerate(test):
        if not wanted:
            continue
        found = [item for item in lists[user * k : user * k + k] if item >= 0]
        if len(set(found)) < len(found) or not train[user].isdisjoint(found):
            raise ValueError(f"the list of user {user} has an item twice, or one of train")
        hits = [place for place, item in enumerate(found) if item in wanted]
        recall += len(hits) / len(wanted)
        ndcg += sum(gains[place] for place in hits) / ideal[min(k, len(wanted))]
        users += 1
    return {"recall": recall / users, "ndcg": ndcg / users}
