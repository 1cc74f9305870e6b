"""The shipped rule files as a test sees them, and the table of them in docs/rules.md.

The reader knows no more of YAML than those files use: one key a line, flow lists on their line, every example quoted.
What it does not know is an error, so nothing is left out silently. `python3 tests/e2e/lib/shipped.py` writes the table anew."""
from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs/rules.md"
BEGIN, END = "<!-- table of the shipped rules -->\n", "<!-- end of the table -->\n"
OUTGOING = ["url", "header", "body", "websocket"]
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass
class Rule:
    id: str
    file: str
    description: str = ""
    severity: str = "high"
    action: str = "block"
    parts: list[str] = field(default_factory=lambda: list(OUTGOING))
    belongs_to: list[str] = field(default_factory=list)
    match: list[str] = field(default_factory=list)
    ignore: list[str] = field(default_factory=list)


def _text(quoted: str) -> str:
    return quoted[1:-1].replace("''", "'") if quoted[0] == "'" else json.loads(quoted)


def _example(value: str) -> str:
    """A string, or a list of pieces of one."""
    pieces = QUOTED.findall(value)
    if QUOTED.sub("", value).strip("[], ") or not pieces:
        raise ValueError(f"not an example as the shipped files write them: {value}")
    return "".join(_text(piece) for piece in pieces)


def _names(value: str) -> list[str]:
    return [name.strip().strip('"') for name in value.strip("[]").split(",")]


def _read_key(rule: Rule, key: str, value: str) -> None:
    if key == "description":
        rule.description = _text(value) if value[0] in "'\"" else value
    elif key in ("severity", "action"):
        setattr(rule, key, value)
    elif key in ("in", "belongs_to"):
        setattr(rule, {"in": "parts"}.get(key, key), _names(value))
    elif key not in ("regex", "validate", "literals", "allow", "examples"):
        raise ValueError(f"{rule.file}: rule {rule.id} has the key {key}, which this reader does not know")


def read_file(path: Path) -> list[Rule]:
    rules: list[Rule] = []
    into: list[str] | None = None
    for line in path.read_text().splitlines():
        item, indent = line.strip(), len(line) - len(line.lstrip())
        if not item or item.startswith("#") or indent == 0:
            continue
        if indent == 2:
            rules.append(Rule(item.removeprefix("- id: "), path.name))
        elif indent == 4:
            key, _, value = item.partition(":")
            _read_key(rules[-1], key, value.strip())
            into = None
        elif item in ("match:", "ignore:"):
            into = getattr(rules[-1], item[:-1])
        elif into is not None:
            into.append(_example(item.removeprefix("- ")))
    return rules


def read_rules() -> list[Rule]:
    return [rule for path in sorted((ROOT / "rules").glob("*.yaml")) for rule in read_file(path)]


# ---- the table

def _purpose(file: str) -> str:
    return (ROOT / "rules" / file).read_text().splitlines()[0].removeprefix("# ")


def table(rules: list[Rule]) -> str:
    """One section a file."""
    out = [f"{len(rules)} rules are shipped.\n"]
    for file in sorted({rule.file for rule in rules}):
        out.append(f"\n### {file}\n\n{_purpose(file)}\n\n| rule | finds | severity | action | where |\n| --- | --- | --- | --- | --- |\n")
        for rule in rules:
            if rule.file == file:
                where = "all that leaves" if rule.parts == OUTGOING else ", ".join(rule.parts)
                out.append(f"| `{rule.id}` | {rule.description} | {rule.severity} | {rule.action} | {where} |\n")
    return "".join(out)


def documented() -> str:
    text = DOCUMENT.read_text()
    return text[text.index(BEGIN) + len(BEGIN):text.index(END)]


if __name__ == "__main__":
    whole = DOCUMENT.read_text()
    begin, end = whole.index(BEGIN) + len(BEGIN), whole.index(END)
    DOCUMENT.write_text(whole[:begin] + table(read_rules()) + whole[end:])
