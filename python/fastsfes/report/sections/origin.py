"""The section of origin: how to repeat the run, its options, its data, time and resources."""

from __future__ import annotations

from typing import Any

from ..html import Content, Markup, tag
from .accuracy import duration, grouped
from .parts import details, section, table

__all__ = ["origin_section"]


def origin_section(data: dict[str, Any]) -> Markup:
    """Where everything comes from."""
    content: list[Content] = [tag("h3", "The run"), _run(data)]
    if data["dataset"] is not None:
        content += [tag("h3", "The data"), _dataset(data["dataset"])]
    return section("origin", "Origin", *content)


def _run(data: dict[str, Any]) -> Markup:
    config, summary, search = data["config"], data["summary"], data["search"]
    facts: list[tuple[str, Content]] = [
        (name, config[name]) for name in ("preset", "seed", "dataset", "targets", "criteria", "sizes") if name in config
    ]
    facts = [(name, ", ".join(value) if isinstance(value, (list, tuple)) else value) for name, value in facts] + [
        ("candidates", grouped(search["candidates"])),
        ("with a finite fitness", grouped(search["finite"])),
    ]
    if summary.get("fitted") is not None:
        facts.append(("families fitted", grouped(summary["fitted"])))
    if summary.get("seconds"):
        rate = summary["candidates"] / summary["seconds"]
        facts += [("time", duration(summary["seconds"])), ("candidates per second", grouped(round(rate)))]
    taken = summary.get("resources") or {}
    groups = [(name, taken[name]) for name in ("coordinator", "workers") if taken.get(name, {}).get("processes")]
    for name, group in groups:
        count = f"{group['processes']} × " if name == "workers" else ""
        memory = f"{group['peak_memory'] / 2**20:.0f} MiB"
        facts.append((name, f"{duration(group['cpu_seconds'])} of processor time, {count}{memory}"))
    rows = [[name, tag("td", value, class_="text")] for name, value in config_rows(config)]
    return tag(
        "div",
        tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts], class_="facts"),
        _phases(taken.get("phases", {})),
        tag(
            "p",
            "The same configuration and seed give the same run, on any machine and any number of threads: ",
            tag("code", f"fastsfes {'search' if 'preset' in config else 'select'} --config config.toml"),
            ".",
        ),
        details("All options", table(["option", "value"], rows, caption="Options of the run", text_columns=2)),
    )


def _phases(phases: dict[str, float]) -> Markup | None:
    """Wall time per phase, all workers together."""
    total = sum(phases.values())
    if total <= 0:
        return None
    cells = [
        tag("td", duration(s), class_="shade cool", style=f"--k:{s / total:.2f}", title=f"{100 * s / total:.0f} %")
        for s in phases.values()
    ]
    return table(["phase", *phases], [["time", *cells]], caption="Wall time per phase, the workers' added up")


def config_rows(config: dict[str, Any]) -> list[tuple[str, str]]:
    """Options and values as text."""
    return [(name, _shown(value)) for name, value in config.items()]


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} = {v:g}" for k, v in value.items()) or "–"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return str(value)


def _dataset(dataset: dict[str, Any]) -> Markup:
    makers = [
        f"{d['count']} densities: {d['xc']}/{d['basis']}, grid {d['grid']}, density fitting {d['density_fit']}"
        for d in dataset["densities"]
    ]
    return tag(
        "div",
        tag(
            "p",
            f"{dataset['name']}: {dataset['available']} of {dataset['reactions']} reactions can be evaluated, "
            f"{dataset['species']} species. {'; '.join(makers)}.",
        ),
        details("Provenance and citations", tag("p", dataset["provenance"] or "none given", class_="provenance")),
    )
