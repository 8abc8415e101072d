#!/usr/bin/env python3
"""Writes the README.md of every role that has an argument spec, from that spec.

    scripts/role_readme.py            write them
    scripts/role_readme.py --check    only say which ones differ; exit status 1 if any does
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

ROLES = Path(__file__).resolve().parent.parent / "roles"


def prose(text):
    """Ansible's markup in Markdown's."""
    paragraphs = [text] if isinstance(text, str) else text
    return [re.sub(r"\b[CVOI]\(([^)]*)\)", r"`\1`", paragraph.strip()) for paragraph in paragraphs]


def option(name, spec):
    kind = spec["type"] + (f" of {spec['elements']}" if "elements" in spec else "")
    if "choices" in spec:
        kind = " or ".join(f"`{choice}`" for choice in spec["choices"])
    default = f"`{spec['default']}`" if "default" in spec else ""
    return f"| `{name}` | {kind} | {default} | {' '.join(prose(spec['description']))} |"


def entry_point(name, spec):
    lines = [] if name == "main" else [f"## Entry point `{name}`", "", f"{spec['short_description']}.", ""]
    for paragraph in prose(spec["description"]):
        lines += [paragraph, ""]
    return lines


def readme(role):
    entries = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    main = entries["main"]
    lines = [
        "<!-- Made by scripts/role_readme.py from meta/argument_specs.yml; change that. -->",
        "",
        f"# {role.name}",
        "",
        f"{main['short_description']}.",
        "",
        *entry_point("main", main),
        "| variable | type | default | meaning |",
        "| --- | --- | --- | --- |",
        *(option(name, spec) for name, spec in main["options"].items()),
        "",
    ]
    for name, spec in entries.items():
        if name != "main":
            if spec["options"] != main["options"]:
                sys.exit(f"{role}: entry point {name} has options of its own; teach {__file__} to show them")
            lines += entry_point(name, spec)
    return "\n".join(lines).rstrip() + "\n"


def main():
    parser = argparse.ArgumentParser(description="Write the README.md of the roles from their argument specs.")
    parser.add_argument("--check", action="store_true", help="only say which ones differ")
    check = parser.parse_args().check
    differ = False
    for spec in sorted(ROLES.glob("*/meta/argument_specs.yml")):
        role = spec.parent.parent
        path, text = role / "README.md", readme(role)
        if path.exists() and path.read_text() == text:
            continue
        differ = True
        if check:
            print(f"{path} does not match its argument spec: run scripts/role_readme.py", file=sys.stderr)
        else:
            path.write_text(text)
    return int(check and differ)


if __name__ == "__main__":
    sys.exit(main())
