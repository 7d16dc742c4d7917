"""Rules as files: those of the farm load and fit the demo's specs; a wrong one names its file and
its key.
"""

import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from buildfarm.adapters.debrand.brand_policies import load_brand_policy
from buildfarm.adapters.debrand.rule_files import load_rule, load_rules
from buildfarm.domain.debrand.apply import apply, debranded_by, spec_path
from buildfarm.domain.debrand.brand import Matcher
from buildfarm.domain.debrand.rule import Changelog, Release, Replace, SourceFile
from buildfarm.errors import ConfigError

CHECKOUT = Path(__file__).resolve().parents[3]
RULES = CHECKOUT / "configs" / "debrand"
SPECS = CHECKOUT / "demo" / "specs"
NAMES = sorted(file.stem for file in RULES.glob("*.yaml"))

GOOD: dict[str, Any] = {
    "schema": 1,
    "source": "shell",
    "why": "it names the vendor",
    "date": "2026-05-04",
    "actions": [{"release": {"suffix": ".reef.1"}}],
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write ``shell.yaml``: a good rule with these keys put in (``None`` takes one out)."""
    folder = tmp_path / "rules"
    folder.mkdir()

    def put(**keys: Any) -> Path:
        data = {key: value for key, value in {**GOOD, **keys}.items() if value is not None}
        file = folder / "shell.yaml"
        file.write_text(yaml.safe_dump(data, sort_keys=False))
        return file

    return put


def refused(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_rule(file)
    place = re.match(rf"{re.escape(str(file))}(?::(\d+):(\d+))?: ", str(caught.value))
    assert place, str(caught.value)
    return str(caught.value)[place.end() :]


def demo_tree(name: str) -> dict[str, bytes]:
    tree = {}
    for file in (SPECS / name).iterdir():
        tree[f"{'SPECS' if file.suffix == '.spec' else 'SOURCES'}/{file.name}"] = file.read_bytes()
    return tree


def test_every_rule_of_the_farm_loads():
    assert [rule.source for rule in load_rules(RULES)] == NAMES
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_of_the_farm_fits_the_demos_spec_and_leaves_the_mark(name: str):
    rule = load_rule(RULES / f"{name}.yaml")
    given = demo_tree(name)
    done = apply(rule, given, evr="1-1.reef.1")
    assert debranded_by(done.tree) == rule.digest
    assert apply(rule, given, evr="1-1.reef.1") == done
    assert len(done.steps) == len(rule.actions)


@pytest.mark.parametrize("name", NAMES)
def test_after_every_rule_of_the_farm_no_brand_word_is_left_outside_the_changelog_and_what_is_allowed(
    name: str,
):
    policy = load_brand_policy(CHECKOUT / "configs" / "brand.yaml")
    done = apply(load_rule(RULES / f"{name}.yaml"), demo_tree(name), evr="1-1.reef.1").tree
    functional = (b"Provides:       pnaelv-release ", b"Obsoletes:      pnaelv-release ")
    spec = done.pop(spec_path(done)).split(b"%changelog")[0]
    done["spec"] = b"\n".join(line for line in spec.split(b"\n") if not line.startswith(functional))
    assert {
        path: hits
        for path, data in done.items()
        if (hits := list(Matcher(policy).find(data, path)))
    } == {}


def test_all_four_actions_become_what_they_say(write: Write):
    rule = load_rule(
        write(
            actions=[
                {"release": {"suffix": ".r.1"}},
                {"replace": {"in": "spec", "find": "a.b", "with": "c", "count": 2}},
                {"replace": {"in": "*.txt", "regex": "a.b", "with": "c"}},
                {"source": {"op": "replace", "name": "x", "text": "é", "rename": "y"}},
                {"source": {"op": "delete", "name": "z"}},
                {"changelog": {"author": "R <r@r>", "lines": ["l"]}},
            ],
            when={"target": ["reef-9"]}, rename={"shell": "reef-shell"}, expect=[{"kind": "description"}],
            scan={"allow": [{"pattern": "acme", "reason": "history"}]},
        )
    )  # fmt: skip
    assert rule.actions == (
        Release(suffix=".r.1"),
        Replace(where="spec", find="a.b", new="c", count=2),
        Replace(where="*.txt", find="a.b", new="c", regex=True),
        SourceFile(op="replace", name="x", content="é".encode(), rename="y"),
        SourceFile(op="delete", name="z"),
        Changelog(author="R <r@r>", lines=("l",)),
    )
    assert (rule.applies_to("reef-9"), rule.applies_to("reef-10")) == (True, False)
    assert (rule.expect[0].path, rule.allow[0].where) == ("**", "*")
    assert (rule.file, rule.date.isoformat()) == ("shell.yaml", "2026-05-04")


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"schema": 2}, "schema: "),
        ({"why": None}, "the file: 'why' is a required property"),
        ({"date": "May 4"}, "date: "),
        ({"date": "2026-02-30"}, "date: "),
        ({"surprise": 1}, "surprise: "),
        ({"actions": []}, "actions: "),
        ({"actions": [{"release": {"suffix": "reef"}}]}, "actions.0.release.suffix: "),
        (
            {"actions": [GOOD["actions"][0], {"replace": {"in": "spec", "with": "b"}}]},
            "actions.1.replace: ",
        ),
        (
            {"actions": [{"replace": {"in": "spec", "find": "a", "with": "b", "count": 0}}]},
            "actions.0.replace.count: ",
        ),
        ({"actions": [{"source": {"op": "move", "name": "x"}}]}, "actions.0.source.op: "),
        ({"scan": {"allow": [{"pattern": "x"}]}}, "scan.allow.0: 'reason' is a required property"),
        ({"scan": {"allow": [{"pattern": "x", "reason": ""}]}}, "scan.allow.0.reason: "),
    ],
)
def test_what_the_schema_refuses_names_file_and_key(write: Write, keys: dict[str, Any], place: str):
    assert refused(write(**keys)).startswith(place)


def test_a_rule_must_be_named_like_its_source(write: Write):
    assert "name the file like the source" in refused(write(source="other"))


@pytest.mark.parametrize("content", [b"a: [", b"\xff\xfe\x00", b"- a list\n", b""])
def test_a_file_that_is_no_rule_at_all_is_named(tmp_path: Path, content: bytes):
    file = tmp_path / "shell.yaml"
    file.write_bytes(content)
    assert refused(file)


@pytest.mark.parametrize("regex", ["(", "[a", "*x"])
def test_a_regular_expression_that_does_not_compile_is_found_at_load(write: Write, regex: str):
    assert repr(regex) in refused(
        write(actions=[{"replace": {"in": "spec", "regex": regex, "with": "b"}}])
    )
    assert repr(regex) in refused(write(scan={"allow": [{"pattern": regex, "reason": "so"}]}))


def _from(name: str, **more: str) -> list[dict[str, Any]]:
    return [{"source": {"op": "replace", "name": "x", "from": name, **more}}]


def test_a_file_beside_the_rule_becomes_the_source_and_its_digest_is_checked(write: Write):
    file = write(actions=_from("logo"))
    (file.parent / "logo").write_bytes(b"\xffours")
    digest = hashlib.sha256(b"\xffours").hexdigest()
    assert load_rule(file).actions == (SourceFile(op="replace", name="x", content=b"\xffours"),)
    assert load_rule(write(actions=_from("logo", sha256=digest)))
    assert f"SHA-256 is {digest}, the rule says {'0' * 64}" in refused(
        write(actions=_from("logo", sha256="0" * 64))
    )
    assert "No such file" in refused(write(actions=_from("nologo")))


def test_a_file_outside_the_rules_folder_is_refused_by_whatever_way(write: Write, tmp_path: Path):
    (tmp_path / "secret").write_text("x")
    file = write()
    (file.parent / "link").symlink_to(tmp_path / "secret")
    for name in ("../secret", str(tmp_path / "secret"), "files/../../secret"):
        assert refused(write(actions=_from(name))).startswith("actions.0.source.from: ")
    assert "source x: link leaves the rules' folder" in refused(write(actions=_from("link")))


@pytest.mark.parametrize("given", [{}, {"from": "logo", "text": "logo"}])
def test_a_source_needs_a_file_or_a_text_and_not_both(write: Write, given: dict[str, str]):
    assert "give either `from` or `text`" in refused(
        write(actions=[{"source": {"op": "add", "name": "x", **given}}])
    )  # fmt: skip


def test_the_digest_covers_rule_date_and_files_but_no_comment_and_no_layout(
    write: Write, tmp_path: Path
):
    file = write(actions=_from("logo"))
    (file.parent / "logo").write_bytes(b"one")
    first = load_rule(file).digest
    moved = tmp_path / "elsewhere"
    shutil.copytree(file.parent, moved)
    (moved / "shell.yaml").write_text(
        "# a comment\n" + file.read_text().replace("why: ", "why:    ")
    )
    assert load_rule(moved / "shell.yaml").digest == first
    (file.parent / "logo").write_bytes(b"two")
    second = load_rule(file).digest
    third = load_rule(write(actions=_from("logo"), date="2026-05-05")).digest
    fourth = load_rule(write(actions=_from("logo"), why="another reason")).digest
    assert len({first, second, third, fourth}) == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("words: []\n", r"brand\.yaml:1:1: the file: 'schema' is a required property"),
        (
            "schema: 1\nwords:\n- {pattern: acme}\n",
            r"brand\.yaml:3:3: words\.0: 'class' is a required property",
        ),
        (
            "schema: 1\nwords:\n- acme\n",
            r"brand\.yaml:3:3: words\.0: 'acme' is not of type 'object'",
        ),
        (
            "schema: 1\nwords:\n- {pattern: a, class: smell}\n",
            r"brand\.yaml:3:16: words\.0\.class: 'smell' is not one of",
        ),
        (
            "schema: 1\nwords:\n- {pattern: '(', class: legal}\n",
            r"brand\.yaml:3:4: words\.0\.pattern: '\(' is no regular",
        ),
        ("schema: 1\nkeep: ['(']\n", r"brand\.yaml:2:8: keep\.0: '\(' is no regular expression"),
        (
            "schema: 1\nimages: [{name: x}]\n",
            r"brand\.yaml:2:10: images\.0: .* is not valid under any",
        ),
    ],
)
def test_a_wrong_brand_policy_is_refused_with_line_column_and_key(
    tmp_path: Path, text: str, said: str
):
    file = tmp_path / "brand.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_brand_policy(file)
