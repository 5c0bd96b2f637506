"""Chinese help and messages: the catalogue is complete and sound, and the language is chosen as documented."""

import os
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from babel.messages.pofile import read_po
from click.testing import CliRunner

from semsearch.cli import COMMANDS, groups, language, main, render
from semsearch.cli.wide import cells, padded, wrapped

REPOSITORY = Path(__file__).parent.parent
ENTRIES = list(language.entries(language.CATALOGUES["zh"].read_text(encoding="utf-8").splitlines()))
TRANSLATED = [(context, text, said) for context, text, said in ENTRIES if text and said]


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """Set English after each test."""
    yield
    language.choose(["--lang", "en"])


def zh(*args: str) -> tuple[int, str, str]:
    """Run the command line in Chinese; return its exit code and both outputs."""
    result = CliRunner(env={"SEMSEARCH_LANG": "zh", "COLUMNS": "80"}).invoke(
        main, args, prog_name="semsearch"
    )
    return result.exit_code, result.stdout, result.stderr


def fields(text: str) -> list[str]:
    """Return the placeholders of a template with their formats, sorted."""
    parts = string.Formatter().parse(text)
    return sorted(f"{name}!{kind}:{form}" for _, name, form, kind in parts if name is not None)


# -- the catalogue ------------------------------------------------------------------------------------------


def test_every_text_of_help_and_messages_has_a_translation() -> None:
    code = (
        "import make_catalogue as m\n"
        "for path in m.CATALOGUES.values():\n"
        "    for (_, text), place in m.missing(path).items(): print(f'{place}: {text!r}')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY / "docs",
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "", (
        f"no Chinese for:\n{done.stdout}Run `.venv/bin/python docs/make_catalogue.py`, then fill in each empty msgstr"
        f" of {language.CATALOGUES['zh'].relative_to(REPOSITORY)}; the terms are at its top."
    )


def test_catalogue_is_a_po_file_as_babel_reads_it() -> None:
    with language.CATALOGUES["zh"].open("rb") as stream:
        read = read_po(stream, abort_invalid=True)
    theirs = {(message.context or "", message.id): message.string for message in read if message.id}
    assert read.locale is not None and read.locale.language == "zh"
    assert {(context, text): said for context, text, said in ENTRIES if text} == theirs
    assert len(theirs) == len([text for _, text, _ in ENTRIES if text]), "an entry occurs twice"


def test_placeholders_survive_translation() -> None:
    for context, text, said in TRANSLATED:
        if context == "count":
            assert fields(said) == ["!None:"], text
        elif context == "library":
            names = re.findall(r"\{(\w*)\}", text)
            used = re.findall(r"\{(\w*)\}", said)
            numbers = {int(name) for name in used if name.isdigit()}
            assert numbers <= set(range(names.count(""))), text
            assert used.count("") in (0, names.count("")), text
            assert ("message" in names) == ("message" in used), text
        elif "{+" not in text:  # the mark of an insertion
            assert fields(said) == fields(text), text


def test_names_of_options_and_commands_are_not_translated() -> None:
    for _, text, said in TRANSLATED:
        if "--lang zh" in text:  # help offers the other language
            continue
        for name in re.findall(r"(?<!\S)--[a-z][\w-]*|`semsearch [^`{]+|\bSEMSEARCH_[A-Z]+", text):
            assert name.rstrip(",.:;") in said, (name, said)


def test_chinese_has_blanks_and_punctuation_as_usual() -> None:
    han = r"[\u4e00-\u9fff]"
    for _, _, said in TRANSLATED:
        assert not re.search(rf"{han}[A-Za-z0-9`]|[A-Za-z0-9`]{han}", said), said
        assert not re.search(rf"{han}[,;:?!(]|[,;?!]{han}", said), said


# -- which language -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN"}, "zh"),
        ({"LANG": "zh_SG.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh"),
        ({"LC_MESSAGES": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_GB:zh"}, "en"),
        ({"LANG": "C", "LANGUAGE": "zh_CN"}, "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_language_of_the_locale(environment: dict[str, str], expected: str) -> None:
    assert language.of_locale(environment) == expected


def test_option_outranks_environment_settings_and_locale(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.delenv("LANGUAGE", raising=False)
    monkeypatch.delenv("SEMSEARCH_LANG")
    ask = ["config", "path", "--help"]
    assert "示例" in CliRunner().invoke(main, ask).stdout
    assert CliRunner().invoke(main, ["config", "set", "--user", "lang", "en"]).exit_code == 0
    assert "Examples" in CliRunner().invoke(main, ask).stdout
    monkeypatch.setenv("SEMSEARCH_LANG", "zh")
    assert "示例" in CliRunner().invoke(main, ask).stdout
    assert "Examples" in CliRunner().invoke(main, [*ask, "--lang", "en"]).stdout
    assert "Examples" in CliRunner().invoke(main, ["--lang=en", *ask]).stdout
    assert "Examples" in CliRunner().invoke(main, ["query", "--set", "lang=en", "--help"]).stdout


def test_a_language_that_does_not_exist_is_refused() -> None:
    for args in (
        ["query", "--lang", "fr", "x"],
        ["--lang", "fr", "query", "x"],
        ["query", "x", "--set", "lang=fr"],
    ):
        result = CliRunner().invoke(main, args)
        assert result.exit_code == 2 and "'fr' is not one of 'en', 'zh'" in result.stderr


def test_english_reads_no_catalogue() -> None:
    language.catalogue.cache_clear()
    assert CliRunner().invoke(main, ["query", "--help"]).exit_code == 0
    assert CliRunner().invoke(main, ["query"]).exit_code != 0
    assert language.catalogue.cache_info().currsize == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030", "utf-8"])
def test_no_encoding_of_the_output_ends_in_a_traceback(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "semsearch", "--lang", "zh", "status", "--index", "nowhere"],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
    )
    said = done.stderr.decode(encoding)
    assert done.returncode == 10
    assert ("错误" in said) == (encoding in ("gb18030", "utf-8"))
    assert "Traceback" not in said


# -- what a person sees -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_chinese_help_fits_80_columns(command: str) -> None:
    code, shown, _ = zh(*command.split(), "--help")
    examples = re.findall(r"^  semsearch .*", shown, re.MULTILINE)
    lines = [line for line in shown.splitlines() if line not in examples]
    assert code == 0 and shown.startswith("用法：semsearch")
    assert [line for line in lines if cells(line) > 80] == []
    if not command:
        assert len(shown.splitlines()) <= 24


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["qury", "x"], 2, "错误：没有 'qury' 这个命令。是否要用 'query'？"),
        (["query", "--bogus", "x"], 2, "错误：没有 '--bogus' 这个选项。"),
        (["query", "-k", "many", "x"], 2, "错误：'-k' / '-n' / '--limit' / '--top-k' 的值无效："),
        (["ingest"], 2, "用法：semsearch ingest [OPTIONS] PATH..."),
        (["ingest", "no/such"], 2, "错误：no/such 不存在\n提示：相对路径以 "),
        (["query", ""], 2, "错误：查询为空\n提示：请说明要找什么"),
        (["query", "x", "--budget", "9"], 2, "错误：--budget 要与 --markdown 合用\n提示：请加上 --markdown"),
        (["query", "押金", "-志愿者"], 2, "错误：-志愿者 不是选项。要排除某个词，请给查询加引号"),
        (["config", "set", "kk", "1"], 2, "错误：没有 'kk' 这项设置\n提示：是否要用 k？"),
    ],
)
def test_errors_are_in_chinese(args: list[str], code: int, said: str) -> None:
    ended, _, shown = zh(*args)
    assert ended == code
    assert said in shown


def test_unknown_texts_of_the_library_stay_english() -> None:
    language.choose(["--lang", "zh"])
    assert language.translated("no such sentence exists in it") == "no such sentence exists in it"
    assert language.translated("{0} {message} {") == "{0} {message} {"
    assert language.translated("binary file") == "二进制文件"
    assert language.translated("a b.md does not exist") == "a b.md 不存在"
    assert (
        language.translated("precision at least 0.95 with 90% confidence, guaranteed on sick")
        == "准确率至少为 0.95（置信度 90%），由 sick 保证"
    )


def test_values_that_look_like_templates_are_copied() -> None:
    language.choose(["--lang", "zh"])
    assert language.translated("{0} {x} does not exist") == "{0} {x} 不存在"
    assert language.translated("x" * 100_000 + " is a folder").endswith(" 是文件夹")


def test_counts_are_chinese_for_people_and_english_for_programs() -> None:
    language.choose(["--lang", "zh"])
    assert render.plural(1_234, "passage") == "1,234 个段落"
    assert render.plural(2, "unheard-of thing") == "2 unheard-of things"
    said = groups.difference("Pay 4 euros.", "Pay 5 euros.", ("Pay 4 euros.", "Pay 5 euros."))
    assert "the keeper" in said and "number" in said
    assert render.plural(1, "passage") == "1 个段落"


# -- columns ------------------------------------------------------------------------------------------------


def test_wide_characters_take_two_columns() -> None:
    assert cells("段落 abc，") == 4 + 1 + 3 + 2
    assert padded("阈值", 6) == "阈值  "


def test_chinese_lines_break_anywhere_but_before_punctuation() -> None:
    text = "路径“PATH”是文件，也可以是表示标准输入的 - 号（可重复）。" * 3
    for width in range(12, 60):
        lines = wrapped(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(cells(line) <= width for line in lines)
        assert not [line for line in lines if line[0] in "，。）”" or line[-1] in "（“"]


def test_a_click_command_of_the_group_knows_the_option() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert "--lang" in {option for param in command.params for option in param.opts}
