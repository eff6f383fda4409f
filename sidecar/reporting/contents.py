"""What a report says: the questions, and what their answers are called."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sidecar.reporting.lines import Read
from sidecar.reporting.page import Column, Figure, Kind, Page, Section, Table, Value, write_value
from sidecar.reporting.store import Row, Store
from sidecar.reporting.thresholds import thresholds

# More are not read, on a page.
_MOST_ROWS = 25
_MOST_CLUSTERS = 12
_EXAMPLES = 2
_LONGEST_EXAMPLE = 160

# A log of less has its spend by the hour.
_BY_THE_HOUR = timedelta(days=2)

# The default of `min_confidence`: which other one a policy has no record says.
_DOUBT = 0.4

# Two people's opinions are none of everybody's.
_FEWEST_SCORES = 5

_TITLE = "What the router did"

_COUNT = Column("requests", "requests", Kind.COUNT)
_SHARE = Column("share", "of all", Kind.SHARE, has_bar=True)
_COST = Column("cost", "spend", Kind.USD)
_BASELINE = Column("baseline_cost", "baseline", Kind.USD)
_SAVING = Column("saving", "saving", Kind.SAVING)
_P50 = Column("p50_seconds", "p50", Kind.SECONDS)
_P95 = Column("p95_seconds", "p95", Kind.SECONDS)
_TIER = Column("tier", "tier")
_MODEL = Column("model", "model")
_INTENT = Column("intent", "intent")


def compose(store: Store, read: Read) -> Page:
    """Everything there is to say."""
    first, last, requests = store.one("SELECT min(time), max(time), count(*) FROM requests")
    named = ", ".join(read.sources)
    notes = tuple(_notes(store, read))
    if not requests:
        return Page(_TITLE, f"No request in {named}.", notes=notes)
    sections = [
        _spend(store, last - first),
        _routed(store),
        _intents(store),
        _failures(store),
        _decisions(store),
        _doubtful(store),
        _feedback(store),
        thresholds(store),
    ]
    return Page(
        _TITLE,
        f"{requests:,} requests from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC, in {named}.",
        tuple(_figures(store)),
        tuple(section for section in sections if section is not None),
        notes,
    )


def _figures(store: Store) -> Iterator[Figure]:
    requests, cost, saving, compared, succeeded, failed_over, bypassed, p50, p95 = store.one("""
        SELECT count(*), sum(cost), sum(saving), sum(baseline_cost) FILTER (saving IS NOT NULL),
            count(*) FILTER (result = 'success'), count(*) FILTER (failed_over), count(*) FILTER (bypassed),
            quantile_cont(seconds, 0.5), quantile_cont(seconds, 0.95)
        FROM requests
    """)

    def of_all(count: int) -> str:
        return f"{write_value(count / requests, Kind.SHARE)} of the requests"

    yield Figure("requests", "Requests", requests, Kind.COUNT)
    yield Figure("cost", "Spend", cost, Kind.USD)
    yield Figure("baseline_cost", "Baseline", compared, Kind.USD, "had the fallback answered")
    share = f"{write_value(saving / compared, Kind.SHARE)} of that" if compared else ""
    yield Figure("saving", "Saving", saving, Kind.SAVING, share)
    yield Figure("success", "Answered", succeeded, Kind.COUNT, of_all(succeeded))
    yield Figure("failed_over", "Failed over", failed_over, Kind.COUNT, of_all(failed_over))
    yield Figure("bypassed", "Bypassed", bypassed, Kind.COUNT, of_all(bypassed))
    yield Figure("p50_seconds", "Time to answer, p50", p50, Kind.SECONDS, f"p95 {write_value(p95, Kind.SECONDS)}")


_MONEY = "sum(cost), sum(baseline_cost) FILTER (saving IS NOT NULL), sum(saving)"
_TIMES = "quantile_cont(seconds, 0.5), quantile_cont(seconds, 0.95)"
_OF_ALL = "count(*), count(*) / sum(count(*)) OVER ()"


def _top(store: Store, query: str, what: str, notes: list[str]) -> tuple[Row, ...]:
    """As many rows as a page has room for; a note says if there are more."""
    rows = store.ask(f"{query} LIMIT {_MOST_ROWS + 1}")
    if len(rows) > _MOST_ROWS:
        notes.append(f"Of {what} only the first {_MOST_ROWS} are shown.")
    return tuple(rows[:_MOST_ROWS])


def _spend(store: Store, length: timedelta) -> Section:
    unit, form = ("hour", "%m-%d %H:%M") if length < _BY_THE_HOUR else ("day", "%Y-%m-%d")
    by_time = store.ask(f"""
        SELECT strftime(date_trunc('{unit}', time), '{form}'), count(*), {_MONEY}
        FROM requests GROUP BY date_trunc('{unit}', time) ORDER BY date_trunc('{unit}', time)
    """)  # noqa: S608  # all of these queries are made of our own words
    notes: list[str] = []
    query = f"SELECT tenant, {_OF_ALL}, {_MONEY} FROM requests GROUP BY tenant ORDER BY sum(cost) DESC, tenant"  # noqa: S608
    by_tenant = _top(store, query, "the tenants", notes)
    tables = [Table("time", (Column(unit, unit), _COUNT, _COST, _BASELINE, _SAVING), tuple(by_time), "", True)]
    if len(by_tenant) > 1:
        columns = (Column("tenant", "tenant"), _COUNT, _SHARE, _COST, _BASELINE, _SAVING)
        tables.append(Table("tenants", columns, by_tenant, "By tenant"))
    return Section(
        "spend",
        "Spend",
        "By the policy's prices, answers that were thrown away included. The baseline is what the same tokens cost "
        "at the policy's fallback; only requests of which both are known count there. A saving below zero is a loss.",
        tuple(tables),
        tuple(notes),
    )


def _routed(store: Store) -> Section:
    notes: list[str] = []
    query = f"""
        SELECT tier, model, {_OF_ALL}, {_MONEY}, {_TIMES} FROM requests GROUP BY tier, model
        ORDER BY count(*) DESC, tier, model
    """  # noqa: S608
    by_model = _top(store, query, "tiers and models", notes)
    by_intent = store.ask(f"""
        SELECT tier, model, intent, {_OF_ALL}, sum(cost), sum(saving) FROM requests GROUP BY tier, model, intent
        ORDER BY count(*) DESC, tier, model, intent LIMIT {_MOST_ROWS}
    """)  # noqa: S608
    reasons = store.ask(f"SELECT reason, {_OF_ALL} FROM requests GROUP BY reason ORDER BY count(*) DESC, reason")  # noqa: S608
    money = (_COST, _BASELINE, _SAVING, _P50, _P95)
    return Section(
        "routed",
        "What went where",
        "The tier is the one decided, the model the one that answered.",
        (
            Table("models", (_TIER, _MODEL, _COUNT, _SHARE, *money), by_model),
            Table(
                "intents",
                (_TIER, _MODEL, _INTENT, _COUNT, _SHARE, _COST, _SAVING),
                tuple(by_intent),
                f"By intent, the {_MOST_ROWS} most frequent",
            ),
            Table("reasons", (Column("reason", "reason"), _COUNT, _SHARE), tuple(reasons), "Why"),
        ),
        tuple(notes),
    )


def _intents(store: Store) -> Section | None:
    notes: list[str] = []
    query = f"""
        SELECT intent, count(*), sum(cost), avg(cost), quantile_cont(cost, 0.95), {_TIMES},
            quantile_cont(first_byte_seconds, 0.5)
        FROM requests WHERE intent IS NOT NULL GROUP BY intent ORDER BY sum(cost) DESC, intent
    """  # noqa: S608
    rows = _top(store, query, "the intents", notes)
    if not rows:
        return None
    columns = (
        _INTENT,
        _COUNT,
        Column("cost", "spend", Kind.USD, has_bar=True),
        Column("mean_cost", "mean", Kind.USD),
        Column("p95_cost", "p95", Kind.USD),
        Column("p50_seconds", "time, p50", Kind.SECONDS),
        Column("p95_seconds", "time, p95", Kind.SECONDS, has_bar=True),
        Column("p50_first_byte_seconds", "first byte, p50", Kind.SECONDS),
    )
    says = "By what was spent on them."
    return Section("intents", "Dear and slow intents", says, (Table("", columns, rows),), tuple(notes))


def _failures(store: Store) -> Section:
    results = store.ask(f"SELECT result, {_OF_ALL} FROM requests GROUP BY result ORDER BY count(*) DESC, result")  # noqa: S608
    moves = store.ask(f"""
        SELECT first, model, count(*), sum(cost) FROM requests WHERE failed_over AND first IS DISTINCT FROM model
        GROUP BY first, model ORDER BY count(*) DESC, first, model LIMIT {_MOST_ROWS}
    """)  # noqa: S608
    attempts = store.ask(f"""
        WITH tried AS (SELECT unnest(attempts) AS each FROM requests),
        told AS (
            SELECT each.model AS model, each.status < 200 OR each.status >= 400 OR each.error IS NOT NULL AS failed,
                coalesce(each.error, each.status::VARCHAR) AS error
            FROM tried
        )
        SELECT model, count(*), count(*) FILTER (failed), count(*) FILTER (failed) / count(*),
            (SELECT string_agg(error || ' ' || times, ', ' ORDER BY times DESC, error) FROM (
                SELECT error, count(*) AS times FROM told AS other
                WHERE failed AND other.model IS NOT DISTINCT FROM told.model
                GROUP BY error ORDER BY times DESC, error LIMIT 3))
        FROM told GROUP BY model ORDER BY count(*) FILTER (failed) DESC, model LIMIT {_MOST_ROWS}
    """)  # noqa: S608
    tables = [Table("results", (Column("result", "result"), _COUNT, _SHARE), tuple(results))]
    if attempts:
        columns = (
            _MODEL,
            Column("attempts", "attempts", Kind.COUNT),
            Column("failed", "failed", Kind.COUNT),
            Column("share", "share", Kind.SHARE, has_bar=True),
            Column("errors", "most frequent errors"),
        )
        tables.append(Table("attempts", columns, tuple(attempts), "Errors by model"))
    if moves:
        moved = (Column("first", "asked first"), Column("model", "answered"), _COUNT, _COST)
        tables.append(Table("failovers", moved, tuple(moves), "Failovers"))
    says = "What the clients saw, what each model did with the requests that it got, and who stood in for whom."
    return Section("failures", "Failures, failovers, bypasses", says, tuple(tables))


def _decisions(store: Store) -> Section:
    parts = ["parse_seconds", "classify_seconds", "decide_seconds"]
    quantiles = ", ".join(f"quantile_cont({{0}}, {share})" for share in (0.5, 0.95, 0.99))
    whole = " + ".join(parts)
    rows: list[Row] = []
    for title, part, condition in (
        ("reading the body", parts[0], "true"),
        ("waiting for the classifier", parts[1], f"{parts[1]} > 0"),
        ("all else", parts[2], "true"),
        ("all of it", f"({whole})", "true"),
    ):
        # One after the other: a quantile holds all values of its column.
        query = f"SELECT count({{0}}), {quantiles} FROM requests WHERE {condition}".format(part)  # noqa: S608
        rows.append((title, *store.one(query)))
    cached, classified, missed = store.one("""
        SELECT count(*) FILTER (cached), count(*) FILTER (confidence IS NOT NULL),
            count(*) FILTER (reason LIKE 'classifier_%') FROM requests
    """)
    notes = []
    if classified:
        share = write_value(cached / classified, Kind.SHARE)
        notes.append(f"{share} of {classified:,} classifications were remembered from an earlier request.")
    if missed:
        notes.append(f"{missed:,} requests went to the fallback because the classifier was late, full or broken.")
    columns = (
        Column("part", "part"),
        _COUNT,
        *(Column(f"p{share}_seconds", f"p{share}", Kind.SECONDS) for share in (50, 95, 99)),
    )
    says = "What the router itself took."
    return Section("decisions", "Decisions", says, (Table("", columns, tuple(rows)),), tuple(notes))


def _doubtful(store: Store) -> Section | None:
    clusters = store.ask(f"""
        SELECT intent, second, count(*), avg(confidence), sum(cost), arg_min(text, time, {_EXAMPLES})
            FILTER (text IS NOT NULL)
        FROM requests
        WHERE intent IS NOT NULL AND (confidence < {_DOUBT} OR reason = 'low_confidence')
        GROUP BY intent, second ORDER BY count(*) DESC, intent, second LIMIT {_MOST_CLUSTERS}
    """)  # noqa: S608
    if not clusters:
        return None
    rows = tuple((*row[:5], " / ".join(map(_shorten, row[5])) if row[5] else None) for row in clusters)
    columns = (
        _INTENT,
        Column("second", "or"),
        _COUNT,
        Column("confidence", "confidence", Kind.NUMBER),
        _COST,
        Column("examples", "examples"),
    )
    return Section(
        "doubtful",
        "Prompts worth labelling",
        f"Where the classifier was in doubt (confidence below {_DOUBT:g}, or reason low_confidence), by what it took "
        "them for and what came next. Labels for some of each teach it most. There are examples where the policy "
        "samples prompts.",
        (Table("", columns, rows),),
    )


def _shorten(text: str) -> str:
    short = " ".join(text.split())
    return short if len(short) <= _LONGEST_EXAMPLE else f"{short[:_LONGEST_EXAMPLE]}…"


def _feedback(store: Store) -> Section | None:
    scored, labelled = store.one("SELECT count(score), count(label) FROM requests")
    if not scored and not labelled:
        return None
    score = Column("score", "mean score", Kind.NUMBER, has_bar=True)
    tables = []
    for column in (_TIER, _MODEL, _INTENT):
        rows = store.ask(f"""
            SELECT {column.key}, count(*), avg(score) FROM requests WHERE score IS NOT NULL
            GROUP BY {column.key} HAVING count(*) >= {_FEWEST_SCORES} ORDER BY avg(score), {column.key}
            LIMIT {_MOST_ROWS}
        """)  # noqa: S608
        if rows:
            tables.append(Table(f"{column.key}s", (column, _COUNT, score), tuple(rows), f"By {column.title}"))
    labels = store.ask(f"""
        SELECT label, count(*), count(text) FROM requests WHERE label IS NOT NULL GROUP BY label
        ORDER BY count(*) DESC, label LIMIT {_MOST_ROWS}
    """)  # noqa: S608
    if labels:
        columns = (Column("label", "label"), _COUNT, Column("with_text", "with a text", Kind.COUNT))
        tables.append(Table("labels", columns, tuple(labels), "Labels"))
    says = f"{scored:,} requests have a score, from 0 to 1, and {labelled:,} a label."
    return Section("feedback", "Feedback", f"{says} Means are of {_FEWEST_SCORES} scores or more.", tuple(tables))


def _notes(store: Store, read: Read) -> Iterator[str]:
    if read.broken:
        named = "; ".join(f"{place}: {fault}" for place, fault in read.first_broken)
        more = ", the first of them" if read.broken > len(read.first_broken) else ""
        yield f"{read.broken:,} of {read.lines:,} lines could not be read and are not counted{more}: {named}."
    (estimated, tokens, no_cost, no_baseline, unknown, bypassed, policies, classifiers) = store.one("""
        SELECT count(*) FILTER (estimated), count(input_tokens), count(*) FILTER (cost IS NULL),
            count(*) FILTER (cost IS NOT NULL AND saving IS NULL), count(*) FILTER (result = 'unknown'),
            count(*) FILTER (bypassed), count(DISTINCT policy) FILTER (policy != ''),
            count(DISTINCT classifier) FILTER (classifier != '')
        FROM requests
    """)
    for count, says in (
        (estimated, f"of {tokens:,} answers have tokens estimated by size, since the provider told none"),
        (no_cost, "requests have no known cost: no answer, or a model without a price"),
        (no_baseline, "requests have a cost and no baseline; they count in the spend and not in the saving"),
        (unknown, "requests have no known outcome: Envoy's log did not tell of them"),
        (bypassed, "requests went past the router; nothing is known of their prompts"),
    ):
        if count:
            yield f"{count:,} {says}."
    if policies > 1:
        yield f"{policies:,} policies decided in this time; the figures are of all of them together."
    if classifiers > 1:
        yield f"{classifiers:,} versions of the classifier were in use: confidences and difficulties are not alike."
    (lost,) = store.one("SELECT count(*) FROM opinions ANTI JOIN records USING (decision_id)")
    if lost:
        yield f"{lost:,} requests with feedback are not in the log."


def figures_as_json(page: Page) -> dict[str, Value]:
    """The numbers at the top, by key."""
    return {figure.key: figure.value for figure in page.figures}


def rows_as_json(table: Table) -> Sequence[dict[str, Value]]:
    """Each by the keys of its columns."""
    keys = [column.key for column in table.columns]
    return [dict(zip(keys, row, strict=True)) for row in table.rows]


def as_json(page: Page) -> dict[str, object]:
    """For programs."""
    return {
        "title": page.title,
        "subtitle": page.subtitle,
        "figures": figures_as_json(page),
        "sections": {
            section.key: {
                "notes": list(section.notes),
                **{table.key or "rows": rows_as_json(table) for table in section.tables},
            }
            for section in page.sections
        },
        "notes": list(page.notes),
    }
