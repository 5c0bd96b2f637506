"""Search quality: SciFact's qrels, questions on the PEPs and Vue's pages, exact copies, and recall of the vector index.

Everything goes through `semsearch.Index`, as in a user's program. No figure here depends on the machine.
"""

import gzip
import hashlib
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, astuple
from pathlib import Path
from statistics import fmean
from typing import get_args

import numpy as np
from common import Report, arguments, files_below, need, portion, talk

from semsearch import Index
from semsearch.errors import IndexNotFound
from semsearch.evaluation.retrieval import evaluate_search, read_collection, read_qrels
from semsearch.readers import RowFields
from semsearch.storage.library import Library
from semsearch.text import clean
from semsearch.types import Mode

PEPS = {
    # PEP 484 has the section on hints for generators and coroutines; PEP 525, on asynchronous generators, has none.
    "how are type hints for async generators written": "pep-0484.rst",
    "why was the global interpreter lock made optional": "pep-0703.rst",
    "how many spaces should one level of indentation be": "pep-0008.rst",
    "how does a generator hand part of its work over to another generator": "pep-0380.rst",
    "what happens to file names that are not valid in the system's encoding": "pep-0383.rst",
    "where does a package say which tools are needed to build it": "pep-0518.rst",
    "how can several unrelated errors be raised and caught together": "pep-0654.rst",
    "why does dividing two integers give a float": "pep-0238.rst",
    "how can zip complain when its inputs differ in length": "pep-0618.rst",
    "which operator multiplies matrices": "pep-0465.rst",
}
VUE = {
    "怎样在组件之间共享状态": "guide/scaling-up/state-management.md",
    "列表渲染时为什么要给每一项一个 key": "guide/essentials/list.md",
    "如何监听数据的变化并执行异步操作": "guide/essentials/watchers.md",
    "计算属性和方法有什么区别": "guide/essentials/computed.md",
    "怎样把弹窗渲染到 body 下面": "guide/built-ins/teleport.md",
    "切换标签页时如何保留组件的状态": "guide/built-ins/keep-alive.md",
    "祖先组件怎样把数据传给很深的后代组件": "guide/components/provide-inject.md",
    "怎么防止跨站脚本攻击": "guide/best-practices/security.md",
    "v-if 和 v-show 应该用哪个": "guide/essentials/conditional.md",
    "子组件怎样通知父组件发生了什么": "guide/components/events.md",
    "如何写一个自定义指令让输入框自动聚焦": "guide/reusability/custom-directives.md",
    "怎样只在需要时才从服务器加载组件": "guide/components/async.md",
    "表单里的多选框怎样绑定到数组": "guide/essentials/forms.md",
    "列表元素插入和移除时的动画": "guide/built-ins/transition-group.md",
    "怎样拿到模板里真实的 DOM 元素": "guide/essentials/template-refs.md",
    "服务端渲染时出现激活不匹配怎么办": "guide/scaling-up/ssr.md",
    "如何给组件写单元测试": "guide/scaling-up/testing.md",
    "屏幕阅读器用户如何跳过导航": "guide/best-practices/accessibility.md",
    "虚拟 DOM 是怎样工作的": "guide/extras/rendering-mechanism.md",
    "没有传给 props 的 class 会落到哪里": "guide/components/attrs.md",
}
VUE_OTHERS = {
    "怎样创建一个应用实例并挂载到页面上": "guide/essentials/application.md",
    "props 可以在子组件里修改吗": "guide/components/props.md",
    "插槽里怎样使用子组件的数据": "guide/components/slots.md",
    "组件上怎么实现双向绑定": "guide/components/v-model.md",
    "全局注册组件有什么缺点": "guide/components/registration.md",
    "怎样动态地给元素加上 class": "guide/essentials/class-and-style.md",
    "点击时怎样阻止事件冒泡": "guide/essentials/event-handling.md",
    "组件被挂载之后怎样执行代码": "guide/essentials/lifecycle.md",
    "为什么推荐使用 ref 而不是 reactive": "guide/essentials/reactivity-fundamentals.md",
    "模板里怎样输出原始 HTML": "guide/essentials/template-syntax.md",
    "元素离开时的过渡动画怎么写": "guide/built-ins/transition.md",
    "等待异步组件加载时怎样显示加载状态": "guide/built-ins/suspense.md",
    "什么是组合式函数": "guide/reusability/composables.md",
    "怎样编写一个插件": "guide/reusability/plugins.md",
    "不用路由库怎样实现简单的页面切换": "guide/scaling-up/routing.md",
    "为什么要使用单文件组件": "guide/scaling-up/sfc.md",
    "编辑器应该安装哪个插件": "guide/scaling-up/tooling.md",
    "怎样给 props 标注 TypeScript 类型": "guide/typescript/composition-api.md",
    "选项式 API 里怎样为 prop 标注复杂类型": "guide/typescript/options-api.md",
    "组合式 API 会取代选项式 API 吗": "guide/extras/composition-api-faq.md",
    "响应式系统是怎样追踪依赖的": "guide/extras/reactivity-in-depth.md",
    "怎样用 Vue 制作自定义元素": "guide/extras/web-components.md",
    "怎样用 JSX 写渲染函数": "guide/extras/render-function.md",
    "生产环境部署时怎样去掉编译器": "guide/best-practices/production-deployment.md",
    "页面加载太慢应该怎样优化": "guide/best-practices/performance.md",
    "单文件组件里怎样让样式只作用于当前组件": "api/sfc-css-features.md",
    "怎样声明组件会触发哪些事件 defineEmits": "api/sfc-script-setup.md",
    "怎样自己实现一个渲染器": "api/custom-renderer.md",
    "shallowRef 和 ref 有什么区别": "api/reactivity-advanced.md",
    "怎样判断一个值是不是 ref": "api/reactivity-utilities.md",
    "Vue 的新版本多久发布一次": "about/releases.md",
    "怎样参与文档的翻译": "about/translation.md",
    "用状态变化驱动数字的动画": "guide/extras/animation.md",
    "动态组件怎样切换": "guide/essentials/component-basics.md",
}
"""The questions that decided two choices: headings count among a passage's words, and question words (`怎样`, `什么`)
stay in. They were asked after the questions above, which were then asked again."""
QUESTIONS = {
    "peps": ("peps", PEPS, 10),
    "vue-docs-zh": ("vue-docs-zh", VUE, 18),
    "vue-chosen-by": ("vue-docs-zh", VUE_OTHERS, None),
}
"""The folder of each part, its questions with the file that answers each, and the target of answers in the top 3. The
files were chosen by reading, before the first search."""
PUBLISHED_NDCG = 0.645
"""The figure of all-MiniLM-L6-v2 on SciFact (MTEB), with abstracts cut at 256 tokens. Ours are split, not cut."""
HYBRID_NDCG = 0.725
"""The target for search by meaning and words together. Alone they reach 0.645 and 0.682."""
NEIGHBOURS = 10
QUERIES = 500


def opened(folder: Path, paths: Sequence[Path], fields: RowFields = RowFields()) -> Index:
    """Return the index in `folder`, created if absent, and up to date with some paths."""
    try:
        index = Index.open(folder)
    except IndexNotFound:
        index = Index.create(folder)
    talk(f"ingest into {folder.parent.name}/{folder.name}, unless done before")
    index.ingest(paths, fields=fields)
    return index


# -- (a) SciFact ----------------------------------------------------------------------------------------


def scifact(report: Report, data: Path, cache: Path, limit: int | None) -> None:
    """Report the figures of `semsearch bench-search` in each mode of search."""
    corpus, qrels = data / "corpus.jsonl", data / "qrels" / "test.tsv"
    if limit is not None:
        judged = {document for relevant in read_qrels(qrels).values() for document in relevant}
        lines = corpus.read_text(encoding="utf-8").splitlines(keepends=True)
        lines.sort(key=lambda line: json.loads(line)["_id"] not in judged)
        corpus = cache / f"scifact-{limit}.jsonl"
        corpus.write_text("".join(lines[:limit]), encoding="utf-8")
    collection = read_collection(corpus, data / "queries.jsonl", qrels)
    with opened(cache / f"scifact-{limit or 'all'}", [corpus], collection.fields) as index:
        found = evaluate_search(index, collection)
        counts = index.status().counts
        queries = [text for text, _ in collection.queries.values()]
        report.figures["scifact"] = {
            "documents": counts["documents"],
            "passages": counts["passages"],
            "queries": len(queries),
            "modes": {mode: asdict(measures) for mode, measures in found.items()},
            "published_dense_ndcg_at_10": PUBLISHED_NDCG,
        }
        report.table(
            f"SciFact, {counts['documents']:,} abstracts in {counts['passages']:,} passages, {len(queries)} queries"
            f" (nDCG@10 published for the model, abstracts cut: {PUBLISHED_NDCG})",
            ("mode", "nDCG@10", "recall@100", "MRR@10"),
            [(mode, *(f"{value:.4f}" for value in astuple(one))) for mode, one in found.items()],
        )
        if limit is None:
            report.bar("SciFact: nDCG@10 of hybrid search", found["hybrid"].ndcg_at_10, ">=", HYBRID_NDCG)
        neighbours(report, "SciFact", index, queries)


# -- (b) questions --------------------------------------------------------------------------------------


def questions(report: Report, name: str, folders: Path, cache: Path, limit: int | None) -> None:
    """Report the rank of the file that answers each question, in each mode. Files rank by their best passage."""
    where, answers, asked = QUESTIONS[name]
    folder = need(folders / where)
    folder = portion(folder, limit, cache / "some" / name, [folder / file for file in answers.values()])
    with opened(cache / (f"{where}-all" if limit is None else f"{name}-{limit}"), [folder]) as index:
        wanted = [index.key_of(folder / file) for file in answers.values()]
        found = {
            mode: [
                list(dict.fromkeys(hit.source for hit in hits))
                for hits in index.query_many(
                    list(answers),
                    k=100,
                    mode=mode,
                    collapse=False,
                    per_document=None,
                    literal=True,
                    highlight=False,
                )
            ]
            for mode in get_args(Mode)
        }
    ranks = {
        mode: [row.index(key) + 1 if key in row else None for key, row in zip(wanted, rows, strict=True)]
        for mode, rows in found.items()
    }
    within = {mode: sum(rank is not None and rank <= 3 for rank in row) for mode, row in ranks.items()}
    files = len(files_below(folder))
    report.figures.setdefault("questions", {})[name] = {
        "files": files,
        "in_top_3": within,
        "mrr": {m: fmean(1 / rank if rank else 0.0 for rank in row) for m, row in ranks.items()},
        "ranks": {question: {m: ranks[m][at] for m in ranks} for at, question in enumerate(answers)},
    }
    report.table(
        f"{name}, questions on {files} files: rank of the right one",
        ("question", "file", *ranks),
        [
            (question, Path(file).stem, *(ranks[mode][at] or "> 100" for mode in ranks))
            for at, (question, file) in enumerate(answers.items())
        ]
        + [("in the top 3", "", *within.values())],
    )
    if asked is not None:
        report.bar(f"{name}: questions with the right file in the top 3", within["hybrid"], ">=", asked)


# -- (c) exact copies -----------------------------------------------------------------------------------


def copies(report: Report, folder: Path, cache: Path, limit: int | None) -> None:
    """Check that each set of files with equal cleaned texts is one group, and that only true copies are exact."""
    by_text: dict[str, list[Path]] = defaultdict(list)
    for path in files_below(folder):
        body = clean(path.read_text(encoding="utf-8")).strip()
        by_text[hashlib.sha256(body.encode()).hexdigest()].append(path.relative_to(folder))
    equal = [paths for paths in by_text.values() if len(paths) > 1]
    wanted = [folder / path for paths in equal for path in paths]
    folder = portion(folder, limit, cache / "some" / folder.name, wanted)
    with opened(cache / f"{folder.name}-{limit or 'all'}", [folder]) as index:
        found = index.duplicates(threshold=0.85)
        name_of = {path: index.key_of(folder / path) for paths in by_text.values() for path in paths}
    text_of = {name_of[path]: digest for digest, paths in by_text.items() for path in paths}
    group_of = {
        name: number
        for number, group in enumerate(found.groups)
        for name in (group.keeper, *(member.name for member in group.members))
    }
    sets = [{group_of.get(name_of[path]) for path in paths} for paths in equal]
    whole = sum(len(groups) == 1 and None not in groups for groups in sets)
    wrong = sum(
        (member.tier == "exact") != (text_of[member.name] == text_of[group.keeper])
        for group in found.groups
        for member in group.members
    )
    figures = {
        "files": found.total,
        "sets of equal files": len(equal),
        "of these in one group": whole,
        "groups": len(found.groups),
        "largest group": max((1 + len(group.members) for group in found.groups), default=0),
        "members marked exact": found.exact,
        "members marked near": found.near,
        "members marked wrongly": wrong,
    }
    report.figures.setdefault("copies", {})[folder.name] = {
        key.replace(" ", "_"): n for key, n in figures.items()
    }
    report.table(
        f"near-duplicates of {folder.name} at 0.85",
        ("", "number"),
        [(k, f"{v:,}") for k, v in figures.items()],
    )
    if equal:  # no two files of eips are: its many stubs "This file was moved to ..." differ in a number
        report.bar(f"{folder.name}: sets of equal files in one group", whole, "==", len(equal))
    report.bar(f"{folder.name}: members wrongly marked exact or near", wrong, "==", 0)


# -- (d) recall of the vector index ---------------------------------------------------------------------


def neighbours(report: Report, name: str, index: Index, queries: Sequence[str]) -> None:
    """Report the share of the true nearest passages that Chroma's graph returns. Ties count as equally near."""
    with closing(Library(index.folder / "library.sqlite3")) as library:
        ids, matrix = library.passages_where(lambda source: True)
    row = {id_: at for at, id_ in enumerate(ids)}
    vectors = index.embedder.embed([clean(query).strip() for query in queries], "query")
    scores = vectors @ matrix.T
    cut = np.partition(scores, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS] - 1e-6
    results = index._vectors.nearest(vectors, NEIGHBOURS)  # private: a query would compare them all
    assert results is not None, "the graph is not as it was sealed: semsearch repair"
    right = sum(
        int(np.sum(scores[at, [row[id_] for id_ in ids]] >= cut[at])) for at, ids in enumerate(results)
    )
    figures = {
        "passages": len(ids),
        "queries": len(queries),
        "recall_at_10": right / (NEIGHBOURS * len(queries)),
    }
    report.figures.setdefault("vector_index", {})[name] = figures
    report.table(
        f"HNSW against brute force, {name}: {len(ids):,} passages, {len(queries)} queries",
        ("", f"recall@{NEIGHBOURS}"),
        [("HNSW", f"{figures['recall_at_10']:.4f}")],
    )
    report.bar(f"{name}: recall@{NEIGHBOURS} of HNSW", figures["recall_at_10"], ">=", 0.99)


def sentences(report: Report, data: Path, cache: Path) -> None:
    """Report the same on the index of cold_query.py, if it is in the cache, and after replacing half of it."""
    with gzip.open(data, "rt", encoding="utf-8") as file:
        lines = [line for line in map(str.strip, file) if line]
    for folder in sorted(cache.glob("sentences-*")):
        with Index.open(folder / "index") as index:
            neighbours(report, folder.name, index, lines[-QUERIES:])
        with replaced(folder, lines, cache / f"replaced-{folder.name}") as index:
            neighbours(report, f"{folder.name}, half of them replaced", index, lines[-QUERIES:])


def replaced(folder: Path, lines: Sequence[str], copy: Path) -> Index:
    """Return a copy of an index of rows in which every second row then gets another text."""
    if not copy.exists():
        shutil.copytree(folder, copy)
    file = folder / "sentences.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    used = {row["text"] for row in rows}
    others = dict.fromkeys(line for line in lines[:-QUERIES] if line not in used)
    for row, text in zip(rows[::2], others, strict=False):
        row["text"] = text
    (copy / file.name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return opened(copy / "index", [copy / file.name], RowFields(text=("text",)))


def main() -> None:
    parts = ("scifact", *QUESTIONS, "copies", "sentences")
    quick = "documents of each collection, those with an answer first, for a quick run"
    parser = arguments(__doc__)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep the indexes here (default: build them each time)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help=quick)
    parser.add_argument("--only", choices=parts, action="append", help="one part; repeatable")
    options = parser.parse_args()
    data, limit = options.data, options.limit
    report = Report("search", options)
    keep = nullcontext(options.cache) if options.cache else tempfile.TemporaryDirectory()
    with keep as folder:
        cache = Path(folder).absolute()
        cache.mkdir(parents=True, exist_ok=True)
        for part in options.only or parts:
            if part == "scifact":
                scifact(report, need(data / "scifact"), cache, limit)
            elif part in QUESTIONS:
                questions(report, part, data / "folders", cache, limit)
            elif part == "copies":
                for name in ("eips", "rust-book"):
                    copies(report, need(data / "folders" / name), cache, limit)
            else:
                sentences(report, need(data / "sentences" / "sentences-400k.txt.gz"), cache)
    report.close()


if __name__ == "__main__":
    main()
