"""The review of near-duplicates: decisions on pairs, the plan and the labels that become of them, and the map."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from described import described, require_described
from starlette.testclient import TestClient
from tiny_embedder import create_index, open_index

from semsearch.dedup.plan import Plan
from semsearch.dedup.review import FILE, Decision, Review, ordered
from semsearch.errors import IndexLocked, InvalidInput, SemsearchError
from semsearch.index import Index
from semsearch.requests import DedupRequest
from semsearch.search.plane import principal_plane
from semsearch.server.app import create_app
from semsearch.server.context import Settings
from semsearch.tuning.labels import FILE as LABELS
from semsearch.tuning.labels import Label, open_labels, read_labels
from semsearch.tuning.measured import label_metrics
from semsearch.tuning.sampling import certain_pair

DEPOSIT = "the deposit is paid back when the drill comes home in good order and with all of its parts"
TEXTS = {
    "a.md": DEPOSIT,
    "b.md": DEPOSIT.replace("parts", "bits"),
    "c.md": DEPOSIT,
    "d.md": DEPOSIT.replace("drill comes home", "saw comes back"),
    "e.md": "bread rises overnight in a warm kitchen while the oven is cold",
    "f.md": "bread rises overnight in a warm kitchen while the oven is cold",
    "g.md": "the ferry to the island leaves the pier at nine on every weekday",
    "h.md": "the ferry to the island leaves the pier at nine on every workday",
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path)
        yield index


@pytest.fixture
def review(index: Index) -> Review:
    return index.review(DedupRequest(0.5))


def shown(review: Review, threshold: float = 0.5) -> list[tuple[str, dict[str, str]]]:
    """Return each keeper with the verdicts on its members."""
    return [
        (one.group.keeper, {member.name: verdict for member, verdict in one.pairs})
        for one in review.groups(threshold)
    ]


def test_groups_of_a_review_are_those_of_duplicates(index: Index) -> None:
    review = index.review(DedupRequest())
    assert review.found.threshold < review.usual
    for threshold in (review.usual, 0.9, 1.0):
        found = index.duplicates(threshold)
        assert [one.group for one in review.groups(threshold)] == list(found.groups)
        assert review.found.sizes([threshold]) == [(len(found.groups), found.exact + found.near)]


def test_verdict_is_kept_in_the_index_for_the_next_review(index: Index, review: Review) -> None:
    review.decide([Decision("a.md", "b.md", "remove"), Decision("g.md", "h.md", "different")])
    review.decide([Decision("a.md", "d.md", "both"), Decision("e.md", "f.md", "both")])
    review.decide([Decision("e.md", "f.md", "")])
    expected = [
        ("a.md", {"c.md": "", "b.md": "remove", "d.md": "both"}),
        ("e.md", {"f.md": ""}),
        ("g.md", {"h.md": "different"}),
    ]
    assert shown(review) == expected
    assert shown(index.review(DedupRequest(0.5))) == expected


def test_verdict_is_dropped_where_a_text_has_changed(index: Index, review: Review) -> None:
    review.decide([Decision("e.md", "f.md", "remove"), Decision("g.md", "h.md", "both")])
    for name in ("e.md", "f.md"):
        index.path_of(name).write_text("bread rises overnight in a cold kitchen", encoding="utf-8")
    index.ingest(index.folder.parent)
    assert shown(index.review(DedupRequest(0.5)))[1:] == [("e.md", {"f.md": ""}), ("g.md", {"h.md": "both"})]


def test_chosen_keeper_is_compared_with_the_others_anew(review: Review) -> None:
    review.decide([Decision("a.md", "c.md", "remove"), Decision("b.md", "a.md", "remove")])
    (one, *_) = review.groups(0.5)
    assert one.group.keeper == "b.md"
    assert dict(zip(one.group.names[1:], one.verdicts, strict=True)) == {
        "a.md": "remove",
        "c.md": "",
        "d.md": "",
    }
    pairs = {frozenset((pair.left, pair.right)): pair for pair in review.found.pairs()}
    for member in one.group.members:
        if pair := pairs.get(frozenset(("b.md", member.name))):
            assert member.similarity == pytest.approx(pair.similarity)
            assert (member.jaccard, member.tier) == (pair.jaccard, pair.tier)


def test_keepers_that_replace_each_other_in_a_circle_end(review: Review) -> None:
    circle = [
        Decision("b.md", "a.md", "remove"),
        Decision("d.md", "b.md", "remove"),
        Decision("a.md", "d.md", "remove"),
    ]
    review.decide(circle)
    (one, *_) = review.groups(0.5)
    assert one.group.keeper == "a.md"
    assert [member.name for member in one.removed] == ["d.md"]


def test_plan_has_only_what_goes_and_is_that_of_plan(index: Index, review: Review) -> None:
    assert index.plan(review.removals(0.5)).steps == ()
    review.decide([Decision("a.md", "b.md", "remove"), Decision("h.md", "g.md", "remove")])
    review.decide([Decision("e.md", "f.md", "both")])
    plan = index.plan(review.removals(0.5))
    assert [(step.document, step.keeper) for step in plan.steps] == [("b.md", "a.md"), ("g.md", "h.md")]
    assert Plan.parse(plan.text()) == plan
    whole = {step.document: step for step in index.plan(index.duplicates(0.5)).steps}
    assert plan.steps[0] == whole["b.md"]


def test_accept_takes_a_tier_and_neither_protected_nor_decided(index: Index) -> None:
    found = index.duplicates(0.5, protect=["a.md", "c.md"])
    review = Review(found, index.folder / FILE, 0.5)
    review.decide([Decision("e.md", "f.md", "both")])
    assert review.accept(0.5, "exact") == 0
    review.decide([Decision("e.md", "f.md", "")])
    assert review.accept(0.5, "exact") == 1
    assert [step.document for step in index.plan(review.removals(0.5)).steps] == ["f.md"]


def test_accept_leaves_texts_that_state_other_facts(tmp_path: Path) -> None:
    for name, number in (("a.md", 5), ("b.md", 7)):
        (tmp_path / name).write_text(
            f"the fee for the garden shed is {number} euros a day in summer", encoding="utf-8"
        )
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path)
        assert index.review(DedupRequest(0.5)).groups(0.5) == []
        review = index.review(DedupRequest(0.5, remove_differing=True))
        for threshold in (0.5, 0.6):
            (one,) = review.groups(threshold)
            assert "5" in one.group.members[0].differs
            assert review.accept(threshold, one.group.members[0].tier) == 0
        assert [rule for rule, _ in review.view("a.md", "b.md").warnings] == ["number"]


def test_orders_put_doubt_size_or_similarity_first(review: Review) -> None:
    groups = review.groups(0.5)
    weakest = [one.group.weakest for one in ordered(groups, "doubt")]
    assert weakest == sorted(weakest)
    assert [len(one.group.members) for one in ordered(groups, "size")] == [3, 1, 1]
    assert ordered(groups, "similarity")[0].group.keeper == "e.md"
    doubtful = replace(
        groups[1], group=replace(groups[1].group, members=(replace(groups[1].group.members[0], differs="x"),))
    )
    assert ordered([groups[0], doubtful], "doubt")[0] is doubtful


def test_decision_on_one_or_an_unknown_document_is_refused(index: Index, review: Review) -> None:
    for keep, other in (("a.md", "a.md"), ("a.md", "nowhere.md")):
        with pytest.raises(InvalidInput):
            review.decide([Decision(keep, other, "remove")])
    assert not (index.folder / FILE).exists()


def test_decision_after_the_index_has_changed_is_refused(index: Index, review: Review) -> None:
    index.add([{"id": "1", "text": "new"}])
    with pytest.raises(SemsearchError, match="has changed"):
        review.decide([Decision("a.md", "b.md", "remove")])


def test_torn_last_decision_is_dropped_and_written_over(index: Index, review: Review) -> None:
    review.decide([Decision("a.md", "b.md", "remove"), Decision("e.md", "f.md", "remove")])
    path = index.folder / FILE
    path.write_bytes(path.read_bytes()[:-20])
    again = index.review(DedupRequest(0.5))
    assert shown(again)[1] == ("e.md", {"f.md": ""})
    again.decide([Decision("e.md", "f.md", "both")])
    assert shown(index.review(DedupRequest(0.5)))[1] == ("e.md", {"f.md": "both"})


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[]",
        '{"keep": 1}',
        json.dumps(dict.fromkeys(("keep", "other", "keep_text", "other_text"), "a") | {"verdict": "burn"}),
    ],
)
def test_foreign_file_of_decisions_is_refused(index: Index, line: str) -> None:
    (index.folder / FILE).write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="line 1"):
        index.review(DedupRequest(0.5))


def test_decided_pairs_become_labels_that_count_once(index: Index, review: Review) -> None:
    review.decide(
        [
            Decision("a.md", "b.md", "remove"),
            Decision("a.md", "c.md", "remove"),
            Decision("a.md", "d.md", "both"),
            Decision("g.md", "h.md", "different"),
        ]
    )
    labelled = list(review.labelled(0.5))
    assert [(keeper, member.name, duplicate) for keeper, member, duplicate in labelled] == [
        ("a.md", "b.md", True),
        ("g.md", "h.md", False),
    ]
    path = index.folder / "labels.csv"
    rows = [
        Label.of(
            certain_pair((keeper, member.name), (TEXTS[keeper], TEXTS[member.name]), member.similarity),
            str(int(duplicate)),
            index.model,
        )
        for keeper, member, duplicate in labelled
    ]
    with open_labels(path) as file:
        assert file.merge(rows) == 2
        assert file.merge(rows) == 0
        assert file.merge([replace(rows[0], label="0")]) == 1
        assert file.merge([rows[0]]) == 1
    measured = label_metrics(path, index.model)
    assert measured is not None
    at = measured.at(0.5)
    assert (at.tp, at.fp, at.precision and at.precision.value) == (1, 1, 0.5)
    assert label_metrics(path, "another model") is None


def test_labels_of_another_model_are_refused(index: Index) -> None:
    pair = certain_pair(("a", "b"), ("one", "two"), 0.5)
    with open_labels(index.folder / "labels.csv") as file:
        file.merge([Label.of(pair, "1", "another model")])
        with pytest.raises(InvalidInput, match="another model"):
            file.require_model(index.model)


# -- the map ------------------------------------------------------------------------------------------------


def test_plane_is_that_of_the_principal_components() -> None:
    vectors = np.random.default_rng(1).standard_normal((500, 24)).astype(np.float32) * np.linspace(
        3, 1, 24, dtype=np.float32
    )
    points, share = principal_plane(vectors)
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    expected = left[:, :2] * values[:2]
    expected /= np.abs(expected).max()
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-5)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())


@pytest.mark.parametrize(
    "vectors",
    [
        np.zeros((0, 8)),
        np.zeros((1, 8)),
        np.ones((3, 8)),
        np.eye(3)[:2],
        np.ones((4, 1)),
        np.arange(4.0)[:, None],
    ],
)
def test_plane_of_few_or_equal_vectors_is_finite(vectors: np.ndarray) -> None:
    points, share = principal_plane(vectors.astype(np.float32))
    assert points.shape == (len(vectors), 2)
    assert np.all(np.abs(points) <= 1)
    assert 0 <= share <= 1


def test_plane_is_made_once_and_again_after_a_change(index: Index) -> None:
    made = index.plane()
    path = index.folder / "plane.bin"
    before = path.stat().st_mtime_ns
    again = index.plane()
    assert path.stat().st_mtime_ns == before
    assert again.version == made.version
    np.testing.assert_array_equal(again.points, made.points)
    assert len(made.points) == len(TEXTS)
    assert made.read([list(made.names).index("e.md")]) == [TEXTS["e.md"]]
    index.add([{"id": "1", "text": "a new text"}])
    assert index.plane().version != made.version
    with pytest.raises(SemsearchError, match="has changed"):
        made.read([0])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"x" + content,
        lambda content: content[:-4] + b"\xff" * 4,
        lambda _: b"",
    ],
)
def test_damaged_plane_is_made_again(index: Index, damage: object) -> None:
    assert callable(damage)
    made = index.plane()
    path = index.folder / "plane.bin"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    np.testing.assert_array_equal(index.plane().points, made.points)
    assert path.read_bytes() == whole


def test_lasso_has_the_points_inside(index: Index) -> None:
    plane = replace(
        index.plane(), points=np.array([[0, 0], [0.5, 0.5], [-0.9, 0.1], [0.8, -0.9]], np.float32)
    )
    square = np.array([[-0.6, -0.6], [0.6, -0.6], [0.6, 0.6], [-0.6, 0.6]])
    assert plane.within(square).tolist() == [0, 1]
    arrow = np.array([[-1, -1], [1, -1], [0.1, -0.2], [-1, 1]])  # not convex
    assert plane.within(arrow).tolist() == [2, 3]


def test_forgetting_removes_the_plane(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("one text to forget", encoding="utf-8")
    with create_index(tmp_path / ".semsearch") as index:
        index.ingest(tmp_path)
        index.plane()
        index.forget("a.md")
        assert not (index.folder / "plane.bin").exists()
    open_index(tmp_path / ".semsearch").close()


def test_forgetting_removes_what_was_decided_and_labelled(index: Index, review: Review) -> None:
    review.decide([Decision("a.md", "b.md", "remove"), Decision("g.md", "h.md", "both")])
    with open_labels(index.folder / LABELS) as file:
        for left, right in (("a.md", "b.md"), ("g.md", "h.md")):
            pair = certain_pair((left, right), (TEXTS[left], TEXTS[right]), 0.9)
            file.add(Label.of(pair, "1", index.model))
    with (index.folder / FILE).open("a", encoding="utf-8") as lines:
        lines.write("not a decision, but it names b.md\n")
    assert index.forget("b.md", verify=True).left == ()
    assert [one.left for one in read_labels(index.folder / LABELS)] == ["g.md"]
    assert "b.md" not in (index.folder / FILE).read_text(encoding="utf-8")
    assert ("g.md", {"h.md": "both"}) in shown(index.review(DedupRequest(0.5)))


def test_labels_in_use_are_forgotten_by_the_next_writer(index: Index) -> None:
    with open_labels(index.folder / LABELS) as file:
        pair = certain_pair(("a.md", "b.md"), (TEXTS["a.md"], TEXTS["b.md"]), 0.9)
        file.add(Label.of(pair, "1", index.model))
        with pytest.raises(IndexLocked):
            index.forget("b.md")
    index.remove("a.md")
    assert read_labels(index.folder / LABELS) == []


# -- the API ------------------------------------------------------------------------------------------------


class Api:
    """A client of the server of an index."""

    def __init__(self, index: Index, settings: Settings | None = None) -> None:
        self.settings = settings or Settings(token="secret")
        self.client = TestClient(create_app(index, self.settings), base_url="http://127.0.0.1")
        self.description = described(self.client)

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(f"/api/v1/{path}", params=parameters)
        require_described(self.description, answer, typed=True)
        return answer

    def post(self, path: str, **body: Any) -> Any:
        headers = {"X-Semsearch-Token": self.settings.token}
        answer = self.client.post(f"/api/v1/{path}", json=body, headers=headers)
        require_described(self.description, answer, typed=True)
        return answer

    def job(self, kind: str, **options: Any) -> Any:
        """Run a job and return its last state."""
        id_ = self.post("jobs", kind=kind, **options).json()["id"]
        for _ in range(600):
            job = self.get(f"jobs/{id_}").json()
            if job["state"] != "running":
                return job
            time.sleep(0.05)
        raise AssertionError(job)


@pytest.fixture
def api(index: Index) -> Iterator[Api]:
    made = Api(index)
    with made.client:
        yield made


def test_review_over_the_api_is_applied_and_undone(index: Index, api: Api) -> None:
    job = api.job("review")
    assert job["state"] == "done"
    review = {"job": job["id"]}
    told = api.get("groups", **review, limit=2).json()
    assert (told["total"], told["matching"], len(told["groups"])) == (3, 3, 2)
    usual = job["result"]["usual"]
    assert told["groups"][0]["keeper_text"] in TEXTS.values()
    pair = api.get("groups/pair", **review, keeper="a.md", member="b.md").json()
    assert "".join(one["b"] for one in pair["segments"]) == TEXTS["b.md"]
    decided = api.post("decisions", **review, keep="b.md", others=["a.md"], verdict="remove").json()
    assert (decided["groups"][0]["keeper"], decided["removed"]) == ("b.md", 1)
    assert api.post("decisions/accept", **review, tier="exact").json() == {"decided": 1}
    assert api.get("groups", **review, state="decided", order="size").json()["matching"] == 1
    assert api.get("groups", **review, tier="exact", state="open").json()["matching"] == 0
    plan = api.get("plan", **review)
    assert Plan.parse(plan.content).threshold == usual
    assert "attachment" in plan.headers["content-disposition"]
    tried = api.post("plan/apply", **review, dry_run=True).json()
    assert sorted(tried["done"]) == ["a.md", "f.md"]
    assert index.path_of("a.md").exists()
    assert sorted(api.post("plan/apply", **review).json()["done"]) == ["a.md", "f.md"]
    assert not index.path_of("a.md").exists()
    assert "a.md" not in index.sources()
    (run,) = api.get("runs").json()
    assert run["files"] == 2
    assert sorted(api.post("undo", run=run["run"]).json()["done"]) == ["a.md", "f.md"]
    assert index.path_of("a.md").read_text(encoding="utf-8") == DEPOSIT
    stale = api.post("decisions", **review, keep="b.md", others=["d.md"], verdict="both")
    assert stale.status_code == 422
    assert "has changed" in stale.json()["detail"]


def test_apply_over_the_api_leaves_a_file_that_has_changed(index: Index, api: Api) -> None:
    review = {"job": api.job("review")["id"]}
    api.post("decisions", **review, keep="e.md", others=["f.md"], verdict="remove")
    index.path_of("f.md").write_text("rewritten since", encoding="utf-8")
    outcome = api.post("plan/apply", **review).json()
    assert outcome["done"] == []
    assert [one["source"] for one in outcome["refused"]] == ["f.md"]
    assert index.path_of("f.md").exists()


@pytest.mark.parametrize("extra", [{"quarantine": "/tmp"}, {"allow": ["/"]}, {"output": "x"}, {"plan": {}}])
def test_apply_over_the_api_takes_no_path(api: Api, extra: dict[str, Any]) -> None:
    review = {"job": api.job("review")["id"]}
    assert api.post("plan/apply", **review, **extra).status_code == 400


def test_slider_has_the_counts_of_each_threshold(index: Index, api: Api) -> None:
    review = {"job": api.job("review")["id"]}
    told = api.get("groups/sizes", **review).json()
    thresholds = [step["threshold"] for step in told["steps"]]
    assert thresholds == sorted(thresholds)
    assert told["usual"] in thresholds
    for step in told["steps"][::8]:
        found = index.duplicates(step["threshold"])
        assert (step["groups"], step["duplicates"]) == (len(found.groups), found.exact + found.near)
        assert step["precision"] is None
    api.post("decisions", **review, keep="a.md", others=["b.md"], verdict="remove")
    api.post("decisions", **review, keep="g.md", others=["h.md"], verdict="different")
    assert api.post("decisions/labels", **review).json() == {"labelled": 2}
    assert api.get("groups/sizes", **review).json()["steps"][0]["precision"]["value"] == 0.5
    assert len(api.get("tuning").json()["curve"]["thresholds"]) == 2


def test_labels_over_the_api_are_those_of_the_command(index: Index, api: Api) -> None:
    job = api.job("label", above=0.3)
    first = api.get("labels/next", job=job["id"]).json()
    assert first["pairs"] == job["result"]["pairs"] > 2
    assert "cosine" not in json.dumps(first)
    names = {name: first["pair"][name] for name in ("left", "right")}
    assert api.post("labels", job=job["id"], **names, label="yes").json() == {"yes": 1, "no": 0, "skip": 0}
    second = api.get("labels/next", job=job["id"]).json()["pair"]
    assert {second["left"], second["right"]} != set(names.values())
    api.post("labels", job=job["id"], left=second["left"], right=second["right"], label="skip")
    rows = read_labels(index.folder / "labels.csv")
    sample = list(index.sample_pairs(0.3))
    assert [(row.left, row.right, row.cosine, row.band) for row in rows] == [
        (pair.left, pair.right, pair.cosine, pair.band) for pair in sample[:2]
    ]
    assert [row.label for row in rows] == ["1", "skip"]
    assert api.post("labels/undo").json()["undone"]["label"] == "skip"
    again = api.get("labels/next", job=job["id"]).json()["pair"]
    assert (again["left"], again["right"]) == (second["left"], second["right"])
    assert api.post("labels", job=job["id"], left="a.md", right="nowhere", label="no").status_code == 400


def test_tuning_shows_the_curve_of_its_job(index: Index, api: Api) -> None:
    assert api.get("tuning").json()["curve"] is None
    job = api.job("tune", sample=True)
    told = api.get("tuning", job=job["id"]).json()
    assert told["threshold"]["threshold"] == index.threshold["threshold"]
    assert told["curve"]["recall"][-1] == 1
    assert len({len(values) for values in told["curve"].values()}) == 1


def test_map_is_read_by_its_arrays(index: Index, api: Api) -> None:
    (index.folder.parent / "more").mkdir()
    (index.folder.parent / "more" / "z.md").write_text("a text in another folder", encoding="utf-8")
    index.ingest(index.folder.parent)
    review = api.job("review")["id"]
    content = api.get("map", groups=review).content
    size = int.from_bytes(content[:4], "little")
    about = json.loads(content[4 : 4 + size])
    count = about["passages"]
    assert count == len(TEXTS) + 1
    arrays = content[4 + size :]
    assert len(arrays) == 16 * count
    points = np.frombuffer(arrays, "<f4", 2 * count).reshape(-1, 2)
    folder = np.frombuffer(arrays, "<u4", count, 8 * count)
    group = np.frombuffer(arrays, "<u4", count, 12 * count)
    plane = index.plane()
    np.testing.assert_array_equal(points, plane.points)
    names = [plane.names[at] for at in plane.document]
    assert [about["folders"][at] for at in folder] == [
        "more" if name == "more/z.md" else "." for name in names
    ]
    assert {name for name, at in zip(names, group, strict=True) if not at} == {"more/z.md"}
    assert (
        len({at for name, at in zip(names, group, strict=True) if name in ("a.md", "b.md", "c.md", "d.md")})
        == 1
    )

    everything = api.get("map/passages", version=about["version"], limit=3).json()
    assert (everything["matching"], len(everything["passages"])) == (count, 3)
    assert everything["passages"][0]["text"] == TEXTS[everything["passages"][0]["document"]]
    named = api.get("map/passages", version=about["version"], contains="MORE/").json()
    assert [one["document"] for one in named["passages"]] == ["more/z.md"]
    x, y = points[0]
    around = ",".join(
        map(str, (x - 1e-3, y - 1e-3, x + 1e-3, y - 1e-3, x + 1e-3, y + 1e-3, x - 1e-3, y + 1e-3))
    )
    found = api.get("map/passages", version=about["version"], polygon=around).json()
    assert 0 in [one["number"] for one in found["passages"]]
    for polygon in ("1,2", "1,2,3", "a,b,c,d,e,f", "nan,0,1,1,0,1", ",".join(["0"] * 6000)):
        assert api.get("map/passages", version=about["version"], polygon=polygon).status_code == 400
    index.add([{"id": "1", "text": "new"}])
    assert api.get("map/passages", version=about["version"]).status_code == 422


def test_requests_out_of_range_are_problems(api: Api) -> None:
    job = api.job("review")["id"]
    for path, parameters in (
        ("groups", {"job": "nothing"}),
        ("groups", {"job": job, "threshold": -0.5}),
        ("groups", {"job": job, "threshold": 1.5}),
        ("groups", {"job": job, "offset": -1}),
        ("groups", {"job": job, "limit": 0}),
        ("groups", {"job": job, "order": "none"}),
        ("groups/pair", {"job": job, "keeper": "a.md", "member": "/etc/passwd"}),
        ("labels/next", {"job": job}),
        ("map/passages", {"version": "", "number": -1, "limit": 5000}),
    ):
        answer = api.get(path, **parameters)
        assert answer.status_code in (400, 404), (path, parameters, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


def test_read_only_server_shows_a_map_and_keeps_no_verdict(index: Index) -> None:
    api = Api(index, Settings(token="secret", read_only=True))
    with api.client:
        assert api.get("map").status_code == 200
        assert not (index.folder / "plane.bin").exists()
        for path, body in (
            ("decisions", {"job": "x", "keep": "a", "others": [], "verdict": "both"}),
            ("plan/apply", {"job": "x"}),
            ("undo", {}),
            ("labels", {"job": "x", "left": "a", "right": "b", "label": "yes"}),
            ("labels/undo", {}),
        ):
            assert api.post(path, **body).status_code == 403
