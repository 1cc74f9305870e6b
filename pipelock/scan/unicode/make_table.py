#!/usr/bin/env python3
"""Prints the C source of the tables behind pipelock/scan/unicode/table.h: what each code point looks like in ASCII, and
the named character references of HTML that come to ASCII. From the Python library's Unicode data and HTML names, and
from a file of look-alikes.

    make_table.py confusables.txt > unicode_table.c"""
from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache
from html.entities import html5

BLOCK = 128
# Of these are the entries of a block: KEEP, DROP, one ASCII character, or FIRST_TEXT and up: a text of several.
KEEP, DROP, FIRST_TEXT = 0, 1, 0x80
TEXT_MAX = 7  # characters of a text: UNICODE_TEXT_MAX
ENTITY_TEXT_MAX = 4
# Beyond are ideographs, private use, and the invisible characters, which the view knows by itself.
TABLE_END = 0x20000

LATIN = re.compile(r"\bLATIN (SMALL|CAPITAL) LETTER "
                   r"(?:(?:DOTLESS|SCRIPT|BLACKLETTER|BARRED|LENIS|INSULAR|AFRICAN) )?([A-Z])(?: WITH .*)?$")
SMALL_CAPITAL = re.compile(r"^LATIN LETTER SMALL CAPITAL (?:BARRED )?([A-Z])(?: WITH .*)?$")
BRACKETED = re.compile(r"^PARENTHESIZED LATIN (SMALL|CAPITAL) LETTER ([A-Z])$")
REGIONAL = re.compile(r"^REGIONAL INDICATOR SYMBOL LETTER ([A-Z])$")
# 10 and up in a ring or brackets; ideographs in rings have a value too, but look like none.
RINGED_NUMBER = re.compile(r"^(?!.*(?:IDEOGRAPH|HANGUL)).*\b(?:CIRCLED|PARENTHESIZED|FULL STOP)\b")


def read_confusables(path: str) -> dict[int, str]:
    special = {r"\s": " ", r"\n": "\n", r"\0": "", r"\#": "#"}
    table: dict[int, str] = {}
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            text, *codes = line.split()
            for code in codes:
                if int(code, 16) in table:
                    sys.exit(f"{path}: {code} stands for two texts")
                table[int(code, 16)] = special.get(text, text)
    return table


CONFUSABLES: dict[int, str] = {}


def by_bracketed_name(name: str) -> str | None:
    """Of a letter in brackets only the letter: each letter of a word can be written so."""
    if found := BRACKETED.match(name):
        return found[2].lower() if found[1] == "SMALL" else found[2]
    return None


def by_name(name: str) -> str | None:
    if found := LATIN.search(name):
        return found[2].lower() if found[1] == "SMALL" else found[2]
    if found := SMALL_CAPITAL.match(name):
        return found[1].lower()
    if found := REGIONAL.match(name):
        return found[1]
    return None


def by_value(char: str, name: str) -> str | None:
    if (digit := unicodedata.digit(char, None)) is not None:
        return str(digit)
    number = unicodedata.numeric(char, None)
    if number is not None and number >= 10 and number == int(number) and RINGED_NUMBER.match(name):
        return str(int(number))
    return None


def by_category(char: str) -> str | None:
    category = unicodedata.category(char)
    if category[0] == "M" or category in ("Cf", "Cc"):
        return ""
    return {"Zs": " ", "Zl": "\n", "Zp": "\n"}.get(category)


def by_decomposition(char: str) -> str | None:
    parts = unicodedata.normalize("NFKD", char)
    if parts == char or (parts[0] == " " and len(parts) > 1):  # a mark that stands alone is not a space
        return None
    texts = [part if part.isascii() else look_of(ord(part)) for part in parts]
    return None if None in texts else "".join(texts)


@lru_cache(maxsize=None)
def look_of(code: int) -> str | None:
    """What the code point looks like in ASCII; "" for nothing, None for nothing of the kind."""
    if code in CONFUSABLES:
        return CONFUSABLES[code]
    char = chr(code)
    name = unicodedata.name(char, "")
    for look in (by_value(char, name), by_category(char), by_bracketed_name(name), by_decomposition(char),
                 by_name(name)):
        if look is not None:
            return look if len(look) <= TEXT_MAX else None
    return {"Pd": "-", "Pc": "_"}.get(unicodedata.category(char))


def entities() -> list[tuple[str, str, bool]]:
    """Name, ASCII text, and whether HTML takes it without the semicolon too."""
    found = []
    for name, value in html5.items():
        if not name.endswith(";"):
            continue
        looks = [char if char.isascii() else look_of(ord(char)) for char in value]
        if None not in looks and len("".join(looks)) <= ENTITY_TEXT_MAX:
            found.append((name[:-1], "".join(looks), name[:-1] in html5))
    return sorted(found)


def quoted(text: str) -> str:
    escapes = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "?": r"\?"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def rows(values: list[int], width: int = 24) -> str:
    return "\n".join("\t" + ",".join(map(str, values[i:i + width])) + "," for i in range(0, len(values), width))


def code_points() -> tuple[list[int], list[list[int]], list[str]]:
    """Index of a block for each BLOCK code points, the blocks, the texts."""
    texts: list[str] = []
    blocks: list[list[int]] = []
    index = []
    for base in range(0, TABLE_END, BLOCK):
        block = []
        for code in range(base, base + BLOCK):
            look = None if code < 0x80 or 0xD800 <= code < 0xE000 else look_of(code)
            if look is not None and len(look) > 1:
                # Of what several characters come to nothing may begin an escape: decoding always shrinks.
                assert look.isascii() and not set(look) & set("%&\\"), (hex(code), look)
                if look not in texts:
                    texts.append(look)
                block.append(FIRST_TEXT + texts.index(look))
            else:
                block.append(KEEP if look is None else ord(look) if look else DROP)
        if block not in blocks:
            blocks.append(block)
        index.append(blocks.index(block))
    assert len(blocks) <= 256
    return index, blocks, texts


def print_entities() -> None:
    table = entities()
    names = ""
    print("const struct unicode_entity unicode_entities[] = {")
    for name, text, bare in table:
        assert text.isascii() and (len(text) == 1 or not set(text) & set("%&\\")), (name, text)
        print(f"\t{{{len(names)}, {len(name)}, {len(text)}, {int(bare)}, {quoted(text)}}},")
        names += name
    print(f"}};\nconst size_t unicode_entity_count = {len(table)};")
    assert max(len(name) for name, _, _ in table) <= 31  # UNICODE_ENTITY_MAX
    lines = "\n\t".join(quoted(names[i:i + 96]) for i in range(0, len(names), 96))
    print(f"const char unicode_entity_names[] =\n\t{lines};")


def main() -> None:
    CONFUSABLES.update(read_confusables(sys.argv[1]))
    index, blocks, texts = code_points()
    print('#include "pipelock/scan/unicode/table.h"')
    sizes = f"UNICODE_BLOCK == {BLOCK} && UNICODE_TABLE_END == {TABLE_END} && UNICODE_TEXT_MAX == {TEXT_MAX}"
    print(f'_Static_assert({sizes}, "the header differs");')
    print(f"const uint8_t unicode_index[] = {{\n{rows(index)}\n}};")
    print("const uint16_t unicode_blocks[][UNICODE_BLOCK] = {")
    for block in blocks:
        print(f"{{\n{rows(block)}\n}},")
    print("};")
    print("const struct unicode_text unicode_texts[] = {")
    for text in texts:
        print(f"\t{{{len(text)}, {quoted(text)}}},")
    print("};")
    print_entities()


if __name__ == "__main__":
    main()
