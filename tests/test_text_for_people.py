"""Prose alone is indexed: data, secrets and what only programs read are left out of any text."""

import base64
import binascii
import hashlib
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from timing import is_linear
from tiny_embedder import TinyEmbedder, create_index

from semsearch.errors import InvalidInput
from semsearch.ingest.chunk import chunk
from semsearch.readers import RowFields
from semsearch.text import clean, why_not_prose, without_data
from semsearch.types import Document

RANDOM = random.Random(1)
DATA = base64.b64encode(RANDOM.randbytes(3000)).decode()
WRAPPED = base64.encodebytes(RANDOM.randbytes(3000)).decode()
TOKEN = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2"
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{WRAPPED}-----END RSA PRIVATE KEY-----"
NOTE = "We meet on Monday at the old mill, and talk about the roof that leaks since the storm of last week.\n"


def hexdump() -> str:
    bytes_ = RANDOM.randbytes(1024)
    return "\n".join(f"{at:08x}  {bytes_[at : at + 16].hex(' ')}" for at in range(0, 1024, 16))


def numbers(sign: str) -> str:
    return "\n".join(sign.join(f"{RANDOM.uniform(-9, 9):.4f}" for _ in range(9)) for _ in range(30))


def drawing() -> str:
    return "".join(f"{RANDOM.choice('lcsqtahv')}{RANDOM.uniform(-9, 9):.2f}-1.5" for _ in range(90))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (hexdump(), "encoded data"),
        ("\n".join(RANDOM.randbytes(20).hex() for _ in range(30)), "encoded data"),
        ("\n".join(base64.b64encode(RANDOM.randbytes(30)).decode() for _ in range(30)), "encoded data"),
        ("".join(f"={byte:02X}" for byte in RANDOM.randbytes(300)), "encoded data"),
        (RANDOM.randbytes(900).decode("latin-1"), "encoded data"),
        (clean(without_data(DATA)), "encoded data"),
        (base64.a85encode(RANDOM.randbytes(900), wrapcol=76).decode(), "signs without words"),
        ("=" * 200, "signs without words"),
        (numbers(","), "numbers without words"),
        (numbers(" "), "numbers without words"),
        (drawing(), "numbers without words"),
        ("function f(a){return a+1};var b=c(d,e)[0];if(!b){g(h)};" * 9, "minified code"),
        (".a{color:red;margin:0}.b>p{padding:1px 2px}" * 9, "minified code"),
    ],
)
def test_what_only_programs_read_is_not_prose(text: str, reason: str) -> None:
    assert why_not_prose(text) == reason


@pytest.mark.parametrize(
    "text",
    [
        "42",
        "https://example.org/\n" * 9,
        "- 3.11.4 2023-06-06\n" * 20,
        "Ann 079 123 45 67\nBo 079 765 43 21\n" * 9,
        "| year | rain | sun |\n|------|------|-----|\n" + "| 2023 | 812.5 | 1790 |\n" * 20,
        "2024-05-06 10:00:01,123 INFO org.example.Server - Started in 1.2 s (JVM running for 2.3)\n" * 9,
        "def f(a, b):\n if a[0] != b[1]:\n return {a: (b, 1)}\n" * 9,
        "图书馆星期一到星期五上午九点到下午六点开放,需要借书证。" * 9,
        "ห้องสมุดเปิดตั้งแต่วันจันทร์ถึงวันศุกร์เวลาเก้าโมงเช้าถึงหกโมงเย็น" * 9,
        "المكتبة مفتوحة من الاثنين إلى الجمعة من الساعة التاسعة صباحا" * 9,
        "पुस्तकालय सोमवार से शुक्रवार तक सुबह नौ बजे से खुला रहता है। " * 9,
        "Библиотека открыта с понедельника по пятницу, с девяти до шести. " * 9,
        "Die Donaudampfschifffahrtsgesellschaftskapitänswitwe wohnt hier. " * 9,
        "O\n lonely\n leaf\n\n-\n\nfalling...\n" * 9,
    ],
)
def test_what_people_write_is_prose(text: str) -> None:
    assert why_not_prose(clean(text)) == ""


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7ABCDEFG",
        "ghp_" + "aB3dE5fG7h" * 4,
        "sk-proj-aB3dE5fG7hI9jK1lM3nO5",
        "xoxb-1234567890-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkw.c2lnbmF0dXJl",
        KEY,
        json.dumps(KEY),
    ],
)
def test_a_secret_in_a_text_leaves_a_mark(secret: str) -> None:
    text = f"The token is\n{secret}\nand more words."
    found = without_data(text)
    assert secret[10:40] not in found and "[secret " in found
    assert found.startswith("The token is\n") and found.endswith("\nand more words.")
    assert found.count("\n") == text.count("\n")


def test_values_that_are_called_secret_are_cut() -> None:
    text = without_data("API_KEY = 'kJ8sdf9Sd8f7sdF98sdf7'\nlink: postgres://bo:hunter2@example.org/db")
    assert "kJ8" not in text and "hunter2" not in text and "postgres://bo:[secret]@example.org/db" in text


@pytest.mark.parametrize(
    "shape",
    [
        *(
            "API key: `{}`",
            "**Token:** {}",
            "**Password**: {}",
            "| API key | {} |",
            "the token is {} I think",
        ),
        *(
            "密码：{}",
            "password：{}",
            "口令:{}",
            "密码是{}",
            "key:\xa0{}",
            "token: “{}”",
            "<password>{}</password>",
        ),
        *(
            "login --token {} now",
            "Authorization: Basic {}",
            "curl -su admin:{} http://x",
            "Set-Cookie: session={}",
        ),
        *("psk={}", "passphrase: {}", '{{"name":"api_key","value":"{}"}}', "- name: API_KEY\n  value: {}"),
        *(
            "API token:\n{}",
            "Password\n{}",
            "key: >-\n  {}",
            "key = b'{}'",
            ":token: {}",
            "API_KEY_PROD={}",
            "keys: [{}]",
        ),
        *("\x1b[32mghp_{}\x1b[0m", "FOO_ghp_{}", "ghp\\_{}", "AGE-SECRET-KEY-1{}ABCDE"),
    ],
)
def test_a_value_with_the_name_of_a_secret_is_cut(shape: str) -> None:
    text = f"one\n{shape.format(TOKEN)}\nthree"
    cut = without_data(text)
    assert TOKEN[4:] not in cut and "[secret" in cut and cut.count("\n") == text.count("\n")
    assert without_data(cut) == cut


@pytest.mark.parametrize(
    "name",
    [
        "token=",
        "password=",
        "password=a",
        "--key ",
        "key: ",
        "password,",
        "password\tx\n",
        "|pass",
        "mysql -p ",
        "?key=",
    ],
)
def test_names_in_values_are_searched_in_linear_time(name: str) -> None:
    assert is_linear(without_data, name, size=100_000, floor=0.25)


def test_a_long_value_is_cut_to_its_end() -> None:
    cut = without_data(f"token={TOKEN * 60} end")
    assert cut.startswith("token=[secret ") and cut.endswith("] end") and len(cut) < 40


@pytest.mark.parametrize(
    "name", ["password: ", "passwd=", "PWD = ", "psk=", "--password ", "密码：", '{"pwd":"']
)
def test_a_short_random_password_leaves_no_digest(name: str) -> None:
    assert without_data(f'{name}x7Kq!9pL2m"') == f'{name}[secret]"'


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("password: hunter22", "password: [secret]"),
        ("pwd=hunter2;", "pwd=[secret];"),
        ("密码：blue42horse", "密码：[secret]"),
        ("Das Passwort ist hunter22.", "Das Passwort ist [secret]."),
        ("mysql -u admin:hunter22 -h x", "mysql -u admin:[secret] -h x"),
        ("redis://:hunter22@host/0", "redis://:[secret]@host/0"),
        ("postgres://bo:p@ss:w0rd@host/db", "postgres://bo:[secret]@host/db"),
        ("| user | password |\n|---|:---|\n| a | b |\n| bo | hunter22 |\n\nhunter22",
         "| user | password |\n|---|:---|\n| a | b |\n| bo | [secret] |\n\nhunter22"),
        ("Passwort | Name\n---|---\nhunter22 | bo", "Passwort | Name\n---|---\n[secret] | bo"),
        ("+---+----------+\n| u | password |\n+===+==========+\n| a | hunter22 |\n+---+----------+\n| b | hunter23 |",
         "+---+----------+\n| u | password |\n+===+==========+\n| a | [secret] |\n+---+----------+\n| b | [secret] |"),
    ],
)  # fmt: skip
def test_a_password_that_a_person_made_is_cut(text: str, cut: str) -> None:
    assert without_data(text) == cut == without_data(cut)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "DB_PASS=«hunter22»",
            "dbPass = '«hunter22»'",
            "SMTPPASS=«S3cr3t!pw»",
            "pass: «hunter22»",
            "pw: «hunter22»",
        ),
        *(
            "password := '«hunter22»'",
            "password -> «hunter22»",
            "password → «hunter22»",
            "'pwd' => '«hunter22»'",
        ),
        *("password::«hunter22»", "<password>«hunter22»</password>", "Password (admin): «hunter22»"),
        *("Wi-Fi password for guests: «hunter22»", "| Wi-Fi password | «hunter22» |"),
        *(
            "password: «12345678»",
            "the password is «4821».",
            "PIN: «4821»",
            "pw = «83742910»",
            "暗証番号：«4821»",
        ),
        *("password: '«correct horse battery staple»'", "the password is “«blue heron nine»”"),
        *("senha: «hunter22»", "wachtwoord: «hunter22»", "mdp : «hunter22»", "mot de passe : «hunter22»"),
        *("la contraseña es «hunter22»", "Пароль — «hunter22»", "hasło: «hunter22»", "비밀번호: «hunter22»"),
        *(
            "パスワードは «hunter22» です",
            "密码 «hunter22»",
            "账号 bo 密码是«hunter22»，别忘了",
            "口令：«hunter22»",
        ),
        *("mysql -u root -p«hunter» db", "mysqldump -p'«S3cret!x»' -u root", "7z x -p«hunter» a.7z"),
        *(
            "sshpass -p «hunter» ssh x",
            "docker login -u bo -p «hunter» registry",
            "redis-cli -h x -a «hunter»",
        ),
        *("openssl rsa -passin pass:«hunter» -in x", "machine x.org login bo password «hunter22»"),
        *("CREATE USER bo IDENTIFIED BY '«hunter»'", "ALTER ROLE bo WITH PASSWORD '«hunter»'"),
        "SET x IDENTIFIED WITH mysql_native_password BY '«hunter»'",
        *("Authorization: Bearer «hunter22»", "Authorization: Basic «Ym86aHVudGVyMg==»"),
        f"Authorization: Digest «username='bo', nonce='x', response='{hashlib.md5(b'bo').hexdigest()}'»",
        *("https://x.org/a?user=bo&password=«hunter»", f"https://x.org/a?b=1&token=«{TOKEN[:18]}»"),
        *(
            "user\tpassword\nbo\t«hunter22»\nann\t«48213377»\n",
            "Wi-Fi password «hunter22»\nnext",
            "**Kennwort** «sommer2024»",
            "password:\n\n  «hunter22»\nnext",
            "Password\n«hunter22»\n",
            "- pwd - «hunter22»",
        ),
        *("我的密码«abc12345»", "密码：«春天花开88»", "登录密码 «春天花开88»\n", "비밀번호 «바다2024»"),
        *("passphrase: «correct horse battery staple»", "Password: «maple-river-stone-cloud»\nnext"),
        *(
            "name;mdp;x\nbo;«hunter22»;1",
            "a,pwd\nbo,«hunter22»",
        ),
    ],
)
def test_a_password_is_cut_however_it_is_written(text: str) -> None:
    cut = without_data(re.sub("[«»]", "", text))
    assert cut == re.sub("«[^»]*»", "[secret]", text)
    assert without_data(cut) == cut


@pytest.mark.parametrize(
    "text",
    [
        *("password protected2 files", "password step2", "The password 4 you", "my second pass 2k60fps40"),
        *(
            "Password\nstep2 of it",
            "password:\nhunter22 is what people write",
            "密码学2024年",
            "密码 至少 8 位",
        ),
        *(
            "Password: required",
            "password: the login name of your account",
            "password - a few words about it",
        ),
        *("Password: shown when users login", "忘记密码怎么办", "the private key of the old house"),
    ],
)
def test_what_people_write_about_passwords_stays(text: str) -> None:
    assert without_data(text) == text


@pytest.mark.parametrize(
    "prefix",
    [
        "hvs.",
        "dckr_pat_",
        "sq0csp-",
        "npm_",
        "glrt-",
        "NRAK-",
        "lin_api_",
        "sbp_",
        "tskey-auth-",
        "gsk_",
        "dp.pt.",
    ],
)
def test_a_token_of_a_service_is_cut_after_its_prefix(prefix: str) -> None:
    cut = without_data(f"run {prefix}{TOKEN}.")
    assert TOKEN[9:] not in cut and cut.startswith("run ") and cut.endswith("].") and "[secret " in cut
    for words in (f"{prefix}the-name-of-a-long-thing", f"x{prefix}some_long_name_of_a_setting"):
        assert without_data(words) == words


@pytest.mark.parametrize(
    "name", ["sig", "X-Amz-Signature", "X-Goog-Signature", "access_token", "apiKey", "jwt"]
)
def test_a_signature_in_a_link_is_cut(name: str) -> None:
    cut = without_data(f"see https://x.org/a?sv=2020&{name}={TOKEN}%3D&se=2 now")
    assert cut.startswith(f"see https://x.org/a?sv=2020&{name}=[secret ") and cut.endswith("]&se=2 now")
    assert TOKEN not in cut
    page = f"https://x.org/a?{name}=the-name-of-some-page"
    assert without_data(page) == page


def test_a_token_may_be_glued_to_letters() -> None:
    for token in (f"ghp_{TOKEN}", "AKIAIOSFODNN7ABCDEFG", f"glpat-{TOKEN}", f"github_pat_{TOKEN}{TOKEN}"):
        assert TOKEN[9:] not in without_data(f"Xy{token} z") and "[secret" in without_data(f"Xy{token} z")
    assert without_data("task-aB3dE5fG7hI9jK1lM3nO5") == "task-aB3dE5fG7hI9jK1lM3nO5"


def test_ids_and_names_of_files_hold_no_secret(tmp_path: Path) -> None:
    rows = f"id,text\nghp_{TOKEN},{NOTE.splitlines()[0]}\n"
    write(tmp_path, {"a.csv": rows, f"ghp_{TOKEN}.md": NOTE, "sk-learn-notes-2024.md": NOTE})
    with create_index(tmp_path / ".semsearch") as index:
        report = index.ingest(tmp_path, fields=RowFields(id="id"))
        assert index.sources() == ["a.csv", "sk-learn-notes-2024.md"]
        assert [one.reason[:22] for one in report.skipped] == ["its name has a secret,"]
        assert all(TOKEN not in hit.document for hit in index.query("note", k=9))
    library = b"".join(file.read_bytes() for file in (tmp_path / ".semsearch").glob("library*"))
    assert TOKEN[9:].encode() not in library


@pytest.mark.parametrize("between", ["\xad", "\u200b", "\u2060", "\ufeff"])
def test_cleaning_puts_no_secret_together(between: str) -> None:
    key = KEY.replace("PRIVATE KEY", f"PRIV{between}ATE KEY")
    text = f"one\xa0 line\nghp_{TOKEN[:9]}{between}{TOKEN[9:]}\n{key}"
    cut = without_data(text)
    assert TOKEN[9:] not in cut and KEY[40:90] not in cut and cut.startswith("one\xa0 line\n[secret ")
    assert cut.count("\n") == text.count("\n")
    blank = without_data("a\n" + KEY.replace(" PRIVATE KEY", "\xa0PRIVATE\xa0KEY"))
    assert KEY[40:90] not in blank and blank.startswith("a\n[secret ")


@pytest.mark.parametrize(
    "text",
    [
        "password = form.cleaned_data['password1']",
        "password = getPass2Word(user1)",
        "password: changeme",
        "password: <your password>",
        "PASSWORD=${DB1PASS2WORD3}",
        "PWD=/home/b1/x2y3z4",
        "the key: remember that 4 of 5 doors have no lock",
        "The password is on the note in the drawer",
        "docker run -u root:wheel1 image",
        "Basic understanding of tokens: internationalization_and_localization",
        "the private key begins with -----BEGIN RSA PRIVATE KEY----- and a line end",
        "key: some_long_name_of_a_setting",
        "token = get_the_token_from_the_environment()",
        "pip install sk-learn-is-not-the-name-of-it",
        "ftp://user:password@example.org",
        "password: sha256 or base64",
        "a password is necessary. It has 8 signs.",
        "password = user1.password",
        "self.password = password2",
        "password = VAR\n  BLOCK1",
        "| user | password |\n|---|---|\n| bo | required |",
        "sudo -u user:group x1",
        "https://host:8080/a@b",
        "the password is 8chars long",
        "the password must be 12characters",
        "the password is 1024 bits long",
        "Das Passwort ist 8zeichen lang",
        "passwords: 1234",
        "password_length: 1024",
        "password: 'Enter your password'",
        "'password': 'The current one is wrong'",
        "'password' => 'required min:8'",
        "label password: 'Mot de passe oublié'",
        "it came to pass: 3 of 4 went home",
        "bypass: route66ab",
        "the compass: north42x",
        "pin: 13",
        "spin: 12345",
        "passport: AB123456",
        "mysql -p mydb",
        "mysql -u root -p<password>",
        "mysql -uroot -p$PASS db",
        "IDENTIFIED BY 'password'",
        'sshpass -p "$PASS" ssh x',
        "Authorization: Bearer <token>",
        "Digest authentication has a response= field",
        "https://x.org/?token=abc",
        "密码 sha256",
        "密码至少8位",
        "密码：8位以上",
        "password, username and email",
        "see the password, then go\nall2gether, then home",
        "user,password\nbo,required",
        "password: Optional[str] = None",
        "| password | sha256 |",
        "passwords are 8 to 12 signs",
    ],
)
def test_words_about_secrets_stay(text: str) -> None:
    assert without_data(text) == text


@pytest.mark.parametrize("data", [DATA, WRAPPED, f"data:image/png;base64,{DATA}"])
@pytest.mark.parametrize("shape", ["{}", "![x]({})", "<img src='{}'>", '"{}"', "x {} y"])
def test_data_is_cut_and_lines_stay(data: str, shape: str) -> None:
    text = "\r\n".join(["one", shape.format(data), "three"])
    cut = without_data(text)
    assert len(cut) < 100 + cut.count("\n") and "[data " in cut
    assert cut.split("\n")[0] == "one" and cut.split("\n")[-1] == "three"
    assert cut.count("\n") == text.count("\n")
    assert cut != without_data(text.replace(data[30:40], data[31:41]))


def test_a_long_link_loses_its_query_for_the_model_only() -> None:
    link = "https://example.org/plan?" + "state=abc&" * 20
    assert without_data(link) == link
    assert clean(link).startswith("https://example.org/plan [") and clean(clean(link)) == clean(link)


def test_a_passage_that_is_not_prose_is_left_out_with_its_place() -> None:
    text = NOTE * 3 + "\n" + hexdump() + "\n\n" + NOTE * 3
    chunked = chunk(Document("a.md", text), TinyEmbedder(), everything=False)
    assert {one.reason for one in chunked.left_out} == {"encoded data"}
    assert all(why_not_prose(passage.text) == "" for passage in chunked.record.passages)
    places = [(one.first, one.last) for one in chunked.left_out]
    assert places[0][0] >= 4 and places[-1][1] <= 70
    assert chunk(Document("a.md", text), TinyEmbedder()).left_out == ()


def test_fields_hold_no_secret_either() -> None:
    document = Document("a.md", NOTE, metadata={"key": "AKIAIOSFODNN7ABCDEFG", "n": 1})
    fields = chunk(document, TinyEmbedder()).record.metadata
    assert str(fields["key"]).startswith("[secret ") and fields["n"] == 1


@pytest.mark.parametrize(
    "name", ["api_key", "password", "nested.token", "API_KEY", "db.password", "X-Auth-Token"]
)
def test_a_field_is_judged_by_its_name(name: str) -> None:
    metadata = {name: TOKEN, f"{name}s": (TOKEN, "b"), "note": "a word", f"ghp_{TOKEN}": "x"}
    fields = chunk(Document("a.md", NOTE, metadata=metadata), TinyEmbedder()).record.metadata
    assert TOKEN not in str(fields) and fields["note"] == "a word" and len(fields) == 4
    assert str(fields[name]).startswith("[secret ")


def test_what_is_shown_of_a_line_has_no_secret_either() -> None:
    written = f"one\n\nthe token gh<b>p_</b>{TOKEN}\n"
    document = Document("a.html", f"one\nthe token ghp_{TOKEN}", numbers=(1, 3), written=written)
    passages = chunk(document, TinyEmbedder()).record.passages
    assert all(TOKEN not in passage.text + passage.original for passage in passages)


def test_files_of_any_format_store_no_secret(tmp_path: Path) -> None:
    body = "A note on the small server in the cellar of the house.\n"
    files: dict[str, str | bytes] = {
        "a.md": f"---\napi_key: {TOKEN}\nnested:\n  token: {TOKEN}\n---\n{body}",
        "b.csv": f"text,password,ghp_{TOKEN}\n{body.strip()},{TOKEN},x\n",
        "c.jsonl": json.dumps({"text": body, "api_token": TOKEN, "deep": {"password": TOKEN}}),
        "d.md": f"+++\n[params]\nsecret='{TOKEN}'\n+++\n{body}",
        "e.org": f"* Head\n:PROPERTIES:\n:API_KEY: {TOKEN}\n:END:\n{body}",
        "f.txt": f"{body}ghp_{TOKEN[:9]}\xad{TOKEN[9:]}",
    }
    write(tmp_path, files)
    with create_index(tmp_path / ".semsearch") as index:
        assert not index.ingest(tmp_path).failed and len(index.sources()) == len(files)
        index.add([{"id": "a", "text": body, "api_key": TOKEN}])
    stored = b"".join(file.read_bytes() for file in (tmp_path / ".semsearch").rglob("*") if file.is_file())
    assert TOKEN[9:].encode() not in stored


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def notebook(number: int) -> str:
    picture = {"output_type": "display_data", "data": {"image/png": DATA, "text/plain": "<Figure>"}}
    cells = [
        {"cell_type": "markdown", "source": f"# Plot {number}\n{NOTE}\n![x](data:image/png;base64,{DATA})"},
        {"cell_type": "code", "source": "import pandas", "outputs": [picture]},
    ]
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": cells})


def mail(number: int) -> str:
    part = f"--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n{WRAPPED}\n"
    text = f"--b\nContent-Type: text/plain\n\n{NOTE * 3}\n{WRAPPED}\n\nBye {number}\n"
    head = (
        "From: a@example.org\nSubject: Roof\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    )
    return f"{head}{text}{part}--b--\n"


JUNK: dict[str, Callable[[], str | bytes]] = {
    "app.min.js": lambda: "function f(a){return a+1};" * 300,
    "site.js": lambda: "/* one\n*/\n" + "function f(a){return a+1};" * 300,
    "package-lock.json": lambda: json.dumps({"integrity": [DATA] * 9}),
    "deps.json": lambda: json.dumps(
        [f"sha512-{binascii.hexlify(RANDOM.randbytes(40)).decode()}" for _ in range(40)]
    ),
    "logo.svg": lambda: f"<svg><path d='{drawing()}'/></svg>",
    "id_rsa": lambda: KEY,
    "server.pem": lambda: KEY.replace("PRIVATE KEY", "CERTIFICATE"),
    "prod.env": lambda: "PASSWORD=hunter2",
    "dump.txt": hexdump,
    "table.txt": lambda: numbers(" "),
    "blob.txt": lambda: WRAPPED,
    "node_modules/x/readme.md": lambda: NOTE,
    "image.bin2": lambda: RANDOM.randbytes(900),
    ".obsidian/app.json": lambda: "{}",
    ".trash/old.md": lambda: NOTE,
}


def test_a_vault_of_120_files_gives_prose_alone(tmp_path: Path) -> None:
    shapes = (
        "{note}",
        "---\ntags: [home]\n---\n# Roof\n\n{note}\n![x](data:image/png;base64,{data})\n",
        "# Dump\n\n{note}\n```\n{dump}\n```\n\n{note}",
        "# Key\n\n{note}\n{key}\n\nghp_aB3dE5fG7haB3dE5fG7haB3dE5fG7haB3dE5fG7h\n",
    )
    files: dict[str, str | bytes] = {name: make() for name, make in JUNK.items()}
    files |= {f"book{number}.ipynb": notebook(number) for number in range(10)}
    files |= {f"mail{number}.eml": mail(number) for number in range(10)}
    for number in range(120 - len(files)):
        values = {"note": f"Note {number}. {NOTE}", "data": DATA, "dump": hexdump(), "key": KEY}
        files[f"notes/{number}.md"] = shapes[number % len(shapes)].format(**values)
    write(tmp_path, files)
    with create_index(tmp_path / ".semsearch") as index:
        report = index.ingest(tmp_path)
        sources = set(index.sources())
        texts = [
            hit.text
            for name in sources
            for hit in index.query("roof note bye plot key dump", k=200, source=name)
        ]
        assert not report.failed and set(report.left_out) == {"encoded data", "numbers without words"}
        junk = {name.partition("/")[0] for name in JUNK} & {source.partition("/")[0] for source in sources}
        assert junk == set() and len(sources) == len(files) - len(JUNK)
        assert len(texts) > 100 and [text for text in texts if why_not_prose(text)] == []
        secrets = ("ghp_", "hunter2", KEY[40:90], DATA[:40], WRAPPED[:40])
        assert [text for text in texts if any(secret in text for secret in secrets)] == []
        library = b"".join(file.read_bytes() for file in (tmp_path / ".semsearch").glob("library*"))
        assert not any(secret.encode() in library for secret in secrets)


def test_all_stores_what_is_not_prose_and_is_remembered(tmp_path: Path) -> None:
    write(tmp_path, {"dump.txt": hexdump(), "yarn.lock": NOTE, "a.md": NOTE, "a.pem": NOTE})
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path)
        assert index.sources() == ["a.md"]
        assert index.why(tmp_path / "dump.txt")[0].reason == "not prose: encoded data"
        index.ingest(tmp_path, everything=True)
        assert index.sources() == ["a.md", "dump.txt", "yarn.lock"]
        assert index.ingest(tmp_path).unchanged == 3
        assert index.status().roots["."]["all"] is True
        index.ingest(tmp_path, everything=False)
        assert index.sources() == ["a.md"]


def test_columns_of_rows_are_remembered_for_their_path(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": "body,text\nthe first,x\nthe second,y\n"})
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path / "a.csv", fields=RowFields(("body",)))
        report = index.ingest(tmp_path / "a.csv")
        assert report.unchanged == 1 and "--text-field body, as remembered" in report.notes[0]
        assert index.ingest(tmp_path / "a.csv", fields=RowFields(("text",))).updated == 1
        with pytest.raises(InvalidInput, match="has no column 'nope'"):
            index.ingest(tmp_path / "a.csv", fields=RowFields(("nope",)), dry_run=True)


def test_a_secret_file_is_indexed_only_where_it_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"keys/prod.env": "NAME=the house", "a.md": NOTE})
    with create_index(tmp_path / ".semsearch") as index:
        for include in (None, ["*"], ["keys/*"]):
            index.ingest(tmp_path, include=include)
            assert "keys/prod.env" not in index.sources()
        index.ingest(tmp_path, include=["*.env"])
        assert "keys/prod.env" in index.sources()
        index.ingest(tmp_path)  # the pattern is remembered, and names no secret any more
        assert "keys/prod.env" not in index.sources()


def test_why_lists_the_lines_that_are_not_stored(tmp_path: Path) -> None:
    write(tmp_path, {"a.md": f"{NOTE}\n{hexdump()}\n\n{NOTE}"})
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path)
        (status,) = index.why(tmp_path / "a.md")
        assert status.status == "indexed" and status.passages == 2
        assert (status.left_out[0].first, status.left_out[-1].last) == (3, 66)
        assert [one.left_out for one in index.why(tmp_path)] == [()]  # a folder is not read again
