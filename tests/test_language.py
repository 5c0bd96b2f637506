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
        (["ingest"], 2, "用法：semsearch ingest [OPTIONS] [PATH...]"),
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


# -- no message stays English ---------------------------------------------------------------------------------

ENGLISH = re.compile(r"(?<![\w/.'`-])[a-z]{2,}(?:[ ,;:]+[a-z]+(?![\w=/.(-])){2,}")
"""Three words in small letters: a message, since all texts, names and values of these tests are Chinese."""
OPENING = "图书馆星期一到星期五上午九点到下午六点开放，借书需要借书证。\n"
FILES = {
    "图书馆.md": f"---\ntags: [日常]\nstatus: 进行\n---\n# 图书馆\n\n{OPENING}",
    "副本.md": f"# 图书馆\n\n{OPENING}",
    "开放.txt": OPENING.replace("九点", "十点"),
    "自行车.txt": "自行车放在院子里，钥匙在厨房的抽屉里。不要忘记锁门。\n",
    "数据.csv": "编号,文本\n1,今天下雨了\n2,明天天晴\n3,今天下雨了\n",
    "空.txt": "",
    "键.pem": "x",
    "十六.txt": "\n".join(
        " ".join(f"{(row * 7 + at * 13) % 256:02x}" for at in range(16)) for row in range(60)
    ),
    "对.csv": "text_a,text_b,label\n"
    + "".join(f"今天{at}下雨,今天{at}下雨了,1\n今天{at}下雨,明天{at}天晴,0\n" for at in range(9)),
    "少.csv": "text_a,text_b,label\n今天,昨天,0\n",
    "坏计划.json": '{"steps": 1}',
}
COMMAND_LINES = """
query 图书馆; status; dedup; query 图书馆 --index 没有; similar 图书馆.md;
ingest .; ingest . --dry-run -v; ingest 没有; ingest . --model 没有; ingest . --text-field 没有;
query 图书馆 -k 2; query status:进行; query status:没有; query date>=没有; query 没有:图书馆;
query 图书馆|OR|自行车; query -图书馆; query (图书馆); query 图书馆 --min-score 0.99; query 图书馆 --explain;
query 图书馆 --facet tags; query 图书馆 --source 没有; query; query 图书馆 -k 0; query 图书馆 -k 二;
query 图书馆 --没有; query 图书馆 --mode lexical --min-score 0.5; similar 图书馆.md; similar 没有.md;
similar 自行车.txt --line 9; diff 图书馆.md 开放.txt; diff 图书馆.md 副本.md; diff 图书馆.md 没有.md; dedup;
dedup --explain; dedup --threshold 1.2; dedup --from-run 9; plan 计划.json; plan 没有/计划.json;
apply 没有.json; apply 坏计划.json; undo; dedup-files 数据.csv; dedup-files 没有.csv;
dedup-files 数据.csv --output 没有/新.csv; dedup-files 图书馆.md 自行车.txt; leak 数据.csv 数据.csv;
leak 没有.csv 数据.csv; triage 对.csv --on 数据.csv; triage 对.csv --on 对.csv --text-field text_a;
clusters; clusters --output 没有.txt; clusters --over-time 没有; clusters --plot 没有.pdf;
label; tune; tune --pairs 对.csv; tune --pairs 少.csv; tune --pairs 数据.csv;
tune --pairs 没有.csv; tune --pairs 对.csv --positive 没有;
tune --pairs 对.csv --guarantee --min-precision 0.99; eval --pairs 少.csv; bench-search;
bench-search --corpus 没有; models; models 没有; status; status --sources; status --index /etc; why 键.pem;
why 十六.txt; why 没有.md; why .; check; repair; remove 没有; remove 自行车.txt; forget 没有; forget 图书馆.md;
config; config set 没有 1; config set; config show; 没有; mcp --没有; serve --port 没有; completion 没有
"""
"""Command lines between semicolons. In an argument, | is a blank."""


def test_no_message_of_a_command_stays_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = {}
    for line in re.split(r";\s", COMMAND_LINES.strip()):
        args = [part.replace("|", " ") for part in line.split()]
        code, *said = zh(*args)
        shown = re.sub(r"'[^'\n]*'|`[^`\n]*`|^  semsearch .*", "", "\n".join(said), flags=re.MULTILINE)
        shown = shown.replace("No such file or directory", "")  # the operating system's
        shown = re.sub(r"\b(label|status|tags|text_a|text_b)\b", "", shown)  # fields and columns of the files
        if english := [part for part in shown.splitlines() if ENGLISH.search(part)]:
            found[line] = english
        assert code in range(20), line
    assert found == {}


def test_reasons_are_translated_one_by_one() -> None:
    language.choose(["--lang", "zh"])
    said = language.translated(
        "a date or time differs: 九点 / 十点; the model does not know what differs: 九 / –"
    )
    assert said == "日期或时间不同：九点 / 十点；模型不认识不同之处：九 / –"
    assert (
        language.translated("no document has status:x; its values are y")
        == "没有文档符合 status:x；已有的值：y"
    )
