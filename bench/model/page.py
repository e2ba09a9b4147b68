"""The page of predicted times, as Markdown."""
import dataclasses

from . import ranks, step
from .assumptions import Assumptions, COMMON, KERNEL, RANKING, RANKS, STEP

ROOMS = ((COMMON, "Everywhere"), (KERNEL, "Kernels that gather rows"), (STEP, "The step"),
         (RANKING, "The full ranking"))


def assumptions_of(settings, rooms):
    """Tables of what the settings say, a room each."""
    text = ""
    for room, title in rooms:
        rows = [[f"`{f.name}`"] +
                [numbers(getattr(s.assumptions, f.name)) for s in settings] +
                [f.metadata["meaning"]]
                for f in dataclasses.fields(Assumptions) if f.metadata["room"] == room]
        text += f"\n{table([title] + [s.name for s in settings] + ['meaning'], rows)}"
    return text


def device_table(devices):
    names = [f.name for f in dataclasses.fields(devices[0]) if f.name != "title"]
    rows = [[f"`{name}`"] + [numbers(getattr(d, name)) for d in devices] for name in names]
    return table([""] + [d.title for d in devices], rows)


def table(head, rows):
    """Numbers to the right; a last column of `meaning` is text."""
    align = ["---"] + ["---:"] * (len(head) - 1)
    if head[-1] == "meaning":
        align[-1] = "---"
    lines = [head, align] + [[str(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def us(value):
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}"


def pair(*values):
    return " → ".join(us(value) for value in values)


def numbers(text):
    return f"{text:g}" if isinstance(text, float) else str(text)


class Page:
    def __init__(self, settings, devices, all_graphs):
        self.settings, self.devices, self.graphs = settings, devices, all_graphs
        self.models = {(d.title, s.name): step.Model(d, s.assumptions)
                       for d in devices for s in settings}

    def both(self, device, value):
        """value(model, settings) with each of the settings."""
        return [value(self.models[device.title, s.name], s) for s in self.settings]

    def programs(self, graph, precision):
        return all((graph.name, precision) in s.programs for s in self.settings)

    def step_of(self, device, graph, precision):
        return self.both(device, lambda model, s: model.step(
            graph, s.programs[graph.name, precision], precision))

    def summary(self):
        rows = []
        for graph in self.graphs:
            for precision in ("fp32", "fp16"):
                if self.programs(graph, precision):
                    rows.append([f"{graph.name}, step {precision}, us"] + [
                        pair(*(entry.us for entry in self.step_of(d, graph, precision)))
                        for d in self.devices])
            rows.append([f"{graph.name}, full ranking, ms"] + [
                pair(*(total for total, _ in self.both(d, lambda m, _, g=graph: m.ranking(g))))
                for d in self.devices])
        return table([""] + [d.title for d in self.devices], rows)

    def kernels(self, graph, precision):
        """Every operation that gathers rows, once."""
        found, times = [], {}
        for device in self.devices:
            for settings, entry in zip(self.settings, self.step_of(device, graph, precision)):
                for name, time in entry.gathering.items():
                    found += [name] if name not in found else []
                    times[device.title, settings.name, name] = time
        rows = []
        for name in found:
            cells = []
            for device in self.devices:
                entries = [times.get((device.title, s.name, name)) for s in self.settings]
                cells.append(" → ".join(us(e.us) if e else "–" for e in entries))
            rows.append([name] + cells)
        return table([f"{graph.name}, {precision}, us"] + [d.title for d in self.devices], rows)

    def bounds(self, graph, precision, device):
        """What a propagation waits for."""
        rows = []
        for settings in self.settings:
            model = self.models[device.title, settings.name]
            time = model.gathering(graph, "propagate", precision)
            rows.append([settings.name, f"{time.edge_bytes:g}", f"{time.waste:.2f}",
                         us(time.latency), us(time.cache), us(time.memory), us(time.us)])
        return table([f"propagate, {graph.name}, {precision}, {device.title}", "bytes an edge",
                      "waste of blocks", "by latency, us", "by L2, us", "by memory, us",
                      "together, us"], rows)

    def shares(self, graph, precision, device):
        """The step by what it consists of."""
        rows = []
        for settings, entry in zip(self.settings, self.step_of(device, graph, precision)):
            rows.append([settings.name, settings.programs[graph.name, precision].nodes,
                         us(entry.gathered), us(entry.work - entry.gathered),
                         us(entry.work - entry.us), us(entry.us)])
        return table([f"step, {graph.name}, {precision}, {device.title}", "nodes",
                      "kernels that gather, us", "the rest, us", "beside others, us", "step, us"],
                     rows)

    def ranking(self, graph, device):
        entries = self.both(device, lambda model, _: model.ranking(graph))
        rows = []
        for part in dict.fromkeys(part for _, parts in entries for part in parts):
            rows.append([part] + [f"{parts.get(part, 0):.2f}" for _, parts in entries])
        rows.append(["together"] + [f"{total:.2f}" for total, _ in entries])
        return table([f"ranking, {graph.name}, {device.title}, ms"] +
                     [s.name for s in self.settings], rows)

    def text(self, command):
        first = self.devices[0]
        parts = [
            "# Predicted times of a training step and of the full ranking\n",
            f"    {command}\n",
            "**Predictions, not measurements: no GPU has run this.** They come from the model in "
            "bench/model, out of the assumptions listed below; each cell is " +
            " → ".join(s.name for s in self.settings) + ". What is measured stands beside this "
            "page under its device's name.\n",
            self.summary(),
            "## Kernels that gather rows\n"]
        for graph in self.graphs:
            for precision in ("fp32", "fp16"):
                if self.programs(graph, precision):
                    parts.append(self.kernels(graph, precision))
        parts.append("## What they wait for\n")
        for graph in self.graphs:
            for precision in ("fp32", "fp16"):
                if self.programs(graph, precision):
                    parts += [self.bounds(graph, precision, first),
                              self.shares(graph, precision, first)]
            parts.append(self.ranking(graph, first))
        sizes = ", ".join(f"{g.name} {len(g.users):,} users, {len(g.items):,} items, "
                          f"{g.edges // 2:,} pairs" for g in self.graphs)
        parts += [f"## Assumptions\n\nGraphs: {sizes}.\n" + assumptions_of(self.settings, ROOMS),
                  "## Devices\n\nSources: bench/model/devices.py.\n\n" +
                  device_table(self.devices)]
        return "\n".join(parts)


# ---- several GPUs ----

def duration(microseconds):
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:.3g} {unit}"
    return f"{microseconds:.0f} us"


def quantity(n):
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return f"{n:.0f} B"


class RanksPage:
    """One device, one of the settings."""

    def __init__(self, settings, device, shapes, counts, dims):
        self.settings, self.device, self.shapes = settings, device, shapes
        self.counts, self.dims = counts, dims

    def models(self, dim):
        assumed = dataclasses.replace(self.settings.assumptions, dim=dim)
        return [ranks.RankModel(self.device, assumed, n) for n in self.counts if n <= dim]

    def rows(self, dim, cell):
        return [[shape.name] + [cell(model, shape) for model in self.models(dim)]
                for shape in self.shapes]

    def head(self, dim, first):
        return [f"{first}, dim {dim}"] + [f"{n} GPU" + "s" * (n > 1)
                                          for n in self.counts if n <= dim]

    def step_cell(self, model, shape):
        us, why = model.step(shape)
        return f"{duration(us)} ({why})"

    def memory_cell(self, model, shape):
        used = model.memory(shape)
        return quantity(used) + (" (too much)" if used > 0.95e9 * self.device.gigabytes else "")

    def tables(self):
        text = []
        for dim in self.dims:
            text += [table(self.head(dim, "a step"), self.rows(dim, self.step_cell)),
                     table(self.head(dim, "memory of a GPU"), self.rows(dim, self.memory_cell)),
                     table(self.head(dim, "before an evaluation"), self.rows(
                         dim, lambda model, shape: duration(model.evaluation_us(shape))))]
        sent = [["sent by all ranks"] + [quantity(model.sent()) for model in
                                         self.models(max(self.dims))]]
        text.append(table(self.head(max(self.dims), "a step's sum of scores"), sent))
        return text

    def text(self, command):
        sizes = "; ".join(f"{s.name} {s.users.nodes:,.0f} users, {s.items.nodes:,.0f} items, "
                          f"{s.pairs:,.0f} pairs" for s in self.shapes)
        network = ranks.HGX
        return "\n".join([
            f"# Predicted times of a training step on 1 to {max(self.counts)} GPUs\n",
            f"    {command}\n",
            f"**Predictions, not measurements: no GPU has run this, let alone several.** "
            f"{self.device.title}, {self.device.gigabytes} GB; {network.title}. In brackets what "
            "most of the step waits for.\n",
            *self.tables(),
            f"## Assumptions\n\nGraphs: {sizes}. Between GPUs {network.inside} GB/s one way "
            f"inside a machine of {network.gpus}, {network.outside} GB/s a GPU between machines; "
            "sources in bench/model/ranks.py.\n" +
            assumptions_of([self.settings], [room for room in ROOMS if room[0] != RANKING] +
                           [(RANKS, "Several GPUs")]),
            "## Device\n\nSources: bench/model/devices.py.\n\n" + device_table([self.device])])
