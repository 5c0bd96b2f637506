"""List the formats of secrets: tokens of known services, and what follows a header, a statement or an option.

They are facts that the services publish, and that scanners such as gitleaks and detect-secrets list.
"""

import re
from collections.abc import Sequence

_APART = r"(?:(?<![A-Za-z0-9])|(?<=[0-9;\[]m))"
"""The places where a token with a common beginning starts: after a sign, or a colour of a terminal, as in `[31m`."""
_END = r"(?![A-Za-z0-9])"
_WORDLIKE = r"[A-Za-z0-9_=-]+(?:[.][A-Za-z0-9_=-]+)*"

# The beginnings of tokens, each followed by 16 characters or more that are random.
_PREFIXES = (
    "AKCp", "ATATT3", "CLOJARS_", "FLWSECK", "HRKU-", "LTAI", "NRAK-", "PMAK-", "SK", "api_org_", "dapi", "dckr_oat_",
    "dckr_pat_", "doo_v1_", "dop_v1_", "dor_v1_", "dp.pt.", "duffel_", "figd_", "fio-u-", "fm1r_", "fm2_", "fo1_",
    "glagent-", "glc_", "glcbt-", "gldt-", "glft-", "glimt-", "gloas-", "glptt-", "glrt-", "glsa_", "glsoat-", "gsk_",
    "hf_", "hvb.", "hvr.", "hvs.", "lin_api_", "nfp_", "npm_", "ntn_", "ops_eyJ", "pnu_", "pplx-", "pscale_", "pul-",
    "r8_", "rdme_", "rubygems_", "sb_secret_", "sbp_", "shpat_", "shpca_", "shppa_", "shpss_", "sk-", "sntrys_",
    "sntryu_", "sq0atp-", "sq0csp-", "tskey-", "xai-", "xkeysib-",
)  # fmt: skip


def _compiled(*formats: tuple[Sequence[str], str]) -> Sequence[tuple[Sequence[str], re.Pattern[str]]]:
    return [(marks, re.compile(pattern, re.MULTILINE)) for marks, pattern in formats]


# Formats, each with texts of which one occurs in it. A text without any of them costs no search.
TOKENS = _compiled(
    (_PREFIXES, rf"{_APART}(?:{'|'.join(map(re.escape, _PREFIXES))})(?P<value>(?=[\w.=-]{{16}}){_WORDLIKE})"),
    (("AKIA", "ASIA", "ABIA", "ACCA"), rf"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{{16}}{_END}"),
    (
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "ghp\\_"),
        rf"(?:gh[pousr]\\?_[A-Za-z0-9]{{36,255}}|github_pat_[A-Za-z0-9_]{{50,255}}){_END}",
    ),
    (("glpat-",), r"glpat-[A-Za-z0-9_-]{20,}"),
    (("xox", "xapp-"), r"x(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,}"),
    (("hooks.slack.com",), r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_-]{20,}"),
    (("AIza",), r"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])"),
    (("ya29.",), r"ya29\.[A-Za-z0-9_-]{20,}"),
    (("pypi-AgE",), r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    (("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"), r"(?:[sr]k_(?:live|test)|whsec)_[A-Za-z0-9+/]{16,}"),
    (("SG.",), r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,}"),
    (("eyJ",), r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"),
    ((":AA",), rf"{_APART}\d{{8,10}}:AA[A-Za-z0-9_-]{{33}}{_END}"),
    (("Q~",), r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~-])"),
    ((".atlasv1.",), r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,}"),
    (("AGE-SECRET-KEY-1",), r"AGE-SECRET-KEY-1[A-Za-z0-9]{40,}"),
    (
        ("sig=", "ignature=", "token=", "key=", "Key=", "secret=", "auth=", "jwt="),
        r"[?&;][\w.-]{0,30}(?:[Ss]ig|[Ss]ignature|[Tt]oken|[Kk]ey|[Ss]ecret|[Aa]uth|jwt)="
        r"(?P<value>[^&\s#\"'<>()\[\]]{16,}+)",
    ),
    (
        ("pass=", "passwd=", "password=", "pwd="),
        r"[?&](?:pass|passwd|password|pwd)=(?P<password>[^&\s#\"'<>()\[\]]{3,}+)",
    ),
)  # fmt: skip
LINES = _compiled(
    (
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:[^-]|-(?!----)){0,20000}+-----END [A-Z0-9 ]{0,60}-----"
        r"|(?:(?:[\s>]|\\[nr]){0,8}[A-Za-z0-9+/=]{20,}+)++)",
    ),
    (("---- BEGIN SSH2 ENC",), r"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?:[^-]|-(?!---)){0,20000}+---- END[^\n]*"),
    (("PuTTY-User-Key-File",), r"PuTTY-User-Key-File-\d: (?:[^\n]{0,100}\n){1,300}?Private-MAC: [0-9a-f]+"),
    (("earer ",), r"earer(?<=\b[Bb]earer)[ \t]+(?P<value>[A-Za-z0-9+/_=.~-]{20,}+)"),
    (("asic ",), r"asic(?<=\b[Bb]asic)[ \t]+(?P<hidden>[A-Za-z0-9+/]{12,}+={0,2})"),
    (
        ("igest ",),
        r"igest(?<=\b[Dd]igest)[ \t]+(?P<password>(?=[^\n]{0,2000}\bresponse=[\"']?[0-9a-f]{32})[^\n]{0,4000})",
    ),
    (
        ("uthorization",),
        r"uthorization(?<=\b[Aa]uthorization)[\"']?[ \t]{0,3}[:=,][ \t]{0,3}[\"']?"
        r"(?i:bearer|basic|token|api-?key)[ \t]+(?P<login>[^\s\"'`<>]{6,100})",
    ),
    (("://",), r"://[^\s/:@\"'<>]{0,100}:(?P<password>[^\s/\"'<>]{3,100})(?=@[\w.\[-])"),
    (
        ("dentified by", "DENTIFIED BY", "dentified with", "DENTIFIED WITH", "ord '", "ORD '", 'ord "', 'ORD "'),
        r"(?i:\bidentified[ \t]+(?:with[ \t]+\S+[ \t]+)?by|\bwith[ \t]+(?:encrypted[ \t]+)?password)[ \t]+"
        r"(?:password[ \t]+)?[\"'](?P<password>[^\"'\n]{3,100})(?=[\"'])",
    ),
    (
        ("login ", "requirepass "),
        r"(?:\blogin[ \t]+\S{1,100}\s+password|^requirepass)[ \t]+[\"']?(?P<login>[^\s\"'<]{4,100})",
    ),
)  # fmt: skip
COMMANDS = _compiled(
    (
        ("curl",),
        r"\bcurl[^\n]{0,200}?[ \t](?:-[A-Za-z]{0,9}u|--user)[ \t=]{0,2}[\"']?"
        r"[^\s:\"'@/]{1,60}:(?P<password>[^\s\"'@]{3,100})",
    ),
    (
        (" -u", " --user", " -a ", " --auth"),
        r"(?<=[ \t])(?:-u|-a|--user|--auth)[ \t=]{0,2}[\"']?[A-Za-z][^\s:\"'@/]{0,60}:(?P<login>[^\s:\"'@/]{6,100})",
    ),
    (  # programs whose option has a password glued to it
        ("mysql", "mariadb", "7z ", "7za ", "rar "),
        r"\b(?:(?:mysql|mariadb)\w*|7z[azr]?|(?:un)?rar)\b[^\n|;]{0,200}?[ \t]-p[\"']?"
        r"(?P<password>[^\s\"'<]{3,100})",
    ),
    (  # and those in which it stands after the option
        ("sshpass", "docker login", "podman login", "helm reg", "az login", "zip -", "sqlcmd", "redis-cli", "ldap"),
        r"\b(?:(?:sshpass|(?:docker|podman|helm registry|az) login)\b[^\n|;]{0,200}?[ \t]-p"
        r"|(?:(?:un)?zip|sqlcmd)\b[^\n|;]{0,200}?[ \t]-P|redis-cli\b[^\n|;]{0,200}?[ \t]-a"
        r"|ldap(?:search|modify|add)\b[^\n|;]{0,200}?[ \t]-w)[ \t]*[\"']?(?P<password>[^\s\"'<|;]{3,100})",
    ),
    ((" pass:",), r"[ \t]-pass(?:in|out)?[ \t]+[\"']?pass:(?P<password>[^\s\"'<]{3,100})"),
)  # fmt: skip
